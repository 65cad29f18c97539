"""Splats: shapes that must agree, and the maps between stored and used forms."""

import pytest
import torch

from scenekit.errors import InputError
from scenekit.splats import SH_C0, Splats, random_splats


@pytest.mark.parametrize("degree", range(5))
def test_the_degree_follows_from_the_number_of_coefficients(degree: int) -> None:
    splats = random_splats(3, degree=degree)
    assert splats.sh.shape == (3, (degree + 1) ** 2, 3)
    assert splats.sh_degree == degree


@pytest.mark.parametrize(
    ("name", "shape"),
    [("means", (5, 2)), ("quats", (4, 4)), ("log_scales", (5,)), ("logit_opacities", (5, 1)), ("sh", (5, 5, 3))],
)
def test_shapes_that_disagree_are_named(name: str, shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match=rf"splats\.{name}"):
        Splats(**random_splats(5).tensors() | {name: torch.zeros(shape)})


def test_scales_and_opacities_are_the_exp_and_the_sigmoid_of_what_is_stored() -> None:
    splats = random_splats(50)
    torch.testing.assert_close(splats.scales.log(), splats.log_scales)
    torch.testing.assert_close(splats.opacities.logit(), splats.logit_opacities, rtol=1e-4, atol=1e-5)


def test_map_changes_every_tensor_and_keeps_how_opacities_are_meant() -> None:
    splats = Splats(**random_splats(9).tensors(), antialiased=True)
    kept = splats.map(lambda t: t[2:5])
    assert len(kept) == 3
    assert kept.antialiased
    for name, tensor in kept.tensors().items():
        assert torch.equal(tensor, splats.tensors()[name][2:5])


def test_rows_are_taken_by_their_numbers_in_order_or_by_a_mask() -> None:
    splats = random_splats(5, degree=1)
    mask = torch.tensor([True, False, False, True, True])
    for taken, rows in ((splats.take(torch.tensor([4, 0, 0])), [4, 0, 0]), (splats.take(mask), [0, 3, 4])):
        assert all(torch.equal(tensor, splats.tensors()[name][rows]) for name, tensor in taken.tensors().items())
    assert len(splats.take(torch.zeros(5, dtype=torch.bool))) == 0


def test_random_splats_are_the_same_for_a_seed_and_differ_between_seeds() -> None:
    a, b, c = random_splats(8, seed=1), random_splats(8, seed=1), random_splats(8, seed=2)
    assert all(torch.equal(a.tensors()[k], b.tensors()[k]) for k in a.tensors())
    assert not torch.equal(a.means, c.means)


def test_the_constant_harmonic_is_one_over_two_root_pi() -> None:
    assert pytest.approx(0.5 / torch.pi**0.5, abs=1e-15) == SH_C0


def test_no_splats_are_splats() -> None:
    assert len(random_splats(0)) == 0

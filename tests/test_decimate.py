"""Decimation: moments are kept, pairs are disjoint and cheapest, and it looks better than leaving some out."""

import numpy as np
import pytest
import torch

from scenekit.cameras import look_at, pinhole
from scenekit.decimate import decimate, disjoint, importance, merge_round, merged_pairs, moments, quaternions
from scenekit.render.splats import render
from scenekit.render.splats_torch import covariances, rotations
from scenekit.splats import Splats, random_splats


def shape(splats: Splats) -> tuple[torch.Tensor, torch.Tensor]:
    return covariances(splats.quats.double(), splats.scales.double()), importance(splats)


def test_a_merged_pair_has_the_moments_of_the_mixture():
    splats = random_splats(40, degree=2)
    covs, shown = shape(splats)
    a, b = torch.arange(20), torch.arange(20, 40)
    united = merged_pairs(splats, covs, shown, a, b)
    p = (shown[a] / (shown[a] + shown[b]))[:, None]
    mean = p * splats.means[a].double() + (1 - p) * splats.means[b].double()
    second = sum(
        w[..., None] * (covs[i] + splats.means[i].double()[:, :, None] * splats.means[i].double()[:, None, :])
        for w, i in ((p, a), (1 - p, b))
    )
    torch.testing.assert_close(united.means.double(), mean, atol=1e-6, rtol=0)
    cov = second - mean[:, :, None] * mean[:, None, :]
    torch.testing.assert_close(shape(united)[0], cov, atol=1e-7, rtol=1e-4)
    torch.testing.assert_close(moments(splats.means.double(), covs, shown, a, b)[1], cov, atol=1e-12, rtol=1e-9)


def test_two_equal_gaussians_in_one_place_become_one_that_shows_as_much():
    one = random_splats(1, degree=1)
    one = Splats(**one.tensors() | {"logit_opacities": torch.tensor([-2.0])})
    both = one.map(lambda t: t.repeat(2, *[1] * (t.ndim - 1)))
    united = merge_round(both, 1)
    assert len(united) == 1
    torch.testing.assert_close(united.means, one.means)
    torch.testing.assert_close(united.sh, one.sh)
    torch.testing.assert_close(shape(united)[0], shape(one)[0], rtol=1e-5, atol=1e-12)
    torch.testing.assert_close(importance(united), 2 * importance(one))


def test_disjoint_pairs_are_those_of_the_loop_over_all_by_cost():
    rng = torch.Generator().manual_seed(0)
    a, b = torch.randint(0, 30, (2, 200), generator=rng)
    a, b = a[a != b], b[a != b]
    cost = torch.rand(len(a), generator=rng, dtype=torch.float64)
    used, expected = set(), []
    for i in cost.argsort().tolist():
        if not {int(a[i]), int(b[i])} & used:
            used |= {int(a[i]), int(b[i])}
            expected.append(i)
    assert disjoint(cost, a, b, 30).tolist() == expected


def test_quaternions_of_rotations_give_the_rotations_back():
    quats = torch.nn.functional.normalize(torch.randn(500, 4, dtype=torch.float64), dim=-1)
    quats[:4] = torch.eye(4)
    R = rotations(quats)
    torch.testing.assert_close(rotations(quaternions(R)), R, atol=1e-12, rtol=0)


@pytest.mark.parametrize("count", [1, 2, 77, 499, 500, 1000])
def test_at_most_the_count_is_left_and_all_is_finite(count):
    splats = random_splats(500)
    less = decimate(splats, count)
    assert len(less) == min(count, 500)
    assert all(tensor.isfinite().all() for tensor in less.tensors().values())
    assert less.sh_degree == splats.sh_degree
    assert count < 500 or less is splats


def test_many_gaussians_in_one_place_or_with_no_opacity_are_merged_too():
    splats = random_splats(100, degree=0)
    same = Splats(**splats.tensors() | {"means": torch.zeros(100, 3), "logit_opacities": torch.full((100,), -200.0)})
    less = decimate(same, 10)
    assert len(less) == 10 and all(tensor.isfinite().all() for tensor in less.tensors().values())


def test_antialiased_splats_stay_so():
    assert decimate(Splats(**random_splats(20).tensors(), antialiased=True), 10).antialiased


def test_merging_looks_better_than_leaving_out_the_least_important():
    """A wall of many discs, of which a quarter is kept."""
    rng = torch.Generator().manual_seed(0)
    n = 2000
    xy = torch.rand(n, 2, generator=rng) * 2 - 1
    means = torch.stack([xy[:, 0], torch.zeros(n), xy[:, 1]], -1)
    sh = torch.stack([(5 * xy[:, 0]).sin(), (4 * xy[:, 1]).cos(), xy[:, 0] * xy[:, 1]], -1)[:, None]
    log_scales = torch.tensor([[0.04, 0.003, 0.04]]).log().repeat(n, 1) + 0.2 * torch.randn(n, 3, generator=rng)
    wall = Splats(means, torch.tensor([[1.0, 0, 0, 0]]).repeat(n, 1), log_scales, torch.full((n,), 1.0), sh)
    camera, T = pinhole(64, 64, 80, 80, 32, 32), look_at(np.array([0.2, -3.0, 0.3]), np.zeros(3))

    def error(splats: Splats) -> float:
        return float((render(splats, camera, T).rgb - render(wall, camera, T).rgb).square().mean())

    top = importance(wall).argsort(descending=True)[: n // 4]
    assert error(decimate(wall, n // 4)) < 0.25 * error(wall.map(lambda t: t[top]))

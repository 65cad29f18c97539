"""Elements: one space for splats and surfaces, and draws that keep area, order and width out of it."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from scenekit.body import Body
from scenekit.errors import InputError
from scenekit.harmonics import sh_basis
from scenekit.jepa.elements import drawn, mesh_elements, owner_paths, scene_elements, splat_elements
from scenekit.meshes import Mesh
from scenekit.poses import Pose
from scenekit.scene import Node, SceneState
from scenekit.splats import random_splats
from scenekit.surface.flat_splats import mesh_splats


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def sheet(width: float = 2.0, color: tuple[int, int, int] = (200, 100, 50)) -> Mesh:
    """A rectangle width × 1 in the plane z = 0."""
    corners = torch.tensor([[0.0, 0, 0], [width, 0, 0], [width, 1, 0], [0, 1, 0]])
    colors = torch.tensor([*color, 255], dtype=torch.uint8).repeat(4, 1)
    return Mesh(corners, torch.tensor([[0, 1, 2], [0, 2, 3]]), colors)


def test_a_surface_says_what_flat_splats_on_it_say() -> None:
    mesh = sheet()
    surface = mesh_elements(mesh, 500, generator=generator())
    cloud = splat_elements(mesh_splats(mesh, 500, np.random.default_rng(0)))
    for name in ("covariances", "colors", "sheen", "areas"):
        torch.testing.assert_close(getattr(surface, name), getattr(cloud, name), atol=1e-5, rtol=1e-4)
    assert float(surface.areas.sum()) == pytest.approx(2.0, rel=1e-5)


def test_samples_of_a_surface_are_even() -> None:
    points = mesh_elements(sheet(), 2000, generator=generator()).means
    counts = torch.histogramdd(points[:, :2], bins=[4, 2], range=[0, 2, 0, 1]).hist
    assert float((counts - 250).abs().max()) < 40
    assert float(points[:, 2].abs().max()) == 0


def test_sheen_is_the_deviation_of_the_colour_over_all_directions() -> None:
    splats = random_splats(3, degree=3, seed=1)
    directions = torch.nn.functional.normalize(
        torch.randn(200_000, 3, generator=generator(), dtype=torch.float64), dim=1
    )
    colors = torch.einsum("dk,nkc->ndc", sh_basis(directions, 3), splats.sh.double())
    wanted = colors.var(1).mean(1).sqrt()
    torch.testing.assert_close(splat_elements(splats).sheen.double(), wanted, rtol=2e-2, atol=0)


def test_q_and_minus_q_are_the_same_to_the_bit() -> None:
    splats = random_splats(50)
    turned = splat_elements(replace(splats, quats=-splats.quats))
    assert torch.equal(splat_elements(splats).covariances, turned.covariances)


def test_a_draw_keeps_the_visible_area_and_shares_it_evenly() -> None:
    elements = splat_elements(random_splats(3000))
    few = drawn(elements, 256, generator=generator())
    visible = few.areas * few.opacities
    assert float(visible.sum()) == pytest.approx(float((elements.areas * elements.opacities).sum()), rel=1e-4)
    torch.testing.assert_close(visible, visible.mean().expand(256), rtol=1e-3, atol=0)


def test_one_gaussian_falls_into_pieces_that_are_together_as_wide() -> None:
    whole = splat_elements(random_splats(1, seed=3))
    pieces = drawn(whole, 4000, generator=generator())
    mean = pieces.means.mean(0)
    spread = torch.cov(pieces.means.T) + pieces.covariances.mean(0)
    deviation = whole.covariances[0].diagonal().sqrt()
    assert float(((mean - whole.means[0]) / deviation).abs().max()) < 0.08
    assert float(((spread - whole.covariances[0]) / torch.outer(deviation, deviation)).abs().max()) < 0.08


def test_no_element_is_drawn_twice_that_stands_for_less_than_a_share() -> None:
    elements = splat_elements(mesh_splats(sheet(), 3000, np.random.default_rng(0)))
    assert len(drawn(elements, 2048, generator=generator()).means.unique(dim=0)) == 2048


def test_draws_of_other_seeds_are_other_elements() -> None:
    elements = splat_elements(random_splats(3000))
    first, second = (drawn(elements, 100, generator=generator(seed)) for seed in (0, 1))
    shared = (first.means[:, None] == second.means).all(-1).any(1).float().mean()
    assert float(shared) < 0.2


def test_draws_do_not_depend_on_the_order() -> None:
    splats = random_splats(2000)
    order = torch.randperm(2000, generator=generator())
    twice = splats.map(lambda tensor: torch.cat([tensor, tensor]))  # twins, one place taken twice
    twice = replace(twice, logit_opacities=torch.randn(4000, generator=generator()))
    order = torch.randperm(4000, generator=generator())
    a = drawn(splat_elements(twice), 500, generator=generator())
    b = drawn(splat_elements(twice.map(lambda tensor: tensor[order])), 500, generator=generator())
    torch.testing.assert_close(a.means, b.means, atol=0, rtol=0)
    torch.testing.assert_close(a.opacities, b.opacities, atol=0, rtol=0)


def test_nodes_own_their_elements_in_the_world_and_static_ones_are_surroundings() -> None:
    floor = Node("floor", mesh=sheet(), body=Body("static"))
    mug = Node("mug", pose=Pose((0, 0, 5), (math.sqrt(0.5), 0, math.sqrt(0.5), 0)), mesh=sheet(1.0))
    cup = Node("cup", splats=random_splats(10))
    scene = SceneState(Node("", children=(floor, mug, cup)))
    assert owner_paths(scene) == ["/mug", "/cup"]
    elements = scene_elements(scene, 100, generator=generator())
    assert elements.owners.tolist() == [-1] * 100 + [0] * 100 + [1] * 10
    upright = elements.map(lambda tensor: tensor[100:200])
    assert float(upright.means[:, 0].std()) < 1e-6 and float(upright.means[:, 2].min()) >= 4
    normal = torch.linalg.eigh(upright.covariances).eigenvectors[:, :, 0]
    torch.testing.assert_close(normal.abs(), torch.tensor([1.0, 0, 0]).expand(100, 3), atol=1e-4, rtol=0)


def test_a_node_with_splats_and_a_mesh_counts_once() -> None:
    mesh = sheet()
    node = Node("thing", mesh=mesh, splats=mesh_splats(mesh, 300, np.random.default_rng(0)))
    scene = SceneState(Node("", children=(node,)))
    for choice, count in (("splats", 300), ("mesh", 50), ("both", 350)):
        elements = scene_elements(scene, 50, node=choice, generator=generator())
        assert len(elements) == count
        assert float(elements.areas.sum()) == pytest.approx(2.0, rel=1e-4)


@pytest.mark.parametrize("name", ["means", "quats", "log_scales", "logit_opacities", "sh"])
def test_numbers_that_are_not_finite_are_refused(name: str) -> None:
    splats = random_splats(5)
    spoilt = getattr(splats, name).clone()
    spoilt[2] = math.nan
    with pytest.raises(InputError, match="1 of 5"):
        splat_elements(replace(splats, **{name: spoilt}))


def test_what_cannot_be_seen_is_refused() -> None:
    splats = random_splats(5)
    with pytest.raises(InputError, match="0 elements"):
        drawn(splat_elements(splats.map(lambda tensor: tensor[:0])), 10, generator=generator())
    with pytest.raises(InputError, match="none of which can be seen"):
        hidden = replace(splats, logit_opacities=torch.full((5,), -math.inf))
        drawn(splat_elements(hidden), 10, generator=generator())
    with pytest.raises(InputError, match="area"):
        mesh_elements(replace(sheet(), vertices=torch.zeros(4, 3)), 10, generator=generator())
    with pytest.raises(InputError, match="area"):
        mesh_elements(replace(sheet(), vertices=torch.full((4, 3), math.nan)), 10, generator=generator())
    with pytest.raises(InputError, match="neither"):
        scene_elements(SceneState(), 10, generator=generator())

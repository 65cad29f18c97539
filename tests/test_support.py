"""Support planes: planes that are known exactly are found, and the right one of several."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from scenekit.cameras import look_at, pinhole, quaternion_from_rotation
from scenekit.capture.capture import Capture, Photo, Points
from scenekit.capture.level import rotation_between
from scenekit.errors import InputError
from scenekit.splats import Splats, merge, random_splats
from scenekit.support import Attention, attention, find_support, level_below, shortest_axes

UP = np.array([0.0, 0.0, 1.0])
LOOK = Attention(np.zeros(3), 0.6)


def sheet(side: float, *, height: float = 0.0, normal: np.ndarray = UP, n: int = 3000, seed: int = 0) -> Splats:
    """A square of flat Gaussians through (0, 0, height)."""
    rng = np.random.default_rng(seed)
    R = rotation_between(UP, normal)
    points = np.column_stack([rng.uniform(-side / 2, side / 2, (n, 2)), rng.normal(0, 5e-4, n)]) @ R.T + height * UP
    sigma = side / n**0.5
    return Splats(
        torch.from_numpy(points).float(),
        torch.from_numpy(quaternion_from_rotation(R)).float().expand(n, 4).contiguous(),
        torch.tensor([sigma, sigma, sigma / 20]).log().expand(n, 3).contiguous(),
        torch.full((n,), 4.0),
        torch.zeros(n, 1, 3),
    )


def found(splats: Splats, look: Attention = LOOK, **options: float):
    return find_support(splats, look, **{"tilt": np.radians(30), "tolerance": 0.01, "min_share": 0.06, **options})


@pytest.mark.parametrize("degrees", [0.0, 3.0, 20.0])
def test_the_normal_of_a_tilted_plane_is_found_to_a_twentieth_of_a_degree(degrees):
    normal = np.array([np.sin(np.radians(degrees)), 0.0, np.cos(np.radians(degrees))])
    support = found(merge([sheet(1.0, normal=normal), random_splats(1500, degree=0, extent=0.7)]))
    assert np.degrees(np.arccos(np.clip(support.normal @ normal, -1, 1))) < 0.05
    assert abs(support.offset) < 1e-3


def test_a_plane_steeper_than_the_tilt_is_no_support():
    with pytest.raises(InputError, match="support plane"):
        found(sheet(1.0, normal=np.array([1.0, 0.0, 0.2]) / np.linalg.norm([1.0, 0.0, 0.2])))


def test_a_table_that_is_looked_at_wins_over_a_larger_floor():
    support = found(merge([sheet(1.0), sheet(4.0, height=-0.75, n=6000)]))
    assert abs(support.offset) < 1e-3


def test_the_floor_wins_where_nothing_else_is():
    assert abs(found(sheet(4.0, height=-0.1)).offset + 0.1) < 1e-3


def test_the_same_seed_finds_the_same_plane_to_the_bit():
    scene = merge([sheet(1.0), random_splats(1500, degree=0, extent=0.7)])
    first, second = found(scene), found(scene)
    assert np.array_equal(first.normal, second.normal) and first.offset == second.offset


@pytest.mark.parametrize(
    "splats",
    [random_splats(0, degree=0), random_splats(1, degree=0), random_splats(2000, degree=0, extent=0.6)],
    ids=["empty", "one", "cloud"],
)
def test_where_there_is_no_plane_the_error_says_so(splats):
    with pytest.raises(InputError, match="support plane"):
        found(splats)


def test_the_floor_below_a_table_is_found_beside_it():
    scene = merge([sheet(1.0), sheet(3.0, height=-0.7, n=6000)])
    support = found(scene)
    beside = scene.means[:, :2].abs().amax(1).numpy() > 0.5
    assert abs(level_below(scene, support, LOOK.reach, beside=beside) + 0.7) < support.thickness


def test_there_is_no_floor_below_a_floor():
    scene = sheet(3.0)
    assert level_below(scene, found(scene), LOOK.reach, beside=np.ones(len(scene), bool)) == -np.inf


def test_the_shortest_axis_of_a_flat_gaussian_is_its_normal():
    normal = np.array([0.6, 0.0, 0.8])
    axes = shortest_axes(sheet(1.0, normal=normal, n=5)).numpy()
    np.testing.assert_allclose(np.abs(axes @ normal), 1.0, atol=1e-6)


def test_photos_look_at_the_point_their_axes_meet_in():
    target, camera = np.array([0.1, -0.2, 0.3]), pinhole(64, 48, 60.0, 60.0, 32.0, 24.0)
    eyes = [target + 2 * np.array([np.cos(a), np.sin(a), 0.5]) for a in np.linspace(0, 6, 8)]
    photos = [Photo(f"{k}.png", None, camera, look_at(eye, target)) for k, eye in enumerate(eyes)]  # type: ignore[arg-type]
    look = attention(sheet(1.0), Capture(photos, Points.none(), "photos"))
    np.testing.assert_allclose(look.focus, target, atol=0.02)
    np.testing.assert_allclose(look.reach, np.hypot(1.0, 0.5), rtol=0.02)

"""Isosurface: closed, manifold and free of crossings for any field, and where the field says."""

import numpy as np
import pytest

from scenekit.errors import InputError
from scenekit.surface.isosurface import isosurface
from scenekit.validation.crossings import crossings
from scenekit.validation.probe import Probe
from scenekit.validation.surface import Surface

ORIGIN, VOXEL = (-1.0, 2.0, 3.0), 0.01


def random_field(kind: str, seed: int, shape: tuple[int, int, int] = (9, 10, 11)) -> np.ndarray:
    """Any numbers within, positive on the border."""
    rng = np.random.default_rng(seed)
    field = rng.normal(size=shape)
    kinds = {
        "signs": np.sign(field),
        "whole": np.round(field),
        "uneven": np.sign(field) * 10 ** rng.uniform(-9, 9, shape),
    }
    field = kinds.get(kind, field)
    field[[0, -1]] = field[:, [0, -1]] = field[:, :, [0, -1]] = np.abs(field).max()
    return field.astype(np.float32)


def nodes(shape: tuple[int, ...]) -> np.ndarray:
    return np.array(ORIGIN) + VOXEL * np.stack(np.unravel_index(np.arange(np.prod(shape)), shape), 1)


@pytest.mark.parametrize("kind", ["normal", "signs", "whole", "uneven"])
@pytest.mark.parametrize("seed", range(3))
def test_any_field_gives_a_closed_manifold_without_crossings_or_flat_faces(kind: str, seed: int) -> None:
    mesh = isosurface(random_field(kind, seed), origin=ORIGIN, voxel=VOXEL)
    surface = Surface(mesh)
    assert set(surface.faces_at) == {2} and surface.is_closed
    assert not len(surface.pinched) and not len(surface.degenerate) and not len(surface.duplicates)
    assert len(surface.vertices) == len(mesh.vertices)
    found = crossings(surface.vertices, surface.faces, budget=10**8)
    assert found.complete and not len(found.pairs)


@pytest.mark.parametrize("seed", range(3))
def test_it_encloses_the_negative_nodes_and_no_other(seed: int) -> None:
    field = random_field("normal", seed)
    surface = Surface(isosurface(field, origin=ORIGIN, voxel=VOXEL))
    inside = Probe(surface.vertices, surface.faces).inside(nodes(field.shape))
    assert np.array_equal(inside, field.ravel() < 0)
    assert surface.solid.volume > 0


def test_a_linear_field_gives_its_plane() -> None:
    normal = np.array([0.36, 0.48, 0.8])
    points = nodes((8, 8, 8))
    field = (points - points.mean(0)) @ normal
    surface = Surface(isosurface(field.reshape(8, 8, 8), origin=ORIGIN, voxel=VOXEL))
    assert np.abs((surface.vertices - points.mean(0)) @ normal).max() < VOXEL / 64 * 1.7
    areas = np.cross(*np.diff(surface.triangles, axis=1).swapaxes(0, 1))
    assert (areas @ normal > 0).all()


def test_a_ball_has_its_volume_and_its_radius() -> None:
    x = np.arange(-30, 31) / 30
    field = np.linalg.norm(np.stack(np.meshgrid(x, x, x, indexing="ij"), -1), axis=-1) - 0.8
    surface = Surface(isosurface(field, origin=(-1, -1, -1), voxel=1 / 30))
    assert np.abs(np.linalg.norm(surface.vertices, axis=1) - 0.8).max() < 0.05 / 30
    assert surface.solid.volume == pytest.approx(4 / 3 * np.pi * 0.8**3, rel=2e-3)


def test_a_field_without_a_zero_gives_no_face() -> None:
    assert len(isosurface(np.ones((3, 3, 3)), origin=(0, 0, 0), voxel=1.0).faces) == 0


@pytest.mark.parametrize(
    ("field", "options", "what"),
    [
        (np.ones((3, 3)), {}, "field"),
        (np.ones((3, 3, 1)), {}, "field"),
        (np.full((3, 3, 3), np.nan), {}, "field"),
        (np.ones((3, 3, 3)), {"voxel": 0.0}, "voxel"),
        (np.ones((3, 3, 3)), {"voxel": float("nan")}, "voxel"),
        (np.ones((3, 3, 3)), {"origin": (1e6, 0, 0)}, "voxel"),
    ],
)
def test_what_is_no_field_is_refused(field: np.ndarray, options: dict, what: str) -> None:
    with pytest.raises(InputError, match=what):
        isosurface(field, **{"origin": (0, 0, 0), "voxel": 0.01} | options)

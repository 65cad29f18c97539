"""Mass properties: closed forms, axioms, and trimesh as an independent judge."""

from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh

from scenekit.mass import mass_properties, polyhedron
from scenekit.meshes import Mesh


def arrays(solid: trimesh.Trimesh) -> tuple[np.ndarray, np.ndarray]:
    return np.asarray(solid.vertices, np.float64), np.asarray(solid.faces)


def test_a_box_has_the_volume_centre_and_inertia_of_the_textbook() -> None:
    a, b, c = 0.3, 0.5, 0.7
    vertices, faces = arrays(trimesh.creation.box((a, b, c)))
    solid = polyhedron(vertices + np.array([1, 2, 3]), faces)
    volume = a * b * c
    assert solid.volume == pytest.approx(volume, rel=1e-14)
    np.testing.assert_allclose(solid.centre, (1, 2, 3), rtol=1e-14)
    wanted = np.diag([b * b + c * c, a * a + c * c, a * a + b * b]) * volume / 12
    np.testing.assert_allclose(solid.inertia, wanted, rtol=1e-12, atol=1e-16)
    np.testing.assert_allclose(solid.principal, np.sort(np.diag(wanted)), rtol=1e-12)


def test_a_tetrahedron_has_the_inertia_of_its_integral() -> None:
    vertices = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
    solid = polyhedron(vertices, np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]]))
    assert solid.volume == pytest.approx(1 / 6, rel=1e-14)
    np.testing.assert_allclose(solid.centre, [0.25, 0.25, 0.25], rtol=1e-14)
    # ∫ x² = 1/60, ∫ x y = 1/120, less the centre's part
    xx, xy = 1 / 60 - 1 / 96, 1 / 120 - 1 / 96
    np.testing.assert_allclose(
        solid.inertia, (3 * xx * np.eye(3)) - (xy * np.ones((3, 3)) + (xx - xy) * np.eye(3)), rtol=1e-12
    )


def test_a_ball_of_many_faces_nears_two_fifths_m_r_squared() -> None:
    solid = polyhedron(*arrays(trimesh.creation.icosphere(6, 0.2)))
    assert solid.volume == pytest.approx(4 / 3 * np.pi * 0.2**3, rel=1e-3)
    np.testing.assert_allclose(solid.principal / solid.volume, 0.4 * 0.2**2, rtol=1e-3)


def test_turning_moving_and_scaling_act_as_they_must() -> None:
    rng = np.random.default_rng(1)
    vertices, faces = arrays(trimesh.creation.torus(0.3, 0.1))
    R = trimesh.transformations.random_rotation_matrix(rng.random(3))[:3, :3]
    here, there = polyhedron(vertices, faces), polyhedron(2 * vertices @ R.T + (5, -3, 2), faces)
    assert there.volume == pytest.approx(8 * here.volume, rel=1e-12)
    np.testing.assert_allclose(there.centre, 2 * R @ here.centre + (5, -3, 2), rtol=1e-12)
    np.testing.assert_allclose(there.inertia, 32 * R @ here.inertia @ R.T, rtol=1e-10, atol=1e-15)


def test_far_from_the_origin_nothing_is_lost() -> None:
    vertices, faces = arrays(trimesh.creation.box((1, 1, 1)))
    solid = polyhedron(vertices + 4096.0, faces)
    assert solid.volume == pytest.approx(1, rel=1e-12)
    np.testing.assert_allclose(solid.inertia, np.eye(3) / 6, rtol=1e-9, atol=1e-12)


def test_faces_that_look_inwards_make_the_volume_negative() -> None:
    vertices, faces = arrays(trimesh.creation.box((1, 1, 1)))
    assert polyhedron(vertices, faces[:, ::-1]).volume == pytest.approx(-1)


def test_nothing_has_no_mass() -> None:
    empty = Mesh(torch.zeros(0, 3), torch.zeros(0, 3, dtype=torch.int64))
    assert mass_properties(empty).volume == 0
    assert not mass_properties(empty).inertia.any()


@pytest.mark.real
@pytest.mark.parametrize("name", ["fandisk", "rocker-arm", "spot/spot"])
def test_trimesh_agrees_on_real_solids(shared: Path, name: str) -> None:
    solid = trimesh.load(shared / "meshes" / f"{name}.obj", process=False, force="mesh")
    solid.merge_vertices(merge_tex=True, merge_norm=True)
    ours = polyhedron(*arrays(solid))
    assert solid.is_watertight
    assert ours.volume == pytest.approx(solid.volume, rel=1e-9)
    np.testing.assert_allclose(ours.centre, solid.center_mass, rtol=1e-7, atol=1e-9 * solid.scale)
    size = np.abs(solid.moment_inertia).max()
    np.testing.assert_allclose(ours.inertia, solid.moment_inertia, atol=1e-8 * size)

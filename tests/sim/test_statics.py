"""What stays: flat tops are found, fields are exact, meshes with holes have a named remedy."""

import numpy as np
import pytest
import torch
import trimesh

from scenekit.errors import InputError
from scenekit.meshes import Mesh
from scenekit.scene import Node
from scenekit.sim.shapes import DistanceField
from scenekit.sim.statics import slab_of, static_field
from scenekit.splats import Splats


def mesh_of(shape: trimesh.Trimesh) -> Mesh:
    return Mesh(torch.from_numpy(shape.vertices.copy()).float(), torch.from_numpy(shape.faces.copy()).long())


def sheet(n: int = 9, side: float = 0.4) -> Mesh:
    """n × n vertices in the plane z = 0."""
    line = torch.linspace(-side / 2, side / 2, n)
    vertices = torch.cat([torch.cartesian_prod(line, line), torch.zeros(n * n, 1)], 1)
    a = torch.arange(n * n).reshape(n, n)[:-1, :-1].reshape(-1)
    return Mesh(vertices, torch.cat([torch.stack([a, a + n, a + n + 1], 1), torch.stack([a, a + n + 1, a + 1], 1)]))


def table() -> Mesh:
    """1 × 0.8 m, whose top is at z = 0.7."""
    top = trimesh.creation.box((1.0, 0.8, 0.05)).apply_translation((0, 0, 0.675))
    legs = [
        trimesh.creation.box((0.06, 0.06, 0.65)).apply_translation((x, y, 0.325))
        for x in (-0.4, 0.4)
        for y in (-0.3, 0.3)
    ]
    return mesh_of(trimesh.util.concatenate([top, *legs]))


def test_a_table_is_met_as_the_slab_under_its_top():
    slab = slab_of(Node("table", mesh=table()), np.eye(4))
    assert slab is not None
    assert sorted(slab.box.half[:2]) == pytest.approx([0.4, 0.5], abs=0.01)
    assert slab.pose.position[2] + slab.box.half[2] == pytest.approx(0.7, abs=1e-4)


def test_the_top_of_a_turned_table_of_splats_is_found():
    rng = np.random.default_rng(0)
    n = 4000
    T = trimesh.transformations.rotation_matrix(0.5, (0, 0, 1))
    T[:3, 3] = (0.3, 0.2, 0.4)
    flat = np.c_[rng.uniform(-0.6, 0.6, n), rng.uniform(-0.4, 0.4, n), rng.normal(0, 1e-3, n)]
    fog = rng.uniform((-0.6, -0.4, -0.5), (0.6, 0.4, -0.02), (n // 4, 3))
    scales = torch.tensor([0.02, 0.02, 0.001]).log().repeat(n + n // 4, 1)
    quats = torch.tensor([1.0, 0, 0, 0]).repeat(n + n // 4, 1)
    means = torch.from_numpy(np.concatenate([flat, fog])).float()
    splats = Splats(means, quats, scales, torch.full((len(means),), 3.0), torch.zeros(len(means), 1, 3))
    slab = slab_of(Node("table", splats=splats), T)
    assert slab is not None
    assert sorted(slab.box.half[:2]) == pytest.approx([0.4, 0.6], abs=0.02)
    assert slab.pose.position[2] + slab.box.half[2] == pytest.approx(0.4, abs=2e-3)


def test_what_has_no_flat_top_is_no_slab():
    assert slab_of(Node("ball", mesh=mesh_of(trimesh.creation.icosphere(3, 0.2))), np.eye(4)) is None
    assert slab_of(Node("empty"), np.eye(4)) is None
    wall = trimesh.transformations.rotation_matrix(np.pi / 2, (1, 0, 0))
    assert slab_of(Node("wall", mesh=sheet()), wall) is None


def test_a_field_is_the_distance_also_deep_inside():
    field = DistanceField.around(mesh_of(trimesh.creation.icosphere(5, 0.2)), voxel=0.02)
    points = np.random.default_rng(0).uniform(-0.2, 0.2, (500, 3))
    wanted = np.linalg.norm(points, axis=1) - 0.2
    away = np.linalg.norm(points, axis=1) > 0.03  # the field has a tip in the middle
    assert np.abs(field.at(points) - wanted)[away & (wanted < 0.04)].max() < 2e-3


def test_a_grid_that_is_too_fine_is_refused():
    with pytest.raises(InputError, match="voxel"):
        DistanceField.around(mesh_of(trimesh.creation.icosphere(1, 0.2)), voxel=1e-4)


def test_static_meshes_with_holes_have_a_named_remedy():
    ball = trimesh.creation.icosphere(3, 0.2)
    field, remedy = static_field(mesh_of(ball), voxel=0.02)
    assert remedy == "" and field.at(np.zeros((1, 3)))[0] < -0.15
    field, remedy = static_field(mesh_of(trimesh.Trimesh(ball.vertices, ball.faces[5:])), voxel=0.02)
    assert "membrane" in remedy and field.at(np.zeros((1, 3)))[0] < -0.02
    field, remedy = static_field(sheet(), voxel=0.02)
    assert "sheet" in remedy
    assert np.allclose(field.at(np.array([[0, 0, 0.05], [0, 0, -0.05], [0, 0, 0]])), [0.03, 0.03, -0.02], atol=2e-3)

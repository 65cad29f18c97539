"""Tetrahedra that fill solids: their volume, shape and surface, and what cannot be filled."""

import numpy as np
import pytest
import torch
import trimesh

from scenekit.errors import InputError
from scenekit.material import materials
from scenekit.meshes import Mesh
from scenekit.sim.soft_bodies import boundary, soft_body
from scenekit.sim.tetrahedralize import tetrahedralize
from scenekit.surface.signed_distance import SignedDistance
from scenekit.validation.surface import Surface


def mesh_of(solid: trimesh.Trimesh) -> Mesh:
    return Mesh(torch.tensor(solid.vertices, dtype=torch.float32), torch.tensor(solid.faces, dtype=torch.int64))


def volumes(vertices: torch.Tensor, tets: torch.Tensor) -> torch.Tensor:
    corners = vertices.double()[tets.long()]
    return torch.linalg.det(corners[:, 1:] - corners[:, :1]) / 6


SOLIDS = {
    "ball": (trimesh.creation.icosphere(2, 0.1), 0.02),
    "box": (trimesh.creation.box((0.2, 0.1, 0.05)), 0.02),
    "torus": (trimesh.creation.torus(0.1, 0.03), 0.015),
    "capsule": (trimesh.creation.capsule(0.2, 0.03), 0.02),
}


@pytest.mark.parametrize("name", SOLIDS)
def test_a_solid_is_filled_by_well_shaped_tetrahedra_up_to_its_surface(name: str) -> None:
    solid, cell = SOLIDS[name]
    mesh = mesh_of(solid)
    vertices, tets = tetrahedralize(mesh, cell=cell)
    volume = volumes(vertices, tets)
    assert float(volume.sum()) == pytest.approx(solid.volume, rel=0.06)
    assert float(volume.min()) > 0.19 * cell**3 / 12  # four fifths of a lattice tetrahedron may go
    faces = boundary(tets).long()
    assert Surface(Mesh(vertices, faces)).is_closed
    away = np.abs(SignedDistance(mesh)(vertices[faces.unique()].double().numpy()))
    assert np.median(away) < 1e-6 and away.max() < 0.3 * cell


def test_finer_cells_fill_better() -> None:
    ball = trimesh.creation.icosphere(3, 0.1)
    wrong = [
        abs(float(volumes(*tetrahedralize(mesh_of(ball), cell=c)).sum()) / ball.volume - 1) for c in (0.05, 0.0125)
    ]
    assert wrong[1] < 0.3 * wrong[0]


def test_what_is_thinner_than_a_cell_is_filled_in_one_piece() -> None:
    vertices, tets = tetrahedralize(mesh_of(trimesh.creation.box((0.2, 0.2, 0.01))), cell=0.03)
    assert float(volumes(vertices, tets).min()) > 0
    faces = tets[:, [0, 1, 2, 0, 1, 3, 0, 2, 3, 1, 2, 3]].reshape(-1, 3).sort(1).values.numpy()
    owner = np.arange(len(tets)).repeat(4)
    _, which = np.unique(faces, axis=0, return_inverse=True)
    order = np.argsort(which.reshape(-1), kind="stable")
    same = which.reshape(-1)[order][1:] == which.reshape(-1)[order][:-1]
    pairs = np.stack([owner[order][1:][same], owner[order][:-1][same]], 1)
    assert len(trimesh.graph.connected_components(pairs, nodes=np.arange(len(tets)))) == 1


def test_a_mesh_with_a_hole_is_filled_as_if_it_were_closed() -> None:
    ball = trimesh.creation.icosphere(2, 0.1)
    open_ball = trimesh.Trimesh(ball.vertices, ball.faces[ball.triangles_center[:, 2] < 0.095], process=False)
    volume = float(volumes(*tetrahedralize(mesh_of(open_ball), cell=0.02)).sum())
    assert volume == pytest.approx(ball.volume, rel=0.06)


def test_the_same_mesh_gives_the_same_tetrahedra() -> None:
    mesh = mesh_of(trimesh.creation.icosphere(2, 0.1))
    for first, second in zip(tetrahedralize(mesh), tetrahedralize(mesh), strict=True):
        assert torch.equal(first, second)


def test_tetrahedra_make_a_soft_body() -> None:
    solid = trimesh.creation.icosphere(2, 0.05)
    body = soft_body(*tetrahedralize(mesh_of(solid)), materials["jelly"])
    density = materials["jelly"].density.value
    assert float(body.mass.sum()) == pytest.approx(density * solid.volume, rel=0.06)


@pytest.mark.parametrize(
    ("mesh", "cell", "message"),
    [
        (Mesh(torch.zeros(3, 3), torch.zeros(0, 3, dtype=torch.int64)), 0.1, "solid"),
        (Mesh(torch.eye(3) * torch.inf, torch.tensor([[0, 1, 2]])), 0.1, "not finite"),
        (Mesh(torch.zeros(3, 3), torch.tensor([[0, 1, 2]])), None, "more than 0 m"),
        (mesh_of(trimesh.creation.box((1, 1, 1))), -1.0, "more than 0 m"),
        (mesh_of(trimesh.creation.box((1, 1, 1))), 1e-6, "at most"),
    ],
)
def test_what_cannot_be_filled_is_refused(mesh: Mesh, cell: float | None, message: str) -> None:
    with pytest.raises(InputError, match=message):
        tetrahedralize(mesh, cell=cell)

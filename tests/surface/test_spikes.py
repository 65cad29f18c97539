"""Spikes: gone where they stand on a surface; edges, corners and pointed things stay."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import trimesh

from scenekit.io.mesh_files import read_mesh
from scenekit.meshes import Mesh
from scenekit.surface.spikes import spikes, without_spikes
from scenekit.validation.surface import Surface


def mesh_of(solid: trimesh.Trimesh) -> Mesh:
    return Mesh(torch.tensor(solid.vertices, dtype=torch.float32), torch.tensor(solid.faces, dtype=torch.int64))


BALL = mesh_of(trimesh.creation.icosphere(4, 0.5))


def spiked(which: torch.Tensor, factor: float) -> Mesh:
    vertices = BALL.vertices.clone()
    vertices[which] *= factor
    return replace(BALL, vertices=vertices)


@pytest.mark.parametrize("factor", [1.3, 2.0, 0.6])
def test_vertices_pulled_out_or_in_are_found_and_put_back(factor: float) -> None:
    which = torch.arange(50, 2500, 150)
    broken = spiked(which, factor)
    assert np.array_equal(spikes(Surface(broken), 60.0), which)
    after = without_spikes(broken, 60.0)
    assert (after.vertices.norm(dim=1) - 0.5).abs().max() < 0.004
    others = torch.ones(len(BALL.vertices), dtype=torch.bool)
    others[which] = False
    assert torch.equal(after.vertices[others], BALL.vertices[others])


@pytest.mark.parametrize(
    "thing",
    [
        trimesh.creation.box((1, 1, 1)),
        trimesh.creation.box((1, 1, 0.001)),
        trimesh.creation.cone(0.05, 1.0, sections=24),
        trimesh.creation.cylinder(0.01, 1.0, sections=12),
        trimesh.creation.icosahedron(),
    ],
    ids=["box", "plate", "cone", "rod", "icosahedron"],
)
def test_corners_edges_and_points_of_things_are_no_spikes(thing: trimesh.Trimesh) -> None:
    for k in range(3):
        mesh = mesh_of(thing)
        assert without_spikes(mesh, 60.0) is mesh, k
        thing = thing.subdivide()


def test_none_is_narrower_than_no_opening() -> None:
    broken = spiked(torch.tensor([7]), 2.0)
    assert without_spikes(broken, 0.0) is broken


@pytest.mark.real
@pytest.mark.parametrize("name", ["rocker-arm.obj", "stanford-bunny.obj", "fandisk.obj", "teapot.obj", "spot/spot.obj"])
def test_true_meshes_have_none(shared, name: str) -> None:
    assert len(spikes(Surface(read_mesh(shared / "meshes" / name)), 60.0)) == 0

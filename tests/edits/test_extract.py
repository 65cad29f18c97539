"""Extract: a field that is a ball becomes a mesh and splats of that ball."""

import logging

import pytest
import torch

from scenekit import edits
from scenekit.errors import FitError, InputError
from scenekit.fields.contraction import Region
from scenekit.fields.fitted import FittedField
from scenekit.fields.hash_field import HashField, HashFieldConfig
from scenekit.fields.hash_grid import HashGridConfig
from scenekit.fields.occupancy import OccupancyGrid
from scenekit.fields.rendering import Look, stepping_of
from scenekit.poses import Pose
from scenekit.scene import Node, SceneState


def ball(*, scale: float = 400.0, bias: float = 0.0) -> SceneState:
    """/ball: a ball of radius 0.5 about its origin, in a region of half a side 1."""
    grid = HashGridConfig(levels=2, log2_rows=8, coarsest=4, finest=8)
    config = HashFieldConfig(grid, hidden=8, activation="softplus", blob_scale=scale, blob_std=0.5, bias=bias)
    region = Region((0.0, 0.0, 0.0), 1.0)
    part = FittedField(HashField(region, config), Look(stepping_of(region), OccupancyGrid(region, 8)))
    return SceneState(Node("", children=(Node("ball", Pose((5.0, 0.0, 0.0)), field=part), Node("empty"))))


def test_a_field_becomes_a_mesh_and_splats_in_its_nodes_frame() -> None:
    node = edits.Extract("/", voxels=48, count=500).apply(ball()).node("/ball")
    assert node.mesh is not None and node.splats is not None and node.field is not None
    for points in (node.mesh.vertices, node.splats.means):
        torch.testing.assert_close(points.norm(dim=1), torch.full((len(points),), 0.5), atol=0.05, rtol=0)
    assert len(node.splats) == 500 and node.pose.position == (5.0, 0.0, 0.0)


@pytest.mark.parametrize(("what", "parts"), [("mesh", (True, False)), ("splats", (False, True))])
def test_only_what_was_asked_for_is_made_and_the_field_may_go(what: str, parts: tuple[bool, bool]) -> None:
    extract = edits.Extract("/ball", what, voxels=16, count=10, keep_field=False)  # type: ignore[arg-type]
    node = extract.apply(ball()).node("/ball")
    assert (node.mesh is not None, node.splats is not None, node.field is None) == (*parts, True)


def test_a_thin_field_has_a_surface_and_a_word_of_it(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        node = edits.Extract("/ball", voxels=16, count=10).apply(ball(scale=2.0)).node("/ball")
    assert node.mesh is not None and len(node.mesh.faces) and "half of the greatest density" in caplog.text


def test_nothing_to_extract_and_nothing_in_it_are_errors() -> None:
    with pytest.raises(InputError, match="no node has a field"):
        edits.Extract("/empty").apply(ball())
    with pytest.raises(FitError, match="something to see"):
        edits.Extract("/ball", voxels=8).apply(ball(bias=-1e4))

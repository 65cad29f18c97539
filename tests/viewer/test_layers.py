"""Tests of scenekit.viewer.layers and of what of them a drawing draws, without a browser."""

import io
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import trimesh

from scenekit.edits import Delete, Move
from scenekit.meshes import painted
from scenekit.scene import Node, Scene, SceneState
from scenekit.selection import Everything
from scenekit.splats import random_splats
from scenekit.viewer import Viewer, ViewerConfig
from scenekit.viewer.cameras import home
from scenekit.viewer.drawing import Style
from scenekit.viewer.layers import Collision, box_of, glb_of, spread
from scenekit.viewer.panels.statistics import statistics
from tests.viewer.test_picking import box_mesh, dense


@pytest.fixture
def viewer() -> Iterator[Viewer]:
    """A scene with a mesh, with splats, and with both."""
    splats, mesh = random_splats(40, degree=0), painted(box_mesh(), (1, 0, 0))
    nodes = (
        Node("both", splats=splats, mesh=mesh),
        Node("mesh", mesh=mesh, children=(Node("below", splats=splats.map(lambda t: t[:9])),)),
        Node("empty", splats=random_splats(0, degree=0)),
    )
    with Viewer(Scene(SceneState(Node("", children=nodes))), ViewerConfig(port=0, open=False)) as viewer:
        viewer.drawing.restyle(splats=True)
        yield viewer


def drawn(viewer: Viewer) -> set[str]:
    """What is drawn: path and layer of each part."""
    parts = {f"{path} {layer}" for path, layer in viewer.drawing.parts}
    return parts | {f"{path} splats" for path in viewer.drawing.clouds}


def test_of_a_node_with_both_the_style_says_what_is_seen(viewer: Viewer) -> None:
    rest = {"/mesh mesh", "/mesh/below splats"}
    for look, both in (
        ("splats", {"/both splats"}),
        ("meshes", {"/both mesh"}),
        ("both", {"/both splats", "/both mesh"}),
    ):
        viewer.drawing.restyle(look=look)
        assert drawn(viewer) == rest | both


def test_what_did_not_change_is_not_drawn_again(viewer: Viewer) -> None:
    kept = dict(viewer.drawing.parts), {p: dict(c.pieces) for p, c in viewer.drawing.clouds.items()}
    viewer.session.apply(Move("/mesh", by=(1.0, 0.0, 0.0)))
    viewer.session.hide("/both")
    assert (dict(viewer.drawing.parts), {p: dict(c.pieces) for p, c in viewer.drawing.clouds.items()}) == kept
    assert tuple(viewer.drawing.frames["/mesh"].position) == (1.0, 0.0, 0.0)
    assert not viewer.drawing.frames["/both"].visible and viewer.drawing.frames["/mesh"].visible


def test_what_is_deleted_goes_with_all_below_it_and_undo_brings_it_back(viewer: Viewer) -> None:
    everything = drawn(viewer)
    viewer.session.apply(Delete("/mesh"))
    assert drawn(viewer) == {"/both splats"} and "/mesh/below" not in viewer.drawing.frames
    viewer.session.undo()
    assert drawn(viewer) == everything


def test_a_selected_node_has_a_box_and_a_selected_part_another_colour(viewer: Viewer) -> None:
    viewer.session.choose("/both")
    assert "/both chosen" in drawn(viewer)
    (before,) = viewer.drawing.clouds["/both"].pieces.values()
    viewer.session.choose("/both", Everything())
    (after,) = viewer.drawing.clouds["/both"].pieces.values()
    assert "/both chosen" not in drawn(viewer)
    assert after.rgbs[:, 0].mean() > before.rgbs[:, 0].mean() and after.rgbs[:, 2].mean() < before.rgbs[:, 2].mean()
    viewer.session.choose(None)
    (restored,) = viewer.drawing.clouds["/both"].pieces.values()
    np.testing.assert_array_equal(restored.rgbs[:, 0].sum(), before.rgbs[:, 0].sum())


def test_collision_pieces_are_drawn_once_they_were_worked_out(viewer: Viewer) -> None:
    viewer.drawing.restyle(layers=frozenset({"collision"}))
    assert "/mesh collision" not in drawn(viewer)
    viewer.drawing.collision.work_out(viewer.session.shown.state.node("/mesh").mesh)  # type: ignore[arg-type]
    viewer.drawing.restyle()
    assert "/mesh collision" in drawn(viewer)


def test_pieces_of_a_box_are_that_box() -> None:
    collision, mesh = Collision(), box_mesh()
    assert collision.of(mesh) is None and collision.of(None) is None
    collision.work_out(mesh)
    found = collision.of(mesh)
    assert found is not None
    np.testing.assert_allclose(found.vertices.aminmax(dim=0).max, torch.ones(3), atol=1e-4)


def test_a_glb_is_the_mesh_in_its_own_axes() -> None:
    read: Any = trimesh.load(io.BytesIO(glb_of(painted(box_mesh(), (1, 0, 0)))), file_type="glb", force="mesh")
    order = [np.lexsort(v.T) for v in (read.vertices, box_mesh().vertices.numpy())]
    np.testing.assert_allclose(read.vertices[order[0]], box_mesh().vertices.numpy()[order[1]], atol=1e-6)


def test_the_box_of_a_node_holds_its_splats_and_its_mesh() -> None:
    box = box_of(Node("a", splats=dense((3.0, 0.0, -2.0)), mesh=box_mesh()))
    assert box is not None
    np.testing.assert_allclose(box, [[-1, -1, -2], [3, 1, 1]])
    assert box_of(Node("a")) is None


def test_numbers_are_spread_from_the_first_to_the_last() -> None:
    assert spread(5, 9) == [0, 1, 2, 3, 4] and spread(0, 9) == []
    some = spread(1000, 11)
    assert (some[0], some[-1], len(set(some))) == (0, 999, 11)


def test_people_begin_where_they_see_all_but_floaters() -> None:
    splats = random_splats(2000, degree=0, extent=0.5)
    splats.means[0] = 1e6
    eye, target = home(SceneState(Node("", children=(Node("a", splats=splats),))))
    assert np.abs(target).max() < 0.1 and 1.0 < np.linalg.norm(eye - target) < 3.0
    empty = home(SceneState())
    assert np.isfinite(empty).all() and not np.allclose(*empty)


def test_statistics_count_all_nodes(viewer: Viewer) -> None:
    text = statistics(viewer.session.shown.state)
    figures = dict(row.strip("| ").split(" | ") for row in text.splitlines()[2:])
    bytes_of_splats, bytes_of_mesh = 49 * 14 * 4, 8 * 12 + 12 * 24 + 8 * 4
    assert figures["Gaussians"] == "49" and figures["faces"] == "24" and figures["nodes"] == "4"
    assert figures["memory"] == f"{(bytes_of_splats + 2 * bytes_of_mesh) / 1e6:,.1f} MB"
    assert figures["metre"] == "estimated"


def test_styles_differ_only_where_a_node_has_both() -> None:
    both, mesh, splats = (
        Node("a", splats=dense((0, 0, 0)), mesh=box_mesh()),
        Node("b", mesh=box_mesh()),
        Node("c", splats=dense((0, 0, 0))),
    )
    for look, node in itertools.product(("splats", "meshes", "both"), (mesh, splats)):
        style = Style(look=look)  # type: ignore[arg-type]
        assert (style.shows_splats(node), style.shows_mesh(node)) == (node is splats, node is mesh)
    assert [Style(look=look).shows_mesh(both) for look in ("splats", "meshes", "both")] == [False, True, True]  # type: ignore[arg-type]


def test_the_tree_lists_selects_and_hides_and_stays_short(viewer: Viewer, tmp_path: Path) -> None:
    tree: Any = next(panel for panel in viewer.panels if type(panel).__name__ == "TreePanel")
    assert list(tree.visible) == ["/both", "/mesh", "/mesh/below", "/empty"]
    viewer.session.hide("/mesh")
    viewer.session.choose("/both")
    assert not tree.visible["/mesh"].value and tree.selected.value == "/both"
    viewer.session.apply(Delete("/mesh"))
    assert list(tree.visible) == ["/both", "/empty"] and tree.selected.options == ("(nothing)", "/both", "/empty")

"""Meshes: each fault made on purpose is found with the right numbers, and nothing in what is sound."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import trimesh

from scenekit.capture.capture import Frame
from scenekit.meshes import Mesh
from scenekit.scene import Node, SceneState
from scenekit.validation import Finding, findings

Found = Callable[..., dict[str, Finding]]


def without(mesh: Mesh, *faces: int) -> Mesh:
    keep = [f for f in range(len(mesh.faces)) if f not in faces]
    return replace(mesh, faces=mesh.faces[keep])


def plus(mesh: Mesh, *faces: list[int]) -> Mesh:
    return replace(mesh, faces=torch.cat([mesh.faces, torch.tensor(faces)]))


def test_nothing_is_found_in_sound_solids(solids: Any, found: Found) -> None:
    torus = solids.of(trimesh.creation.torus(0.5, 0.2))
    for mesh in (solids.box(), solids.ball(0.1), torus, solids.box(0.01, 2, 3)):
        assert found(mesh) == {}


def test_a_cube_without_a_side_has_one_hole_of_four_edges(solids: Any, found: Found) -> None:
    box = solids.box()
    side = [f for f in range(12) if (box.vertices[box.faces[f], 2] == 0.5).all()]
    hole = found(without(box, *side))["mesh-holes"]
    assert hole.severity == "warning"
    assert hole.figures == {"holes": 1, "edges": 4, "length": pytest.approx(4), "longest": pytest.approx(4)}
    assert "1 hole with 4 border edges, 4 m in all" in hole.what
    assert hole.where == "longest at (0, 0, 0.5) m"


def test_two_holes_are_two_and_the_longest_comes_first(solids: Any, found: Found) -> None:
    box = solids.box(1, 1, 3)
    top = [f for f in range(12) if (box.vertices[box.faces[f], 2] == 1.5).all()]
    side = next(f for f in range(12) if (box.vertices[box.faces[f], 0] == 0.5).all())
    bottom = [f for f in range(12) if (box.vertices[box.faces[f], 2] == -1.5).all()]
    figures = found(without(box, *top, *bottom))["mesh-holes"].figures
    assert (figures["holes"], figures["edges"], figures["length"], figures["longest"]) == (2, 8, 8, 4)
    slit = found(without(box, side))["mesh-holes"].figures
    assert slit["edges"] == 3
    assert slit["length"] == pytest.approx(1 + 3 + 10**0.5)


def test_a_seam_of_the_texture_is_no_hole(solids: Any, found: Found) -> None:
    box = solids.box()
    apart = Mesh(box.vertices[box.faces.ravel()], torch.arange(36).reshape(-1, 3), uvs=torch.rand(36, 2))
    assert found(apart) == {}


def test_a_fin_makes_an_edge_of_three_faces(solids: Any, found: Found) -> None:
    box = solids.box()
    a, b = box.faces[0, :2].tolist()
    fin = plus(replace(box, vertices=torch.cat([box.vertices, torch.tensor([[3.0, 3, 3]])])), [a, b, 8])
    assert found(fin)["mesh-nonmanifold-edges"].figures == {"count": 1}
    assert found(fin)["mesh-holes"].figures["edges"] == 2


def test_two_cubes_that_touch_in_a_corner_are_pinched_there(solids: Any, found: Found) -> None:
    both = found(solids.together(solids.box(), solids.moved(solids.box(), 1, 1, 1)))
    assert both["mesh-nonmanifold-vertices"].figures == {"count": 1}
    assert both["mesh-nonmanifold-vertices"].where == "first at (0.5, 0.5, 0.5) m"
    assert both["mesh-shells"].figures["shells"] == 2
    assert "mesh-self-intersections" not in both
    assert "mesh-nonmanifold-edges" not in both


def test_a_face_turned_over_disagrees_with_its_three_neighbours(solids: Any, found: Found) -> None:
    box = solids.box()
    faces = box.faces.clone()
    faces[4] = faces[4].flip(0)
    winding = found(replace(box, faces=faces))
    assert winding["mesh-winding"].figures == {"count": 3}
    assert "mesh-inside-out" not in winding


def test_a_moebius_strip_has_one_border_and_cannot_be_wound(solids: Any, found: Found) -> None:
    n, t = 40, np.arange(40) * 2 * np.pi / 40
    rim = [
        np.stack([(1 + w * np.cos(t / 2)) * np.cos(t), (1 + w * np.cos(t / 2)) * np.sin(t), w * np.sin(t / 2)], 1)
        for w in (-0.3, 0.3)
    ]
    faces = []
    for k in range(n):
        a, b, c, d = k, n + k, (k + 1) % n, n + (k + 1) % n
        c, d = (c, d) if k + 1 < n else (d, c)
        faces += [[a, b, c], [b, d, c]]
    strip = found(solids.mesh(np.concatenate(rim), np.array(faces)))
    assert strip["mesh-holes"].figures["holes"] == 1
    assert strip["mesh-holes"].figures["edges"] == 2 * n
    assert strip["mesh-winding"].figures["count"] == 1


def test_a_solid_turned_inside_out_is_an_error_with_its_volume(solids: Any, found: Found) -> None:
    turned = found(solids.turned(solids.box(1, 2, 3)))
    assert turned["mesh-inside-out"].severity == "error"
    assert turned["mesh-inside-out"].figures == {"shells": 1, "volume": pytest.approx(-6)}


def test_a_room_seen_from_within_is_no_error(solids: Any, found: Found) -> None:
    assert found(solids.static("room", solids.turned(solids.box(4, 4, 3))))["mesh-inside-out"].severity == "warning"


def test_a_hollow_is_a_cavity_and_not_inside_out(solids: Any, found: Found) -> None:
    hollow = found(solids.together(solids.ball(1), solids.turned(solids.ball(0.8))))
    assert set(hollow) == {"mesh-shells"}
    assert hollow["mesh-shells"].severity == "note"
    assert hollow["mesh-shells"].figures | {"cavities": 1, "closed": 1, "buried": 0} == hollow["mesh-shells"].figures


def test_a_solid_within_a_solid_is_buried_and_a_small_one_beside_it_a_crumb(solids: Any, found: Found) -> None:
    buried = found(solids.together(solids.ball(1), solids.ball(0.5)))["mesh-shells"]
    assert (buried.severity, buried.figures["buried"]) == ("warning", 1)
    crumb = found(solids.together(solids.ball(1), solids.moved(solids.ball(0.1), 2, 0, 0)))["mesh-shells"]
    assert (crumb.severity, crumb.figures["crumbs"], crumb.figures["closed"]) == ("warning", 1, 2)
    equal = found(solids.together(solids.ball(1), solids.moved(solids.ball(1), 3, 0, 0)))["mesh-shells"]
    assert (equal.severity, equal.figures["crumbs"]) == ("note", 0)


def test_faces_without_area_and_faces_there_twice_are_counted_and_named(solids: Any, found: Found) -> None:
    box = solids.box()
    middle = replace(box, vertices=torch.cat([box.vertices, box.vertices[:2].mean(0, keepdim=True)]))
    flat = found(plus(middle, [0, 1, 8], [3, 3, 5]))["mesh-degenerate-faces"]
    assert (flat.figures, flat.where) == ({"count": 2}, "faces 12, 13")
    twice = found(plus(box, box.faces[3].tolist(), box.faces[5].flip(0).tolist()))["mesh-duplicate-faces"]
    assert (twice.figures, twice.where) == ({"count": 2}, "faces 12, 13")


def test_two_balls_in_one_mesh_cross_along_a_ring(solids: Any, found: Found) -> None:
    crossed = found(solids.together(solids.ball(1), solids.moved(solids.ball(1), 1, 0, 0)))["mesh-self-intersections"]
    assert crossed.figures["complete"] == 1
    assert crossed.figures["pairs"] >= crossed.figures["faces"] / 2 > 20


def test_a_heap_of_faces_says_that_only_a_part_was_looked_at(solids: Any, found: Found) -> None:
    heap = np.random.default_rng(0).random((9000, 3))
    crossed = found(solids.mesh(heap, np.arange(9000).reshape(-1, 3)))["mesh-self-intersections"]
    assert crossed.figures["complete"] == 0
    assert "at least" in crossed.what


def test_vertices_that_are_idle_or_there_twice_are_notes(solids: Any, found: Found) -> None:
    box = solids.box()
    idle = found(replace(box, vertices=torch.cat([box.vertices, torch.ones(3, 3)])))
    assert idle["mesh-unreferenced-vertices"].figures == {"count": 3}
    assert idle["mesh-duplicate-vertices"].figures == {"count": 2}
    assert {f.severity for f in idle.values()} == {"note"}


def test_positions_that_are_not_finite_are_an_error_and_end_the_checks(solids: Any, found: Found) -> None:
    box = solids.box()
    box.vertices[2, 1], box.vertices[5, 0] = torch.nan, torch.inf
    broken = found(box)
    assert set(broken) == {"mesh-not-finite"}
    assert broken["mesh-not-finite"].severity == "error"
    assert broken["mesh-not-finite"].where == "vertices 2, 5"


@pytest.mark.parametrize(("size", "code"), [(1e-5, "mesh-size"), (1e4, "mesh-size"), (0.1, None), (100.0, None)])
def test_sizes_nobody_has_are_a_warning(solids: Any, found: Found, size: float, code: str | None) -> None:
    assert (code in found(solids.box(size, size, size))) == (code is not None)
    if code:
        assert found(solids.box(size, size, size))[code].figures["size"] == pytest.approx(size)


def test_texture_coordinates_that_are_missing_or_out_of_range_are_found(solids: Any, found: Found) -> None:
    textured = replace(solids.box(), texture=torch.zeros(2, 2, 4, dtype=torch.uint8))
    assert "mesh-uvs-missing" in found(textured)
    inside = replace(textured, uvs=torch.rand(8, 2))
    assert found(inside) == {}
    uvs = torch.full((8, 2), 0.5)
    uvs[1] = 1.7
    assert found(replace(textured, uvs=uvs))["mesh-uvs-range"].figures == {"count": 1}
    assert found(replace(textured, uvs=uvs))["mesh-uvs-range"].severity == "note"
    uvs[2] = torch.nan
    assert found(replace(textured, uvs=uvs))["mesh-uvs-range"].severity == "warning"


def test_a_mesh_of_no_faces_is_empty(solids: Any, found: Found) -> None:
    assert set(found(without(solids.box(), *range(12)))) == {"mesh-empty"}


@pytest.mark.real
@pytest.mark.parametrize("name", ["stanford-bunny", "fandisk", "rocker-arm", "spot/spot", "cow", "suzanne", "teapot"])
def test_trimesh_agrees_on_what_is_closed_and_how_real_meshes_hang_together(shared: Path, name: str) -> None:
    solid = trimesh.load(shared / "meshes" / f"{name}.obj", process=False, force="mesh")
    mesh = Mesh(torch.tensor(solid.vertices, dtype=torch.float32), torch.tensor(solid.faces, dtype=torch.int64))
    codes = {
        f.code: f for f in findings(SceneState(Node("", children=(Node("x", mesh=mesh),)), Frame("given", "given")))
    }
    solid.merge_vertices(merge_tex=True, merge_norm=True, digits_vertex=12)
    edges = np.sort(solid.edges, axis=1)
    counts = np.unique(edges, axis=0, return_counts=True)[1]
    border = codes["mesh-holes"].figures["edges"] if "mesh-holes" in codes else 0
    crowded = codes["mesh-nonmanifold-edges"].figures["count"] if "mesh-nonmanifold-edges" in codes else 0
    assert border == (counts == 1).sum()
    assert crowded == (counts > 2).sum()
    pieces = trimesh.graph.connected_component_labels(solid.face_adjacency, node_count=len(solid.faces)).max() + 1
    if not crowded:  # trimesh joins no faces across edges of more than two
        assert (codes["mesh-shells"].figures["shells"] if "mesh-shells" in codes else 1) == pieces
    assert ("mesh-winding" not in codes) == solid.is_winding_consistent

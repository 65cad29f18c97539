"""Holes: closed by triangles that neither fold nor cross, or left as they are."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
import trimesh

from scenekit.meshes import Mesh
from scenekit.surface.holes import least_triangulation, rims, with_holes_closed
from scenekit.validation.crossings import crossings
from scenekit.validation.surface import Surface


def mesh_of(solid: trimesh.Trimesh) -> Mesh:
    return Mesh(torch.tensor(solid.vertices, dtype=torch.float32), torch.tensor(solid.faces, dtype=torch.int64))


def crescent() -> np.ndarray:
    """A plane polygon of 24 corners, counter-clockwise, that no fan around its mean fills."""
    turn = np.linspace(0, 1.6 * np.pi, 12)
    arc = np.stack([np.cos(turn), np.sin(turn), 0 * turn], 1)
    return np.concatenate([arc, 0.8 * arc[::-1]])


def area_vectors(corners: np.ndarray, faces: np.ndarray) -> np.ndarray:
    a, b, c = corners[faces].swapaxes(0, 1)
    return np.cross(b - a, c - a) / 2


def crossed(mesh: Mesh) -> int:
    surface = Surface(mesh)
    return len(crossings(surface.vertices, surface.faces).pairs)


def test_a_plane_polygon_is_triangulated_without_a_fold() -> None:
    for corners, up in ((crescent(), 1.0), (crescent()[::-1], -1.0), (np.roll(crescent(), 5, axis=0), 1.0)):
        areas = area_vectors(corners, least_triangulation(corners, np.tile([0, 0, up], (len(corners), 1))))
        polygon = np.cross(corners, np.roll(corners, -1, axis=0)).sum(0)[2] / 2
        assert np.abs(areas[:, 2]).sum() == pytest.approx(abs(polygon))


def test_of_all_triangulations_of_a_polygon_none_costs_less() -> None:
    """Every triangulation of seven corners in space, one by one."""

    def every(first: int, last: int) -> list[list[tuple[int, int, int]]]:
        if last - first < 2:
            return [[]]
        return [
            [*left, (first, m, last), *right]
            for m in range(first + 1, last)
            for left in every(first, m)
            for right in every(m, last)
        ]

    corners = np.random.default_rng(3).normal(size=(7, 3))
    beyond = np.random.default_rng(4).normal(size=(7, 3))
    beyond /= np.linalg.norm(beyond, axis=1, keepdims=True)

    def cost(faces: list[tuple[int, int, int]]) -> float:
        areas = area_vectors(corners, np.array(faces))
        normals = areas / np.linalg.norm(areas, axis=1, keepdims=True)
        total, at = np.linalg.norm(areas, axis=1).sum(), {}
        for face, normal in zip(faces, normals, strict=True):
            for a, b in pairwise([*face, face[0]]):
                at.setdefault((min(a, b), max(a, b)), []).append(normal)
        for (a, b), pair in at.items():
            other = pair[1] if len(pair) == 2 else beyond[b if (a, b) == (0, 6) else a]
            total += ((corners[a] - corners[b]) ** 2).sum() * (1.05 - pair[0] @ other)
        return float(total)

    best = min(cost(faces) for faces in every(0, 6))
    assert cost([tuple(face) for face in least_triangulation(corners, beyond).tolist()]) == pytest.approx(best)


def test_holes_without_a_middle_are_closed_without_crossings() -> None:
    """The sides of a prism over a crescent."""
    foot = crescent()
    r, n = np.arange(24), np.roll(np.arange(24), -1)
    sides = np.concatenate([np.stack([r, n, n + 24], 1), np.stack([r, n + 24, r + 24], 1)])
    vertices = torch.tensor(np.concatenate([foot, foot + np.array([0, 0, 0.3])]), dtype=torch.float32)
    closed = with_holes_closed(Mesh(vertices, torch.from_numpy(sides)), 10.0)
    assert Surface(closed).is_closed and crossed(closed) == 0
    area = np.cross(foot, np.roll(foot, -1, axis=0)).sum(0)[2] / 2
    assert Surface(closed).solid.volume == pytest.approx(0.3 * area, rel=1e-5)
    assert len(closed.vertices) == 48


def test_a_patch_that_would_cross_the_mesh_is_refused() -> None:
    """A ball without its cap, and a needle through where the cap was."""
    ball = mesh_of(trimesh.creation.icosphere(3, 0.5))
    opened = replace(ball, faces=ball.faces[~(ball.vertices[ball.faces][:, :, 2] > 0.4).all(1)])
    needle = torch.tensor([[-0.01, 0, -0.2], [0.01, 0, -0.2], [0.02, 0.01, 0.9]])
    pierced = Mesh(torch.cat([opened.vertices, needle]), torch.cat([opened.faces, torch.tensor([[642, 643, 644]])]))
    assert Surface(with_holes_closed(opened, 2.0)).is_closed
    assert with_holes_closed(pierced, 2.0) is pierced


def test_a_sheet_is_not_closed_onto_itself() -> None:
    grid = trimesh.creation.box((1, 1, 0.1))
    sheet = replace(mesh_of(grid), faces=torch.from_numpy(grid.faces[grid.face_normals[:, 2] > 0.9].astype(np.int64)))
    assert with_holes_closed(sheet, 10.0) is sheet


def test_a_rim_that_touches_itself_is_parted() -> None:
    """Two faces of a plane grid that share a corner are taken out."""
    x, y = np.meshgrid(np.arange(5.0), np.arange(5.0))
    vertices = torch.tensor(np.stack([x.ravel(), y.ravel(), 0 * x.ravel()], 1), dtype=torch.float32)
    cell = np.array([[0, 1, 6], [0, 6, 5]])
    faces = np.concatenate([cell + 5 * row + column for row in range(4) for column in range(4)])
    kept = [k for k, face in enumerate(faces.tolist()) if face not in ([6, 7, 12], [12, 18, 17])]
    loops = sorted(map(len, rims(Surface(Mesh(vertices, torch.from_numpy(faces[kept]))))))
    assert loops == [3, 3, 16]


def test_colours_of_a_new_vertex_are_the_mean_of_the_rims() -> None:
    ball = mesh_of(trimesh.creation.icosphere(3, 0.5))
    colours = torch.randint(0, 256, (642, 4), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    around = (ball.faces == 20).any(1)
    closed = with_holes_closed(replace(ball, vertex_colors=colours, faces=ball.faces[~around]), 0.5)
    rim = torch.unique(ball.faces[around])
    assert closed.vertex_colors is not None
    assert torch.equal(closed.vertex_colors[-1], colours[rim[rim != 20]].double().mean(0).round().to(torch.uint8))

"""Crossing triangles: known cases, a plain twin in exact arithmetic, and Open3D on real meshes."""

import itertools
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import trimesh

from scenekit._libraries import open3d
from scenekit.validation.crossings import crossings


def crossing(*triangles: object) -> bool:
    t = np.array(triangles, np.float64)
    return len(crossings(t.reshape(-1, 3), np.arange(3 * len(t)).reshape(-1, 3)).pairs) > 0


FLAT = [[0, 0, 0], [4, 0, 0], [0, 4, 0]]


@pytest.mark.parametrize(
    ("other", "cross"),
    [
        ([[1, 1, -1], [1, 1, 1], [2, 1, 1]], True),  # stands through it
        ([[1, 1, 0.5], [1, 1, 1], [2, 1, 1]], False),  # above
        ([[1, 1, 0], [1, 1, 1], [2, 1, 1]], False),  # stands on it with a corner
        ([[1, 1, 0], [2, 1, 0], [1, 1, 1]], False),  # stands on it with an edge
        ([[5, 5, -1], [5, 5, 1], [6, 5, 1]], False),  # beside it, through its plane
        ([[1, 1, 0], [2, 1, 0], [1, 2, 0]], True),  # lies in it
        ([[0, 0, 0], [4, 0, 0], [0, -4, 0]], False),  # lies in its plane, joined by an edge
        ([[0, 0, 0], [4, 0, 0], [1, 1, 0]], True),  # folded back onto it, joined by an edge
        ([[0, 0, 0], [4, 0, 0], [2, 2, 1e-3]], False),  # nearly folded
        ([[0, 0, 0], [-1, 0, 0], [0, -1, 0]], False),  # joined by a corner, in the plane
        ([[0, 0, 0], [2, 2, 1], [2, 1, -1]], True),  # joined by a corner, and through it
        ([[0, 0, 0], [-2, -2, 1], [-2, -1, -1]], False),  # joined by a corner, leading away
        ([[1, 1, 0], [1, 1, 0], [1, 1, 0]], False),  # a point
        ([[1, 1, -1], [1, 1, 1], [1, 1, -1]], False),  # a line through it
    ],
)
def test_two_triangles(other: list[list[float]], cross: bool) -> None:
    assert crossing(FLAT, other) == cross
    assert crossing(other, FLAT) == cross


def exactly(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether an edge of one passes strictly through the inside of the other, in rational numbers."""

    def volume(p: list, q: list, r: list, s: list) -> Fraction:
        (ax, ay, az), (bx, by, bz), (cx, cy, cz) = ([x - y for x, y in zip(v, p, strict=True)] for v in (q, r, s))
        return ax * (by * cz - bz * cy) - ay * (bx * cz - bz * cx) + az * (bx * cy - by * cx)

    a, b = ([[Fraction(float(x)) for x in row] for row in t] for t in (a, b))
    for t, other in ((a, b), (b, a)):
        for i, j in ((0, 1), (1, 2), (2, 0)):
            p, q = other[i], other[j]
            if volume(*t, p) * volume(*t, q) < 0:
                turns = [volume(p, q, t[k], t[(k + 1) % 3]) for k in range(3)]
                if all(v > 0 for v in turns) or all(v < 0 for v in turns):
                    return True
    return False


def test_random_triangles_cross_as_exact_arithmetic_says() -> None:
    triangles = np.random.default_rng(3).random((60, 3, 3))
    found = {tuple(pair) for pair in crossings(triangles.reshape(-1, 3), np.arange(180).reshape(-1, 3)).pairs.tolist()}
    wanted = {(i, j) for i, j in itertools.combinations(range(60), 2) if exactly(triangles[i], triangles[j])}
    assert len(wanted) > 50
    assert found == wanted


def test_closed_surfaces_do_not_cross_themselves_and_two_balls_cross_along_a_ring() -> None:
    ball = trimesh.creation.icosphere(4)
    v, f = np.asarray(ball.vertices), np.asarray(ball.faces)
    assert len(crossings(v, f).pairs) == 0
    both = crossings(np.concatenate([v, v + np.array([1, 0, 0])]), np.concatenate([f, f + len(v)])).pairs
    middles = np.concatenate([v, v + np.array([1, 0, 0])])[np.concatenate([f, f + len(v)])[both]].mean(2)
    assert len(both) > 50
    assert ((both < len(f)).sum(1) == 1).all()
    np.testing.assert_allclose(middles[..., 0], 0.5, atol=0.1)  # the spheres about 0 and 1 meet at x = 1/2
    np.testing.assert_allclose(np.linalg.norm(middles[..., 1:], axis=-1), np.sqrt(0.75), atol=0.1)


def test_the_answer_does_not_depend_on_where_the_mesh_is_or_on_the_order_of_its_faces() -> None:
    rng = np.random.default_rng(5)
    triangles = rng.random((300, 3, 3))
    order = rng.permutation(300)
    here = crossings(triangles.reshape(-1, 3), np.arange(900).reshape(-1, 3)).pairs
    there = crossings(triangles[order].reshape(-1, 3) * 3 + 7, np.arange(900).reshape(-1, 3)).pairs
    assert {tuple(sorted(order[p])) for p in there} == {tuple(p) for p in here}


def test_a_heap_of_faces_is_looked_at_in_part_and_says_so() -> None:
    triangles = np.random.default_rng(0).random((3000, 3, 3))
    found = crossings(triangles.reshape(-1, 3), np.arange(9000).reshape(-1, 3))
    assert not found.complete


@pytest.mark.real
@pytest.mark.parametrize("name", ["teapot", "cow", "suzanne", "spot/spot"])
def test_open3d_finds_the_same_on_real_meshes(shared: Path, name: str) -> None:
    mesh = trimesh.load(shared / "meshes" / f"{name}.obj", process=False, force="mesh")
    mesh.merge_vertices(merge_tex=True, merge_norm=True)
    mesh.update_faces(mesh.unique_faces() & mesh.nondegenerate_faces())
    v, f = np.asarray(mesh.vertices), np.asarray(mesh.faces)
    o3d = open3d.geometry.TriangleMesh(open3d.utility.Vector3dVector(v), open3d.utility.Vector3iVector(f))
    judged = {tuple(sorted(p)) for p in np.asarray(o3d.get_self_intersecting_triangles()).tolist()}
    # Open3D looks at no faces that share a corner, and takes touching for crossing.
    apart = {tuple(p) for p in crossings(v, f).pairs.tolist() if not set(f[p[0]]) & set(f[p[1]])}
    assert apart <= judged
    touching = [p for p in judged - apart if exactly(v[f[p[0]]], v[f[p[1]]])]
    assert touching == []

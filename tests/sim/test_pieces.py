"""Pieces: primitives are found, hulls and cuts are as near as the report says, and what cannot be is refused."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
import trimesh

from scenekit.errors import InputError
from scenekit.meshes import Mesh
from scenekit.poses import Pose
from scenekit.sim.bodies import Piece
from scenekit.sim.hulls import convex_hull
from scenekit.sim.pieces import Method, piece_mesh, pieces
from scenekit.sim.shapes import Box, Capsule, Hull, Plane, Sphere
from scenekit.validation.surface import Surface

TURN = trimesh.transformations.rotation_matrix(0.7, [1, 2, 3], [0.1, 0.2, 0.3])


def mesh_of(solid: trimesh.Trimesh, *, turned: bool = True) -> Mesh:
    solid = solid.copy()
    if turned:
        solid.apply_transform(TURN)
    return Mesh(torch.tensor(np.array(solid.vertices)).float(), torch.tensor(np.array(solid.faces)).long())


def cup() -> Mesh:
    return mesh_of(trimesh.creation.annulus(r_min=0.05, r_max=0.06, height=0.1, sections=8))


def test_a_box_is_found_whatever_its_pose() -> None:
    made, report = pieces(mesh_of(trimesh.creation.box((0.1, 0.2, 0.3))))
    assert report.method == "box" and report.count == len(made) == 1
    shape = made[0].shape
    assert isinstance(shape, Box)
    np.testing.assert_allclose(sorted(shape.half), [0.05, 0.1, 0.15], rtol=1e-4)
    assert report.distance < 1e-5
    assert report.volume_ratio == pytest.approx(1, rel=1e-3)


def test_a_ball_is_found() -> None:
    made, report = pieces(mesh_of(trimesh.creation.icosphere(subdivisions=3, radius=0.1)))
    shape = made[0].shape
    assert isinstance(shape, Sphere) and report.method == "sphere"
    assert shape.radius == pytest.approx(0.1, rel=1e-4)
    np.testing.assert_allclose(made[0].pose.position, (TURN @ [0, 0, 0, 1])[:3], atol=1e-6)


def test_a_capsule_is_found() -> None:
    made, report = pieces(mesh_of(trimesh.creation.capsule(height=0.3, radius=0.05)))
    shape = made[0].shape
    assert isinstance(shape, Capsule) and report.method == "capsule"
    assert (shape.radius, shape.half_length) == pytest.approx((0.05, 0.15), rel=0.01)
    axis = made[0].pose.matrix[:3, 2]
    assert abs(axis @ TURN[:3, 2]) == pytest.approx(1, abs=1e-4)


def test_what_is_convex_but_no_primitive_becomes_its_hull() -> None:
    made, report = pieces(mesh_of(trimesh.creation.cylinder(radius=0.1, height=0.2, sections=24)))
    assert report.method == "hull"
    assert isinstance(made[0].shape, Hull)
    assert report.distance < 1e-5


def test_a_ring_keeps_its_hole_and_says_how_near_it_is() -> None:
    made, report = pieces(cup(), threshold=0.005)
    assert report.method == "coacd" and report.count == len(made) > 4
    assert report.distance < 0.008
    assert report.volume_ratio == pytest.approx(1, abs=0.2)
    middle = (TURN @ [0, 0, 0, 1])[:3]
    for piece in made:
        assert isinstance(piece.shape, Hull)
        solid = trimesh.Trimesh(piece.shape.mesh.vertices.numpy(), piece.shape.mesh.faces.numpy())
        assert not solid.contains([middle]).any()
    assert "CoACD" in str(report)


def test_the_hull_of_a_ring_is_not_passed_off_as_the_ring() -> None:
    _, report = pieces(cup(), method="hull")
    assert report.volume_ratio == pytest.approx(0.06**2 / (0.06**2 - 0.05**2), rel=0.02)
    assert report.excess == pytest.approx(0.048, rel=0.1), "the lids are as far as the inner wall"


def test_a_threshold_in_metres_asks_for_more_pieces_as_it_falls() -> None:
    counts = [pieces(cup(), method="coacd", threshold=threshold)[1].count for threshold in (0.03, 0.01)]
    assert counts[0] < counts[1]


def test_budgets_of_pieces_and_corners_are_kept() -> None:
    made, report = pieces(cup(), method="coacd", threshold=0.005, max_pieces=8, max_vertices=12)
    assert report.count <= 8
    assert all(len(piece.shape.mesh.vertices) <= 12 for piece in made if isinstance(piece.shape, Hull))
    _, coarse = pieces(mesh_of(trimesh.creation.icosphere(subdivisions=3)), method="hull", max_vertices=20)
    _, fine = pieces(mesh_of(trimesh.creation.icosphere(subdivisions=3)), method="hull", max_vertices=200)
    assert 0 < fine.distance < coarse.distance


def test_pieces_are_the_same_each_time() -> None:
    (a, _), (b, _) = (pieces(cup(), method="coacd", threshold=0.02) for _ in range(2))
    assert len(a) == len(b)
    for p, q in zip(a, b, strict=True):
        assert isinstance(p.shape, Hull) and isinstance(q.shape, Hull)
        assert torch.equal(p.shape.mesh.vertices, q.shape.mesh.vertices)


@pytest.mark.parametrize("method", ["hull", "coacd"])
def test_an_open_mesh_is_closed_and_the_lid_counts_as_far_as_it_is(method: Method) -> None:
    box = trimesh.creation.box((0.1, 0.2, 0.3))
    kept = np.abs(box.face_normals[:, 2] - 1) > 0.1  # without its upper side
    _, report = pieces(mesh_of(trimesh.Trimesh(box.vertices, box.faces[kept])), method=method)
    assert report.volume_ratio is None
    assert report.missing < 0.01
    assert 0.025 < report.excess < 0.051, "the middle of the lid is that far from the walls"


def test_a_mesh_that_is_inside_out_is_as_good_as_turned() -> None:
    whole = cup()
    turned = Mesh(whole.vertices, whole.faces.flip(1))
    reports = [pieces(mesh, method="coacd", threshold=0.02)[1] for mesh in (whole, turned)]
    assert reports[1].volume_ratio == pytest.approx(reports[0].volume_ratio, rel=0.2)


def grooved(width: float) -> Mesh:
    """A cube with sides of 10 cm and a groove through all of it, 6 cm deep."""
    groove = trimesh.creation.box((width, 0.2, 0.06)).apply_translation((0, 0, 0.02))
    return mesh_of(trimesh.boolean.difference([trimesh.creation.box((0.1, 0.1, 0.1)), groove], engine="manifold"))


def test_a_slit_narrower_than_twice_the_threshold_may_be_closed_and_is_told_apart() -> None:
    made, report = pieces(grooved(0.004), threshold=0.005)
    assert report.method == "box" and len(made) == 1
    assert report.distance == pytest.approx(0.002, rel=0.05), (
        "the middle of the opening is half its width from its edges"
    )
    assert report.buried == pytest.approx(0.048, rel=0.05), "the walls are that deep inside"


def test_a_groove_that_is_wider_counts() -> None:
    _, report = pieces(grooved(0.02), method="hull", threshold=0.005)
    assert report.missing == pytest.approx(0.04, rel=0.1)
    made, near = pieces(grooved(0.02), threshold=0.005)
    assert len(made) >= 3 and near.distance < 0.005


def test_a_mesh_that_cannot_be_cut_has_its_hull(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scenekit.sim.cutting.SECONDS", 0.01)
    made, report = pieces(cup(), method="coacd", threshold=0.005)
    assert report.method == "hull" and len(made) == 1
    assert report.distance > report.threshold == 0.005


@pytest.mark.parametrize("shape", [Box((0.1, 0.2, 0.3)), Sphere(0.2), Capsule(0.1, 0.3)])
def test_the_mesh_of_a_primitive_is_closed_and_has_its_volume(shape: Box | Sphere | Capsule) -> None:
    surface = Surface(piece_mesh(Piece(shape, Pose((1.0, 2.0, 3.0), (0.5, 0.5, 0.5, 0.5)))))
    volumes = {"Box": 8 * 0.006, "Sphere": 4 / 3 * math.pi * 0.008, "Capsule": math.pi * 0.01 * (0.6 + 4 / 3 * 0.1)}
    assert surface.is_closed
    assert surface.solid.volume == pytest.approx(volumes[type(shape).__name__], rel=0.01)
    np.testing.assert_allclose(surface.solid.centre, (1, 2, 3), atol=1e-6)


def test_a_hull_of_points_looks_outwards_and_holds_them_all() -> None:
    points = np.random.default_rng(0).normal(size=(200, 3)) + np.array([5.0, 0, 0])
    hull = convex_hull(points)
    surface = Surface(hull)
    assert surface.is_closed and surface.solid.volume > 0
    assert surface.solid.volume == pytest.approx(trimesh.convex.convex_hull(points).volume, rel=1e-5)


FLAT = Mesh(torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0]]), torch.tensor([[0, 1, 2], [2, 1, 3]]))
EMPTY = Mesh(torch.zeros(0, 3), torch.zeros(0, 3, dtype=torch.int64))
BROKEN = Mesh(FLAT.vertices * math.nan, FLAT.faces)


@pytest.mark.parametrize(
    "make",
    [
        lambda: pieces(FLAT),
        lambda: pieces(EMPTY),
        lambda: pieces(BROKEN),
        lambda: pieces(cup(), method="vhacd"),  # type: ignore[arg-type]
        lambda: pieces(cup(), threshold=0.0),
        lambda: pieces(cup(), threshold=math.nan),
        lambda: pieces(cup(), max_pieces=0),
        lambda: pieces(cup(), max_vertices=3),
        lambda: piece_mesh(Piece(Plane())),
        lambda: convex_hull(np.full((5, 3), math.inf)),
        lambda: convex_hull(np.arange(12.0).reshape(4, 3)),
    ],
)
def test_what_has_no_pieces_is_refused(make: Callable[[], object]) -> None:
    with pytest.raises(InputError):
        make()

"""Closed meshes of things, from pictures of scenes whose every surface is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import trimesh

from scenekit.cameras import look_at, pinhole
from scenekit.errors import InputError
from scenekit.meshes import Mesh
from scenekit.render.raycast import RayScene
from scenekit.surface.depth import SurfaceView
from scenekit.surface.fusion import FusionConfig
from scenekit.surface.objects import Lid, ObjectMesh, decimated, filled, largest_shell, object_mesh
from scenekit.surface.scores import surface_scores
from scenekit.surface.sightings import Sightings, gathered
from scenekit.validation.crossings import crossings
from scenekit.validation.probe import Probe
from scenekit.validation.surface import Surface

CAMERA = pinhole(128, 96, 150, 150, 64, 48)
VOXEL = 0.004
CONFIG = FusionConfig(truncation=5)


def box(x: float, y: float, z: float, *sides: float) -> trimesh.Trimesh:
    """A box whose bottom's middle is at (x, y, z)."""
    return trimesh.creation.box(sides, trimesh.transformations.translation_matrix([x, y, z + sides[2] / 2]))


def ball(x: float, y: float, z: float, r: float) -> trimesh.Trimesh:
    mesh = trimesh.creation.icosphere(4, r)
    mesh.apply_translation([x, y, z + r])
    return mesh


def cup(radius: float, height: float, wall: float) -> trimesh.Trimesh:
    """A round cup that stands at the origin, as thick at the bottom as at the side."""
    inner = radius - wall
    profile = [(0, 0), (radius, 0), (radius, height), (inner, height), (inner, wall), (0, wall)]
    return trimesh.creation.revolve(np.array(profile), sections=64)


TABLE = box(0, 0, -0.02, 0.6, 0.6, 0.02)


def eyes(heights: tuple[float, ...] = (0.15, 0.3), count: int = 12) -> list[np.ndarray]:
    turns = np.arange(count) * 2 * np.pi / count
    return [look_at(np.array([0.4 * np.cos(a), 0.4 * np.sin(a), h]), np.zeros(3)) for h in heights for a in turns]


def seen(parts: list[trimesh.Trimesh], poses: list[np.ndarray]) -> Sightings:
    """Pictures of the parts with exact depth, each part a thing."""
    scene, views = RayScene([(part.vertices, part.faces) for part in parts]), []
    for pose in poses:
        frame = scene.frame(CAMERA, pose)
        h, w = CAMERA.height, CAMERA.width
        rays = frame.hits.normals.reshape(h, w, 3)
        things = torch.from_numpy(frame.mesh.reshape(h, w))
        depth = torch.from_numpy(np.where(frame.mesh >= 0, frame.depth, 0).astype(np.float32))
        rgb = torch.full((h, w, 3), 0.5)
        views.append(
            SurfaceView(CAMERA, pose, rgb, (things >= 0).float(), depth, torch.from_numpy(rays.copy()), things)
        )
    return Sightings(views, np.arange(len(parts), dtype=np.int32), len(parts), CONFIG)


def made(parts: list[trimesh.Trimesh], thing: int = 1, poses: list[np.ndarray] | None = None) -> ObjectMesh:
    """The closed mesh of a part that stands on part 0."""
    sightings = seen(parts, poses or eyes())
    others = list(range(1, len(parts)))
    floors = {k: sightings.floor(k, 0, others) for k in others}
    lids = [Lid.under(sightings.body(k), floor) for k, floor in floors.items() if floor and floor.thing == thing]
    solid = object_mesh(sightings, thing, CONFIG, voxel=VOXEL, floor=floors[thing], lids=lids)
    assert solid is not None
    return solid


def is_sound(mesh: Mesh) -> bool:
    """Closed, outward, without crossings, one shell."""
    surface = Surface(mesh)
    whole = surface.is_closed and surface.shell.max() == 0 and surface.solid.volume > 0
    return bool(whole and not len(crossings(surface.vertices, surface.faces).pairs) and not len(surface.pinched))


def tensors(part: trimesh.Trimesh) -> Mesh:
    return Mesh(torch.from_numpy(part.vertices).float(), torch.from_numpy(part.faces).long())


@pytest.mark.parametrize(
    "part",
    [
        ball(0, 0, 0, 0.05),
        box(0.02, 0, 0, 0.12, 0.08, 0.05),
        trimesh.creation.cylinder(0.04, segment=([0, 0, 0], [0, 0, 0.1])),
    ],
    ids=["ball", "box", "tin"],
)  # fmt: skip
def test_a_thing_on_a_table_is_a_sound_solid_of_its_true_volume(part: trimesh.Trimesh) -> None:
    solid = made([TABLE, part])
    assert is_sound(solid.mesh)
    assert solid.volume == pytest.approx(part.volume, rel=0.06)
    assert surface_scores(solid.mesh, tensors(part), samples=5000).chamfer < 0.25 * VOXEL


def test_what_the_table_hides_is_flat_there_and_marked_as_estimated() -> None:
    solid = made([TABLE, box(0, 0, 0, 0.12, 0.12, 0.05)])
    corners = solid.mesh.vertices[solid.mesh.faces].numpy()
    estimated, normals = (
        corners[solid.seen_faces :],
        np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]),
    )
    bottom = normals[solid.seen_faces :, 2] < 0
    assert bottom.mean() > 0.9
    assert np.abs(estimated[bottom, :, 2]).max() < 0.3 * VOXEL
    areas = np.linalg.norm(normals, axis=1) / 2
    assert solid.estimated == pytest.approx(areas[solid.seen_faces :].sum() / areas.sum())
    assert 0.1 < solid.estimated < 0.31  # the bottom is 0.3 of the area, and its rim is near what was seen


def test_a_hollow_that_pictures_see_is_not_filled() -> None:
    part = cup(0.08, 0.06, 0.012)
    solid = made([TABLE, part], poses=eyes((0.3, 0.45)))
    assert is_sound(solid.mesh)
    surface = Surface(solid.mesh)
    heights = np.linspace(0.025, 0.055, 5)
    assert not Probe(surface.vertices, surface.faces).inside(np.stack([0 * heights, 0 * heights, heights], 1)).any()
    assert solid.volume == pytest.approx(part.volume, rel=0.25)


def test_a_sheet_thinner_than_a_voxel_becomes_about_a_voxel_thick() -> None:
    solid = made([TABLE, box(0, 0, 0.0, 0.16, 0.12, 0.001)])
    assert is_sound(solid.mesh)
    surface = Surface(solid.mesh)
    assert surface.extent[:2] == pytest.approx([0.16, 0.12], abs=3 * VOXEL)
    assert 0.3 * VOXEL < surface.solid.volume / (0.16 * 0.12) < 2 * VOXEL


def test_a_thing_on_another_thing_ends_where_that_begins() -> None:
    parts = [TABLE, box(0, 0, 0, 0.18, 0.14, 0.05), box(0.01, 0, 0.05, 0.1, 0.08, 0.04)]
    sightings = seen(parts, eyes())
    floor = sightings.floor(2, 0, [1, 2])
    assert floor is not None and floor.thing == 1
    assert floor.offset == pytest.approx(0.05, abs=0.25 * VOXEL)
    for thing in (1, 2):
        solid = made(parts, thing)
        assert is_sound(solid.mesh)
        assert solid.volume == pytest.approx(parts[thing].volume, rel=0.08)


def test_a_thing_surrounded_by_another_finds_its_support_farther_away() -> None:
    parts = [TABLE, box(0, 0, 0, 0.3, 0.3, 0.01), ball(0, 0, 0.01, 0.03)]
    floor = seen(parts, eyes()).floor(2, 0, [1, 2])
    assert floor is not None and floor.thing == 1


def test_without_a_floor_a_thing_closes_in_the_air() -> None:
    sightings = seen([TABLE, ball(0, 0, 0.06, 0.04)], eyes())
    solid = object_mesh(sightings, 1, CONFIG, voxel=VOXEL)
    assert solid is not None and is_sound(solid.mesh)


def test_a_thing_that_no_picture_shows_has_no_mesh() -> None:
    sightings = seen([TABLE, ball(0, 0, -0.5, 0.05)], eyes())
    assert object_mesh(sightings, 1, CONFIG, voxel=VOXEL) is None
    assert sightings.floor(1, 0) is None
    assert sightings.pixels[1] == np.inf


def test_a_camera_inside_a_thing_does_no_harm() -> None:
    inside = look_at(np.array([0.0, 0.01, 0.05]), np.array([0.3, 0.0, 0.05]))
    solid = made([TABLE, ball(0, 0, 0, 0.05)], poses=[*eyes(), inside])
    assert is_sound(solid.mesh)
    assert solid.volume == pytest.approx(4 / 3 * np.pi * 0.05**3, rel=0.1)


def test_an_absurd_voxel_is_refused_before_memory_is_taken() -> None:
    sightings = seen([TABLE, ball(0, 0, 0, 0.05)], eyes())
    with pytest.raises(InputError, match=r"voxel: got 1e-06 m, about .* GB.*wanted at least") as caught:
        object_mesh(sightings, 1, CONFIG, voxel=1e-6)
    fits = float(str(caught.value).partition("at least ")[2].partition(" m")[0])
    assert object_mesh(sightings, 1, FusionConfig(max_memory=50_000_000), voxel=VOXEL) is not None
    assert fits < VOXEL


def test_depth_that_does_not_tell_where_rays_stop_is_refused() -> None:
    view = SurfaceView(CAMERA, np.eye(4), torch.zeros(96, 128, 3), *[torch.zeros(96, 128)] * 2, torch.zeros(96, 128, 3))
    with pytest.raises(InputError, match="median"):
        Sightings([view], np.zeros(1, np.int32), 1, CONFIG)


def test_a_filled_field_is_linear_between_two_plates() -> None:
    field, known = np.zeros((33, 20, 24), np.float32), np.zeros((33, 20, 24), bool)
    field[0], field[-1] = -1, 1
    known[[0, -1]] = True
    wanted = np.broadcast_to(np.linspace(-1, 1, 33)[:, None, None], field.shape)
    assert np.abs(filled(field, known) - wanted).max() < 0.05 * 2  # a twentieth of the difference


def test_known_values_stay_and_unknown_ones_lie_between_them() -> None:
    rng = np.random.default_rng(0)
    field, known = rng.normal(size=(13, 9, 10)).astype(np.float32), rng.random((13, 9, 10)) < 0.2
    result = filled(field, known)
    assert (result[known] == field[known]).all()
    assert field[known].min() <= result.min() and result.max() <= field[known].max()


def test_nothing_known_changes_nothing() -> None:
    field = np.ones((4, 5, 6), np.float32)
    assert filled(field, np.zeros(field.shape, bool)) is field


def test_decimation_keeps_a_surface_sound_or_leaves_it() -> None:
    fine = tensors(trimesh.creation.torus(0.05, 0.004, 64, 32))
    for faces in (1000, 40, 4):
        fewer = decimated(fine, faces)
        assert is_sound(fewer)
        assert len(fewer.faces) <= len(fine.faces)


def test_only_the_largest_shell_stays() -> None:
    parts = trimesh.util.concatenate([ball(0, 0, 0, 0.05), ball(0.3, 0, 0, 0.02)])
    assert Surface(largest_shell(tensors(parts))).solid.volume == pytest.approx(4 / 3 * np.pi * 0.05**3, rel=0.01)


def test_few_points_far_away_are_no_part_of_a_thing() -> None:
    rng = np.random.default_rng(0)
    body, stray = rng.uniform(0, 0.1, (2000, 3)), rng.uniform(2, 2.02, (20, 3))
    assert (gathered(np.concatenate([stray, body]), 0.02) == body).all()

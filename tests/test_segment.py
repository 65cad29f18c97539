"""Segmentation on scenes built from surfaces whose every Gaussian is known: a table, what lies and stands on it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh
from PIL import Image

from scenekit.cameras import look_at, pinhole, quaternion_from_rotation
from scenekit.capture.capture import Capture, Frame, Photo, Points
from scenekit.capture.level import rotation_between
from scenekit.errors import FileError, InputError
from scenekit.poses import Pose
from scenekit.render.splats import rasterization
from scenekit.render.weights import view_weights
from scenekit.scene import Node, Scene, SceneState
from scenekit.segment import BACKGROUND, SUPPORT, Segment, SegmentConfig, divide
from scenekit.splats import SH_C0, Splats, merge, random_splats
from scenekit.voting import write_masks

OAK, GREY, WHITE, RED, BLUE, GREEN = (
    (0.6, 0.4, 0.2), (0.5, 0.5, 0.5), (0.95, 0.95, 0.95), (0.8, 0.1, 0.1), (0.1, 0.2, 0.7), (0.1, 0.5, 0.2),
)  # fmt: skip
QUICK = SegmentConfig(map_side=384)
TOP = 0.75
"""Height of the table [m]."""


def surface(mesh: trimesh.Trimesh, colour: tuple[float, ...], sigma: float, seed: int = 0) -> Splats:
    """Flat Gaussians of deviation `sigma` [m] all over a mesh, dense enough to hide what is behind."""
    mesh.update_faces(mesh.face_normals[:, 2] > -0.9)  # nobody sees what a thing stands on
    n = max(8, int(1.2 * mesh.area / sigma**2))
    points, faces = trimesh.sample.sample_surface(mesh, n, seed=seed)
    quats = [quaternion_from_rotation(rotation_between(np.array([0.0, 0.0, 1.0]), mesh.face_normals[f])) for f in faces]
    rng = np.random.default_rng(seed)
    rgb = np.clip(np.array(colour) * rng.normal(1, 0.08, (n, 1)) + rng.normal(0, 0.01, (n, 3)), 0, 1)
    return Splats(
        torch.from_numpy(points).float(),
        torch.from_numpy(np.array(quats)).float(),
        torch.tensor([sigma, sigma, sigma / 10]).log().expand(n, 3).contiguous(),
        torch.full((n,), 5.0),
        torch.from_numpy((rgb - 0.5) / SH_C0).float()[:, None],
    )


def box(x: float, y: float, z: float, *sides: float) -> trimesh.Trimesh:
    """A box whose bottom's middle is at (x, y, z)."""
    return trimesh.creation.box(sides, trimesh.transformations.translation_matrix([x, y, z + sides[2] / 2]))


def ball(x: float, y: float, z: float, r: float) -> trimesh.Trimesh:
    mesh = trimesh.creation.icosphere(3, r)
    mesh.apply_translation([x, y, z + r])
    return mesh


ROOM = surface(box(0, 0, -0.02, 2.4, 2.4, 0.02), GREY, 0.07)
TABLE = merge([
    surface(box(0, 0, TOP - 0.03, 1.2, 0.8, 0.03), OAK, 0.02),
    *(surface(box(x, y, 0, 0.06, 0.06, TOP - 0.03), OAK, 0.02) for x in (-0.55, 0.55) for y in (-0.35, 0.35)),
])  # fmt: skip
THINGS = {
    "carton": surface(box(-0.4, 0.2, TOP, 0.14, 0.06, 0.2), RED, 0.009),
    "ball": surface(ball(0.0, -0.2, TOP, 0.05), BLUE, 0.009),
    "book": surface(box(-0.35, -0.15, TOP, 0.26, 0.2, 0.035), GREEN, 0.009),
    "novel": surface(box(-0.35, -0.15, TOP + 0.035, 0.15, 0.11, 0.03), RED, 0.009),
    "paper": surface(box(0.35, 0.1, TOP, 0.2, 0.28, 0.003), WHITE, 0.009),
}


def truth(parts: list[Splats]) -> np.ndarray:
    return np.repeat(np.arange(len(parts)), [len(part) for part in parts])


PARTS = [ROOM, TABLE, *THINGS.values()]


def capture(folder: Path = Path(), views: int = 6) -> Capture:
    """Photos in a ring about the table; the files are not there unless somebody writes them."""
    camera = pinhole(160, 120, 130.0, 130.0, 80.0, 60.0)
    eyes = [(1.4 * np.cos(a), 1.4 * np.sin(a), 1.6) for a in np.linspace(0.3, 2 * np.pi + 0.3, views, endpoint=False)]
    poses = [look_at(np.array(eye), np.array([0, 0, TOP])) for eye in eyes]
    photos = [Photo(f"{k:02d}.png", folder / f"{k:02d}.png", camera, pose) for k, pose in enumerate(poses)]
    return Capture(photos, Points.none(), "photos")


def scene_of(*parts: Splats, pose: Pose = Pose()) -> Scene:
    nodes = (Node("scene", pose=pose, splats=merge(parts)), Node("cameras", pose=pose, cameras=capture()))
    return Scene(SceneState(Node("", children=nodes), Frame()))


@pytest.fixture(scope="module")
def segmented() -> Scene:
    return scene_of(*PARTS).segment(QUICK)


def test_every_thing_becomes_a_node_that_is_it():
    labels, true = divide(merge(PARTS), capture(), QUICK).labels, truth(PARTS)
    assert labels.max() == SUPPORT + len(THINGS)
    partners = {np.bincount(labels[true == k]).argmax() for k in range(2, len(PARTS))}
    assert len(partners) == len(THINGS)
    for k in range(2, len(PARTS)):
        mine = labels == np.bincount(labels[true == k]).argmax()
        overlap = (mine & (true == k)).sum() / (mine | (true == k)).sum()
        assert overlap > 0.8, list(THINGS)[k - 2]


def test_table_with_its_legs_and_room_are_told_apart():
    labels, true = divide(merge(PARTS), capture(), QUICK).labels, truth(PARTS)
    assert (labels[true == 1] == SUPPORT).mean() > 0.95
    assert (labels[true == 0] == BACKGROUND).mean() > 0.99


def test_a_shadow_on_the_table_stays_with_the_table():
    shadow = surface(box(0.3, -0.2, TOP, 0.12, 0.12, 1e-4), tuple(0.45 * c for c in OAK), 0.006)
    rng = np.random.default_rng(0)
    light = torch.from_numpy(rng.uniform(0.4, 1.0, len(TABLE)))  # wood of the same hue, light and dark
    table = replace(TABLE, sh=(((TABLE.sh[:, 0] * SH_C0 + 0.5) * light[:, None] - 0.5) / SH_C0)[:, None].float())
    assert divide(merge([ROOM, table, shadow]), capture(), QUICK).labels.max() == SUPPORT


def test_what_hangs_over_the_table_is_no_thing_on_it():
    lamp = surface(ball(0.1, 0.1, TOP + 0.35, 0.12), WHITE, 0.01)
    labels = divide(merge([ROOM, TABLE, lamp]), capture(), QUICK).labels
    assert labels.max() == SUPPORT and (labels[-len(lamp) :] == BACKGROUND).all()


def test_an_empty_table_has_no_objects():
    scene = scene_of(ROOM, TABLE).segment(QUICK)
    assert list(scene) == ["/table", "/background", "/cameras"]


@pytest.mark.parametrize("scale", [0.1, 7.0])
def test_the_unit_of_length_does_not_matter(scale):
    T = np.diag([scale, scale, scale, 1.0])
    photos = [replace(p, T_world_cam=np.block([[p.T_world_cam[:3, :3], scale * p.T_world_cam[:3, 3:]], [0, 0, 0, 1]]))
              for p in capture().photos]  # fmt: skip
    small = divide(merge(PARTS), capture(), QUICK).labels
    large = divide(merge(PARTS).transform(torch.from_numpy(T)), replace(capture(), photos=photos), QUICK).labels
    assert large.max() == small.max() and (large == small).mean() > 0.99


def test_the_same_seed_gives_the_same_labels():
    first, second = (divide(merge(PARTS), capture(), QUICK).labels for _ in range(2))
    assert np.array_equal(first, second)


def test_the_tree_holds_every_gaussian_once_and_unchanged(segmented):
    before = merge(PARTS)
    clouds = [node.splats for _, node in segmented.state.walk() if node.splats is not None]
    after = merge(clouds)
    assert len(after) == len(before)
    rows = [
        torch.cat([t.flatten(1) for t in (s.means, s.quats, s.log_scales, s.sh)], 1).numpy() for s in (before, after)
    ]
    a, b = (np.unique(r, axis=0) for r in rows)
    assert np.array_equal(a, b)


def test_segmenting_is_one_step_and_undo_brings_the_same_state_back():
    scene = scene_of(*PARTS)
    before = scene.state
    assert scene.segment(QUICK).undo().state is before


@pytest.mark.parametrize("degrees", [0.0, 9.0])
def test_a_tilted_scene_is_levelled_and_the_frame_says_so(degrees):
    quat = (np.cos(np.radians(degrees) / 2), np.sin(np.radians(degrees) / 2), 0.0, 0.0)
    scene = scene_of(*PARTS, pose=Pose(quat=quat)).segment(QUICK)
    frame, top = scene.state.frame, scene["/table"].splats
    points = top.transform(torch.from_numpy(scene.state.pose("/table").matrix)).means.double().numpy()
    level = points[points[:, 2] > np.percentile(points[:, 2], 60)]
    slope = np.linalg.lstsq(np.column_stack([level[:, :2], np.ones(len(level))]), level[:, 2], rcond=None)[0][:2]
    assert np.degrees(np.abs(slope).max()) < 0.2
    assert frame.up == "measured" and frame.up_spread is not None and "support" in frame.note
    np.testing.assert_allclose(np.degrees(np.arccos(frame.T_world_source[2, 2])), degrees, atol=0.2)


def test_photos_turn_with_the_scene():
    scene = scene_of(*PARTS, pose=Pose(quat=(np.cos(0.05), np.sin(0.05), 0.0, 0.0)))
    before = scene.state.pose("/scene").inverse() @ scene.state.pose("/cameras")
    scene.segment(QUICK)
    after = scene.state.pose("/table").inverse() @ scene.state.pose("/cameras")
    np.testing.assert_allclose(after.matrix, before.matrix, atol=1e-9)


def test_an_up_that_was_measured_before_is_kept():
    scene = scene_of(*PARTS)
    scene.state = replace(scene.state, frame=Frame(up="given"))
    assert scene.segment(QUICK).state.frame == Frame(up="given")


def test_gaussians_that_are_not_finite_are_background():
    splats = merge(PARTS)
    splats.means[3], splats.log_scales[7, 1] = float("nan"), float("inf")
    labels = divide(splats, capture(), QUICK).labels
    splats.means[3], splats.log_scales[7, 1] = 0.0, -4.0
    assert labels[3] == labels[7] == BACKGROUND and labels.max() == SUPPORT + len(THINGS)


@pytest.mark.parametrize(
    "splats",
    [random_splats(1, degree=0), random_splats(800, degree=0), merge([surface(box(0, 0, 0, 1, 0.01, 1), OAK, 0.02)])],
    ids=["one", "cloud", "wall"],
)
def test_a_scene_without_support_is_refused_and_unchanged(splats):
    scene = Scene(SceneState(Node("", children=(Node("scene", splats=splats),))))
    before = scene.state
    with pytest.raises(InputError, match="support plane"):
        scene.segment(QUICK)
    assert scene.state is before


@pytest.mark.parametrize(
    "nodes", [(), (Node("a", splats=ROOM), Node("b", splats=ROOM)), (Node("a", splats=random_splats(0)),)]
)
def test_what_is_to_be_divided_must_be_clear(nodes):
    with pytest.raises(InputError, match="path"):
        Scene(SceneState(Node("", children=nodes))).segment(QUICK)


def test_a_second_segmentation_needs_free_names(segmented):
    with pytest.raises(InputError, match="already"):
        segmented.apply(Segment(replace(QUICK, path="/table")))


@pytest.mark.parametrize(
    "option", [{"tilt": -1.0}, {"tolerance": float("nan")}, {"map_side": 10**6}, {"min_area": 2.0}]
)
def test_options_out_of_range_are_refused(option):
    with pytest.raises(InputError, match=next(iter(option))):
        SegmentConfig(**option)


def label_images(parts: list[Splats], photos: list[Photo]) -> list[np.ndarray]:
    """The part that shows most in each pixel, as a segmenter without fault would tell it."""
    whole = merge(parts)
    colours = torch.nn.functional.one_hot(torch.from_numpy(truth(parts)), len(parts)).float()
    images = []
    for photo in photos:
        viewmat = torch.from_numpy(np.linalg.inv(photo.T_world_cam)).float()[None]
        K = torch.from_numpy(photo.camera.K).float()[None]
        image, _, _ = rasterization(
            whole.means, whole.quats, whole.scales, whole.opacities, colours, viewmat, K, 160, 120
        )  # fmt: skip
        images.append(image[0].argmax(-1).numpy().astype(np.uint8))
    return images


@pytest.fixture(scope="module")
def true_labels() -> list[np.ndarray]:
    return label_images(PARTS, capture().photos)


def agreement(labels: np.ndarray) -> float:
    """Part of the Gaussians that the photos can show whose label is the true one, up to the numbers of objects."""
    true = truth(PARTS)
    names = {BACKGROUND: 0, SUPPORT: 1}
    names |= {k: np.bincount(true[labels == k]).argmax() for k in range(2, labels.max() + 1)}
    whole = merge(PARTS)
    weight = sum(view_weights(whole, photo.camera, photo.T_world_cam) for photo in capture().photos)
    shown = (weight > 1.0).numpy() & (whole.means[:, 2] > TOP - 0.02).numpy()
    return float((np.array([names[k] for k in labels]) == true)[shown].mean())


def test_masks_give_objects_and_names(tmp_path, true_labels):
    for k, name in enumerate(THINGS, 2):
        (tmp_path / name).mkdir()
        for photo, labels in zip(capture().photos[::2], true_labels[::2], strict=True):
            Image.fromarray((labels == k).astype(np.uint8) * 255).save(tmp_path / name / photo.name)
    scene = scene_of(*PARTS).segment(replace(QUICK, masks=str(tmp_path)))
    assert {path.rsplit("/")[-1] for path in scene if path.startswith("/table/")} == set(THINGS)
    assert agreement(divide(merge(PARTS), capture(), replace(QUICK, masks=str(tmp_path))).labels) > 0.97


@pytest.mark.parametrize("same_ids", [True, False])
def test_label_images_are_lifted_even_if_every_photo_has_numbers_of_its_own(tmp_path, true_labels, same_ids):
    for number, (photo, labels) in enumerate(zip(capture().photos, true_labels, strict=True)):
        numbers = np.arange(1, len(PARTS) + 1) * 7
        if not same_ids:
            numbers = np.random.default_rng(number).permutation(numbers)
        Image.fromarray(numbers[labels].astype(np.uint8)).save(tmp_path / photo.name)
    labels = divide(merge(PARTS), capture(), replace(QUICK, masks=str(tmp_path), same_ids=same_ids)).labels
    assert agreement(labels) > 0.97


def test_masks_work_where_there_is_no_support(tmp_path):
    walls = [box(x, 0, TOP - 0.3, 0.02, 0.3, 0.6) for x in (-0.3, 0.3)]
    for wall in walls:
        wall.update_faces(np.abs(wall.face_normals[:, 2]) < 0.5)  # nothing level
    parts = [surface(wall, colour, 0.02) for wall, colour in zip(walls, (RED, BLUE), strict=True)]
    for photo, labels in zip(capture().photos, label_images(parts, capture().photos), strict=True):
        Image.fromarray(labels * 0 + 1 + labels).save(tmp_path / photo.name)
    scene = Scene(
        SceneState(Node("", children=(Node("scene", splats=merge(parts)), Node("cameras", cameras=capture()))))
    )
    scene.segment(replace(QUICK, masks=str(tmp_path)))
    assert {"/object_1", "/object_2"} <= set(scene) and scene.state.frame.up == "estimated"


def test_masks_need_photos(tmp_path):
    with pytest.raises(InputError, match="masks"):
        divide(merge(PARTS), None, replace(QUICK, masks=str(tmp_path)))


@pytest.mark.parametrize("content", [None, b"not a PNG", b"\x89PNG\r\n\x1a\n" + bytes(40)])
def test_masks_that_cannot_be_read_are_named(tmp_path, content):
    if content is not None:
        (tmp_path / "00.png").write_bytes(content)
    with pytest.raises(FileError):
        divide(merge(PARTS), capture(), replace(QUICK, masks=str(tmp_path)))


def test_any_function_from_image_to_labels_is_a_segmenter(tmp_path):
    photos = capture(tmp_path / "photos", views=2)
    (tmp_path / "photos").mkdir()
    for k, photo in enumerate(photos.photos):
        Image.fromarray(np.full((120, 160, 3), 40 * k, np.uint8)).save(photo.path)
    folder = write_masks(photos, lambda image: (image[..., 0] > 20) * 300, tmp_path / "masks")
    assert [int(np.asarray(Image.open(folder / p.name)).max()) for p in photos.photos] == [0, 300]
    with pytest.raises(InputError, match="labels of 00"):
        write_masks(photos, lambda image: image[..., 0] / 2, tmp_path / "masks")

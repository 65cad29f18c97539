"""Points for given poses: where they lie is known for a rendered room; poses and lenses stay as they were."""

import json
import logging
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from scenekit.capture import Capture, CaptureConfig, SfmConfig, open_capture


def transforms(folder: Path, room, *, name: str = "transforms.json", mode: str = "L") -> Path:
    """Photos of the room and a file of their true poses, OpenGL axes, without points."""
    lens, frames = room.lens, []
    for i, T_world_cam in enumerate(room.poses()):
        Image.fromarray(room.photo(T_world_cam)).convert(mode).save(folder / f"{i}.png")
        frames.append({"file_path": f"{i}.png", "transform_matrix": (T_world_cam * [1, -1, -1, 1]).tolist()})
    fields = {"w": lens.width, "h": lens.height, "fl_x": lens.fx, "cx": lens.cx, "cy": lens.cy, "k1": lens.params[3]}
    (folder / name).write_text(json.dumps({**fields, "frames": frames}))
    return folder


def assert_same_photos(ours: Capture, theirs: Capture) -> None:
    """Same names, lenses and poses, bit for bit."""
    assert [(p.name, p.camera) for p in ours.photos] == [(p.name, p.camera) for p in theirs.photos]
    for a, b in zip(ours.photos, theirs.photos, strict=True):
        np.testing.assert_array_equal(a.T_world_cam, b.T_world_cam)


def walls_apart(capture: Capture, room) -> np.ndarray:
    """Distance of each point from the nearest wall [m]."""
    return np.abs(capture.points.xyz - room.corner).min(1)


def test_points_lie_on_the_walls_and_poses_and_lenses_stay(room, tmp_path):
    folder = transforms(tmp_path, room)
    given = open_capture(folder, workspace=tmp_path / "work", config=CaptureConfig(triangulate=False))
    capture = open_capture(folder, workspace=tmp_path / "work")
    assert len(given.points) == 0 and not (given.summary.keys() & {"reprojection_error_px", "seconds"})
    assert_same_photos(capture, given)
    assert len(capture.points) == capture.summary["points"] > 200
    assert np.median(walls_apart(capture, room)) < 0.005 and np.percentile(walls_apart(capture, room), 95) < 0.03
    assert capture.summary["reprojection_error_px"] < 1.0 and (capture.points.error > 0).all()
    assert capture.points.tracks.keys() <= {photo.name for photo in capture.photos}
    lengths = np.bincount(np.concatenate(list(capture.points.tracks.values())), minlength=len(capture.points))
    assert lengths.min() >= 2 and lengths.mean() == pytest.approx(capture.summary["track_length"], rel=0.02)
    assert set(capture.summary["seconds"]) == {"features", "matches", "points"}


def test_a_second_call_finds_the_same_points(room, tmp_path):
    folder = transforms(tmp_path, room)
    first = open_capture(folder, workspace=tmp_path / "work")
    again = open_capture(folder, workspace=tmp_path / "work")
    np.testing.assert_array_equal(again.points.xyz, first.points.xyz)


def test_photos_that_are_held_out_give_no_points(room, tmp_path):
    """Blender's test photos, with an alpha channel; only five of seven are looked at."""
    folder = transforms(tmp_path, room, name="transforms_train.json", mode="LA")
    document = json.loads((folder / "transforms_train.json").read_text())
    tests, document["frames"] = document["frames"][:2], document["frames"][2:]
    (folder / "transforms_train.json").write_text(json.dumps(document))
    (folder / "transforms_test.json").write_text(json.dumps({**document, "frames": tests}))
    capture = open_capture(folder, workspace=tmp_path / "work")
    assert len(capture.photos) == 7 and len(list((tmp_path / "work" / "sfm" / "photos").iterdir())) == 5
    assert len(capture.points) > 100 and np.median(walls_apart(capture, room)) < 0.005


def test_points_under_a_mask_are_left_out(room, tmp_path):
    """The floor is masked in every photo: what is left are the two walls."""
    folder = transforms(tmp_path, room)
    (folder / "masks").mkdir()
    pixels = np.stack(np.meshgrid(np.arange(320) + 0.5, np.arange(240) + 0.5), -1).reshape(-1, 2)
    for i, T in enumerate(room.poses()):
        rays = room.lens.unproject(pixels) @ T[:3, :3].T
        distances = (room.corner - T[:3, 3]) / rays
        floor = np.where(distances > 0, distances, np.inf).argmin(1) == 2
        mask = np.where(floor, 0, 255).astype(np.uint8).reshape(240, 320)
        Image.fromarray(mask).save(folder / "masks" / f"{i}.png.png")
    capture = open_capture(folder, workspace=tmp_path / "work")
    assert len(capture.points) > 50 and (np.abs(capture.points.xyz[:, 2]) < 0.005).mean() < 0.02


@pytest.mark.parametrize("content", ["blank", "noise", "alone"])
def test_photos_without_common_features_keep_their_capture_with_a_warning(room, tmp_path, caplog, content):
    folder = transforms(tmp_path, room)
    document = json.loads((folder / "transforms.json").read_text())
    if content == "alone":
        (folder / "transforms.json").write_text(json.dumps({**document, "frames": document["frames"][:1]}))
    for i, file in enumerate(sorted(folder.glob("*.png"))):
        noise = np.random.default_rng(i).integers(0, 256, (240, 320), dtype=np.uint8)
        Image.fromarray(noise if content == "noise" else np.full_like(noise, 255)).save(file)
    with caplog.at_level(logging.WARNING, logger="scenekit"):
        capture = open_capture(folder, workspace=tmp_path / "work")
    assert len(capture.points) == 0 and "No sparse points" in caplog.text
    assert_same_photos(
        capture, open_capture(folder, workspace=tmp_path / "work", config=CaptureConfig(triangulate=False))
    )


@pytest.mark.real
def test_the_fox_gets_points_from_its_own_poses(shared, tmp_path):
    """Six neighbouring photos at a third of their size."""
    document = json.loads((shared / "captures" / "fox" / "transforms.json").read_text())
    root = shared / "captures" / "fox"
    there = sorted((f for f in document["frames"] if (root / f["file_path"]).is_file()), key=lambda f: f["file_path"])
    (tmp_path / "images").mkdir()
    for frame in there[:6]:
        Image.open(root / frame["file_path"]).resize((360, 640)).save(tmp_path / frame["file_path"], quality=95)
    (tmp_path / "transforms.json").write_text(json.dumps({**document, "frames": there[:6]}))
    config = CaptureConfig(sfm=SfmConfig(max_features=2048))
    capture = open_capture(tmp_path, workspace=tmp_path / "work", config=config)
    assert len(capture.points) > 100 and np.median(capture.points.error) < 2.0

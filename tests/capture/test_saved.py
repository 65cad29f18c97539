"""A capture in a folder comes back bit for bit, or with a clear error."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pycolmap
import pytest
from PIL import Image

from scenekit.cameras import Camera, look_at
from scenekit.capture.capture import Capture, Frame, Photo, Points
from scenekit.capture.saved import read_capture, read_capture_file, write_capture, write_capture_file
from scenekit.errors import FileError


@pytest.fixture
def capture(tmp_path: Path) -> Capture:
    """Three photos by two cameras, one with a mask."""
    rng = np.random.default_rng(0)
    lenses = [
        Camera("SIMPLE_RADIAL", 40, 30, (33.3, 20.1, 15.2, -0.031)),
        Camera("PINHOLE", 40, 30, (31.0, 32.0, 20, 15)),
    ]
    photos = []
    for i, lens in enumerate([lenses[0], lenses[1], lenses[0]]):
        path = tmp_path / "photos" / f"{i} ü.png"
        path.parent.mkdir(exist_ok=True)
        Image.new("RGB", (40, 30)).save(path)
        pose = look_at(rng.normal(size=3), rng.normal(size=3) + np.array([0, 0, 4]))
        photos.append(Photo(path.name, path, lens, pose, mask=path if i == 1 else None))
    tracks = {p.name: np.array(seen, np.int32) for p, seen in zip(photos, ([0, 2, 5], [], [1, 2]), strict=True)}
    points = Points(rng.normal(size=(7, 3)), rng.integers(0, 255, (7, 3), dtype=np.uint8), rng.uniform(size=7), tracks)
    frame = Frame("estimated", "given", "because", 0.1, 0.02, rng.normal(size=(4, 4)))
    return Capture(photos, points, "photos", frame, {"x.jpg": "blurred"}, {"registered": 3}, frozenset({"0 ü.png"}))


def test_everything_comes_back_bit_for_bit(capture: Capture, tmp_path: Path) -> None:
    write_capture(tmp_path / "run", capture)
    again = read_capture(tmp_path / "run")
    for a, b in zip(capture.photos, again.photos, strict=True):
        assert (a.name, a.path, a.camera, a.mask) == (b.name, b.path, b.camera, b.mask)
        np.testing.assert_array_equal(a.T_world_cam, b.T_world_cam)
    assert again.photos[0].camera is again.photos[2].camera
    for name in ("xyz", "rgb", "error"):
        np.testing.assert_array_equal(getattr(again.points, name), getattr(capture.points, name))
    np.testing.assert_array_equal(again.frame.T_world_source, capture.frame.T_world_source)
    for name in ("source", "frame", "skipped", "summary", "held_out"):
        assert getattr(again, name) == getattr(capture, name)


def test_tracks_come_back_from_a_folder_and_from_one_file(capture: Capture, tmp_path: Path) -> None:
    write_capture(tmp_path / "run", capture)
    write_capture_file(tmp_path / "cameras.json", capture)
    for again in (read_capture(tmp_path / "run"), read_capture_file(tmp_path / "cameras.json")):
        assert again.points.tracks.keys() == capture.points.tracks.keys()
        for name, seen in capture.points.tracks.items():
            np.testing.assert_array_equal(again.points.tracks[name], seen)
            assert again.points.tracks[name].dtype == np.int32


def test_a_file_from_before_tracks_has_none(capture: Capture, tmp_path: Path) -> None:
    file = tmp_path / "cameras.json"
    write_capture_file(file, capture)
    document = json.loads(file.read_text())
    del document["tracks"]
    file.write_text(json.dumps(document))
    again = read_capture_file(file)
    assert again.points.tracks == {} and again.points.seen_by("0 ü.png") is None


@pytest.mark.parametrize("seen", [[7], [-1], ["a"], [2**40], {"a": 1}, [[0], [0, 1]]])
def test_a_track_that_leads_nowhere_is_refused(capture: Capture, tmp_path: Path, seen: object) -> None:
    file = tmp_path / "cameras.json"
    write_capture_file(file, capture)
    document = json.loads(file.read_text())
    document["tracks"]["0 ü.png"] = seen
    file.write_text(json.dumps(document))
    with pytest.raises(FileError, match=r"cameras\.json"):
        read_capture_file(file)


def test_cameras_json_is_what_the_original_viewer_reads(capture: Capture, tmp_path: Path) -> None:
    """id, img_name, size, focal lengths, the centre, and the rotation from camera to world by rows."""
    write_capture(tmp_path / "run", capture)
    entry = json.loads((tmp_path / "run" / "cameras.json").read_text())[1]
    assert (entry["id"], entry["img_name"], entry["width"], entry["height"]) == (1, "1 ü.png", 40, 30)
    assert (entry["fx"], entry["fy"]) == (31.0, 32.0)
    T = capture.photos[1].T_world_cam
    np.testing.assert_array_equal(entry["position"], T[:3, 3])
    np.testing.assert_array_equal(entry["rotation"], T[:3, :3])


def test_colmap_reads_the_model_in_the_same_frame(capture: Capture, tmp_path: Path) -> None:
    write_capture(tmp_path / "run", capture)
    model = pycolmap.Reconstruction(str(tmp_path / "run" / "colmap"))
    centres = {image.name: image.projection_center() for image in model.images.values()}
    for photo in capture.photos:
        np.testing.assert_allclose(centres[photo.name], photo.T_world_cam[:3, 3], atol=1e-12)


def test_a_photo_that_was_moved_is_named(capture: Capture, tmp_path: Path) -> None:
    write_capture(tmp_path / "run", capture)
    capture.photos[1].path.unlink()
    with pytest.raises(FileError, match=r"1 ü\.png.*moved"):
        read_capture(tmp_path / "run")


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("cameras.json", "{"),
        ("cameras.json", "[{}]"),
        ("cameras.json", "7"),
        ("capture.json", "[]"),
        ("capture.json", '{"source": "photos", "frame": 3}'),
    ],
)
def test_damaged_files_are_named(capture: Capture, tmp_path: Path, file: str, text: str) -> None:
    write_capture(tmp_path / "run", capture)
    (tmp_path / "run" / file).write_text(text)
    with pytest.raises(FileError, match="run"):
        read_capture(tmp_path / "run")


def test_a_pose_that_is_not_finite_is_refused(capture: Capture, tmp_path: Path) -> None:
    pose = capture.photos[0].T_world_cam.copy()
    pose[0, 3] = np.nan
    spoilt = replace(capture, photos=[replace(capture.photos[0], T_world_cam=pose), *capture.photos[1:]])
    write_capture(tmp_path / "run", spoilt)
    with pytest.raises(FileError, match="not finite"):
        read_capture(tmp_path / "run")


def test_a_missing_capture_is_told_from_a_damaged_one(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="got nothing"):
        read_capture(tmp_path)

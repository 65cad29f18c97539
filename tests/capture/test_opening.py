"""The one door: inputs are recognised by content, and bad ones get one clear error."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from scenekit.cameras import Camera, look_at
from scenekit.capture import Capture, CaptureConfig, Photo, Points, open_capture
from scenekit.capture.opening import captures_below
from scenekit.errors import CaptureError, FileError, InputError
from scenekit.io.colmap import write_colmap


def noise(path: Path, seed: int = 0, size: tuple[int, int] = (96, 72)) -> Path:
    """A photo of nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def colmap_folder(folder: Path, *, binary: bool = True) -> Path:
    """A model of two photos in sparse/0 with its photos in images/, one in a sub-folder."""
    lens = Camera("SIMPLE_RADIAL", 96, 72, (80.0, 48.0, 36.0, 0.01))
    poses = [look_at(np.array([np.cos(a), np.sin(a), 0.3]), np.zeros(3)) for a in (0.0, 0.5)]
    photos = [Photo(n, folder / "images" / n, lens, T) for n, T in zip(("a.jpg", "süb/B c.JPG"), poses, strict=True)]
    for i, photo in enumerate(photos):
        noise(photo.path, i)
    write_colmap(
        Capture(photos, Points(np.eye(3), np.zeros((3, 3), np.uint8), np.zeros(3)), "photos"),
        folder / "sparse" / "0",
        binary=binary,
    )
    return folder


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("door", ["", "sparse", "sparse/0"])
def test_a_colmap_model_opens_by_any_of_its_folders(tmp_path, binary, door):
    folder = colmap_folder(tmp_path / "model", binary=binary)
    capture = open_capture(folder / door, workspace=tmp_path / "work")
    assert capture.source == "colmap" and len(capture.points) == 3
    assert [photo.name for photo in capture.photos] == ["a.jpg", "süb/B c.JPG"]
    assert all(photo.path.is_file() for photo in capture.photos)
    assert capture.photos[0].camera is capture.photos[1].camera
    np.testing.assert_allclose(capture.centres[1], [np.cos(0.5), np.sin(0.5), 0.3], atol=1e-12)


def test_a_colmap_models_photos_may_lie_elsewhere(tmp_path):
    folder = colmap_folder(tmp_path / "model")
    shutil.move(folder / "images", tmp_path / "elsewhere")
    config = CaptureConfig(images=tmp_path / "elsewhere")
    assert len(open_capture(folder, workspace=tmp_path / "work", config=config).photos) == 2
    with pytest.raises(FileError, match="`images`"):
        open_capture(folder, workspace=tmp_path / "work")


def test_a_mask_beside_the_photos_is_found_and_must_fit(tmp_path):
    folder = colmap_folder(tmp_path / "model")
    mask = noise(folder / "masks" / "a.jpg.png")
    capture = open_capture(folder, workspace=tmp_path / "work")
    assert [photo.mask for photo in capture.photos] == [mask, None]
    noise(mask, size=(20, 20))
    with pytest.raises(FileError, match=r"20x20.*96x72"):
        open_capture(folder, workspace=tmp_path / "work")


def test_a_truncated_photo_of_a_model_is_skipped_and_reported(tmp_path):
    folder = colmap_folder(tmp_path / "model")
    file = folder / "images" / "a.jpg"
    file.write_bytes(file.read_bytes()[:2000])
    capture = open_capture(folder, workspace=tmp_path / "work")
    assert [photo.name for photo in capture.photos] == ["süb/B c.JPG"]
    assert "breaks off" in capture.skipped["a.jpg"]


def test_transforms_json_opens_as_a_file_and_as_its_folder(tmp_path):
    noise(tmp_path / "a.jpg")
    frames = [{"file_path": "a.jpg", "transform_matrix": np.eye(4).tolist()}]
    (tmp_path / "transforms.json").write_text(json.dumps({"fl_x": 80, "frames": frames}))
    for door in (tmp_path, tmp_path / "transforms.json"):
        assert open_capture(door, workspace=tmp_path / "work").source == "nerfstudio"


@pytest.mark.parametrize("poses", ["given", "sfm"])
def test_a_missing_input_is_an_error(tmp_path, poses):
    with pytest.raises(FileError, match="nothing there"):
        open_capture(tmp_path / "none", workspace=tmp_path / "work", config=CaptureConfig(poses=poses))


def test_an_empty_folder_is_an_error(tmp_path):
    (tmp_path / "photos").mkdir()
    with pytest.raises(FileError, match="0 readable photos"):
        open_capture(tmp_path / "photos", workspace=tmp_path / "work")


def test_one_photo_is_an_error(tmp_path):
    noise(tmp_path / "photos" / "a.jpg")
    with pytest.raises(FileError, match=r"1 readable photo\b"):
        open_capture(tmp_path / "photos", workspace=tmp_path / "work")


def test_two_photos_of_which_one_is_truncated_are_an_error_that_names_it(tmp_path):
    noise(tmp_path / "photos" / "a.jpg")
    broken = noise(tmp_path / "photos" / "broken.jpg", 1)
    broken.write_bytes(broken.read_bytes()[:2000])
    with pytest.raises(FileError, match=r"broken\.jpg"):
        open_capture(tmp_path / "photos", workspace=tmp_path / "work")


def test_photos_that_do_not_overlap_are_an_error_that_says_what_to_try(tmp_path):
    for i in range(3):
        noise(tmp_path / "photos" / f"{i}.jpg", i)
    with pytest.raises(CaptureError, match="overlap"):
        open_capture(tmp_path / "photos", workspace=tmp_path / "work")


@pytest.mark.parametrize("name", ["notes.txt", "clip.mp4"])
def test_a_file_that_is_no_video_is_an_error(tmp_path, name):
    (tmp_path / name).write_bytes(b"not a video")
    with pytest.raises(FileError, match="no video"):
        open_capture(tmp_path / name, workspace=tmp_path / "work")


def test_a_single_photo_file_is_an_error_that_asks_for_the_folder(tmp_path):
    with pytest.raises(FileError, match="folder"):
        open_capture(noise(tmp_path / "a.jpg"), workspace=tmp_path / "work")


def test_captures_below_a_folder_are_found_but_not_what_lies_in_them_or_in_runs(tmp_path: Path) -> None:
    noise(tmp_path / "flat" / "a.jpg")
    noise(tmp_path / "house" / "kitchen" / "images" / "a.jpg")
    noise(tmp_path / "house" / "kitchen" / "images" / "left" / "b.jpg")
    colmap_folder(tmp_path / "house" / "posed")
    noise(tmp_path / "runs" / "flat" / "cache" / "a.jpg")
    (tmp_path / "runs" / "flat" / "run.json").write_text("{}")
    noise(tmp_path / ".hidden" / "a.jpg")
    (tmp_path / "house" / "walk.mp4").touch()
    (tmp_path / "notes.txt").touch()
    found = [path.relative_to(tmp_path).as_posix() for path in captures_below(tmp_path)]
    assert found == ["flat", "house/kitchen", "house/posed", "house/walk.mp4"]


def test_a_folder_without_captures_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no capture.*leave --each out"):
        captures_below(tmp_path)
    with pytest.raises(FileError, match="no folder"):
        captures_below(tmp_path / "nowhere")

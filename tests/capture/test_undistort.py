"""Undistortion against what a pinhole camera would have seen of an analytic scene."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from scenekit.cameras import Camera
from scenekit.capture import Capture, Photo, Points, undistorted
from scenekit.capture.undistort import pinhole_of, pinhole_photo, warp_grid, warped
from scenekit.errors import CaptureError
from scenekit.io.images import read_image, read_mask, write_image

LENSES = [
    Camera("SIMPLE_RADIAL", 320, 240, (260.0, 160.0, 120.0, -0.15)),
    Camera("SIMPLE_RADIAL", 320, 240, (260.0, 160.0, 120.0, 0.12)),
    Camera("RADIAL", 320, 240, (260.0, 165.0, 118.0, -0.2, 0.08)),
    Camera("OPENCV", 320, 240, (260.0, 270.0, 160.0, 120.0, -0.1, 0.03, 0.004, -0.003)),
    Camera("FULL_OPENCV", 320, 240, (260.0, 270.0, 160.0, 120.0, -0.1, 0.03, 0.004, -0.003, 0.01, 0.02, 0.0, 0.0)),
    Camera("OPENCV_FISHEYE", 320, 240, (150.0, 150.0, 160.0, 120.0, 0.02, -0.01, 0.0, 0.0)),
]


def scene(rays: np.ndarray) -> np.ndarray:
    """A smooth colour for each ray direction (x/z, y/z), shape (…, 3), as the analytic truth."""
    x, y = rays[..., 0], rays[..., 1]
    waves = np.stack([np.sin(9 * x), np.cos(8 * y), np.sin(6 * (x + y))], -1)
    return np.round(127.5 + 110 * waves).astype(np.uint8)


def seen_by(camera: Camera) -> np.ndarray:
    """The scene as a camera sees it."""
    pixels = np.stack(np.meshgrid(np.arange(camera.width) + 0.5, np.arange(camera.height) + 0.5), -1)
    return scene(camera.unproject(pixels.reshape(-1, 2)).reshape(*pixels.shape[:2], 3))


def capture_of(folder: Path, camera: Camera, *, name: str = "a.png", masked: bool = False) -> Capture:
    write_image(folder / name, seen_by(camera))
    mask = folder / "m.png" if masked else None
    if mask:
        Image.fromarray(np.uint8(255) * (np.arange(camera.width) >= camera.cx)[None].repeat(camera.height, 0)).save(
            mask
        )
    return Capture([Photo(name, folder / name, camera, np.eye(4), mask)], Points.none(), "photos")


@pytest.mark.parametrize("lens", LENSES, ids=lambda lens: f"{lens.model}{lens.params[3:]}")
def test_the_warped_photo_is_what_the_pinhole_camera_sees(lens):
    pinhole = pinhole_of(lens)
    got = warped(seen_by(lens), warp_grid(lens, pinhole)).astype(int)
    error = np.abs(got - seen_by(pinhole))
    assert error[2:-2, 2:-2].max() <= 3 and error.mean() < 0.6


@pytest.mark.parametrize("lens", LENSES, ids=lambda lens: f"{lens.model}{lens.params[3:]}")
def test_no_pixel_of_the_pinhole_image_lies_outside_the_photo_and_little_is_lost(lens):
    pinhole = pinhole_of(lens)
    grid = warp_grid(lens, pinhole)
    assert grid.abs().max() <= 1.0
    assert (pinhole.fx, pinhole.fy) == (lens.fx, lens.fy)
    edge = torch.cat([grid[0], grid[-1], grid[:, 0], grid[:, -1]])
    assert edge.abs().amax() > 0.97  # the crop touches the photo's border


def test_a_wide_fisheye_is_cut_at_sixty_degrees():
    pinhole = pinhole_of(Camera("OPENCV_FISHEYE", 800, 800, (255.0, 255.0, 400.0, 400.0, 0.0, 0.0, 0.0, 0.0)))
    assert np.degrees(np.arctan(pinhole.width / 2 / pinhole.fx)) <= 60.0


def test_a_lens_that_folds_back_is_cut_before_the_fold(tmp_path):
    """k1 = −0.8 turns back at r = 0.65, and the corner lies at r = 0.77 of the distorted image."""
    lens = Camera("SIMPLE_RADIAL", 320, 240, (260.0, 160.0, 120.0, -0.8))
    pinhole = pinhole_of(lens)
    corner = np.hypot(pinhole.width / 2, pinhole.height / 2) / pinhole.fx
    assert corner < 1 / np.sqrt(3 * 0.8) and pinhole.width > 100


def test_a_lens_that_leaves_nothing_is_an_error(tmp_path):
    lens = Camera("SIMPLE_RADIAL", 320, 240, (260.0, -900.0, 120.0, -0.1))
    with pytest.raises(CaptureError, match="undistorted"):
        undistorted(Capture([Photo("a", tmp_path / "a.png", lens, np.eye(4))], Points.none(), "x"), tmp_path / "c")


def test_photos_without_distortion_stay_where_they_are(tmp_path):
    for model, params in (
        ("PINHOLE", (260.0, 260.0, 160.0, 120.0)),
        ("OPENCV", (260.0, 260.0, 160.0, 120.0, 0, 0, 0, 0)),
    ):
        capture = capture_of(tmp_path, Camera(model, 320, 240, params))
        photo = undistorted(capture, tmp_path / "cache").photos[0]
        assert photo.path == capture.photos[0].path and photo.camera.model == "PINHOLE"
    assert not (tmp_path / "cache").exists()


def test_a_cached_photo_is_used_again_until_the_photo_or_its_lens_changes(tmp_path):
    capture = capture_of(tmp_path, LENSES[0])
    file = undistorted(capture, tmp_path / "cache").photos[0].path

    def made() -> int:
        return file.stat().st_mtime_ns

    first = made()
    undistorted(capture, tmp_path / "cache")
    assert made() == first
    write_image(tmp_path / "a.png", 255 - seen_by(LENSES[0]))
    undistorted(capture, tmp_path / "cache")
    second = made()
    assert second > first
    assert np.abs(read_image(file).astype(int) - (255 - seen_by(pinhole_of(LENSES[0])))).mean() < 1
    other = replace(capture.photos[0], camera=replace(LENSES[0], params=(260.0, 160.0, 120.0, -0.1)))
    undistorted(replace(capture, photos=[other]), tmp_path / "cache")
    assert made() > second


@pytest.mark.parametrize("lens", [LENSES[0], Camera("OPENCV", 320, 240, (260.0, 260.0, 160.0, 120.0, 0, 0, 0, 0))])
def test_one_photo_is_what_the_cache_holds_of_it(tmp_path, lens):
    flat = undistorted(capture_of(tmp_path, lens), tmp_path / "cache").photos[0]
    pixels, camera = pinhole_photo(tmp_path / "a.png", lens)
    assert camera == flat.camera
    np.testing.assert_array_equal(pixels, read_image(flat.path))


def test_a_damaged_index_is_made_again(tmp_path):
    capture = capture_of(tmp_path, LENSES[0])
    undistorted(capture, tmp_path / "cache")
    (tmp_path / "cache" / "index.json").write_text("{broken")
    assert undistorted(capture, tmp_path / "cache").photos[0].path.is_file()


def test_masks_are_warped_with_their_photos(tmp_path):
    photo = undistorted(capture_of(tmp_path, LENSES[0], masked=True), tmp_path / "cache").photos[0]
    mask = read_mask(photo.mask)
    assert mask.shape == (photo.camera.height, photo.camera.width)
    middle = int(photo.camera.cx)
    assert mask[:, middle + 2 :].all() and not mask[:, : middle - 2].any()


def test_a_jpeg_stays_a_jpeg_and_other_formats_become_one_beside_it(tmp_path):
    for name, ending in (("a.jpg", "a.jpg"), ("a.webp", "a.webp.jpg"), ("sub/ä.JPG", "sub/ä.JPG")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(seen_by(LENSES[0])).save(tmp_path / name)
        capture = Capture([Photo(name, tmp_path / name, LENSES[0], np.eye(4))], Points.none(), "photos")
        photo = undistorted(capture, tmp_path / "cache").photos[0]
        assert photo.path == tmp_path / "cache" / "images" / ending and photo.name == name
        assert Image.open(photo.path).format == "JPEG"

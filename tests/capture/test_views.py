"""Views and splits."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from scenekit.cameras import Camera, look_at, pinhole
from scenekit.capture import Capture, Photo, Points, load_view, load_views, split, split_by_region
from scenekit.errors import FileError, InputError


def capture_of(folder: Path, count: int = 3, *, size: tuple[int, int] = (101, 60)) -> Capture:
    """Photos whose red is their number, on a circle."""
    photos = []
    for i in range(count):
        path = folder / f"{i:02d}.png"
        Image.new("RGB", size, (i, 100, 200)).save(path)
        eye = np.array([np.cos(0.3 * i), np.sin(0.3 * i), 0.2])
        photos.append(Photo(path.name, path, pinhole(*size, 90, 91, 50, 30), look_at(eye, np.zeros(3))))
    return Capture(photos, Points.none(), "photos")


def test_views_come_in_order_with_their_cameras(tmp_path):
    views = load_views(capture_of(tmp_path))
    assert [int(view.image[0, 0, 0]) for view in views] == [0, 1, 2]
    assert views[0].image.dtype == torch.uint8 and views[0].image.shape == (60, 101, 3)
    for view, photo in zip(views, capture_of(tmp_path).photos, strict=True):
        torch.testing.assert_close(view.viewmat @ torch.from_numpy(photo.T_world_cam).float(), torch.eye(4))


def test_a_resized_view_sees_the_same_rays(tmp_path):
    """101 / 4 is rounded, and the pinhole matrix follows the rounded size."""
    view = load_views(capture_of(tmp_path), downscale=4)[0]
    assert (view.width, view.height) == (25, 15)
    expected = np.array([[90 * 25 / 101, 0, 50 * 25 / 101], [0, 91 * 15 / 60, 30 * 15 / 60], [0, 0, 1]])
    np.testing.assert_allclose(view.K, expected, rtol=1e-6)


def test_max_side_bounds_the_longest_side(tmp_path):
    view = load_views(capture_of(tmp_path), max_side=50)[0]
    assert (view.width, view.height) == (50, 30)


def test_names_choose_views_and_an_unknown_one_is_an_error(tmp_path):
    capture = capture_of(tmp_path)
    assert [view.name for view in load_views(capture, names=["02.png", "00.png"])] == ["00.png", "02.png"]
    with pytest.raises(InputError, match="nine"):
        load_views(capture, names=["nine"])


def test_a_mask_pixel_counts_only_if_all_it_covers_counts(tmp_path):
    photo = capture_of(tmp_path, size=(100, 60)).photos[0]
    mask = np.zeros((60, 100), np.uint8)
    mask[:, 49:] = 255
    Image.fromarray(mask).save(tmp_path / "m.png")
    view = load_view(Photo(photo.name, photo.path, photo.camera, photo.T_world_cam, tmp_path / "m.png"), downscale=4)
    assert view.mask.dtype == torch.bool and view.mask.shape == (15, 25)
    assert view.mask[:, 13:].all() and not view.mask[:, :12].any()


def test_a_distorted_photo_is_an_error_that_says_what_to_call(tmp_path):
    photo = capture_of(tmp_path).photos[0]
    lens = Camera("SIMPLE_RADIAL", 101, 60, (90.0, 50.0, 30.0, 0.1))
    with pytest.raises(InputError, match="undistorted"):
        load_view(Photo(photo.name, photo.path, lens, photo.T_world_cam))


def test_a_photo_that_changed_its_size_is_an_error(tmp_path):
    photo = capture_of(tmp_path).photos[0]
    Image.new("RGB", (40, 40)).save(photo.path)
    with pytest.raises(FileError, match=r"40x40.*101x60"):
        load_view(photo)


@pytest.mark.parametrize("option", [{"downscale": 0.5}, {"downscale": float("nan")}, {"max_side": 0}])
def test_an_option_out_of_range_is_an_error(tmp_path, option):
    with pytest.raises(InputError, match="at least 1"):
        load_view(capture_of(tmp_path).photos[0], **option)


def test_every_eighth_photo_by_name_is_held_out_starting_with_the_first():
    names = [f"{i:03d}" for i in range(50)]
    train, held = split(list(reversed(names)))
    assert held == ["000", "008", "016", "024", "032", "040", "048"]
    assert sorted(train + held) == names and len(train) == 43
    assert split(names, every=0) == (names, [])
    with pytest.raises(InputError, match="every"):
        split(names, every=1)


def test_a_held_out_region_is_the_outermost_camera_and_its_neighbours(tmp_path):
    """On an arc of 16 the ends are farthest from the middle; the region is one end of it."""
    capture = capture_of(tmp_path, 10)
    train, held = split_by_region(capture, count=3)
    assert held in (["00.png", "01.png", "02.png"], ["07.png", "08.png", "09.png"])
    assert len(train) == 7
    with pytest.raises(InputError, match="count"):
        split_by_region(capture, count=10)

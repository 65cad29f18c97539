"""Views that stay on disk."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from scenekit.cameras import look_at, pinhole
from scenekit.capture import Capture, Photo, Points, View, load_views
from scenekit.capture.stored_views import StoredViews, mapped, outlines, size_of, stored_views
from scenekit.errors import FileError, InputError


@pytest.fixture
def capture(tmp_path: Path) -> Capture:
    """Five noisy photos, the second with a mask."""
    photos, rng = [], np.random.default_rng(0)
    for i in range(5):
        path = tmp_path / f"{i}.png"
        Image.fromarray(rng.integers(0, 256, (60, 101, 3), np.uint8)).save(path)
        pose = look_at(np.array([np.cos(i), np.sin(i), 0.2]), np.zeros(3))
        photos.append(Photo(path.name, path, pinhole(101, 60, 90, 91, 50, 30), pose))
    Image.fromarray(rng.integers(0, 2, (60, 101), np.uint8) * np.uint8(255)).save(tmp_path / "mask.png")
    one = photos[1]
    photos[1] = Photo(one.name, one.path, one.camera, one.T_world_cam, tmp_path / "mask.png")
    return Capture(photos, Points.none(), "photos")


def counted(capture: Capture, budget: int) -> tuple[StoredViews, list[int]]:
    """Views, and the numbers of those that were read so far."""
    views, read = load_views(capture), []

    def make(number: int) -> View:
        read.append(number)
        return views[number]

    return StoredViews(make, views, budget=budget), read


def assert_same(one: View, other: View) -> None:
    assert one.name == other.name
    for name in ("image", "K", "viewmat"):
        assert torch.equal(getattr(one, name), getattr(other, name))
    assert (one.mask is None) == (other.mask is None)
    assert one.mask is None or torch.equal(one.mask, other.mask)


@pytest.mark.parametrize("options", [{}, {"downscale": 3.0}, {"max_side": 40, "names": ["3.png", "1.png"]}])
def test_they_are_the_views_that_memory_would_hold(capture: Capture, options: dict) -> None:
    stored, held = stored_views(capture, **options), load_views(capture, **options)
    assert len(stored) == len(held)
    for one, outline, other in zip(stored, outlines(stored), held, strict=True):
        assert_same(one, other)
        assert (outline.name, outline.width, outline.height) == (other.name, other.width, other.height)
        assert torch.equal(outline.K, other.K) and torch.equal(outline.viewmat, other.viewmat)
    for one, other in zip(mapped(stored[1:], lambda v: v.on("cpu")), held[1:], strict=True):
        assert_same(one, other)


def test_the_latest_are_kept_and_never_more_than_the_budget(capture: Capture) -> None:
    views, read = counted(capture, budget=int(2.5 * size_of(load_views(capture)[0])))
    for number in (0, 1, 0, 2, 0, 1):
        assert views[number].name == f"{number}.png"
        assert views.bytes <= views.budget
    assert read == [0, 1, 2, 1]


def test_without_a_budget_one_is_kept(capture: Capture) -> None:
    views, read = counted(capture, budget=0)
    for number in (3, 3, 4, -1, 3):
        assert views[number] is not None
    assert read == [3, 4, 3]


def test_what_is_changed_is_kept_instead_of_the_original(capture: Capture) -> None:
    views, read = counted(capture, budget=1 << 20)
    assert views[0] is not None
    changed = views.map(lambda view: View(view.name + "!", view.image, view.K, view.viewmat))
    assert views.bytes == 0
    assert [changed[0].name, changed[0].name] == ["0.png!", "0.png!"]
    assert read == [0, 0]


def test_bad_requests_are_refused(capture: Capture) -> None:
    with pytest.raises(InputError, match="nine"):
        stored_views(capture, names=["nine"])
    with pytest.raises(InputError, match="at least 1"):
        stored_views(capture, downscale=0.5)
    views = stored_views(capture)
    with pytest.raises(IndexError):
        views[5]
    capture.photos[2].path.unlink()
    with pytest.raises(FileError):
        views[2]

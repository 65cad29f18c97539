"""Printed markers give the metre: tags are pasted into pictures of a known world, which is not in metres."""

import functools
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from scenekit.cameras import Camera, look_at, pinhole
from scenekit.capture.capture import Photo
from scenekit.errors import InputError
from scenekit.markers import FAMILIES, find_markers, scale_by_markers

UNIT = 0.37
"""Metres per unit of the world of the pictures."""

EDGE = 0.12
"""Edge of the tags [m]."""

CORNERS = np.array([[-1.0, 1, 0], [1, 1, 0], [1, -1, 0], [-1, -1, 0]]) / 2
"""Corners of a tag of edge 1, clockwise from the upper left as one looks down at it."""


def sheet(family: str, number: int, *, cells: int = 60) -> np.ndarray:
    """A tag with a white margin of half its edge, 2·cells² large."""
    dictionary = cv2.aruco.getPredefinedDictionary(getattr(cv2.aruco, FAMILIES[family]))
    picture = np.full((8 * cells, 8 * cells), 255, np.uint8)
    picture[2 * cells : 6 * cells, 2 * cells : 6 * cells] = cv2.aruco.generateImageMarker(dictionary, number, 4 * cells)
    return picture


FINE = 3
"""Rays per pixel, each way."""


@functools.cache
def rays_of(camera: Camera) -> np.ndarray:
    v, u = (np.mgrid[: camera.height * FINE, : camera.width * FINE] + 0.5) / FINE
    return camera.unproject(np.stack([u, v], -1).reshape(-1, 2))


def photograph(camera: Camera, T_world_cam: np.ndarray, tags: dict[int, np.ndarray], family: str) -> np.ndarray:
    """Grey picture of tags that lie in the world, oversampled, by tracing every ray to every tag's plane."""
    rays = rays_of(camera) @ T_world_cam[:3, :3].T
    grey = np.full(len(rays), 140.0)
    for number, T_world_tag in tags.items():
        edge = EDGE / UNIT
        normal, origin = T_world_tag[:3, 2], T_world_tag[:3, 3]
        distance = ((origin - T_world_cam[:3, 3]) @ normal) / (rays @ normal)
        local = (T_world_cam[:3, 3] + distance[:, None] * rays - origin) @ T_world_tag[:3, :3] / edge
        picture = sheet(family, number)
        x, y = (local[:, 0] / 2 + 0.5) * len(picture), (0.5 - local[:, 1] / 2) * len(picture)
        inside = (distance > 0) & (x >= 0) & (y >= 0) & (x < len(picture)) & (y < len(picture))
        grey[inside] = picture[y[inside].astype(int), x[inside].astype(int)]
    grey = grey.reshape(camera.height, FINE, camera.width, FINE).mean((1, 3))
    return np.clip(grey + np.random.default_rng(0).normal(size=grey.shape) * 2, 0, 255).astype(np.uint8)


def capture(
    folder: Path, family: str, eyes: list[tuple[float, float, float]], tags: dict[int, np.ndarray]
) -> list[Photo]:
    folder.mkdir()
    camera, photos = Camera("SIMPLE_RADIAL", 400, 300, (350.0, 200.0, 150.0, -0.05)), []
    for i, eye in enumerate(eyes):
        pose = look_at(np.array(eye), np.zeros(3))
        Image.fromarray(photograph(camera, pose, tags, family)).save(folder / f"{i}.png")
        photos.append(Photo(f"{i}.png", folder / f"{i}.png", camera, pose))
    return photos


def lying(x: float, y: float, angle: float) -> np.ndarray:
    T = np.eye(4)
    T[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    T[:2, 3] = x, y
    return T


EYES = [(1.2, 0.1, 1.1), (0.4, 1.2, 1.2), (-0.9, 0.7, 1.3), (0.2, -1.1, 1.0)]


@pytest.mark.parametrize("family", ["tag36h11", "aruco4x4"])
def test_the_scale_of_a_marker_is_right_to_half_a_percent(family: str, tmp_path: Path) -> None:
    photos = capture(tmp_path / "photos", family, EYES, {7: lying(0.05, -0.1, 0.4)})
    found = scale_by_markers(photos, EDGE, family=family)
    assert found.scale == pytest.approx(UNIT, rel=5e-3)
    assert found.spread is not None and 0 < found.spread < 5e-3
    assert abs(found.scale / UNIT - 1) < 5 * found.spread
    assert found.how == "measured" and "number 7" in found.note


def test_corners_lie_where_the_tag_does(tmp_path: Path) -> None:
    """In pixels, in the order of the tag's own corners: the convention of pixel centres is not off by a half."""
    T = lying(0.05, -0.1, 0.4)
    photos = capture(tmp_path / "photos", "tag36h11", EYES, {3: T})
    for seen in find_markers(photos)[3]:
        world = CORNERS * EDGE / UNIT @ T[:3, :3].T + T[:3, 3]
        T_cam = np.linalg.inv(seen.photo.T_world_cam)
        true = seen.photo.camera.project(world @ T_cam[:3, :3].T + T_cam[:3, 3])
        assert np.abs((seen.corners - true).mean(0)).max() < 0.15
        assert np.abs(seen.corners - true).max() < 0.6


def test_several_markers_agree_and_one_can_be_asked_for(tmp_path: Path) -> None:
    photos = capture(tmp_path / "photos", "tag36h11", EYES, {1: lying(-0.35, 0, 0), 2: lying(0.4, 0.1, 2.0)})
    assert scale_by_markers(photos, EDGE).scale == pytest.approx(UNIT, rel=5e-3)
    assert "number 2)" in scale_by_markers(photos, EDGE, number=2).note


def test_a_marker_seen_once_or_from_one_place_gives_no_scale(tmp_path: Path) -> None:
    near = [(1.2, 0.1, 1.1), (1.2, 0.11, 1.1)]
    photos = capture(tmp_path / "photos", "tag36h11", near, {7: lying(0, 0, 0)})
    for some in (photos, photos[:1]):
        with pytest.raises(InputError, match="number 7 in"):
            scale_by_markers(some, EDGE)


def test_photos_without_markers_say_so(tmp_path: Path) -> None:
    photos = capture(tmp_path / "photos", "tag36h11", EYES[:2], {})
    with pytest.raises(InputError, match="none"):
        scale_by_markers(photos, EDGE)


@pytest.mark.parametrize(("edge", "family"), [(0.0, "tag36h11"), (float("nan"), "tag36h11"), (0.1, "qr")])
def test_options_that_mean_nothing_are_refused(edge: float, family: str, tmp_path: Path) -> None:
    Image.new("RGB", (9, 9)).save(tmp_path / "a.png")
    photo = Photo("a.png", tmp_path / "a.png", pinhole(9, 9, 9, 9, 4, 4), np.eye(4))
    with pytest.raises(InputError):
        scale_by_markers([photo], edge, family=family)

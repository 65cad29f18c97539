"""Satellite positions give scale and up, with an honest spread."""

from pathlib import Path

import numpy as np
import piexif
import pytest
from PIL import Image

from scenekit.cameras import look_at, pinhole
from scenekit.capture.capture import Photo
from scenekit.errors import InputError
from scenekit.gps import local_metres, located
from scenekit.io.images import gps_position

HOME = (47.3769, 8.5417, 408.0)
"""Where the walk is: latitude, longitude [degrees], altitude [m]."""

UNIT = 2.5
"""Metres per unit of the scene."""


def earth(enu: np.ndarray) -> np.ndarray:
    """Latitude, longitude and altitude of metres east, north and up of HOME, by the radii of curvature there."""
    a, e2, phi = 6378137.0, 0.00669437999014, np.radians(HOME[0])
    w = np.sqrt(1 - e2 * np.sin(phi) ** 2)
    north, east = a * (1 - e2) / w**3 + HOME[2], (a / w + HOME[2]) * np.cos(phi)
    return np.stack(
        [HOME[0] + np.degrees(enu[:, 1] / north), HOME[1] + np.degrees(enu[:, 0] / east), HOME[2] + enu[:, 2]], 1
    )


def exif(latitude: float, longitude: float, altitude: float) -> bytes:
    def sexagesimal(angle: float) -> tuple[tuple[int, int], ...]:
        seconds = round(abs(angle) * 3600 * 10**6)
        return ((seconds // (3600 * 10**6), 1), (seconds // (60 * 10**6) % 60, 1), (seconds % (60 * 10**6), 10**6))

    table = {
        piexif.GPSIFD.GPSLatitudeRef: b"S" if latitude < 0 else b"N",
        piexif.GPSIFD.GPSLatitude: sexagesimal(latitude),
        piexif.GPSIFD.GPSLongitudeRef: b"W" if longitude < 0 else b"E",
        piexif.GPSIFD.GPSLongitude: sexagesimal(longitude),
        piexif.GPSIFD.GPSAltitudeRef: int(altitude < 0),
        piexif.GPSIFD.GPSAltitude: (round(abs(altitude) * 1000), 1000),
    }
    return piexif.dump({"GPS": table})


def walk(
    folder: Path, *, radius: float, noise: float, count: int = 40, outliers: int = 0
) -> tuple[list[Photo], np.ndarray]:
    """Photos around a thing, in a scene turned against the earth and of another unit, and up in that scene."""
    rng = np.random.default_rng(3)
    angles = np.linspace(0, 2 * np.pi, count, endpoint=False)
    enu = np.stack([radius * np.cos(angles), radius * np.sin(angles), 0.1 * radius * np.sin(3 * angles)], 1)
    said = earth(enu + rng.normal(size=enu.shape) * noise)
    said[:outliers, 0] += 0.002  # 200 m to the north, as between houses
    R, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    R *= np.sign(np.linalg.det(R))
    photos = []
    folder.mkdir()
    for i, (place, position) in enumerate(zip(enu, said, strict=True)):
        pose = look_at(place, np.array([0.0, 0.0, -1.0]))
        T = np.eye(4)
        T[:3, :3], T[:3, 3] = R @ pose[:3, :3], R @ place / UNIT + 5
        Image.new("RGB", (8, 8)).save(folder / f"{i}.jpg", exif=exif(*position))
        photos.append(Photo(f"{i}.jpg", folder / f"{i}.jpg", pinhole(8, 8, 8, 8, 4, 4), T))
    return photos, R[:, 2]


@pytest.mark.parametrize(("latitude", "longitude", "altitude"), [(47.5, -8.25, 400.5), (-33.75, 151.2, -2.25)])
def test_exif_positions_are_read_with_their_signs(
    latitude: float, longitude: float, altitude: float, tmp_path: Path
) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.jpg", exif=exif(latitude, longitude, altitude))
    assert gps_position(tmp_path / "a.jpg") == pytest.approx((latitude, longitude, altitude), abs=1e-8)


def test_a_photo_without_or_with_broken_positions_has_none(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    assert gps_position(tmp_path / "a.png") is None
    broken = piexif.dump({"GPS": {piexif.GPSIFD.GPSLatitude: ((1, 0), (0, 1), (0, 1))}})
    Image.new("RGB", (8, 8)).save(tmp_path / "b.jpg", exif=broken)
    assert gps_position(tmp_path / "b.jpg") is None


def test_local_metres_are_metres_on_the_ellipsoid() -> None:
    enu = np.array([[0.0, 0, 0], [100, 0, 0], [0, 100, 0], [0, 0, 100], [-60, 30, 5]])
    assert np.abs(local_metres(earth(enu)) - (enu - enu.mean(0))).max() < 2e-3


def test_metres_go_on_across_the_date_line() -> None:
    positions = np.array([[10.0, 179.9999, 0.0], [10.0, -179.9999, 0.0]])
    assert np.linalg.norm(np.diff(local_metres(positions), axis=0)) == pytest.approx(21.926, abs=0.01)


def test_exact_positions_give_scale_and_up_exactly(tmp_path: Path) -> None:
    photos, up = walk(tmp_path / "photos", radius=30, noise=0.0)
    fix = located(photos)
    assert fix.scale.scale == pytest.approx(UNIT, rel=1e-4)
    assert np.degrees(np.arccos(fix.up.direction @ up)) < 0.01
    assert fix.inliers == 40


def test_noise_and_outliers_stay_within_a_few_spreads(tmp_path: Path) -> None:
    photos, up = walk(tmp_path / "photos", radius=40, noise=1.5, outliers=5)
    fix = located(photos)
    assert fix.inliers <= 35
    assert fix.error == pytest.approx(1.5, rel=0.3)
    assert fix.scale.spread is not None and fix.up.spread is not None
    assert 0.001 < fix.scale.spread < 0.02
    assert abs(fix.scale.scale / UNIT - 1) < 3 * fix.scale.spread
    assert np.arccos(fix.up.direction @ up) < 3 * fix.up.spread


def test_a_walk_shorter_than_the_error_says_nothing(tmp_path: Path) -> None:
    photos, _ = walk(tmp_path / "photos", radius=0.5, noise=5.0, count=12)
    with pytest.raises(InputError, match="off by"):
        located(photos)


def test_photos_without_positions_say_so(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    photo = Photo("a.png", tmp_path / "a.png", pinhole(8, 8, 8, 8, 4, 4), np.eye(4))
    with pytest.raises(InputError, match="0 of 5 photos"):
        located([photo] * 5)

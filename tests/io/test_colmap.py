"""COLMAP models, with pycolmap's own reader and writer as the other program."""

import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pycolmap
import pytest

from scenekit.cameras import PARAMS, Camera, inverse_pose, look_at
from scenekit.capture import Capture, Photo, Points
from scenekit.errors import FileError
from scenekit.io.colmap import model_folder, read_model, write_colmap


def some_capture() -> Capture:
    """Three photos, two lenses, one name with spaces and Greek, seven points."""
    rng = np.random.default_rng(0)
    lenses = [
        Camera("SIMPLE_RADIAL", 640, 480, (500.0, 320.0, 240.0, 0.05)),
        Camera("FULL_OPENCV", 800, 600, (700.0, 710.0, 400.0, 300.0, 0.1, 0.01, 1e-3, 2e-3, 0.01, 0.0, 0.0, 0.0)),
    ]
    photos = [
        Photo(name, Path(name), lens, look_at(np.array([np.cos(a), np.sin(a), 0.5]), np.zeros(3)))
        for name, lens, a in [("a b.jpg", lenses[0], 0.1), ("sub/ζ.jpg", lenses[1], 2.0), ("z.png", lenses[0], 4.0)]
    ]
    tracks = {photo.name: np.flatnonzero(rng.random(7) < 0.6).astype(np.int32) for photo in photos}
    points = Points(0.3 * rng.normal(size=(7, 3)), rng.integers(0, 256, (7, 3), dtype=np.uint8), rng.random(7), tracks)
    return Capture(photos, points, "photos")


def binary_model(folder: Path) -> Path:
    write_colmap(some_capture(), folder)
    return folder


@pytest.mark.parametrize("binary", [True, False])
def test_what_we_write_is_what_pycolmap_reads(tmp_path, binary):
    capture = some_capture()
    if not binary:  # pycolmap's text reader ends a name at its first space
        capture = replace(capture, photos=[replace(p, name=p.name.replace(" ", "_")) for p in capture.photos])
        tracks = {name.replace(" ", "_"): seen for name, seen in capture.points.tracks.items()}
        capture = replace(capture, points=replace(capture.points, tracks=tracks))
    write_colmap(capture, tmp_path, binary=binary)
    other = pycolmap.Reconstruction(tmp_path)
    assert other.num_reg_images() == 3 and other.num_cameras() == 2 and other.num_points3D() == 7
    for photo in capture.photos:
        image = other.find_image_with_name(photo.name)
        np.testing.assert_allclose(image.cam_from_world().matrix(), inverse_pose(photo.T_world_cam)[:3], atol=1e-12)
        assert image.camera.model.name == photo.camera.model
        np.testing.assert_array_equal(image.camera.params, photo.camera.params)
        seen = capture.points.tracks[photo.name]
        assert [f.point3D_id for f in image.points2D] == (seen + 1).tolist()
        for feature in image.points2D:
            expected = image.project_point(other.point3D(feature.point3D_id).xyz)
            np.testing.assert_allclose(feature.xy, expected, atol=1e-6)
    for i, point in other.points3D.items():
        for element in point.track.elements:
            assert other.image(element.image_id).point2D(element.point2D_idx).point3D_id == i
    points = [other.point3D(i + 1) for i in range(7)]
    np.testing.assert_array_equal([p.xyz for p in points], capture.points.xyz)
    np.testing.assert_array_equal([p.color for p in points], capture.points.rgb)


@pytest.mark.parametrize("binary", [True, False])
def test_what_pycolmap_writes_is_what_we_read(tmp_path, binary):
    """A synthetic model of pycolmap's, with features and tracks."""
    options = pycolmap.SyntheticDatasetOptions()
    options.num_rigs, options.num_frames_per_rig, options.num_points3D = 2, 4, 50
    other = pycolmap.synthesize_dataset(options)
    (other.write_binary if binary else other.write_text)(tmp_path)
    model = read_model(tmp_path)
    assert len(model.images) == other.num_reg_images() and len(model.cameras) == other.num_cameras()
    for image in model.images:
        theirs = other.find_image_with_name(image.name)
        np.testing.assert_allclose(image.T_cam_world[:3], theirs.cam_from_world().matrix(), atol=1e-12)
        np.testing.assert_allclose(model.cameras[image.camera_id].params, theirs.camera.params)
        seen = model.points.seen_by(image.name)
        expected = [other.point3D(f.point3D_id).xyz for f in theirs.get_observation_points2D()]
        np.testing.assert_allclose(np.sort(seen, 0), np.sort(expected, 0), atol=1e-12)
    np.testing.assert_allclose(
        np.sort(model.points.xyz, 0), np.sort([p.xyz for p in other.points3D.values()], 0), atol=1e-12
    )


@pytest.mark.parametrize("binary", [True, False])
def test_tracks_survive_both_formats(tmp_path, binary):
    capture = some_capture()
    write_colmap(capture, tmp_path, binary=binary)
    again = read_model(tmp_path).points.tracks
    assert again.keys() == capture.points.tracks.keys()
    for name, seen in capture.points.tracks.items():
        np.testing.assert_array_equal(again[name], seen)


@pytest.mark.parametrize("model", sorted(PARAMS))
def test_every_lens_model_survives_both_formats(tmp_path, model):
    lens = Camera(model, 640, 480, tuple(500.0 if p[0] == "f" else 0.01 for p in PARAMS[model]))
    capture = Capture([Photo("a.jpg", Path("a.jpg"), lens, np.eye(4))], Points.none(), "photos")
    for binary in (True, False):
        write_colmap(capture, tmp_path / str(binary), binary=binary)
        assert read_model(tmp_path / str(binary)).cameras == {1: lens}


def test_a_model_is_found_in_sparse_0_and_in_sparse(tmp_path):
    for i, place in enumerate(("sparse", "sparse/0", "")):
        folder = tmp_path / str(i)
        binary_model(folder / place)
        assert model_folder(folder) == folder / place
    assert model_folder(tmp_path) is None


@pytest.mark.parametrize("stem", ["cameras", "images", "points3D"])
def test_a_file_cut_anywhere_is_an_error_that_names_it(tmp_path, stem):
    file = binary_model(tmp_path) / f"{stem}.bin"
    whole = file.read_bytes()
    for length in range(len(whole)):
        file.write_bytes(whole[:length])
        with pytest.raises(FileError, match=f"{stem}.bin"):
            read_model(tmp_path)


@pytest.mark.parametrize("stem", ["cameras", "images", "points3D"])
@pytest.mark.parametrize("count", [2**63, 2**64 - 1, 10**9])
def test_an_absurd_count_is_an_error_at_once(tmp_path, stem, count):
    file = binary_model(tmp_path) / f"{stem}.bin"
    file.write_bytes(struct.pack("<Q", count) + file.read_bytes()[8:])
    with pytest.raises(FileError, match=str(count)):
        read_model(tmp_path)


@pytest.mark.parametrize("stem", ["cameras", "images", "points3D"])
def test_random_damage_never_escapes_as_another_error(tmp_path, stem):
    file = binary_model(tmp_path) / f"{stem}.bin"
    whole, rng = file.read_bytes(), np.random.default_rng(1)
    for _ in range(300):
        damaged = bytearray(whole)
        for at in rng.integers(0, len(whole), 4):
            damaged[at] = rng.integers(0, 256)
        file.write_bytes(damaged)
        try:
            model = read_model(tmp_path)
        except FileError:
            continue
        assert np.isfinite(model.points.xyz).all()
        assert all(np.isfinite(image.T_cam_world).all() for image in model.images)


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "..\\..\\x.jpg", "C:/x.jpg", "a/../../x.jpg"])
def test_an_image_name_that_leads_out_of_the_folder_is_an_error(tmp_path, name):
    (tmp_path / "cameras.txt").write_text("1 PINHOLE 640 480 500 500 320 240\n")
    (tmp_path / "images.txt").write_text(f"1 1 0 0 0 0 0 0 1 {name}\n\n")
    with pytest.raises(FileError, match="inside the image folder"):
        read_model(tmp_path)


@pytest.mark.parametrize(
    ("cameras", "images", "points", "message"),
    [
        ("1 THIN_PRISM_FISHEYE 640 480 1 2\n", "", "", "one of SIMPLE_PINHOLE"),
        ("1 PINHOLE 640 480 500 500 320\n", "", "", "4 for PINHOLE"),
        ("1 PINHOLE 640 480 500 nan 320 240\n", "", "", "finite"),
        ("1 PINHOLE 640\n", "", "", "cameras.txt:1"),
        ("1 PINHOLE 640 99999999 500 500 320 240\n", "", "", "65535"),
        ("1 PINHOLE 640 480 500 500 320 240\n", "1 0 0 0 0 0 0 0 1 a.jpg\n\n", "", "quaternion"),
        ("1 PINHOLE 640 480 500 500 320 240\n", "1 1 0 0 0 0 inf 0 1 a.jpg\n\n", "", "finite"),
        ("1 PINHOLE 640 480 500 500 320 240\n", "1 1 0 0 0 0 0 0 7 a.jpg\n\n", "", "camera 7"),
        ("1 PINHOLE 640 480 500 500 320 240\n", "1 1 0 0 0 0 0 1 a.jpg\n\n", "", "images.txt:1"),
        ("1 PINHOLE 640 480 500 500 320 240\n", "1 1 0 0 0 0 0 x 1 a.jpg\n\n", "", "images.txt:1"),
        ("1 PINHOLE 640 480 500 500 320 240\n", "1 1 0 0 0 0 0 0 1 a\n\n2 1 0 0 0 0 0 0 1 a\n\n", "", "twice"),
        ("1 PINHOLE 640 480 500 500 320 240\n", "1 1 0 0 0 0 0 0 1 a\n\n", "1 0 0 nan 0 0 0 1\n", "finite"),
        ("1 PINHOLE 640 480 500 500 320 240\n", "1 1 0 0 0 0 0 0 1 a\n\n", "1 0 0 0 0 300 0 1\n", "0..255"),
        ("1 PINHOLE 640 480 500 500 320 240\n", "1 1 0 0 0 0 0 0 1 a\n\n", "1 0 0 0\n", "points3D.txt:1"),
    ],
)
def test_a_wrong_text_file_is_an_error_that_says_what_is_wrong(tmp_path, cameras, images, points, message):
    (tmp_path / "cameras.txt").write_text(cameras)
    (tmp_path / "images.txt").write_text(images)
    (tmp_path / "points3D.txt").write_text(points)
    with pytest.raises(FileError, match=message):
        read_model(tmp_path)


def test_a_folder_without_a_model_is_an_error(tmp_path):
    with pytest.raises(FileError, match="no COLMAP model"):
        read_model(tmp_path)

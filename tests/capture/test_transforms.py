"""transforms.json of nerfstudio, instant-ngp and NeRF-synthetic."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from scenekit.capture import CaptureConfig, load_views, open_capture, split, undistorted
from scenekit.capture.transforms import read_nerfstudio
from scenekit.errors import FileError

LENS = {"w": 64, "h": 48, "fl_x": 50.0, "fl_y": 51.0, "cx": 32.0, "cy": 24.0}
IDENTITY = np.eye(4).tolist()


def photo(path: Path, size: tuple[int, int] = (64, 48)) -> Path:
    """A grey photo."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (90, 120, 150)).save(path)
    return path


def transforms(folder: Path, names: tuple[str, ...] = ("images/a.jpg", "images/b.jpg"), **fields) -> Path:
    """A transforms.json with photos; `fields` are global, and "frame" changes every frame."""
    for name in names:
        photo(folder / name)
    change = fields.pop("frame", {})
    frames = [{"file_path": name, "transform_matrix": IDENTITY, **change} for name in names]
    file = folder / "transforms.json"
    file.write_text(json.dumps({**LENS, **fields, "frames": frames}))
    return file


def test_opengl_axes_become_opencv_axes(tmp_path):
    """By hand: a camera at (1, 2, 3) without rotation looks along the world's −z, its image's up is +y."""
    matrix = [[1, 0, 0, 1], [0, 1, 0, 2], [0, 0, 1, 3], [0, 0, 0, 1]]
    capture = read_nerfstudio(transforms(tmp_path, frame={"transform_matrix": matrix}))
    T = capture.photos[0].T_world_cam
    np.testing.assert_array_equal(T[:3, 3], [1, 2, 3])
    np.testing.assert_array_equal(T[:3, :3] @ [0, 0, 1], [0, 0, -1])  # forward
    np.testing.assert_array_equal(T[:3, :3] @ [0, -1, 0], [0, 1, 0])  # up in the image
    np.testing.assert_array_equal(T[:3, :3] @ [1, 0, 0], [1, 0, 0])  # right


@pytest.mark.parametrize(
    ("fields", "model", "params"),
    [
        ({}, "OPENCV", (50, 51, 32, 24, 0, 0, 0, 0)),
        ({"k1": 0.1, "p2": 0.01}, "OPENCV", (50, 51, 32, 24, 0.1, 0, 0, 0.01)),
        ({"k1": 0.1, "k3": 0.2}, "FULL_OPENCV", (50, 51, 32, 24, 0.1, 0, 0, 0, 0.2, 0, 0, 0)),
        ({"camera_model": "PINHOLE"}, "PINHOLE", (50, 51, 32, 24)),
        ({"camera_model": "SIMPLE_PINHOLE", "fl_y": 50.0}, "SIMPLE_PINHOLE", (50, 32, 24)),
        ({"camera_model": "SIMPLE_RADIAL", "fl_y": 50.0, "k1": 0.1}, "SIMPLE_RADIAL", (50, 32, 24, 0.1)),
        ({"camera_model": "OPENCV_FISHEYE", "k4": 0.3}, "OPENCV_FISHEYE", (50, 51, 32, 24, 0, 0, 0, 0.3)),
        ({"is_fisheye": True, "k1": 0.3}, "OPENCV_FISHEYE", (50, 51, 32, 24, 0.3, 0, 0, 0)),
        ({"distortion_params": [0.1, 0.2, 0, 0, 0.3, 0.4]}, "OPENCV", (50, 51, 32, 24, 0.1, 0.2, 0.3, 0.4)),
        ({"fl_x": None, "fl_y": None, "camera_angle_x": 2 * np.arctan(0.5)}, "OPENCV", (64, 64, 32, 24, 0, 0, 0, 0)),
        ({"cx": None, "w": None, "h": None}, "OPENCV", (50, 51, 32, 24, 0, 0, 0, 0)),
    ],
)
def test_every_lens_field_is_read(tmp_path, fields, model, params):
    camera = read_nerfstudio(transforms(tmp_path, **fields)).photos[0].camera
    assert camera.model == model
    np.testing.assert_allclose(camera.params, params)


def test_a_frames_own_lens_counts_before_the_global_one(tmp_path):
    file = transforms(tmp_path)
    document = json.loads(file.read_text())
    document["frames"][1] |= {"fl_x": 70.0, "k1": 0.05}
    file.write_text(json.dumps(document))
    first, second = (p.camera for p in read_nerfstudio(file).photos)
    assert (first.fx, second.fx) == (50, 70) and second.params[4] == 0.05


def test_missing_photos_are_reported_and_the_others_used(tmp_path):
    file = transforms(tmp_path, ("images/a.jpg", "images/b.jpg", "images/c.jpg"))
    (tmp_path / "images/b.jpg").unlink()
    capture = read_nerfstudio(file)
    assert [p.name for p in capture.photos] == ["images/a.jpg", "images/c.jpg"]
    assert "no such file" in capture.skipped["images/b.jpg"]
    for name in ("a", "c"):
        (tmp_path / f"images/{name}.jpg").unlink()
    with pytest.raises(FileError, match="none readable"):
        read_nerfstudio(file)


def test_a_smaller_photo_of_the_same_shape_scales_its_lens(tmp_path):
    file = transforms(tmp_path)
    photo(tmp_path / "images/a.jpg", (32, 24))
    capture = read_nerfstudio(file)
    assert (capture.photos[0].camera.width, capture.photos[0].camera.fx) == (32, 25)
    assert "1 photos" in capture.summary["rescaled"]


def test_a_photo_of_another_shape_is_an_error_with_both_sizes(tmp_path):
    file = transforms(tmp_path)
    photo(tmp_path / "images/a.jpg", (48, 64))
    with pytest.raises(FileError, match=r"48x64.*64x48"):
        read_nerfstudio(file)


def test_masks_are_read_and_must_fit(tmp_path):
    file = transforms(tmp_path, frame={"mask_path": "masks/m.png"})
    photo(tmp_path / "masks/m.png")
    assert read_nerfstudio(file).photos[0].mask == tmp_path / "masks/m.png"
    photo(tmp_path / "masks/m.png", (10, 10))
    with pytest.raises(FileError, match=r"10x10.*64x48"):
        read_nerfstudio(file)


def test_sparse_points_come_from_the_ply(tmp_path):
    file = transforms(tmp_path, ply_file_path="points.ply")
    head = "ply\nformat ascii 1.0\nelement vertex 2\n" + "".join(f"property float {a}\n" for a in "xyz")
    head += "".join(f"property uchar {c}\n" for c in ("red", "green", "blue")) + "end_header\n"
    (tmp_path / "points.ply").write_text(head + "1 2 3 10 20 30\n4 5 6 40 50 60\n")
    points = read_nerfstudio(file).points
    np.testing.assert_array_equal(points.xyz, [[1, 2, 3], [4, 5, 6]])
    np.testing.assert_array_equal(points.rgb, [[10, 20, 30], [40, 50, 60]])


def test_applied_transform_is_recorded_as_the_way_from_the_source(tmp_path):
    applied = [[0.0, 1, 0, 0], [1, 0, 0, 0], [0, 0, -1, 2]]
    frame = read_nerfstudio(transforms(tmp_path, applied_transform=applied)).frame
    np.testing.assert_array_equal(frame.T_world_source[:3], applied)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "JSON"),
        ('{"frames": [', "JSON"),
        ("[" * 100_000, "JSON"),
        ("[1, 2]", "list of frames"),
        ('{"frames": {}}', "list of frames"),
        ('{"frames": []}', "list of frames"),
        ('{"frames": [3]}', "list of frames"),
        ('{"frames": [{"file_path": "a.jpg"}]}', "transform_matrix"),
        ('{"fl_x": 5, "frames": [{"file_path": 7, "transform_matrix": []}]}', "image name"),
        (
            '{"fl_x": 5, "frames": [{"file_path": "../../etc/passwd", "transform_matrix": []}]}',
            "inside the image folder",
        ),
        ('{"fl_x": 5, "frames": [{"file_path": "/etc/passwd", "transform_matrix": []}]}', "inside the image folder"),
    ],
)
def test_a_wrong_file_is_an_error(tmp_path, text, message):
    (tmp_path / "transforms.json").write_text(text)
    with pytest.raises(FileError, match=message):
        read_nerfstudio(tmp_path / "transforms.json")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"camera_model": "EQUIRECTANGULAR"}, "one of SIMPLE_PINHOLE"),
        ({"fl_x": None, "fl_y": None}, "focal length"),
        ({"fl_x": float("nan")}, "finite"),
        ({"fl_x": float("inf")}, "finite"),
        ({"fl_x": -3.0}, "positive"),
        ({"k1": "much"}, "k1"),
        ({"camera_model": ["PINHOLE"]}, "camera_model"),
        ({"distortion_params": 3}, "distortion_params"),
        ({"test_filenames": 3}, "test_filenames"),
        ({"camera_angle_x": 1e-300, "fl_x": None, "fl_y": None}, "field of view"),
        ({"frame": {"file_path": "a" * 300}}, "image name"),
        ({"frame": {"mask_path": "../m.png"}}, "mask_path"),
        ({"ply_file_path": "/etc/passwd"}, "ply_file_path"),
        ({"applied_transform": "x"}, "applied_transform"),
        ({"w": 10**8}, "65535"),
        ({"camera_model": "OPENCV_FISHEYE", "p1": 0.1}, "OPENCV_FISHEYE"),
        ({"frame": {"transform_matrix": [[1, 2], [3, 4]]}}, "shape"),
        ({"frame": {"transform_matrix": "no"}}, "matrix"),
        ({"frame": {"transform_matrix": [[float("nan")] * 4] * 4}}, "finite"),
        ({"frame": {"transform_matrix": (2 * np.eye(4)).tolist()}}, "scale factors"),
        ({"frame": {"transform_matrix": np.diag([1.0, 1, -1, 1]).tolist()}}, "mirrored"),
    ],
)
def test_an_impossible_lens_or_pose_is_an_error(tmp_path, fields, message):
    with pytest.raises(FileError, match=message):
        read_nerfstudio(transforms(tmp_path, **fields))


def test_a_file_beyond_all_measure_is_not_even_read(tmp_path, monkeypatch):
    file = transforms(tmp_path)
    monkeypatch.setattr("scenekit.capture.transforms.MAX_BYTES", 100)
    with pytest.raises(FileError, match="at most 100"):
        read_nerfstudio(file)


def test_nerfstudios_own_test_set_is_held_out(tmp_path):
    capture = read_nerfstudio(transforms(tmp_path, test_filenames=["images/b.jpg"]))
    assert split(capture) == (["images/a.jpg"], ["images/b.jpg"])


def test_a_photo_named_twice_is_an_error(tmp_path):
    with pytest.raises(FileError, match="second time"):
        read_nerfstudio(transforms(tmp_path, ("a.jpg", "a.jpg")))


def blender_scene(folder: Path) -> Path:
    """Two training views and a test view, transparent."""
    for part, count in (("train", 2), ("val", 1), ("test", 1)):
        names = [f"./{part}/r_{i}" for i in range(count)]
        (folder / part).mkdir(parents=True)
        for name in names:
            Image.new("RGBA", (40, 40), (200, 0, 0, 0)).save(folder / f"{name}.png")
        frames = [{"file_path": name, "rotation": 0.1, "transform_matrix": IDENTITY} for name in names]
        text = json.dumps({"camera_angle_x": 2 * np.arctan(0.5), "frames": frames})
        (folder / f"transforms_{part}.json").write_text(text)
    return folder


@pytest.mark.parametrize(("background", "level"), [("white", 255), ("black", 0)])
def test_nerf_synthetic_is_read_composited_and_its_test_set_held_out(tmp_path, background, level):
    config = CaptureConfig(background=background)
    capture = open_capture(blender_scene(tmp_path), workspace=tmp_path / "work", config=config)
    assert capture.source == "blender"
    assert [p.name for p in capture.photos] == ["test/r_0.png", "train/r_0.png", "train/r_1.png"]
    assert capture.photos[0].camera.fx == pytest.approx(40)
    assert split(capture) == (["train/r_0.png", "train/r_1.png"], ["test/r_0.png"])
    assert (load_views(undistorted(capture, tmp_path / "flat"))[0].image == level).all()


@pytest.mark.real
def test_the_fox_capture_of_instant_ngp_opens(shared, tmp_path):
    """67 frames listed, 50 photos there."""
    config = CaptureConfig(triangulate=False)  # of six of them, in test_triangulate
    capture = open_capture(shared / "captures" / "fox", workspace=tmp_path, config=config)
    assert (len(capture.photos), len(capture.skipped), capture.source) == (50, 17, "nerfstudio")
    assert capture.photos[0].camera.model == "OPENCV" and capture.photos[0].camera.fx == 1375.52

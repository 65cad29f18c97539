"""Small scenes in the layouts of the public data sets: which photos are judged, their size and cameras."""

import json
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from scenekit.cameras import Camera, inverse_pose, look_at
from scenekit.capture import load_views, split
from scenekit.capture.capture import Capture, Photo, Points
from scenekit.datasets import dtu, mipnerf360, nerf_synthetic, tanks_temples
from scenekit.datasets.downloads import Archive
from scenekit.datasets.public import MODULES, inside, public_dataset
from scenekit.errors import FileError, InputError
from scenekit.io.colmap import write_colmap

POSES = [look_at(np.array([3 * np.cos(a), 3 * np.sin(a), 1.0]), np.zeros(3)) for a in np.linspace(0, 5, 17)]


def write_photo(path: Path, width: int, height: int, *, shade: int = 90, alpha: int | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    values = [shade, 0, 255 - shade] + ([] if alpha is None else [alpha])
    Image.fromarray(np.full((height, width, len(values)), values, np.uint8)).save(path)
    return path


def write_synthetic(folder: Path, *, fitted: int = 3, judged: int = 2, side: int = 16) -> Path:
    """As in nerf_synthetic.zip: RGBA, names without an ending, cameras that look along −z."""
    for name, count in (("train", fitted), ("val", 1), ("test", judged)):
        frames = []
        for i in range(count):
            write_photo(folder / name / f"r_{i}.png", side, side, alpha=128 * (i > 0))
            write_photo(folder / name / f"r_{i}_depth_0000.png", side, side)
            frames.append({"file_path": f"./{name}/r_{i}", "transform_matrix": (POSES[i] * [1, -1, -1, 1]).tolist()})
        document = {"camera_angle_x": 0.6911112070083618, "frames": frames}
        (folder / f"transforms_{name}.json").write_text(json.dumps(document))
    return folder


def write_model(folder: Path, *, factor: int | None, width: int = 64, height: int = 48) -> Path:
    """As in 360_v2.zip and tandt_db.zip: a model of the large photos, and a folder of small ones beside."""
    camera = Camera("PINHOLE", width, height, (60.0, 60.0, width / 2, height / 2))
    photos = []
    for i, pose in enumerate(POSES):
        path = write_photo(folder / "images" / f"_DSC{8679 + i}.JPG", width, height)
        photos.append(Photo(path.name, path, camera, pose))
        if factor:
            write_photo(folder / f"images_{factor}" / path.name, width // factor, height // factor, shade=10)
    points = Points(np.random.default_rng(0).normal(size=(150, 3)), np.zeros((150, 3), np.uint8), np.ones(150))
    write_colmap(Capture(photos, points, "colmap"), folder / "sparse" / "0")
    return folder


def write_dtu(
    folder: Path, *, width: int = 64, height: int = 48, scale: float = 150.0
) -> tuple[list[np.ndarray], np.ndarray]:
    """As IDR and NeuS have it: cameras.npz, image, mask; poses in the normalised frame, and the camera's matrix."""
    K, matrices = np.array([[70.0, 0, 30], [0, 71.0, 25], [0, 0, 1]]), {}
    scale_mat = np.diag([scale, scale, scale, 1.0])
    scale_mat[:3, 3] = 10.0, -20.0, 600.0
    for i, pose in enumerate(POSES[:5]):
        projection = np.eye(4)
        projection[:3] = K @ inverse_pose(pose)[:3] * (-2.0 if i == 1 else 3.0)  # known up to a factor of any sign
        matrices[f"world_mat_{i}"] = projection @ np.linalg.inv(scale_mat)
        matrices[f"scale_mat_{i}"] = scale_mat
        write_photo(folder / "image" / f"{i:06}.png", 64, 48)
        write_photo(folder / "mask" / f"{i:03}.png", 64, 48, shade=255)
    np.savez(folder / "cameras.npz", **matrices)
    return POSES[:5], K


def test_synthetic_photos_are_judged_over_white_by_those_of_the_test_file(tmp_path: Path) -> None:
    scene = nerf_synthetic.read(write_synthetic(tmp_path), "lego")
    train, judged = split(scene.capture)
    assert (train, judged) == (["train/r_0.png", "train/r_1.png", "train/r_2.png"], ["test/r_0.png", "test/r_1.png"])
    views = load_views(scene.capture)
    assert views[0].image.unique().tolist() == [255]  # wholly transparent
    half = {view.name: view for view in views}["train/r_1.png"].image[0, 0].tolist()
    assert half == pytest.approx([255 + (c - 255) * 128 / 255 for c in (90, 0, 165)], abs=1)
    np.testing.assert_allclose(scene.capture.photos[0].T_world_cam, POSES[0], atol=1e-12)
    assert scene.capture.photos[0].camera.fx == pytest.approx(8 / np.tan(0.6911112070083618 / 2))
    assert scene.background == "white"
    assert any("800×800" in text for text in scene.deviations)
    assert any("100 and 200" in text for text in scene.deviations)


def test_synthetic_fits_start_from_a_hundred_thousand_points_in_the_cube() -> None:
    points = nerf_synthetic.random_start()
    assert len(points) == 100_000
    assert points.xyz.min() == pytest.approx(-1.3, abs=1e-3) and points.xyz.max() == pytest.approx(1.3, abs=1e-3)
    np.testing.assert_array_equal(points.xyz, nerf_synthetic.random_start().xyz)


@pytest.mark.parametrize(("scene", "factor"), [("garden", 4), ("room", 2)])
def test_360_takes_the_shrunk_files_as_shipped_and_every_eighth_is_judged(
    tmp_path: Path, scene: str, factor: int
) -> None:
    found = mipnerf360.read(write_model(tmp_path, factor=factor), scene)
    train, judged = split(found.capture)
    assert judged == ["_DSC8679.JPG", "_DSC8687.JPG", "_DSC8695.JPG"] and len(train) == 14
    view = load_views(found.capture)[0]
    assert (view.width, view.height) == (64 // factor, 48 // factor)
    assert abs(int(view.image[0, 0, 0]) - 10) < 4  # of images_N, not of images
    assert view.K[0].tolist() == pytest.approx([60 / factor, 0, 32 / factor])
    assert len(found.capture.points) == 150 and found.background == "black"


def test_360_without_the_shrunk_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="images_4"):
        mipnerf360.read(write_model(tmp_path, factor=None), "garden")


def test_tanks_are_taken_at_their_size_and_too_wide_ones_are_told(tmp_path: Path) -> None:
    found = tanks_temples.read(write_model(tmp_path / "a", factor=None), "truck")
    assert (found.capture.photos[0].camera.width, found.deviations) == (64, ())
    wide = tanks_temples.read(write_model(tmp_path / "b", factor=None, width=1604, height=16), "train")
    assert any("1604×16" in text for text in wide.deviations)


def test_cameras_of_dtu_are_unwound_from_their_projections(tmp_path: Path) -> None:
    poses, K = write_dtu(tmp_path)
    found = dtu.read(tmp_path, "scan24")
    assert found.downscale == 2 and found.capture.held_out is None
    for photo, pose in zip(found.capture.photos, poses, strict=True):
        np.testing.assert_allclose(photo.T_world_cam, pose, atol=1e-9)
        np.testing.assert_allclose(photo.camera.K, K, atol=1e-6)
    assert load_views(found.capture, downscale=found.downscale)[0].width == 32


def test_the_colmap_form_of_dtu_counts_before_its_cameras(tmp_path: Path) -> None:
    write_dtu(tmp_path)
    assert len(dtu.read(write_model(tmp_path, factor=None), "scan24").capture.photos) == 17


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"world_mat_1": np.eye(3)}, "world_mat_1"),
        ({"world_mat_2": np.full((4, 4), np.nan)}, "world_mat_2"),
        ({"world_mat_0": np.zeros((4, 4))}, "full rank"),
        ({"scale_mat_3": None}, "scale_mat_3"),
        ({"world_mat_4": None}, "4 cameras"),
        ({"world_mat_0": np.array([[70, 9, 30, 0], [0, 71, 25, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]])}, "skew"),
    ],
)
def test_damaged_cameras_of_dtu_are_named(tmp_path: Path, change: dict[str, np.ndarray | None], message: str) -> None:
    write_dtu(tmp_path)
    with np.load(tmp_path / "cameras.npz") as stored:
        matrices = {name: stored[name] for name in stored.files} | change
    np.savez(tmp_path / "cameras.npz", **{k: v for k, v in matrices.items() if v is not None})
    with pytest.raises(FileError, match=message):
        dtu.read(tmp_path, "scan24")


def test_an_npz_that_would_be_unpickled_is_refused(tmp_path: Path) -> None:
    write_dtu(tmp_path)
    np.savez(tmp_path / "cameras.npz", world_mat_0=np.array([{"a": 1}], object))
    with pytest.raises(FileError, match="no readable npz"):
        dtu.read(tmp_path, "scan24")


def test_scenes_are_unpacked_from_archives_at_hand_and_opened_by_their_protocol(tmp_path: Path) -> None:
    write_synthetic(tmp_path / "made" / "nerf_synthetic" / "lego")
    archive = tmp_path / "nerf_synthetic.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        for path in (tmp_path / "made").rglob("*"):
            packed.write(path, path.relative_to(tmp_path / "made"))
        packed.writestr("__MACOSX/nerf_synthetic/lego/._a", b"")
    with pytest.raises(FileError, match="as published"):
        nerf_synthetic.SYNTHETIC.fetch(["lego"], tmp_path / "data", given=[archive])
    ours = replace(nerf_synthetic.ARCHIVE, sha256=None)
    dataset = replace(nerf_synthetic.SYNTHETIC, scenes={"lego": (ours,)})
    with pytest.raises(FileError, match="scenekit fetch nerf_synthetic --scenes lego"):
        dataset.open("lego", tmp_path / "data")
    for _ in range(2):  # the second time it is there
        assert dataset.fetch([], tmp_path / "data", given=[archive]) == [tmp_path / "data" / "nerf_synthetic" / "lego"]
    assert len(dataset.open("lego", tmp_path / "data").capture.photos) == 5
    with pytest.raises(InputError, match="some of lego"):
        dataset.fetch(["garden"], tmp_path / "data")


def test_members_belong_behind_the_folder_of_their_scene() -> None:
    place = inside("train")
    assert place("tandt/train/sparse/0/images.bin") == "sparse/0/images.bin"
    assert place("train/images/train/1.jpg") == "images/train/1.jpg"
    assert [place(name) for name in ("tandt/truck/images/1.jpg", "train", "train/", "train/.DS_Store")] == [None] * 4


@pytest.mark.parametrize("name", MODULES)
def test_each_has_a_card_a_licence_scenes_and_peers_with_sources(name: str) -> None:
    dataset = public_dataset(name)
    card = (Path(__file__).parents[2] / "datasets" / f"{name}.md").read_text(encoding="utf-8")
    assert dataset.name == name and dataset.licence and dataset.peers
    assert all(peer.source for peer in dataset.peers)
    assert dataset.home in card and f"scenekit fetch {name}" in card
    archives: set[Archive] = {archive for wanted in dataset.scenes.values() for archive in wanted}
    for archive in archives | {archive for archive, *_ in dataset.truth}:
        assert archive.file in card
        assert archive.url.startswith("http") and archive.limit > 1 << 30
    assert len(dataset.scenes) == {"nerf_synthetic": 8, "mipnerf360": 9, "tanks_temples": 4, "dtu": 15}[name]

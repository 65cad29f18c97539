"""Structure from motion on a small room that is rendered in the test, and on real photos."""

import shutil
import threading
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import piexif
import pycolmap
import pytest
from PIL import Image

from scenekit.cameras import inverse_pose
from scenekit.capture import Capture, CaptureConfig, SfmConfig, VideoConfig, open_capture
from scenekit.capture.photos import photo_set
from scenekit.capture.sfm_database import SfmDatabase, supervised
from scenekit.errors import CaptureError, InputError

COUNT = 7


@pytest.fixture(scope="module")
def opened(photos, tmp_path_factory) -> tuple[Capture, Path]:
    workspace = tmp_path_factory.mktemp("work")
    return open_capture(photos, workspace=workspace), workspace


def truth(capture: Capture, room) -> np.ndarray:
    return np.stack([room.poses()[int(Path(photo.name).stem.split()[1])] for photo in capture.photos])


def test_the_cameras_of_the_room_are_found(opened, room):
    """Up to a similarity: angles between cameras, and centres after Umeyama's alignment by pycolmap."""
    capture, _ = opened
    true = truth(capture, room)
    assert len(capture.photos) == COUNT == capture.summary["registered"] and not capture.skipped
    assert capture.summary["reprojection_error_px"] < 1.0 and len(capture.points) > 200
    for photo in capture.photos:  # what it has seen is in it, in the levelled world too
        T, seen = inverse_pose(photo.T_world_cam), capture.points.seen_by(photo.name)
        pixels = photo.camera.project(seen @ T[:3, :3].T + T[:3, 3])
        assert len(seen) > 20 and (pixels > -5).all()
        assert (pixels < np.array([photo.camera.width, photo.camera.height]) + 5).all()
    Rs = np.stack([photo.T_world_cam[:3, :3] for photo in capture.photos])
    between = np.einsum("aji,bjk->abik", Rs, Rs) @ np.einsum("aji,bjk->abik", true[:, :3, :3], true[:, :3, :3]).mT
    angles = np.degrees(np.arccos(np.clip((np.trace(between, axis1=2, axis2=3) - 1) / 2, -1, 1)))
    assert angles.max() < 0.5
    fit = pycolmap.estimate_sim3d(capture.centres, true[:, :3, 3])
    moved = capture.centres @ (fit.scale * fit.rotation.matrix()).T + fit.translation
    assert np.linalg.norm(moved - true[:, :3, 3], axis=1).max() < 0.03
    assert abs(capture.photos[0].camera.fx / room.lens.fx - 1) < 0.03


def test_the_room_stands_upright_and_says_that_this_is_estimated(opened, room):
    """All cameras of the room are level, so up is known to within their poses' error."""
    capture, _ = opened
    true = truth(capture, room)
    up_in_cam = np.einsum("aji,j->ai", true[:, :3, :3], [0.0, 0.0, 1.0])
    ups = np.stack([photo.T_world_cam[:3, :3] @ up for photo, up in zip(capture.photos, up_in_cam, strict=True)])
    assert (ups[:, 2] > np.cos(np.radians(2.0))).all()
    assert (capture.frame.up, capture.frame.scale) == ("estimated", "estimated") and capture.frame.note


def test_the_similarity_leads_back_to_colmaps_frame(opened):
    capture, workspace = opened
    models = [pycolmap.Reconstruction(folder) for folder in (workspace / "sfm" / "models").iterdir()]
    model = max(models, key=lambda model: model.num_reg_images())
    back = np.linalg.inv(capture.frame.T_world_source)
    centres = sorted(tuple(np.round(back[:3, :3] @ c + back[:3, 3], 6)) for c in capture.centres)
    theirs = sorted(tuple(np.round(model.image(i).projection_center(), 6)) for i in model.reg_image_ids())
    np.testing.assert_allclose(centres, theirs, atol=1e-5)


def test_photos_of_one_size_and_lens_share_one_camera(opened):
    capture, _ = opened
    assert len({id(photo.camera) for photo in capture.photos}) == 1


def test_a_second_call_finds_features_and_matches_done_and_the_same_poses(opened, photos):
    capture, workspace = opened
    database = workspace / "sfm" / "database.db"
    with pycolmap.Database.open(database) as db:
        before = db.num_keypoints(), db.num_matches(), db.num_matched_image_pairs()
    again = open_capture(photos, workspace=workspace)
    with pycolmap.Database.open(database) as db:
        assert (db.num_keypoints(), db.num_matches(), db.num_matched_image_pairs()) == before
    np.testing.assert_allclose(again.centres, capture.centres, atol=1e-9)


def test_the_same_seed_gives_the_same_result_from_scratch(opened, photos, tmp_path):
    again = open_capture(photos, workspace=tmp_path)
    np.testing.assert_array_equal(again.centres, opened[0].centres)
    np.testing.assert_array_equal(again.points.xyz, opened[0].points.xyz)


def test_a_database_of_other_photos_or_options_is_made_anew(photos, tmp_path):
    folder = tmp_path / "photos"
    shutil.copytree(photos, folder)
    made = SfmDatabase(tmp_path / "sfm", photo_set(folder), SfmConfig())
    (made.folder / "witness").touch()
    SfmDatabase(tmp_path / "sfm", photo_set(folder), SfmConfig(neighbours=3))  # features do not depend on it
    assert (made.folder / "witness").exists()
    SfmDatabase(tmp_path / "sfm", photo_set(folder), SfmConfig(max_features=100))
    assert not (made.folder / "witness").exists()
    (made.folder / "witness").touch()
    next(folder.rglob("*.png")).unlink()
    SfmDatabase(tmp_path / "sfm", photo_set(folder), SfmConfig(max_features=100))
    assert not (made.folder / "witness").exists()


def test_a_half_staged_database_is_made_anew(photos, tmp_path):
    made = SfmDatabase(tmp_path / "sfm", photo_set(photos), SfmConfig())
    (made.folder / "key.json").unlink()
    next(made.staged.iterdir()).unlink()
    assert len(list(SfmDatabase(tmp_path / "sfm", photo_set(photos), SfmConfig()).staged.iterdir())) == COUNT


def test_a_truncated_photo_is_skipped_and_reported_and_the_others_are_registered(photos, tmp_path):
    folder = tmp_path / "photos"
    shutil.copytree(photos, folder)
    broken = folder / "left side" / "IMG 1.JPG"
    broken.write_bytes(broken.read_bytes()[:3000])
    capture = open_capture(folder, workspace=tmp_path / "work")
    assert len(capture.photos) == COUNT - 1 and "breaks off" in capture.skipped["left side/IMG 1.JPG"]
    assert (capture.summary["registered"], capture.summary["total"]) == (COUNT - 1, COUNT)


def test_turned_and_foreign_photos_are_staged_upright_as_jpeg(room, tmp_path):
    """COLMAP knows neither EXIF orientations nor WebP; the focal length in EXIF survives."""
    exif = piexif.dump({"0th": {piexif.ImageIFD.Orientation: 6, piexif.ImageIFD.Make: b"Maker"}})
    (tmp_path / "p").mkdir()
    Image.fromarray(room.photo(room.poses()[0])).save(tmp_path / "p" / "a.jpg", exif=exif)
    Image.fromarray(room.photo(room.poses()[1])).save(tmp_path / "p" / "b.webp")
    database = SfmDatabase(tmp_path / "sfm", photo_set(tmp_path / "p"), SfmConfig())
    sizes = {name: Image.open(database.staged / staged).size for staged, name in database.names.items()}
    assert sizes == {"a.jpg": (240, 320), "b.webp": (320, 240)}
    turned = Image.open(database.staged / "000000.jpg")
    assert turned.format == "JPEG" and turned.getexif().get(piexif.ImageIFD.Make) == "Maker"


def test_photos_of_two_sizes_get_two_cameras_and_refuse_a_single_one(photos, tmp_path):
    folder = tmp_path / "photos"
    shutil.copytree(photos, folder)
    small = next(folder.rglob("*.png"))
    Image.open(small).resize((160, 120)).save(small)
    database = SfmDatabase(tmp_path / "sfm", photo_set(folder), SfmConfig())
    database.extract(pycolmap.FeatureExtractionOptions(), progress=lambda _: None)
    with pycolmap.Database.open(database.file) as db:
        assert sorted((c.width, c.height) for c in db.read_all_cameras()) == [(160, 120), (320, 240)]
    with pytest.raises(InputError, match="160x120"):
        open_capture(folder, workspace=tmp_path / "w", config=CaptureConfig(sfm=SfmConfig(single_camera=True)))


def test_features_under_a_mask_are_left_out(photos, tmp_path):
    folder = tmp_path / "photos"
    shutil.copytree(photos, folder / "images")
    name = "left side/IMG 0.png"
    mask = np.zeros((240, 320), np.uint8)
    mask[:, 160:] = 255
    (folder / "masks" / "left side").mkdir(parents=True)
    Image.fromarray(mask).save(folder / "masks" / f"{name}.png")
    found = photo_set(folder)
    assert set(found.masks) == {name}
    database = SfmDatabase(tmp_path / "sfm", found, SfmConfig())
    database.extract(pycolmap.FeatureExtractionOptions(), progress=lambda _: None)
    with pycolmap.Database.open(database.file) as db:
        staged = {n: s for s, n in database.names.items()}
        xs = np.asarray(db.read_keypoints(db.read_image_with_name(staged[name]).image_id))[:, 0]
    assert len(xs) > 50 and xs.min() > 158


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"camera_model": "MAGIC"}, "one of SIMPLE_PINHOLE"),
        ({"neighbours": 0}, "at least 1"),
        ({"max_features": -5}, "at least 1"),
        ({"max_image_size": 0}, "at least 32"),
        ({"first_octave": -2}, "at least -1"),
    ],
)
def test_an_impossible_option_is_an_error_before_any_work(option, message):
    with pytest.raises(InputError, match=message):
        SfmConfig(**option)


def test_an_interruption_cancels_the_call_and_is_raised_on():
    """Ctrl-C arrives in the main thread while COLMAP works in another."""
    stopped = threading.Event()

    def work(token: pycolmap.CancellationToken) -> None:
        while not token.is_cancelled:
            threading.Event().wait(0.01)
        stopped.set()

    def interrupted() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        supervised(work, poll=interrupted)
    assert stopped.is_set()


def test_global_mapping_finds_the_room_too(photos, tmp_path):
    config = CaptureConfig(sfm=SfmConfig(mapper="global"))
    assert len(open_capture(photos, workspace=tmp_path, config=config).photos) == COUNT


def test_screened_pairs_join_the_room_too(photos, tmp_path):
    config = CaptureConfig(sfm=SfmConfig(pairs="screened", neighbours=3))
    assert len(open_capture(photos, workspace=tmp_path, config=config).photos) == COUNT


def test_photos_that_were_left_out_get_a_second_finer_try(photos, tmp_path):
    """With a handful of features nothing is registered at first; the second try looks with more."""
    blind = SfmConfig(first_octave=2, max_features=8192)
    first = open_capture_or_none(photos, tmp_path / "a", replace(blind, second_try=False))
    second = open_capture_or_none(photos, tmp_path / "b", blind)
    assert second is not None and len(second.photos) == COUNT
    assert first is None or len(first.photos) < COUNT


def open_capture_or_none(photos: Path, workspace: Path, config: SfmConfig) -> Capture | None:
    try:
        return open_capture(photos, workspace=workspace, config=CaptureConfig(sfm=config))
    except CaptureError:
        return None


def test_a_video_becomes_frames_and_frames_become_cameras(room, tmp_path):
    """A walk along the arc in 24 frames, of which 8 windows give one each; the path agrees with the true one."""
    true = room.poses(24)
    with av.open(str(tmp_path / "walk.mp4"), "w") as container:
        stream = container.add_stream("mpeg4", rate=Fraction(10))
        stream.width, stream.height, stream.pix_fmt, stream.bit_rate = 320, 240, "yuv420p", 8_000_000
        for T_world_cam in true:
            frame = av.VideoFrame.from_ndarray(room.photo(T_world_cam), format="gray")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    config = CaptureConfig(video=VideoConfig(frames=8))
    capture = open_capture(tmp_path / "walk.mp4", workspace=tmp_path / "work", config=config)
    assert capture.source == "video" and len(capture.photos) == 8 == capture.summary["registered"]
    eyes = np.stack([true[int(Path(photo.name).stem.split("_")[1])][:3, 3] for photo in capture.photos])
    fit = pycolmap.estimate_sim3d(capture.centres, eyes)
    moved = capture.centres @ (fit.scale * fit.rotation.matrix()).T + fit.translation
    assert np.linalg.norm(moved - eyes, axis=1).max() < 0.05


@pytest.mark.real
def test_six_photos_of_the_castle_are_all_registered(shared, tmp_path):
    """At a quarter of their size; the focal length within 5 % of the one measured by the photographer."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for file in sorted((shared / "captures" / "castle" / "images").iterdir())[:6]:
        Image.open(file).resize((708, 532)).save(folder / file.name, quality=95)
    capture = open_capture(folder, workspace=tmp_path / "work")
    assert len(capture.photos) == 6
    assert capture.photos[0].camera.fx == pytest.approx(2905.88 / 4, rel=0.05)

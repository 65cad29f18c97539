"""Sparse points for photos whose poses are known: features matched as in structure from motion, then triangulated."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pycolmap

from scenekit.cameras import Camera, inverse_pose
from scenekit.capture.capture import Capture, Photo
from scenekit.capture.config import SfmConfig
from scenekit.capture.photos import PhotoSet
from scenekit.capture.sfm import mapping_options, matched, sparse_points
from scenekit.capture.sfm_database import SfmDatabase, supervised
from scenekit.capture.stages import progress_bar, quiet, stage
from scenekit.io.images import image_info

log = logging.getLogger(__name__)


def triangulated(capture: Capture, *, workspace: Path, config: SfmConfig) -> Capture:
    """The capture with sparse points where its photos' matched features meet; poses and lenses stay as they are.

    Photos that the source holds out are not looked at. A capture of which nothing can be triangulated is returned as
    it is, with a warning.

    Args:
        capture: Posed photos.
        workspace: Folder for COLMAP's database; kept for the next call.
        config: Options of features and matches.

    Raises:
        InputError: If an option cannot be used.
    """
    held_out = capture.held_out or frozenset()
    posed = {str(photo.path): photo for photo in capture.photos if photo.name not in held_out}
    if len(posed) < 2:
        return _without_points(capture, "fewer than two photos")
    masks = {path: photo.mask for path, photo in posed.items() if photo.mask is not None}
    photos = PhotoSet(Path(), {path: image_info(path) for path in posed}, {}, masks)
    seconds: dict[str, float] = {}
    with quiet(config.verbose), progress_bar() as bar:
        database = matched(photos, workspace=workspace, config=config, sequence=False, bar=bar, seconds=seconds)
        with stage(bar, "Points", 1, seconds) as task:
            model = _triangulated(database, posed, config)
            bar.advance(task)
    if model is None or not model.num_points3D():
        return _without_points(capture, "no features that agree with the poses")
    summary = {
        **capture.summary,
        "points": model.num_points3D(),
        "reprojection_error_px": round(model.compute_mean_reprojection_error(), 4),
        "track_length": round(model.compute_mean_track_length(), 2),
        "seconds": {name: round(value, 2) for name, value in seconds.items()},
    }
    names = {staged: posed[path].name for staged, path in database.names.items()}
    return replace(capture, points=sparse_points(model, names), summary=summary)


def _without_points(capture: Capture, reason: str) -> Capture:
    log.warning("No sparse points could be triangulated: %s.", reason)
    return capture


def _triangulated(database: SfmDatabase, posed: dict[str, Photo], config: SfmConfig) -> pycolmap.Reconstruction | None:
    """COLMAP's model of the points, or None if no two photos match."""
    output = database.folder / "triangulated"
    shutil.rmtree(output, ignore_errors=True)
    output.mkdir()
    with closing(pycolmap.Database.open(database.file)) as features:
        if not features.num_verified_image_pairs():
            return None
        images = [(image.image_id, image.name) for image in features.read_all_images()]
        model = _posed_model((*image, posed[database.names[image[1]]]) for image in images)
        _write_database(output / "database.db", model, features)
    options = mapping_options(config)
    model = supervised(
        lambda token: pycolmap.triangulate_points(
            model, output / "database.db", database.staged, output, options=options, cancellation_token=token
        ),
        poll=lambda: None,
    )
    model.update_point_3d_errors()
    return model


def _write_database(file: Path, model: pycolmap.Reconstruction, features: pycolmap.Database) -> None:
    """A database of the model's own lenses with the features and verified matches of another.

    COLMAP insists that a model and its database agree on every lens, and those of `features` are guesses.
    """
    with closing(pycolmap.Database.open(file)) as database, pycolmap.DatabaseTransaction(database):
        for camera in model.cameras.values():
            database.write_camera(camera, use_camera_id=True)
        for rig in model.rigs.values():
            database.write_rig(rig, use_rig_id=True)
        for frame in model.frames.values():
            database.write_frame(frame, use_frame_id=True)
        for number, image in model.images.items():
            database.write_image(image, use_image_id=True)
            database.write_keypoints(number, features.read_keypoints(number))
        for pair, geometry in zip(*features.read_two_view_geometries(), strict=True):
            database.write_two_view_geometry(*pycolmap.pair_id_to_image_pair(pair), geometry)


def _posed_model(entries: Iterable[tuple[int, str, Photo]]) -> pycolmap.Reconstruction:
    """A model of cameras and poses only, of photos with their number and name in the database."""
    model = pycolmap.Reconstruction()
    lenses: dict[Camera, int] = {}
    for number, name, photo in entries:
        camera = photo.camera
        if camera not in lenses:
            lenses[camera] = len(lenses) + 1
            model.add_camera_with_trivial_rig(
                pycolmap.Camera(
                    camera_id=lenses[camera],
                    model=camera.model,
                    width=camera.width,
                    height=camera.height,
                    params=list(camera.params),
                )
            )
        image = pycolmap.Image(name=name, camera_id=lenses[camera], image_id=number)
        T_cam_world = inverse_pose(photo.T_world_cam)
        model.add_image_with_trivial_frame(image, pycolmap.Rigid3d(T_cam_world[:3]))
    return model

"""Structure from motion with COLMAP in this process: photos in, poses, lenses and sparse points out."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pycolmap
from rich.progress import Progress, TaskID

from scenekit.cameras import Array, Camera, inverse_pose
from scenekit.capture.capture import Capture, Frame, Photo, Points
from scenekit.capture.config import SfmConfig
from scenekit.capture.level import levelling, moved_pose
from scenekit.capture.pairs import Pair, all_pairs, promising_pairs, similarity
from scenekit.capture.photos import PhotoSet
from scenekit.capture.sfm_database import SfmDatabase, supervised
from scenekit.capture.stages import progress_bar, quiet, stage
from scenekit.errors import CaptureError

SCREENED_FEATURES, SCREENED_FEATURES_MANY, MANY = 512, 256, 200
"""Features of each photo in the first pass; fewer where there are more than `MANY` photos."""

SMALL = 1000
"""Longest side [px] of photos in which features are sought at twice their resolution."""

MIN_REGISTERED = 2
"""Photos in the smallest model that is a capture."""


def structure_from_motion(
    photos: PhotoSet, *, workspace: Path, config: SfmConfig, sequence: bool = False, source: str = "photos"
) -> Capture:
    """Poses of photos of one static scene.

    SIFT features → pairs worth matching → matches verified by two-view geometry → mapping → a second, finer try for
    photos that were left out → the world levelled and scaled (Schönberger & Frahm, CVPR 2016; Pan et al., ECCV 2024).
    Features and matches are kept in `workspace`/sfm, and a second call with the same photos goes on from there.

    Args:
        photos: The photos.
        workspace: Folder for COLMAP's database and model.
        config: Options.
        sequence: True if neighbours in order were taken one after the other, as in a video.
        source: What the capture calls its origin.

    Raises:
        CaptureError: If fewer than two photos can be joined.
        InputError: If an option cannot be used.
    """
    seconds: dict[str, float] = {}
    with quiet(config.verbose), progress_bar() as bar:
        database = matched(photos, workspace=workspace, config=config, sequence=sequence, bar=bar, seconds=seconds)
        with stage(bar, "Mapping", len(photos.infos), seconds) as task:
            model = _mapped(database, config, bar, task)
        if config.second_try and (left := _left_out(database, model)):
            with stage(bar, "Second try", len(photos.infos), seconds) as task:
                model = _second_try(database, config, model, left, bar, task)
    if model is None or model.num_reg_images() < MIN_REGISTERED:
        raise CaptureError(
            photos.root,
            got=f"{len(photos.infos)} photos of which no two could be joined",
            wanted="sharp photos of one static, textured scene that overlap by two thirds",
            hint="Take more photos from positions between the present ones; avoid turning on the spot.",
        )
    return _capture(model, database, config, seconds, source)


# ---------------------------------------------------------------- stages


def matched(
    photos: PhotoSet,
    *,
    workspace: Path,
    config: SfmConfig,
    sequence: bool,
    bar: Progress,
    seconds: dict[str, float],
) -> SfmDatabase:
    """The database in `workspace`/sfm with the photos' features and verified matches, as far as possible from before.

    Args:
        photos: The photos.
        workspace: Folder for the database.
        config: Options.
        sequence: True if neighbours in order were taken one after the other.
        bar: Where progress is shown.
        seconds: Receives the time of each stage [s].
    """
    pycolmap.set_random_seed(config.seed)
    database = SfmDatabase(workspace / "sfm", photos, config)
    with stage(bar, "Features", len(photos.infos), seconds) as task:
        database.extract(_extraction(config, photos), progress=lambda done: bar.update(task, completed=done))
    pairs = _pairs(database, config, sequence=sequence)
    with stage(bar, "Matches", len(pairs), seconds) as task:
        database.match(pairs, pycolmap.FeatureMatchingOptions(), progress=lambda done: bar.update(task, completed=done))
    return database


def _pairs(database: SfmDatabase, config: SfmConfig, *, sequence: bool) -> list[Pair]:
    """Which photos to match."""
    count = len(database.names)
    if config.pairs == "exhaustive" or (config.pairs == "auto" and count < config.exhaustive_below):
        return all_pairs(count)
    scores = similarity(database.strongest(SCREENED_FEATURES_MANY if count > MANY else SCREENED_FEATURES))
    return promising_pairs(scores, neighbours=config.neighbours, overlap=config.sequence_overlap if sequence else 1)


def _extraction(config: SfmConfig, photos: PhotoSet) -> pycolmap.FeatureExtractionOptions:
    side = np.median([max(info.width, info.height) for info in photos.infos.values()])
    options = pycolmap.FeatureExtractionOptions()
    options.max_image_size = config.max_image_size
    options.sift.max_num_features = config.max_features
    small = -1 if side <= SMALL else 0
    options.sift.first_octave = small if config.first_octave is None else config.first_octave
    return options


def mapping_options(config: SfmConfig) -> pycolmap.IncrementalPipelineOptions:
    """COLMAP's defaults, seeded, for small sets too, with fewer rounds of adjustment while the model grows.

    The model is adjusted as a whole when it has grown by 30 % instead of 10 %, and at most twice in a row instead of
    five times: the same reprojection error in two thirds of the time.
    """
    options = pycolmap.IncrementalPipelineOptions()
    options.num_threads = options.mapper.num_threads = config.mapping_threads
    options.ba_global_frames_ratio = options.ba_global_points_ratio = 1.3
    options.ba_global_max_refinements, options.ba_local_max_refinements = 2, 1
    options.random_seed = options.mapper.random_seed = options.triangulation.random_seed = config.seed
    options.min_model_size = MIN_REGISTERED
    options.max_num_models = 5
    return options


def _mapped(database: SfmDatabase, config: SfmConfig, bar: Progress, task: TaskID) -> pycolmap.Reconstruction | None:
    """The largest model, or None if there is none."""
    output = database.folder / "models"
    shutil.rmtree(output, ignore_errors=True)
    output.mkdir()
    if config.mapper == "global":
        options = pycolmap.GlobalPipelineOptions()
        options.random_seed, options.num_threads = config.seed, config.mapping_threads
        models = supervised(
            lambda token: pycolmap.global_mapping(database.file, database.staged, output, options), poll=lambda: None
        )
    else:
        models = _incremental(database, mapping_options(config), output, bar, task, start=None)
    model = max(models.values(), key=lambda model: model.num_reg_images(), default=None)
    bar.update(task, completed=0 if model is None else model.num_reg_images())
    return model


def _incremental(
    database: SfmDatabase,
    options: pycolmap.IncrementalPipelineOptions,
    output: Path,
    bar: Progress,
    task: TaskID,
    *,
    start: Path | None,
) -> dict[int, pycolmap.Reconstruction]:
    def one_more() -> None:
        bar.advance(task)

    def two_more() -> None:
        bar.update(task, completed=2)

    return supervised(
        lambda token: pycolmap.incremental_mapping(
            database.file,
            database.staged,
            output,
            options,
            input_path=start or "",
            initial_image_pair_callback=two_more,
            next_image_callback=one_more,
            cancellation_token=token,
        ),
        poll=lambda: None,
    )


def _left_out(database: SfmDatabase, model: pycolmap.Reconstruction | None) -> list[str]:
    """Staged names of the photos that the model lacks."""
    if model is None:
        return list(database.names)
    registered = {model.image(i).name for i in model.reg_image_ids()}
    return [name for name in database.names if name not in registered]


def _second_try(
    database: SfmDatabase,
    config: SfmConfig,
    model: pycolmap.Reconstruction | None,
    left: list[str],
    bar: Progress,
    task: TaskID,
) -> pycolmap.Reconstruction | None:
    """Finer features for the photos left out, matched with all others, and registration with relaxed thresholds.

    The features of registered photos stay as they are, so the model goes on to fit its database.
    """
    database.forget(left)
    finer = _extraction(config, database.photos)
    finer.sift.first_octave, finer.sift.peak_threshold = -1, finer.sift.peak_threshold / 2
    database.extract(finer, progress=lambda _: None)
    relaxed_matching = pycolmap.FeatureMatchingOptions()
    relaxed_matching.sift.max_ratio = 0.85
    again = {i for i, name in enumerate(database.names) if name in set(left)}
    pairs = [pair for pair in all_pairs(len(database.names)) if again & set(pair)]
    database.match(pairs, relaxed_matching, progress=lambda _: None)
    options = mapping_options(config)
    options.mapper.abs_pose_min_num_inliers, options.mapper.abs_pose_min_inlier_ratio = 15, 0.15
    options.mapper.init_min_num_inliers, options.mapper.init_min_tri_angle = 50, 4.0
    output = database.folder / "models-second"
    shutil.rmtree(output, ignore_errors=True)
    output.mkdir()
    start = None
    if model is not None:
        start = database.folder / "model-first"
        start.mkdir(exist_ok=True)
        model.write(start)
    models = _incremental(database, options, output, bar, task, start=start)
    found = [m for m in (model, *models.values()) if m is not None]
    best = max(found, key=lambda m: (m.num_reg_images(), m is not model), default=None)
    bar.update(task, completed=0 if best is None else best.num_reg_images())
    return best


# ---------------------------------------------------------------- result


def _capture(
    model: pycolmap.Reconstruction, database: SfmDatabase, config: SfmConfig, seconds: dict[str, float], source: str
) -> Capture:
    """The model as a capture: levelled, scaled, under the photos' own names."""
    photos, cameras = database.photos, {n: _camera(n, c) for n, c in model.cameras.items()}
    posed = {}
    for i in model.reg_image_ids():
        image = model.image(i)
        T_cam_world = np.vstack([image.cam_from_world().matrix(), [0.0, 0.0, 0.0, 1.0]])
        posed[database.names[image.name]] = (cameras[image.camera_id], inverse_pose(T_cam_world))
    points = sparse_points(model, database.names)
    T, frame = np.eye(4), Frame("estimated", "estimated", "As COLMAP left it.")
    if config.level:
        Ts = np.stack([T_world_cam for _, T_world_cam in posed.values()])
        middle = np.median(points.xyz, 0) if len(points) else Ts[:, :3, 3].mean(0)
        T, note = levelling(Ts[:, :3, :3], Ts[:, :3, 3], _distances(model), middle)
        frame = Frame("estimated", "estimated", note, T_world_source=T)
    entries = [
        Photo(name, photos.root / name, *(posed[name][0], moved_pose(T, posed[name][1])), photos.masks.get(name), 255)
        for name in sorted(posed)
    ]
    points = replace(points, xyz=points.xyz @ T[:3, :3].T + T[:3, 3])
    left = {name: "not registered by structure from motion" for name in photos.infos if name not in posed}
    summary = _summary(model, len(photos.infos) + len(photos.skipped), seconds)
    return Capture(entries, points, source, frame, {**photos.skipped, **left}, summary)


def _summary(model: pycolmap.Reconstruction, total: int, seconds: dict[str, float]) -> dict[str, object]:
    registered = model.num_reg_images()
    summary: dict[str, object] = {
        "registered": registered,
        "total": total,
        "points": model.num_points3D(),
        "reprojection_error_px": round(model.compute_mean_reprojection_error(), 4),
        "track_length": round(model.compute_mean_track_length(), 2),
        "seconds": {stage: round(value, 2) for stage, value in seconds.items()},
    }
    if registered < 0.8 * total:
        summary["advice"] = (
            f"Only {registered} of {total} photos were registered. Take more photos between the ones that are missing "
            "and their neighbours, with two thirds of overlap; avoid blur, reflections and blank walls."
        )
    return summary


def _camera(number: int, camera: pycolmap.Camera) -> Camera:
    return Camera(
        camera.model.name, camera.width, camera.height, tuple(float(p) for p in camera.params), name=f"camera {number}"
    )


def sparse_points(model: pycolmap.Reconstruction, names: Mapping[str, str]) -> Points:
    """The model's points with colours, reprojection errors and tracks, in its own frame.

    Args:
        model: The model.
        names: The photo of each of its images, by name.
    """
    ids, found = list(model.points3D), list(model.points3D.values())
    if not found:
        return Points.none()
    numbers, images = {point: number for number, point in enumerate(ids)}, map(model.image, model.reg_image_ids())
    seen = {names[i.name]: {numbers[f.point3D_id] for f in i.get_observation_points2D()} for i in images}
    return Points(
        np.stack([p.xyz for p in found]).astype(np.float64),
        np.stack([p.color for p in found]).astype(np.uint8),
        np.array([max(p.error, 0.0) for p in found]),
        {name: np.array(sorted(points), np.int32) for name, points in seen.items()},
    )


def _distances(model: pycolmap.Reconstruction) -> Array:
    """From every camera to the points it sees, every tenth point."""
    centres = {i: model.image(i).projection_center() for i in model.reg_image_ids()}
    points = list(model.points3D.values())[::10]
    return np.array([np.linalg.norm(p.xyz - centres[e.image_id]) for p in points for e in p.track.elements])

"""Photos, a video or a posed capture → Gaussian splats or a radiance field, scored on held-out photos, in a folder."""

from __future__ import annotations

import functools
import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
import tyro
from rich.progress import track

from scenekit import processes
from scenekit.cameras import inverse_pose
from scenekit.capture import (
    Capture,
    CaptureConfig,
    View,
    load_views,
    open_capture,
    split,
    split_by_region,
    undistorted,
)
from scenekit.capture.opening import captures_below
from scenekit.capture.saved import read_capture, write_capture
from scenekit.capture.stored_views import outlines, stored_views
from scenekit.errors import FileError, InputError
from scenekit.evaluate import Scores, drawn, lens, scored
from scenekit.fields.extract import MAX_VOXELS
from scenekit.fields.fitted import FittedField
from scenekit.fields.train import FieldConfig
from scenekit.fit import FitConfig
from scenekit.fit.trainer import OnStep
from scenekit.io.mesh_atlas import joined
from scenekit.io.scene_folder import is_scene, read_scene
from scenekit.io.splat_files import write_splats
from scenekit.io.video import write_video
from scenekit.opening import CAMERAS, FIELD, SCENE, open_scene, run_scene
from scenekit.pipelines.mesh import PAPER, in_world, meshed
from scenekit.pipelines.reconstruct_each import Results, reconstruct_each
from scenekit.pipelines.reconstruct_methods import Fitted, Method, fitted_field, fitted_splats
from scenekit.render.meshes import ray_scene, render_mesh
from scenekit.render.video import shots, turntable
from scenekit.report import Comparison, Report, comparisons, duration, thousands, write_report
from scenekit.runs import LAST_STAGE, Run, command, open_run, read_json, versions, write_json
from scenekit.segment import SegmentConfig
from scenekit.splats import Splats
from scenekit.surface.meshing import MeshingConfig, NodeMesh
from scenekit.viewer.config import ViewerConfig
from scenekit.viewer.training import Training

QUICK_STEPS, QUICK_SIDE = 0.25, 400
"""The quick preset: this fraction of the steps, on photos whose longest side is this [px]."""

GIVEN = "cache/given"
"""Folder of a run for the capture before its poses were refined."""

EVALUATIONS = 10
"""How often the held-out PSNR is taken during a fit, for the report; nothing is chosen by it."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Config:
    """What is reconstructed, how thoroughly, and where the run is kept."""

    photos: tyro.conf.Positional[Path]
    """A folder of photos, a video, a COLMAP model or transforms.json; with --each, a folder of such."""
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"])] = Path("scene")
    """The run folder; a run that was interrupted goes on there."""
    method: Method = "splats"
    """splats fits Gaussians; nerf a radiance field, then Gaussians on its surface. It takes minutes, not seconds."""
    preset: Literal["quick", "full"] = "full"
    """full does what the options say; quick takes a quarter of the steps, at 400 px, to see if a capture is good."""
    max_side: int = 960
    """Longest side that the photos are reduced to [px]."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """What fits the splats; auto takes a GPU where there is one."""
    photos_in: Literal["memory", "disk"] = "memory"
    """Where photos are during the fit; from the disk they are read when looked at, for more than memory holds."""
    photo_memory: float = 1.0
    """Memory for photos that were read from the disk [GB]."""
    held_out: int = 8
    """Every how many-th photo is kept from the fit and scored, starting with the first; 0 for none."""
    region: bool = False
    """Hold out a region of viewpoints instead: scores how far the scene can be looked at from elsewhere."""
    video_frames: int = 120
    """Length of the turntable; 0 for none."""
    seed: int = 0
    """Seed of everything random."""
    each: bool = False
    """Reconstruct every capture below the folder, each to a run folder of its own below the output."""
    workers: int = 1
    """With --each: captures at the same time, as tasks of Ray where it is installed."""
    view: bool = False
    """Watch the fit in the browser, and stay with the finished scene there until Ctrl-C."""
    mesh: bool = False
    """Divide the scene into things, and give them meshes; a run that is finished goes on to this."""
    fresh: bool = False
    """Start over where an earlier run is in the way."""
    capture: CaptureConfig = field(default_factory=CaptureConfig)
    """How photos become a capture."""
    fit: FitConfig = field(default_factory=FitConfig)
    """How a capture becomes splats."""
    nerf: FieldConfig = field(default_factory=FieldConfig)
    """How it becomes a radiance field; for --method nerf, as is what comes next."""
    voxels: int = 192
    """Of the field's surface, along each side of its region, 2 to 1024."""
    segment: SegmentConfig = field(default_factory=SegmentConfig)
    """How things are told apart for their meshes."""
    meshing: MeshingConfig = field(default_factory=MeshingConfig)
    """How surfaces are made."""
    viewer: ViewerConfig = field(default_factory=ViewerConfig)
    """Where the browser finds it; for --view."""

    def __post_init__(self) -> None:
        if not 2 <= self.voxels <= MAX_VOXELS:  # before the fit, not after it
            raise InputError("voxels", got=self.voxels, wanted=f"2 to {MAX_VOXELS}")
        if not 0 <= self.photo_memory < math.inf:
            raise InputError("photo_memory", got=self.photo_memory, wanted="0 or more GB")
        if self.workers < 1:
            raise InputError("workers", got=self.workers, wanted="at least 1")
        if self.view and self.each:
            raise InputError("view", got="also --each", wanted="one capture to watch")


@dataclass(frozen=True)
class Result:
    """A finished run."""

    splats: Splats
    """The scene; of --method nerf, the surface of its field."""
    capture: Capture
    """The posed photos it was made from."""
    scores: Scores | None
    """Held-out metrics, None if no photo was held out."""
    metrics: dict[str, Any]
    """What metrics.json holds."""
    folder: Path
    """The run folder."""
    field: FittedField | None = None
    """The field, by --method nerf; the scores are its own, not those of the splats on its surface."""

    def __str__(self) -> str:
        scores = self.scores
        quality = "no photo held out" if scores is None else (
            f"held-out PSNR {scores.psnr:.2f} dB, SSIM {scores.ssim:.3f} over {len(scores.views)} photos"
        )  # fmt: skip
        if self.metrics["exposure"] != "none" and scores is not None:
            quality += f"; PSNR {scores.matched_psnr:.2f} dB in the exposure of each"
        total = sum(self.metrics["seconds"].values())
        field = "a radiance field and " if self.field else ""
        return (
            f"{len(self.capture.photos)} photos → {field}{thousands(len(self.splats))} Gaussians in {duration(total)}: "
            f"{quality}\n"
            f"  report  {self.folder / 'report.html'}\n"
            f"  splats  {self.folder / 'splats.ply'}"
            + (f"\n  field   {self.folder / FIELD}" if self.field else "")
            + (f"\n  meshes  {self.folder / 'mesh.glb'}" if "meshes" in self.metrics["seconds"] else "")
        )


def run(config: Config) -> Result | Results | None:
    """Reconstructs a scene, or each of several, and leaves run folders.

    Under `torchrun` all processes share the fit; the first does the rest, the others return None.

    Raises:
        ScenekitError: If the photos, the options or the folder cannot be used; see `scenekit.errors`.
    """
    if config.each:
        captures = captures_below(config.photos)
        made = functools.partial(one_of_many, replace(config, each=False, workers=1))
        return reconstruct_each(captures, config.photos, config.output, made, workers=config.workers)
    with processes.processes():
        if processes.count() > 1 and config.method != "splats":
            raise InputError("method", got=config.method, wanted="splats, which several processes can share")
        if processes.rank() > 0:
            help_fit(settled(config))
            return None
        return reconstructed(config)


def reconstructed(config: Config) -> Result:
    """One scene, in its run folder; see `run`. With `view` it is there when the viewer is closed, or at Ctrl-C."""
    if not config.photos.exists():
        raise FileError(config.photos, got="nothing", wanted="photos, a video, a COLMAP model or transforms.json")
    config = settled(config)
    run = open_run(config.output, replace(config, viewer=ViewerConfig()), fresh=config.fresh)  # keeps no token
    with run.stage("cameras"):
        capture = posed(run, config)
    if not config.view:
        return made(run, config, capture)
    with Training(capture, config.fit.steps, config.viewer) as training:
        result = made(run, config, capture, on_step=training.step)
        training.stay(open_scene(run.folder))
    return result


def made(run: Run, config: Config, capture: Capture, *, on_step: OnStep | None = None) -> Result:
    """What becomes of a capture, in the run folder."""
    with run.stage("photos"):
        train, held_out = divided(run.folder, capture, config)
    processes.wait()  # those who help find what they need in the run folder now
    with run.stage("fit"):
        fitted = fitted_by(config, run.folder, capture, train, held_out, on_step=on_step)
        write_splats(run.folder / "splats.ply", fitted.splats)
        if fitted.refined is not None:
            write_capture(run.folder / GIVEN, capture)
            write_capture(run.folder, capture := fitted.refined)
        held_out = held_out if fitted.placed is None else fitted.placed
    with run.stage("scores"):
        scores = scored(drawn(fitted.picture, held_out), held_out) if held_out else None
    with run.stage("video"):
        write_turntable(run, fitted, capture, frames=config.video_frames)
    if config.mesh:
        with run.stage("meshes"):
            write_scene(run, config, fitted, capture)
    with run.stage("report"):
        pairs = comparisons(fitted.picture, held_out, scores) if scores else []
        pairs = with_meshes(run.folder, pairs, held_out) if config.mesh else pairs
        write_report(run.folder / "report.html", told(run, config, capture, fitted, scores, pairs))
    metrics = measured(run, config, capture, fitted, scores)
    write_json(run.folder / "metrics.json", metrics)
    return Result(fitted.splats, capture, scores, metrics, run.folder, fitted.field)


def help_fit(config: Config) -> None:
    """What processes but the first do: their share of the fit, once cameras and photos are in the run folder."""
    processes.wait()
    capture = given_capture(config.output)
    fitted_by(config, config.output, capture, *divided(config.output, capture, config))


def one_of_many(config: Config, photos: Path, output: Path) -> dict[str, Any]:
    """The metrics of one capture of several; read, if an earlier sitting made them."""
    config = replace(config, photos=photos, output=output)
    wanted = {LAST_STAGE, "meshes"} if config.mesh else {LAST_STAGE}
    made = (output / "metrics.json").is_file() and not config.fresh
    if made and wanted <= open_run(output, settled(config)).done:
        return read_json(output / "metrics.json")
    return reconstructed(config).metrics


def reconstruct(photos: str | Path, output: str | Path = "scene", **options: Any) -> Result:
    """Photos, a video or a posed capture → a run folder with Gaussian splats; `options` are the fields of `Config`.

    Example: `reconstruct("photos/", "kitchen", preset="quick").splats`
    """
    return reconstructed(Config(Path(photos), Path(output), **options))


def settled(config: Config) -> Config:
    """The options with the preset applied and one seed everywhere."""
    quick = config.preset == "quick"
    share = QUICK_STEPS if quick else 1.0
    steps = max(1, round(config.fit.steps * share))
    every = config.fit.evaluate_every or max(1, steps // EVALUATIONS)
    nerf = replace(config.nerf, steps=max(1, round(config.nerf.steps * share)), seed=config.seed)
    return replace(
        config,
        max_side=min(config.max_side, QUICK_SIDE) if quick else config.max_side,
        capture=replace(config.capture, sfm=replace(config.capture.sfm, seed=config.seed)),
        fit=replace(config.fit, steps=steps, evaluate_every=every, seed=config.seed),
        nerf=nerf if config.method == "nerf" else config.nerf,  # runs from before there were fields go on
    )


def posed(run: Run, config: Config) -> Capture:
    """The capture: from the run folder if an earlier sitting found it, so that a resumed fit goes on in its world."""
    if "cameras" not in run.done:
        capture = open_capture(config.photos, workspace=run.folder / "cache", config=config.capture)
        write_capture(run.folder, capture)
    return given_capture(run.folder)


def given_capture(folder: Path) -> Capture:
    """The capture of a run as the fit starts from it, with poses that were not refined."""
    return read_capture(folder / GIVEN if (folder / GIVEN).is_dir() else folder)


def divided(folder: Path, capture: Capture, config: Config) -> tuple[Sequence[View], Sequence[View]]:
    """The views to fit and those held out; undistorted photos are cached in the run folder."""
    flat = undistorted(capture, folder / "cache" / "undistorted")
    fitted, held_out = split_by_region(flat) if config.region else split(flat, every=config.held_out)
    side, budget = config.max_side, int(1e9 * config.photo_memory)
    if config.photos_in == "memory":
        return load_views(flat, max_side=side, names=fitted), load_views(flat, max_side=side, names=held_out)
    return (
        stored_views(flat, max_side=side, names=fitted, budget=budget),
        stored_views(flat, max_side=side, names=held_out, budget=0),
    )


def fitted_by(
    config: Config,
    folder: Path,
    capture: Capture,
    train: Sequence[View],
    held_out: Sequence[View],
    *,
    on_step: OnStep | None = None,
) -> Fitted:
    """What the chosen method makes of the photos; a fit of a field is not watched."""
    if config.method == "nerf":
        return fitted_field(folder, capture, train, held_out, config.nerf, config.voxels)
    return fitted_splats(folder, capture, train, held_out, config.fit, processes.device(config.device), on_step)


def write_turntable(run: Run, fitted: Fitted, capture: Capture, *, frames: int) -> None:
    """Writes video.mp4."""
    if frames:
        path = turntable(np.stack([photo.T_world_cam for photo in capture.photos]), frames=frames)
        filmed = shots(fitted.picture, fitted.turntable, path)
        pictures = track(filmed, "turntable", total=frames, transient=True)
        write_video(run.folder / "video.mp4", pictures)


def write_scene(run: Run, config: Config, fitted: Fitted, capture: Capture) -> None:
    """Divides the scene into things where it can, meshes and saves it; done already if an earlier sitting did.

    A field is not divided: its mesh is that of its surface.
    """
    if "meshes" in run.done and is_scene(run.folder):
        return
    scene = run_scene(run.folder, fitted.splats, capture, fitted.field, fitted.sky)
    if fitted.surface is not None:
        mesh = fitted.surface.mesh
        meshed(scene, config.meshing, made={f"/{SCENE}": NodeMesh(mesh, len(mesh.faces), 0.0)})
        return
    try:
        scene.segment(config.segment)
    except InputError as error:  # nothing stands on anything: one surface it is
        log.warning("The scene stays in one piece: %s", error)
    meshed(scene, replace(config.meshing, cache=str(run.folder / "cache" / "undistorted")))


def with_meshes(folder: Path, pairs: list[Comparison], held_out: Sequence[View]) -> list[Comparison]:
    """Comparisons with what the meshes of the run look like from there."""
    state, views = read_scene(folder).state, {view.name: view for view in outlines(held_out)}
    turned = state.pose(f"/{CAMERAS}").matrix  # segmentation may have levelled the world of the run
    whole = joined(list(in_world(state).values()))[0].transform(torch.from_numpy(inverse_pose(turned)))
    scene = ray_scene(whole)
    shown = []
    for pair in pairs:
        view = views[pair.name]
        pose = inverse_pose(view.viewmat.double().numpy())
        rgb = render_mesh(whole, lens(view), pose, background=PAPER, samples=2, scene=scene).rgb
        shown.append(replace(pair, mesh=(255 * rgb).round().to(torch.uint8).numpy()))
    return shown


def measured(run: Run, config: Config, capture: Capture, fitted: Fitted, scores: Scores | None) -> dict[str, Any]:
    """What metrics.json holds."""
    return {
        "held_out": None if scores is None else scores.as_dict(),
        "gaussians": len(fitted.splats),
        "exposure": config.fit.exposure,
        "poses": "refined" if fitted.refined else "given",
        "history": fitted.history,
        "capture": {"photos": len(capture.photos), "skipped": len(capture.skipped), "points": len(capture.points)},
        "seconds": run.seconds,
    }


def told(
    run: Run, config: Config, capture: Capture, fitted: Fitted, scores: Scores | None, pairs: list[Comparison]
) -> Report:
    """What the report shows."""
    return Report(
        title=run.folder.resolve().name,
        capture=capture,
        scores=scores,
        gaussians=len(fitted.splats),
        sh_degree=fitted.splats.sh_degree,
        seconds=run.seconds,
        comparisons=pairs,
        curves=fitted.curves,
        facts=fitted.facts
        | {
            "Longest side": f"{config.max_side} px",
            "Seed": str(config.seed),
        },
        command=command(),
        versions=versions(),
        meshes=read_json(run.folder / "meshes" / "meshes.json") if config.mesh else {},
        video=run.folder / "video.mp4" if config.video_frames else None,
        shown="field" if fitted.field else "splats",
    )

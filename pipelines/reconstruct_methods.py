"""The methods of `scenekit reconstruct`: posed photos → splats, or a radiance field and splats on its surface."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from scenekit.cameras import Array, Camera, inverse_pose, small_pinhole
from scenekit.capture import Capture, View
from scenekit.capture.stored_views import outlines
from scenekit.charts import Curve
from scenekit.evaluate import Picture, lens
from scenekit.fields.contraction import region_of
from scenekit.fields.extract import FieldMesh, field_mesh, field_splats
from scenekit.fields.files import write_field
from scenekit.fields.fitted import FittedField
from scenekit.fields.rendering import render_field
from scenekit.fields.train import FieldConfig, fit_field
from scenekit.fit import FitConfig, fit, initial_splats
from scenekit.fit.camera_poses import PoseRefinement
from scenekit.fit.held_out import aligned
from scenekit.fit.metrics import HeldOut
from scenekit.fit.trainer import OnStep
from scenekit.io.splat_files import write_splats
from scenekit.opening import FIELD, SKY
from scenekit.render.splats import render
from scenekit.report import thousands
from scenekit.splats import Splats, merge

Method = Literal["splats", "nerf"]

CPU = torch.device("cpu")

TURNTABLE_SIDE = 320
"""Longest side of the turntable of a field [px]: a ray of it costs as much as hundreds of splats."""


@dataclass(frozen=True)
class Fitted:
    """What a method made of a capture."""

    splats: Splats
    """The scene as Gaussians."""
    picture: Picture
    """What it looks like; of a field itself, not of its splats."""
    turntable: Camera
    """The lens that it is filmed with."""
    history: dict[str, Any]
    """How the fit went, for metrics.json."""
    curves: list[Curve]
    """The same for the report."""
    facts: dict[str, str]
    """More for the report."""
    field: FittedField | None = None
    """Its radiance field, by the method nerf."""
    surface: FieldMesh | None = None
    """The surface of that."""
    refined: Capture | None = None
    """The capture with the poses that the fit ended with, if it refined them."""
    placed: Sequence[View] | None = None
    """Then also the photos held out, from where they fit the splats best; else they are where the capture says."""


def fitted_splats(
    folder: Path,
    capture: Capture,
    train: Sequence[View],
    held_out: Sequence[View],
    config: FitConfig,
    device: torch.device = CPU,
    on_step: OnStep | None = None,
) -> Fitted:
    """Gaussians by 3D Gaussian Splatting; goes on from the checkpoint in the run folder.

    A sky becomes sky.ply there: it is in the pictures, but no part of the scene.
    """
    (folder / FIELD).unlink(missing_ok=True)  # of an earlier run by the other method: its splats are to be replaced
    start = initial_splats(capture.points, views=train, seed=config.seed).map(lambda tensor: tensor.to(device))
    result = fit(train, start, config, folder=folder / "checkpoint", held_out=held_out, on_step=on_step)
    splats, history, poses = result.splats.map(Tensor.cpu), result.history, result.companions.poses
    whole = splats
    (folder / SKY).unlink(missing_ok=True)
    if result.sky is not None:
        sky = result.sky.map(Tensor.cpu)
        write_splats(folder / SKY, sky)
        whole = merge([splats, sky])

    def picture(camera: Camera, T_world_cam: Array) -> Tensor:
        return render(whole, camera, T_world_cam).rgb

    return Fitted(
        splats,
        picture,
        lens(train[0]),
        history.to_json(),
        [
            *_loss(history.records),
            Curve("Gaussians", [r.step for r in history.records], [r.gaussians for r in history.records]),
            *_held_out(history.held_out),
        ],
        {"Steps": thousands(config.steps), "Densification": type(config.strategy).__name__}
        | ({} if config.exposure == "none" else {"Exposure of each photo": config.exposure})
        | ({} if poses is None else {"Poses": "refined"}),
        refined=None if poses is None else posed_anew(capture, outlines(train), poses),
        placed=None if poses is None else aligned(whole, held_out, exposure=config.exposure != "none"),
    )


def posed_anew(capture: Capture, views: Sequence[View], poses: PoseRefinement) -> Capture:
    """The capture with the refined poses of the photos that were fitted; the others keep theirs."""
    found = {v.name: inverse_pose(T.cpu().double().numpy()) for v, T in zip(views, poses.viewmats, strict=True)}
    photos = [replace(photo, T_world_cam=found.get(photo.name, photo.T_world_cam)) for photo in capture.photos]
    return replace(capture, photos=photos)


def fitted_field(
    folder: Path, capture: Capture, train: Sequence[View], held_out: Sequence[View], config: FieldConfig, voxels: int
) -> Fitted:
    """A radiance field, and Gaussians on its surface; goes on from the checkpoint in the run folder.

    Raises:
        FitError: If the field is empty.
    """
    unseen = held_out if config.evaluate_every else ()  # once, after the fit, is the business of the stage `scores`
    result = fit_field(train, region_of(capture), config, folder=folder / "checkpoint", held_out=unseen)
    field = FittedField(result.field, result.look)
    write_field(folder / FIELD, field.field, field.look)
    surface = field_mesh(field.field, voxels=voxels)
    splats = field_splats(field.field, surface, seed=config.seed)

    def picture(camera: Camera, T_world_cam: Array) -> Tensor:
        return render_field(field.field, camera, T_world_cam, field.look, background=config.behind).rgb

    steps = [record.step for record in result.records]
    return Fitted(
        splats,
        picture,
        small_pinhole(lens(train[0]), TURNTABLE_SIDE),
        {"records": [list(row) for row in result.records], "held_out": [list(row) for row in result.held_out]},
        [
            *_loss(result.records),
            Curve("Rays of a step", steps, [record.rays for record in result.records]),
            *_held_out(result.held_out),
        ],
        {"Steps": thousands(config.steps), "Field": f"{config.kind}, {thousands(field.size)} numbers"}
        | ({"Surface": " ".join(surface.remarks)} if surface.remarks else {}),
        field,
        surface,
    )


def _loss(records: Sequence[Any]) -> list[Curve]:
    return [Curve("Loss", [record.step for record in records], [record.loss for record in records], log=True)]


def _held_out(rows: Sequence[HeldOut]) -> list[Curve]:
    return [Curve("Held-out PSNR [dB]", [r.seconds for r in rows], [r.psnr for r in rows], x_label="seconds")]

"""Finds the support of a scene, levels the scene by it, and gives each thing that stands on it a node of its own."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import tyro
from numpy.typing import NDArray

from scenekit.cameras import Array, Camera, look_at, pinhole
from scenekit.capture.level import moved_pose
from scenekit.capture.undistort import pinhole_of
from scenekit.io.images import write_image
from scenekit.opening import open_scene
from scenekit.render.splats import render
from scenekit.scene import Scene, SceneState
from scenekit.segment import Segment, SegmentConfig
from scenekit.splats import SH_C0, Splats, merge

GREY, BROWN = (0.32, 0.32, 0.34), (0.62, 0.55, 0.45)
"""Colours of the background and of the support in the picture."""

PICTURE_SIDE = 960
"""Longest side of one half of the picture [px]."""


@dataclass(frozen=True)
class Config:
    """Options of `scenekit segment`."""

    scene: tyro.conf.Positional[Path]
    """A scene, a run, or a file of splats."""
    output: Annotated[Path | None, tyro.conf.arg(aliases=["-o"], metavar="FOLDER")] = None
    """Folder to save in; None saves where the scene came from."""
    segment: tyro.conf.OmitArgPrefixes[SegmentConfig] = field(default_factory=SegmentConfig)
    """How things are told apart."""


@dataclass(frozen=True)
class Result:
    """A segmented scene."""

    scene: Scene
    """With its history."""
    folder: Path
    """Where it was saved."""
    picture: Path
    """The scene as it looks, and with a colour for each thing."""

    def __str__(self) -> str:
        return "\n".join([*tree_lines(self.scene.state), f"  scene    {self.folder}", f"  picture  {self.picture}"])


def run(config: Config) -> Result:
    """Segments a scene and saves it with a picture of what was found.

    Raises:
        FileError: If the scene or a mask cannot be read, or the folder not be written.
        InputError: If there is no support, or the scene was segmented before.
    """
    scene = open_scene(config.scene)
    scene.apply(Segment(config.segment))
    folder = scene.save(config.output)
    write_image(folder / "segments.png", picture(scene.state, config.segment.support))
    return Result(scene, folder, folder / "segments.png")


def tree_lines(state: SceneState) -> list[str]:
    """The nodes with splats, how many, and their sizes, and how up and the metre are known."""
    lines = []
    for path, node in state.walk():
        if node.splats is not None:
            size = " × ".join(f"{side:.2f}" for side in extent(state.splats(path)))
            lines.append(f"  {path:<28}{len(node.splats):>9,} Gaussians   {size} m")
    frame = state.frame
    spread = f" (± {np.degrees(frame.up_spread):.1f}°)" if frame.up_spread else ""
    return [*lines, f"  up {frame.up}{spread}, scale {frame.scale}"]


def extent(splats: Splats) -> Array:
    """Sides of the box that holds all but the outermost hundredth of the centres at each end [m], shape (3,)."""
    points = splats.means.double().cpu().numpy()
    low, high = np.percentile(points, [1, 99], axis=0) if len(points) else np.zeros((2, 3))
    return np.asarray(high - low)


def picture(state: SceneState, support: str) -> NDArray[np.uint8]:
    """The scene beside the same view with a colour for each thing, shape (h, 2 w, 3)."""
    painted, objects = [], 0
    for path, node in state.things():
        if node.splats is None:
            continue
        is_object = path not in ("/background", f"/{support}")
        colour = _hue(objects) if is_object else GREY if path == "/background" else BROWN
        objects += is_object
        cloud = node.splats.transform(torch.from_numpy(state.pose(path).matrix))
        painted.append(_painted(cloud, colour))
    plain = state.splats()
    camera, pose = _view(state, plain)
    with torch.no_grad():
        halves = [render(splats, camera, pose).rgb.clamp(0, 1).cpu().numpy() for splats in (plain, merge(painted))]
    return (np.concatenate(halves, 1) * 255).round().astype(np.uint8)


def _hue(number: int) -> tuple[float, float, float]:
    """Hues in steps of the golden angle, so that neighbours differ."""
    return colorsys.hsv_to_rgb(number * 0.38196601 % 1.0, (0.9, 0.6)[number % 2], (1.0, 0.8, 0.9)[number % 3])


def _painted(splats: Splats, colour: tuple[float, float, float]) -> Splats:
    """The splats in one colour, shaded by their own lightness."""
    light = (0.5 + SH_C0 * splats.sh[:, 0]).mean(1, keepdim=True).clamp(0, 1)
    rgb = torch.tensor(colour).to(splats.sh) * (0.6 + 0.4 * light)
    return replace(splats, sh=((rgb - 0.5) / SH_C0)[:, None])


def _view(state: SceneState, splats: Splats) -> tuple[Camera, Array]:
    """The first photo's, as a pinhole; without photos, from the side at 40° above the horizon."""
    for path, node in state.walk():
        if node.cameras is not None:
            photo = node.cameras.photos[0]
            camera = photo.camera if photo.camera.is_pinhole else pinhole_of(photo.camera)
            shrink = min(1.0, PICTURE_SIDE / max(camera.width, camera.height))
            small = camera.resized(max(1, round(camera.width * shrink)), max(1, round(camera.height * shrink)))
            return small, moved_pose(state.pose(path).matrix, photo.T_world_cam)
    middle = splats.means.double().median(0).values.cpu().numpy()
    distance = 2 * max(float(extent(splats).max()), 1e-3)
    eye = middle + distance * np.array([0.0, -np.cos(np.radians(40)), np.sin(np.radians(40))])
    return pinhole(
        PICTURE_SIDE, PICTURE_SIDE, 1.5 * PICTURE_SIDE, 1.5 * PICTURE_SIDE, *[PICTURE_SIDE / 2] * 2
    ), look_at(eye, middle)

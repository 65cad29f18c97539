"""Splats → pictures or a video: around the scene, from where the photos were taken, or from one place."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import tyro
from numpy.typing import NDArray
from rich.progress import track

from scenekit.cameras import Array, Camera, look_at, pinhole
from scenekit.capture.capture import Photo
from scenekit.errors import FileError, InputError
from scenekit.image_size import ImageSize
from scenekit.io.images import write_image
from scenekit.io.scene_folder import is_scene
from scenekit.io.splat_files import read_splats
from scenekit.io.video import write_video
from scenekit.opening import open_scene
from scenekit.render.video import draw, turntable
from scenekit.splats import Splats


@dataclass(frozen=True)
class Config:
    """What is drawn, from where, and what it is written to."""

    source: tyro.conf.Positional[Path]
    """A scene, a run folder or a file of splats; a run that was edited is drawn as it is now."""
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"])] = Path("render.mp4")
    """A video if it ends in .mp4, one picture if it ends in .png or .jpg, else a folder of pictures."""
    path: Literal["turntable", "photos"] = "turntable"
    """Go around the scene, or to where the photos were taken (needs a run folder)."""
    eye: tuple[float, float, float] | None = None
    """Draw one picture from here instead [m]."""
    target: tuple[float, float, float] | None = None
    """What the eye looks at [m]; the middle of the scene if not given."""
    fov: float = 50.0
    """Horizontal field of view of eye and turntable [degrees]."""
    size: ImageSize = (960, 640)
    """Width and height [px]."""
    frames: int = 180
    """Length of a turntable."""
    fps: float = 30.0
    """Frames per second of a video [1/s]."""
    backend: Literal["warp", "torch", "gsplat"] | None = None
    """Rasteriser back-end; the best that is there if not given."""


@dataclass(frozen=True)
class Result:
    """What was written."""

    path: Path
    """The file or folder."""
    frames: int
    """How many pictures it holds."""

    def __str__(self) -> str:
        return f"{self.frames} frame{'s' * (self.frames != 1)} in {self.path}"


def run(config: Config) -> Result:
    """Draws the splats along a path and writes what is seen.

    Raises:
        FileError: If the source is missing or damaged.
        InputError: If the options do not fit together.
    """
    splats, photos = _seen(config.source)
    camera, poses, names = _path(config, splats, photos)
    pictures = track(draw(splats, camera, poses, backend=config.backend), "rendering", total=len(poses), transient=True)
    _write(config, pictures, names)
    return Result(config.output, len(poses))


def _seen(source: Path) -> tuple[Splats, list[Photo]]:
    """The splats and photos of a folder, or the splats of a file, in its own axes."""
    if not source.is_dir() or not (is_scene(source) or (source / "run.json").is_file()):
        return read_splats(source), []
    state = open_scene(source).state
    return state.splats(sky=True), state.photos()


def _path(config: Config, splats: Splats, photos: list[Photo]) -> tuple[Camera, Array, list[str]]:
    """The camera, its poses (t, 4, 4), and the name of each picture."""
    width, height = config.size
    if not 1.0 <= config.fov <= 170.0 or min(width, height) < 1 or config.frames < 1:
        got = f"fov {config.fov}, size {width}x{height}, {config.frames} frames"
        raise InputError("render", got=got, wanted="fov in 1..170 degrees, a size of at least 1x1 px and a frame")
    f = width / 2 / np.tan(np.radians(config.fov) / 2)
    camera = pinhole(width, height, f, f, width / 2, height / 2)
    middle = splats.means.double().median(0).values.numpy() if len(splats) else np.zeros(3)
    if config.eye is not None:
        target = middle if config.target is None else np.array(config.target)
        return camera, look_at(np.array(config.eye), target)[None], ["view"]
    if photos:
        poses = np.stack([photo.T_world_cam for photo in photos])
        names = [Path(photo.name).with_suffix("").as_posix() for photo in photos]
    elif config.path == "photos":
        raise InputError(
            "--path photos", got=f"{config.source}, without photos", wanted="a run folder, which knows its photos"
        )
    else:
        poses, names = _ring(splats, middle, camera), []
    if config.path == "turntable":
        poses, names = turntable(poses, frames=config.frames), [f"{i:05d}" for i in range(config.frames)]
    return camera, poses, names


def _ring(splats: Splats, middle: Array, camera: Camera) -> Array:
    """Poses on a circle 25° above the horizon, wide enough to see 90 % of splats whose photos are not known."""
    distances = np.linalg.norm(splats.means.double().numpy() - middle, axis=1) if len(splats) else np.ones(1)
    radius = float(np.percentile(distances, 90)) / np.sin(np.arctan(min(camera.width, camera.height) / 2 / camera.fx))
    angles, tilt = np.linspace(0, 2 * np.pi, 24, endpoint=False), np.radians(25)
    offsets = np.stack([np.cos(tilt) * np.cos(angles), np.cos(tilt) * np.sin(angles), np.full(24, np.sin(tilt))], 1)
    return np.stack([look_at(middle + max(radius, 1e-3) * offset, middle) for offset in offsets])


def _write(config: Config, pictures: Iterable[NDArray[np.uint8]], names: list[str]) -> None:
    if config.output.suffix == ".mp4":
        write_video(config.output, pictures, fps=config.fps)
    elif config.output.suffix.lower() in (".png", ".jpg", ".jpeg"):
        if len(names) != 1:
            hint = "Give --eye for one picture, or a folder or .mp4 for many."
            raise InputError(
                "--output", got=f"{config.output} for {len(names)} pictures", wanted="one picture", hint=hint
            )
        write_image(config.output, next(iter(pictures)))
    elif config.output.is_file():
        raise FileError(config.output, got="a file", wanted="a folder, .mp4, .png or .jpg to write to")
    else:
        for name, picture in zip(names, pictures, strict=True):
            write_image(config.output / f"{name}.png", picture)

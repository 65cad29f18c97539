"""The whole way on one machine: photographs of a made table → splats → things with meshes, and how close they come."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro

from scenekit.cameras import inverse_pose
from scenekit.capture import Capture
from scenekit.datasets.tabletop import capture_tabletop
from scenekit.evaluate import PoseErrors, pose_errors
from scenekit.fit import FitConfig
from scenekit.image_size import ImageSize
from scenekit.io.colmap import read_model
from scenekit.pipelines import reconstruct
from scenekit.runs import as_json, read_json, write_json


@dataclass(frozen=True)
class Config:
    """How many photos of the table are made, and how long they are fitted."""

    output: Annotated[Path, tyro.conf.arg(aliases=["-o"])] = Path("runs/demo")
    """Where the photos (in photos/) and the run (in tabletop/) are kept."""
    photos: int = 48
    """Number of photos."""
    size: ImageSize = (640, 480)
    """Width and height of the photos [px]."""
    max_side: int = 640
    """Longest side that the photos are reduced to for the fit [px]."""
    seed: int = 0
    """Seed of everything random."""
    mesh: bool = True
    """Divide the scene into things, and give them meshes."""
    fresh: bool = False
    """Start over where an earlier demo with other options is in the way."""
    fit: FitConfig = field(default_factory=FitConfig)
    """How a capture becomes splats."""


@dataclass(frozen=True)
class Result:
    """What came out."""

    reconstruction: reconstruct.Result
    """The run."""
    cameras: PoseErrors
    """Found against true cameras."""
    registered: int
    """Photos that structure from motion placed."""
    photos: int
    """Photos there were."""

    def __str__(self) -> str:
        position, rotation = np.median(self.cameras.position), np.degrees(np.median(self.cameras.rotation))
        return (
            f"{self.reconstruction}\n"
            f"  cameras {self.registered} of {self.photos} found; against the truth, after alignment, "
            f"{position * 1000:.1f} mm and {rotation:.3f}° (medians)"
        )


def run(config: Config) -> Result:
    """Photographs the table, reconstructs it from the photos alone, and compares with the truth.

    Raises:
        ScenekitError: If the folder or an option cannot be used; see `scenekit.errors`.
    """
    folder = photographed(config)
    result = reconstruct.run(
        reconstruct.Config(
            photos=folder,
            output=config.output / "tabletop",
            max_side=config.max_side,
            seed=config.seed,
            mesh=config.mesh,
            fresh=config.fresh,
            fit=config.fit,
        )
    )
    return Result(result, against_truth(result.capture, folder), len(result.capture.photos), config.photos)


def photographed(config: Config) -> Path:
    """The folder of photos; made anew unless an earlier demo with the same photos left it."""
    folder, note = config.output / "photos", config.output / "photos.json"
    wanted = as_json({"photos": config.photos, "size": config.size, "seed": config.seed})
    if not (note.is_file() and read_json(note) == wanted and (folder / "truth").is_dir()):
        width, height = config.size
        capture_tabletop(folder, photos=config.photos, width=width, height=height, seed=config.seed)
        write_json(note, wanted)
    return folder


def against_truth(capture: Capture, folder: Path) -> PoseErrors:
    """Errors of the found cameras, with the true ones from the model that the photographer left in truth/colmap."""
    truth = {Path(i.name).name: inverse_pose(i.T_cam_world) for i in read_model(folder / "truth" / "colmap").images}
    found = {Path(photo.name).name: photo.T_world_cam for photo in capture.photos}
    names = sorted(found.keys() & truth.keys())
    return pose_errors(np.stack([found[name] for name in names]), np.stack([truth[name] for name in names]))

"""The whole way on one machine: photographs of a made table → splats → meshes → physics → simulator assets.

On the way a floater is planted, and a 3D-JEPA shows where the scene is odd.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro

import scenekit.pipelines.export as export
import scenekit.pipelines.jepa as jepa
import scenekit.pipelines.simulate as simulate
from scenekit.cameras import inverse_pose
from scenekit.capture import Capture
from scenekit.datasets.tabletop import capture_tabletop
from scenekit.evaluate import PoseErrors, pose_errors
from scenekit.export.assets import ExportConfig
from scenekit.fit import FitConfig
from scenekit.image_size import ImageSize
from scenekit.io.colmap import read_model
from scenekit.opening import open_scene
from scenekit.pipelines import reconstruct
from scenekit.runs import as_json, read_json, write_json
from scenekit.scene import SceneState
from scenekit.sim.from_scene import extent
from scenekit.validation.surface import Surface

THROW = 2.0
"""Speed of what is thrown at the jelly [m/s]."""

TOLERANCE = 0.05
"""Of the exported collision shapes, so that they take half a minute; the default, 0.02, takes two."""


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
    simulate: bool = True
    """Let the tallest thing turn to jelly and fall, while its neighbour is thrown at it; needs meshes."""
    export: bool = True
    """Write the things as assets for simulators, and prove that they load; needs meshes."""
    energy: bool = True
    """Plant a floater in the scene, and show where a 3D-JEPA finds it odd; needs meshes."""
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
    simulation: simulate.Result | None
    """What happened to the jelly."""
    assets: export.Result | None
    """What was written for simulators."""
    odd: Path | None
    """Picture of the scene with a floater, and of where it is odd."""

    @property
    def exit_code(self) -> int:
        """0, or that of the export's check."""
        return 0 if self.assets is None else self.assets.exit_code

    def __str__(self) -> str:
        position, rotation = np.median(self.cameras.position), np.degrees(np.median(self.cameras.rotation))
        return (
            f"{self.reconstruction}\n"
            f"  cameras {self.registered} of {self.photos} found; against the truth, after alignment, "
            f"{position * 1000:.1f} mm and {rotation:.3f}° (medians)"
            + (f"\n  jelly   {self.simulation.folder / 'video.mp4'}" if self.simulation else "")
            + (f"\n  odd     {self.odd}" if self.odd else "")
            + (f"\n  assets  {self.assets.exported.folder / 'check.html'}" if self.assets else "")
            + (f"\n  {self.assets.exported.report.verdict}" if self.assets and self.assets.exported.report else "")
        )


def run(config: Config) -> Result:
    """Photographs the table, reconstructs it from the photos alone, and compares with the truth.

    Raises:
        ScenekitError: If the folder or an option cannot be used; see `scenekit.errors`.
    """
    folder = photographed(config)
    result = reconstruct.reconstructed(
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
    moved = jelly(config) if config.mesh and config.simulate else None
    assets = exported(config) if config.mesh and config.export else None
    odd = spoilt(config) if config.mesh and config.energy else None
    errors = against_truth(result.capture, folder)
    return Result(result, errors, len(result.capture.photos), config.photos, moved, assets, odd)


def jelly(config: Config) -> simulate.Result:
    """The tallest thing on the table turns to jelly and falls, and its nearest neighbour of some height hits it."""
    run = config.output / "tabletop"
    boxes = {path: extent(open_scene(run).state, path) for path in things(open_scene(run).state)}
    soft = max(boxes, key=lambda path: np.ptp(boxes[path], axis=0)[2])
    ways = {path: (boxes[soft] - box).mean(0) * (1, 1, 0) for path, box in boxes.items() if path != soft}
    thrown = min(ways, key=lambda path: float(np.linalg.norm(ways[path])))
    x, y, _ = THROW * ways[thrown] / np.linalg.norm(ways[thrown])
    return simulate.run(
        simulate.Config(
            scene=run,
            output=config.output / "simulation",
            seconds=1.5,
            material=(f"{soft}=jelly",),
            drop=(f"{soft}=0.1",),
            push=(f"{thrown}={x:.3f},{y:.3f},0",),
            fresh=True,  # the scene may have been edited since the last demo
        )
    )


def exported(config: Config) -> export.Result:
    """The things on the table as assets for all simulators, opened, compared and dropped there."""
    run, folder = config.output / "tabletop", config.output / "assets"
    near = ExportConfig(tolerance=TOLERANCE)
    return export.run(export.Config(run, folder, check=True, fresh=True, export=near))


def spoilt(config: Config) -> Path:
    """The table and what is on it with a floater, and beside it the same in grey, the redder the odder."""
    run, folder = config.output / "tabletop", config.output / "odd"
    table = "/" + things(open_scene(run).state)[0].split("/")[1]
    jepa.run(jepa.Config(jepa.Energy(run, folder, path=table, flaw="floater", seed=config.seed)))
    return folder / "energy.png"


def things(state: SceneState) -> list[str]:
    """Paths of things with closed meshes that are at least 4 cm high."""
    return [
        path
        for path, node in state.walk()
        if node.mesh is not None and Surface(node.mesh).is_closed and np.ptp(extent(state, path), axis=0)[2] > 0.04
    ]


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

"""Lets a scene move: things of soft materials deform, flow and break, rigid ones fall, slide and collide.

A push is the velocity that a node starts with [m/s]; a drop raises it before it starts [m]. What takes more words goes
into a scenario file, which docs/simulation.md shows.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import torch
import tyro
from numpy.typing import NDArray
from rich.progress import track

from scenekit.body import Vector
from scenekit.cameras import Array, Camera, look_at, pinhole
from scenekit.errors import InputError
from scenekit.image_size import ImageSize
from scenekit.io.animation import write_ply_sequence, write_usd_animation
from scenekit.io.mesh_atlas import joined
from scenekit.io.video import write_video
from scenekit.meshes import Mesh
from scenekit.node_values import node_values, numbers
from scenekit.opening import open_scene
from scenekit.render.meshes import Shading, render_mesh
from scenekit.render.splats import render
from scenekit.render.video import turntable
from scenekit.runs import as_json, open_run
from scenekit.scene import SceneState
from scenekit.sim.from_scene import SimConfig, extent
from scenekit.sim.report import write_simulation_report
from scenekit.sim.rollout import Clip, roll, staged
from scenekit.sim.scenario import Scenario, read_scenario

SHOWN = 12
"""Most remarks that are printed; all are in the report."""

FOV = 50.0
"""Horizontal field of view where there are no photos [degrees]."""

PAPER = (0.94, 0.94, 0.94)
"""Behind meshes."""

Pairs = Annotated[tuple[str, ...], tyro.conf.UseAppendAction]


@dataclass(frozen=True)
class Config:
    """Options of `scenekit simulate`."""

    scene: tyro.conf.Positional[Path]
    """A scene, a run, or a file of splats or of a mesh."""
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"], metavar="FOLDER")] = Path("simulation")
    """Folder of the run: states, video, report. The same command goes on from the last frame in it."""
    seconds: float = 2.0
    """How long [s]; a longer run of the same goes on from a shorter one."""
    fps: float = 30.0
    """Frames per second [1/s]."""
    material: Annotated[Pairs, tyro.conf.arg(metavar="NODE=NAME")] = ()
    """What a node is made of, such as /table/mug=jelly."""
    push: Annotated[Pairs, tyro.conf.arg(metavar="NODE=X,Y,Z")] = ()
    """Velocity that a node starts with [m/s], such as /table/box=0.5,0,0."""
    drop: Annotated[Pairs, tyro.conf.arg(metavar="NODE=HEIGHT")] = ()
    """How much a node is raised before it starts [m], such as /table/mug=0.2."""
    scenario: Path | None = None
    """A TOML file with these and more: forces and motions over time, spins, gravity."""
    path: Literal["fixed", "turntable"] = "fixed"
    """Where the video is seen from: one photo's camera, or around the scene."""
    view: int | None = None
    """Number of the photo whose camera is taken; the one that looks at what moves if not given."""
    size: ImageSize | None = None
    """Width and height of the video [px]; as the photos, at most 960 wide, if not given."""
    to: tuple[Literal["ply", "usd"], ...] = ()
    """Animated output: ply is frames/00000.ply …, usd is animation.usdc with time samples."""
    video: bool = True
    """Draw video.mp4."""
    fresh: bool = False
    """Start over where an earlier run with other options is in the way."""
    sim: Annotated[SimConfig, tyro.conf.arg(name="")] = field(default_factory=SimConfig)
    """How the scene becomes a model."""


@dataclass(frozen=True)
class Result:
    """What happened."""

    clip: Clip
    """All frames."""
    folder: Path
    """Where everything is."""
    files: list[Path]
    """What was written besides the states."""
    seconds: float
    """Time in all [s]."""

    def __str__(self) -> str:
        model, last = self.clip.model, self.clip.balances[-1]
        remarks = [f"  {remark}" for remark in model.remarks[:SHOWN]]
        if len(model.remarks) > SHOWN:
            remarks.append(f"  and {len(model.remarks) - SHOWN} more remarks in the report")
        particles = 0 if model.particles is None else len(model.particles)
        vertices = 0 if model.elements is None else len(model.elements)
        moving = sum(body.kind != "static" for body in model.bodies)
        return "\n".join(
            [
                f"{len(self.clip)} frames, {last.time:.2f} s: {particles:,} particles, {vertices:,} vertices, "
                f"{moving} moving bodies",
                *remarks,
                f"  energy   {self.clip.balances[0].energy:.4g} J at first, {last.energy:.4g} J at the end",
                *(f"  {path.suffix[1:] or 'folder':<8} {path}" for path in self.files),
                f"  {self.seconds:.1f} s",
            ]
        )


def run(config: Config) -> Result:
    """Opens a scene, lets it move, and writes video, plots and what else is wanted.

    Raises:
        FileError: If the scene or the scenario cannot be read, or the folder not be written.
        InputError: If nothing can move, or options do not fit the scene or an earlier run in the folder.
        SimulationError: If the run goes wrong; the frames so far are kept.
    """
    start = time.perf_counter()
    scenario = scenario_of(config)
    clip, first = staged(open_scene(config.scene), scenario, fps=config.fps, config=config.sim)
    chosen = {"scene": config.scene, "fps": config.fps, "scenario": scenario, "sim": config.sim}
    folder = open_run(config.output, as_json(chosen), fresh=config.fresh)
    clip.keep(config.output, fresh=config.fresh)
    with folder.stage("states"):
        roll(clip, first, seconds=config.seconds, command=scenario.command, progress=True)
    files = []
    if config.video:
        with folder.stage("video"):
            files.append(config.output / "video.mp4")
            write_video(files[-1], pictures(clip, config), fps=config.fps)
    with folder.stage("files"):
        files += _animations(clip, config)
    with folder.stage("report"):
        files += write_simulation_report(config.output, clip, title=config.scene.stem, video=config.video)
    return Result(clip, config.output, files, time.perf_counter() - start)


def scenario_of(config: Config) -> Scenario:
    """The scenario of the file, or of the options.

    Raises:
        FileError: If the file cannot be read.
        InputError: If an option is not NODE=VALUE, or there are both.
    """
    words = {
        "material": node_values("--material", config.material),
        "push": {node: _vector(text) for node, text in node_values("--push", config.push).items()},
        "drop": {
            node: numbers("--drop", text, "HEIGHT")[0] for node, text in node_values("--drop", config.drop).items()
        },
    }
    if config.scenario is None:
        return Scenario(**words)  # type: ignore[arg-type]
    if any(words.values()):
        raise InputError("--scenario", got="also --material, --push or --drop", wanted="one or the other")
    return read_scenario(config.scenario)


def pictures(clip: Clip, config: Config) -> Iterator[NDArray[np.uint8]]:
    """The frames of the video, shape (h, w, 3): splats, or meshes if there are none."""
    camera, poses = camera_path(clip, config)
    has_splats = any(node.splats is not None for _, node in clip.scene.walk())
    frames = track(clip.scenes(), "rendering", total=len(clip), transient=True)
    for scene, T_world_cam in zip(frames, poses, strict=True):
        if has_splats:
            with torch.no_grad():
                rgb = render(scene.splats(sky=True), camera, T_world_cam).rgb
        else:
            mesh = _whole_mesh(scene)
            lit: Shading = "none" if mesh.texture is not None or mesh.vertex_colors is not None else "headlight"
            rgb = render_mesh(mesh, camera, T_world_cam, background=PAPER, samples=2, shading=lit).rgb
        yield (rgb.clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy()


def camera_path(clip: Clip, config: Config) -> tuple[Camera, Array]:
    """The camera and where it is at each frame, shape (t, 4, 4).

    Raises:
        InputError: If there is no photo of the number that is wanted.
    """
    photos, focus, reach = clip.scene.photos(), *_stage(clip)
    if config.view is not None and not 0 <= config.view < len(photos):
        raise InputError("--view", got=config.view, wanted=f"0 to {len(photos) - 1}, a photo of the scene")
    if not photos:
        width, height = config.size or (960, 640)
        f = width / 2 / np.tan(np.radians(FOV) / 2)
        camera, distance = pinhole(width, height, f, f, width / 2, height / 2), 2.4 * reach
        angles = np.linspace(-0.5 * np.pi, 1.5 * np.pi, 24, endpoint=False)
        ring = np.stack([0.8 * np.cos(angles), 0.8 * np.sin(angles), np.full(24, 0.6)], 1)
        seen = np.stack([look_at(focus + distance * way, focus) for way in ring])
        view = 0
    else:
        seen = np.stack([photo.T_world_cam for photo in photos])
        view = _looking_at(seen, focus) if config.view is None else config.view
        camera = _resized(photos[view].camera, config.size)
    if config.path == "turntable":
        return camera, turntable(seen, frames=len(clip))
    return camera, np.repeat(seen[view][None], len(clip), 0)


def _stage(clip: Clip) -> tuple[Array, float]:
    """Middle of where things move, which what moves most counts most for, and the radius of a ball around them [m]."""
    ends = [clip.scene_at(frame).state for frame in (0, -1)]
    still = {body.name for body in clip.model.bodies if body.kind == "static"}
    moving = [matter.path for matter in clip.model.matter if matter.path not in still]
    boxes = np.array([[extent(state, path) for state in ends] for path in moving])  # (thing, end, low and high, xyz)
    middles = boxes.mean(2)
    travels = np.linalg.norm(middles[:, 1] - middles[:, 0], axis=1)
    focus = np.average(middles.mean(1), axis=0, weights=travels.clip(max=1.0) + 1e-3)
    return focus, max(float(np.linalg.norm(boxes.reshape(-1, 3) - focus, axis=1).max()), 1e-3)


def _looking_at(seen: Array, focus: Array) -> int:
    """The pose whose optical axis passes nearest to a point, as an angle."""
    ways = focus - seen[:, :3, 3]
    return int(((ways * seen[:, :3, 2]).sum(1) / np.linalg.norm(ways, axis=1)).argmax())


def _resized(camera: Camera, size: ImageSize | None) -> Camera:
    """As a pinhole of that size, or at most 960 px wide."""
    plain = pinhole(camera.width, camera.height, camera.fx, camera.fy, camera.cx, camera.cy)
    shrink = min(1.0, 960 / camera.width)
    return plain.resized(*(size or (round(camera.width * shrink), round(camera.height * shrink))))


def _animations(clip: Clip, config: Config) -> list[Path]:
    """What --to asks for."""
    written = []
    if "ply" in config.to:
        written.append(config.output / "frames")
        write_ply_sequence(written[-1], track(clip.scenes(), "PLY", total=len(clip), transient=True))
    if "usd" in config.to:
        written.append(config.output / "animation.usdc")
        frames = track(clip.scenes(), "USD", total=len(clip), transient=True)
        write_usd_animation(written[-1], frames, fps=config.fps)
    return written


def _whole_mesh(scene: SceneState) -> Mesh:
    """All meshes as one, in the world."""
    posed = [
        node.mesh.transform(torch.from_numpy(scene.pose(path).matrix))
        for path, node in scene.walk()
        if node.mesh is not None
    ]
    return joined(posed)[0]


def _vector(text: str) -> Vector:
    x, y, z = numbers("--push", text, "X,Y,Z")
    return x, y, z

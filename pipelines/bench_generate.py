"""What text to 3D reaches: forty prompts generated, judged, validated and dropped; faces counted.

    scenekit bench generate --output figures
    scenekit bench generate --output figures --only faces

The prompts are those of `bench guidance`. Each is made by a `scenekit generate` of its own, whose time and memory are
taken; a second call goes on where the first was stopped. In the sheet of all results those that failed or were not
recognised have a red frame. Faces are counted on sketches of twenty nouns that have a front, made by the prior with and
without its knowledge of the view, and on their meshes. Letters: p prompts, c pictures of each, s side.
"""

from __future__ import annotations

import hashlib
import math
import os
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field, replace
from itertools import cycle
from pathlib import Path
from statistics import median
from typing import Annotated, Literal

import numpy as np
import torch
import tyro
from numpy.typing import NDArray
from torch import Tensor

from scenekit.cameras import Array
from scenekit.datasets.shapes_colors import COLORS
from scenekit.errors import InputError
from scenekit.export.checks.drops import droppable, dropped_in_mujoco
from scenekit.export.export import export
from scenekit.export.physics_json import read_physics
from scenekit.generate.distil import distil
from scenekit.generate.measures import SECOND_FACE, faced, r_precision, view_consistency
from scenekit.generate.pictures import of_mesh, of_splats, ring
from scenekit.generate.recipes import RECIPES
from scenekit.generate.thing import only_node
from scenekit.guidance.judge import JUDGE, Judge
from scenekit.guidance.prior import DiffusionPrior
from scenekit.guidance.shapes_prior import WEIGHTS, ShapesPrior
from scenekit.guidance.view_cameras import ViewCameras
from scenekit.io.images import read_image, write_image
from scenekit.meshes import Mesh
from scenekit.opening import open_scene
from scenekit.pipelines.bench_guidance import AROUND, FRONTED, PROMPTS, marked, true_pictures
from scenekit.pipelines.generate import SKETCHES
from scenekit.pipelines.generate_plan import Config as Asked
from scenekit.pipelines.generate_plan import Overrides, planned, settled
from scenekit.pipelines.guidance import ELEVATION, SIDES, tiled
from scenekit.render.meshes import ray_scene, render_mesh
from scenekit.runs import as_json, read_json, write_json
from scenekit.scene import SceneState
from scenekit.splats import Splats

SIDE = 128
"""Of the pictures that are kept [px]."""
NEIGHBOURS = 16
"""Sides between which consistency is measured."""
CUBE = np.array([[-0.5] * 3, [0.5] * 3])
"""Box of a sketch in the studio."""
FACES = tuple(f"a {color} {noun}" for noun, color in zip(FRONTED, cycle(COLORS), strict=False))
"""Prompts of the test for two faces."""


@dataclass(frozen=True)
class Config:
    """What is measured."""

    output: Annotated[Path, tyro.conf.arg(aliases=["-o"], metavar="FOLDER")] = Path("generate-figures")
    """Everything that is made is kept here."""
    prompts: int = len(PROMPTS)
    """How many of the prompts, from the first."""
    faces: int = len(FACES)
    """How many of the prompts for faces, from the first."""
    only: Literal["prompts", "faces"] | None = None
    """One part alone."""
    weights: Path = WEIGHTS
    """Of the prior."""
    judge: Path = JUDGE
    """Who judges."""
    seed: int = 0
    """Of everything random."""
    recipe: Overrides = field(default_factory=Overrides)
    """Numbers of the recipe to change."""


@dataclass(frozen=True)
class Made:
    """What became of a prompt."""

    prompt: str
    """What was asked for."""
    problem: str
    """What went wrong; empty if nothing."""
    seconds: float
    """From the command to the finished run folder [s]."""
    peak_bytes: int
    """Most memory that the process held."""
    gaussians: int = 0
    """Of the splats."""
    faces: int = 0
    """Of the mesh."""
    errors: tuple[str, ...] = ()
    """Codes of what `validate` calls impossible."""
    warnings: tuple[str, ...] = ()
    """And of what it calls probably wrong."""
    settles: bool = False
    """Whether it kept the limits of `scenekit check` when it was dropped in MuJoCo."""
    consistency: float = 0.0
    """Of pictures of the splats on the surface of the mesh, from neighbouring sides, PSNR [dB]."""

    @property
    def is_sound(self) -> bool:
        """Whether the mesh validates and settles."""
        return not self.problem and not self.errors and self.settles


@dataclass(frozen=True)
class Prompts:
    """All that became of the prompts."""

    made: tuple[Made, ...]
    """Prompt by prompt."""
    splats: tuple[bool, ...]
    """Which the judge recognises by pictures of the splats."""
    meshes: tuple[bool, ...]
    """Which by pictures of the mesh."""
    taken_for: tuple[str, ...]
    """The prompt that the splats fit best."""

    def __str__(self) -> str:
        n, sound, times = len(self.made), sum(m.is_sound for m in self.made), [m.seconds for m in self.made]
        clean = sum(m.is_sound and not m.warnings for m in self.made)
        lines = [
            f"| of {n} prompts | |", "|---|---|",
            f"| R-precision, splats (chance {1 / n:.1%}) | {np.mean(self.splats):.1%} |",
            f"| R-precision, meshes | {np.mean(self.meshes):.1%} |",
            f"| validate and settle in MuJoCo | {sound / n:.1%} ({clean / n:.1%} without a warning) |",
            f"| time, median and longest | {median(times):.0f} s, {max(times):.0f} s |",
            f"| memory, most | {max(m.peak_bytes for m in self.made) / 1e9:.2f} GB |",
            f"| consistency, median | {median(m.consistency for m in self.made):.1f} dB |",
            "", "| prompt | recognised | sound | time | what is wrong |", "|---|---|---|---|---|",
        ]  # fmt: skip
        for m, right, other in zip(self.made, self.splats, self.taken_for, strict=True):
            seen = "yes" if right else f"no: {other}"
            wrong = m.problem or ", ".join((*m.errors, *m.warnings, *([] if m.settles else ["does not settle"])))
            lines.append(f"| {m.prompt} | {seen} | {'yes' if m.is_sound else 'no'} | {m.seconds:.0f} s | {wrong} |")
        return "\n".join(lines)


@dataclass(frozen=True)
class Faces:
    """How many fronts things have."""

    second: dict[str, tuple[float, ...]]
    """Log-likelihood of a second one, of `faced`, by prompt: as Gaussians and as mesh with the view known to the prior,
    then both without."""

    two_faced: tuple[int, ...]
    """How many are two-faced, of each of these four."""

    def __str__(self) -> str:
        n, found = len(self.second), self.two_faced
        lines = [
            f"two-faced of {n}: Gaussians {found[0]}, meshes {found[1]} where the prior knows the view, "
            f"{found[2]} and {found[3]} where it does not",
            "",
            "| prompt, ln L₂ − ln L₁ | Gaussians | mesh | Gaussians, view not known | mesh |",
            "|---|---|---|---|---|",
        ]
        values = {prompt: " | ".join(f"{value:.1f}" for value in row) for prompt, row in self.second.items()}
        return "\n".join(lines + [f"| {prompt} | {row} |" for prompt, row in values.items()])


@dataclass(frozen=True)
class Result:
    """All figures."""

    prompts: Prompts | None
    """None if left out."""
    faces: Faces | None
    """None if left out."""

    def __str__(self) -> str:
        return "\n\n".join(str(part) for part in (self.prompts, self.faces) if part is not None)


def run(config: Config) -> Result:
    """Measure; see the module.

    Raises:
        ScenekitError: If the prior, the judge or the folder cannot be used, or a number is out of range.
    """
    for name, most in (("prompts", len(PROMPTS)), ("faces", len(FACES))):
        if not 2 <= getattr(config, name) <= most:
            raise InputError(name, got=getattr(config, name), wanted=f"2 to {most}")
    judge, prior = Judge.load(config.judge), ShapesPrior.load(config.weights)
    refuse_others(config)
    prompts = measured_prompts(config, judge) if config.only != "faces" else None
    faces = measured_faces(config, judge, prior) if config.only != "prompts" else None
    result = Result(prompts, faces)
    write_json(config.output / "figures.json", asdict(result))
    return result


def refuse_others(config: Config) -> None:
    """Notes what results are made with in settings.json, so that a second call does not go on with other numbers.

    Raises:
        InputError: If there are results of other weights, another seed or another recipe.
    """
    recipe = settled(Asked(seed=config.seed, recipe=config.recipe), RECIPES["shapes"])
    weights = hashlib.sha256(config.weights.read_bytes()).hexdigest()
    settings, file = {"weights": weights, "recipe": as_json(recipe)}, config.output / "settings.json"
    if file.is_file() and read_json(file) != settings:
        got = "results of other weights, another seed or another recipe"
        raise InputError(config.output, got=got, wanted="another --output")
    write_json(file, settings)


def measured_prompts(config: Config, judge: Judge) -> Prompts:
    """Generates, judges and drops the prompts; prompts.png shows four sides of the splats, the mesh, and the truth."""
    prompts = PROMPTS[: config.prompts]
    folders = [config.output / "prompts" / f"{i:02d}" for i in range(len(prompts))]
    made = tuple(kept_made(prompt, folder, config) for prompt, folder in zip(prompts, folders, strict=True))
    views = torch.stack([seen(folder / "views.png", 2 * SIDES) for folder in folders])
    splats, meshes = (r_precision(judge, part, prompts) for part in views.split(SIDES, 1))
    there = torch.tensor([not m.problem for m in made])
    truth = torch.nn.functional.interpolate(true_pictures(prompts, seed=config.seed, count=1)[:, 0], SIDE)[:, None]
    rows = torch.cat([marked(views[:, : SIDES + 1], splats.right & there, width=4), truth], 1)
    write_image(config.output / "prompts.png", tiled(folded(rows)))
    right = [tuple((found.right & there).tolist()) for found in (splats, meshes)]
    return Prompts(made, right[0], right[1], tuple(prompts[i] for i in splats.taken_for))


def kept_made(prompt: str, folder: Path, config: Config) -> Made:
    """What became of a prompt, from made.json if that is there."""
    note = folder / "made.json"
    if note.is_file():
        said = read_json(note)
        return Made(**said | {"errors": tuple(said["errors"]), "warnings": tuple(said["warnings"])})
    made, pictures = generated(prompt, folder, config), np.full((SIDE, 2 * SIDES * SIDE, 3), 128, np.uint8)
    if not made.problem:
        made, pictures = judged_scene(made, folder)
    write_image(folder / "views.png", pictures)
    write_json(note, asdict(made))
    return made


def generated(prompt: str, folder: Path, config: Config) -> Made:
    """Runs `scenekit generate` in a process of its own."""
    changes = {f"--recipe.{name.replace('_', '-')}": value for name, value in asdict(config.recipe).items()}
    words = [prompt, "-o", folder / "run", "--video-frames", 0, "--seed", config.seed, "--weights", config.weights]
    words += [word for name, value in changes.items() if value is not None for word in (name, value)]
    folder.mkdir(parents=True, exist_ok=True)
    start = time.perf_counter()
    with (folder / "log.txt").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "scenekit", "generate", *map(str, words)], stdout=log, stderr=log
        )
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    seconds, peak = time.perf_counter() - start, usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    lines = (folder / "log.txt").read_text().strip().splitlines()
    problem = "" if process.returncode == 0 else f"exit code {process.returncode}: {' '.join(lines[-2:])[-300:]}"
    return Made(prompt, problem, seconds, peak)


def judged_scene(made: Made, folder: Path) -> tuple[Made, NDArray[np.uint8]]:
    """What is in the run's scene, validated and dropped; four pictures of its splats, and four of its mesh."""
    scene = open_scene(folder / "run")
    node, findings = only_node(scene.state), scene.validate()
    assert node.splats is not None and node.mesh is not None  # a run leaves both
    vertices = node.mesh.vertices.double().numpy()
    box = np.stack([vertices.min(0), vertices.max(0)])
    codes = {kind: tuple(f.code for f in findings if f.severity == kind) for kind in ("error", "warning")}
    cameras = around(box, SIDES)
    pictures = [*of_splats(node.splats, cameras), *of_mesh(node.mesh, cameras)]
    measured = replace(
        made,
        gaussians=len(node.splats), faces=len(node.mesh.faces), errors=codes["error"], warnings=codes["warning"],
        settles=settles(scene.state, folder / "assets"), consistency=consistency(node.splats, node.mesh, box),
    )  # fmt: skip
    return measured, np.concatenate(pictures, 1)


def settles(state: SceneState, folder: Path) -> bool:
    """Whether things come to rest where they are dropped in MuJoCo."""
    export(state, folder, formats=("mjcf",), fresh=True)
    physics = read_physics(folder)
    drops = list(dropped_in_mujoco(folder, physics, droppable(physics)))
    return bool(drops) and not any(drop.problems for drop in drops)


def consistency(splats: Splats, mesh: Mesh, box: Array) -> float:
    """`view_consistency` of the splats' pictures on the mesh's depth [dB]."""
    cameras, scene = around(box, NEIGHBOURS), ray_scene(mesh)
    poses = zip(cameras.cameras, cameras.T_world_cam, strict=True)
    depths = torch.stack([render_mesh(mesh, camera, pose, scene=scene).depth for camera, pose in poses])
    pictures = torch.from_numpy(np.stack(list(of_splats(splats, cameras)))).permute(0, 3, 1, 2) / 255
    return view_consistency(pictures, depths, cameras)


def measured_faces(config: Config, judge: Judge, prior: ShapesPrior) -> Faces:
    """Sketches with and without the view known, and how likely each has a second front; writes faces.png."""
    prompts, second = FACES[: config.faces], {}
    rows: list[Tensor] = []
    for prompt in prompts:
        pair = [sketched(prompt, config, prior, knows_views=knows) for knows in (True, False)]
        found = [[faced(judge, part) for part in pictures.split(AROUND)] for pictures in pair]
        second[prompt] = tuple(one.second for parts in found for one in parts)
        good = torch.tensor([not parts[0].is_two_faced for parts in found])
        rows += marked(torch.stack(pair)[:, : AROUND : AROUND // SIDES], good, width=4)
    write_image(config.output / "faces.png", tiled(folded(torch.stack(rows))))
    counts = tuple(sum(value >= SECOND_FACE for value in column) for column in zip(*second.values(), strict=True))
    return Faces(second, counts)


def sketched(prompt: str, config: Config, prior: DiffusionPrior, *, knows_views: bool) -> Tensor:
    """Pictures of a sketch from all around, then of its mesh, shape (2 AROUND, 3, s, s); they are kept."""
    folder = config.output / "faces" / f"{prompt.replace(' ', '-')}-{'seen' if knows_views else 'blind'}"
    if not (folder / "views.png").is_file():
        plan = planned(Asked(prompt, seed=config.seed, recipe=config.recipe), prior)
        sketch = SKETCHES["splats"](plan.recipe, config.seed, plan.device)
        guide = replace(plan.guide, knows_views=knows_views)
        title = f"{prompt}{'' if knows_views else ', view unknown'}"
        distil(sketch, guide, plan.recipe.run, folder=folder, title=title)
        cameras = around(CUBE, AROUND)
        pictures = [*of_splats(sketch.splats(), cameras), *of_mesh(sketch.mesh(), cameras)]
        write_image(folder / "views.png", np.concatenate(pictures, 1))
    return seen(folder / "views.png", 2 * AROUND)


def around(box: Array, count: int) -> ViewCameras:
    """Cameras around a box, the first before its front."""
    return ring(box, count=count, elevation=math.degrees(ELEVATION), side=SIDE)


def seen(strip: Path, count: int) -> Tensor:
    """The pictures of a strip, display colours 0..1, shape (count, 3, s, s)."""
    pixels = torch.tensor(read_image(strip))
    return torch.stack(pixels.permute(2, 0, 1).chunk(count, 2)) / 255


def folded(rows: Tensor) -> Tensor:
    """Rows of pictures (p, c, 3, s, s), two beside each other, the last alone beside an empty one if p is odd."""
    even = torch.cat([rows, rows.new_ones(len(rows) % 2, *rows.shape[1:])])
    return even.unflatten(0, (-1, 2)).flatten(1, 2)

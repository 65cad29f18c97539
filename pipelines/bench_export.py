"""What exported assets are worth: closed forms, collision shapes, agreement of formats, drops, times, steps per second.

    scenekit bench export --meshes PATH/TO/meshes --scene runs/demo/tabletop
    scenekit bench export --meshes PATH/TO/meshes --peers

Meshes are OBJ files with Y up, scaled to one size. docs/benchmarks.md has the figures.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np
import torch
from rich.progress import track

from scenekit.datasets.closed_form_solids import ClosedForm, closed_form_solids
from scenekit.errors import FileError
from scenekit.export.assets import Collision, ExportConfig, Link
from scenekit.export.building import assets_of
from scenekit.export.export import Exported, export
from scenekit.io.mesh_files import read_mesh
from scenekit.io.textures import read_texture
from scenekit.meshes import Mesh
from scenekit.opening import open_scene
from scenekit.pipelines import export_peers
from scenekit.pipelines.export_peers import FACTS, Row
from scenekit.runs import versions
from scenekit.scene import Node, SceneState

SCENE = "scene"
"""What the scene's exports are called."""

PACKAGES = ("mujoco", "newton", "coacd", "trimesh", "vhacdx", "obj2mjcf", "gymnasium")
"""Whose versions decide the figures, where they are installed."""


@dataclass(frozen=True)
class Config:
    """What is measured."""

    meshes: Path | None = None
    """A folder of OBJ files with Y up, each a thing of its own."""
    size: float = 0.2
    """Longest side that they are scaled to [m]."""
    scene: Path | None = None
    """A scene with meshes and splats, such as a finished demo."""
    methods: tuple[Collision, ...] = ("auto",)
    """Ways to collision shapes; auto, which searches with CoACD where it must, is the default of the export."""
    check: bool = True
    """Whether everything is also opened, compared and dropped."""
    steps: int = 200
    """Of the Gymnasium environment of the scene; 0 leaves it out."""
    peers: bool = False
    """Whether obj2mjcf and trimesh's URDF get the same meshes, if they are installed."""
    output: Path | None = None
    """A new folder in which all exports are kept."""
    export: ExportConfig = field(default_factory=ExportConfig)
    """How things become bodies, else."""


@dataclass(frozen=True)
class Errors:
    """How far a solid is from its closed form, relative."""

    mass: float
    """To the mass."""
    centre: float
    """Distance of the centres, to the size."""
    inertia: float
    """Frobenius norm, to that of the tensor."""


@dataclass(frozen=True)
class Thing:
    """A body of an export."""

    method: str
    """How its pieces were made."""
    pieces: int
    """Number of shapes."""
    distance: float
    """Symmetric distance between the pieces' surface and the visual one, the larger of both ways [m]."""
    share: float
    """The same, as a part of the longest side."""
    volume: float | None
    """Of the pieces, over the solid's."""
    settled: dict[str, bool]
    """Whether it kept the limits of `scenekit check` when it was dropped, by engine."""


@dataclass(frozen=True)
class Export:
    """One export of a mesh or a scene by one method."""

    seconds: float
    """From the scene to its files [s]."""
    things: dict[str, Thing]
    """By link."""
    files: int | None
    """Openings of files by independent programs; None if nothing was checked."""
    disagreement: float | None
    """Largest relative difference of a mass, centre or inertia that was read back."""
    problems: tuple[str, ...]
    """What the check found."""


@dataclass(frozen=True)
class Speed:
    """Of the Gymnasium environment, 128×128."""

    steps_per_second: float
    """From the median step."""
    gaussians: int
    """In the scene."""
    bodies: int
    """In MuJoCo's model."""


@dataclass(frozen=True)
class Result:
    """All figures."""

    solids: dict[str, Errors]
    """By solid."""
    exports: dict[str, Export]
    """By "NAME, method"."""
    gym: Speed | None
    """None if there was no scene."""
    peers: tuple[Row, ...]
    """Empty if not asked for."""
    versions: dict[str, str]
    """Of all that took part."""

    def __str__(self) -> str:
        lines = ["| solid | mass | centre | inertia |", "|---|---|---|---|"]
        lines += [f"| {k} | {e.mass:.1e} | {e.centre:.1e} | {e.inertia:.1e} |" for k, e in self.solids.items()]
        if self.exports:
            lines += ["", *_export_table(self.exports)]
        if self.gym is not None:
            speed = self.gym
            about = f"{speed.gaussians} Gaussians, {speed.bodies} bodies, 128×128"
            lines += ["", f"Gymnasium: {speed.steps_per_second:.0f} steps/s ({about})"]
        if self.peers:
            lines += ["", *_peer_table(self.peers)]
        return "\n".join(lines)


def run(config: Config) -> Result:
    """Measure; see the module.

    Raises:
        FileError: If a mesh or the scene is missing, or the output folder is in the way.
        InputError: If something cannot be exported.
    """
    meshes = dict(_meshes(config))
    solids = {name: _errors(solid, config.export) for name, solid in closed_form_solids().items()}
    with TemporaryDirectory() as temporary:
        folder = config.output or Path(temporary)
        exports = dict(_exports(config, meshes, folder))
        steps = config.steps if config.scene is not None else 0
        gym = _speed(folder / config.methods[0] / SCENE, steps) if steps else None
        peers = tuple(export_peers.rows(meshes, folder / "peers", config=config.export)) if config.peers else ()
    used = {name: found for name in PACKAGES if (found := export_peers.installed(name))}
    return Result(solids, exports, gym, peers, versions() | used)


def _exports(config: Config, meshes: dict[str, Mesh], folder: Path) -> Iterator[tuple[str, Export]]:
    sources: dict[str, Mesh | SceneState] = dict(meshes)
    if config.scene is not None:
        sources[SCENE] = open_scene(config.scene).state
    for method in config.methods:
        options = replace(config.export, collision=method)
        for name, source in track(sources.items(), f"exports, {method}", transient=True):
            made = export(source, folder / method / name, check=config.check, config=options)
            yield f"{name}, {method}", _export(made)


def _errors(solid: ClosedForm, config: ExportConfig) -> Errors:
    state = SceneState(Node("", children=(Node("solid", mesh=solid.mesh),)))
    link = assets_of(state, replace(config, collision="hull", size=None)).links[0]
    assert link.material is not None
    body, density, truth = link.body, link.material.density.value, solid.truth
    mass, inertia = density * truth.volume, density * truth.inertia
    return Errors(
        mass=abs(body.mass - mass) / mass,
        centre=float(np.linalg.norm(np.array(body.centre) - truth.centre)) / _size(link),
        inertia=float(np.linalg.norm(body.inertia - inertia) / np.linalg.norm(inertia)),
    )


def _meshes(config: Config) -> Iterator[tuple[str, Mesh]]:
    """All meshes of the folder and those below it, of one size; a picture NAME_texture.png is a mesh's texture."""
    if config.meshes is None:
        return
    files = sorted(config.meshes.rglob("*.obj"))
    if not files:
        raise FileError(config.meshes, got="no OBJ file", wanted="a folder of meshes")
    for file in files:
        mesh = read_mesh(file, up="y")
        texture = file.with_name(f"{file.stem}_texture.png")
        if texture.is_file() and mesh.uvs is not None:
            mesh = replace(mesh, texture=read_texture(texture, texture.read_bytes()))
        low, high = mesh.vertices.aminmax(dim=0)
        scale = config.size / float((high - low).max())
        yield file.stem, mesh.transform(torch.diag(torch.tensor([scale, scale, scale, 1.0], dtype=torch.float64)))


def _size(link: Link) -> float:
    """Longest side of what is seen [m]."""
    mesh = link.mesh or link.solid
    return 0.0 if mesh is None else float((mesh.vertices.amax(0) - mesh.vertices.amin(0)).max())


def _export(made: Exported) -> Export:
    report = made.report
    settled: dict[str, dict[str, bool]] = {}
    for drop in () if report is None else report.drops:
        settled.setdefault(drop.asset, {})[drop.engine] = not drop.problems
    things = {
        link.name: Thing(
            found.method, found.count, found.distance, found.distance / _size(link), found.volume_ratio,
            settled.get(link.name, {}),
        )
        for link in made.assets.links
        if (found := link.approximation) is not None
    }  # fmt: skip
    if report is None:
        return Export(made.seconds, things, None, None, ())
    worst = max((opening.largest for opening in report.openings), default=0.0)
    problems = tuple(f"{finding.place} in {finding.program}: {finding.problem}" for finding in report.findings)
    return Export(made.seconds, things, len(report.openings), worst, problems)


def _speed(folder: Path, steps: int) -> Speed:
    """Of random actions; what compiles in the first steps does not count."""
    from scenekit.export.gym import SceneEnv

    env, times = SceneEnv(folder), []
    env.reset(seed=0)
    env.action_space.seed(0)
    for _ in range(steps + steps // 10):
        start = time.perf_counter()
        env.step(env.action_space.sample())
        times.append(time.perf_counter() - start)
    return Speed(1 / median(times[-steps:]), len(env.splats.world), env.model.nbody - 1)


def _export_table(exports: dict[str, Export]) -> Iterator[str]:
    yield "| export | body | collides as | distance [mm] | of its size | volume | settles in |"
    yield "|---|---|---|---|---|---|---|"
    for name, made in exports.items():
        for link, t in made.things.items():
            volume = "–" if t.volume is None else f"{t.volume:.2f}"
            settles = ", ".join(f"{'' if good else '**not** '}{engine}" for engine, good in t.settled.items())
            yield (
                f"| {name} | {link} | {t.method}, {t.pieces} | {1e3 * t.distance:.2f} | {t.share:.2%} | {volume} "
                f"| {settles or '–'} |"
            )
    yield ""
    yield "| export | time | openings | formats differ by at most | problems |"
    yield "|---|---|---|---|---|"
    for name, made in exports.items():
        worst = "–" if made.disagreement is None else f"{made.disagreement:.1e}"
        yield f"| {name} | {made.seconds:.1f} s | {made.files or '–'} | {worst} | {len(made.problems)} |"
    yield from (f"\n{name}: {problem}" for name, made in exports.items() for problem in made.problems)


def _peer_table(rows: tuple[Row, ...]) -> Iterator[str]:
    tools = list(dict.fromkeys(row.tool for row in rows))
    yield "| of the meshes | " + " | ".join(tools) + " |"
    yield "|---" * (1 + len(tools)) + "|"

    def counted(what: str, good: dict[str, int]) -> str:
        total = {tool: sum(row.tool == tool for row in rows) for tool in tools}
        return f"| {what} | " + " | ".join(f"{good[tool]} of {total[tool]}" for tool in tools) + " |"

    for fact in FACTS:
        yield counted(f"file has {fact}", {t: sum(r.says.get(fact, False) for r in rows if r.tool == t) for t in tools})
    for verb in ("loads", "settles"):
        for engine in export_peers.ENGINES:
            good = {t: sum(getattr(r, verb).get(engine, False) for r in rows if r.tool == t) for t in tools}
            yield counted(f"{verb} in {engine}", good)
    yield ""
    yield "| mesh | tool | pieces | mass [kg] | kg/m³ | time | what goes wrong |"
    yield "|---|---|---|---|---|---|---|"
    for r in rows:
        mass, density = ("–", "–") if r.mass is None else (f"{r.mass:.4g}", f"{r.mass / r.volume:.4g}")
        problems = "; ".join(r.problems)[:200]
        yield f"| {r.mesh} | {r.tool} | {r.pieces} | {mass} | {density} | {r.seconds:.1f} s | {problems} |"

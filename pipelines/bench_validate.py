"""How long validation takes: a scene of many splats and a mesh of many faces, whole and check by check."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch

from scenekit.body import Body
from scenekit.capture.capture import Frame
from scenekit.material import materials
from scenekit.meshes import Mesh
from scenekit.poses import Pose
from scenekit.scene import Node, SceneState
from scenekit.splats import Splats, random_splats
from scenekit.validation import checks, findings
from scenekit.validation.placed import placed
from scenekit.validation.surface import Surface


@dataclass(frozen=True)
class Config:
    """The size of the scene."""

    splats: int = 1_000_000
    """Gaussians on the surface."""
    faces: int = 100_000
    """Triangles of the surface, roughly."""
    heap: bool = False
    """Faces at random places instead of a surface: the worst there is."""
    repeats: int = 3
    """Each time is the median of so many runs."""


@dataclass(frozen=True)
class Result:
    """What was looked at and how long it took."""

    splats: int
    """Gaussians."""
    faces: int
    """Triangles."""
    seconds: float
    """All checks [s]."""
    checks: dict[str, float]
    """Each check on its own [s]; the first to need a surface pays for its making."""
    codes: list[str]
    """What was found."""

    def __str__(self) -> str:
        lines = [f"{self.splats} splats, {self.faces} faces: {self.seconds:.1f} s; found {', '.join(self.codes)}"]
        return "\n".join([*lines, *(f"  {name:<10} {seconds:6.2f} s" for name, seconds in self.checks.items())])


def run(config: Config) -> Result:
    """Makes the scene and measures."""
    state = made(config)
    seconds = median(config.repeats, lambda: findings(state))
    parts: dict[str, list[float]] = {}
    for _ in range(config.repeats):
        things = placed(state)
        for name, check in checks(state).items():
            parts.setdefault(name, []).append(timed(lambda check=check, things=things: list(check(things))))  # type: ignore[misc]
    meshes = [node.mesh for _, node in state.walk() if node.mesh is not None]
    return Result(
        splats=sum(len(node.splats) for _, node in state.walk() if node.splats is not None),
        faces=sum(len(mesh.faces) for mesh in meshes),
        seconds=seconds,
        checks={name: statistics.median(times) for name, times in parts.items()},
        codes=[finding.code for finding in findings(state)],
    )


def made(config: Config) -> SceneState:
    """A bumpy ball with splats on it, on a floor."""
    mesh = heap(config.faces) if config.heap else ball(config.faces)
    floor = Mesh(torch.tensor([[-2.0, -2, 0], [2, -2, 0], [2, 2, 0], [-2, 2, 0]]), torch.tensor([[0, 1, 2], [0, 2, 3]]))
    lowest = float(mesh.vertices[:, 2].min())
    thing = Node("thing", Pose((0, 0, -lowest)), on(mesh, config.splats), mesh, Body(), materials["wood"])
    return SceneState(
        Node("", children=(thing, Node("floor", mesh=floor, body=Body("static")))), Frame("given", "given")
    )


def ball(faces: int) -> Mesh:
    """A closed bumpy ball of a grid of longitudes and latitudes."""
    rows = round((faces / 4) ** 0.5) + 1
    columns = 2 * rows
    polar, turn = np.meshgrid(
        np.linspace(0, np.pi, rows + 1)[1:-1], np.arange(columns) * 2 * np.pi / columns, indexing="ij"
    )
    radius = 0.5 + 0.02 * np.sin(9 * turn) * np.sin(polar) ** 3 * np.sin(7 * polar)
    grid = radius[..., None] * np.stack([np.sin(polar) * np.cos(turn), np.sin(polar) * np.sin(turn), np.cos(polar)], -1)
    vertices = np.concatenate([grid.reshape(-1, 3), [[0, 0, 0.5], [0, 0, -0.5]]])
    number = np.arange((rows - 1) * columns).reshape(rows - 1, columns)
    right = np.roll(number, -1, axis=1)
    a, b, c, d = number[:-1], number[1:], right[1:], right[:-1]
    top, bottom = len(vertices) - 2, len(vertices) - 1
    parts = [
        np.stack([a, b, c], -1).reshape(-1, 3),
        np.stack([a, c, d], -1).reshape(-1, 3),
        np.stack([np.full(columns, top), number[0], right[0]], -1),
        np.stack([np.full(columns, bottom), right[-1], number[-1]], -1),
    ]
    return Mesh(torch.tensor(vertices, dtype=torch.float32), torch.tensor(np.concatenate(parts)))


def heap(faces: int) -> Mesh:
    """Large triangles at random, each through thousands of others."""
    vertices = np.random.default_rng(0).random((3 * faces, 3)) - 0.5
    return Mesh(torch.tensor(vertices, dtype=torch.float32), torch.arange(3 * faces).reshape(-1, 3))


def on(mesh: Mesh, n: int) -> Splats:
    """Splats on a surface."""
    points, _ = Surface(mesh).sample(n)
    return replace(random_splats(n, degree=3, scale=0.003), means=torch.tensor(points, dtype=torch.float32))


def median(repeats: int, work: Callable[[], object]) -> float:
    """Median time of some work [s]."""
    return statistics.median(timed(work) for _ in range(repeats))


def timed(work: Callable[[], object]) -> float:
    """Time of some work [s]."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start

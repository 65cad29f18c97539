"""Experiments whose outcome is known: by a closed form, by conservation, or from a laboratory.

Each experiment is a function that simulates and returns an `Outcome`; the others of this family are
`experiments_elastic`, `experiments_flow`, `experiments_contact` and `experiments_bodies`. Letters: p particles.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from scenekit.material import Material
from scenekit.plots import Series
from scenekit.sim.control import Control
from scenekit.sim.model import Model
from scenekit.sim.particles import Particles
from scenekit.sim.solver import Solver
from scenekit.sim.state import State

Vector = tuple[float, float, float]


@dataclass(frozen=True)
class Outcome:
    """What an experiment found, against what it should have."""

    name: str
    """What was tried."""
    figure: str
    """What was measured, with its unit."""
    measured: float
    """The figure."""
    bar: float
    """What it may be at most."""
    detail: str = ""
    """The numbers behind it."""
    plot: tuple[Series, ...] = ()
    """Curves that show it."""
    axes: tuple[str, str] = ("", "")
    """What x and y of the plot are."""

    @property
    def holds(self) -> bool:
        """True if the figure is within its bar."""
        return bool(self.measured <= self.bar)


Experiment = Callable[[], Outcome]


def grid_points(low: Vector, high: Vector, spacing: float) -> Tensor:
    """Points at the middles of cells of this spacing that fill a box [m], shape (p, 3)."""
    axes = [
        a + (torch.arange(max(1, round((b - a) / spacing)), dtype=torch.float64) + 0.5) * spacing
        for a, b in zip(low, high, strict=True)
    ]
    return torch.stack(torch.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 3)


def matter(points: Tensor, spacing: float, material: Material, *, velocity: Vector = (0.0, 0.0, 0.0)) -> Particles:
    """Particles of one material at points (p, 3), each of a volume of spacing³."""
    p = len(points)
    volume = torch.full((p,), spacing**3)
    return Particles(
        x=points.float(),
        v=torch.tensor(velocity).repeat(p, 1),
        mass=(volume.double() * material.density.value).float(),
        volume=volume,
        material=torch.zeros(p, dtype=torch.int32),
        materials=(material,),
    )


def run(
    model: Model,
    solver: Solver,
    *,
    seconds: float,
    frame: float,
    state: State | None = None,
    command: Callable[[State, Control], None] | None = None,
) -> Iterator[State]:
    """The state at the beginning and after each frame, the very same object each time.

    Args:
        model: What is simulated.
        solver: By what.
        seconds: For how long [s].
        frame: Length of a frame [s].
        state: Where to begin; at rest if None.
        command: Sets the control before each frame.
    """
    state, control = state or model.state(), model.control()
    yield state
    for _ in range(round(seconds / frame)):
        if command is not None:
            command(state, control)
        solver.step(state, state, control, frame)
        yield state

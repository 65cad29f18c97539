"""Solver: what every algorithm that moves a state has in common."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor

from scenekit.errors import ScenekitError
from scenekit.sim.control import Control
from scenekit.sim.state import State


class SimulationError(ScenekitError):
    """A simulation that cannot start or went wrong; the frames so far are kept."""

    exit_code = 7


class Solver(Protocol):
    """An algorithm for a model: state, control → state."""

    impulses: Tensor
    """What the last step gave to each body: linear [N s], then angular about its centre of mass [N m s], world axes,
    float64, shape (b, 6). A solver of soft matter fills it; the bodies' own solver takes it."""

    def step(self, state: State, nxt: State, control: Control, dt: float) -> None:
        """Moves on by `dt` [s], in as many substeps as stability wants, from `state` into `nxt`; they may be one.

        A solver writes what it moves and copies the rest, but for kinematic bodies, which it drives as told.

        Raises:
            SimulationError: If values stop being finite, or matter leaves the domain.
            InputError: If no step can be stable.
        """
        ...

"""The planner's role, state and goal → control, by a plan that is made anew as the world moves.

    controller = Controller(energy, PlanConfig(), low=low, high=high, generator=generator)
    while not done:
        state = world.step(state, controller.act(state, goal))

`energy(state, goal)` is the cost of sequences of actions from here: a learned model's, in latents, or a simulator's.
It is asked once for each plan, so it encodes state and goal once.
Letters: n sequences, h actions of each, s steps of the world in an action, a numbers in a step.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

import torch
from torch import Tensor

from scenekit.errors import InputError
from scenekit.planning.cem import CemConfig, cem
from scenekit.planning.mppi import MppiConfig, mppi
from scenekit.planning.search import Cost, Plan

State = TypeVar("State", contravariant=True)
Goal = TypeVar("Goal", contravariant=True)


class Planner(Protocol[State, Goal]):
    """State, goal → control."""

    def act(self, state: State, goal: Goal) -> Tensor:
        """The next action, shape (…, a)."""
        ...


@dataclass(frozen=True)
class PlanConfig:
    """How far a plan looks, and how much of it is carried out."""

    horizon: int = 5
    """Actions h of a plan."""
    receding: int = 5
    """Of these, carried out before the next plan."""
    block: int = 5
    """Steps s of the world in each action: a plan's action is s of the world's, one after the other."""
    search: CemConfig | MppiConfig = field(default_factory=CemConfig)
    """What finds it."""

    def __post_init__(self) -> None:
        if self.horizon < 1 or self.block < 1 or not 1 <= self.receding <= self.horizon:
            got = f"{self.receding} of {self.horizon} actions of {self.block} steps"
            raise InputError("plan", got=got, wanted="at least 1 of each, and no more carried out than planned")


class Controller(Generic[State, Goal]):
    """Plans h actions, carries out some, and plans anew from where the world has come to. Several worlds side by side,
    with leading dimensions of states and bounds, are planned for at the same steps.

    Args:
        energy: From state and goal to the cost of sequences (…, n, h, s a).
        config: How far it looks.
        low: Lowest action of the world, shape (…, a).
        high: Highest action of the world, shape (…, a).
        generator: Chance of the search.
    """

    def __init__(
        self,
        energy: Callable[[State, Goal], Cost],
        config: PlanConfig,
        *,
        low: Tensor,
        high: Tensor,
        generator: torch.Generator,
    ):
        self.energy, self.config, self.generator = energy, config, generator
        self.low, self.high = (_repeated(bound, config) for bound in (low, high))
        self.reset()

    def reset(self) -> None:
        """Forgets the plan, as for a new episode."""
        self.plan: Plan | None = None
        self._due: list[Tensor] = []

    def act(self, state: State, goal: Goal) -> Tensor:
        """The next action of the plan, shape (…, a), of a new one if it is carried out.

        Raises:
            InputError: If no plan has a finite cost.
        """
        if not self._due:
            self.plan = self._planned(self.energy(state, goal))
            begun = self.plan.actions[..., : self.config.receding, :]
            self._due = list(begun.unflatten(-1, (self.config.block, -1)).flatten(-3, -2).unbind(-2))
        return self._due.pop(0)

    def _planned(self, cost: Cost) -> Plan:
        """A plan that begins where the last one leads."""
        config, bounds = self.config.search, {"low": self.low, "high": self.high}
        if isinstance(config, MppiConfig):
            return mppi(cost, config, **bounds, generator=self.generator, warm=self._rest())
        return cem(cost, config, **bounds, generator=self.generator, warm=self._rest())

    def _rest(self) -> Tensor | None:
        """What the last plan still has, then the middle of the range."""
        if self.plan is None:
            return None
        done, middle = self.config.receding, (self.low + self.high) / 2
        return torch.cat([self.plan.actions[..., done:, :], middle[..., :done, :]], -2)


def _repeated(bound: Tensor, config: PlanConfig) -> Tensor:
    """A bound (…, a) of one step for all of a plan, shape (…, h, s a)."""
    block = torch.cat([bound] * config.block, -1).unsqueeze(-2)
    return block.expand(*block.shape[:-2], config.horizon, block.shape[-1])

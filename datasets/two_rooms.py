"""Two rooms: a ball on a floor, a wall across it with a door, all of splats; the ball is to get to a place.

The sizes are those of LeWM's Two-Room (stable-worldmodel), whose 196 pixels inside are 2 m here: steps
of at most 0.05 m along each axis, goals that are 25 of them away, solved within 0.16 m, in a budget of 50.
All is batched in torch. Letters: … any batch, s steps, n episodes, t tokens.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from scenekit.errors import InputError
from scenekit.jepa.moving_tokens import joined_tokens, moved_tokens
from scenekit.jepa.tokens import TokenConfig, Tokens, tokenize
from scenekit.meshes import Mesh, merge_meshes, painted
from scenekit.planning import Cost
from scenekit.poses import Pose
from scenekit.sim.bodies import Piece
from scenekit.sim.pieces import piece_mesh
from scenekit.sim.shapes import Box, Sphere
from scenekit.splats import Splats, merge
from scenekit.surface.flat_splats import mesh_splats

BUDGET = 50
"""Steps in which a task is to be solved."""
AWAY = 25
"""Steps in which it can be solved."""
ROUNDING = 1e-6
"""How far rounding may bring the ball into a wall [m]."""
FLOOR, WALL, BALL = (0.62, 0.55, 0.45), (0.82, 0.84, 0.88), (0.85, 0.2, 0.15)
"""Display colours."""
TOKENS = TokenConfig(count=32, elements=1024)
"""Of a scene, if not told otherwise."""


class Walks(NamedTuple):
    """Episodes without a purpose."""

    states: Tensor
    """Places of the ball [m], shape (n, s + 1, 2)."""
    actions: Tensor
    """What was done between them, −1..1, shape (n, s, 2)."""


class Tasks(NamedTuple):
    """What is to be done."""

    starts: Tensor
    """Shape (n, 2) [m]."""
    goals: Tensor
    """Shape (n, 2) [m]."""


@dataclass(frozen=True)
class TwoRooms:
    """The world: z up, the floor is z = 0 about the origin, the wall stands along x = 0.

    The state is the place (x, y) of the ball's middle [m]. An action −1..1 along x and y moves it by so many times
    `step`. It slides along walls: it ends at the free place that is nearest to where it was to go.
    """

    half: float = 1.0
    """Half of the floor's side [m]."""
    radius: float = 0.08
    """Of the ball [m]."""
    step: float = 0.05
    """Longest displacement along an axis [m]."""
    thickness: float = 0.1
    """Of the wall between the rooms [m]."""
    door: float = -0.64
    """Middle of the door along y [m]."""
    door_half: float = 0.24
    """Half of its width [m]; the ball's middle may pass where that of LeWM's agent may, ±0.16 m."""
    reach: float = 0.16
    """How near to the goal a task is solved [m]."""
    height: float = 0.3
    """Of all walls [m]."""

    def __post_init__(self) -> None:
        if not 0 < np.sqrt(2) * self.step < self.radius < self.door_half:
            got = f"a step of {self.step} m, a radius of {self.radius} m, half a door of {self.door_half} m"
            raise InputError("two rooms", got=got, wanted="a ball that fits the door, longer than √2 steps")

    def moved(self, state: Tensor, action: Tensor) -> Tensor:
        """Where the ball is after an action: states and actions (…, 2) → (…, 2).

        No step is longer than the radius, so the middle does not get into the walls themselves, and the nearest point
        of a wall, from which it is pushed away to its radius, is never in doubt.
        """
        place = state + self.step * action.clamp(-1, 1)
        for low, high in self._walls:
            away = place - place.clamp(low.to(place), high.to(place))
            distance = away.norm(dim=-1, keepdim=True)
            inside = distance < self.radius
            place = torch.where(inside, place + away * (self.radius / distance.clamp(min=1e-12) - 1), place)
        bound = self.half - self.radius
        return place.clamp(-bound, bound)

    def rolled(self, state: Tensor, actions: Tensor) -> Tensor:
        """Where the ball is after each of the actions (…, s, 2), from states (…, 2), shape (…, s, 2)."""
        places = []
        for action in actions.unbind(-2):
            state = self.moved(state, action)
            places.append(state)
        return torch.stack(places, -2)

    def solved(self, state: Tensor, goal: Tensor) -> Tensor:
        """Whether the ball is near enough to its goal, shape (…)."""
        return (state - goal).norm(dim=-1) < self.reach

    def free(self, state: Tensor) -> Tensor:
        """Whether the ball is in no wall, shape (…)."""
        gaps = [(state - state.clamp(low.to(state), high.to(state))).norm(dim=-1) for low, high in self._walls]
        outside = (self.half - state.abs()).amin(-1)
        return torch.stack([*gaps, outside]).amin(0) >= self.radius - ROUNDING

    def way(self, start: Tensor, goal: Tensor) -> Tensor:
        """Length of a free way to a place in the other room, through the middle of the door [m], shape (…)."""
        mouth = torch.tensor([self.thickness / 2 + self.radius, self.door]).to(start)
        side = torch.stack([start[..., 0].sign(), torch.ones_like(start[..., 0])], -1)
        inward = torch.tensor([-1.0, 1.0]).to(start)
        to, onward = (start - mouth * side).norm(dim=-1), (goal - mouth * side * inward).norm(dim=-1)
        return to + 2 * mouth[0] + onward

    def places(self, count: int, *, generator: torch.Generator) -> Tensor:
        """Free places in either room, evenly, shape (count, 2)."""
        across, along = (self.half - self.thickness / 2 - 2 * self.radius) / 2, self.half - self.radius
        side = torch.randint(0, 2, (count,), generator=generator) * 2 - 1
        x = side * (self.thickness / 2 + self.radius + across * (1 + _uniform(count, generator)))
        return torch.stack([x, along * _uniform(count, generator)], -1)

    def walks(self, count: int, steps: int, *, generator: torch.Generator, momentum: float = 0.8) -> Walks:
        """Random walks from places anywhere: actions drift as a ← momentum · a + √(1 − momentum²) noise, cut to −1..1.

        Raises:
            InputError: If there are to be no steps, or the momentum is not in 0..1.
        """
        if count < 1 or steps < 1 or not 0 <= momentum < 1:
            got = f"{count} of {steps} steps, momentum {momentum}"
            raise InputError("walks", got=got, wanted="at least one of each, momentum of 0 to below 1")
        start = self.places(count, generator=generator)
        noise = torch.randn(count, steps, 2, generator=generator)
        drift = [noise[:, 0]]
        for fresh in noise[:, 1:].unbind(1):
            drift.append(momentum * drift[-1] + (1 - momentum**2) ** 0.5 * fresh)
        actions = torch.stack(drift, 1).clamp(-1, 1)
        return Walks(torch.cat([start[:, None], self.rolled(start, actions)], 1), actions)

    def tasks(self, count: int, *, generator: torch.Generator) -> Tasks:
        """Starts, and goals in the other room to which there is a way of at most AWAY steps."""
        starts, goals, found = [], [], 0
        while found < count:
            start, goal = (self.places(8 * count, generator=generator) for _ in range(2))
            apart = (start[:, 0] * goal[:, 0] < 0) & (self.way(start, goal) <= AWAY * self.step)
            starts.append(start[apart])
            goals.append(goal[apart])
            found += int(apart.sum())
        return Tasks(torch.cat(starts)[:count], torch.cat(goals)[:count])

    def later(self, count: int, *, generator: torch.Generator) -> Tasks:
        """Starts, and goals where a walk is AWAY steps later, in whichever room: how LeWM makes tasks, on our walks."""
        states = self.walks(count, AWAY, generator=generator).states
        return Tasks(states[:, 0], states[:, -1])

    def energy(self, block: int) -> Callable[[Tensor, Tensor], Cost]:
        """What a controller with the true world goes by: the squared distance from the goal at the end of a plan [m²].

        Args:
            block: Steps in each action of a plan.
        """

        def of(state: Tensor, goal: Tensor) -> Cost:
            def cost(actions: Tensor) -> Tensor:
                steps = actions.unflatten(-1, (block, 2)).flatten(-3, -2)
                end = self.rolled(state.unsqueeze(-2).expand(*steps.shape[:-2], 2), steps)[..., -1, :]
                return (end - goal.unsqueeze(-2)).square().sum(-1)

            return cost

        return of

    def play(self, act: Callable[[Tensor, Tensor], Tensor], tasks: Tasks, *, budget: int = BUDGET) -> Tensor:
        """Which tasks are solved at any step within the budget, all played side by side, bool, shape (n,).

        Args:
            act: From states and goals (n, 2) to actions (n, 2), such as `Controller.act`.
            tasks: What is to be done.
            budget: Steps.
        """
        state, goal = tasks
        done = self.solved(state, goal)
        for _ in range(budget):
            state = self.moved(state, act(state, goal))
            done = done | self.solved(state, goal)
        return done

    def splats(self, state: Tensor) -> Splats:
        """The rooms with the ball at a place (2,), as a camera may see them."""
        T = torch.eye(4, dtype=torch.float64)
        T[:2, 3] = state.double()
        return merge([self._surroundings, self._ball.transform(T)])

    def tokens(self, states: Tensor, config: TokenConfig = TOKENS) -> Tokens:
        """The rooms with the ball at each of some places (n, 2), as a batch of n scenes.

        Tokens are grouped body by body, an eighth of them the ball's, so that it is not lost among walls of a hundred
        times its area, and made once: those of the walls stay, those of the ball move along with it. So this costs a
        copy, and where the ball is stands in the middles of its tokens alone.
        """
        walls, ball = _tokens_of(self, config)
        still, positions = walls.map(lambda tensor: tensor.expand(len(states), *tensor.shape)), F.pad(states, (0, 1))
        return joined_tokens([still, moved_tokens(ball, positions, torch.eye(3).expand(len(states), 3, 3))])

    @functools.cached_property
    def _walls(self) -> tuple[tuple[Tensor, Tensor], ...]:
        """Corners of the two parts of the wall beside the door, which go on beyond the floor."""
        half, end = self.thickness / 2, 2 * self.half
        low, high = self.door - self.door_half, self.door + self.door_half
        return (
            (torch.tensor([-half, -end]), torch.tensor([half, low])),
            (torch.tensor([-half, high]), torch.tensor([half, end])),
        )

    @functools.cached_property
    def _surroundings(self) -> Splats:
        side, top, thick = self.half, self.height, self.thickness
        boxes = [((sign * (side + thick / 2), 0.0), (thick / 2, side + thick)) for sign in (-1, 1)]
        boxes += [((0.0, sign * (side + thick / 2)), (side, thick / 2)) for sign in (-1, 1)]
        for low, high in self._walls:
            ends = torch.stack([low, high])[:, 1].clamp(-side, side).tolist()
            boxes.append(((0.0, sum(ends) / 2), (thick / 2, (ends[1] - ends[0]) / 2)))
        walls = [
            piece_mesh(Piece(Box((*half, top / 2)), Pose((*middle, top / 2)))) for middle, half in boxes if half[1] > 0
        ]
        floor = Mesh(
            torch.tensor([[-side, -side, 0.0], [side, -side, 0.0], [side, side, 0.0], [-side, side, 0.0]]),
            torch.tensor([[0, 1, 2], [0, 2, 3]]),
        )
        meshes = [painted(floor, FLOOR), *(painted(wall, WALL) for wall in walls)]
        return mesh_splats(merge_meshes(meshes), 16384, np.random.default_rng(0))

    @functools.cached_property
    def _ball(self) -> Splats:
        """At the middle of the floor."""
        ball = piece_mesh(Piece(Sphere(self.radius), Pose((0.0, 0.0, self.radius))))
        return mesh_splats(painted(ball, BALL), 512, np.random.default_rng(1))


def random_policy(*, generator: torch.Generator) -> Callable[[Tensor, Tensor], Tensor]:
    """Acts evenly within −1..1, whatever the state and the goal."""
    return lambda state, goal: 2 * torch.rand(state.shape, generator=generator) - 1


@functools.lru_cache(maxsize=8)
def _tokens_of(rooms: TwoRooms, config: TokenConfig) -> tuple[Tokens, Tokens]:
    """Tokens of the surroundings and of the ball at the middle of the floor."""
    own = max(config.count // 8, 1)
    frame = torch.tensor([0.0, 0.0, rooms.height / 2, rooms.half + rooms.thickness], dtype=torch.float64)
    generator = torch.Generator().manual_seed(0)
    walls = tokenize(rooms._surroundings, replace(config, count=config.count - own), generator=generator, frame=frame)
    few = replace(config, count=own, elements=max(config.elements // 8, 1))
    ball = tokenize(rooms._ball, few, generator=generator, frame=frame)
    return walls, replace(ball, owners=torch.zeros_like(ball.owners))


def _uniform(count: int, generator: torch.Generator) -> Tensor:
    """Numbers in −1..1."""
    return 2 * torch.rand(count, generator=generator) - 1

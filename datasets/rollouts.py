"""Rollouts: bodies on a floor that are pushed, dropped and run into each other, and what would have been otherwise.

Our own physics (`scenekit.sim`, MuJoCo), so that every force, velocity, mass and friction is known. Each rollout has a
twin from the same start with one thing changed: a body is not there, or has another mass, or is pushed otherwise.
What a rollout is depends on (seed, index) alone. Which body acts is drawn, and so is the order of all, so that the
number of a body's row says nothing of it. Letters: s steps, b bodies.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import Literal, NamedTuple, get_args

import numpy as np
from scipy.spatial.transform import Rotation

from scenekit.datasets.rollouts_movers import KINDS, Mover, floor, mover
from scenekit.datasets.shapes_parts import Array, Rng
from scenekit.errors import InputError
from scenekit.poses import Pose
from scenekit.sim.bodies import RigidBody
from scenekit.sim.intervene import intervene
from scenekit.sim.model import GRAVITY, Matter, Model
from scenekit.sim.rigid import SolverRigid
from scenekit.sim.state import State

Event = Literal["push", "drop", "collision"]
EVENTS: tuple[Event, ...] = get_args(Event)
"""What happens: a body is pushed at another, falls on it, or comes at it. In the order of their numbers in files."""
Change = Literal["removed", "mass", "push"]
CHANGES: tuple[Change, ...] = get_args(Change)
"""What is otherwise with the twin; of a collision, which has no push, "push" is the speed at which a body comes."""

TIMESTEP = 2e-3
"""Of the solver [s]."""
SLIPPERY = 0.02
"""Friction of the floor; that of bodies is larger and counts."""
G = -GRAVITY[2]
"""[m/s²]."""
MASSES = (0.25, 0.4, 2.5, 4.0)
"""By which a mass is multiplied."""
FASTEST = 4.0
"""What is pushed or comes gets no faster than this [m/s]."""


@dataclass(frozen=True)
class RolloutConfig:
    """What rollouts are drawn from.

    Raises:
        InputError: If a number is out of range.
    """

    rollouts: int = 1024
    """Number of rollouts, each with its twin."""
    least: int = 2
    """Fewest bodies."""
    bodies: int = 4
    """Most bodies, and rows of bodies in files."""
    steps: int = 24
    """Steps after the start."""
    fps: float = 20.0
    """Steps per second [1/s]; a force holds for one."""
    things: float = 0.3
    """Share of bodies that are things of `scenekit.datasets.shapes`; the others are boxes and balls."""
    elements: int = 256
    """Splats of each body."""
    seed: int = 0
    """Chance of everything."""
    per_shard: int = 64
    """Rollouts in each file."""

    def __post_init__(self) -> None:
        whole = (self.rollouts, self.steps, self.elements, self.per_shard)
        good = min(whole) >= 1 and 2 <= self.least <= self.bodies <= 16 and self.elements <= 1 << 16
        if not good or not 1 <= self.fps <= 1000 or not 0 <= self.things <= 1 or self.seed < 0:
            wanted = "positive numbers, 2 to 16 bodies, 1 to 1000 steps per second, a share of 0 to 1"
            raise InputError("rollouts", got=asdict(self), wanted=wanted)


class Motion(NamedTuple):
    """Where bodies are and how fast, at the start and after each step. Their frames have origins in centres of mass."""

    positions: Array
    """[m], shape (s + 1, b, 3)."""
    quats: Array
    """Rotations body → world, wxyz, shape (s + 1, b, 4)."""
    velocities: Array
    """[m/s], shape (s + 1, b, 3)."""
    spins: Array
    """Angular velocities, world axes [rad/s], shape (s + 1, b, 3)."""


@dataclass(frozen=True)
class Setting:
    """How a rollout begins and what is done in it."""

    model: Model
    """Floor and bodies, the floor first."""
    state: State
    """The start."""
    forces: Array
    """On each body at its centre of mass during each step [N], shape (s, b, 3)."""


@dataclass(frozen=True)
class Rollout:
    """What happened, and what would have happened."""

    event: Event
    """What happens."""
    movers: tuple[Mover, ...]
    """The bodies, in the order of rows."""
    setting: Setting
    """As it was."""
    twin: Setting
    """As it would have been; a body that is removed is not among its bodies."""
    motion: Motion
    """As it was."""
    twin_motion: Motion
    """As it would have been; a body that is removed stays at its start."""
    acting: int
    """Which body is pushed at another, falls on it, or comes at it."""
    met: int
    """Which body that is."""
    change: Change
    """What is otherwise."""
    changed: int
    """With which body."""


def rollout(config: RolloutConfig, index: int) -> Rollout:
    """The rollout of one index, with its twin."""
    rng = np.random.default_rng([config.seed, index])
    count = int(rng.integers(config.least, config.bodies + 1))
    movers, spots = _placed([_mover(config, rng) for _ in range(count)], rng)
    acting, met = _pair(spots, rng)
    event: Event = EVENTS[int(rng.integers(len(EVENTS)))]
    setting = _set_up(event, movers, spots, acting, met, config, rng)
    change: Change = CHANGES[int(rng.integers(len(CHANGES)))]
    twin, changed = _otherwise(setting, change, acting, met, rng)
    motion, moved = rolled(setting, config.fps), rolled(twin, config.fps)
    if change == "removed":
        start = (motion.positions[0, changed], motion.quats[0, changed], np.zeros(3), np.zeros(3))
        moved = Motion(*(np.insert(array, changed, held, 1) for array, held in zip(moved, start, strict=True)))
    return Rollout(event, movers, setting, twin, motion, moved, acting, met, change, changed)


def rolled(setting: Setting, fps: float) -> Motion:
    """What happens after a start, by MuJoCo."""
    model, state = setting.model, setting.state.clone()
    solver, control = SolverRigid(model, timestep=TIMESTEP), model.control()
    moments = [_moment(state)]
    for forces in setting.forces:
        control.body_force.numpy()[1:] = forces
        solver.step(state, state, control, 1 / fps)
        moments.append(_moment(state))
    return Motion(*(np.stack(arrays) for arrays in zip(*moments, strict=True)))


def setting_of(bodies: list[RigidBody], forces: Array) -> Setting:
    """Bodies on the floor, and the forces (s, b, 3) on them [N]."""
    matter = tuple(Matter(body.name, body=i + 1) for i, body in enumerate(bodies))
    model = Model(bodies=(floor(SLIPPERY), *bodies), matter=matter)
    return Setting(model, model.state(), forces)


def _moment(state: State) -> tuple[Array, Array, Array, Array]:
    arrays = (state.body_x, state.body_quat, state.body_v, state.body_w)
    x, quat, v, w = (tensor.numpy()[1:].copy() for tensor in arrays)
    return x, quat, v, w


def _mover(config: RolloutConfig, rng: Rng) -> Mover:
    is_thing = rng.random() < config.things
    return mover(KINDS[2] if is_thing else KINDS[int(rng.integers(2))], rng)


def _placed(movers: list[Mover], rng: Rng) -> tuple[tuple[Mover, ...], Array]:
    """Places (b, 2) on the floor at which bodies do not touch; in any order, since later ones are further out."""
    spots: list[Array] = []
    side = 0.25
    while len(spots) < len(movers):
        spot, own = rng.uniform(-side, side, 2), movers[len(spots)].reach
        side *= 1.02  # until there is room
        near = [np.linalg.norm(spot - other) - made.reach for other, made in zip(spots, movers, strict=False)]
        if not near or min(near) > own + 0.02:
            spots.append(spot)
    order = rng.permutation(len(movers))
    return tuple(movers[i] for i in order), np.array(spots)[order]


def _pair(spots: Array, rng: Rng) -> tuple[int, int]:
    """Any body, and the nearest to it."""
    acting = int(rng.integers(len(spots)))
    distances = np.linalg.norm(spots - spots[acting], axis=1)
    distances[acting] = np.inf
    return acting, int(distances.argmin())


def _set_up(
    event: Event, movers: tuple[Mover, ...], spots: Array, acting: int, met: int, config: RolloutConfig, rng: Rng
) -> Setting:
    """Bodies that stand on their spots; one is brought to another."""
    bodies = [_standing(i, made, spot, rng) for i, (made, spot) in enumerate(zip(movers, spots, strict=True))]
    forces = np.zeros((config.steps, len(movers), 3))
    way = spots[met] - spots[acting]
    length = float(np.linalg.norm(way))
    aim = _turned(way / length, rng.uniform(-0.15, 0.15))
    least = math.sqrt(2 * bodies[acting].friction * G * length)  # slides so far
    speed = min(FASTEST, rng.uniform(1.1, 1.6) * least + 0.3)
    if event == "drop":
        bodies[acting] = _raised(bodies[acting], movers[acting], movers[met], spots[met], rng)
        _push(forces, bodies, met, aim * rng.uniform(0.3, 1.0), config, rng)
    elif event == "push":
        _push(forces, bodies, acting, aim * speed, config, rng)
    else:
        bodies[acting] = replace(bodies[acting], velocity=(*(aim * speed).tolist(), 0.0))
    return setting_of(bodies, forces)


def _standing(number: int, made: Mover, spot: Array, rng: Rng) -> RigidBody:
    """A body at rest, turned about the vertical, of random mass, friction and bounce, which its look does not tell."""
    half = rng.uniform(-math.pi, math.pi) / 2
    pose = Pose((*spot.tolist(), made.bottom), (math.cos(half), 0.0, 0.0, math.sin(half)))
    mass = float(np.exp(rng.uniform(math.log(0.3), math.log(3.0))))
    friction, restitution = float(rng.uniform(0.1, 0.7)), float(rng.uniform(0.0, 0.6))
    return made.body(f"/{made.kind}-{number}", mass=mass, friction=friction, restitution=restitution, pose=pose)


def _raised(body: RigidBody, made: Mover, target: Mover, spot: Array, rng: Rng) -> RigidBody:
    """A body above another, turned anyhow, spinning."""
    beside = rng.uniform(-0.6, 0.6, 2) * target.reach
    height = 2 * target.reach + made.reach + rng.uniform(0.05, 0.4)
    quat = Rotation.random(rng=rng).as_quat(scalar_first=True)
    spin = tuple(rng.uniform(-3, 3, 3).tolist())
    return replace(body, pose=Pose((*(spot + beside).tolist(), height), tuple(quat.tolist())), spin=spin)


def _push(
    forces: Array, bodies: list[RigidBody], number: int, velocity: Array, config: RolloutConfig, rng: Rng
) -> None:
    """Adds the force that alone would give a body a velocity (2,) [m/s], for one to three steps in the first third."""
    length = int(rng.integers(1, 4))
    start = int(rng.integers(0, max(config.steps // 3, 1)))
    held = forces[start : start + length, number, :2]
    held += bodies[number].mass * velocity * config.fps / len(held)


def _otherwise(setting: Setting, change: Change, acting: int, met: int, rng: Rng) -> tuple[Setting, int]:
    """The same start with one thing changed, and with which of the two bodies."""
    model, state, forces = setting.model, setting.state, setting.forces
    number = (acting, met)[int(rng.integers(2))]
    if change == "removed":
        bodies = [body for i, body in enumerate(model.bodies[1:]) if i != number]
        return setting_of(bodies, np.delete(forces, number, 1)), number
    if change == "mass":
        body = model.bodies[1 + number]
        model, state = intervene(model, state, body.name, mass=float(rng.choice(MASSES)) * body.mass)
        return Setting(model, state, forces), number
    number = met if forces[:, met].any() else acting
    turn, share = rng.choice([-1, 1]) * rng.uniform(0.4, 1.6), rng.uniform(0.5, 1.5)
    pushed = forces.copy()
    pushed[:, number, :2] = share * _turned(forces[:, number, :2], turn)
    if not forces.any():
        came = share * _turned(state.body_v[1 + number, :2].numpy(), turn)
        model, state = intervene(model, state, model.bodies[1 + number].name, velocity=(*came.tolist(), 0.0))
    return Setting(model, state, pushed), number


def _turned(vectors: Array, angle: float) -> Array:
    """Vectors (…, 2) turned counter-clockwise [rad]."""
    c, s = math.cos(angle), math.sin(angle)
    return np.asarray(vectors) @ np.array([[c, s], [-s, c]])

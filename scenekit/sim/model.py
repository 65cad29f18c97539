"""Model: all that stays as it is while a scene moves.

    model = Model.from_scene(scene)              # constant
    state, nxt = model.state(), model.state()    # changing
    control = model.control()                    # commanded
    solver = SolverMPM(model)                    # algorithm
    solver.step(state, nxt, control, dt)

Letters: p particles, v vertices, b bodies, c colliders.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from scenekit.cameras import rotation_from_quaternion
from scenekit.errors import InputError
from scenekit.sim.bodies import RigidBody
from scenekit.sim.colliders import Collider
from scenekit.sim.control import Control
from scenekit.sim.elements import Elements
from scenekit.sim.particles import Particles
from scenekit.sim.state import State

if TYPE_CHECKING:
    from scenekit.scene import Scene
    from scenekit.sim.from_scene import SimConfig

GRAVITY = (0.0, 0.0, -9.81)
"""[m/s²]."""


@dataclass(frozen=True)
class Domain:
    """The box that MPM's grid covers. Its walls hold matter back.

    Raises:
        InputError: If it is empty or the cells are not of a size.
    """

    low: tuple[float, float, float]
    """Lowest corner [m]."""
    high: tuple[float, float, float]
    """Highest corner [m]."""
    cell: float
    """Distance between neighbouring grid nodes [m]."""

    def __post_init__(self) -> None:
        if not self.cell > 0 or not all(high > low for low, high in zip(self.low, self.high, strict=True)):
            raise InputError("domain", got=f"{self.low} to {self.high} by {self.cell}", wanted="a box and a cell size")

    @property
    def shape(self) -> tuple[int, int, int]:
        """Nodes along x, y, z."""
        x, y, z = (round((high - low) / self.cell) + 1 for low, high in zip(self.low, self.high, strict=True))
        return x, y, z


@dataclass(frozen=True)
class Matter:
    """What became of a node of the scene: each of particles, vertices and body it may have, or not."""

    path: str
    """The node's."""
    particles: tuple[int, int] = (0, 0)
    """First of its particles and one past the last."""
    vertices: tuple[int, int] = (0, 0)
    """First of its vertices and one past the last."""
    body: int = -1
    """Its number among the bodies."""


@dataclass(frozen=True)
class Model:
    """Matter, bodies and what they touch. A value: `intervene` makes another."""

    gravity: tuple[float, float, float] = GRAVITY
    """Acceleration of everything [m/s²]."""
    domain: Domain | None = None
    """Where MPM works; needed if there are particles."""
    particles: Particles | None = None
    """Matter for MPM."""
    elements: Elements | None = None
    """Cloth, ropes and tetrahedra for XPBD."""
    bodies: tuple[RigidBody, ...] = ()
    """Rigid bodies, parents first."""
    colliders: tuple[Collider, ...] = ()
    """What soft matter cannot enter, bodies' shapes included."""
    matter: tuple[Matter, ...] = ()
    """Which node each part belongs to, one entry per node that moves or holds."""
    remarks: tuple[str, ...] = ()
    """Remarks of the maker: what was assumed or mended, one sentence each."""

    @staticmethod
    def from_scene(scene: Scene, config: SimConfig | None = None) -> Model:
        """The model of a scene: see `scenekit.sim.from_scene`."""
        from scenekit.sim.from_scene import SimConfig, model_of

        return model_of(scene.state, config or SimConfig())

    def state(self) -> State:
        """The state at rest that everything begins in."""
        p = 0 if self.particles is None else len(self.particles)
        eye = torch.eye(3).repeat(p, 1, 1)
        none = torch.zeros(0, 3)
        particles, elements = self.particles, self.elements
        joint_q, joint_v = _joint_coordinates(self.bodies)
        return State(
            time=0.0,
            particle_x=none.clone() if particles is None else particles.x.clone(),
            particle_v=none.clone() if particles is None else particles.v.clone(),
            particle_C=torch.zeros(p, 3, 3),
            particle_F=eye.clone(),
            particle_total=eye,
            particle_memory=_memory(particles),
            vertex_x=none.clone() if elements is None else elements.x.clone(),
            vertex_v=none.clone() if elements is None else elements.v.clone(),
            body_x=_rows([body.pose.position for body in self.bodies], 3),
            body_quat=_rows([body.pose.quat for body in self.bodies], 4),
            body_v=_rows([body.velocity for body in self.bodies], 3),
            body_w=_rows([body.spin for body in self.bodies], 3),
            joint_q=joint_q,
            joint_v=joint_v,
        )

    def control(self) -> Control:
        """Commands that are all zero; kinematic bodies go on as they begin."""
        b = len(self.bodies)
        actuators = sum(body.joint is not None and body.joint.actuator != "none" for body in self.bodies)
        return Control(
            body_force=torch.zeros(b, 3, dtype=torch.float64),
            body_torque=torch.zeros(b, 3, dtype=torch.float64),
            body_v=_rows([body.velocity for body in self.bodies], 3),
            body_w=_rows([body.spin for body in self.bodies], 3),
            actuator=torch.zeros(actuators, dtype=torch.float64),
            particle_a=torch.zeros(0 if self.particles is None else len(self.particles), 3),
            vertex_a=torch.zeros(0 if self.elements is None else len(self.elements), 3),
        )

    def body_centres(self, state: State) -> Tensor:
        """Centres of mass of the bodies in the world [m], float64, shape (b, 3)."""
        if not self.bodies:
            return torch.zeros(0, 3, dtype=torch.float64)
        R = torch.from_numpy(rotation_from_quaternion(state.body_quat.numpy()))
        local = _rows([body.centre for body in self.bodies], 3)
        return state.body_x + (R @ local[:, :, None])[:, :, 0]


def _memory(particles: Particles | None) -> Tensor:
    """What laws remember at rest: 1 for volumes (snow, fluid), 0 for strains."""
    if particles is None:
        return torch.zeros(0)
    at_rest = torch.tensor([float(m.law.name in ("snow", "fluid")) for m in particles.materials])
    return at_rest[particles.material.long()]


def _joint_coordinates(bodies: tuple[RigidBody, ...]) -> tuple[Tensor, Tensor]:
    """Coordinates and speeds of all joints at rest."""
    q: list[float] = []
    v: list[float] = []
    for kind in (body.joint.kind for body in bodies if body.joint is not None):
        q += {"fixed": [], "ball": [1.0, 0.0, 0.0, 0.0]}.get(kind, [0.0])
        v += {"fixed": [], "ball": [0.0] * 3}.get(kind, [0.0])
    return torch.tensor(q, dtype=torch.float64), torch.tensor(v, dtype=torch.float64)


def _rows(values: list[tuple[float, ...]], width: int) -> Tensor:
    return torch.tensor(values, dtype=torch.float64).reshape(-1, width)

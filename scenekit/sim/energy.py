"""Energy and momentum of a moment: what a simulation is judged by. Letters: p particles, v vertices, t tetrahedra."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from scenekit.cameras import rotation_from_quaternion
from scenekit.sim.cloth import bend_angles
from scenekit.sim.colliders import ColliderArrays
from scenekit.sim.elements import Elements
from scenekit.sim.model import Model
from scenekit.sim.particles import Particles
from scenekit.sim.state import State
from scenekit.sim.stress import energy

Vector = tuple[float, float, float]


@dataclass(frozen=True)
class Balance:
    """Sums over all that moves. Momenta are about the origin of the world."""

    time: float
    """[s]."""
    kinetic: float
    """Energy of motion [J]."""
    elastic: float
    """Energy of deformation that comes back [J]."""
    potential: float
    """Energy in gravity, zero at the origin [J]."""
    momentum: Vector
    """Linear momentum [kg m/s]."""
    angular_momentum: Vector
    """[kg m²/s]."""
    penetration: float
    """How deep soft matter is in a collider, at the deepest place [m]."""

    @property
    def energy(self) -> float:
        """Kinetic, elastic and potential [J]."""
        return self.kinetic + self.elastic + self.potential


class Meter:
    """Takes the balance of states of a model."""

    def __init__(self, model: Model):
        self.model = model
        self._gravity = torch.tensor(model.gravity, dtype=torch.float64)
        self._colliders = ColliderArrays(model.colliders)

    def __call__(self, state: State) -> Balance:
        """The balance of a moment."""
        parts = [self._of_bodies(state)]
        if self.model.particles is not None:
            parts.append(self._of_particles(self.model.particles, state))
        if self.model.elements is not None:
            mass, x, v = self.model.elements.mass.double(), state.vertex_x.double(), state.vertex_v.double()
            parts.append(self._of_points(mass, x, v) + _padded(elastic_energy(self.model.elements, state.vertex_x)))
        kinetic, elastic, potential, *rest = torch.stack(parts).sum(0).tolist()
        momentum, angular = (rest[0], rest[1], rest[2]), (rest[3], rest[4], rest[5])
        return Balance(state.time, kinetic, elastic, potential, momentum, angular, self._penetration(state))

    def _of_points(self, mass: Tensor, x: Tensor, v: Tensor) -> Tensor:
        """Kinetic, elastic (none) and potential energy and the two momenta of points, shape (9,)."""
        p = mass[:, None] * v
        energies = torch.stack([(p * v).sum() / 2, p.new_zeros(()), -(mass @ x) @ self._gravity])
        return torch.cat([energies, p.sum(0), torch.linalg.cross(x, p).sum(0)])

    def _of_particles(self, particles: Particles, state: State) -> Tensor:
        """Of points that carry an affine velocity field each: with D = h²/4 · 1 (Jiang et al. 2015), ½ m tr(C D Cᵀ)."""
        assert self.model.domain is not None
        mass, C = particles.mass.double(), state.particle_C.double()
        sums = self._of_points(mass, state.particle_x.double(), state.particle_v.double())
        moment = mass * self.model.domain.cell**2 / 4
        sums[0] += (moment * C.square().sum((1, 2))).sum() / 2
        curl = torch.stack([C[:, 2, 1] - C[:, 1, 2], C[:, 0, 2] - C[:, 2, 0], C[:, 1, 0] - C[:, 0, 1]], 1)
        sums[6:] += (moment[:, None] * curl).sum(0)
        for number, material in enumerate(particles.materials):
            own = particles.material == number
            psi = energy(material, state.particle_F[own].double(), state.particle_memory[own].double())
            sums[1] += psi @ particles.volume[own].double()
        return sums

    def _of_bodies(self, state: State) -> Tensor:
        """Of the dynamic bodies."""
        moving = [i for i, body in enumerate(self.model.bodies) if body.kind == "dynamic"]
        if not moving:
            return torch.zeros(9, dtype=torch.float64)
        mass = torch.tensor([self.model.bodies[i].mass for i in moving], dtype=torch.float64)
        v, w = state.body_v[moving], state.body_w[moving]
        sums = self._of_points(mass, self.model.body_centres(state)[moving], v)
        R = torch.from_numpy(rotation_from_quaternion(state.body_quat[moving].numpy()))
        inertia = torch.from_numpy(np.stack([self.model.bodies[i].inertia for i in moving]))
        spin = (R @ inertia @ R.mT @ w[..., None])[..., 0]
        sums[0] += (spin * w).sum() / 2
        sums[6:] += spin.sum(0)
        return sums

    def _penetration(self, state: State) -> float:
        soft = torch.cat([state.particle_x, state.vertex_x])
        if not len(soft) or not self.model.colliders:
            return 0.0
        centres = self.model.body_centres(state)
        R = torch.from_numpy(rotation_from_quaternion(state.body_quat.numpy()))
        self._colliders.move(state.body_x, R, state.body_v, state.body_w, centres)
        return max(0.0, -float(self._colliders.distances(soft)[0].min()))


def elastic_energy(elements: Elements, x: Tensor) -> Tensor:
    """Energy in constraints of XPBD, ½ C²/α each, and in tetrahedra, zero at rest [J].

    A tetrahedron holds V (μ/2 (|F|² − 3) + λ'/2 ((J − 1 − μ/λ')² − (μ/λ')²)), λ' = λ + μ (Smith et al. 2018).

    Args:
        elements: v vertices.
        x: Where they are [m], shape (v, 3).
    """
    x = x.double()
    a, b = x[elements.edges.long()].unbind(1)
    total = _stored((a - b).norm(dim=1) - elements.edge_rest.double(), elements.edge_compliance)
    if len(elements.bends):
        turned = torch.from_numpy(bend_angles(x.numpy(), elements.bends.numpy())) - elements.bend_rest.double()
        total += _stored(torch.atan2(turned.sin(), turned.cos()), elements.bend_compliance)
    first, middle, last = x[elements.rods.long()].unbind(1)
    total += _stored((first - 2 * middle + last).norm(dim=1), elements.rod_compliance)
    if len(elements.tets):
        corners = x[elements.tets.long()]
        F = (corners[:, 1:] - corners[:, :1]).mT @ elements.tet_inverse_rest.double()
        mu, la = elements.tet_mu.double(), elements.tet_lambda.double() + elements.tet_mu.double()
        volume = (torch.linalg.det(F) - 1 - mu / la).square() - (mu / la).square()
        psi = mu / 2 * (F.square().sum((1, 2)) - 3) + la / 2 * volume
        total += psi @ elements.tet_volume.double()
    return total


def _stored(constraint: Tensor, compliance: Tensor) -> Tensor:
    """Σ ½ C²/α; a hard constraint stores nothing."""
    soft = compliance > 0
    return (constraint[soft].square() / compliance[soft].double()).sum() / 2


def _padded(elastic: Tensor) -> Tensor:
    return torch.nn.functional.pad(elastic[None], (1, 7))

"""Gradients through an elastic rollout: what would have had to be otherwise, for matter to end up elsewhere.

Letters: p particles, m materials.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import torch
import warp as wp
from torch import Tensor
from torch.autograd.function import once_differentiable

import scenekit._kernels.mpm_adjoint as kernels
from scenekit.errors import InputError
from scenekit.sim.body_motion import BodyMotion
from scenekit.sim.model import Model
from scenekit.sim.stress import lame

ELASTIC = {"fixed-corotated": 0, "neo-hookean": 1}
"""Laws that are smooth everywhere, and their numbers in the kernels."""

KINDS = {"x": wp.vec3, "v": wp.vec3, "C": wp.mat33, "F": wp.mat33}
"""What a particle carries."""


class ElasticRollout:
    """A rollout of elastic matter that torch differentiates with respect to where and how it begins and what it is.

        rollout = ElasticRollout(model, dt=1e-4)
        x, v, C, F = rollout.begin()
        E = torch.tensor([1e4], requires_grad=True)
        x, v, C, F = rollout(x, v, C, F, E, nu, steps=100)
        (x.mean(0) - wanted).square().sum().backward()

    The forward pass keeps where it began; the backward pass goes through it again, keeps the particles of each substep,
    and applies the adjoint of one substep at a time (reverse accumulation with checkpoints). Contact is differentiable
    but for the moments at which it begins and ends.

    Args:
        model: Its particles, domain, gravity, and the colliders of the world at rest.
        dt: Length of a substep, the same for all [s].

    Raises:
        InputError: If there are no particles, or one is of a law that is not elastic.
    """

    def __init__(self, model: Model, *, dt: float):
        particles, domain = model.particles, model.domain
        if particles is None or domain is None:
            raise InputError("model", got="no particles", wanted="particles and a domain")
        for material in particles.materials:
            if material.law.name not in ELASTIC:
                got = f"{material.name}, which is {material.law.name}"
                raise InputError("rollout", got=got, wanted="one of " + ", ".join(ELASTIC))
        self.dt, self._particles, self._domain = dt, particles, domain
        self._low = torch.tensor(domain.low)
        self._step = _Substep(model, dt)

    def begin(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Position [m], velocity [m/s], affine velocity C [1/s] and deformation gradient F of the particles at rest."""
        p = len(self._particles)
        eye = torch.eye(3).repeat(p, 1, 1)
        return self._particles.x.clone(), self._particles.v.clone(), torch.zeros(p, 3, 3), eye

    def __call__(
        self, x: Tensor, v: Tensor, C: Tensor, F: Tensor, youngs_modulus: Tensor, poissons_ratio: Tensor, *, steps: int
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The particles after so many substeps.

        Args:
            x: Positions [m], shape (p, 3).
            v: Velocities [m/s], shape (p, 3).
            C: Affine velocities [1/s], shape (p, 3, 3).
            F: Deformation gradients, shape (p, 3, 3).
            youngs_modulus: Of each material [Pa], shape (m,).
            poissons_ratio: Of each material, shape (m,).
            steps: How many; the backward pass keeps the particles of each.
        """
        mu, lam = lame(youngs_modulus, poissons_ratio)
        x, v, C, F = _Rollout.apply(self._step, steps, x - self._low, v, C, F, mu, lam)
        return x + self._low, v, C, F


class _Substep:
    """Buffers of one substep, and its forward and adjoint launches."""

    def __init__(self, model: Model, dt: float):
        particles, domain = model.particles, model.domain
        assert particles is not None
        assert domain is not None
        self.dt, self.cell, self.shape = dt, domain.cell, domain.shape
        self.low, self.gravity = wp.vec3(*domain.low), wp.vec3(*model.gravity)
        motion = BodyMotion(model)
        motion.begin(model.state(), model.control())
        self.colliders = motion.collider_arrays.struct
        laws = torch.tensor([ELASTIC[m.law.name] for m in particles.materials], dtype=torch.int32)
        self.fixed = [wp.from_torch(t.contiguous()) for t in (particles.material, particles.mass, particles.volume)]
        self.laws, p, nodes = wp.from_torch(laws), len(particles), prod(domain.shape)
        self.before = {name: wp.zeros(p, dtype=kind, requires_grad=True) for name, kind in KINDS.items()}
        self.after = {name: wp.zeros(p, dtype=kind, requires_grad=True) for name, kind in KINDS.items()}
        self.lame = [wp.zeros(len(laws), dtype=float, requires_grad=True) for _ in range(2)]
        kinds = (float, wp.vec3, wp.vec3)
        self.mass, self.momentum, self.velocity = (wp.zeros(nodes, dtype=k, requires_grad=True) for k in kinds)
        self.tape = wp.Tape()
        with self.tape:
            self.forward()

    def forward(self) -> None:
        """Moves `before` on into `after`."""
        for array in (self.mass, self.momentum, self.velocity):
            array.zero_()
        (nx, ny, nz), p, b, a = self.shape, len(self.fixed[0]), self.before, self.after
        head = [self.dt, self.cell, ny, nz]
        given = [self.laws, *self.lame, *self.fixed, b["x"], b["v"], b["C"], b["F"]]
        wp.launch(kernels.scatter, p, [*head, *given, a["F"], self.mass, self.momentum], device="cpu")
        grid = [self.dt, self.cell, nx, ny, nz, self.low, self.gravity, self.colliders]
        wp.launch(kernels.move_grid, nx * ny * nz, [*grid, self.mass, self.momentum, self.velocity], device="cpu")
        wp.launch(kernels.gather, p, [*head, self.velocity, b["x"], a["x"], a["v"], a["C"]], device="cpu")

    def load(self, state: Sequence[Tensor]) -> None:
        """Puts particles into `before`."""
        for array, tensor in zip(self.before.values(), state, strict=True):
            wp.to_torch(array).copy_(tensor)

    def read(self) -> list[Tensor]:
        """The particles in `after`."""
        return [wp.to_torch(array).clone() for array in self.after.values()]


class _Rollout(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, step: _Substep, steps: int, *inputs: Tensor) -> tuple[Tensor, ...]:
        ctx.step, ctx.steps = step, steps
        ctx.save_for_backward(*inputs)
        return tuple(_trajectory(step, steps, inputs)[-1])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        step, inputs = ctx.step, ctx.saved_tensors
        states = _trajectory(step, ctx.steps, inputs)
        lame_grads = [torch.zeros_like(t) for t in inputs[4:]]
        adjoint = [grad.clone() for grad in grads]
        for state in reversed(states[:-1]):
            step.load(state)
            step.forward()
            step.tape.zero()
            for array, grad in zip(step.after.values(), adjoint, strict=True):
                wp.to_torch(array.grad).copy_(grad)
            step.tape.backward()
            adjoint = [wp.to_torch(array.grad).clone() for array in step.before.values()]
            for total, array in zip(lame_grads, step.lame, strict=True):
                total += wp.to_torch(array.grad)
        return None, None, *adjoint, *lame_grads


def _trajectory(step: _Substep, steps: int, inputs: Sequence[Tensor]) -> list[list[Tensor]]:
    """The particles before the first substep and after each."""
    for array, tensor in zip(step.lame, inputs[4:], strict=True):
        wp.to_torch(array).copy_(tensor.detach())
    states = [[tensor.detach() for tensor in inputs[:4]]]
    for _ in range(steps):
        step.load(states[-1])
        step.forward()
        states.append(step.read())
    return states

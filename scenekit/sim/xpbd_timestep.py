"""How small XPBD's substeps must be: for colliders that are thin, and for elements that are stiff."""

from __future__ import annotations

from math import inf, sqrt

import numpy as np
import torch
from torch import Tensor

from scenekit.cameras import Array
from scenekit.sim.colliders import Collider
from scenekit.sim.elements import Elements
from scenekit.sim.model import Model
from scenekit.sim.shapes import Box, Capsule, DistanceField, Sphere


def reach(elements: Elements, colliders: tuple[Collider, ...]) -> float:
    """How far a vertex can move at once without passing a collider [m]: its radius and half of the thinnest one."""
    return float(elements.radius.min()) + 0.9 * min(map(_half_thickness, colliders), default=inf)


def stiff_timestep(elements: Elements, softness: float) -> float:
    """The longest substep h that softens bends and solids by no more than about a part `softness` [s].

    One iteration leaves a constraint of stiffness k as if it were softer by h² k Σ w |∇C|², as its neighbours, solved
    after it, move its vertices. Edges do not count: there the same error is a slight stretch.
    """
    fastest = float(torch.cat([_bends(elements), _rods(elements), _tets(elements), torch.zeros(1)]).max())
    return sqrt(softness / fastest) if fastest > 0 else inf


def _inverse_mass(elements: Elements, rows: Tensor) -> Tensor:
    mass = elements.mass.double()[rows.long()]
    return torch.where(mass > 0, 1 / mass, 0.0)


def _bends(elements: Elements) -> Tensor:
    """k Σ w |∇θ|² [1/s²]: the gradient at a wing is 1/height, at the hinge about half of the sum of both."""
    p0, p1, p2, p3 = elements.x.double()[elements.bends.long()].unbind(1)
    w = _inverse_mass(elements, elements.bends)
    a, b = (_slope(p0, p1, p) for p in (p2, p3))
    weight = w[:, 2] * a**2 + w[:, 3] * b**2 + (w[:, 0] + w[:, 1]) * (a + b) ** 2 / 4
    return weight / elements.bend_compliance.double()


def _slope(p0: Tensor, p1: Tensor, wing: Tensor) -> Tensor:
    """1/height of a wing over its hinge [1/m]."""
    return (p1 - p0).norm(dim=1) / torch.linalg.cross(p1 - p0, wing - p0).norm(dim=1)


def _rods(elements: Elements) -> Tensor:
    weight = _inverse_mass(elements, elements.rods) @ torch.tensor([1.0, 4.0, 1.0], dtype=torch.float64)
    return weight / elements.rod_compliance.double()


def _tets(elements: Elements) -> Tensor:
    rows = elements.tet_inverse_rest.double()
    gradients = torch.cat([-rows.sum(1, keepdim=True), rows], 1).square().sum(2)
    weight = (_inverse_mass(elements, elements.tets) * gradients).sum(1)
    return weight * elements.tet_mu.double() * elements.tet_volume.double()


def extents(model: Model) -> Array:
    """How far the colliders of each body reach from its centre of mass [m], shape (b,)."""
    far = np.zeros(len(model.bodies))
    for collider in (c for c in model.colliders if c.body >= 0):
        arm = np.subtract(collider.pose.position, model.bodies[collider.body].centre)
        far[collider.body] = max(far[collider.body], float(np.linalg.norm(arm)) + _half_size(collider))
    return far


def _half_size(collider: Collider) -> float:
    """Radius of a ball that holds it, about its origin [m]; of a plane, which turns about itself, nothing."""
    shape = collider.shape
    if isinstance(shape, Box):
        return float(np.linalg.norm(shape.half))
    if isinstance(shape, Sphere):
        return shape.radius
    if isinstance(shape, Capsule):
        return shape.radius + shape.half_length
    if isinstance(shape, DistanceField):
        ends = np.array([shape.origin, np.add(shape.origin, np.multiply(shape.voxel, shape.values.shape))])
        return float(np.linalg.norm(np.abs(ends).max(0)))
    return 0.0


def _half_thickness(collider: Collider) -> float:
    shape = collider.shape
    if isinstance(shape, Box):
        return min(shape.half)
    if isinstance(shape, Sphere | Capsule):
        return shape.radius
    return shape.voxel if isinstance(shape, DistanceField) else inf

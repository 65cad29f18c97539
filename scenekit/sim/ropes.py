"""Ropes: vertices in a row that keep their distances, and bend as a beam if they have a rigidity."""

from __future__ import annotations

from math import pi

import torch
from torch import Tensor

from scenekit.errors import InputError
from scenekit.material import Material
from scenekit.sim.elements import Elements, elements_of


def rope(points: Tensor, material: Material, *, radius: float, bending: float = 0.0) -> Elements:
    """A rope of round section along points, which are its shape at rest.

    With the area A of its section a piece of length l has the stiffness E A / l [N/m]; with the flexural rigidity B a
    bend has the energy B / 2 l³ · |x₀ − 2 x₁ + x₂|², which is that of a beam, ∫ B κ²/2 ds, that is straight at rest.

    Args:
        points: [m], shape (v, 3); as evenly spaced as they can be where it shall bend like a beam.
        material: Of any law; density, Young's modulus and friction are looked at.
        radius: Of the section [m].
        bending: Flexural rigidity [N m²]; E π r⁴/4 for a solid bar, 0 for a rope of fibres.

    Raises:
        InputError: If there are fewer than two points, two in a row are one, or the radius is not above zero.
    """
    if points.ndim != 2 or points.shape[1] != 3 or len(points) < 2:
        raise InputError("rope: points", got=f"shape {tuple(points.shape)}", wanted="(v, 3), two points or more")
    if not radius > 0 or not bending >= 0:
        raise InputError("rope: radius, bending", got=f"{radius}, {bending}", wanted="more than 0, 0 or more")
    v, area = len(points), pi * radius**2
    length = (points[1:] - points[:-1]).double().norm(dim=1)
    mass = torch.zeros(v, dtype=torch.float64)
    mass[1:] += length / 2
    mass[:-1] += length / 2
    order = torch.arange(v, dtype=torch.int32)
    groups: dict[str, Tensor] = {
        "edges": torch.stack([order[:-1], order[1:]], 1),
        "edge_rest": length.float(),
        "edge_compliance": (length / (material.youngs_modulus.value * area)).float(),
    }
    if bending > 0:
        groups["rods"] = torch.stack([order[:-2], order[1:-1], order[2:]], 1)
        groups["rod_compliance"] = (((length[1:] + length[:-1]) / 2) ** 3 / bending).float()
    friction = material.friction.value
    return elements_of(x=points, mass=mass * material.density.value * area, radius=radius, friction=friction, **groups)

"""Stress."""
from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from scenekit.laws import DruckerPrager, Fluid, HerschelBulkley, Snow, VonMises
from scenekit.material import Material

HARDEST = 20.0
COMPRESSION = 0.9


def lame(material: Material) -> tuple[float, float]:
    """μ and λ [Pa] of Young's modulus and Poisson's ratio."""
    E, nu = material.youngs_modulus.value, material.poissons_ratio.value
    return E / (2 * (1 + nu)), E * nu / ((1 + nu) * (1 - 2 * nu))


def parameters(materials: Sequence[Material]) -> Tensor:
    """What `kernels/mpm_laws.py` needs of each material, float32, shape (m, 5)."""
    return torch.tensor([_row(material) for material in materials], dtype=torch.float32).reshape(-1, 5)


def _row(material: Material) -> list[float]:
    return [*lame(material), *_of_law(material)]


def cone(law, mu: float, la: float) -> tuple[float, float, float]:
    phi, c = math.radians(law.friction_angle.value), law.cohesion.value
    bulk = la + 2 / 3 * mu
    share = math.sqrt(2 / 3) * 2 / (3 - math.sin(phi))
    alpha, k = share * math.sin(phi), 3 * share * c * math.cos(phi)
    slope = 3 * bulk * alpha / (2 * mu)
    tip = min(c / math.tan(phi) / bulk, 1.0) if phi > 0 else float(c > 0)
    return slope, k / (2 * mu), tip


def _of_law(material: Material) -> tuple[float, float, float]:
    match material.law:
        case VonMises(yield_stress, hardening):
            return yield_stress.value, hardening.value, 0.0
        case DruckerPrager():
            return cone(material.law, *lame(material))
        case Snow(compression, stretch, hardening):
            return compression.value, stretch.value, hardening.value
        case Fluid(bulk, viscosity, exponent):
            return bulk.value, viscosity.value, exponent.value
        case HerschelBulkley(yield_stress, consistency, index):
            return yield_stress.value, consistency.value, index.value
    return 0.0, 0.0, 0.0


def sound_speed(material: Material) -> float:
    """Speed of pressure waves in the stiffest state to expect [m/s]."""
    mu, la = lame(material)
    stiffness = la + 2 * mu
    match material.law:
        case Snow():
            stiffness *= HARDEST
        case Fluid(bulk, _, exponent):
            stiffness = bulk.value * COMPRESSION ** (1 - exponent.value)
    return math.sqrt(stiffness / material.density.value)

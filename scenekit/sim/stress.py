"""Stress: what every law of MPM answers to a deformation, in plain torch, float64, as the papers write it.

`kernels/mpm_laws.py` computes the same for the solver; this is its twin, and what packs its parameters. All laws are
isotropic: an energy ψ(F) of the elastic part F of the deformation gives the stress, and a law that flows gives the part
that is left of a trial F. Letters: n particles, m materials; F = U diag(σ) Vᵀ, J = det F, ε = ln σ (Hencky's strain),
P first Piola–Kirchhoff stress, τ = P Fᵀ Kirchhoff stress, s its deviator, μ λ Lamé's constants, κ = λ + 2/3 μ.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor

from scenekit._kernels import mpm_laws as kernel
from scenekit.errors import InputError
from scenekit.laws import DruckerPrager, FixedCorotated, Fluid, HerschelBulkley, NeoHookean, Snow, VonMises
from scenekit.material import Material

Modulus = TypeVar("Modulus", float, Tensor)

EXPECTED_J = 0.9
"""The compression of fluids that time steps are made for."""


class Response(NamedTuple):
    """What a law answers."""

    F: Tensor
    """Elastic deformation gradient that is left, shape (n, 3, 3)."""
    memory: Tensor
    """What the law remembers, as `State.particle_memory`, shape (n,)."""
    tau: Tensor
    """Kirchhoff stress, its viscous part included [Pa], shape (n, 3, 3)."""


def respond(material: Material, F_trial: Tensor, memory: Tensor, C: Tensor, dt: float) -> Response:
    """What `respond` of the kernel does, for many particles of one material.

    Args:
        material: With a law of MPM.
        F_trial: (I + dt C) F, shape (n, 3, 3).
        memory: What the law remembers, shape (n,).
        C: Gradient of velocity [1/s], shape (n, 3, 3).
        dt: Time step [s].
    """
    F, memory = flow(material, F_trial, memory, C, dt)
    return Response(F, memory, first_piola(material, F, memory) @ F.mT + viscous(material, F, C))


def lame(youngs_modulus: Modulus, poissons_ratio: Modulus) -> tuple[Modulus, Modulus]:
    """Lamé's μ = E / (2 (1 + ν)) and λ = E ν / ((1 + ν) (1 − 2 ν)) [Pa], of numbers or of tensors."""
    E, nu = youngs_modulus, poissons_ratio
    return E / (2 * (1 + nu)), E * nu / ((1 + nu) * (1 - 2 * nu))


def lame_of(material: Material) -> tuple[float, float]:
    """`lame` of a material."""
    return lame(material.youngs_modulus.value, material.poissons_ratio.value)


def parameters(materials: Sequence[Material]) -> Tensor:
    """What the kernel needs of each material: μ, λ and three numbers of its law; float32, shape (m, 5).

    Raises:
        InputError: If a law is not one of MPM's.
    """
    rows = [[*lame_of(material), *_numbers(material)] for material in materials]
    return torch.tensor(rows, dtype=torch.float32).reshape(-1, 5)


def sound_speed(material: Material) -> float:
    """Speed of pressure waves, √((λ + 2 μ) / ρ), in the stiffest state to expect [m/s]: what limits a time step.

    Of snow as hard as it gets; of a fluid √(K J^(1−γ) / ρ) at J = 0.9. Elastic laws stiffen a little when deformed: at
    half its length neo-Hookean's is 1.3 times as fast.
    """
    mu, la = lame_of(material)
    stiffness = la + 2 * mu
    match material.law:
        case Snow():
            stiffness *= kernel.HARDEST
        case Fluid(bulk, _, exponent):
            stiffness = bulk.value * EXPECTED_J ** (1 - exponent.value)
    return math.sqrt(stiffness / material.density.value)


def kinematic_viscosity(material: Material) -> float:
    """η / ρ that explicit steps must resolve [m²/s]: a fluid's. Where other laws flow it is solved for, not stepped."""
    return material.law.viscosity.value / material.density.value if isinstance(material.law, Fluid) else 0.0


def energy(material: Material, F: Tensor, memory: Tensor) -> Tensor:
    """Elastic energy density ψ(F), per volume at rest [J/m³], shape (n,).

    fixed-corotated            μ Σ (σᵢ − 1)² + λ/2 (J − 1)²  (Stomakhin et al. 2012)
    neo-hookean                μ/2 (tr FᵀF − 3) − μ ln J + λ/2 (ln J)², where ln goes on straight below J = 0.1
    von-mises, drucker-prager  μ Σ εᵢ² + λ/2 (Σ εᵢ)²  (Hencky; Klár et al. 2016)
    snow                       fixed-corotated's, times min(exp(ξ (1 − J_P)), 20)  (Stomakhin et al. 2013)
    fluid                      K/γ (J^(1−γ)/(γ − 1) + J − γ/(γ − 1)) where J < 1  (Cole's equation of state)
    herschel-bulkley           μ/2 (J^(−2/3) tr FFᵀ − 3) + κ/2 ((J² − 1)/2 − ln J)  (Yue et al. 2015)
    """
    mu, la = lame_of(material)
    sigma, J = signed_svd(F)[1], torch.linalg.det(F)
    match material.law:
        case FixedCorotated() | Snow():
            corotated = mu * (sigma - 1).square().sum(-1) + la / 2 * (J - 1).square()
            return hardness(material, memory) * corotated
        case NeoHookean():
            log_J = _straight_log(J)[0]
            return mu / 2 * (F.square().sum((-2, -1)) - 3) - mu * log_J + la / 2 * log_J.square()
        case VonMises() | DruckerPrager():
            strain = sigma.abs().log()
            return mu * strain.square().sum(-1) + la / 2 * strain.sum(-1).square()
        case Fluid(bulk, _, exponent):
            K, g = bulk.value, exponent.value
            power = -J.log() - 1 if g == 1 else (J ** (1 - g) - g) / (g - 1)
            return torch.where(J < 1, K / g * (power + J), 0.0)
        case HerschelBulkley():
            isochoric = J.abs() ** (-2 / 3) * F.square().sum((-2, -1))
            volume = (J.square() - 1) / 2 - J.abs().log()
            return mu / 2 * (isochoric - 3) + (la + 2 / 3 * mu) / 2 * volume
    raise _no_law(material)


def first_piola(material: Material, F: Tensor, memory: Tensor) -> Tensor:
    """P = ∂ψ/∂F [Pa], shape (n, 3, 3), in closed form."""
    mu, la = lame_of(material)
    (U, sigma, Vh), J = signed_svd(F), torch.linalg.det(F)[:, None, None]
    inverse = torch.linalg.inv(F).mT
    match material.law:
        case FixedCorotated() | Snow():
            corotated = 2 * mu * (F - U @ Vh) + la * (J - 1) * J * inverse
            return hardness(material, memory)[:, None, None] * corotated
        case NeoHookean():
            log_J, slope = _straight_log(J)
            return mu * F + (la * log_J - mu) * slope * J * inverse
        case VonMises() | DruckerPrager():
            strain = sigma.abs().log()
            return U @ torch.diag_embed((2 * mu * strain + la * strain.sum(-1, keepdim=True)) / sigma) @ Vh
        case Fluid(bulk, _, exponent):
            return -bulk.value / exponent.value * (J**-exponent.value - 1).clamp(min=0) * J * inverse
        case HerschelBulkley():
            isochoric = J.abs() ** (-2 / 3) * F
            stress = mu * (isochoric - (isochoric * F).sum((-2, -1), keepdim=True) / 3 * inverse)
            return stress + (la + 2 / 3 * mu) / 2 * (J.square() - 1) * inverse
    raise _no_law(material)


def viscous(material: Material, F: Tensor, C: Tensor) -> Tensor:
    """Kirchhoff stress of Newtonian viscosity: J η (C + Cᵀ − 2/3 tr C I) [Pa], shape (n, 3, 3); Stokes' hypothesis."""
    if not isinstance(material.law, Fluid):
        return torch.zeros_like(F)
    J, rate = torch.linalg.det(F)[:, None, None], C.diagonal(0, -2, -1).sum(-1)[:, None, None]
    return J * material.law.viscosity.value * (C + C.mT - 2 / 3 * rate * torch.eye(3, dtype=F.dtype))


def flow(material: Material, F: Tensor, memory: Tensor, C: Tensor, dt: float) -> tuple[Tensor, Tensor]:
    """The elastic part that is left of a trial deformation, and the new memory. What yields keeps U and V."""
    match material.law:
        case VonMises():
            return _von_mises(material, F, memory)
        case DruckerPrager():
            return _drucker_prager(material, F, memory)
        case Snow():
            return _snow(material.law, F, memory)
        case Fluid():
            J = (memory * (1 + dt * C.diagonal(0, -2, -1).sum(-1))).clamp(kernel.DENSEST, kernel.SPARSEST)
            return J[:, None, None] ** (1 / 3) * torch.eye(3, dtype=F.dtype), J
        case HerschelBulkley():
            return _herschel_bulkley(material, F, dt), memory
    return F, memory


def yield_function(material: Material, F: Tensor, memory: Tensor) -> Tensor:
    """How far the stress is beyond where it flows [Pa], at most 0 inside, shape (n,).

    von-mises         √(3/2) ‖s‖ − (σ_y + H ε_p)        with ε_p the plastic strain in memory
    drucker-prager    ‖s‖ + α tr τ − k                  α and k of `cone`
    herschel-bulkley  ‖s‖ / √2 − τ_y
    """
    tau = first_piola(material, F, memory) @ F.mT
    trace = tau.diagonal(0, -2, -1).sum(-1)
    size = (tau - trace[:, None, None] / 3 * torch.eye(3, dtype=F.dtype)).square().sum((-2, -1)).sqrt()
    match material.law:
        case VonMises(yield_stress, hardening):
            return math.sqrt(3 / 2) * size - (yield_stress.value + hardening.value * memory)
        case DruckerPrager():
            alpha, k, _ = cone(material)
            return size + alpha * trace - k
        case HerschelBulkley(yield_stress):
            return size / math.sqrt(2) - yield_stress.value
    raise InputError("yield_function", got=material.law.name, wanted="von-mises, drucker-prager or herschel-bulkley")


def cone(material: Material) -> tuple[float, float, float]:
    """Drucker and Prager's cone ‖s‖ ≤ k − α tr τ that fails in simple shear where Coulomb does, at c + σ tan φ.

    Sand flows at constant volume, so on a slope its normal stresses are equal and ‖s‖ is √2 times the shear stress:
    α = √2 tan φ / 3, k = √2 c [Pa], and a layer lies still up to a tilt of φ. The cone through Mohr and Coulomb's edges
    of triaxial compression, α = √(2/3) 2 sin φ / (3 − sin φ) of Klár et al. 2016, would hold slopes up to 35° for
    φ = 30°. Last is the volume strain at the tip, c cot φ / κ, at most 1.
    """
    assert isinstance(material.law, DruckerPrager)
    mu, la = lame_of(material)
    slope, c = math.tan(math.radians(material.law.friction_angle.value)), material.law.cohesion.value
    tip = min(c / slope / (la + 2 / 3 * mu), 1.0) if slope > 0 else float(c > 0)
    return math.sqrt(2) * slope / 3, math.sqrt(2) * c, tip


def hardness(material: Material, memory: Tensor) -> Tensor:
    """How many times as stiff as fresh snow is, min(exp(ξ (1 − J_P)), 20), shape (n,); 1 for other laws."""
    if not isinstance(material.law, Snow):
        return torch.ones_like(memory)
    return (material.law.hardening.value * (1 - memory)).exp().clamp(max=kernel.HARDEST)


def signed_svd(F: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """U, σ, Vᵀ with rotations U and V: the least σ is negative where F is inverted (Irving et al. 2004)."""
    U, sigma, Vh = torch.linalg.svd(F)
    flip_U, flip_V = torch.linalg.det(U).sign(), torch.linalg.det(Vh).sign()
    one = torch.ones_like(flip_U)
    U = U * torch.stack([one, one, flip_U], -1)[:, None, :]
    Vh = Vh * torch.stack([one, one, flip_V], -1)[:, :, None]
    return U, sigma * torch.stack([one, one, flip_U * flip_V], -1), Vh


def _von_mises(material: Material, F: Tensor, strain: Tensor) -> tuple[Tensor, Tensor]:
    """Radial return (Simo & Hughes 1998, box 3.1, on logarithmic strains): the flow Δε_p = excess / (3 μ + H)."""
    assert isinstance(material.law, VonMises)
    mu, _ = lame_of(material)
    hardening = material.law.hardening.value
    excess = yield_function(material, F, strain).clamp(min=0)
    flowed = excess / (3 * mu + hardening)
    shear = _strains(F)[1]
    q = math.sqrt(6) * mu * shear.norm(dim=-1)
    change = -(3 * mu * flowed / q.clamp(min=1e-300))[:, None] * shear
    return _strained(F, change, excess > 0), strain + flowed


def _drucker_prager(material: Material, F: Tensor, gap: Tensor) -> tuple[Tensor, Tensor]:
    """Klár et al. 2016, section 7: to the tip of the cone where grains part, to its side where they slide.

    The memory is the volume strain by which they are apart; it must be pressed out before they bear pressure again.
    """
    mu, la = lame_of(material)
    alpha, k, tip = cone(material)
    trial, shear = _strains(F)
    size, volume = shear.norm(dim=-1), trial.sum(-1) + gap
    apart = volume >= tip
    excess = size + ((3 * la + 2 * mu) * alpha * volume - k) / (2 * mu)
    kept = 1 - (excess / size.clamp(min=1e-300)).clamp(min=0)
    slid = volume[:, None] / 3 + kept[:, None] * shear
    strain = torch.where(apart[:, None], tip / 3, slid)
    return _strained(F, strain - trial, apart | (excess > 0) | (gap > 0)), (volume - tip).clamp(min=0)


def _snow(law: Snow, F: Tensor, packed: Tensor) -> tuple[Tensor, Tensor]:
    """Stomakhin et al. 2013, section 7: σ is kept within [1 − θ_c, 1 + θ_s], what is cut off goes into J_P."""
    strain, _ = _strains(F)
    low, high = math.log(1 - law.critical_compression.value), math.log(1 + law.critical_stretch.value)
    change = strain.clamp(low, high) - strain
    moved = (change != 0).any(-1)
    new = (packed * (-change.sum(-1)).exp()).clamp(kernel.LEAST_PACKED, kernel.MOST_PACKED)
    return _strained(F, change, moved), torch.where(moved, new, packed)


def _herschel_bulkley(material: Material, F: Tensor, dt: float) -> Tensor:
    """Yue et al. 2015, section 4: the deviator of b̄ = J^(−2/3) F Fᵀ relaxes until τ = τ_y + η γ̇ⁿ, volume stays."""
    law, (mu, _) = material.law, lame_of(material)
    assert isinstance(law, HerschelBulkley)
    shear = _strains(F)[1]
    b = (2 * shear).exp()
    mean = b.mean(-1, keepdim=True)
    tau = mu * (b - mean).norm(dim=-1) / math.sqrt(2)
    over = tau - law.yield_stress.value
    flows = (over > 1e-6 * mu) & (dt > 0)
    rate = _flow_rate(over.clamp(min=1e-300), law, mu * mean[:, 0] * dt)
    left = (law.yield_stress.value + law.consistency.value * rate**law.index.value) / tau.clamp(min=1e-300)
    d = left[:, None] * (b - mean)
    new = (_mean_of_unit_volume(d)[:, None] + d).log() / 2 - shear
    return _strained(F, torch.where(flows[:, None], new, 0.0), flows)


def _flow_rate(over: Tensor, law: HerschelBulkley, relaxing: Tensor) -> Tensor:
    """γ̇ of η γ̇ⁿ + a γ̇ = `over`, by halving an interval of ln γ̇, shape (n,)."""
    n, eta = law.index.value, law.consistency.value
    high = torch.minimum((over / relaxing.clamp(min=1e-300)).log(), (over / eta).log() / n)
    low = high - 2 * math.log(2) * max(1.0, 1 / n)
    for _ in range(80):
        middle = (low + high) / 2
        fast = eta * (n * middle).exp() + relaxing * middle.exp() > over
        low, high = torch.where(fast, low, middle), torch.where(fast, middle, high)
    return ((low + high) / 2).exp()


def _mean_of_unit_volume(d: Tensor) -> Tensor:
    """The m with det(m I + diag d) = 1, of deviators d, shape (n,): the largest root of m³ − ‖d‖²/2 m + Π d − 1."""
    half, product = d.square().sum(-1) / 2, d.prod(-1)
    m = 1 + (2 * half).sqrt()
    for _ in range(60):
        m = m - (m * (m.square() - half) + product - 1) / (3 * m.square() - half)
    return m


def _strains(F: Tensor) -> tuple[Tensor, Tensor]:
    """Logarithmic strains, and their deviators, shape (n, 3) each."""
    strain = signed_svd(F)[1].abs().clamp(min=kernel.LEAST_STRETCH).log()
    return strain, strain - strain.mean(-1, keepdim=True)


def _strained(F: Tensor, change: Tensor, where: Tensor) -> Tensor:
    """F with its logarithmic strains changed; untouched bit for bit elsewhere."""
    U = signed_svd(F)[0]
    return torch.where(where[:, None, None], U @ torch.diag_embed(change.exp()) @ U.mT @ F, F)


def _straight_log(J: Tensor) -> tuple[Tensor, Tensor]:
    """ln J and its slope; a straight line below `LEAST_J`, so that inverted matter is pulled back."""
    least = kernel.LEAST_J
    bounded = J.clamp(min=least)
    return bounded.log() + (J / least - 1).clamp(max=0), 1 / bounded


def _numbers(material: Material) -> tuple[float, float, float]:
    """What the law needs beyond μ and λ."""
    match material.law:
        case FixedCorotated() | NeoHookean():
            return 0.0, 0.0, 0.0
        case VonMises(yield_stress, hardening):
            return yield_stress.value, hardening.value, 0.0
        case DruckerPrager():
            (mu, la), (alpha, k, tip) = lame_of(material), cone(material)
            return (3 * la + 2 * mu) * alpha / (2 * mu), k / (2 * mu), tip
        case Snow(compression, stretch, hardening):
            return compression.value, stretch.value, hardening.value
        case Fluid(bulk, viscosity, exponent):
            return bulk.value, viscosity.value, exponent.value
        case HerschelBulkley(yield_stress, consistency, index):
            return yield_stress.value, consistency.value, index.value
    raise _no_law(material)


def _no_law(material: Material) -> InputError:
    return InputError(f"law of {material.name}", got=material.law.name, wanted="one of " + ", ".join(kernel.LAWS))

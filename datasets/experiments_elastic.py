"""Elastic matter: a ball that conserves, beams that bend as the elastica does, stiffness that shows in a period."""

from __future__ import annotations

from dataclasses import replace
from math import pi, sqrt

import numpy as np
import torch

from scenekit.datasets.experiments import Outcome, grid_points, matter, run
from scenekit.laws import NeoHookean
from scenekit.material import Material, materials
from scenekit.plots import Series
from scenekit.poses import Pose
from scenekit.quantities import Quantity
from scenekit.sim.colliders import Collider
from scenekit.sim.control import Control
from scenekit.sim.energy import Meter
from scenekit.sim.model import Domain, Model
from scenekit.sim.mpm import SolverMPM
from scenekit.sim.shapes import Box, Plane
from scenekit.sim.state import State

ELASTICA_DROP, ELASTICA_SHORTENING = 0.6033, 0.2544
"""Tip of a cantilever under PL²/EI = 3, per length (Bisshopp and Drucker 1945)."""


SLENDER = 0.1
"""Thickness of beams per length."""


def soft(*, density: float = 1000.0, youngs_modulus: float = 1e5, poissons_ratio: float = 0.3) -> Material:
    """An elastic substance with these numbers."""
    numbers = {"density": density, "youngs_modulus": youngs_modulus, "poissons_ratio": poissons_ratio}
    return replace(
        materials["jelly"], name="soft", law=NeoHookean(), **{name: Quantity(value) for name, value in numbers.items()}
    )


def ball(material: Material, *, radius: float, cells: int, room: float, height: float | None = None) -> Model:
    """A ball in the middle of a cubic room, afloat, or over a floor and falling from a height of its lowest point.

    Args:
        material: What it is made of.
        radius: [m].
        cells: Of the grid along its radius.
        room: Side of the room [radii].
        height: Over the floor [m]; None leaves it afloat.
    """
    cell = radius / cells
    points = grid_points((-radius,) * 3, (radius,) * 3, cell / 2)
    points = points[points.norm(dim=1) <= radius]
    half = room * radius / 2
    floor = 3 * cell
    middle = torch.tensor([half, half, half if height is None else floor + height + radius])
    domain = Domain((0.0, 0.0, 0.0), (2 * half,) * 3, cell)
    colliders = () if height is None else (Collider(Plane(), Pose((0, 0, floor)), friction=0.0),)
    gravity = (0.0, 0.0, 0.0 if height is None else -9.81)
    return Model(gravity, domain, matter(points + middle, cell / 2, material), colliders=colliders)


def bouncing_ball() -> Outcome:
    """A ball falls on a smooth floor and bounces: what it has of energy never grows."""
    model = ball(soft(youngs_modulus=2e4), radius=0.1, cells=6, room=6, height=0.2)
    particles, domain, meter = model.particles, model.domain, Meter(model)
    assert particles is not None
    assert domain is not None
    on_floor = 9.81 * 3 * domain.cell * float(particles.mass.double().sum())  # what lies on the floor has no energy
    found = [(b.time, b.energy - on_floor) for b in map(meter, run(model, SolverMPM(model), seconds=1.0, frame=5e-3))]
    times, energies = np.array(found).T
    growth = float(energies.max() / energies[0] - 1)
    lost = 1 - energies[-1] / energies[0]
    detail = f"{lost:.1%} of the energy is gone after {times[-1]:.1f} s and two bounces"
    curve = Series("kinetic + elastic + potential", times, energies)
    return Outcome("elastic ball bounces", "growth of energy", growth, 1e-3, detail, (curve,), ("t [s]", "energy [J]"))


def spinning_ball() -> Outcome:
    """A free ball that moves and spins keeps both momenta."""
    model = ball(soft(youngs_modulus=5e4), radius=0.1, cells=5, room=6)
    particles = model.particles
    assert particles is not None
    state = model.state()
    middle = state.particle_x.mean(0)
    spin, drift = torch.tensor([1.0, -2.0, 4.0]), torch.tensor([0.05, 0.02, -0.04])
    state.particle_v += drift + torch.linalg.cross(spin.expand(len(particles), 3), state.particle_x - middle)
    state.particle_C += torch.tensor([[0.0, -spin[2], spin[1]], [spin[2], 0.0, -spin[0]], [-spin[1], spin[0], 0.0]])
    balances = [Meter(model)(now) for now in run(model, SolverMPM(model), seconds=1.0, frame=0.02, state=state)]
    time = np.array([balance.time for balance in balances])
    linear = _change([balance.momentum for balance in balances])
    angular = _change([balance.angular_momentum for balance in balances])
    detail = f"linear {linear[-1]:.1e}, angular {angular[-1]:.1e} after 1 s"
    curves = (Series("linear", time, linear), Series("angular", time, angular))
    worst = float(max(linear.max(), angular.max()))
    axes = ("t [s]", "relative change")
    return Outcome("free ball spins", "change of momentum per second", worst, 1e-5, detail, curves, axes)


def _change(vectors: list[tuple[float, float, float]]) -> np.ndarray:
    """How far each vector is from the first, relative to its length."""
    values = np.array(vectors)
    return np.linalg.norm(values - values[0], axis=1) / np.linalg.norm(values[0])


def cantilever(
    *, load: float, length: float = 1.0, thickness: float = SLENDER, cells: int = 8, own_weight: bool = False
) -> tuple[float, float, State]:
    """Drop and shortening of the tip of a clamped beam [lengths], and the state it comes to rest in.

    The beam is damped at the rate of its first mode until it rests. Poisson's ratio is zero, so that EI is E b h³/12.

    Args:
        load: At the tip PL²/EI; of its own weight wL³/EI.
        length: L [m].
        thickness: h [m]; the width is two cells, which changes nothing.
        cells: Of the grid through the thickness.
        own_weight: Spread the load along the beam instead of at its tip.
    """
    E, rho = 1e5, 1000.0
    cell = thickness / cells
    root = 6 * cell
    start = root - 4 * cell
    y = 6 * cell
    z = y + length * (0.8 if load > 0.5 else 0.3)
    width = 2 * cell
    points = grid_points((start, y, z), (root + length, y + width, z + thickness), cell / 2)
    material = soft(density=rho, youngs_modulus=E, poissons_ratio=0.0)
    high = (root + length * 1.05 + 6 * cell, y + width + 6 * cell, z + thickness + 8 * cell)
    high = tuple(cell * np.ceil(h / cell) for h in high)
    held = (root + 0.01 * cell) / 2  # the nodes at the root too
    clamp = Collider(Box((held, 1.0, 2.0)), Pose((held, 0.0, 0.0)), contact="sticky")
    model = Model(
        (0, 0, 0), Domain((0.0, 0.0, 0.0), high, cell), matter(points, cell / 2, material), colliders=(clamp,)
    )
    stiffness, area = E * width * thickness**3 / 12, width * thickness
    omega = 3.516 * sqrt(stiffness / (rho * area * length**4))
    x = points[:, 0]
    end = x > root + length - cell
    arm = float(x[end].mean()) - root  # where a load at the tip acts, and where the drop is read
    force = load * stiffness / (length if own_weight else arm) ** 2  # [N]
    loaded = (x > root) if own_weight else end
    mass = model.particles.mass  # type: ignore[union-attr]
    push = torch.where(loaded, -force / float(mass[loaded].double().sum()), 0.0).float()

    def damped(state: State, control: Control) -> None:
        control.particle_a.copy_(-2 * omega * state.particle_v)
        control.particle_a[:, 2] += push

    rest = points[end].mean(0)
    state = model.state()
    for _ in run(model, SolverMPM(model), seconds=12 / omega, frame=0.02 / omega, state=state, command=damped):
        pass
    moved = (state.particle_x[end].double().mean(0) - rest) / arm
    return -float(moved[2]), -float(moved[0]), state


def small_deflection() -> Outcome:
    """A beam bends under its own weight by wL⁴/8EI, and a little by shear."""
    load = 0.05
    drop, _, state = cantilever(load=load, own_weight=True)
    theory = load / 8 * (1 + 0.8 * SLENDER**2)  # Timoshenko: κ = 5/6, ν = 0
    error = abs(drop / theory - 1)
    detail = f"tip {drop:.5f} L, Euler–Bernoulli with Timoshenko's shear {theory:.5f} L"
    return Outcome("cantilever, small deflection", "error of the tip", error, 0.03, detail, *_beam(state))


def large_deflection() -> Outcome:
    """A beam bends under a load at its tip as the elastica does."""
    drop, shortening, state = cantilever(load=3.0)
    error = max(abs(drop / ELASTICA_DROP - 1), abs(shortening / ELASTICA_SHORTENING - 1))
    detail = f"tip {drop:.4f} L down, {shortening:.4f} L back; elastica {ELASTICA_DROP} and {ELASTICA_SHORTENING}"
    return Outcome("cantilever, large deflection", "error of the tip", error, 0.03, detail, *_beam(state))


def _beam(state: State) -> tuple[tuple[Series, ...], tuple[str, str]]:
    """The beam as it hangs, for a plot."""
    x = state.particle_x
    return (Series("particles", x[::7, 0].numpy(), x[::7, 2].numpy(), marks=True),), ("x [m]", "z [m]")


def breathing_period(material: Material) -> float:
    """Period of the longitudinal vibration of a free bar [s], from its kinetic energy."""
    cell, length = 0.02, 0.4
    points = grid_points((0.3, 0.1, 0.1), (0.3 + length, 0.18, 0.18), cell / 2)
    model = Model((0, 0, 0), Domain((0.0, 0.0, 0.0), (1.0, 0.28, 0.28), cell), matter(points, cell / 2, material))
    state = model.state()
    state.particle_v[:, 0] = 0.02 * torch.sin(pi * (points[:, 0] - 0.5) / length).float()
    wave = sqrt(material.youngs_modulus.value / material.density.value)
    guess, times, ends = 2 * length / wave, [], []
    for now in run(model, SolverMPM(model), seconds=2.2 * guess, frame=guess / 100, state=state):
        times.append(now.time)
        ends.append(float(now.particle_x[:, 0].max() - now.particle_x[:, 0].min()))
    swing = np.array(ends) - ends[0]
    down = [i for i in range(1, len(swing)) if swing[i - 1] > 0 >= swing[i]]
    up = [i for i in range(1, len(swing)) if swing[i - 1] <= 0 < swing[i] and i > down[0]]
    first, second = _crossing(times, swing, down[0]), _crossing(times, swing, up[0])
    return 2 * (second - first)


def _crossing(times: list[float], values: np.ndarray, i: int) -> float:
    a, b = values[i - 1], values[i]
    return times[i - 1] + (times[i] - times[i - 1]) * a / (a - b)


def stiffness_and_mass_counterfactual() -> Outcome:
    """Twice the stiffness makes a bar swing √2 times as fast, twice the density √2 times as slowly."""
    usual = breathing_period(soft(youngs_modulus=1e5, poissons_ratio=0.0))
    stiff = breathing_period(soft(youngs_modulus=2e5, poissons_ratio=0.0))
    heavy = breathing_period(soft(youngs_modulus=1e5, density=2000.0, poissons_ratio=0.0))
    error = max(abs(usual / stiff / sqrt(2) - 1), abs(heavy / usual / sqrt(2) - 1))
    theory = 2 * 0.4 / sqrt(1e5 / 1000)
    detail = f"period {usual:.4f} s (bar theory {theory:.4f}), stiff {stiff:.4f}, heavy {heavy:.4f}"
    return Outcome("twice the stiffness, twice the mass", "error of the ratio √2", error, 0.02, detail)

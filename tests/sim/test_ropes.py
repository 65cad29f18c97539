"""Ropes against the catenary, stiff and elastic, the pendulum and the beam."""

from dataclasses import replace
from math import pi

import numpy as np
import pytest
import torch
from scipy.optimize import brentq

from scenekit.errors import InputError
from scenekit.material import Material
from scenekit.quantities import Quantity as Q
from scenekit.sim.model import Model
from scenekit.sim.ropes import rope
from scenekit.sim.state import State
from scenekit.sim.xpbd import SolverXPBD, XPBDConfig

RUBBER = Material("rubber", Q(1100), Q(5e6), Q(0.48), Q(0.9), Q(0))
G = 9.81


def run(model: Model, seconds: float, config: XPBDConfig | None = None) -> State:
    solver, state, control = SolverXPBD(model, config), model.state(), model.control()
    for _ in range(round(seconds * 60)):
        solver.step(state, state, control, 1 / 60)
    return state


def straight(length: float, pieces: int) -> torch.Tensor:
    x = torch.zeros(pieces + 1, 3)
    x[:, 0] = torch.linspace(0, length, pieces + 1)
    return x


def festoon(span: float, length: float, pieces: int) -> torch.Tensor:
    """A V with its ends on one level."""
    s = torch.linspace(0, 1, pieces + 1)
    drop = (length**2 - span**2) ** 0.5 / 2
    return torch.stack([span * s, 0 * s, -drop * (1 - (2 * s - 1).abs())], 1)


def elastic_catenary(s: np.ndarray, span: float, length: float, weight: float, stiffness: float) -> np.ndarray:
    """Irvine 1981: points of a rope of weight per length w [N/m] and stiffness EA [N] between ends on one level."""
    V = weight * length / 2

    def at(s: np.ndarray, H: float) -> tuple[np.ndarray, np.ndarray]:
        left = V - weight * s
        x = H * s / stiffness + H / weight * (np.arcsinh(V / H) - np.arcsinh(left / H))
        z = s / stiffness * (weight * s / 2 - V) + H / weight * (np.hypot(1, left / H) - np.hypot(1, V / H))
        return x, z

    H = brentq(lambda H: at(np.array(length), H)[0] - span, 1e-6 * V, 1e4 * V)
    return np.stack(at(s, H), 1)


@pytest.mark.parametrize("softer", [1, 500])
def test_a_rope_hangs_in_the_elastic_catenary(softer: float) -> None:
    """Within 2 % of its sag; at 5 MPa it stretches by a thousandth, 500 times softer by some 40 %."""
    span, length, n, r = 1.0, 1.2, 60, 0.005
    material = replace(RUBBER, youngs_modulus=Q(5e6 / softer))
    hung = rope(festoon(span, length, n), material, radius=r).attach(torch.tensor([0, n]))
    state = run(Model(elements=hung), 5.0, XPBDConfig(damping=2.0))
    area = pi * r**2
    s = np.linspace(0, length, n + 1)
    wanted = elastic_catenary(s, span, length, 1100 * area * G, 5e6 / softer * area)
    found = state.vertex_x.double().numpy()[:, [0, 2]]
    assert np.abs(found - wanted).max() < 0.02 * -wanted[:, 1].min()


def test_a_rope_swings_with_the_period_of_a_pendulum() -> None:
    """A stiff bar of two vertices, one held, at 5°: T = 2π √(l/g) (1 + θ²/16)."""
    angle, length = np.radians(5), 0.5
    points = torch.tensor([[0, 0, 0], [length * np.sin(angle), 0, -length * np.cos(angle)]], dtype=torch.float32)
    model = Model(elements=rope(points, RUBBER, radius=0.01).attach(torch.tensor([0])))
    solver, state, control = SolverXPBD(model), model.state(), model.control()
    x = []
    for _ in range(600):
        solver.step(state, state, control, 0.005)
        x.append(float(state.vertex_x[1, 0]))
    signs = np.sign(x)
    at = np.flatnonzero(signs[1:] != signs[:-1])
    crossing = 0.005 * (at + 1 + np.array(x)[at] / (np.array(x)[at] - np.array(x)[at + 1]))
    period = 2 * (crossing[-1] - crossing[0]) / (len(crossing) - 1)
    assert period == pytest.approx(2 * pi * (length / G) ** 0.5 * (1 + angle**2 / 16), rel=2e-3)


@pytest.mark.parametrize("pieces", [12, 24])
def test_a_clamped_rope_with_a_rigidity_sags_like_a_beam(pieces: int) -> None:
    """w L⁴ / 8 EI, whatever the spacing; the clamp is half a piece beyond the second vertex that is fixed."""
    length, r = 0.5, 0.01
    rigidity = 1e7 * pi * r**4 / 4
    piece = length / (pieces - 0.5)
    bar = rope(straight(piece * pieces, pieces), replace(RUBBER, youngs_modulus=Q(1e7)), radius=r, bending=rigidity)
    mass = bar.mass.clone()
    mass[:2] = 0
    gravity = 0.2
    model = Model(elements=replace(bar, mass=mass), gravity=(0, 0, -gravity))
    state = run(model, 3.0, XPBDConfig(damping=4.0, softness=0.02))
    load = 1100 * pi * r**2 * gravity
    assert -float(state.vertex_x[-1, 2]) == pytest.approx(load * length**4 / (8 * rigidity), rel=0.05)


@pytest.mark.parametrize(
    ("points", "options", "message"),
    [
        (torch.zeros(1, 3), {"radius": 0.1}, "two points"),
        (torch.zeros(2, 3), {"radius": 0.1}, "edge_rest"),
        (straight(1, 4), {"radius": 0.0}, "radius"),
        (straight(1, 4), {"radius": 0.1, "bending": -1.0}, "bending"),
        (straight(1, 4) * torch.inf, {"radius": 0.1}, "finite"),
    ],
)
def test_what_is_no_rope_is_refused(points: torch.Tensor, options: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        rope(points, RUBBER, **options)

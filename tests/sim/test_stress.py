"""The laws of MPM against finite differences, yield surfaces, closed forms; and the kernel against them."""

import math
from dataclasses import replace

import pytest
import torch
import warp as wp

from scenekit._kernels.launch import OPTIONS, launch
from scenekit._kernels.mpm_laws import LAWS, respond
from scenekit._kernels.polar import eigen, exponential, left_stretch, logarithm
from scenekit.errors import InputError
from scenekit.laws import DruckerPrager, FixedCorotated, Fluid, HerschelBulkley, Law, NeoHookean, Rigid, Snow, VonMises
from scenekit.material import Material
from scenekit.quantities import Quantity
from scenekit.sim import stress

wp.set_module_options(OPTIONS)

EYE = torch.eye(3, dtype=torch.float64)
E = 1e5


def of(value: float) -> Quantity:
    return Quantity(value)


def matter(law: Law, *, E: float = E, nu: float = 0.3, density: float = 1000.0) -> Material:
    return Material("matter", of(density), of(E), of(nu), of(0.5), of(0.5), law)


MATTER = {
    material.law.name: material
    for material in (
        matter(FixedCorotated()),
        matter(NeoHookean()),
        matter(VonMises(of(5e3), of(2e4))),
        matter(DruckerPrager(of(30.0), of(500.0))),
        matter(Snow()),
        matter(Fluid(of(1e5), of(2.0))),
        matter(HerschelBulkley(of(3e3), of(50.0), of(0.4))),
    )
}
FLOWING = {name: MATTER[name] for name in ("von-mises", "drucker-prager", "herschel-bulkley")}


def rotations(n: int, rng: torch.Generator) -> torch.Tensor:
    Q = torch.linalg.qr(torch.randn(n, 3, 3, generator=rng, dtype=torch.float64))[0]
    return Q * torch.linalg.det(Q)[:, None, None]


def deformations(n: int, *, strain: float = 0.3, seed: int = 0) -> torch.Tensor:
    """R (I + S): rotations of any size after stretches whose largest is up to `strain`."""
    rng = torch.Generator().manual_seed(seed)
    S = torch.randn(n, 3, 3, generator=rng, dtype=torch.float64)
    S = (S + S.mT) / torch.linalg.matrix_norm(S + S.mT, 2)[:, None, None]
    size = strain * torch.rand(n, 1, 1, generator=rng, dtype=torch.float64)
    return rotations(n, rng) @ (EYE + size * S)


def squeezed(n: int, *, seed: int = 0) -> torch.Tensor:
    """Deformations in the region where sand is pressed."""
    return 0.97 * deformations(n, strain=0.1, seed=seed)


def gradients(n: int, *, seed: int = 1) -> torch.Tensor:
    return 10 * torch.randn(n, 3, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def norm(tau: torch.Tensor) -> torch.Tensor:
    return tau.square().sum((-2, -1)).sqrt()


def deviator(tau: torch.Tensor) -> torch.Tensor:
    return tau - tau.diagonal(0, -2, -1).sum(-1)[:, None, None] / 3 * EYE


@pytest.mark.parametrize("material", MATTER.values(), ids=MATTER)
def test_stress_is_the_slope_of_energy(material: Material):
    n, h = 300, 1e-4
    F = deformations(n)
    F = F[(torch.linalg.det(F) - 1).abs() > 1e-2] if isinstance(material.law, Fluid) else F
    memory = torch.full((len(F),), 0.95, dtype=torch.float64)
    slope = torch.zeros_like(F)
    for i in range(3):
        for j in range(3):
            step = torch.zeros(3, 3, dtype=torch.float64)
            step[i, j] = h
            near, far = (
                stress.energy(material, F + k * step, memory) - stress.energy(material, F - k * step, memory)
                for k in (1, 2)
            )
            slope[:, i, j] = (8 * near - far) / (12 * h)
    P = stress.first_piola(material, F, memory)
    assert ((norm(P - slope) / norm(P).clamp(min=1e-3 * E)).max()) < 1e-6


@pytest.mark.parametrize("material", MATTER.values(), ids=MATTER)
def test_rest_has_neither_stress_nor_energy(material: Material):
    F, memory = EYE[None], torch.ones(1, dtype=torch.float64)
    assert stress.energy(material, F, memory).abs().max() < 1e-9
    assert stress.first_piola(material, F, memory).abs().max() < 1e-9


@pytest.mark.parametrize("name", [name for name in MATTER if name != "fluid"])
def test_small_strains_answer_as_hooke_says(name: str):
    """Uniaxial stress: E per strain and −ν across, of every solid law."""
    h, nu = 1e-6, 0.3
    material = MATTER[name]
    F = (EYE + h * torch.diag(torch.tensor([1.0, -nu, -nu], dtype=torch.float64)))[None]
    P = stress.first_piola(material, F, torch.ones(1, dtype=torch.float64))
    torch.testing.assert_close(P[0] / h, torch.diag(torch.tensor([E, 0, 0])).double(), atol=E * 1e-4, rtol=0)


@pytest.mark.parametrize("material", FLOWING.values(), ids=FLOWING)
def test_what_yields_lands_on_the_yield_surface(material: Material):
    F = squeezed(500)
    memory = torch.zeros(len(F), dtype=torch.float64)
    still = replace(material.law, consistency=of(1e-9)) if isinstance(material.law, HerschelBulkley) else material.law
    material = replace(material, law=still)
    beyond = stress.yield_function(material, F, memory) > 1e-3 * E
    left, memory = stress.flow(material, F, memory, torch.zeros_like(F), 1e-3)
    assert beyond.sum() > 50
    # Herschel and Bulkley's matter comes to rest on the surface as viscosity vanishes.
    assert stress.yield_function(material, left, memory)[beyond].abs().max() < 1e-6 * E


@pytest.mark.parametrize("material", MATTER.values(), ids=MATTER)
def test_elastic_states_are_left_alone(material: Material):
    F = 0.999 * deformations(200, strain=1e-3)
    memory = torch.full((len(F),), float(isinstance(material.law, Snow | Fluid)), dtype=torch.float64)
    left, after = stress.flow(material, F, memory, torch.zeros_like(F), 1e-3)
    if not isinstance(material.law, Fluid):
        assert torch.equal(left, F)
    assert torch.equal(after, memory)


@pytest.mark.parametrize("material", FLOWING.values(), ids=FLOWING)
def test_flow_keeps_the_volume_of_what_is_pressed(material: Material):
    F = squeezed(500)
    F = F[torch.linalg.det(F) < 1]
    left, _ = stress.flow(material, F, torch.zeros(len(F), dtype=torch.float64), torch.zeros_like(F), 1e-3)
    assert (left != F).any(-1).any(-1).sum() > 50
    torch.testing.assert_close(torch.linalg.det(left), torch.linalg.det(F), rtol=1e-10, atol=0)


@pytest.mark.parametrize("material", MATTER.values(), ids=MATTER)
def test_stress_turns_with_the_world(material: Material):
    """τ(Q F) = Q τ(F) Qᵀ, and what is left of Q F is Q times what is left of F."""
    n = 200
    F, C = deformations(n), gradients(n)
    Q = rotations(n, torch.Generator().manual_seed(5))
    memory = torch.full((n,), 0.98, dtype=torch.float64)
    a = stress.respond(material, F, memory, C, 1e-3)
    b = stress.respond(material, Q @ F, memory, Q @ C @ Q.mT, 1e-3)
    torch.testing.assert_close(b.tau, Q @ a.tau @ Q.mT, rtol=0, atol=1e-9 * E)
    torch.testing.assert_close(b.memory, a.memory)
    torch.testing.assert_close(norm(b.F), norm(a.F))


@wp.kernel
def _respond(
    first: int,
    stride: int,
    law: int,
    parameters: wp.array2d(dtype=float),
    F: wp.array(dtype=wp.mat33),
    memory: wp.array(dtype=float),
    C: wp.array(dtype=wp.mat33),
    dt: float,
    tau: wp.array(dtype=wp.mat33),
):
    i = first + wp.tid() * stride
    left, remembered, t = respond(law, parameters, 0, F[i], memory[i], C[i], dt)
    F[i] = left
    memory[i] = remembered
    tau[i] = t


def by_kernel(material: Material, F: torch.Tensor, memory: torch.Tensor, C: torch.Tensor, dt: float) -> stress.Response:
    F, memory, C = F.float().contiguous(), memory.float(), C.float().contiguous()
    tau = torch.zeros_like(F)
    matrices = [wp.from_torch(matrix, dtype=wp.mat33) for matrix in (F, C, tau)]
    rows = wp.from_torch(stress.parameters([material]))
    launch(
        _respond,
        len(F),
        [LAWS[material.law.name], rows, matrices[0], wp.from_torch(memory), matrices[1], dt, matrices[2]],
        "cpu",
    )
    return stress.Response(F, memory, tau)


@pytest.mark.parametrize("strain", [1e-3, 0.1, 0.5])
@pytest.mark.parametrize("material", MATTER.values(), ids=MATTER)
def test_the_kernel_agrees_with_its_twin(material: Material, strain: float):
    n = 2000
    F = torch.cat([deformations(n, strain=strain), 0.9 * deformations(n, strain=strain, seed=2)]).float().double()
    C = gradients(2 * n).float().double()
    rest = float(isinstance(material.law, Snow | Fluid))
    memory = (rest + 0.02 * torch.rand(2 * n, generator=torch.Generator().manual_seed(3))).double()
    a, b = by_kernel(material, F, memory, C, 1e-3), stress.respond(material, F, memory, C, 1e-3)
    stiffness = E * stress.hardness(material, b.memory)[:, None, None]
    assert ((a.tau.double() - b.tau).abs() / stiffness.clamp(min=E)).max() < 1e-5
    assert (a.F.double() - b.F).abs().max() < 1e-5
    assert (a.memory.double() - b.memory).abs().max() < 1e-5


def sheared(material: Material, *, rate: float, time: float, steps: int = 400) -> stress.Response:
    """Simple shear at a steady rate from rest."""
    C = torch.zeros(1, 3, 3, dtype=torch.float64)
    C[0, 0, 1] = rate
    at_rest = torch.full((1,), float(isinstance(material.law, Snow | Fluid)), dtype=torch.float64)
    now, dt = stress.Response(EYE[None], at_rest, EYE[None]), time / steps
    for _ in range(steps):
        now = stress.respond(material, (EYE + dt * C) @ now.F, now.memory, C, dt)
    return now


def test_herschel_bulkley_tends_to_newtons_fluid():
    """n = 1 and τ_y = 0: the shear stress comes to η γ̇, after a few relaxation times η/μ."""
    rate, eta = 0.5, 20.0
    now = sheared(matter(HerschelBulkley(of(0.0), of(eta))), rate=rate, time=10 * eta / (E / 2.6))
    assert now.tau[0, 0, 1].item() == pytest.approx(eta * rate, rel=1e-3)


def test_herschel_bulkley_flows_at_its_flow_curve():
    """τ = τ_y + η γ̇ⁿ, with the yield stress and the rate of shear."""
    yields, eta, n, rate = 30.0, 27.0, 0.4, 5.0
    now = sheared(matter(HerschelBulkley(of(yields), of(eta), of(n))), rate=rate, time=0.05)
    assert now.tau[0, 0, 1].item() == pytest.approx(yields + eta * rate**n, rel=2e-3)


def test_a_metal_flows_at_its_yield_stress_and_hardens():
    """In shear at σ_y / √3; the plastic strain is γ / √3 less the elastic one, and each adds H of it."""
    yields, hardening, rate, time = 200.0, 2e3, 1.0, 0.1
    now = sheared(matter(VonMises(of(yields), of(hardening))), rate=rate, time=time)
    q = yields + hardening * now.memory.item()
    assert now.tau[0, 0, 1].item() == pytest.approx(q / math.sqrt(3), rel=1e-3)
    assert now.memory.item() == pytest.approx(rate * time / math.sqrt(3) - q / (3 * E / 2.6), rel=1e-2)


def test_sand_in_simple_shear_slides_where_coulomb_says():
    """With equal normal stresses, as it flows at constant volume: τ = c + σ tan φ."""
    phi, c, normal = math.radians(32.0), 700.0, 2e3
    material = matter(DruckerPrager(of(32.0), of(c)))
    tau = -normal * EYE.clone()
    tau[0, 1] = tau[1, 0] = c + normal * math.tan(phi)
    values, axes = torch.linalg.eigh(tau)
    strains = ((1 + 0.3) * values - 0.3 * values.sum()) / E
    F = (axes @ torch.diag(strains.exp()) @ axes.T)[None]
    assert stress.yield_function(material, F, torch.zeros(1, dtype=torch.float64)).abs().item() < 1e-9 * E


def test_sand_that_is_sheared_slides_at_its_friction_angle():
    """The volume stays, so the pressure does, and τ comes to σ tan φ."""
    C = torch.zeros(1, 3, 3, dtype=torch.float64)
    C[0, 0, 2] = 1.0
    F, memory, dt = 0.999 * EYE[None], torch.zeros(1, dtype=torch.float64), 1e-4
    for _ in range(300):
        F, memory, tau = stress.respond(matter(DruckerPrager(of(30.0))), (EYE + dt * C) @ F, memory, C, dt)
    assert tau[0, 0, 2].item() == pytest.approx(-tau[0, 2, 2].item() * math.tan(math.radians(30.0)), rel=1e-2)


def test_dry_sand_bears_no_tension_and_closes_its_gaps_before_it_bears_again():
    material, still = matter(DruckerPrager(of(30.0))), torch.zeros(1, 3, 3, dtype=torch.float64)
    pulled = stress.respond(material, 1.02 * EYE[None], torch.zeros(1, dtype=torch.float64), still, 1e-3)
    assert pulled.tau.abs().max() == 0
    assert pulled.memory.item() == pytest.approx(3 * math.log(1.02))
    pressed = stress.respond(material, pulled.F / 1.01, pulled.memory, still, 1e-3)
    assert pressed.tau.abs().max() == 0
    closed = stress.respond(material, pressed.F / 1.02, pressed.memory, still, 1e-3)
    left = math.log(1.02 / 1.01 / 1.02)
    bulk = E / (3 * (1 - 0.6))
    torch.testing.assert_close(closed.tau[0], 3 * bulk * left * EYE, rtol=1e-9, atol=1e-9 * E)
    assert closed.memory.item() == 0


def test_wet_sand_bears_tension_up_to_the_tip_of_its_cone():
    phi, c = 30.0, 500.0
    material = matter(DruckerPrager(of(phi), of(c)))
    zero = torch.zeros(1, dtype=torch.float64)
    pulled = stress.respond(material, 1.1 * EYE[None], zero, torch.zeros_like(EYE)[None], 1e-3)
    torch.testing.assert_close(pulled.tau[0], c / math.tan(math.radians(phi)) * EYE, rtol=1e-9, atol=1e-9 * E)


def test_sand_without_friction_or_cohesion_is_a_liquid():
    material, zero = matter(DruckerPrager(of(0.0))), torch.zeros(1, dtype=torch.float64)
    F = 0.95 * deformations(50, strain=0.05)
    tau = stress.respond(material, F, zero.expand(50), torch.zeros_like(F), 1e-3).tau
    assert deviator(tau).abs().max() < 1e-9 * E
    assert (tau.diagonal(0, -2, -1) < 0).all()


def test_snow_hardens_as_it_is_pressed_and_softens_as_it_is_torn():
    material, still = matter(Snow()), torch.zeros(1, 3, 3, dtype=torch.float64)
    fresh = torch.ones(1, dtype=torch.float64)
    pressed = stress.respond(material, 0.95 * EYE[None], fresh, still, 1e-3)
    assert pressed.memory.item() == pytest.approx((0.95 / 0.975) ** 3)
    torch.testing.assert_close(pressed.F[0], 0.975 * EYE)
    assert stress.hardness(material, pressed.memory).item() == pytest.approx(math.exp(10 * (1 - (0.95 / 0.975) ** 3)))
    torn = stress.respond(material, 1.05 * EYE[None], fresh, still, 1e-3)
    assert stress.hardness(material, torn.memory).item() < 0.5


def test_snow_hardens_at_most_twentyfold():
    memory = torch.tensor([0.0, 0.5, 0.7], dtype=torch.float64)
    assert stress.hardness(matter(Snow()), memory).tolist() == pytest.approx([20, 20, math.exp(3)], rel=0.01)


def test_a_fluid_bears_pressure_as_cole_says_and_no_tension():
    material = matter(Fluid(of(1e5)))
    J, C = torch.tensor([0.9, 0.99, 1.0, 1.01], dtype=torch.float64), torch.zeros(4, 3, 3, dtype=torch.float64)
    tau = stress.respond(material, EYE.expand(4, 3, 3), J, C, 1e-3).tau
    pressure = 1e5 / 7 * (J**-7 - 1) * torch.tensor([1, 1, 0, 0])
    torch.testing.assert_close(tau, (-J * pressure)[:, None, None] * EYE)


def test_a_fluid_that_spins_keeps_its_volume():
    """det(I + dt C) of a rotation is above 1, and a vortex would swell."""
    material, spin = matter(Fluid(of(1e5))), torch.zeros(1, 3, 3, dtype=torch.float64)
    spin[0, 0, 1], spin[0, 1, 0] = -100.0, 100.0
    memory = torch.ones(1, dtype=torch.float64)
    assert stress.flow(material, EYE[None], memory, spin, 1e-3)[1].item() == 1


def test_a_fluid_sheared_at_a_rate_bears_viscosity_times_it():
    now = sheared(matter(Fluid(of(1e5), of(3.0))), rate=4.0, time=0.01, steps=10)
    assert now.tau[0, 0, 1].item() == pytest.approx(12.0)


@wp.kernel
def _polar(
    first: int,
    stride: int,
    F: wp.array(dtype=wp.mat33),
    V: wp.array(dtype=wp.mat33),
    U: wp.array(dtype=wp.mat33),
    squares: wp.array(dtype=wp.vec3),
):
    i = first + wp.tid() * stride
    V[i] = left_stretch(F[i])
    u, d = eigen(F[i] * wp.transpose(F[i]))
    U[i] = u
    squares[i] = d


def polar(F: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    F = F.float().contiguous()
    V, U, squares = torch.zeros_like(F), torch.zeros_like(F), torch.zeros(len(F), 3)
    matrices = [wp.from_torch(matrix, dtype=wp.mat33) for matrix in (F, V, U)]
    launch(_polar, len(F), [*matrices, wp.from_torch(squares, dtype=wp.vec3)], "cpu")
    return V.double(), U.double(), squares.double()


def test_stretches_are_those_of_the_singular_values_also_of_inverted_matter():
    F = torch.randn(20000, 3, 3, generator=torch.Generator().manual_seed(0)).double()
    U, sigma, _ = stress.signed_svd(F)
    V = polar(F)[0]
    error = (V - U @ torch.diag_embed(sigma) @ U.mT).abs().amax((1, 2)) / sigma[:, 0]
    apart = (sigma[:, 1] + sigma[:, 2]) / sigma[:, 0]
    assert error[sigma[:, 2] > 0].max() < 1e-5
    assert error[apart > 0.3].max() < 1e-5
    assert (V.abs().amax((1, 2)) <= 1.001 * sigma[:, 0]).all()


@pytest.mark.parametrize("strain", [0.0, 1e-6, 1e-2, 0.3, 0.9])
def test_eigenvectors_are_orthogonal_and_rebuild_the_matrix(strain: float):
    F = deformations(5000, strain=strain).float().double()
    _, U, squares = polar(F)
    b = F @ F.mT
    assert (U @ U.mT - EYE).abs().max() < 2e-6
    assert (U @ torch.diag_embed(squares) @ U.mT - b).abs().max() < 1e-5 * b.abs().max()


@wp.kernel
def _powers(first: int, stride: int, b: wp.array(dtype=wp.mat33), log_b: wp.array(dtype=wp.mat33)):
    i = first + wp.tid() * stride
    log_b[i] = logarithm(b[i])
    b[i] = exponential(log_b[i])


@pytest.mark.parametrize("strain", [1e-4, 0.14, 0.16, 0.5, 0.9])
def test_logarithms_are_those_of_the_eigenvalues_and_exponentials_undo_them(strain: float):
    """Also on both sides of where the power series end."""
    F = deformations(5000, strain=strain)
    b = (F @ F.mT).float()
    again, log_b = b.clone(), torch.zeros_like(b)
    launch(_powers, len(b), [wp.from_torch(matrix, dtype=wp.mat33) for matrix in (again, log_b)], "cpu")
    values, axes = torch.linalg.eigh(b.double())
    exact = axes @ torch.diag_embed(values.log()) @ axes.mT
    assert (log_b - exact).abs().max() < 1e-5 * max(1.0, exact.abs().max())
    assert (again - b).abs().max() < 1e-5 * b.abs().max()


@pytest.mark.parametrize("name", ["fixed-corotated", "neo-hookean"])
def test_inverted_matter_is_pushed_back(name: str):
    """Of a cube mirrored along x, the stress P along x pushes its stretch up."""
    F = torch.diag(torch.tensor([-0.3, 1.0, 1.0]).double())[None]
    P = stress.first_piola(MATTER[name], F, torch.ones(1, dtype=torch.float64))
    assert P[0, 0, 0].item() < 0
    tau = by_kernel(MATTER[name], F, torch.ones(1), torch.zeros_like(F), 1e-3).tau
    torch.testing.assert_close(tau.double(), P @ F.mT, rtol=0, atol=1e-5 * E)


@pytest.mark.parametrize("material", MATTER.values(), ids=MATTER)
def test_no_deformation_makes_the_kernel_answer_what_is_not_a_number(material: Material):
    odd = [torch.zeros(3, 3), 1e-8 * EYE, 1e4 * EYE, -EYE, torch.ones(3, 3), torch.diag(torch.tensor([1e3, 1.0, 1e-6]))]
    F = torch.stack([matrix.double() for matrix in odd])
    for memory in (0.0, 1.0):
        answer = by_kernel(material, F, torch.full((len(F),), memory), 1e3 * gradients(len(F)), 1e-3)
        assert all(value.isfinite().all() for value in answer)


def test_waves_are_as_fast_as_the_stiffest_state_makes_them():
    plain = math.sqrt(E * 0.7 / (1.3 * 0.4) / 1000)
    assert stress.sound_speed(MATTER["neo-hookean"]) == pytest.approx(plain)
    assert stress.sound_speed(MATTER["snow"]) == pytest.approx(plain * math.sqrt(20))
    assert stress.sound_speed(MATTER["fluid"]) == pytest.approx(math.sqrt(1e5 / 1000 / 0.9**6))
    assert stress.kinematic_viscosity(MATTER["fluid"]) == pytest.approx(2e-3)
    assert stress.kinematic_viscosity(MATTER["snow"]) == 0


def test_a_law_of_another_solver_is_refused():
    with pytest.raises(InputError, match="rigid"):
        stress.parameters([matter(Rigid())])

"""Laws of matter for the material point method: from a trial deformation to the elastic one and its stress.

`respond` is for other kernels. Its twin in float64, with the formulas and sources, is `scenekit.sim.stress`, which
packs the rows of parameters: μ, λ, then what the law needs. All laws are isotropic, so that b = F Fᵀ is enough: what
flows turns the singular values σ of F into s, and F into U diag(s/σ) Uᵀ F, with U the eigenvectors of b.
"""

import warp as wp

from scenekit._kernels.launch import OPTIONS
from scenekit._kernels.polar import eigen, exponential, left_stretch, logarithm, spectral

wp.set_module_options(OPTIONS)

LAWS = {
    "fixed-corotated": 0,
    "neo-hookean": 1,
    "von-mises": 2,
    "drucker-prager": 3,
    "snow": 4,
    "fluid": 5,
    "herschel-bulkley": 6,
}
"""Numbers of the laws."""

LEAST_J = wp.constant(0.1)
"""Below it neo-Hookean's logarithm goes on as a straight line."""

LEAST_STRETCH = wp.constant(1.0e-3)
"""Singular values below it count as it."""

HARDEST = wp.constant(20.0)
"""Snow is at most so many times as stiff as when fresh."""

LEAST_PACKED = wp.constant(0.1)
MOST_PACKED = wp.constant(20.0)
"""Bounds of snow's J_P."""

SPARSEST = wp.constant(1.0)
"""Most J that a fluid remembers: what parts further is spray, without tension, and bears again once it meets."""

DENSEST = wp.constant(0.3)
"""Least J of a fluid."""

FLOW_STEPS = wp.constant(5)
"""Newton's, for the rate of Herschel and Bulkley."""


@wp.func
def fixed_corotated(mu: float, la: float, F: wp.mat33):
    """Kirchhoff stress 2 μ (V² − V) + λ (J − 1) J I, with V the left stretch."""
    J = wp.determinant(F)
    V = left_stretch(F)
    return 2.0 * mu * (V * V - V) + la * (J - 1.0) * J * wp.identity(n=3, dtype=float)


@wp.func
def neo_hookean(mu: float, la: float, F: wp.mat33):
    """Kirchhoff stress μ F Fᵀ + (λ ln J − μ) I."""
    J = wp.determinant(F)
    log_J = wp.log(wp.max(J, LEAST_J)) + wp.min(J / LEAST_J - 1.0, 0.0)
    slope = wp.min(J / LEAST_J, 1.0)
    return mu * F * wp.transpose(F) + (la * log_J - mu) * slope * wp.identity(n=3, dtype=float)


@wp.func
def _hencky(mu: float, la: float, e: wp.mat33):
    """Kirchhoff stress of logarithmic strains."""
    return 2.0 * mu * e + la * wp.trace(e) * wp.identity(n=3, dtype=float)


@wp.func
def _deviator(A: wp.mat33):
    return A - wp.trace(A) / 3.0 * wp.identity(n=3, dtype=float)


@wp.func
def _von_mises(mu: float, la: float, yields: float, hardening: float, F: wp.mat33, strain: float):
    e = 0.5 * logarithm(F * wp.transpose(F))
    shear = _deviator(e)
    q = 2.4494897 * mu * wp.sqrt(wp.ddot(shear, shear))
    excess = q - yields - hardening * strain
    if excess > 0.0:
        flow = excess / (3.0 * mu + hardening)
        change = -(3.0 * mu * flow / q) * shear
        F = exponential(change) * F
        e = e + change
        strain = strain + flow
    return F, strain, _hencky(mu, la, e)


@wp.func
def _drucker_prager(mu: float, la: float, slope: float, cohesion: float, tip: float, F: wp.mat33, gap: float):
    I = wp.identity(n=3, dtype=float)
    at = 0.5 * logarithm(F * wp.transpose(F))
    shear = _deviator(at)
    size = wp.sqrt(wp.ddot(shear, shear))
    volume = wp.trace(at) + gap
    excess = size + slope * volume - cohesion
    e = at + gap / 3.0 * I
    if volume >= tip:
        e = tip / 3.0 * I
    elif excess > 0.0:
        e = e - (excess / size) * shear
    if volume >= tip or excess > 0.0 or gap > 0.0:
        F = exponential(e - at) * F
    return F, wp.max(volume - tip, 0.0), _hencky(mu, la, e)


@wp.func
def _snow(mu: float, la: float, compression: float, stretch: float, hardening: float, F: wp.mat33, packed: float):
    U, squares = eigen(F * wp.transpose(F))
    s = wp.vec3(0.0, 0.0, 0.0)
    change = wp.vec3(1.0, 1.0, 1.0)
    for i in range(3):
        sigma = wp.sqrt(wp.max(squares[i], LEAST_STRETCH * LEAST_STRETCH))
        s[i] = wp.clamp(sigma, 1.0 - compression, 1.0 + stretch)
        change[i] = s[i] / sigma
    grown = change[0] * change[1] * change[2]
    if change[0] != 1.0 or change[1] != 1.0 or change[2] != 1.0:
        F = spectral(U, change) * F
        packed = wp.clamp(packed / grown, LEAST_PACKED, MOST_PACKED)
    J = s[0] * s[1] * s[2]
    harder = wp.min(wp.exp(hardening * (1.0 - packed)), HARDEST)
    tau = wp.vec3(0.0, 0.0, 0.0)
    for i in range(3):
        tau[i] = harder * (2.0 * mu * s[i] * (s[i] - 1.0) + la * J * (J - 1.0))
    return F, packed, spectral(U, tau)


@wp.func
def _fluid(bulk: float, viscosity: float, exponent: float, J: float, C: wp.mat33, dt: float):
    unit = wp.identity(n=3, dtype=float)
    rate = wp.trace(C)
    J = wp.clamp(J * (1.0 + dt * rate), DENSEST, SPARSEST)
    pressure = bulk / exponent * wp.max(wp.pow(J, -exponent) - 1.0, 0.0)
    shear = C + wp.transpose(C) - (2.0 / 3.0 * rate) * unit
    return wp.pow(J, 1.0 / 3.0) * unit, J, J * (viscosity * shear - pressure * unit)


@wp.func
def _flow_rate(over: float, consistency: float, index: float, relaxing: float):
    """The rate g with η gⁿ + a g = `over`: convex in ln g, so Newton's method falls to it from the lesser bound."""
    target = wp.log(over)
    y = wp.min(target - wp.log(relaxing), (target - wp.log(consistency)) / index)
    for _step in range(FLOW_STEPS):
        viscous = consistency * wp.exp(index * y)
        elastic = relaxing * wp.exp(y)
        whole = viscous + elastic
        y = y - (wp.log(whole) - target) * whole / (index * viscous + elastic)
    return wp.exp(y)


@wp.func
def _herschel_bulkley(mu: float, la: float, yields: float, consistency: float, index: float, F: wp.mat33, dt: float):
    I = wp.identity(n=3, dtype=float)
    J = wp.max(wp.abs(wp.determinant(F)), LEAST_STRETCH)
    b = wp.pow(J, -2.0 / 3.0) * F * wp.transpose(F)
    mean = wp.trace(b) / 3.0
    d = b - mean * I
    shear = 0.70710678 * mu * wp.sqrt(wp.ddot(d, d))
    over = shear - yields
    if over > 1.0e-6 * mu and dt > 0.0:
        rate = _flow_rate(over, consistency, index, mu * mean * dt)
        d = ((yields + consistency * wp.pow(rate, index)) / shear) * d
        # The new b̄ = m I + d keeps det b̄ = 1: Newton's method falls to m from above.
        half = 0.5 * wp.ddot(d, d)
        product = wp.determinant(d)
        mean = wp.min(mean, 1.0 + wp.sqrt(2.0 * half))
        for _step in range(FLOW_STEPS):
            mean = mean - (mean * (mean * mean - half) + product - 1.0) / (3.0 * mean * mean - half)
        F = exponential(0.5 * (logarithm(mean * I + d) - logarithm(b))) * F
    return F, mu * d + 0.5 * (la + 2.0 / 3.0 * mu) * (J * J - 1.0) * I


@wp.func
def respond(law: int, parameters: wp.array2d(dtype=float), m: int, F_trial: wp.mat33, memory: float, C: wp.mat33,
            dt: float):
    """The elastic deformation that is left of a trial one, what the law remembers, and the Kirchhoff stress [Pa].

    The trial is (I + dt C) F, and C the gradient of velocity [1/s]. The stress τ = P Fᵀ is symmetric and holds the
    viscous part where a law has one.
    """
    mu = parameters[m, 0]
    la = parameters[m, 1]
    p = parameters[m, 2]
    q = parameters[m, 3]
    r = parameters[m, 4]
    F = F_trial
    tau = wp.mat33()
    if law == 0:
        tau = fixed_corotated(mu, la, F)
    elif law == 1:
        tau = neo_hookean(mu, la, F)
    elif law == 2:
        F, memory, tau = _von_mises(mu, la, p, q, F, memory)
    elif law == 3:
        F, memory, tau = _drucker_prager(mu, la, p, q, r, F, memory)
    elif law == 4:
        F, memory, tau = _snow(mu, la, p, q, r, F, memory)
    elif law == 5:
        F, memory, tau = _fluid(p, q, r, memory, C, dt)
    else:
        F, tau = _herschel_bulkley(mu, la, p, q, r, F, dt)
    return F, memory, tau

"""Laws of matter for the material point method, in Taichi: `respond` as in `mpm_laws.py`, whose constants these are.

`scenekit.sim.stress` has the formulas and their sources.
"""

import taichi as ti

mat33 = ti.types.matrix(3, 3, ti.f32)
vec3 = ti.types.vector(3, ti.f32)

LEAST_J = 0.1
LEAST_STRETCH = 1.0e-3
HARDEST = 20.0
LEAST_PACKED = 0.1
MOST_PACKED = 20.0
SPARSEST = 1.0
DENSEST = 0.3
FLOW_STEPS = 5


@ti.func
def unit():
    return ti.Matrix.identity(ti.f32, 3)


@ti.func
def spectral(U, d):
    """U diag(d) Uᵀ."""
    return U @ mat33([[d[0], 0.0, 0.0], [0.0, d[1], 0.0], [0.0, 0.0, d[2]]]) @ U.transpose()


@ti.func
def fixed_corotated(mu, la, U, sigma):
    J = sigma[0] * sigma[1] * sigma[2]
    return spectral(U, 2.0 * mu * sigma * (sigma - 1.0) + la * (J - 1.0) * J)


@ti.func
def neo_hookean(mu, la, F):
    J = F.determinant()
    log_J = ti.log(ti.max(J, LEAST_J)) + ti.min(J / LEAST_J - 1.0, 0.0)
    slope = ti.min(J / LEAST_J, 1.0)
    return mu * F @ F.transpose() + (la * log_J - mu) * slope * unit()


@ti.func
def hencky(mu, la, U, e):
    return spectral(U, 2.0 * mu * e + la * e.sum())


@ti.func
def strains(sigma):
    """Logarithmic ones."""
    return ti.log(ti.max(ti.abs(sigma), LEAST_STRETCH))


@ti.func
def von_mises(mu, la, yields, hardening, F, U, sigma, strain):
    e = strains(sigma)
    shear = e - e.sum() / 3.0
    q = 2.4494897 * mu * shear.norm()
    excess = q - yields - hardening * strain
    left, remembered = F, strain
    if excess > 0.0:
        flow = excess / (3.0 * mu + hardening)
        change = -(3.0 * mu * flow / q) * shear
        left = spectral(U, ti.exp(change)) @ F
        e += change
        remembered += flow
    return left, remembered, hencky(mu, la, U, e)


@ti.func
def drucker_prager(mu, la, slope, cohesion, tip, F, U, sigma, gap):
    at = strains(sigma)
    e = at + gap / 3.0
    volume = e.sum()
    shear = e - volume / 3.0
    size = shear.norm()
    excess = size + slope * volume - cohesion
    if volume >= tip:
        e = vec3(tip / 3.0)
    elif excess > 0.0:
        e -= (excess / size) * shear
    left = F
    if volume >= tip or excess > 0.0 or gap > 0.0:
        left = spectral(U, ti.exp(e - at)) @ F
    return left, ti.max(volume - tip, 0.0), hencky(mu, la, U, e)


@ti.func
def snow(mu, la, compression, stretch, hardening, F, U, sigma, packed):
    old = ti.max(ti.abs(sigma), LEAST_STRETCH)
    s = ti.min(ti.max(old, 1.0 - compression), 1.0 + stretch)
    change = s / old
    left, remembered = F, packed
    if change[0] != 1.0 or change[1] != 1.0 or change[2] != 1.0:
        left = spectral(U, change) @ F
        remembered = ti.min(ti.max(packed / (change[0] * change[1] * change[2]), LEAST_PACKED), MOST_PACKED)
    J = s[0] * s[1] * s[2]
    harder = ti.min(ti.exp(hardening * (1.0 - remembered)), HARDEST)
    return left, remembered, spectral(U, harder * (2.0 * mu * s * (s - 1.0) + la * J * (J - 1.0)))


@ti.func
def fluid(bulk, viscosity, exponent, J_before, C, dt):
    rate = C.trace()
    J = ti.min(ti.max(J_before * (1.0 + dt * rate), DENSEST), SPARSEST)
    pressure = bulk / exponent * ti.max(J ** (-exponent) - 1.0, 0.0)
    shear = C + C.transpose() - (2.0 / 3.0 * rate) * unit()
    return J ** (1.0 / 3.0) * unit(), J, J * (viscosity * shear - pressure * unit())


@ti.func
def flow_rate(over, consistency, index, relaxing):
    """The rate g with η gⁿ + a g = `over`."""
    target = ti.log(over)
    y = ti.min(target - ti.log(relaxing), (target - ti.log(consistency)) / index)
    for _ in range(FLOW_STEPS):
        viscous = consistency * ti.exp(index * y)
        elastic = relaxing * ti.exp(y)
        y -= (ti.log(viscous + elastic) - target) * (viscous + elastic) / (index * viscous + elastic)
    return ti.exp(y)


@ti.func
def herschel_bulkley(mu, la, yields, consistency, index, F, U, sigma, dt):
    e = strains(sigma)
    J = ti.exp(e.sum())
    b = ti.exp(2.0 * (e - e.sum() / 3.0))
    mean = b.sum() / 3.0
    d = b - mean
    shear = 0.70710678 * mu * d.norm()
    over = shear - yields
    left = F
    if over > 1.0e-6 * mu and dt > 0.0:
        rate = flow_rate(over, consistency, index, mu * mean * dt)
        d *= (yields + consistency * rate**index) / shear
        half = 0.5 * d.norm_sqr()
        mean = ti.min(mean, 1.0 + d.norm())
        for _ in range(FLOW_STEPS):
            mean -= (mean * (mean * mean - half) + d[0] * d[1] * d[2] - 1.0) / (3.0 * mean * mean - half)
        left = spectral(U, ti.sqrt((mean + d) / b)) @ F
    return left, spectral(U, mu * d + 0.5 * (la + 2.0 / 3.0 * mu) * (J * J - 1.0))


@ti.func
def respond(law, p, F, memory, C, dt):
    """Elastic deformation that is left of a trial one, what the law remembers, Kirchhoff stress; p: its parameters."""
    left, remembered, tau = F, memory, mat33(0.0)
    U, sigma = mat33(0.0), vec3(1.0)
    if law != 1 and law != 5:  # in one place: it is most of what there is to compile
        left_vectors, S, _ = ti.svd(F, ti.f32)
        U = left_vectors
        sigma = vec3(S[0, 0], S[1, 1], S[2, 2])
    if law == 0:
        tau = fixed_corotated(p[0], p[1], U, sigma)
    elif law == 1:
        tau = neo_hookean(p[0], p[1], F)
    elif law == 2:
        left, remembered, tau = von_mises(p[0], p[1], p[2], p[3], F, U, sigma, memory)
    elif law == 3:
        left, remembered, tau = drucker_prager(p[0], p[1], p[2], p[3], p[4], F, U, sigma, memory)
    elif law == 4:
        left, remembered, tau = snow(p[0], p[1], p[2], p[3], p[4], F, U, sigma, memory)
    elif law == 5:
        left, remembered, tau = fluid(p[2], p[3], p[4], memory, C, dt)
    else:
        left, tau = herschel_bulkley(p[0], p[1], p[2], p[3], p[4], F, U, sigma, dt)
    return left, remembered, tau

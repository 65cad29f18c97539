"""One substep of elastic MPM that Warp can differentiate: scatter, grid, gather.

Plain launches on one core, for the adjoint of the gather adds to the grid from every particle, and Warp's additions
on a CPU are not atomic. Nodes are numbered x slowest; positions count from the grid's first node.
"""

import warp as wp

from scenekit._kernels.colliders import Colliders, collider_query, collider_velocity, contact

wp.set_module_options({"enable_backward": True, "max_unroll": 27, "optimization_level": 3})

NEO_HOOKEAN = wp.constant(1)


@wp.func
def rotation_part(F: wp.mat33):
    """R of the polar decomposition F = R S, det F > 0, by Newton's iteration (Higham 1986) with Frobenius scaling."""
    R = F
    for _ in range(8):
        inverse = wp.transpose(wp.inverse(R))
        scale = wp.sqrt(wp.sqrt(wp.ddot(inverse, inverse) / wp.ddot(R, R)))
        R = 0.5 * (scale * R + inverse / scale)
    return R


@wp.func_grad(rotation_part)
def adj_rotation_part(F: wp.mat33, adj_ret: wp.mat33):
    """δR = R [(tr S I − S)⁻¹ axial(Rᵀδ F − δFᵀ R)]×, transposed."""
    R = rotation_part(F)
    S = wp.transpose(R) * F
    M = wp.transpose(R) * adj_ret
    twist = wp.vec3(M[2, 1] - M[1, 2], M[0, 2] - M[2, 0], M[1, 0] - M[0, 1])
    A = (S[0, 0] + S[1, 1] + S[2, 2]) * wp.identity(n=3, dtype=float) - S
    w = wp.inverse(A) * twist
    wp.adjoint[F] += R * wp.skew(w)


@wp.func
def elastic_stress(law: int, mu: float, lam: float, F: wp.mat33):
    """Kirchhoff stress τ = P Fᵀ [Pa] of the neo-Hookean or the fixed-corotated law."""
    J = wp.determinant(F)
    eye = wp.identity(n=3, dtype=float)
    tau = wp.mat33(0.0)
    if law == NEO_HOOKEAN:
        tau = mu * (F * wp.transpose(F) - eye) + lam * wp.log(J) * eye
    else:
        tau = 2.0 * mu * (F - rotation_part(F)) * wp.transpose(F) + lam * J * (J - 1.0) * eye
    return tau


@wp.func
def weight(distance: float):
    """Quadratic B-spline of a distance in cells, |distance| ≤ 3/2."""
    d = wp.abs(distance)
    near = 0.75 - d * d
    far = 0.5 * (1.5 - d) * (1.5 - d)
    return wp.where(d < 0.5, near, far)


@wp.kernel
def scatter(dt: float, cell: float, ny: int, nz: int, law: wp.array(dtype=wp.int32), mu: wp.array(dtype=float),
            lam: wp.array(dtype=float), material: wp.array(dtype=wp.int32), mass: wp.array(dtype=float),
            volume: wp.array(dtype=float), x: wp.array(dtype=wp.vec3), v: wp.array(dtype=wp.vec3),
            C: wp.array(dtype=wp.mat33), F: wp.array(dtype=wp.mat33), moved: wp.array(dtype=wp.mat33),
            node_mass: wp.array(dtype=float), momentum: wp.array(dtype=wp.vec3)):
    """F ← (I + dt C) F, and mass and momentum of each particle onto 27 nodes (Hu et al. 2018, eq. 29)."""
    p = wp.tid()
    m = material[p]
    F_new = F[p] + dt * C[p] * F[p]
    moved[p] = F_new
    tau = elastic_stress(law[m], mu[m], lam[m], F_new)
    A = mass[p] * C[p] - (4.0 * dt * volume[p] / (cell * cell)) * tau
    at = x[p] / cell
    i = int(at[0] - 0.5)
    j = int(at[1] - 0.5)
    k = int(at[2] - 0.5)
    for a in range(3):
        for b in range(3):
            for c in range(3):
                gap = wp.vec3(float(i + a) - at[0], float(j + b) - at[1], float(k + c) - at[2])
                w = weight(gap[0]) * weight(gap[1]) * weight(gap[2])
                node = ((i + a) * ny + j + b) * nz + k + c
                wp.atomic_add(node_mass, node, w * mass[p])
                wp.atomic_add(momentum, node, w * (mass[p] * v[p] + A * (cell * gap)))


@wp.kernel
def move_grid(dt: float, cell: float, nx: int, ny: int, nz: int, low: wp.vec3, gravity: wp.vec3, c: Colliders,
              node_mass: wp.array(dtype=float), momentum: wp.array(dtype=wp.vec3), velocity: wp.array(dtype=wp.vec3)):
    """Momentum → velocity, with gravity, colliders and the walls of the domain."""
    node = wp.tid()
    if node_mass[node] > 0.0:
        i = node // (ny * nz)
        j = (node // nz) % ny
        k = node % nz
        u = momentum[node] / node_mass[node] + dt * gravity
        x = low + cell * wp.vec3(float(i), float(j), float(k))
        for item in range(c.count):
            found = collider_query(c, item, x)
            if found[3] < 0.0:
                n = wp.vec3(found[0], found[1], found[2])
                u = contact(u, collider_velocity(c, item, x), n, c.contact[item], c.friction[item])
        ux = wp.where(i < 3, wp.max(u[0], 0.0), wp.where(i > nx - 4, wp.min(u[0], 0.0), u[0]))
        uy = wp.where(j < 3, wp.max(u[1], 0.0), wp.where(j > ny - 4, wp.min(u[1], 0.0), u[1]))
        uz = wp.where(k < 3, wp.max(u[2], 0.0), wp.where(k > nz - 4, wp.min(u[2], 0.0), u[2]))
        velocity[node] = wp.vec3(ux, uy, uz)


@wp.kernel
def gather(dt: float, cell: float, ny: int, nz: int, velocity: wp.array(dtype=wp.vec3), x: wp.array(dtype=wp.vec3),
           x_new: wp.array(dtype=wp.vec3), v_new: wp.array(dtype=wp.vec3), C_new: wp.array(dtype=wp.mat33)):
    """Velocity and its affine part from 27 nodes, and the particle along with it."""
    p = wp.tid()
    at = x[p] / cell
    i = int(at[0] - 0.5)
    j = int(at[1] - 0.5)
    k = int(at[2] - 0.5)
    v = wp.vec3(0.0)
    B = wp.mat33(0.0)
    for a in range(3):
        for b in range(3):
            for c in range(3):
                gap = wp.vec3(float(i + a) - at[0], float(j + b) - at[1], float(k + c) - at[2])
                u = weight(gap[0]) * weight(gap[1]) * weight(gap[2]) * velocity[((i + a) * ny + j + b) * nz + k + c]
                v += u
                B += wp.outer(u, gap)
    v_new[p] = v
    C_new[p] = B * (4.0 / cell)
    x_new[p] = x[p] + dt * v

"""The substep of `mpm` with a thread for each particle and each node, for GPUs, where additions are atomic.

The same arithmetic in another order: particles are not sorted, the grid is the whole domain, x slowest. A node is four
floats, momentum or velocity and then mass; q = (x − low)/cell. Deformation gradients are kept less the identity.
"""

import warp as wp

from scenekit._kernels.colliders import Colliders, collider_query, collider_velocity, contact
from scenekit._kernels.mpm import kept, walled
from scenekit._kernels.mpm_adjoint import weight
from scenekit._kernels.mpm_laws import respond

wp.set_module_options({"enable_backward": False})


@wp.kernel
def begin(laws: wp.array(dtype=wp.int32), parameters: wp.array2d(dtype=float), material: wp.array(dtype=wp.int32),
          C: wp.array(dtype=wp.mat33), F: wp.array(dtype=wp.mat33), memory: wp.array(dtype=float),
          tau: wp.array(dtype=wp.mat33)):
    """Stress of the particles as they are."""
    p = wp.tid()
    m = material[p]
    one = wp.identity(n=3, dtype=float)
    elastic, remembered, stress = respond(laws[m], parameters, m, F[p] + one, memory[p], C[p], 0.0)
    tau[p] = stress


@wp.kernel
def scatter(cell: float, ny: int, nz: int, h: wp.array(dtype=float), mass: wp.array(dtype=float),
            volume: wp.array(dtype=float), a: wp.array(dtype=wp.vec3), at: wp.array(dtype=wp.vec3),
            v: wp.array(dtype=wp.vec3), C: wp.array(dtype=wp.mat33), tau: wp.array(dtype=wp.mat33),
            nodes: wp.array(dtype=wp.vec4)):
    """Momentum, with the impulse of stress (Hu et al. 2018, eq. 29), and mass onto 27 nodes."""
    p = wp.tid()
    q = at[p]
    i = int(q[0] - 0.5)
    j = int(q[1] - 0.5)
    k = int(q[2] - 0.5)
    A = (mass[p] * cell) * C[p] - (4.0 * h[0] * volume[p] / cell) * tau[p]
    momentum = mass[p] * (v[p] + h[0] * a[p])
    for x in range(3):
        for y in range(3):
            for z in range(3):
                gap = wp.vec3(float(i + x) - q[0], float(j + y) - q[1], float(k + z) - q[2])
                w = weight(gap[0]) * weight(gap[1]) * weight(gap[2])
                given = w * (momentum + A * gap)
                node = wp.vec4(given[0], given[1], given[2], w * mass[p])
                wp.atomic_add(nodes, ((i + x) * ny + j + y) * nz + k + z, node)


@wp.kernel
def solve(shape: wp.vec3i, low: wp.vec3, cell: float, gravity: wp.vec3, h: wp.array(dtype=float), c: Colliders,
          impulses: wp.array2d(dtype=float), nodes: wp.array(dtype=wp.vec4)):
    """Momentum → velocity, with gravity, colliders and walls; what colliders take goes to their bodies."""
    item = wp.tid()
    node = nodes[item]
    mass = node[3]
    if mass > 0.0:
        i = item // (shape[1] * shape[2])
        j = (item // shape[2]) % shape[1]
        k = item % shape[2]
        v = wp.vec3(node[0], node[1], node[2]) / mass + h[0] * gravity
        x = low + cell * wp.vec3(float(i), float(j), float(k))
        for number in range(c.count):
            found = collider_query(c, number, x)
            if found[3] < 0.0:
                before = v
                n = wp.vec3(found[0], found[1], found[2])
                v = contact(v, collider_velocity(c, number, x), n, c.contact[number], c.friction[number])
                if c.body[number] >= 0:
                    J = mass * (before - v)
                    L = wp.cross(x - c.pivot[number], J)
                    for axis in range(3):
                        wp.atomic_add(impulses, c.body[number], axis, J[axis])
                        wp.atomic_add(impulses, c.body[number], axis + 3, L[axis])
        nodes[item] = wp.vec4(walled(v[0], i, shape[0]), walled(v[1], j, shape[1]), walled(v[2], k, shape[2]), mass)


@wp.kernel
def gather(cell: float, ny: int, nz: int, h: wp.array(dtype=float), nodes: wp.array(dtype=wp.vec4),
           laws: wp.array(dtype=wp.int32), parameters: wp.array2d(dtype=float), material: wp.array(dtype=wp.int32),
           at: wp.array(dtype=wp.vec3), v: wp.array(dtype=wp.vec3), C: wp.array(dtype=wp.mat33),
           F: wp.array(dtype=wp.mat33), total: wp.array(dtype=wp.mat33), memory: wp.array(dtype=float),
           tau: wp.array(dtype=wp.mat33)):
    """Velocity and its affine part from 27 nodes; the particle moves, deforms, and has a new stress."""
    p = wp.tid()
    q = at[p]
    i = int(q[0] - 0.5)
    j = int(q[1] - 0.5)
    k = int(q[2] - 0.5)
    speed = wp.vec3(0.0, 0.0, 0.0)
    B = wp.mat33()
    for x in range(3):
        for y in range(3):
            for z in range(3):
                gap = wp.vec3(float(i + x) - q[0], float(j + y) - q[1], float(k + z) - q[2])
                node = nodes[((i + x) * ny + j + y) * nz + k + z]
                u = weight(gap[0]) * weight(gap[1]) * weight(gap[2]) * wp.vec3(node[0], node[1], node[2])
                speed = speed + u
                B = B + wp.outer(u, gap)
    gradient = B * (4.0 / cell)
    one = wp.identity(n=3, dtype=float)
    m = material[p]
    change = h[0] * (gradient * (F[p] + one))
    trial = F[p] + change + one
    elastic, remembered, stress = respond(laws[m], parameters, m, trial, memory[p], gradient, h[0])
    F[p] = kept(laws[m], F[p] + change, trial, elastic)
    total[p] = total[p] + h[0] * (gradient * (total[p] + one))
    memory[p] = remembered
    tau[p] = stress
    v[p] = speed
    C[p] = gradient
    at[p] = q + (h[0] / cell) * speed

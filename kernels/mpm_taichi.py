"""The material point method in Taichi: MLS-MPM with APIC and quadratic B-splines, one thread per particle.

The twin of `mpm.py` for Vulkan, Metal and CUDA: particles add to the grid atomically, and the grid is dense. No
colliders. Units are those of the state; a particle's nodes are counted from the domain's lowest corner.
"""

import taichi as ti

from scenekit._kernels.mpm_taichi_laws import mat33, respond, vec3

WALL = 3
"""Nodes between the border of the domain and the walls."""

Numbers = ti.types.ndarray(dtype=ti.f32, ndim=1)
Integers = ti.types.ndarray(dtype=ti.i32, ndim=1)
Table = ti.types.ndarray(dtype=ti.f32, ndim=2)
Vectors = ti.types.ndarray(dtype=vec3, ndim=1)
Matrices = ti.types.ndarray(dtype=mat33, ndim=1)
Nodes = ti.types.ndarray(dtype=vec3, ndim=3)
Weights = ti.types.ndarray(dtype=ti.f32, ndim=3)


@ti.func
def weights(f):
    """Quadratic B-splines of three nodes along each axis, as rows."""
    return mat33([0.5 * (1.0 - f) ** 2, 0.75 - (f - 0.5) ** 2, 0.5 * f**2])


@ti.kernel
def give(h: ti.f32, cell: ti.f32, low: vec3, mass: Numbers, volume: Numbers, a: Vectors, x: Vectors, v: Vectors,
         C: Matrices, tau: Matrices, momentum: Nodes,
         weight: Weights):
    """P2G: momentum, with that of the stress, and mass of each particle to its 27 nodes."""
    for i in x:
        q = (x[i] - low) / cell - 0.5
        base = ti.floor(q, ti.i32)
        f = q - base
        w = weights(f)
        A = mass[i] * C[i] - 4.0 * h * volume[i] / cell**2 * tau[i]
        p = mass[i] * (v[i] + h * a[i])
        for o in ti.static(ti.grouped(ti.ndrange(3, 3, 3))):
            share = w[o[0], 0] * w[o[1], 1] * w[o[2], 2]
            d = cell * (ti.cast(o, ti.f32) - f - 0.5)
            momentum[base + o] += share * (p + A @ d)
            weight[base + o] += share * mass[i]


@ti.kernel
def solve(h: ti.f32, gravity: vec3, momentum: Nodes, weight: Weights):
    """Velocities of the nodes, gravity and walls."""
    for node in ti.grouped(weight):
        if weight[node] > 0.0:
            v = momentum[node] / weight[node] + h * gravity
            for k in ti.static(range(3)):
                if node[k] < WALL:
                    v[k] = ti.max(v[k], 0.0)
                if node[k] >= weight.shape[k] - WALL:
                    v[k] = ti.min(v[k], 0.0)
            momentum[node] = v


@ti.kernel
def take(h: ti.f32, cell: ti.f32, low: vec3, laws: Integers, parameters: Table,
         material: Integers, x: Vectors, v: Vectors,
         C: Matrices, F: Matrices, total: Matrices,
         memory: Numbers, tau: Matrices, momentum: Nodes):
    """G2P: particles take velocities, move and deform."""
    for i in x:
        q = (x[i] - low) / cell - 0.5
        base = ti.floor(q, ti.i32)
        f = q - base
        w = weights(f)
        speed, B = vec3(0.0), mat33(0.0)
        for o in ti.static(ti.grouped(ti.ndrange(3, 3, 3))):
            at_node = w[o[0], 0] * w[o[1], 1] * w[o[2], 2] * momentum[base + o]
            speed += at_node
            B += at_node.outer_product(ti.cast(o, ti.f32) - f - 0.5)
        gradient = 4.0 / cell * B
        v[i] = speed
        C[i] = gradient
        x[i] += h * speed
        total[i] += h * gradient @ total[i]
        m = material[i]
        p = ti.Vector([parameters[m, k] for k in ti.static(range(5))])
        F[i], memory[i], tau[i] = respond(laws[m], p, F[i] + h * gradient @ F[i], memory[i], gradient, h)


@ti.kernel
def begin(laws: Integers, parameters: Table, material: Integers,
          C: Matrices, F: Matrices, memory: Numbers,
          tau: Matrices):
    """Stress of the particles as they are."""
    for i in C:
        m = material[i]
        p = ti.Vector([parameters[m, k] for k in ti.static(range(5))])
        _, _, tau[i] = respond(laws[m], p, F[i], memory[i], C[i], 0.0)

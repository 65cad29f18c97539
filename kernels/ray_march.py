"""Ray marching over an occupancy grid (Müller et al. 2022), and the blending of what was sampled (Max 1995).

One item is a ray, which owns its samples: they are counted, then written one after the other, "packed". A ray's
possible samples lie at t₀ + jitter·δ(t₀), then t + δ(t) on and on, δ(t) = max(step, cone·t, bend·t²); those in an empty
cell are left out. So the grid never moves a sample, and marching with everything occupied gives all of them.
"""

import warp as wp

from scenekit._kernels.launch import OPTIONS

wp.set_module_options(OPTIONS)


@wp.struct
class March:
    middle: wp.vec3
    """Centre of the region [m]."""
    half: float
    """Half its side [m]."""
    unbounded: int
    """1 if what is outside of the ball of radius `half` is contracted into the cube."""
    cells: int
    """Cells of the grid along a side."""
    step: float
    """Shortest step [m]."""
    cone: float
    """Step over distance, where that is longer."""
    bend: float
    """Step over squared distance, where that is longer still [1/m]."""
    most: int
    """Samples of a ray at which it ends."""


@wp.func
def step_at(t: float, m: March):
    """Length of the step that begins at distance t."""
    return wp.max(m.step, t * wp.max(m.cone, m.bend * t))


@wp.func
def unit_of(p: wp.vec3, m: March):
    """Position in the unit cube."""
    q = (p - m.middle) / m.half
    if m.unbounded > 0:
        r = wp.length(q)
        if r > 1.0:
            q = q * ((2.0 - 1.0 / r) / r)
        q = q * 0.5
    return 0.5 * q + wp.vec3(0.5)


@wp.func
def cell_at(x: float, cells: int):
    return wp.clamp(int(wp.floor(x * float(cells))), 0, cells - 1)


@wp.func
def exit_of(p: wp.vec3, d: wp.vec3, u: wp.vec3, m: March):
    """Distance along the ray to the next cell, where the map to the unit cube is a scaling; else 0."""
    scale = 2.0 * m.half
    if m.unbounded > 0:
        if wp.length(p - m.middle) > m.half:
            return 0.0
        scale = 2.0 * scale
    away = float(1.0e30)
    for axis in range(3):
        i = float(cell_at(u[axis], m.cells))
        wall = wp.where(d[axis] > 0.0, i + 1.0, i) / float(m.cells)
        if wp.abs(d[axis]) > 1.0e-12:
            away = wp.min(away, (wall - u[axis]) * scale / d[axis])
    return away - 1.0e-4 * scale / float(m.cells)  # rather look twice than step over a cell


@wp.func
def next_sample(t: float, far: float, o: wp.vec3, d: wp.vec3, m: March, occupied: wp.array(dtype=wp.uint8)):
    """The first possible sample at or after `t` that lies in an occupied cell, or one beyond `far`."""
    while t < far:
        delta = step_at(t, m)
        middle = t + 0.5 * delta
        p = o + middle * d
        u = unit_of(p, m)
        cell = (cell_at(u[0], m.cells) * m.cells + cell_at(u[1], m.cells)) * m.cells + cell_at(u[2], m.cells)
        if occupied[cell] > wp.uint8(0):
            return t
        beyond = middle + exit_of(p, d, u, m)
        t = t + delta
        while t + 0.5 * step_at(t, m) < beyond and t < far:
            t = t + step_at(t, m)
    return t


@wp.kernel
def count(first: int, stride: int, m: March, origins: wp.array(dtype=wp.vec3), directions: wp.array(dtype=wp.vec3),
          near: wp.array(dtype=float), far: wp.array(dtype=float), jitter: wp.array(dtype=float),
          occupied: wp.array(dtype=wp.uint8), counts: wp.array(dtype=int)):
    """How many samples each ray has."""
    ray = first + wp.tid() * stride
    t = near[ray] + jitter[ray] * step_at(near[ray], m)
    n = int(0)
    t = next_sample(t, far[ray], origins[ray], directions[ray], m, occupied)
    while t < far[ray] and n < m.most:
        n = n + 1
        t = t + step_at(t, m)
        t = next_sample(t, far[ray], origins[ray], directions[ray], m, occupied)
    counts[ray] = n


@wp.kernel
def fill(first: int, stride: int, m: March, origins: wp.array(dtype=wp.vec3), directions: wp.array(dtype=wp.vec3),
         near: wp.array(dtype=float), far: wp.array(dtype=float), jitter: wp.array(dtype=float),
         occupied: wp.array(dtype=wp.uint8), offsets: wp.array(dtype=int), begins: wp.array(dtype=float),
         lengths: wp.array(dtype=float), rays: wp.array(dtype=wp.int64)):
    """Where each sample's interval begins, its length, and its ray."""
    ray = first + wp.tid() * stride
    t = near[ray] + jitter[ray] * step_at(near[ray], m)
    for k in range(offsets[ray], offsets[ray + 1]):
        t = next_sample(t, far[ray], origins[ray], directions[ray], m, occupied)
        delta = step_at(t, m)
        begins[k] = t
        lengths[k] = delta
        rays[k] = wp.int64(ray)
        t = t + delta


@wp.kernel
def blend(first: int, stride: int, offsets: wp.array(dtype=int), thickness: wp.array(dtype=float),
          weights: wp.array(dtype=float), arrived: wp.array(dtype=float)):
    """wᵢ = Tᵢ (1 − exp(−τᵢ)), and the light Tᵢ = exp(−Σ_{j<i} τⱼ) that arrives."""
    ray = first + wp.tid() * stride
    T = float(1.0)
    for k in range(offsets[ray], offsets[ray + 1]):
        left = wp.exp(-thickness[k])
        arrived[k] = T
        weights[k] = T * (1.0 - left)
        T = T * left


@wp.kernel
def blend_backward(first: int, stride: int, offsets: wp.array(dtype=int), thickness: wp.array(dtype=float),
                   weights: wp.array(dtype=float), arrived: wp.array(dtype=float), d_weights: wp.array(dtype=float),
                   d_thickness: wp.array(dtype=float)):
    """∂wᵢ/∂τᵢ = Tᵢ exp(−τᵢ), and ∂wⱼ/∂τᵢ = −wⱼ for those behind it."""
    ray = first + wp.tid() * stride
    behind = float(0.0)
    begin = offsets[ray]
    for back in range(offsets[ray + 1] - begin):
        k = offsets[ray + 1] - 1 - back
        d_thickness[k] = d_weights[k] * arrived[k] * wp.exp(-thickness[k]) - behind
        behind = behind + d_weights[k] * weights[k]

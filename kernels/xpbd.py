"""XPBD with one iteration per substep (Macklin et al. 2016, 2019): constraints move vertices, displacements are speed.

A substep keeps the displacement d of each vertex apart from its position x, because x + d in float32 loses the speed of
a small step; so differences of positions are taken first, and the rounding of x is carried along in `low`.
Multipliers begin at zero in every substep and are used once, so none is stored; with the retardation time τ, by which
stress is k (C + τ dC/dt), and γ = τ/h,

    Δλ = −(C + γ ∇C·d) / ((1 + γ) Σ w |∇C|² + α/h²)          (Macklin et al. 2016, equation 26)

Constraints of one launch either share no vertex (one colour) or run one after the other (one thread).

Letters: x at the start of the substep [m], d displacement [m], w inverse mass [1/kg], α compliance; the array h holds
the step and the retardation time [s].
"""

import warp as wp

from scenekit._kernels.colliders import SEPARATE, STICKY, Colliders, collider_query, collider_velocity
from scenekit._kernels.launch import OPTIONS

wp.set_module_options(OPTIONS)

CHUNK = wp.constant(64)
"""Vertices of one item of `collide`; what they give to bodies is summed in its own rows."""


@wp.kernel
def predict(first: int, stride: int, h: wp.array(dtype=float), gravity: wp.vec3, w: wp.array(dtype=float),
            a: wp.array(dtype=wp.vec3), v: wp.array(dtype=wp.vec3), d: wp.array(dtype=wp.vec3)):
    """v ← v + h a, d = h v; a vertex without mass stays."""
    i = first + wp.tid() * stride
    u = wp.vec3(0.0, 0.0, 0.0)
    if w[i] > 0.0:
        u = v[i] + h[0] * (gravity + a[i])
    v[i] = u
    d[i] = h[0] * u


@wp.kernel
def edges(first: int, stride: int, h: wp.array(dtype=float), pairs: wp.array2d(dtype=wp.int32),
          rest: wp.array(dtype=float), compliance: wp.array(dtype=float), w: wp.array(dtype=float),
          x: wp.array(dtype=wp.vec3), d: wp.array(dtype=wp.vec3)):
    """C = |x₀ − x₁| − l."""
    item = first + wp.tid() * stride
    i = pairs[item, 0]
    j = pairs[item, 1]
    u = d[i] - d[j]
    e = (x[i] - x[j]) + u
    length = wp.length(e)
    late = h[1] / h[0]
    weight = (1.0 + late) * (w[i] + w[j]) + compliance[item] / (h[0] * h[0])
    if length > 0.0 and weight > 0.0:
        push = e * ((rest[item] - length - late * wp.dot(u, e) / length) / (weight * length))
        d[i] = d[i] + w[i] * push
        d[j] = d[j] - w[j] * push


@wp.kernel
def rods(first: int, stride: int, h: wp.array(dtype=float), triples: wp.array2d(dtype=wp.int32),
         compliance: wp.array(dtype=float), w: wp.array(dtype=float), x: wp.array(dtype=wp.vec3),
         d: wp.array(dtype=wp.vec3)):
    """C = x₀ − 2 x₁ + x₂, the bend of a rope, three constraints in one: its forces have neither sum nor torque."""
    item = first + wp.tid() * stride
    i = triples[item, 0]
    j = triples[item, 1]
    k = triples[item, 2]
    u = (d[i] - d[j]) + (d[k] - d[j])
    c = ((x[i] - x[j]) + (x[k] - x[j])) + u
    late = h[1] / h[0]
    weight = (1.0 + late) * (w[i] + 4.0 * w[j] + w[k]) + compliance[item] / (h[0] * h[0])
    if weight > 0.0:
        push = (c + late * u) / weight
        d[i] = d[i] - w[i] * push
        d[j] = d[j] + 2.0 * w[j] * push
        d[k] = d[k] - w[k] * push


@wp.func
def bend_angle(e: wp.vec3, b: wp.vec3, c: wp.vec3):
    """Angle between the triangles (0, e, b) and (e, 0, c), 0 if flat, above 0 where they turn to their normals."""
    n = wp.cross(e, b)
    m = wp.cross(c, e)
    return wp.atan2(-wp.dot(wp.cross(n, m), e) / wp.length(e), wp.dot(n, m))


@wp.kernel
def bends(first: int, stride: int, h: wp.array(dtype=float), quads: wp.array2d(dtype=wp.int32),
          rest: wp.array(dtype=float), compliance: wp.array(dtype=float), w: wp.array(dtype=float),
          x: wp.array(dtype=wp.vec3), d: wp.array(dtype=wp.vec3)):
    """C = θ − θ₀ of the hinge (0, 1) of the triangles (0, 1, 2) and (1, 0, 3); gradients of Bridson et al. 2003."""
    item = first + wp.tid() * stride
    i0 = quads[item, 0]
    i1 = quads[item, 1]
    i2 = quads[item, 2]
    i3 = quads[item, 3]
    e = (x[i1] - x[i0]) + (d[i1] - d[i0])
    b = (x[i2] - x[i0]) + (d[i2] - d[i0])
    c = (x[i3] - x[i0]) + (d[i3] - d[i0])
    n = wp.cross(e, b)
    m = wp.cross(c, e)
    nn = wp.dot(n, n)
    mm = wp.dot(m, m)
    length = wp.length(e)
    if nn > 0.0 and mm > 0.0 and length > 0.0:
        n = n / nn
        m = m / mm
        g2 = n * length
        g3 = m * length
        g0 = n * (wp.dot(b - e, e) / length) + m * (wp.dot(c - e, e) / length)
        g1 = -(g0 + g2 + g3)
        weight = w[i0] * wp.dot(g0, g0) + w[i1] * wp.dot(g1, g1) + w[i2] * wp.dot(g2, g2) + w[i3] * wp.dot(g3, g3)
        late = h[1] / h[0]
        weight = (1.0 + late) * weight + compliance[item] / (h[0] * h[0])
        if weight > 0.0:
            turned = wp.dot(g0, d[i0]) + wp.dot(g1, d[i1]) + wp.dot(g2, d[i2]) + wp.dot(g3, d[i3])
            bent = bend_angle(e, b, c) - rest[item]
            bent = wp.where(bent > wp.pi, bent - 2.0 * wp.pi, wp.where(bent < -wp.pi, bent + 2.0 * wp.pi, bent))
            s = -(bent + late * turned) / weight
            d[i0] = d[i0] + s * w[i0] * g0
            d[i1] = d[i1] + s * w[i1] * g1
            d[i2] = d[i2] + s * w[i2] * g2
            d[i3] = d[i3] + s * w[i3] * g3


@wp.kernel
def tets(first: int, stride: int, h: wp.array(dtype=float), corners: wp.array2d(dtype=wp.int32),
         inverse_rest: wp.array(dtype=wp.mat33), volume: wp.array(dtype=float), mu: wp.array(dtype=float),
         lam: wp.array(dtype=float), w: wp.array(dtype=float), x: wp.array(dtype=wp.vec3), d: wp.array(dtype=wp.vec3)):
    """Neo-Hookean (Macklin & Müller 2021): C_D = |F|, α = 1/μV; C_H = det F − 1 − μ/λ', α = 1/λ'V, solved as a pair.

    λ' = λ + μ makes small strains those of linear elasticity with Lamé's μ and λ (Smith et al. 2018).
    """
    item = first + wp.tid() * stride
    i0 = corners[item, 0]
    i1 = corners[item, 1]
    i2 = corners[item, 2]
    i3 = corners[item, 3]
    B = inverse_rest[item]
    F = wp.matrix_from_cols((x[i1] - x[i0]) + (d[i1] - d[i0]), (x[i2] - x[i0]) + (d[i2] - d[i0]),
                            (x[i3] - x[i0]) + (d[i3] - d[i0])) * B
    f0 = wp.vec3(F[0, 0], F[1, 0], F[2, 0])
    f1 = wp.vec3(F[0, 1], F[1, 1], F[2, 1])
    f2 = wp.vec3(F[0, 2], F[1, 2], F[2, 2])
    norm = wp.sqrt(wp.dot(f0, f0) + wp.dot(f1, f1) + wp.dot(f2, f2))
    if norm > 0.0:
        cofactor = wp.matrix_from_cols(wp.cross(f1, f2), wp.cross(f2, f0), wp.cross(f0, f1))
        BT = wp.transpose(B)
        D = (F / norm) * BT
        H = cofactor * BT
        p1 = wp.vec3(D[0, 0], D[1, 0], D[2, 0])
        p2 = wp.vec3(D[0, 1], D[1, 1], D[2, 1])
        p3 = wp.vec3(D[0, 2], D[1, 2], D[2, 2])
        q1 = wp.vec3(H[0, 0], H[1, 0], H[2, 0])
        q2 = wp.vec3(H[0, 1], H[1, 1], H[2, 1])
        q3 = wp.vec3(H[0, 2], H[1, 2], H[2, 2])
        p0 = -(p1 + p2 + p3)
        q0 = -(q1 + q2 + q3)
        hh = h[0] * h[0] * volume[item]
        bulk = lam[item] + mu[item]
        pp = w[i0] * wp.dot(p0, p0) + w[i1] * wp.dot(p1, p1) + w[i2] * wp.dot(p2, p2) + w[i3] * wp.dot(p3, p3)
        qq = w[i0] * wp.dot(q0, q0) + w[i1] * wp.dot(q1, q1) + w[i2] * wp.dot(q2, q2) + w[i3] * wp.dot(q3, q3)
        pq = w[i0] * wp.dot(p0, q0) + w[i1] * wp.dot(p1, q1) + w[i2] * wp.dot(p2, q2) + w[i3] * wp.dot(p3, q3)
        late = h[1] / h[0]
        pp = (1.0 + late) * pp + 1.0 / (mu[item] * hh)
        qq = (1.0 + late) * qq + 1.0 / (bulk * hh)
        pq = (1.0 + late) * pq
        u1 = d[i1] - d[i0]
        u2 = d[i2] - d[i0]
        u3 = d[i3] - d[i0]
        c_d = norm + late * (wp.dot(p1, u1) + wp.dot(p2, u2) + wp.dot(p3, u3))
        c_h = wp.dot(f0, wp.cross(f1, f2)) - 1.0 - mu[item] / bulk
        c_h = c_h + late * (wp.dot(q1, u1) + wp.dot(q2, u2) + wp.dot(q3, u3))
        det = pp * qq - pq * pq
        s = -(qq * c_d - pq * c_h) / det
        t = -(pp * c_h - pq * c_d) / det
        d[i0] = d[i0] + w[i0] * (s * p0 + t * q0)
        d[i1] = d[i1] + w[i1] * (s * p1 + t * q1)
        d[i2] = d[i2] + w[i2] * (s * p2 + t * q2)
        d[i3] = d[i3] + w[i3] * (s * p3 + t * q3)


@wp.kernel
def attach(first: int, stride: int, h: wp.array(dtype=float), which: wp.array(dtype=wp.int32),
           at: wp.array(dtype=wp.vec3), compliance: wp.array(dtype=float), w: wp.array(dtype=float),
           x: wp.array(dtype=wp.vec3), d: wp.array(dtype=wp.vec3), impulse: wp.array(dtype=wp.vec3)):
    """C = |x − p|, and the impulse that the holder takes [N s]."""
    item = first + wp.tid() * stride
    i = which[item]
    given = wp.vec3(0.0, 0.0, 0.0)
    if w[i] > 0.0:
        given = ((at[item] - x[i]) - d[i]) / (w[i] + compliance[item] / (h[0] * h[0]))
        d[i] = d[i] + w[i] * given
    impulse[item] = -given / h[0]


@wp.func
def _touched(c: Colliders, item: int, x: wp.vec3, d: wp.vec3, moving: wp.vec3, r: float, friction: float):
    """Displacement of a vertex after collider `item`, which moves by `moving`, has had its say."""
    found = collider_query(c, item, x + d)
    n = wp.vec3(found[0], found[1], found[2])
    gap = found[3] - r
    mode = c.contact[item]
    touching = gap < 0.0
    if mode != SEPARATE and not touching:
        touching = collider_query(c, item, x + moving)[3] - r < 0.01 * r + 1.0e-6
    if touching:
        if mode == STICKY:
            d = moving + wp.max(r - collider_query(c, item, x + moving)[3], 0.0) * n
        else:
            u = d - moving
            u = u - wp.dot(u, n) * n
            slide = wp.length(u)
            d = d - gap * n
            if mode == SEPARATE and slide > 0.0:
                d = d - u * wp.min(1.0, -friction * gap / slide)
    return d


@wp.kernel
def collide(first: int, stride: int, h: wp.array(dtype=float), reach: wp.array(dtype=float), c: Colliders, bodies: int,
            w: wp.array(dtype=float), radius: wp.array(dtype=float), friction: wp.array(dtype=float),
            held: wp.array(dtype=wp.int32), x: wp.array(dtype=wp.vec3), d: wp.array(dtype=wp.vec3),
            linear: wp.array2d(dtype=wp.vec3), angular: wp.array2d(dtype=wp.vec3)):
    """Vertices leave colliders and are slowed by friction; what a chunk of them gives to each body [N s, N m s].

    μ is the geometric mean of both. A vertex does not see the colliders of the body that holds it, and moves no farther
    than `reach`, so none passes through what is thicker.
    """
    item = first + wp.tid() * stride
    for b in range(bodies):
        linear[item, b] = wp.vec3(0.0, 0.0, 0.0)
        angular[item, b] = wp.vec3(0.0, 0.0, 0.0)
    for i in range(CHUNK * item, wp.min(CHUNK * item + CHUNK, x.shape[0])):
        if w[i] > 0.0:
            far = wp.length(d[i])
            if far > reach[0]:
                d[i] = d[i] * (reach[0] / far)
            for k in range(c.count):
                b = c.body[k]
                if b != held[i]:
                    before = d[i]
                    moving = h[0] * collider_velocity(c, k, x[i] + before)
                    after = _touched(c, k, x[i], before, moving, radius[i], wp.sqrt(friction[i] * c.friction[k]))
                    d[i] = after
                    if b >= 0:
                        given = (before - after) / (w[i] * h[0])
                        linear[item, b] = linear[item, b] + given
                        angular[item, b] = angular[item, b] + wp.cross(x[i] + after - c.pivot[k], given)


@wp.kernel
def collide_faces(first: int, stride: int, h: wp.array(dtype=float), c: Colliders, faces: wp.array2d(dtype=wp.int32),
                  number: wp.array(dtype=wp.int32), w: wp.array(dtype=float), radius: wp.array(dtype=float),
                  friction: wp.array(dtype=float), held: wp.array(dtype=wp.int32), x: wp.array(dtype=wp.vec3),
                  d: wp.array(dtype=wp.vec3), body: wp.array(dtype=wp.int32), given: wp.array(dtype=wp.vec3),
                  at: wp.array(dtype=wp.vec3)):
    """The middle of a face leaves the collider that it is deepest in; its vertices move as if pushed there [N s].

    Planes are left to the vertices: a face whose corners are above one is above it.
    """
    item = first + wp.tid() * stride
    i = faces[item, 0]
    j = faces[item, 1]
    k = faces[item, 2]
    row = number[item]
    body[row] = -1
    weight = (w[i] + w[j] + w[k]) / 9.0
    if weight > 0.0:
        middle = (x[i] + x[j] + x[k]) / 3.0
        moved = (d[i] + d[j] + d[k]) / 3.0
        deepest = int(-1)
        least = float(1.0e30)
        for n in range(c.count):
            b = c.body[n]
            if c.kind[n] != 0 and b != held[i] and b != held[j] and b != held[k]:
                distance = collider_query(c, n, middle + moved)[3]
                if distance < least:
                    least = distance
                    deepest = n
        if deepest >= 0 and (least < radius[i] or c.contact[deepest] != SEPARATE):
            moving = h[0] * collider_velocity(c, deepest, middle + moved)
            slip = wp.sqrt(friction[i] * c.friction[deepest])
            push = (_touched(c, deepest, middle, moved, moving, radius[i], slip) - moved) / (3.0 * weight)
            d[i] = d[i] + w[i] * push
            d[j] = d[j] + w[j] * push
            d[k] = d[k] + w[k] * push
            body[row] = c.body[deepest]
            given[row] = -3.0 * push / h[0]
            at[row] = middle + moved


@wp.kernel
def finish(first: int, stride: int, h: wp.array(dtype=float), keep: wp.array(dtype=float),
           x: wp.array(dtype=wp.vec3), low: wp.array(dtype=wp.vec3), d: wp.array(dtype=wp.vec3),
           v: wp.array(dtype=wp.vec3)):
    """x ← x + d, and v = d/h, of which damping keeps a part. As h (1/h) is not 1 in float32, v takes changes."""
    i = first + wp.tid() * stride
    whole = d[i] + low[i]
    moved = x[i] + whole
    low[i] = whole - (moved - x[i])
    x[i] = moved
    v[i] = keep[0] * (v[i] + (d[i] - h[0] * v[i]) / h[0])

"""Contacts of XPBD's vertices with its own faces: pairs found by a hash grid.

A face (i, j, j) is a segment of a rope. Letters: v vertices, f faces, p pairs.
"""

import warp as wp

from scenekit._kernels.launch import OPTIONS

wp.set_module_options(OPTIONS)

RECOVERY = wp.constant(0.02)
"""Part of its radius by which an overlap of before may shrink in a substep; all at once would be an explosion."""


@wp.func
def closest(a: wp.vec3, b: wp.vec3, c: wp.vec3):
    """Barycentric coordinates of the point of the triangle that is nearest to the origin (Ericson 2005, 5.1.5)."""
    ab = b - a
    ac = c - a
    d1 = -wp.dot(ab, a)
    d2 = -wp.dot(ac, a)
    d3 = -wp.dot(ab, b)
    d4 = -wp.dot(ac, b)
    d5 = -wp.dot(ab, c)
    d6 = -wp.dot(ac, c)
    vc = d1 * d4 - d3 * d2
    vb = d5 * d2 - d1 * d6
    va = d3 * d6 - d5 * d4
    found = wp.vec3(1.0, 0.0, 0.0)
    if d1 <= 0.0 and d2 <= 0.0:
        found = wp.vec3(1.0, 0.0, 0.0)
    elif d3 >= 0.0 and d4 <= d3:
        found = wp.vec3(0.0, 1.0, 0.0)
    elif vc <= 0.0 and d1 >= 0.0 and d3 <= 0.0:
        t = d1 / (d1 - d3)
        found = wp.vec3(1.0 - t, t, 0.0)
    elif d6 >= 0.0 and d5 <= d6:
        found = wp.vec3(0.0, 0.0, 1.0)
    elif vb <= 0.0 and d2 >= 0.0 and d6 <= 0.0:
        t = d2 / (d2 - d6)
        found = wp.vec3(1.0 - t, 0.0, t)
    elif va <= 0.0 and d4 >= d3 and d5 >= d6:
        t = (d4 - d3) / ((d4 - d3) + (d5 - d6))
        found = wp.vec3(0.0, 1.0 - t, t)
    else:
        s = 1.0 / (va + vb + vc)
        found = wp.vec3(va * s, vb * s, vc * s)
    return found


@wp.func
def _offset(x: wp.array(dtype=wp.vec3), v: int, f0: int, f1: int, f2: int):
    """From the nearest point of the face to the vertex."""
    a = x[f0] - x[v]
    b = x[f1] - x[v]
    c = x[f2] - x[v]
    q = closest(a, b, c)
    return -(q[0] * a + q[1] * b + q[2] * c)


@wp.kernel
def find(first: int, stride: int, grid: wp.uint64, margin: float, faces: wp.array2d(dtype=wp.int32),
         piece: wp.array(dtype=wp.int32), radius: wp.array(dtype=float), rest: wp.array(dtype=wp.vec3),
         x: wp.array(dtype=wp.vec3), fill: int, start: wp.array(dtype=wp.int32), count: wp.array(dtype=wp.int32),
         pairs: wp.array2d(dtype=wp.int32), side: wp.array(dtype=float)):
    """Vertices that come within the margin of touching each face: their number, then, to `fill`, which and which side.

    Vertices of the same piece that begin closer than contacts keep are neighbours, and no contacts; nor are those
    that belong to no surface, whose piece is −1.
    """
    item = first + wp.tid() * stride
    f0 = faces[item, 0]
    f1 = faces[item, 1]
    f2 = faces[item, 2]
    a = x[f0]
    b = x[f1]
    c = x[f2]
    m = wp.where(f1 == f2, 0.5 * (a + b), (a + b + c) / 3.0)
    n = wp.cross(b - a, c - a)
    size = wp.max(wp.length(a - m), wp.max(wp.length(b - m), wp.length(c - m))) + radius[f0] + margin
    found = int(0)
    query = wp.hash_grid_query(grid, m, size + margin)
    v = int(0)
    while wp.hash_grid_query_next(query, v):
        p = x[v]
        gap = radius[v] + radius[f0]
        if v != f0 and v != f1 and v != f2 and piece[v] >= 0 and wp.length(p - m) < size + radius[v]:
            away = _offset(x, v, f0, f1, f2)
            near = wp.length(away) < gap + margin
            if near and piece[v] == piece[f0]:
                near = wp.length(_offset(rest, v, f0, f1, f2)) >= gap
            if near:
                if fill == 1:
                    at = start[item] + found
                    pairs[at, 0] = v
                    pairs[at, 1] = f0
                    pairs[at, 2] = f1
                    pairs[at, 3] = f2
                    side[at] = wp.where(f1 == f2, 0.0, wp.where(wp.dot(n, away) < 0.0, -1.0, 1.0))
                found = found + 1
    if fill == 0:
        count[item] = found


@wp.kernel
def press(first: int, stride: int, pairs: wp.array2d(dtype=wp.int32), side: wp.array(dtype=float),
          w: wp.array(dtype=float), radius: wp.array(dtype=float), friction: wp.array(dtype=float),
          x: wp.array(dtype=wp.vec3), d: wp.array(dtype=wp.vec3)):
    """C = distance − r − r' ≥ 0 with friction; pairs of a launch share no vertex, or run one after the other.

    The distance is along the normal of the side on which the vertex was found, if it is now within 45° of the face.
    """
    p = first + wp.tid() * stride
    v = pairs[p, 0]
    f0 = pairs[p, 1]
    f1 = pairs[p, 2]
    f2 = pairs[p, 3]
    a = (x[f0] - x[v]) + (d[f0] - d[v])
    b = (x[f1] - x[v]) + (d[f1] - d[v])
    c = (x[f2] - x[v]) + (d[f2] - d[v])
    q = closest(a, b, c)
    away = -(q[0] * a + q[1] * b + q[2] * c)
    gap = wp.length(away)
    n = wp.where(gap > 0.0, away / gap, wp.vec3(0.0, 0.0, 1.0))
    if side[p] != 0.0:
        normal = side[p] * wp.normalize(wp.cross(b - a, c - a))
        height = wp.dot(away, normal)
        if wp.abs(height) >= 0.7 * gap:
            n = normal
            gap = height
    deep = radius[v] + radius[f0] - gap
    weight = w[v] + w[f0] * q[0] * q[0] + w[f1] * q[1] * q[1] + w[f2] * q[2] * q[2]
    if deep > 0.0 and weight > 0.0:
        u = d[v] - (q[0] * d[f0] + q[1] * d[f1] + q[2] * d[f2])
        closing = wp.dot(u, n)
        u = u - closing * n
        slide = wp.length(u)
        deep = wp.min(deep, wp.max(-closing, 0.0) + RECOVERY * (radius[v] + radius[f0]))
        push = deep * n
        if slide > 0.0:
            push = push - u * wp.min(1.0, wp.sqrt(friction[v] * friction[f0]) * deep / slide)
        push = push / weight
        d[v] = d[v] + w[v] * push
        d[f0] = d[f0] - (w[f0] * q[0]) * push
        d[f1] = d[f1] - (w[f1] * q[1]) * push
        d[f2] = d[f2] - (w[f2] * q[2]) * push

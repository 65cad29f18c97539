"""Colliders: signed distance and normal of planes, boxes, spheres, capsules and sampled fields, and what contact does.

Functions for other kernels: `collider_query` and `contact`. Distances are negative inside, normals point out.
"""

import warp as wp

from scenekit._kernels.launch import OPTIONS, launch  # noqa: F401

wp.set_module_options(OPTIONS)

KINDS = {"Plane": 0, "Box": 1, "Sphere": 2, "Capsule": 3, "DistanceField": 4}
"""Numbers of the shapes."""

STICKY = wp.constant(0)
SLIP = wp.constant(1)
SEPARATE = wp.constant(2)


@wp.struct
class Colliders:
    """All colliders; those of a body have its velocity `v` at `pivot`, and turn with `w`."""

    count: wp.int32
    kind: wp.array(dtype=wp.int32)
    size: wp.array(dtype=wp.vec3)
    contact: wp.array(dtype=wp.int32)
    friction: wp.array(dtype=float)
    body: wp.array(dtype=wp.int32)
    x: wp.array(dtype=wp.vec3)
    R: wp.array(dtype=wp.mat33)
    v: wp.array(dtype=wp.vec3)
    w: wp.array(dtype=wp.vec3)
    pivot: wp.array(dtype=wp.vec3)
    field: wp.array(dtype=wp.int32)
    field_start: wp.array(dtype=wp.int32)
    field_shape: wp.array(dtype=wp.vec3i)
    field_origin: wp.array(dtype=wp.vec3)
    field_voxel: wp.array(dtype=float)
    values: wp.array(dtype=float)


@wp.func
def _node(c: Colliders, start: int, shape: wp.vec3i, i: int, j: int, k: int):
    return c.values[start + (i * shape[1] + j) * shape[2] + k]


@wp.func
def _field_query(c: Colliders, item: int, p: wp.vec3):
    """Distance and its gradient in a sampled field; outside of its grid, far."""
    f = c.field[item]
    shape = c.field_shape[f]
    voxel = c.field_voxel[f]
    q = (p - c.field_origin[f]) / voxel
    n = wp.vec3(0.0, 0.0, 1.0)
    d = float(1.0e6)
    if (q[0] >= 0.0 and q[1] >= 0.0 and q[2] >= 0.0
            and q[0] < float(shape[0] - 1) and q[1] < float(shape[1] - 1) and q[2] < float(shape[2] - 1)):
        i = int(q[0])
        j = int(q[1])
        k = int(q[2])
        x = q[0] - float(i)
        y = q[1] - float(j)
        z = q[2] - float(k)
        s = c.field_start[f]
        a000 = _node(c, s, shape, i, j, k)
        a001 = _node(c, s, shape, i, j, k + 1)
        a010 = _node(c, s, shape, i, j + 1, k)
        a011 = _node(c, s, shape, i, j + 1, k + 1)
        a100 = _node(c, s, shape, i + 1, j, k)
        a101 = _node(c, s, shape, i + 1, j, k + 1)
        a110 = _node(c, s, shape, i + 1, j + 1, k)
        a111 = _node(c, s, shape, i + 1, j + 1, k + 1)
        b00 = a000 + (a001 - a000) * z
        b01 = a010 + (a011 - a010) * z
        b10 = a100 + (a101 - a100) * z
        b11 = a110 + (a111 - a110) * z
        c0 = b00 + (b01 - b00) * y
        c1 = b10 + (b11 - b10) * y
        d = c0 + (c1 - c0) * x
        gx = c1 - c0
        gy = (b01 - b00) * (1.0 - x) + (b11 - b10) * x
        gz = (((a001 - a000) * (1.0 - y) + (a011 - a010) * y) * (1.0 - x)
              + ((a101 - a100) * (1.0 - y) + (a111 - a110) * y) * x)
        n = wp.normalize(wp.vec3(gx, gy, gz))
    return wp.vec4(n[0], n[1], n[2], d)


@wp.func
def _box_query(half: wp.vec3, p: wp.vec3):
    q = wp.vec3(wp.abs(p[0]) - half[0], wp.abs(p[1]) - half[1], wp.abs(p[2]) - half[2])
    sx = wp.where(p[0] < 0.0, -1.0, 1.0)
    sy = wp.where(p[1] < 0.0, -1.0, 1.0)
    sz = wp.where(p[2] < 0.0, -1.0, 1.0)
    d = wp.max(q[0], wp.max(q[1], q[2]))
    n = wp.vec3(0.0, 0.0, sz)
    if d > 0.0:
        out = wp.vec3(wp.max(q[0], 0.0), wp.max(q[1], 0.0), wp.max(q[2], 0.0))
        d = wp.length(out)
        n = wp.vec3(out[0] * sx / d, out[1] * sy / d, out[2] * sz / d)
    elif q[0] == d:
        n = wp.vec3(sx, 0.0, 0.0)
    elif q[1] == d:
        n = wp.vec3(0.0, sy, 0.0)
    return wp.vec4(n[0], n[1], n[2], d)


@wp.func
def collider_query(c: Colliders, item: int, x: wp.vec3):
    """Normal (first three) and signed distance (last) of collider `item` at the world point x."""
    R = c.R[item]
    p = wp.transpose(R) * (x - c.x[item])
    size = c.size[item]
    kind = c.kind[item]
    found = wp.vec4(0.0, 0.0, 1.0, p[2])
    if kind == 1:
        found = _box_query(size, p)
    elif kind == 2:
        r = wp.length(p)
        n = wp.where(r > 0.0, p / r, wp.vec3(0.0, 0.0, 1.0))
        found = wp.vec4(n[0], n[1], n[2], r - size[0])
    elif kind == 3:
        q = wp.vec3(p[0], p[1], p[2] - wp.clamp(p[2], -size[1], size[1]))
        r = wp.length(q)
        n = wp.where(r > 0.0, q / r, wp.vec3(1.0, 0.0, 0.0))
        found = wp.vec4(n[0], n[1], n[2], r - size[0])
    elif kind == 4:
        found = _field_query(c, item, p)
    n = R * wp.vec3(found[0], found[1], found[2])
    return wp.vec4(n[0], n[1], n[2], found[3])


@wp.func
def collider_velocity(c: Colliders, item: int, x: wp.vec3):
    """Velocity of the collider's matter at the world point x."""
    return c.v[item] + wp.cross(c.w[item], x - c.pivot[item])


@wp.func
def contact(v: wp.vec3, moving: wp.vec3, n: wp.vec3, mode: int, friction: float):
    """Velocity of matter after touching a collider that moves with `moving` and whose normal is n."""
    u = v - moving
    normal = wp.dot(u, n)
    tangent = u - normal * n
    if mode == STICKY:
        u = wp.vec3(0.0, 0.0, 0.0)
    elif mode == SLIP:
        u = tangent
    elif normal < 0.0:
        slide = wp.length(tangent)
        u = tangent * wp.where(slide > 0.0, wp.max(0.0, 1.0 + friction * normal / wp.max(slide, 1.0e-20)), 0.0)
    return moving + u


@wp.kernel
def nearest(first: int, stride: int, c: Colliders, points: wp.array(dtype=wp.vec3),
            distance: wp.array(dtype=float), number: wp.array(dtype=wp.int32)):
    """Least signed distance of each point over all colliders, and whose it is."""
    item = first + wp.tid() * stride
    for i in range(c.count):
        d = collider_query(c, i, points[item])[3]
        if d < distance[item]:
            distance[item] = d
            number[item] = i

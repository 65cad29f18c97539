"""Signed distance of points from a triangle soup. One item is a point, which owns its result."""

import warp as wp

from scenekit._kernels.launch import OPTIONS

wp.set_module_options(OPTIONS)

ACCURACY = wp.constant(2.0)
"""A cluster of triangles farther away than so many of its radii is a few moments (Barill et al. 2018)."""


@wp.kernel
def signed_distance(
    first: int,
    stride: int,
    mesh: wp.uint64,
    reach: float,
    points: wp.array(dtype=wp.vec3),
    distance: wp.array(dtype=float),
):
    """Distance to the nearest triangle, negative where the triangles wind around the point by more than a half."""
    item = first + wp.tid() * stride
    p = points[item]
    found = wp.mesh_query_point_sign_winding_number(mesh, p, reach, ACCURACY, 0.5)
    if found.result:
        distance[item] = found.sign * wp.length(wp.mesh_eval_position(mesh, found.face, found.u, found.v) - p)
    else:
        distance[item] = reach

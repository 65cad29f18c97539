"""Truncated signed distance: one depth picture into blocks of 8×8×8 voxels, which lie x fastest, then y, then z.

One item is a block, which owns its voxels. Voxel (x, y, z) of block b lies at voxel·(8 b + (x, y, z)).
"""

import warp as wp

from scenekit._kernels.launch import OPTIONS

wp.set_module_options(OPTIONS)


@wp.kernel
def integrate(first: int, stride: int, W: wp.mat33, t: wp.vec3, fx: float, fy: float, cx: float, cy: float,
              voxel: float, truncation: float, blocks: wp.array2d(dtype=wp.int32), slots: wp.array(dtype=wp.int32),
              depth: wp.array2d(dtype=float), slope: wp.array2d(dtype=float), weight: wp.array2d(dtype=float),
              rgb: wp.array3d(dtype=float), distances: wp.array(dtype=float), weights: wp.array(dtype=float),
              views: wp.array(dtype=wp.int32), colors: wp.array2d(dtype=float), color_weights: wp.array(dtype=float)):
    """Running weighted means of the distance to the surface, in truncations, and of the colour.

    The depth that a voxel lacks to the surface, times `slope`, which is minus the ray of unit depth on the normal, is
    its distance from the surface's plane. Behind the surface the weight falls to zero at the truncation.
    """
    item = first + wp.tid() * stride
    height = depth.shape[0]
    width = depth.shape[1]
    for i in range(512):
        x = 8 * blocks[item, 0] + (i & 7)
        y = 8 * blocks[item, 1] + ((i >> 3) & 7)
        z = 8 * blocks[item, 2] + (i >> 6)
        p = W * (voxel * wp.vec3(float(x), float(y), float(z))) + t
        if p[2] > 1.0e-6:
            u = fx * p[0] / p[2] + cx
            v = fy * p[1] / p[2] + cy
            if u >= 0.0 and v >= 0.0 and u < float(width) and v < float(height):
                row = int(v)
                column = int(u)
                d = depth[row, column]
                away = (d - p[2]) * slope[row, column]
                if d > 0.0 and away > -truncation:
                    k = 512 * slots[item] + i
                    w = weight[row, column] * wp.min(1.0, 1.0 + away / truncation)
                    total = weights[k] + w
                    distances[k] = distances[k] + (wp.min(1.0, away / truncation) - distances[k]) * w / total
                    weights[k] = total
                    views[k] = views[k] + 1
                    near = away / voxel
                    w = w / (1.0 + near * near)
                    total = color_weights[k] + w
                    color_weights[k] = total
                    for c in range(3):
                        colors[k, c] = colors[k, c] + (rgb[row, column, c] - colors[k, c]) * w / total

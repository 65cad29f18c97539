"""The depth at which half of the light of each pixel is gone, where Gaussians are bodies and not points.

One item is a tile of 16×16 pixels, as in `splat_tiles`; it walks the same lists of Gaussians. Forward only: the depth
is the root of a function whose derivatives `scenekit.surface.median` takes in torch.
"""

import warp as wp

from scenekit._kernels.launch import OPTIONS
from scenekit._kernels.splat_tiles import exp2

wp.set_module_options(OPTIONS)

MOST = 64
"""Gaussians of one ray that are looked at, the nearest first."""

ALPHA_MIN = wp.constant(1.0 / 255.0)
ALPHA_MAX = wp.constant(0.999)
FAINT = wp.constant(11.083)
"""−2 ln ALPHA_MIN: beyond this quadratic form even an opaque Gaussian is not drawn."""
HALF_LOG2_E = wp.constant(0.7213475204444817)
HIDDEN = wp.constant(0.002)
"""Behind this transmittance nothing moves the median."""
HALVINGS = wp.constant(6)
"""Rounds that halve the interval; the later ones cut it where a line meets one half (regula falsi, Illinois)."""
ROUNDS = wp.constant(10)
REACH = wp.constant(3.4)
"""Deviations before its densest point within which a Gaussian takes light."""


@wp.kernel
def median(first: int, stride: int, tiles_x: int, width: int, height: int,
           fx: float, fy: float, cx: float, cy: float,
           offsets: wp.array(dtype=wp.int32), ids: wp.array(dtype=wp.int32), centres: wp.array2d(dtype=float),
           conics: wp.array2d(dtype=float), opacities: wp.array(dtype=float), means: wp.array2d(dtype=float),
           precisions: wp.array2d(dtype=float), depth: wp.array2d(dtype=float), stops: wp.array2d(dtype=wp.int32),
           count: wp.array2d(dtype=wp.int32), met: wp.array3d(dtype=wp.int32)):
    """Depth of each pixel [m] or 0, the Gaussian that takes most light there or −1, and the Gaussians that were met.

    `means` and `precisions` (xx, xy, xz, yy, yz, zz of Σ⁻¹) are in the camera's frame; a ray has unit depth.
    """
    tile = first + wp.tid() * stride
    ty = tile // tiles_x
    tx = tile - ty * tiles_x
    A = wp.zeros(shape=MOST, dtype=float)  # opacity at the densest point of the ray
    Z = wp.zeros(shape=MOST, dtype=float)  # depth of that point
    C = wp.zeros(shape=MOST, dtype=float)  # curvature there: opacity falls by 2^(C·dz²)
    G = wp.zeros(shape=MOST, dtype=wp.int32)
    for i in range(256):
        row = ty * 16 + (i >> 4)
        column = tx * 16 + (i & 15)
        if row < height and column < width:
            x = float(column) + 0.5
            y = float(row) + 0.5
            rx = (x - cx) / fx
            ry = (y - cy) / fy
            n = int(0)
            T = float(1.0)
            near = float(1.0e30)
            far = float(0.0)
            k = offsets[tile]
            end = offsets[tile + 1]
            while k < end:
                g = ids[k]
                dx = centres[g, 0] - x
                dy = centres[g, 1] - y
                q = conics[g, 0] * dx * dx + 2.0 * conics[g, 1] * dx * dy + conics[g, 2] * dy * dy
                if q < FAINT:
                    a = wp.min(opacities[g] * exp2(-HALF_LOG2_E * q), ALPHA_MAX)
                    if a >= ALPHA_MIN:
                        mx = precisions[g, 0] * rx + precisions[g, 1] * ry + precisions[g, 2]
                        my = precisions[g, 1] * rx + precisions[g, 3] * ry + precisions[g, 4]
                        mz = precisions[g, 2] * rx + precisions[g, 4] * ry + precisions[g, 5]
                        rr = mx * rx + my * ry + mz
                        z = (mx * means[g, 0] + my * means[g, 1] + mz * means[g, 2]) / rr
                        A[n] = a
                        Z[n] = z
                        C[n] = -HALF_LOG2_E * rr
                        G[n] = g
                        n = n + 1
                        if T > 0.5:
                            far = wp.max(far, z)
                        near = wp.min(near, z - REACH / wp.sqrt(rr))
                        T = T * (1.0 - a)
                        if T < HIDDEN or n == MOST:
                            k = end
                k = k + 1
            depth[row, column] = 0.0
            stops[row, column] = -1
            count[row, column] = 0
            if T <= 0.5 and far > 0.0:
                near = wp.max(near, 0.0)
                at_near = float(1.0)
                at_far = T
                moved = int(0)
                for step in range(ROUNDS):
                    middle = 0.5 * (near + far)
                    if step >= HALVINGS:
                        middle = near + (far - near) * (at_near - 0.5) / wp.max(at_near - at_far, 1.0e-6)
                    left = float(1.0)
                    for j in range(n):
                        dz = wp.min(middle - Z[j], 0.0)
                        left = left * (1.0 - A[j] * exp2(wp.max(C[j] * dz * dz, -60.0)))
                    if left > 0.5:
                        near = middle
                        at_near = left
                        if moved == 1:
                            at_far = 0.5 * (at_far + 0.5)
                        moved = 1
                    else:
                        far = middle
                        at_far = left
                        if moved == 2:
                            at_near = 0.5 * (at_near + 0.5)
                        moved = 2
                z = near + (far - near) * (at_near - 0.5) / wp.max(at_near - at_far, 1.0e-6)
                z = wp.clamp(z, near, far)
                most = float(0.0)
                for j in range(n):
                    dz = wp.min(z - Z[j], 0.0)
                    taken = A[j] * exp2(wp.max(C[j] * dz * dz, -60.0))
                    if taken > most:
                        most = taken
                        stops[row, column] = G[j]
                    if j < met.shape[2]:
                        met[row, column, j] = G[j]
                depth[row, column] = z
                count[row, column] = wp.min(n, met.shape[2])

"""L1 and SSIM of a render against a photo, and their gradient, for a GPU: what `ssim` computes, a number at a time.

One item is a number of the image (h, w, 3). The window is separable, so there are four passes: products blurred along
rows, then down columns into SSIM and its derivatives, and these along rows and down columns again. Beyond the border
both images are zero. The last warp may be partly beyond the image: its lanes come along and write nothing.
"""

import warp as wp

from scenekit._kernels.launch import OPTIONS
from scenekit._kernels.ssim import C1, C2
from scenekit._kernels.warp_lanes import lane, lanes, summed

wp.set_module_options(OPTIONS | {"max_unroll": 16})

vec5 = wp.types.vector(length=5, dtype=float)
TAP0 = wp.constant(0.26601171)
TAP1 = wp.constant(0.21300554)
TAP2 = wp.constant(0.10936069)
TAP3 = wp.constant(0.03600077)
TAP4 = wp.constant(0.00759876)
TAP5 = wp.constant(0.00102838)


@wp.func
def tap(k: int):
    """The window, k from its middle."""
    a = wp.abs(k)
    if a == 0:
        return TAP0
    if a == 1:
        return TAP1
    if a == 2:
        return TAP2
    if a == 3:
        return TAP3
    return wp.where(a == 4, TAP4, TAP5)


@wp.func
def seen(image: wp.array(dtype=float), photo: wp.array(dtype=wp.uint8), mask: wp.array(dtype=wp.uint8), i: int):
    """x = render where the pixel counts, else photo; y = photo / 255; an empty mask counts everywhere."""
    y = float(photo[i]) / 255.0
    x = image[i]
    if mask.shape[0] > 0:
        if mask[i // 3] == wp.uint8(0):
            x = y
    return wp.vec2(x, y)


@wp.kernel
def blur_products(first: int, stride: int, width3: int, image: wp.array(dtype=float), photo: wp.array(dtype=wp.uint8),
                  mask: wp.array(dtype=wp.uint8), blurred: wp.array2d(dtype=float)):
    """x, y, x², y², xy along rows."""
    i = first + wp.tid() * stride
    column = i % width3
    sums = vec5()
    for k in range(-5, 6):
        if column + 3 * k >= 0 and column + 3 * k < width3:
            v = seen(image, photo, mask, i + 3 * k)
            w = tap(k)
            sums += vec5(w * v[0], w * v[1], w * v[0] * v[0], w * v[1] * v[1], w * v[0] * v[1])
    for c in range(5):
        blurred[c, i] = sums[c]


@wp.kernel
def compare(first: int, stride: int, width3: int, image: wp.array(dtype=float), photo: wp.array(dtype=wp.uint8),
            mask: wp.array(dtype=wp.uint8), blurred: wp.array2d(dtype=float), by: wp.array2d(dtype=float),
            sums: wp.array2d(dtype=float)):
    """Down columns: derivatives of SSIM by the blurred x, x², xy, and each warp's Σ|x − y|, Σ(x − y)², Σ(1 − SSIM)."""
    i = first + wp.tid() * stride
    l1 = float(0.0)
    mse = float(0.0)
    dssim = float(0.0)
    if i < image.shape[0]:
        e = vec5()
        for k in range(-5, 6):
            j = i + k * width3
            if j >= 0 and j < image.shape[0]:
                w = tap(k)
                for c in range(5):
                    e[c] = e[c] + w * blurred[c, j]
        weight = float(1.0)
        if mask.shape[0] > 0:
            weight = wp.where(mask[i // 3] == wp.uint8(0), 0.0, 1.0)
        v = seen(image, photo, mask, i)
        d = (v[0] - v[1]) * weight
        mx = e[0]
        my = e[1]
        a1 = 2.0 * mx * my + C1
        a2 = 2.0 * (e[4] - mx * my) + C2
        b1 = mx * mx + my * my + C1
        b2 = (e[2] - mx * mx) + (e[3] - my * my) + C2
        scale = weight / (b1 * b2)
        ssim = a1 * a2 * scale
        by[0, i] = 2.0 * scale * (my * (a2 - a1)) - 2.0 * ssim * mx * (1.0 / b1 - 1.0 / b2)
        by[1, i] = -ssim / b2
        by[2, i] = 2.0 * scale * a1
        l1 = wp.abs(d)
        mse = d * d
        dssim = weight - ssim
    l1 = summed(l1)
    mse = summed(mse)
    dssim = summed(dssim)
    if lane() == 0 and i < image.shape[0]:
        row = i // lanes()
        sums[row, 0] = l1
        sums[row, 1] = mse
        sums[row, 2] = dssim


@wp.kernel
def blur_derivatives(first: int, stride: int, width3: int, by: wp.array2d(dtype=float),
                     blurred: wp.array2d(dtype=float)):
    """The derivatives along rows."""
    i = first + wp.tid() * stride
    column = i % width3
    sums = wp.vec3()
    for k in range(-5, 6):
        if column + 3 * k >= 0 and column + 3 * k < width3:
            j = i + 3 * k
            sums += tap(k) * wp.vec3(by[0, j], by[1, j], by[2, j])
    for c in range(3):
        blurred[c, i] = sums[c]


@wp.kernel
def gradient(first: int, stride: int, width3: int, by_l1: float, by_ssim: float, image: wp.array(dtype=float),
             photo: wp.array(dtype=wp.uint8), mask: wp.array(dtype=wp.uint8), blurred: wp.array2d(dtype=float),
             d_image: wp.array(dtype=float)):
    """Down columns: `by_l1` · sign(x − y) + `by_ssim` · ∂(Σ SSIM)/∂x where the pixel counts, else 0."""
    i = first + wp.tid() * stride
    b = wp.vec3()
    for k in range(-5, 6):
        j = i + k * width3
        if j >= 0 and j < image.shape[0]:
            b += tap(k) * wp.vec3(blurred[0, j], blurred[1, j], blurred[2, j])
    v = seen(image, photo, mask, i)
    d = v[0] - v[1]
    sign = wp.where(d > 0.0, 1.0, 0.0) - wp.where(d < 0.0, 1.0, 0.0)
    counts = float(1.0)
    if mask.shape[0] > 0:
        counts = wp.where(mask[i // 3] == wp.uint8(0), 0.0, 1.0)
    d_image[i] = counts * (by_l1 * sign + by_ssim * (b[0] + 2.0 * v[0] * b[1] + v[1] * b[2]))

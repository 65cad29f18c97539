"""L1 and SSIM of a render against a photo, and their gradient, in three passes over the image.

A row of an image is 3 w numbers, so one pixel to the right is three numbers on. The planes x (render), y (photo) have
HALO rows of zeros above and below and MARGIN zeros left and right: beyond the border both images are zero. The window
is separable: a block blurs x, y, x², y², xy down the columns into its scratch array, and from there along the row.

SSIM is a function of the five blurred products, so its gradient is three more blurs, of the derivatives by them:
∂/∂x = blur(∂S/∂E[x]) + 2 x·blur(∂S/∂E[x²]) + y·blur(∂S/∂E[xy]).

Loops have constant lengths and arrays are opened by pointer, which makes their stride a constant: LLVM vectorises both.
"""

import warp as wp

from scenekit._kernels.launch import OPTIONS

wp.set_module_options(OPTIONS)

HALO = 5
"""Rows of zeros above and below: half the window."""
MARGIN = 16
"""Zeros left and right of each row: half the window of three channels, 15, and one to keep rows aligned."""
BLOCK = 192
"""Numbers of a row that one item works on; it reads SPAN of them."""
SPAN = 224

C1 = wp.constant(0.0001)
C2 = wp.constant(0.0009)
ROW = wp.constant(1 << 30)
"""Capacity of an array that is opened by pointer; its true length is the plane's."""


def padded_shape(height: int, width: int) -> tuple[int, int]:
    """Rows and numbers per row of a plane for an image of `height` × `width` pixels."""
    return height + 2 * HALO, -(-3 * width // BLOCK) * BLOCK + 2 * MARGIN


@wp.func
def blur(a0: float, a1: float, a2: float, a3: float, a4: float, a5: float, a6: float, a7: float, a8: float, a9: float,
         a10: float):
    """The 11 taps of a Gaussian of σ = 1.5, normalised."""
    near = 0.26601171 * a5 + 0.21300554 * (a4 + a6) + 0.10936069 * (a3 + a7)
    return near + 0.03600077 * (a2 + a8) + 0.00759876 * (a1 + a9) + 0.00102838 * (a0 + a10)


@wp.kernel
def fill_planes(first: int, stride: int, width3: int, pitch: int, image: wp.uint64, photo: wp.uint64,
                weights: wp.uint64, planes: wp.array(dtype=wp.uint64)):
    """One item is a row of the image: x = render where the pixel counts, else photo; y = photo / 255."""
    row = first + wp.tid() * stride
    inner = wp.uint64((row + 5) * pitch + 16) * wp.uint64(4)
    source = wp.array(ptr=image + wp.uint64(row * width3) * wp.uint64(4), shape=(ROW,), dtype=float)
    w = wp.array(ptr=weights + inner, shape=(ROW,), dtype=float)
    x = wp.array(ptr=planes[0] + inner, shape=(ROW,), dtype=float)
    y = wp.array(ptr=planes[1] + inner, shape=(ROW,), dtype=float)
    target = wp.array(ptr=photo + wp.uint64(row * width3), shape=(ROW,), dtype=wp.uint8)
    for j in range(width3 >> 6):
        base = (j << 6) & 0xFFFFFF
        for i in range(64):
            p = float(target[base + i]) / 255.0
            y[base + i] = p
            x[base + i] = wp.where(w[base + i] > 0.0, source[base + i], p)
    for i in range(width3 & 0xFFFFC0, width3):
        p = float(target[i]) / 255.0
        y[i] = p
        x[i] = wp.where(w[i] > 0.0, source[i], p)


@wp.kernel
def compare(first: int, stride: int, blocks: int, pitch: int, planes: wp.array(dtype=wp.uint64), weights: wp.uint64,
            sums: wp.array(dtype=float, ndim=2)):
    """One item is a block of a row: sums of |x−y|, (x−y)² and 1−SSIM, and SSIM's derivatives by the blurred products.

    Scratch regions: five column blurs of SPAN, x, y and weights, three derivatives, and three rows of 16 lanes.
    """
    item = first + wp.tid() * stride
    row = item // blocks
    block = item - row * blocks
    offset = wp.uint64(row * pitch + block * 192) * wp.uint64(4)
    step = wp.uint64(pitch) * wp.uint64(4)
    S = wp.zeros(shape=2320, dtype=float)
    px = planes[0] + offset
    py = planes[1] + offset
    x0 = wp.array(ptr=px, shape=(ROW,), dtype=float)
    x1 = wp.array(ptr=px + step, shape=(ROW,), dtype=float)
    x2 = wp.array(ptr=px + step * wp.uint64(2), shape=(ROW,), dtype=float)
    x3 = wp.array(ptr=px + step * wp.uint64(3), shape=(ROW,), dtype=float)
    x4 = wp.array(ptr=px + step * wp.uint64(4), shape=(ROW,), dtype=float)
    x5 = wp.array(ptr=px + step * wp.uint64(5), shape=(ROW,), dtype=float)
    x6 = wp.array(ptr=px + step * wp.uint64(6), shape=(ROW,), dtype=float)
    x7 = wp.array(ptr=px + step * wp.uint64(7), shape=(ROW,), dtype=float)
    x8 = wp.array(ptr=px + step * wp.uint64(8), shape=(ROW,), dtype=float)
    x9 = wp.array(ptr=px + step * wp.uint64(9), shape=(ROW,), dtype=float)
    x10 = wp.array(ptr=px + step * wp.uint64(10), shape=(ROW,), dtype=float)
    y0 = wp.array(ptr=py, shape=(ROW,), dtype=float)
    y1 = wp.array(ptr=py + step, shape=(ROW,), dtype=float)
    y2 = wp.array(ptr=py + step * wp.uint64(2), shape=(ROW,), dtype=float)
    y3 = wp.array(ptr=py + step * wp.uint64(3), shape=(ROW,), dtype=float)
    y4 = wp.array(ptr=py + step * wp.uint64(4), shape=(ROW,), dtype=float)
    y5 = wp.array(ptr=py + step * wp.uint64(5), shape=(ROW,), dtype=float)
    y6 = wp.array(ptr=py + step * wp.uint64(6), shape=(ROW,), dtype=float)
    y7 = wp.array(ptr=py + step * wp.uint64(7), shape=(ROW,), dtype=float)
    y8 = wp.array(ptr=py + step * wp.uint64(8), shape=(ROW,), dtype=float)
    y9 = wp.array(ptr=py + step * wp.uint64(9), shape=(ROW,), dtype=float)
    y10 = wp.array(ptr=py + step * wp.uint64(10), shape=(ROW,), dtype=float)
    for i in range(224):
        S[i] = blur(x0[i], x1[i], x2[i], x3[i], x4[i], x5[i], x6[i], x7[i], x8[i], x9[i], x10[i])
        S[i + 224] = blur(y0[i], y1[i], y2[i], y3[i], y4[i], y5[i], y6[i], y7[i], y8[i], y9[i], y10[i])
        S[i + 448] = blur(x0[i] * x0[i], x1[i] * x1[i], x2[i] * x2[i], x3[i] * x3[i], x4[i] * x4[i], x5[i] * x5[i],
                          x6[i] * x6[i], x7[i] * x7[i], x8[i] * x8[i], x9[i] * x9[i], x10[i] * x10[i])
        S[i + 672] = blur(y0[i] * y0[i], y1[i] * y1[i], y2[i] * y2[i], y3[i] * y3[i], y4[i] * y4[i], y5[i] * y5[i],
                          y6[i] * y6[i], y7[i] * y7[i], y8[i] * y8[i], y9[i] * y9[i], y10[i] * y10[i])
        S[i + 896] = blur(x0[i] * y0[i], x1[i] * y1[i], x2[i] * y2[i], x3[i] * y3[i], x4[i] * y4[i], x5[i] * y5[i],
                          x6[i] * y6[i], x7[i] * y7[i], x8[i] * y8[i], x9[i] * y9[i], x10[i] * y10[i])
    w = wp.array(ptr=weights + offset + step * wp.uint64(5) + wp.uint64(64), shape=(ROW,), dtype=float)
    for i in range(192):
        S[i + 1120] = x5[i + 16]
        S[i + 1312] = y5[i + 16]
        S[i + 1504] = w[i]
    for j in range(12):
        base = (j << 4) & 0xFF
        for i in range(16):
            q = base + i
            mx = blur(S[q + 1], S[q + 4], S[q + 7], S[q + 10], S[q + 13], S[q + 16],
                      S[q + 19], S[q + 22], S[q + 25], S[q + 28], S[q + 31])
            my = blur(S[q + 225], S[q + 228], S[q + 231], S[q + 234], S[q + 237], S[q + 240],
                      S[q + 243], S[q + 246], S[q + 249], S[q + 252], S[q + 255])
            xx = blur(S[q + 449], S[q + 452], S[q + 455], S[q + 458], S[q + 461], S[q + 464],
                      S[q + 467], S[q + 470], S[q + 473], S[q + 476], S[q + 479])
            yy = blur(S[q + 673], S[q + 676], S[q + 679], S[q + 682], S[q + 685], S[q + 688],
                      S[q + 691], S[q + 694], S[q + 697], S[q + 700], S[q + 703])
            xy = blur(S[q + 897], S[q + 900], S[q + 903], S[q + 906], S[q + 909], S[q + 912],
                      S[q + 915], S[q + 918], S[q + 921], S[q + 924], S[q + 927])
            weight = S[q + 1504]
            d = (S[q + 1120] - S[q + 1312]) * weight
            a1 = 2.0 * mx * my + C1
            a2 = 2.0 * (xy - mx * my) + C2
            b1 = mx * mx + my * my + C1
            b2 = (xx - mx * mx) + (yy - my * my) + C2
            scale = weight / (b1 * b2)
            s = a1 * a2 * scale
            S[q + 1696] = 2.0 * (my * (a2 - a1) * scale + mx * s * (1.0 / b2 - 1.0 / b1))
            S[q + 1888] = -s / b2
            S[q + 2080] = 2.0 * a1 * scale
            S[i + 2272] = S[i + 2272] + wp.abs(d)
            S[i + 2288] = S[i + 2288] + d * d
            S[i + 2304] = S[i + 2304] + (weight - s)
    inner = offset + step * wp.uint64(5) + wp.uint64(64)
    by_x = wp.array(ptr=planes[2] + inner, shape=(ROW,), dtype=float)
    by_xx = wp.array(ptr=planes[3] + inner, shape=(ROW,), dtype=float)
    by_xy = wp.array(ptr=planes[4] + inner, shape=(ROW,), dtype=float)
    for i in range(192):
        by_x[i] = S[i + 1696]
        by_xx[i] = S[i + 1888]
        by_xy[i] = S[i + 2080]
    for k in range(3):
        total = float(0.0)
        lanes = 2272 + ((k & 3) << 4)
        for i in range(16):
            total += S[lanes + i]
        sums[item, k] = total


@wp.kernel
def gradient(first: int, stride: int, blocks: int, width3: int, pitch: int, by_l1: float, by_ssim: float,
             planes: wp.array(dtype=wp.uint64), weights: wp.uint64, d_image: wp.array(dtype=float)):
    """One item is a block of a row: `by_l1` · sign(x − y) + `by_ssim` · ∂(Σ SSIM)/∂x where the pixel counts, else 0."""
    item = first + wp.tid() * stride
    row = item // blocks
    block = item - row * blocks
    offset = wp.uint64(row * pitch + block * 192) * wp.uint64(4)
    step = wp.uint64(pitch) * wp.uint64(4)
    inner = offset + step * wp.uint64(5) + wp.uint64(64)
    S = wp.zeros(shape=864, dtype=float)
    for k in range(3):
        p = planes[k + 2] + offset
        a0 = wp.array(ptr=p, shape=(ROW,), dtype=float)
        a1 = wp.array(ptr=p + step, shape=(ROW,), dtype=float)
        a2 = wp.array(ptr=p + step * wp.uint64(2), shape=(ROW,), dtype=float)
        a3 = wp.array(ptr=p + step * wp.uint64(3), shape=(ROW,), dtype=float)
        a4 = wp.array(ptr=p + step * wp.uint64(4), shape=(ROW,), dtype=float)
        a5 = wp.array(ptr=p + step * wp.uint64(5), shape=(ROW,), dtype=float)
        a6 = wp.array(ptr=p + step * wp.uint64(6), shape=(ROW,), dtype=float)
        a7 = wp.array(ptr=p + step * wp.uint64(7), shape=(ROW,), dtype=float)
        a8 = wp.array(ptr=p + step * wp.uint64(8), shape=(ROW,), dtype=float)
        a9 = wp.array(ptr=p + step * wp.uint64(9), shape=(ROW,), dtype=float)
        a10 = wp.array(ptr=p + step * wp.uint64(10), shape=(ROW,), dtype=float)
        region = (k & 3) * 224
        for i in range(224):
            S[region + i] = blur(a0[i], a1[i], a2[i], a3[i], a4[i], a5[i], a6[i], a7[i], a8[i], a9[i], a10[i])
    x = wp.array(ptr=planes[0] + inner, shape=(ROW,), dtype=float)
    y = wp.array(ptr=planes[1] + inner, shape=(ROW,), dtype=float)
    w = wp.array(ptr=weights + inner, shape=(ROW,), dtype=float)
    for q in range(192):
        bx = blur(S[q + 1], S[q + 4], S[q + 7], S[q + 10], S[q + 13], S[q + 16],
                  S[q + 19], S[q + 22], S[q + 25], S[q + 28], S[q + 31])
        bxx = blur(S[q + 225], S[q + 228], S[q + 231], S[q + 234], S[q + 237], S[q + 240],
                   S[q + 243], S[q + 246], S[q + 249], S[q + 252], S[q + 255])
        bxy = blur(S[q + 449], S[q + 452], S[q + 455], S[q + 458], S[q + 461], S[q + 464],
                   S[q + 467], S[q + 470], S[q + 473], S[q + 476], S[q + 479])
        d = x[q] - y[q]
        sign = wp.where(d > 0.0, 1.0, 0.0) - wp.where(d < 0.0, 1.0, 0.0)
        S[q + 672] = w[q] * (by_l1 * sign + by_ssim * (bx + 2.0 * x[q] * bxx + y[q] * bxy))
    start = row * width3 + block * 192
    for q in range(wp.min(192, width3 - block * 192)):
        d_image[start + q] = S[q + 672]

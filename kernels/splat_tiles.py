"""Tile stage of the splat rasteriser: 2D Gaussians → pixels, and back.

One item is a tile of 16×16 pixels. A Gaussian is a row `x, y` of `centres` [px], a row `p, q, r, s` of `shapes` and a
row of `features`; its opacity at a pixel is α = min(0.999, 2^(s − u² − v²)) with u = p·dx + q·dy, v = r·dy, (dx, dy)
from the pixel to the centre. That is o·exp(−½ Δᵀ Σ⁻¹ Δ) with Σ⁻¹ factored: it costs two multiply-adds a pixel, and
does not cancel where a needle's conic would.

The loops over the pixels of a row are written for LLVM's vectoriser (one scratch array, regions at constant offsets,
indices provably not negative, selects, no calls).
"""

import functools

import warp as wp

from scenekit._kernels.launch import OPTIONS

TILE = 16
BATCH = 32
"""Gaussians that a tile draws at a time, one bit of a mask each."""
CHUNK = 8
"""Channels that one launch can blend."""

wp.set_module_options(OPTIONS)

LOG2_255 = wp.constant(7.994353436858858)
LN2 = wp.constant(0.6931471805599453)
ALPHA_MAX = wp.constant(0.999)
TRANSMITTANCE_MIN = wp.constant(1.0e-4)
NOTHING = wp.constant(-100.0)  # log2 of an opacity that is not seen


@wp.func
def exp2(t: float):
    """2^t for −126 < t < 64 to 1e-7 by a degree-5 polynomial; a library call would stop the vectoriser."""
    i = t + 12582912.0  # 1.5·2²³: leaves round(t) in the low bits
    f = t - (i - 12582912.0)
    p = 1.327647245e-3 * f + 9.675541893e-3
    p = p * f + 5.550713092e-2
    p = p * f + 2.402212024e-1
    p = p * f + 6.931469440e-1
    p = p * f + 1.000000119
    return wp.cast(wp.cast(p, int) + (wp.cast(i, int) << 23), float)


@wp.func
def rows_of(gy: float, r: float, reach: float, limit: int):
    """First and last row of the tile that the ellipse s − u² − v² ≥ −log₂ 255 can meet."""
    half = wp.sqrt(reach) / r
    return wp.vec2i(int(wp.max(wp.ceil(gy - half), 0.0)), int(wp.min(wp.floor(gy + half), float(limit))))


@wp.func
def misses_row(u: float, step: float, reach: float):
    """True if no pixel of a row has u² ≤ reach, for u at the first and u − step at the last of them."""
    last = u - step
    near = wp.where(u < 0.0, u, wp.where(last > 0.0, last, 0.0))
    return near * near > reach


@wp.func
def alpha_at(u: float, t0: float):
    """α = 2^(t0 − u²), 0 below 1/255; `exp2` need not be right there."""
    t = t0 - u * u
    return wp.where(t >= -LOG2_255, wp.min(exp2(t), ALPHA_MAX), 0.0)


@wp.func
def blend(T: float, a: float):
    """Transmittance behind a Gaussian, negative if the pixel has ended, and the Gaussian's weight."""
    w = a * T
    left = T - w
    ended = left <= TRANSMITTANCE_MIN
    return wp.vec2(wp.where(ended, -wp.abs(T), left), wp.where(ended, 0.0, w))


@wp.func_native("return mask ? __builtin_ctz(mask) : 32;")
def lowest_bit(mask: wp.uint32) -> int:
    """Number of the lowest bit that is set; 32 if none is."""
    ...


@functools.cache
def tile_kernels(channels: int, absgrad: bool):
    """The forward and backward kernel for so many channels (at most `CHUNK`); compiled at the first launch of each."""
    color = wp.types.vector(length=channels, dtype=float)
    planes = 256 * channels
    gx, gy, ps, qs, rs, ss, u0, t0, colors = (256 + planes + 64 * row for row in range(9))  # rows of a batch
    batch_end = colors + 64 * channels
    moments = 256 * (2 + channels)  # where the lane sums of one pair begin, rows of 16 in the order of a `d_pairs` row
    sums = 8 + channels
    lanes = 16 * sums
    scratch = moments + 256

    @wp.kernel(module="unique", module_options=OPTIONS)
    def forward(first: int, stride: int, tiles_x: int, width: int, height: int, channel: int,
                offsets: wp.array(dtype=wp.int32), ids: wp.array(dtype=wp.int32), centres: wp.array2d(dtype=float),
                shapes: wp.array2d(dtype=float), features: wp.array2d(dtype=float), background: wp.array(dtype=float),
                image: wp.array2d(dtype=float), alphas: wp.array(dtype=float), ends: wp.array(dtype=wp.int32)):
        # scratch: transmittance T (negative once the pixel has ended), the channels, then the rows of a batch. A block
        # is half a row of pixels: a mask says which Gaussians meet it, and they are drawn with its pixels in registers,
        # two by two, so that two exponentials overlap.
        tile = first + wp.tid() * stride
        ty = tile // tiles_x
        tx = tile - ty * tiles_x
        S = wp.zeros(shape=batch_end, dtype=float)
        for i in range(256):
            S[i] = 1.0
        live = ~wp.uint32(0)
        k = offsets[tile]
        end = offsets[tile + 1]
        while k < end:
            for i in range(BATCH + 1):
                S[i + ss] = NOTHING
                S[i + t0] = NOTHING
            for i in range(wp.min(end - k, BATCH)):
                g = ids[k + i]
                slot = i & 31
                S[slot + gx] = centres[g, 0] - float(tx * 16) - 0.5
                S[slot + gy] = centres[g, 1] - float(ty * 16) - 0.5
                S[slot + ps] = shapes[g, 0]
                S[slot + qs] = shapes[g, 1]
                S[slot + rs] = shapes[g, 2]
                S[slot + ss] = shapes[g, 3]
                for j in range(channels):
                    S[slot + colors + 64 * j] = features[g, channel + j]
            k = k + BATCH
            blocks = live
            while blocks != wp.uint32(0):
                block = lowest_bit(blocks) & 31
                blocks = blocks & (blocks - wp.uint32(1))
                base = block << 3
                mask = wp.uint32(0)
                for i in range(BATCH):
                    dy = S[i + gy] - float(block >> 1)
                    v = S[i + rs] * dy
                    t = S[i + ss] - v * v
                    u = S[i + ps] * (S[i + gx] - float(base & 8)) + S[i + qs] * dy
                    S[i + u0] = u
                    S[i + t0] = t
                    missed = misses_row(u, 7.0 * S[i + ps], t + LOG2_255)
                    mask = mask | wp.where(missed, wp.uint32(0), wp.uint32(1) << wp.uint32(i))
                while mask != wp.uint32(0):
                    a = lowest_bit(mask) & 63
                    mask = mask & (mask - wp.uint32(1))
                    b = lowest_bit(mask) & 63
                    mask = mask & (mask - wp.uint32(1))
                    ca = color()
                    cb = color()
                    for j in range(channels):
                        ca[j] = S[a + colors + 64 * j]
                        cb[j] = S[b + colors + 64 * j]
                    ua = S[a + u0]
                    ub = S[b + u0]
                    pa = S[a + ps]
                    pb = S[b + ps]
                    ta = S[a + t0]
                    tb = S[b + t0]
                    for x in range(8):
                        near = blend(S[base + x], alpha_at(ua - pa * float(x), ta))
                        far = blend(near[0], alpha_at(ub - pb * float(x), tb))
                        S[base + x] = far[0]
                        for j in range(channels):
                            o = base + x + 256 * (1 + j)
                            S[o] = S[o] + near[1] * ca[j] + far[1] * cb[j]
                running = int(0)
                for x in range(8):
                    running += wp.where(S[base + x] > 0.0, 1, 0)
                if running == 0:
                    live = live ^ (wp.uint32(1) << wp.uint32(block))
            if live == wp.uint32(0):
                end = wp.min(k, end)
        ends[tile] = end
        for y in range(wp.min(16, height - ty * 16)):
            for x in range(wp.min(16, width - tx * 16)):
                i = (ty * 16 + y) * width + tx * 16 + x
                o = y * 16 + x
                T = wp.abs(S[o])
                alphas[i] = 1.0 - T
                for j in range(channels):
                    image[i, channel + j] = S[o + 256 * (1 + j)] + T * background[channel + j]

    @wp.kernel(module="unique", module_options=OPTIONS)
    def backward(first: int, stride: int, tiles_x: int, width: int, height: int, channel: int, begin: int,
                 offsets: wp.array(dtype=wp.int32), ends: wp.array(dtype=wp.int32), ids: wp.array(dtype=wp.int32),
                 centres: wp.array2d(dtype=float), shapes: wp.array2d(dtype=float), features: wp.array2d(dtype=float),
                 image: wp.array2d(dtype=float), alphas: wp.array(dtype=float), d_image: wp.array2d(dtype=float),
                 d_alphas: wp.array(dtype=float), d_pairs: wp.array2d(dtype=float)):
        # scratch: T, what is still to come of Σ d_image·image − d_alpha·T, d_image, then the lane sums
        tile = begin + first + wp.tid() * stride
        ty = tile // tiles_x
        tx = tile - ty * tiles_x
        S = wp.zeros(shape=scratch, dtype=float)
        for i in range(scratch):
            S[i] = 0.0
        for y in range(wp.min(16, height - ty * 16)):
            for x in range(wp.min(16, width - tx * 16)):
                i = (ty * 16 + y) * width + tx * 16 + x
                o = y * 16 + x
                S[o] = 1.0
                rest = float(0.0)
                if channel == 0:
                    rest = (alphas[i] - 1.0) * d_alphas[i]
                for j in range(channels):
                    d = d_image[i, channel + j]
                    S[o + 256 * (2 + j)] = d
                    rest += d * image[i, channel + j]
                S[o + 256] = rest
        start = offsets[begin]
        for k in range(offsets[tile], ends[tile]):
            g = ids[k]
            gx = centres[g, 0] - float(tx * 16) - 0.5
            gy = centres[g, 1] - float(ty * 16) - 0.5
            p = shapes[g, 0]
            q = shapes[g, 1]
            r = shapes[g, 2]
            s = shapes[g, 3]
            c = color()
            for j in range(channels):
                c[j] = features[g, channel + j]
            for i in range(lanes):
                S[i + moments] = 0.0
            rows = rows_of(gy, r, s + LOG2_255, 15)
            for y in range(rows[0], rows[1] + 1):
                dy = gy - float(y)
                v = r * dy
                t0 = s - v * v
                u0 = p * gx + q * dy
                if not misses_row(u0, 15.0 * p, t0 + LOG2_255):
                    base = (y & 15) << 4
                    for x in range(16):
                        u = u0 - p * float(x)
                        t = t0 - u * u
                        e = exp2(wp.max(t, -9.0))
                        a = wp.min(e, ALPHA_MAX)
                        a = wp.where(t >= -LOG2_255, a, 0.0)
                        T = S[base + x]
                        w = a * T
                        left = T - w
                        ended = left <= TRANSMITTANCE_MIN
                        w = wp.where(ended, 0.0, w)
                        S[base + x] = wp.where(ended, -wp.abs(T), left)
                        cd = float(0.0)
                        for j in range(channels):
                            d = S[base + x + 256 * (2 + j)]
                            cd += c[j] * d
                            S[x + moments + 16 * (8 + j)] = S[x + moments + 16 * (8 + j)] + w * d
                        rest = S[base + x + 256] - w * cd
                        S[base + x + 256] = rest
                        da = T * cd - rest / (1.0 - a)
                        da = wp.where(w > 0.0, da, 0.0)
                        m = wp.where(e < ALPHA_MAX, a * da, 0.0)
                        if absgrad:
                            S[x + moments + 96] = S[x + moments + 96] + wp.abs(m * u)
                            S[x + moments + 112] = S[x + moments + 112] + wp.abs(m * (q * u + r * v))
                        S[x + moments + 80] = S[x + moments + 80] + m
                        m = m * dy
                        S[x + moments + 16] = S[x + moments + 16] + m
                        S[x + moments + 64] = S[x + moments + 64] + m * dy
            for x in range(16):
                dx = gx - float(x)
                m = S[x + moments + 80] * dx
                S[x + moments] = m
                S[x + moments + 32] = m * dx
                S[x + moments + 48] = S[x + moments + 16] * dx
            for i in range(sums):
                m = float(0.0)
                for x in range(16):
                    m += S[((i & 15) << 4) + x + moments]
                d_pairs[k - start, i] = m
        for k in range(ends[tile], offsets[tile + 1]):
            for i in range(sums):
                d_pairs[k - start, i] = 0.0

    return forward, backward


@wp.kernel
def reduce(first: int, stride: int, fresh: int, channel: int, channels: int, begin: int, end: int,
           starts: wp.array(dtype=wp.int32), pairs: wp.array(dtype=wp.int32), shapes: wp.array2d(dtype=float),
           d_pairs: wp.array2d(dtype=float), d_centres: wp.array2d(dtype=float), d_shapes: wp.array2d(dtype=float),
           d_features: wp.array2d(dtype=float), absgrad: wp.array2d(dtype=float)):
    """One item is a Gaussian: adds up the rows of its pairs among `begin … end`, and expands moments to gradients.

    Adds to the outputs, or sets them where they are `fresh`: this pass's channels (1), or everything (2).
    """
    g = first + wp.tid() * stride
    S = wp.zeros(shape=16, dtype=float)
    for c in range(16):
        S[c] = 0.0
    for j in range(starts[g], starts[g + 1]):
        k = pairs[j]
        if k >= begin and k < end:
            for c in range(16):
                S[c] = S[c] + d_pairs[k - begin, c]
    p = shapes[g, 0]
    q = shapes[g, 1]
    r = shapes[g, 2]
    mu = p * S[0] + q * S[1]
    if fresh > 1:
        for c in range(2):
            d_centres[g, c] = 0.0
            absgrad[g, c] = 0.0
        for c in range(4):
            d_shapes[g, c] = 0.0
    d_centres[g, 0] = d_centres[g, 0] - 2.0 * LN2 * p * mu
    d_centres[g, 1] = d_centres[g, 1] - 2.0 * LN2 * (q * mu + r * r * S[1])
    d_shapes[g, 0] = d_shapes[g, 0] - 2.0 * LN2 * (p * S[2] + q * S[3])
    d_shapes[g, 1] = d_shapes[g, 1] - 2.0 * LN2 * (p * S[3] + q * S[4])
    d_shapes[g, 2] = d_shapes[g, 2] - 2.0 * LN2 * r * S[4]
    d_shapes[g, 3] = d_shapes[g, 3] + LN2 * S[5]
    absgrad[g, 0] = absgrad[g, 0] + 2.0 * LN2 * p * S[6]
    absgrad[g, 1] = absgrad[g, 1] + 2.0 * LN2 * S[7]
    for j in range(channels):
        if fresh > 0:
            d_features[g, channel + j] = S[8 + j]
        else:
            d_features[g, channel + j] = d_features[g, channel + j] + S[8 + j]

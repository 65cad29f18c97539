"""Tile stage of the splat rasteriser for a GPU, where one item is a pixel: the images and gradients of `splat_tiles`.

A warp is a block of 8×4 pixels. It goes through its tile's list 32 Gaussians at a time: each lane looks at one, whether
its ellipse meets the block, and those that do are then told to all lanes, which draw them. So what touches a corner of
the tile costs the other blocks a thirty-second of a test. Going back, the moments of a pair are added up over the warp
before they are added to the Gaussian's row in memory, in an order that is not always the same.
"""

import functools

import warp as wp

from scenekit._kernels.launch import OPTIONS
from scenekit._kernels.splat_tiles import ALPHA_MAX, LOG2_255, TRANSMITTANCE_MIN
from scenekit._kernels.warp_lanes import add_to_row, ballot, lane, lanes, lowest, power_of_two, told, told_index

PIXEL_OPTIONS = OPTIONS | {"max_unroll": 16}
"""Here loops over channels must unroll, so that vectors stay in registers."""

wp.set_module_options(PIXEL_OPTIONS)

vec8 = wp.types.vector(length=8, dtype=float)
SLACK = wp.constant(0.01)
"""By which a reach is widened, so that rounding drops nothing; every pixel tests itself."""


@wp.func
def meets(x: float, y: float, shape: wp.vec4, left: float, top: float, wide: float, high: float):
    """True if the ellipse s − u² − v² ≥ −log₂ 255 around (x, y) meets a rectangle; see `splat_tiles` for u and v.

    The least u² + v² lies at the centre, if that is inside, else on one of the two sides that face it.
    """
    p = shape[0]
    q = shape[1]
    r = shape[2]
    x0 = x - left - wide
    x1 = x - left
    y0 = y - top - high
    y1 = y - top
    dx = wp.clamp(0.0, x0, x1)
    dy = wp.clamp(-p * q * dx / (q * q + r * r), y0, y1)
    u = p * dx + q * dy
    least = u * u + r * r * dy * dy
    dy = wp.clamp(0.0, y0, y1)
    dx = wp.clamp(-q * dy / p, x0, x1)
    u = p * dx + q * dy
    return wp.min(least, u * u + r * r * dy * dy) <= shape[3] + LOG2_255 + SLACK


@wp.func
def place(item: int, tiles_x: int):
    """Pixel of an item, and the tile it is in."""
    tile = item >> 8
    rest = item & 255
    block = rest >> 5
    x = (tile % tiles_x) * 16 + (block & 1) * 8 + (rest & 7)
    y = (tile // tiles_x) * 16 + (block >> 1) * 4 + ((rest >> 3) & 3)
    return tile, x, y


@wp.func
def block_of(x: int, y: int):
    """Middle of the first pixel of a warp's block, and how far it is to that of the last."""
    if lanes() == 1:
        return wp.vec4(float(x) + 0.5, float(y) + 0.5, 0.0, 0.0)
    return wp.vec4(float(x & -8) + 0.5, float(y & -4) + 0.5, 7.0, 3.0)


@functools.cache
def pixel_kernels(channels: int, absgrad: bool):
    """The forward and backward kernel for so many channels (at most 8); compiled at the first launch of each."""
    color = wp.types.vector(length=channels, dtype=float)

    @wp.kernel(module="unique", module_options=PIXEL_OPTIONS)
    def forward(first: int, stride: int, tiles_x: int, width: int, height: int, channel: int,
                offsets: wp.array(dtype=wp.int32), ids: wp.array(dtype=wp.int32), centres: wp.array(dtype=wp.vec2),
                shapes: wp.array(dtype=wp.vec4), features: wp.array2d(dtype=float), background: wp.array(dtype=float),
                image: wp.array2d(dtype=float), alphas: wp.array(dtype=float)):
        tile, column, row = place(first + wp.tid() * stride, tiles_x)
        block = block_of(column, row)
        px = float(column) + 0.5
        py = float(row) + 0.5
        inside = column < width and row < height
        running = int(0)
        if inside:
            running = 1
        T = float(1.0)
        sum = color()
        k = offsets[tile]
        end = offsets[tile + 1]
        while k < end:
            centre = wp.vec2()
            shape = wp.vec4()
            c = color()
            hit = int(0)
            if k + lane() < end:
                g = ids[k + lane()]
                centre = centres[g]
                shape = shapes[g]
                if meets(centre[0], centre[1], shape, block[0], block[1], block[2], block[3]):
                    hit = 1
                    for j in range(channels):
                        c[j] = features[g, channel + j]
            todo = ballot(hit)
            while todo != wp.uint32(0):
                i = lowest(todo)
                todo = todo & (todo - wp.uint32(1))
                dx = told(centre[0], i) - px
                dy = told(centre[1], i) - py
                u = told(shape[0], i) * dx + told(shape[1], i) * dy
                v = told(shape[2], i) * dy
                t = told(shape[3], i) - u * u - v * v
                w = float(0.0)
                if running != 0 and t >= -LOG2_255:
                    w = wp.min(power_of_two(t), ALPHA_MAX) * T
                    if T - w <= TRANSMITTANCE_MIN:
                        w = 0.0
                        running = 0
                T = T - w
                for j in range(channels):
                    sum[j] = sum[j] + w * told(c[j], i)
            k = k + lanes()
            if ballot(running) == wp.uint32(0):
                k = end
        if inside:
            at = row * width + column
            alphas[at] = 1.0 - T
            for j in range(channels):
                image[at, channel + j] = sum[j] + T * background[channel + j]

    @wp.kernel(module="unique", module_options=PIXEL_OPTIONS)
    def backward(first: int, stride: int, tiles_x: int, width: int, height: int, channel: int,
                 offsets: wp.array(dtype=wp.int32), ids: wp.array(dtype=wp.int32), centres: wp.array(dtype=wp.vec2),
                 shapes: wp.array(dtype=wp.vec4), features: wp.array2d(dtype=float), image: wp.array2d(dtype=float),
                 alphas: wp.array(dtype=float), d_image: wp.array2d(dtype=float), d_alphas: wp.array(dtype=float),
                 rows: wp.array2d(dtype=float)):
        # rows: of each Gaussian, what a `d_pairs` row of `splat_tiles` is of each pair
        tile, column, row = place(first + wp.tid() * stride, tiles_x)
        block = block_of(column, row)
        px = float(column) + 0.5
        py = float(row) + 0.5
        running = int(0)
        T = float(1.0)
        rest = float(0.0)  # what is still to come of Σ d_image·image − d_alpha·T
        d = color()
        if column < width and row < height:
            running = 1
            at = row * width + column
            if channel == 0:
                rest = (alphas[at] - 1.0) * d_alphas[at]
            for j in range(channels):
                d[j] = d_image[at, channel + j]
                rest += d[j] * image[at, channel + j]
        k = offsets[tile]
        end = offsets[tile + 1]
        while k < end:
            centre = wp.vec2()
            shape = wp.vec4()
            c = color()
            g = int(0)
            hit = int(0)
            if k + lane() < end:
                g = ids[k + lane()]
                centre = centres[g]
                shape = shapes[g]
                if meets(centre[0], centre[1], shape, block[0], block[1], block[2], block[3]):
                    hit = 1
                    for j in range(channels):
                        c[j] = features[g, channel + j]
            todo = ballot(hit)
            while todo != wp.uint32(0):
                i = lowest(todo)
                todo = todo & (todo - wp.uint32(1))
                dx = told(centre[0], i) - px
                dy = told(centre[1], i) - py
                q = told(shape[1], i)
                r = told(shape[2], i)
                u = told(shape[0], i) * dx + q * dy
                v = r * dy
                t = told(shape[3], i) - u * u - v * v
                cd = float(0.0)
                for j in range(channels):
                    cd += told(c[j], i) * d[j]
                w = float(0.0)
                m = float(0.0)
                if running != 0 and t >= -LOG2_255:
                    e = power_of_two(t)
                    a = wp.min(e, ALPHA_MAX)
                    w = a * T
                    left = T - w
                    if left <= TRANSMITTANCE_MIN:
                        w = 0.0
                        running = 0
                    else:
                        rest = rest - w * cd
                        if e < ALPHA_MAX:
                            m = a * (T * cd - rest / (1.0 - a))
                        T = left
                drawn = int(0)
                if w > 0.0:
                    drawn = 1
                if ballot(drawn) != wp.uint32(0):
                    sideways = float(0.0)
                    upward = float(0.0)
                    if absgrad:
                        sideways = wp.abs(m * u)
                        upward = wp.abs(m * (q * u + r * v))
                    f = vec8()
                    for j in range(channels):
                        f[j] = w * d[j]
                    mx = m * dx
                    my = m * dy
                    add_to_row(rows, told_index(g, i), mx, my, mx * dx, mx * dy, my * dy, m, sideways, upward,
                               f[0], f[1], f[2], f[3], f[4], f[5], f[6], f[7])
            k = k + lanes()
            if ballot(running) == wp.uint32(0):
                k = end

    return forward, backward

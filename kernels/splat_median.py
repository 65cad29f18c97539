"""The Gaussian that each pixel's ray stops in: where the transmittance first falls to one half.

One item is a tile of 16×16 pixels, as in `splat_tiles`; it walks the same lists of Gaussians. Forward only: which
Gaussian it is does not change smoothly.
"""

import warp as wp

from scenekit._kernels.launch import OPTIONS

wp.set_module_options(OPTIONS)

ALPHA_MIN = wp.constant(1.0 / 255.0)
ALPHA_MAX = wp.constant(0.999)


@wp.kernel
def median(
    first: int,
    stride: int,
    tiles_x: int,
    width: int,
    height: int,
    offsets: wp.array(dtype=wp.int32),
    ids: wp.array(dtype=wp.int32),
    centres: wp.array2d(dtype=float),
    conics: wp.array2d(dtype=float),
    opacities: wp.array(dtype=float),
    found: wp.array(dtype=wp.int32),
):
    # scratch: transmittance, negative once it has fallen to one half
    tile = first + wp.tid() * stride
    ty = tile // tiles_x
    tx = tile - ty * tiles_x
    columns = wp.min(16, width - tx * 16)
    rows = wp.min(16, height - ty * 16)
    S = wp.zeros(shape=256, dtype=float)
    for i in range(256):
        S[i] = 1.0
    for y in range(rows):
        for x in range(columns):
            found[(ty * 16 + y) * width + tx * 16 + x] = -1
    running = rows * columns
    k = offsets[tile]
    end = offsets[tile + 1]
    while k < end:
        g = ids[k]
        gx = centres[g, 0] - float(tx * 16) - 0.5
        gy = centres[g, 1] - float(ty * 16) - 0.5
        xx = conics[g, 0]
        xy = conics[g, 1]
        yy = conics[g, 2]
        o = opacities[g]
        for y in range(rows):
            dy = gy - float(y)
            for x in range(columns):
                dx = gx - float(x)
                T = S[y * 16 + x]
                if T > 0.0:
                    a = wp.min(o * wp.exp(-0.5 * (xx * dx * dx + 2.0 * xy * dx * dy + yy * dy * dy)), ALPHA_MAX)
                    if a >= ALPHA_MIN:
                        T = T * (1.0 - a)
                        if T <= 0.5:
                            found[(ty * 16 + y) * width + tx * 16 + x] = g
                            running -= 1
                            T = -1.0
                        S[y * 16 + x] = T
        k = k + 1
        if running == 0:
            end = k

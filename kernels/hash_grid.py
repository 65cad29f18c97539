"""Multiresolution hash encoding (Müller et al. 2022): positions in the unit cube → trilinear features, and back.

Level l divides the cube into cells, and a corner's features are a row of the table: numbered where the level's table
holds all corners, else hashed. Points go by blocks of 64: LLVM vectorises places, hashes and weights over the lanes of
scratch arrays; what follows, loading rows from all over the table, is bound by the cache and goes point by point.
Features and their gradients are stored feature by feature, (levels · features, n): a block writes whole cache lines.
Arrays are opened by address, so that their strides are constants.
"""

import functools

import warp as wp

from scenekit._kernels.launch import OPTIONS

wp.set_module_options(OPTIONS)

BLOCK = 64
"""Points that go through the scratch array together."""
LENGTH = wp.constant(1 << 30)
"""Capacity of an array that is opened by address; the loops end before its true length."""
PRIME_Y = wp.constant(wp.uint32(2654435761))
PRIME_Z = wp.constant(wp.uint32(805459861))


@wp.struct
class Level:
    cells: float
    """Cells along a side."""
    row: int
    """First row of the level's table."""
    mask: wp.uint32
    """Rows − 1 of a hashed table, a power of two less one."""
    step: wp.uint32
    """Corners along a side of a dense table; 0 for a hashed one."""


@functools.cache
def grid_kernel(features: int, task: str):
    """The kernel for rows of so many features: a pass over points at one or several levels that does one task.

    "encode" writes the features, "gradient" adds to that of the table, "atomic gradient" does so where several items
    share a level, "positions" writes the gradient of the positions, which outside of the cube is 0.
    """
    row = wp.types.vector(length=features, dtype=float)

    @wp.kernel(module="unique", module_options=OPTIONS)
    def kernel(first: int, stride: int, n: int, chunks: int, blocks: int, together: int, levels: wp.array(dtype=Level),
               positions: wp.uint64, table: wp.uint64, features_out: wp.uint64, d_positions: wp.uint64):
        """One item is `blocks` blocks of points, of `chunks` such, at `together` levels.

        Items of a level are neighbours, as its table is hot. For "gradient" an item is a whole level, which owns its
        rows; for "positions" it is all levels of its points, which it owns.

        Args:
            positions: (n, 3).
            table: Rows of all levels; for both "gradient" tasks what is added to.
            features_out: (levels · features, n); for all but "encode" their gradient.
            d_positions: (n, 3), zeros, for "positions".
        """
        item = first + wp.tid() * stride
        part = item // chunks
        begin = (item - part * chunks) * blocks * 64
        P = wp.array(ptr=positions, shape=(LENGTH,), dtype=float)
        T = wp.array(ptr=table, shape=(LENGTH,), dtype=row)
        F = wp.array(ptr=features_out, shape=(LENGTH,), dtype=float)
        G = wp.array(ptr=d_positions, shape=(LENGTH,), dtype=float)
        for l in range(part * together, (part + 1) * together):
            level = levels[l]
            last = int(level.cells) - 1
            hashed = level.step == wp.uint32(0)
            step_y = wp.where(hashed, PRIME_Y, level.step)
            step_z = wp.where(hashed, PRIME_Z, level.step * level.step)
            for start in range(begin, wp.min(begin + blocks * 64, n), 64):
                # Of 64 lanes each: along x, y, z the hash (I) and the weight (S) of the lower side, then of the upper;
                # then rows and weights of the eight corners. Made anew for each block, or LLVM loses sight of where
                # they are and vectorises nothing.
                I = wp.zeros(shape=896, dtype=int)
                S = wp.zeros(shape=896, dtype=float)
                count = wp.min(64, n - start)
                for lane in range(64):
                    p = 3 * wp.min(start + lane, n - 1)
                    for axis in range(3):
                        S[((axis & 3) << 6) + lane] = P[(p + axis) & 0x3FFFFFFF]
                for i in range(192):
                    t = wp.clamp(S[i], 0.0, 1.0) * level.cells
                    cell = wp.min(int(t), last)
                    I[i] = cell
                    S[192 + i] = t - float(cell)
                    S[i] = 1.0 - (t - float(cell))
                for lane in range(64):
                    hy = wp.uint32(I[64 + lane]) * step_y
                    hz = wp.uint32(I[128 + lane]) * step_z
                    I[192 + lane] = I[lane] + 1
                    I[64 + lane] = int(hy)
                    I[256 + lane] = int(hy + step_y)
                    I[128 + lane] = int(hz)
                    I[320 + lane] = int(hz + step_z)
                for corner in range(8):
                    x = (corner & 1) * 192
                    y = ((corner >> 1) & 1) * 192 + 64
                    z = ((corner >> 2) & 1) * 192 + 128
                    to = 384 + ((corner & 7) << 6)
                    for lane in range(64):
                        S[to + lane] = S[x + lane] * S[y + lane] * S[z + lane]
                    if hashed:
                        for lane in range(64):
                            key = wp.uint32(I[x + lane] ^ I[y + lane] ^ I[z + lane]) & level.mask
                            I[to + lane] = level.row + int(key)
                    else:
                        for lane in range(64):
                            I[to + lane] = level.row + I[x + lane] + I[y + lane] + I[z + lane]
                at = l * features * n + start
                if wp.static(task == "encode"):
                    for lane in range(count):
                        sum = row()
                        for corner in range(8):
                            c = 384 + ((corner & 7) << 6) + (lane & 63)
                            sum += S[c] * T[I[c] & 0x3FFFFFF]
                        for f in range(features):
                            F[(at + f * n + lane) & 0x3FFFFFFF] = sum[f]
                else:
                    for lane in range(count):
                        d = row()
                        for f in range(features):
                            d[f] = F[(at + f * n + lane) & 0x3FFFFFFF]
                        for corner in range(8):
                            c = 384 + ((corner & 7) << 6) + (lane & 63)
                            r = I[c] & 0x3FFFFFF
                            if wp.static(task == "gradient"):
                                T[r] = T[r] + S[c] * d
                            elif wp.static(task == "atomic gradient"):
                                wp.atomic_add(T, r, S[c] * d)
                            else:
                                S[c] = wp.dot(T[r], d)
                if wp.static(task == "positions"):
                    for lane in range(count):
                        g = wp.vec3()
                        for corner in range(8):
                            i = (corner & 1) * 192 + (lane & 63)
                            j = ((corner >> 1) & 1) * 192 + 64 + (lane & 63)
                            k = ((corner >> 2) & 1) * 192 + 128 + (lane & 63)
                            e = S[384 + ((corner & 7) << 6) + (lane & 63)] * level.cells
                            g[0] = g[0] + wp.where((corner & 1) > 0, e, -e) * S[j] * S[k]
                            g[1] = g[1] + wp.where((corner & 2) > 0, e, -e) * S[i] * S[k]
                            g[2] = g[2] + wp.where((corner & 4) > 0, e, -e) * S[i] * S[j]
                        for axis in range(3):
                            p = (3 * (start + lane) + axis) & 0x3FFFFFFF
                            inside = P[p] >= 0.0 and P[p] <= 1.0
                            G[p] = G[p] + wp.where(inside, g[axis], 0.0)

    return kernel

"""Multiresolution hash encoding (Müller et al. 2022): positions in the unit cube → trilinear features, and back.

Level l divides the cube into rᵢ cells a side, and a corner's features are a row of the table: numbered where the
table holds all (rᵢ + 1)³ corners, else hashed. Points go by blocks of 64 lanes through one scratch array, so that LLVM
vectorises hashing and gathering; what is scattered, the gradient of a table, belongs to the item of that level.
Features and their gradients are stored feature by feature, (levels · features, n): a block writes whole cache lines.
"""

import warp as wp

from scenekit._kernels.launch import OPTIONS

wp.set_module_options(OPTIONS)

BLOCK = 64
"""Points that go through the scratch array together."""
MAX_FEATURES = 8
"""Features of a table's row that the scratch array holds."""

# The scratch of 64 lanes: cell coordinates 0, 64, 128; fractions 192, 256, 320; index and weight of a corner 384, 448;
# sums from 512 on.  Integers live in an array of their own.
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


@wp.func
def row_of(level: Level, i: int, j: int, k: int):
    """Row of a corner in the table of its level, provably not negative."""
    x = wp.uint32(i)
    y = wp.uint32(j)
    z = wp.uint32(k)
    dense = x + level.step * (y + level.step * z)
    hashed = (x ^ (y * PRIME_Y) ^ (z * PRIME_Z)) & level.mask
    return int(wp.where(level.step > wp.uint32(0), dense, hashed)) & 0x3FFFFFF


@wp.func
def side(bit: int, fraction: float):
    """Weight of a corner along one axis."""
    return wp.where(bit > 0, fraction, 1.0 - fraction)


@wp.kernel
def forward(first: int, stride: int, n: int, chunks: int, blocks: int, features: int, levels: wp.array(dtype=Level),
            positions: wp.array(dtype=float), table: wp.array(dtype=float), out: wp.array(dtype=float)):
    """Encode. One item is `blocks` blocks of points at one level; items of a level are neighbours: its table is hot."""
    item = first + wp.tid() * stride
    l = item // chunks
    level = levels[l]
    I = wp.zeros(shape=256, dtype=int)
    S = wp.zeros(shape=768, dtype=float)
    begin = (item - l * chunks) * blocks * 64
    for start in range(begin, wp.min(begin + blocks * 64, n), 64):
        for axis in range(3):
            for lane in range(64):
                t = wp.clamp(positions[3 * wp.min(start + lane, n - 1) + axis], 0.0, 1.0) * level.cells
                cell = wp.min(int(t), int(level.cells) - 1)
                I[axis * 64 + lane] = cell
                S[axis * 64 + lane] = t - float(cell)
        for f in range(features):
            for lane in range(64):
                S[256 + f * 64 + lane] = 0.0
        for corner in range(8):
            i = corner & 1
            j = (corner >> 1) & 1
            k = corner >> 2
            for lane in range(64):
                row = row_of(level, I[lane] + i, I[64 + lane] + j, I[128 + lane] + k)
                I[192 + lane] = (level.row + row) * features
                S[192 + lane] = side(i, S[lane]) * side(j, S[64 + lane]) * side(k, S[128 + lane])
            for f in range(features):
                base = 256 + (f & 7) * 64
                for lane in range(64):
                    S[base + lane] += S[192 + lane] * table[(I[192 + lane] & 0x3FFFFFFF) + f]
        count = wp.min(64, n - start)
        for f in range(features):
            to = (l * features + f) * n + start
            for lane in range(count):
                out[to + lane] = S[256 + f * 64 + lane]


@wp.kernel
def to_table(first: int, stride: int, n: int, chunks: int, blocks: int, features: int, levels: wp.array(dtype=Level),
             positions: wp.array(dtype=float), d_out: wp.array(dtype=float), d_table: wp.array(dtype=float)):
    """Gradient of the tables, added to `d_table`.

    On a CPU an item is a whole level (one chunk), which alone writes to its table: its atomics are plain additions, in
    the order of the points. On CUDA they are atomic, and an item is a few blocks.
    """
    item = first + wp.tid() * stride
    l = item // chunks
    level = levels[l]
    I = wp.zeros(shape=704, dtype=int)
    S = wp.zeros(shape=704, dtype=float)
    begin = (item - l * chunks) * blocks * 64
    for start in range(begin, wp.min(begin + blocks * 64, n), 64):
        for axis in range(3):
            for lane in range(64):
                t = wp.clamp(positions[3 * wp.min(start + lane, n - 1) + axis], 0.0, 1.0) * level.cells
                cell = wp.min(int(t), int(level.cells) - 1)
                I[axis * 64 + lane] = cell
                S[axis * 64 + lane] = t - float(cell)
        for corner in range(8):
            i = corner & 1
            j = (corner >> 1) & 1
            k = corner >> 2
            base = 192 + corner * 64
            for lane in range(64):
                row = row_of(level, I[lane] + i, I[64 + lane] + j, I[128 + lane] + k)
                I[base + lane] = (level.row + row) * features
                S[base + lane] = side(i, S[lane]) * side(j, S[64 + lane]) * side(k, S[128 + lane])
        for lane in range(wp.min(64, n - start)):
            for f in range(features):
                d = d_out[(l * features + f) * n + start + lane]
                for corner in range(8):
                    at = 192 + corner * 64 + lane
                    wp.atomic_add(d_table, (I[at] & 0x3FFFFFFF) + f, S[at] * d)


@wp.kernel
def to_positions(first: int, stride: int, n: int, count: int, features: int, levels: wp.array(dtype=Level),
                 positions: wp.array(dtype=float), table: wp.array(dtype=float), d_out: wp.array(dtype=float),
                 d_positions: wp.array(dtype=float)):
    """Gradient of the positions. One item is a block of points, which owns its rows; outside of the cube it is 0."""
    item = first + wp.tid() * stride
    start = item * 64
    I = wp.zeros(shape=256, dtype=int)
    S = wp.zeros(shape=448, dtype=float)
    for lane in range(192):
        S[256 + lane] = 0.0
    for l in range(count):
        level = levels[l]
        for axis in range(3):
            for lane in range(64):
                t = wp.clamp(positions[3 * wp.min(start + lane, n - 1) + axis], 0.0, 1.0) * level.cells
                cell = wp.min(int(t), int(level.cells) - 1)
                I[axis * 64 + lane] = cell
                S[axis * 64 + lane] = t - float(cell)
        for corner in range(8):
            i = corner & 1
            j = (corner >> 1) & 1
            k = corner >> 2
            for lane in range(64):
                row = row_of(level, I[lane] + i, I[64 + lane] + j, I[128 + lane] + k)
                I[192 + lane] = (level.row + row) * features
                S[192 + lane] = 0.0
            for f in range(features):
                at = (l * features + f) * n
                for lane in range(64):
                    d = d_out[at + wp.min(start + lane, n - 1)]
                    S[192 + lane] += d * table[(I[192 + lane] & 0x3FFFFFFF) + f]
            for lane in range(64):
                d = S[192 + lane] * level.cells
                u = side(i, S[lane])
                v = side(j, S[64 + lane])
                w = side(k, S[128 + lane])
                S[256 + lane] += wp.where(i > 0, d, -d) * v * w
                S[320 + lane] += wp.where(j > 0, d, -d) * u * w
                S[384 + lane] += wp.where(k > 0, d, -d) * u * v
    for lane in range(wp.min(64, n - start)):
        for axis in range(3):
            p = 3 * (start + lane) + axis
            inside = positions[p] >= 0.0 and positions[p] <= 1.0
            d_positions[p] = wp.where(inside, S[256 + axis * 64 + lane], 0.0)

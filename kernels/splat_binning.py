"""Which tiles of 16×16 pixels a projected Gaussian touches: a counting sort of (tile, Gaussian) pairs by tile.

Gaussians come in order of depth and the sort is stable, so each tile's list is in order of depth. The list of Gaussians
is cut into chunks, one item each, with a histogram of their own: the result does not depend on how many there are.
"""

import warp as wp

from scenekit._kernels.launch import OPTIONS

wp.set_module_options(OPTIONS)

LOG2_255 = wp.constant(7.994353436858858)
SLACK = wp.constant(0.01)
"""Pixels by which a reach is widened, so that rounding drops nothing; the tile kernel tests every pixel itself."""


@wp.func
def tile_rows(y: float, r: float, reach: float, tiles_y: int):
    """First and last row of tiles that the ellipse u² + v² ≤ reach can meet."""
    half = wp.sqrt(reach) / r + SLACK
    top = wp.clamp(wp.ceil(y - half - 0.5), 0.0, 1.0e6)
    bottom = wp.clamp(wp.floor(y + half - 0.5), -1.0, 1.0e6)
    if bottom < top:
        return wp.vec2i(0, -1)
    return wp.vec2i(int(top) // 16, wp.min(int(bottom) // 16, tiles_y - 1))


@wp.func
def tile_columns(x: float, y: float, p: float, q: float, r: float, reach: float, row: int, tiles_x: int):
    """First and last tile of a row of tiles that the ellipse u² + v² ≤ reach meets; u = p·dx + q·dy, v = r·dy.

    On the right the ellipse reaches x + (√(reach − r²dy²) + q·dy) / p, a concave function whose maximum lies at
    dy* = q·√reach / (r·√(q² + r²)); on the left it is the same with −dy*.
    """
    limit = wp.sqrt(reach) / r
    low = wp.max(y - float(row * 16) - 15.5 - SLACK, -limit)
    high = wp.min(y - float(row * 16) - 0.5 + SLACK, limit)
    peak = q * limit / wp.sqrt(q * q + r * r)
    right = wp.clamp(peak, low, high)
    left = wp.clamp(-peak, low, high)
    x1 = x + (wp.sqrt(wp.max(reach - r * r * right * right, 0.0)) + q * right) / p + SLACK
    x0 = x - (wp.sqrt(wp.max(reach - r * r * left * left, 0.0)) - q * left) / p - SLACK
    i0 = wp.clamp(wp.ceil(x0 - 0.5), 0.0, 1.0e6)
    i1 = wp.clamp(wp.floor(x1 - 0.5), -1.0, 1.0e6)
    if i1 < i0:
        return wp.vec2i(0, -1)
    return wp.vec2i(int(i0) // 16, wp.min(int(i1) // 16, tiles_x - 1))


@wp.kernel
def count(first: int, stride: int, tiles_x: int, tiles_y: int, per_chunk: int, order: wp.array(dtype=wp.int32),
          centres: wp.array2d(dtype=float), shapes: wp.array2d(dtype=float), counts: wp.array2d(dtype=wp.int32),
          spans: wp.array(dtype=wp.int32)):
    """Histogram of the tiles of one chunk of Gaussians, and the number of tiles of each Gaussian."""
    chunk = first + wp.tid() * stride
    for i in range(chunk * per_chunk, wp.min((chunk + 1) * per_chunk, order.shape[0])):
        g = order[i]
        x = centres[g, 0]
        y = centres[g, 1]
        p = shapes[g, 0]
        q = shapes[g, 1]
        r = shapes[g, 2]
        reach = shapes[g, 3] + LOG2_255
        total = int(0)
        rows = tile_rows(y, r, reach, tiles_y)
        for row in range(rows[0], rows[1] + 1):
            columns = tile_columns(x, y, p, q, r, reach, row, tiles_x)
            for column in range(columns[0], columns[1] + 1):
                tile = row * tiles_x + column
                counts[chunk, tile] = counts[chunk, tile] + 1
                total += 1
        spans[g] = total


@wp.kernel
def fill(first: int, stride: int, tiles_x: int, tiles_y: int, per_chunk: int, order: wp.array(dtype=wp.int32),
         centres: wp.array2d(dtype=float), shapes: wp.array2d(dtype=float), cursors: wp.array2d(dtype=wp.int32),
         starts: wp.array(dtype=wp.int32), ids: wp.array(dtype=wp.int32), pairs: wp.array(dtype=wp.int32)):
    """Put the Gaussians of one chunk into the lists of their tiles, and remember where each went."""
    chunk = first + wp.tid() * stride
    for i in range(chunk * per_chunk, wp.min((chunk + 1) * per_chunk, order.shape[0])):
        g = order[i]
        x = centres[g, 0]
        y = centres[g, 1]
        p = shapes[g, 0]
        q = shapes[g, 1]
        r = shapes[g, 2]
        reach = shapes[g, 3] + LOG2_255
        j = starts[g]
        rows = tile_rows(y, r, reach, tiles_y)
        for row in range(rows[0], rows[1] + 1):
            columns = tile_columns(x, y, p, q, r, reach, row, tiles_x)
            for column in range(columns[0], columns[1] + 1):
                tile = row * tiles_x + column
                k = cursors[chunk, tile]
                cursors[chunk, tile] = k + 1
                ids[k] = g
                pairs[j] = k
                j += 1


@wp.kernel
def spread(first: int, stride: int, tiles_x: int, tiles_y: int, centres: wp.array2d(dtype=float),
           shapes: wp.array2d(dtype=float), radii: wp.array2d(dtype=wp.int32), spans: wp.array(dtype=wp.int32)):
    """For a GPU, one item is a Gaussian: the number of its tiles, 0 if it is not drawn."""
    g = first + wp.tid() * stride
    total = int(0)
    if radii[g, 0] > 0:
        x = centres[g, 0]
        y = centres[g, 1]
        p = shapes[g, 0]
        q = shapes[g, 1]
        r = shapes[g, 2]
        reach = shapes[g, 3] + LOG2_255
        rows = tile_rows(y, r, reach, tiles_y)
        for row in range(rows[0], rows[1] + 1):
            columns = tile_columns(x, y, p, q, r, reach, row, tiles_x)
            total += wp.max(columns[1] - columns[0] + 1, 0)
    spans[g] = total


@wp.kernel
def list_tiles(first: int, stride: int, tiles_x: int, tiles_y: int, order: wp.array(dtype=wp.int64),
               starts: wp.array(dtype=wp.int64), centres: wp.array2d(dtype=float), shapes: wp.array2d(dtype=float),
               tiles: wp.array(dtype=wp.int32), ids: wp.array(dtype=wp.int32)):
    """For a GPU, one item is a place in the order of depth: writes the tiles of the Gaussian there, and which it is."""
    i = first + wp.tid() * stride
    j = int(starts[i])
    end = int(starts[i + 1])
    if j < end:
        g = int(order[i])
        x = centres[g, 0]
        y = centres[g, 1]
        p = shapes[g, 0]
        q = shapes[g, 1]
        r = shapes[g, 2]
        reach = shapes[g, 3] + LOG2_255
        rows = tile_rows(y, r, reach, tiles_y)
        for row in range(rows[0], rows[1] + 1):
            columns = tile_columns(x, y, p, q, r, reach, row, tiles_x)
            for column in range(columns[0], columns[1] + 1):
                tiles[j] = row * tiles_x + column
                ids[j] = g
                j += 1

"""One step of Adam (Kingma & Ba 2015, Algorithm 1) over several parameter groups in one launch.

A group is a matrix with one row per Gaussian, and its learning rate may differ by column. One item is ROWS rows of one
group, so a block of a full item is a whole number of vectors, whatever the number of columns.
"""

import warp as wp

from scenekit._kernels.launch import OPTIONS

wp.set_module_options(OPTIONS)

ROWS = 64
"""Rows of a group in one item."""
LENGTH = wp.constant(1 << 30)
"""Capacity of an array that is opened by pointer; the loops end before its true length."""


@wp.struct
class Step:
    beta1: float
    beta2: float
    correction1: float  # 1 / (1 − β₁ᵗ)
    correction2: float  # 1 / √(1 − β₂ᵗ)
    eps: float


@wp.kernel
def adam(first: int, stride: int, s: Step, starts: wp.array(dtype=int), rows: int, columns: wp.array(dtype=int),
         rates: wp.array(dtype=wp.uint64), addresses: wp.array(dtype=wp.uint64, ndim=2)):
    """m ← β₁ m + (1 − β₁) g;  v ← β₂ v + (1 − β₂) g²;  p ← p − rate · m̂ / (√v̂ + ε).

    Args:
        starts: First item of each group, and the number of items.
        rows: Rows of every group.
        columns: Columns of each group.
        rates: Address of each group's learning rates, one per number of an item.
        addresses: Of parameters, gradients, first and second moments of each group.
    """
    item = first + wp.tid() * stride
    g = int(0)
    while item >= starts[g + 1]:
        g = g + 1
    width = columns[g]
    row = (item - starts[g]) * 64
    offset = wp.uint64(row) * wp.uint64(width) * wp.uint64(4)
    P = wp.array(ptr=addresses[g, 0] + offset, shape=(LENGTH,), dtype=float)
    G = wp.array(ptr=addresses[g, 1] + offset, shape=(LENGTH,), dtype=float)
    M = wp.array(ptr=addresses[g, 2] + offset, shape=(LENGTH,), dtype=float)
    V = wp.array(ptr=addresses[g, 3] + offset, shape=(LENGTH,), dtype=float)
    R = wp.array(ptr=rates[g], shape=(LENGTH,), dtype=float)
    count = wp.min(rows - row, 64) * width
    for j in range(count >> 6):
        base = (j << 6) & 0xFFFF
        for i in range(64):
            k = base + i
            grad = G[k]
            m = M[k] + (grad - M[k]) * (1.0 - s.beta1)
            v = V[k] * s.beta2 + grad * grad * (1.0 - s.beta2)
            M[k] = m
            V[k] = v
            P[k] = P[k] - R[k] * (m * s.correction1) / (wp.sqrt(v) * s.correction2 + s.eps)
    for k in range(count & 0xFFC0, count):
        grad = G[k]
        m = M[k] + (grad - M[k]) * (1.0 - s.beta1)
        v = V[k] * s.beta2 + grad * grad * (1.0 - s.beta2)
        M[k] = m
        V[k] = v
        P[k] = P[k] - R[k] * (m * s.correction1) / (wp.sqrt(v) * s.correction2 + s.eps)


ends6 = wp.types.vector(length=6, dtype=int)
rates12 = wp.types.vector(length=12, dtype=float)
addresses24 = wp.types.vector(length=24, dtype=wp.uint64)
GROUPS = 6
"""Most groups that one launch of `adam_by_number` steps."""


@wp.kernel
def adam_by_number(first: int, stride: int, s: Step, ends: ends6, columns: ends6, heads: ends6, rates: rates12,
                   addresses: addresses24):
    """The same step for a GPU, where one item is a number.

    Args:
        ends: Of each group, the item after its last.
        columns: Columns of each group.
        heads: How many of them have the first rate.
        rates: Of each group, the rate of its first columns and that of the others.
        addresses: Of each group, those of parameters, gradients, first and second moments.
    """
    i = first + wp.tid() * stride
    g = int(0)
    start = int(0)
    while i >= ends[g]:
        start = ends[g]
        g = g + 1
    k = i - start
    P = wp.array(ptr=addresses[4 * g], shape=(LENGTH,), dtype=float)
    G = wp.array(ptr=addresses[4 * g + 1], shape=(LENGTH,), dtype=float)
    M = wp.array(ptr=addresses[4 * g + 2], shape=(LENGTH,), dtype=float)
    V = wp.array(ptr=addresses[4 * g + 3], shape=(LENGTH,), dtype=float)
    rate = rates[2 * g]
    if k % columns[g] >= heads[g]:
        rate = rates[2 * g + 1]
    grad = G[k]
    m = M[k] + (grad - M[k]) * (1.0 - s.beta1)
    v = V[k] * s.beta2 + grad * grad * (1.0 - s.beta2)
    M[k] = m
    V[k] = v
    P[k] = P[k] - rate * (m * s.correction1) / (wp.sqrt(v) * s.correction2 + s.eps)

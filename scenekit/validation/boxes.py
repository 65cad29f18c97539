"""Which boxes overlap which: a box tree over Morton order, walked in pairs, level by level. Letters: n, m boxes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from scenekit.cameras import Array

Ints = NDArray[np.int64]

BLOCK = 1 << 15
"""Pairs that are looked at together; bounds the memory."""

LEAF_COST = 4
"""What is done with a pair of boxes costs about so many times what finding it does."""


def overlapping(low: Array, high: Array, *, budget: int) -> Iterator[tuple[Ints, Ints]]:
    """Pairs i < j of axis-aligned boxes that overlap or touch, in blocks, each pair once.

    The boxes are sorted along a Morton curve and joined two by two up to one root. Pairs of nodes are then opened level
    by level, and those whose boxes are apart are dropped with all below them.

    Args:
        low: Least corners, shape (n, 3).
        high: Greatest corners, shape (n, 3).
        budget: Pairs of tree nodes to open and, four times as dear, pairs of boxes to yield.

    Yields:
        The numbers i and j of the boxes, each of shape (m,).

    Raises:
        BudgetSpent: If there was more to see.
    """
    if len(low) < 2:
        return
    order = np.argsort(morton(0.5 * (low + high)), kind="stable")
    levels = _tree(low[order], high[order])
    blocks = [(0, np.zeros(1, np.int64), np.zeros(1, np.int64))]
    while blocks:
        level, i, j = blocks.pop()
        if level == len(levels) - 1:
            budget -= LEAF_COST * len(i)
            if budget < 0:
                raise BudgetSpent
            apart = i != j
            a, b = order[i[apart]], order[j[apart]]
            yield np.minimum(a, b), np.maximum(a, b)
            continue
        budget -= len(i)
        if budget < 0:
            raise BudgetSpent
        i, j = _opened(i, j)
        low_at, high_at = levels[level + 1]
        near = ((low_at[i] <= high_at[j]) & (low_at[j] <= high_at[i])).all(1)
        i, j = i[near], j[near]
        for start in reversed(range(0, len(i), BLOCK)):
            blocks.append((level + 1, i[start : start + BLOCK], j[start : start + BLOCK]))


class BudgetSpent(Exception):
    """Not all pairs were looked at. For ourselves: the check that asked catches it and says so in its finding."""


def morton(points: Array) -> NDArray[np.uint64]:
    """Places along a Z-order curve through the box of the points, 21 bits an axis, shape (n,)."""
    low = points.min(0)
    extent = max(float((points.max(0) - low).max()), np.finfo(np.float64).tiny)
    cells = ((points - low) / extent * (2**21 - 1)).astype(np.uint64)
    code = np.zeros(len(points), np.uint64)
    for axis in range(3):
        code |= _spread(cells[:, axis]) << np.uint64(axis)
    return code


def _spread(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The low 21 bits with two zeros between each."""
    steps = ((32, 0x1F00000000FFFF), (16, 0x1F0000FF0000FF), (8, 0x100F00F00F00F00F))
    for shift, mask in (*steps, (4, 0x10C30C30C30C30C3), (2, 0x1249249249249249)):
        x = (x | (x << np.uint64(shift))) & np.uint64(mask)
    return x


def _tree(low: Array, high: Array) -> list[tuple[Array, Array]]:
    """Boxes of a complete binary tree, root first; places beyond n are empty boxes, which overlap nothing."""
    size = 1 << (len(low) - 1).bit_length()
    padding = ((0, size - len(low)), (0, 0))
    low, high = (np.pad(b, padding, constant_values=v) for b, v in ((low, np.inf), (high, -np.inf)))
    levels = [(low, high)]
    while len(low) > 1:
        low, high = low.reshape(-1, 2, 3).min(1), high.reshape(-1, 2, 3).max(1)
        levels.append((low, high))
    return levels[::-1]


def _opened(i: Ints, j: Ints) -> tuple[Ints, Ints]:
    """The pairs of children of pairs of nodes, of a node with itself only once."""
    left = (2 * i[:, None] + np.array([0, 0, 1, 1])).ravel()
    right = (2 * j[:, None] + np.array([0, 1, 0, 1])).ravel()
    once = left <= right
    return left[once], right[once]

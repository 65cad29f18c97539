"""Colours of constraints: those of one colour share no vertex, so they can be solved at once."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from torch import Tensor


def colors(rows: Iterable[Iterable[int]], vertices: int) -> NDArray[np.int64]:
    """A colour for each constraint, given its vertices: the first that none of its neighbours before it has.

    Args:
        rows: Vertices of each constraint.
        vertices: How many there are.
    """
    taken = [0] * vertices  # one bit for each colour at a vertex
    found = []
    for row in rows:
        used = 0
        for vertex in row:
            used |= taken[vertex]
        free = ~used & (used + 1)  # the lowest bit that is zero
        for vertex in row:
            taken[vertex] |= free
        found.append(free.bit_length() - 1)
    return np.array(found, np.int64)


def by_color(rows: Tensor, vertices: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The order of rows that puts those of one colour together, and where each colour begins and the last ends."""
    color = colors(rows.tolist(), vertices)
    order = np.argsort(color, kind="stable")
    return order, np.searchsorted(color[order], np.arange(color.max(initial=-1) + 2))

"""Shapes that several tests of the simulation use."""

from collections.abc import Callable
from itertools import permutations

import numpy as np
import pytest
import torch
from torch import Tensor

Block = Callable[[tuple[int, int, int], float], tuple[Tensor, Tensor]]


@pytest.fixture(scope="session")
def block() -> Block:
    """Makes vertices and tetrahedra of a block of cubes of a side [m], six tetrahedra each (Kuhn)."""
    return _block


def _block(n: tuple[int, int, int], cell: float) -> tuple[Tensor, Tensor]:
    """Vertices and tetrahedra of a block of cubes, six tetrahedra each (Kuhn)."""
    number = np.arange(np.prod(np.add(n, 1))).reshape(np.add(n, 1))
    x = np.stack(np.meshgrid(*(np.arange(k + 1) for k in n), indexing="ij"), -1).reshape(-1, 3)
    steps = [np.cumsum([[0] * 3, *np.eye(3, dtype=int)[list(order)]], 0) for order in permutations(range(3))]
    tets = np.array([[number[tuple(cube + s)] for s in path] for cube in np.ndindex(*n) for path in steps])
    sides = x[tets[:, 1:]] - x[tets[:, :1]]
    tets[np.linalg.det(sides) < 0] = tets[np.linalg.det(sides) < 0][:, [0, 1, 3, 2]]
    return torch.tensor(x * cell, dtype=torch.float32), torch.tensor(tets)

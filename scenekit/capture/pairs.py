"""Which photos see the same things: a cheap first pass over their strongest features, so that few pairs are matched.

Letters: c photos, k features of each.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse.csgraph import minimum_spanning_tree
from torch import Tensor

MIN_COSINE = 0.8
"""Least similarity of two descriptors that counts as a match in the first pass."""

CHUNK = 16
"""Photos compared with one photo at a time, which bounds the memory to 16·k² floats."""

Pair = tuple[int, int]


def similarity(descriptors: Tensor) -> NDArray[np.int64]:
    """Number of mutual nearest neighbours between the features of every two photos, shape (c, c), zero diagonal.

    Args:
        descriptors: Unit descriptors of the k largest features of each photo, zeros where there are fewer,
            shape (c, k, d).
    """
    c, k, d = descriptors.shape
    scores = np.zeros((c, c), dtype=np.int64)
    rows = torch.arange(k)
    for i in range(c - 1):
        for start in range(i + 1, c, CHUNK):
            others = descriptors[start : start + CHUNK]
            cosines = (descriptors[i] @ others.reshape(-1, d).T).reshape(k, len(others), k).transpose(0, 1)
            best, there = cosines.max(2)  # of each feature of i, in each other photo
            back = cosines.argmax(1)  # of each feature of the other photos, in i
            mutual = (back.gather(1, there) == rows) & (best > MIN_COSINE)
            scores[i, start : start + len(others)] = mutual.sum(1).numpy()
    return scores + scores.T


def promising_pairs(scores: NDArray[np.int64], *, neighbours: int, overlap: int) -> list[Pair]:
    """Pairs (i < j) worth matching: each photo's most similar ones, its neighbours in order, and a tree that joins all.

    Args:
        scores: Similarity of photos, shape (c, c).
        neighbours: Most similar photos taken for each.
        overlap: Photos before and after each in order that are taken whatever their similarity.
    """
    c = len(scores)
    nearest = np.argsort(-scores, axis=1, kind="stable")[:, :neighbours]
    pairs = {(min(i, int(j)), max(i, int(j))) for i in range(c) for j in nearest[i] if j != i and scores[i, j] > 0}
    pairs |= {(i, j) for i in range(c) for j in range(i + 1, min(i + overlap + 1, c))}
    tree = minimum_spanning_tree(1.0 / (1.0 + scores))
    pairs |= {(int(min(i, j)), int(max(i, j))) for i, j in zip(*tree.nonzero(), strict=True)}
    return sorted(pairs)


def all_pairs(count: int) -> list[Pair]:
    """Every pair (i < j) of `count` photos."""
    return list(combinations(range(count), 2))

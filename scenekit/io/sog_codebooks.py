"""Codebooks of SOG: 256 numbers for scales and colours, and a palette of SH coefficient vectors.

Letters: n vectors to be coded, d their dimension, K entries. Both are k-means (Lloyd 1982), in one dimension on sorted
values, in many through cells: a coarse k-means splits the vectors, each cell gets its share of the entries, and only
entries of neighbouring cells are compared, which costs n √K comparisons instead of n K.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csc_array
from torch import Tensor

BINS = 4096
"""Bins of equal count from which the density of values is found."""

SAMPLE = 64
"""Vectors for each cell from which the cells are found."""

SPREAD = 5 / 6
"""A cell of n_i vectors with variance v_i gets entries in proportion to (n_i v_i)^(D / (D + 2)), which minimises the
error of D-dimensional data; SH vectors behave like D ≈ 10."""

LOCAL_ROUNDS, GLOBAL_ROUNDS = 4, 5
"""Rounds of Lloyd inside the cells, then across neighbouring cells."""

NEIGHBOURS = 16
"""Cells whose entries a vector is compared with in the global rounds, its own included."""


def scalar_codebook(values: NDArray[np.floating], size: int = 256, *, rounds: int = 60) -> NDArray[np.float32]:
    """`size` ascending numbers that stand for all `values` with a small squared error.

    Values are sorted once; then the members of an entry are a range, and their mean and error are differences of
    running sums. The start has entries in proportion to density^(1/3) (Panter and Dite 1951); an entry without members
    moves to where the error is largest.
    """
    ordered = np.sort(values, axis=None).astype(np.float64)
    distinct = ordered[np.diff(ordered, prepend=-np.inf) > 0]
    if len(distinct) <= size:
        return np.pad(distinct, (0, size - len(distinct)), mode="edge" if len(distinct) else "constant").astype(
            np.float32
        )
    sums, squares = (np.concatenate([[0], np.cumsum(x)]) for x in (ordered, ordered**2))
    edges = ordered[np.linspace(0, len(ordered) - 1, min(BINS, len(ordered))).astype(int)]
    mass = np.concatenate([[0], np.cumsum(np.diff(edges) ** (2 / 3))])  # bins of equal count: width · (1 / width)^(1/3)
    entries = np.interp((np.arange(size) + 0.5) / size * mass[-1], mass, edges)
    for _ in range(rounds):
        bounds = [0, *np.searchsorted(ordered, (entries[1:] + entries[:-1]) / 2), len(ordered)]
        counts = np.diff(bounds)
        means = np.diff(sums[bounds]) / np.maximum(counts, 1)
        errors = (np.diff(squares[bounds]) - counts * means**2).clip(min=0)
        empty = np.flatnonzero(counts == 0)
        worst = np.argsort(errors)[::-1][: len(empty)]
        means[empty[: len(worst)]] = means[worst] + np.sqrt(errors[worst] / counts[worst].clip(min=1))
        entries = np.sort(means)
    return entries.astype(np.float32)


def scalar_codes(values: NDArray[np.floating], codebook: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Index of the nearest of the ascending entries, shape of `values`."""
    middles = (codebook[1:] + codebook[:-1]) / 2
    return np.searchsorted(middles, values).astype(np.uint8)


def palette(vectors: Tensor, size: int, *, seed: int = 0) -> tuple[Tensor, Tensor]:
    """`size` entries that stand for all vectors with a small squared error, and the entry of each vector.

    Args:
        vectors: Shape (n, d), float32, n ≥ size.
        size: Number of entries K.
        seed: Same seed, same machine: same palette.

    Returns:
        Entries (K, d) and labels (n,), int64.
    """
    generator = torch.Generator().manual_seed(seed)
    cell_count = max(1, round(size**0.5))
    picked = torch.randperm(len(vectors), generator=generator)[: SAMPLE * cell_count]
    centres = _lloyd(vectors[picked], cell_count, LOCAL_ROUNDS, generator)[0]
    cells, squared = _nearest(vectors, centres)
    order = cells.argsort(stable=True)
    members = order.split(torch.bincount(cells, minlength=len(centres)).tolist())
    shares = _shares(torch.tensor([float(squared[rows].sum()) for rows in members]), [len(m) for m in members], size)

    entries = [_lloyd(vectors[rows], k, LOCAL_ROUNDS, generator)[0] for rows, k in zip(members, shares, strict=True)]
    labels = torch.empty(len(vectors), dtype=torch.int64)
    near = torch.cdist(centres, centres).fill_diagonal_(-1).topk(min(NEIGHBOURS, len(centres)), largest=False).indices
    starts = [0, *np.cumsum(shares).tolist()]
    joined = torch.cat(entries)
    for _ in range(GLOBAL_ROUNDS):
        for rows, neighbours in zip(members, near, strict=True):
            candidates = torch.cat([torch.arange(starts[c], starts[c + 1]) for c in neighbours.tolist()])
            labels[rows] = candidates[_nearest(vectors[rows], joined[candidates])[0]]
        joined = _means(vectors, labels, joined)
    return joined, labels


def _lloyd(vectors: Tensor, size: int, rounds: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Plain k-means from random vectors; entries nobody is nearest to go to the vectors furthest from theirs."""
    entries = vectors[torch.randperm(len(vectors), generator=generator)[:size]]
    labels = torch.arange(len(vectors))
    for _ in range(rounds if len(vectors) > size else 0):
        labels, squared = _nearest(vectors, entries)
        entries = _means(vectors, labels, entries)
        empty = (torch.bincount(labels, minlength=size) == 0).nonzero()[:, 0]
        entries[empty] = vectors[squared.topk(len(empty)).indices]
    return entries, labels


def _nearest(vectors: Tensor, entries: Tensor) -> tuple[Tensor, Tensor]:
    """Index of the nearest entry to each vector and their squared distance, in blocks that stay in the cache."""
    lengths = entries.square().sum(1) / 2
    labels, squared = [], []
    for block in vectors.split(max(1, (1 << 20) // max(1, len(entries)))):
        best = torch.addmm(lengths, block, entries.T, alpha=-1).min(1)  # ½ |e|² − v·e orders as |v − e|² does
        labels.append(best.indices)
        squared.append((2 * best.values + block.square().sum(1)).clamp(min=0))
    if not labels:
        return torch.empty(0, dtype=torch.int64), torch.empty(0)
    return torch.cat(labels), torch.cat(squared)


def _means(vectors: Tensor, labels: Tensor, entries: Tensor) -> Tensor:
    """Mean of the vectors of each label; entries without any stay where they are."""
    one_hot = csc_array(
        (np.ones(len(labels), np.float32), labels.numpy(), np.arange(len(labels) + 1)),
        shape=(len(entries), len(labels)),
    )
    sums = torch.from_numpy(one_hot @ vectors.numpy())  # several times as fast as index_add_
    counts = torch.bincount(labels, minlength=len(entries))[:, None]
    return torch.where(counts > 0, sums / counts.clamp(min=1), entries)


def _shares(errors: Tensor, populations: list[int], size: int) -> list[int]:
    """Splits `size` entries over cells by their squared errors; each gets at least one, if it can, and at most one for
    each of its members."""
    most = torch.tensor(populations)
    weights = errors.double().clamp(min=0) ** SPREAD + 1e-30
    shares = most.clamp(max=1)
    while (left := size - int(shares.sum())) > 0:
        open_ = weights * (shares < most)
        wanted = (left * open_ / open_.sum()).floor().long()
        if not wanted.any():
            wanted[open_.topk(min(left, int((open_ > 0).sum()))).indices] = 1
        shares = torch.minimum(shares + wanted, most)
    return shares.tolist()

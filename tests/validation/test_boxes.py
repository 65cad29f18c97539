"""Overlapping boxes: the walk finds what comparing all pairs finds."""

import numpy as np
import pytest

from scenekit.validation.boxes import BudgetSpent, morton, overlapping


def all_pairs(low: np.ndarray, high: np.ndarray) -> set[tuple[int, int]]:
    touch = ((low[:, None] <= high[None]) & (low[None] <= high[:, None])).all(-1)
    return {(int(i), int(j)) for i, j in np.argwhere(touch) if i < j}


@pytest.mark.parametrize("n", [0, 1, 2, 3, 7, 64, 65, 400])
def test_every_pair_that_overlaps_comes_once(n: int) -> None:
    rng = np.random.default_rng(n)
    low = rng.random((n, 3))
    high = low + rng.random((n, 3)) * 0.3
    pairs = [(int(i), int(j)) for block in overlapping(low, high, budget=10**7) for i, j in zip(*block, strict=True)]
    assert len(pairs) == len(set(pairs))
    assert set(pairs) == all_pairs(low, high)


def test_boxes_that_only_touch_and_boxes_in_one_place_count() -> None:
    low = np.array([[0.0, 0, 0], [1, 0, 0], [3, 0, 0], [3, 0, 0]])
    pairs = [(int(i), int(j)) for block in overlapping(low, low + 1, budget=10**5) for i, j in zip(*block, strict=True)]
    assert sorted(pairs) == [(0, 1), (2, 3)]


def test_too_many_pairs_end_in_bounded_work() -> None:
    low = np.zeros((5000, 3))
    seen = 0
    with pytest.raises(BudgetSpent):
        for i, _ in overlapping(low, low + 1, budget=100_000):
            seen += len(i)
    assert seen <= 100_000


def test_a_morton_code_interleaves_the_bits_of_three_axes() -> None:
    corner = 2**21 - 1
    codes = morton(np.array([[0.0, 0, 0], [corner, 0, 0], [0, corner, 0], [0, 0, corner], [corner, corner, corner]]))
    every_third = sum(1 << (3 * k) for k in range(21))
    assert codes.tolist() == [0, every_third, 2 * every_third, 4 * every_third, 7 * every_third]

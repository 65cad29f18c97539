"""Colours of constraints."""

from itertools import pairwise

import numpy as np
import torch

from scenekit.sim.coloring import by_color, colors


def test_no_two_constraints_of_a_colour_share_a_vertex() -> None:
    rows = torch.from_numpy(np.random.default_rng(0).permuted(np.tile(np.arange(60), (400, 1)), axis=1)[:, :4])
    order, cuts = by_color(rows, 60)
    assert sorted(order.tolist()) == list(range(400)) and cuts[-1] == 400
    for begin, end in pairwise(cuts):
        used = rows[order[begin:end]].reshape(-1)
        assert len(used.unique()) == len(used)


def test_a_chain_has_two_colours() -> None:
    assert colors([(k, k + 1) for k in range(9)], 10).tolist() == [0, 1] * 4 + [0]


def test_no_constraints_have_no_colours() -> None:
    order, cuts = by_color(torch.zeros(0, 2, dtype=torch.int32), 5)
    assert len(order) == 0 and cuts[0] == cuts[-1] == 0

"""The model that comes with the package: small, whole, and good for what the documentation says."""

import numpy as np
import pytest
import torch

from scenekit.datasets.shapes_scenes import ScenesConfig, compose, flawed, touched
from scenekit.jepa.jepa import WEIGHTS, Jepa
from scenekit.jepa.retrieval import auroc


@pytest.fixture(scope="module")
def jepa() -> Jepa:
    return Jepa.load()


def test_it_is_small_and_knows_what_is_usual(jepa: Jepa) -> None:
    assert WEIGHTS.stat().st_size < 20e6
    assert jepa.network.moments and jepa.limit(0.001) > jepa.limit(0.01) > jepa.limit(0.5)


def test_floaters_have_the_highest_energies_and_scenes_as_they_should_be_usual_ones(jepa: Jepa) -> None:
    high = []
    for seed in range(3):
        rng = np.random.default_rng([77, seed])
        scene = compose(rng, ScenesConfig(gaussians=1500))
        flaw = flawed(scene.state, "floater", rng)
        found = jepa.energy(flaw.state)
        assert auroc(found.values, touched(found.tokens, flaw)) > 0.9
        high.append(jepa.energy(scene.state).values > jepa.limit(0.01))
    assert float(torch.cat(high).float().mean()) < 0.05

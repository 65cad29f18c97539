"""Losses against haze: their formulas, pair by pair, and which of two rays they like better."""

import math

import torch

from scenekit.fields.losses import distortion, entropy, sparsity
from scenekit.fields.occupancy import Samples, offsets_of
from scenekit.fields.volume import Blended, blend


def some(counts: list[int], *, seed: int = 0) -> tuple[Blended, Samples, torch.Tensor]:
    """Random samples of rays, what was blended of them, and their densities."""
    rng, number = torch.Generator().manual_seed(seed), torch.tensor(counts)
    lengths = torch.rand(sum(counts), generator=rng) * 0.2 + 0.05
    begins = torch.cat([part.cumsum(0) for part in lengths.split(counts)]) - lengths + 1
    samples = Samples(begins, lengths, torch.arange(len(counts)).repeat_interleave(number), offsets_of(number))
    density = 3 * torch.rand(sum(counts), generator=rng)
    return blend(density, torch.rand(sum(counts), 3, generator=rng), samples), samples, density


def test_distortion_is_the_sum_over_pairs() -> None:
    seen, samples, _ = some([5, 0, 9])
    ends, weights = samples.begins + samples.lengths, seen.weights
    s = samples.middles / (samples.middles + 2.0)
    d = ends / (ends + 2.0) - samples.begins / (samples.begins + 2.0)
    same = samples.rays[:, None] == samples.rays
    pairs = weights[:, None] * weights * (s[:, None] - s).abs() * same
    wanted = (pairs.sum() + (weights.square() * d).sum() / 3) / 3
    torch.testing.assert_close(distortion(seen, samples, 2.0), wanted)


def test_sparsity_is_the_mean_of_cauchys_logarithm_and_knows_no_unit() -> None:
    seen, samples, density = some([5, 0, 9])
    torch.testing.assert_close(sparsity(seen, samples, 2.0), (1 + (2 * density) ** 2 / 0.5).log().mean())
    small = samples._replace(begins=samples.begins / 100, lengths=samples.lengths / 100)
    torch.testing.assert_close(sparsity(seen, small, 2.0 / 100), sparsity(seen, samples, 2.0))


def test_entropy_is_that_of_each_rays_opacities_and_passes_over_rays_that_hit_nothing() -> None:
    seen, samples, density = some([5, 0, 9])
    wanted = 0.0
    for part in (slice(0, 5), slice(5, 14)):
        alpha = 1 - (-density[part] * samples.lengths[part]).exp()
        p = alpha / alpha.sum()
        wanted -= float((p * p.log()).sum()) / 3
    assert math.isclose(float(entropy(seen, samples)), wanted, rel_tol=1e-4)
    faint = blend(density * 1e-3, torch.zeros(14, 3), samples)
    assert float(entropy(faint, samples)) == 0


def test_all_prefer_one_wall_to_haze_of_the_same_opacity_and_have_gradients() -> None:
    _, samples, _ = some([20])
    haze = (3 / samples.lengths / 20).requires_grad_()
    wall = torch.zeros(20).index_fill(0, torch.tensor(7), 1.0) * 3 / samples.lengths[7]
    for loss in (lambda *a: distortion(*a, 1.0), lambda *a: sparsity(*a, 1.0), entropy):
        thick = loss(blend(haze, torch.zeros(20, 3), samples), samples)
        assert loss(blend(wall, torch.zeros(20, 3), samples), samples) < thick
        (slope,) = torch.autograd.grad(thick, haze)
        assert slope.isfinite().all() and (slope != 0).any()


def test_no_samples_cost_nothing() -> None:
    seen, samples, _ = some([0, 0])
    assert float(distortion(seen, samples, 1.0)) == float(sparsity(seen, samples, 1.0)) == 0
    assert float(entropy(seen, samples)) == 0

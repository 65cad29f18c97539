"""Volume rendering against closed forms, its float64 twin and finite differences."""

import math

import torch

from scenekit.fields.occupancy import Samples, offsets_of
from scenekit.fields.volume import blend, blend_weights


def slab(sigma: float, thick: float, steps: int, n: int = 3) -> tuple[torch.Tensor, Samples]:
    """A slab of constant density from distance 2 on, seen by n rays."""
    lengths = torch.full((n * steps,), thick / steps)
    begins = 2 + torch.arange(steps).repeat(n) * (thick / steps)
    samples = Samples(begins, lengths, torch.arange(n).repeat_interleave(steps), offsets_of(torch.full((n,), steps)))
    return torch.full((n * steps,), sigma), samples


def test_a_slab_is_as_opaque_as_beer_and_lambert_say() -> None:
    for sigma, thick, steps in ((0.5, 1.0, 1), (3.0, 0.7, 64), (40.0, 0.1, 17)):
        density, samples = slab(sigma, thick, steps)
        seen = blend(density, torch.ones(len(density), 3), samples, background=torch.tensor([0.0, 0.5, 1.0]))
        alpha = 1 - math.exp(-sigma * thick)
        torch.testing.assert_close(seen.alpha, torch.full((3,), alpha))
        wanted = alpha + (1 - alpha) * torch.tensor([0.0, 0.5, 1.0])
        torch.testing.assert_close(seen.rgb, wanted.expand(3, 3))


def test_the_median_is_where_half_of_the_light_is_gone() -> None:
    density, samples = slab(3.0, 2.0, 13)
    seen = blend(density, torch.zeros(len(density), 3), samples)
    torch.testing.assert_close(seen.median, torch.full((3,), 2 + math.log(2) / 3))
    density, samples = slab(0.1, 2.0, 13)
    assert torch.isinf(blend(density, torch.zeros(len(density), 3), samples).median).all()


def test_mean_depth_of_a_thin_wall_is_its_distance() -> None:
    density, samples = slab(1e4, 0.01, 4)
    seen = blend(density, torch.zeros(len(density), 3), samples)
    torch.testing.assert_close(seen.depth, torch.full((3,), 2.00125), atol=1e-4, rtol=0)


def uneven(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(seed)
    counts = torch.randint(0, 40, (30,), generator=rng)
    counts[4] = 0
    offsets = offsets_of(counts)
    return torch.rand(int(offsets[-1]), generator=rng) ** 3 * 4, offsets


def test_weights_and_gradients_agree_with_the_twin_in_float64() -> None:
    thickness, offsets = uneven()
    thickness.requires_grad_()
    wide = thickness.detach().double().requires_grad_()
    ours, arrived = blend_weights(thickness, offsets)
    twin, twin_arrived = blend_weights(wide, offsets)
    d = torch.randn(len(ours), generator=torch.Generator().manual_seed(2))
    (gradient,) = torch.autograd.grad(ours, thickness, d)
    (wanted,) = torch.autograd.grad(twin, wide, d.double())
    torch.testing.assert_close(ours.double(), twin, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(arrived.double(), twin_arrived, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(gradient.double(), wanted, atol=2e-6, rtol=1e-5)


def test_the_twin_has_the_gradients_of_finite_differences() -> None:
    thickness, offsets = uneven(1)
    wide = thickness[: int(offsets[4])].double().requires_grad_()
    assert torch.autograd.gradcheck(lambda t: blend_weights(t, offsets[:5])[0], (wide,))


def test_rays_without_samples_show_the_background() -> None:
    samples = Samples(torch.zeros(0), torch.zeros(0), torch.zeros(0, dtype=torch.int64), offsets_of(torch.zeros(4)))
    seen = blend(torch.zeros(0), torch.zeros(0, 3), samples, background=torch.tensor([0.2, 0.4, 0.6]))
    torch.testing.assert_close(seen.rgb, torch.tensor([0.2, 0.4, 0.6]).expand(4, 3))
    assert float(seen.alpha.abs().max()) == 0 and float(seen.depth.abs().max()) == 0

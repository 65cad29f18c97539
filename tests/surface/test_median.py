"""The depth at half of the light: closed forms, the torch twin, implicit derivatives."""

import math

import numpy as np
import pytest
import torch

from scenekit.cameras import pinhole
from scenekit.render.splats import rasterization
from scenekit.splats import Splats, random_splats
from scenekit.surface.median import NOTHING, MedianSurface, median_surface

CAMERA = pinhole(41, 23, 60.0, 58.0, 20.0, 12.0)


def median(splats: Splats, *, backend: str, camera=CAMERA, antialiased: bool = False) -> MedianSurface:
    pose = torch.eye(4, dtype=splats.means.dtype)
    pose[2, 3] = 3.0
    K = torch.as_tensor(camera.K).to(pose)
    mode = "antialiased" if antialiased else "classic"
    inputs = (splats.means, splats.quats, splats.scales, splats.opacities, None, pose[None], K[None])
    size = (camera.width, camera.height)
    _, _, meta = rasterization(*inputs, *size, render_mode="D", rasterize_mode=mode, backend=backend)
    return median_surface(splats, camera, pose, meta)


def balls(depths: list[float], deviation: float, opacity: float) -> Splats:
    """Round Gaussians on the optical axis, as double."""
    n = len(depths)
    means = torch.zeros(n, 3, dtype=torch.float64)
    means[:, 2] = torch.tensor(depths) - 3.0
    quats = torch.tensor([[1.0, 0, 0, 0]], dtype=torch.float64).repeat(n, 1)
    logit = torch.full((n,), opacity, dtype=torch.float64).logit()
    scales = torch.full((n, 3), math.log(deviation), dtype=torch.float64)
    return Splats(means, quats, scales, logit, torch.zeros(n, 1, 3, dtype=torch.float64))


@pytest.mark.parametrize("backend", ["warp", "torch"])
@pytest.mark.parametrize("opacity", [0.7, 0.95])
def test_the_front_of_a_fat_gaussian_is_where_half_of_the_light_is_gone(backend, opacity):
    """o exp(−½ (z − z*)² / σ²) = ½, so z = z* − σ √(2 ln 2o), at the pixel that the axis goes through."""
    camera = pinhole(41, 23, 6000.0, 6000.0, 20.5, 11.5)
    splats = balls([2.0], 0.3, opacity)
    splats = splats if backend == "torch" else splats.map(torch.Tensor.float)
    found = median(splats, backend=backend, camera=camera)
    assert float(found.depth[11, 20]) == pytest.approx(2.0 - 0.3 * math.sqrt(2 * math.log(2 * opacity)), abs=2e-4)
    assert found.stops[11, 20] == 0


def test_two_faint_gaussians_share_the_light():
    """Beyond both densest points (1 − a)² of the light is left; a median needs that to be at most one half."""
    for opacity, does in ((0.28, False), (0.3, True)):
        found = median(balls([2.0, 2.2], 0.05, opacity), backend="torch", camera=pinhole(3, 3, 6e3, 6e3, 1.5, 1.5))
        assert (found.depth[1, 1] > 0) == does and (found.stops[1, 1] != NOTHING) == does
    assert 2.15 < found.depth[1, 1] < 2.2


@pytest.mark.parametrize("antialiased", [False, True])
@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("size", [(64, 48), (41, 23)])
def test_the_kernel_finds_the_depth_of_its_twin(seed, size, antialiased):
    splats = random_splats(400, scale=0.08, seed=seed, degree=0)
    camera = pinhole(*size, 60.0, 60.0, size[0] / 2, size[1] / 2)
    ours = median(splats, backend="warp", camera=camera, antialiased=antialiased)
    twin = median(splats.map(torch.Tensor.double), backend="torch", camera=camera, antialiased=antialiased)
    both = (ours.depth > 0) & (twin.depth > 0)
    assert both.float().mean() > 0.2
    # Float32 may put a ray that barely stops on the other side, and the kernel does not look behind 98 % of the light.
    assert ((ours.depth > 0) != (twin.depth > 0)).float().mean() < 2e-3
    error = ((ours.depth - twin.depth).abs() / twin.depth)[both]
    assert error.quantile(0.99) < 1e-3 and error.median() < 1e-4
    assert (ours.stops != twin.stops)[both].float().mean() < 0.02


def test_its_gradient_is_that_of_finite_differences():
    splats = random_splats(40, scale=0.2, seed=2, degree=0).map(torch.Tensor.double)
    rng, h = torch.Generator().manual_seed(0), 1e-7
    weights = torch.randn(23, 41, generator=rng, dtype=torch.float64)

    def depth(changed: dict[str, torch.Tensor]) -> torch.Tensor:
        return median(Splats(**splats.tensors() | changed), backend="torch").depth

    for name in ("means", "quats", "log_scales", "logit_opacities"):
        value = splats.tensors()[name]
        step = torch.randn(value.shape, generator=rng, dtype=torch.float64)
        up, down = depth({name: value + h * step}), depth({name: value - h * step})
        # Rays that barely stop, or whose faintest Gaussian comes or goes, jump.
        smooth = weights * ((up > 0) & (down > 0) & ((up - down).abs() < 100 * h))
        assert (smooth != 0).float().mean() > 0.1
        variable = value.clone().requires_grad_()
        (smooth * depth({name: variable})).sum().backward()
        slope = (smooth * (up - down)).sum() / (2 * h)
        torch.testing.assert_close((variable.grad * step).sum(), slope, rtol=1e-3, atol=1e-4)


def test_the_kernels_gradient_is_its_twins():
    splats = random_splats(60, scale=0.2, seed=4, degree=0)
    gradients = {}
    for backend, like in (("warp", torch.Tensor.float), ("torch", torch.Tensor.double)):
        inputs = {name: like(t).clone().requires_grad_() for name, t in splats.tensors().items()}
        median(Splats(**inputs), backend=backend).depth.sum().backward()
        gradients[backend] = {name: inputs[name].grad for name in inputs if name != "sh"}
    for name, twin in gradients["torch"].items():
        error = (gradients["warp"][name].double() - twin).norm() / twin.norm()
        assert error < 2e-2, name


def test_nothing_to_stop_at_is_depth_zero():
    found = median(balls([2.0], 0.01, 0.3), backend="torch")
    assert (found.depth == 0).all() and (found.stops == NOTHING).all()
    assert np.isfinite(found.depth.numpy()).all()

"""Fits on CUDA against the plain twin on the CPU; `pytest -m gpu`."""

from dataclasses import replace

import pytest
import torch

from scenekit.fit import ADC, MCMC, FitConfig, fit
from scenekit.fit.losses_pixels import compare_by_pixels
from scenekit.fit.optimizer import Adam, Rates
from scenekit.splats import random_splats

pytestmark = pytest.mark.gpu


def test_the_loss_is_that_of_plain_torch():
    rng = torch.Generator().manual_seed(0)
    image, photo = torch.rand(45, 67, 3, generator=rng), torch.randint(0, 256, (45, 67, 3), generator=rng)
    mask = torch.rand(45, 67, generator=rng) > 0.2
    for masked in (None, mask.cuda()):
        means, gradient = compare_by_pixels(image.cuda(), photo.to(torch.uint8).cuda(), masked, ssim_weight=0.2)
        x = image.double().requires_grad_()
        wanted, total = plain_loss(x, photo.double() / 255, None if masked is None else mask)
        total.backward()
        torch.testing.assert_close(means.cpu(), wanted, rtol=1e-4, atol=1e-6)
        assert (gradient.cpu().double() - x.grad).norm() <= 1e-4 * x.grad.norm()


def plain_loss(x, y, mask):
    """l1, mse, dssim, and (1 − λ) l1 + λ dssim for λ = 0.2, by convolutions."""
    if mask is not None:
        x = torch.where(mask[..., None], x, y)
    window = torch.exp(-((torch.arange(11) - 5.0) ** 2) / (2 * 1.5**2)).double()
    window = torch.outer(window, window) / window.sum() ** 2

    def blur(image):
        planes = image.permute(2, 0, 1)[:, None]
        return torch.nn.functional.conv2d(planes, window[None, None], padding=5)[:, 0].permute(1, 2, 0)

    mx, my, c1, c2 = blur(x), blur(y), 0.01**2, 0.03**2
    xx, yy, xy = blur(x * x) - mx**2, blur(y * y) - my**2, blur(x * y) - mx * my
    ssim = (2 * mx * my + c1) * (2 * xy + c2) / ((mx**2 + my**2 + c1) * (xx + yy + c2))
    counts = torch.ones_like(x) if mask is None else mask[..., None].expand_as(x).double()
    terms = [((t * counts).sum() / counts.sum()) for t in ((x - y).abs(), (x - y) ** 2, 1 - ssim)]
    return torch.stack(terms).detach(), 0.8 * terms[0] + 0.2 * terms[2]


def test_a_step_of_adam_is_that_of_torch():
    start = random_splats(1000, degree=3).map(torch.Tensor.cuda)
    rates = Rates(1e-2, 2e-2, 3e-2, 4e-2, 5e-2, 5e-2)
    adam = Adam(start)
    twins = {name: t.clone().requires_grad_() for name, t in start.tensors().items()}
    reference = torch.optim.Adam([{"params": [t], "lr": getattr(rates, n)} for n, t in twins.items()], eps=1e-15)
    for _ in range(4):
        for name, t in adam.splats.tensors().items():
            t.grad = torch.randn_like(t)
            twins[name].grad = t.grad.clone()
        adam.step(rates)
        reference.step()
    for name, t in adam.splats.tensors().items():
        torch.testing.assert_close(t.detach(), twins[name].detach(), rtol=1e-5, atol=1e-5, msg=name)


@pytest.mark.parametrize("backend", ["warp", "gsplat", "torch"])
@pytest.mark.parametrize("strategy", [ADC(every_steps=10, grow_gradient=1e-5), MCMC(cap=200, every_steps=10)])
def test_a_fit_learns(views, start, backend, strategy):
    if backend == "gsplat":
        pytest.importorskip("gsplat")
    config = FitConfig(steps=60, strategy=strategy, coarse=((0.3, 2),), backend=backend)
    there = fit(views[:-1], start.map(torch.Tensor.cuda), config, held_out=views[-1:], progress=False)
    assert there.splats.means.is_cuda
    records = there.history.records
    assert records[-1].psnr > records[0].psnr + 3
    assert len(there.splats) != len(start)


def test_back_ends_learn_the_same(views, start):
    still = FitConfig(steps=30, strategy=ADC(start_at=1.0, reset_every=0), coarse=())
    psnr = {}
    for backend in ("warp", "torch"):
        config = replace(still, backend=backend)
        psnr[backend] = fit(views, start.map(torch.Tensor.cuda), config, progress=False).history.records[-1].psnr
    assert psnr["warp"] == pytest.approx(psnr["torch"], abs=0.05)

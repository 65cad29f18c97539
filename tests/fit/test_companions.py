"""What is learned beside the splats: identity at the start, gradients, exact resuming, rows that rest."""

from dataclasses import replace

import pytest
import torch

from scenekit.fit import ADC, FitConfig, fit
from scenekit.fit.bilateral_grid import BilateralGrid
from scenekit.fit.camera_poses import PoseRefinement
from scenekit.fit.companions import Companions
from scenekit.fit.exposure import Exposure
from scenekit.fit.sky import Sky
from scenekit.fit.trainer import Trainer
from scenekit.splats import random_splats

CPU = torch.device("cpu")
POINTS = random_splats(50, seed=2).means
STILL = ADC(start_at=1.0, reset_every=0)
EVERY = {
    "sky": {"background": "sky"},
    "affine": {"exposure": "affine"},
    "grid": {"exposure": "grid"},
    "poses": {"poses": True},
}
each = pytest.mark.parametrize("options", EVERY.values(), ids=EVERY)


def companions(views):
    yield Exposure(len(views), CPU)
    yield BilateralGrid(len(views), CPU)
    yield PoseRefinement(views, POINTS)
    yield Sky(views, POINTS)


def assert_same(a, b):
    for name, tensor in a.tensors().items():
        assert torch.equal(tensor, b.tensors()[name]), name


def test_at_the_start_no_bit_changes(views):
    image = torch.rand(32, 40, 3, generator=torch.Generator().manual_seed(0))
    for companion in companions(views):
        assert torch.equal(companion.seen(views[3], 3).viewmat, views[3].viewmat)
        assert torch.equal(companion.shown(image, image[..., 0], views[3], 3), image)
        assert all(term == 0 for term in companion.terms(0 * image[..., 0], views[3], 3).values())


def test_without_companions_the_very_same_tensors_come_back(views):
    none, image = Companions(), torch.rand(32, 40, 3)
    assert none.seen(views[0], 0) is views[0]
    assert none.shown(image, image, views[0], 0) is image
    assert none.terms(image, views[0], 0) == none.tensors() == {}


def test_a_row_agrees_with_torch_adam_and_the_others_rest(views):
    ours = Exposure(3, CPU)
    theirs = ours.table[1].clone().requires_grad_()
    adam = torch.optim.Adam([theirs], lr=0.01, eps=1e-15)
    for step in range(5):
        for row in (ours.row(1), theirs):
            (row * (row - step)).sum().backward()
        ours.step(1.0, 0.0)
        adam.step()
        adam.zero_grad()
        if step == 1:  # before the gauge is fixed, after as many steps as there are photos
            torch.testing.assert_close(ours.table[1], theirs.detach())
            assert (ours.table[0] == 0).all()
    assert ours.steps.tolist() == [0, 5, 0]


def test_what_all_photos_share_is_taken_back(views):
    for companion in companions(views):
        generator = torch.Generator().manual_seed(1)
        companion.table += 0.01 * torch.randn(companion.table.shape, generator=generator)
        companion.settle()
        if isinstance(companion, PoseRefinement):
            motions = (companion.whitening @ companion.table[..., None]).reshape(-1, 2, 3, 1)
            shared = (companion.given[:, None, :3, :3].mT @ motions).mean(0)
            torch.testing.assert_close(shared, torch.zeros_like(shared), atol=1e-6, rtol=0)
        elif len(companion.table) > 1:
            torch.testing.assert_close(companion.table.mean(0), torch.zeros_like(companion.table[0]), atol=1e-6, rtol=0)


@each
def test_a_resumed_fit_goes_on_bit_for_bit(views, start, tmp_path, options):
    config = FitConfig(**{"steps": 24, "log_every": 5, "checkpoint_every": 1000, "background": "random"} | options)
    straight = fit(views, start, config, progress=False)
    half = Trainer(views, start, config, folder=tmp_path)
    for _ in range(11):
        half.advance()
    half.save()
    rest = fit(views, start, config, folder=tmp_path, progress=False)
    assert_same(straight.splats, rest.splats)
    for name, tensor in straight.companions.tensors().items():
        assert torch.equal(tensor, rest.companions.tensors()[name]), name


def test_poses_that_were_refined_are_not_refined_twice(views, start, tmp_path):
    config = FitConfig(steps=24, poses=True)
    first = fit(views, start, config, folder=tmp_path, progress=False).companions.poses.viewmats
    refined = [replace(view, viewmat=viewmat) for view, viewmat in zip(views, first, strict=True)]
    again = fit(refined, start, config, folder=tmp_path, progress=False)
    torch.testing.assert_close(again.companions.poses.viewmats, first, atol=1e-6, rtol=0)


@each
def test_the_gradient_is_that_of_finite_differences(views, options):
    splats = random_splats(20, degree=1, extent=0.5, scale=0.2, seed=4)
    trainer = Trainer(views, splats, FitConfig(steps=100, strategy=STILL, **options))
    *_, companion = trainer.companions
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        companion.table += 0.02 * torch.randn(companion.table.shape, generator=generator)
        companion.table += 1.0 * isinstance(companion, Sky)  # off the kink of max(0, ·)
    weights = torch.randn(views[0].height, views[0].width, 3, generator=generator)
    direction = torch.randn(companion.table[2 % len(companion.table)].shape, generator=generator)

    def value(row):
        companion._leaves.clear()
        companion.table[2 % len(companion.table)] = row
        view = trainer.companions.seen(views[2], 2)
        if "poses" in options:  # the rasteriser's gradients have tests of their own, and it cuts off at 1/255
            return (view.viewmat * weights[:4, :4, 0]).sum()
        image, alpha, _ = trainer._render(view, None, 1, trainer.config.surface)
        return (trainer.companions.shown(image, alpha, view, 2) * weights).sum() + sum(
            companion.terms(alpha, view, 2).values()
        )

    row, h = companion.table[2 % len(companion.table)].clone(), 1e-3 / float(direction.norm())
    value(row).backward()
    slope = float((companion.row(2).grad * direction).sum())
    with torch.no_grad():
        differences = [float(value(row + k * h * direction)) for k in (-2, -1, 1, 2)]
    measured = (differences[0] - 8 * differences[1] + 8 * differences[2] - differences[3]) / (12 * h)
    assert slope == pytest.approx(measured, rel=2e-2)

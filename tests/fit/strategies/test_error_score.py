"""Where several photos are wrong: scores against a float64 twin, and what densification makes of them."""

from dataclasses import replace

import pytest
import torch

from scenekit.errors import InputError
from scenekit.fit import ADC, ErrorScore, FitConfig
from scenekit.fit.strategies import Run
from scenekit.fit.trainer import Trainer
from scenekit.render.splats import rasterization
from scenekit.splats import random_splats

ALL = ErrorScore(views=100, grow_above=2.0, prune_above=1.0)
NOW = ADC(start_at=0.0, stop_at=1.0, every_steps=1, grow=1.0, grow_gradient=0.0, grow_scale=1e3, reset_every=0)
PLAIN = FitConfig(steps=10, coarse=(), sh_until=0.0, strategy=NOW)


def scores_of(trainer, score=ALL):
    return score.scores(trainer.adam.splats, trainer.run, torch.Generator().manual_seed(0))


def densify(trainer, step=1):
    strategy, adam = trainer.config.strategy, trainer.adam
    strategy.after_step(trainer.state, adam, step, trainer.run, rate=0.0, generator=trainer.generator)


def drawn(splats, view, colors, degree=None, dtype=torch.float64, **options):
    """Image and meta of the plain twin."""
    gaussians = [t.detach().to(dtype) for t in (splats.means, splats.quats, splats.scales, splats.opacities, colors)]
    cameras = [view.viewmat[None].to(dtype), view.K[None].to(dtype), view.width, view.height]
    image, _, meta = rasterization(*gaussians, *cameras, sh_degree=degree, backend="torch", **options)
    return image[0], meta


def twin(splats, views, score):
    """The definition, with the image of the weights of each Gaussian as a channel of its own."""
    growth, blame = torch.zeros(2, len(splats), dtype=torch.float64)
    for view in views:
        image, _ = drawn(splats, view, splats.sh, splats.sh_degree)
        weights, _ = drawn(splats, view, torch.eye(len(splats)))
        counts = torch.ones(view.height, view.width, dtype=bool) if view.mask is None else view.mask
        errors = (image - view.image / 255).abs().mean(-1)
        low, high = errors[counts].min(), errors[counts].max()
        wrong = ((errors - low) / (high - low) > score.threshold) & counts
        shown = weights[wrong].sum(0) / len(views)
        growth, blame = growth + shown, blame + shown * errors[counts].mean()
    return growth, (blame - blame.min()) / (blame.max() - blame.min())


def masked(views):
    mask = torch.ones(views[0].height, views[0].width, dtype=torch.bool)
    mask[:, :20] = False
    return [replace(view, mask=mask) for view in views]


@pytest.mark.parametrize("change", [list, masked], ids=["whole", "masked"])
def test_scores_are_those_of_a_float64_twin(views, start, change):
    views = change(views)
    scores = scores_of(Trainer(views, start, replace(PLAIN, ssim_weight=0.0)))
    growth, blame = twin(start, views, ALL)
    assert growth.max() > 5 * ALL.grow_above
    torch.testing.assert_close(scores.growth.double(), growth, rtol=1e-4, atol=1e-3)
    torch.testing.assert_close(scores.blame.double(), blame, rtol=1e-4, atol=1e-5)


def test_on_shrunk_photos_scores_count_pixels_of_the_full_ones(views, start):
    small = scores_of(Trainer(views, start, replace(PLAIN, coarse=((1.0, 2),), ssim_weight=0.0)))
    full = scores_of(Trainer(views, start, replace(PLAIN, ssim_weight=0.0)))
    assert float(small.growth.sum()) == pytest.approx(float(full.growth.sum()), rel=0.2)


def test_what_a_mask_hides_never_counts(views, start):
    clean, dirty = masked(views), [replace(view, image=view.image.clone()) for view in masked(views)]
    for view in dirty:
        view.image[:, :9] = 255  # out of reach of the windows of the pixels that count
    ours, theirs = scores_of(Trainer(clean, start, PLAIN)), scores_of(Trainer(dirty, start, PLAIN))
    assert torch.equal(ours.growth, theirs.growth) and torch.equal(ours.blame, theirs.blame)


@pytest.mark.parametrize("score", [ErrorScore(), replace(ALL, grow_above=0.3)], ids=["without", "with"])
def test_gaussians_are_added_only_where_photos_are_wrong(views, score):
    """The right half of each photo is what the splats look like; the left half is another."""
    start = random_splats(200, degree=0, extent=0.7, scale=0.02, seed=5)
    middle, changed = views[0].width // 2, []
    for view in views[:3]:
        image = (255 * drawn(start, view, start.sh, 0)[0].clamp(0, 1)).round().to(torch.uint8)
        image[:, :middle] = 255 - image[:, :middle]
        changed.append(replace(view, image=image))
    trainer = Trainer(changed, start, replace(PLAIN, strategy=replace(NOW, score=score)))
    trainer.state["gradient"] += 1.0
    trainer.state["seen"] += 1.0
    densify(trainer)
    clones = trainer.adam.splats.map(lambda t: t.detach()[len(start) :])
    reach = torch.zeros(len(clones), dtype=bool)
    for view in changed:
        _, meta = drawn(clones, view, clones.sh, 0)
        reach |= meta["means2d"][0, :, 0] - meta["radii"][0, :, 0] < middle
    assert 10 < len(clones) <= len(start)
    assert bool(reach.all()) == (score.views > 0)


@pytest.mark.parametrize(("step", "due"), [(5, False), (6, True), (9, True), (10, False)])
def test_what_is_most_to_blame_is_removed_after_the_last_growth_but_not_at_the_end(views, start, step, due):
    strict = replace(NOW, stop_at=0.5, grow_gradient=1e9, prune_opacity=0.0, score=replace(ALL, prune_above=0.3))
    trainer = Trainer(views, start, replace(PLAIN, strategy=strict))
    blame = scores_of(trainer).blame
    densify(trainer, step)
    assert 0 < int((blame > 0.3).sum()) < len(start)
    assert torch.equal(trainer.adam.splats.means, start.means[blame <= 0.3] if due else start.means)
    assert len(trainer.state["seen"]) == len(trainer.adam.splats)


def test_without_photos_a_score_is_refused(start):
    with pytest.raises(InputError, match="no photos"):
        ErrorScore(views=2).scores(start, Run(100, 1.0), torch.Generator())
    with pytest.raises(InputError, match="views"):
        ErrorScore(views=-1)

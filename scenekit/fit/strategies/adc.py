"""Adaptive density control (Kerbl et al. 2023, §5): clone and split where the image pulls, prune what is not seen.

Letters: n Gaussians.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from scenekit.fit.optimizer import Adam
from scenekit.fit.strategies.error_score import ErrorScore, Scores
from scenekit.fit.strategies.strategy import Run, State, check_cap, logit, regularise
from scenekit.processes import total
from scenekit.render.splats_torch import rotations
from scenekit.splats import Splats


@dataclass(frozen=True)
class ADC:
    """The paper's numbers, with its 30 000 steps as progress 0..1.

    They are tuned to megapixel photos and long runs; on small photos nearly every Gaussian pulls harder than
    `grow_gradient`, so in short runs it is `grow`, with the shortest interval, that limits the count.
    """

    cap: int = 1_000_000
    """Most Gaussians there may be."""
    start_at: float = 500 / 30_000
    """Densify from this progress."""
    stop_at: float = 0.5
    """Densify until this progress."""
    every: float = 100 / 30_000
    """Interval between densifications, as progress."""
    every_steps: int = 50
    """But at least so many steps: moments and opacities must settle between."""
    grow: float = 0.05
    """Most that is added each time, the strongest pulls first, as a fraction of the Gaussians there are."""
    reset_every: float = 3_000 / 30_000
    """Interval between resets of the opacities, as progress; 0 for none."""
    reset_steps: int = 3_000
    """But at least so many steps: a reset costs hundreds of steps, which a short run does not have."""
    absgrad: bool = True
    """Sum absolute gradients of pixels (AbsGS, Ye et al. 2024), so that opposite pulls do not cancel."""
    grow_gradient: float = 8e-4
    """Grow where the mean screen-space gradient exceeds this [1 / half image]; 2e-4 goes with absgrad off."""
    grow_scale: float = 0.01
    """Split what is larger than this, clone what is smaller, as a fraction of the extent."""
    split_shrink: float = 1.6
    """Divides the scales of both halves of a split."""
    prune_opacity: float = 0.005
    """Remove what is fainter."""
    prune_scale: float = 0.1
    """Remove what is larger, as a fraction of the extent, once opacities have been reset."""
    revised_opacity: bool = False
    """Give clones, halves and what they come from the opacity 1 − √(1 − o), so that two look like one (Bulò et al.
    2024, §3.3; gsplat does so with halves)."""
    opacity_weight: float = 0.0
    """Weight of the mean opacity in the loss; MCMC's is 0.01."""
    scale_weight: float = 0.0
    """Weight of the mean scale [1/m] in the loss; MCMC's is 0.01."""
    score: ErrorScore = field(default_factory=ErrorScore)
    """Grow only where several photos are wrong; off."""

    def __post_init__(self) -> None:
        check_cap(self.cap)

    def start(self, splats: Splats) -> State:
        zeros = torch.zeros(len(splats), device=splats.means.device)
        return {"gradient": zeros, "seen": zeros.clone()}

    def after_backward(self, state: State, splats: Splats, meta: dict[str, Any], *, share: float = 1.0) -> None:
        """Add up the screen-space gradients of each photo's own loss, of what was drawn, in units of half an image."""
        means2d = meta["means2d"]
        pull = (means2d.absgrad if self.absgrad else means2d.grad).detach()
        sides = zip(pull.unbind(-1), (meta["width"], meta["height"]), strict=True)
        halves = torch.stack([along * (side / 2 / share) for along, side in sides], -1)
        drawn = (meta["radii"] > 0).all(-1)
        state["gradient"] += total((halves.norm(dim=-1) * drawn).sum(0))
        state["seen"] += total(drawn.sum(0))
        if self.opacity_weight or self.scale_weight:
            regularise(splats, opacity=share * self.opacity_weight, scale=share * self.scale_weight)

    def after_step(
        self, state: State, adam: Adam, step: int, run: Run, *, rate: float, generator: torch.Generator
    ) -> None:
        """Densify and reset when their time has come."""
        if run.is_due(step, self.every, self.start_at, self.stop_at, at_least=self.every_steps):
            scores = self.score.scores(adam.splats, run, generator)
            with torch.no_grad():
                self._grow(state, adam, run, generator, scores)
                reset_at = max(self.reset_every * run.steps, self.reset_steps)
                self._prune(adam, run, too_large=self.reset_every > 0 and step > reset_at)
            state.update(self.start(adam.splats))
        if self.reset_every > 0 and run.is_due(step, self.reset_every, 0.0, self.stop_at, at_least=self.reset_steps):
            reset_opacities(adam, 2 * self.prune_opacity)
        if step < run.steps and run.is_due(step, self.score.prune_every, self.stop_at, 1.0):
            self._prune_blamed(state, adam, run, generator)

    def _grow(self, state: State, adam: Adam, run: Run, generator: torch.Generator, scores: Scores | None) -> None:
        pull = state["gradient"] / state["seen"].clamp(min=1)
        grown = pull > self.grow_gradient
        if scores is not None:
            grown &= scores.growth > self.score.grow_above
        rows = torch.nonzero(grown)[:, 0]
        n = len(adam.splats)
        room = min(max(1, int(self.grow * n)), max(0, self.cap - n))
        if len(rows) > room:
            rows = rows[torch.argsort(pull[rows], descending=True, stable=True)[:room]].sort().values
        if len(rows) == 0:
            return
        large = adam.splats.log_scales[rows].amax(-1).exp() > self.grow_scale * run.extent
        if self.revised_opacity:
            adam.splats.logit_opacities[rows] = halved(adam.splats.logit_opacities[rows])
        chosen = adam.splats.map(lambda t: t.detach())
        clones = chosen.take(rows[~large])
        halves = split(chosen.take(rows[large]), self.split_shrink, generator)
        keep = torch.ones(len(adam.splats), dtype=torch.bool, device=rows.device)
        keep[rows[large]] = False
        adam.keep(keep)
        adam.append(clones)
        adam.append(halves)

    def _prune(self, adam: Adam, run: Run, *, too_large: bool) -> None:
        keep = adam.splats.opacities >= self.prune_opacity
        if too_large:
            keep &= adam.splats.log_scales.amax(-1).exp() <= self.prune_scale * run.extent
        if not keep.all():
            adam.keep(keep)

    def _prune_blamed(self, state: State, adam: Adam, run: Run, generator: torch.Generator) -> None:
        scores = self.score.scores(adam.splats, run, generator)
        if scores is not None:
            adam.keep(scores.blame <= self.score.prune_above)
            state.update(self.start(adam.splats))


def halved(logit_opacities: Tensor) -> Tensor:
    """Logits of 1 − √(1 − o): two Gaussians of it, one behind the other, let through what one of o does."""
    return logit(1 - (1 - logit_opacities.sigmoid()).sqrt())


def split(splats: Splats, shrink: float, generator: torch.Generator) -> Splats:
    """Two Gaussians for each, drawn from it, with scales divided by `shrink`; 2n in all."""
    twice = splats.map(lambda t: torch.cat([t, t]))
    noise = torch.randn(twice.means.shape, generator=generator).to(twice.means)
    offsets = (rotations(twice.quats) @ (twice.scales * noise)[..., None])[..., 0]
    return replace(twice, means=twice.means + offsets, log_scales=twice.log_scales - torch.tensor(shrink).log())


def reset_opacities(adam: Adam, most: float) -> None:
    """Lower all opacities to at most `most` and forget their moments, so that only what is needed comes back."""
    ceiling: Tensor = logit(torch.tensor(most))
    with torch.no_grad():
        adam.splats.logit_opacities.clamp_(max=float(ceiling))
    adam.forget(torch.arange(len(adam.splats)), "logit_opacities")

"""A guide: a prior with a prompt, which says of any rendered pictures how they should change. Letters: c cameras."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from scenekit.guidance.distillation import DistillationConfig, Distilled, ScoreModel, distilled, guidance
from scenekit.guidance.prior import Condition, DiffusionPrior, Negatives, Views
from scenekit.guidance.prompts import checked, mixed, neighbours, perpendicular_negatives, viewed


@dataclass(frozen=True)
class Guide:
    """What a prior makes of a prompt."""

    prior: DiffusionPrior
    """The diffusion model."""
    prompt: str
    """What is wanted."""
    config: DistillationConfig
    """How it pulls."""
    view_words: bool = False
    """Say views by words too ("…, back view"), for priors that know no cameras."""
    negative: str = ""
    """What is not wanted, in the place of no words."""
    perp_neg: float = 0.0
    """Weight of the prompts of other views as Perp-Neg's negatives, −1 of threestudio; 0 for none; needs view_words."""
    knows_views: bool = True
    """Tell the prior the cameras; without it an object grows a face on every side (the two-face test's counterpart)."""
    views_always: bool = False
    """Tell them where it is told no words too, as MVDream is asked: guidance then is by the words alone."""
    score: ScoreModel | None = None
    """ε_φ of VSD."""

    def pull(self, pictures: Tensor, views: Views, progress: float, generator: torch.Generator) -> Distilled:
        """The gradient with respect to pictures (c, 3, s, s) seen from views (c); see `distilled`.

        Raises:
            InputError: If the prompt is empty, too long, or has words that the prior does not know.
        """
        condition = self.condition(views)
        result = distilled(
            self.prior, pictures, condition, self.unconditional(views),
            config=self.config, progress=progress, generator=generator,
            negatives=self.negatives(views), score=self.score,
        )  # fmt: skip
        if self.score is not None:
            self.score.learn(self.prior.encode(pictures.detach()), condition, generator)
        return result

    @torch.no_grad()
    def clean(self, x_t: Tensor, t: Tensor, views: Views) -> Tensor:
        """The clean latents that are seen in noised ones (c, …) at timesteps t (c,), shape (c, …).

        Raises:
            InputError: As of `pull`.
        """
        condition, unconditional, negatives = self.condition(views), self.unconditional(views), self.negatives(views)
        return guidance(self.prior, x_t, t, condition, unconditional, config=self.config, negatives=negatives)[1]

    def condition(self, views: Views) -> Condition:
        """What is wanted from each view; with Perp-Neg, between the prompts of the two sides that are nearest."""
        prompt = checked(self.prompt)
        if self.perp_neg and self.view_words:
            first, second, share = neighbours(prompt, views)
            return mixed(self._asked(first, views), self._asked(second, views), share)
        return self._asked(viewed(prompt, views) if self.view_words else [prompt] * len(views), views)

    def unconditional(self, views: Views) -> Condition:
        """What guidance leads away from."""
        told = views if self.views_always and self.knows_views else None
        return self.prior.condition([self.negative] * len(views), told)

    def negatives(self, views: Views) -> Negatives:
        """The same prompt from other sides, for Perp-Neg."""
        if not (self.perp_neg and self.view_words):
            return ()
        pairs = perpendicular_negatives(checked(self.prompt), views, weight=self.perp_neg)
        return [(self._asked(prompts, views), weights) for prompts, weights in pairs]

    def _asked(self, prompts: list[str], views: Views) -> Condition:
        return self.prior.condition(prompts, views if self.knows_views else None)

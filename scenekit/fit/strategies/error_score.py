"""Where several photos are wrong: a score of Gaussians for densification (FastGS, arXiv 2511.04283).

Letters: n Gaussians.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from scenekit import processes
from scenekit.errors import InputError
from scenekit.fit.strategies.strategy import Run
from scenekit.splats import Splats


class Scores(NamedTuple):
    """What several photos say of each Gaussian."""

    growth: Tensor
    """Mean over the photos of the wrong pixels it shows in [px of the full photo], shape (n,)."""
    blame: Tensor
    """The same, each photo weighted with its loss, from 0 for the least to 1 for the most, shape (n,)."""


@dataclass(frozen=True)
class ErrorScore:
    """The paper's numbers, with its 30 000 steps as progress 0..1; but for `views`, which is 10 there.

    A gradient is that of one photo at a time, and asks for more Gaussians also where what is there has only not settled
    yet. Here photos drawn anew for each densification are compared with renders, and a Gaussian must show in wrong
    pixels of them to be copied. A pixel is wrong where the error, from the least to the most of its photo, is above
    `threshold`. After the last densification, what is most to blame is removed now and then.

    The paper counts the wrong pixels that the footprint of a Gaussian covers. Here each counts by the Gaussian's
    blending weight in it, so that what is faint or behind others does not count for what it hardly shows in; scores
    are smaller than counts for that.
    """

    views: int = 0
    """Photos looked at each time; 0 for no score."""
    threshold: float = 0.1
    """Error above which a pixel is wrong, as a fraction of the way from the least to the most of its photo."""
    grow_above: float = 5.0
    """τ₊: grow what shows in more wrong pixels than these [px], mean over the photos."""
    prune_above: float = 0.9
    """τ₋: remove what is more to blame than this, as a fraction of the most; 1 for nothing."""
    prune_every: float = 3_000 / 30_000
    """Interval between these removals, as progress."""

    def __post_init__(self) -> None:
        if self.views < 0:
            raise InputError("score.views", got=self.views, wanted="0 for no score, or how many photos")

    def scores(self, splats: Splats, run: Run, generator: torch.Generator) -> Scores | None:
        """Of the Gaussians as they are; None without `views` or Gaussians.

        All processes draw the same photos and share them.

        Raises:
            InputError: If what is fitted has no photos.
        """
        if self.views == 0 or len(splats) == 0:
            return None
        if run.difference is None:
            raise InputError("strategy.score.views", got=self.views, wanted="0, as there are no photos to compare with")
        drawn = torch.randperm(run.photos, generator=generator)[: self.views].tolist()
        sums = splats.means.new_zeros(2, len(splats))
        for photo in drawn[processes.rank() :: processes.count()]:
            difference = run.difference(photo)
            shown = difference.weights(difference.high(self.threshold))
            sums += torch.stack([shown, difference.loss * shown])
        growth, blame = processes.total(sums) / len(drawn)
        least, most = blame.aminmax()
        return Scores(growth, (blame - least) / (most - least).clamp(min=1e-12))

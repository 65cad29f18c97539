"""What a photo shows otherwise than the splats do, and which Gaussians that is. Letters: n Gaussians, h w image."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from scenekit.capture.views import View


@dataclass(frozen=True)
class Difference:
    """One photo beside what the splats look like from there.

    Behind the colours of the render a probe was blended, a channel that is zero for every Gaussian. A pixel blends
    Σᵢ pᵢ wᵢ of it with the weights wᵢ = αᵢ Π(1 − αⱼ), so its gradient by the probe is what each Gaussian has in it.
    """

    errors: Tensor
    """|render − photo| of colours 0..1, mean over the three, shape (h, w)."""
    counts: Tensor | None
    """True where a pixel of the photo counts, bool, shape (h, w); everywhere if None."""
    loss: float
    """The photometric loss."""
    scale: float
    """Pixels of the full photo in a pixel of this one."""
    probe: Tensor
    """Zeros, leaf of the graph, shape (n, 1)."""
    probed: Tensor
    """The rendered probe, shape (h, w)."""

    def high(self, threshold: float) -> Tensor:
        """True where the error is above `threshold`, once the smallest is 0 and the largest 1; bool, shape (h, w).

        Only pixels that count are looked at.
        """
        counts = torch.ones_like(self.errors, dtype=torch.bool) if self.counts is None else self.counts
        least, most = self.errors[counts].aminmax()
        return counts & (self.errors - least > threshold * (most - least))

    def weights(self, chosen: Tensor) -> Tensor:
        """Σ of the blending weights of each Gaussian over chosen pixels, bool (h, w) [px of the full photo], (n,)."""
        (weights,) = torch.autograd.grad(self.probed, self.probe, chosen.to(self.probed), retain_graph=True)
        return self.scale * weights[:, 0]


def errors_of(rgb: Tensor, view: View) -> Tensor:
    """`Difference.errors` of a render (h, w, 3)."""
    return (rgb - view.image.to(rgb) / 255).abs().mean(-1)

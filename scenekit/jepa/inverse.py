"""Inverse dynamics: which actions led from one latent to another; what does not say so is a collapsed latent.

LDAD (Point-Delta-JEPA, 2608.29434): 10 · ‖D(z_{t+k} − z_t) − a_{t..t+k−1}‖², the mean over all numbers, D a transformer
of k queries. It keeps in the latents what actions change, and needs no other regulariser. How far latents have moved is
a token beside the queries; published it scales and shifts what each block normalises (AdaLN).
Letters: b clips, s steps, n pairs, d width, k span, a numbers of an action.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from scenekit.errors import InputError
from scenekit.jepa.network import Transformer


class InverseDynamics(nn.Module):
    """D: actions from how far latents have moved.

    Args:
        width: d.
        actions: a.
        span: k.
        depth: Blocks of the transformer.
        heads: Of its attention.
    """

    def __init__(self, width: int, actions: int, *, span: int, depth: int = 3, heads: int = 8):
        super().__init__()
        self.span = span
        self.moved = nn.Linear(width, width)
        self.queries = nn.Parameter(0.02 * torch.randn(span, width))
        self.transformer = Transformer(width, depth, heads)
        self.out = nn.Linear(width, actions)

    def forward(self, moved: Tensor) -> Tensor:
        """The actions, in the order of time, shape (n, k, a).

        Args:
            moved: z_{t+k} − z_t, shape (n, d).
        """
        tokens = torch.cat([self.moved(moved)[:, None], self.queries.expand(len(moved), -1, -1)], 1)
        return self.out(self.transformer(tokens)[:, 1:])

    def error(self, latents: Tensor, actions: Tensor) -> Tensor:
        """Mean squared error of all actions over all windows of k steps in clips, scalar.

        Args:
            latents: Shape (b, s, d).
            actions: Between them, shape (b, s − 1, a).

        Raises:
            InputError: If the clips are shorter than a window.
        """
        if latents.shape[1] <= self.span:
            raise InputError("clips", got=f"{latents.shape[1]} steps", wanted=f"more than the span, {self.span}")
        moved = (latents[:, self.span :] - latents[:, : -self.span]).flatten(0, 1)
        wanted = actions.unfold(1, self.span, 1).transpose(-1, -2).flatten(0, 1)  # (n, k, a)
        return (self(moved).float() - wanted).square().mean()

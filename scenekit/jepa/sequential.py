"""One after the other: views that add up (seq-JEPA), and blocks that are predicted in the order in which they matter.

seq-JEPA (Ghaemi et al. 2025, hafezgh/seq-jepa), of views x and the actions a between them, such as turns of a camera:

    z_i = f(x_i)                                                          equivariant
    aggregate = transformer([AGG], z_1 + W a_1, …, z_{s−2} + W a_{s−2}, z_{s−1})   invariant; an action stands with the
                                                                                   view that it leads away from
    loss = 1 − cos(predictor(aggregate, W a_{s−1}), f̄(x_s))               f̄ a running mean of f

Published, W a is beside z, not added to it, and W a and the predictor's middle go through BatchNorm; here nothing mixes
the examples of a batch.

DSeq-JEPA (He et al. 2025, 2511.17354): the masked objective, but each block is predicted from the context and the
blocks before it, all encoded together, those first to which the target encoder attends most. Published, blocks are
grown where attention rests, differently in each image, the first of them is the context, and such steps take turns with
those of I-JEPA, from none to all of them; here they are those of any mask, in one order for a batch, at every step.
Letters: b clips, s views, t tokens, m of a block, d width, a numbers of an action.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional

from scenekit.errors import InputError
from scenekit.jepa.clips import Clips
from scenekit.jepa.masks import Mask
from scenekit.jepa.network import Encoder, Transformer
from scenekit.jepa.objective import MaskedObjective, follow, rows
from scenekit.jepa.tokens import Tokens


class SequenceObjective(nn.Module):
    """seq-JEPA, an `Objective` of clips of views.

    Args:
        encoder: Views → latents (n, d).
        width: d.
        actions: a.
        depth: Blocks of the transformer that aggregates.
        heads: Of its attention.
        ema: Decay of the running mean.
    """

    def __init__(
        self, encoder: nn.Module, width: int, actions: int, *, depth: int = 3, heads: int = 4, ema: float = 0.996
    ):
        super().__init__()
        self.encoder, self.ema = encoder, ema
        self.mean = copy.deepcopy(encoder).requires_grad_(False)
        self.start = nn.Parameter(0.02 * torch.randn(width))
        self.action = nn.Linear(actions, width)
        self.transformer = Transformer(width, depth, heads)
        self.predictor = nn.Sequential(nn.Linear(2 * width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def aggregate(self, latents: Tensor, actions: Tensor) -> Tensor:
        """What views say together, shape (b, d).

        Args:
            latents: Of views, shape (b, k, d).
            actions: Between them, shape (b, k − 1, a).
        """
        left, last = latents[:, :-1] + self.action(actions), latents[:, -1:]
        start = self.start.expand(len(latents), 1, -1)
        return self.transformer(torch.cat([start, left, last], 1))[:, 0].float()

    def predict(self, aggregate: Tensor, actions: Tensor) -> Tensor:
        """The latent of the view after an action.

        Args:
            aggregate: Of the views so far, shape (b, d).
            actions: From the last of them on, shape (b, a).
        """
        return self.predictor(torch.cat([aggregate, self.action(actions)], -1)).float()

    def losses(self, batch: Clips, *, generator: torch.Generator) -> dict[str, Tensor]:
        """The term of a batch of clips: their last view from all others."""
        z = batch.encoded(self.encoder)
        aggregate = self.aggregate(z[:, :-1], batch.actions[:, :-1])
        with torch.no_grad():
            target = batch.encoded(self.mean)[:, -1]
        cosine = functional.cosine_similarity(self.predict(aggregate, batch.actions[:, -1]), target, dim=-1)
        return {"prediction": (1 - cosine).mean()}

    def after_step(self, share: float) -> None:
        """The running mean follows."""
        follow(self.mean, self.encoder, self.ema)

    def latents(self, batch: Clips) -> Tensor:
        """The targets of all views, shape (b·s, d)."""
        return batch.encoded(self.mean).flatten(0, 1)


class OrderedObjective(MaskedObjective):
    """DSeq-JEPA: the masked objective, block after block."""

    def _predicted(self, batch: Tokens, mask: Mask) -> list[Tensor]:
        places, seen = self._places(batch), mask.context
        predicted: dict[int, Tensor] = {}
        for i in salient_first(self.trained, batch, mask, places=places):
            where = rows(places, seen)
            context = self.encoder(batch.take(seen), places=where)
            predicted[i] = self.predictor(context, where, rows(places, mask.targets[i]))
            seen = torch.cat([seen, mask.targets[i]], 1)
        return [predicted[i] for i in range(len(predicted))]


@torch.no_grad()
def salient_first(encoder: Encoder, batch: Tokens, mask: Mask, *, places: Tensor | None = None) -> list[int]:
    """Numbers of a mask's blocks, from that on to which most is attended: mean over its tokens and the batch.

    Args:
        encoder: Who attends.
        batch: Scenes.
        mask: Of them.
        places: See `Encoder`.
    """
    attended = saliency(encoder, batch, places=places)
    of_blocks = torch.stack([rows(attended[..., None], block).mean() for block in mask.targets])
    return of_blocks.argsort(descending=True).tolist()


@torch.no_grad()
def saliency(encoder: Encoder, batch: Tokens, *, places: Tensor | None = None) -> Tensor:
    """How much the last block's attention rests on each token, mean over heads and valid tokens; 1 in sum, (b, t).

    Args:
        encoder: Who attends.
        batch: Scenes.
        places: See `Encoder`.

    Raises:
        InputError: If a scene has no valid token.
    """
    if not bool(batch.valid.any(1).all()):
        raise InputError("tokens", got="a scene without valid ones", wanted="some")
    last, caught = encoder.transformer.blocks[-1], list[Tensor]()
    assert isinstance(last, nn.TransformerEncoderLayer)
    hook = last.register_forward_pre_hook(lambda _, inputs: caught.append(inputs[0]))
    try:
        encoder(batch, places=places)
    finally:
        hook.remove()
    x = last.norm1(caught[0])
    weights = last.self_attn(x, x, x, key_padding_mask=~batch.valid, need_weights=True)[1].float()  # (b, t, t)
    by = batch.valid[..., None] / batch.valid.sum(1)[:, None, None]
    return (weights * by).sum(1)

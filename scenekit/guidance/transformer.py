"""A small diffusion transformer of pictures, conditioned on words and the view: the network of the embedded prior.

Patches and words are tokens of one sequence; timestep and view modulate every block (Peebles and Xie 2023, DiT), by one
set of numbers shared by the blocks (Chen et al. 2024, PixArt-α). It predicts the clean picture, which a plain
transformer with large patches can and noise it cannot (Li and He 2025); a few convolutions join the patches. What words
and view show on average is given to it.
Letters: b batch, k words, p patches, d width.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from scenekit.errors import InputError
from scenekit.guidance.expected_picture import HEADS, ExpectedPicture
from scenekit.guidance.view_features import VIEW_FEATURES

MOST_BLOCKS = 100
"""Of a network that is called small."""

COARSER = 2
"""Pixels along one of the expected picture."""


@dataclass(frozen=True)
class TransformerConfig:
    """Its size."""

    side: int = 64
    """Of the pictures [px]."""
    patch: int = 16
    """Side of a patch [px]."""
    width: int = 256
    """d."""
    depth: int = 8
    """Blocks."""
    heads: int = 4
    """Of attention."""
    words: int = 40
    """Most words of a prompt."""
    vocabulary: int = 320
    """Different words; 0 fills up, 1 is no words."""
    seam: int = 16
    """Channels of the convolutions that join the patches."""
    expected_width: int = 192
    """Of the network of the expected picture."""
    expected_depth: int = 2
    """Its blocks."""
    components: int = 256
    """Pictures of which all expected ones are sums."""

    def __post_init__(self) -> None:
        if self.side % self.patch or self.patch % COARSER or self.width % (4 * self.heads):
            got = f"side {self.side}, patch {self.patch}, width {self.width}, {self.heads} heads"
            wanted = "whole patches of an even side, and 4 · heads a factor of the width"
            raise InputError("transformer", got=got, wanted=wanted)
        if self.expected_width % HEADS:
            raise InputError("transformer expected_width", got=self.expected_width, wanted=f"a multiple of {HEADS}")
        deepest = max(self.depth, self.expected_depth)
        if deepest > MOST_BLOCKS:
            raise InputError("transformer depth", got=deepest, wanted=f"at most {MOST_BLOCKS}")

    @property
    def patches(self) -> int:
        """p, of one picture."""
        return (self.side // self.patch) ** 2


class PictureTransformer(nn.Module):
    """x₀ of x_t, t, words and a view."""

    def __init__(self, config: TransformerConfig):
        super().__init__()
        self.config, d = config, config.width
        self.expected = ExpectedPicture(
            config.side // COARSER, width=config.expected_width, depth=config.expected_depth, words=config.words,
            vocabulary=config.vocabulary, components=config.components,
        )  # fmt: skip
        self.patch_in = nn.Linear(3 * config.patch**2, d)
        self.expected_in = nn.Linear(3 * (config.patch // COARSER) ** 2, d, bias=False)
        self.expected_out = nn.Linear(d, 1)
        self.word = nn.Embedding(config.vocabulary, d)
        self.word_place = nn.Parameter(0.02 * torch.randn(config.words, d))
        self.register_buffer("patch_place", _places(config.side // config.patch, d), persistent=False)
        self.time = nn.Sequential(nn.Linear(d, d), nn.SiLU(), nn.Linear(d, d))
        self.view = nn.Sequential(nn.Linear(VIEW_FEATURES, d), nn.SiLU(), nn.Linear(d, d))
        self.modulation = nn.Linear(d, 6 * d)
        self.blocks = nn.ModuleList(_Block(d, config.heads) for _ in range(config.depth))
        self.modulation_out = nn.Linear(d, 2 * d)
        self.patch_out = nn.Linear(d, 3 * config.patch**2)
        self.seams = _Seams(config.seam, d)
        nn.init.normal_(self.word.weight, std=0.02)
        zeros = (self.modulation, self.modulation_out, self.patch_out, self.expected_in, self.expected_out)
        for weights in (weights for layer in zeros for weights in layer.parameters()):
            nn.init.zeros_(weights)  # starts as the identity, and predicts 0

    def forward(self, x_t: Tensor, t: Tensor, words: Tensor, view: Tensor) -> Tensor:
        """The clean pictures, shape (b, 3, side, side).

        Args:
            x_t: Noised pictures, shape (b, 3, side, side).
            t: Timesteps as parts of the schedule, 0..1, shape (b,).
            words: Numbers of words, 0 after the last one, shape (b, k).
            view: `view_features`, shape (b, VIEW_FEATURES).
        """
        with torch.no_grad():  # nothing is learned through it, so that it stays a mean
            expected = self.expected(words, view)
        patches = self.patch_in(_patched(x_t, self.config.patch)) + self.patch_place
        patches = patches + self.expected_in(_patched(expected, self.config.patch // COARSER))
        tokens = torch.cat([self.word(words) + self.word_place[: words.shape[1]], patches], 1)
        seen = torch.cat([words != 0, words.new_ones(patches.shape[:2], dtype=torch.bool)], 1)[:, None, None]
        condition = functional.silu(self.time(_waves(t, self.config.width)) + self.view(view))
        shared = self.modulation(condition)[:, None].chunk(6, -1)
        for block in self.blocks:
            tokens = block(tokens, shared, seen)
        shift, scale = self.modulation_out(condition)[:, None].chunk(2, -1)
        out = _normed(tokens[:, words.shape[1] :]) * (1 + scale) + shift
        coarse = _whole(self.patch_out(out), self.config.patch, self.config.side)
        finer = functional.interpolate(expected, x_t.shape[-2:], mode="bilinear")
        coarse = coarse + self.expected_out(condition)[..., None, None] * finer
        return coarse + self.seams(coarse, x_t, condition)


class _Block(nn.Module):
    """Attention and a network for each token, both modulated."""

    def __init__(self, d: int, heads: int):
        super().__init__()
        self.heads = heads
        self.own = nn.Parameter(torch.zeros(6, d))  # what this block adds to the shared modulation
        self.qkv, self.out = nn.Linear(d, 3 * d), nn.Linear(d, d)
        self.network = nn.Sequential(nn.Linear(d, 4 * d), nn.GELU(approximate="tanh"), nn.Linear(4 * d, d))

    def forward(self, x: Tensor, shared: tuple[Tensor, ...], seen: Tensor) -> Tensor:
        own = [part + mine for part, mine in zip(shared, self.own, strict=True)]
        x = x + own[2] * self._attend(_normed(x) * (1 + own[1]) + own[0], seen)
        return x + own[5] * self.network(_normed(x) * (1 + own[4]) + own[3])

    def _attend(self, x: Tensor, seen: Tensor) -> Tensor:
        b, n, d = x.shape
        q, k, v = self.qkv(x).reshape(b, n, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
        q, k = (functional.rms_norm(part, part.shape[-1:]) for part in (q, k))  # attention stays bounded
        mixed = functional.scaled_dot_product_attention(q, k, v, attn_mask=seen)
        return self.out(mixed.transpose(1, 2).reshape(b, n, d))


class _Seams(nn.Module):
    """What is added so that patches fit together and fine detail of x_t, too much for a token, comes through."""

    def __init__(self, c: int, d: int):
        super().__init__()
        self.first = nn.Conv2d(6, c, 5, padding=2)
        self.modulation = nn.Linear(d, 2 * c)
        self.second = nn.Conv2d(c, c, 3, padding=1)
        self.last = nn.Conv2d(c, 3, 3, padding=1)
        for zero in (*self.modulation.parameters(), *self.last.parameters()):  # starts as nothing
            nn.init.zeros_(zero)

    def forward(self, coarse: Tensor, x_t: Tensor, condition: Tensor) -> Tensor:
        shift, scale = self.modulation(condition)[..., None, None].chunk(2, 1)
        both = torch.cat([coarse, x_t.to(coarse.dtype)], 1).contiguous(memory_format=torch.channels_last)
        fine = functional.gelu(self.first(both) * (1 + scale) + shift, approximate="tanh")
        return self.last(functional.gelu(self.second(fine), approximate="tanh"))


def _normed(x: Tensor) -> Tensor:
    return functional.layer_norm(x, x.shape[-1:])


def _waves(t: Tensor, d: int) -> Tensor:
    """Sines and cosines of times 0..1, wavelengths from 2π/1000 of the schedule to ten times its length, (b, d)."""
    rates = torch.exp(-math.log(10_000) * torch.arange(d // 2, device=t.device) / (d // 2))
    angles = 1000 * t[:, None] * rates
    return torch.cat([angles.cos(), angles.sin()], -1)


def _places(side: int, d: int) -> Tensor:
    """Where patches are, a quarter of the width each for sine and cosine of row and column, shape (p, d)."""
    rates = torch.exp(-math.log(10_000) * torch.arange(d // 4) / (d // 4))
    row, column = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    angles = [place.reshape(-1, 1) * rates for place in (row, column)]
    return torch.cat([wave for angle in angles for wave in (angle.sin(), angle.cos())], -1)


def _patched(x: Tensor, patch: int) -> Tensor:
    """(b, 3, h, w) → (b, p, 3 · patch²)."""
    b, c, h, w = x.shape
    tiles = x.reshape(b, c, h // patch, patch, w // patch, patch).permute(0, 2, 4, 1, 3, 5)
    return tiles.reshape(b, -1, c * patch * patch)


def _whole(patches: Tensor, patch: int, side: int) -> Tensor:
    """The inverse."""
    n = side // patch
    tiles = patches.reshape(len(patches), n, n, 3, patch, patch).permute(0, 3, 1, 4, 2, 5)
    return tiles.reshape(len(patches), 3, side, side)

"""Encoder and predictor of latents of tokens: transformers whose tokens know where they are and not in what order.

Letters: b batch, t tokens, k elements of each, d width of latents, c context, m queries, p coordinates of a place,
e numbers of an extra, n tokens of any kind, w width of a transformer.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional

from scenekit.errors import InputError
from scenekit.jepa.elements import FEATURES, SPREAD, USUAL
from scenekit.jepa.tokens import TokenConfig, Tokens

MOST_BLOCKS = 100
"""Of a transformer; more is a mistake or an attack."""

NEARER = 3.0
"""Offsets of near tokens are about a third of half the scene; by so much they are made larger."""

WIDEST = 4096
"""Width of a transformer; more is a mistake or an attack."""


@dataclass(frozen=True)
class JepaConfig:
    """The size of encoder and predictor."""

    width: int = 192
    """d."""
    depth: int = 6
    """Blocks of the encoder."""
    heads: int = 6
    """Of its attention."""
    hidden: int = 128
    """Width of the network of each element."""
    predictor_width: int = 96
    """Of the predictor, which is smaller, or the encoder would leave the work to it."""
    predictor_depth: int = 4
    """Its blocks."""
    predictor_heads: int = 6
    """Of its attention."""
    near: int = 0
    """Tokens of the context, the nearest, that a query is predicted from, at their places as seen from there; 0 for all
    of them, at their places in the scene."""
    coordinates: int = 3
    """p: a place in space, or in space and time."""
    bands: int = 6
    """Octaves of the waves that say a coordinate, the longest as long as the scene."""
    tokens: TokenConfig = field(default_factory=TokenConfig)
    """What a scene is cut into."""

    def __post_init__(self) -> None:
        for name in ("", "predictor_"):
            width, depth, heads = (getattr(self, name + what) for what in ("width", "depth", "heads"))
            if not 1 <= heads <= width <= WIDEST or width % heads or not 1 <= depth <= MOST_BLOCKS:
                got = f"width {width}, {depth} blocks, {heads} heads"
                wanted = f"heads a factor of the width, at most {WIDEST}, and 1 to {MOST_BLOCKS} blocks"
                raise InputError((name or "encoder_").rstrip("_"), got=got, wanted=wanted)
        for name, most in (("hidden", WIDEST), ("coordinates", 16), ("bands", 16)):
            if not 1 <= getattr(self, name) <= most:
                raise InputError(f"network {name}", got=getattr(self, name), wanted=f"1 to {most}")
        if not 0 <= self.near <= WIDEST:
            raise InputError("network near", got=self.near, wanted=f"0 to {WIDEST}")


TINY = JepaConfig(width=48, depth=2, heads=4, hidden=32, predictor_width=32, predictor_depth=2, predictor_heads=4,
                  tokens=TokenConfig(count=32, neighbours=16, elements=512))  # fmt: skip
"""For tests and toys."""
SMALL = JepaConfig(width=128, depth=2, heads=4, hidden=64, predictor_width=96, predictor_depth=3, near=12)
"""What comes with the package."""
BASE = JepaConfig(width=384, depth=12, heads=6, hidden=256, predictor_width=192, predictor_depth=6, predictor_heads=6)
"""That of Point-JEPA (Saito et al. 2024)."""


class Encoder(nn.Module):
    """Latents of the tokens of scenes.

    The elements of a token go through one small network and are pooled, largest and mean (Qi et al. 2017, PointNet), so
    their order and mostly their number do not matter; attention over tokens that know their places does the rest. All
    is normalised on the way: else what a token says is some fifty times fainter than where it is, and not heard.
    """

    usual: Tensor
    spread: Tensor

    def __init__(self, config: JepaConfig):
        super().__init__()
        self.config, d, h = config, config.width, config.hidden
        self.register_buffer("usual", torch.tensor(USUAL), persistent=False)
        self.register_buffer("spread", torch.tensor(SPREAD), persistent=False)
        self.element = nn.Sequential(
            nn.Linear(FEATURES, h), nn.LayerNorm(h), nn.GELU(), nn.Linear(h, h), nn.LayerNorm(h), nn.GELU(),
            nn.Linear(h, h),
        )  # fmt: skip
        self.pooled = nn.Sequential(nn.LayerNorm(2 * h), nn.Linear(2 * h, d))
        self.place = Places(config.coordinates, config.bands, d)
        self.size = nn.Linear(2, d)
        self.transformer = Transformer(d, config.depth, config.heads)
        self.out = nn.Linear(d, d)

    def forward(self, tokens: Tokens, *, places: Tensor | None = None) -> Tensor:
        """Latents, shape (b, t, d); those of invalid tokens mean nothing, and no other token sees them.

        Args:
            tokens: Of b scenes.
            places: Where tokens are if not at their centres alone, such as in space and time, shape (b, t, p).
        """
        elements = self.element((tokens.elements - self.usual) / self.spread)
        shape = self.pooled(torch.cat([elements.amax(-2), elements.mean(-2)], -1))
        place = self.place(tokens.centers if places is None else places)
        return self.out(self.transformer(shape + place + self.size(_sizes(tokens)), hidden=~tokens.valid))

    def alone(self, tokens: Tokens) -> Tensor:
        """Latents of tokens each of which is all there is, and stands in the middle of its scene, shape (b, t, d)."""
        each = tokens.alone()
        places = each.centers.new_zeros(len(each.radii), 1, self.config.coordinates)
        latents: Tensor = self(each, places=places)
        return latents.unflatten(0, tokens.radii.shape)[:, :, 0]


class Predictor(nn.Module):
    """Latents at places, from those of a context.

    From all of it, queries and context attending to each other; or, if `config.near`, each query on its own from what
    is nearest to it, which tells far sooner how things go on across a gap.

    Args:
        config: Its size.
        extra: e, numbers that a query says beside its place: an action, a time, an object's anchor.
        out: Numbers it predicts for each query; None for d.
    """

    def __init__(self, config: JepaConfig, *, extra: int = 0, out: int | None = None):
        super().__init__()
        w = config.predictor_width
        self.context = nn.Linear(config.width, w)
        self.place = Places(config.coordinates, config.bands, w)
        self.query = nn.Parameter(0.02 * torch.randn(w))
        self.extra = nn.Linear(extra, w) if extra else None
        self.near, self.offset = config.near, None
        if config.near:
            self.offset = nn.Sequential(nn.Linear(config.coordinates + 1, w), nn.GELU(), nn.Linear(w, w))
        self.transformer = Transformer(w, config.predictor_depth, config.predictor_heads)
        self.out = nn.Linear(w, config.width if out is None else out)

    def forward(
        self,
        context: Tensor,
        places: Tensor,
        query_places: Tensor,
        query_extra: Tensor | None = None,
        *,
        valid: Tensor | None = None,
    ) -> Tensor:
        """What is predicted at each query, shape (b, m, out).

        Args:
            context: Latents of what is seen, shape (b, c, d).
            places: Where it is, shape (b, c, p).
            query_places: Where to predict, shape (b, m, p).
            query_extra: What else a query says, shape (b, m, e); None where the predictor takes none.
            valid: False for tokens of the context to pass over, bool, shape (b, c).

        Raises:
            InputError: If extras are missing, or nobody asked for them.
        """
        if (query_extra is None) != (self.extra is None):
            got, wanted = ("none", "some") if query_extra is None else ("some", "none")
            raise InputError("query_extra", got=got, wanted=f"{wanted}, as the predictor was built")
        asked = self.query + self.place(query_places)
        if self.extra is not None:
            asked = asked + self.extra(query_extra)
        if self.offset is not None:
            return self.out(self._from_near(self.context(context), places, asked, query_places, valid))
        seen = self.context(context) + self.place(places)
        hidden = None
        if valid is not None:
            hidden = torch.cat([~valid, valid.new_zeros(asked.shape[:2])], 1)
        answered = self.transformer(torch.cat([seen, asked], 1), hidden=hidden)
        return self.out(answered[:, seen.shape[1] :])

    def _from_near(
        self, context: Tensor, places: Tensor, asked: Tensor, query_places: Tensor, valid: Tensor | None
    ) -> Tensor:
        """Queries (b, m, w) after attending to those of the context (b, c, w) that are near."""
        assert self.offset is not None
        distance = torch.cdist(query_places, places, compute_mode="donot_use_mm_for_euclid_dist")
        if valid is not None:
            distance = distance.masked_fill(~valid[:, None], math.inf)
        away, near = distance.topk(min(self.near, distance.shape[-1]), largest=False)
        row = torch.arange(len(near), device=near.device)[:, None, None]
        offset = NEARER * (places[row, near] - query_places[:, :, None])
        far = away.clamp(1e-3, 1e3).log()[..., None]
        seen = context[row, near] + self.offset(torch.cat([offset, far], -1))
        hidden = functional.pad(away.isinf(), (1, 0)).flatten(0, 1)
        answered: Tensor = self.transformer(torch.cat([asked[:, :, None], seen], 2).flatten(0, 1), hidden=hidden)
        return answered[:, 0].unflatten(0, asked.shape[:2])


class Transformer(nn.Module):
    """Blocks of attention and a network for each token, normalised before each and at the end, without dropout."""

    def __init__(self, width: int, depth: int, heads: int):
        super().__init__()
        self.blocks = nn.ModuleList(
            nn.TransformerEncoderLayer(width, heads, 4 * width, 0.0, "gelu", batch_first=True, norm_first=True)
            for _ in range(depth)
        )
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor, *, hidden: Tensor | None = None, barred: Tensor | None = None) -> Tensor:
        """The tokens after all blocks, shape (b, n, w).

        Args:
            x: Tokens, shape (b, n, w).
            hidden: True for tokens that none attends to, bool, shape (b, n).
            barred: True where token i may not attend to token j, such as a later one, bool, shape (n, n).
        """
        for block in self.blocks:
            x = block(x, src_mask=barred, src_key_padding_mask=hidden)
        return self.norm(x)


class Places(nn.Module):
    """Where a token is: a linear map of sines and cosines of each coordinate, −1..1, an octave apart."""

    rates: Tensor

    def __init__(self, coordinates: int, bands: int, width: int):
        super().__init__()
        self.register_buffer("rates", math.pi / 2 * 2.0 ** torch.arange(bands), persistent=False)
        self.linear = nn.Linear(coordinates * (1 + 2 * bands), width)

    def forward(self, places: Tensor) -> Tensor:
        """Shape (..., p) → (..., w)."""
        angles = (places[..., None] * self.rates).flatten(-2)
        return self.linear(torch.cat([places, angles.sin(), angles.cos()], -1))


def mean_and_largest(values: Tensor, groups: Tensor) -> Tensor:
    """Of what is said of tokens (b, t, f), over those of each group (b, g, t); zeros of an empty one, (b, g, 2 f)."""
    own = groups[..., None]
    mean = groups.to(values) @ values / groups.sum(-1, keepdim=True).clamp(min=1)
    largest = values[:, None].masked_fill(~own, -torch.inf).amax(2)
    return torch.cat([mean, largest.masked_fill(~own.any(2), 0.0)], -1)


def _sizes(tokens: Tokens) -> Tensor:
    """Logarithms of each token's radius in the scene's frame, and of the scene's size [log m], shape (b, t, 2)."""
    scene = tokens.frame[:, 3:].expand_as(tokens.radii)
    return torch.stack([tokens.radii, scene], -1).clamp(min=1e-6).log()

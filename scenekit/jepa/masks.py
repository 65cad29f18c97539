"""Masks: which tokens are seen and which are to be predicted. Letters: b batch, s steps, t tokens, m c some of them.

Blocks, layers, tubes and tokens at random differ only in the space in which the targets grow: a target is what is
nearest to a random place there. All chance is the generator's, so that every call gives another mask.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

from scenekit.errors import InputError
from scenekit.jepa.elements import OFFSET
from scenekit.jepa.tokens import Tokens

Share = float | tuple[float, float]
"""Part of the tokens, or between what it is drawn, once for a batch."""


@dataclass(frozen=True)
class Mask:
    """What is seen and what is to be predicted.

    Raises:
        InputError: If there is no context or no target, or they are not of the same batch.
    """

    context: Tensor
    """Numbers of the tokens that are seen, int64, shape (b, c)."""
    targets: tuple[Tensor, ...]
    """Of those that are not, disjoint from each other and from the context, int64, each of a shape (b, m)."""

    def __post_init__(self) -> None:
        shapes = [tuple(part.shape) for part in (self.context, *self.targets)]
        if len(shapes) < 2 or any(len(shape) != 2 or shape[0] != shapes[0][0] or not shape[1] for shape in shapes):
            raise InputError("mask", got=f"a context and targets of shapes {shapes}", wanted="(b, c), (b, m)…, no 0")


class MaskSampler(Protocol):
    """Draws masks."""

    def __call__(self, tokens: Tokens, *, generator: torch.Generator) -> Mask:
        """A mask of each scene, never a token that is not valid.

        Args:
            tokens: A batch, or one scene, which counts as a batch of one.
            generator: Chance of it; its next state gives another mask.

        Raises:
            InputError: If a scene has too few valid tokens for the context and the targets.
        """
        ...


@dataclass(frozen=True)
class Blocks:
    """Compact blocks, disjoint, grown by distance from random anchors one after another (Gaussian-JEPA 2608.15651)."""

    shares: tuple[Share, ...] = (11 / 64, 9 / 64, 7 / 64, 5 / 64)
    """Of the targets, in the order in which they grow."""
    context: Share | None = 0.5
    """Of the context, at random from what is left; None takes all of that."""

    steps = 1

    def __post_init__(self) -> None:
        shares = [*self.shares, *([] if self.context is None else [self.context])]
        bounds = [share if isinstance(share, tuple) else (share, share) for share in shares]
        good = all(0 < low <= high for low, high in bounds) and sum(high for _, high in bounds) <= 1 + 1e-9
        if not self.shares or not good:
            raise InputError("mask shares", got=shares, wanted="a share above 0 of each, at most 1 together")

    def __call__(self, tokens: Tokens, *, generator: torch.Generator) -> Mask:
        tokens = tokens if tokens.batched else Tokens.stack([tokens])
        t = _each_step(tokens, self.steps)
        free = tokens.valid.to(generator.device).unflatten(1, (self.steps, t))
        sizes = [_size(share, t, generator) for share in self.shares]
        rest = 1 if self.context is None else _size(self.context, t, generator)
        _check_enough(free, sum(sizes), rest)
        places, targets = self._places(tokens, generator).unflatten(1, (self.steps, t)), []
        for size in sizes:
            anchor = _anchor(places, tokens.radii, free, generator)
            nearest = _lowest((places - anchor[:, None, None]).norm(dim=-1), free, size)
            free = free.scatter(2, nearest, False)
            targets.append(nearest)
        rest = int(free.sum(2).min()) if self.context is None else rest
        context = _lowest(torch.rand(free.shape, generator=generator, device=free.device), free, rest)
        return _mask(context, targets, t, tokens)

    def _places(self, tokens: Tokens, generator: torch.Generator) -> Tensor:
        """Where tokens are in the space in which blocks grow, shape (b, s t, p)."""
        return tokens.centers.to(generator.device)


@dataclass(frozen=True)
class Layers(Blocks):
    """Slabs between two depths along a random direction."""

    shares: tuple[Share, ...] = (0.25,)

    def _places(self, tokens: Tokens, generator: torch.Generator) -> Tensor:
        direction = torch.randn(len(tokens.centers), 3, 1, generator=generator, device=generator.device)
        return tokens.centers.to(direction) @ functional.normalize(direction, dim=1)


@dataclass(frozen=True)
class Random(Blocks):
    """Tokens at random: what compact masks are compared with."""

    def _places(self, tokens: Tokens, generator: torch.Generator) -> Tensor:
        return torch.rand(*tokens.radii.shape, 1, generator=generator, device=generator.device)


@dataclass(frozen=True)
class Tubes(Blocks):
    """Blocks of space that are hidden over all steps of a clip (V-JEPA), whose tokens lie step after step, (b, s t)."""

    steps: int = field(kw_only=True)
    """s."""


FEW = Random(shares=(0.25,), context=None)
"""A quarter at random, and all the rest is seen, much as where energy is measured."""
I_JEPA = Blocks(shares=((0.15, 0.2),) * 4, context=None)
"""Shares as of I-JEPA (Assran et al. 2023); other than there, targets do not overlap."""


@dataclass(frozen=True)
class Hidden:
    """What a camera that looks at the scene from a random side sees least of; the context is what it sees most of."""

    share: Share = (0.3, 0.45)
    """Of the target."""
    context: Share = (0.3, 0.45)
    """Of the context."""
    elevations: tuple[float, float] = (-10.0, 60.0)
    """Of the camera [degrees]."""

    def __call__(self, tokens: Tokens, *, generator: torch.Generator) -> Mask:
        tokens = tokens if tokens.batched else Tokens.stack([tokens])
        t, free = len(tokens), tokens.valid.to(generator.device)[:, None]
        size, rest = _size(self.share, t, generator), _size(self.context, t, generator)
        _check_enough(free, size, rest)
        turn, rise = torch.rand(2, len(free), generator=generator, device=free.device)
        low, high = map(math.radians, self.elevations)
        azimuth, elevation = 2 * math.pi * turn, low + (high - low) * rise
        across = elevation.cos()
        eye = DISTANCE * torch.stack([across * azimuth.cos(), across * azimuth.sin(), elevation.sin()], 1)
        chance = torch.rand(free.shape, generator=generator, device=free.device)
        share = visibility(tokens, eye)[:, None].to(free.device)
        seen = share.clamp(max=CLEAR) + 1e-3 * chance  # chance decides between those seen alike
        return _mask(_lowest(-seen, free, rest), [_lowest(seen, free, size)], t, tokens)


@dataclass(frozen=True)
class Objects:
    """Whole objects: all tokens of some owners, each object a target; the context is drawn from all others.

    Objects have unlike sizes, so a target is as long as its largest in the batch, and smaller objects repeat tokens.
    """

    objects: int = 1
    """How many."""
    context: Share | None = None
    """Of the context; None for as much as every scene of the batch has left."""

    def __call__(self, tokens: Tokens, *, generator: torch.Generator) -> Mask:
        tokens = tokens if tokens.batched else Tokens.stack([tokens])
        t, device = len(tokens), generator.device
        owners, valid = tokens.owners.to(device), tokens.valid.to(device)
        chosen = torch.stack([self._chosen(own[good], generator) for own, good in zip(owners, valid, strict=True)])
        hidden = (owners[:, None] == chosen[..., None]) & valid[:, None]
        targets = []
        for of_object in hidden.unbind(1):
            size = of_object.sum(1)
            chance = torch.rand(of_object.shape, generator=generator, device=device)
            order = chance.masked_fill(~of_object, math.inf).argsort(1)
            again = torch.arange(int(size.max()), device=device) % size[:, None]
            targets.append(order.gather(1, again)[:, None])
        free = (valid & ~hidden.any(1))[:, None]
        rest = max(1, int(free.sum(2).min())) if self.context is None else _size(self.context, t, generator)
        _check_enough(free, 0, rest)
        context = _lowest(torch.rand(free.shape, generator=generator, device=device), free, rest)
        return _mask(context, targets, t, tokens)

    def _chosen(self, owners: Tensor, generator: torch.Generator) -> Tensor:
        """Random owners of some tokens of a scene."""
        there = owners[owners >= 0].unique()
        if not 1 <= self.objects <= len(there):
            raise InputError("objects", got=self.objects, wanted=f"1 to {len(there)}, as many as the scene has")
        return there[torch.randperm(len(there), generator=generator, device=there.device)[: self.objects]]


DISTANCE, FIELD = 3.2, 0.62
"""Of the camera from the middle, in halves of the longest side, and tangent of half its field: the box fits in."""
CELLS = 18
"""Side of the grid in which depths are compared: cells twice as wide as elements are apart hide the back."""
CLEAR = 0.5
"""Tokens are seen as well as any others if this share of their elements is."""
BEHIND = 0.25
"""How far behind the foremost element of its cell another one still is seen, for slanted surfaces."""


def visibility(tokens: Tokens, eye: Tensor) -> Tensor:
    """Share of each token's elements that a camera sees, by a depth test among all elements, 0..1, shape (b, t).

    Args:
        tokens: A batch.
        eye: Where cameras are, in the frames of the scenes, looking at 0, shape (b, 3).
    """
    eye = eye.to(tokens.centers)
    points = tokens.centers[:, :, None] + tokens.radii[..., None, None] * tokens.elements[..., OFFSET]
    forward = -functional.normalize(eye, dim=1)
    helper = functional.one_hot(forward.abs().argmin(1), 3).to(forward)  # any direction across will do
    right = functional.normalize(torch.linalg.cross(forward, helper), dim=1)
    axes = torch.stack([right, torch.linalg.cross(forward, right), forward], 2)
    x, y, depth = ((points - eye[:, None, None]).flatten(1, 2) @ axes).unbind(-1)
    depth = depth.clamp(min=1e-3)
    column, row = (((v / depth / FIELD + 1) / 2 * CELLS).long().clamp(0, CELLS - 1) for v in (x, y))
    cell = row * CELLS + column
    there = tokens.valid[:, :, None].expand(points.shape[:3]).flatten(1)
    depth = depth.masked_fill(~there, math.inf)
    nearest = torch.full((len(eye), CELLS**2), math.inf, device=depth.device).scatter_reduce(1, cell, depth, "amin")
    seen = (depth <= nearest.gather(1, cell) + BEHIND) & there
    return seen.unflatten(1, points.shape[1:3]).float().mean(2)


def _each_step(tokens: Tokens, steps: int) -> int:
    """Tokens of a step."""
    if steps < 1 or len(tokens) % steps:
        raise InputError("steps", got=f"{steps} of {len(tokens)} tokens", wanted="equally many tokens in each")
    return len(tokens) // steps


def _size(share: Share, t: int, generator: torch.Generator) -> int:
    """Number of tokens of a share of t."""
    low, high = share if isinstance(share, tuple) else (share, share)
    luck = float(torch.rand(1, generator=generator, device=generator.device)) if low < high else 0.0
    return max(1, round((low + (high - low) * luck) * t))


def _check_enough(free: Tensor, targets: int, context: int) -> None:
    """Raises InputError if a scene has too few tokens."""
    least = int(free.sum(2).min())
    if least < targets + context:
        wanted = f"at least {targets + context}: {targets} targets and {context} of context"
        raise InputError("tokens", got=f"{least} that can be masked", wanted=wanted)


def _anchor(places: Tensor, radii: Tensor, free: Tensor, generator: torch.Generator) -> Tensor:
    """A random place in a random free token of each scene, shape (b, p); in it, for the sake of variety."""
    chosen = torch.multinomial(free.flatten(1).float(), 1, generator=generator)[:, 0]
    row = torch.arange(len(chosen), device=chosen.device)
    at = places.flatten(1, 2)[row, chosen]
    aside = torch.randn(at.shape, generator=generator, device=at.device) / 2
    return at + radii.to(at.device)[row, chosen, None] * aside


def _lowest(values: Tensor, free: Tensor, count: int) -> Tensor:
    """Numbers of the free tokens of lowest value in each step, from the lowest on, shape (b, s, count)."""
    return values.masked_fill(~free, math.inf).topk(count, largest=False).indices


def _mask(context: Tensor, targets: list[Tensor], t: int, tokens: Tokens) -> Mask:
    """The mask of numbers within steps, (b, s, …)."""
    start = t * torch.arange(context.shape[1], device=context.device)[:, None]
    context, *targets = [(part + start).flatten(1).to(tokens.centers.device) for part in (context, *targets)]
    return Mask(context, tuple(targets))

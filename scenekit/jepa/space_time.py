"""Space and time: blocks of a scene are hidden over all steps of a clip (V-JEPA 2 2506.09985).

The masked objective (`scenekit.jepa.objective`) with time as a coordinate of places, L1 for smooth L1, a running mean
of constant decay, all that is hidden predicted at once, and two kinds of masks: many small tubes or a few large ones.
Published both are taken at every step, here one or the other by chance, which is the same on average. Published tubes
overlap, ours do not, so their shares are those of the published unions: 1 − 0.85⁸ = 0.73 and 1 − 0.3² = 0.91.
Letters: b clips, s steps, t tokens of each, d width, m of a block.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from scenekit.errors import InputError
from scenekit.jepa.clips import Clips
from scenekit.jepa.masks import Mask, MaskSampler, Tubes
from scenekit.jepa.network import JepaConfig
from scenekit.jepa.objective import MaskedObjective, ObjectiveConfig
from scenekit.jepa.tokens import Tokens

V_JEPA_2 = ObjectiveConfig(targets="ema", ema=(0.99925, 0.99925))
"""Its running mean."""


def tubes(steps: int) -> OneOf:
    """The masks of V-JEPA 2: 8 small tubes or 2 large ones.

    Args:
        steps: s.
    """
    shares = ((0.73 / 8,) * 8, (0.91 / 2,) * 2)
    return OneOf([AtOnce(Tubes(shares=some, context=None, steps=steps)) for some in shares])


@dataclass(frozen=True)
class AtOnce:
    """All that a mask hides as one target."""

    sampler: MaskSampler
    """Of the mask."""

    def __call__(self, tokens: Tokens, *, generator: torch.Generator) -> Mask:
        mask = self.sampler(tokens, generator=generator)
        return Mask(mask.context, (torch.cat(mask.targets, 1),))


@dataclass(frozen=True)
class OneOf:
    """One of several samplers of masks, by chance at each call."""

    samplers: Sequence[MaskSampler]
    """Which."""

    def __post_init__(self) -> None:
        if not self.samplers:
            raise InputError("samplers", got="none", wanted="at least one")

    def __call__(self, tokens: Tokens, *, generator: torch.Generator) -> Mask:
        chosen = int(torch.randint(len(self.samplers), (1,), generator=generator))
        return self.samplers[chosen](tokens, generator=generator)


def woven(clips: Clips) -> Tokens:
    """All tokens of each clip as one set, step after step, (b, s t).

    Raises:
        InputError: If the frames are no tokens, or those of a clip are not in one frame of coordinates.
    """
    if not isinstance(clips.frames, Tokens):
        raise InputError("clips", got="numbers", wanted="tokens")
    b, s = len(clips), clips.steps
    frame = clips.frames.frame.unflatten(0, (b, s))
    if not torch.equal(frame, frame[:, :1].expand_as(frame)):
        raise InputError("clips", got="steps in several frames", wanted="one for a clip", hint="tokenize(…, frame=…)")
    parts = {
        name: getattr(clips.frames, name).unflatten(0, (b, s)).flatten(1, 2)
        for name in ("elements", "centers", "radii", "owners", "valid")
    }
    return Tokens(**parts, frame=frame[:, 0])


class SpaceTimeObjective(MaskedObjective):
    """The masked objective of clips that are woven.

    Args:
        network: Size of encoder and predictor, with 4 coordinates.
        steps: s.
        config: What keeps the latents from collapsing.
        masks: What is hidden; those of V-JEPA 2 if None.

    Raises:
        InputError: If places have no coordinate for time.
    """

    def __init__(
        self, network: JepaConfig, steps: int, config: ObjectiveConfig = V_JEPA_2, masks: MaskSampler | None = None
    ):
        if network.coordinates != 4 or steps < 2:
            got = f"{network.coordinates} coordinates, {steps} steps"
            raise InputError("space and time", got=got, wanted="4 coordinates, the last for time, and at least 2 steps")
        super().__init__(network, config, masks or tubes(steps))
        self.steps = steps

    def _places(self, batch: Tokens) -> Tensor:
        b, n = batch.radii.shape
        if n % self.steps:
            raise InputError("tokens", got=n, wanted=f"as many in each of {self.steps} steps", hint="woven(clips)")
        time = torch.linspace(-1, 1, self.steps, device=batch.centers.device).repeat_interleave(n // self.steps)
        return torch.cat([batch.centers, time[:, None].expand(b, n, 1)], -1)

    def _error(self, predicted: Tensor, latents: Tensor) -> Tensor:
        return functional.l1_loss(predicted.float(), latents.float(), reduction="none").mean(-1)

"""Clips: frames of something that moves, and what acted between them. Letters: b clips, s steps, a actions, d width."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from scenekit.errors import InputError
from scenekit.jepa.tokens import Tokens


@dataclass(frozen=True)
class Clips:
    """b clips of s frames each: what a model of a world learns from.

    Raises:
        InputError: If there are not b · s frames, or a clip has only one.
    """

    frames: Tensor | Tokens
    """Clip after clip, each in the order of time: numbers (b·s, ...) or tokens with a leading b·s."""
    actions: Tensor
    """What acted between a frame and the next, shape (b, s − 1, a); a = 0 where nothing does."""

    def __post_init__(self) -> None:
        shape = tuple(self.actions.shape)
        wanted = shape[0] * (shape[1] + 1) if len(shape) == 3 and shape[1] else None
        found = len(self.frames.radii if isinstance(self.frames, Tokens) else self.frames)
        if found != wanted:
            raise InputError("clips", got=f"{found} frames, actions {shape}", wanted="b·s frames, (b, s − 1, a), s ≥ 2")

    @staticmethod
    def of(frames: Tensor, actions: Tensor | None = None) -> Clips:
        """Clips of frames (b, s, ...) that are numbers; without actions if there are none."""
        b, s = frames.shape[:2]
        return Clips(frames.flatten(0, 1), frames.new_zeros(b, s - 1, 0) if actions is None else actions)

    def __len__(self) -> int:
        return len(self.actions)

    @property
    def steps(self) -> int:
        """s."""
        return self.actions.shape[1] + 1

    def to(self, device: torch.device | str) -> Clips:
        """The clips on another device."""
        return Clips(self.frames.to(device), self.actions.to(device))

    def encoded(self, encoder: nn.Module) -> Tensor:
        """A latent for each frame, float32, shape (b, s, d).

        Args:
            encoder: Frames → latents (b·s, d).
        """
        latents: Tensor = encoder(self.frames)
        return latents.float().unflatten(0, (len(self), self.steps))


class Recordings:
    """Clips to learn from, `Examples` of a trainer: all windows of a number of steps in long recordings.

    Args:
        frames: Recordings of equally many steps, numbers (n, s, ...).
        actions: Between their frames, shape (n, s − 1, a); None for none.
        window: Steps of a clip.

    Raises:
        InputError: If a recording is shorter than a window.
    """

    def __init__(self, frames: Tensor, actions: Tensor | None = None, *, window: int):
        if not 2 <= window <= frames.shape[1]:
            raise InputError("window", got=window, wanted=f"2 to {frames.shape[1]} steps, those of a recording")
        self.frames, self.window = frames, window
        self.actions = frames.new_zeros(len(frames), frames.shape[1] - 1, 0) if actions is None else actions
        self.starts = frames.shape[1] - window + 1

    def __len__(self) -> int:
        return len(self.frames) * self.starts

    def batch(self, numbers: Tensor) -> Clips:
        """Windows, numbered recording after recording."""
        row, start = (numbers // self.starts)[:, None], (numbers % self.starts)[:, None]
        step = start + torch.arange(self.window)
        return Clips.of(self.frames[row, step], self.actions[row, step[:, :-1]])

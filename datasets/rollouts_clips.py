"""Clips of rollouts to learn from, as tokens or as slots: read from the disk as they are asked for.

They are of rollouts as they were; twins are left for what is measured. Letters: n rollouts, s frames of a clip, b rows
of bodies, m clips.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from scenekit.cameras import rotation_from_quaternion
from scenekit.datasets.rollouts import RolloutConfig
from scenekit.datasets.rollouts_movers import KINDS
from scenekit.datasets.rollouts_shards import BODY, FRAME, NAME, VERSION, RolloutShard, RolloutTokens, body_tokens
from scenekit.datasets.shards import ShardFolder, ShardRows
from scenekit.errors import FileError, InputError
from scenekit.io.typed_json import from_json
from scenekit.jepa.clips import Clips
from scenekit.jepa.objects import Slots
from scenekit.jepa.space_time import woven
from scenekit.jepa.tokens import TokenConfig, Tokens

ACTIONS = 6
"""Numbers of `pushes`."""
FEATURES = 3 + 6 + 3 + len(KINDS) + 1
"""Numbers of `slots_of`."""
FORCE = 20.0
"""Unit of forces [N]."""
PLACE = 0.25
"""Unit of places in slots [m], about their deviation."""
CHANGE = 0.2
"""How far bodies come in 0.3 s where much happens, in units of `PLACE`."""
KEPT = 1024
"""Rollouts whose tokens are kept in memory, 30 KB each."""


class RolloutFiles:
    """The rollouts of a folder, any of which can be had at any time.

    Args:
        folder: What `write_rollouts` made.

    Raises:
        FileError: If there are no shards, or one is damaged, incomplete, or of another config than the others.
    """

    def __init__(self, folder: str | Path):
        self.names: list[list[str]] = []
        """What the bodies of each rollout are."""
        self._rows, configs = ShardRows(), list[Any]()
        for path, said in ShardFolder(Path(folder), NAME, VERSION).files():
            rows = self._rows.add(path, "events")
            self.names += said.get("names", [])
            configs.append(said.get("config"))
            if len(self.names) != len(self._rows) or configs[0] != configs[-1]:
                got = f"{rows} rollouts of {configs[-1]}"
                raise FileError(path, got=got, wanted="a name for each body, and the config of the other shards")
        try:
            self.config = from_json(RolloutConfig, configs[0], "rollouts")
            """What they were drawn from."""
        except ValueError as error:
            raise FileError(folder, got=error, wanted="shards that write_rollouts made") from None

    def __len__(self) -> int:
        return len(self._rows)

    def take(self, numbers: Tensor) -> RolloutShard:
        """Some of them, in this order.

        Args:
            numbers: int64, shape (m,).
        """
        rows = numbers.tolist()
        names = [f.name for f in fields(RolloutShard) if f.name != "names"]
        tensors = {name: self._rows.read(name, [(row,) for row in rows]) for name in names}
        return RolloutShard(**tensors, names=[self.names[row] for row in rows])


class RolloutClips:
    """Clips of tokens, `Examples` of a trainer: number i is start i mod k of rollout i div k.

    Args:
        folder: What `write_rollouts` made.
        steps: s.
        every: Steps of the rollouts from a frame to the next.
        tokens: Of each body.

    Raises:
        InputError: If rollouts are shorter than a clip.
    """

    def __init__(self, folder: str | Path, *, steps: int = 8, every: int = 1, tokens: TokenConfig = BODY):
        self.files, self.steps, self.every, self.tokens = RolloutFiles(folder), steps, every, tokens
        self.starts = self.files.config.steps + 1 - (steps - 1) * every
        if min(steps - 1, every, self.starts) < 1:
            wanted = f"at least 2 frames, within {self.files.config.steps} steps"
            raise InputError("clips", got=f"{steps} frames, each {every} steps after the last", wanted=wanted)
        self._bodies = functools.lru_cache(KEPT)(self._made)

    def __len__(self) -> int:
        return len(self.files) * self.starts

    def batch(self, numbers: Tensor) -> Clips:
        """Clips of these numbers; actions are `pushes`."""
        shard, moments = self.found(numbers)
        bodies = [self._bodies(number) for number in (numbers // self.starts).tolist()]
        which = torch.arange(len(shard)).repeat_interleave(self.steps)
        frames = RolloutTokens(shard, self.tokens, bodies=bodies).frames(which, moments.flatten())
        return Clips(frames, pushes(shard, moments))

    def found(self, numbers: Tensor) -> tuple[RolloutShard, Tensor]:
        """The rollout of each of these numbers, and which moments of it are its frames, int64, shape (m, s)."""
        starts = numbers % self.starts
        return self.files.take(numbers // self.starts), starts[:, None] + self.every * torch.arange(self.steps)

    def _made(self, number: int) -> list[Tokens]:
        return body_tokens(self.files.take(torch.tensor([number])), 0, self.tokens)


@dataclass(frozen=True)
class WovenClips:
    """The tokens of each clip as one set, step after step: as many of each frame as the fewest bodies have, the same in
    all frames, evenly among those that are there, so that all can be masked."""

    clips: RolloutClips
    """Which."""

    def __len__(self) -> int:
        return len(self.clips)

    def batch(self, numbers: Tensor) -> Tokens:
        """Clips of these numbers, shape (m, s t)."""
        clips, t = self.clips.batch(numbers), self.clips.tokens.count * self.clips.files.config.least
        assert isinstance(clips.frames, Tokens)
        valid = clips.frames.valid
        valid_first = valid.long().argsort(dim=1, descending=True, stable=True)
        even = torch.arange(t) * valid.sum(1, keepdim=True) // t
        return woven(Clips(clips.frames.take(valid_first.take_along_dim(even, 1)), clips.actions))


@dataclass(frozen=True)
class RolloutSlots:
    """The states of bodies as slots, `slots_of`, with what pushes them as one node more."""

    clips: RolloutClips
    """Of which rollouts and moments; their tokens are not made."""

    def __len__(self) -> int:
        return len(self.clips)

    def batch(self, numbers: Tensor) -> Slots:
        """Slots of clips of these numbers."""
        return slots_of(*self.clips.found(numbers))


def slots_of(shard: RolloutShard, moments: Tensor, *, twin: bool = False) -> Slots:
    """What frames show of bodies, shape (m, s, b, FEATURES); rows without a body are 0.

    Of each: place from the middle of `FRAME` in units of `PLACE`, first two columns of its rotation (of a ball, which
    cannot be seen to turn, of none), sides of its box in the same units, kind (one of three), and 1. Not how fast it
    is, nor its mass or friction.

    Args:
        shard: m rollouts.
        moments: Of the frames of each, int64, shape (m, s).
        twin: Whether of twins.
    """
    b, at = shard.kinds.shape[1], (torch.arange(len(shard))[:, None], int(twin), moments)
    place = (shard.positions[at] - FRAME[:3].float()) / PLACE
    R = torch.from_numpy(rotation_from_quaternion(shard.quats[at].reshape(-1, 4).double().numpy())).float()
    columns = R[:, :, :2].reshape(*place.shape[:3], 6)
    ball = (shard.kinds == KINDS.index("ball"))[:, None, :, None]
    turned = torch.where(ball, torch.eye(3)[:, :2].reshape(6), columns)
    kind = functional.one_hot(shard.kinds.clamp(min=0), len(KINDS)).float()
    constant = torch.cat([shard.sizes / PLACE, kind, torch.ones(*kind.shape[:2], 1)], -1)
    states = torch.cat([place, turned, constant[:, None].expand(-1, moments.shape[1], b, -1)], -1)
    present = shard.present[:, int(twin), None, :, None]
    acts = functional.pad(pushes(shard, moments, twin=twin), (0, 0, 0, 1))
    return Slots(torch.where(present, states, 0.0), acts[:, :, None])


def pushes(shard: RolloutShard, moments: Tensor, *, twin: bool = False) -> Tensor:
    """What acts between frames and the next, shape (m, s − 1, ACTIONS): the sum of all forces in units of `FORCE`, mean
    over the steps between, and in `FRAME` where it acts. The number of a body's row, which nothing shows, is not said.

    Args:
        shard: m rollouts.
        moments: Of the frames of each, at equal distances, int64, shape (m, s).
        twin: Whether of twins.
    """
    row, now = torch.arange(len(shard))[:, None], moments[:, :-1]
    between = now[..., None] + torch.arange(int(moments[0, 1] - moments[0, 0]))
    forces = shard.forces[row[..., None], int(twin), between].mean(2)
    places = (shard.positions[row, int(twin), now] - FRAME[:3].float()) / FRAME[3].float()
    size = forces.norm(dim=-1, keepdim=True)
    where = (size * places).sum(2) / size.sum(2).clamp(min=1e-6)
    return torch.cat([forces.sum(2) / FORCE, where], -1)

"""Files of rollouts, and their tokens at any moment.

Letters: n rollouts, 2 for as it was and its twin, s steps, b rows of bodies, e splats and t tokens of each, m chosen
frames.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from scenekit.cameras import rotation_from_quaternion
from scenekit.data_folder import data_folder
from scenekit.datasets.rollouts import CHANGES, EVENTS, Rollout, RolloutConfig, rollout
from scenekit.datasets.rollouts_movers import KINDS
from scenekit.datasets.shards import Part, ShardFolder
from scenekit.errors import FileError, InputError
from scenekit.jepa.clips import Clips
from scenekit.jepa.moving_tokens import moved_tokens
from scenekit.jepa.tokens import TokenConfig, Tokens, tokenize
from scenekit.poses import Pose
from scenekit.splats import Splats, merge

NAME = "rollouts"
"""Of the dataset."""
VERSION = 2
"""Of the files; in the first, the bodies that meet were always in the first two rows."""
FRAME = torch.tensor([0.0, 0.0, 0.3, 1.0], dtype=torch.float64)
"""Middle and half side in which all rollouts are seen [m]."""
USUAL = RolloutConfig()
"""What is written if not told otherwise."""
BODY = TokenConfig(count=8, neighbours=16, elements=256)
"""Tokens of each body, if not told otherwise."""


@dataclass(frozen=True)
class RolloutShard:
    """Some rollouts. Rows without a body are zero, their quaternions the identity."""

    positions: Tensor
    """Of centres of mass, which are the origins of bodies' frames [m], shape (n, 2, s + 1, b, 3)."""
    quats: Tensor
    """Rotations body → world, wxyz, shape (n, 2, s + 1, b, 4)."""
    velocities: Tensor
    """[m/s], shape (n, 2, s + 1, b, 3)."""
    spins: Tensor
    """Angular velocities, world axes [rad/s], shape (n, 2, s + 1, b, 3)."""
    forces: Tensor
    """Actions: on centres of mass during each step [N], shape (n, 2, s, b, 3)."""
    present: Tensor
    """Where there is a body, bool, shape (n, 2, b)."""
    masses: Tensor
    """[kg], shape (n, 2, b)."""
    frictions: Tensor
    """Coefficients μ on the floor, shape (n, b)."""
    restitutions: Tensor
    """Shape (n, b)."""
    sizes: Tensor
    """Sides of bodies' boxes in their frames [m], shape (n, b, 3)."""
    kinds: Tensor
    """Numbers in `KINDS`, −1 without a body, int64, shape (n, b)."""
    events: Tensor
    """Numbers in `EVENTS`, int64, shape (n,)."""
    acting: Tensor
    """Row of the body that is pushed, falls or comes, int64, shape (n,)."""
    met: Tensor
    """Row of the body that it is brought to, int64, shape (n,)."""
    changes: Tensor
    """Numbers in `CHANGES`, int64, shape (n,)."""
    changed: Tensor
    """Row of the body with which the twin is otherwise, int64, shape (n,)."""
    cloud_means: Tensor
    """Splats in the frames of bodies: as of `Splats`, shape (n, b, e, 3)."""
    cloud_quats: Tensor
    """Shape (n, b, e, 4)."""
    cloud_log_scales: Tensor
    """Shape (n, b, e, 3)."""
    cloud_logit_opacities: Tensor
    """Shape (n, b, e)."""
    cloud_sh: Tensor
    """Shape (n, b, e, 1, 3)."""
    names: list[list[str]]
    """What the bodies of each rollout are."""

    def __len__(self) -> int:
        return len(self.events)

    def body(self, number: int, row: int) -> Splats:
        """The splats of a body in its frame."""
        names = ("means", "quats", "log_scales", "logit_opacities", "sh")
        return Splats(**{name: getattr(self, f"cloud_{name}")[number, row] for name in names})

    def splats(self, number: int, moment: int, *, twin: bool = False) -> Splats:
        """All bodies of a rollout at the start (0) or after so many steps, in the world; without the floor."""
        rows = self.present[number, int(twin)].nonzero().flatten().tolist()
        return merge([self.body(number, row).transform(self._pose(number, moment, row, twin)) for row in rows])

    def _pose(self, number: int, moment: int, row: int, twin: bool) -> Tensor:
        where = (number, int(twin), moment, row)
        quat = self.quats[where].double()
        pose = Pose(tuple(self.positions[where].tolist()), tuple((quat / quat.norm()).tolist()))
        return torch.from_numpy(pose.matrix)


class RolloutTokens:
    """Tokens of rollouts at any moment: each body's are made once and carried along; a token's owner is its row.

    Args:
        shard: The rollouts.
        config: Tokens of each body.
        bodies: Of each rollout what `body_tokens` makes, where that was made before.
    """

    def __init__(
        self, shard: RolloutShard, config: TokenConfig = BODY, *, bodies: Sequence[Sequence[Tokens]] | None = None
    ):
        self.shard, self.config = shard, config
        made = [body_tokens(shard, number, config) for number in range(len(shard))] if bodies is None else bodies
        self._bodies = Tokens.stack([body for bodies in made for body in bodies])

    def frames(self, numbers: Tensor, moments: Tensor, *, twin: bool = False) -> Tokens:
        """The tokens (m, b·t) of rollouts (m,) at moments (m,); those of rows without a body are not valid.

        Raises:
            InputError: If there is no such rollout or moment.
        """
        shard, (m, b) = self.shard, (len(numbers), self.shard.kinds.shape[1])
        for name, chosen, count in (("numbers", numbers, len(shard)), ("moments", moments, shard.positions.shape[2])):
            if not bool(((chosen >= 0) & (chosen < count)).all()):
                raise InputError(name, got=chosen.tolist(), wanted=f"0 to {count - 1}")
        at = (numbers, int(twin), moments)
        R = torch.from_numpy(rotation_from_quaternion(shard.quats[at].flatten(0, 1).double().numpy()))
        rows = (numbers[:, None] * b + torch.arange(b)).flatten()
        bodies = self._bodies.map(lambda tensor: tensor[rows])
        there = shard.present[numbers, int(twin)].flatten()
        bodies = replace(bodies, valid=bodies.valid & there[:, None], owners=self._owners(m, bodies))
        moved = moved_tokens(bodies, shard.positions[at].flatten(0, 1), R)
        names = ("elements", "centers", "radii", "owners", "valid")
        scenes = {name: getattr(moved, name).unflatten(0, (m, b)).flatten(1, 2) for name in names}
        return Tokens(**scenes, frame=moved.frame[::b])

    def clips(self, numbers: Tensor, *, first: int, steps: int, twin: bool = False) -> Clips:
        """`steps` frames of rollouts (m,) from a moment on; the actions are the forces [N], (m, steps − 1, 3 b)."""
        moments = torch.arange(first, first + steps)
        frames = self.frames(numbers.repeat_interleave(steps), moments.repeat(len(numbers)), twin=twin)
        return Clips(frames, self.shard.forces[numbers, int(twin), first : first + steps - 1].flatten(2))

    def _owners(self, m: int, bodies: Tokens) -> Tensor:
        rows = torch.arange(self.shard.kinds.shape[1]).repeat(m)
        return rows[:, None].expand_as(bodies.owners)


def body_tokens(shard: RolloutShard, number: int, config: TokenConfig = BODY) -> list[Tokens]:
    """The tokens of the bodies of a rollout, each in its own frame; rows without a body have those of another.

    Args:
        shard: Where it is.
        number: Which it is there.
        config: Tokens of each body.
    """
    there, generator = shard.kinds[number] >= 0, torch.Generator().manual_seed(0)
    rows = there.nonzero().flatten().tolist()
    made = [tokenize(shard.body(number, row), config, generator=generator, frame=FRAME) for row in rows]
    return [made[place] for place in (there.long().cumsum(0).clamp(min=1) - 1).tolist()]


def write_rollouts(folder: str | Path | None = None, config: RolloutConfig = USUAL, *, workers: int = 1) -> list[Path]:
    """Simulates rollouts and writes them as shard-00000.safetensors, …, each with a JSON of names and its hash.

    Shards that are there already, whole and of the same config, are kept: an interrupted run continues.

    Args:
        folder: Where; None is `data_folder()` / rollouts.
        config: What.
        workers: Processes that share the shards.

    Raises:
        FileError: If the folder has shards of another config.
    """
    folder = Path(folder) if folder is not None else data_folder() / NAME
    count = -(-config.rollouts // config.per_shard)
    return ShardFolder(folder, NAME, VERSION).write(config, count, functools.partial(_part, config), workers=workers)


def read_rollouts(folder: str | Path) -> Iterator[RolloutShard]:
    """The shards of a folder in order, each checked against its hash.

    Raises:
        FileError: If there is none, or one is damaged or incomplete.
    """
    for arrays, notes in ShardFolder(Path(folder), NAME, VERSION).read():
        try:
            yield RolloutShard(**{k: torch.from_numpy(array) for k, array in arrays.items()}, names=notes["names"])
        except (KeyError, TypeError) as error:
            raise FileError(folder, got=error, wanted="shards that write_rollouts made") from error


def _part(config: RolloutConfig, number: int) -> Part:
    first = number * config.per_shard
    indices = range(first, min(first + config.per_shard, config.rollouts))
    made = [rollout(config, index) for index in indices]
    rows = [_rows(config, index, one) for index, one in zip(indices, made, strict=True)]
    arrays = {name: np.stack([row[name] for row in rows]) for name in rows[0]}
    return Part(arrays, {"names": [[mover.name for mover in one.movers] for one in made]})


def _rows(config: RolloutConfig, index: int, made: Rollout) -> dict[str, np.ndarray]:
    """One rollout as the arrays of a shard, without their n."""
    missing = config.bodies - len(made.movers)

    def padded(values: object, axis: int, *, value: float = 0.0) -> np.ndarray:
        array = np.asarray(values, np.float32)
        return np.pad(array, [(0, missing if i == axis else 0) for i in range(array.ndim)], constant_values=value)

    motions = (made.motion, made.twin_motion)
    positions, quats, velocities, spins = (padded(pair, 2) for pair in zip(*motions, strict=True))
    quats[:, :, len(made.movers) :, 0] = 1
    bodies, gone = made.setting.model.bodies[1:], made.change == "removed"
    twins = made.twin.model.bodies[1:]
    others = [*twins[: made.changed], bodies[made.changed], *twins[made.changed :]] if gone else twins
    forces = np.insert(made.twin.forces, made.changed, 0, 1) if gone else made.twin.forces
    present = np.zeros((2, config.bodies), np.bool_)
    present[:, : len(bodies)] = True
    present[1, made.changed] = not gone
    rng = np.random.default_rng([config.seed, index, 1])
    clouds = [mover.splats(config.elements, rng).tensors() for mover in made.movers]
    return {
        "positions": positions,
        "quats": quats,
        "velocities": velocities,
        "spins": spins,
        "forces": padded([made.setting.forces, forces], 2),
        "present": present,
        "masses": padded([[body.mass for body in some] for some in (bodies, others)], 1),
        "frictions": padded([body.friction for body in bodies], 0),
        "restitutions": padded([body.restitution for body in bodies], 0),
        "sizes": padded([mover.size for mover in made.movers], 0),
        "kinds": padded([KINDS.index(mover.kind) for mover in made.movers], 0, value=-1).astype(np.int64),
        "events": np.array(EVENTS.index(made.event)),
        "acting": np.array(made.acting),
        "met": np.array(made.met),
        "changes": np.array(CHANGES.index(made.change)),
        "changed": np.array(made.changed),
        **{f"cloud_{name}": padded(np.stack([cloud[name].numpy() for cloud in clouds]), 0) for name in clouds[0]},
    }

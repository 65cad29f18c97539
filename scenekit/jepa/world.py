"""A world in latents: each frame is one latent, and actions lead from it to the next (V-JEPA 2-AC 2506.09985, LeWM).

    z = encoder(frames)                                      one each
    ẑ_{t+1} = z_t + predictor(z_{≤t}, a_{≤t})                a transformer that does not look ahead
    prediction = mean ‖ẑ_{t+1} − z_{t+1}‖²                   from the true latents (teacher forcing)
    rollout    = the same of steps that follow predicted latents
    kept from collapsing by SIGReg of each step (LeWM), by inverse dynamics (Point-Delta-JEPA), or as the encoder does
    not learn

Published: LeWM predicts z_{t+1} itself, has no rollout, tells the predictor of actions by scale and shift (AdaLN), not
by adding them, and its latents come out of a projection with BatchNorm; V-JEPA 2-AC has a frozen encoder, tokens for
latents, L1 for squares, and rolls out two steps.

Letters: b clips, s steps, h of them history, n steps to come, d width, a numbers of an action, t tokens, k elements.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from scenekit.errors import InputError
from scenekit.guidance.weights import read_network, write_weights
from scenekit.io.typed_json import as_json, from_json
from scenekit.jepa.clips import Clips
from scenekit.jepa.elements import OFFSET
from scenekit.jepa.inverse import InverseDynamics
from scenekit.jepa.jepa import VERSION
from scenekit.jepa.network import MOST_BLOCKS, WIDEST, Encoder, JepaConfig, Transformer, mean_and_largest
from scenekit.jepa.regularisers import sigreg
from scenekit.jepa.tokens import Tokens

Against = Literal["sigreg", "inverse", "both", "nothing"]


@dataclass(frozen=True)
class WorldConfig:
    """The predictor, and what is learned with it."""

    actions: int
    """a; those of several steps of the world in one block count together."""
    width: int = 192
    """d."""
    history: int = 3
    """h, of which the next latent is predicted."""
    depth: int = 6
    """Blocks of the predictor."""
    heads: int = 8
    """Of its attention; published with 16 of 64 numbers each."""
    rollout: float = 1.0
    """Weight of the steps after predicted latents."""
    against_collapse: Against = "inverse"
    """What keeps the latents from collapsing; nothing is right only where the encoder does not learn."""
    sigreg: float = 0.09
    """Weight of SIGReg."""
    directions: int = 256
    """Of SIGReg, drawn anew for each step of each batch; published with 1024."""
    inverse: float = 10.0
    """Weight of inverse dynamics."""
    span: int = 1
    """Steps between the latents of which the actions are told; published as 5, where a step has one of the world."""

    def __post_init__(self) -> None:
        for name in ("actions", "width", "history", "depth", "heads", "directions", "span"):
            most = MOST_BLOCKS if name == "depth" else WIDEST
            if not 1 <= getattr(self, name) <= most:
                raise InputError(f"world {name}", got=getattr(self, name), wanted=f"1 to {most}")
        for name in ("rollout", "sigreg", "inverse"):
            if not 0 <= getattr(self, name) < math.inf:
                raise InputError(f"world {name}", got=getattr(self, name), wanted="0 or more, finite")
        if self.width % self.heads or self.against_collapse not in get_args(Against):
            got = f"width {self.width}, {self.heads} heads, against collapse {self.against_collapse}"
            raise InputError("world", got=got, wanted=f"heads a factor of the width, one of {get_args(Against)}")


class WorldModel(nn.Module):
    """Frames → latents → later latents. An `Objective` of clips of more than h steps.

    Args:
        encoder: Frames (tokens, or whatever clips have) → latents (n, d).
        config: The rest.
    """

    def __init__(self, encoder: nn.Module, config: WorldConfig):
        super().__init__()
        self.encoder, self.config, d = encoder, config, config.width
        self.latent, self.action = nn.Linear(d, d), nn.Linear(config.actions, d)
        self.time = nn.Parameter(0.02 * torch.randn(config.history, d))
        self.transformer = Transformer(d, config.depth, config.heads)
        self.out = nn.Linear(d, d)
        nn.init.zeros_(self.out.weight)  # begins with a world that stands still
        nn.init.zeros_(self.out.bias)
        tells = config.against_collapse in ("inverse", "both")
        self.inverse = InverseDynamics(d, config.actions, span=config.span, heads=config.heads) if tells else None

    @staticmethod
    def load(path: str | Path, *, device: str | torch.device = "cpu") -> WorldModel:
        """The model in a file, no longer in training.

        Raises:
            FileError: If it is missing, damaged, of another version, or its weights are not of the size that its header
                says.
        """

        def build(header: dict[str, Any]) -> WorldModel:
            if header["version"] != VERSION:
                raise ValueError(f"of version {header['version']}, not {VERSION}")
            config = from_json(WorldConfig, header["world"])
            return WorldModel(_encoder(header["encoder"], config.width), config)

        network, _ = read_network(path, build, wanted="weights of a world model", hint="`WorldModel.save` makes them.")
        return network.to(device).eval()

    def save(self, path: str | Path, *, note: str = "") -> None:
        """Writes it as float16, atomically; the note says how it was made, in one line.

        Raises:
            InputError: If the encoder is none that a file can describe: `SceneEncoder`, `VoxelStatistics` or
                `nn.Identity`, for frames that are latents.
        """
        said = {"world": as_json(self.config), "encoder": _described(self.encoder), "note": note}
        write_weights(path, self, {"version": VERSION} | said)

    def encode(self, frames: Tensor | Tokens) -> Tensor:
        """A latent for each frame, float32, shape (n, d)."""
        latents: Tensor = self.encoder(frames)
        return latents.float()

    def rollout(self, latents: Tensor, actions: Tensor) -> Tensor:
        """What comes of actions, one after the other, shape (..., n, d).

        Args:
            latents: Of what was, the present last, shape (..., k, d); the last h of them count.
            actions: Between these and then those to come, shape (..., k − 1 + n, a).

        Raises:
            InputError: If there are too few actions.
        """
        known = latents.shape[-2]
        if actions.shape[-2] < known:
            got = f"{actions.shape[-2]} actions after {known} latents"
            raise InputError("actions", got=got, wanted=f"{known - 1} between these, and some to come")
        lead = torch.broadcast_shapes(latents.shape[:-2], actions.shape[:-2])
        z = latents.expand(*lead, *latents.shape[-2:]).reshape(-1, known, latents.shape[-1])
        a = actions.expand(*lead, *actions.shape[-2:]).reshape(-1, *actions.shape[-2:])
        for now in range(known, a.shape[1] + 1):
            first = max(0, now - self.config.history)
            z = torch.cat([z, self._next(z[:, first:now], a[:, first:now])[:, -1:]], 1)
        return z[:, known:].unflatten(0, lead) if lead else z[0, known:]

    def energy(self, latents: Tensor, goal: Tensor) -> WorldEnergy:
        """What sequences of actions cost that start here: how far from the goal they end, for a planner.

        Args:
            latents: Of the present, shape (..., d).
            goal: Latent of it, shape (..., d).
        """
        return WorldEnergy(self, latents, goal)

    def losses(self, batch: Clips, *, generator: torch.Generator) -> dict[str, Tensor]:
        """The terms of a batch of clips."""
        config, h = self.config, self.config.history
        if batch.steps <= h:
            raise InputError("clips", got=f"{batch.steps} steps", wanted=f"more than the history, {h}")
        z = batch.encoded(self.encoder)
        forced = self._next(z[:, :h], batch.actions[:, :h])
        terms = {"prediction": (forced - z[:, 1 : h + 1]).square().mean()}
        if batch.steps > h + 1 and config.rollout:
            on = self.rollout(z[:, :h], batch.actions)[:, 1:]  # the first of them is forced
            terms["rollout"] = config.rollout * (on - z[:, h + 1 :]).square().mean()
        if config.against_collapse in ("sigreg", "both"):
            each = [sigreg(step, directions=config.directions, generator=generator) for step in z.unbind(1)]
            terms["sigreg"] = config.sigreg * torch.stack(each).mean()
        if self.inverse is not None:
            terms["inverse"] = config.inverse * self.inverse.error(z, batch.actions)
        return terms

    def after_step(self, share: float) -> None:
        """Nothing follows: there is no running mean."""

    def latents(self, batch: Clips) -> Tensor:
        """Of all frames, shape (b·s, d)."""
        return batch.encoded(self.encoder).flatten(0, 1)

    def _next(self, z: Tensor, a: Tensor) -> Tensor:
        """The latent after each of (b, k, d), k ≤ h, of it and those before it, float32."""
        k = z.shape[1]
        later = torch.ones(k, k, dtype=torch.bool, device=z.device).triu(1)
        told = self.transformer(self.latent(z) + self.action(a) + self.time[:k], barred=later)
        return z + self.out(told).float()


@dataclass(frozen=True)
class WorldEnergy:
    """Mean squared distance of the last latent from the goal: a `Cost` of sequences of actions."""

    world: WorldModel
    latents: Tensor
    """Of the present, shape (..., d)."""
    goal: Tensor
    """Shape (..., d)."""

    @torch.no_grad()
    def __call__(self, actions: Tensor) -> Tensor:
        """Of sequences (..., n, h, a), shape (..., n)."""
        last = self.world.rollout(self.latents[..., None, None, :], actions)[..., -1, :]
        return (last - self.goal[..., None, :]).square().mean(-1)


class SceneEncoder(nn.Module):
    """One latent of the tokens of a scene: mean and largest of the latents of its valid tokens, mapped.

    Args:
        network: Size of the encoder of tokens.
        width: d.
    """

    def __init__(self, network: JepaConfig, width: int):
        super().__init__()
        self.tokens, self.out = Encoder(network), nn.Linear(2 * network.width, width)

    def forward(self, tokens: Tokens) -> Tensor:
        """Shape (n, d)."""
        return self.out(mean_and_largest(self.tokens(tokens).float(), tokens.valid[:, None])[:, 0])


CELL_NUMBERS = 25
"""Statistics of a cell."""
FINEST = 8
"""Cells along an axis; more is a mistake or an attack."""


class VoxelStatistics(nn.Module):
    """Statistics of elements in each cell of a grid over the scene's frame, by a fixed orthonormal map: learns nothing,
    so that nothing can collapse. The baseline without parameters of Point-LeWM (Vox-WM).

    Of each cell: whether something is there, log (1 + count), then mean, deviation, covariances, least and largest of
    places within it (−1..1), and which of its eight octants are occupied.

    Args:
        width: d.
        side: Cells along each axis.
        seed: Of the map.
    """

    def __init__(self, width: int, *, side: int = 4, seed: int = 0):
        super().__init__()
        if not 1 <= side <= FINEST or seed < 0:
            raise InputError("voxels", got=f"side {side}, seed {seed}", wanted=f"1 to {FINEST}, and 0 or more")
        self.width, self.side, self.seed = width, side, seed

    @functools.cached_property
    def lift(self) -> Tensor:
        """The map, drawn when it is first asked for, shape (side³ · 25, d)."""
        numbers, generator = self.side**3 * CELL_NUMBERS, torch.Generator().manual_seed(self.seed)
        drawn = torch.randn(max(numbers, self.width), min(numbers, self.width), generator=generator)
        orthonormal = torch.linalg.qr(drawn).Q
        return orthonormal if numbers >= self.width else orthonormal.T

    def forward(self, tokens: Tokens) -> Tensor:
        """Shape (n, d)."""
        places = tokens.centers[..., None, :] + tokens.elements[..., OFFSET] * tokens.radii[..., None, None]
        valid = tokens.valid.repeat_interleave(places.shape[2], 1)
        return self.statistics(places.flatten(1, 2), valid) @ self.lift.to(places)

    def statistics(self, places: Tensor, valid: Tensor) -> Tensor:
        """The numbers of all cells, shape (n, side³ · 25).

        Args:
            places: In the scene's frame, −1..1; what is outside belongs to the nearest cell, shape (n, m, 3).
            valid: False for those to pass over, bool, shape (n, m).
        """
        n, cells = len(places), self.side**3
        scaled = (places.clamp(-1, 1) + 1) / 2 * self.side
        cell = scaled.floor().clamp(max=self.side - 1)
        within = 2 * (scaled - cell) - 1
        number = (cell.long() * torch.tensor([self.side**2, self.side, 1], device=places.device)).sum(-1)
        number = torch.where(valid, number, cells)  # one more cell for what is passed over
        count = self._gathered(valid[..., None].float(), number, "sum")
        first = self._gathered(torch.cat([within, _products(within)], -1), number, "sum") / count.clamp(min=1)
        mean, second = first[..., :3], first[..., 3:] - _products(first[..., :3])
        low, high = self._gathered(within, number, "amin"), self._gathered(within, number, "amax")
        octant = ((within > 0).long() * torch.tensor([4, 2, 1], device=places.device)).sum(-1)
        octants = self._gathered(nn.functional.one_hot(octant, 8).float(), number, "amax")
        deviation = second[..., :3].clamp(min=0).sqrt()
        parts = [count.clamp(max=1), count.log1p(), mean, deviation, second[..., 3:], low, high, octants]
        return torch.cat(parts, -1).reshape(n, cells * CELL_NUMBERS)

    def _gathered(self, values: Tensor, number: Tensor, reduce: str) -> Tensor:
        """Values (n, m, v) of each cell together, 0 where there are none, shape (n, cells, v)."""
        index = number[..., None].expand(-1, -1, values.shape[-1])
        empty = values.new_zeros(len(values), self.side**3 + 1, values.shape[-1])
        return empty.scatter_reduce(1, index, values, reduce, include_self=False)[:, :-1]


def _products(x: Tensor) -> Tensor:
    """Squares and then products xy, xz, yz of (..., 3), shape (..., 6)."""
    return torch.cat([x.square(), x[..., [0, 0, 1]] * x[..., [1, 2, 2]]], -1)


def _described(encoder: nn.Module) -> dict[str, Any]:
    """What is needed to build an encoder again, beside its weights."""
    if isinstance(encoder, SceneEncoder):
        return {"kind": "scene", "network": as_json(encoder.tokens.config)}
    if isinstance(encoder, VoxelStatistics):
        return {"kind": "voxels", "side": encoder.side, "seed": encoder.seed}
    if isinstance(encoder, nn.Identity):
        return {"kind": "none"}
    wanted = "a SceneEncoder, VoxelStatistics or nn.Identity"
    raise InputError("encoder", got=type(encoder).__name__, wanted=wanted, hint="Save one on its latents: nn.Identity.")


def _encoder(said: dict[str, Any], width: int) -> nn.Module:
    """The encoder that is so described."""
    if said["kind"] == "scene":
        return SceneEncoder(from_json(JepaConfig, said["network"]), width)
    if said["kind"] == "voxels":
        return VoxelStatistics(width, side=int(said["side"]), seed=int(said["seed"]))
    if said["kind"] == "none":
        return nn.Identity()
    raise ValueError(f"an encoder of kind {said['kind']}")

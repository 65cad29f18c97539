"""The figures of one encoder, or of a baseline: of objects, of scenes with something wrong, and of rollouts.

Letters: n examples, s steps, b rows of bodies, f features, t tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from scenekit.cameras import rotation_from_quaternion
from scenekit.datasets.rollouts import RolloutConfig
from scenekit.datasets.rollouts_movers import KINDS
from scenekit.datasets.rollouts_shards import RolloutShard, RolloutTokens, read_rollouts
from scenekit.datasets.shapes_scenes import FLAWS
from scenekit.datasets.token_shards import TokenShards
from scenekit.errors import InputError
from scenekit.jepa.energy import NEAREST, EnergyConfig, oddity, token_energies
from scenekit.jepa.features import AT_ONCE, Features, Standardised, TokenFeatures, of_groups, of_scenes
from scenekit.jepa.jepa import Jepa
from scenekit.jepa.probe import classification, near_classes, r2, regression
from scenekit.jepa.retrieval import auroc, drift, partial, recall
from scenekit.jepa.tokens import Tokens

Figures = dict[str, float]
"""By name."""

MISSING = (0.0, 0.3, 0.55, 0.7, 0.85)
"""Shares of a view that are missing."""
VIEWS = ["splats", "splats", "mesh"]
"""Of objects: as they are, drawn anew, and their surface."""
WINDOW = 3
"""Moments of a rollout that are looked at to tell what one alone does not show."""
EVERY = 3
"""Steps between windows."""
HORIZON = (1, 2, 4, 8)
"""Steps after a window whose positions are told."""
FPS = RolloutConfig().fps
"""Steps of a rollout per second."""
KNOWN = 0.8
"""Share of the rollouts, the first ones, that probes are fitted to."""


def object_figures(features: Features, folder: Path, *, gallery: int, unlike: bool) -> Figures:
    """Of single objects, the last of which no probe has seen.

    Args:
        features: What is measured.
        folder: Shards of objects, drawn twice as splats and once as meshes.
        gallery: How many are asked for, among as many.
        unlike: Whether features have unlike units, so that for cosines they are put in deviations of the known objects.

    Raises:
        InputError: If there are too few objects, or they have other views.
    """
    views = [TokenShards(folder, views=(view,)) for view in range(3)]
    count, nouns = len(views[0]), sorted({scene["things"][0]["noun"] for scene in views[0].scenes})
    if views[0].config["views"] != VIEWS or views[0].config["variant"] != "objects" or count < gallery + 5:
        got = f"{count} of {views[0].config['variant']}, views {views[0].config['views']}"
        raise InputError("objects", got=got, wanted=f"at least {gallery + 5} objects, views {VIEWS}")
    labels = torch.tensor([nouns.index(scene["things"][0]["noun"]) for scene in views[0].scenes])
    known, asked = torch.arange(count).split([count - gallery, gallery])
    x = described(features, views[0], known)
    if unlike:
        features = Standardised.on(features, x)
        x = described(features, views[0], known)
    splats, again, mesh = (described(features, view, asked) for view in views)
    linear = classification(x, labels[known], len(nouns))(splats).argmax(1)
    near = near_classes(x, labels[known], splats, len(nouns))
    moved = drift(splats, again)
    figures = {
        "noun, linear probe": accuracy(linear, labels[asked]),
        "noun, k-NN": accuracy(near, labels[asked]),
        "drift": moved.distance,
        "drift, relative": moved.relative,
        "splats → mesh R@1": recall(splats, mesh),
        "mesh → splats R@1": recall(mesh, splats),
    }
    for share in MISSING:
        found = described(features, views[1], asked, missing=share)
        figures[f"R@1, {share:.0%} missing"] = recall(found, splats)
    return figures


def flaw_figures(features: Features, jepa: Jepa | None, folder: Path) -> Figures:
    """How well the oddity of tokens tells what is wrong, see `ranking`.

    Args:
        features: What is measured; nothing is, if it says nothing of single tokens.
        jepa: Whose energy it is; None, or one without a predictor, takes how far a token is from those around it.
        folder: Shards of flawed scenes.
    """

    def energies(tokens: Tokens, number: int) -> Tensor:
        if jepa is None or jepa.network.predictor is None:
            assert isinstance(features, TokenFeatures)
            return oddity(neighbour_energies(features, tokens))
        return oddity(token_energies(jepa, tokens, EnergyConfig(), generator=torch.Generator().manual_seed(number)))

    return ranking(energies, folder) if isinstance(features, TokenFeatures) else {}


def thing_figures(folder: Path) -> Figures:
    """The same of an energy that is 1 of tokens of things and 0 of those of the ground: what that alone tells."""
    return ranking(lambda tokens, _: (tokens.owners >= 0).double(), folder)


def ranking(energies: Callable[[Tokens, int], Tensor], folder: Path) -> Figures:
    """AUROC of the energy of tokens that have to do with what is wrong against others, by kind of flaw: mean over
    scenes; of all scenes together; and mean over scenes again, where tokens of the ground count for nothing.

    Args:
        energies: Of the valid tokens of the scene of a number.
        folder: Shards of flawed scenes.
    """
    shards = TokenShards(folder, views=(0,))
    found: dict[str, list[tuple[Tensor, Tensor, Tensor]]] = {}
    for number, scene in enumerate(shards.scenes):
        one = torch.tensor([number])
        valid = shards.batch(one).valid[0].nonzero().flatten()
        tokens = shards.batch(one).map(lambda tensor: tensor[0]).take(valid)
        of_scene = energies(tokens, number), shards.affected(one)[0, valid], tokens.owners >= 0
        found.setdefault(scene["flaw"], []).append(of_scene)
    figures = {}
    for kind in FLAWS:
        some = [each for each in found.get(kind, []) if 0 < int(each[1].sum()) < len(each[1])]
        if some:
            figures[f"{kind}, within scenes"] = float(np.mean([auroc(energy, bad) for energy, bad, _ in some]))
            energy, bad, _ = (torch.cat(parts) for parts in zip(*some, strict=True))
            figures[f"{kind}, all scenes"] = auroc(energy, bad)
        things = [(energy[thing], bad[thing]) for energy, bad, thing in some]
        told = [auroc(*pair) for pair in things if 0 < int(pair[1].sum()) < len(pair[1])]
        if told:
            figures[f"{kind}, among things"] = float(np.mean(told))
    return figures


def neighbour_energies(features: TokenFeatures, tokens: Tokens) -> Tensor:
    """How far what is said of each token of a scene is from the mean of the nearest, in deviations, squared, (t,)."""
    said = features.of_tokens(Tokens.stack([tokens]))[0]
    said = (said - said.mean(0)) / said.std(0).clamp(min=1e-6)
    nearest = torch.cdist(tokens.centers, tokens.centers).fill_diagonal_(torch.inf)
    around = nearest.topk(min(NEAREST, len(said) - 1), largest=False).indices
    return (said - said[around].mean(1)).square().mean(-1)


@dataclass(frozen=True)
class Rollouts:
    """Rollouts and their tokens, read once for all encoders."""

    shards: Sequence[RolloutTokens]
    """As they are on the disk."""

    @staticmethod
    def read(folder: Path) -> Rollouts:
        """All of a folder.

        Raises:
            InputError: If rollouts are too short for a window and the horizon.
            FileError: If there is none, or one is damaged.
        """
        shards = [RolloutTokens(shard) for shard in read_rollouts(folder)]
        steps = shards[0].shard.positions.shape[2] - 1
        if steps < WINDOW + HORIZON[-1]:
            raise InputError("rollouts", got=f"{steps} steps", wanted=f"at least {WINDOW + HORIZON[-1]}")
        return Rollouts(shards)

    @property
    def moments(self) -> Tensor:
        """Last moments of windows."""
        return torch.arange(WINDOW - 1, self.shards[0].shard.positions.shape[2] - HORIZON[-1], EVERY)

    @property
    def is_body(self) -> Tensor:
        """Whether there is a body, bool, shape (n, b)."""
        return torch.cat([shard.present[:, 0] for shard in self._each])

    def states(self, name: str, *, later: int = 0) -> Tensor:
        """Positions, velocities or quaternions so many steps after each moment, shape (n, moments, b, …)."""
        return torch.cat([getattr(shard, name)[:, 0][:, self.moments + later] for shard in self._each])

    def constants(self, name: str) -> Tensor:
        """Masses, frictions or kinds, at each moment, shape (n, moments, b)."""
        values = torch.cat([getattr(shard, name) for shard in self._each])
        values = values[:, 0] if values.ndim == 3 else values
        return values[:, None].expand(-1, len(self.moments), -1)

    def described(self, features: Features) -> Tensor:
        """Features of each body in windows, its scene seen with all others, shape (n, moments, b, WINDOW · f)."""
        return torch.cat([self._described(features, tokens) for tokens in self.shards])

    @property
    def _each(self) -> list[RolloutShard]:
        return [tokens.shard for tokens in self.shards]

    def _described(self, features: Features, tokens: RolloutTokens) -> Tensor:
        n, _, moments, b = tokens.shard.positions.shape[:4]
        rows = torch.arange(b)[:, None]
        found = []
        for numbers in torch.arange(n).split(max(1, AT_ONCE // moments)):
            frames = tokens.frames(numbers.repeat_interleave(moments), torch.arange(moments).repeat(len(numbers)))
            groups = (frames.owners[:, None] == rows) & frames.valid[:, None]
            found.append(of_groups(features, frames, groups).unflatten(0, (len(numbers), moments)))
        each = torch.cat(found)
        return torch.cat([each[:, self.moments - back] for back in reversed(range(WINDOW))], -1)


def rollout_figures(features: Features, rollouts: Rollouts) -> Figures:
    """What linear probes read off the features of single bodies, R² on rollouts that they have not seen, and the error
    of the positions that they tell some steps ahead [m]. What one moment shows is told of one, the rest of a window."""
    window = rollouts.described(features)
    now = window[..., -(window.shape[-1] // WINDOW) :]
    there = rollouts.is_body[:, None].expand(window.shape[:3])
    turned = there & (rollouts.constants("kinds") != KINDS.index("ball"))
    position = rollouts.states("positions")
    figures = {
        "position R²": _r2(now, position, there),
        "yaw R²": _r2(now, yaw(rollouts.states("quats")), turned),
        "velocity R²": _r2(window, rollouts.states("velocities"), there),
        "mass R²": _r2(window, rollouts.constants("masses").clamp(min=1e-9).log()[..., None], there),
        "friction R²": _r2(window, rollouts.constants("frictions")[..., None], there),
    }
    for steps in HORIZON:
        wanted = rollouts.states("positions", later=steps)
        found, truth = _told(window, wanted, there)
        figures[f"{steps} steps on [m]"] = distance(found, truth)
    return figures


def still_figures(rollouts: Rollouts) -> dict[str, Figures]:
    """The same errors of saying that bodies stay where they truly are, or go on as they truly move."""
    there = rollouts.is_body[:, None].expand(rollouts.states("positions").shape[:3])
    test = there.clone()
    test[: round(KNOWN * len(test))] = False
    position, velocity = (rollouts.states(name)[test] for name in ("positions", "velocities"))
    found: dict[str, Figures] = {"the truth, standing still": {}, "the truth, moving on": {}}
    for steps in HORIZON:
        wanted = rollouts.states("positions", later=steps)[test]
        for name, speed in zip(found, (0.0, 1.0), strict=True):
            said = position + speed * velocity * steps / FPS
            found[name][f"{steps} steps on [m]"] = distance(said, wanted)
    return found


def described(features: Features, shards: TokenShards, numbers: Tensor, *, missing: float = 0.0) -> Tensor:
    """Features of scenes of shards, of which a share is missing, shape (n, f)."""
    found = []
    for some in numbers.split(AT_ONCE):
        tokens, chance = shards.batch(some), torch.Generator().manual_seed(int(some[0]))
        found.append(of_scenes(features, partial(tokens, missing, generator=chance)))
    return torch.cat(found)


def accuracy(found: Tensor, wanted: Tensor) -> float:
    """Share of equal ones."""
    return float((found == wanted).double().mean())


def distance(found: Tensor, wanted: Tensor) -> float:
    """Root of the mean squared distance of places (n, 3)."""
    return float((found.double() - wanted.double()).square().sum(-1).mean().sqrt())


def yaw(quats: Tensor) -> Tensor:
    """Cosine and sine of the angle by which a body's x axis is turned about the vertical, (…, 4) → (…, 2)."""
    R = torch.from_numpy(rotation_from_quaternion(quats.reshape(-1, 4).double().numpy())).unflatten(0, quats.shape[:-1])
    return functional.normalize(R[..., :2, 0], dim=-1)


def _r2(features: Tensor, wanted: Tensor, there: Tensor) -> float:
    return r2(*_told(features, wanted, there))


def _told(features: Tensor, wanted: Tensor, there: Tensor) -> tuple[Tensor, Tensor]:
    """What a probe says of the rollouts that it was not fitted to, and the truth; both of rows that are there."""
    known = round(KNOWN * len(there))
    probe = regression(features[:known][there[:known]], wanted[:known][there[:known]])
    return probe(features[known:][there[known:]]), wanted[known:][there[known:]]

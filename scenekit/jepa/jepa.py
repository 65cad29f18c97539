"""Jepa: a trained encoder and predictor, and what they are good for.

    jepa = Jepa.load()
    jepa.embed(scene).pooled                            # one vector of it, to compare
    jepa.predict(scene, "Sphere((0, 0, 0.1), 0.1)")    # what is expected there, as latents
    jepa.energy(scene).values                           # where it is not as expected

Letters: t tokens, m places, d width, n Gaussians.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from scenekit.errors import FitError, InputError
from scenekit.guidance.weights import read_network, write_weights
from scenekit.io.typed_json import as_json, from_json
from scenekit.jepa.elements import Elements
from scenekit.jepa.energy import EnergyConfig, EnergyMap, token_energies
from scenekit.jepa.moments import ANSWERS, moments, surprise
from scenekit.jepa.network import Encoder, JepaConfig, Predictor
from scenekit.jepa.objective import disagreement, normalised
from scenekit.jepa.tokens import Subject, Tokens, elements_of, tokenize
from scenekit.scene import Scene, SceneState
from scenekit.selection import Selection, as_selection
from scenekit.splats import Splats

WEIGHTS = Path(__file__).with_name("scenes.safetensors")
"""The model that comes with the package."""

VERSION = 4
"""Of the meaning of elements, tokens and latents; weights of another one say nothing."""

CANDIDATES = 1 << 15
"""Places among which those in a region are looked for."""


@dataclass(frozen=True)
class Embedding:
    """What a scene says, in latents."""

    pooled: Tensor
    """Mean and largest of the latents over the valid tokens, of length 1, shape (2 d,)."""
    latents: Tensor
    """Of the tokens, shape (t, d)."""
    centers: Tensor
    """Middles of the tokens [m], shape (t, 3)."""
    tokens: Tokens
    """What they are of."""


@dataclass(frozen=True)
class Prediction:
    """What is expected at places of a scene."""

    latents: Tensor
    """Shape (m, d)."""
    places: Tensor
    """[m], shape (m, 3)."""


class JepaNetwork(nn.Module):
    """An encoder and its predictor; without one, as after another way of learning, there are embeddings alone.

    Args:
        config: Their size.
        predictor: Whether there is one.
        moments: Whether it predicts moments beside latents.
    """

    def __init__(self, config: JepaConfig, *, predictor: bool = True, moments: bool = False):
        super().__init__()
        self.encoder = Encoder(config)
        out = config.width + ANSWERS if moments else None
        self.predictor = Predictor(config, out=out) if predictor else None

    @staticmethod
    def of(encoder: Encoder, predictor: Predictor | None = None) -> JepaNetwork:
        """The network of these parts."""
        network = JepaNetwork(encoder.config, predictor=False)
        network.encoder, network.predictor = encoder, predictor
        return network

    @property
    def moments(self) -> bool:
        """Whether moments are predicted."""
        return self.predictor is not None and self.predictor.out.out_features > self.encoder.config.width

    def predicted(self, seen: Tokens, places: Tensor) -> Tensor:
        """What is predicted at places (b, m, 3) of scenes of which some tokens are seen, on the CPU: latents, and
        distributions of moments if there are, shape (b, m, d …).

        Raises:
            InputError: If there is no predictor.
        """
        if self.predictor is None:
            raise InputError("weights", got="an encoder alone", wanted="those of a 3D-JEPA, with a predictor")
        device = self.encoder.out.weight.device
        seen = seen.to(device)
        return self.predictor(self.encoder(seen), seen.centers, places.to(device)).float().cpu()


class Jepa:
    """A trained model. All that it says of a scene depends on the scene and a generator alone.

    Args:
        network: Trained by a `MaskedObjective`.
        normalised: Whether the targets were, as those of a running mean are.
        alone: Whether targets are latents of tokens alone.
        usual: Oddities that shares of the tokens of intact scenes exceed, if measured, as `usual_oddities` has them.
    """

    def __init__(
        self,
        network: JepaNetwork,
        *,
        normalised: bool,
        alone: bool = False,
        usual: Mapping[float, float] | None = None,
    ):
        self.network, self.normalised, self.alone = network.eval().requires_grad_(False), normalised, alone
        self.usual = dict(sorted((usual or {}).items()))
        self.config = network.encoder.config

    @staticmethod
    def load(path: str | Path = WEIGHTS, *, device: str | torch.device = "cpu") -> Jepa:
        """The model in a file.

        Raises:
            FileError: If it is missing, damaged, of another version, or its weights are not of the size that its header
                says.
        """
        said: dict[str, Any] = {}

        def build(header: dict[str, Any]) -> JepaNetwork:
            if header["version"] != VERSION:
                raise ValueError(f"of version {header['version']}, not {VERSION}")
            said.update({name: bool(header[name]) for name in ("normalised", "alone")})
            said["usual"] = {float(share): float(energy) for share, energy in header["usual"]}
            parts = {name: bool(header[name]) for name in ("predictor", "moments")}
            return JepaNetwork(from_json(JepaConfig, header["network"]), **parts)

        network, _ = read_network(path, build, wanted="weights of a 3D-JEPA", hint="`scenekit jepa train` makes them.")
        return Jepa(network.to(device), **said)

    def save(self, path: str | Path, *, note: str = "") -> None:
        """Writes it as float16, atomically; the note says how it was made, in one line."""
        said = {"normalised": self.normalised, "alone": self.alone, "usual": list(self.usual.items()), "note": note}
        parts = {"predictor": self.network.predictor is not None, "moments": self.network.moments}
        write_weights(path, self.network, {"version": VERSION, "network": as_json(self.config)} | said | parts)

    def tokens(self, subject: Subject, *, generator: torch.Generator | None = None) -> Tokens:
        """The valid tokens of a subject, as the model was trained on them.

        Raises:
            InputError: If there is nothing to see, or numbers are not finite.
        """
        found = tokenize(subject, self.config.tokens, generator=generator or _chance())
        return found.take(found.valid.nonzero().flatten())

    def embed(self, subject: Subject, *, generator: torch.Generator | None = None) -> Embedding:
        """Latents of a scene, splats or a mesh.

        Args:
            subject: What to embed.
            generator: Chance of which elements are drawn; None for always the same.

        Raises:
            InputError: If there is nothing to see, or numbers are not finite.
            FitError: If latents are not finite.
        """
        tokens = self.tokens(subject, generator=generator)
        latents = self.latents(Tokens.stack([tokens]))[0]
        return Embedding(pooled(latents), latents, in_metres(tokens.centers, tokens.frame), tokens)

    def similar(self, subject: Subject, others: Sequence[Embedding]) -> Tensor:
        """Cosines of the pooled latents of a subject and those of others, shape (len(others),)."""
        own = self.embed(subject).pooled
        return torch.stack([other.pooled for other in others]) @ own if others else own.new_zeros(0)

    def predict(
        self, subject: Subject, region: Selection | str, *, places: int = 16, generator: torch.Generator | None = None
    ) -> Prediction:
        """What is expected in a region, from what is outside of it; what is there now is not looked at.

        Args:
            subject: A scene, splats or a mesh.
            region: A selection by place, such as a box or a ball, or its text.
            places: How many to predict at, spread over the part of the region that is in the scene's box.
            generator: Chance of which elements are drawn; None for always the same.

        Raises:
            InputError: If the region has no place in the scene's box, holds all of the scene, or cannot be read.
            FitError: If latents are not finite.
        """
        region, generator, config = as_selection(region), generator or _chance(), self.config.tokens
        state = subject.state if isinstance(subject, Scene) else subject
        state = state if isinstance(state, SceneState) else SceneState()
        everything = elements_of(subject, config, generator=generator)
        frame = tokenize(everything, config, generator=generator).frame
        outside = ~_inside(region, everything.means.double(), state)
        if not bool(outside.any()):
            raise InputError("region", got="all of the scene", wanted="something of it outside")
        seen: Elements = everything.map(lambda tensor: tensor[outside])
        tokens = Tokens.stack([tokenize(seen, config, generator=generator, frame=frame)])
        tokens = tokens.take(tokens.valid[0].nonzero().T)
        asked = places_in(region, frame, state, places)
        with torch.no_grad():
            found = self.network.predicted(tokens, asked[None])[0, :, : self.config.width]
        return Prediction(_finite(found), in_metres(asked, frame))

    def energy(self, subject: Subject, config: EnergyConfig | None = None, *, seed: int = 0) -> EnergyMap:
        """How far each token is from what the rest of the scene lets expect.

        Args:
            subject: A scene, splats or a mesh.
            config: How it is measured.
            seed: Chance of elements and masks.

        Raises:
            InputError: If there is nothing to see, or fewer than two tokens.
            FitError: If latents are not finite.
        """
        generator = _chance(seed)
        tokens = self.tokens(subject, generator=generator)
        values = token_energies(self, tokens, config or EnergyConfig(), generator=generator)
        return EnergyMap(_finite(values), in_metres(tokens.centers, tokens.frame), tokens)

    def limit(self, share: float) -> float:
        """The oddity that so large a share of the tokens of intact scenes exceeds: the rate of false alarms above it.

        Raises:
            InputError: If nobody measured it, or the share is smaller or larger than was.
        """
        shares = list(self.usual)
        if not shares or not shares[0] <= share <= shares[-1]:
            wanted = f"{shares[0]} to {shares[-1]}" if shares else "a model whose usual energies were measured"
            raise InputError("share of intact tokens", got=share, wanted=wanted)
        return float(np.interp(math.log(share), np.log(shares), list(self.usual.values())))

    def splat_energy(self, splats: Splats, config: EnergyConfig | None = None, *, draws: int = 4) -> Tensor:
        """The energy of every Gaussian: of the tokens nearest to it, mean over draws of elements, shape (n,).

        Raises:
            InputError: As `energy`, or if there is no draw.
            FitError: If latents are not finite.
        """
        if draws < 1:
            raise InputError("draws", got=draws, wanted="at least 1")
        maps = [self.energy(splats, config, seed=seed) for seed in range(draws)]
        return torch.stack([found.at(splats.means) for found in maps]).mean(0)

    @torch.no_grad()
    def latents(self, tokens: Tokens) -> Tensor:
        """Latents of a batch of scenes, on the CPU, shape (b, t, d).

        Raises:
            FitError: If some are not finite.
        """
        return self._said(self.network.encoder(tokens.to(self.network.encoder.out.weight.device)))

    @torch.no_grad()
    def targets(self, tokens: Tokens) -> Tensor:
        """Latents of a batch of scenes as they are predicted, on the CPU, shape (b, t, d).

        Raises:
            FitError: If some are not finite.
        """
        encoder = self.network.encoder
        return self._said(encoder.alone(tokens.to(encoder.out.weight.device))) if self.alone else self.latents(tokens)

    def goals(self, tokens: Tokens) -> Tensor:
        """What energy compares with what is predicted: moments, or else targets, on the CPU, shape (b, t, …)."""
        return moments(tokens).cpu() if self.network.moments else self.targets(tokens)

    def misfit(self, predicted: Tensor, goals: Tensor) -> Tensor:
        """Of what is predicted (…, d …) and goals (…, f): the surprise of moments, or else smooth L1, shape (…)."""
        d = self.config.width
        return surprise(predicted[..., d:], goals) if self.network.moments else disagreement(predicted, goals)

    def _said(self, latents: Tensor) -> Tensor:
        return _finite((normalised(latents) if self.normalised else latents.float()).cpu())


def pooled(latents: Tensor) -> Tensor:
    """Mean and largest over tokens (..., t, d), of length 1, shape (..., 2 d): to compare scenes by (Gaussian-JEPA)."""
    return functional.normalize(torch.cat([latents.mean(-2), latents.amax(-2)], -1), dim=-1)


def in_metres(places: Tensor, frame: Tensor) -> Tensor:
    """Places (..., 3) of a scene's frame (4,) in its world [m]."""
    return (frame[:3] + frame[3] * places.to(frame)).float()


def places_in(region: Selection, frame: Tensor, state: SceneState, count: int) -> Tensor:
    """`count` places of a region, evenly spread, in the frame of a scene, shape (count, 3).

    Raises:
        InputError: If there is not that much room in the scene's box.
    """
    cube = torch.quasirandom.SobolEngine(3, scramble=True, seed=0).draw(CANDIDATES) * 2 - 1
    found = cube[_inside(region, frame[:3].double() + frame[3].double() * cube.double(), state)]
    if not 1 <= count <= len(found):
        raise InputError("places", got=count, wanted=f"1 to {len(found)}, the room of the region in the scene's box")
    return found[:count]


def _inside(region: Selection, points: Tensor, state: SceneState) -> Tensor:
    """Which points in the world (n, 3) are in a region, bool (n,)."""
    try:
        return region.inside(points, state, "/")
    except NotImplementedError:
        raise InputError("region", got=str(region), wanted="a selection by place, such as a box or a ball") from None


def _finite(values: Tensor) -> Tensor:
    if not bool(values.isfinite().all()):
        raise FitError("latents", got="some that are not finite", wanted="finite ones", hint="Are the weights whole?")
    return values


def _chance(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)

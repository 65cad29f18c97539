"""The embedded prior: a small diffusion transformer of pictures of everyday things, trained by this project.

Its file is safetensors and says in its header how large the network is, which words it knows and how it was trained.
`scenekit guidance train` makes such a file; docs/text-to-3d.md says how. Letters: b batch, n views, k words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from scenekit.errors import InputError
from scenekit.guidance.prior import Condition, Views
from scenekit.guidance.schedule import NoiseSchedule, Prediction
from scenekit.guidance.transformer import PictureTransformer, TransformerConfig
from scenekit.guidance.view_features import VIEW_FEATURES, view_features
from scenekit.guidance.vocabulary import Vocabulary
from scenekit.guidance.weights import read_network, write_weights
from scenekit.precision import half_precision

WEIGHTS = Path(__file__).with_name("shapes.safetensors")
"""The weights that come with the package."""

NOTHING = 1
"""Number of the word that stands for no words."""


class ShapesPrior:
    """Pictures of −1..1, with 1000 steps of a cosine schedule; it predicts the clean picture.

    Args:
        network: Trained.
        vocabulary: The words it knows, in the order of their numbers.
    """

    prediction: Prediction = "sample"

    def __init__(self, network: PictureTransformer, vocabulary: Sequence[str]):
        self.network, self.vocabulary = network.eval(), tuple(vocabulary)
        hint = "This small prior knows few words; --prior diffusers knows all."
        self._words = Vocabulary(vocabulary, most=network.config.words, hint=hint)
        self.schedule = NoiseSchedule.cosine()
        side = network.config.side
        self.shape: tuple[int, int, int] = (3, side, side)

    @staticmethod
    def load(path: str | Path = WEIGHTS, *, device: str | torch.device = "cpu") -> ShapesPrior:
        """The prior in a file.

        Args:
            path: The file.
            device: Where its network is.

        Raises:
            FileError: If it is missing, damaged, or its weights are not of the size that its header says.
        """

        def build(header: dict[str, Any]) -> PictureTransformer:
            return PictureTransformer(TransformerConfig(**{n: int(size) for n, size in header["network"].items()}))

        wanted, hint = "weights of a prior", "`scenekit guidance train` makes them."
        network, vocabulary = read_network(path, build, wanted=wanted, hint=hint)
        return ShapesPrior(network.to(device), vocabulary)

    def save(self, path: str | Path, *, note: str = "") -> None:
        """Writes the weights as float16, atomically.

        Args:
            path: Ends in .safetensors.
            note: How they were made, one line.
        """
        header = {"network": asdict(self.network.config), "vocabulary": self.vocabulary, "note": note}
        write_weights(path, self.network, header)

    def encode(self, pictures: Tensor) -> Tensor:
        """0..1 → −1..1, at its side."""
        if pictures.shape[-2:] != self.shape[1:]:
            pictures = torch.nn.functional.interpolate(pictures, self.shape[1:], mode="bilinear", antialias=True)
        return 2 * pictures - 1

    def decode(self, latents: Tensor) -> Tensor:
        """−1..1 → 0..1."""
        return ((latents + 1) / 2).clamp(0, 1)

    def condition(self, prompts: Sequence[str], views: Views | None) -> Condition:
        """Numbers of words (b, k) and features of views (b, 6)."""
        n = len(prompts) if views is None else len(views)
        if not len(prompts) or n % len(prompts):
            raise InputError("prompts", got=len(prompts), wanted=f"one, or one for each of {n} views")
        words = torch.tensor([self.numbers(prompt) for prompt in prompts]).repeat(n // len(prompts), 1)
        seen = torch.zeros(n, VIEW_FEATURES) if views is None else view_features(views.azimuth, views.elevation)
        return Condition({"words": words, "view": seen.float()})

    def numbers(self, prompt: str) -> list[int]:
        """The numbers of a prompt's words, filled up with 0.

        Raises:
            InputError: If there are too many words, or some it does not know; names those nearest to them.
        """
        numbers = self._words.numbers(prompt)
        return numbers if numbers[0] else [NOTHING, *numbers[1:]]

    def predict(self, x_t: Tensor, t: Tensor, condition: Condition) -> Tensor:
        """The clean pictures, in bfloat16 where the processor has it."""
        place = next(self.network.parameters()).device
        words, view = condition.tensors["words"], condition.tensors["view"].to(place)
        words = words[:, : max(1, int((words != 0).sum(1).max()))].to(place)
        with half_precision(place):
            clean = self.network(x_t.to(place), t.to(place) / len(self.schedule), words, view)
        return clean.to(x_t)

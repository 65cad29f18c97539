"""The embedded prior: a small diffusion transformer of pictures of everyday things, trained by this project.

Its file is safetensors and says in its header how large the network is, which words it knows and how it was trained.
`scenekit guidance train` makes such a file; docs/text-to-3d.md says how. Letters: b batch, n views, k words.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from scenekit.errors import FileError, InputError
from scenekit.guidance.prior import Condition, Views
from scenekit.guidance.schedule import NoiseSchedule, Prediction
from scenekit.guidance.transformer import VIEW_FEATURES, PictureTransformer, TransformerConfig, view_features
from scenekit.io.atomic import written_atomically

WEIGHTS = Path(__file__).with_name("shapes.safetensors")
"""The weights that come with the package."""

NOTHING = 1
"""Number of the word that stands for no words."""

FIRST = 2
"""Number of the first word of the vocabulary."""

MAX_BYTES = 200_000_000
"""Largest file of weights that is read."""


class ShapesPrior:
    """Pictures of −1..1, with 1000 steps of a cosine schedule; it predicts the clean picture.

    Args:
        network: Trained.
        vocabulary: The words it knows, in the order of their numbers.
    """

    prediction: Prediction = "sample"

    def __init__(self, network: PictureTransformer, vocabulary: Sequence[str]):
        self.network, self.vocabulary = network.eval(), tuple(vocabulary)
        self.schedule = NoiseSchedule.cosine()
        side = network.config.side
        self.shape: tuple[int, int, int] = (3, side, side)
        self._numbers = {word: FIRST + i for i, word in enumerate(self.vocabulary)}

    @staticmethod
    def load(path: str | Path = WEIGHTS) -> ShapesPrior:
        """The prior in a file.

        Raises:
            FileError: If it is missing, damaged, or its weights are not of the size that its header says.
        """
        path = Path(path)
        header, tensors = _read(path)
        try:
            config = TransformerConfig(**{name: int(value) for name, value in header["network"].items()})
            vocabulary = [str(word) for word in header["vocabulary"]]
            network = PictureTransformer(config)
            network.load_state_dict({name: tensor.float() for name, tensor in tensors.items()})
        except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
            got = f"weights that do not fit ({str(error).splitlines()[0][:160]})"
            raise FileError(path, got=got, wanted="a prior that `scenekit guidance train` wrote") from None
        return ShapesPrior(network, vocabulary)

    def save(self, path: str | Path, *, note: str = "") -> None:
        """Writes the weights as float16, atomically.

        Args:
            path: Ends in .safetensors.
            note: How they were made, one line.
        """
        header = {"network": asdict(self.network.config), "vocabulary": self.vocabulary, "note": note}
        tensors = {name: tensor.half().contiguous() for name, tensor in self.network.state_dict().items()}
        with written_atomically(path) as temporary:
            save_file(tensors, temporary, metadata={"scenekit": json.dumps(header)})

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
        if n % len(prompts):
            raise InputError("prompts", got=len(prompts), wanted=f"one, or one for each of {n} views")
        words = torch.tensor([self.numbers(prompt) for prompt in prompts]).repeat(n // len(prompts), 1)
        seen = torch.zeros(n, VIEW_FEATURES) if views is None else view_features(views.azimuth, views.elevation)
        return Condition({"words": words, "view": seen.float()})

    def numbers(self, prompt: str) -> list[int]:
        """The numbers of a prompt's words, filled up with 0.

        Raises:
            InputError: If there are too many words, or some it does not know; names those nearest to them.
        """
        words, most = re.findall(r"[^\W_]+", prompt.lower()), self.network.config.words
        unknown = [word for word in dict.fromkeys(words) if word not in self._numbers]
        if unknown:
            near = {w: difflib.get_close_matches(w, self.vocabulary, n=3, cutoff=0.5) for w in unknown}
            wanted = "; ".join(f"{', '.join(n) or 'other words'} for {w!r}" for w, n in near.items())
            hint = "This small prior knows few words; --prior diffusers knows all."
            raise InputError("prompt", got=f"words it does not know: {', '.join(unknown)}", wanted=wanted, hint=hint)
        if len(words) > most:
            raise InputError("prompt", got=f"{len(words)} words", wanted=f"at most {most}")
        numbers = [self._numbers[word] for word in words] or [NOTHING]
        return numbers + [0] * (most - len(numbers))

    def predict(self, x_t: Tensor, t: Tensor, condition: Condition) -> Tensor:
        """The clean pictures, in bfloat16 where the processor has it."""
        words, view = condition.tensors["words"], condition.tensors["view"]
        words = words[:, : max(1, int((words != 0).sum(1).max()))]
        with torch.autocast(x_t.device.type, torch.bfloat16):
            clean = self.network(x_t, t.float() / len(self.schedule), words, view)
        return clean.float()


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    if not path.is_file():
        raise FileError(path, got="nothing", wanted="weights of a prior", hint="scenekit guidance train makes them.")
    if path.stat().st_size > MAX_BYTES:
        raise FileError(path, got=f"{path.stat().st_size} bytes", wanted=f"at most {MAX_BYTES}")
    try:
        with safe_open(path, "pt") as file:
            header = json.loads((file.metadata() or {})["scenekit"])
            return header, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118, it is no mapping
    except (SafetensorError, KeyError, ValueError, OSError) as error:
        raise FileError(path, got=f"{type(error).__name__}: {error}"[:200], wanted="weights of a prior") from None

"""CLIP as a judge, where its weights are on the disk: CLIP R-precision and CLIP score of the papers on text to 3D.

    judge = ClipJudge.load("clip-vit-base-patch32")  # a folder
    r_precision(judge, pictures, prompts)

Letters: b pictures, p prompts.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from scenekit.errors import BackendError, FileError, InputError

MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
"""Of CLIP's pictures (Radford et al. 2021; the preprocessing of openai/CLIP)."""

BATCH = 32
"""Pictures judged at once."""


class ClipJudge:
    """A CLIP model of transformers and its tokenizer."""

    def __init__(self, model: Any, tokenizer: Any):
        self.model, self.tokenizer = model.eval().requires_grad_(False), tokenizer

    @staticmethod
    def load(folder: str | Path) -> ClipJudge:
        """The CLIP in a folder; nothing is downloaded.

        Raises:
            BackendError: If transformers is not installed.
            FileError: If the folder is missing, or holds no whole CLIP.
        """
        folder, wanted = Path(folder), "a folder with a CLIP model and its tokenizer"
        try:
            from transformers import CLIPModel, CLIPTokenizer
        except ImportError as error:
            hint = 'pip install "scenekit[diffusers]"'
            raise BackendError("CLIP", got="transformers is not installed", wanted="it", hint=hint) from error
        try:
            kind = json.loads((folder / "config.json").read_text())["model_type"]
            if kind != "clip":
                raise FileError(folder, got=f"a model of type {kind}", wanted=wanted)
            loader: Any = CLIPModel  # its stubs do not know of the notes
            model, notes = loader.from_pretrained(
                folder, local_files_only=True, use_safetensors=True, output_loading_info=True
            )
            tokenizer = CLIPTokenizer.from_pretrained(folder, local_files_only=True)
        except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
            hint = "huggingface-cli download openai/clip-vit-base-patch32 --local-dir clip-vit-base-patch32"
            got = " ".join(f"{type(error).__name__}: {error}".split())[:200]
            raise FileError(folder, got=got, wanted=wanted, hint=hint) from None
        lost = [*notes["missing_keys"], *notes["mismatched_keys"]]
        if lost:  # transformers would go on with random ones
            raise FileError(folder, got=f"{len(lost)} weights missing, such as {lost[0]}", wanted=wanted)
        return ClipJudge(model, tokenizer)

    @torch.no_grad()
    def scores(self, pictures: Tensor, prompts: Sequence[str]) -> Tensor:
        """The cosine of pictures' and prompts' vectors, shape (b, p).

        Args:
            pictures: Display colours 0..1, shape (b, 3, any, any).
            prompts: p sentences; what is beyond CLIP's 77 tokens is not read.

        Raises:
            InputError: If there are none, or the pictures have another shape.
        """
        if pictures.ndim != 4 or pictures.shape[1] != 3 or not len(pictures) or not len(prompts):
            got = f"{tuple(pictures.shape)} pictures, {len(prompts)} prompts"
            raise InputError("pictures and prompts", got=got, wanted="(b, 3, h, w) and at least one")
        config = self.model.config
        most = config.text_config.max_position_embeddings
        words = self.tokenizer(list(prompts), padding=True, truncation=True, max_length=most, return_tensors="pt")
        read = self.model.text_projection(self.model.text_model(**words).pooler_output)
        seen = torch.cat([self._seen(part, config.vision_config.image_size) for part in pictures.split(BATCH)])
        return functional.normalize(seen, dim=-1) @ functional.normalize(read, dim=-1).T

    def _seen(self, pictures: Tensor, side: int) -> Tensor:
        """Vectors of pictures, not of unit length."""
        pictures = functional.interpolate(pictures.float(), (side, side), mode="bicubic", antialias=True).clamp(0, 1)
        mean, std = (torch.tensor(values)[:, None, None] for values in (MEAN, STD))
        pooled = self.model.vision_model(pixel_values=(pictures - mean) / std).pooler_output
        projected: Tensor = self.model.visual_projection(pooled)
        return projected

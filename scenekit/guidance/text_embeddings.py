"""What the text encoders of a diffusers pipeline make of prompts, each computed once and kept on disk.

The encoders are as large as the network that denoises (T5 of DeepFloyd IF: 9 GB as float16), and a run has few prompts:
they are loaded for the first prompt that is not on disk, and are let go before the network works.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from scenekit.data_folder import data_folder
from scenekit.errors import FileError, InputError
from scenekit.guidance.diffusers_parts import loaded, quiet
from scenekit.guidance.pipeline_folder import PipelineFolder
from scenekit.io.atomic import written_atomically

ENCODERS = ("CLIPTextModel", "CLIPTextModelWithProjection", "T5EncoderModel")
"""Classes of transformers that are text encoders."""

TOKENIZERS = ("CLIPTokenizer", "CLIPTokenizerFast", "T5Tokenizer", "T5TokenizerFast")
"""Classes of transformers that cut prompts into tokens."""

TOKENS = 77
"""Most tokens of a prompt, those of start and end too, of all these models."""


def cache_folder() -> Path:
    """Where embeddings are kept: in $SCENEKIT_DATA, else the user's cache folder."""
    return data_folder() / "embeddings"


class _Encoder(NamedTuple):
    """A text encoder with its tokenizer."""

    tokenizer: Any
    network: Any


class TextEmbeddings:
    """Embeddings of prompts by name: `words` (b, 77, d), and `pooled` (b, e) of XL.

    Args:
        pipeline: Whose encoders.
        device: Where they work.
        dtype: Of their weights.
    """

    def __init__(self, pipeline: PipelineFolder, device: torch.device, dtype: torch.dtype):
        self.pipeline, self.device, self.dtype = pipeline, device, dtype
        self._parts = [("tokenizer", "text_encoder")]
        if pipeline.kind == "xl":
            self._parts.append(("tokenizer_2", "text_encoder_2"))
        self._known: dict[str, dict[str, Tensor]] = {}
        self._encoders: list[_Encoder] = []
        self._model = self._fingerprint()

    @property
    def awake(self) -> bool:
        """Whether encoders take memory."""
        return bool(self._encoders)

    def of(self, prompts: Sequence[str]) -> dict[str, Tensor]:
        """Embeddings of prompts, from memory, from disk, or computed.

        Raises:
            InputError: If a prompt has more tokens than the encoders take; says what they would cut off.
            FileError: If the encoders' weights are missing or damaged.
            BackendError: If there is too little memory for them.
        """
        for prompt in dict.fromkeys(prompts):
            if prompt not in self._known:
                self._known[prompt] = self._read(prompt) or self._computed(prompt)
        first = self._known[prompts[0]]
        return {name: torch.cat([self._known[prompt][name] for prompt in prompts]) for name in first}

    def free(self) -> None:
        """Lets go of the encoders."""
        if self._encoders:
            self._encoders = []
            if self.device.type == "cuda":
                torch.cuda.empty_cache()

    def _file(self, prompt: str) -> Path:
        return cache_folder() / (hashlib.sha256(f"{self._model}\n{prompt}".encode()).hexdigest() + ".safetensors")

    def _fingerprint(self) -> str:
        """The same for the same encoders: their folder, the sizes and dates of their files, and how they compute."""
        files = [path for _, part in self._parts for path in self.pipeline.weights(part, half=self._half)]
        facts = [f"{path.resolve()} {path.stat().st_size} {path.stat().st_mtime_ns}" for path in files]
        return "\n".join([self.pipeline.kind, str(self.dtype), self.device.type, *facts])

    @property
    def _half(self) -> bool:
        return self.dtype != torch.float32

    def _read(self, prompt: str) -> dict[str, Tensor] | None:
        """From disk; a damaged file is no file."""
        try:
            return dict(load_file(self._file(prompt)))
        except (OSError, SafetensorError):
            return None

    @torch.no_grad()
    def _computed(self, prompt: str) -> dict[str, Tensor]:
        self._encoders = self._encoders or self._wake()
        found = self._encoded(prompt)
        if self.pipeline.kind == "xl" and not prompt and self.pipeline.index.get("force_zeros_for_empty_prompt"):
            found = {name: torch.zeros_like(tensor) for name, tensor in found.items()}
        found = {name: tensor.cpu().contiguous() for name, tensor in found.items()}
        with written_atomically(self._file(prompt)) as temporary:
            save_file(found, temporary)
        return found

    def _encoded(self, prompt: str) -> dict[str, Tensor]:
        words, pooled = [], None
        for encoder in self._encoders:
            out = encoder.network(**self._tokens(encoder, prompt), output_hidden_states=self.pipeline.kind == "xl")
            if self.pipeline.kind == "xl":
                words.append(out.hidden_states[-2])
                pooled = out[0]  # of the last encoder, which has a projection
            else:
                words.append(out[0])
        return {"words": torch.cat(words, -1)} | ({} if pooled is None else {"pooled": pooled})

    def _tokens(self, encoder: _Encoder, prompt: str) -> dict[str, Tensor]:
        text = prompt.lower().strip() if self.pipeline.kind == "if" else prompt
        most = min(TOKENS, encoder.tokenizer.model_max_length)
        numbers = encoder.tokenizer(text, truncation=False, verbose=False).input_ids
        if len(numbers) > most:
            cut = encoder.tokenizer.decode(numbers[most - 1 : -1], skip_special_tokens=True).strip()
            got = f"{len(numbers)} tokens, of which {cut!r} would be cut off"
            raise InputError("prompt", got=got, wanted=f"at most {most} tokens, start and end included")
        tokens = encoder.tokenizer(text, padding="max_length", max_length=most, return_tensors="pt").to(self.device)
        masked = self.pipeline.kind == "if" or getattr(encoder.network.config, "use_attention_mask", False)
        return {"input_ids": tokens.input_ids} | ({"attention_mask": tokens.attention_mask} if masked else {})

    def _wake(self) -> list[_Encoder]:
        self.pipeline.check_memory([part for _, part in self._parts], self.dtype, self.device)
        return [_Encoder(self._tokenizer(words), self._network(part)) for words, part in self._parts]

    def _tokenizer(self, part: str) -> Any:
        kind = self._class(part, TOKENIZERS)
        try:
            with quiet():
                return kind.from_pretrained(self.pipeline.folder / part, local_files_only=True)
        except Exception as error:  # transformers has no kind of its own for what is wrong with a tokenizer
            got = f"{type(error).__name__}: {error}".splitlines()[0][:200]
            raise FileError(self.pipeline.folder / part, got=got, wanted="a tokenizer") from None

    def _network(self, part: str) -> Any:
        return loaded(self._class(part, ENCODERS), self.pipeline, part, self.dtype).to(self.device)

    def _class(self, part: str, names: Iterable[str]) -> Any:
        """The class of transformers that model_index.json names for a part, if it is one of these."""
        import transformers

        library, name = (self.pipeline.index.get(part) or [None, None])[:2]
        if library != "transformers" or name not in names:
            wanted = "one of transformers: " + ", ".join(names)
            raise FileError(self.pipeline.folder / "model_index.json", got=f"{part} {name!r}", wanted=wanted)
        return getattr(transformers, name)

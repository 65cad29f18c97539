"""The folder of a diffusers pipeline: where it is, of which kind, and what its parts weigh.

    model_index.json  unet/  vae/  text_encoder/  tokenizer/  scheduler/

It is a folder on disk or one of the Hugging Face hub, of which only what a prior needs is downloaded. Weights are read
from safetensors alone: pickles (.bin, .ckpt) can run any program, and are refused.
"""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors import SafetensorError, safe_open

from scenekit.errors import BackendError, FileError

Kind = Literal["sd", "xl", "if", "multiview"]
"""Stable Diffusion 1.x and 2.x; XL; DeepFloyd IF, first stage; MVDream."""

KINDS: dict[str, Kind] = {
    "StableDiffusionPipeline": "sd",
    "StableDiffusionXLPipeline": "xl",
    "IFPipeline": "if",
    "MVDreamPipeline": "multiview",
}
"""By the class that model_index.json names."""

WEIGHTS = re.compile(r"(?:diffusion_pytorch_model|model)(\.fp16)?(?:-\d+-of-\d+)?\.safetensors")
"""Names of files of weights."""

MARGIN = 1.3
"""Memory that a network takes while it works, in its weights."""

OFFLINE = "Without a network: give a local folder, or set HF_HUB_OFFLINE=1 to use what was downloaded before."


@dataclass(frozen=True)
class PipelineFolder:
    """A folder that is one."""

    folder: Path
    """Where."""
    kind: Kind
    """What."""
    index: dict[str, Any]
    """model_index.json."""

    @staticmethod
    def open(model: str | Path, *, half: bool) -> PipelineFolder:
        """The pipeline in a folder, or of the hub by owner/name, downloaded if need be.

        Args:
            model: The folder, or owner/name.
            half: Take weights of 16 bits where there are both.

        Raises:
            BackendError: If diffusers is not installed.
            FileError: If the folder is missing or holds no pipeline of a known kind, or the hub cannot be reached.
        """
        needs_diffusers()
        folder = _located(model, half)
        path = folder / "model_index.json"
        wanted = "a folder of a diffusers pipeline, with model_index.json"
        if not path.is_file():
            raise FileError(folder, got="a folder without model_index.json", wanted=wanted)
        index = read_json(path)
        name = index.get("_class_name")
        if name not in KINDS:
            raise FileError(path, got=f"a pipeline {name!r}", wanted="one of " + ", ".join(KINDS))
        return PipelineFolder(folder, KINDS[name], index)

    def config(self, part: str) -> dict[str, Any]:
        """The config.json of a part, scheduler_config.json of the scheduler.

        Raises:
            FileError: If it is missing or damaged.
        """
        name = "scheduler_config.json" if part == "scheduler" else "config.json"
        return read_json(self.folder / part / name)

    def weights(self, part: str, *, half: bool) -> list[Path]:
        """The files of a part's weights.

        Raises:
            FileError: If there are none, or only pickles.
        """
        folder = self.folder / part
        names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
        found = chosen(names, half=half)
        if not found:
            pickles = [name for name in names if name.endswith((".bin", ".ckpt", ".pt", ".pth"))]
            got = f"only a pickle, {pickles[0]}, which can run any program" if pickles else "no weights"
            hint = (
                "Most models have safetensors on the hub by now; `pipeline.save_pretrained` of diffusers writes them."
            )
            raise FileError(folder, got=got, wanted="weights as .safetensors", hint=hint)
        return [folder / name for name in found]

    def bytes(self, parts: Iterable[str], dtype: torch.dtype) -> int:
        """What these parts' weights take as this type [bytes].

        Raises:
            FileError: If weights are missing or damaged.
        """
        half = dtype != torch.float32
        return dtype.itemsize * sum(_elements(path) for part in parts for path in self.weights(part, half=half))

    def check_memory(self, parts: Iterable[str], dtype: torch.dtype, device: torch.device) -> None:
        """That these parts fit into what is free on a device.

        Raises:
            BackendError: If they do not; says how much they need.
            FileError: If weights are missing or damaged.
        """
        parts = list(parts)
        need, free = MARGIN * self.bytes(parts, dtype), free_memory(device)
        if need > free:
            got = f"{free / 1e9:.3g} GB free"
            wanted = f"{need / 1e9:.3g} GB for {', '.join(parts)} as {str(dtype).removeprefix('torch.')}"
            hint = "A smaller model, 16 bits (bfloat16 on a CPU), or another device."
            raise BackendError(f"memory of {device}", got=got, wanted=wanted, hint=hint)


def needs_diffusers() -> None:
    """That the optional packages are there.

    Raises:
        BackendError: If one is not.
    """
    for name in ("diffusers", "transformers", "accelerate"):
        if importlib.util.find_spec(name) is None:
            hint = 'pip install "scenekit[diffusers]"'
            raise BackendError("prior diffusers", got=f"no package {name}", wanted="it", hint=hint)


def chosen(names: Iterable[str], *, half: bool) -> list[str]:
    """Of the names of files of one folder, those of its weights: plain ones, or of 16 bits."""
    kinds: dict[bool, list[str]] = {True: [], False: []}
    for name in sorted(names):
        if match := WEIGHTS.fullmatch(name):
            kinds[bool(match[1])].append(name)
    return kinds[half] or kinds[not half]


def free_memory(device: torch.device) -> int:
    """[bytes]"""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    import psutil  # comes with accelerate

    return int(psutil.virtual_memory().available)


def read_json(path: Path) -> dict[str, Any]:
    """A small JSON file that is a dictionary.

    Raises:
        FileError: If it is missing, damaged, larger than 1 MB, or something else.
    """
    try:
        if path.stat().st_size > 1_000_000:
            raise ValueError("more than 1 MB")
        found = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(found, dict):
            raise ValueError(f"a {type(found).__name__}")
    except (OSError, ValueError, RecursionError) as error:
        raise FileError(path, got=f"{type(error).__name__}: {error}"[:200], wanted="a JSON dictionary") from None
    return found


def _elements(path: Path) -> int:
    try:
        with safe_open(path, "pt") as file:
            return sum(prod(file.get_slice(name).get_shape()) for name in file.keys())  # noqa: SIM118, it is no mapping
    except (SafetensorError, OSError) as error:
        raise FileError(path, got=f"{type(error).__name__}: {error}"[:200], wanted="whole weights") from None


def _located(model: str | Path, half: bool) -> Path:
    path = Path(model).expanduser()
    if path.is_dir():
        return path
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", str(model)) or path.is_absolute() or path.parent.is_dir():
        wanted = "a folder of a diffusers pipeline, or owner/name of the Hugging Face hub"
        raise FileError(path, got="a file" if path.exists() else "no such folder", wanted=wanted)
    return _downloaded(str(model), half)


def _downloaded(name: str, half: bool) -> Path:
    """The snapshot of a model of the hub in its cache; the newest, if the hub answers."""
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import GatedRepoError, LocalEntryNotFoundError, RepositoryNotFoundError

    try:
        files = [str(file.rfilename) for file in HfApi().model_info(name, timeout=10).siblings or []]
        return Path(snapshot_download(name, allow_patterns=_needed(files, half)))
    except (GatedRepoError, RepositoryNotFoundError) as error:
        got = "a model whose terms are to be accepted first" if isinstance(error, GatedRepoError) else "no such model"
        hint = f"See https://huggingface.co/{name}, and log in with `hf auth login` if it is not open to all."
        raise FileError(name, got=got, wanted="a model of the Hugging Face hub, or a local folder", hint=hint) from None
    except Exception as error:  # the hub's client lets through whatever its transport raises
        reason = f"{type(error).__name__}: {error}".splitlines()[0][:160]
    try:
        return Path(snapshot_download(name, local_files_only=True))
    except LocalEntryNotFoundError:
        got = f"no answer from the hub ({reason}), and nothing downloaded before"
        raise FileError(name, got=got, wanted="the model", hint=OFFLINE) from None


def _needed(files: list[str], half: bool) -> list[str]:
    """Of a model's files those that a prior reads: text, tokenizers, and one kind of weights of each part."""
    needed = [file for file in files if file.endswith((".json", ".txt", "spiece.model", "tokenizer.model"))]
    for part in ("unet", "vae", "text_encoder", "text_encoder_2", "camera_proj"):
        names = [file.removeprefix(f"{part}/") for file in files if file.startswith(f"{part}/")]
        needed += [f"{part}/{name}" for name in chosen(names, half=half)]
    return needed

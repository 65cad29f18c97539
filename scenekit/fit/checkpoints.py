"""Checkpoints of a fit: one safetensors file, written atomically, with a JSON header and a digest.

A checkpoint holds all that the next step depends on, so that a resumed fit goes on bit for bit as if never stopped.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from scenekit.errors import FileError
from scenekit.io.atomic import remove_unfinished, written_atomically

VERSION = 1
"""Of the layout; other versions are refused."""

HINT = "Fit into another folder, or with resume=False, which starts anew."


@dataclass(frozen=True)
class Checkpoint:
    """The state of a fit between two steps."""

    fingerprint: dict[str, Any]
    """What the fit was started with; a checkpoint only resumes an equal fit."""
    header: dict[str, Any]
    """Numbers: the step, the optimiser's steps, seconds, history. Anything JSON holds."""
    tensors: dict[str, Tensor]
    """Parameters, moments, strategy state and generator state, by dotted names."""


def write_checkpoint(path: str | Path, checkpoint: Checkpoint) -> None:
    """Writes `checkpoint` atomically: after a crash, the old file is still there. Its folder is for it alone.

    Raises:
        OSError: If the disk is full or not writable.
    """
    tensors = {name: t.detach().cpu().contiguous() for name, t in checkpoint.tensors.items()}
    metadata = {
        "format": "scenekit fit",
        "version": str(VERSION),
        "fingerprint": json.dumps(checkpoint.fingerprint, sort_keys=True),
        "header": json.dumps(checkpoint.header),
    }
    metadata["sha256"] = _digest(metadata, tensors)
    remove_unfinished(Path(path).parent)
    with written_atomically(path) as temporary:
        save_file(tensors, temporary, metadata=metadata)


def read_checkpoint(path: str | Path, fingerprint: Mapping[str, Any]) -> Checkpoint:
    """Reads the checkpoint of the fit with this fingerprint.

    Raises:
        FileError: If the file is missing, truncated, changed, of another version, or belongs to another fit.
    """
    path = Path(path)
    try:
        with safe_open(path, framework="pt") as file:
            metadata = dict(file.metadata() or {})
            if metadata.get("format") != "scenekit fit":
                raise FileError(path, got="a safetensors file of another program", wanted="a checkpoint", hint=HINT)
            # Copies, which lie in memory as torch lays out its own: the last bits of matrix products depend on that.
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118 it is no dict
    except (SafetensorError, OSError, ValueError) as error:
        raise FileError(path, got=f"unreadable ({error})", wanted="a whole checkpoint", hint=HINT) from error
    if metadata.get("version") != str(VERSION):
        raise FileError(path, got=f"version {metadata.get('version')}", wanted=f"version {VERSION}", hint=HINT)
    if metadata.pop("sha256", "") != _digest(metadata, tensors):
        raise FileError(path, got="contents changed", wanted="those of its digest", hint=HINT)
    theirs = json.loads(metadata["fingerprint"])
    ours = json.loads(json.dumps(fingerprint, sort_keys=True))
    if theirs != ours:
        names = sorted(name for name in theirs.keys() | ours.keys() if theirs.get(name) != ours.get(name))
        raise FileError(path, got=f"a fit with other {', '.join(names)}", wanted="a checkpoint of this fit", hint=HINT)
    return Checkpoint(theirs, json.loads(metadata["header"]), tensors)


def adam_tensors(module: nn.Module, adam: torch.optim.Adam) -> dict[str, Tensor]:
    """The optimiser's steps and moments of a module's parameters, as "adam.<parameter>.<what>"."""
    return {
        f"adam.{name}.{key}": value
        for name, parameter in module.named_parameters()
        for key, value in adam.state[parameter].items()
    }


def restore_adam(module: nn.Module, adam: torch.optim.Adam, tensors: Mapping[str, Tensor]) -> None:
    """Inverse of `adam_tensors`; parameters that had no step yet stay without."""
    for name, parameter in module.named_parameters():
        prefix = f"adam.{name}."
        adam.state[parameter] = {
            key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)
        }


def _digest(metadata: Mapping[str, str], tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 over the metadata and the tensors' names, types, shapes and bytes."""
    digest = hashlib.sha256(json.dumps(dict(sorted(metadata.items()))).encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()

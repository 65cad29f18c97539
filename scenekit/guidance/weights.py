"""Files of a small network's weights: safetensors in float16, with a JSON header that says what network they are of."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from scenekit.errors import FileError
from scenekit.io.atomic import written_atomically

Network = TypeVar("Network", bound=nn.Module)

MAX_BYTES = 200_000_000
"""Largest file of weights that is read."""


def write_weights(path: str | Path, network: nn.Module, header: Mapping[str, Any]) -> None:
    """Writes all that a network holds, its numbers as float16, atomically.

    Args:
        path: Ends in .safetensors.
        network: Trained.
        header: What is needed to build it again; anything JSON holds.
    """
    tensors = {
        name: (tensor.half() if tensor.is_floating_point() else tensor).contiguous()
        for name, tensor in network.state_dict().items()
    }
    with written_atomically(path) as temporary:
        save_file(tensors, temporary, metadata={"scenekit": json.dumps(header)})


def read_network(
    path: str | Path, build: Callable[[dict[str, Any]], Network], *, wanted: str, hint: str = ""
) -> tuple[Network, list[str]]:
    """The network in a file, and the words of its header's "vocabulary", if it has one.

    Sizes are compared before anything is allocated: a header that lies about them costs nothing.

    Args:
        path: What `write_weights` wrote.
        build: Makes a network, with any weights, of a header.
        wanted: What the file is to be, for errors.
        hint: What makes such a file, for errors.

    Raises:
        FileError: If it is missing, too large or damaged, or its weights are not of the size that its header says.
    """
    header, tensors = read_weights(path, wanted=wanted, hint=hint)
    try:
        with torch.device("meta"):
            sizes = {name: tensor.shape for name, tensor in build(header).state_dict().items()}
        if sizes != {name: tensor.shape for name, tensor in tensors.items()}:
            raise ValueError("of other sizes than the header says")
        network, vocabulary = build(header), [str(word) for word in header.get("vocabulary", [])]
        network.load_state_dict(tensors)
    except (ArithmeticError, AttributeError, KeyError, RuntimeError, TypeError, ValueError) as error:
        got = f"weights that do not fit ({str(error).splitlines()[0][:160]})"
        raise FileError(path, got=got, wanted=wanted) from None
    return network, vocabulary


def read_weights(path: str | Path, *, wanted: str, hint: str = "") -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The header and the tensors, numbers as float32.

    Args:
        path: What `write_weights` wrote.
        wanted: What the file is to be, for errors.
        hint: What makes such a file, for errors.

    Raises:
        FileError: If it is missing, too large or damaged.
    """
    path = Path(path)
    if not path.is_file():
        raise FileError(path, got="nothing", wanted=wanted, hint=hint)
    if path.stat().st_size > MAX_BYTES:
        raise FileError(path, got=f"{path.stat().st_size} bytes", wanted=f"at most {MAX_BYTES}")
    try:
        with safe_open(path, "pt") as file:
            header = json.loads((file.metadata() or {})["scenekit"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118, it is no mapping
            return header, {name: t.float() if t.is_floating_point() else t for name, t in tensors.items()}
    except (SafetensorError, KeyError, ValueError, OSError) as error:
        raise FileError(path, got=f"{type(error).__name__}: {error}"[:200], wanted=wanted) from None

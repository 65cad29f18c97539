"""What the processes of a fit or a training under `torchrun` do together; alone, each of these is trivial."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from scenekit.errors import BackendError

PATIENCE = timedelta(days=1)
"""How long a process waits for another at `wait`, such as while the first one makes data."""

STEP = timedelta(minutes=10)
"""How long it waits within a step; the first one may have to write a checkpoint or an evaluation before."""

_steps: dist.ProcessGroup | None = None


@contextmanager
def processes() -> Iterator[None]:
    """Joins the processes that `torchrun` started, if it did, until the end of the block."""
    global _steps
    if int(os.environ.get("WORLD_SIZE", "1")) < 2:
        yield
        return
    # Optimisers import this at their first use; imported while a group exists it keeps a reference to the group, whose
    # threads then outlive `destroy_process_group` and abort the process when Python ends (seen with torch 2.13).
    importlib.import_module("torch._dynamo")
    dist.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo", timeout=PATIENCE)
    _steps = dist.new_group(timeout=STEP)
    try:
        yield
    finally:
        _steps = None
        dist.destroy_process_group()


def count() -> int:
    """How many processes there are."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """The number of this one, from 0; the first one speaks and writes for all."""
    return dist.get_rank() if count() > 1 else 0


def device(name: str) -> torch.device:
    """The device of this name, "auto" for a GPU where there is one; where processes share a host's, each has its own.

    Raises:
        BackendError: If there is none of this name.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    own = torch.device(name)
    if own.type == "cuda" and not torch.cuda.is_available():
        raise BackendError("device", got=name, wanted="one that this machine and its torch have")
    if own.type == "cuda" and count() > 1:
        own = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        torch.cuda.set_device(own)
    return own


def wait() -> None:
    """Until all are here.

    Raises:
        BackendError: If one of them has ended instead; as do all of these functions.
    """
    if count() > 1:
        with _together():
            dist.barrier()


def total(x: Tensor) -> Tensor:
    """The sum of everybody's `x`, in every process.

    Its gradient is that of the sum of everybody's loss: where all compute the same loss of a total, the mean of their
    gradients is that of one process that had everything.
    """
    return x if count() == 1 else _Total.apply(x)


def mean(x: Tensor) -> Tensor:
    """The mean of everybody's `x`, in every process."""
    return total(x) / count()


def anybody(true: bool) -> bool:
    """True in all if it is in any."""
    if count() == 1:
        return true
    return bool(total(torch.tensor(float(true))) > 0)


def add_up(tensors: Iterable[Tensor]) -> None:
    """Each of the tensors becomes the sum of everybody's, in place."""
    if count() > 1:
        with _together():
            for tensor in tensors:
                dist.all_reduce(tensor, group=_steps)


def agreed(x: Tensor) -> Tensor:
    """The first process's `x`, in every process."""
    if count() > 1:
        x = x.contiguous()
        with _together():
            dist.broadcast(x, 0, group=_steps)
    return x


@contextmanager
def _together() -> Iterator[None]:
    """Says what it means when another process does not answer."""
    try:
        yield
    except RuntimeError as error:
        got = f"no answer from another process ({str(error).splitlines()[0]})"
        hint = "The process that failed says why."
        raise BackendError(f"process {rank()}", got=got, wanted="all processes at the same step", hint=hint) from error


class _Total(torch.autograd.Function):
    """A sum over processes, whose gradient is one too."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        x = x.detach().clone(memory_format=torch.contiguous_format)
        add_up([x])
        return x

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return _Total.apply(gradients[0])

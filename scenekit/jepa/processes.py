"""What the processes of a training under `torchrun` do together; alone, each of these is trivial."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

PATIENCE = timedelta(days=1)
"""How long a process waits for another, such as while the first one makes data."""


@contextmanager
def processes() -> Iterator[None]:
    """Joins the processes that `torchrun` started, if it did, until the end of the block."""
    if int(os.environ.get("WORLD_SIZE", "1")) < 2:
        yield
        return
    # Optimisers import this at their first use; imported while a group exists it keeps a reference to the group, whose
    # threads then outlive `destroy_process_group` and abort the process when Python ends (seen with torch 2.13).
    importlib.import_module("torch._dynamo")
    dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo", timeout=PATIENCE)
    try:
        yield
    finally:
        dist.destroy_process_group()


def count() -> int:
    """How many processes there are."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """The number of this one, from 0; the first one speaks and writes for all."""
    return dist.get_rank() if count() > 1 else 0


def wait() -> None:
    """Until all are here."""
    if count() > 1:
        dist.barrier()


def total(x: Tensor) -> Tensor:
    """The sum of everybody's `x`, in every process.

    Its gradient is that of the sum of everybody's loss: where all compute the same loss of a total, the mean of their
    gradients is that of one process that had everything.
    """
    return x if count() == 1 else _Total.apply(x)


def agreed(x: Tensor) -> Tensor:
    """The first process's `x`, in every process."""
    if count() > 1:
        x = x.contiguous()
        dist.broadcast(x, 0)
    return x


class _Total(torch.autograd.Function):
    """A sum over processes, whose gradient is one too."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        x = x.detach().clone(memory_format=torch.contiguous_format)
        dist.all_reduce(x)
        return x

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return _Total.apply(gradients[0])

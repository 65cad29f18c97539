"""Checkpoints of gsplat's simple_trainer, `ckpt_29999_rank0.pt`: read without trusting them, and written.

    torch.save({"step": step, "splats": {means, quats wxyz, scales log, opacities logit, sh0 (n, 1, 3), shN}})

Its names map to ours one to one: scales are `log_scales`, opacities `logit_opacities`, sh0 and shN the first and the
other coefficients of `sh`. simple_trainer turns and shrinks the world before it trains unless it is told
`--no-normalize-world-space`, and keeps no record of how; what it wrote stays in its world. Several GPUs write a file
each, which hold different Gaussians.
"""

from __future__ import annotations

import re
from pathlib import Path

import torch

from scenekit.io.atomic import written_atomically
from scenekit.io.splat_files import Keeps, Reading, SplatFormat
from scenekit.io.torch_checkpoint import gaussians_in, is_torch_checkpoint, read_torch_checkpoint, table_in, texts_in
from scenekit.io.up import Up
from scenekit.splats import Splats

NAMES = frozenset({"splats", "means", "quats", "scales", "opacities", "sh0", "shN"})
"""What is in a checkpoint's pickle, among others."""


def recognises(path: Path, head: bytes) -> bool:
    """Whether it was written by torch.save and names what simple_trainer names."""
    return path.is_file() and is_torch_checkpoint(head) and texts_in(path) >= NAMES


def read(path: Path) -> Reading:
    """Reads a checkpoint.

    Raises:
        FileError: If the file is damaged, or holds other parameters.
    """
    values = read_torch_checkpoint(path)
    splats = gaussians_in(path, table_in(path, values, "splats"), dc="sh0", rest="shN")
    notes = [f"Step {values['step']}."] if isinstance(values.get("step"), int) else []
    rank = re.fullmatch(r"(.*_rank)\d+\.pt", path.name)
    others = len(list(path.parent.glob(f"{rank[1]}*.pt"))) - 1 if rank else 0
    if others > 0:
        notes.append(f"{others} more processes wrote Gaussians of their own beside it.")
    return Reading(splats, None, tuple(notes), "gsplat")


def write(path: Path, splats: Splats, up: Up) -> None:
    """Writes a checkpoint at step 0, atomically."""
    parameters = {
        "means": splats.means,
        "quats": splats.quats,
        "scales": splats.log_scales,
        "opacities": splats.logit_opacities,
        "sh0": splats.sh[:, :1],
        "shN": splats.sh[:, 1:],
    }
    parameters = {name: t.detach().cpu().clone(memory_format=torch.contiguous_format) for name, t in parameters.items()}
    with written_atomically(path) as part:
        torch.save({"step": 0, "splats": parameters}, part)


FORMAT = SplatFormat(
    name="gsplat",
    suffixes=(".pt",),
    keeps=Keeps(),
    recognises=recognises,
    read=read,
    write=write,
)
"""gsplat's simple_trainer."""

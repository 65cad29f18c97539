"""Splats as nerfstudio's splatfacto keeps them, and as `ns-train scenekit-splats` does: only read.

    outputs/NAME/splatfacto/DATE/
      config.yml                   how it was trained; a pickle in YAML, searched for one word and never loaded
      dataparser_transforms.json   the similarity that took the capture's frame to nerfstudio's
      nerfstudio_models/step-000029999.ckpt

nerfstudio turns, centres and shrinks each capture before it trains. That is undone here, so that splats come back in
the frame of what was given to nerfstudio's data parser, metres as metres; where a transforms.json has an
`applied_transform`, nerfstudio counts it in too, and they come back in the frame from before it (mostly COLMAP's).
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from scenekit.errors import FileError
from scenekit.io.bounded import check_file, parse_json
from scenekit.io.splat_files import Keeps, Reading, SplatFormat
from scenekit.io.torch_checkpoint import (
    gaussians_in,
    is_torch_checkpoint,
    read_torch_checkpoint,
    table_in,
    texts_in,
)
from scenekit.splats import SH_C0

MODELS, TRANSFORM, CONFIG = "nerfstudio_models", "dataparser_transforms.json", "config.yml"
"""What a run's folder of checkpoints, its similarity and its configuration are called."""

PARTS = ("means", "scales", "quats", "features_dc", "features_rest", "opacities")
"""The parameters of splatfacto."""

PREFIXES = ("_model.gauss_params.", "_model.module.gauss_params.", "_model.")
"""What comes before their names: now, from several processes, and before nerfstudio 1.0."""

MAX_CONFIG = 1 << 20
"""So much of config.yml is looked at [bytes]."""


def recognises(path: Path, head: bytes) -> bool:
    """Whether it is a run's folder, its folder of checkpoints, or a checkpoint with splatfacto's parameters."""
    if path.is_dir():
        return bool(_checkpoints(path))
    return is_torch_checkpoint(head) and any(text.endswith("features_dc") for text in texts_in(path))


def read(path: Path) -> Reading:
    """Reads a run, at its latest step, or a checkpoint, with the run's files around it.

    Raises:
        FileError: If the file is damaged, or holds other parameters.
    """
    if path.is_dir():
        path = _checkpoints(path)[-1]
    run = path.parent.parent if path.parent.name == MODELS else path.parent
    values = read_torch_checkpoint(path)
    parameters = _parameters(path, table_in(path, values, "pipeline"))
    antialiased = _antialiased(run / CONFIG)
    splats = gaussians_in(path, parameters, dc="features_dc", rest="features_rest", antialiased=bool(antialiased))
    if splats.sh_degree == 0:  # then it learns the logit of a colour instead of a coefficient
        splats = replace(splats, sh=(splats.sh.sigmoid() - 0.5) / SH_C0)
    notes = [f"Step {values['step']}."] if isinstance(values.get("step"), int) else []
    if antialiased is None:
        notes.append(f"Whether it was trained antialiased stands in {CONFIG}, which is not there.")
    if (run / TRANSFORM).is_file():
        splats = splats.transform(world_of(run / TRANSFORM))
    else:
        notes.append(f"There is no {TRANSFORM} beside it, so it stays in nerfstudio's frame: centred, not in metres.")
    return Reading(splats, None, tuple(notes), "splatfacto")


def world_of(file: Path) -> Tensor:
    """The similarity from nerfstudio's frame to that of the capture, float64, shape (4, 4).

    nerfstudio has x' = scale · (R x + t), with `transform` = [R | t] (3, 4): here is the inverse.

    Raises:
        FileError: If the file is missing, damaged, or holds no similarity.
    """
    check_file(file, TRANSFORM)
    document = parse_json(file, file.read_bytes())
    try:
        rows, scale = np.array(document["transform"], np.float64), float(document["scale"])
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise FileError(file, got=f"no numbers ({error})", wanted='{"transform": 3×4, "scale": number}') from None
    good = rows.shape == (3, 4) and np.isfinite(rows).all() and np.isfinite(scale) and scale > 0
    if not good or not np.allclose(rows[:, :3] @ rows[:, :3].T, np.eye(3), atol=1e-4):
        raise FileError(file, got=f"{rows.tolist()} and scale {scale}"[:300], wanted="a rotation and a scale above 0")
    u, _, vt = np.linalg.svd(rows[:, :3])  # nerfstudio works in float32: a rotation to six digits
    rotation = u @ vt
    T = np.eye(4)
    T[:3, :3] = rotation.T / scale
    T[:3, 3] = -rotation.T @ rows[:, 3]
    return torch.from_numpy(T)


def _checkpoints(folder: Path) -> list[Path]:
    """The checkpoints of a run or of a folder of them, by step."""
    inside = folder / MODELS if (folder / MODELS).is_dir() else folder
    steps = {int(m[1]): f for f in inside.glob("step-*.ckpt") if (m := re.fullmatch(r"step-(\d{1,12})\.ckpt", f.name))}
    return [steps[step] for step in sorted(steps)]


def _parameters(path: Path, pipeline: dict[str, Any]) -> dict[str, Any]:
    """The parameters among the state of nerfstudio's pipeline."""
    for prefix in PREFIXES:
        if f"{prefix}features_dc" in pipeline:
            return {name: pipeline.get(prefix + name) for name in PARTS}
    got = "other parameters: " + ", ".join(sorted(pipeline))[:200]
    raise FileError(path, got=got, wanted="those of splatfacto: " + ", ".join(PARTS))


def _antialiased(config: Path) -> bool | None:
    """What config.yml says of the rasteriser's mode; None if it says nothing. Its text is searched, never loaded."""
    if not config.is_file():
        return None
    with config.open("rb") as file:
        found = re.search(rb"^\s*rasterize_mode:\s*(\w+)\s*$", file.read(MAX_CONFIG), re.MULTILINE)
    return None if found is None else found[1] == b"antialiased"


FORMAT = SplatFormat(
    name="splatfacto",
    suffixes=(".ckpt",),
    keeps=Keeps(antialiased=True, max_degree=4),
    recognises=recognises,
    read=read,
    write=None,
)
"""nerfstudio's splatfacto."""

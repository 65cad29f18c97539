"""Splats as .splat, antimatter15's format: 32 bytes a Gaussian without a header, the important ones first.

A record is the centre (3 float32), the scales (3 float32, linear), the mean colour and the opacity (4 bytes of 0..1),
and the rotation (4 bytes wxyz, q = byte / 128 − 1). Sorted by opacity times volume, so that a part of the file already
shows the scene. There is no SH above degree 0, and no word on axes.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from scenekit.errors import FileError
from scenekit.io.atomic import written_atomically
from scenekit.io.bounded import read_bytes
from scenekit.io.quantised import castable, positive_logs, rounded, unit_quats
from scenekit.io.smallest_three import OPACITY_LOGITS
from scenekit.io.splat_files import Keeps, Reading, SplatFormat
from scenekit.io.up import Up
from scenekit.splats import SH_C0, Splats

RECORD = np.dtype([("mean", "<f4", 3), ("scale", "<f4", 3), ("rgba", "u1", 4), ("quat", "u1", 4)])
"""One Gaussian, 32 bytes."""


def recognises(path: Path, head: bytes) -> bool:
    """Whether a file is named .splat, is whole records long, and begins with finite centres and scales ≥ 0."""
    if path.suffix.lower() != ".splat" or not path.is_file() or path.stat().st_size % RECORD.itemsize:
        return False
    records = np.frombuffer(head[: len(head) // RECORD.itemsize * RECORD.itemsize], RECORD)
    return bool(np.isfinite(records["mean"]).all() and (records["scale"] >= 0).all())


def read(path: Path) -> Reading:
    """Reads a .splat.

    Raises:
        FileError: If the file is missing or not whole records long.
    """
    data = read_bytes(path, "a .splat file")
    if len(data) % RECORD.itemsize:
        raise FileError(path, got=f"{len(data)} bytes", wanted=f"a multiple of {RECORD.itemsize}")
    records = np.frombuffer(data, RECORD)
    rgb, quats = records["rgba"][:, None, :3] / np.float32(255), records["quat"] / np.float32(128) - 1
    splats = Splats(
        means=torch.from_numpy(records["mean"].copy()),
        quats=unit_quats(torch.from_numpy(quats)),
        log_scales=torch.from_numpy(positive_logs(records["scale"])),
        logit_opacities=torch.from_numpy(OPACITY_LOGITS[records["rgba"][:, 3]]),
        sh=torch.from_numpy((rgb - np.float32(0.5)) / np.float32(SH_C0)),
    )
    return Reading(splats, None, (), "splat")


def write(path: Path, splats: Splats, up: Up) -> None:
    """Writes a .splat, atomically."""
    splats = castable(splats)
    opacities = splats.logit_opacities.double().sigmoid()
    importance = opacities.log() + splats.log_scales.double().sum(1)
    order = importance.argsort(descending=True, stable=True)
    records = np.empty(len(splats), RECORD)
    records["mean"] = splats.means[order]
    records["scale"] = splats.scales[order]
    records["rgba"] = rounded(torch.cat([0.5 + SH_C0 * splats.sh[:, 0].double(), opacities[:, None]], 1)[order], 8)
    records["quat"] = (splats.quats[order] * 128 + 128).round().clamp(0, 255)
    with written_atomically(path) as temporary:
        records.tofile(temporary)


FORMAT = SplatFormat(
    name="splat",
    suffixes=(".splat",),
    keeps=Keeps(
        max_degree=0,
        order=False,
        precision="means and scales float32, colours and opacities 8 bits within 0..1, rotations 8 bits",
    ),
    recognises=recognises,
    read=read,
    write=write,
)
"""antimatter15's .splat."""

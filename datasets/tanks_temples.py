"""Tanks and Temples (Knapitsch et al. 2017) and Deep Blending (Hedman et al. 2018), the two scenes of each that 3D
Gaussian Splatting (Kerbl et al. 2023, §7) is measured on, with the photos and cameras that its authors ship. Photos
are taken as they are; of those sorted by name every eighth is judged, starting with the first.
"""

from __future__ import annotations

from pathlib import Path

from scenekit.capture.opening import read_colmap
from scenekit.datasets.downloads import Archive
from scenekit.datasets.mipnerf360 import held_out_by_number
from scenekit.datasets.public import Peer, PublicDataset, PublicScene, size_deviation

WIDEST = 1600
"""Photos wider than this would be shrunk by 3DGS [px]; none of these are."""

ARCHIVE = Archive(
    "https://repo-sam.inria.fr/fungraph/3d-gaussian-splatting/datasets/input/tandt_db.zip", "tandt_db.zip", 2 << 30
)
"""Of the authors of 3DGS, 650 MB; nobody has published its hash."""


def read(folder: Path, scene: str) -> PublicScene:
    """A scene, at the size of its files."""
    capture = read_colmap(folder / "sparse" / "0", images=folder / "images")
    deviations = size_deviation(capture, f"at most {WIDEST} px of width", lambda w, h: w <= WIDEST)
    return PublicScene(held_out_by_number(capture), deviations=deviations)


TANKS = PublicDataset(
    name="tanks_temples",
    title="Tanks and Temples, Deep Blending (as of 3DGS)",
    home="https://repo-sam.inria.fr/fungraph/3d-gaussian-splatting/",
    licence="Photos of Tanks and Temples under the licence at https://www.tanksandtemples.org/license/, of Deep "
    "Blending under the terms of its authors (Hedman et al. 2018); packed by Inria. Read both before you agree",
    scenes=dict.fromkeys(("train", "truck", "drjohnson", "playroom"), (ARCHIVE,)),
    read=read,
    figures="PSNR / SSIM / LPIPS (VGG): train and truck; drjohnson and playroom",
    peers=(
        Peer("3DGS, 30 000 steps", "23.14 / 0.841 / 0.183; 29.41 / 0.903 / 0.243", "Kerbl et al. 2023, Table 1"),
        Peer("Brush", "24.53 / 0.871 / 0.164; 29.8", "Brush, pull request 271"),
    ),
)
"""The data set."""

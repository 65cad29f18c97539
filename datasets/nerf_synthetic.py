"""NeRF-synthetic (Mildenhall et al. 2020): eight things made in Blender, 800×800 px on white, 100 photos to fit and 200
to judge by. The protocol is that of 3D Gaussian Splatting (Kerbl et al. 2023, §7.2 and its code).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from scenekit.capture.capture import Points
from scenekit.capture.transforms import read_blender
from scenekit.datasets.downloads import Archive
from scenekit.datasets.public import Peer, PublicDataset, PublicScene, size_deviation

SIDE, FITTED, JUDGED = 800, 100, 200
"""Of photos [px]; how many are fitted and judged."""

POINTS, HALF_SIDE = 100_000, 1.3
"""Random points a fit starts from, in a cube of this half side."""

ARCHIVE = Archive(
    url="https://drive.usercontent.google.com/download?id=18JxhpWD-4ZmuFKLzKlAw-w5PpzZxXOcG&export=download&confirm=t",
    file="nerf_synthetic.zip",
    limit=4 << 30,
    sha256="f01fd1b4ab045b0d453917346f26f898657bb5bec4834b95fdad1f361826e45e",
)
"""The authors' archive; its hash as nerfbaselines publishes it."""

LICENCES = {
    "chair": "CC-0 (1DInc)",
    "drums": "CC-BY (bryanajones)",
    "ficus": "CC-0 (Herberhold)",
    "hotdog": "CC-0 (erickfree)",
    "lego": "CC-BY-NC (Heinzelnisse)",
    "materials": "CC-0 (elbrujodelatribu)",
    "mic": "CC-0 (up3d.de)",
    "ship": "CC-BY-SA (gregzaal)",
}
"""Of the models that are shown, as the archive's README has them."""


def read(folder: Path, scene: str) -> PublicScene:
    """A scene: fitted are the photos of transforms_train.json, judged those of transforms_test.json, over white."""
    capture = read_blender(folder, splits=("train", "test"), background=255)
    judged = len(capture.held_out or ())
    counts = (len(capture.photos) - judged, judged)
    deviations = size_deviation(capture, f"{SIDE}×{SIDE}", lambda w, h: w == h == SIDE)
    if counts != (FITTED, JUDGED):
        deviations += (f"{counts[0]} photos to fit and {counts[1]} to judge; there should be {FITTED} and {JUDGED}.",)
    return PublicScene(capture, "white", start=random_start(), start_opacity=0.1, deviations=deviations)


def random_start(seed: int = 0) -> Points:
    """100 000 points spread evenly over the cube of ±1.3, grey but for a 255th, as the code of 3DGS draws them."""
    rng = np.random.default_rng(seed)
    xyz = rng.uniform(-HALF_SIDE, HALF_SIDE, (POINTS, 3))
    return Points(xyz, np.full((POINTS, 3), 127, np.uint8), np.zeros(POINTS))


SYNTHETIC = PublicDataset(
    name="nerf_synthetic",
    title="NeRF-synthetic (Blender)",
    home="https://www.matthewtancik.com/nerf",
    licence="Renders of models from blendswap.com, each under its own licence: "
    + ", ".join(f"{scene} {licence}" for scene, licence in LICENCES.items()),
    scenes=dict.fromkeys(LICENCES, (ARCHIVE,)),
    read=read,
    figures="PSNR / SSIM / LPIPS (VGG)",
    peers=(
        Peer("3DGS", "33.31 / 0.969 / 0.037", "nerfbaselines, blender"),
        Peer("gsplat", "31.47", "nerfbaselines, blender"),
        Peer("Mip-Splatting", "33.33", "nerfbaselines, blender"),
        Peer("Instant-NGP", "32.20", "nerfbaselines, blender; 33.18 in its paper"),
        Peer("Zip-NeRF", "33.67 / 0.973 / 0.036", "nerfbaselines, blender"),
        Peer("3DGUT", "33.88 / 0.970", "README of 3dgrut 2.0"),
    ),
)
"""The data set."""

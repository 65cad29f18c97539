"""Mip-NeRF 360 (Barron et al. 2022): five places outdoors and four rooms, walked around. The protocol is that of its
authors as 3D Gaussian Splatting's full_eval.py has it: outdoors images_4, indoors images_2, the files as they are
shipped; of the photos sorted by name every eighth is judged, starting with the first.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from scenekit.capture.capture import Capture
from scenekit.capture.opening import read_colmap
from scenekit.capture.views import split
from scenekit.datasets.downloads import Archive
from scenekit.datasets.public import Peer, PublicDataset, PublicScene
from scenekit.errors import FileError

OUTDOORS, INDOORS = ("bicycle", "flowers", "garden", "stump", "treehill"), ("bonsai", "counter", "kitchen", "room")
"""Scenes whose photos are taken at a quarter and at half of their size."""

EXTRA = ("flowers", "treehill")
"""Scenes that the authors may not give away with the others, in an archive of their own."""

EVERY = 8
"""Of how many photos one is judged."""

ARCHIVES = {
    False: Archive("https://storage.googleapis.com/gresearch/refraw360/360_v2.zip", "360_v2.zip", 24 << 30),
    True: Archive(
        "https://storage.googleapis.com/gresearch/refraw360/360_extra_scenes.zip", "360_extra_scenes.zip", 16 << 30
    ),
}
"""Without and with the extra scenes; nobody has published hashes of them."""


def read(folder: Path, scene: str) -> PublicScene:
    """A scene at the protocol's size; shrinking the large photos here would score 0.27 dB more (gsplat, issue 507)."""
    factor = 4 if scene in OUTDOORS else 2
    images = folder / f"images_{factor}"
    if not images.is_dir():
        raise FileError(images, got="nothing", wanted="the shrunk photos that the archive ships")
    capture = read_colmap(folder / "sparse" / "0", images=images)
    return PublicScene(held_out_by_number(capture))


def held_out_by_number(capture: Capture) -> Capture:
    """The capture with every eighth photo by name set aside, starting with the first (llffhold = 8)."""
    _, judged = split([photo.name for photo in capture.photos], every=EVERY)
    return replace(capture, held_out=frozenset(judged))


MIPNERF360 = PublicDataset(
    name="mipnerf360",
    title="Mip-NeRF 360",
    home="https://jonbarron.info/mipnerf360/",
    licence="Under the terms of the authors' page, which as far as we know offers the photos for download and names no "
    "licence: use them for research, do not pass them on, and ask the authors (Barron et al.) for anything else",
    scenes={scene: (ARCHIVES[scene in EXTRA],) for scene in sorted((*OUTDOORS, *INDOORS))},
    read=read,
    figures="PSNR / SSIM / LPIPS (VGG), mean of nine scenes",
    peers=(
        Peer("3DGS, 30 000 steps", "27.21 / 0.815 / 0.214", "Kerbl et al. 2023, Table 1"),
        Peer("3DGS, 7000 steps", "25.60 / 0.770 / 0.279", "Kerbl et al. 2023, Table 1"),
        Peer("3DGS", "27.43 / 0.814 / 0.257", "nerfbaselines, mipnerf360"),
        Peer("gsplat", "27.41 / 0.815 / 0.256", "nerfbaselines, mipnerf360"),
        Peer("3DGS-MCMC", "27.98 / 0.835 / 0.224", "nerfbaselines, mipnerf360"),
        Peer("FastGS-Adaptive", "28.09 / 0.823 / 0.211", "arXiv 2511.04283"),
        Peer("Zip-NeRF", "28.55 / 0.829 / 0.218", "nerfbaselines, mipnerf360"),
    ),
)
"""The data set."""

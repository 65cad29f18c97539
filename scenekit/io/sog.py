"""Splats as SOG, PlayCanvas's format of images: version 2 is read and written, version 1 read; bundled or a folder.

A zip (.sog) or a folder holds meta.json and lossless WebP images with a texel for each Gaussian, row by row:

- means_l, means_u: the low and high bytes of sign(x) log(|x| + 1), 16 bits between a minimum and a maximum;
- quats: the smallest three components in RGB, 252 + the index of the largest, in wxyz, in A;
- scales, sh0: indices into codebooks of 256 log-scales and 256 colour coefficients; sh0's A is the opacity;
- shN_labels: the 16-bit index of an entry of the palette shN_centroids, which has 64 entries to a row and k − 1 texels
  to an entry, indices into a codebook again.

Version 1 interpolates between minima and maxima where version 2 has codebooks. Nothing says which way is up.
(developer.playcanvas.com, Gaussian splatting, formats, SOG.)
"""

from __future__ import annotations

import json
import math
import zipfile
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from scenekit.io.atomic import written_atomically
from scenekit.io.morton import morton_order
from scenekit.io.smallest_three import OPACITY_LOGITS, from_smallest_three, smallest_three, to_bytes, unit_quaternions
from scenekit.io.sog_codebooks import palette, scalar_codebook, scalar_codes
from scenekit.io.sog_meta import Store, Texture, columns, open_store, written_folder
from scenekit.io.splat_files import Keeps, Reading, SplatFormat
from scenekit.io.up import Up
from scenekit.splats import Splats

MAX_PALETTE = 1 << 16
"""Entries that 16-bit labels can tell apart."""

EFFORT = {"quality": 50, "method": 2}
"""How hard WebP tries: within 1 % of the smallest in a quarter of its time."""

PRECISION = (
    "means 16 bits of their logarithm, rotations 8 bits, log-scales and colours 256 values each, opacities 8 bits, SH "
    "one of at most 65536 vectors"
)

Texels = NDArray[np.uint8]


def read(path: Path) -> Reading:
    """Reads an SOG: a .sog file, its folder, or the meta.json in one.

    Raises:
        FileError: If files are missing or damaged, claim more Gaussians than they can hold, or the names in meta.json
            lead elsewhere.
    """
    with open_store(path) as store:
        texture = store.textures()
        n, degree = store.n, store.degree
        splats = Splats(
            means=torch.from_numpy(_means(store, texture["means_l"].texels(n), texture["means_u"].texels(n))),
            quats=torch.from_numpy(_quats(store, texture["quats"].texels(n))),
            log_scales=torch.from_numpy(store.values("scales", texture["scales"].texels(n)[:, :3])),
            logit_opacities=torch.from_numpy(_logits(store, texture["sh0"].texels(n)[:, 3])),
            sh=torch.from_numpy(_sh(store, degree, texture)),
            antialiased=store.meta.get("model") == "antialiased",
        )
        return Reading(splats, None, store.notes(), f"sog {store.version}")


def write(path: str | Path, splats: Splats, *, seed: int = 0) -> None:
    """Writes splats as SOG version 2, atomically: a bundle if the name ends in .sog, else a folder, the parent of a
    meta.json.

    Args:
        path: The file, the folder, or the meta.json in it.
        splats: In any axes, finite, SH up to degree 3.
        seed: Of the palette; same seed, same machine: same bytes.

    Raises:
        InputError: If a folder of that name holds something else.
    """
    path = Path(path)
    arrays = {name: tensor.detach().cpu().float().numpy() for name, tensor in splats.tensors().items()}
    order = morton_order(arrays["means"])
    meta, images = _encoded({name: array[order] for name, array in arrays.items()}, seed)
    if splats.antialiased:
        meta["model"] = "antialiased"
    with ThreadPoolExecutor(torch.get_num_threads()) as pool:
        files = dict(zip(images, pool.map(_webp, images.values()), strict=True))
    files["meta.json"] = json.dumps(meta).encode()
    if path.suffix.lower() == ".sog":
        with written_atomically(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
            for name, content in files.items():
                archive.writestr(zipfile.ZipInfo(name), content)  # of 1980, so that same splats make same bytes
    else:
        written_folder(path.parent if path.name == "meta.json" else path, files)


def _encoded(arrays: dict[str, NDArray[np.float32]], seed: int) -> tuple[dict[str, Any], dict[str, Texels]]:
    """meta.json and the images (h, w, 4) of splats in their final order."""
    n = len(arrays["means"])
    low, high, bounds = _split_means(arrays["means"])
    three, largest = smallest_three(unit_quaternions(arrays["quats"]))
    scales, dc = scalar_codebook(arrays["log_scales"]), scalar_codebook(arrays["sh"][:, 0])
    opacity = to_bytes(255 / (1 + np.exp(-arrays["logit_opacities"])))
    meta: dict[str, Any] = {
        "version": 2,
        "asset": {"generator": "scenekit"},
        "count": n,
        "means": {**bounds, "files": ["means_l.webp", "means_u.webp"]},
        "scales": {"codebook": scales.tolist(), "files": ["scales.webp"]},
        "quats": {"files": ["quats.webp"]},
        "sh0": {"codebook": dc.tolist(), "files": ["sh0.webp"]},
    }
    images = {
        "means_l.webp": _image(low),
        "means_u.webp": _image(high),
        "quats.webp": _image(to_bytes(255 * (three * math.sqrt(0.5) + 0.5)), 252 + largest),
        "scales.webp": _image(scalar_codes(arrays["log_scales"], scales)),
        "sh0.webp": _image(scalar_codes(arrays["sh"][:, 0], dc), opacity),
    }
    if n and arrays["sh"].shape[1] > 1:
        meta["shN"], palette_images = _encoded_sh(arrays["sh"][:, 1:], seed)
        images |= palette_images
    return meta, images


def _encoded_sh(rest: NDArray[np.float32], seed: int) -> tuple[dict[str, Any], dict[str, Texels]]:
    """The entry shN of meta.json, and its two images."""
    n, k, _ = rest.shape
    size = min(MAX_PALETTE, 1 << (n.bit_length() - 1))
    entries, labels = palette(torch.from_numpy(np.ascontiguousarray(rest).reshape(n, -1)), size, seed=seed)
    codebook = scalar_codebook(entries.numpy())
    texels = np.zeros((-(-size // 64) * 64, k, 4), np.uint8)
    texels[:size, :, :3] = scalar_codes(entries.numpy(), codebook).reshape(size, k, 3)
    texels[..., 3] = 255
    bytes_of_labels = np.stack([labels & 255, labels >> 8, torch.zeros_like(labels)], 1).astype(np.uint8)
    files = ["shN_centroids.webp", "shN_labels.webp"]
    meta = {"count": size, "bands": math.isqrt(k + 1) - 1, "codebook": codebook.tolist(), "files": files}
    return meta, {files[0]: texels.reshape(-1, 64 * k, 4), files[1]: _image(bytes_of_labels)}


def _split_means(means: NDArray[np.float32]) -> tuple[Texels, Texels, dict[str, list[float]]]:
    """Low and high bytes (n, 3) of the means' logarithms, and the bounds between which they are 16 bits."""
    logs = np.sign(means) * np.log1p(np.abs(means.astype(np.float64)))
    low, high = (logs.min(0), logs.max(0)) if len(logs) else (np.zeros(3), np.zeros(3))
    levels = np.rint(65535 * (logs - low) / np.where(high > low, high - low, 1)).astype(np.uint16)
    return (
        (levels & 255).astype(np.uint8),
        (levels >> 8).astype(np.uint8),
        {"mins": low.tolist(), "maxs": high.tolist()},
    )


def _image(rgb: Texels, alpha: NDArray[np.integer] | int = 255) -> Texels:
    """An image (h, w, 4), its sides multiples of 4, of n texels; the rest is zero and opaque."""
    n = len(rgb)
    width = max(4, 4 * math.ceil(math.sqrt(n) / 4))
    height = max(4, 4 * math.ceil(n / width / 4))
    texels = np.zeros((width * height, 4), np.uint8)
    texels[:n, :3] = rgb
    texels[:, 3] = 255
    texels[:n, 3] = alpha
    return texels.reshape(height, width, 4)


def _webp(texels: Texels) -> bytes:
    file = BytesIO()
    Image.fromarray(texels).save(file, "WEBP", lossless=True, exact=True, **EFFORT)
    return file.getvalue()


def _means(store: Store, low: Texels, high: Texels) -> NDArray[np.float32]:
    levels = low[:, :3].astype(np.float32) + high[:, :3] * np.float32(256)
    mins, maxs = columns(store, "means", "mins", 3), columns(store, "means", "maxs", 3)
    logs = mins + levels * ((maxs - mins) / 65535)
    return np.copysign(np.expm1(np.abs(logs)), logs).astype(np.float32)


def _quats(store: Store, texels: Texels) -> NDArray[np.float32]:
    largest = texels[:, 3].astype(np.intp) - 252
    store.check(bool((largest >= 0).all()), "quats: texels whose alpha is below 252", "252 to 255")
    quats = np.empty((len(texels), 4), np.float32)
    three = (texels[:, :3] * np.float32(2 / 255) - 1) * np.float32(math.sqrt(0.5))
    from_smallest_three(three, largest, quats)
    return quats


def _logits(store: Store, alpha: Texels) -> NDArray[np.float32]:
    if store.version == 2:
        return OPACITY_LOGITS[alpha]
    low, high = columns(store, "sh0", "mins", 4)[3], columns(store, "sh0", "maxs", 4)[3]
    return low + alpha * ((high - low) / np.float32(255))


def _sh(store: Store, degree: int, texture: dict[str, Texture]) -> NDArray[np.float32]:
    """SH coefficients (n, k, 3): the palette as rows of k − 1, looked up by label, then the mean colour before them."""
    n, k = store.n, (degree + 1) ** 2
    dc = store.values("sh0", texture["sh0"].texels(n)[:, :3])
    if degree == 0:
        return dc[:, None]
    centroids = store.centroids(texture["shN_centroids"].pixels)
    texels = texture["shN_labels"].texels(n)
    labels = texels[:, 0] + texels[:, 1].astype(np.intp) * 256
    store.check(not n or int(labels.max()) < len(centroids), "shN: labels beyond the palette", f"< {len(centroids)}")
    sh = np.pad(centroids, ((0, 0), (1, 0), (0, 0))).reshape(-1, 3 * k).take(labels, 0).reshape(n, k, 3)
    sh[:, 0] = dc
    return sh


def _recognises(path: Path, head: bytes) -> bool:
    if path.is_dir():
        return (path / "meta.json").is_file()
    if path.name.lower() in ("meta.json", "lod-meta.json"):
        return head.lstrip()[:1] == b"{"
    return head[:4] == b"PK\x03\x04" and not path.name.lower().endswith(".usdz")


def _write(path: Path, splats: Splats, up: Up) -> None:
    write(path, splats)


KEEPS = Keeps(max_degree=3, antialiased=True, order=False, precision=PRECISION)
FORMAT = SplatFormat("sog", (".sog", "meta.json"), KEEPS, _recognises, read, _write)

"""How textured meshes look from where they were never photographed: baked from most photos, compared with the others.

    scenekit capture mesh bunny.obj -o photos
    scenekit bench texture --truth photos                        # the true meshes: what baking can reach
    scenekit bench texture --truth photos --source run --mesh run/meshes/mesh.glb

Every 8th photo is held out. docs/evaluation.md has the protocol.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory

import numpy as np
import torch
import tyro
from numpy.typing import NDArray
from torch import Tensor

from scenekit.capture import split, undistorted
from scenekit.capture.capture import Capture, Photo
from scenekit.capture.opening import read_colmap
from scenekit.capture.saved import read_capture
from scenekit.capture.views import load_view
from scenekit.colors import encoded_srgb, linear_srgb
from scenekit.errors import InputError
from scenekit.evaluate import SSIM_WINDOW, psnr, ssim
from scenekit.io.images import write_image
from scenekit.io.mesh_files import read_mesh, write_mesh
from scenekit.meshes import Mesh, merge_meshes
from scenekit.pipelines.bench_surface import Truth, onto_truth, read_truth
from scenekit.render.meshes import MeshFrame, ray_scene, render_mesh
from scenekit.render.raycast import RayScene
from scenekit.surface.texture import TextureConfig, bake_each

MIN_PIXELS = 100
"""A view in which fewer pixels of an object count is left out of its score."""


@dataclass(frozen=True)
class Config:
    """What is measured."""

    truth: Path = Path("runs/demo/photos")
    """An embedded capture, with its truth."""
    source: Path | None = None
    """A run of it, whose cameras are used; the true ones if not given."""
    mesh: Path | None = None
    """Mesh of all objects in the frame of those cameras, textured anew; the true meshes if not given."""
    every: int = 8
    """Every how many-th photo is held out."""
    samples: int = 3
    """Rays per pixel along each side."""
    output: Path | None = None
    """Folder for the textured meshes and, side by side, photos and renders."""
    texture: tyro.conf.OmitArgPrefixes[TextureConfig] = field(default_factory=TextureConfig)
    """How the photos are baked."""


@dataclass(frozen=True)
class Look:
    """How one object looks in the held-out photos; means over the photos that show it."""

    psnr: float
    """Over the pixels that count [dB]."""
    ssim: float
    """Over the same."""
    psnr_gains: float
    """PSNR after each render was multiplied with the gains that fit its photo best, one per channel [dB]."""
    covered: float
    """Share of the object's pixels that count: those that the mesh covers."""
    photos: int
    """Held-out photos that show it."""


@dataclass(frozen=True)
class Result:
    """All of them."""

    looks: dict[str, Look]
    """By name of the object."""
    texels: int
    """Of all textures, on the surfaces."""
    unseen: float
    """Share of the texels that no photo shows."""
    seconds: float
    """Baking [s]."""

    @property
    def psnr(self) -> float:
        """Mean over the objects [dB]."""
        return fmean(look.psnr for look in self.looks.values())

    def __str__(self) -> str:
        rows = [*self.looks.items(), ("**mean**", mean_look(list(self.looks.values())))]
        lines = ["| object | PSNR [dB] | SSIM | PSNR with gains [dB] | covered |", "|---|---|---|---|---|"]
        lines += [
            f"| {name} | {look.psnr:.2f} | {look.ssim:.4f} | {look.psnr_gains:.2f} | {look.covered:.3f} |"
            for name, look in rows
        ]
        lines += ["", f"{self.texels} texels, {100 * self.unseen:.1f} % unseen, baked in {self.seconds:.1f} s"]
        return "\n".join(lines)


def run(config: Config) -> Result:
    """Measure; see the module.

    Raises:
        FileError: If the truth, the run or the mesh is missing.
        InputError: If no held-out photo shows an object.
    """
    truth = read_truth(config.truth)
    capture, meshes = _posed(config, truth)
    fixed = [mesh for k, mesh in enumerate(truth.meshes) if k not in truth.free] if config.mesh is None else []
    with TemporaryDirectory() as cache:
        capture = undistorted(capture, Path(cache))
        names, held_out = split(capture, every=config.every)
        start = time.perf_counter()
        seen = replace(capture, photos=[photo for photo in capture.photos if photo.name in names])
        baked = bake_each(meshes, seen, config.texture, occluders=fixed)
        seconds = time.perf_counter() - start
        mesh = merge_meshes([textured for textured, _ in baked])
        looks = _looks(mesh, truth, [photo for photo in capture.photos if photo.name in held_out], config)
    if config.output is not None:
        write_mesh(config.output / "mesh.glb", mesh)
    texels = sum(report.texels for _, report in baked)
    unseen = sum(report.unseen * report.texels for _, report in baked) / texels
    return Result(looks, texels, unseen, round(seconds, 2))


def _posed(config: Config, truth: Truth) -> tuple[Capture, list[Mesh]]:
    """The photos, and the meshes that are to be textured, in the frame of the truth."""
    if config.source is None:
        T, capture = np.eye(4), read_colmap(config.truth / "truth" / "colmap", images=config.truth / "images")
    else:
        T, capture = onto_truth(read_capture(config.source), config.truth)
    if config.mesh is None:
        return capture, truth.objects
    return capture, [read_mesh(config.mesh).transform(torch.from_numpy(T))]


def _looks(mesh: Mesh, truth: Truth, photos: list[Photo], config: Config) -> dict[str, Look]:
    true_scene = RayScene([(part.vertices.numpy(), part.faces.numpy()) for part in truth.meshes])
    scene, views = ray_scene(mesh), {k: list[Look]() for k in truth.free}
    for photo in photos:
        target, things = load_view(photo).image.float() / 255, torch.from_numpy(whole_pixels(true_scene, photo))
        made = render_mesh(mesh, photo.camera, photo.T_world_cam, samples=config.samples, scene=scene)
        for k in truth.free:
            true, counts = things == k, (things == k) & (made.alpha > 0.999)
            if int(counts.sum()) >= MIN_PIXELS:
                views[k].append(compared(made.rgb, target, counts, float(counts.sum() / true.sum())))
        if config.output is not None:
            _show(config.output / f"{Path(photo.name).stem}.png", target, made)
    unseen = [truth.names[k] for k, looks in views.items() if not looks]
    if unseen:
        raise InputError("held out", got=f"no photo with {MIN_PIXELS} pixels of {unseen}", wanted="one at least")
    return {truth.names[k]: mean_look(looks) for k, looks in views.items()}


def whole_pixels(scene: RayScene, photo: Photo) -> NDArray[np.int64]:
    """Number of the thing that each pixel shows; -1 where it shows several or none, shape (h, w)."""
    camera = photo.camera
    fine = scene.frame(camera.resized(3 * camera.width, 3 * camera.height), photo.T_world_cam).mesh
    blocks = fine.reshape(camera.height, 3, camera.width, 3)
    low, high = blocks.min((1, 3)), blocks.max((1, 3))
    return np.where(low == high, low, -1)


def compared(image: Tensor, target: Tensor, counts: Tensor, covered: float) -> Look:
    """One render against one photo, where pixels count."""
    rows, columns = (torch.nonzero(counts.any(axis))[:, 0] for axis in (1, 0))
    # All that SSIM's windows reach.
    box = tuple(slice(max(0, int(x[0]) - SSIM_WINDOW), int(x[-1]) + 1 + SSIM_WINDOW) for x in (rows, columns))
    image, target, counts = image[box], target[box], counts[box]
    light, wanted = (torch.from_numpy(linear_srgb(x.double().numpy())) for x in (image, target))
    gains = (light * wanted)[counts].sum(0) / light.square()[counts].sum(0).clamp(min=1e-9)
    fitted = torch.from_numpy(encoded_srgb((light * gains).clamp(0, 1).numpy())).float()
    return Look(
        psnr=float(psnr(image, target, mask=counts)),
        ssim=float(ssim(image, target, mask=counts)),
        psnr_gains=float(psnr(fitted, target, mask=counts)),
        covered=covered,
        photos=1,
    )


def mean_look(looks: Sequence[Look]) -> Look:
    """The mean of each number, over all photos together."""

    def mean(key: str) -> float:
        return fmean(getattr(look, key) for look in looks)

    photos = sum(look.photos for look in looks)
    return Look(mean("psnr"), mean("ssim"), mean("psnr_gains"), mean("covered"), photos)


def _show(file: Path, target: Tensor, made: MeshFrame) -> None:
    """Photo and render side by side; where there is no mesh, the photo shows, darkened."""
    file.parent.mkdir(parents=True, exist_ok=True)
    both = torch.cat([target, torch.where(made.alpha[..., None] > 0.999, made.rgb, 0.4 * target)], 1)
    write_image(file, np.round(255 * both.numpy()).astype(np.uint8))

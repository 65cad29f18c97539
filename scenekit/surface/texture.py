"""Texture: what a mesh looks like, from photos that know where they were taken.

    textured, report = bake(mesh, undistorted(capture, "cache"))
    write_mesh("mug.glb", textured)

Each texel is a point of the surface; the photos that see it by ray casting vote by angle, distance and closeness to
edges, after their exposures were brought to one (`exposure`); what no photo saw is filled smoothly from around it.

Letters: n points, k samples of each, h w texture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
import torch
from scipy.spatial import cKDTree

from scenekit.cameras import Array
from scenekit.capture.capture import Capture
from scenekit.colors import encoded_srgb
from scenekit.errors import InputError
from scenekit.meshes import Mesh
from scenekit.render.raycast import RayScene
from scenekit.surface.atlas import Texels, painted, surface_texels, unwrap
from scenekit.surface.photo_samples import CHUNK, Floats, SampleConfig, Samples, best_samples, linear_light

NEIGHBOURS, SOURCES = 12, 100_000
"""Points that an unseen one is filled from, and at most how many are there to choose from."""

UNKNOWN = 0.5
"""Display value of a mesh that no photo shows."""

LIFT = 5e-4
"""How far visibility rays start off the surface, as a share of the mesh's diagonal: a fold is not a shadow."""


@dataclass(frozen=True)
class TextureConfig:
    """Options of `bake`."""

    texel: float | None = None
    """Size of a texel on the surface [m]; None takes half the median size of the photos' pixels there."""
    max_side: int = 4096
    """Longest side of the texture [px]."""
    samples: SampleConfig = field(default_factory=SampleConfig)
    """How the photos' samples are weighted and blended."""


class TextureReport(NamedTuple):
    """What came out."""

    size: tuple[int, int]
    """Width and height of the texture [px]; (0, 0) for vertex colours."""
    texels: int
    """Texels on the surface, or vertices."""
    unseen: float
    """Share of them that no photo shows; filled from around."""
    photos: int
    """Photos that show any."""
    outliers: float
    """Share of the samples that disagreed with the others and were left out."""
    gains: dict[str, tuple[float, float, float]]
    """Exposure and white balance of each photo in linear light, red, green, blue; their geometric mean is 1."""


def bake(
    mesh: Mesh, capture: Capture, config: TextureConfig | None = None, *, occluders: Sequence[Mesh] = ()
) -> tuple[Mesh, TextureReport]:
    """The mesh with a texture from the photos, on a new atlas.

    Args:
        mesh: In the capture's world [m]; a texture, vertex colours or base colour that it has are replaced.
        capture: Undistorted (`scenekit.capture.undistorted`).
        config: Options.
        occluders: Other surfaces that hide parts of the mesh from photos, such as the other objects.

    Raises:
        InputError: If the mesh has no surface, no photo sees it, or a photo has lens distortion.
        FileError: If a photo cannot be read.
    """
    return bake_each([mesh], capture, config, occluders=occluders)[0]


def bake_each(
    meshes: Sequence[Mesh], capture: Capture, config: TextureConfig | None = None, *, occluders: Sequence[Mesh] = ()
) -> list[tuple[Mesh, TextureReport]]:
    """The meshes with a texture each, in one pass over the photos; they hide parts of each other. See `bake`.

    Raises:
        InputError: As `bake`; some photo must see some mesh.
        FileError: As `bake`.
    """
    config = config or TextureConfig()
    flats = [
        unwrap(
            replace(mesh, vertex_colors=None),
            texel=config.texel if config.texel is not None else 0.5 * pixel_size(mesh, capture),
            max_side=config.max_side,
        )
        for mesh in meshes
    ]
    texels = [surface_texels(flat) for flat in flats]
    places = [_points_and_normals(flat, own) for flat, own in zip(flats, texels, strict=True)]
    ends = np.cumsum([len(own.index) for own in texels])[:-1]
    points, normals = (np.concatenate(column) for column in zip(*places, strict=True))
    lifts = np.concatenate([np.full(len(own.index), _lift(mesh)) for mesh, own in zip(meshes, texels, strict=True)])
    samples = _sampled([*meshes, *occluders], points, normals, capture, config.samples, lifts)
    colors, outliers = blended(samples, config.samples)
    baked = []
    for flat, own, part, at in zip(flats, texels, np.split(np.arange(len(points)), ends), places, strict=True):
        assert flat.texture is not None  # unwrap makes one
        h, w = flat.texture.shape[:2]
        own_colors, own_samples = colors[part], samples[part]
        _fill_unseen(own_colors, at[0], own_samples.seen)
        texture = painted(np.round(own_colors * 255).astype(np.uint8), own, h, w)
        rgba = np.concatenate([texture, np.full((h, w, 1), 255, np.uint8)], 2)
        mesh = replace(flat, texture=torch.from_numpy(rgba), base_color=(1.0, 1.0, 1.0, 1.0))
        baked.append((mesh, _report(own_samples, capture, (w, h), outliers)))
    return baked


def vertex_colors(
    mesh: Mesh, capture: Capture, config: SampleConfig | None = None, *, occluders: Sequence[Mesh] = ()
) -> tuple[Mesh, TextureReport]:
    """The mesh with vertex colours from the photos, by the same weights; it loses its texture.

    Raises:
        InputError: As `bake`.
        FileError: As `bake`.
    """
    config = config or SampleConfig()
    points, normals = mesh.vertices.numpy(), vertex_normals(mesh)
    samples = _sampled([mesh, *occluders], points, normals, capture, config, np.full(len(points), _lift(mesh)))
    colors, outliers = blended(samples, config)
    _fill_unseen(colors, points, samples.seen)
    rgba = np.full((len(points), 4), 255, np.uint8)
    rgba[:, :3] = np.round(colors * 255)
    colored = replace(mesh, vertex_colors=torch.from_numpy(rgba), uvs=None, texture=None, base_color=(1.0,) * 4)
    return colored, _report(samples, capture, (0, 0), outliers)


def pixel_size(mesh: Mesh, capture: Capture) -> float:
    """Median size of the photos' pixels at the distance of the mesh [m]."""
    centre = mesh.vertices.double().mean(0).numpy()
    distances = np.linalg.norm(capture.centres - centre, axis=1)
    return float(np.median([d / p.camera.fx for d, p in zip(distances, capture.photos, strict=True)]))


def vertex_normals(mesh: Mesh) -> Floats:
    """Unit normals of the vertices, their faces' weighted by area and shared across seams, shape (v, 3)."""
    vertices, faces = mesh.vertices.double().numpy(), mesh.faces.numpy()
    _, place = np.unique(vertices, axis=0, return_inverse=True)
    place = place.reshape(-1)
    corners = vertices[faces]
    areas = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    sums = np.zeros((int(place.max(initial=0)) + 1, 3))
    for k in range(3):
        np.add.at(sums, place[faces[:, k]], areas)
    sums /= np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-30)
    return sums[place].astype(np.float32)


def blended(samples: Samples, config: SampleConfig) -> tuple[Floats, float]:
    """Display colours 0..1 of all points, zero for unseen ones, shape (n, 3), and the share of outliers.

    The weight of the first sample that is not blended is taken off all the others', so that a sample enters and leaves
    at weight zero and shows no seam.
    """
    n = len(samples.weights)
    colors, dropped, total = np.zeros((n, 3), np.float32), 0, 0
    for start in range(0, n, CHUNK // 4):
        part = slice(start, start + CHUNK // 4)
        weights = samples.weights[part]
        weights = weights - np.where((weights > 0).all(1), 0.999 * weights.min(1), 0)[:, None] * (weights > 0)
        light = linear_light(samples.colors[part]) / samples.gains[samples.photos[part]]
        shown = encoded_srgb(light.clip(0, 1)).astype(np.float32)
        there = weights > 0
        far = np.abs(shown - _weighted_median(shown, np.sqrt(weights))[:, None]).max(-1) > config.outlier
        far &= there & (there.sum(1) > 2)[:, None]
        dropped, total = dropped + int(far.sum()), total + int(there.sum())
        weights = np.where(far, 1e-6 * weights, weights)  # where all disagree, their mean is still the best guess
        colors[part] = np.einsum("nk,nkc->nc", weights, shown) / np.maximum(weights.sum(1), 1e-30)[:, None]
    return colors, dropped / max(total, 1)


def _weighted_median(values: Floats, weights: Floats) -> Floats:
    """Weighted median of each point and channel, shape (n, 3), of values (n, k, 3) with weights (n, k)."""
    order = values.argsort(1)
    below = np.take_along_axis(weights[..., None].repeat(3, 2), order, 1).cumsum(1)
    middle = (below < 0.5 * below[:, -1:]).sum(1, keepdims=True)
    median: Floats = np.take_along_axis(np.take_along_axis(values, order, 1), middle, 1)[:, 0]
    return median


def _points_and_normals(mesh: Mesh, texels: Texels) -> tuple[Floats, Floats]:
    corners, weights = mesh.faces.numpy()[texels.face], texels.weights
    points = np.einsum("nkc,nk->nc", mesh.vertices.numpy()[corners], weights)
    normals = np.einsum("nkc,nk->nc", vertex_normals(mesh)[corners], weights)
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-9)
    return points, normals


def _lift(mesh: Mesh) -> float:
    return LIFT * float((mesh.vertices.amax(0) - mesh.vertices.amin(0)).norm())


def _sampled(
    meshes: Sequence[Mesh], points: Floats, normals: Floats, capture: Capture, config: SampleConfig, lifts: Array
) -> Samples:
    scene = RayScene([(part.vertices.numpy(), part.faces.numpy()) for part in meshes])
    samples = best_samples(points, normals, capture, scene, config, lift=lifts.astype(np.float32))
    if not samples.seen.any():
        hint = "Are the mesh and the photos in the same world, and do its faces point outwards?"
        raise InputError("mesh", got="no photo that sees it", wanted="at least one", hint=hint)
    return samples


def _fill_unseen(colors: Floats, points: Floats, seen: np.ndarray) -> None:
    """Gives unseen points the mean of the nearest seen ones, weighted by 1 / distance², in place."""
    unseen = np.flatnonzero(~seen)
    known = np.flatnonzero(seen)
    if not len(known):
        colors[:] = UNKNOWN
        return
    known = known[:: max(1, len(known) // SOURCES)]
    tree = cKDTree(points[known])
    count = min(NEIGHBOURS, len(known))
    for start in range(0, len(unseen), CHUNK):
        part = unseen[start : start + CHUNK]
        distance, near = tree.query(points[part], k=[*range(1, count + 1)], workers=-1)
        weights = 1 / np.maximum(distance, 1e-9) ** 2
        colors[part] = np.einsum("nk,nkc->nc", weights, colors[known[near]]) / weights.sum(1, keepdims=True)


def _report(samples: Samples, capture: Capture, size: tuple[int, int], outliers: float) -> TextureReport:
    used = np.flatnonzero(np.bincount(samples.photos[samples.weights > 0]))  # np.unique would take seconds
    gains = {
        photo.name: (float(r), float(g), float(b))
        for photo, (r, g, b) in zip(capture.photos, samples.gains, strict=True)
    }
    return TextureReport(size, len(samples.weights), float(1 - samples.seen.mean()), len(used), outliers, gains)

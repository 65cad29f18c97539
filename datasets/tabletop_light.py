"""Light in the room, computed once: a radiance per texel from area lights and three bounces; photos look it up.

Letters: n rays, k texels of a light map, l light samples, b bounce samples, f faces. Light is linear, units arbitrary.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from scenekit.cameras import Array
from scenekit.datasets.tabletop_objects import Thing
from scenekit.datasets.tabletop_pyramids import Pyramids, footprints
from scenekit.datasets.tabletop_shapes import Patch, welded
from scenekit.datasets.tabletop_textures import Canvas
from scenekit.render.raycast import Hits, RayScene

Floats = NDArray[np.floating]
Ints = NDArray[np.int64]

LIFT = 4e-4
"""How far rays start off their surface [m]."""


class LitScene:
    """Things with their textures lit. Building it paints, casts shadows and bounces light; `radiance` is then cheap."""

    def __init__(
        self, things: Sequence[Thing], rng: np.random.Generator, *, light_samples: int = 64, bounce_samples: int = 64,
        detail: float = 1.0, progress: Callable[[str], None] = lambda stage: None,
    ):  # fmt: skip
        self.things = list(things)
        progress("shapes")
        self._build_meshes()
        progress("textures")
        paints = [self._painted(thing, patch, detail, rng) for thing, patch in self._patches]
        self._build_light_maps(detail)
        progress("shadows")
        irradiance = self._direct(rng, light_samples)
        progress("bounces")
        irradiance = self._bounced(irradiance, paints, rng, bounce_samples)
        self._build_pyramids(paints, irradiance)

    def radiance(self, origins: Floats, directions: Floats, *, spread: float, dither: Floats) -> Floats:
        """Light that arrives along rays, with one mirror reflection, shape (n, 3).

        Args:
            origins: [m], shape (n, 3).
            directions: Of any length, shape (n, 3).
            spread: Width of a ray's footprint per length of its direction [m]; chooses the texture level.
            dither: Offsets 0..1 that spread neighbouring rays over two levels, shape (n,).
        """
        hits = self.rays.cast(origins, directions)
        light = self._looked_up(hits, directions, spread, dither)
        specular = self._specular[hits.face] * (hits.mesh >= 0)
        shiny = np.flatnonzero(specular > 0)
        if len(shiny):
            mirrored, share = self._mirrored(hits, origins, directions, shiny, spread, dither)
            light[shiny] += share[:, None] * (mirrored - light[shiny])
        return light

    def _build_meshes(self) -> None:
        meshes, owners, uvs, normals = [], [], [], []
        self._patches: list[tuple[Thing, Patch]] = []
        for thing in self.things:
            vertices, faces, smooth = welded(thing.shape)
            rotation = thing.pose[:3, :3]
            meshes.append((vertices @ rotation.T + thing.pose[:3, 3], faces))
            smooth, start = smooth @ rotation.T, 0
            for patch in thing.shape:
                rows, columns = patch.points.shape[:2]
                u, v = np.meshgrid(*patch.uv)
                corners = patch.faces
                uvs.append(np.stack([u, v], -1).reshape(-1, 2)[corners])
                normals.append(smooth[start + corners])
                owners.append(np.full(len(corners), len(self._patches)))
                start += rows * columns
                self._patches.append((thing, patch))
        self.meshes = meshes
        self.rays = RayScene(meshes)
        self._owner = np.concatenate(owners)
        self._uv = np.concatenate(uvs).astype(np.float32)
        self._normal = np.concatenate(normals).astype(np.float32)
        self._specular = np.array([thing.specular for thing, _ in self._patches], np.float32)[self._owner]

    def _painted(self, thing: Thing, patch: Patch, detail: float, rng: np.random.Generator) -> Tensor:
        """Reflectance of a patch, shape (h, w, 3)."""
        width, height = map(_halvable, _texels(patch, thing.texel / detail, 4, 4096))
        canvas = Canvas(
            patch.name, width, height, max(patch.size) / max(width, height),
            lambda: patch.resampled(width, height).astype(np.float32), rng,
        )  # fmt: skip
        return torch.from_numpy(np.ascontiguousarray(thing.painter(canvas), dtype=np.float32)).clamp(0.01, 0.92)

    def _build_light_maps(self, detail: float) -> None:
        """Sizes, positions and normals of all light-map texels."""
        positions, normals, self._map_size = [], [], []
        for number, (thing, patch) in enumerate(self._patches):
            width, height = _texels(patch, thing.light_texel / detail, 2, 512)
            self._map_size.append((height, width))
            at = patch.resampled(width, height).reshape(-1, 3)
            positions.append(at @ thing.pose[:3, :3].T + thing.pose[:3, 3])
            normals.append(self._grid_normals(number, patch, width, height))
        self._position = np.concatenate(positions).astype(np.float32)
        self._facing = np.concatenate(normals).astype(np.float32)
        self._map_start = np.cumsum([0] + [h * w for h, w in self._map_size])

    def _grid_normals(self, number: int, patch: Patch, width: int, height: int) -> Array:
        thing = self._patches[number][0]
        tilt_down, tilt_right = np.gradient(patch.resampled(2 * width + 1, 2 * height + 1), axis=(0, 1))
        normals = np.cross(tilt_down, tilt_right)[1::2, 1::2].reshape(-1, 3)
        normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
        return normals @ thing.pose[:3, :3].T

    def _direct(self, rng: np.random.Generator, samples: int) -> Tensor:
        """Irradiance from the lamps with soft shadows, shape (k, 3): the mean of L cosθ cosθ' A / r² over each lamp."""
        total = np.zeros((len(self._position), 3), np.float32)
        for thing in self.things:
            if thing.radiance is None:
                continue
            corner, right, down = _parallelogram(thing)
            area_normal = np.cross(down, right).astype(np.float32)
            side = int(samples**0.5)
            received = np.zeros(len(total), np.float32)
            for number in range(side * side):
                jitter = rng.random((len(total), 2), dtype=np.float32)
                s = (jitter + np.array([number % side, number // side], np.float32)) / np.float32(side)
                toward = s @ np.array([right, down], np.float32) + (corner.astype(np.float32) - self._position)
                here, there = np.einsum("kc,kc->k", self._facing, toward), -(toward @ area_normal)
                lit = np.flatnonzero((here > 0) & (there > 0))
                falloff = here * there / np.einsum("kc,kc->k", toward, toward) ** 2
                start = self._position[lit] + LIFT * self._facing[lit]
                lit = lit[~self.rays.blocked(start, toward[lit], reach=0.998)]
                received[lit] += falloff[lit] / side**2
            # No lamp gives more than π L; the estimate does, close to it.
            total += np.outer(np.minimum(received, np.pi), thing.radiance).astype(np.float32)
        return torch.from_numpy(total)

    def _bounced(self, direct: Tensor, paints: list[Tensor], rng: np.random.Generator, samples: int) -> Tensor:
        """Adds three bounces: E = E_direct + π mean(B) over cosine-distributed rays, B = ρ E / π, shape (k, 3)."""
        averages = [_averaged(p.numpy(), *size) for p, size in zip(paints, self._map_size, strict=True)]
        colour = torch.from_numpy(np.concatenate([average.reshape(-1, 3) for average in averages]))
        side = int(samples**0.5)
        seen = torch.stack([self._seen(rng, number, side) for number in range(side * side)])
        bounced = torch.zeros_like(direct)
        for _ in range(3):
            glow = colour * (direct + bounced)
            # One sample direction at a time: the order of the sum is fixed, whatever the number of threads.
            bounced = sum((glow.index_select(0, index) for index in seen), torch.zeros_like(direct)) / len(seen)
            bounced = self._smoothed(bounced)
        return self._smoothed(direct, strength=0.5) + bounced

    def _seen(self, rng: np.random.Generator, number: int, side: int) -> Tensor:
        """Light-map texel that a chance ray from each texel meets, cosine-distributed in one stratum, shape (k,)."""
        count = len(self._position)
        s = (
            rng.random((count, 2), dtype=np.float32) + np.array([number % side, number // side], np.float32)
        ) / np.float32(side)
        # A point spread evenly on the sphere, added to the normal, gives a cosine distribution.
        height, angle = 2 * s[:, 0] - 1, np.float32(2 * np.pi) * s[:, 1]
        radius = np.sqrt(1 - height**2)
        sphere = np.stack([radius * np.cos(angle), radius * np.sin(angle), height], 1)
        hits = self.rays.cast(self._position + LIFT * self._facing, sphere + 1.0005 * self._facing)
        patch = self._owner[hits.face]
        uv = np.einsum("nkc,nk->nc", self._uv[hits.face], hits.weights)
        height, width = np.array(self._map_size, np.int64)[patch].T
        column = np.clip((uv[:, 0] * width).astype(np.int64), 0, width - 1)
        row = np.clip((uv[:, 1] * height).astype(np.int64), 0, height - 1)
        return torch.from_numpy(self._map_start[patch] + row * width + column)

    def _smoothed(self, values: Tensor, *, strength: float = 1.0) -> Tensor:
        """Each light map blurred by (1, 2, 1)/4 both ways, shape (k, 3): takes the samples' noise out."""
        result = np.empty_like(values.numpy())
        for start, (h, w) in zip(self._map_start, self._map_size, strict=False):
            image = values.numpy()[start : start + h * w].reshape(h, w, 3)
            for axis in (0, 1):
                ahead = np.concatenate([image.take(range(1, image.shape[axis]), axis), image.take([-1], axis)], axis)
                behind = np.concatenate([image.take([0], axis), image.take(range(image.shape[axis] - 1), axis)], axis)
                image = image + strength * (ahead + behind - 2 * image) / 4
            result[start : start + h * w] = image.reshape(-1, 3)
        return torch.from_numpy(result)

    def _build_pyramids(self, paints: list[Tensor], irradiance: Tensor) -> None:
        """Radiance textures: reflectance × irradiance / π, or what a lamp gives."""
        maps = irradiance.split([h * w for h, w in self._map_size])
        textures = []
        for (thing, _), paint, part, (h, w) in zip(self._patches, paints, maps, self._map_size, strict=True):
            planes = part.reshape(1, h, w, 3).permute(0, 3, 1, 2)
            light = torch.nn.functional.interpolate(planes, paint.shape[:2], mode="bilinear", align_corners=False)
            texture = paint * light[0].permute(1, 2, 0) / torch.pi
            textures.append(texture if thing.radiance is None else texture * 0 + torch.tensor(thing.radiance))
        sizes = [max(p.size) / max(t.shape[:2]) for (_, p), t in zip(self._patches, paints, strict=True)]
        self._pyramids = Pyramids(textures, sizes)

    def _looked_up(self, hits: Hits, directions: Floats, spread: float, dither: Floats) -> Floats:
        """Diffuse and emitted radiance at the hits, bilinear in the level that fits the footprint, shape (n, 3)."""
        uv = np.einsum("nkc,nk->nc", self._uv[hits.face], hits.weights)
        widths = footprints(hits.distance, directions, hits.normals, spread)
        light = self._pyramids.looked_up(self._owner[hits.face], uv, widths, dither)
        light[hits.mesh < 0] = 0
        return light

    def _mirrored(
        self, hits: Hits, origins: Floats, directions: Floats, shiny: Ints, spread: float, dither: Floats
    ) -> tuple[Floats, Floats]:
        """Radiance from the mirror direction and its share (Schlick 1994): F0 + (1 - F0)(1 - cosθ)⁵."""
        face = hits.face[shiny]
        normal = np.einsum("nkc,nk->nc", self._normal[face], hits.weights[shiny])
        normal /= np.linalg.norm(normal, axis=1, keepdims=True)
        ray = directions[shiny] / np.linalg.norm(directions[shiny], axis=1, keepdims=True)
        cosine = np.maximum(-(ray * normal).sum(1), 0.0)
        out = (ray + 2 * cosine[:, None] * normal).astype(np.float32)
        at = origins[shiny] + hits.distance[shiny, None] * directions[shiny] + LIFT * normal
        found = self.rays.cast(at, out)
        light = self._looked_up(found, out, 4 * spread, dither[shiny])
        share = self._specular[face] + (1 - self._specular[face]) * (1 - cosine) ** 5
        return light, share.astype(np.float32)


def _texels(patch: Patch, texel: float, low: int, high: int) -> tuple[int, int]:
    """Width and height of a patch's texture; undersides, which no photo shows, get a coarse one."""
    coarser = 6 if patch.name == "bottom" else 1
    width, height = (int(np.clip(size / texel / coarser, low, high)) for size in patch.size)
    return width, height


def _halvable(count: int) -> int:
    """The next number of texels that can be halved again and again down to a few: levels then line up exactly."""
    step = 2 ** max(0, count.bit_length() - 3)
    return -(-count // step) * step


def _parallelogram(thing: Thing) -> tuple[Array, Array, Array]:
    """First corner and edges (right, down) of a flat lamp [m], in the world."""
    points = thing.shape[0].points
    R = thing.pose[:3, :3]
    corner = R @ points[0, 0] + thing.pose[:3, 3]
    return corner, R @ (points[0, -1] - points[0, 0]), R @ (points[-1, 0] - points[0, 0])


def _averaged(image: Floats, height: int, width: int) -> Floats:
    """An image of shape (h, w, 3) shrunk to (height, width, 3) by the mean over each new pixel."""
    for axis, count in enumerate((height, width)):
        starts = np.arange(count) * image.shape[axis] // count
        sizes = np.maximum(np.diff([*starts, image.shape[axis]]), 1)
        image = np.add.reduceat(image, starts, axis) / np.expand_dims(sizes, tuple({0, 1, 2} - {axis})).astype(
            np.float32
        )
    return image

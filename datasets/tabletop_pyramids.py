"""Textures with their halved levels, looked up where rays meet surfaces. Letters: n rays, h w texture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Floats = NDArray[np.floating]
Ints = NDArray[np.int64]


class Pyramids:
    """All levels of all textures, in one flat array of texels; a level is halved while its sides are even.

    Args:
        textures: Row 0 at v = 0, each of shape (h, w, 3).
        sizes: Size of a texel of each [m].
        most: Most levels of each.
    """

    def __init__(self, textures: Sequence[Tensor], sizes: Sequence[float], *, most: int = 16):
        texels: list[Tensor] = []
        shapes: list[tuple[int, int]] = []
        first = []
        for texture in textures:
            first.append(len(shapes))
            level = texture
            while True:
                texels.append(level.reshape(-1, 3))
                shapes.append((level.shape[0], level.shape[1]))
                rows, columns = level.shape[0] // 2, level.shape[1] // 2
                whole = min(rows, columns) >= 2 and level.shape[:2] == (2 * rows, 2 * columns)
                if not whole or len(shapes) - first[-1] == most:
                    break
                level = level.reshape(rows, 2, columns, 2, 3).mean((1, 3))
        self._texels = torch.cat(texels)
        self._height, self._width = np.array(shapes, np.int32).T
        self._start = np.cumsum([0, *(h * w for h, w in shapes[:-1])]).astype(np.int32)
        self._first = np.array(first, np.int32)
        self._count = np.diff([*first, len(shapes)]).astype(np.int32)
        self._size = np.array(sizes, np.float32)

    def looked_up(self, texture: Ints, uv: Floats, footprint: Floats, dither: Floats) -> Floats:
        """Bilinear in the level that fits the footprint, shape (n, 3).

        Args:
            texture: Number of the texture, shape (n,).
            uv: Texture coordinates, v down, shape (n, 2).
            footprint: Width of the rays on the surface [m], shape (n,).
            dither: Offsets 0..1 that spread neighbouring rays over two levels, shape (n,).
        """
        fine = np.floor(np.log2(np.maximum(footprint / self._size[texture], 1e-3)) + dither).astype(np.int32)
        level = self._first[texture] + np.clip(fine, 0, self._count[texture] - 1)
        width, height, start = self._width[level], self._height[level], self._start[level]
        x = np.clip(uv[:, 0] * width - 0.5, 0, width - 1.001)
        y = np.clip(uv[:, 1] * height - 0.5, 0, height - 1.001)
        column, row = x.astype(np.int32), y.astype(np.int32)
        a, b = (
            torch.from_numpy((x - column).astype(np.float32))[:, None],
            torch.from_numpy((y - row).astype(np.float32))[:, None],
        )
        corner = torch.from_numpy(start + row * width + column)
        below = corner + torch.from_numpy(width)
        top = torch.lerp(self._texels.index_select(0, corner), self._texels.index_select(0, corner + 1), a)
        bottom = torch.lerp(self._texels.index_select(0, below), self._texels.index_select(0, below + 1), a)
        light: Floats = torch.lerp(top, bottom, b).numpy()
        return light


def footprints(distance: Floats, directions: Floats, normals: Floats, spread: float) -> Floats:
    """Width of rays on the surfaces they meet [m], the geometric mean of both axes; 0 where they meet none, shape (n,).

    Args:
        distance: In lengths of the direction, infinite for none, shape (n,).
        directions: Of the rays, of any length, shape (n, 3).
        normals: Unit normals of the surfaces, shape (n, 3).
        spread: Width of a ray per length of its direction [m].
    """
    slant = np.abs(np.einsum("nc,nc->n", normals, directions)) / np.linalg.norm(directions, axis=1)
    width: Floats = np.where(np.isfinite(distance), distance, 0) * spread / np.sqrt(np.maximum(slant, 0.05))
    return width

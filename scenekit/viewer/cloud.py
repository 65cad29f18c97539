"""A cloud of Gaussians in the browser, of which only the pieces that changed are sent. Letters: n Gaussians."""

from __future__ import annotations

import numpy as np
import torch
import viser
from torch import Tensor

from scenekit.splats import Splats
from scenekit.viewer.splat_buffers import PIECE, Keys, packed, row_keys, runs

CRUMBS = 3
"""The cloud is cut anew once it has this many times the pieces it needs: edits leave crumbs, and each has its cost."""


class Cloud:
    """Splats that are drawn, in their own frame.

    Gaussians are told apart by what they look like, not by where they stand in the cloud. So whatever an edit and its
    undo do, what looks as before stays in the piece it is in, and what is new makes pieces of its own.

    Args:
        api: Where to draw.
        name: Of the node whose children the pieces are.
        size: Most Gaussians of a piece.
    """

    def __init__(self, api: viser.SceneApi, name: str, *, size: int = PIECE):
        self._api, self._name, self._size = api, name, size
        self.pieces: dict[int, viser.GaussianSplatHandle] = {}
        """Those that are drawn, by number."""
        self._keys, self._piece_of = np.zeros(0, np.uint64), np.zeros(0, np.int64)
        self._sums: dict[int, np.uint64] = {}
        self._next = 0

    def draw(self, splats: Splats) -> int:
        """Bring the browser to `splats`; returns how many Gaussians were sent."""
        keys = row_keys(splats)
        piece_of = self._known(keys)
        if len(self.pieces) > CRUMBS * (1 + len(splats) // self._size):
            piece_of[:] = -1
        changed = self._changed(keys, piece_of)
        for rows in runs(splats, torch.from_numpy(np.flatnonzero(piece_of < 0)), self._size):
            piece_of[rows.numpy()] = self._next
            changed[self._next] = rows
            self._next += 1
        for number, rows in changed.items():
            self._send(number, splats, rows)
            self._sums[number] = keys[rows.numpy()].sum()
        order = np.argsort(keys, kind="stable")
        self._keys, self._piece_of = keys[order], piece_of[order]
        return sum(len(rows) for rows in changed.values())

    def remove(self) -> None:
        """Take it away."""
        for handle in self.pieces.values():
            handle.remove()
        self.pieces.clear()

    def _known(self, keys: Keys) -> np.ndarray:
        """The piece that each Gaussian is drawn in, −1 for none, shape (n,)."""
        if not len(self._keys):
            return np.full(len(keys), -1)
        at = np.searchsorted(self._keys, keys).clip(max=len(self._keys) - 1)
        return np.where(self._keys[at] == keys, self._piece_of[at], -1)

    def _changed(self, keys: Keys, piece_of: np.ndarray) -> dict[int, Tensor]:
        """Pieces that lost Gaussians, and the rows that are left of them; those that lost all are taken away."""
        order = np.argsort(piece_of, kind="stable")
        numbers, starts = np.unique(piece_of[order], return_index=True)
        left = dict(zip(numbers.tolist(), np.split(order, starts[1:]), strict=False)) if len(keys) else {}
        left.pop(-1, None)
        for number in [number for number in self.pieces if number not in left]:
            self.pieces.pop(number).remove()
            del self._sums[number]
        return {
            number: torch.from_numpy(rows) for number, rows in left.items() if keys[rows].sum() != self._sums[number]
        }

    def _send(self, number: int, splats: Splats, rows: Tensor) -> None:
        piece = packed(splats, rows)
        # Adding it again under the same name, rather than changing its buffer, lets viser forget what it sent before.
        self.pieces[number] = self._api.add_gaussian_splats(
            f"{self._name}/{number}", piece.centers, piece.covariances, piece.rgbs, piece.opacities, scale=piece.scale
        )

"""Views: undistorted photos as tensors, ready for fitting and evaluation. Letters: h w image."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class View:
    """One pinhole photo in memory."""

    name: str
    """Name of the photo."""
    image: Tensor
    """Colours 0..255, uint8, shape (h, w, 3)."""
    K: Tensor
    """Pinhole matrix [px], float32, shape (3, 3)."""
    viewmat: Tensor
    """World to camera, float32, shape (4, 4)."""
    mask: Tensor | None = None
    """True where the pixel counts, bool, shape (h, w)."""

    @property
    def width(self) -> int:
        """Image width [px]."""
        return self.image.shape[1]

    @property
    def height(self) -> int:
        """Image height [px]."""
        return self.image.shape[0]

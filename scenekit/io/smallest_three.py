"""What the compact splat formats share: opacities as bytes, and rotations as their smallest three components."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

OPACITY_LOGITS = np.log((p := np.clip(np.arange(256) / 255, 0.25 / 255, 1 - 0.25 / 255)) / (1 - p)).astype(np.float32)
"""Logit of each opacity byte. 0 and 255 stand for all that rounds to them, and are taken a quarter of a step inside."""


def to_bytes(values: NDArray[np.floating]) -> NDArray[np.uint8]:
    """The nearest integers within 0..255."""
    return np.rint(np.clip(values, 0, 255)).astype(np.uint8)


def unit_quaternions(quats: NDArray[np.floating]) -> NDArray[np.floating]:
    """Quaternions (n, 4) of length 1; zero, which is no rotation, becomes the identity."""
    length = np.sqrt(np.square(quats).sum(1, keepdims=True))
    return np.where(length > 0, quats, np.array([1, 0, 0, 0], quats.dtype)) / np.where(length > 0, length, 1)


def smallest_three(quats: NDArray[np.floating]) -> tuple[NDArray[np.floating], NDArray[np.intp]]:
    """Unit quaternions (n, 4) without their largest component, in the order they had, (n, 3), and its index (n,).

    The sign is chosen so that the component left out is positive; those that stay are within ±√½.
    """
    largest = np.abs(quats).argmax(1)
    others = np.array([[1, 2, 3, 0], [0, 2, 3, 1], [0, 1, 3, 2], [0, 1, 2, 3]])
    four = np.take_along_axis(quats, others[largest], 1)
    return np.where(four[:, 3:] < 0, -four[:, :3], four[:, :3]), largest


def from_smallest_three(three: NDArray[np.float32], largest: NDArray[np.integer], out: NDArray[np.float32]) -> None:
    """The inverse of `smallest_three`, into `out` (n, 4)."""
    a, b, c = three.T
    last = np.sqrt(np.maximum(0, 1 - (a * a + b * b + c * c)))
    first, second, third, fourth = (largest == i for i in range(4))
    out[:, 0] = np.where(first, last, a)
    out[:, 1] = np.where(second, last, np.where(first, a, b))
    out[:, 2] = np.where(third, last, np.where(fourth, c, b))
    out[:, 3] = np.where(fourth, last, c)

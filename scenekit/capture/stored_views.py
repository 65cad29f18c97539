"""Views whose photos stay on disk: read when they are looked at, the latest kept in memory up to a budget."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import overload

import torch

from scenekit.cameras import inverse_pose
from scenekit.capture.capture import Capture
from scenekit.capture.views import View, chosen_photos, load_view, reduced_camera, seen_points

BUDGET = 1 << 30
"""Memory for photos [bytes], unless told otherwise: 170 of 1920×1080 px."""


class StoredViews(Sequence[View]):
    """Views that are made when they are asked for, always the same.

    Args:
        make: The view of a number.
        outlines: The views without their pixels, as `outlines` gives them.
        budget: Memory for views that are kept, those looked at last [bytes]; one is kept in any case.
    """

    def __init__(self, make: Callable[[int], View], outlines: Sequence[View], *, budget: int = BUDGET):
        self.outlines, self.budget = list(outlines), budget
        self._make = make
        self._kept: OrderedDict[int, View] = OrderedDict()

    def __len__(self) -> int:
        return len(self.outlines)

    @overload
    def __getitem__(self, number: int) -> View: ...
    @overload
    def __getitem__(self, number: slice) -> StoredViews: ...

    def __getitem__(self, number: int | slice) -> View | StoredViews:
        if isinstance(number, slice):
            numbers, make = range(len(self))[number], self._make
            return StoredViews(lambda i: make(numbers[i]), self.outlines[number], budget=self.budget)
        number = range(len(self))[number]
        if number not in self._kept:
            self._kept[number] = self._make(number)
        self._kept.move_to_end(number)
        while len(self._kept) > 1 and self.bytes > self.budget:
            self._kept.popitem(last=False)
        return self._kept[number]

    @property
    def bytes(self) -> int:
        """Memory of the views that are kept now [bytes]."""
        return sum(size_of(view) for view in self._kept.values())

    def map(self, change: Callable[[View], View]) -> StoredViews:
        """Each view changed as it is made, its camera aside; what is kept of these is dropped."""
        self._kept.clear()
        return StoredViews(lambda number: change(self._make(number)), self.outlines, budget=self.budget)


def stored_views(
    capture: Capture,
    *,
    downscale: float = 1.0,
    max_side: int | None = None,
    names: Sequence[str] | None = None,
    budget: int = BUDGET,
) -> StoredViews:
    """Photos of an undistorted capture as views that stay on disk; otherwise as `load_views`.

    Args:
        capture: An undistorted capture, whose files stay where they are while the views are used.
        downscale: Divides both sides.
        max_side: Longest side that is kept [px].
        names: Which photos; all if None.
        budget: Memory for the views looked at last [bytes].

    Raises:
        InputError: If a name is unknown; when it is looked at, as `load_view`.
        FileError: When a photo is looked at that cannot be read.
    """
    photos = chosen_photos(capture, names)
    outlines = []
    for photo in photos:
        camera = reduced_camera(photo.camera, downscale=downscale, max_side=max_side)
        pixels = torch.zeros(1, 1, 1, dtype=torch.uint8).expand(camera.height, camera.width, 3)
        viewmat = torch.from_numpy(inverse_pose(photo.T_world_cam)).float()
        points = seen_points(capture, photo)
        outlines.append(View(photo.name, pixels, torch.from_numpy(camera.K).float(), viewmat, points=points))

    def make(number: int) -> View:
        return load_view(photos[number], downscale=downscale, max_side=max_side, points=outlines[number].points)

    return StoredViews(make, outlines, budget=budget)


def outlines(views: Sequence[View]) -> Sequence[View]:
    """The views for who asks only for names, sizes and cameras: of `StoredViews` without pixels, no photo is read."""
    return views.outlines if isinstance(views, StoredViews) else views


def mapped(views: Sequence[View], change: Callable[[View], View]) -> Sequence[View]:
    """Each view changed, its camera aside: now, or of `StoredViews` when it is looked at."""
    return views.map(change) if isinstance(views, StoredViews) else [change(view) for view in views]


def size_of(view: View) -> int:
    """Memory of its pixels and mask [bytes]."""
    return view.image.nbytes + (0 if view.mask is None else view.mask.nbytes)

"""All that one fit learns beside the splats. Letters: c photos, h w image."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Literal

from torch import Tensor

from scenekit.capture.views import View
from scenekit.fit.bilateral_grid import BilateralGrid
from scenekit.fit.camera_poses import PoseRefinement
from scenekit.fit.companion import Companion
from scenekit.fit.exposure import Exposure
from scenekit.fit.sky import Sky
from scenekit.splats import Splats

Look = Literal["none", "affine", "grid"]
"""What lets photos differ in exposure."""


@dataclass(frozen=True)
class Companions:
    """The companions of a fit, each asked in turn. Without any, nothing is done and nothing changes."""

    sky: Sky | None = None
    """What is behind the splats."""
    exposure: Exposure | None = None
    """What each photo sees the colours through."""
    grid: BilateralGrid | None = None
    """The same, as it differs over the photo and with brightness from `exposure`."""
    poses: PoseRefinement | None = None
    """Where photos were taken from."""

    @staticmethod
    def chosen(sky: bool, exposure: Look, poses: bool, views: Sequence[View], splats: Splats) -> Companions:
        """Those of a fit of `views` that starts from `splats`."""
        device, count = splats.means.device, len(views)
        return Companions(
            sky=Sky(views, splats.means) if sky else None,
            exposure=None if exposure == "none" else Exposure(count, device),
            grid=BilateralGrid(count, device) if exposure == "grid" else None,
            poses=PoseRefinement(views, splats.means) if poses else None,
        )

    def __iter__(self) -> Iterator[Companion]:
        return (companion for _, companion in self._named())

    def _named(self) -> Iterator[tuple[str, Companion]]:
        named = ((field.name, getattr(self, field.name)) for field in fields(self))
        return ((name, companion) for name, companion in named if companion is not None)

    def seen(self, view: View, photo: int) -> View:
        """The view as the photo is now thought to have been taken."""
        for companion in self:
            view = companion.seen(view, photo)
        return view

    def shown(self, image: Tensor, alpha: Tensor, view: View, photo: int) -> Tensor:
        """What the photo should look like, shape (h, w, 3)."""
        for companion in self:
            image = companion.shown(image, alpha, view, photo)
        return image

    def terms(self, alpha: Tensor, view: View, photo: int) -> dict[str, Tensor]:
        """What is added to the loss, by name."""
        return {name: term for companion in self for name, term in companion.terms(alpha, view, photo).items()}

    def step(self, factor: float, progress: float) -> None:
        """One step of each."""
        for companion in self:
            companion.step(factor, progress)

    def tensors(self) -> dict[str, Tensor]:
        """All that the next step depends on, as "exposure.table"."""
        return {f"{of}.{name}": t for of, companion in self._named() for name, t in companion.tensors().items()}

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Inverse of `tensors`."""
        for of, companion in self._named():
            companion.restore({name: tensors[f"{of}.{name}"] for name in companion.tensors()})

"""Edits that leave out what is not needed: floaters, and detail."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from scenekit.cameras import Array, Camera, look_at, pinhole, small_pinhole
from scenekit.capture.capture import Capture
from scenekit.decimate import decimate
from scenekit.errors import InputError
from scenekit.floaters import FloaterConfig, floaters
from scenekit.render.splats import render
from scenekit.scene import SKY_PATH, Node, SceneState
from scenekit.selection.photos import capture_above
from scenekit.splats import Splats

Views = list[tuple[Camera, Array]]

DRAWS = 4
"""Of elements, of which the energy of a place is the mean."""

PROBES, PROBE_SIDE = 8, 240
"""How many views judge a decimation, and their longest side [px]."""


@dataclass(frozen=True)
class RemoveFloaters:
    """Takes away Gaussians that belong to no surface: alone, faint, large as fog, seen by too few photos, or odd."""

    path: str = "/"
    """The node and all below it; "/" means all there is."""
    isolation: float = FloaterConfig.isolation
    """Mean distance to its neighbours over the usual, or its size if larger; beyond, it is alone. 0: do not look."""
    min_opacity: float = FloaterConfig.min_opacity
    """Fainter ones show nothing."""
    max_size: float = FloaterConfig.max_size
    """Largest standard deviation over the extent of the node's splats. 0: do not look."""
    min_photos: int = FloaterConfig.min_photos
    """Photos that must show it, where the node or one above it has photos. 0: do not look."""
    odd: float = 0.0
    """What the 3D-JEPA finds odder than all but so large a share of the neighbourhoods of intact scenes, 0.001 to 0.5.
    0: do not look."""

    def __str__(self) -> str:
        return f"remove floaters of {self.path}"

    def apply(self, state: SceneState) -> SceneState:
        """The state with fewer splats; meshes and bodies stay as they are.

        Raises:
            InputError: If what is odd is asked for at another share, or of numbers that are not finite.
            FileError: If the weights of the 3D-JEPA are missing.
        """
        config = FloaterConfig(
            isolation=self.isolation,
            min_opacity=self.min_opacity,
            max_size=self.max_size,
            min_photos=self.min_photos,
        )
        odd_at = odd_places(state, self.odd) if self.odd else None

        def cleaned(at: str, node: Node) -> Node:
            if node.splats is None or not len(node.splats) or at == SKY_PATH:
                return node
            views = photo_views(state, at) if self.min_photos else []
            reasons = list(floaters(node.splats, config, views=views).values())
            if odd_at is not None:
                reasons.append(odd_at(node.splats.transform(torch.from_numpy(state.pose(at).matrix)).means))
            gone = torch.stack(reasons).any(0)
            return replace(node, splats=node.splats.take(~gone)) if gone.any() else node

        return state.with_each(self.path, cleaned)


def odd_places(state: SceneState, share: float) -> Callable[[Tensor], Tensor]:
    """What tells of places in the world (n, 3) which are where a 3D-JEPA finds the scene odd, bool (n,).

    Args:
        state: The scene.
        share: Of the neighbourhoods of intact scenes that are as odd.

    Raises:
        InputError: If the model does not know that share, or there is nothing to see.
    """
    from scenekit.jepa.jepa import Jepa

    jepa = Jepa.load()
    limit, maps = jepa.limit(share), [jepa.energy(state, seed=draw) for draw in range(DRAWS)]
    return lambda places: torch.stack([found.at(places, found.oddity) for found in maps]).mean(0) > limit


@dataclass(frozen=True)
class Decimate:
    """Leaves fewer Gaussians that look nearly the same, by merging neighbours that are alike."""

    path: str
    """The node and all below it; "/" means all there is. Each is decimated on its own."""
    keep: float | None = None
    """Share of the Gaussians to keep, 0..1."""
    count: int | None = None
    """How many to keep at most in each node."""
    error: float | None = None
    """Go on as long as views of the node differ by less than this (root mean square of colours 0..1)."""

    def __str__(self) -> str:
        limits = {"keep": self.keep, "count": self.count, "error": self.error}
        return f"decimate {self.path} to " + ", ".join(f"{k} {v:g}" for k, v in limits.items() if v is not None)

    def apply(self, state: SceneState) -> SceneState:
        """The state with fewer splats.

        Raises:
            InputError: If no limit is given, or one is out of range.
        """
        if self.keep is self.count is self.error is None:
            raise InputError("Decimate", got="no limit", wanted="keep, count or error")
        keep, count, error = (1 if limit is None else limit for limit in (self.keep, self.count, self.error))
        if not (0 < keep <= 1 and count > 0 and error > 0):
            raise InputError("Decimate", got=str(self), wanted="keep in 0..1, count and error above 0")
        return state.with_each(self.path, lambda at, node: self._decimated(state, at, node))

    def _decimated(self, state: SceneState, at: str, node: Node) -> Node:
        splats = node.splats
        if splats is None or len(splats) < 2:
            return node
        count = max([1 if self.error else 0, self.count or 0, round((self.keep or 0) * len(splats))])
        judge = None if self.error is None else _Judge(splats, probe_views(state, at, splats), self.error)
        return replace(node, splats=decimate(splats, count or 1, after_round=judge))


class _Judge:
    """Says whether splats still look as they did: root mean square over all pixels of all views within `error`."""

    def __init__(self, splats: Splats, views: Views, error: float):
        self.views, self.error, self.before = views, error, _images(splats, views)

    def __call__(self, splats: Splats) -> bool:
        after = _images(splats, self.views)
        squares = torch.cat([(a - b).square().reshape(-1) for a, b in zip(after, self.before, strict=True)])
        return float(squares.mean().sqrt()) <= self.error


def _images(splats: Splats, views: Views) -> list[Tensor]:
    with torch.no_grad():
        return [render(splats, camera, T).rgb.clamp(0, 1) for camera, T in views]


def probe_views(state: SceneState, path: str, splats: Splats) -> Views:
    """Small views of a node in its own frame: some of its photos', or from around it if there are none."""
    views = photo_views(state, path)
    views = views[:: -(-len(views) // PROBES)] if views else _around(splats)
    return [(small_pinhole(camera, PROBE_SIDE), T) for camera, T in views]


def photo_views(state: SceneState, path: str) -> Views:
    """Cameras of the photos at or above a node, with their poses in the node's frame; none if there are no photos."""
    found: tuple[str, Capture] | None = capture_above(state, path)
    if found is None:
        return []
    T = (state.pose(path).inverse() @ state.pose(found[0])).matrix
    return [(photo.camera, T @ photo.T_world_cam) for photo in found[1].photos]


def _around(splats: Splats) -> Views:
    points = splats.means.detach().double()
    middle = points.median(0).values.numpy()
    radius = max(float((points - torch.from_numpy(middle)).norm(dim=1).quantile(0.95)), 1e-6)
    directions = torch.randn(PROBES, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64).numpy()
    eyes = [middle + 2.5 * radius * d / (d @ d) ** 0.5 for d in directions]
    side = float(PROBE_SIDE)
    camera = pinhole(PROBE_SIDE, PROBE_SIDE, side, side, side / 2, side / 2)
    return [(camera, look_at(eye, middle)) for eye in eyes]

"""Checks of the frame: is the metre one, and is up up. Letters: c cameras."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch

from scenekit.capture.capture import Capture, Frame
from scenekit.capture.level import up_direction
from scenekit.errors import InputError
from scenekit.segment import SegmentConfig
from scenekit.splats import Splats, merge
from scenekit.support import Support, attention, find_support
from scenekit.validation.finding import Finding, Severity, finding, point
from scenekit.validation.placed import FARTHEST, Placed
from scenekit.validation.splats import finite

SMALLEST, LARGEST = 0.01, 1000.0
"""Extents of a scene between which nothing is odd [m]."""

SMALLEST_THING, LARGEST_THING = 1e-3, 10.0
"""Extents of a thing that can be pushed [m]."""

TILT = np.radians(3.0)
"""A support that is further from level is one that things slide on in a picture and should not."""

CAMERA_TILT = np.radians(20.0)
"""People hold cameras level: their common up is this close to Z, or Z is not up."""

SPLAT_SAMPLES = 100_000
"""So many splats of a node, chosen at random, are looked at for the support."""

FEWEST_CAMERAS = 8
"""From fewer photos, up cannot be told from a photographer who looked down."""


def check_far(things: list[Placed]) -> Iterator[Finding]:
    """Nodes that are so far away that nothing else of them can be looked at."""
    for thing in things:
        if thing.is_far:
            what = f"It is further than {FARTHEST:g} m from the origin; nothing else of it was looked at."
            yield finding("error", "node-far", thing.path, what)


def check_frame(frame: Frame, things: list[Placed]) -> Iterator[Finding]:
    """What is wrong with scale and up."""
    yield from _scale(frame, things)
    yield from _up(frame, things)


def _scale(frame: Frame, things: list[Placed]) -> Iterator[Finding]:
    if frame.scale == "estimated":
        dynamic = sum(thing.is_dynamic for thing in things)
        severity: Severity = "warning" if dynamic else "note"
        what = "Scale estimated: no length in the scene was ever measured. " + frame.note
        if dynamic:
            what = f"{what.strip()} {dynamic} dynamic bodies have masses that go with its cube."
        yield finding(severity, "frame-scale-estimated", "/", what.strip(), dynamic=dynamic)
    extent = _extent(things)
    if extent is not None and not SMALLEST <= extent <= LARGEST:
        what = f"The scene is {extent:.3g} m across; between {SMALLEST:g} m and {LARGEST:g} m is usual."
        yield finding("warning", "scale-implausible", "/", what, extent=extent)
    for thing in things:
        if thing.is_dynamic and thing.surface is not None:
            size = float(thing.surface.extent.max())
            if not SMALLEST_THING <= size <= LARGEST_THING:
                what = f"A dynamic body is {size:.3g} m across; {SMALLEST_THING:g} to {LARGEST_THING:g} m is usual."
                yield finding("warning", "object-size", thing.path, what, size=size)


def _extent(things: list[Placed]) -> float | None:
    """Longest side of a box around all meshes and the middle 90 % of each cloud [m]; None if there is neither."""
    corners = [thing.box for thing in things if thing.surface is not None]
    for thing in things:
        if thing.node.splats is not None:
            means = thing.node.splats.means.detach().cpu().numpy()
            means = means[np.isfinite(means).all(1)]
            if len(means):
                corners.append(np.quantile(thing.to_world(means), [0.05, 0.95], axis=0))
    if not corners:
        return None
    both = np.stack(corners)
    return float((both[:, 1].max(0) - both[:, 0].min(0)).max())


def _up(frame: Frame, things: list[Placed]) -> Iterator[Finding]:
    if frame.up == "estimated":
        spread = "" if frame.up_spread is None else f" to {np.degrees(frame.up_spread):.2g}°"
        yield finding(
            "note", "frame-up-estimated", "/", f"Up was estimated{spread}, not measured. {frame.note}".strip()
        )
    for thing in things:
        cameras = thing.node.cameras
        if cameras is None or len(cameras.photos) < FEWEST_CAMERAS:
            continue
        rotations = thing.T_world_node[:3, :3] @ np.stack([photo.T_world_cam[:3, :3] for photo in cameras.photos])
        up, how = up_direction(rotations)
        tilt = float(np.arccos(np.clip(up[2], -1, 1)))
        if tilt > CAMERA_TILT:
            what = f"By the photos up is {np.degrees(tilt):.3g}° from Z ({how})."
            yield finding("warning", "frame-unlevel", thing.path, what, "cameras", tilt=tilt)
    support = _support(things)
    if support is not None:
        tilt = float(np.arccos(np.clip(support.normal[2], -1, 1)))
        if tilt > TILT + 3 * support.spread:
            what = f"The plane that things stand on is {np.degrees(tilt):.3g}° from level, by the splats in it."
            yield finding("warning", "frame-unlevel", "/", what, f"support {point(support.centre)}", tilt=tilt)


def _support(things: list[Placed]) -> Support | None:
    """The plane that things stand on by the splats that the photos look at; None without photos or plane."""
    clouds = [_drawable(thing, thing.node.splats) for thing in things if thing.node.splats is not None]
    captures = [_in_world(thing, thing.node.cameras) for thing in things if thing.node.cameras is not None]
    captures = [capture for capture in captures if len(capture.photos) >= FEWEST_CAMERAS]
    if not captures or len({cloud.antialiased for cloud in clouds if len(cloud)}) != 1:
        return None  # opacities of antialiased and plain splats do not compare
    splats, options = merge(clouds), SegmentConfig()
    look = attention(splats, captures[0])
    tilt, tolerance = np.radians(options.tilt), options.tolerance
    try:
        return find_support(splats, look, captures[0], tilt=tilt, tolerance=tolerance, min_share=options.min_share)
    except InputError:  # there is no such plane, so nothing that should be level
        return None


def _drawable(thing: Placed, splats: Splats) -> Splats:
    """The sound splats of a node in the world, at most `SPLAT_SAMPLES`, without view-dependent colour."""
    sound = finite(splats) & (splats.quats.detach().cpu().norm(dim=1) > 0)
    chosen = torch.from_numpy(np.random.default_rng(0).permutation(len(splats))[:SPLAT_SAMPLES].copy())
    chosen = chosen[sound[chosen]]
    few = Splats(
        splats.means, splats.quats, splats.log_scales, splats.logit_opacities, splats.sh[:, :1], splats.antialiased
    )
    return few.map(lambda t: t.detach().cpu()[chosen]).transform(torch.from_numpy(thing.T_world_node))


def _in_world(thing: Placed, capture: Capture) -> Capture:
    """The photos with their poses in the world."""
    photos = [replace(photo, T_world_cam=thing.T_world_node @ photo.T_world_cam) for photo in capture.photos]
    return replace(capture, photos=photos)

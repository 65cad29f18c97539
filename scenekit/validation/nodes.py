"""Checks of nodes against each other: what is in one place twice, what hangs in the air, what fell through."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from scenekit.cameras import Array
from scenekit.validation.boxes import BudgetSpent, Ints, overlapping
from scenekit.validation.finding import Finding, Severity, finding, point
from scenekit.validation.placed import Placed
from scenekit.validation.solids import Shared, shared, touching_tolerance

PAIRS = 4000
"""At most so many pairs of nodes are compared, those that come first in the tree."""

BOX_BUDGET = 2_000_000
"""Pairs of boxes that are looked at to find them."""

RAYS = 2000
"""Rays from one node to another that look for contact."""

SERIOUS = 0.01
"""Sharing more than this part of the smaller volume makes a simulator throw the nodes apart."""

DOWN = np.array([0.0, 0.0, -1.0])


@dataclass(frozen=True)
class Near:
    """Pairs of things, by number, and whether there were more."""

    pairs: list[tuple[int, int]]
    complete: bool


def check_nodes(things: list[Placed]) -> Iterator[Finding]:
    """What is wrong with how nodes lie to each other."""
    solid = [thing for thing in things if thing.surface is not None]
    near, columns = _near(solid, upright=False), _near(solid, upright=True)
    joined: set[tuple[int, int]] = set()
    for i, j in near.pairs:
        both_fixed = all(t.body is not None and not t.is_dynamic for t in (solid[i], solid[j]))
        common = None if both_fixed else shared(solid[i], solid[j])
        if common is not None:
            joined |= {(i, j), (j, i)}
            yield from _overlap(solid[i], solid[j], common)
    yield from _contacts(solid, columns.pairs, joined)
    if not near.complete or not columns.complete:
        what = f"There are too many nodes near each other: only {PAIRS} pairs were compared."
        yield finding("note", "nodes-not-compared", "/", what, pairs=PAIRS)


def _near(solid: list[Placed], *, upright: bool) -> Near:
    """Things whose boxes overlap; if `upright`, those above each other."""
    if len(solid) < 2:
        return Near([], True)
    boxes = np.stack([thing.box for thing in solid])
    if upright:
        boxes[:, 0, 2], boxes[:, 1, 2] = 0, 0
    pairs, complete = [np.empty((0, 2), np.int64)], True
    try:
        pairs += [np.stack(block, 1) for block in overlapping(boxes[:, 0], boxes[:, 1], budget=BOX_BUDGET)]
    except BudgetSpent:
        complete = False
    found: Ints = np.concatenate(pairs)
    found = found[np.lexsort(found.T[::-1])]
    return Near([(int(i), int(j)) for i, j in found[:PAIRS]], complete and len(found) <= PAIRS)


def _overlap(a: Placed, b: Placed, common: Shared) -> Iterator[Finding]:
    if common.volume is None and common.depth is None:
        what = f"Its surface crosses that of {b.path}; how deep cannot be said, as neither is closed."
        yield finding("note", "nodes-overlap", a.path, what, f"with {b.path}, {point(common.middle)}")
        return
    share, depth = common.share, common.depth or 0.0
    volume = "" if common.volume is None else f"{common.volume:.4g} m³, "
    how = "exactly" if common.volume is not None else f"by {common.samples} samples, as not both are closed"
    what = f"It shares {volume}{share:.2%} of the smaller, with {b.path}, {depth:.4g} m deep ({how})."
    figures = {"share": share, "depth": depth} | ({} if common.volume is None else {"volume": common.volume})
    severity: Severity = "error" if share > SERIOUS else "warning"
    yield finding(severity, "nodes-overlap", a.path, what, f"with {b.path}, {point(common.middle)}", **figures)


def _contacts(solid: list[Placed], columns: list[tuple[int, int]], joined: set[tuple[int, int]]) -> Iterator[Finding]:
    """Things that are free to fall and rest on nothing."""
    if len(solid) < 2:
        return
    partners: dict[int, list[int]] = {k: [] for k in range(len(solid))}
    for i, j in columns:
        partners[i].append(j)
        partners[j].append(i)
    for k, thing in enumerate(solid):
        if not thing.is_dynamic or any((k, j) in joined for j in partners[k]):
            continue
        others = [solid[j] for j in partners[k] if not _related(thing.path, solid[j].path)]
        gaps = [_gap(thing, other, DOWN) for other in others]
        least = min(gaps, default=np.inf)
        if least <= touching_tolerance(thing):
            continue
        yield from _unsupported(thing, others, gaps, least)


def _unsupported(thing: Placed, others: list[Placed], gaps: list[float], least: float) -> Iterator[Finding]:
    lowest = thing.vertices[np.argmin(thing.vertices[:, 2])]
    if np.isfinite(least):
        below = others[int(np.argmin(gaps))].path
        what = f"It hangs {least:.4g} m above {below} and touches nothing below."
        yield finding("warning", "node-floating", thing.path, what, f"lowest {point(lowest)}", gap=least)
        return
    over = [other for other in others if not other.is_dynamic and np.isfinite(_gap(thing, other, -DOWN))]
    if over:
        lift = float(min(other.box[1, 2] for other in over) - thing.box[0, 2])
        what = (
            f"There is nothing below it, and {over[0].path} is above, whose top is {lift:.4g} m over its lowest point."
        )
        yield finding("warning", "node-below-support", thing.path, what, f"lowest {point(lowest)}", lift=lift)
        return
    what = "There is nothing below it that has a mesh, so it falls for ever."
    yield finding("warning", "node-unsupported", thing.path, what, f"lowest {point(lowest)}")


def _gap(thing: Placed, other: Placed, direction: Array) -> float:
    """The least way that `thing` can go along a vertical direction before it meets `other` [m]; infinite if never.

    Rays go from points of the one to the other, and back from points of the other. They begin a little behind, so that
    contact is seen.
    """
    step = touching_tolerance(thing)
    gaps = [np.inf]
    for source, target, towards in ((thing, other, direction), (other, thing, -direction)):
        assert target.probe is not None
        low, high = target.box[:, :2]
        inset = np.minimum(step, 0.1 * (high - low))  # rays along a side wall hold nothing up
        starts = source.facing(up=towards[2] > 0)
        starts = starts[((starts[:, :2] >= low + inset) & (starts[:, :2] <= high - inset)).all(1)]
        if len(starts):
            first = np.argsort(-(starts @ towards), kind="stable")[:RAYS]
            gaps.append(float(target.probe.gap(starts[first] - step * towards, towards).min()) - step)
    return max(min(gaps), 0.0)


def _related(a: str, b: str) -> bool:
    """True if one is below the other in the tree, and so moves along with it."""
    return (b + "/").startswith(a + "/") or (a + "/").startswith(b + "/")

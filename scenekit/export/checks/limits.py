"""Limits: what a drop has to keep to. The smallest things count as 1 cm large; the floor is z = 0."""

from __future__ import annotations

from collections.abc import Iterator

from scenekit.export.checks.recording import HELD, SECONDS, Motion

SMALLEST = 0.01
"""A thing counts as at least that large [m]: contacts are as soft for a small thing as for a large one."""

REST = 0.01
"""Depth in the floor, or height above it, in which a thing may rest, as a part of its size, and at least `REST_LEAST`:
it could not be seen."""

REST_LEAST = 0.001
"""[m]."""

DEEPEST = 0.1
"""Depth that it may reach while it lands, as a part of its size, and at least `DEEPEST_LEAST`."""

DEEPEST_LEAST = 0.01
"""[m]. A thing that lands at 0.6 m/s on a contact that gives way at 100 rad/s goes 6 mm deep at most."""

GAIN = 0.01
"""Mechanical energy that may come from nowhere, as a part of m g h: what a step of a solver is off."""

DRIFT = 2.0
"""How far a thing may get from where it fell, as a part of its size: by falling over once, it moves by less."""

EXPLOSION = 2.0
"""Speed beyond that of its fall, √(v² − 2 g h), of a thing in a scene that is left to itself [m/s]: who is that fast
was pushed out of another one."""


def broken(motion: Motion, size: float) -> Iterator[str]:
    """Which limits a drop breaks, in words with figures.

    Args:
        motion: What was measured.
        size: Longest side of the thing [m].
    """
    size = max(size, SMALLEST)
    rest, deepest = max(REST * size, REST_LEAST), max(DEEPEST * size, DEEPEST_LEAST)
    mm = 1e3
    if motion.settled is None:
        yield f"does not settle in {SECONDS:g} s: it moves at {motion.speed * mm:.3g} mm/s in the last {HELD:g} s"
    if not -rest <= motion.rest:
        yield f"rests {-motion.rest * mm:.3g} mm in the floor, more than {rest * mm:.3g} mm"
    if not motion.rest <= rest:
        yield f"rests {motion.rest * mm:.3g} mm above the floor, more than {rest * mm:.3g} mm"
    if not motion.penetration <= deepest:
        yield f"gets {motion.penetration * mm:.3g} mm into the floor, more than {deepest * mm:.3g} mm"
    if not motion.gain <= GAIN:
        yield f"gains energy: {motion.gain:.3g} of m g h, more than {GAIN:g}"
    if not motion.drift <= DRIFT * size:
        yield f"drifts by {motion.drift * mm:.3g} mm, more than {DRIFT * size * mm:.3g} mm"

"""Placing: things → a world as a layout says, standing, lying in and beside each other without sharing any space.

for item in layout.ordered():
    thing = fitted to its size or box, on its feet
    for spot in spots that the relation allows:
        let it down until it touches, let it lean until it rests
        take the spot if it rests on what it should, and is in nothing's way
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from scenekit.body import Body
from scenekit.cameras import Array
from scenekit.capture.capture import Frame
from scenekit.edits.place import axis_angle, baked
from scenekit.errors import InputError
from scenekit.generate.ground import ground
from scenekit.generate.layout import FLOOR, FLOOR_NODE, Floor, Item, Layout
from scenekit.generate.resting import GROUND, gaps, leaning, slope, stance
from scenekit.generate.spots import Spot, around, beside, hollow, over
from scenekit.lengths import shown
from scenekit.material import materials
from scenekit.poses import Pose
from scenekit.scene import Node, SceneState
from scenekit.validation.placed import Placed

SMALLER = (0.8, 0.6, 0.45, 0.3, 0.2, 0.1)
"""Times its size that a thing without room is tried with, to tell what would fit."""

FEWER = 24
"""Spots that are tried for that."""

LIFTS = 14
"""Doublings of the gap by which a thing is lifted out of what it still shares space with after its fall."""

CONTACT = 0.01
"""What is within this part of a thing's size of its lowest contact is touched as well."""

SUNK = 0.5
"""Part of its height by which a thing that lies in another is below that one's top, at the least."""

ASTRAY = 0.5
"""Part of its box's height by which a thing may miss it."""

FLOOR_MARGIN = 0.5
"""What is free around things on a floor without a size, as a part of their extent."""


@dataclass(frozen=True)
class PlacingConfig:
    """How things are placed."""

    gap: float = 5e-5
    """Between a thing and what it stands on [m]; bodies that share no points are kind to simulators."""
    clearance: float = 5e-3
    """Between a thing and what it does not stand on [m]."""
    tries: int = 100
    """Spots that are tried for each thing."""
    seed: int = 0
    """Of the spots after the first."""

    def __post_init__(self) -> None:
        for name, good in (
            ("gap", 0 < self.gap <= 1e-3),
            ("clearance", 0 <= self.clearance < 1),
            ("tries", 1 <= self.tries <= 10_000),
        ):
            if not good:
                raise InputError(f"placing {name}", got=getattr(self, name), wanted="a sensible value; see the docs")


class Place(NamedTuple):
    """Where a thing came to be."""

    name: str
    """Of the thing."""
    on: tuple[str, ...]
    """What it touches below."""
    position: tuple[float, float, float]
    """Middle of its box in x and y, and its lowest point [m]."""
    turned: float
    """How far it was turned from upright so that it stands, and leans on uneven ground [degrees]."""
    tries: int
    """Spots that were looked at."""
    filled: float | None
    """Part of its box that its own box fills; None if it has none."""

    def __str__(self) -> str:
        x, y, z = self.position
        turned = f", turned by {self.turned:.3g}° to stand" if self.turned >= 0.05 else ""
        filled = "" if self.filled is None else f", fills {self.filled:.0%} of its box"
        return f"{self.name} on {', '.join(self.on)} at ({x:.3f}, {y:.3f}, {z:.3f}) m{turned}{filled}"


@dataclass(frozen=True)
class World:
    """A layout that came true."""

    state: SceneState
    """The scene: the floor and all things as nodes below the root."""
    places: tuple[Place, ...]
    """In the order in which they were placed."""

    def __str__(self) -> str:
        return "\n".join(map(str, self.places))


def world(layout: Layout, things: Mapping[str, Node], config: PlacingConfig = PlacingConfig()) -> World:
    """The scene of a layout.

    Args:
        layout: What is wanted.
        things: By name, a node for each: a closed mesh, z up, front along −y; splats, body and material as they come.
        config: How.

    Raises:
        InputError: If a thing is missing or has no closed mesh, or there is no room for one; says what is in the way,
            how large it could be, and what would help.
    """
    missing = [item.name for item in layout.things if item.name not in things]
    if missing:
        raise InputError("things", got=f"none for {', '.join(missing)}", wanted="one for each of the layout")
    placer = _Placer(layout, config)
    for item in layout.ordered():
        placer.place(item, things[item.name])
    return placer.world()


class _Rest(NamedTuple):
    """A thing at rest."""

    thing: Placed
    """In the world."""
    on: tuple[str, ...]
    """What it touches below."""


class _Placer:
    """What stands already."""

    def __init__(self, layout: Layout, config: PlacingConfig):
        self.layout, self.config = layout, config
        self.there: dict[str, Placed] = {}
        self.supports: dict[str, str] = {}
        self.places: list[Place] = []
        if layout.floor is not None and layout.floor.size is not None:
            half = layout.floor.size / 2
            self.there[FLOOR] = _slab(layout.floor, np.array([[-half, -half], [half, half]]))
        self.ground = FLOOR not in self.there

    def place(self, item: Item, node: Node) -> None:
        """Finds a place for a thing.

        Raises:
            InputError: If there is none.
        """
        thing = _on_its_feet(item, fitted(item, node))
        self.supports[item.name] = self._support(item)
        refusals: Counter[str] = Counter()
        for tries, spot in enumerate(self._spots(item, thing, self.config.tries), 1):
            found = self._rest(item, thing, spot)
            if isinstance(found, _Rest):
                self._keep(item, found, tries)
                return
            refusals[found] += 1
        raise self._no_room(item, thing, refusals)

    def world(self) -> World:
        """The scene of all that stands."""
        things, floor = {n: t for n, t in self.there.items() if n != FLOOR}, self.there.get(FLOOR)
        if floor is None and self.layout.floor is not None:
            boxes = np.stack([thing.box[:, :2] for thing in things.values()])
            low, high = boxes[:, 0].min(0), boxes[:, 1].max(0)
            margin = FLOOR_MARGIN * float((high - low).max())
            floor = _slab(self.layout.floor, np.stack([low - margin, high + margin]))
        nodes = [] if floor is None else [floor.node]
        nodes += [replace(thing.node, pose=Pose.from_matrix(thing.T_world_node)) for thing in things.values()]
        sized = all(item.size or item.box for item in self.layout.things)
        note = "As the layout says." if sized else "As large as the things that the layout gives no size are."
        frame = Frame(up="given", scale="given" if sized else "estimated", note=note)
        state = SceneState(Node("", children=tuple(nodes)), frame, f"layout {self.layout.name}")
        return World(state, tuple(self.places))

    def _support(self, item: Item) -> str:
        """What a thing is to stand on."""
        beside = None if item.beside is None else self.supports.get(item.beside)
        return item.inside or item.on or beside or FLOOR

    def _spots(self, item: Item, thing: Placed, tries: int) -> Iterator[Spot]:
        """Where it may be let down, the best first."""
        seed = self.config.seed
        support = self.there.get(self._support(item))
        if item.box is not None:
            x, y, z = item.box.centre
            yield Spot((x, y), z - item.box.size[2] / 2)
        elif item.at is not None:
            yield Spot(item.at)
        elif item.beside is not None:
            yield from beside(self.there[item.beside].box, thing.box, item.side, item.gap)
        elif item.inside is not None:
            yield from hollow(thing, self.there[item.inside], list(self.there.values()), tries)
        elif support is not None:
            yield from over(support.box, thing.box, tries, seed)
        else:
            yield from around([other.box for other in self.there.values()], thing.box, tries, seed)

    def _rest(self, item: Item, thing: Placed, spot: Spot) -> _Rest | str:
        """The thing let down there, or why it cannot be."""
        names, others = list(self.there), list(self.there.values())
        start = self._start(thing, spot)
        by = np.array([*spot.xy, start])
        if spot.height is not None:
            blocked = [name for name, other in self.there.items() if _shares(_moved(thing, by), other)]
            if blocked:
                return f"it would be in {blocked[0]}"
        found = gaps(thing, by, others, ground=self.ground)
        if not np.isfinite(found.fall):
            return "there is nothing below it"
        size = float(np.ptp(thing.box, axis=0).max())
        centre = _centre(thing)
        lean = slope(found, centre[:2] + by[:2], float(centre[2] - thing.box[0, 2]))
        if lean is None and item.inside is None:
            return f"it would fall off {self._named(found.touched(CONTACT * size), names)}"
        if lean is not None and lean.any():
            thing = _turned(thing, leaning(lean))
            found = gaps(thing, by, others, ground=self.ground)
        touched = found.touched(CONTACT * size)
        on = tuple(FLOOR if k == GROUND else names[k] for k in sorted(touched))
        by[2] -= found.fall - self.config.gap
        rest = self._lifted(_moved(thing, by))
        return self._refusal(item, rest, on, spot) or _Rest(rest, on)

    def _start(self, thing: Placed, spot: Spot) -> float:
        """Height from which it is let down [m]: above all below, or half its box above that."""
        if spot.height is not None:
            return spot.height + ASTRAY * float(np.ptp(thing.box[:, 2]))
        low, high = thing.box[:, :2] + spot.xy
        tops = [
            o.box[1, 2] for o in self.there.values() if (o.box[0, :2] <= high).all() and (o.box[1, :2] >= low).all()
        ]
        return max([0.0, *tops]) + self.config.clearance

    def _lifted(self, thing: Placed) -> Placed:
        """The thing, higher by as little as it takes: edges may have met between the points of its fall."""
        for k in range(LIFTS):
            if not any(_shares(thing, other) for other in self.there.values()):
                break
            thing = _moved(thing, np.array([0.0, 0.0, 2.0**k * self.config.gap]))
        return thing

    def _refusal(self, item: Item, rest: Placed, on: tuple[str, ...], spot: Spot) -> str:
        """Why a thing does not stay where it came to rest; empty if it does."""
        support = self._support(item)
        allowed = {support} if item.inside is None else {support, *self._inside(support)}
        astray = [name for name in on if name not in allowed]
        if item.box is None and item.inside is None and astray:
            return f"{astray[0]} is in the way"
        if item.inside is not None and not allowed & set(on):
            return f"it would fall through {item.inside} to {on[0]}"
        if spot.height is not None and abs(rest.box[0, 2] - spot.height) > ASTRAY * np.ptp(rest.box[:, 2]):
            return f"nothing is right below its box: it would fall {spot.height - rest.box[0, 2]:.3g} m to {on[0]}"
        if item.inside is not None:
            container = self.there[item.inside].box
            if container[1, 2] - rest.box[0, 2] < SUNK * np.ptp(rest.box[:, 2]):
                return f"it does not go into {item.inside}"
        near = self.config.clearance if item.gap is None else min(self.config.clearance, item.gap / 2)
        for name, other in self.there.items():
            if name not in on and name != FLOOR and _distance(rest, other, near) < near:
                return f"{name} is in the way"
            if _shares(rest, other):
                return f"it would be in {name}"
        return ""

    def _inside(self, container: str) -> list[str]:
        """What lies in a container already."""
        return [item.name for item in self.layout.things if item.inside == container and item.name in self.there]

    def _keep(self, item: Item, rest: _Rest, tries: int) -> None:
        box, thing = rest.thing.box, rest.thing
        upright = thing.T_world_node[:3, :3] @ _facing(item).T
        turned = float(np.degrees(np.arccos(np.clip(upright[2, 2], -1, 1))))
        filled = None if item.box is None else float(np.prod(np.ptp(box, axis=0)) / np.prod(item.box.size))
        middle = box.mean(0)
        position = (float(middle[0]), float(middle[1]), float(box[0, 2]))
        self.there[item.name] = thing
        self.supports[item.name] = self._support(item) if item.box is None else rest.on[0]
        self.places.append(Place(item.name, rest.on, position, turned, tries, filled))

    def _no_room(self, item: Item, thing: Placed, refusals: Counter[str]) -> InputError:
        """What to tell of a thing that cannot be placed."""
        size = float(np.ptp(thing.box, axis=0).max())
        reasons = "; ".join(f"{why} ({count} of {refusals.total()} spots)" for why, count in refusals.most_common(3))
        fits = next((factor for factor in SMALLER if self._fits(item, thing, factor)), None)
        wanted = "room for it" if fits is None else f"a smaller one; {shown(fits * size)} would fit"
        hint = "Make it smaller or what it is on or in larger, or say another place, side or relation."
        width, depth, height = (shown(side) for side in np.ptp(thing.box, axis=0).tolist())
        got = f"no room for {width} × {depth} × {height}: {reasons or 'no spot'}"
        return InputError(f"layout: {item.name!r}", got=got, wanted=wanted, hint=hint)

    def _fits(self, item: Item, thing: Placed, factor: float) -> bool:
        node = baked(thing.node, factor * np.eye(3))
        T = thing.T_world_node.copy()
        T[:3, 3] *= factor
        smaller = Placed(thing.path, node, T)
        return any(isinstance(self._rest(item, smaller, spot), _Rest) for spot in self._spots(item, smaller, FEWER))

    def _named(self, numbers: set[int], names: list[str]) -> str:
        return " and ".join(FLOOR if k == GROUND else names[k] for k in sorted(numbers))


def fitted(item: Item, node: Node) -> Node:
    """The node under the item's name, made of its material, as large as it is to be: by its size or its box.

    Raises:
        InputError: If it has no closed mesh or no size.
    """
    thing = Placed(f"/{item.name}", node, node.pose.matrix)
    if node.children or thing.manifold is None:
        hint = "`scenekit mesh` makes one, `scenekit edit … mend` closes small holes."
        got = "several nodes" if node.children else "no closed mesh"
        raise InputError(f"layout: {item.name!r}", got=got, wanted="one node with a closed mesh", hint=hint)
    extent = np.ptp(_turned(thing, _facing(item)).box, axis=0)
    scale = 1.0
    if item.size is not None:
        scale = item.size / float(np.ptp(thing.box, axis=0).max())
    elif item.box is not None:
        scale = float((np.array(item.box.size) / extent).min())
    made = baked(node, scale * np.eye(3)) if abs(scale - 1) > 1e-6 else node
    substance = materials[item.material] if item.material else node.material or materials["plastic"]
    pose = Pose((0.0, 0.0, 0.0), node.pose.quat)
    return replace(
        made, name=item.name, pose=pose, material=substance, body=replace(node.body or Body(), kind="dynamic")
    )


def _on_its_feet(item: Item, node: Node) -> Placed:
    """The thing on z = 0, turned as it faces and so that it stands; the middle of its box is at x = y = 0."""
    thing = _turned(Placed(f"/{item.name}", node, node.pose.matrix), _facing(item))
    thing = _turned(thing, stance(thing))
    low, high = thing.box
    return _moved(thing, -np.array([*(low + high)[:2] / 2, low[2]]))


def _facing(item: Item) -> Array:
    return Pose(quat=tuple(axis_angle((0.0, 0.0, 1.0), np.radians(item.facing)).tolist())).matrix[:3, :3]


def _centre(thing: Placed) -> Array:
    """Centre of mass of what it encloses [m], shape (3,)."""
    assert thing.surface is not None
    return thing.to_world(thing.surface.solid.centre[None])[0]


def _turned(thing: Placed, R: Array) -> Placed:
    """The thing turned about its centre of mass by R (3, 3)."""
    if np.array_equal(R, np.eye(3)):
        return thing
    centre, T = _centre(thing), np.eye(4)
    T[:3, :3], T[:3, 3] = R, centre - R @ centre
    return replace(thing, T_world_node=T @ thing.T_world_node)


def _moved(thing: Placed, by: Array) -> Placed:
    T = thing.T_world_node.copy()
    T[:3, 3] += by
    return replace(thing, T_world_node=T)


def _shares(a: Placed, b: Placed) -> bool:
    """Whether two things share space, however little."""
    if (a.box[0] > b.box[1]).any() or (b.box[0] > a.box[1]).any():
        return False
    assert a.manifold is not None and b.manifold is not None
    return bool((a.manifold ^ b.manifold).volume() > 0)


def _distance(a: Placed, b: Placed, most: float) -> float:
    """Between two things [m], at most `most`."""
    if (a.box[0] > b.box[1] + most).any() or (b.box[0] > a.box[1] + most).any():
        return most
    assert a.manifold is not None and b.manifold is not None
    return float(a.manifold.min_gap(b.manifold, most)) if most > 0 else 0.0


def _slab(floor: Floor, sides: Array) -> Placed:
    return Placed(f"/{FLOOR_NODE}", ground(floor, sides), np.eye(4))

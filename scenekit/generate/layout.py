"""Layout: a world in words, read from a small JSON file: things, and how they lie to each other.

{"version": 1, "name": "desk", "floor": {"size": "3 m", "material": "wood"},
 "things": [
   {"name": "table", "prompt": "a wooden table", "size": "1.2 m", "at": [0, 0], "facing": 90},
   {"name": "mug", "prompt": "a red mug", "size": "10 cm", "on": "table"},
   {"name": "lamp", "prompt": "a white lamp", "size": "30 cm", "beside": "mug", "side": "left", "gap": "5 cm"},
   {"name": "crate", "scene": "runs/crate", "box": {"centre": [1, 0, 0.15], "size": [0.4, 0.4, 0.3]}},
   {"name": "apple", "image": "apple.png", "prompt": "a red apple", "size": "8 cm", "inside": "crate"}]}
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import MISSING, dataclass, fields
from functools import partial
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any, Literal, TypeVar

from scenekit.body import Vector
from scenekit.errors import FileError, InputError, ScenekitError
from scenekit.guidance.prompts import checked
from scenekit.io.bounded import parse_json, read_bytes
from scenekit.io.typed_json import Reader, from_json
from scenekit.lengths import LONGEST, SHORTEST, parse_length
from scenekit.material import materials
from scenekit.scene import NAME

VERSION = 1
"""Of the file's format."""

MOST_THINGS = 200
"""Of a layout; each one is generated, which takes minutes."""

MAX_FILE = 1_000_000
"""A larger layout is none [bytes]."""

FLOOR, FLOOR_NODE = "floor", "ground"
"""What everything stands on in the end, and its node; simulators have a plane of their own that is called floor."""

Side = Literal["left", "right", "front", "behind"]
"""Seen from the front, which is −y: left is −x, right +x, front −y, behind +y."""

Kind = TypeVar("Kind")


@dataclass(frozen=True)
class Floor:
    """A level slab whose top is z = 0."""

    size: float | None = None
    """Its sides [m]; None for as large as the things need."""
    material: str = "wood"
    """A name of `scenekit.materials`."""


@dataclass(frozen=True)
class Box:
    """Where a thing is to be, roughly: an axis-aligned box that it is made to fit."""

    centre: Vector
    """[m]."""
    size: Vector
    """Along x, y, z [m]."""


@dataclass(frozen=True)
class Item:
    """A thing that is wanted: from what, how large, and where.

    Raises:
        InputError: If what is said of it cannot be, or contradicts itself; names it.
    """

    name: str
    """Of its node, unique in the layout."""
    prompt: str | None = None
    """Words that it is made from."""
    image: Path | None = None
    """A picture that it is to look like from the front, besides the words."""
    scene: Path | None = None
    """A scene of one thing that it is taken from."""
    size: float | None = None
    """Its longest side [m]; None as it comes."""
    material: str | None = None
    """What it is made of, a name of `scenekit.materials`; None as it comes."""
    at: tuple[float, float] | None = None
    """Where the middle of its box is in x and y, in the world [m]; None anywhere."""
    facing: float = 0.0
    """Turn about the vertical [degrees], counter-clockwise seen from above; its front looks along −y at 0, +x at 90."""
    on: str | None = None
    """What it stands on; None for the floor, or what the thing beside it stands on."""
    inside: str | None = None
    """What it lies in."""
    beside: str | None = None
    """What it stands beside."""
    side: Side | None = None
    """Of that; None for any."""
    gap: float | None = None
    """Between their boxes along that side [m]; None for a little."""
    box: Box | None = None
    """Instead of all these and the size: what it is scaled to fit."""

    def __post_init__(self) -> None:
        for good, got, wanted in self._rules():
            if not good:
                raise InputError(f"layout: {self.name[:80]!r}", got=got, wanted=wanted)
        with naming(self.name):
            if self.prompt is not None:
                checked(self.prompt)
            if self.material is not None:
                materials[self.material]

    def _rules(self) -> Sequence[tuple[bool, object, str]]:
        said = [name for name in ("at", "on", "inside", "beside", "box", "size") if getattr(self, name) is not None]
        legal = NAME.fullmatch(self.name) is not None and self.name.casefold() not in (FLOOR, FLOOR_NODE)
        lengths = [length for length in (self.size, self.gap) if length is not None]
        numbers = [*(self.at or ()), *(self.box.centre + self.box.size if self.box else ())]
        sides = self.box.size if self.box else (1.0,)
        return (
            (
                legal,
                "this name",
                f"letters, digits and _ . -, a letter or digit first, at most 64, not {FLOOR}, {FLOOR_NODE}",
            ),
            (
                bool(self.prompt or self.scene),
                "neither words nor a scene",
                "a prompt, with or without an image, or a scene",
            ),
            (not (self.scene and (self.prompt or self.image)), "a scene and more", "a scene alone: it is made already"),
            (not (self.box and len(said) > 1), " and ".join(said), "a box alone, which says all of these"),
            (not (self.inside and (self.on or self.beside)), " and ".join(said), "inside, or on and beside"),
            (not (self.beside and self.at), "beside and at", "one of them"),
            (self.beside is not None or (self.side, self.gap) == (None, None), "a side or gap", "beside what it is"),
            (self.name not in (self.on, self.inside, self.beside), "itself as what it is on, in or beside", "another"),
            (all(SHORTEST <= length <= LONGEST for length in lengths), lengths, "lengths of 0.1 mm to 10 km"),
            (all(abs(number) <= LONGEST for number in numbers), numbers, "places within 10 km"),
            (all(side >= SHORTEST for side in sides), f"sides of {sides} m", "sides of 0.1 mm or more"),
            (abs(self.facing) <= 360, f"{self.facing}°", "a facing of −360 to 360 degrees"),
        )

    @property
    def others(self) -> dict[str, str]:
        """Names of the things that have to be placed before it, by relation."""
        relations = {"on": self.on, "inside": self.inside, "beside": self.beside}
        return {relation: name for relation, name in relations.items() if name is not None and name != FLOOR}


@dataclass(frozen=True)
class Layout:
    """A world that is wanted.

    Raises:
        InputError: If there are no things or too many, two share a name, one refers to another that is not there, or
            they refer to each other in a circle; names them.
    """

    name: str
    """What the world is called."""
    things: tuple[Item, ...]
    """In the order of the file."""
    floor: Floor | None = Floor()
    """What everything stands on; None for no floor, things then stand on z = 0."""

    def __post_init__(self) -> None:
        names = [item.name for item in self.things]
        if not 1 <= len(names) <= MOST_THINGS:
            raise InputError("layout: things", got=len(names), wanted=f"1 to {MOST_THINGS}")
        folded = [name.casefold() for name in names]
        twice = sorted({name for name in names if folded.count(name.casefold()) > 1})
        if twice:
            raise InputError("layout: things", got=f"{', '.join(twice)} more than once", wanted="names of their own")
        for item in self.things:
            for relation, other in item.others.items():
                if other not in names:
                    what = f"layout: {item.name!r}: {relation}"
                    raise InputError(what, got=repr(other[:80]), wanted=f"one of {', '.join([*names[:20], FLOOR])}")
        if self.floor is not None and self.floor.size is not None and not SHORTEST <= self.floor.size <= LONGEST:
            raise InputError("layout: floor", got=self.floor.size, wanted="a size of 0.1 mm to 10 km")
        if self.floor is not None:
            with naming(FLOOR):
                materials[self.floor.material]
        self.ordered()

    def ordered(self) -> list[Item]:
        """The things such that each comes after those that it refers to, else in the order of the file.

        Raises:
            InputError: If they refer to each other in a circle.
        """
        items = {item.name: item for item in self.things}
        try:
            order = list(TopologicalSorter({n: item.others.values() for n, item in items.items()}).static_order())
        except CycleError as error:
            circle = " → ".join(error.args[1][::-1])
            raise InputError("layout: things", got=f"a circle, {circle}", wanted="a first one, on the floor") from None
        return [items[name] for name in order]


def read_layout(path: str | Path, *, folders: Sequence[str | Path] = ()) -> Layout:
    """The layout in a JSON file, of which the module's docstring shows one.

    Args:
        path: The file.
        folders: Where images and scenes may lie besides the folder of the file. Paths are relative to that folder, or
            absolute; those that lead elsewhere are refused, for a layout may come from anybody.

    Raises:
        FileError: If it is missing, too large, not JSON of a layout, or of a newer version.
        InputError: If the layout cannot be; says which thing and why.
    """
    path = Path(path)
    data = read_bytes(path, "a layout, a JSON file")
    if len(data) > MAX_FILE:
        raise FileError(path, got=f"{len(data)} bytes", wanted="a layout of at most 1 MB")
    document = parse_json(path, data)
    roots = [folder.resolve() for folder in (path.parent, *map(Path, folders))]
    try:
        return _layout(document, path, roots)
    except InputError:
        raise
    except (ValueError, OverflowError) as error:
        raise FileError(path, got=str(error)[:300], wanted="a layout; see docs/text-to-3d.md") from None


@contextmanager
def naming(name: str) -> Iterator[None]:
    """What goes wrong inside names the thing."""
    try:
        yield
    except ScenekitError as error:
        what = f"layout: {name!r}: {error.name}"
        raise type(error)(what, got=error.got, wanted=error.wanted, hint=error.hint) from error


def _layout(document: dict[str, Any], path: Path, roots: Sequence[Path]) -> Layout:
    version = document.pop("version", None)
    if version != VERSION or isinstance(version, bool):
        hint = "It was written for a newer scenekit." if isinstance(version, int) and version > VERSION else ""
        raise FileError(path, got=f"version {str(version)[:20]}", wanted=f"version {VERSION}", hint=hint)
    _refuse_unknown(document, ("name", "floor", "things"), "the layout")
    things = document.get("things")
    if not isinstance(things, list):
        raise ValueError("no list of things")
    if len(things) > MOST_THINGS:
        raise InputError("layout: things", got=len(things), wanted=f"1 to {MOST_THINGS}")
    name = document.get("name", path.stem)
    if not isinstance(name, str) or len(name) > 200 or not name.isprintable():
        raise ValueError(f"name: {str(name)[:80]!r} for a text of at most 200 characters")
    items = [_item(entry, f"things[{k}]", roots) for k, entry in enumerate(things)]
    return Layout(name, tuple(items), _floor(document.get("floor", True)))


def _item(entry: Any, where: str, roots: Sequence[Path]) -> Item:
    inside = partial(_inside, roots=roots)
    return _written(Item, entry, where, {"size": _length, "gap": _length, "image": inside, "scene": inside})


def _floor(value: Any) -> Floor | None:
    if isinstance(value, bool):
        return Floor() if value else None
    return _written(Floor, value, "floor", {"size": _length})


def _written(kind: type[Kind], value: Any, where: str, readers: Mapping[str, Reader]) -> Kind:
    """A dataclass whose defaults stand for what is not said."""
    if not isinstance(value, dict):
        raise ValueError(f"{where}: a JSON {type(value).__name__} for an object")
    known = fields(kind)  # type: ignore[arg-type]
    _refuse_unknown(value, [field.name for field in known], where)
    return from_json(
        kind, {f.name: f.default for f in known if f.default is not MISSING} | value, where, readers=readers
    )


def _refuse_unknown(value: dict[str, Any], known: Sequence[str], where: str) -> None:
    strange = [str(key)[:40] for key in value if key not in known]
    if strange:
        raise ValueError(f"{where}: {', '.join(strange[:5])} for one of {', '.join(known)}")


def _length(text: Any, where: str) -> float | None:
    if text is None:
        return None
    if not isinstance(text, str):
        raise ValueError(f"{where}: {str(text)[:80]!r} for a text such as 12 cm")
    try:
        return parse_length([text])
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None


def _inside(text: Any, where: str, *, roots: Sequence[Path]) -> Path | None:
    """The path, which may be relative to the first root, if it lies in one of them."""
    if text is None:
        return None
    if not isinstance(text, str) or not text.isprintable() or len(text) > 1000:
        raise ValueError(f"{where}: {str(text)[:80]!r} for a path")
    try:
        path = (roots[0] / text).resolve()
    except (OSError, RuntimeError) as error:  # a circle of links
        raise ValueError(f"{where}: {text[:80]!r}, {str(error)[:80]}") from None
    if not any(path.is_relative_to(root) for root in roots):
        wanted = "a path in the folder of the layout" + (" or those given beside it" if len(roots) > 1 else "")
        raise InputError(f"layout: {where}", got=repr(text[:200]), wanted=wanted)
    return path

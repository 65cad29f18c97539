"""The text of selections: the very expression that makes one, read back without running anything."""

from __future__ import annotations

import ast
import math
from collections.abc import Callable
from dataclasses import MISSING, fields
from typing import Annotated, Any

import tyro

from scenekit.cameras import Camera
from scenekit.errors import InputError
from scenekit.poses import Pose
from scenekit.selection.base import Selection
from scenekit.selection.looks import Cluster, Color, Flatness, Opacity, Scale
from scenekit.selection.photos import Lifted
from scenekit.selection.places import Box, Everything, HalfSpace, Near, Polygon, Sphere

MAX_TEXT, MAX_NESTING = 20_000, 40
"""Longest text of a selection, and how deep it may be nested."""

SELECTIONS: dict[str, type[Selection]] = {
    s.__name__: s
    for s in (
        *(Everything, Box, Sphere, HalfSpace, Polygon, Lifted),
        *(Color, Opacity, Scale, Flatness, Cluster, Near),
    )
}
"""What a text may name."""


def parse_selection(text: str) -> Selection:
    """Reads `Box((0, 0, 0), (1, 1, 1)) & ~Opacity(0, 0.1)`: names of `SELECTIONS`, numbers, strings, tuples, & | ~.

    Raises:
        InputError: If the text is anything else, or too long, or nested too deep.
    """
    if len(text) > MAX_TEXT:
        raise InputError("selection", got=f"{len(text)} characters", wanted=f"at most {MAX_TEXT}")
    text = text.strip()
    try:
        tree = ast.parse(text, mode="eval")
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        raise _unreadable(text, str(error) or "too deep") from None
    value = _value(tree.body, text, 0)
    if not isinstance(value, Selection):
        raise _unreadable(text, "no selection")
    return value


def as_selection(where: Selection | str) -> Selection:
    """A selection, or what its text says."""
    return where if isinstance(where, Selection) else parse_selection(where)


Where = Annotated[
    Selection | str,
    tyro.constructors.PrimitiveConstructorSpec(
        nargs=1,
        metavar="SELECTION",
        instance_from_str=lambda words: words[0],  # read by `as_selection`, so that a mistake is our error
        is_instance=lambda value: isinstance(value, Selection | str),
        str_from_instance=lambda value: [str(value)],
    ),
]
"""A selection or its text, as a field of edits; on the command line, its text."""


def _value(tree: ast.expr, text: str, depth: int) -> Any:
    """The value of an expression of constructors, operators and literals."""
    if depth > MAX_NESTING:
        raise _unreadable(text, f"more than {MAX_NESTING} levels")

    def inner(part: ast.expr) -> Any:
        return _value(part, text, depth + 1)

    match tree:
        case ast.BinOp(left, ast.BitAnd() | ast.BitOr() as operator, right):
            a, b = inner(left), inner(right)
            if isinstance(a, Selection) and isinstance(b, Selection):
                return a & b if isinstance(operator, ast.BitAnd) else a | b
        case ast.UnaryOp(ast.Invert(), operand) if isinstance(a := inner(operand), Selection):
            return ~a
        case ast.UnaryOp(ast.USub(), operand) if isinstance(number := inner(operand), int | float):
            return -number
        case ast.Constant(value) if isinstance(value, int | float | str | bool | None):
            return value
        case ast.Tuple(items) | ast.List(items):
            return tuple(inner(item) for item in items)
        case ast.Name("inf"):
            return math.inf
        case ast.Call(ast.Name(name), arguments, keywords) if name in SELECTIONS or name in _VALUES:
            return _made(name, [inner(a) for a in arguments], {str(k.arg): inner(k.value) for k in keywords}, text)
    raise _unreadable(text, str(ast.get_source_segment(text, tree))[:80])


def _made(name: str, arguments: list[Any], keywords: dict[str, Any], text: str) -> Any:
    """The selection or value of that name, its arguments checked against the fields."""
    kind = SELECTIONS[name] if name in SELECTIONS else _VALUES[name]
    names = [f.name for f in fields(kind)]
    given = dict(zip(names, arguments, strict=False)) | keywords
    needed = [f.name for f in fields(kind) if f.default is MISSING and f.default_factory is MISSING]
    if len(given) < len(arguments) + len(keywords) or set(needed) - set(given) or set(given) - set(names):
        raise InputError(name, got=text[:80], wanted=f"{name}({', '.join(names)})")
    for f in fields(kind):
        if f.name in given and not _fits(given[f.name], _SHAPES.get(str(f.type))):
            raise InputError(f"{name}.{f.name}", got=repr(given[f.name])[:80], wanted=str(f.type))
    return kind(**given)


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and not math.isnan(value)


def _numbers(count: int | None) -> Callable[[Any], bool]:
    return lambda v: isinstance(v, tuple) and (count is None or len(v) == count) and all(map(_number, v))


_VALUES: dict[str, type[Camera] | type[Pose]] = {"Camera": Camera, "Pose": Pose}
_SHAPES: dict[str, Callable[[Any], bool]] = {
    "float": _number,
    "int": lambda v: isinstance(v, int) and not isinstance(v, bool),
    "str": lambda v: isinstance(v, str),
    "Vector": _numbers(3),
    "Vector | None": lambda v: v is None or _numbers(3)(v),
    "tuple[float, float, float]": _numbers(3),
    "tuple[float, float, float, float]": _numbers(4),
    "tuple[float, ...]": _numbers(None),
    "tuple[tuple[float, float], ...]": lambda v: isinstance(v, tuple) and all(map(_numbers(2), v)),
    "Camera | None": lambda v: v is None or isinstance(v, Camera),
    "Pose": lambda v: isinstance(v, Pose),
}
"""What fits a field, by how its type is written."""


def _fits(value: Any, fit: Callable[[Any], bool] | None) -> bool:
    return fit is not None and fit(value)


def _unreadable(text: str, why: str) -> InputError:
    known = "; ".join(f"{name}({', '.join(f.name for f in fields(kind))})" for name, kind in SELECTIONS.items())
    return InputError("selection", got=f"{text[:80]!r}: {why[:120]}", wanted=f"{known}, combined by & | ~ and brackets")

"""Dataclasses from and to JSON, by the types of their fields; nothing is taken on a file's word."""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from functools import partial
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

LARGEST = 1e12
"""A number beyond this is no quantity of a scene."""

LONGEST = 10_000
"""Characters of a text."""

T = TypeVar("T")
Reader = Callable[[Any, str], Any]
"""What a JSON value says, of it and what it is called in messages; raises ValueError."""


def as_json(value: Any) -> Any:
    """A dataclass of numbers, texts, tuples and dataclasses as plain JSON values."""
    if is_dataclass(value):
        return {field.name: as_json(getattr(value, field.name)) for field in fields(value)}
    return [as_json(item) for item in value] if isinstance(value, tuple | list) else value


def from_json(kind: type[T], value: Any, where: str = "", *, readers: Mapping[str, Reader] | None = None) -> T:
    """The dataclass that JSON values say, each checked against the type of its field; unknown keys are passed over.

    Args:
        kind: A dataclass of float, int, bool, str, Literal, tuples, dataclasses, and None beside these.
        value: What `json.loads` made.
        where: What the value is called in messages.
        readers: Of the dataclass's own fields that are written otherwise than their type says, a length in words.

    Raises:
        ValueError: If a key is missing, or a value of another type, not finite, or out of all proportion; names it.
        InputError: As the dataclass itself.
    """
    if not isinstance(value, dict):
        raise ValueError(f"{where or 'the document'}: a JSON {type(value).__name__} for an object")
    hints = get_type_hints(kind)
    missing = [name for name in hints if name not in value]
    if missing:
        raise ValueError(f"{where or 'the document'}: no {missing[0]}")
    given = {name: (value[name], f"{where}.{name}".lstrip(".")) for name in hints}
    special = readers or {}
    read = {name: special[name] if name in special else partial(_value, hint) for name, hint in hints.items()}
    return kind(**{name: read[name](*what) for name, what in given.items()})


def _value(hint: Any, value: Any, where: str) -> Any:
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        rest = [kind for kind in inner if kind is not type(None)]
        return None if value is None and len(rest) < len(inner) else _value(rest[0], value, where)
    if origin is Literal:
        return _plain(value in inner if isinstance(value, str) else False, value, where, f"one of {', '.join(inner)}")
    if origin is tuple:
        return _tuple(inner, value, where)
    if is_dataclass(hint):
        return from_json(hint, value, where)  # type: ignore[arg-type]
    if hint is float:
        good = isinstance(value, int | float) and not isinstance(value, bool)
        return float(_plain(good and abs(value) <= LARGEST, value, where, "a finite number"))  # NaN is not ≤
    if hint is int:
        good = isinstance(value, int) and not isinstance(value, bool)
        return _plain(good and abs(value) <= LARGEST, value, where, "a whole number")
    if hint is str:
        good = isinstance(value, str) and len(value) <= LONGEST
        return _plain(good, value, where, f"a text of at most {LONGEST} characters")
    assert hint is bool
    return _plain(isinstance(value, bool), value, where, "true or false")


def _tuple(inner: tuple[Any, ...], value: Any, where: str) -> tuple[Any, ...]:
    repeated = len(inner) == 2 and inner[1] is ...
    wanted = "a list" if repeated else f"{len(inner)} values"
    good = isinstance(value, list) and (repeated or len(value) == len(inner))
    items = _plain(good, value, where, wanted)
    kinds = [inner[0]] * len(items) if repeated else inner
    return tuple(_value(kind, item, f"{where}[{i}]") for i, (kind, item) in enumerate(zip(kinds, items, strict=True)))


def _plain(good: bool, value: Any, where: str, wanted: str) -> Any:
    if not good:
        raise ValueError(f"{where}: {str(value)[:80]!r} for {wanted}")
    return value

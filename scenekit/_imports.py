"""How modules are imported: when something of them is first used, and without a search for garbage meanwhile."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import Any


def doors(package: str, owners: Mapping[str, str]) -> tuple[Callable[[str], Any], list[str]]:
    """The `__getattr__` and the `__all__` of a package whose public names are imported when they are first used.

    One of its modules does not bring all others then.

    Args:
        package: Its name.
        owners: Every public name, and the module of the package that owns it.
    """

    def __getattr__(name: str) -> Any:
        if name not in owners:
            raise AttributeError(f"module {package!r} has no attribute {name!r}; it has {', '.join(sorted(owners))}")
        return getattr(import_module(f"{package}.{owners[name]}"), name)

    return __getattr__, sorted(owners)


@contextmanager
def importing() -> Iterator[None]:
    """While a program imports what it needs, Python does not search for garbage.

    Modules make many objects and hardly any garbage: searching takes a quarter of the time of their import.
    """
    searches = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if searches:
            gc.enable()

"""Names: what links and files are called, legal in MJCF, URDF, USD and on every file system."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable

LEGAL = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
"""What a name may be: an identifier of USD, which is the strictest."""

LONGEST = 100
"""Characters of a name; files add an ending to it, and most systems know 255."""

NAMELESS = "thing"
"""What is called so has no letter or digit that could be kept."""

PORTS = (f"{port}{number}" for port in ("com", "lpt") for number in range(10))

RESERVED = frozenset(("world", "floor", "scene", "rest", "robot", "con", "prn", "aux", "nul", *PORTS))
"""Names that are taken, in lower case: five by files of our own, the others by Windows."""


def legal_name(text: str) -> str:
    """The legal name nearest to a text: "Große Tasse (2)" → "Gro_e_Tasse_2", "3mm-screw" → "_3mm_screw".

    Accents go by Unicode's compatibility decomposition (NFKD); what is then neither a letter, a digit nor `_` of ASCII
    becomes `_`.
    """
    plain = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    name = re.sub(r"[^A-Za-z0-9]+", "_", plain).strip("_")[-LONGEST:].strip("_") or NAMELESS
    return f"_{name}" if name[0].isdigit() else name


def names_of(paths: Iterable[str]) -> dict[str, str]:
    """A name for each path, no two of them the same even if case does not count, none of them reserved.

    It is the path's last part where that is unique, else with as many parts before it, joined by `_`, as make it so;
    what whole paths do not tell apart is numbered in the order given.
    """
    parts = {path: [part for part in path.split("/") if part] or [""] for path in paths}
    taken = dict.fromkeys(parts, 1)
    while True:
        names = {path: legal_name("_".join(parts[path][-taken[path] :])) for path in parts}
        counts = Counter(name.casefold() for name in names.values())
        wrong = [path for path, name in names.items() if counts[name.casefold()] > 1 or name.casefold() in RESERVED]
        longer = [path for path in wrong if taken[path] < len(parts[path])]
        if not longer:
            return _numbered(names, set(wrong))
        for path in longer:
            taken[path] += 1


def _numbered(names: dict[str, str], wrong: set[str]) -> dict[str, str]:
    """The names, those of `wrong` with the first number that makes them unique, unless they are the first of their
    kind."""
    used = {name.casefold() for path, name in names.items() if path not in wrong} | RESERVED
    result = {}
    for path, name in names.items():
        made, number = name, 1
        while path in wrong and made.casefold() in used:
            number += 1
            made = f"{name}_{number}"
        used.add(made.casefold())
        result[path] = made
    return result

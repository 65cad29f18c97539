"""NODE=VALUE on the command line: what is said of one node of a scene."""

from __future__ import annotations

import math
from collections.abc import Sequence

from scenekit.errors import InputError


def node_values(option: str, words: Sequence[str], *, value: str = "VALUE") -> dict[str, str]:
    """Values by path: ["/table/mug=0.3"] → {"/table/mug": "0.3"}.

    Args:
        option: What the words were given to, for the message.
        words: NODE=VALUE each; the last one of a node counts.
        value: What the value is called.

    Raises:
        InputError: If one is not NODE=VALUE.
    """
    pairs = {}
    for word in words:
        node, equals, said = word.partition("=")
        if not (equals and node.startswith("/") and said):
            raise InputError(option, got=repr(word), wanted=f"NODE={value}, such as /table/mug=…")
        pairs[node] = said
    return pairs


def numbers(option: str, text: str, form: str) -> list[float]:
    """Finite numbers with commas between, as many as the form names: "X,Y,Z".

    Raises:
        InputError: If the text is anything else.
    """
    count = form.count(",") + 1
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        values = []
    if len(values) != count or not all(map(math.isfinite, values)):
        raise InputError(option, got=repr(text), wanted="a number" if count == 1 else f"{count} numbers: {form}")
    return values

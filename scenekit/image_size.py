"""Image sizes as people write them: 640x480."""

from __future__ import annotations

import re
from typing import Annotated

from tyro.constructors import PrimitiveConstructorSpec


def parse_size(words: list[str]) -> tuple[int, int]:
    """["640x480"] → (640, 480) [px].

    Raises:
        ValueError: If the word is not WIDTHxHEIGHT.
    """
    match = re.fullmatch(r"(\d{1,6})x(\d{1,6})", words[0].strip().lower())
    if match is None:
        raise ValueError(f"size: got {words[0]!r}; wanted WIDTHxHEIGHT in pixels, such as 640x480")
    return int(match[1]), int(match[2])


ImageSize = Annotated[
    tuple[int, int],
    PrimitiveConstructorSpec(
        nargs=1,
        metavar="WIDTHxHEIGHT",
        instance_from_str=parse_size,
        is_instance=lambda size: isinstance(size, tuple) and len(size) == 2,
        str_from_instance=lambda size: [f"{size[0]}x{size[1]}"],
    ),
]
"""(width, height) [px], one word on the command line."""

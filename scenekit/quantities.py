"""Quantity: a number of physics that says where it comes from."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

from scenekit.errors import InputError

Provenance = Literal["measured", "estimated", "default", "authored"]
"""measured: by an instrument or a known length; estimated: by a model, with spread; default: nobody looked; authored:
a person or program set it."""


@dataclass(frozen=True)
class Quantity:
    """A value with its provenance.

    Raises:
        InputError: If the value is not finite, the spread negative, or the provenance unknown.
    """

    value: float
    """In SI units; which, says the field that holds it."""
    provenance: Provenance = "authored"
    """Where it comes from."""
    spread: float | None = None
    """Standard deviation, in the unit of the value; None if unknown."""
    note: str = ""
    """By what, one sentence."""

    def __post_init__(self) -> None:
        if not math.isfinite(self.value):
            raise InputError("quantity.value", got=self.value, wanted="a finite number")
        if self.spread is not None and not 0 <= self.spread < math.inf:
            raise InputError("quantity.spread", got=self.spread, wanted="0 or more, or None")
        if self.provenance not in get_args(Provenance):
            raise InputError(
                "quantity.provenance", got=repr(self.provenance), wanted="one of " + ", ".join(get_args(Provenance))
            )

    def __str__(self) -> str:
        spread = "" if self.spread is None else f" ± {self.spread:.2g}"
        return f"{self.value:.4g}{spread} ({self.provenance})"

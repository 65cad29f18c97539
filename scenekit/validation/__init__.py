"""Validation: what is physically or technically wrong with a scene. `scene.validate()` and `scenekit validate`."""

from typing import TYPE_CHECKING

from scenekit._imports import doors

if TYPE_CHECKING:
    from scenekit.validation.codes import CODES as CODES
    from scenekit.validation.finding import SEVERITIES as SEVERITIES
    from scenekit.validation.finding import Finding as Finding
    from scenekit.validation.finding import Severity as Severity
    from scenekit.validation.inspection import checks as checks
    from scenekit.validation.inspection import findings as findings

__getattr__, __all__ = doors(
    __name__,
    {
        "CODES": "codes",
        "Finding": "finding",
        "SEVERITIES": "finding",
        "Severity": "finding",
        "checks": "inspection",
        "findings": "inspection",
    },
)

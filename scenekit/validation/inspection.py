"""The inspection of a whole scene: every check, gravest findings first."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from scenekit.scene import SceneState
from scenekit.validation.bindings import check_bindings
from scenekit.validation.bodies import check_bodies
from scenekit.validation.codes import CODES
from scenekit.validation.fields import check_fields
from scenekit.validation.finding import SEVERITIES, Finding
from scenekit.validation.frame import check_far, check_frame
from scenekit.validation.meshes import check_meshes
from scenekit.validation.nodes import check_nodes
from scenekit.validation.odd import check_odd
from scenekit.validation.placed import Placed, placed
from scenekit.validation.splats import check_splats

if TYPE_CHECKING:
    from scenekit.jepa.jepa import Jepa


def findings(state: SceneState, jepa: Jepa | None = None) -> list[Finding]:
    """What is wrong with a scene, gravest first, the same each time. Nothing is changed, no scene is refused.

    Where a 3D-JEPA is given, it says what is odd.

    Every check takes time in proportion to what it looks at. Where that is not enough (all faces on one spot, thousands
    of nodes in one place, millions of splats) it looks at a part and its finding says so.
    """
    everything = placed(state)
    things = [thing for thing in everything if not thing.is_far]
    found = list(check_far(everything))
    found += [finding for check in checks(state).values() for finding in check(things)]
    found += check_odd(state, jepa) if jepa else ()
    rank = {code: place for place, code in enumerate(CODES)}
    return sorted(found, key=lambda f: (SEVERITIES.index(f.severity), rank[f.code], f.path, f.where))


def checks(state: SceneState) -> dict[str, Callable[[list[Placed]], Iterator[Finding]]]:
    """Every check by what it looks at, in order."""
    return {
        "frame": partial(check_frame, state.frame),
        "splats": check_splats,
        "meshes": check_meshes,
        "fields": check_fields,
        "bodies": check_bodies,
        "nodes": check_nodes,
        "bindings": check_bindings,
    }

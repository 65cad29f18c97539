"""A check by what is predicted: neighbourhoods that are not as the rest of their scene lets expect."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from scenekit.errors import InputError
from scenekit.scene import SceneState
from scenekit.validation.finding import Finding, counted, finding, point

if TYPE_CHECKING:
    from scenekit.jepa.jepa import Jepa

SHARE = 0.001
"""Of the neighbourhoods of intact scenes that are as odd as what is named: of 64, one in 16 scenes."""


def check_odd(state: SceneState, jepa: Jepa) -> Iterator[Finding]:
    """Where a 3D-JEPA finds a scene odder than is usual, by the node that is there.

    Nothing is said of a scene that it cannot look at: without surfaces, or with numbers that are not finite.

    Raises:
        InputError: If nobody measured what is usual for the model.
    """
    from scenekit.jepa.elements import owner_paths

    limit = jepa.limit(SHARE)
    try:
        found = jepa.energy(state)
    except InputError:
        return
    paths, oddity, owners = owner_paths(state), found.oddity.numpy(), found.tokens.owners.numpy()
    for owner in np.unique(owners[oddity > limit]).tolist():
        which = np.flatnonzero((owners == owner) & (oddity > limit))
        worst = which[oddity[which].argmax()]
        what = f"{counted(len(which), 'neighbourhood')} of {(owners == owner).sum()} "
        what += f"{'is' if len(which) == 1 else 'are'} not as the rest of the scene lets expect: up to "
        what += f"{oddity[worst]:.1f} deviations above its middle, and {SHARE:.1%} of those of intact scenes are "
        what += f"more than {limit:.1f}."
        figures = {"count": len(which), "highest": float(oddity[worst]), "limit": limit}
        path = paths[owner] if owner >= 0 else "/"
        yield finding("note", "tokens-odd", path, what, point(found.centers[worst].tolist()), **figures)

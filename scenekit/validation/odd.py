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
    """Where the energy of a 3D-JEPA is above what is usual, by the node that is there.

    Of a scene that is unlike all that the model knows this alone is said. Nothing is said of one that it cannot look
    at: without surfaces, or with numbers that are not finite.

    Raises:
        InputError: If nobody measured what energies are usual for the model.
    """
    from scenekit.jepa.elements import owner_paths

    limit = jepa.limit(SHARE)
    try:
        found = jepa.energy(state)
    except InputError:
        return
    paths, energies = owner_paths(state), found.values.numpy()
    if not jepa.knows(found):
        middle = float(np.median(energies))
        what = "The scene is unlike all that the 3D-JEPA learned from, so what is odd in it cannot be told: half of "
        what += f"its energies are above {middle:.2f}, and {SHARE:.1%} of those of intact scenes above {limit:.2f}."
        yield finding("note", "scene-unknown", "/", what, median=middle, limit=limit)
        return
    owners = found.tokens.owners.numpy()
    for owner in np.unique(owners[energies > limit]).tolist():
        which = np.flatnonzero((owners == owner) & (energies > limit))
        worst = which[energies[which].argmax()]
        what = f"{counted(len(which), 'neighbourhood')} of {(owners == owner).sum()} "
        what += f"{'is' if len(which) == 1 else 'are'} not as the rest of the scene lets expect: energy up to "
        what += f"{energies[worst]:.2f}, above the {limit:.2f} that {SHARE:.1%} of those of intact scenes exceed."
        figures = {"count": len(which), "highest": float(energies[worst]), "limit": limit}
        path = paths[owner] if owner >= 0 else "/"
        yield finding("note", "tokens-odd", path, what, point(found.centers[worst].tolist()), **figures)

"""Selections: which Gaussians and faces of a node are meant; combined by & | ~, written as they are made.

    Box((0, 0, 0), (1, 1, 1)) & ~Opacity(0, 0.1)

A selection is asked in the world frame [m]. Its text is the very expression that makes it, and `parse_selection` reads
it back without running anything.
"""

from typing import TYPE_CHECKING

from scenekit._imports import doors

if TYPE_CHECKING:
    from scenekit.selection.base import And as And
    from scenekit.selection.base import Not as Not
    from scenekit.selection.base import Or as Or
    from scenekit.selection.base import Selection as Selection
    from scenekit.selection.looks import Cluster as Cluster
    from scenekit.selection.looks import Color as Color
    from scenekit.selection.looks import Flatness as Flatness
    from scenekit.selection.looks import Opacity as Opacity
    from scenekit.selection.looks import Scale as Scale
    from scenekit.selection.photos import Lifted as Lifted
    from scenekit.selection.places import Box as Box
    from scenekit.selection.places import Everything as Everything
    from scenekit.selection.places import HalfSpace as HalfSpace
    from scenekit.selection.places import Near as Near
    from scenekit.selection.places import Polygon as Polygon
    from scenekit.selection.places import Sphere as Sphere
    from scenekit.selection.text import SELECTIONS as SELECTIONS
    from scenekit.selection.text import Where as Where
    from scenekit.selection.text import as_selection as as_selection
    from scenekit.selection.text import parse_selection as parse_selection

__getattr__, __all__ = doors(
    __name__,
    {
        "And": "base",
        "Box": "places",
        "Cluster": "looks",
        "Color": "looks",
        "Everything": "places",
        "Flatness": "looks",
        "HalfSpace": "places",
        "Lifted": "photos",
        "Near": "places",
        "Not": "base",
        "Opacity": "looks",
        "Or": "base",
        "Polygon": "places",
        "SELECTIONS": "text",
        "Scale": "looks",
        "Selection": "base",
        "Sphere": "places",
        "Where": "text",
        "as_selection": "text",
        "parse_selection": "text",
    },
)

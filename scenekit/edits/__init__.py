"""Edits: small reversible values that change a scene. `scene.apply(edits.Move("/table/mug", by=(0, 0, 0.3)))`."""

from scenekit.edits.assign import Assign as Assign
from scenekit.edits.place import Move as Move

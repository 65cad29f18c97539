"""Edits: small reversible values that change a scene. `scene.apply(edits.Move("/table/mug", by=(0, 0, 0.3)))`."""

from scenekit.edits.assign import Assign as Assign
from scenekit.edits.assign import SetMaterial as SetMaterial
from scenekit.edits.clean import Decimate as Decimate
from scenekit.edits.clean import RemoveFloaters as RemoveFloaters
from scenekit.edits.extract import Extract as Extract
from scenekit.edits.frame import Level as Level
from scenekit.edits.frame import MetricDistance as MetricDistance
from scenekit.edits.frame import MetricGps as MetricGps
from scenekit.edits.frame import MetricMarker as MetricMarker
from scenekit.edits.frame import MetricSize as MetricSize
from scenekit.edits.look import Recolor as Recolor
from scenekit.edits.look import SetOpacity as SetOpacity
from scenekit.edits.mend import Mend as Mend
from scenekit.edits.parts import Crop as Crop
from scenekit.edits.parts import Merge as Merge
from scenekit.edits.parts import Split as Split
from scenekit.edits.place import Arrange as Arrange
from scenekit.edits.place import Mirror as Mirror
from scenekit.edits.place import Move as Move
from scenekit.edits.place import Rotate as Rotate
from scenekit.edits.place import Scale as Scale
from scenekit.edits.tree import AddNode as AddNode
from scenekit.edits.tree import Delete as Delete
from scenekit.edits.tree import Duplicate as Duplicate
from scenekit.edits.tree import Rename as Rename
from scenekit.edits.tree import Reparent as Reparent
from scenekit.scene import Edit
from scenekit.segment import Segment as Segment

EDITS: dict[str, type[Edit]] = {
    "add": AddNode,
    "crop": Crop,
    "decimate": Decimate,
    "delete": Delete,
    "duplicate": Duplicate,
    "extract": Extract,
    "floaters": RemoveFloaters,
    "level": Level,
    "material": SetMaterial,
    "mend": Mend,
    "merge": Merge,
    "metric-distance": MetricDistance,
    "metric-gps": MetricGps,
    "metric-marker": MetricMarker,
    "metric-size": MetricSize,
    "mirror": Mirror,
    "move": Move,
    "opacity": SetOpacity,
    "recolor": Recolor,
    "rename": Rename,
    "reparent": Reparent,
    "rotate": Rotate,
    "scale": Scale,
    "segment": Segment,
    "split": Split,
}
"""Every edit that the command line knows, by its word there: `scenekit edit SCENE move /table/mug --by 0 0 0.3`."""

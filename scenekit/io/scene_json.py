"""scene.json: the tree, the values and the history of a scene, and which files hold its parts.

    {"format": "scenekit scene", "schema": 1,
     "nodes": [{"name": "mug", "position": […], "quat": […], "splats": {"file": …, "sha256": …, "bytes": …}}, …],
     "state": {"root": 3, "frame": {…}, "source": "…"}, "past": [{"label": "move …", "root": 2, …}], "future": []}

Nodes are numbered and name their children by number, as in glTF, so that states of one history share what an edit did
not touch. A node stands after its children: there can be no cycle. Whatever a file says is checked here; nothing is
read or built on its word. Floats are written by `repr` and come back bit for bit.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path, PurePosixPath
from typing import Any, get_args, get_type_hints

from scenekit.body import Body, Joint
from scenekit.capture.capture import Frame
from scenekit.capture.saved import frame_as_json, frame_from_json
from scenekit.errors import FileError, InputError
from scenekit.io.bounded import check_values
from scenekit.laws import LAWS, Law, Rigid
from scenekit.material import Material
from scenekit.poses import Pose
from scenekit.quantities import Quantity
from scenekit.scene import MAX_DEPTH, NAME

FORMAT = "scenekit scene"
"""What a scene.json calls itself."""

SCHEMA = 1
"""The version of the layout that is written."""

MIGRATIONS: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {}
"""What turns a document of a version into one of the next, by the version it takes."""

MAX_BYTES = 64_000_000
"""A larger scene.json is not one of ours."""

MAX_NODES = 100_000
"""Most nodes that one state may unfold to."""

MAX_STEPS = 1000
"""Most past and future states that are kept."""

MAX_TEXT = 10_000
"""Longest text [characters]."""

FILE_PARTS = ("splats", "mesh", "field", "cameras")
"""Parts that lie in files of their own."""


@dataclass(frozen=True)
class PartFile:
    """Where a part lies."""

    file: str
    """Path relative to the scene folder, with forward slashes."""
    sha256: str
    """Hash of its content, 64 hexadecimal digits."""
    bytes: int
    """Its size [bytes]."""


@dataclass(frozen=True)
class NodeRecord:
    """A node on paper: what it holds by value, and by file and number."""

    name: str
    """As `Node.name`."""
    pose: Pose
    """As `Node.pose`."""
    body: Body | None
    """As `Node.body`."""
    material: Material | None
    """As `Node.material`."""
    files: Mapping[str, PartFile]
    """Its other parts, by name of the part."""
    children: tuple[int, ...]
    """Numbers of its children, all smaller than its own."""


@dataclass(frozen=True)
class StateRecord:
    """A state on paper."""

    root: int
    """Number of its root."""
    frame: Frame
    """As `SceneState.frame`."""
    source: str
    """As `SceneState.source`."""
    label: str = ""
    """The edit on the way to it, for a state of the history."""


@dataclass(frozen=True)
class SceneRecord:
    """A scene on paper."""

    nodes: tuple[NodeRecord, ...]
    """All nodes of all states, children first."""
    state: StateRecord
    """The present."""
    past: tuple[StateRecord, ...] = ()
    """As `Scene.past`."""
    future: tuple[StateRecord, ...] = ()
    """As `Scene.future`."""


def dumps(record: SceneRecord) -> str:
    """The text of scene.json.

    Raises:
        InputError: If a number is not finite, which JSON cannot say.
    """
    document = {
        "format": FORMAT,
        "schema": SCHEMA,
        "state": _state_as_json(record.state),
        "past": [_state_as_json(state) for state in record.past],
        "future": [_state_as_json(state) for state in record.future],
        "nodes": [node_as_json(node) for node in record.nodes],
    }
    try:
        fields = (f"{json.dumps(name)}: {_lines(value)}" for name, value in document.items())
        return "{" + ",\n ".join(fields) + "}\n"
    except ValueError:
        bad = [node.name for node in record.nodes if not _is_finite(node_as_json(node))]
        got = f"a number that is not finite in {', '.join(bad) or 'the frame'}"
        raise InputError("scene", got=got, wanted="finite numbers", hint="scenekit validate names them.") from None


def loads(text: str, file: Path) -> SceneRecord:
    """What the text of a scene.json says, migrated to the present schema.

    Args:
        text: Its content.
        file: Its path, for messages.

    Raises:
        FileError: If it is not valid JSON of a scene, or of a schema that is newer than ours.
    """
    check_values(file, text.encode())
    try:
        document = json.loads(text, parse_constant=_refused)
        return _scene(migrated(document, file))
    except FileError:
        raise
    except RecursionError:
        raise FileError(file, got="JSON nested without end", wanted="a scene") from None
    except (InputError, KeyError, TypeError, ValueError, OverflowError) as error:
        said = f"no {error}" if isinstance(error, KeyError) else str(error)
        raise FileError(file, got=said[:500], wanted="a scene.json of scenekit") from None


def migrated(document: Any, file: Path) -> dict[str, Any]:
    """The document brought to the present schema by the migrations, one after the other.

    Raises:
        FileError: If it is no scene, or newer than this program, or older than its oldest migration.
    """
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise FileError(file, got=f"JSON without the format {FORMAT!r}", wanted="a scene.json of scenekit")
    version = document.get("schema")
    if not isinstance(version, int) or isinstance(version, bool) or version < min({SCHEMA, *MIGRATIONS}):
        raise FileError(file, got=f"schema {version!r}", wanted=f"a version up to {SCHEMA}")
    if version > SCHEMA:
        hint = "It was written by a newer scenekit: update this one."
        raise FileError(file, got=f"schema {version}", wanted=f"schema {SCHEMA} or older", hint=hint)
    for step in range(version, SCHEMA):
        document = MIGRATIONS[step](document)
    return document | {"schema": SCHEMA}


def node_as_json(node: NodeRecord) -> dict[str, Any]:
    """A node as plain JSON values; what is not there is left out."""
    values: dict[str, Any] = {"name": node.name}
    if not node.pose.is_identity:
        values |= {"position": list(node.pose.position), "quat": list(node.pose.quat)}
    values |= {part: vars(file) for part, file in node.files.items()}
    if node.body is not None:
        values["body"] = _present(node.body)
    if node.material is not None:
        values["material"] = _present(node.material)
    return values | ({"children": list(node.children)} if node.children else {})


def _lines(value: Any) -> str:
    """JSON with an item of a list per line."""
    if not isinstance(value, list):
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    return "[" + ",".join(f"\n  {_lines(item)}" for item in value if not isinstance(item, list)) + "]"


def _present(value: Body | Joint | Law | Material | Quantity) -> dict[str, Any]:
    """The fields of a dataclass that are there; nested vectors as lists of plain floats."""

    def plain(field: Any) -> Any:
        if isinstance(field, Law):
            return {"name": field.name} | _present(field)
        if isinstance(field, Joint | Quantity):
            return _present(field)
        if isinstance(field, str):
            return field
        return [plain(item) for item in field] if hasattr(field, "__len__") else float(field)

    return {name: plain(field) for name, field in vars(value).items() if field is not None}


def _state_as_json(state: StateRecord) -> dict[str, Any]:
    label = {"label": state.label} if state.label else {}
    return label | {"root": state.root, "frame": frame_as_json(state.frame), "source": state.source}


def _is_finite(value: Any) -> bool:
    if isinstance(value, dict | list):
        return all(map(_is_finite, value.values() if isinstance(value, dict) else value))
    return not isinstance(value, float) or math.isfinite(value)


def _refused(constant: str) -> float:
    raise ValueError(f"the number {constant}")


def _scene(document: dict[str, Any]) -> SceneRecord:
    known = ("format", "schema", "state", "past", "future", "nodes")
    _object(document, "scene", known)
    nodes = tuple(_node(entry, number) for number, entry in enumerate(_list(document["nodes"], "nodes")))
    _check_tree(nodes)
    past, future = _list(document["past"], "past"), _list(document["future"], "future")
    if len(past) + len(future) > MAX_STEPS:
        raise ValueError(f"{len(past) + len(future)} steps of history, more than {MAX_STEPS}")
    return SceneRecord(
        nodes,
        _state(document["state"], nodes),
        tuple(_state(entry, nodes) for entry in past),
        tuple(_state(entry, nodes) for entry in future),
    )


def _state(entry: Any, nodes: tuple[NodeRecord, ...]) -> StateRecord:
    _object(entry, "state", ("label", "root", "frame", "source"))
    root = _integer(entry["root"], "root", below=len(nodes))
    if replace(nodes[root], children=()) != NodeRecord("", Pose(), None, None, {}, ()):
        raise ValueError(f"node {root} as root, which has a name, a pose or a part")
    frame = _object(entry["frame"], "frame", tuple(Frame.__dataclass_fields__))
    for name in ("up", "scale", "note"):
        _text(frame[name], name)
    return StateRecord(
        root, frame_from_json(frame), _text(entry["source"], "source"), _text(entry.get("label", ""), "label")
    )


def _node(entry: Any, number: int) -> NodeRecord:
    known = ("name", "position", "quat", "body", "material", *FILE_PARTS, "children")
    _object(entry, f"node {number}", known)
    name = _text(entry["name"], "name")
    if name and not NAME.fullmatch(name):
        raise ValueError(f"a node of the name {name[:80]!r}")
    children = _list(entry.get("children", []), f"children of {name}")
    return NodeRecord(
        name,
        Pose(
            _vector(entry.get("position", [0.0, 0.0, 0.0]), 3, "position"),
            _vector(entry.get("quat", [1.0, 0.0, 0.0, 0.0]), 4, "quat"),
        ),
        _body(entry["body"]) if "body" in entry else None,
        _material(entry["material"]) if "material" in entry else None,
        {part: _part_file(entry[part]) for part in FILE_PARTS if part in entry},
        tuple(_integer(child, f"child of {name}", below=number) for child in children),
    )


def _check_tree(nodes: tuple[NodeRecord, ...]) -> None:
    """Bounds what the numbered nodes unfold to before anything is unfolded: shared children make few into many."""
    depths, counts = list[int](), list[int]()
    for node in nodes:
        names = {nodes[child].name for child in node.children}
        if len(names) < len(node.children) or "" in names:
            raise ValueError(f"children of {node.name!r} that share a name or have none")
        depths.append(1 + max((depths[child] for child in node.children), default=-1))
        counts.append(1 + sum(counts[child] for child in node.children))
        if depths[-1] > MAX_DEPTH or counts[-1] > MAX_NODES:
            got = f"a tree {depths[-1]} deep of {counts[-1]} nodes"
            raise ValueError(f"{got}, more than {MAX_DEPTH} deep or {MAX_NODES} nodes")


def _part_file(entry: Any) -> PartFile:
    _object(entry, "part file", ("file", "sha256", "bytes"))
    file, sha256 = _text(entry["file"], "file"), _text(entry["sha256"], "sha256")
    path = PurePosixPath(file)
    if path.is_absolute() or ".." in path.parts or not path.parts or re.search(r'[\0-\x1f\\:*?"<>|]', file):
        raise ValueError(f"the part file {file[:80]!r}, which may lie outside of the scene folder")
    if not re.fullmatch("[0-9a-f]{64}", sha256):
        raise ValueError(f"the hash {sha256[:80]!r}")
    return PartFile(path.as_posix(), sha256, _integer(entry["bytes"], "bytes", below=2**53))


def _body(entry: Any) -> Body:
    _object(entry, "body", tuple(Body.__dataclass_fields__))
    if entry["kind"] not in get_args(get_type_hints(Body)["kind"]):
        raise ValueError(f"a body of kind {entry['kind']!r}")
    inertia = _list(entry["inertia"], "inertia") if "inertia" in entry else None
    if inertia is not None and len(inertia) != 3:
        raise ValueError("an inertia that is not 3x3")
    return Body(
        entry["kind"],
        _quantity(entry["mass"]) if "mass" in entry else None,
        _vector(entry["centre"], 3, "centre") if "centre" in entry else None,
        tuple(_vector(row, 3, "inertia") for row in inertia) if inertia is not None else None,
        _joint(entry["joint"]) if "joint" in entry else None,
    )


def _material(entry: Any) -> Material:
    _object(entry, "material", tuple(Material.__dataclass_fields__))
    numbers = {name: _quantity(entry[name]) for name in Material.__dataclass_fields__ if name not in ("name", "law")}
    return Material(_text(entry["name"], "name"), **numbers, law=_law(entry["law"]) if "law" in entry else Rigid())


def _law(entry: Any) -> Law:
    """A law by its name and numbers."""
    law = LAWS.get(_text(entry["name"], "law"))
    if law is None:
        raise ValueError(f"a law {entry['name']!r}; there are {', '.join(LAWS)}")
    names = [f.name for f in fields(law)]
    _object(entry, "law", ("name", *names))
    return law(**{name: _quantity(entry[name]) for name in names if name in entry})


def _joint(entry: Any) -> Joint:
    """A joint; what is left out is as `Joint` has it."""
    _object(entry, "joint", tuple(Joint.__dataclass_fields__))
    if entry["kind"] not in get_args(get_type_hints(Joint)["kind"]):
        raise ValueError(f"a joint of kind {entry['kind']!r}")
    if entry.get("actuator", "none") not in get_args(get_type_hints(Joint)["actuator"]):
        raise ValueError(f"an actuator {entry['actuator']!r}")
    vectors = {name: _vector(entry[name], 3, name) for name in ("axis", "anchor") if name in entry}
    limits = {"limits": _vector(entry["limits"], 2, "limits")} if "limits" in entry else {}
    numbers = {name: _number(entry[name], name) for name in ("damping", "gain") if name in entry}
    words = {"actuator": entry["actuator"]} if "actuator" in entry else {}
    return Joint(entry["kind"], **vectors, **limits, **numbers, **words)  # type: ignore[arg-type]


def _quantity(entry: Any) -> Quantity:
    _object(entry, "quantity", tuple(Quantity.__dataclass_fields__))
    spread = entry.get("spread")
    return Quantity(
        _number(entry["value"], "value"),
        _text(entry["provenance"], "provenance"),  # type: ignore[arg-type]  # Quantity knows which there are
        None if spread is None else _number(spread, "spread"),
        _text(entry.get("note", ""), "note"),
    )


def _object(entry: Any, what: str, known: tuple[str, ...]) -> dict[str, Any]:
    if not isinstance(entry, dict):
        raise TypeError(f"{what}: a JSON {type(entry).__name__} for an object")
    unknown = [key for key in entry if key not in known]
    if unknown:
        raise ValueError(f"{what}: the key {unknown[0][:80]!r}, where only {', '.join(known)} are known")
    return entry


def _list(entry: Any, what: str) -> list[Any]:
    if not isinstance(entry, list):
        raise TypeError(f"{what}: a JSON {type(entry).__name__} for a list")
    return entry


def _text(entry: Any, what: str) -> str:
    if not isinstance(entry, str) or len(entry) > MAX_TEXT:
        raise TypeError(f"{what}: {str(entry)[:80]!r} for a text of at most {MAX_TEXT} characters")
    entry.encode()  # half a surrogate pair is no text, and could not be written again
    return entry


def _number(entry: Any, what: str) -> float:
    if not isinstance(entry, int | float) or isinstance(entry, bool) or not math.isfinite(entry):
        raise TypeError(f"{what}: {str(entry)[:80]!r} for a finite number")
    return float(entry)


def _vector(entry: Any, size: int, what: str) -> Any:
    if not isinstance(entry, list) or len(entry) != size:
        raise TypeError(f"{what}: {str(entry)[:80]!r} for {size} numbers")
    return tuple(_number(item, what) for item in entry)


def _integer(entry: Any, what: str, *, below: int) -> int:
    if not isinstance(entry, int) or isinstance(entry, bool) or not 0 <= entry < below:
        raise ValueError(f"{what}: {str(entry)[:80]!r} for a whole number of 0 to {below - 1}")
    return entry

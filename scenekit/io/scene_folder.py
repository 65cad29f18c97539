"""Scene folders: a scene and its history as plain files, written wholly or not at all.

    scene.json   tree, poses, values, frame, history; see `scenekit.io.scene_json`
    parts/       splats as PLY, meshes as GLB, fields as safetensors, cameras as JSON; see `scenekit.io.part_files`

Saving writes new part files, flushes them to disk, replaces scene.json by one rename, and only then removes part files
that no state uses any more. Whatever happens in between, the folder holds the old scene or the new one, whole.
"""

from __future__ import annotations

import hashlib
import json
import logging
import weakref
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path
from typing import Any

from scenekit.errors import FileError, InputError
from scenekit.io.atomic import flush_folder, write_text
from scenekit.io.lock import locked
from scenekit.io.part_files import (
    FOLDER,
    Part,
    copy_part,
    part_names,
    read_part,
    remove_parts,
    write_part,
)
from scenekit.io.scene_json import (
    FILE_PARTS,
    MAX_BYTES,
    MAX_STEPS,
    NodeRecord,
    PartFile,
    SceneRecord,
    StateRecord,
    dumps,
    loads,
    node_as_json,
)
from scenekit.scene import HISTORY_BYTES, Node, Scene, SceneState, StoredState

FILE = "scene.json"
"""The file that makes a folder a scene."""

MAX_LABEL = 200
"""Longest description of an edit that is kept [characters]."""

NAME_LENGTH = 48
"""Longest beginning of a part file's name [characters], taken from the node's path."""

log = logging.getLogger(__name__)

Step = tuple[SceneState | StoredState, str]


def is_scene(folder: str | Path) -> bool:
    """Whether a scene was saved in a folder."""
    return (Path(folder) / FILE).is_file()


def read_scene(folder: str | Path) -> Scene:
    """The scene in a folder. Parts of past and future states stay on disk until somebody goes back to them.

    Raises:
        FileError: If scene.json or a part file is missing, damaged, or not what was written.
    """
    folder, revision = Path(folder), None
    while True:  # until the files are those of one save: another process may save in between
        text = _read_text(folder / FILE)
        try:
            scene = _scene(folder, loads(text, folder / FILE))
            scene.revision = _revision(text)
            return scene
        except FileError:
            if revision == (revision := _revision(text)):
                raise


def save_scene(scene: Scene, folder: str | Path | None = None, *, history_bytes: int = HISTORY_BYTES) -> Path:
    """Writes a scene and its history; afterwards the folder holds the new scene, or the old one if this raises.

    Unchanged parts are neither read nor written again. Steps of history beyond `history_bytes` are dropped, those
    furthest from now first, and a warning is logged.

    Args:
        scene: The scene; its `folder` becomes this one if it had none.
        folder: Where to; None for `scene.folder`.
        history_bytes: Most that part files of past and future states take beside those of the present [bytes].

    Raises:
        InputError: If there is no folder, or the scene holds a number that is not finite.
        FileError: If another process has saved there since this scene was read, or is saving for a minute.
        OSError: If the disk is full or the folder may not be written.
    """
    target = Path(folder) if folder is not None else scene.folder
    if target is None:
        raise InputError("scene.save", got="no folder", wanted="a folder to save in", hint='scene.save("kitchen")')
    if target.exists() and not target.is_dir():
        raise FileError(target, got="a file", wanted="a folder to save the scene in")
    (target / FOLDER).mkdir(parents=True, exist_ok=True)
    with locked(target / ".scene.lock"):
        is_home = scene.folder is None or scene.folder.resolve() == target.resolve()
        if is_home:
            _check_revision(scene, target)
        record, past, future = _committed(scene, target, history_bytes)
        if is_home:
            scene.folder, scene.past, scene.future = target, past, future
            scene.revision = _revision(_read_text(target / FILE))
        used = {file.file for node in record.nodes for file in node.files.values()}
        remove_parts(target, part_names(target) - used)
    return target


def _committed(scene: Scene, target: Path, history_bytes: int) -> tuple[SceneRecord, list[Step], list[Step]]:
    """Writes the scene up to the rename that makes it the folder's; takes back new part files if it does not get there.

    Returns its record, and what is left of its past and future.
    """
    before, text = part_names(target), None
    try:
        record, past, future = _Writer(target).scene(scene, history_bytes)
        text = dumps(record)
        if len(text.encode()) > MAX_BYTES:
            raise InputError("scene", got=f"{len(text)} bytes of scene.json", wanted=f"at most {MAX_BYTES}")
        flush_folder(target / FOLDER)
        write_text(target / FILE, text)
    except BaseException:
        if not is_scene(target) or _read_text(target / FILE) != text:
            remove_parts(target, part_names(target) - before)
        raise
    flush_folder(target)
    return record, past, future


@dataclass(frozen=True)
class _Stored:
    """A state of a scene folder that was not read yet."""

    reader: _Reader
    record: StateRecord

    def load(self) -> SceneState:
        return SceneState(self.reader.node(self.record.root), self.record.frame, self.record.source)


class _Reader:
    """Builds nodes from their records; states share the nodes that they have in common."""

    def __init__(self, folder: Path, records: tuple[NodeRecord, ...]):
        self.folder, self.records = folder, records
        self._nodes: weakref.WeakValueDictionary[int, Node] = weakref.WeakValueDictionary()

    def node(self, number: int) -> Node:
        """The node of that number with all below it; as deep as a scene may be, and no deeper, by `loads`."""
        if (known := self._nodes.get(number)) is not None:
            return known
        record = self.records[number]
        parts: dict[str, Any] = {kind: read_part(self.folder, file, kind) for kind, file in record.files.items()}
        children = tuple(self.node(child) for child in record.children)
        node = Node(record.name, record.pose, body=record.body, material=record.material, children=children, **parts)
        self._nodes[number] = node
        return node


class _Writer:
    """Collects the records of states and sees that their parts are in the folder."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.records: list[NodeRecord] = []
        self._numbers: dict[str, int] = {}
        self._files: dict[int, dict[str, PartFile]] = {}
        self._seen: dict[object, int] = {}

    def scene(self, scene: Scene, history_bytes: int) -> tuple[SceneRecord, list[Step], list[Step]]:
        """The record of a scene, and what is left of its past and future."""
        files = set(self._store(scene.state))
        present = sum(file.bytes for file in files)
        kept = {"past": list[Step](), "future": list[Step]()}
        for name, step in _by_distance(scene):
            files |= set(self._store(step[0]))
            if sum(file.bytes for file in files) - present > history_bytes or sum(map(len, kept.values())) == MAX_STEPS:
                dropped = len(scene.past) + len(scene.future) - sum(map(len, kept.values()))
                log.warning("%s: the %d steps of history furthest from now were dropped", self.folder, dropped)
                break
            kept[name].insert(0, step)
        record = SceneRecord(
            state=self._state(scene.state, ""),
            past=tuple(self._state(*step) for step in kept["past"]),
            future=tuple(self._state(*step) for step in kept["future"]),
            nodes=tuple(self.records),
        )
        return record, kept["past"], kept["future"]

    def _store(self, state: SceneState | StoredState) -> Iterator[PartFile]:
        """Brings the parts of a state into the folder."""
        if isinstance(state, _Stored):
            for number in _below(state.reader.records, state.record.root):
                yield from self._copied(state.reader, number).values()
            return
        assert isinstance(state, SceneState)
        for path, node in state.walk():
            if id(node) not in self._files:
                name = path.strip("/").replace("/", "-")[-NAME_LENGTH:].lstrip("-.") or "root"
                parts: dict[str, Part] = {
                    kind: part for kind in FILE_PARTS if (part := getattr(node, kind)) is not None
                }
                self._files[id(node)] = {
                    kind: write_part(self.folder, part, kind, name) for kind, part in parts.items()
                }
            yield from self._files[id(node)].values()

    def _copied(self, reader: _Reader, number: int) -> dict[str, PartFile]:
        files = reader.records[number].files
        return {kind: copy_part(reader.folder, self.folder, file) for kind, file in files.items()}

    def _state(self, state: SceneState | StoredState, label: str) -> StateRecord:
        if isinstance(state, _Stored):
            root, record = self._renumbered(state.reader, state.record.root), state.record
            return StateRecord(root, record.frame, record.source, label[:MAX_LABEL])
        assert isinstance(state, SceneState)
        return StateRecord(self._number(state.root), state.frame, state.source, label[:MAX_LABEL])

    def _number(self, node: Node) -> int:
        if id(node) not in self._seen:
            children = tuple(map(self._number, node.children))
            record = NodeRecord(node.name, node.pose, node.body, node.material, self._files[id(node)], children)
            self._seen[id(node)] = self._added(record)
        return self._seen[id(node)]

    def _renumbered(self, reader: _Reader, number: int) -> int:
        key = (id(reader), number)
        if key not in self._seen:
            record = reader.records[number]
            children = tuple(self._renumbered(reader, child) for child in record.children)
            self._seen[key] = self._added(replace(record, files=self._copied(reader, number), children=children))
        return self._seen[key]

    def _added(self, record: NodeRecord) -> int:
        """The number of a record; equal ones have one number, so what states share is written once."""
        key = json.dumps(node_as_json(record))
        if key not in self._numbers:
            self._numbers[key] = len(self.records)
            self.records.append(record)
        return self._numbers[key]


def _scene(folder: Path, record: SceneRecord) -> Scene:
    reader = _Reader(folder, record.nodes)
    scene = Scene(_Stored(reader, record.state).load(), folder=folder)
    scene.past = [(_Stored(reader, state), state.label) for state in record.past]
    scene.future = [(_Stored(reader, state), state.label) for state in record.future]
    return scene


def _by_distance(scene: Scene) -> Iterator[tuple[str, Step]]:
    """Steps of the history with their side, nearest to now first; what can be undone before what can be redone."""
    for past, future in zip_longest(reversed(scene.past), reversed(scene.future)):
        if past is not None:
            yield "past", past
        if future is not None:
            yield "future", future


def _below(records: tuple[NodeRecord, ...], root: int) -> set[int]:
    """Numbers of the node `root` and all below it."""
    found, stack = set[int](), [root]
    while stack:
        number = stack.pop()
        if number not in found:
            found.add(number)
            stack += records[number].children
    return found


def _read_text(file: Path) -> str:
    if not file.is_file():
        raise FileError(file, got="nothing", wanted="a saved scene")
    if file.stat().st_size > MAX_BYTES:
        raise FileError(file, got=f"{file.stat().st_size} bytes", wanted=f"at most {MAX_BYTES}")
    try:
        return file.read_bytes().decode()
    except UnicodeDecodeError as error:
        raise FileError(file, got=str(error), wanted="JSON in UTF-8") from None


def _revision(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _check_revision(scene: Scene, folder: Path) -> None:
    """Refuses to save over what another process has saved since the scene was read: its edits would be lost."""
    there = _revision(_read_text(folder / FILE)) if is_scene(folder) else ""
    if scene.folder is not None and scene.revision is not None and scene.revision != there:
        hint = "Open it again and repeat the edit, or save to another folder."
        raise FileError(folder / FILE, got="edits by somebody else since it was read", wanted="as it was", hint=hint)

"""The one door to scenes: a saved scene, a run, or a file of splats or of a mesh becomes a `Scene`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from scenekit.capture.capture import Capture, Frame
from scenekit.capture.saved import read_capture
from scenekit.errors import FileError, InputError
from scenekit.io.kinds import kind_of
from scenekit.io.part_files import remember_file
from scenekit.io.scene_folder import is_scene, read_scene
from scenekit.io.splat_files import holds_splats, open_splats, read_splats
from scenekit.io.up import Up
from scenekit.scene import NAME, SKY_PATH, Node, Scene, SceneState
from scenekit.splats import Splats

if TYPE_CHECKING:
    from scenekit.fields.fitted import FittedField

SCENE, CAMERAS = "scene", "cameras"
"""What the nodes of a run are called."""

FIELD = "field.safetensors"
"""The file of a run's radiance field."""

SKY = "sky.ply"
"""The file of what is behind the splats of a run, where it was learned."""


def open_scene(path: str | Path, *, up: Up | None = None) -> Scene:
    """A scene from whatever holds one, recognised by its content.

    | input | what becomes of it |
    |---|---|
    | folder with scene.json | the scene as it was saved, with its history |
    | run folder | /scene with splats and field, /cameras with the photos, /sky, its frame; `save` writes there |
    | run folder of `generate` | the scene in it, scene/ |
    | file of splats or of a mesh | one node called like the file; `save` needs a folder |
    | folder of splats: an unbundled SOG, a run of splatfacto | the same |

    Args:
        path: The input.
        up: Up axis of a file that does not say; None leaves its axes as they are.

    Raises:
        FileError: If the input is missing, damaged, or none of these.
        InputError: If `up` is given for a scene or a run, which know it.
    """
    path = Path(path)
    if path.is_file() or holds_splats(path):
        return Scene(_single(path, up))
    if up is not None and path.is_dir():
        raise InputError("up", got=up, wanted="none for a folder, which says it")
    if (saved := saved_scene(path)) is not None:
        return read_scene(saved)
    if (path / "run.json").is_file():
        return _run(path)
    got = "nothing" if not path.exists() else "a folder with neither scene.json nor run.json"
    raise FileError(path, got=got, wanted="a scene, a run, or a file of splats or of a mesh")


def saved_scene(path: Path) -> Path | None:
    """The folder of the scene that was saved in `path`: itself, or scene/ of a run; None if there is none."""
    inner = path / SCENE if (path / "run.json").is_file() else path
    return next((folder for folder in (path, inner) if is_scene(folder)), None)


def _run(folder: Path) -> Scene:
    file = folder / "splats.ply"
    if not file.is_file():
        hint = "`scenekit reconstruct` with the same options goes on."
        raise FileError(file, got="nothing", wanted="the splats of a finished run", hint=hint)
    splats = read_splats(file)
    remember_file(folder, splats, file)
    scene = run_scene(folder, splats, _capture_of(folder), _field_of(folder), _sky_of(folder))
    scene.revision = ""
    return scene


def run_scene(
    folder: Path,
    splats: Splats,
    capture: Capture | None,
    field: FittedField | None = None,
    sky: Splats | None = None,
) -> Scene:
    """The scene of a run with these splats, photos, field and sky; one that was saved there before is of no account."""
    nodes = [Node(SCENE, splats=splats, field=field)]
    nodes += [Node(CAMERAS, cameras=capture)] if capture else []
    nodes += [Node(SKY_PATH.strip("/"), splats=sky)] if sky is not None else []
    frame = capture.frame if capture else Frame()
    return Scene(SceneState(Node("", children=tuple(nodes)), frame, f"run {folder.resolve().name}"), folder=folder)


def _capture_of(run: Path) -> Capture | None:
    return read_capture(run) if (run / "capture.json").is_file() else None


def _sky_of(run: Path) -> Splats | None:
    if not (file := run / SKY).is_file():
        return None
    sky = read_splats(file)
    remember_file(run, sky, file)
    return sky


def _field_of(run: Path) -> FittedField | None:
    if not (file := run / FIELD).is_file():
        return None
    from scenekit.fields.files import read_field
    from scenekit.fields.fitted import FittedField

    field = FittedField(*read_field(file))
    remember_file(run, field, file)
    return field


def _single(file: Path, up: Up | None) -> SceneState:
    name = node_name(file.name.partition(".")[0])
    if kind_of(file) == "mesh":
        from scenekit.io.mesh_files import read_mesh

        node = Node(name, mesh=read_mesh(file, up=up))
    else:
        node = Node(name, splats=open_splats(file, up=up).splats)
    return SceneState(Node("", children=(node,)), Frame(note=f"As {file.name} has it."), str(file.name))


def node_name(text: str) -> str:
    """A name for a node that is close to `text`: "my mug (2)" → "my_mug_2"; "scene" if nothing is left."""
    name = re.sub(r"[^\w.-]+", "_", text).strip("_.-")[:64]
    return name if NAME.fullmatch(name) else SCENE

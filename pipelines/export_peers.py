"""What other tools make of a mesh, and ours: what is written, whether it loads, whether it settles when dropped.

obj2mjcf (with CoACD and a free joint) and trimesh's `export_urdf` are called as their users call them; each is left out
where it is not installed. `scenekit bench export --peers` prints the table.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import trimesh

from scenekit.errors import BackendError, FileError
from scenekit.export.assets import ExportConfig
from scenekit.export.checks.limits import broken
from scenekit.export.checks.openings import HERE, MEMORY
from scenekit.export.checks.readings import unpacked
from scenekit.export.checks.recording import Recording, measured
from scenekit.export.export import export
from scenekit.io.isolated import Answer, read_isolated
from scenekit.io.mesh_files import write_mesh
from scenekit.meshes import Mesh

SECONDS = 900.0
"""Most that a tool may take for a mesh [s]."""

DROP_SECONDS = 240.0
"""Most that an engine may take for a file [s]; what we write takes some, and Newton compiles its kernels once."""

GRAVITY = 9.81
"""[m/s²]."""

ENGINES = ("mujoco", "newton")
"""Who is asked."""

OBJ2MJCF = "from obj2mjcf.cli import main; main()"
"""Its command line, in a process of its own."""


@dataclass(frozen=True)
class Row:
    """One mesh by one tool."""

    tool: str
    """Name and format."""
    mesh: str
    """Name of the mesh."""
    seconds: float
    """How long it took [s]."""
    says: dict[str, bool]
    """Whether the file says each of `FACTS` itself."""
    pieces: int
    """Shapes that collide."""
    mass: float | None
    """As the first engine that finds one reads it [kg]."""
    volume: float
    """Of the mesh, signed tetrahedra [m³]."""
    loads: dict[str, bool]
    """Whether each engine loads it."""
    settles: dict[str, bool]
    """Whether it comes to rest as `scenekit check` demands, by engine."""
    problems: tuple[str, ...]
    """What went wrong."""


def rows(meshes: dict[str, Mesh], folder: Path, *, config: ExportConfig = ExportConfig()) -> Iterator[Row]:
    """Every mesh by every tool that is installed.

    Args:
        meshes: By name, Z up, in metres.
        folder: Where all files go.
        config: How ours makes bodies.
    """
    for name, mesh in meshes.items():
        source = folder / "source" / name / f"{name}.obj"
        source.parent.mkdir(parents=True, exist_ok=True)
        write_mesh(source, mesh)
        start = time.perf_counter()
        ours = export(mesh, folder / "scenekit" / name, formats=("mjcf", "urdf"), config=config)
        seconds = time.perf_counter() - start
        root = ours.assets.assets[0].name
        for format, ending in (("mjcf", "xml"), ("urdf", "urdf")):
            file = ours.folder / format / f"{root}.{ending}"
            yield _row(f"scenekit {format.upper()}", name, mesh, seconds, file, "")
        for tool, make in TOOLS.items():
            if installed(tool.split()[0]) is not None:
                start = time.perf_counter()
                file, problem = _made(make, source, folder / tool.split()[0] / name)
                yield _row(tool, name, mesh, time.perf_counter() - start, file, problem)


def installed(package: str) -> str | None:
    """The version of a package; None if there is none."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def by_obj2mjcf(source: Path, folder: Path) -> Path:
    """The MJCF that obj2mjcf writes, beside a copy of the mesh."""
    folder.mkdir(parents=True, exist_ok=True)
    for file in source.parent.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    options = ["--obj-dir", str(folder), "--save-mjcf", "--decompose", "--add-free-joint", "--overwrite"]
    done = subprocess.run(
        [sys.executable, "-c", OBJ2MJCF, *options], capture_output=True, text=True, timeout=SECONDS, check=False
    )
    if done.returncode:
        raise ValueError((done.stderr.strip().splitlines() or ["no reason given"])[-1])
    return folder / source.stem / f"{source.stem}.xml"


def by_trimesh(source: Path, folder: Path) -> Path:
    """The URDF that trimesh writes."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    trimesh.exchange.urdf.export_urdf(trimesh.load_mesh(source), str(folder))
    return folder / f"{folder.name}.urdf"


TOOLS: dict[str, Callable[[Path, Path], Path]] = {"obj2mjcf MJCF": by_obj2mjcf, "trimesh URDF": by_trimesh}
"""By package and format."""


def _made(make: Callable[[Path, Path], Path], source: Path, folder: Path) -> tuple[Path, str]:
    """The file that a tool writes, and what went wrong; tools raise what they like."""
    try:
        file = make(source, folder)
        return file, "" if file.is_file() else "writes nothing"
    except Exception as fault:
        return folder, f"writes nothing: {type(fault).__name__}: {fault}"


def _row(tool: str, name: str, mesh: Mesh, seconds: float, file: Path, problem: str) -> Row:
    volume = float(trimesh.Trimesh(mesh.vertices.numpy(), mesh.faces.numpy(), process=False).volume)
    if problem:
        return Row(tool, name, seconds, {}, 0, None, volume, {}, {}, (problem,))
    says, pieces = _said(file)
    size = float((mesh.vertices.amax(0) - mesh.vertices.amin(0)).max())
    loads, settles, problems, mass = dict[str, bool](), dict[str, bool](), list[str](), None
    for engine in ENGINES:
        try:
            read = unpacked(_asked(f"read_{engine}", "read", file))
            loads[engine] = True
            mass = mass or sum(reading.mass for reading in read.values())
            found = _broken(engine, file, list(read), size)
        except (FileError, BackendError) as error:
            loads.setdefault(engine, False)
            found = [str(error.got)]
        settles[engine] = not found
        problems += [f"{engine}: {text}" for text in found]
    return Row(tool, name, seconds, says, pieces, mass, volume, loads, settles, tuple(problems))


def _asked(module: str, function: str, file: Path, arguments: dict[str, Any] | None = None) -> Answer:
    return read_isolated(f"{HERE}.{module}", function, file, arguments=arguments, time=DROP_SECONDS, memory=MEMORY)


def _broken(engine: str, file: Path, links: Sequence[str], size: float) -> list[str]:
    """What a drop breaks of the limits of `scenekit check`."""
    links = links if engine == "newton" else links[:1] or [_root(file)]
    arguments: dict[str, Any] = {"links": links, "quat": [1, 0, 0, 0], "gravity": GRAVITY}
    prefix = ""
    if engine == "newton":
        prefix, arguments = "0/", {"files": [file.name], "links": [links], "quats": [[1, 0, 0, 0]], "gravity": GRAVITY}
    recording = Recording.unpacked(_asked(f"drop_{engine}", "drop", file, arguments).arrays, prefix)
    if not all(np.isfinite(array).all() for array in vars(recording).values()):
        return ["gets to places that are not finite"]
    return list(broken(measured(recording), size))


def _root(file: Path) -> str:
    """The first link of a URDF, which MuJoCo takes for a part of the world until it is set free."""
    link = ElementTree.parse(file).find("link")
    return "" if link is None else str(link.get("name"))


def _said(file: Path) -> tuple[dict[str, bool], int]:
    """What a file says itself, and how many shapes collide."""
    every = list(ElementTree.parse(file).iter())
    tags = {one.tag for one in every}
    named = [one.get("file") or one.get("filename") for one in every]
    paths = [Path(name) for name in named if name]
    colliding = [one for one in every if _collides(one)]
    shapes = [file.parent / str(mesh.get("filename")) for one in colliding for mesh in one.iter("mesh")]
    shapes += [path for one in colliding if (path := _mesh_file(file, every, one.get("mesh")))]
    return {
        "mass": bool(tags & {"inertial", "mass"}),
        "inertia": "inertia" in tags or any({"diaginertia", "fullinertia"} & set(one.attrib) for one in every),
        "friction": any("friction" in one.attrib or one.tag in ("mu1", "lateral_friction") for one in every),
        "texture": any(path.suffix in (".png", ".jpg") for path in paths) or _textured(file),
        "relative paths": all(not path.is_absolute() and ":" not in str(path) for path in paths),
        "closed pieces": all(trimesh.load_mesh(shape).is_watertight for shape in shapes),
    }, len(colliding)


FACTS = ("mass", "inertia", "friction", "texture", "relative paths", "closed pieces")
"""What is asked of a file."""


def _collides(one: ElementTree.Element) -> bool:
    """A collision of URDF, or a geom of MJCF of the class that all tools call so."""
    return one.tag == "collision" or (one.tag == "geom" and one.get("class") == "collision" and len(one.attrib) > 1)


def _mesh_file(file: Path, every: Sequence[ElementTree.Element], name: str | None) -> Path | None:
    """Of a mesh of MJCF, which is called like its file if it has no name."""
    for one in every:
        path = one.get("file")
        if name is not None and one.tag == "mesh" and path and name in (one.get("name"), Path(path).stem):
            return file.parent / path
    return None


def _textured(file: Path) -> bool:
    """Whether a material of the OBJ files beside it names a picture."""
    return any("map_Kd" in path.read_text(errors="replace") for path in file.parent.rglob("*.mtl"))

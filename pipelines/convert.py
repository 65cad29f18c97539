"""A file of splats or a mesh, or a node of a scene or run, in another format: what is kept, and what could not be held.

Splats: PLY, compressed PLY, .splat, SPZ, SOG (a name without an ending is its unbundled folder), GLB, glTF and USD;
KSPLAT is read. Meshes: GLB, glTF, OBJ, PLY, STL and USD. docs/formats.md says what each keeps.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch
import tyro

from scenekit.errors import InputError
from scenekit.io import spz
from scenekit.io.kinds import kind_of
from scenekit.io.mesh_files import joined, open_mesh, write_mesh
from scenekit.io.scene_folder import is_scene
from scenekit.io.splat_files import SplatFormat, open_splats, write_splats
from scenekit.io.up import Up
from scenekit.meshes import Mesh
from scenekit.opening import open_scene
from scenekit.splats import Splats
from scenekit.validation.splats import finite

ONLY_MESHES = (".obj", ".stl")
"""Endings of formats that hold no splats."""


@dataclass(frozen=True)
class Config:
    """From where to where."""

    source: tyro.conf.Positional[Path]
    """The file; for an unbundled SOG its folder. Or the folder of a scene or a run."""
    target: tyro.conf.Positional[Path]
    """The new file; its ending says the format. Without an ending: the folder of an unbundled SOG."""
    path: str = "/"
    """Of a scene: the node that is written, with all below it, where it lies in the world; "/" means all there is."""
    part: Literal["splats", "mesh"] | None = None
    """Of a scene: which of them, where the format holds either; splats if there are any."""
    up: Up | None = None
    """Up axis of the new file, where its format fixes none: z (ours), y or -y."""
    source_up: Up | None = None
    """Up axis of a source that does not say: z, y or -y; without it, axes stay as they are."""
    format: str | None = None
    """Format of splats, if not by ending."""
    spz_version: spz.Version | None = None
    """Version of an SPZ; without it 3, or 4 for SH of degree 4."""
    drop_non_finite: bool = False
    """Leave out Gaussians with NaN or infinite values instead of refusing the file."""


@dataclass(frozen=True)
class Result:
    """What happened."""

    kept: str
    """What is in the new file."""
    notes: tuple[str, ...]
    """What reading had to change."""
    losses: tuple[str, ...]
    """What the new format could not hold."""

    def __str__(self) -> str:
        lost = [f"  lost: {line}" for line in self.losses] or ["  nothing was lost."]
        return "\n".join([self.kept, *(f"  note: {line}" for line in self.notes), *lost])


def run(config: Config) -> Result:
    """Reads, turns, writes.

    Raises:
        FileError: If the source cannot be read.
        InputError: If the target's format is unknown, cannot be written, or holds the other kind of thing.
    """
    if config.source.is_dir() and (is_scene(config.source) or (config.source / "run.json").is_file()):
        return _convert_scene(config)
    if config.path != "/" or config.part:
        option, got = ("--part", config.part) if config.part else ("--path", config.path)
        raise InputError(option, got=got, wanted=f"a scene or a run, which {config.source} is not")
    if kind_of(config.source) == "mesh":
        reading = open_mesh(config.source, up=config.source_up)
        return _write_mesh(config, reading.mesh, reading.format, reading.notes)
    file = open_splats(config.source, up=config.source_up, drop_non_finite=config.drop_non_finite)
    return _write_splats(config, file.splats, file.format, file.notes)


def _convert_scene(config: Config) -> Result:
    """The splats or the meshes at and below a node, in the world, which has Z up."""
    if config.source_up:
        raise InputError("--source-up", got=config.source_up, wanted="none: a scene has Z up")
    state = open_scene(config.source).state
    having = {part: [w for w, n in state.walk(config.path) if getattr(n, part)] for part in ("splats", "mesh")}
    part = config.part or ("mesh" if config.target.suffix.lower() in ONLY_MESHES or not having["splats"] else "splats")
    if not having[part]:
        got, wanted = f"{config.path}, which holds no {part}", "a node that holds some, at or below it"
        raise InputError("--path", got=got, wanted=wanted, hint=f"`scenekit info {config.source}` shows the tree.")
    count = len(having[part])
    source = f"{config.path} of {config.source} ({count} node{'s' * (count != 1)})"
    if part == "splats":
        splats = state.splats(config.path)
        good = finite(splats)
        if not good.all() and not config.drop_non_finite:
            hint = "--drop-non-finite leaves them out."
            got = f"{int((~good).sum())} Gaussians that are not finite"
            raise InputError(source, got=got, wanted="finite numbers", hint=hint)
        return _write_splats(config, splats.take(good), source, ())
    meshes = [m.transform(torch.from_numpy(state.pose(w).matrix)) for w in having[part] if (m := state.node(w).mesh)]
    mesh, changes = joined(meshes)
    return _write_mesh(config, mesh, source, tuple(changes))


def _write_splats(config: Config, splats: Splats, source: str, notes: tuple[str, ...]) -> Result:
    try:
        losses = write_splats(config.target, splats, format=_format(config), up=config.up)
    except InputError as error:
        if config.target.suffix.lower() in ONLY_MESHES:
            raise _other_kind(config, "splats", "a mesh") from error
        raise
    kept = f"{config.target}: {len(splats)} Gaussians, SH degree {splats.sh_degree}, from {source}"
    return Result(kept, notes, losses)


def _format(config: Config) -> str | SplatFormat | None:
    """The format asked for; None if the ending says it. Without an ending: a SOG's folder."""
    if config.spz_version is None:
        return config.format or (None if config.target.suffix else "sog")
    if config.format not in (None, "spz") or (config.format is None and config.target.suffix.lower() != ".spz"):
        raise InputError("--spz-version", got=config.target, wanted="a file that ends in .spz")
    version = config.spz_version
    return replace(spz.FORMAT, write=lambda path, splats, up: spz.write(path, splats, version=version))


def _write_mesh(config: Config, mesh: Mesh, source: str, notes: tuple[str, ...]) -> Result:
    if config.format:
        raise InputError("--format", got=config.format, wanted="splats; a mesh's format follows from the ending")
    try:
        losses = write_mesh(config.target, mesh, up=config.up)
    except InputError as error:
        if error.name == str(config.target):
            raise _other_kind(config, "a mesh", "splats") from error
        raise
    kept = f"{config.target}: {len(mesh.vertices)} vertices, {len(mesh.faces)} faces, from {source}"
    return Result(kept, notes, losses)


def _other_kind(config: Config, has: str, wants: str) -> InputError:
    got = f"{has} in {config.source.name} for {config.target.name}, which holds {wants}"
    hint = "Splats become a mesh by reconstruction, not by conversion." if has == "splats" else ""
    return InputError("conversion", got=got, wanted=f"a format that holds {has}", hint=hint)

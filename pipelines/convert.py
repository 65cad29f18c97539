"""A file of splats or a mesh in another format: what is kept, and what the format could not hold.

Splats: PLY, compressed PLY, .splat, SPZ, SOG (a name without an ending is its unbundled folder), GLB, glTF and USD;
KSPLAT is read. Meshes: GLB, glTF, OBJ, PLY, STL and USD. docs/formats.md says what each keeps.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import tyro

from scenekit.errors import InputError
from scenekit.io import spz
from scenekit.io.kinds import kind_of
from scenekit.io.mesh_files import open_mesh, write_mesh
from scenekit.io.splat_files import SplatFormat, Up, open_splats, write_splats


@dataclass(frozen=True)
class Config:
    """From where to where."""

    source: tyro.conf.Positional[Path]
    """The file; for an unbundled SOG its folder."""
    target: tyro.conf.Positional[Path]
    """The new file; its ending says the format. Without an ending: the folder of an unbundled SOG."""
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
    if kind_of(config.source) == "mesh":
        return _convert_mesh(config)
    return _convert_splats(config)


def _convert_splats(config: Config) -> Result:
    reading = open_splats(config.source, up=config.source_up, drop_non_finite=config.drop_non_finite)
    splats = reading.splats
    try:
        losses = write_splats(config.target, splats, format=_format(config), up=config.up)
    except InputError as error:
        if config.target.suffix.lower() in (".obj", ".stl"):
            raise _other_kind(config, "splats", "a mesh") from error
        raise
    kept = f"{config.target}: {len(splats)} Gaussians, SH degree {splats.sh_degree}, from {reading.format}"
    return Result(kept, reading.notes, losses)


def _format(config: Config) -> str | SplatFormat | None:
    """The format asked for; None if the ending says it."""
    if config.spz_version is None:
        return config.format
    if config.format not in (None, "spz") or (config.format is None and config.target.suffix.lower() != ".spz"):
        raise InputError("--spz-version", got=config.target, wanted="a file that ends in .spz")
    version = config.spz_version
    return replace(spz.FORMAT, write=lambda path, splats, up: spz.write(path, splats, version=version))


def _convert_mesh(config: Config) -> Result:
    if config.format:
        raise InputError("--format", got=config.format, wanted="splats; a mesh's format follows from the ending")
    reading = open_mesh(config.source, up=config.source_up)
    mesh = reading.mesh
    try:
        losses = write_mesh(config.target, mesh, up=config.up)
    except InputError as error:
        if error.name == str(config.target):
            raise _other_kind(config, "a mesh", "splats") from error
        raise
    kept = f"{config.target}: {len(mesh.vertices)} vertices, {len(mesh.faces)} faces, from {reading.format}"
    return Result(kept, reading.notes, losses)


def _other_kind(config: Config, has: str, wants: str) -> InputError:
    got = f"{has} in {config.source.name} for {config.target.name}, which holds {wants}"
    hint = "Splats become a mesh by reconstruction, not by conversion." if has == "splats" else ""
    return InputError("conversion", got=got, wanted=f"a format that holds {has}", hint=hint)

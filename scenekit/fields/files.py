"""Fields on disk: one safetensors file with the networks, how they are sampled, and what they are in its header."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from scenekit.errors import FileError, InputError
from scenekit.fields.contraction import Region
from scenekit.fields.hash_field import HashField, HashFieldConfig
from scenekit.fields.nerf import Nerf, NerfConfig
from scenekit.fields.occupancy import OccupancyGrid, Stepping
from scenekit.fields.rendering import Look
from scenekit.io.atomic import written_atomically
from scenekit.io.typed_json import as_json, from_json

FORMAT = "scenekit field"
VERSION = "1"


@dataclass(frozen=True)
class FieldHeader:
    """What a file says of its tensors."""

    kind: Literal["hash", "nerf"]
    """Which class."""
    region: Region
    """Where it is."""
    hash_field: HashFieldConfig | None
    """Sizes of a hash field."""
    nerf: NerfConfig | None
    """Sizes of a published NeRF."""
    stepping: Stepping
    """How densely it is sampled."""
    cells: int | None
    """Of the occupancy grid along a side."""


def write_field(path: str | Path, field: HashField | Nerf, look: Look) -> None:
    """Write a field and its look atomically.

    Raises:
        OSError: If the disk is full or not writable.
    """
    header = FieldHeader(
        kind="hash" if isinstance(field, HashField) else "nerf",
        region=field.region,
        hash_field=field.config if isinstance(field, HashField) else None,
        nerf=field.config if isinstance(field, Nerf) else None,
        stepping=look.stepping,
        cells=None if look.grid is None else look.grid.cells,
    )
    tensors = {f"field.{name}": t.detach().cpu().contiguous() for name, t in field.state_dict().items()}
    if look.grid is not None:
        tensors |= {"grid.density": look.grid.density, "grid.occupied": look.grid.occupied}
    metadata = {"format": FORMAT, "version": VERSION, "header": json.dumps(as_json(header))}
    with written_atomically(path) as temporary:
        save_file(tensors, temporary, metadata=metadata)


def read_field(path: str | Path) -> tuple[HashField | Nerf, Look]:
    """Inverse of `write_field`; the field needs no gradients.

    Raises:
        FileError: If the file is missing, damaged, of another kind, or its tensors do not fit its header.
    """
    path = Path(path)
    try:
        with safe_open(path, framework="pt") as file:
            metadata = dict(file.metadata() or {})
            if metadata.get("format") != FORMAT or metadata.get("version") != VERSION:
                got = f"{metadata.get('format', 'another program')}, version {metadata.get('version')}"
                raise FileError(path, got=got, wanted=f"{FORMAT}, version {VERSION}")
            header = from_json(FieldHeader, _stated(metadata["header"]))
            shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118 it is no dict
            # On the meta device a header that lies of its sizes costs nothing.
            with torch.device("meta"):
                field = _field(header)
            grid = None if header.cells is None else OccupancyGrid(header.region, header.cells)
            wanted = {f"field.{name}": tuple(t.shape) for name, t in field.state_dict().items()}
            if grid is not None:
                wanted |= {"grid.density": tuple(grid.density.shape), "grid.occupied": tuple(grid.occupied.shape)}
            if shapes != wanted:
                raise FileError(path, got="tensors of other shapes", wanted="those that its header says")
            tensors = {name: file.get_tensor(name) for name in wanted}
    except (SafetensorError, OSError, ValueError, KeyError, InputError) as error:
        raise FileError(path, got=f"unreadable ({error})", wanted="a field") from error
    return _filled(path, field, tensors), Look(header.stepping, _grid(grid, tensors))


def _stated(header: str) -> Any:
    """The header's JSON; files from before steps bent with the distance have straight ones."""
    stated = json.loads(header)
    if isinstance(stated, dict) and isinstance(stated.get("stepping"), dict):
        stated["stepping"].setdefault("bend", 0.0)
    return stated


def _field(header: FieldHeader) -> HashField | Nerf:
    if header.kind == "hash" and header.hash_field is not None:
        return HashField(header.region, header.hash_field)
    if header.kind == "nerf" and header.nerf is not None:
        return Nerf(header.region, header.nerf)
    raise ValueError(f"a field of kind {header.kind} without its sizes")


def _filled(path: Path, field: HashField | Nerf, tensors: dict[str, Tensor]) -> HashField | Nerf:
    state = {name: tensors[f"field.{name}"] for name in field.state_dict()}
    if not all(t.dtype == torch.float32 and bool(torch.isfinite(t).all()) for t in state.values()):
        raise FileError(path, got="numbers that are not finite float32", wanted="a fitted field")
    field.load_state_dict(state, assign=True)
    return field.requires_grad_(False)


def _grid(grid: OccupancyGrid | None, tensors: dict[str, Tensor]) -> OccupancyGrid | None:
    if grid is not None:
        grid.density = tensors["grid.density"].float()
        grid.occupied = (tensors["grid.occupied"] > 0).to(torch.uint8)
    return grid

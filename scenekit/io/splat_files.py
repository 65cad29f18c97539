"""Every splat format through one door: which there are, what each can hold, and how a file is recognised.

    splats = read_splats("kitchen.spz")
    losses = write_splats("kitchen.sog", splats)

A format is one module of `scenekit.io` with a `FORMAT`. It speaks its own units and order; axes are turned here. A
format that says which way is up is turned to ours, Z, on reading, and back on writing. One that does not is read and
written as it is, unless `up` says what is meant.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import torch

from scenekit.errors import FileError, InputError
from scenekit.io.up import Up
from scenekit.splats import Splats

MODULES = (
    "ply",
    "compressed_ply",
    "splat",
    "ksplat",
    "spz",
    "splatfacto",
    "gsplat_checkpoint",
    "sog",
    "splat_gltf",
    "splat_usd",
)
"""The modules of scenekit.io that hold a FORMAT, in the order in which a file is shown to them."""

HEAD = 4096
"""How much of a file its recognition may look at [bytes]."""


@dataclass(frozen=True)
class Keeps:
    """What a format can hold; the table of docs/formats.md and the report of `losses` are made from it."""

    max_degree: int = 4
    """Highest degree of SH."""
    antialiased: bool = False
    """Whether it records that opacities are compensated."""
    up: Up | None = None
    """The up axis its specification fixes; None if a file may say, or nobody does."""
    writes_up: bool = False
    """Whether a file says which way is up."""
    order: bool = True
    """Whether the Gaussians keep their order."""
    precision: str = "lossless"
    """"lossless" for float32 as it is, else the quantisation of each field, one line."""


@dataclass(frozen=True)
class Reading:
    """What a file held, in the axes of the file."""

    splats: Splats
    """The Gaussians."""
    up: Up | None = None
    """Up axis the file declares; None if it does not say."""
    notes: tuple[str, ...] = ()
    """What a user should know: extensions skipped, values clamped, Gaussians left out."""
    format: str = ""
    """Name of the format and, where there are several, its version: "spz 3"."""


@dataclass(frozen=True)
class SplatFormat:
    """One format."""

    name: str
    """What it is called on the command line."""
    suffixes: tuple[str, ...]
    """File names end like this, the longest match wins: (".compressed.ply",)."""
    keeps: Keeps
    """What it can hold."""
    recognises: Callable[[Path, bytes], bool]
    """Whether a path with these first HEAD bytes (none for a folder) is of this format; never raises."""
    read: Callable[[Path], Reading]
    """Reads a file; raises FileError for anything that is not one, in bounded time and memory."""
    write: Callable[[Path, Splats, Up], None] | None
    """Writes splats atomically, already turned to the given up axis, which a file that can say so declares, and finite
    unless the format is lossless; None if we only read it."""


def formats() -> dict[str, SplatFormat]:
    """All formats by name."""
    there = (module for module in MODULES if find_spec(f"scenekit.io.{module}"))  # until all are written
    found = (import_module(f"scenekit.io.{module}").FORMAT for module in there)
    return {format.name: format for format in found}


def open_splats(path: str | Path, *, up: Up | None = None, drop_non_finite: bool = False) -> Reading:
    """Reads the splats of a file or folder of any known format, with Z up where the up axis is known.

    Args:
        path: The file, or the folder of an unbundled SOG.
        up: Up axis of a file that does not say; None leaves its axes as they are.
        drop_non_finite: Leave out Gaussians with NaN or infinite values instead of refusing the file.

    Raises:
        FileError: If the file is missing, of no known format, damaged, hostile, or holds non-finite values.
    """
    path = Path(path)
    reading = recognised(path).read(path)
    if (finite := _finite(reading.splats)) is not None:
        if not drop_non_finite:
            got = f"{int((~finite).sum())} of {len(finite)} Gaussians with NaN or infinite values"
            hint = "read_splats(…, drop_non_finite=True) or `scenekit convert --drop-non-finite` leaves them out."
            raise FileError(path, got=got, wanted="finite numbers", hint=hint)
        reading = replace(reading, splats=reading.splats.take(finite))
    source = reading.up or up
    return reading if source is None else replace(reading, splats=reading.splats.transform(_axes(source, "z")))


def read_splats(path: str | Path, *, up: Up | None = None, drop_non_finite: bool = False) -> Splats:
    """The splats of `open_splats`, without its notes."""
    return open_splats(path, up=up, drop_non_finite=drop_non_finite).splats


def write_splats(
    path: str | Path, splats: Splats, *, format: str | SplatFormat | None = None, up: Up | None = None
) -> tuple[str, ...]:
    """Writes splats atomically in the format that the name's ending says, and returns what the format could not hold.

    Args:
        path: The file; a name without an ending is the folder of an unbundled SOG.
        splats: With Z up.
        format: The format or its name, if not by ending.
        up: Up axis of the file, where the format fixes none; None leaves Z.

    Raises:
        InputError: If the format is unknown or read only, or fixes another up axis; or if values are not finite, which
            only a lossless format can hold.
    """
    path = Path(path)
    chosen = _named(format) if isinstance(format, str) else format or by_suffix(path)
    if chosen.write is None:
        writable = ", ".join(name for name, known in formats().items() if known.write)
        raise InputError("format", got=chosen.name, wanted=f"one we write: {writable}")
    if up and chosen.keeps.up and up != chosen.keeps.up:
        raise InputError("up", got=up, wanted=f"{chosen.keeps.up}, which {chosen.name} fixes")
    if chosen.keeps.precision != "lossless" and (finite := _finite(splats)) is not None:
        got = f"{int((~finite).sum())} of {len(finite)} Gaussians with NaN or infinite values"
        hint = (
            "`scenekit convert --drop-non-finite` leaves them out, `scenekit edit SCENE mend` drops them from a scene."
        )
        raise InputError("splats", got=got, wanted=f"finite numbers for {chosen.name}", hint=hint)
    lost = losses(chosen, splats, up=up)
    if splats.sh_degree > chosen.keeps.max_degree:
        splats = replace(splats, sh=splats.sh[:, : (chosen.keeps.max_degree + 1) ** 2].contiguous())
    target = chosen.keeps.up or up or "z"
    chosen.write(path, splats.transform(_axes("z", target)), target)
    return lost


def losses(format: SplatFormat, splats: Splats, *, up: Up | None = None) -> tuple[str, ...]:
    """What of `splats` the format cannot hold, one sentence each."""
    keeps, lost = format.keeps, []
    if splats.sh_degree > keeps.max_degree:
        lost.append(f"SH degree {splats.sh_degree} was cut to {keeps.max_degree}.")
    if splats.antialiased and not keeps.antialiased:
        lost.append("The file does not say that the splats are antialiased.")
    if keeps.up is None and not keeps.writes_up:
        lost.append(f"The file does not say that {(up or 'z').upper()} is up.")
    if not keeps.order:
        lost.append("The Gaussians were reordered.")
    if keeps.precision != "lossless":
        lost.append(f"Quantised: {keeps.precision}.")
    return tuple(lost)


def recognised(path: Path) -> SplatFormat:
    """The format of a file, by its content.

    Raises:
        FileError: If it is missing or of no known format.
    """
    if not path.exists():
        raise FileError(path, got="nothing", wanted="a file of Gaussian splats")
    head = b""
    if path.is_file():
        with path.open("rb") as file:
            head = file.read(HEAD)
    for format in formats().values():
        if format.recognises(path, head):
            return format
    got = "a folder" if path.is_dir() else repr(head[:16])
    raise FileError(path, got=got, wanted="splats as one of " + ", ".join(formats()))


def holds_splats(folder: Path) -> bool:
    """Whether a folder is itself splats of some format: an unbundled SOG, a run of splatfacto."""
    return folder.is_dir() and any(format.recognises(folder, b"") for format in formats().values())


def by_suffix(path: Path) -> SplatFormat:
    """The format whose ending a file name has; the longest wins.

    Raises:
        InputError: If none has it.
    """
    name = path.name.lower()
    endings = [(suffix, format) for format in formats().values() for suffix in format.suffixes if name.endswith(suffix)]
    if not endings:
        known = ", ".join(suffix for format in formats().values() if format.write for suffix in format.suffixes)
        raise InputError(path, got=repr(path.suffix), wanted=f"a name that ends in one of {known}")
    return max(endings, key=lambda ending: len(ending[0]))[1]


def _named(name: str) -> SplatFormat:
    known = formats()
    if name not in known:
        raise InputError("format", got=repr(name), wanted="one of " + ", ".join(known))
    return known[name]


def _axes(source: Up, target: Up) -> torch.Tensor:
    """The rotation about X between two up axes, exact, shape (4, 4)."""
    to_z: dict[Up, list[list[float]]] = {
        "z": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
        "y": [[1, 0, 0], [0, 0, -1], [0, 1, 0]],
        "-y": [[1, 0, 0], [0, 0, 1], [0, -1, 0]],
    }
    T = torch.eye(4, dtype=torch.float64)
    T[:3, :3] = torch.tensor(to_z[target], dtype=torch.float64).T @ torch.tensor(to_z[source], dtype=torch.float64)
    return T


def _finite(splats: Splats) -> torch.Tensor | None:
    """Which Gaussians are finite, shape (n,); None if all are, which is seen quickly and without a copy."""
    tensors = splats.tensors().values()
    if all(torch.stack(tensor.aminmax()).isfinite().all() for tensor in tensors if tensor.numel()):
        return None
    return torch.stack([tensor[..., None].flatten(1).isfinite().all(1) for tensor in tensors]).all(0)

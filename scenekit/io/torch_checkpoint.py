"""Checkpoints that other trainers wrote with `torch.save`, read without running or trusting anything in them.

Such a file is a zip: `data.pkl`, a pickle that says what there is, and the bytes of each tensor in a member of its own.
A pickle is a program. Before torch sees it, it is read as text (`pickletools`): it may name nothing but tensors, their
storages and a few values, and is refused otherwise. Then `torch.load(weights_only=True)` opens it, with the tensors
mapped instead of read, so that the moments of an optimiser, twice as large as the Gaussians, take no memory.
"""

from __future__ import annotations

import pickletools
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from scenekit.errors import FileError
from scenekit.io.bounded import ZIP_ERRORS, check_file, open_zip, unzip
from scenekit.splats import Splats

MAX_PICKLE = 1 << 20
"""Longest data.pkl [bytes]; that of a model with hundreds of parameters and its optimisers has a tenth."""

TENSORS = frozenset(
    {
        "collections OrderedDict",
        *(f"torch._utils _rebuild_{what}" for what in ("tensor_v2", "parameter")),
        *(f"torch {kind}Storage" for kind in ("Float", "Double", "Half", "BFloat16")),
        *(f"torch {kind}Storage" for kind in ("Long", "Int", "Short", "Char", "Byte", "Bool")),
        "_codecs encode",  # how Python 3 spells bytes in protocol 2
    }
)
"""What a pickle may name, "module name": dictionaries, tensors, and bytes."""

IGNORED = frozenset(
    {"numpy dtype", "numpy.dtype dtype", "numpy.core.multiarray scalar", "numpy._core.multiarray scalar"}
)
"""What it may name besides, and is never called: nerfstudio's learning rates are numbers of NumPy."""


def is_torch_checkpoint(head: bytes) -> bool:
    """Whether a file that begins like this was written by `torch.save`: a zip whose first member is NAME/data.pkl."""
    name = head[30 : 30 + int.from_bytes(head[26:28], "little")] if head.startswith(b"PK\x03\x04") else b""
    return name.endswith(b"/data.pkl")


def texts_in(path: Path) -> frozenset[str]:
    """All texts in a checkpoint's pickle, the names of its values among them; empty if it cannot be read."""
    try:
        return _surveyed(path)[1]
    except FileError:
        return frozenset()


def read_torch_checkpoint(path: str | Path) -> dict[str, Any]:
    """The dictionary in a checkpoint. Its tensors lie in the file until they are copied, which `tensor_in` does.

    Raises:
        FileError: If the file is missing, damaged, no dictionary, compressed, or names anything but tensors and values.
    """
    path = Path(path)
    pickle, _ = _surveyed(path)
    ignored: list[Any] = [(_Ignored, name.replace(" ", ".")) for name in IGNORED]
    try:
        if torch._C.PyTorchFileReader(str(path)).get_record("data.pkl") != pickle:  # two readings of one zip
            raise FileError(path, got="a zip that torch reads as another one", wanted="an intact checkpoint")
        with torch.serialization.safe_globals(ignored):
            found = torch.load(str(path), map_location="cpu", weights_only=True, mmap=True)
    except FileError:
        raise
    except Exception as error:  # torch raises whatever it likes on damaged files
        got = (
            f"what torch cannot load ({type(error).__name__}: {str(error).splitlines()[0][:200] if str(error) else ''})"
        )
        raise FileError(path, got=got, wanted="an intact checkpoint") from None
    if not isinstance(found, dict):
        raise FileError(path, got=f"a {type(found).__name__}", wanted="a checkpoint that is a dictionary")
    return found


def table_in(path: Path, values: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The dictionary called `name` among the values of a checkpoint.

    Raises:
        FileError: If there is none, or its keys are not texts.
    """
    table = values.get(name)
    if not isinstance(table, dict) or not all(isinstance(key, str) for key in table):
        got = "nothing" if table is None else f"a {type(table).__name__}"
        raise FileError(f"{path}: {name}", got=got, wanted="a dictionary of tensors")
    return table


def tensor_in(path: Path, values: Mapping[str, Any], name: str, *, shapes: Sequence[tuple[int | None, ...]]) -> Tensor:
    """A copy of the tensor called `name` as float32.

    Args:
        path: The file, for the message.
        values: Where it is.
        name: Its name.
        shapes: Those it may have; None stands for any length.

    Raises:
        FileError: If it is missing, no tensor of floats, of another shape, or larger than what is stored of it.
    """
    tensor = values.get(name)
    if not isinstance(tensor, Tensor):
        got = "nothing" if tensor is None else f"a {type(tensor).__name__}"
        raise FileError(f"{path}: {name}", got=got, wanted="a tensor")
    fits = any(
        len(shape) == tensor.ndim and all(w in (None, g) for w, g in zip(shape, tensor.shape, strict=True))
        for shape in shapes
    )
    stored = tensor.untyped_storage().nbytes() // tensor.element_size()
    if not fits or not tensor.is_floating_point() or tensor.numel() > stored:
        got = f"{tensor.dtype} {tuple(tensor.shape)} of {stored} stored numbers"
        wanted = " or ".join(str(shape).replace("None", "any") for shape in shapes)
        raise FileError(f"{path}: {name}", got=got, wanted=f"floats of shape {wanted}")
    return tensor.detach().to(torch.float32, copy=True).contiguous()


def gaussians_in(path: Path, values: Mapping[str, Any], *, dc: str, rest: str, antialiased: bool = False) -> Splats:
    """The Gaussians whose parameters are called as gsplat's and nerfstudio's trainers call them.

    Args:
        path: The file, for the message.
        values: Tensors means (n, 3), quats (n, 4) wxyz, scales (n, 3) log, opacities (n,) or (n, 1) logit.
        dc: Name of the first SH coefficients, (n, 3) or (n, 1, 3).
        rest: Name of the others, (n, k − 1, 3).
        antialiased: Whether they were fitted so.

    Raises:
        FileError: If one is missing or does not fit to the others.
    """
    means = tensor_in(path, values, "means", shapes=[(None, 3)])
    n = len(means)
    degrees = [(n, (degree + 1) ** 2 - 1, 3) for degree in range(5)]
    return Splats(
        means=means,
        quats=tensor_in(path, values, "quats", shapes=[(n, 4)]),
        log_scales=tensor_in(path, values, "scales", shapes=[(n, 3)]),
        logit_opacities=tensor_in(path, values, "opacities", shapes=[(n,), (n, 1)]).reshape(n),
        sh=torch.cat(
            [
                tensor_in(path, values, dc, shapes=[(n, 3), (n, 1, 3)]).reshape(n, 1, 3),
                tensor_in(path, values, rest, shapes=degrees),
            ],
            dim=1,
        ),
        antialiased=antialiased,
    )


class _Ignored:
    """Stands for a value that is not wanted; makes nothing of what it is given."""

    def __init__(self, *_: object):
        pass

    def __setstate__(self, _: object) -> None:
        pass


def _surveyed(path: Path) -> tuple[bytes, frozenset[str]]:
    """The pickle and the texts in it, after looking at all that it names and at the members of the zip.

    Raises:
        FileError: If anything but tensors and values is named, or members are packed or claim more than there is.
    """
    check_file(path, "a checkpoint written by torch.save")
    with open_zip(path) as archive:
        members = archive.infolist()
        packed = [m.filename for m in members if m.compress_type != zipfile.ZIP_STORED or m.flag_bits & 1]
        if packed or sum(m.file_size for m in members) > path.stat().st_size:
            got = f"packed members {packed[:3]}" if packed else "members that overlap"
            raise FileError(path, got=got, wanted="the zip that torch.save writes")
        pickles = [m.filename for m in members if m.filename.lower().endswith("/data.pkl")]  # torch minds no case
        if len(pickles) != 1:
            raise FileError(path, got=f"{len(pickles)} data.pkl", wanted="one")
        data = unzip(path, archive, pickles[0], limit=MAX_PICKLE)
    texts: set[str] = set()
    try:
        for operation, argument, _ in pickletools.genops(data):
            if operation.name == "BINUNICODE":
                texts.add(str(argument))
            elif operation.name in ("GLOBAL", "INST", "STACK_GLOBAL") and argument not in TENSORS | IGNORED:
                hint = "scenekit loads tensors and plain values only; a file from a stranger may hold anything."
                got = f"a pickle that names {str(argument or operation.name)[:80]!r}"
                raise FileError(path, got=got, wanted="tensors and values", hint=hint)
    except (*ZIP_ERRORS, UnicodeError) as error:
        raise FileError(path, got=f"a damaged pickle ({error})", wanted="an intact one") from None
    return data, frozenset(texts)

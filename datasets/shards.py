"""Folders of shards: numbered safetensors files, each with a JSON beside it that says what it is and its hash.

What a shard holds depends on its config and number alone, so that processes can share the work in any order.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import json
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load, save
from torch import Tensor

from scenekit.errors import FileError
from scenekit.io.atomic import write_bytes, write_text


class Part(NamedTuple):
    """What one shard holds."""

    arrays: dict[str, NDArray[Any]]
    """Go into its safetensors file."""
    notes: dict[str, Any]
    """Go into the JSON beside it."""


@dataclass(frozen=True)
class ShardFolder:
    """A folder of the shards of one dataset."""

    folder: Path
    """Where."""
    dataset: str
    """Whose shards they are."""
    version: int = 1
    """Of the files."""

    def write(self, config: Any, count: int, make: Callable[[int], Part], *, workers: int = 1) -> list[Path]:
        """Writes shard-00000.safetensors, …; those that are there already, whole and of the same config, are kept.

        Args:
            config: A dataclass that says what the shards hold.
            count: Number of shards.
            make: What a shard of a number holds; a function that other processes can import, or a partial of one.
            workers: Processes that share the shards, Ray's where it is installed.

        Raises:
            FileError: If the folder has shards of another config.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        header = json.loads(
            json.dumps({"dataset": self.dataset, "version": self.version, "config": asdict(config)})
        )  # as it is read back
        left = [number for number in range(count) if not self._is_whole(number, header)]
        _each(functools.partial(self._write, make, header), left, workers)
        return [self._paths(number)[0] for number in range(count)]

    def read(self) -> Iterator[Part]:
        """The shards in order, each checked against its hash.

        Raises:
            FileError: If there is none, or one is damaged or incomplete.
        """
        for note in self._notes():
            yield self._read(note)

    def files(self) -> Iterator[tuple[Path, dict[str, Any]]]:
        """Each shard's file, checked against its hash but not loaded, and the JSON beside it.

        Raises:
            FileError: As `read`.
        """
        for note in self._notes():
            said, file = self._note(note), note.with_suffix(".safetensors")
            if not file.is_file() or _digest(file) != said.get("sha256"):
                got = "other bytes than were written" if file.is_file() else "nothing"
                raise FileError(file, got=got, wanted="the hash in its JSON", hint="Write it again.")
            yield file, said

    def _notes(self) -> list[Path]:
        notes = sorted(self.folder.glob("shard-*.json"))
        if not notes:
            raise FileError(self.folder, got="no shard-*.json", wanted=f"a folder of shards of {self.dataset}")
        return notes

    def _paths(self, number: int) -> tuple[Path, Path]:
        stem = f"shard-{number:05d}"
        return self.folder / f"{stem}.safetensors", self.folder / f"{stem}.json"

    def _write(self, make: Callable[[int], Part], header: dict[str, Any], number: int) -> None:
        part = make(number)
        data = save(part.arrays)
        file, note = self._paths(number)
        write_bytes(file, data)
        write_text(note, json.dumps(header | {"sha256": hashlib.sha256(data).hexdigest()} | part.notes))

    def _is_whole(self, number: int, header: dict[str, Any]) -> bool:
        """True if a shard need not be written again."""
        file, note = self._paths(number)
        if not note.exists():
            return False
        said = self._note(note)
        if {key: said.get(key) for key in header} != header:
            hint = "Choose another folder, or delete this one."
            raise FileError(note, got=said.get("config"), wanted=f"shards of {header['config']}", hint=hint)
        return file.exists() and _digest(file) == said.get("sha256")

    def _note(self, path: Path) -> dict[str, Any]:
        try:
            said = json.loads(path.read_text())
        except (ValueError, OSError) as error:
            raise FileError(path, got=error, wanted="the JSON beside a shard") from error
        if not isinstance(said, dict) or said.get("dataset") != self.dataset:
            raise FileError(path, got="another file", wanted=f"the JSON beside a shard of {self.dataset}")
        if said.get("version") != self.version:
            hint = "Choose another folder, or delete this one."
            raise FileError(path, got=f"version {said.get('version')}", wanted=f"version {self.version}", hint=hint)
        return said

    def _read(self, note: Path) -> Part:
        said, file = self._note(note), note.with_suffix(".safetensors")
        try:
            data = file.read_bytes()
            if hashlib.sha256(data).hexdigest() != said["sha256"]:
                wanted, hint = "the hash in its JSON", "Write it again."
                raise FileError(file, got="other bytes than were written", wanted=wanted, hint=hint)
            return Part(load(data), said)
        except (OSError, KeyError, SafetensorError) as error:
            raise FileError(file, got=error, wanted=f"a shard of {self.dataset}") from error


class ShardRows:
    """Rows of shards, one after the other, of which any can be had at any time, read from the disk then."""

    def __init__(self) -> None:
        self._files: list[Any] = []
        self._rows: list[tuple[int, int]] = []

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, path: Path, name: str) -> int:
        """Adds a shard's rows; returns how many there are, as a tensor of this name says.

        Raises:
            FileError: If it is damaged or has no such tensor.
        """
        try:
            file = safe_open(path, "pt")
            rows = int(file.get_slice(name).get_shape()[0])
        except (IndexError, SafetensorError) as error:
            raise FileError(path, got=repr(error)[:200], wanted=f"a shard with {name}") from None
        self._rows += [(len(self._files), row) for row in range(rows)]
        self._files.append(file)
        return rows

    def read(self, name: str, places: Iterable[tuple[int, ...]]) -> Tensor:
        """Of the tensors of this name what is at places: a row, and indices within it, shape (places, …)."""
        found = [(*self._rows[row], within) for row, *within in places]
        slices = {file: self._files[file].get_slice(name) for file in {file for file, *_ in found}}
        return torch.cat([slices[file][(slice(row, row + 1), *within)] for file, row, within in found])


def _digest(path: Path) -> str:
    """SHA-256 of a file of any size."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _each(job: Callable[[int], None], numbers: list[int], workers: int) -> None:
    """Does a job for each number, in processes."""
    if workers <= 1 or len(numbers) <= 1:
        for number in numbers:
            job(number)
    elif importlib.util.find_spec("ray"):
        from ray.util.multiprocessing import Pool

        with Pool(workers) as pool:
            pool.map(job, numbers)
    else:
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            list(pool.map(job, numbers))

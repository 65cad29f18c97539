"""The reader's process: what it may not do to its caller."""

import os
import sys
import time
from pathlib import Path

import pytest

from scenekit.errors import BackendError, FileError
from scenekit.io import isolated
from scenekit.io.isolated import read_isolated, reader_ids, stop_readers

READER = """
import os, time
import numpy as np
from scenekit.errors import FileError
from scenekit.io.isolated import Answer
def warm_up(): pass
def echo(path):
    return Answer({"pid": os.getpid(), "name": path.name}, {"a": np.arange(6).reshape(2, 3), "b": np.zeros((0, 3))})
def crash(path): os.abort()
def hang(path): time.sleep(1000)
def fill(path): return Answer({}, {"a": np.ones(10**9)})
def refuse(path): raise FileError(path, got="x", wanted="y", hint="z.")
def stumble(path): return {}["missing"]
class Mute(Exception):
    def __str__(self): return bytes([255]).decode()
def mumble(path): raise Mute
def chatter(path): print("noise", flush=True); os.system("echo more noise"); return Answer({}, {})
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file to read, with a module of readers on the path."""
    (tmp_path / "some_reader.py").write_text(READER)
    monkeypatch.syspath_prepend(str(tmp_path))
    stop_readers()
    (tmp_path / "file").write_bytes(b"12345")
    return tmp_path / "file"


def test_facts_and_arrays_come_back_from_one_process_that_stays(file: Path) -> None:
    first, second = (read_isolated("some_reader", "echo", file) for _ in range(2))
    assert first.facts == second.facts
    assert first.facts["pid"] != os.getpid()
    assert first.arrays["a"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert first.arrays["b"].shape == (0, 3)
    assert reader_ids() == [first.facts["pid"]]


def test_a_crash_is_an_error_of_ours_and_the_next_file_is_read(file: Path) -> None:
    with pytest.raises(FileError, match="crashes"):
        read_isolated("some_reader", "crash", file)
    assert read_isolated("some_reader", "echo", file).facts["name"] == "file"


def test_a_hang_is_ended(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolated, "SECONDS", 0.3)
    read_isolated("some_reader", "echo", file)
    start = time.monotonic()
    with pytest.raises(FileError, match="not read within"):
        read_isolated("some_reader", "hang", file)
    assert time.monotonic() - start < 30
    assert read_isolated("some_reader", "echo", file).facts["name"] == "file"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux keeps to RLIMIT_AS")
def test_memory_is_bounded_by_the_file(file: Path) -> None:
    with pytest.raises(FileError, match="128 MB"):
        read_isolated("some_reader", "fill", file)


def test_errors_of_ours_come_back_as_they_are_and_others_are_named(file: Path) -> None:
    with pytest.raises(FileError) as refused:
        read_isolated("some_reader", "refuse", file)
    assert (refused.value.got, refused.value.wanted, refused.value.hint) == ("x", "y", "z.")
    with pytest.raises(FileError, match="KeyError"):
        read_isolated("some_reader", "stumble", file)


def test_an_error_that_cannot_be_shown_does_not_end_the_reader(file: Path) -> None:
    """As OpenUSD raises on text that is no UTF-8."""
    pid = read_isolated("some_reader", "echo", file).facts["pid"]
    with pytest.raises(FileError, match="Mute"):
        read_isolated("some_reader", "mumble", file)
    assert reader_ids() == [pid]


def test_what_a_library_prints_does_not_enter_the_answer(file: Path) -> None:
    assert read_isolated("some_reader", "chatter", file).facts == {}


def test_a_process_that_was_killed_is_replaced(file: Path) -> None:
    pid = read_isolated("some_reader", "echo", file).facts["pid"]
    os.kill(pid, 9)
    time.sleep(0.2)
    assert read_isolated("some_reader", "echo", file).facts["pid"] != pid


def test_a_reader_that_cannot_be_imported_is_a_missing_backend(file: Path) -> None:
    with pytest.raises(BackendError, match="no_such_reader"):
        read_isolated("no_such_reader", "echo", file)


@pytest.mark.parametrize("name", ["missing", "."])
def test_only_files_are_read(file: Path, name: str) -> None:
    with pytest.raises(FileError):
        read_isolated("some_reader", "echo", file.parent / name)

"""Every format survives damage: some hundred files each here, 20 000 each by `scenekit bench fuzz --files 20000`."""

import sys
from mmap import mmap
from pathlib import Path

import pytest

from scenekit.io.isolated import read_isolated, stop_readers
from scenekit.pipelines import bench_fuzz
from scenekit.pipelines.bench_fuzz import Config, Outcome, Result, Score
from scenekit.pipelines.fuzz_made import made
from scenekit.pipelines.fuzz_memory import MemoryMeter
from scenekit.pipelines.fuzz_mutations import mutated
from scenekit.pipelines.fuzz_samples import samples
from scenekit.pipelines.fuzz_swollen import swollen

FILES = 100
"""Damaged files per format."""

NAMES = [sample.name for sample in samples()]


@pytest.fixture(scope="module")
def result() -> Result:
    return bench_fuzz.run(Config(files=FILES))


@pytest.mark.parametrize("name", NAMES)
def test_damaged_files_are_read_or_refused_in_time_and_memory(result: Result, name: str) -> None:
    score = result.scores[name]
    assert score.failures == []
    assert score.files == FILES + len([*made(name), *swollen(name)])


def test_some_damaged_files_are_still_read(result: Result) -> None:
    """Else the damage would stop at the first check and try nothing behind it."""
    assert all(score.read > 0 for score in result.scores.values())


@pytest.mark.slow
def test_a_thousand_more_of_each(result: Result) -> None:
    assert bench_fuzz.run(Config(files=1000, first=FILES)).failures == []


@pytest.mark.parametrize(
    ("seconds", "memory", "outcome", "hostile", "says"),
    [
        (5.1, 0, "refused", False, "5.1 s"),
        (0.1, 4000 + (257 << 20), "refused", False, "257 MB"),
        (0.1, 0, "KeyError: x", False, "KeyError"),
        (0.1, 0, "read", True, "read"),
    ],
)
def test_what_misses_the_bar_is_counted(seconds: float, memory: int, outcome: str, hostile: bool, says: str) -> None:
    score = Score()
    score.add(Outcome("title", outcome, hostile, seconds, memory, 1000))
    assert len(score.failures) == 1
    assert says in score.failures[0]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells peak memory")
def test_memory_is_measured_at_its_peak() -> None:
    meter = MemoryMeter()
    with meter, mmap(-1, 25 << 20) as pages:  # what malloc frees may stay resident
        for _ in range(25):
            pages.write(b"1" * (1 << 20))
    assert 24 << 20 <= meter.peak < 35 << 20
    with meter:
        pass
    assert meter.peak < 10 << 20


READER = """
import numpy as np
from scenekit.io.isolated import Answer
def warm_up(): pass
def fill(path): np.ones(60 << 20, np.uint8); return Answer({}, {})
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells peak memory")
def test_memory_of_the_reader_counts_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "filling_reader.py").write_text(READER)
    monkeypatch.syspath_prepend(str(tmp_path))
    stop_readers()
    read_isolated("filling_reader", "fill", tmp_path / "filling_reader.py")
    with (meter := MemoryMeter()):
        read_isolated("filling_reader", "fill", tmp_path / "filling_reader.py")
    assert 59 << 20 <= meter.peak < 80 << 20


def test_the_same_seed_does_the_same_damage() -> None:
    data = bytes(range(256)) * 4
    assert [mutated(data, seed) for seed in range(50)] == [mutated(data, seed) for seed in range(50)]
    assert len({mutated(data, seed) for seed in range(50)}) > 45

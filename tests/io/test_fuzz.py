"""Every format survives damage: some hundred files each here, 20 000 each by `scenekit bench fuzz --files 20000`."""

import pytest

from scenekit.pipelines import bench_fuzz
from scenekit.pipelines.bench_fuzz import Config, Result, Score
from scenekit.pipelines.fuzz_made import made
from scenekit.pipelines.fuzz_mutations import mutated
from scenekit.pipelines.fuzz_samples import samples

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
    assert score.files == FILES + len(list(made(name)))


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
    score.add("title", seconds, memory, 1000, outcome, hostile)
    assert len(score.failures) == 1
    assert says in score.failures[0]


def test_the_same_seed_does_the_same_damage() -> None:
    data = bytes(range(256)) * 4
    assert [mutated(data, seed) for seed in range(50)] == [mutated(data, seed) for seed in range(50)]
    assert len({mutated(data, seed) for seed in range(50)}) > 45

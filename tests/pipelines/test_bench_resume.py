"""Reconstructions that are killed."""

from pathlib import Path

import pytest

from scenekit.pipelines.bench_resume import Config, run


@pytest.mark.slow
def test_two_killed_reconstructions_end_in_the_same_bits(tmp_path: Path) -> None:
    result = run(Config(kills=2, steps=100, output=tmp_path / "runs"))
    assert [row.identical for row in result.rows] == [True, True]
    assert result.exit_code == 0
    assert "2 of 2 bit-identical" in str(result)

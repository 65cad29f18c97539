"""What the benchmark of densification fits, and what it makes of its rows."""

from dataclasses import replace
from pathlib import Path

import pytest

from scenekit.fit import ADC, MCMC, FitConfig
from scenekit.pipelines import bench_densify
from scenekit.pipelines.bench_densify import Config, Result, Row, rows
from scenekit.splats import random_splats

ROW = Row("adc", 2000, 0, 60.0, 80.0, 1234, 27.0, 29.0, [(2000, 60.0, 27.0)])


def test_mcmc_gets_as_many_gaussians_as_adc_came_to(monkeypatch: pytest.MonkeyPatch) -> None:
    configs: list[FitConfig] = []

    def fitted(name: str, config: FitConfig, *_: object) -> Row:
        configs.append(config)
        return replace(ROW, strategy=name, steps=config.steps, seed=config.seed, gaussians=100 + config.seed)

    monkeypatch.setattr(bench_densify, "fitted", fitted)
    config = Config(Path(), steps=(10, 20), seeds=(0, 3), adc=ADC(cap=500))
    found = list(rows(config, [], [], random_splats(102)))
    assert [(row.steps, row.seed) for row in found[::3]] == [(10, 0), (10, 3), (20, 0), (20, 3)]
    adc, score, mcmc = (c.strategy for c in configs[-3:])
    assert adc == ADC(cap=500) and score == ADC(cap=500, score=config.score) and mcmc == MCMC(cap=103)
    assert configs[2].strategy == MCMC(cap=102)  # never fewer than one starts with


def test_the_table_has_means_over_seeds() -> None:
    table = str(Result((4, 3), (2, 1), [ROW, replace(ROW, seed=1, psnr=28.0, gaussians=1236), replace(ROW, steps=10)]))
    assert "| adc | 2000 | 27.00, 28.00; mean 27.50 | 29.00 | 1235 | 60 | 80 |" in table
    assert "| adc | 10 | 27.00; mean 27.00 |" in table

"""gsplat's strategies under their own names, there and back."""

import math
from dataclasses import fields

import pytest

from scenekit.errors import InputError
from scenekit.fit import ADC, MCMC
from scenekit.fit.strategies.gsplat_names import DEFAULTS, from_gsplat, to_gsplat
from scenekit.fit.strategies.strategy import Run


def test_names_and_defaults_are_those_of_gsplat() -> None:
    strategies = pytest.importorskip("gsplat.strategy")
    for name, defaults in DEFAULTS.items():
        assert {f.name: f.default for f in fields(getattr(strategies, name))} == defaults


def test_defaults_of_gsplat_are_the_numbers_of_the_paper() -> None:
    """In 30 000 steps; ADC's own defaults are absolute gradients and limits of growth for short runs."""
    adc = ADC(cap=2**31 - 1, every_steps=1, grow=1.0, reset_steps=1, absgrad=False, grow_gradient=2e-4)
    assert from_gsplat("DefaultStrategy", {}, steps=30_000) == (adc, ())
    assert from_gsplat("MCMCStrategy", {}, steps=30_000) == (MCMC(every_steps=1), ())


@pytest.mark.parametrize("steps", [700, 7000, 30_000])
@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("DefaultStrategy", {}),
        (
            "DefaultStrategy",
            {
                "prune_opa": 0.01, "grow_grad2d": 8e-4, "grow_scale3d": 0.02, "prune_scale3d": 0.3,
                "refine_start_iter": 123, "refine_stop_iter": 457, "reset_every": 77, "refine_every": 13,
                "absgrad": True, "revised_opacity": True,
            },
        ),
        ("MCMCStrategy", {}),
        (
            "MCMCStrategy",
            {
                "cap_max": 5000, "noise_lr": 1e4, "refine_start_iter": 7, "refine_stop_iter": 601, "refine_every": 9,
                "min_opacity": 0.01,
            },
        ),
    ],
)  # fmt: skip
def test_settings_come_back_as_they_went(name: str, settings: dict[str, float], steps: int) -> None:
    again = to_gsplat(from_gsplat(name, settings, steps=steps).strategy, steps=steps)
    assert (again.name, again.settings) == (name, {**DEFAULTS[name], **settings})


def test_it_densifies_and_resets_in_the_iterations_of_gsplat() -> None:
    """gsplat refines in iteration i if i > start, i < stop and i % every == 0; but for the edges, which we include."""
    steps, settings = 1000, {"refine_start_iter": 55, "refine_stop_iter": 801, "refine_every": 20, "reset_every": 250}
    strategy, _ = from_gsplat("DefaultStrategy", settings, steps=steps)
    assert isinstance(strategy, ADC)
    run = Run(steps, 1.0)
    refined = [
        i for i in range(1, steps + 1)
        if run.is_due(i, strategy.every, strategy.start_at, strategy.stop_at, at_least=strategy.every_steps)
    ]  # fmt: skip
    reset = [
        i for i in range(1, steps + 1)
        if run.is_due(i, strategy.reset_every, 0.0, strategy.stop_at, at_least=strategy.reset_steps)
    ]  # fmt: skip
    assert refined == [i for i in range(steps) if 55 < i < 801 and i % 20 == 0]
    assert reset == [250, 500, 750]


@pytest.mark.parametrize(
    ("name", "settings", "said"),
    [
        ("DefaultStrategy", {"refine_scale2d_stop_iter": 5000}, "refine_scale2d_stop_iter"),
        ("DefaultStrategy", {"grow_scale2d": 0.1}, "grow_scale2d"),
        ("DefaultStrategy", {"pause_refine_after_reset": 100}, "pause_refine_after_reset"),
        ("DefaultStrategy", {"revised_opacity": True}, "revised_opacity"),
        ("DefaultStrategy", {"verbose": True}, "verbose"),
        ("MCMCStrategy", {"min_opacity": 0.1}, "min_opacity"),
    ],
)
def test_what_has_no_counterpart_here_is_named(name: str, settings: dict[str, float], said: str) -> None:
    (remark,) = from_gsplat(name, settings, steps=30_000).remarks
    assert said in remark


@pytest.mark.parametrize(
    ("strategy", "said"),
    [
        (ADC(grow=1.0), ["cap"]),
        (ADC(cap=2**31 - 1), ["grow"]),
        (ADC(cap=2**31 - 1, grow=1.0, split_shrink=2.0), ["split_shrink"]),
        (ADC(cap=2**31 - 1, grow=1.0, revised_opacity=True), ["revised_opacity"]),
        (ADC(cap=2**31 - 1, grow=1.0, opacity_weight=0.01), ["opacity_reg"]),
        (MCMC(opacity_weight=0.0), ["scale_reg"]),
        (MCMC(opacity_weight=0.0, scale_weight=0.0, grow=0.1), ["grow"]),
    ],
)
def test_what_has_no_counterpart_there_is_named(strategy: ADC | MCMC, said: list[str]) -> None:
    remarks = to_gsplat(strategy, steps=30_000).remarks
    assert [word in remark for word, remark in zip(said, remarks, strict=True)] == [True] * len(said)


def test_intervals_of_a_short_run_are_those_that_it_has() -> None:
    """In 2000 steps, ADC's 100/30 000 would be 7; its 50 steps count. Without resets gsplat's come after the end."""
    settings = to_gsplat(ADC(reset_every=0.0), steps=2000).settings
    assert (settings["refine_every"], settings["reset_every"]) == (50, 2001)
    assert to_gsplat(ADC(), steps=2000).settings["reset_every"] == 3000


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("AbsStrategy", {}, "DefaultStrategy, MCMCStrategy"),
        ("MCMCStrategy", {"prune_opa": 0.1}, "prune_opa"),
        ("DefaultStrategy", {"prune_opa": math.nan}, "prune_opa.*finite"),
        ("DefaultStrategy", {"grow_grad2d": -1.0}, "grow_grad2d"),
        ("DefaultStrategy", {"grow_grad2d": True}, "grow_grad2d"),
        ("DefaultStrategy", {"absgrad": 1}, "absgrad.*bool"),
        ("DefaultStrategy", {"reset_every": 0}, "reset_every"),
        ("DefaultStrategy", {"key_for_gradient": "gradient_2dgs"}, "2DGS"),
    ],
)
def test_other_settings_are_refused(name: str, settings: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        from_gsplat(name, settings, steps=30_000)
    with pytest.raises(InputError, match="steps"):
        from_gsplat("MCMCStrategy", {}, steps=0)

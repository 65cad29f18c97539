"""gsplat's strategies under their own names: `DefaultStrategy` is `ADC`, `MCMCStrategy` is `MCMC`, and back.

gsplat counts iterations, we count progress, so the length of the run is needed. Its iterations are numbered from 0 and
our steps are counted when they are done: what it does in iteration i we do after step i, one earlier. Names and
defaults are those of gsplat 1.5.3, strategy/default.py and strategy/mcmc.py.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from scenekit.errors import InputError
from scenekit.fit.strategies.adc import ADC
from scenekit.fit.strategies.mcmc import MCMC

Settings = Mapping[str, float | bool | str]
"""Settings of a strategy of gsplat, by its names."""

DEFAULTS: dict[str, Settings] = {
    "DefaultStrategy": {
        "prune_opa": 0.005, "grow_grad2d": 0.0002, "grow_scale3d": 0.01, "grow_scale2d": 0.05, "prune_scale3d": 0.1,
        "prune_scale2d": 0.15, "refine_scale2d_stop_iter": 0, "refine_start_iter": 500, "refine_stop_iter": 15_000,
        "reset_every": 3000, "refine_every": 100, "pause_refine_after_reset": 0, "absgrad": False,
        "revised_opacity": False, "verbose": False, "key_for_gradient": "means2d",
    },
    "MCMCStrategy": {
        "cap_max": 1_000_000, "noise_lr": 5e5, "refine_start_iter": 500, "refine_stop_iter": 25_000,
        "refine_every": 100, "min_opacity": 0.005, "verbose": False,
    },
}  # fmt: skip
"""All settings and their defaults, by the strategy's name."""

SAME = {
    "DefaultStrategy": {
        "prune_opa": "prune_opacity", "grow_grad2d": "grow_gradient", "grow_scale3d": "grow_scale",
        "prune_scale3d": "prune_scale", "absgrad": "absgrad", "revised_opacity": "revised_opacity",
    },
    "MCMCStrategy": {"cap_max": "cap", "noise_lr": "noise", "min_opacity": "dead_opacity"},
}  # fmt: skip
"""Settings that are the same number with us, and what they are called here."""

TIMES = {"refine_start_iter": "start_at", "refine_stop_iter": "stop_at", "refine_every": "every"}
"""Settings in iterations, and what they are called here as progress; DefaultStrategy has `reset_every` beside."""

UNLIMITED = 2**31 - 1
"""Cap of a strategy that has none."""

SPLIT_SHRINK, GROW = 1.6, 0.05
"""What cannot be set in gsplat: the divisor of the scales of halves, and what MCMC adds each time."""


class FromGsplat(NamedTuple):
    """A strategy of ours that does what one of gsplat's does."""

    strategy: ADC | MCMC
    """For a fit of so many steps."""
    remarks: tuple[str, ...]
    """What has no counterpart, one sentence each."""


class ToGsplat(NamedTuple):
    """A strategy of gsplat's that does what one of ours does."""

    name: str
    """DefaultStrategy or MCMCStrategy."""
    settings: dict[str, float | bool | str]
    """Its arguments."""
    remarks: tuple[str, ...]
    """What has no counterpart, one sentence each."""


def from_gsplat(name: str, settings: Settings, *, steps: int) -> FromGsplat:
    """The strategy of ours for a strategy of gsplat's.

    Intervals are kept to the iteration, and growth is not limited where gsplat's is not.

    Args:
        name: "DefaultStrategy" or "MCMCStrategy".
        settings: Its arguments; what is left out has gsplat's default.
        steps: Length of the run, `max_steps`.

    Raises:
        InputError: If the strategy or a setting is unknown or of another kind, or it is 2DGS's gradient.
    """
    given = _checked(name, settings)
    check_steps(steps)
    values = {ours: given[theirs] for theirs, ours in SAME[name].items()}
    values |= {ours: float(given[theirs]) / steps for theirs, ours in TIMES.items()}
    remarks = tuple(_left_out(name, given))
    if name == "MCMCStrategy":
        return FromGsplat(MCMC(every_steps=1, **values), remarks)
    values |= {"cap": UNLIMITED, "grow": 1.0, "reset_every": float(given["reset_every"]) / steps}
    return FromGsplat(ADC(every_steps=1, reset_steps=1, **values), remarks)


def to_gsplat(strategy: ADC | MCMC, *, steps: int) -> ToGsplat:
    """gsplat's name and settings for a strategy of ours, in a run of `steps`; inverse of `from_gsplat`."""
    check_steps(steps)
    name = "MCMCStrategy" if isinstance(strategy, MCMC) else "DefaultStrategy"
    settings = dict(DEFAULTS[name]) | {theirs: getattr(strategy, ours) for theirs, ours in SAME[name].items()}
    settings |= {theirs: round(getattr(strategy, ours) * steps) for theirs, ours in TIMES.items()}
    settings["refine_every"] = max(1, strategy.every_steps, round(strategy.every * steps))
    if isinstance(strategy, ADC):
        often = max(1, strategy.reset_steps, round(strategy.reset_every * steps))
        settings["reset_every"] = often if strategy.reset_every > 0 else steps + 1
    return ToGsplat(name, settings, tuple(_without_setting(strategy)))


def check_steps(steps: int) -> None:
    """Raises:
    InputError: If the run has no step.
    """
    if steps < 1:
        raise InputError("steps", got=steps, wanted="at least 1")


def _checked(name: str, settings: Settings) -> dict[str, Any]:
    """All settings, those that are not given by default."""
    if name not in DEFAULTS:
        raise InputError("strategy", got=repr(name), wanted="one of " + ", ".join(DEFAULTS))
    defaults = DEFAULTS[name]
    if unknown := sorted(settings.keys() - defaults.keys()):
        raise InputError(f"{name}: settings", got=", ".join(unknown), wanted="some of " + ", ".join(defaults))
    for setting, value in settings.items():
        default = defaults[setting]
        where = f"{name}: {setting}"
        if isinstance(default, bool | str):
            if type(value) is not type(default):
                raise InputError(where, got=repr(value), wanted=f"a {type(default).__name__}")
        elif not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < math.inf:
            raise InputError(where, got=repr(value), wanted="a finite number, at least 0")
        elif setting in ("refine_every", "reset_every", "cap_max") and value < 1:
            raise InputError(where, got=repr(value), wanted="at least 1")
    given = {**defaults, **settings}
    if given.get("key_for_gradient", "means2d") != "means2d":
        hint = "Gaussians here are bodies, not the discs of 2DGS."
        raise InputError(f"{name}: key_for_gradient", got=given["key_for_gradient"], wanted="means2d", hint=hint)
    return given


def _left_out(name: str, given: Mapping[str, Any]) -> Iterator[str]:
    """What of gsplat's settings has no counterpart here."""
    if given["verbose"]:
        yield "verbose is left out: the history says how many Gaussians there are."
    if name == "MCMCStrategy":
        if given["min_opacity"] != MCMC.dead_opacity:
            yield f"min_opacity is that of the dead alone: copies have at least {MCMC.dead_opacity:g}."
        return
    if given["refine_scale2d_stop_iter"] > 0:
        yield "refine_scale2d_stop_iter is left out: nothing is split or removed for its size in the image."
    elif any(given[s] != DEFAULTS[name][s] for s in ("grow_scale2d", "prune_scale2d")):
        yield "grow_scale2d and prune_scale2d are left out; without refine_scale2d_stop_iter they do nothing."
    if given["pause_refine_after_reset"] > 0:
        yield "pause_refine_after_reset is left out: densification goes on after a reset."
    if given["revised_opacity"]:
        yield "revised_opacity is for clones, too, and for what they come from."


def _without_setting(strategy: ADC | MCMC) -> Iterator[str]:
    """What of our numbers cannot be set in gsplat's strategy."""
    for weight, theirs in (("opacity_weight", "opacity_reg"), ("scale_weight", "scale_reg")):
        if value := getattr(strategy, weight):
            yield f"{weight} {value:g} is no setting of the strategy: it is {theirs} of simple_trainer."
    if isinstance(strategy, MCMC):
        if strategy.grow != GROW:
            yield f"grow {strategy.grow:g} is left out: gsplat adds {GROW:g} of the Gaussians each time."
        return
    if strategy.cap < UNLIMITED:
        yield f"cap {strategy.cap} is left out: gsplat sets no limit."
    if strategy.grow < 1:
        yield f"grow {strategy.grow:g} is left out: gsplat grows wherever the gradient is large."
    if strategy.split_shrink != SPLIT_SHRINK:
        yield f"split_shrink {strategy.split_shrink:g} is left out: gsplat divides by {SPLIT_SHRINK:g}."
    if strategy.revised_opacity:
        yield "revised_opacity is for halves alone."

"""Charts: tick values, label texts and layouts that stay inside their frames."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenekit.charts import CHART_HEIGHT, CHART_WIDTH, Curve, chart, decades, plan, short, ticks

numbers = st.floats(-1e9, 1e9, allow_nan=False)


@given(low=numbers, width=st.floats(1e-3, 1e9), about=st.integers(2, 8))
def test_ticks_cover_the_range_evenly_and_are_few(low: float, width: float, about: int) -> None:
    high = low + width
    values = ticks(low, high, about)
    slack = 1e-6 * max(abs(low), abs(high), width)
    assert values[0] <= low + slack
    assert values[-1] >= high - slack
    assert 2 <= len(values) <= about + 3
    assert np.ptp(np.diff(values)) <= slack + 1e-9


def test_ticks_are_the_numbers_people_write() -> None:
    assert ticks(0, 3000, 5) == [0, 1000, 2000, 3000]
    assert ticks(17.3, 24.8, 4) == [16, 18, 20, 22, 24, 26]


@pytest.mark.parametrize("value", [0.0, 5.0, -2.0, float("nan")])
def test_a_range_of_no_width_still_has_ticks(value: float) -> None:
    assert len(ticks(value if value == value else 0.0, value, 4)) >= 2


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.05, "0.05"), (24.0, "24"), (1500, "1.5k"), (14203, "14.2k"), (2e6, "2M"), (-0.5, "-0.5")],
)
def test_labels_are_short(value: float, text: str) -> None:
    assert short(value, digits=1 if abs(value) > 1000 else 2) == text


def coordinates(path: str) -> np.ndarray:
    return np.array(re.findall(r"-?\d+\.?\d*", path), dtype=float).reshape(-1, 2)


@pytest.mark.parametrize("log", [False, True])
def test_a_curve_stays_inside_its_frame_and_ends_at_its_last_value(log: bool) -> None:
    drawn = chart(Curve("loss", range(5000), 0.3 * np.exp(-np.arange(5000) / 900) + 0.02, log=log))
    points = coordinates(drawn.path)
    assert len(points) <= 300
    assert (points >= 0).all()
    assert (points <= [CHART_WIDTH, CHART_HEIGHT]).all()
    assert (np.diff(points[:, 0]) > 0).all()
    assert drawn.last[2].startswith("0.02")


def test_values_that_are_not_finite_are_left_out() -> None:
    drawn = chart(Curve("psnr", [0, 1, 2, 3], [float("nan"), 20.0, float("inf"), 21.0]))
    assert len(coordinates(drawn.path)) == 2
    assert "nan" not in drawn.path + drawn.area


def test_a_curve_of_one_sample_is_not_drawn() -> None:
    assert not Curve("a", [1], [2]).is_drawable
    assert not Curve("a", [1, 1], [2, 3]).is_drawable
    assert Curve("a", [1, 2], [2, 3]).is_drawable


@given(low=st.floats(-9, 9), width=st.floats(0, 9))
def test_logarithmic_ticks_cover_the_range_with_round_numbers(low: float, width: float) -> None:
    values = decades(low, low + width, 4)
    assert values[0] <= low + 1e-9
    assert values[-1] >= low + width - 1e-9
    assert 2 <= len(values) <= 12
    assert {f"{10**v:.1e}"[0] for v in values} <= {"1", "2", "5"}


def test_the_plan_keeps_proportions_and_turns_y_up() -> None:
    drawn = plan([[0, 0, 5], [2, 0, 5], [2, 1, 5]], np.zeros((0, 3)))
    a, b, c = np.array(drawn.cameras)
    assert b[1] == a[1]
    assert c[1] < b[1]
    assert (b[0] - a[0]) / (b[1] - c[1]) == pytest.approx(2, rel=0.01)
    assert drawn.bar / drawn.bar_metres == pytest.approx((b[0] - a[0]) / 2, rel=0.01)


@pytest.mark.parametrize(
    "points", [np.zeros((0, 3)), np.full((50, 3), 1e6), np.random.default_rng(0).normal(size=(9000, 3))]
)
def test_the_plan_draws_any_cloud(points: np.ndarray) -> None:
    drawn = plan(np.zeros((1, 3)), points)
    assert "nan" not in drawn.points
    assert drawn.bar > 0

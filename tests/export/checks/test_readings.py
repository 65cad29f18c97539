"""Differences of readings are relative, and what is no number differs without end."""

import numpy as np
import pytest

from scenekit.export.checks.readings import Reading, difference, packed, unpacked

BOX = Reading(2.0, np.array([0.1, 0.0, 0.0]), np.diag([3.0, 2.0, 1.0]), np.eye(4))


def moved(by: float, angle: float) -> np.ndarray:
    """A pose that is turned about z, and `by` away along it [m]."""
    T = np.eye(4)
    T[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    T[2, 3] = by
    return T


def test_each_difference_is_relative_to_its_own_scale() -> None:
    other = Reading(2.002, np.array([0.1, 0.003, 0.004]), np.diag([3.0, 2.0, 1.0]) * 1.01, moved(0.02, 1e-3))
    assert difference(other, BOX, 0.5) == pytest.approx((1e-3, 0.01, 0.01, 0.04))


def test_a_turn_is_a_difference_by_its_angle() -> None:
    turned = Reading(BOX.mass, BOX.centre, BOX.inertia, moved(1e-6, 2e-3))
    assert difference(turned, BOX, 0.5).pose == pytest.approx(2e-3, rel=1e-4)


def test_swapped_axes_of_inertia_are_a_difference() -> None:
    swapped = Reading(2.0, BOX.centre, np.diag([2.0, 3.0, 1.0]), BOX.pose)
    assert difference(swapped, BOX, 1.0).inertia == pytest.approx(np.sqrt(2 / 14))


@pytest.mark.parametrize("mass", [np.nan, np.inf])
def test_what_is_no_number_is_infinitely_far(mass: float) -> None:
    assert difference(Reading(mass, BOX.centre, BOX.inertia, BOX.pose), BOX, 1.0).largest == np.inf


def test_readings_come_back_from_another_process_as_they_were() -> None:
    (name, back), *none = unpacked(packed({"box": BOX})).items()
    assert (name, back.mass, none) == ("box", BOX.mass, [])
    np.testing.assert_array_equal(back.inertia, BOX.inertia)
    np.testing.assert_array_equal(back.pose, BOX.pose)
    assert unpacked(packed({})) == {}

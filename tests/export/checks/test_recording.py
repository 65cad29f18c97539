"""What is measured of a motion, against motions of closed form."""

from dataclasses import replace

import numpy as np
import pytest

from scenekit.cameras import Array
from scenekit.export.checks.limits import broken
from scenekit.export.checks.recording import RELEASE, SECONDS, Recording, box_corners, lowest_point, measured

G = 9.81
TIMES = np.linspace(0, SECONDS, 3001)


def ball(height: Array, speed: Array) -> Recording:
    """A ball of 2 kg and 5 cm, its lowest point at some height."""
    steps, still = len(TIMES), np.zeros((len(TIMES), 1, 3))
    up = np.array([0.0, 0.0, 1.0])
    return Recording(
        TIMES, (height[:, None, None] + 0.05) * up, np.tile([1.0, 0, 0, 0], (steps, 1, 1)), speed[:, None, None] * up,
        still, np.array([2.0]), 0.002 * np.eye(3)[None], np.zeros((1, 3)), np.array([0.05]), np.zeros(1, np.int64),
        np.array([G]),
    )  # fmt: skip


def landed() -> Recording:
    """Free fall, then rest."""
    fall = TIMES < (2 * RELEASE / G) ** 0.5
    return ball(np.where(fall, RELEASE - G * TIMES**2 / 2, 0), np.where(fall, -G * TIMES, 0))


def test_a_ball_that_lands_and_rests_passes() -> None:
    motion = measured(landed())
    assert motion.settled is not None and motion.settled == pytest.approx((2 * RELEASE / G) ** 0.5 + 0.05, abs=0.01)
    assert motion.penetration == 0 and motion.rest == 0 and motion.drift == 0
    assert motion.gain == pytest.approx(0, abs=1e-9)
    assert not list(broken(motion, 0.1))


def test_a_ball_that_springs_back_too_high_gains_energy() -> None:
    recording = landed()
    bounce = (TIMES > 1) & (TIMES < 1.1)
    thrown = replace(recording, velocities=recording.velocities + bounce[:, None, None] * np.array([0, 0, 1.0]))
    assert measured(thrown).gain == pytest.approx(0.5 / (G * RELEASE) - 1, rel=1e-3)
    assert any("gains energy" in problem for problem in broken(measured(thrown), 0.1))


def test_a_ball_that_keeps_falling_neither_settles_nor_stays_above_the_floor() -> None:
    motion = measured(ball(RELEASE - G * TIMES**2 / 2, -G * TIMES))
    assert motion.settled is None and motion.penetration == pytest.approx(G * SECONDS**2 / 2 - RELEASE)
    text = " ".join(broken(motion, 0.1))
    assert "does not settle" in text and "in the floor" in text


def test_a_ball_that_hangs_in_the_air_is_found() -> None:
    (problem,) = broken(measured(ball(np.full(len(TIMES), RELEASE), np.zeros(len(TIMES)))), 0.1)
    assert "rests 20 mm above the floor" in problem


def test_a_ball_that_slides_on_does_not_settle_and_drifts() -> None:
    recording = landed()
    slid = recording.centres + np.stack([0.1 * TIMES, 0 * TIMES, 0 * TIMES], -1)[:, None]
    motion = measured(replace(recording, centres=slid))
    assert motion.settled is None
    assert (motion.speed, motion.drift, motion.creep) == pytest.approx((0.1, 0.3, 0.1), rel=1e-3)


def test_a_hum_of_hundredths_of_a_millimetre_is_reported_and_is_no_motion() -> None:
    recording = landed()
    phase = 2 * np.pi * 100 * TIMES[:, None, None]
    up = np.array([0, 0, 1.0])
    hum = 1e-5 * up * np.sin(phase), 1e-5 * 2 * np.pi * 100 * up * np.cos(phase)
    motion = measured(replace(recording, centres=recording.centres + hum[0], velocities=recording.velocities + hum[1]))
    assert motion.settled is not None and motion.hum == pytest.approx(1e-5 * 2 * np.pi * 100, rel=1e-3)


def test_a_turning_box_moves_at_its_corners() -> None:
    half, rate = np.array([0.03, 0.04, 0.12]), 0.5
    quats = np.stack([np.cos(rate * TIMES / 2), 0 * TIMES, 0 * TIMES, np.sin(rate * TIMES / 2)], -1)[:, None]
    corners = box_corners(half)
    recording = replace(
        landed(), quats=quats, spins=np.tile([0, 0, rate], (len(TIMES), 1, 1)), points=corners,
        radii=np.zeros(8), owners=np.zeros(8, np.int64),
    )  # fmt: skip
    motion = measured(recording)
    assert (motion.speed, motion.hum) == pytest.approx((0.13 * rate, 0.13 * rate), rel=1e-3)
    assert motion.turned == pytest.approx(rate * SECONDS)
    assert lowest_point(recording) == pytest.approx(0.05 + RELEASE - 0.12)

"""Drops in MuJoCo: sound things settle as they should, and what is unsound is named."""

import re
from pathlib import Path

import numpy as np
import pytest

from scenekit.export.checks.drops import Drop, droppable, dropped_in_mujoco, dropped_in_newton, left_standing
from scenekit.export.physics_json import read_physics


def dropped(folder: Path, name: str = "cup") -> Drop:
    physics = read_physics(folder)
    (drop,) = dropped_in_mujoco(folder, physics, [asset for asset in physics.assets if asset.name == name])
    return drop


def edit(path: Path, pattern: str, by: str) -> None:
    text, count = re.subn(pattern, by, path.read_text())
    assert count
    path.write_text(text)


def test_what_stays_is_not_dropped(room: Path) -> None:
    assert [asset.name for asset in droppable(read_physics(room))] == ["cup", "cabinet"]


@pytest.mark.parametrize("name", ["cup", "cabinet"])
def test_sound_things_settle_in_mujoco(room: Path, name: str) -> None:
    drop = dropped(room, name)
    assert not drop.problems and drop.motion is not None and drop.motion.settled is not None
    assert 0.06 < drop.motion.settled < 1  # it falls for 64 ms


def test_it_is_released_two_centimetres_above_the_floor_as_it_stands_in_the_scene(room: Path) -> None:
    recording = dropped(room).recording
    assert recording is not None
    falling = recording.centres[:60, 0, 2] - recording.centres[0, 0, 2]
    np.testing.assert_allclose(falling, -9.81 * recording.times[:60] ** 2 / 2, atol=4e-4)  # of a step of Euler's
    np.testing.assert_allclose(recording.quats[0, 0], read_physics(room).assets[1].root.pose.quat, atol=1e-9)
    assert recording.velocities[70, 0, 2] > -0.65  # the floor is there


def test_a_thing_of_which_nothing_collides_cannot_be_dropped(copy: Path) -> None:
    edit(copy / "mjcf/cup.xml", r'conaffinity="3"', 'contype="0" conaffinity="0"')
    assert "nothing collides" in dropped(copy).problems[0]


def test_a_thing_that_is_pulled_up_gains_energy(copy: Path) -> None:
    edit(copy / "mjcf/cup.xml", '<body name="cup"', '<body name="cup" gravcomp="1.5"')
    text = " ".join(dropped(copy).problems)
    assert "does not settle" in text and "gains energy" in text and "above the floor" in text


def test_a_contact_that_hardly_pushes_lets_a_thing_sink(copy: Path) -> None:
    edit(copy / "mjcf/cup.xml", r'solref="[^"]*"', 'solref="-50 -20"')
    assert "mm into the floor, more than" in " ".join(dropped(copy).problems)


def test_a_thing_that_is_fixed_cannot_be_dropped(copy: Path) -> None:
    edit(copy / "mjcf/cup.xml", "<freejoint[^>]*>", "")
    assert "not free" in dropped(copy).problems[0]


def test_things_that_start_inside_of_each_other_are_pushed_away(room: Path, copy: Path) -> None:
    stands = left_standing(room, read_physics(room))
    assert not isinstance(stands, str) and not [stand for stand in stands if stand.problems]
    box = '<body name="wedge" pos="0.1 0.2 0.5"><freejoint/><inertial mass="9" pos="0 0 0" diaginertia="1 1 1"/>'
    box += '<geom type="sphere" size="0.2" solref="-1e5 -10"/></body></worldbody>'
    edit(copy / "mjcf/scene.xml", "</worldbody>", box)
    edit(copy / "mjcf/scene.xml", "(?s)<keyframe>.*</keyframe>", "")
    stands = left_standing(copy, read_physics(copy))
    assert not isinstance(stands, str)
    assert [stand.link for stand in stands if stand.problems] == ["cup"]


@pytest.mark.slow
def test_sound_things_settle_in_newton_as_they_do_in_mujoco(room: Path) -> None:
    physics = read_physics(room)
    for drop in dropped_in_newton(room, physics, droppable(physics)):
        other = dropped(room, drop.asset).motion
        assert not drop.problems and drop.motion is not None and other is not None
        assert drop.motion.turned == pytest.approx(other.turned, abs=0.1)

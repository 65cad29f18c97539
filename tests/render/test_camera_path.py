"""Camera paths: through their keys, in closed forms, and smooth."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation, Slerp

from scenekit.errors import InputError
from scenekit.poses import Pose
from scenekit.render.camera_path import CameraPath, Key


def key(x: float, y: float = 0.0, *, turn: Rotation | None = None, fov: float = 1.0) -> Key:
    w, a, b, c = (turn or Rotation.identity()).as_quat(scalar_first=True)
    return Key(Pose((x, y, 0.0), (w, a, b, c)), fov)


def about_z(degrees: float) -> Rotation:
    return Rotation.from_euler("z", degrees, degrees=True)


def turn_of(key: Key) -> Rotation:
    return Rotation.from_quat(np.array(key.pose.quat), scalar_first=True)


def some_keys(count: int) -> tuple[Key, ...]:
    rng = np.random.default_rng(0)
    return tuple(
        key(*rng.normal(size=2), turn=turn, fov=rng.uniform(0.5, 1.5))
        for turn in Rotation.random(count, random_state=np.random.RandomState(1))
    )


@pytest.mark.parametrize("closed", [False, True])
def test_a_path_passes_through_its_keys(closed: bool) -> None:
    keys = some_keys(5)
    path = CameraPath(keys, 8.0, closed=closed)
    every = 8.0 / (5 if closed else 4)
    for i, wanted in enumerate([*keys, keys[0]] if closed else keys):
        found = path.at(i * every)
        assert found.pose.position == pytest.approx(wanted.pose.position)
        assert found.fov == pytest.approx(wanted.fov)
        assert (turn_of(found).inv() * turn_of(wanted)).magnitude() == pytest.approx(0, abs=1e-6)


def test_places_follow_the_catmull_rom_polynomial() -> None:
    """p(u) = ½ [2p₁ + (p₂−p₀)u + (2p₀−5p₁+4p₂−p₃)u² + (3p₁−p₀−3p₂+p₃)u³] in an inner interval."""
    p = [0.0, 1.0, 5.0, 2.0]
    path = CameraPath(tuple(key(x) for x in p), 3.0)
    for u in (0.1, 0.5, 0.8):
        wanted = 2 * p[1] + (p[2] - p[0]) * u + (2 * p[0] - 5 * p[1] + 4 * p[2] - p[3]) * u**2
        wanted = (wanted + (3 * p[1] - p[0] - 3 * p[2] + p[3]) * u**3) / 2
        assert path.at(1 + u).pose.position[0] == pytest.approx(wanted)


def test_keys_on_a_line_at_equal_distances_are_passed_at_constant_speed_and_turn() -> None:
    path = CameraPath(tuple(key(2.0 * i, turn=about_z(20 * i)) for i in range(4)), 3.0)
    for time in (0.0, 0.3, 1.7, 2.9):
        assert path.at(time).pose.position == pytest.approx((2 * time, 0, 0))
        assert turn_of(path.at(time)).as_euler("zyx", degrees=True) == pytest.approx([20 * time, 0, 0])


def test_two_rotations_follow_slerp() -> None:
    keys = some_keys(2)
    wanted = Slerp([0, 1], Rotation.concatenate([turn_of(k) for k in keys]))
    for u in (0.25, 0.6):
        assert (turn_of(CameraPath(keys, 1.0).at(u)).inv() * wanted(u)).magnitude() == pytest.approx(0, abs=1e-7)


def test_an_orientation_that_all_keys_share_stays() -> None:
    turn = Rotation.from_rotvec([0.3, -0.2, 1.1])
    path = CameraPath(tuple(key(x, turn=turn) for x in (0, 1, 5, 2)), 3.0)
    for time in np.linspace(0, 3, 17):
        assert (turn_of(path.at(float(time))).inv() * turn).magnitude() == pytest.approx(0, abs=1e-7)


@pytest.mark.parametrize("closed", [False, True])
def test_place_and_turn_have_no_jumps_of_velocity(closed: bool) -> None:
    path, h = CameraPath(some_keys(6), 6.0, closed=closed), 1e-4
    every = 6.0 / (6 if closed else 5)
    for i in range(1, 5):
        before, there, after = (path.at(i * every + d) for d in (-h, 0, h))
        p = [np.array(k.pose.position) for k in (before, there, after)]
        assert (p[2] - p[1]) / h == pytest.approx((p[1] - p[0]) / h, abs=0.02)
        R = [turn_of(k) for k in (before, there, after)]
        assert (R[1].inv() * R[2]).as_rotvec() / h == pytest.approx((R[0].inv() * R[1]).as_rotvec() / h, abs=0.02)


def test_the_nearer_of_two_equal_quaternions_is_turned_to() -> None:
    w, x, y, z = about_z(30).as_quat(scalar_first=True)
    keys = (key(0.0), Key(Pose((1.0, 0.0, 0.0), (-w, -x, -y, -z)), 1.0))
    assert max(turn_of(k).magnitude() for k in CameraPath(keys, 1.0).frames(20)) < np.radians(31)


def test_one_key_stands_still_and_a_closed_film_does_not_show_its_first_frame_twice() -> None:
    assert CameraPath((key(1.0),), 2.0).frames(2.0) == [key(1.0)] * 5
    assert len(CameraPath(some_keys(3), 2.0, closed=True).frames(10.0)) == 20


def test_no_keys_no_time_and_too_many_frames_are_refused() -> None:
    with pytest.raises(InputError, match="no keyframes"):
        CameraPath((), 1.0)
    for seconds in (0.0, -1.0, float("inf"), float("nan")):
        with pytest.raises(InputError, match="seconds"):
            CameraPath((key(0.0),), seconds)
    with pytest.raises(InputError, match="frames per second"):
        CameraPath((key(0.0),), 1e6).frames(60.0)

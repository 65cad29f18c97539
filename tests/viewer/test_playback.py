"""Playback: the frames of the clip, at their times, and the scene itself as it was."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import trimesh

from scenekit import edits
from scenekit.errors import InputError
from scenekit.material import materials
from scenekit.meshes import Mesh
from scenekit.poses import Pose
from scenekit.scene import Node, Scene, SceneState
from scenekit.sim.from_scene import SimConfig
from scenekit.sim.rollout import Clip, roll, staged
from scenekit.sim.scenario import Scenario
from scenekit.viewer.playback import Playback
from scenekit.viewer.session import Session, Shown

DEADLINE = 20.0


def a_cube(height: float = 1.0) -> Scene:
    box = trimesh.creation.box((0.1, 0.1, 0.1))
    mesh = Mesh(torch.from_numpy(box.vertices.copy()).float(), torch.from_numpy(box.faces.copy()).long())
    cube = Node("cube", Pose((0, 0, height)), mesh=mesh, material=materials["wood"])
    return Scene(SceneState(Node("", children=(cube,))))


@pytest.fixture(scope="module")
def falling() -> Clip:
    """A cube that is pushed and falls, 21 frames of 1/100 s."""
    clip, start = staged(a_cube(), Scenario(push={"/cube": (1.0, 0.0, 0.0)}), fps=100.0, config=SimConfig())
    roll(clip, start, seconds=0.2)
    return clip


class Watched:
    """A session, its playback, and all that was drawn of it."""

    def __init__(self) -> None:
        self.session = Session(a_cube())
        self.drawn: list[Shown] = []
        self.session.on_change(self._draw)
        self.playback = Playback(self.session, self._draw)
        self.changed = threading.Event()
        self.playback.on_change(self.changed.set)

    def _draw(self, before: Shown, now: Shown) -> None:
        self.drawn.append(now)

    def wait_for_the_end(self) -> None:
        end = time.monotonic() + DEADLINE
        while self.playback.playing and time.monotonic() < end:
            time.sleep(0.01)
        assert not self.playback.playing


@pytest.fixture
def watched(falling: Clip) -> Iterator[Watched]:
    watched = Watched()
    watched.playback.open(falling)
    yield watched
    watched.playback.stop()


def test_what_is_shown_is_the_frame_of_the_clip_and_the_scene_stays(watched: Watched, falling: Clip) -> None:
    before = watched.session.shown
    for frame in (0, 7, 20, 99):
        watched.playback.show(frame)
        wanted = falling.scene_at(min(frame, 20)).state
        assert watched.drawn[-1].state.pose("/cube") == wanted.pose("/cube")
        assert watched.drawn[-1].state.node("/cube").mesh is falling.scene.node("/cube").mesh
    assert watched.session.shown == before
    assert watched.session.scene.past == []
    watched.playback.stop()
    assert watched.drawn[-1].state is before.state


def test_it_plays_forward_to_the_last_frame_and_stays_there(watched: Watched, falling: Clip) -> None:
    watched.playback.speed = 0.5
    begin = time.monotonic()
    watched.playback.play()
    watched.wait_for_the_end()
    assert time.monotonic() - begin > 0.39  # 0.2 s at half the speed
    assert watched.playback.frame == 20
    heights = [shown.state.pose("/cube").position[2] for shown in watched.drawn]
    assert heights == sorted(heights, reverse=True)
    watched.playback.play()  # from the first one again
    assert watched.drawn[-1].state.pose("/cube") != falling.scene_at(20).state.pose("/cube")


def test_in_a_loop_it_comes_by_again(watched: Watched) -> None:
    watched.playback.loop = True
    watched.playback.play()
    end = time.monotonic() + DEADLINE
    heights: list[float] = []
    while heights == sorted(heights, reverse=True) and time.monotonic() < end:
        time.sleep(0.05)
        heights = [shown.state.pose("/cube").position[2] for shown in list(watched.drawn)]
    assert watched.playback.playing
    watched.playback.pause()
    assert heights != sorted(heights, reverse=True)


def test_an_edit_of_the_scene_ends_the_playback(watched: Watched) -> None:
    watched.playback.show(5)
    watched.session.apply(edits.Move("/cube", by=(0, 1, 0)))
    assert watched.playback.frame is None
    assert watched.drawn[-1].state.pose("/cube").position == (0, 1, 1)


def test_hiding_a_node_goes_on_with_the_frame(watched: Watched, falling: Clip) -> None:
    watched.playback.show(5)
    watched.session.hide("/cube")
    assert watched.drawn[-1].hidden == {"/cube"}
    assert watched.drawn[-1].state.pose("/cube") == falling.scene_at(5).state.pose("/cube")


def test_a_kept_moment_is_one_edit_that_undo_takes_back(watched: Watched, falling: Clip) -> None:
    before = watched.session.shown.state
    watched.playback.show(9)
    assert watched.playback.keep() == ()
    assert len(watched.session.scene.past) == 1
    assert watched.session.shown.state.pose("/cube") == falling.scene_at(9).state.pose("/cube")
    assert watched.playback.frame is None
    watched.session.undo()
    assert watched.session.shown.state is before


def test_a_moment_in_which_nothing_has_moved_is_not_kept(watched: Watched) -> None:
    watched.playback.show(0)
    with pytest.raises(InputError, match="nothing rigid that has moved"):
        watched.playback.keep()
    assert watched.session.scene.past == []


def test_nothing_to_play_and_nothing_to_keep_are_said(tmp_path: Path) -> None:
    watched = Watched()
    for do in (watched.playback.play, watched.playback.keep, lambda: watched.playback.show(0)):
        with pytest.raises(InputError):
            do()
    assert not watched.playback.playing
    assert not watched.drawn

"""Tests of scenekit.viewer.gizmo: who holds the handles, and who is told. Dragging itself is in panels/test_edit.py."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

from scenekit.poses import Pose
from scenekit.viewer.gizmo import Gizmo, Release


class Handles:
    """What `Gizmo` asks of viser: handles that a test drags, and who is there."""

    def __init__(self) -> None:
        self.position, self.wxyz, self.visible, self.here = (0.0, 0.0, 0.0), (1.0, 0.0, 0.0, 0.0), False, {1, 2}
        self.scene = SimpleNamespace(add_transform_controls=lambda *args, **options: self)
        self.told: list[Any] = []
        self.gizmo = Gizmo(
            self,  # type: ignore[arg-type]
            "/gizmo",
            follow=lambda start, now: self.told.append(now.position),
            release=self.told.append,
            lost=lambda: self.told.append("lost"),
        )

    def on_update(self, callback: Any) -> None:
        self.update = callback

    def get_clients(self) -> set[int]:
        return self.here

    def drag(self, *events: tuple[int, str, tuple[float, float, float]]) -> list[Any]:
        """Who does what, and where the handles are then; what was told."""

        async def dragged() -> None:
            for who, phase, self.position in events:
                event = SimpleNamespace(client=None, client_id=who, phase=phase, target=self)
                await self.update(event)

        with ThreadPoolExecutor(1) as pool:  # Playwright's own loop runs in this one, once a test has used a browser
            pool.submit(asyncio.run, dragged()).result()
        return self.told


A, B, C = (0.0, 0.0, 0.0), (1.0, 0.0, 0.0), (2.0, 0.0, 0.0)


def test_what_is_dragged_follows_and_is_released_once():
    told = Handles().drag((1, "start", A), (1, "update", B), (1, "update", C), (1, "end", C))
    assert told == [B, C, Release(None, Pose(A), Pose(C))]


def test_one_person_holds_the_handles_at_a_time():
    handles = Handles()
    told = handles.drag((1, "start", A), (2, "start", A), (2, "update", C), (1, "update", B), (2, "end", B))
    assert told == [B] and handles.gizmo.held
    assert handles.drag((1, "end", B))[1:] == [Release(None, Pose(A), Pose(B))]
    assert not handles.gizmo.held


def test_who_leaves_lets_go_of_nothing():
    handles = Handles()
    handles.drag((1, "start", A), (1, "update", B))
    handles.here = {2}
    assert handles.drag((1, "end", B)) == [B, "lost"]
    assert not handles.gizmo.held


def test_handles_that_are_held_are_not_put_elsewhere():
    handles = Handles()
    handles.gizmo.place(Pose(A))
    handles.drag((1, "start", A))
    handles.gizmo.place(None)
    assert handles.visible
    handles.drag((1, "end", A))
    handles.gizmo.place(None)
    assert not handles.visible

"""Tests of scenekit.viewer.cloud: what is drawn is what there is, and only what changed is sent."""

from typing import Any

import numpy as np
import torch

from scenekit.splats import Splats, merge, random_splats
from scenekit.viewer.access import close_server, new_token, open_server
from scenekit.viewer.cloud import Cloud


class Canvas:
    """In place of viser's scene: what was drawn, by name."""

    def __init__(self) -> None:
        self.drawn: dict[str, np.ndarray] = {}
        self.sent = 0

    def add_gaussian_splats(
        self, name: str, centers: Any, covariances: Any, rgbs: Any, opacities: Any, *, scale: float
    ) -> Any:
        self.drawn[name] = np.concatenate([centers * scale, rgbs, opacities], 1)
        self.sent += len(centers)
        canvas = self

        class Handle:
            def remove(self) -> None:
                del canvas.drawn[name]

        return Handle()

    def rows(self) -> np.ndarray:
        """All that is drawn, by opacity."""
        rows = np.concatenate([*self.drawn.values(), np.zeros((0, 7))])
        return rows[np.argsort(rows[:, -1])]


def expected(splats: Splats) -> np.ndarray:
    canvas = Canvas()
    Cloud(canvas, "all", size=10**9).draw(splats)  # type: ignore[arg-type]
    return canvas.rows()


def chosen(splats: Splats, mask: torch.Tensor) -> Splats:
    return splats.map(lambda t: t[mask])


def test_after_any_edit_and_its_undo_what_is_drawn_is_what_there_is() -> None:
    first, canvas = random_splats(3000, degree=0), Canvas()
    cloud = Cloud(canvas, "cloud", size=256)  # type: ignore[arg-type]
    corner = (first.means > 0).all(1)
    moved = Splats(**first.tensors() | {"means": first.means + corner[:, None] * 0.1})
    steps = [
        first, chosen(first, ~corner), first, moved, first, merge([first, first]), chosen(first, torch.zeros(3000) > 1),
        random_splats(100, degree=0, seed=1), first.map(lambda t: t.flip(0)), first,
    ]  # fmt: skip
    for step in steps:
        cloud.draw(step)
        np.testing.assert_allclose(canvas.rows(), expected(step), atol=1e-6)


def test_only_pieces_that_change_are_sent() -> None:
    splats, canvas = random_splats(20_000, degree=0), Canvas()
    cloud = Cloud(canvas, "cloud", size=500)  # type: ignore[arg-type]
    assert cloud.draw(splats) == 20_000
    corner = (splats.means > 0.5).all(1)
    without = chosen(splats, ~corner)
    assert cloud.draw(splats) == 0
    sent = cloud.draw(without)
    assert sent < 3000  # the remains of the pieces that reach into a 64th of the volume
    assert cloud.draw(splats) == int(corner.sum())  # undo brings what was away, and nothing else
    assert canvas.sent == 20_000 + sent + int(corner.sum())


def test_crumbs_of_many_edits_are_swept_up() -> None:
    splats, canvas = random_splats(4000, degree=0), Canvas()
    cloud = Cloud(canvas, "cloud", size=1000)  # type: ignore[arg-type]
    rng = torch.Generator().manual_seed(0)
    for _ in range(60):
        cloud.draw(chosen(splats, torch.rand(4000, generator=rng) < 0.99))
    assert len(cloud.pieces) <= 3 * 5 + 1


def test_what_was_replaced_does_not_pile_up_in_the_server() -> None:
    server = open_server("127.0.0.1", 0, new_token())
    try:
        buffer = server._websock_server._broadcast_buffer
        splats = random_splats(2000, degree=0)
        cloud = Cloud(server.scene, "/cloud", size=500)
        held = []
        for i in range(12):
            cloud.draw(Splats(**splats.tensors() | {"means": splats.means + 0.1 * i}))
            cloud.draw(splats)
            messages = [getattr(m, "props", None) for m in buffer.message_from_id.values()]
            held.append(sum(p.buffer.nbytes for p in messages if hasattr(p, "buffer")))
        assert held == [32 * 2000] * 12
    finally:
        close_server(server)

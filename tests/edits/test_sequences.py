"""Random edits in a row: undone, the scene is bit by bit what it was; redone, what it became; nothing is touched."""

from collections.abc import Callable

import numpy as np
import pytest

from scenekit import edits
from scenekit.errors import InputError
from scenekit.scene import Edit, Scene, SceneState
from scenekit.selection import Box, Color, HalfSpace, Opacity, Scale, Selection, Sphere

LENGTH = 50


def random_edit(state: SceneState, rng: np.random.Generator, step: int) -> Edit:
    """An edit of any kind, of a node that is there; it may still not fit the scene."""
    paths = [path for path, _ in state.walk()]
    path, other = (str(rng.choice(paths)) for _ in range(2))
    x, y, z = rng.normal(size=3).tolist()
    where, new = random_selection(rng), f"{other.rstrip('/')}/n{step}"
    makers: list[Callable[[], Edit]] = [
        lambda: edits.Move(path, (x, y, z)),
        lambda: edits.Rotate(path, 90 * x, (x, y, z)),
        lambda: edits.Scale(path, float(np.exp(0.2 * x)), (x, y, z)),
        lambda: edits.Mirror(path, (x, y, z), drop_cameras=bool(rng.random() < 0.5)),
        lambda: edits.Delete(path),
        lambda: edits.Delete(path, where),
        lambda: edits.Crop(path, where),
        lambda: edits.Duplicate(path, new),
        lambda: edits.Split(path, where, new),
        lambda: edits.Merge(path, other),
        lambda: edits.Reparent(path, other),
        lambda: edits.Rename(path, f"r{step}"),
        lambda: edits.AddNode(new),
        lambda: edits.Recolor(path, exposure=0.3 * x, hue=30 * y, saturation=0.8, temperature=5000, where=where),
        lambda: edits.SetOpacity(path, times=float(rng.uniform(0.5, 1.5)), where=where),
        lambda: edits.RemoveFloaters(path, min_photos=0, isolation=3.0),
        lambda: edits.Decimate(path, keep=0.8),
        lambda: edits.Assign(path, "body", None),
    ]
    return makers[rng.integers(len(makers))]()


def random_selection(rng: np.random.Generator) -> Selection:
    x, y, z = rng.normal(size=3).tolist()
    leaves: list[Selection] = [
        Box((x - 1, y - 1, z - 1), (x + 1, y + 1, z + 1)),
        Sphere((x, y, z), 1.5),
        HalfSpace((x, y, z)),
        Opacity(0.0, 0.5),
        Scale(0.03),
        Color((0.5, 0.5, 0.5), 0.3),
    ]
    a, b = leaves[rng.integers(len(leaves))], leaves[rng.integers(len(leaves))]
    return [a, ~a, a & b, a | b][rng.integers(4)]


def edited(scene: Scene, rng: np.random.Generator, length: int) -> int:
    """Makes `length` edits and says how many were tried."""
    tries = 0
    while len(scene.past) < length:
        tries += 1
        try:
            scene.apply(random_edit(scene.state, rng, tries))
        except InputError:
            continue
    return tries


def check_sequences(count: int, make_state, same_bits, cloned) -> None:
    for seed in range(count):
        state = make_state(seed)
        scene, before = Scene(state), cloned(state)
        edited(scene, np.random.default_rng(seed), LENGTH)
        after, copies = scene.state, cloned(scene.state)
        scene.undo(LENGTH)
        assert scene.state is state
        assert same_bits(scene.state, before)
        scene.redo(LENGTH)
        assert scene.state is after
        assert same_bits(scene.state, copies)


def test_fifty_random_edits_come_undone_and_redone_bit_by_bit(make_state, same_bits, cloned):
    check_sequences(20, make_state, same_bits, cloned)


@pytest.mark.slow
def test_fifty_random_edits_come_undone_a_thousand_times(make_state, same_bits, cloned):
    check_sequences(1000, make_state, same_bits, cloned)


def test_a_text_says_what_every_edit_did(make_state):
    rng = np.random.default_rng(0)
    for step in range(200):
        edit = random_edit(make_state(), rng, step)
        assert type(edit).__name__ not in str(edit)
        assert len(str(edit)) > 6


def test_an_edit_that_does_not_fit_leaves_the_scene_as_it_was(make_state):
    scene = Scene(make_state())
    before = scene.state
    with pytest.raises(InputError, match="/nowhere"):
        scene.apply(edits.Move("/room", (1, 0, 0)), edits.Move("/nowhere", (1, 0, 0)))
    assert scene.state is before and not scene.past

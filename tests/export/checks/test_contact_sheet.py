"""The contact sheet shows each thing where it lies, and by a green or a red mark whether that is well."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from scenekit.export.checks.contact_sheet import BAD, EDGE, GOOD, HEAD, HEIGHT, PAPER, WIDTH, contact_sheet
from scenekit.export.checks.drops import Drop, droppable, dropped_in_mujoco
from scenekit.export.physics_json import Physics, read_physics


@pytest.fixture(scope="session")
def physics(room: Path) -> Physics:
    return read_physics(room)


@pytest.fixture(scope="session")
def drops(room: Path, physics: Physics) -> Sequence[Drop]:
    return list(dropped_in_mujoco(room, physics, droppable(physics)))


def cells(folder: Path, physics: Physics, drops: Sequence[Drop]) -> list[np.ndarray]:
    """Each cell of one row of things in one engine, from its upper left corner."""
    sheet = np.asarray(contact_sheet(folder, physics, drops))
    return [sheet[EDGE:, EDGE + number * (WIDTH + EDGE) :][:, :WIDTH] for number in range(len(drops))]


def test_a_textured_cup_stands_in_the_middle_with_a_green_mark(room: Path, physics: Physics, drops: list[Drop]) -> None:
    cup, _ = cells(room, physics, drops)
    assert tuple(cup[14, 5]) == GOOD
    picture = cup[HEAD : HEAD + HEIGHT].astype(int)
    colourful = np.ptp(picture, axis=2) > 60
    rows, columns = np.nonzero(colourful)
    assert colourful.sum() > 3000
    assert abs(columns.mean() - WIDTH / 2) < 30 and abs(rows.mean() - HEIGHT / 2) < 30


def test_a_thing_that_failed_has_a_red_mark_and_one_that_did_not_fall_no_picture(
    room: Path, physics: Physics, drops: list[Drop]
) -> None:
    failed = [replace(drops[0], problems=("is wrong",)), Drop("cabinet", "MuJoCo", None, ("cannot be dropped",))]
    cup, cabinet = cells(room, physics, failed)
    assert tuple(cup[14, 5]) == BAD and tuple(cabinet[14, 5]) == BAD
    assert (cabinet[HEAD : HEAD + HEIGHT] == PAPER).all()


def test_without_meshes_the_collision_geometry_is_shown(tmp_path: Path, physics: Physics, drops: list[Drop]) -> None:
    cup, _ = cells(tmp_path, physics, drops)
    assert (np.abs(cup[HEAD : HEAD + HEIGHT].astype(int) - PAPER).sum(2) > 150).sum() > 3000

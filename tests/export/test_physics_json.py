"""physics.json: says what the assets are, comes back as it was, and is believed in nothing."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scenekit.cameras import rotation_from_quaternion
from scenekit.errors import FileError
from scenekit.export.assets import Assets
from scenekit.export.folder import PHYSICS
from scenekit.export.physics_json import facts, physics_of, read_physics


def written(folder: Path, document: Any) -> Path:
    (folder / PHYSICS).write_text(document if isinstance(document, str) else json.dumps(document))
    return folder


def test_what_is_written_comes_back(assets: Assets, tmp_path: Path) -> None:
    assert read_physics(written(tmp_path, facts(assets))) == physics_of(assets)


def test_it_says_what_the_assets_are(assets: Assets) -> None:
    document = facts(assets)
    assert document["schema"] == 1 and document["gravity"] == [0.0, 0.0, -9.81] and document["floor"] == 0.0
    table, cup = (asset["links"][0] for asset in document["assets"][:2])
    door = document["assets"][2]["links"][1]
    assert table["mass"] is None and table["principal"] is None and table["kind"] == "static"
    body = assets.assets[1].links[0].body
    assert cup["mass"]["value"] == body.mass and cup["mass"]["provenance"] == "default"
    np.testing.assert_array_equal(cup["inertia"]["value"], body.inertia)
    assert cup["mesh"]["texture"] == [8, 8] and cup["splats"] == 60
    assert cup["collision"]["count"] == len(body.pieces) > 1
    assert 4 <= cup["collision"]["vertices"] <= 64
    assert cup["volume"] * cup["material"]["density"]["value"] == pytest.approx(body.mass)
    assert door["parent"] == "cabinet" and door["joint"]["kind"] == "hinge" and door["joint"]["limits"] == [0.0, 1.5]


def test_principal_axes_give_the_tensor_back(assets: Assets) -> None:
    for link in physics_of(assets).links:
        if link.principal is not None:
            R = rotation_from_quaternion(np.array(link.principal.quat))
            tensor = R @ np.diag(link.principal.moments) @ R.T
            np.testing.assert_allclose(tensor, link.inertia.value, atol=1e-6 * max(link.principal.moments))


def cup_of(document: Any) -> Any:
    return document["assets"][1]["links"][0]


@pytest.mark.parametrize(
    ("named", "spoil"),
    [
        ("schema", lambda d: d.update(schema=2)),
        ("no gravity", lambda d: d.pop("gravity")),
        ("assets", lambda d: d.update(assets={})),
        ("gravity", lambda d: d.update(gravity=[0, 0])),
        ("floor", lambda d: d.update(floor="low")),
        ("mass", lambda d: cup_of(d)["mass"].update(value=math.nan)),
        ("mass", lambda d: cup_of(d)["mass"].update(value=10**400)),
        ("provenance", lambda d: cup_of(d)["mass"].update(provenance="trust me")),
        ("quat", lambda d: cup_of(d)["pose"].update(quat=[2, 0, 0, 0])),
        ("kind", lambda d: cup_of(d).update(kind=["dynamic"])),
        ("friction", lambda d: cup_of(d).update(friction=True)),
        ("splats", lambda d: cup_of(d).update(splats=1.5)),
        ("remarks", lambda d: cup_of(d).update(remarks="none")),
        ("asset", lambda d: d["assets"][1].update(links=[])),
        ("name", lambda d: (d["assets"][1].update(name="../../etc"), cup_of(d).update(name="../../etc"))),
        ("name", lambda d: (d["assets"][1].update(name="Table"), cup_of(d).update(name="Table"))),
        ("parent", lambda d: d["assets"][2]["links"][1].update(parent="cup")),
    ],
)
def test_what_is_not_as_it_should_be_is_refused_by_name(
    assets: Assets, tmp_path: Path, named: str, spoil: Callable[[Any], object]
) -> None:
    document = facts(assets)
    spoil(document)
    with pytest.raises(FileError, match=named):
        read_physics(written(tmp_path, document))


@pytest.mark.parametrize("text", ["", "[]", "{", '{"schema": 1}', "[" * 100_000, '{"schema": {"a": [1]}}'])
def test_what_is_no_such_file_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(FileError):
        read_physics(written(tmp_path, text))


def test_a_folder_without_it_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=PHYSICS):
        read_physics(tmp_path)

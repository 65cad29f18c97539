"""What a node says by value comes back from scene.json: laws, joints; and what is no law or joint is a FileError."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scenekit.body import Body, Joint
from scenekit.capture.capture import Frame
from scenekit.errors import FileError
from scenekit.io.scene_json import NodeRecord, SceneRecord, StateRecord, dumps, loads
from scenekit.laws import LAWS, Rigid
from scenekit.material import Material, materials, with_law
from scenekit.poses import Pose

FILE = Path("scene.json")
JOINT = Joint("hinge", (0.0, 0.6, 0.8), (0.1, -0.2, 1 / 3), (-0.5, 1.25), 0.01, "position", 12.5)
NUMBERS = {
    "von-mises": {"yield_stress": 1e5 / 3, "hardening": 0.1},
    "drucker-prager": {"friction_angle": 33.3, "cohesion": 0.0},
    "fluid": {"bulk_modulus": 1e6, "viscosity": 0.1},
    "herschel-bulkley": {"yield_stress": 0.0, "consistency": 0.1, "index": 1 / 3},
    "cloth": {"thickness": 1e-3, "bending": 1e-5},
}
MADE = [with_law(materials["wood"], name, **NUMBERS.get(name, {})) for name in LAWS]


def record(*, material: Material | None = None, body: Body | None = None) -> SceneRecord:
    thing = NodeRecord("thing", Pose(), body, material, {}, ())
    root = NodeRecord("", Pose(), None, None, {}, (0,))
    return SceneRecord((thing, root), StateRecord(1, Frame("measured", "given", "by a ruler"), ""))


def thing(text: str) -> NodeRecord:
    return loads(text, FILE).nodes[0]


@pytest.mark.parametrize("material", [*materials.values(), *MADE], ids=lambda m: f"{m.name}-{m.law.name}")
def test_a_material_comes_back_with_its_law_and_sources(material: Material) -> None:
    assert thing(dumps(record(material=material))).material == material


@pytest.mark.parametrize(
    "joint",
    [JOINT, Joint("fixed"), Joint("ball", actuator="motor"), Joint("slide", limits=(-1.0, -1.0))],
    ids=lambda joint: joint.kind,
)
def test_a_joint_comes_back(joint: Joint) -> None:
    assert thing(dumps(record(body=Body(joint=joint)))).body == Body(joint=joint)


def test_a_file_from_before_laws_and_joints_is_of_rigid_and_free_things() -> None:
    document = json.loads(dumps(record(material=materials["jelly"], body=Body())))
    del document["nodes"][0]["material"]["law"]
    old = thing(json.dumps(document))
    assert old.material is not None and old.material.law == Rigid()
    assert old.body is not None and old.body.joint is None


def test_a_joint_that_says_only_its_kind_is_as_the_class_has_it() -> None:
    document = json.loads(dumps(record(body=Body(joint=JOINT))))
    document["nodes"][0]["body"]["joint"] = {"kind": "hinge"}
    body = thing(json.dumps(document)).body
    assert body is not None and body.joint == Joint("hinge")


def _set(*path: Any, to: Any) -> Callable[[Any], None]:
    """A change of a node's JSON at a path."""

    def change(node: Any) -> None:
        for key in path[:-1]:
            node = node[key]
        node[path[-1]] = to

    return change


LAW, HINGE = ("material", "law"), ("body", "joint")
NUMBER = {"value": 1.0, "provenance": "authored"}


@pytest.mark.parametrize(
    "change",
    [
        _set(*LAW, to=None),
        _set(*LAW, to="von-mises"),
        _set(*LAW, to=[]),
        _set(*LAW, to={}),
        _set(*LAW, to={"name": "gold"}),
        _set(*LAW, to={"name": ["von-mises"]}),
        _set(*LAW, to={"name": "von-mises"}),
        _set(*LAW, to={"name": "rigid", "yield_stress": NUMBER}),
        _set(*LAW, to={"name": "__init__"}),
        _set(*LAW, "yield_stress", to=3.0),
        _set(*LAW, "yield_stress", to=None),
        _set(*LAW, "yield_stress", "value", to=-1.0),
        _set(*LAW, "yield_stress", "value", to="1"),
        _set(*LAW, "yield_stress", "value", to=10**400),
        _set(*LAW, "yield_stress", "provenance", to="guessed"),
        _set(*LAW, "solver", to="mpm"),
        _set(*HINGE, to=None),
        _set(*HINGE, to=7),
        _set(*HINGE, to={}),
        _set(*HINGE, "kind", to="screw"),
        _set(*HINGE, "kind", to=[]),
        _set(*HINGE, "kind", to={}),
        _set(*HINGE, "axis", to=[0, 1]),
        _set(*HINGE, "axis", to="xyz"),
        _set(*HINGE, "anchor", to=[0, 0, None]),
        _set(*HINGE, "limits", to=[0.0]),
        _set(*HINGE, "limits", to=3.0),
        _set(*HINGE, "damping", to="much"),
        _set(*HINGE, "gain", to=True),
        _set(*HINGE, "actuator", to="rocket"),
        _set(*HINGE, "actuator", to=[]),
        _set(*HINGE, "body", to={}),
    ],
)
def test_what_is_no_law_or_joint_is_refused(change: Callable[[Any], None]) -> None:
    made = with_law(materials["lead"], "von-mises", yield_stress=1e5)
    document = json.loads(dumps(record(material=made, body=Body(joint=JOINT))))
    change(document["nodes"][0])
    with pytest.raises(FileError):
        thing(json.dumps(document))


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999"])
def test_numbers_that_are_not_finite_are_refused(number: str) -> None:
    text = dumps(record(body=Body(joint=JOINT))).replace("12.5", number)
    with pytest.raises(FileError):
        thing(text)

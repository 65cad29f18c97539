"""What a 3D-JEPA finds odd is said by node, and never stops a validation."""

from dataclasses import replace

import pytest
import torch

from scenekit.errors import InputError
from scenekit.jepa.energy import EnergyConfig, EnergyMap
from scenekit.jepa.jepa import Jepa, JepaNetwork, in_metres
from scenekit.jepa.network import TINY
from scenekit.poses import Pose
from scenekit.scene import Node, Scene, SceneState
from scenekit.splats import random_splats


class Known(Jepa):
    """Energy is how far a token is to the right [m]."""

    def __init__(self) -> None:
        super().__init__(JepaNetwork(TINY), normalised=True, usual={0.001: 4.0, 0.5: 0.0})

    def energy(self, subject: object, config: EnergyConfig | None = None, *, seed: int = 0) -> EnergyMap:
        tokens = self.tokens(subject)  # type: ignore[arg-type]
        centers = in_metres(tokens.centers, tokens.frame)
        return EnergyMap(centers[:, 0], centers, tokens)


@pytest.fixture
def scene() -> Scene:
    near, far = random_splats(400, extent=0.4, seed=1), random_splats(100, extent=0.1, seed=2)
    children = (Node("usual", splats=near), Node("odd", Pose((2.0, 0, 0)), splats=far))
    return Scene(SceneState(Node("", children=children)))


def test_what_is_odd_is_said_of_its_node_with_the_place_where_it_is_oddest(scene: Scene) -> None:
    found = {f.path: f for f in scene.validate(Known()) if f.code == "tokens-odd"}
    assert set(found) == {"/odd"} and found["/odd"].severity == "note"
    figures = found["/odd"].figures
    assert figures["limit"] == 4 and figures["highest"] > 4 and figures["count"] >= 1
    assert found["/odd"].where.startswith("at (2.1") and "0.1% of" in found["/odd"].what
    assert not [f for f in scene.validate() if f.code == "tokens-odd"]


def test_a_scene_that_surprises_as_a_whole_has_no_odd_part(scene: Scene) -> None:
    away = tuple(replace(node, pose=Pose((50.0, 0, 0))) for node in scene.state.root.children[:1])
    assert not [f for f in Scene(SceneState(Node("", children=away))).validate(Known()) if f.code == "tokens-odd"]


def test_scenes_that_cannot_be_looked_at_are_validated_all_the_same(scene: Scene) -> None:
    assert isinstance(Scene().validate(Known()), list)
    splats = random_splats(50)
    broken = Scene(SceneState(Node("", splats=replace(splats, means=splats.means * float("nan")))))
    codes = {f.code for f in broken.validate(Known())}
    assert "splats-not-finite" in codes and "tokens-odd" not in codes


def test_a_model_of_which_nobody_knows_what_is_usual_is_refused(scene: Scene) -> None:
    with pytest.raises(InputError, match="share of intact tokens"):
        scene.validate(Jepa(JepaNetwork(TINY), normalised=True))


def test_limits_lie_between_those_that_were_measured() -> None:
    jepa = Known()
    assert jepa.limit(0.5) == 0 and jepa.limit(0.001) == 4
    assert jepa.limit((0.001 * 0.5) ** 0.5) == pytest.approx(2.0)
    for share in (0.0, 0.0001, 0.6, float("nan")):
        with pytest.raises(InputError):
            jepa.limit(share)
    assert torch.is_tensor(jepa.energy(random_splats(100)).values)

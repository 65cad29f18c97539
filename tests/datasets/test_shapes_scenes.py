"""Composed scenes: nothing touches, sizes and masses are real, and what is wrong is where it is said to be."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch

from scenekit.datasets.shapes import NOUNS
from scenekit.datasets.shapes_scenes import FLAWS, Flawed, ScenesConfig, ShapesScene, compose, flawed, touched
from scenekit.errors import InputError
from scenekit.jepa.elements import owner_paths
from scenekit.jepa.tokens import tokenize
from scenekit.mass import mass_properties
from scenekit.material import materials
from scenekit.scene import SceneState
from scenekit.validation.placed import placed

SEEDS = range(4)
FEW = ScenesConfig(gaussians=800)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def scenes() -> list[ShapesScene]:
    return [compose(np.random.default_rng(seed), FEW) for seed in SEEDS]


def same(a: SceneState, b: SceneState) -> bool:
    first, second = a.splats(), b.splats()
    return len(first) == len(second) and all(
        torch.equal(x, y) for x, y in zip(first.tensors().values(), second.tensors().values(), strict=True)
    )


def test_the_same_seed_gives_the_same_scene(scenes: list[ShapesScene]) -> None:
    again = compose(np.random.default_rng(0), FEW)
    assert again.things == scenes[0].things and same(again.state, scenes[0].state)
    assert not same(scenes[0].state, scenes[1].state)


def test_things_do_not_touch_each_other_or_the_ground(scenes: list[ShapesScene]) -> None:
    for scene in scenes:
        solids = [thing.manifold for thing in placed(scene.state) if thing.is_dynamic]
        assert len(solids) == len(scene.things)
        for a, b in itertools.combinations(solids, 2):
            assert a is not None and b is not None and (a ^ b).volume() == 0
        ground = scene.state.node(f"/{scene.state.root.children[0].name}")
        assert ground.mesh is not None
        top = float(ground.mesh.vertices[:, 2].max())
        for thing in scene.things:
            low = float(scene.state.node(thing.path).mesh.vertices[:, 2].min()) + thing.position[2]  # type: ignore[union-attr]
            assert top < low < top + 0.02 * thing.size


def test_sizes_and_masses_are_those_of_the_meshes(scenes: list[ShapesScene]) -> None:
    for thing in (thing for scene in scenes for thing in scene.things):
        scene = next(scene for scene in scenes if thing in scene.things)
        mesh = scene.state.node(thing.path).mesh
        assert mesh is not None
        assert float(np.ptp(mesh.vertices.numpy(), axis=0).max()) == pytest.approx(thing.size, rel=1e-4)
        assert 0.4 * NOUNS[thing.noun].size < thing.size < 2.5 * NOUNS[thing.noun].size
        mass = mass_properties(mesh).volume * materials[thing.substance].density.value
        assert thing.mass == pytest.approx(mass, rel=0.02)


def test_splats_lie_on_the_meshes_of_their_nodes(scenes: list[ShapesScene]) -> None:
    for path in owner_paths(scenes[0].state):
        thing = next(each for each in placed(scenes[0].state) if each.path == path)
        assert thing.probe is not None
        away = thing.probe.distance(scenes[0].state.splats(path).means.double().numpy())
        size = next(each.size for each in scenes[0].things if each.path == path)
        assert float(np.quantile(away, 0.99)) < 0.05 * size


def test_wear_takes_splats_from_flat_and_opaque_to_uneven() -> None:
    even, worn = (
        compose(np.random.default_rng(3), ScenesConfig(wear=wear, gaussians=500)).state.splats() for wear in (0, 1)
    )
    assert float(even.opacities.std()) < 1e-6 < 0.05 < float(worn.opacities.std())
    assert even.sh.shape[1] == 1 and float(worn.sh[:, 1:].std()) > 0


def test_one_object_stands_alone() -> None:
    scene = compose(np.random.default_rng(0), ScenesConfig(1, 1, ground=False, gaussians=300))
    assert owner_paths(scene.state) == [scene.things[0].path] and len(scene.state.root.children) == 1


def test_a_floater_is_away_from_all_surfaces(scenes: list[ShapesScene]) -> None:
    for seed, scene in enumerate(scenes):
        flaw = flawed(scene.state, "floater", np.random.default_rng(seed))
        low, high = scene.state.splats().means.aminmax(dim=0)
        away = np.min(
            [thing.probe.distance(flaw.points) for thing in placed(scene.state) if thing.probe is not None], axis=0
        )
        assert float(np.median(away)) > 0.08 * float((high - low).max())
        assert len(flaw.state.splats()) == len(scene.state.splats()) + len(flaw.points)


def test_what_is_missing_was_a_coherent_part(scenes: list[ShapesScene]) -> None:
    for seed, scene in enumerate(scenes):
        flaw = flawed(scene.state, "missing", np.random.default_rng(seed))
        before, after = scene.state.splats().means, flaw.state.splats().means
        assert len(before) == len(after) + len(flaw.points)
        changed = [thing for thing in scene.things if same_count(scene, flaw.state, thing.path) is False]
        assert len(changed) == 1
        left = flaw.state.splats(changed[0].path).means
        gone = torch.from_numpy(flaw.points).float()
        middle = min(gone, key=lambda point: float((gone - point).norm(dim=1).max()))
        assert float((gone - middle).norm(dim=1).max()) <= float((left - middle).norm(dim=1).min()) * 1.6
        assert 0.1 < len(gone) / (len(gone) + len(left)) < 0.45


def same_count(scene: ShapesScene, state: SceneState, path: str) -> bool:
    return len(scene.state.splats(path)) == len(state.splats(path))


def test_things_that_interpenetrate_share_space(scenes: list[ShapesScene]) -> None:
    for seed, scene in enumerate(scenes):
        flaw = flawed(scene.state, "interpenetration", np.random.default_rng(seed))
        assert len(flaw.points) > 10
        moved = [t.path for t in scene.things if scene.state.pose(t.path) != flaw.state.pose(t.path)]
        assert len(moved) == 1
        things = {thing.path: thing for thing in placed(flaw.state)}
        inside = np.zeros(len(flaw.points), bool)
        for thing in things.values():
            if thing.is_dynamic and thing.probe is not None:
                inside |= thing.probe.inside(flaw.points)
        ground = next(thing for thing in things.values() if thing.path != "/" and not thing.is_dynamic)
        below = flaw.points[:, 2] < ground.box[1][2]
        assert np.mean(inside | below) > 0.9


@pytest.mark.parametrize("kind", FLAWS)
def test_tokens_of_a_flaw_are_few_and_near_it(scenes: list[ShapesScene], kind: str) -> None:
    counts = []
    for seed, scene in enumerate(scenes):
        flaw = flawed(scene.state, kind, np.random.default_rng(seed))  # type: ignore[arg-type]
        tokens = tokenize(flaw.state, generator=generator(seed))
        marked = touched(tokens, flaw)
        counts.append(int(marked.sum()))
        points = (torch.from_numpy(flaw.points).float() - tokens.frame[:3]) / tokens.frame[3]
        away = torch.cdist(tokens.centers, points).amin(1) / tokens.radii
        assert bool((away[marked] < 1.3).all())
    assert sum(counts) >= len(counts) and max(counts) < 25


def test_nothing_is_marked_where_nothing_is_wrong(scenes: list[ShapesScene]) -> None:
    tokens = tokenize(scenes[0].state, generator=generator())
    for nowhere in (np.zeros((0, 3)), np.full((1, 3), 1e6)):
        assert not bool(touched(tokens, Flawed(scenes[0].state, "floater", nowhere)).any())


def test_a_hole_marks_the_thing_that_has_it_and_not_the_ground_below(scenes: list[ShapesScene]) -> None:
    others = 0
    for seed in range(3 * len(scenes)):
        scene = scenes[seed % len(scenes)]
        flaw = flawed(scene.state, "missing", np.random.default_rng(seed))
        tokens = tokenize(flaw.state, generator=generator(seed))
        assert flaw.owner is not None
        path = owner_paths(flaw.state)[flaw.owner]
        assert len(flaw.state.splats(path)) < len(scene.state.splats(path))
        assert set(tokens.owners[touched(tokens, flaw)].tolist()) <= {flaw.owner}
        others += int(touched(tokens, replace(flaw, owner=None)).sum()) - int(touched(tokens, flaw).sum())
    assert others > 0


def test_scenes_that_cannot_be_are_refused(scenes: list[ShapesScene]) -> None:
    for options in ({"least": 0}, {"least": 4, "most": 3}, {"gaussians": 0}, {"wear": -1.0}):
        with pytest.raises(InputError, match="scenes"):
            ScenesConfig(**options)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="flaw"):
        flawed(scenes[0].state, "ugliness", np.random.default_rng(0))  # type: ignore[arg-type]
    with pytest.raises(InputError, match="flaw"):
        flawed(SceneState(), "missing", np.random.default_rng(0))
    alone = compose(np.random.default_rng(0), ScenesConfig(1, 1, ground=False, gaussians=50))
    with pytest.raises(InputError, match="interpenetration"):
        flawed(alone.state, "interpenetration", np.random.default_rng(0))

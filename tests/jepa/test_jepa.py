"""Jepa: what is embedded, predicted, found odd; and files of weights."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from scenekit.errors import FileError, FitError, InputError
from scenekit.jepa.energy import EnergyConfig, EnergyMap, compact_groups, oddity, random_groups, token_energies
from scenekit.jepa.jepa import Jepa, JepaNetwork, pooled
from scenekit.jepa.moments import moments, surprise
from scenekit.jepa.network import TINY
from scenekit.jepa.tokens import Tokens
from scenekit.scene import Node, Scene, SceneState
from scenekit.selection import Box
from scenekit.splats import Splats, random_splats


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def jepa() -> Jepa:
    torch.manual_seed(0)
    return Jepa(JepaNetwork(TINY), normalised=True)


@pytest.fixture(scope="module")
def cloud() -> Splats:
    return random_splats(2000, degree=1, extent=0.5, seed=1)


def moved(cloud: Splats, scale: float, by: tuple[float, float, float]) -> Splats:
    T = torch.diag(torch.tensor([scale] * 3 + [1.0], dtype=torch.float64))
    T[:3, 3] = torch.tensor(by)
    return cloud.transform(T)


def test_the_order_of_splats_and_the_sign_of_quaternions_do_not_matter(jepa: Jepa, cloud: Splats) -> None:
    order = torch.randperm(len(cloud), generator=generator())
    signs = torch.randn(len(cloud), 1, generator=generator()).sign()
    wanted = jepa.embed(cloud)
    for other in (cloud.map(lambda tensor: tensor[order]), replace(cloud, quats=cloud.quats * signs)):
        found = jepa.embed(other)
        torch.testing.assert_close(found.pooled, wanted.pooled, rtol=0, atol=1e-5)
        torch.testing.assert_close(found.latents, wanted.latents, rtol=0, atol=1e-4)


def test_an_embedding_is_where_the_scene_is(jepa: Jepa, cloud: Splats) -> None:
    a, b = jepa.embed(cloud), jepa.embed(moved(cloud, 2.0, (3.0, 0.0, -1.0)))
    torch.testing.assert_close(b.centers, 2 * a.centers + torch.tensor([3.0, 0, -1]), atol=1e-4, rtol=0)
    low, high = cloud.means.aminmax(dim=0)
    assert bool((a.centers >= low - 0.1).all() and (a.centers <= high + 0.1).all())
    assert a.latents.shape == (TINY.tokens.count, TINY.width) and a.pooled.shape == (2 * TINY.width,)
    assert float(a.pooled.norm()) == pytest.approx(1)


def test_a_scene_says_what_its_splats_say(jepa: Jepa, cloud: Splats) -> None:
    scene = Scene(SceneState(Node("", children=(Node("a", splats=cloud),))))
    torch.testing.assert_close(jepa.embed(scene).pooled, jepa.embed(cloud).pooled)


def test_pooled_latents_are_mean_and_largest() -> None:
    latents = torch.tensor([[1.0, 2], [3, -2]])
    wanted = torch.tensor([2.0, 0, 3, 2])
    torch.testing.assert_close(pooled(latents), wanted / wanted.norm())


def test_the_same_thing_is_most_similar(jepa: Jepa, cloud: Splats) -> None:
    others = [jepa.embed(random_splats(800, extent=0.2 * i, scale=0.02 * i, seed=i)) for i in range(1, 4)]
    cosines = jepa.similar(cloud, [*others, jepa.embed(cloud)])
    assert int(cosines.argmax()) == 3 and float(cosines[3]) == pytest.approx(1, abs=1e-5)
    assert len(jepa.similar(cloud, [])) == 0


def test_places_of_a_prediction_are_in_the_region(jepa: Jepa, cloud: Splats) -> None:
    found = jepa.predict(cloud, "Sphere((0.1, 0, 0), 0.2)", places=10)
    assert found.latents.shape == (10, TINY.width)
    assert float((found.places - torch.tensor([0.1, 0, 0])).norm(dim=1).max()) <= 0.2 + 1e-6
    corner = torch.cdist(found.places, found.places).fill_diagonal_(9).min()
    assert float(corner) > 0.01  # they are not on one heap


def test_a_prediction_does_not_look_at_what_is_in_the_region(jepa: Jepa, cloud: Splats) -> None:
    """Other splats there, as many and as large, but of another colour: the draw outside is another one, so near it."""
    region = Box((-0.2, -0.2, -0.2), (0.2, 0.2, 0.2))
    inside = (cloud.means.abs() <= 0.2).all(1)
    painted = replace(cloud, sh=torch.where(inside[:, None, None], cloud.sh + 3, cloud.sh))
    a, b = jepa.predict(cloud, region), jepa.predict(painted, region)
    torch.testing.assert_close(a.latents, b.latents, rtol=0, atol=1e-5)


def test_regions_that_cannot_be_used_are_refused(jepa: Jepa, cloud: Splats) -> None:
    for region, words in (
        ("Everything()", "something of it outside"),
        ("Sphere((9, 9, 9), 0.1)", "the room of the region"),
        ("Opacity(0, 0.5)", "a selection by place"),
        ("Ball(1)", "Ball"),
    ):
        with pytest.raises(InputError, match=words):
            jepa.predict(cloud, region)


def test_groups_hold_all_tokens_and_are_compact() -> None:
    centers = torch.rand(64, 3, generator=generator())
    groups = compact_groups(centers, 8, generator=generator(1))
    assert groups.shape == (8, 8) and torch.equal(groups.flatten().sort().values, torch.arange(64))
    spread = torch.stack([centers[group].std(0).norm() for group in groups])
    assert float(spread.median()) < 0.7 * float(centers.std(0).norm())
    uneven = compact_groups(centers[:30], 8, generator=generator(1))
    assert uneven.shape == (4, 8) and set(uneven.flatten().tolist()) == set(range(30))
    assert all(len(set(group.tolist())) == 8 for group in uneven)


def test_random_groups_hold_all_tokens_and_none_twice_in_one() -> None:
    for count in (64, 30, 7):
        groups = random_groups(torch.zeros(count, 3), 7, generator=generator(1))
        assert set(groups.flatten().tolist()) == set(range(count)) and groups.shape == (-(-count // 7), 7)
        assert all(len(set(group.tolist())) == 7 for group in groups)


def test_energy_is_the_error_of_each_token_predicted_from_the_others(jepa: Jepa, cloud: Splats) -> None:
    """Hidden one at a time, written out."""
    tokens = jepa.tokens(cloud, generator=generator())
    found = jepa.energy(cloud, EnergyConfig(rounds=1, share=1e-6))
    goal = torch.nn.functional.layer_norm(jepa.network.encoder(Tokens.stack([tokens])), (TINY.width,))[0]
    for i in (0, 5, 31):
        others = Tokens.stack([tokens.take(torch.tensor([j for j in range(len(tokens)) if j != i]))])
        guess = jepa.network.predicted(others, tokens.centers[None, i : i + 1])
        wanted = torch.nn.functional.smooth_l1_loss(guess[0, 0], goal[i])
        assert float(found.values[i]) == pytest.approx(float(wanted), rel=1e-3)


def test_a_model_of_tokens_alone_is_asked_for_these(jepa: Jepa, cloud: Splats, tmp_path: Path) -> None:
    Jepa(jepa.network, normalised=False, alone=True).save(tmp_path / "a.safetensors")
    alone = Jepa.load(tmp_path / "a.safetensors")
    assert alone.alone and not alone.normalised
    tokens = Tokens.stack([alone.tokens(cloud)])
    torch.testing.assert_close(alone.targets(tokens), alone.network.encoder.alone(tokens))
    torch.testing.assert_close(alone.latents(tokens), alone.network.encoder(tokens))
    guess = alone.network.predicted(tokens.take(torch.arange(1, 32)[None]), tokens.centers[:, :1])
    wanted = torch.nn.functional.smooth_l1_loss(guess[0, 0], alone.targets(tokens)[0, 0])
    found = token_energies(alone, tokens.map(lambda t: t[0]), EnergyConfig(1, 1e-6), generator=generator())
    assert float(found[0]) == pytest.approx(float(wanted), rel=1e-3)


def test_a_model_of_moments_has_their_surprise_as_energy(cloud: Splats, tmp_path: Path) -> None:
    torch.manual_seed(3)
    Jepa(JepaNetwork(TINY, moments=True), normalised=False).save(tmp_path / "a.safetensors")
    jepa = Jepa.load(tmp_path / "a.safetensors")
    assert jepa.network.moments and jepa.predict(cloud, "Sphere((0, 0, 0), 0.2)").latents.shape == (16, TINY.width)
    tokens = jepa.tokens(cloud)
    guess = jepa.network.predicted(Tokens.stack([tokens.take(torch.arange(1, 32))]), tokens.centers[None, :1])
    wanted = surprise(guess[0, 0, TINY.width :], moments(tokens)[0])
    found = token_energies(jepa, tokens, EnergyConfig(1, 1e-6), generator=generator())
    assert float(found[0]) == pytest.approx(float(wanted), abs=1e-4)


def test_energy_is_the_same_for_the_same_seed_and_differs_less_with_more_rounds(jepa: Jepa, cloud: Splats) -> None:
    tokens = jepa.tokens(cloud)

    def values(rounds: int, seed: int) -> torch.Tensor:
        return token_energies(jepa, tokens, EnergyConfig(rounds=rounds), generator=generator(seed))

    assert torch.equal(values(1, 0), values(1, 0)) and not torch.equal(values(1, 0), values(1, 1))
    chancy, steady = (float((values(rounds, 0) - values(rounds, 1)).abs().mean()) for rounds in (1, 16))
    assert steady < 0.6 * chancy


def test_energy_at_a_place_is_that_of_the_token_there() -> None:
    tokens = Jepa(JepaNetwork(TINY), normalised=True).tokens(random_splats(50, seed=0))
    centers = torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 1, 0]])
    found = EnergyMap(torch.tensor([1.0, 2, 4]), centers, tokens)
    torch.testing.assert_close(found.at(centers), torch.tensor([1.0, 2, 4]), atol=1e-3, rtol=0)
    middle = found.at(torch.tensor([[0.5, 0.0, 0.0]]))
    weights = torch.tensor([4.0, 4, 1 / 1.25])
    assert float(middle) == pytest.approx(float((weights * found.values).sum() / weights.sum()), rel=1e-3)
    assert len(found.at(torch.zeros(0, 3))) == 0


def test_oddity_is_a_deviation_whatever_the_scale_and_a_few_outliers_do_not_change_it() -> None:
    energies = 3 * torch.randn(10_000, generator=generator(1)) + 70
    found = oddity(energies)
    torch.testing.assert_close(found, (energies - 70) / 3, rtol=0.05, atol=0.1)
    energies[:100] = 1e6
    torch.testing.assert_close(oddity(energies)[100:], found[100:], rtol=0.05, atol=0.1)
    assert not bool(oddity(torch.ones(5)).any())


def test_every_splat_has_an_energy(jepa: Jepa, cloud: Splats) -> None:
    energy = jepa.splat_energy(cloud, EnergyConfig(rounds=1), draws=2)
    assert energy.shape == (len(cloud),) and bool((energy > 0).all())


def test_too_little_to_see_is_refused(jepa: Jepa, cloud: Splats) -> None:
    with pytest.raises(InputError):
        jepa.embed(cloud.map(lambda tensor: tensor[:0]))
    with pytest.raises(InputError):
        jepa.embed(Scene())
    with pytest.raises(InputError):
        jepa.embed(replace(cloud, means=cloud.means * float("nan")))
    same = replace(cloud, means=torch.zeros_like(cloud.means), log_scales=torch.full_like(cloud.log_scales, -20.0))
    one = jepa.tokens(same).take(torch.tensor([0]))
    with pytest.raises(InputError, match="at least 2"):
        token_energies(jepa, one, EnergyConfig(), generator=generator())


def test_latents_that_are_not_finite_are_an_error(cloud: Splats) -> None:
    broken = Jepa(JepaNetwork(TINY), normalised=True)
    broken.network.encoder.out.bias[0] = float("nan")
    for say in (broken.embed, broken.energy):
        with pytest.raises(FitError, match="not finite"):
            say(cloud)


def test_a_saved_model_says_the_same(jepa: Jepa, cloud: Splats, tmp_path: Path) -> None:
    jepa.save(tmp_path / "a.safetensors", note="for a test")
    again = Jepa.load(tmp_path / "a.safetensors")
    assert again.config == jepa.config and again.normalised and not again.alone
    torch.testing.assert_close(again.embed(cloud).pooled, jepa.embed(cloud).pooled, rtol=0, atol=2e-3)


@pytest.mark.parametrize(
    "change",
    [
        {"version": 1},
        {"network": {"width": 48}},
        {"network": None},
    ],
)
def test_files_of_another_kind_are_refused(jepa: Jepa, tmp_path: Path, change: dict[str, object]) -> None:
    file = tmp_path / "a.safetensors"
    jepa.save(file)
    with safe_open(file, "pt") as opened:
        header = json.loads(opened.metadata()["scenekit"])
    save_file(load_file(file), file, metadata={"scenekit": json.dumps(header | change)})
    with pytest.raises(FileError, match="do not fit"):
        Jepa.load(file)


def test_weights_of_another_size_or_cut_off_or_missing_are_refused(jepa: Jepa, tmp_path: Path) -> None:
    file = tmp_path / "a.safetensors"
    other = Jepa(JepaNetwork(replace(TINY, width=32)), normalised=True)
    jepa.save(file)
    other.config = jepa.config
    other.save(tmp_path / "b.safetensors")
    with pytest.raises(FileError, match="other sizes"):
        Jepa.load(tmp_path / "b.safetensors")
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(FileError):
        Jepa.load(file)
    with pytest.raises(FileError, match="scenekit jepa train"):
        Jepa.load(tmp_path / "none.safetensors")

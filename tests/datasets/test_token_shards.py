"""Shards of tokens: the same for any processes, found again, and refused where damaged."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from scenekit.datasets.shapes_scenes import ScenesConfig
from scenekit.datasets.token_shards import TokenShardConfig, TokenShards, made_scene, made_view, write_token_shards
from scenekit.errors import FileError, InputError
from scenekit.jepa.tokens import TokenConfig

CONFIG = TokenShardConfig(
    scenes=5, per_shard=2, composed=ScenesConfig(least=2, most=2, gaussians=300, wear=0.5),
    tokens=TokenConfig(count=16, neighbours=8, elements=256),
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shards")
    write_token_shards(folder, CONFIG)
    return folder


def copied(folder: Path, target: Path) -> Path:
    for file in folder.iterdir():
        (target / file.name).write_bytes(file.read_bytes())
    return target


def test_examples_are_the_views_of_the_scenes(folder: Path) -> None:
    shards = TokenShards(folder)
    assert len(shards) == 5 * 3 and len(shards.scenes) == 5
    numbers = torch.tensor([14, 0, 7])
    batch = shards.batch(numbers)
    assert batch.elements.dtype == torch.float32 and batch.owners.dtype == torch.int64
    for row, number in enumerate(numbers.tolist()):
        scene, view = divmod(number, 3)
        wanted = made_view(CONFIG, scene, view, made_scene(CONFIG, scene))
        torch.testing.assert_close(batch.elements[row], wanted.elements, atol=2e-3, rtol=1e-3)
        assert torch.equal(batch.centers[row], wanted.centers) and torch.equal(batch.owners[row], wanted.owners)
        assert torch.equal(batch.frame[row], wanted.frame) and torch.equal(batch.valid[row], wanted.valid)


def test_views_can_be_chosen(folder: Path) -> None:
    every, meshes = TokenShards(folder), TokenShards(folder, views=(2,))
    assert len(meshes) == 5
    assert torch.equal(meshes.batch(torch.tensor([3])).centers, every.batch(torch.tensor([11])).centers)
    for views in ((), (3,), (-1,)):
        with pytest.raises(InputError, match="views"):
            TokenShards(folder, views=views)


def test_two_draws_of_the_splats_differ_and_are_of_one_scene(folder: Path) -> None:
    batch = TokenShards(folder).batch(torch.tensor([0, 1, 2]))
    assert not torch.equal(batch.elements[0], batch.elements[1])
    torch.testing.assert_close(
        batch.frame[:1].expand(3, 4), batch.frame, rtol=0.05, atol=0.05 * float(batch.frame[0, 3])
    )


def test_the_truth_about_each_thing_is_kept(folder: Path) -> None:
    truth, made = TokenShards(folder).scenes[3], made_scene(CONFIG, 3)
    assert [thing["noun"] for thing in truth["things"]] == [thing.noun for thing in made.scene.things]
    assert {"yaw", "size", "mass", "position", "caption"} <= truth["things"][0].keys()
    assert truth["ground"] in ("floor", "table") and truth["flaw"] is None


@pytest.mark.slow
def test_processes_write_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    for ours, theirs in zip(write_token_shards(tmp_path, CONFIG, workers=2), sorted(folder.glob("*.s*")), strict=True):
        assert ours.read_bytes() == theirs.read_bytes()


def test_an_interrupted_run_goes_on(folder: Path, tmp_path: Path) -> None:
    copied(folder, tmp_path)
    kept, lost = tmp_path / "shard-00000.safetensors", tmp_path / "shard-00002.safetensors"
    before = kept.stat().st_mtime_ns
    lost.write_bytes(b"half of it")
    write_token_shards(tmp_path, CONFIG)
    assert kept.stat().st_mtime_ns == before
    assert lost.read_bytes() == (folder / lost.name).read_bytes()
    with pytest.raises(FileError, match="seed"):
        write_token_shards(tmp_path, replace(CONFIG, seed=1))


def test_damaged_shards_are_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(FileError, match="no shard"):
        TokenShards(tmp_path)
    copied(folder, tmp_path)
    shard = tmp_path / "shard-00001.safetensors"
    data = bytearray(shard.read_bytes())
    data[-1] ^= 1
    shard.write_bytes(data)
    with pytest.raises(FileError, match="other bytes"):
        TokenShards(tmp_path)
    shard.unlink()
    with pytest.raises(FileError, match="nothing"):
        TokenShards(tmp_path)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"version": 1}, "version 1"),
        ({"scenes": []}, "0 in its JSON"),
        ({"scenes": None}, "shard of tokens"),
        ({"config": {"views": ["mesh"]}}, "config of the other shards"),
        ({"dataset": "pictures"}, "another file"),
    ],
)
def test_notes_that_do_not_fit_are_refused(folder: Path, tmp_path: Path, change: dict[str, object], match: str) -> None:
    copied(folder, tmp_path)
    note = tmp_path / "shard-00001.json"
    note.write_text(json.dumps(json.loads(note.read_text()) | change))
    with pytest.raises(FileError, match=match):
        TokenShards(tmp_path)


def test_flawed_scenes_say_which_tokens_are_affected(tmp_path: Path) -> None:
    config = replace(CONFIG, variant="flawed", scenes=6, per_shard=6, views=("splats", "splats"))
    write_token_shards(tmp_path, config)
    shards = TokenShards(tmp_path)
    affected = shards.affected(torch.arange(12))
    assert affected.shape == (12, 16) and affected.dtype == torch.bool
    assert [scene["flaw"] for scene in shards.scenes] == ["floater", "missing", "interpenetration"] * 2
    assert 0.02 < float(affected.float().mean()) < 0.5


def test_objects_are_single_and_their_own(tmp_path: Path) -> None:
    config = replace(CONFIG, variant="objects", scenes=2)
    write_token_shards(tmp_path, config)
    shards = TokenShards(tmp_path)
    assert bool((shards.batch(torch.arange(6)).owners == 0).all())
    assert all(len(scene["things"]) == 1 and scene["ground"] is None for scene in shards.scenes)
    with pytest.raises(InputError, match="affected"):
        shards.affected(torch.tensor([0]))


def test_options_that_cannot_be_are_refused() -> None:
    for options in ({"scenes": 0}, {"per_shard": 0}, {"seed": -1}, {"variant": "all"}, {"views": ()},
                    {"views": ("photo",)}):  # fmt: skip
        with pytest.raises(InputError, match="shards"):
            TokenShardConfig(**options)  # type: ignore[arg-type]


def test_numbers_do_not_depend_on_how_scenes_are_shared_among_files() -> None:
    a, b = (made_scene(config, 4).scene.things for config in (CONFIG, replace(CONFIG, per_shard=3, scenes=99)))
    assert a == b and a != made_scene(CONFIG, 3).scene.things
    assert np.isfinite([thing.mass for thing in a]).all()

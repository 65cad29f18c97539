"""reconstruct --method nerf: a tiny field end to end, gone on with, opened as a scene, and meshed."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from scenekit.errors import InputError
from scenekit.evaluate import drawn, psnr
from scenekit.fields.files import read_field
from scenekit.fields.hash_field import HashFieldConfig
from scenekit.fields.hash_grid import HashGridConfig
from scenekit.fields.rendering import render_field
from scenekit.fields.train import FieldConfig, FieldTrainer
from scenekit.io.splat_files import read_splats
from scenekit.opening import open_scene
from scenekit.pipelines import evaluate, info, reconstruct
from scenekit.pipelines.reconstruct import divided, settled
from scenekit.runs import open_run, read_json, write_json

TINY = FieldConfig(
    steps=120,
    rate=3e-2,
    samples=1 << 13,
    rays=256,
    cells=24,
    hash_field=HashFieldConfig(HashGridConfig(levels=6, log2_rows=12, coarsest=8, finest=128), hidden=16),
    checkpoint_every=25,
)


@pytest.fixture(scope="module")
def nerf_config(config: reconstruct.Config, tmp_path_factory: pytest.TempPathFactory) -> reconstruct.Config:
    """A hundred and twenty steps of a small field."""
    folder = tmp_path_factory.mktemp("fields") / "tiny"
    return replace(config, method="nerf", output=folder, nerf=TINY, voxels=24, video_frames=2)


@pytest.fixture(scope="module")
def fitted(nerf_config: reconstruct.Config) -> reconstruct.Result:
    """The run."""
    return reconstruct.run(nerf_config)


def test_a_run_leaves_what_a_run_of_splats_does_and_its_field(fitted: reconstruct.Result) -> None:
    names = {path.name for path in fitted.folder.iterdir()}
    promised = "field.safetensors splats.ply cameras.json metrics.json video.mp4 report.html config.json run.json"
    assert set(promised.split()) <= names
    metrics = json.loads((fitted.folder / "metrics.json").read_text())
    assert list(metrics["seconds"]) == ["cameras", "photos", "fit", "scores", "video", "report"]
    assert metrics["history"]["records"][-1][0] == 120 and metrics["gaussians"] == len(fitted.splats) > 0
    assert "a radiance field with" in (fitted.folder / "report.html").read_text()
    assert "a radiance field and" in str(fitted)


def test_the_scores_are_those_of_the_field_on_photos_that_were_held_out(
    fitted: reconstruct.Result, nerf_config: reconstruct.Config
) -> None:
    _, held_out = divided(fitted.folder, fitted.capture, settled(nerf_config))
    assert [view.name for view in held_out] == ["0000.jpg", "0008.jpg"]
    field, look = read_field(fitted.folder / "field.safetensors")
    pictures = drawn(lambda camera, T: render_field(field, camera, T, look).rgb, held_out)
    values = [float(psnr(p, view.image / 255)) for p, view in zip(pictures, held_out, strict=True)]
    assert fitted.scores is not None and fitted.scores.psnr == pytest.approx(sum(values) / 2, abs=1e-3)
    flat = [-10 * float((view.image / 255).reshape(-1, 3).var(0, unbiased=False).mean().log10()) for view in held_out]
    assert fitted.scores.psnr > sum(flat) / 2  # the best flat colour
    again = evaluate.run(evaluate.Config(fitted.folder)).scores
    assert again.psnr == pytest.approx(fitted.scores.psnr, abs=1e-3)
    surface = evaluate.run(evaluate.Config(fitted.folder, splats=fitted.folder / "splats.ply")).scores
    assert abs(surface.psnr - again.psnr) > 0.1


def test_a_run_opens_as_a_scene_with_splats_and_field(fitted: reconstruct.Result, tmp_path: Path) -> None:
    scene = open_scene(fitted.folder)
    node = scene.state.node("/scene")
    assert node.field is not None and fitted.field is not None and node.splats is not None
    for name, tensor in fitted.field.tensors().items():
        assert torch.equal(node.field.tensors()[name], tensor)
    assert torch.equal(node.splats.means, read_splats(fitted.folder / "splats.ply").means)
    facts = info.run(info.Config(scene.save(tmp_path / "kept"))).facts
    assert facts["nodes"]["/scene"]["field_numbers"] == fitted.field.size
    of_run, of_file = (info.run(info.Config(fitted.folder / name)).facts for name in ("", "field.safetensors"))
    assert of_file == {"kind": "field"} | of_run["field"]
    assert of_file["numbers"] == fitted.field.size and of_file["unbounded"] and 0 < of_file["occupied"] <= 1


def test_an_interrupted_run_goes_on_to_the_same_bits(
    fitted: reconstruct.Result, nerf_config: reconstruct.Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    advance = FieldTrainer.advance

    def interrupted(self: FieldTrainer) -> object:
        if self.step == 37:
            raise KeyboardInterrupt
        return advance(self)

    again = replace(nerf_config, output=tmp_path / "run", video_frames=0)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(FieldTrainer, "advance", interrupted)
        reconstruct.run(again)
    assert not (tmp_path / "run" / "field.safetensors").exists()
    resumed = reconstruct.run(again)
    assert fitted.field is not None and resumed.field is not None
    for name, tensor in fitted.field.tensors().items():
        assert torch.equal(resumed.field.tensors()[name], tensor), name
    assert torch.equal(resumed.splats.means, fitted.splats.means)


def test_a_finished_run_goes_on_to_meshes_of_its_surface(
    fitted: reconstruct.Result, nerf_config: reconstruct.Config
) -> None:
    reconstruct.run(replace(nerf_config, mesh=True))
    node = open_scene(fitted.folder).state.node("/scene")
    assert node.mesh is not None and len(node.mesh.faces) and node.field is not None
    assert (fitted.folder / "mesh.glb").is_file() and "meshes" in json.loads((fitted.folder / "run.json").read_text())[
        "done"
    ]


def test_another_method_in_the_same_folder_is_refused(
    fitted: reconstruct.Result, nerf_config: reconstruct.Config
) -> None:
    with pytest.raises(InputError, match="method was nerf, now splats"):
        reconstruct.run(replace(nerf_config, method="splats"))


def test_a_fresh_run_of_splats_leaves_no_field_of_the_run_before(
    fitted: reconstruct.Result, config: reconstruct.Config, tmp_path: Path
) -> None:
    shutil.copytree(fitted.folder, tmp_path / "run", ignore=shutil.ignore_patterns("cache", "scene.json"))
    fit = replace(config.fit, steps=5)
    reconstruct.run(replace(config, output=tmp_path / "run", fit=fit, video_frames=0, fresh=True))
    assert open_scene(tmp_path / "run").state.node("/scene").field is None


@pytest.mark.parametrize("voxels", [1, 1025])
def test_voxels_out_of_range_are_refused_before_the_fit(nerf_config: reconstruct.Config, voxels: int) -> None:
    with pytest.raises(InputError, match="voxels"):
        replace(nerf_config, voxels=voxels)


def test_a_run_from_before_there_were_methods_goes_on_as_one_of_splats(
    config: reconstruct.Config, tmp_path: Path
) -> None:
    """Of its own options; a preset and a seed, which reach fields too, are no other options."""
    early = settled(replace(config, output=tmp_path / "run", preset="quick", seed=3))
    run = open_run(early.output, early)
    options = read_json(run.folder / "config.json")
    write_json(run.folder / "config.json", {k: v for k, v in options.items() if k not in ("method", "nerf", "voxels")})
    assert open_run(early.output, early).started == run.started
    with pytest.raises(InputError, match="method was splats, now nerf"):
        open_run(early.output, settled(replace(early, method="nerf")))


def test_the_quick_preset_and_the_seed_reach_the_field(nerf_config: reconstruct.Config) -> None:
    quick = settled(replace(nerf_config, preset="quick", seed=5))
    assert (quick.nerf.steps, quick.nerf.seed) == (30, 5)

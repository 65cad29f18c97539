"""Runs of nerfstudio's splatfacto: splats come back in the frame of the capture, whatever nerfstudio did to it."""

import json
from collections import OrderedDict
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from scenekit.cameras import rotation_from_quaternion
from scenekit.cli import main
from scenekit.errors import FileError, InputError
from scenekit.harmonics import sh_basis
from scenekit.io.kinds import kind_of
from scenekit.io.splat_files import open_splats, read_splats, write_splats
from scenekit.io.splatfacto import world_of
from scenekit.opening import open_scene
from scenekit.splats import SH_C0, Splats, random_splats

TURN = torch.tensor([[0.36, 0.48, -0.8], [-0.8, 0.6, 0.0], [0.48, 0.64, 0.6]], dtype=torch.float64)
SHIFT, SCALE = torch.tensor([0.3, -2.0, 0.7], dtype=torch.float64), 0.175


def in_nerfstudio(splats: Splats) -> Splats:
    """The splats as nerfstudio would have trained them: x' = scale · (R x + t)."""
    T = torch.eye(4, dtype=torch.float64)
    T[:3, :3], T[:3, 3] = SCALE * TURN, SCALE * SHIFT
    return splats.transform(T)


def parameters(splats: Splats, prefix: str = "_model.gauss_params.") -> dict[str, Tensor]:
    table = {"means": splats.means, "scales": splats.log_scales, "quats": splats.quats}
    table |= {"features_dc": splats.sh[:, 0], "features_rest": splats.sh[:, 1:]}
    table |= {"opacities": splats.logit_opacities[:, None]}
    return {prefix + name: torch.nn.Parameter(tensor.clone()).detach() for name, tensor in table.items()}


def write_run(folder: Path, splats: Splats, *, step: int = 29999, prefix: str = "_model.gauss_params.") -> Path:
    """A run's folder as nerfstudio's trainer leaves it (engine/trainer.py, save_checkpoint)."""
    pipeline = OrderedDict(parameters(splats, prefix))
    pipeline["_model.device_indicator_param"] = torch.empty(0)
    rate = {"lr": np.float64(1.6e-6), "betas": (0.9, 0.999), "params": [0], "foreach": None}
    moments = {0: {"step": torch.tensor(5.0), "exp_avg": torch.zeros(len(splats), 3)}}
    values: dict[str, Any] = {
        "step": step,
        "pipeline": pipeline,
        "optimizers": {"means": {"state": moments, "param_groups": [rate]}},
        "schedulers": {"means": {"base_lrs": [1.6e-4], "_last_lr": [np.float64(1.6e-6)], "lr_lambdas": [None]}},
        "scalers": {},
    }
    (folder / "nerfstudio_models").mkdir(parents=True, exist_ok=True)
    torch.save(values, folder / "nerfstudio_models" / f"step-{step:09d}.ckpt")
    transform = torch.cat([TURN, SHIFT[:, None]], 1).tolist()
    (folder / "dataparser_transforms.json").write_text(json.dumps({"transform": transform, "scale": SCALE}))
    config = "!!python/object:nerfstudio.engine.trainer.TrainerConfig\n      rasterize_mode: classic\n"
    (folder / "config.yml").write_text(config)
    return folder


@pytest.fixture
def truth() -> Splats:
    return random_splats(60, degree=3)


def test_splats_come_back_from_nerfstudios_frame_as_they_were(tmp_path: Path, truth: Splats) -> None:
    reading = open_splats(write_run(tmp_path, in_nerfstudio(truth)))
    assert (reading.format, reading.up, reading.notes) == ("splatfacto", None, ("Step 29999.",))
    again = reading.splats
    torch.testing.assert_close(again.means, truth.means, rtol=0, atol=2e-6)
    torch.testing.assert_close(again.log_scales, truth.log_scales, rtol=0, atol=2e-6)
    torch.testing.assert_close(again.sh, truth.sh, rtol=0, atol=2e-6)
    torch.testing.assert_close(again.logit_opacities, truth.logit_opacities, rtol=0, atol=0)
    turned, was = (torch.nn.functional.normalize(s.quats, dim=1) for s in (again, truth))
    torch.testing.assert_close((turned * was).sum(1).abs(), torch.ones(60), rtol=0, atol=1e-6)


def test_position_shape_and_colour_follow_nerfstudios_own_formula(tmp_path: Path, truth: Splats) -> None:
    """Without our own transform as the oracle: a checkpoint has x' = s (R x + t), and what is read undoes that."""
    again = read_splats(write_run(tmp_path, truth))
    assert torch.allclose(SCALE * (again.means.double() @ TURN.T + SHIFT), truth.means.double(), atol=1e-6)

    def covariance(splats: Splats) -> Tensor:
        R = torch.from_numpy(np.stack([rotation_from_quaternion(q) for q in splats.quats.double().numpy()]))
        return R @ torch.diag_embed(splats.scales.double() ** 2) @ R.mT

    torch.testing.assert_close(SCALE**2 * TURN @ covariance(again) @ TURN.T, covariance(truth), rtol=1e-4, atol=1e-9)
    directions = torch.nn.functional.normalize(torch.randn(60, 3, dtype=torch.float64), dim=1)

    def color(splats: Splats, seen: Tensor) -> Tensor:
        return torch.einsum("nk,nkc->nc", sh_basis(seen, 3), splats.sh.double())

    torch.testing.assert_close(color(again, directions), color(truth, directions @ TURN.T), rtol=0, atol=1e-5)


def test_of_several_steps_the_latest_is_read(tmp_path: Path, truth: Splats) -> None:
    for step in (999, 29999, 14000):
        write_run(tmp_path, replace(truth, logit_opacities=torch.full((60,), step / 1e4)), step=step)
    for path in (tmp_path, tmp_path / "nerfstudio_models"):
        assert float(read_splats(path).logit_opacities[0]) == pytest.approx(2.9999)
    early = read_splats(tmp_path / "nerfstudio_models" / "step-000000999.ckpt")
    assert float(early.logit_opacities[0]) == pytest.approx(0.0999)


@pytest.mark.parametrize("prefix", ["_model.module.gauss_params.", "_model."])
def test_names_of_several_processes_and_of_older_versions_are_known(tmp_path: Path, truth: Splats, prefix: str) -> None:
    again = read_splats(write_run(tmp_path, in_nerfstudio(truth), prefix=prefix))
    torch.testing.assert_close(again.means, truth.means, rtol=0, atol=2e-6)


def test_colours_of_degree_zero_are_the_logits_they_are_trained_as(tmp_path: Path) -> None:
    again = read_splats(write_run(tmp_path, flat := random_splats(9, degree=0)))
    torch.testing.assert_close(0.5 + SH_C0 * again.sh[:, 0], flat.sh[:, 0].sigmoid(), rtol=0, atol=1e-6)


def test_antialiasing_stands_in_the_configuration_which_is_not_loaded(tmp_path: Path, truth: Splats) -> None:
    run = write_run(tmp_path, truth)
    assert not read_splats(run).antialiased
    (run / "config.yml").write_text("!!python/object/apply:os.system ['false']\n  rasterize_mode: antialiased\n")
    assert read_splats(run).antialiased
    (run / "config.yml").unlink()
    assert any("config.yml" in note for note in open_splats(run).notes)


def test_without_its_transform_a_checkpoint_stays_in_nerfstudios_frame_and_says_so(
    tmp_path: Path, truth: Splats
) -> None:
    run = write_run(tmp_path / "run", truth)
    alone = (run / "nerfstudio_models" / "step-000029999.ckpt").rename(tmp_path / "alone.ckpt")
    reading = open_splats(alone)
    assert torch.equal(reading.splats.means, truth.means)
    assert any("stays in nerfstudio's frame" in note for note in reading.notes)


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        '{"transform": [[1,0,0,0],[0,1,0,0],[0,0,1,0]], "scale": 0}',
        '{"transform": [[1,0,0,0],[0,1,0,0],[0,0,1,0]], "scale": NaN}',
        '{"transform": [[2,0,0,0],[0,1,0,0],[0,0,1,0]], "scale": 1}',
        '{"transform": [[1,0,0],[0,1,0],[0,0,1]], "scale": 1}',
        '{"transform": "no", "scale": []}',
        "[",
    ],
)
def test_a_transform_that_is_none_is_refused(tmp_path: Path, truth: Splats, text: str) -> None:
    run = write_run(tmp_path, truth)
    (run / "dataparser_transforms.json").write_text(text)
    with pytest.raises(FileError, match="dataparser_transforms"):
        read_splats(run)


def test_the_inverse_is_one(tmp_path: Path, truth: Splats) -> None:
    T = world_of(write_run(tmp_path, truth) / "dataparser_transforms.json")
    there = torch.eye(4, dtype=torch.float64)
    there[:3, :3], there[:3, 3] = SCALE * TURN, SCALE * SHIFT
    torch.testing.assert_close(T @ there, torch.eye(4, dtype=torch.float64), rtol=0, atol=1e-12)


def test_the_command_line_and_scenes_open_it(tmp_path: Path, truth: Splats, capsys: pytest.CaptureFixture[str]) -> None:
    run = write_run(tmp_path / "2026-01-02_030405", in_nerfstudio(truth))
    assert kind_of(run) == "splats"
    assert main(["convert", str(run), str(tmp_path / "a.ply")]) == 0
    torch.testing.assert_close(read_splats(tmp_path / "a.ply").means, truth.means, rtol=0, atol=2e-6)
    assert "Step 29999" in capsys.readouterr().out
    (node,) = open_scene(run).state.root.children
    assert node.splats is not None and len(node.splats) == 60
    assert main(["info", str(run / "nerfstudio_models" / "step-000029999.ckpt")]) == 0
    assert "splatfacto" in capsys.readouterr().out


def test_other_checkpoints_are_not_taken_for_one(tmp_path: Path, truth: Splats) -> None:
    torch.save({"pipeline": {"_model.field.weight": torch.ones(3)}}, tmp_path / "nerfacto.ckpt")
    with pytest.raises(FileError):
        read_splats(tmp_path / "nerfacto.ckpt")
    run = write_run(tmp_path / "run", truth)
    file = run / "nerfstudio_models" / "step-000029999.ckpt"
    values = torch.load(file, weights_only=False)
    del values["pipeline"]["_model.gauss_params.quats"]
    torch.save(values, file)
    with pytest.raises(FileError, match=r"quats: got nothing"):
        read_splats(run)
    with pytest.raises(InputError, match="splatfacto"):
        write_splats(tmp_path / "out.ckpt", truth)

"""Our method and data parser in nerfstudio: on its own classes where it is installed, else on stand-ins for them.

`loop` does what nerfstudio's trainer does (engine/trainer.py: train_iteration, save_checkpoint, _load_checkpoint).
"""

import json
import tomllib
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from scenekit.cameras import look_at, pinhole
from scenekit.capture import load_views, open_capture, split
from scenekit.errors import FileError, InputError
from scenekit.fit.held_out import mean_psnr
from scenekit.io.images import write_image
from scenekit.io.splat_files import read_splats
from scenekit.render.splats import render
from scenekit.splats import random_splats

STEPS = 24


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine photos of some Gaussians, 500 m off the origin and of a known size, with transforms.json and points."""
    folder = tmp_path_factory.mktemp("capture")
    truth = random_splats(80, degree=0, extent=7.0, scale=1.5, seed=3)
    off, lens, frames = np.array([500.0, -20.0, 3.0]), pinhole(40, 32, 40.0, 40.0, 20.0, 16.0), []
    for i, angle in enumerate(np.linspace(0, 2 * np.pi, 10)[:-1]):
        T = look_at(30 * np.array([np.cos(angle), np.sin(angle), 0.4]), np.zeros(3))
        rgb = render(truth, lens, T).rgb.clamp(0, 1)
        write_image(folder / f"{i}.png", (rgb * 255).round().to(torch.uint8).numpy())
        T[:3, 3] += off
        frames.append({"file_path": f"{i}.png", "transform_matrix": (T * [1.0, -1, -1, 1]).tolist()})
    points = (truth.means.double().numpy() + off).repeat(3, 0)
    kinds = [*("float x", "float y", "float z"), *(f"uchar {color}" for color in ("red", "green", "blue"))]
    head = ["ply", "format ascii 1.0", f"element vertex {len(points)}", *(f"property {k}" for k in kinds), "end_header"]
    (folder / "points.ply").write_text("\n".join([*head, *(f"{x} {y} {z} 128 128 128" for x, y, z in points), ""]))
    lens_fields = {"fl_x": 40, "fl_y": 40, "cx": 20, "cy": 16, "w": 40, "h": 32, "ply_file_path": "points.ply"}
    (folder / "transforms.json").write_text(json.dumps({**lens_fields, "frames": frames}))
    return folder


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SCENEKIT_DATA", str(tmp_path / "data"))
    return tmp_path


def method() -> Any:
    """The plug-in's module, which can be imported only once nerfstudio or its stand-ins are there."""
    return import_module("scenekit.nerfstudio.method")


def pipeline_of(folder: Path, **fit: Any) -> Any:
    parser = import_module("scenekit.nerfstudio.dataparser").CaptureParserConfig()
    from scenekit.fit import FitConfig

    options = method().SplatsModelConfig(sh_degree=1, fit=FitConfig(log_every=1, **fit))
    manager = type(method().scenekit_splats.config.pipeline.datamanager)(
        dataparser=parser, cache_images_type="uint8", data=folder
    )
    return method().SplatsPipelineConfig(datamanager=manager, model=options).setup(device="cpu", test_mode="val")


def loop(pipeline: Any, first: int, last: int) -> list[float]:
    """nerfstudio's steps, backward pass and all; the losses."""
    trainer = SimpleNamespace(config=SimpleNamespace(max_num_iterations=STEPS))
    pipeline.get_training_callbacks(SimpleNamespace(trainer=trainer))
    losses = []
    for step in range(first, last):
        _, loss_dict, _ = pipeline.get_train_loss_dict(step)
        loss = sum(loss_dict.values())
        loss.backward()
        losses.append(loss.item())
    return losses


def save(pipeline: Any, run: Path, step: int) -> Path:
    (run / "nerfstudio_models").mkdir(parents=True, exist_ok=True)
    pipeline.datamanager.train_dataparser_outputs.save_dataparser_transform(run / "dataparser_transforms.json")
    file = run / "nerfstudio_models" / f"step-{step:09d}.ckpt"
    state = {"step": step, "pipeline": pipeline.state_dict(), "optimizers": {}, "schedulers": {}, "scalers": {}}
    torch.save(state, file)
    return file


def test_a_fit_lowers_the_loss_and_its_splats_come_back_in_the_captures_metres(folder: Path, workspace: Path) -> None:
    pipeline = pipeline_of(folder)
    losses = loop(pipeline, 0, STEPS)
    assert losses[-1] < 0.8 * losses[0]
    save(pipeline, workspace / "run", STEPS - 1)
    splats = read_splats(workspace / "run")
    torch.testing.assert_close(splats.means.mean(0), torch.tensor([500.0, -20.0, 3.0]), rtol=0, atol=1.5)
    capture = open_capture(folder, workspace=workspace)
    views = load_views(capture, names=split(capture)[1])
    (camera, batch), *_ = pipeline.datamanager.fixed_indices_eval_dataloader
    pipeline.eval()
    scores, images = pipeline.model.get_image_metrics_and_images(pipeline.model.get_outputs(camera), batch)
    assert images["img"].shape == (32, 80, 3)
    assert mean_psnr(splats, views[:1]) == pytest.approx(scores["psnr"], abs=0.02)  # float32, 500 m off


def test_a_fit_that_goes_on_in_nerfstudio_has_the_bits_of_one_that_never_stopped(folder: Path, workspace: Path) -> None:
    whole = pipeline_of(folder)
    loop(whole, 0, STEPS)
    half = pipeline_of(folder)
    loop(half, 0, STEPS // 2)
    file = save(half, workspace / "run", STEPS // 2 - 1)
    again = pipeline_of(folder)
    again.load_state_dict(torch.load(file, weights_only=True)["pipeline"])
    assert torch.equal(again.model.splats.means, half.model.splats.means)
    loop(again, STEPS // 2, STEPS + 5)  # some versions of nerfstudio count the steps anew; what is over does nothing
    for name, tensor in whole.model.splats.tensors().items():
        assert torch.equal(again.model.splats.tensors()[name], tensor)


def test_a_checkpoint_of_a_fit_with_other_options_is_refused(folder: Path, workspace: Path) -> None:
    first = pipeline_of(folder)
    loop(first, 0, 2)
    file = save(first, workspace / "run", 1)
    other = pipeline_of(folder, ssim_weight=0.5)
    other.load_state_dict(torch.load(file, weights_only=True)["pipeline"])
    with pytest.raises(FileError, match="other config"):
        loop(other, 2, 3)


def test_pictures_have_all_that_the_viewer_asks_for(folder: Path, workspace: Path) -> None:
    pipeline = pipeline_of(folder)
    loop(pipeline, 0, 2)
    pipeline.model.background_color = torch.tensor([0.0, 0.5, 1.0])
    outputs = pipeline.model.get_outputs(pipeline.datamanager.train_dataset.cameras[0:1])
    shapes = {name: tuple(tensor.shape) for name, tensor in outputs.items()}
    assert shapes == {"rgb": (32, 40, 3), "depth": (32, 40, 1), "accumulation": (32, 40, 1), "background": (32, 40, 3)}
    empty = outputs["accumulation"][..., 0] == 0
    assert empty.any() and torch.equal(outputs["rgb"][empty][0], torch.tensor([0.0, 0.5, 1.0]))
    loss = pipeline.model.get_loss_dict(outputs, pipeline.datamanager.cached_train[0])
    assert torch.isfinite(loss["main_loss"])


def test_cameras_are_within_one_of_the_origin_and_the_parser_says_how(folder: Path, workspace: Path) -> None:
    parser = import_module("scenekit.nerfstudio.dataparser")
    outputs = parser.CaptureParserConfig(data=folder).setup().get_dataparser_outputs(split="train")
    assert len(outputs.image_filenames) == 7
    assert float(outputs.cameras.camera_to_worlds[:, :, 3].abs().max()) <= 1
    T, scale = outputs.dataparser_transform.double(), outputs.dataparser_scale
    capture = open_capture(folder, workspace=workspace)
    ours = {photo.path: photo for photo in capture.photos}
    for path, pose in zip(outputs.image_filenames, outputs.cameras.camera_to_worlds, strict=True):
        centre = torch.from_numpy(ours[path].T_world_cam[:3, 3])
        torch.testing.assert_close(scale * (T[:, :3] @ centre + T[:, 3]), pose[:, 3].double(), rtol=0, atol=1e-4)
    evaluated = parser.CaptureParserConfig(data=folder).setup().get_dataparser_outputs(split="val")
    assert not set(evaluated.image_filenames) & set(outputs.image_filenames)
    metres = parser.CaptureParserConfig(data=folder, auto_scale=False).setup().get_dataparser_outputs()
    assert metres.dataparser_scale == 1 and torch.equal(metres.dataparser_transform, torch.eye(4)[:3])


def test_several_processes_are_refused_before_anything_is_loaded(folder: Path) -> None:
    config = method().SplatsPipelineConfig()
    with pytest.raises(InputError, match="torchrun"):
        method().SplatsPipeline(config, "cpu", world_size=2)


def test_the_entry_points_name_what_is_there() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    for group in ("nerfstudio.method_configs", "nerfstudio.dataparser_configs"):
        for target in project["entry-points"][group].values():
            module, _, name = target.partition(":")
            assert hasattr(getattr(import_module(module), name), "description")
    assert method().scenekit_splats.config.method_name == "scenekit-splats"
    assert not [line for line in project["optional-dependencies"]["test"] if line.startswith("nerfstudio")]


@pytest.mark.slow
def test_nerfstudios_own_registry_and_command_line_know_both() -> None:
    pytest.importorskip("nerfstudio.configs.method_configs", reason="nerfstudio is not installed")
    from nerfstudio.configs.dataparser_configs import all_dataparsers
    from nerfstudio.configs.method_configs import all_methods

    assert "scenekit-splats" in all_methods and "scenekit-capture" in all_dataparsers

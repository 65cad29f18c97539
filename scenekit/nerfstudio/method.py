"""Our trainer as a nerfstudio method: `ns-train scenekit-splats --data photos/`.

nerfstudio's loop turns, shows and saves; each of its steps is one of ours, with our optimiser, schedules and
densification. The checkpoint holds the Gaussians under splatfacto's names, so that nerfstudio's viewer and `ns-export
gaussian-splat` take them for one of its own, and beside them the whole state of the fit, with which `--load-dir` goes
on as if it had never stopped.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import tyro
from nerfstudio.configs.base_config import ViewerConfig
from nerfstudio.data.datamanagers.full_images_datamanager import FullImageDatamanagerConfig
from nerfstudio.engine.trainer import TrainerConfig
from nerfstudio.models.base_model import ModelConfig
from nerfstudio.models.splatfacto import SplatfactoModel
from nerfstudio.pipelines.base_pipeline import VanillaPipeline, VanillaPipelineConfig
from nerfstudio.plugins.types import MethodSpecification
from torch import Tensor, nn

from scenekit.capture.capture import Points
from scenekit.capture.views import View
from scenekit.errors import InputError
from scenekit.evaluate import lpips_metric, psnr, ssim
from scenekit.fit import FitConfig, initial_splats
from scenekit.fit.trainer import CHECKPOINT, Trainer, one_torch_thread
from scenekit.nerfstudio.cameras import GRAY, colors_of, lens_of, opencv_pose, view_of
from scenekit.nerfstudio.dataparser import CaptureParserConfig
from scenekit.render.splats import render
from scenekit.splats import Splats, random_splats


@dataclass
class SplatsModelConfig(ModelConfig):
    """Options of the fit; `--max-num-iterations` says how many steps."""

    _target: type = field(default_factory=lambda: SplatsModel)
    sh_degree: int = 3
    """Degree of spherical harmonics, 0 to 4."""
    rasterize_mode: str = "classic"
    """"classic", or "antialiased" (Mip-Splatting)."""
    fit: Annotated[FitConfig, tyro.conf.AvoidSubcommands] = field(default_factory=FitConfig)
    """How to fit; as for `scenekit reconstruct`."""


@dataclass
class SplatsPipelineConfig(VanillaPipelineConfig):
    """nerfstudio's pipeline with our step."""

    _target: type = field(default_factory=lambda: SplatsPipeline)


class SplatsModel(SplatfactoModel):  # type: ignore[misc, unused-ignore]
    """Gaussians that nerfstudio shows, judges and saves; fitted by `SplatsPipeline`."""

    config: SplatsModelConfig

    def populate_modules(self) -> None:
        """No Gaussians yet; nothing of splatfacto's is made, whose metrics download weights and whose tensors need
        CUDA."""
        self.gauss_params = nn.ParameterDict()
        self.show(random_splats(0, degree=self.config.sh_degree))
        self.step, self.crop_box = 0, None
        self.background_color = torch.full((3,), GRAY[self.config.fit.background])
        self.fit_state = torch.empty(0, dtype=torch.uint8)

    @property
    def splats(self) -> Splats:
        """The Gaussians."""
        p = self.gauss_params
        return Splats(
            means=p["means"],
            quats=p["quats"],
            log_scales=p["scales"],
            logit_opacities=p["opacities"][:, 0],
            sh=torch.cat([p["features_dc"][:, None], p["features_rest"]], 1),
            antialiased=self.config.rasterize_mode == "antialiased",
        )

    def show(self, splats: Splats) -> None:
        """Takes splats for the model's, without copying them."""
        parts = {
            "means": splats.means,
            "scales": splats.log_scales,
            "quats": splats.quats,
            "features_dc": splats.sh[:, 0],
            "features_rest": splats.sh[:, 1:],
            "opacities": splats.logit_opacities[:, None],
        }
        for name, tensor in parts.items():
            self.gauss_params[name] = nn.Parameter(tensor.detach(), requires_grad=False)

    def get_extra_state(self) -> Tensor:
        """The bytes of the fit's own checkpoint, for nerfstudio's."""
        return self.fit_state

    def set_extra_state(self, state: Tensor) -> None:
        """Inverse of `get_extra_state`."""
        self.fit_state = state

    def get_training_callbacks(self, training_callback_attributes: Any) -> list[Any]:
        """None: the step is the pipeline's."""
        return []

    def get_param_groups(self) -> dict[str, list[nn.Parameter]]:
        """None: the optimiser is the trainer's."""
        return {}

    @torch.no_grad()
    def get_outputs(self, camera: Any) -> dict[str, Tensor]:
        """What a camera sees: rgb (h, w, 3), depth and accumulation (h, w, 1), background (h, w, 3)."""
        splats, behind = self.splats, self.background_color.to(self.device)
        if self.crop_box is not None:
            inside = self.crop_box.within(splats.means).reshape(-1)
            splats = splats.take(inside)
        frame = render(splats, lens_of(camera), opencv_pose(camera.camera_to_worlds.reshape(3, 4)), background=behind)
        seen = frame.alpha > 0
        return {
            "rgb": frame.rgb.clamp(0, 1),
            "depth": torch.where(seen, frame.depth, frame.depth.max())[..., None],
            "accumulation": frame.alpha[..., None],
            "background": behind.expand(*frame.alpha.shape, 3),
        }

    def get_metrics_dict(self, outputs: Mapping[str, Tensor], batch: Mapping[str, Tensor]) -> dict[str, Any]:
        """PSNR of a picture [dB], and the number of Gaussians."""
        value = psnr(outputs["rgb"], colors_of(batch, outputs["background"]), mask=_mask(batch))
        return {"psnr": value, "gaussian_count": len(self.splats)}

    def get_loss_dict(
        self, outputs: Mapping[str, Tensor], batch: Mapping[str, Tensor], metrics_dict: object = None
    ) -> dict[str, Tensor]:
        """(1 − λ)·L1 + λ·(1 − SSIM) of a picture; for evaluation, a step has its own."""
        weight, mask = self.config.fit.ssim_weight, _mask(batch)
        rgb, photo = outputs["rgb"], colors_of(batch, outputs["background"])
        off = (rgb - photo).abs()
        l1 = (off if mask is None else off[mask.to(off.device)]).mean()
        return {"main_loss": (1 - weight) * l1 + weight * (1 - ssim(rgb, photo, mask=mask))}

    def get_image_metrics_and_images(
        self, outputs: Mapping[str, Tensor], batch: Mapping[str, Tensor]
    ) -> tuple[dict[str, float], dict[str, Tensor]]:
        """PSNR, SSIM and, where its weights are on this machine, LPIPS; photo and render side by side."""
        rgb, mask = outputs["rgb"], _mask(batch)
        photo = colors_of(batch, outputs["background"])
        scores = {"psnr": float(psnr(rgb, photo, mask=mask)), "ssim": float(ssim(rgb, photo, mask=mask))}
        if (perceptual := lpips_metric()) is not None:
            scores["lpips"] = perceptual(rgb, photo)
        return scores, {"img": torch.cat([photo, rgb], 1)}


class SplatsPipeline(VanillaPipeline):  # type: ignore[misc, unused-ignore]
    """nerfstudio's pipeline, whose training step is one of `scenekit.fit.trainer.Trainer`."""

    config: SplatsPipelineConfig

    def __init__(self, config: SplatsPipelineConfig, device: str, **options: Any):
        if options.get("world_size", 1) > 1:
            hint = "`torchrun … -m scenekit reconstruct` fits on several devices."
            raise InputError("--machine.num-devices", got=options["world_size"], wanted="1", hint=hint)
        super().__init__(config, device, **options)
        self.trainer: Trainer | None = None
        self.steps = config.model.fit.steps
        self._folder = tempfile.TemporaryDirectory()

    def get_training_callbacks(self, training_callback_attributes: Any) -> list[Any]:
        """nerfstudio's own; and what it says of the number of steps is taken."""
        self.steps = training_callback_attributes.trainer.config.max_num_iterations
        callbacks: list[Any] = super().get_training_callbacks(training_callback_attributes)
        return callbacks

    def get_train_loss_dict(self, step: int) -> tuple[dict[str, Any], dict[str, Tensor], dict[str, Any]]:
        """One step of the fit. The loss is for showing: its gradient is nothing, the parameters have moved already."""
        if self.trainer is None:
            self.trainer = self._started()
        trainer = self.trainer
        if trainer.step < trainer.config.steps:
            with one_torch_thread():
                trainer.advance()
            self.model.show(trainer.adam.splats)
        self.model.step = step
        records = trainer.history.records
        loss, quality = (records[-1].loss, records[-1].psnr) if records else (float("nan"), float("nan"))
        shown = self.model.device_indicator_param.sum() + loss  # a parameter without numbers, for nerfstudio's backward
        return {}, {"main_loss": shown}, {"psnr": quality, "gaussian_count": len(trainer.adam.splats)}

    def state_dict(self, *arguments: Any, **options: Any) -> dict[str, Any]:
        """nerfstudio's checkpoint, with the fit's own inside."""
        if self.trainer is not None:
            self.trainer.save()
            file = Path(self._folder.name) / CHECKPOINT
            self.model.fit_state = torch.from_numpy(np.fromfile(file, np.uint8))
        state: dict[str, Any] = super().state_dict(*arguments, **options)
        return state

    def _started(self) -> Trainer:
        """The fit at its first step, or where a checkpoint left it.

        Raises:
            FileError: If the checkpoint belongs to a fit with other options or photos.
        """
        options, folder = self.config.model, Path(self._folder.name)
        config = replace(options.fit, steps=self.steps, antialiased=options.rasterize_mode == "antialiased")
        views = self._views(config)
        start = initial_splats(self._points(), views=views, degree=options.sh_degree, seed=config.seed)
        trainer = Trainer(views, start.map(lambda t: t.to(self.device)), config, folder=folder)
        if len(self.model.fit_state):
            self.model.fit_state.cpu().numpy().tofile(folder / CHECKPOINT)
            trainer.restore()
        return trainer

    def _views(self, config: FitConfig) -> list[View]:
        """The photos that are fitted, as the data manager has loaded and undistorted them."""
        manager = self.datamanager
        batches, files = manager.cached_train, manager.train_dataset.image_filenames  # the first undistorts cameras too
        cameras = manager.train_dataset.cameras
        return [
            view_of(cameras[i : i + 1], batch, name=str(file), background=config.background)
            for i, (batch, file) in enumerate(zip(batches, files, strict=True))
        ]

    def _points(self) -> Points:
        seeds = self.model.seed_points
        if seeds is None:
            return Points.none()
        xyz, rgb = (tensor.cpu().numpy() for tensor in seeds)
        return Points(xyz.astype(np.float64), rgb.astype(np.uint8), np.zeros(len(xyz)))


def _mask(batch: Mapping[str, Tensor]) -> Tensor | None:
    return batch["mask"][..., 0].bool() if "mask" in batch else None


scenekit_splats = MethodSpecification(
    config=TrainerConfig(
        method_name="scenekit-splats",
        steps_per_eval_image=500,
        steps_per_eval_batch=0,
        steps_per_save=500,
        steps_per_eval_all_images=1000,
        max_num_iterations=2000,
        mixed_precision=False,
        pipeline=SplatsPipelineConfig(
            datamanager=FullImageDatamanagerConfig(dataparser=CaptureParserConfig(), cache_images_type="uint8"),
            model=SplatsModelConfig(),
        ),
        optimizers={},
        viewer=ViewerConfig(num_rays_per_chunk=1 << 15),
        vis="viewer",
    ),
    description="scenekit's Gaussian splats: fast on a CPU, the same on CUDA.",
)
"""What the entry point `nerfstudio.method_configs` names."""

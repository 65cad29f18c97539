"""Priors of the diffusers library: Stable Diffusion 1.x, 2.x and XL, DeepFloyd IF, MVDream.

    prior = DiffusersPrior.load("stabilityai/stable-diffusion-2-1-base")     # or a local folder
    condition = prior.condition(["a red mug, front view"], None)

Letters: b batch, n views, t timestep, c h w latents or, of DeepFloyd IF, pixels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from scenekit.errors import FileError, InputError
from scenekit.guidance.diffusers_parts import loaded, quiet
from scenekit.guidance.pipeline_folder import Kind, PipelineFolder
from scenekit.guidance.prior import Condition, Views
from scenekit.guidance.schedule import NoiseSchedule, Prediction
from scenekit.guidance.text_embeddings import TextEmbeddings

VIEWS = 4
"""Of one thing that a multi-view model sees at once."""

PREDICTIONS: dict[str, Prediction] = {"epsilon": "epsilon", "v_prediction": "v", "sample": "sample"}
"""By diffusers' names."""


class DiffusersPrior:
    """A pipeline's denoiser, with its autoencoder and embeddings of its prompts. Answers are where questions were.

    Args:
        network: The U-Net.
        autoencoder: Of its latents; None if it denoises pixels.
        texts: Embeddings of prompts.
        schedule: Of the noise.
        prediction: What the network predicts.
    """

    def __init__(
        self,
        network: Any,
        autoencoder: Any | None,
        texts: TextEmbeddings,
        schedule: NoiseSchedule,
        prediction: Prediction,
    ):
        self.network, self.autoencoder, self.texts = network, autoencoder, texts
        self.schedule, self.prediction = schedule, prediction
        side = network.config.sample_size
        height, width = side if isinstance(side, list | tuple) else (side, side)
        self.shape: tuple[int, int, int] = (network.config.in_channels, height, width)

    @staticmethod
    def load(
        model: str | Path,
        *,
        device: str | torch.device | None = None,
        dtype: torch.dtype | None = None,
        slicing: bool = False,
    ) -> DiffusersPrior:
        """The prior in a folder or of the Hugging Face hub.

        Args:
            model: A folder of a diffusers pipeline, or owner/name.
            device: CUDA where it is, else the CPU.
            dtype: Of the weights: float16 on CUDA, float32 on a CPU, which takes bfloat16 too.
            slicing: Attention head by head and pictures one by one: slower, in less memory.

        Raises:
            BackendError: If diffusers is not installed, or memory does not suffice.
            FileError: If the model is missing, damaged, of another kind, or of the hub, which does not answer.
        """
        place = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        kind = dtype or (torch.float16 if place.type == "cuda" else torch.float32)
        pipeline = PipelineFolder.open(model, half=kind != torch.float32)
        pipeline.check_memory(["unet"] if pipeline.kind == "if" else ["unet", "vae"], kind, place)
        texts = TextEmbeddings(pipeline, place, kind)
        network, autoencoder = _network(pipeline, kind), _autoencoder(pipeline, kind)
        _check_size(pipeline, network, autoencoder)
        if slicing:
            _slice(pipeline, network, autoencoder)
        schedule, prediction = _schedule(pipeline)
        autoencoder = autoencoder if autoencoder is None else autoencoder.to(place)
        return DiffusersPrior(network.to(place), autoencoder, texts, schedule, prediction)

    @property
    def kind(self) -> Kind:
        """Of its pipeline; `multiview` is told views by cameras, four of one thing at once, the others by words."""
        return self.texts.pipeline.kind

    def encode(self, pictures: Tensor) -> Tensor:
        """0..1, brought to the model's size → the mean of the autoencoder's latents, scaled, or −1..1 of pixels."""
        _, height, width = self.shape
        size = (height * self._factor, width * self._factor)
        if pictures.shape[-2:] != size:
            pictures = torch.nn.functional.interpolate(pictures, size, mode="bilinear", antialias=True)
        signed = 2 * pictures - 1
        if self.autoencoder is None:
            return signed
        mean = self.autoencoder.encode(signed.to(self.autoencoder.device, self.autoencoder.dtype)).latent_dist.mode()
        return (self._scaling * (mean.float() - self._shift)).to(pictures.device)

    def decode(self, latents: Tensor) -> Tensor:
        """The inverse."""
        if self.autoencoder is None:
            return ((latents + 1) / 2).clamp(0, 1)
        raw = (latents / self._scaling + self._shift).to(self.autoencoder.device, self.autoencoder.dtype)
        return ((self.autoencoder.decode(raw).sample.float() + 1) / 2).clamp(0, 1).to(latents.device)

    def prepare(self, prompts: Sequence[str]) -> None:
        """Embeds prompts that will be asked for, and lets go of the text encoder; raises what `condition` does."""
        self.texts.of(prompts)
        self.texts.free()

    def condition(self, prompts: Sequence[str], views: Views | None) -> Condition:
        """Embeddings of prompts, and cameras (b, 16), all zero without views.

        Raises:
            InputError: If a prompt has more than 77 tokens, or prompts and views do not fit together.
            FileError: If the text encoder's weights are missing or damaged.
            BackendError: If there is too little memory for it.
        """
        n = len(prompts) if views is None else len(views)
        if not len(prompts) or n % len(prompts):
            raise InputError("prompts", got=len(prompts), wanted=f"one, or one for each of {n} views")
        if self.kind == "multiview" and views is not None and n % VIEWS:
            raise InputError("views", got=n, wanted=f"a multiple of {VIEWS}, which this model sees at once")
        embeddings = self.texts.of(list(prompts) * (n // len(prompts)))
        return Condition(embeddings | {"cameras": torch.zeros(n, 16) if views is None else cameras(views)})

    def predict(self, x_t: Tensor, t: Tensor, condition: Condition) -> Tensor:
        """The network's prediction; what it says of the variance is left out."""
        self.texts.free()
        place, kind = self.network.device, self.network.dtype
        given = {name: tensor.to(place, kind) for name, tensor in condition.tensors.items()}
        more: dict[str, Any] = {}
        if self.network.class_embedding is not None:
            more["class_labels"] = given["cameras"]
        if "pooled" in given:
            more["added_cond_kwargs"] = {"text_embeds": given["pooled"], "time_ids": self._sizes(len(x_t))}
        out = self.network(x_t.to(place, kind), t.to(place), encoder_hidden_states=given["words"], **more).sample
        return out[:, : self.shape[0]].to(x_t)

    def _sizes(self, count: int) -> Tensor:
        """XL's picture size, corner of the crop and wanted size [px], shape (b, 6)."""
        size = [self.shape[1] * self._factor, self.shape[2] * self._factor]
        return torch.tensor([[*size, 0, 0, *size]], device=self.network.device, dtype=self.network.dtype).repeat(
            count, 1
        )

    @property
    def _factor(self) -> int:
        return 1 if self.autoencoder is None else 2 ** (len(self.autoencoder.config.block_out_channels) - 1)

    @property
    def _scaling(self) -> float:
        return float(self.autoencoder.config.scaling_factor)  # type: ignore[union-attr]

    @property
    def _shift(self) -> float:
        return float(getattr(self.autoencoder.config, "shift_factor", None) or 0.0)  # type: ignore[union-attr]


def cameras(views: Views) -> Tensor:
    """Poses of cameras on the unit sphere, the numbers of T_world_cam row by row, shape (n, 16).

    The world is ours and Blender's (z up, the front along −y), cameras look along −z with y up: MVDream's convention.
    """
    az, el = views.azimuth.double(), views.elevation.double()
    zero = torch.zeros_like(az)
    right = torch.stack([az.cos(), az.sin(), zero], -1)
    back = torch.stack([az.sin() * el.cos(), -az.cos() * el.cos(), el.sin()], -1)
    up = torch.linalg.cross(back, right)
    rows = torch.stack([right, up, back, back], -1)
    last = torch.tensor([0.0, 0.0, 0.0, 1.0], dtype=rows.dtype).expand(len(az), 1, 4)
    return torch.cat([rows, last], 1).flatten(1).float()


class _AcrossViews:
    """Attention of MVDream: a token of one view looks at those of all four views."""

    def __init__(self, inner: Any):
        self.inner = inner

    def __call__(self, attention: Any, hidden_states: Tensor, **more: Any) -> Tensor:
        b, tokens, d = hidden_states.shape
        mixed = self.inner(attention, hidden_states.reshape(b // VIEWS, VIEWS * tokens, d), **more)
        return mixed.reshape(b, tokens, d)


def _network(pipeline: PipelineFolder, dtype: torch.dtype) -> Any:
    from diffusers import UNet2DConditionModel

    network = loaded(UNet2DConditionModel, pipeline, "unet", dtype)
    if pipeline.kind == "multiview":
        network.class_embedding = _camera_embedding(pipeline, network)
        inner = network.attn_processors
        network.set_attn_processor(
            {name: _AcrossViews(one) if ".attn1." in name else one for name, one in inner.items()}
        )
    return network


def _camera_embedding(pipeline: PipelineFolder, network: Any) -> Any:
    """16 numbers of a camera → what is added to the timestep's embedding."""
    from diffusers.models.embeddings import TimestepEmbedding
    from safetensors.torch import load_file

    width = network.time_embedding.linear_2.out_features
    embedding = TimestepEmbedding(16, width)
    (path, *_) = pipeline.weights("camera_proj", half=network.dtype != torch.float32)
    try:
        embedding.load_state_dict(load_file(path))
    except Exception as error:  # of safetensors or of torch
        got = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        raise FileError(path, got=got, wanted=f"layers from 16 to {width} numbers") from None
    return embedding.to(network.dtype).requires_grad_(False)


def _autoencoder(pipeline: PipelineFolder, dtype: torch.dtype) -> Any | None:
    from diffusers import AutoencoderKL

    if pipeline.kind == "if":
        return None
    # XL's autoencoder overflows as float16, and says so
    upcast = dtype == torch.float16 and bool(pipeline.config("vae").get("force_upcast"))
    found = loaded(AutoencoderKL, pipeline, "vae", dtype)
    return found.float() if upcast else found


def _check_size(pipeline: PipelineFolder, network: Any, autoencoder: Any | None) -> None:
    c = 3 if autoencoder is None else autoencoder.config.latent_channels
    if network.config.in_channels != c:
        got = f"a network that takes {network.config.in_channels} channels"
        wanted = f"{c}, a model of text alone (no inpainting, depth or upscaling)"
        raise FileError(pipeline.folder / "unet", got=got, wanted=wanted)
    if not network.config.sample_size:
        raise FileError(pipeline.folder / "unet" / "config.json", got="no sample_size", wanted="the size it works at")


def _slice(pipeline: PipelineFolder, network: Any, autoencoder: Any | None) -> None:
    if pipeline.kind != "multiview":  # its attention is ours
        network.set_attention_slice("auto")
    if autoencoder is not None:
        autoencoder.enable_slicing()


def _schedule(pipeline: PipelineFolder) -> tuple[NoiseSchedule, Prediction]:
    """Of scheduler_config.json, whichever sampler it names: all have DDPM's noise."""
    from diffusers import DDPMScheduler

    path = pipeline.folder / "scheduler" / "scheduler_config.json"
    config = pipeline.config("scheduler")
    kind = config.get("prediction_type", "epsilon")
    if kind not in PREDICTIONS:
        raise FileError(path, got=f"prediction_type {kind!r}", wanted="one of " + ", ".join(PREDICTIONS))
    try:
        with quiet():
            steps = DDPMScheduler.from_config(config).alphas_cumprod.float()
    except Exception as error:  # of whatever a wrong number leads to
        raise FileError(path, got=f"{type(error).__name__}: {error}"[:200], wanted="a noise schedule") from None
    if not math.isfinite(float(steps.sum())):
        raise FileError(path, got="numbers that are not finite", wanted="a noise schedule")
    return NoiseSchedule(steps), PREDICTIONS[kind]

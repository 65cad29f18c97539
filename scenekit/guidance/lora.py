"""ε_φ of variational score distillation: a prior's network with low-rank additions that learn the noise of renderings.

A linear layer W becomes W + B A with A (r, in) and B (out, r), B = 0 at first (Hu et al. 2022, LoRA): untrained, it
says what the prior says. Wang et al. 2023 (ProlificDreamer) add these to the attention of Stable Diffusion, and tell
the network the camera where it was not told before. Letters: b batch, r rank, t timestep, c h w.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from scenekit.errors import InputError
from scenekit.guidance.distillation import DistillationConfig, timesteps
from scenekit.guidance.prior import Condition, DiffusionPrior
from scenekit.guidance.schedule import Prediction

CAMERA = 16
"""Numbers of a camera's pose."""


class NetworkPrior(DiffusionPrior, Protocol):
    """A prior that is a network: that of the shapes, those of diffusers."""

    network: Any
    """An nn.Module that `predict` asks."""


@dataclass(frozen=True)
class LoraConfig:
    """How it learns. The defaults are threestudio's for ProlificDreamer."""

    rank: int = 4
    """r."""
    rate: float = 1e-4
    """Of AdamW."""
    layers: tuple[str, ...] = ("to_q", "to_k", "to_v", "to_out.0", "add_k_proj", "add_v_proj", "qkv", "blocks.*.out")
    """Names, or how they end, of linear layers that learn; * is any one part. These are those of attention."""
    camera: bool = True
    """Tell the network of diffusers the camera, if it has no place for it yet."""

    def __post_init__(self) -> None:
        for name, good, wanted in (
            ("rank", self.rank >= 1, "at least 1"),
            ("rate", self.rate > 0, "above 0"),
        ):
            if not good:
                raise InputError(f"LoRA {name}", got=getattr(self, name), wanted=wanted)


class LoraLinear(nn.Linear):
    """x W + bias + x A B, with the weights of another linear layer, which are shared and frozen.

    Args:
        layer: W.
        rank: r.
        generator: Of A.
    """

    def __init__(self, layer: nn.Linear, rank: int, generator: torch.Generator):
        super().__init__(layer.in_features, layer.out_features, bias=layer.bias is not None, device="meta")
        self.weight, self.bias = layer.weight, layer.bias
        down = torch.randn(rank, layer.in_features, generator=generator) / rank
        self.down = nn.Parameter(down.to(layer.weight.device))
        self.up = nn.Parameter(torch.zeros(layer.out_features, rank, device=layer.weight.device))

    def forward(self, x: Tensor) -> Tensor:
        """(…, in) → (…, out); the additions are float32 whatever the layer is."""
        plain = functional.linear(x, self.weight, self.bias)
        added = functional.linear(functional.linear(x.to(self.down.dtype), self.down), self.up)
        return plain + added.to(plain.dtype)


class LoraScore:
    """A score model (`scenekit.guidance.distillation.ScoreModel`) that shares the prior's weights.

    Args:
        prior: Whose network is added to; it stays as it is.
        config: How it learns.
        seed: Of the first weights.

    Raises:
        InputError: If the network has none of the layers.
    """

    def __init__(self, prior: NetworkPrior, config: LoraConfig | None = None, *, seed: int = 0):
        self.config = config or LoraConfig()
        self.prior = copy.copy(prior)
        self.prior.network = adapted(prior.network, self.config, torch.Generator().manual_seed(seed))
        self._learned = {n: p for n, p in self.prior.network.named_parameters() if p.requires_grad}
        self._optimizer = torch.optim.AdamW(self._learned.values(), lr=self.config.rate, betas=(0.9, 0.99), eps=1e-15)
        parameter = next(iter(prior.network.parameters()))
        self._scaler = torch.amp.GradScaler(parameter.device.type, enabled=parameter.dtype == torch.float16)

    @torch.no_grad()
    def predict_epsilon(self, x_t: Tensor, t: Tensor, condition: Condition) -> Tensor:
        """Its guess of the noise, shape (b, c, h, w)."""
        return self.prior.schedule.epsilon(x_t, self.prior.predict(x_t, t, condition), t, self.prior.prediction)

    def loss(self, latents: Tensor, condition: Condition, generator: torch.Generator) -> Tensor:
        """Mean squared error of the noise that it sees in noised renderings; of v for priors that predict v or x₀.

        Args:
            latents: Renderings, without gradients, shape (b, c, h, w).
            condition: What they show, of b.
            generator: Of timesteps and noise.
        """
        prior, schedule = self.prior, self.prior.schedule
        t = timesteps(DistillationConfig(), len(schedule), len(latents), 0.0, generator).to(latents.device)
        noise = torch.randn(latents.shape, generator=generator).to(latents)
        x_t = schedule.noised(latents, noise, t)
        found = prior.predict(x_t, t, condition)
        if prior.prediction == "sample":
            found = schedule.target(found, schedule.epsilon(x_t, found, t, "sample"), t, "v")
        kind: Prediction = "epsilon" if prior.prediction == "epsilon" else "v"
        return functional.mse_loss(found, schedule.target(latents, noise, t, kind))

    def learn(self, latents: Tensor, condition: Condition, generator: torch.Generator) -> float:
        """One step of training on renderings (b, c, h, w); returns its loss."""
        with torch.enable_grad():
            loss = self.loss(latents.detach(), condition, generator)
            self._optimizer.zero_grad(set_to_none=True)
            self._scaler.scale(loss).backward()
        self._scaler.step(self._optimizer)
        self._scaler.update()
        return float(loss.detach())

    def tensors(self) -> dict[str, Tensor]:
        """All that a checkpoint needs: what was learned and the optimiser's moments."""
        found = {name: parameter.detach() for name, parameter in self._learned.items()}
        for name, parameter in self._learned.items():
            state = self._optimizer.state.get(parameter, {})
            found |= {f"{key}:{name}": torch.as_tensor(value) for key, value in state.items()}
        return found

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Goes on from `tensors`."""
        with torch.no_grad():
            for name, parameter in self._learned.items():
                parameter.copy_(tensors[name])
                state = {
                    key: tensors[f"{key}:{name}"]
                    for key in ("step", "exp_avg", "exp_avg_sq")
                    if f"{key}:{name}" in tensors
                }
                if state:
                    self._optimizer.state[parameter] = {
                        key: value.clone() if key == "step" else value.to(parameter).clone()
                        for key, value in state.items()
                    }


def adapted(network: nn.Module, config: LoraConfig, generator: torch.Generator) -> nn.Module:
    """The network with low-rank additions, which alone can be trained; it shares all other weights.

    Args:
        network: Stays as it is.
        config: Which layers, and r.
        generator: Of the first weights.

    Raises:
        InputError: If it has none of the layers.
    """
    shared = {id(tensor): tensor for tensor in (*network.parameters(), *network.buffers())}
    twin = copy.deepcopy(network, shared)
    chosen = [name for name, layer in twin.named_modules() if isinstance(layer, nn.Linear) and _is_one(name, config)]
    if not chosen:
        raise InputError("LoRA layers", got="none in this network", wanted="one of " + ", ".join(config.layers))
    twin.requires_grad_(False)  # of the prior's too, which are the same
    for name in chosen:
        twin.set_submodule(name, LoraLinear(twin.get_submodule(name), config.rank, generator))  # type: ignore[arg-type]
    if config.camera and hasattr(twin, "class_embedding") and twin.class_embedding is None:
        twin.class_embedding = _camera_embedding(twin, generator)
    return twin


def _is_one(name: str, config: LoraConfig) -> bool:
    parts = name.split(".")
    for layer in config.layers:
        wanted = layer.split(".")
        if len(parts) >= len(wanted) and all(w in ("*", p) for w, p in zip(wanted, parts[-len(wanted) :], strict=True)):
            return True
    return False


class _CameraEmbedding(nn.Module):
    """16 numbers of a camera → what is added to the timestep's embedding, nothing at first."""

    def __init__(self, width: int, generator: torch.Generator):
        super().__init__()
        self.first, self.second = nn.Linear(CAMERA, width), nn.Linear(width, width)
        with torch.no_grad():
            self.first.weight.copy_(torch.randn(width, CAMERA, generator=generator) / CAMERA**0.5)
            for zero in (self.first.bias, self.second.weight, self.second.bias):
                zero.zero_()

    def forward(self, cameras: Tensor) -> Tensor:
        """(b, 16) → (b, width), of the cameras' type."""
        return self.second(functional.silu(self.first(cameras.to(self.first.weight.dtype)))).to(cameras.dtype)


def _camera_embedding(network: Any, generator: torch.Generator) -> nn.Module:
    layer = network.time_embedding.linear_2
    return _CameraEmbedding(layer.out_features, generator).to(layer.weight.device)

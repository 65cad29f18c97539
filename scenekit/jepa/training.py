"""Trains whatever has losses: of scenes, of rollouts, with or without a running mean. Letters: n latents, d width."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from torch import Tensor, nn

from scenekit import processes
from scenekit.errors import FitError, InputError
from scenekit.fit.checkpoints import Checkpoint, adam_tensors, read_checkpoint, restore_adam, write_checkpoint
from scenekit.jepa.diagnostics import health
from scenekit.jepa.training_log import TrainingLog
from scenekit.precision import half_precision

logger = logging.getLogger(__name__)


class Objective(Protocol):
    """What is minimised: an `nn.Module` whose parameters are learned. Its terms are means over a batch."""

    def losses(self, batch: Any, *, generator: torch.Generator) -> dict[str, Tensor]:
        """Weighted terms, by name, each a scalar; their sum is minimised.

        Args:
            batch: As `Examples.batch` made it, on the device of the parameters.
            generator: Of masks, noise and the like, on the CPU; another one at every step and in every process.
        """
        ...

    def after_step(self, share: float) -> None:
        """What follows a step of the optimiser, such as the running mean of the weights.

        Args:
            share: Of the training that is done, 0..1.
        """
        ...

    def latents(self, batch: Any) -> Tensor:
        """What is predicted, shape (n, d): its collapse is watched."""
        ...


class Examples(Protocol):
    """What is learned from: numbered examples, of which any can be had at any time."""

    def __len__(self) -> int: ...

    def batch(self, numbers: Tensor) -> Any:
        """The examples of these numbers, as one batch with a `.to(device)`.

        Args:
            numbers: int64, shape (b,).
        """
        ...


@dataclass(frozen=True)
class TrainingConfig:
    """How it is trained."""

    steps: int = 10_000
    """Steps of the optimiser."""
    batch: int = 64
    """Examples of a step, of all processes together."""
    learning_rate: float = 1e-3
    """Of AdamW after the warm-up; it falls by a cosine."""
    final_rate: float = 1e-5
    """What it falls to."""
    warm_up: int = 500
    """Steps over which it rises from 0."""
    weight_decay: float = 0.05
    """Of matrices, at the start."""
    final_decay: float = 0.05
    """What it goes to by a cosine."""
    clip: float = 1.0
    """Largest norm of the gradient."""
    precision: Literal["bfloat16", "float32"] = "bfloat16"
    """Of matrix products, bfloat16 where the device multiplies it; weights and sums are float32."""
    device: str = "cpu"
    """Where, as torch names it; a process of several takes the GPU of its number for cuda."""
    watch_every: int = 100
    """Steps between looks at the latents."""
    save_every: int = 500
    """Steps between checkpoints."""
    seed: int = 0
    """Of batches, masks, noise."""

    def __post_init__(self) -> None:
        for name in ("steps", "batch", "warm_up", "watch_every", "save_every"):
            if getattr(self, name) < 1:
                raise InputError(f"training {name}", got=getattr(self, name), wanted="at least 1")
        for name in ("learning_rate", "final_rate", "weight_decay", "final_decay", "clip"):
            if not 0 <= getattr(self, name) < math.inf:
                raise InputError(f"training {name}", got=getattr(self, name), wanted="0 or more, finite")


class Trainer:
    """Learns; a run that was stopped goes on from its last checkpoint, on the same device to the same bits.

    Under `torchrun`, inside `processes.processes()`, each process takes its part of every batch, and all take the same
    step, along the mean of their gradients.

    Args:
        objective: What is minimised, an `nn.Module`.
        examples: What from.
        config: How.
        folder: Where checkpoint, log and plots are kept; None keeps none.
        about: What else a checkpoint must agree with to be gone on from, such as options of objective and examples;
            anything JSON holds.

    Raises:
        InputError: If there are fewer examples than a batch has, or they cannot be shared evenly among the processes.
        FileError: If the checkpoint there is of other options or damaged.
    """

    def __init__(
        self,
        objective: Objective,
        examples: Examples,
        config: TrainingConfig,
        *,
        folder: Path | None,
        about: Mapping[str, Any] | None = None,
    ):
        if not isinstance(objective, nn.Module):
            raise InputError("objective", got=type(objective).__name__, wanted="an nn.Module")
        if len(examples) < config.batch:
            raise InputError("examples", got=len(examples), wanted=f"at least a batch, {config.batch}")
        if config.batch % processes.count():
            raise InputError("training batch", got=config.batch, wanted=f"a multiple of {processes.count()} processes")
        self.objective, self.examples, self.config, self.folder = objective, examples, config, folder
        self.about = dict(about or {})
        self.device = processes.device(config.device)
        self.module: nn.Module = objective.to(self.device)
        with torch.no_grad():
            for tensor in self.module.state_dict().values():
                tensor.copy_(processes.agreed(tensor))
        self.learned = [p for p in self.module.parameters() if p.requires_grad]
        groups = [
            {"params": [p for p in self.learned if p.ndim > 1]},
            {"params": [p for p in self.learned if p.ndim < 2]},
        ]
        self.optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.95), fused=True)
        self.step, self.log = 0, TrainingLog()
        if self._file is not None and self._file.is_file():
            self._resume(self._file)

    def train(self, *, progress: bool = False) -> TrainingLog:
        """Takes the steps that are left.

        Raises:
            FitError: If a term, the gradient or a latent is not finite; the last checkpoint stays.
        """
        columns = (TextColumn("training"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[state]}"))
        quiet = not progress or processes.rank() > 0
        with Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), disable=quiet) as bar:
            task = bar.add_task("", total=self.config.steps, completed=self.step, state="")
            while self.step < self.config.steps:
                start = time.perf_counter()
                batch = self._batch()
                self.log.add(self._learn(batch), time.perf_counter() - start)
                self.step += 1
                if self._due(self.config.watch_every):
                    self._watch(batch)
                if self._due(self.config.save_every):
                    self._save()
                bar.update(task, completed=self.step, state=self._state() if progress else "")
        return self.log

    def _learn(self, batch: Any) -> dict[str, float]:
        """One step; returns the terms, means over all processes."""
        rate, decay = self._rates()
        for group, of_group in zip(self.optimizer.param_groups, (decay, 0.0), strict=True):
            group["lr"], group["weight_decay"] = rate, of_group
        with self._autocast():
            terms = self.objective.losses(batch, generator=self._generator(1 + processes.rank()))
        self.optimizer.zero_grad()
        means = self._finite(terms)
        torch.stack([term.float() for term in terms.values()]).sum().backward()
        self._share_gradients()
        norm = float(nn.utils.clip_grad_norm_(self.learned, self.config.clip))
        if not math.isfinite(norm):
            raise self._stopped(f"a gradient of {norm}")
        self.optimizer.step()
        self.objective.after_step((self.step + 1) / self.config.steps)
        return means

    def _finite(self, terms: Mapping[str, Tensor]) -> dict[str, float]:
        """The terms, means over all processes; one that is not finite anywhere stops everybody."""
        together = processes.mean(torch.stack([term.detach().float() for term in terms.values()]))
        means = dict(zip(terms, together.tolist(), strict=True))
        for name, value in means.items():
            if not math.isfinite(value):
                raise self._stopped(f"a {name} of {value}")
        return means

    def _stopped(self, got: str) -> FitError:
        hint = "The last checkpoint is kept; a lower --learning-rate may help."
        return FitError("training", got=f"{got} at step {self.step}", wanted="a finite one", hint=hint)

    def _share_gradients(self) -> None:
        """Everybody's gradients become their mean."""
        if processes.count() > 1:
            gradients = [p.grad for p in self.learned if p.grad is not None]
            nn.utils.vector_to_parameters(processes.mean(nn.utils.parameters_to_vector(gradients)), gradients)

    def _rates(self) -> tuple[float, float]:
        """Learning rate and weight decay of this step."""
        config = self.config
        fall = 0.5 + 0.5 * math.cos(math.pi * self.step / config.steps)  # 1 → 0
        rate = config.final_rate + (config.learning_rate - config.final_rate) * fall
        decay = config.final_decay + (config.weight_decay - config.final_decay) * fall
        return rate * min((self.step + 1) / config.warm_up, 1.0), decay

    def _batch(self) -> Any:
        """This process's part of the examples of this step, none twice."""
        numbers = torch.randperm(len(self.examples), generator=self._generator(0))[: self.config.batch]
        return self.examples.batch(numbers[processes.rank() :: processes.count()]).to(self.device)

    def _generator(self, use: int) -> torch.Generator:
        """Of this step and use, made anew: nothing of it needs to be kept to go on."""
        seed = np.random.SeedSequence((self.config.seed, self.step, use)).generate_state(1, np.uint64)[0]
        return torch.Generator().manual_seed(int(seed))

    def _autocast(self) -> torch.autocast:
        return half_precision(self.device, wanted=self.config.precision == "bfloat16")

    def _due(self, every: int) -> bool:
        return self.step % every == 0 or self.step == self.config.steps

    @torch.no_grad()
    def _watch(self, batch: Any) -> None:
        with self._autocast():
            latents = self.objective.latents(batch)
        new = health(latents)
        if new.alarms and not (self.log.health and self.log.health[-1].alarms) and processes.rank() == 0:
            logger.warning("latents collapse at step %d: %s", self.step, "; ".join(new.alarms))
        self.log.watch(self.step, new)

    def _state(self) -> str:
        """Loss terms and the health of the latents, for the bar."""
        said = [f"{name} {value:.3g}" for name, value in self.log.mean().items()]
        for h in self.log.health[-1:]:
            said.append(f"std {h.deviation:.2f} rank {100 * h.rank:.0f} % cos {h.cosine:.2f}")
            said += ["[red]collapse[/red]"] * bool(h.alarms)
        return " · ".join(said)

    @property
    def _file(self) -> Path | None:
        return None if self.folder is None else self.folder / "checkpoint.safetensors"

    def _fingerprint(self) -> dict[str, Any]:
        free = ("save_every", "device")  # a run may go on elsewhere, though then not to the same bits
        options = {name: value for name, value in asdict(self.config).items() if name not in free}
        sizes = {name: list(tensor.shape) for name, tensor in self.module.state_dict().items()}
        return options | {"examples": len(self.examples), "sizes": sizes} | self.about

    def _save(self) -> None:
        if self._file is None or self.folder is None or processes.rank() > 0:
            return
        tensors = {f"now.{name}": value for name, value in self.module.state_dict().items()}
        tensors |= adam_tensors(self.module, self.optimizer)
        header = {"step": self.step, "log": self.log.as_header()}
        self.folder.mkdir(parents=True, exist_ok=True)
        write_checkpoint(self._file, Checkpoint(self._fingerprint(), header, tensors))
        self.log.write(self.folder, {"training": asdict(self.config)} | self.about)

    def _resume(self, file: Path) -> None:
        found = read_checkpoint(file, self._fingerprint())
        now = {name.removeprefix("now."): value for name, value in found.tensors.items() if name.startswith("now.")}
        self.module.load_state_dict(now)
        restore_adam(self.module, self.optimizer, {name: t.to(self.device) for name, t in found.tensors.items()})
        self.step, self.log = int(found.header["step"]), TrainingLog.from_header(found.header["log"])

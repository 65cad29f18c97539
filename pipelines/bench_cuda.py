"""Training on CUDA: steps a second of our trainer on its own kernels and on gsplat's, and of gsplat's simple_trainer.

    scenekit bench cuda fox --gaussians 200000 1000000

All start from the same Gaussians, none are added or removed, and all see the same photos in the same order, which wait
on the GPU. The peer's step is that of `examples/simple_trainer.py` of gsplat 1.5.3 with its defaults, written down from
it: `rasterization`, fused_ssim, six `torch.optim.Adam`, `DefaultStrategy`, the loss read for the progress bar; its data
loader, logs and checkpoints are left out. A second row has the step that does not read its loss.
"""

from __future__ import annotations

import importlib.util
import itertools
import json
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch
import tyro
from torch import Tensor

from scenekit.capture import load_views, open_capture, split, undistorted
from scenekit.capture.views import View
from scenekit.errors import BackendError, InputError
from scenekit.fit import ADC, FitConfig, initial_splats, schedules
from scenekit.fit.held_out import mean_psnr
from scenekit.fit.optimizer import Rates
from scenekit.fit.trainer import Trainer, one_torch_thread
from scenekit.io.atomic import write_text
from scenekit.splats import Splats

Contender = Literal["warp", "gsplat", "simple_trainer", "simple_trainer, loss unread"]
CONTENDERS: tuple[Contender, ...] = ("warp", "gsplat", "simple_trainer", "simple_trainer, loss unread")
"""Our trainer on either back-end, and the peer."""

BLOCK = 10
"""Steps that are timed together; the GPU is waited for before and after."""


@dataclass(frozen=True)
class Config:
    """What is measured, and on what."""

    photos: tyro.conf.Positional[Path]
    """A capture; one with cameras and points, as COLMAP's, needs no structure from motion."""
    workspace: Path = Path("bench-cuda")
    """Where cameras and undistorted photos are kept."""
    downscale: float = 1.0
    """Divides both sides of the photos."""
    gaussians: tuple[int, ...] = (200_000, 1_000_000)
    """How many, of each measurement."""
    contenders: tuple[Contender, ...] = CONTENDERS
    """Who is measured."""
    steps: int = 400
    """Of each; the first tenth is not timed."""
    device: str = "cuda"
    """Where; a CPU has no peer."""
    output: Path | None = None
    """JSON file for the figures."""

    def __post_init__(self) -> None:
        if self.steps < 2 * BLOCK or not self.gaussians or min(self.gaussians) < 1:
            got, wanted = (self.steps, self.gaussians), f"at least {2 * BLOCK} steps, and Gaussians"
            raise InputError("bench cuda", got=got, wanted=wanted)


@dataclass(frozen=True)
class Row:
    """One trainer at one count of Gaussians."""

    gaussians: int
    """How many."""
    contender: str
    """Who."""
    rate: float
    """Median of the blocks' steps a second."""
    slowest: float
    """Steps a second of the slowest block in ten."""
    memory: float
    """Most that torch took [GB]; 0 on a CPU."""
    before: float
    """PSNR of photos not fitted, at the start [dB]."""
    psnr: float
    """The same after all steps [dB]."""


@dataclass(frozen=True)
class Result:
    """All figures."""

    size: tuple[int, int]
    """Width and height of the photos [px]."""
    views: tuple[int, int]
    """Photos fitted and held out."""
    rows: list[Row]
    """Of each count, each contender."""
    versions: dict[str, str]
    """Programs and machine."""

    def __str__(self) -> str:
        lines = [f"{self.size[0]}x{self.size[1]} px, {self.views[0]} photos fitted, {self.views[1]} held out", ""]
        head = "| Gaussians | trainer | steps/s | slowest | to the peer | memory [GB] | held-out [dB] |"
        lines += [head, "|---" * 7 + "|"]
        for row in self.rows:
            peers = [r.rate for r in self.rows if r.gaussians == row.gaussians and r.contender == "simple_trainer"]
            share = f"{row.rate / peers[0]:.2f}" if peers else "–"
            lines.append(
                f"| {row.gaussians:,} | {row.contender} | {row.rate:.1f} | {row.slowest:.1f} | {share} "
                f"| {row.memory:.2f} | {row.before:.2f} → {row.psnr:.2f} |"
            )
        return "\n".join([*lines, "", ", ".join(f"{name} {value}" for name, value in self.versions.items())])


class Running:
    """A trainer that can be stepped; `splats` are its Gaussians of the moment."""

    def __init__(self, step: Callable[[], Any], splats: Callable[[], Splats]):
        self.step, self.splats = step, splats


def run(config: Config) -> Result:
    """Measures one after the other.

    Raises:
        BackendError: If there is no CUDA, or a peer's package is missing.
        ScenekitError: If the photos cannot be used.
    """
    device = torch.device(config.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        raise BackendError("--device", got="cuda, which PyTorch does not see", wanted="a machine with CUDA")
    capture = open_capture(config.photos, workspace=config.workspace)
    if not all(photo.camera.is_pinhole for photo in capture.photos):
        capture = undistorted(capture, config.workspace / "flat")
    train, held_out = (
        [view.on(device) for view in load_views(capture, downscale=config.downscale, names=names)]
        for names in split(capture)
    )
    first = initial_splats(capture.points, views=train)
    versions = {"torch": torch.__version__, "machine": platform.machine(), "device": str(device)}
    if device.type == "cuda":
        versions["device"] = torch.cuda.get_device_name(device)
    result = Result((train[0].width, train[0].height), (len(train), len(held_out)), [], versions)
    for count, contender in itertools.product(config.gaussians, config.contenders):
        start = multiplied(first, count).map(lambda t: t.to(device))
        result.rows.append(measured(contender, start, train, held_out, config.steps))
        if config.output is not None:  # after each, since a fault of a GPU ends the process
            write_text(config.output, json.dumps(asdict(result), indent=2))
    return result


def measured(contender: Contender, start: Splats, train: list[View], held_out: list[View], steps: int) -> Row:
    """One trainer's figures."""
    cuda = start.means.is_cuda
    if cuda:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    before = mean_psnr(start, held_out)
    running = running_of(contender, start, train, steps)
    rates = []
    with one_torch_thread():
        for done in range(0, steps - BLOCK + 1, BLOCK):
            if cuda:
                torch.cuda.synchronize()
            began = time.perf_counter()
            for _ in range(BLOCK):
                running.step()
            if cuda:
                torch.cuda.synchronize()
            if done >= steps // 10:
                rates.append(BLOCK / (time.perf_counter() - began))
    memory = torch.cuda.max_memory_allocated() / 1e9 if cuda else 0.0
    slowest = sorted(rates)[len(rates) // 10]
    psnr = mean_psnr(running.splats(), held_out)
    return Row(len(start), contender, statistics.median(rates), slowest, memory, before, psnr)


def running_of(contender: Contender, start: Splats, train: list[View], steps: int) -> Running:
    """A contender at its start."""
    if contender == "warp" or contender == "gsplat":
        still = ADC(start_at=1.0, reset_every=0.0, absgrad=False)
        config = FitConfig(
            steps=steps, strategy=still, coarse=(), sh_until=0.0, rate_scale=1.0, backend=contender, log_every=BLOCK
        )
        trainer = Trainer(train, start, config)
        return Running(trainer.advance, lambda: trainer.adam.splats.map(Tensor.detach))
    return simple_trainer(start, train, steps, reads_loss=contender == "simple_trainer")


def simple_trainer(start: Splats, train: Sequence[View], steps: int, *, reads_loss: bool) -> Running:
    """The step of gsplat's simple_trainer with its defaults, for as many steps in all.

    Raises:
        BackendError: If gsplat or fused_ssim is not installed, or the Gaussians are not on a CUDA device.
    """
    missing = [name for name in ("gsplat", "fused_ssim") if importlib.util.find_spec(name) is None]
    if missing or not start.means.is_cuda:
        got = f"no {missing[0]}" if missing else f"Gaussians on {start.means.device}"
        raise BackendError("simple_trainer", got=got, wanted="gsplat, fused_ssim and CUDA")
    from fused_ssim import fused_ssim
    from gsplat import DefaultStrategy, rasterization

    device, extent, rates = start.means.device, schedules.extent_of(train), Rates()
    named = {
        "means": (start.means, 1.6e-4 * extent),
        "scales": (start.log_scales, rates.log_scales),
        "quats": (start.quats, rates.quats),
        "opacities": (start.logit_opacities, rates.logit_opacities),
        "sh0": (start.sh[:, :1], rates.sh),
        "shN": (start.sh[:, 1:], rates.sh_rest),
    }
    splats = torch.nn.ParameterDict({name: torch.nn.Parameter(t.clone()) for name, (t, _) in named.items()})
    optimizers = {
        name: torch.optim.Adam([{"params": splats[name], "lr": rate, "name": name}], eps=1e-15, betas=(0.9, 0.999))
        for name, (_, rate) in named.items()
    }
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizers["means"], gamma=0.01 ** (1.0 / steps))
    strategy = DefaultStrategy(refine_start_iter=steps, reset_every=10 * steps, verbose=False)
    strategy.check_sanity(splats, optimizers)
    state = strategy.initialize_state(scene_scale=extent)
    cameras = [(view.viewmat.to(device)[None].inverse(), view.K.to(device)[None]) for view in train]
    photos = [view.image[None].float() for view in train]
    counter = itertools.count()

    def step() -> None:
        now = next(counter)
        chosen = schedules.view_at(now, len(train), 0)
        (camtoworlds, Ks), pixels = cameras[chosen], photos[chosen] / 255.0
        height, width = pixels.shape[1:3]
        colors, _, info = rasterization(
            means=splats["means"],
            quats=splats["quats"],
            scales=torch.exp(splats["scales"]),
            opacities=torch.sigmoid(splats["opacities"]),
            colors=torch.cat([splats["sh0"], splats["shN"]], 1),
            viewmats=torch.linalg.inv(camtoworlds),
            Ks=Ks,
            width=width,
            height=height,
            packed=False,
            absgrad=False,
            sh_degree=start.sh_degree,
            near_plane=0.01,
            far_plane=1e10,
            render_mode="RGB",
        )
        strategy.step_pre_backward(params=splats, optimizers=optimizers, state=state, step=now, info=info)
        l1loss = torch.nn.functional.l1_loss(colors, pixels)
        ssimloss = 1.0 - fused_ssim(colors.permute(0, 3, 1, 2), pixels.permute(0, 3, 1, 2), padding="valid")
        loss = l1loss * (1.0 - 0.2) + ssimloss * 0.2
        loss.backward()
        if reads_loss:
            loss.item()
        for optimizer in optimizers.values():
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        scheduler.step()
        strategy.step_post_backward(
            params=splats, optimizers=optimizers, state=state, step=now, info=info, packed=False
        )

    def current() -> Splats:
        sh = torch.cat([splats["sh0"], splats["shN"]], 1)
        found = Splats(splats["means"], splats["quats"], splats["scales"], splats["opacities"], sh)
        return found.map(Tensor.detach)

    return Running(step, current)


def multiplied(splats: Splats, count: int) -> Splats:
    """As many Gaussians: some left out, or each many times, spread over its ellipsoid, and smaller."""
    rng = torch.Generator().manual_seed(0)
    rows = torch.randperm(len(splats), generator=rng).repeat(-(-count // len(splats)))[:count]
    many = splats.take(rows)
    if count <= len(splats):
        return many
    means = many.means + many.scales * torch.randn(many.means.shape, generator=rng)
    shrunk = many.log_scales - 0.5 * torch.log(torch.tensor(count / len(splats)))  # they lie on surfaces
    return replace(many, means=means, log_scales=shrunk)

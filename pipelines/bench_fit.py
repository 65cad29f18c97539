"""The fit: time of a step and its shares, time to a held-out quality, and the same for OpenSplat in the same run."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import torch
import tyro
from torch import Tensor

import scenekit._kernels.launch as launch
from scenekit.capture import CaptureConfig, open_capture
from scenekit.capture.capture import Capture
from scenekit.capture.undistort import undistorted
from scenekit.capture.views import View, load_views, split
from scenekit.errors import BackendError
from scenekit.evaluate import evaluate
from scenekit.fit import ADC, FitConfig, fit, initial_splats
from scenekit.fit.trainer import Trainer, one_torch_thread
from scenekit.io.atomic import write_text
from scenekit.io.colmap import write_colmap
from scenekit.io.images import write_image
from scenekit.io.splat_files import read_splats, write_splats
from scenekit.splats import Splats


@dataclass(frozen=True)
class Config:
    """What is measured, and on what."""

    photos: tyro.conf.Positional[Path]
    """A folder of photos; cameras and points come from structure from motion, for the peer too."""
    workspace: Path | None = None
    """Where cameras and undistorted photos are kept for the next run; a temporary folder if None."""
    downscale: float = 4.0
    """Divides both sides of the photos."""
    target: float = 24.84
    """Held-out PSNR to reach [dB]; what the peer reaches, if that is more."""
    race: FitConfig = field(default_factory=lambda: FitConfig.quick(evaluate_every=20))
    """The fit that races to the target."""
    long: FitConfig = field(default_factory=lambda: FitConfig(steps=7000))
    """A longer fit beside a peer, for the quality that is to be had within its time."""
    gaussians: int = 14_000
    """Gaussians of the timed step."""
    steps: int = 60
    """Steps that are timed; the median counts."""
    peer: Path | None = None
    """The OpenSplat program; it gets the same photos, cameras and points, and writes a PLY that we judge."""
    peer_steps: int = 2000
    """Steps of the peer."""
    output: Path | None = None
    """JSON file for the figures."""


@dataclass(frozen=True)
class StepTime:
    """Time of one training step at full size."""

    threads: int
    """Threads of the kernels."""
    step: float
    """Median [ms]."""
    shares: dict[str, float]
    """Mean time of its parts [ms]."""


@dataclass(frozen=True)
class Quality:
    """One program's way to the target."""

    program: str
    """Whose."""
    steps: int
    """Steps in all."""
    seconds: float
    """Wall time of all steps, without our held-out evaluations; with reading photos and start-up for the peer [s]."""
    seconds_to_target: float | None
    """Wall time until the target was reached, the initial splats included; for the peer, until its end [s]."""
    psnr: float
    """Held-out PSNR at the end [dB]."""
    ssim: float
    """Held-out SSIM at the end."""
    gaussians: int
    """Gaussians at the end."""


@dataclass(frozen=True)
class Result:
    """The figures and on what they were measured."""

    size: tuple[int, int]
    """Width and height of the photos [px]."""
    views: tuple[int, int]
    """Photos fitted and held out."""
    target: float
    """Held-out PSNR to reach [dB]."""
    times: list[StepTime]
    """With all threads, and with one."""
    qualities: list[Quality]
    """Ours, and the peer's."""
    versions: dict[str, str]
    """Programs and machine."""

    def __str__(self) -> str:
        lines = [f"{self.size[0]}x{self.size[1]} px, {self.views[0]} photos fitted, {self.views[1]} held out", ""]
        lines += [
            f"| threads | step [ms] | {' | '.join(self.times[0].shares)} |",
            "|---" * (2 + len(self.times[0].shares)) + "|",
        ]
        lines += [
            f"| {t.threads} | {t.step:.1f} | {' | '.join(f'{share:.1f}' for share in t.shares.values())} |"
            for t in self.times
        ]
        lines += ["", f"speed-up by threads: {self.times[-1].step / self.times[0].step:.2f}", ""]
        lines += [
            f"| program | steps | wall [s] | to {self.target:.2f} dB [s] | held-out [dB] | SSIM | Gaussians |",
            "|---" * 7 + "|",
        ]
        for q in self.qualities:
            to_target = "–" if q.seconds_to_target is None else f"{q.seconds_to_target:.2f}"
            row = (q.program, q.steps, f"{q.seconds:.1f}", to_target, f"{q.psnr:.2f}", f"{q.ssim:.3f}", q.gaussians)
            lines.append("| " + " | ".join(map(str, row)) + " |")
        return "\n".join([*lines, "", ", ".join(f"{name} {value}" for name, value in self.versions.items())])


def run(config: Config) -> Result:
    """Time steps, race to the target, and let the peer race; one after the other on the same machine."""
    with tempfile.TemporaryDirectory() as temporary:
        workspace = config.workspace or Path(temporary)
        capture = undistorted(
            open_capture(config.photos, workspace=workspace, config=CaptureConfig(poses="sfm")), workspace / "flat"
        )
        train, held_out = (load_views(capture, downscale=config.downscale, names=names) for names in split(capture))
        times = [timed_step(config, capture, train, threads) for threads in dict.fromkeys([launch.threads(), 1])]
        peers = [] if config.peer is None else [peer_race(config, capture, train, held_out, workspace)]
        target = max([config.target, *(peer.psnr for peer in peers)])
        fits = [config.race, *([] if config.peer is None else [config.long])]
        qualities = [*(race(one, capture, train, held_out, workspace, target) for one in fits), *peers]
    versions = {"torch": torch.__version__, "cores": str(os.cpu_count()), "machine": platform.machine()}
    size = (train[0].width, train[0].height)
    result = Result(size, (len(train), len(held_out)), target, times, qualities, versions)
    if config.output is not None:
        write_text(config.output, json.dumps(asdict(result), indent=2))
    return result


def timed_step(config: Config, capture: Capture, train: Sequence[View], threads: int) -> StepTime:
    """The median step at full size with the full SH degree, after as many steps to settle."""
    before = launch.threads()
    launch.set_threads(threads)
    still = replace(
        config.race, steps=2 * config.steps, strategy=ADC(start_at=1.0, reset_every=0), coarse=(), sh_until=0.0
    )
    trainer = Trainer(train, resized(initial_splats(capture.points, views=train), config.gaussians), still)
    with one_torch_thread():
        for _ in range(config.steps):
            trainer.advance()
        settled = {part: watch.seconds for part, watch in trainer.spent.items()}
        times = [one_step(trainer) for _ in range(config.steps)]
    launch.set_threads(before)
    shares = {part: 1e3 * (watch.seconds - settled[part]) / config.steps for part, watch in trainer.spent.items()}
    return StepTime(threads, 1e3 * statistics.median(times), shares)


def one_step(trainer: Trainer) -> float:
    """Wall time of one step [s]."""
    start = trainer.watch.seconds
    trainer.advance()
    return trainer.watch.seconds - start


def resized(splats: Splats, count: int) -> Splats:
    """As many Gaussians: some left out, or some twice."""
    rows = torch.randperm(len(splats), generator=torch.Generator().manual_seed(0))
    rows = rows.repeat(-(-count // len(splats)))[:count]

    def pick(tensor: Tensor) -> Tensor:
        return tensor[rows]

    return splats.map(pick)


def race(
    config: FitConfig, capture: Capture, train: list[View], held_out: list[View], workspace: Path, target: float
) -> Quality:
    """Our fit, from the sparse points on. Kernels are compiled before; held-out evaluations do not count."""
    start = time.perf_counter()
    splats = initial_splats(capture.points, views=train)
    initial = time.perf_counter() - start
    fit(train[:3], splats, replace(config, steps=12, evaluate_every=0), held_out=held_out[:1], progress=False)
    result = fit(train, splats, config, held_out=held_out)
    write_splats(workspace / "ours.ply", result.splats)
    reached = result.history.seconds_to(target)
    seconds = result.history.records[-1].seconds + initial
    to_target = None if reached is None else reached + initial
    scores = evaluate(read_splats(workspace / "ours.ply"), held_out)
    return Quality("scenekit", config.steps, seconds, to_target, scores.psnr, scores.ssim, len(result.splats))


def peer_race(config: Config, capture: Capture, train: list[View], held_out: list[View], workspace: Path) -> Quality:
    """OpenSplat's fit of the same photos; its PLY is judged by our rasteriser.

    Raises:
        BackendError: If the program fails.
    """
    assert config.peer is not None
    project, ply = workspace / "peer", workspace / "peer.ply"
    small = []
    for view in train:
        photo = next(photo for photo in capture.photos if photo.name == view.name)
        path = project / "images" / Path(view.name).with_suffix(".png")
        write_image(path, view.image.numpy())
        camera = photo.camera.resized(view.width, view.height)
        small.append(replace(photo, name=path.name, path=path, camera=camera))
    write_colmap(replace(capture, photos=small), project / "sparse" / "0")
    command = [config.peer.resolve(), project, "-n", str(config.peer_steps), "-o", ply, "--cpu"]
    start = time.perf_counter()
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - start
    if done.returncode != 0:
        raise BackendError(config.peer, got=(done.stderr or done.stdout)[-300:], wanted="a fit without an error")
    splats = read_splats(ply)
    scores = evaluate(splats, held_out)
    return Quality("OpenSplat", config.peer_steps, seconds, seconds, scores.psnr, scores.ssim, len(splats))

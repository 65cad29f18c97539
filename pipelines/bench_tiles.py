"""How fast the rasteriser is: its tile stage against another script's, a whole call, and one thread against two.

    scenekit bench tiles --peer warp_cpu_tiles.py
    scenekit bench tiles --cpp

The peer is a script with `random_splats`, `bin_tiles`, `split` and the kernels `forward`, `backward`, `reduce`; both
draw the same Gaussians, in turns, in one process. `--cpp` races our forward kernel against the same in C++.
"""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor

import scenekit._kernels.launch as launch
from scenekit.errors import FileError
from scenekit.pipelines.tiles_cpp import stages
from scenekit.render import splats_warp
from scenekit.render.splats import RasterOptions, rasterization

Run = Callable[[], object]


@dataclass(frozen=True)
class Config:
    """What is measured."""

    peer: Path | None = None
    """Script whose tile kernels run in turns with ours."""
    cpp: bool = False
    """Also race our forward kernel against the same in C++, which the system's g++ compiles."""
    width: int = 480
    """Image width of the tile stage [px]."""
    height: int = 270
    """Image height of the tile stage [px]."""
    gaussians: int = 20_000
    """Gaussians of the tile stage."""
    call_width: int = 269
    """Image width of the whole call [px]."""
    call_height: int = 478
    """Image height of the whole call [px]."""
    call_gaussians: int = 14_000
    """Gaussians of the whole call."""
    repeats: int = 30
    """Rounds; the median of each stage counts."""


@dataclass(frozen=True)
class Race:
    """Our forward tile stage against C++ on the same lists, medians."""

    threads: int
    """Threads of both."""
    ours: float
    """One launch of our kernel, launching included [ms]."""
    graph: float
    """The same as a node of torch's graph, its outputs allocated [ms]."""
    cpp: float
    """The C++ [ms]."""
    ratio: float
    """Our launch over the C++."""
    graph_ratio: float
    """The node over the C++."""

    def __str__(self) -> str:
        ours = f"{self.ours:.2f} ({self.ratio:.2f}×) | {self.graph:.2f} ({self.graph_ratio:.2f}×)"
        return f"| {self.threads} | {ours} | {self.cpp:.2f} |"


@dataclass(frozen=True)
class Result:
    """Medians [ms] by stage."""

    threads: int
    """Threads of both."""
    pairs: int
    """(tile, Gaussian) pairs after our binning."""
    peer_pairs: int
    """And after the peer's."""
    ours: dict[str, float]
    """Our tile stage [ms]: forward, backward, reduce."""
    peer: dict[str, float]
    """The peer's [ms]."""
    ratio: float
    """Ours over the peer's, all three stages."""
    call: dict[str, float]
    """A whole call with spherical harmonics of degree 3 and absgrad [ms]: forward, backward."""
    speedup: float
    """Of the whole call, from one thread to `threads`."""
    cpp: tuple[Race, ...] = ()
    """Against C++, with one thread and with `threads`."""

    def __str__(self) -> str:
        peer_back = self.peer.get("backward", float("nan")) + self.peer.get("reduce", 0.0)
        rows = {
            "tile forward": (f"{self.ours['forward']:.2f}", f"{self.peer.get('forward', float('nan')):.2f}"),
            "tile backward + reduce": (f"{self.ours['backward and reduce']:.2f}", f"{peer_back:.2f}"),
            "ratio": (f"{self.ratio:.3f}", "1"),
            "whole call, forward": (f"{self.call['forward']:.2f}", ""),
            "whole call, backward": (f"{self.call['backward']:.2f}", ""),
            "speed-up over one thread": (f"{self.speedup:.2f}", ""),
        }
        head = f"{self.threads} threads, {self.pairs} tile pairs, the peer {self.peer_pairs}"
        lines = [f"| {name} | {ours} | {peer} |" for name, (ours, peer) in rows.items()]
        if self.cpp:
            lines += ["", "| threads | forward launch [ms] | in torch's graph [ms] | C++ [ms] |", "|---|---|---|---|"]
            lines += map(str, self.cpp)
        return "\n".join([head, "", "| stage | ours [ms] | peer [ms] |", "|---|---|---|", *lines])


def run(config: Config) -> Result:
    """Measure; see the module."""
    races = against_cpp(config) if config.cpp else ()
    ours, peer, sizes = tile_stage(config)
    stages = {f"ours {name}": stage for name, stage in ours.items()}
    medians = _in_turns(stages | {f"peer {name}": stage for name, stage in peer.items()}, config)
    of = {who: {k[5:]: v for k, v in medians.items() if k.startswith(who)} for who in ("ours", "peer")}
    call, speedup = whole_call(config)
    total = {who: sum(stages.values()) for who, stages in of.items()}
    return Result(
        threads=launch.threads(),
        pairs=sizes[0],
        peer_pairs=sizes[1],
        ours=of["ours"],
        peer=of["peer"],
        ratio=round(total["ours"] / total["peer"], 3) if peer else float("nan"),
        call=call,
        speedup=speedup,
        cpp=races,
    )


def against_cpp(config: Config) -> tuple[Race, ...]:
    """Our forward kernel in turns with C++, with one thread and with all.

    Raises:
        BackendError: If there is no g++, or the two images differ.
    """
    xy, _, conic, opacity, rgb, depth = random_splats(config.gaussians, config.width, config.height)
    splats, bins, options = _binned(config, *map(torch.from_numpy, (xy, conic, opacity, rgb, depth)))
    inputs = [t[None].requires_grad_() for t in splats]
    threads, races = launch.threads(), []
    for count in sorted({1, threads}):
        launch.set_threads(count)
        racing = stages((config.width, config.height), splats, bins)
        racing["graph"] = lambda: splats_warp._Blend.apply(*inputs, torch.zeros(1, 3), [bins], options)
        ms = _in_turns(racing, config, pause=0.01)  # OpenMP's threads spin for a while after their work
        cpp = ms["C++"]
        ratios = [round(ms[name] / cpp, 2) for name in ("ours", "graph")]
        races.append(Race(count, ms["ours"], ms["graph"], cpp, *ratios))
    launch.set_threads(threads)
    return tuple(races)


def tile_stage(config: Config) -> tuple[dict[str, Run], dict[str, Run], tuple[int, int]]:
    """Our three tile kernels and the peer's on the same 2D Gaussians, and the numbers of pairs."""
    script = _load(config.peer) if config.peer else None
    xy, cov, conic, opacity, rgb, depth = (script.random_splats if script else random_splats)(
        config.gaussians, config.width, config.height
    )
    d_image = np.random.default_rng(1).normal(size=(config.height, config.width, 3)).astype(np.float32)
    ours, pairs = _our_stages(config, *(torch.from_numpy(a) for a in (xy, conic, opacity, rgb, depth, d_image)))
    if script is None:
        return ours, {}, (pairs, 0)
    peer, peer_pairs = _peer_stages(script, config, (xy, cov, conic, opacity, rgb, depth), d_image)
    return ours, peer, (pairs, peer_pairs)


def whole_call(config: Config) -> tuple[dict[str, float], float]:
    """Forward and backward of `rasterization` [ms], and its speed-up over one thread."""
    rng = torch.Generator().manual_seed(0)
    n, width, height = config.call_gaussians, config.call_width, config.call_height
    z = 2 + 2 * torch.rand(n, generator=rng)
    xy = (torch.rand(n, 2, generator=rng) - 0.5) * torch.tensor([width, height]) / height
    inputs = [
        torch.cat([2.1 * xy * z[:, None], z[:, None]], 1),
        torch.randn(n, 4, generator=rng),
        0.025 * (0.6 * torch.randn(n, 3, generator=rng)).exp(),
        torch.sigmoid(2 * torch.randn(n, generator=rng)),
        0.2 * torch.randn(n, 16, 3, generator=rng),
    ]
    means, quats, scales, opacities, sh = inputs = [t.requires_grad_() for t in inputs]
    K = torch.tensor([[0.55 * height, 0, width / 2], [0, 0.55 * height, height / 2], [0, 0, 1]])
    weights = torch.randn(1, height, width, 3, generator=rng)
    drawn: dict[str, Tensor] = {}

    def forward() -> None:
        drawn["image"] = rasterization(
            means,
            quats,
            scales,
            opacities,
            sh,
            torch.eye(4)[None],
            K[None],
            width,
            height,
            sh_degree=3,
            absgrad=True,
            backend="warp",
        )[0]

    def backward() -> None:
        torch.autograd.grad(drawn["image"], inputs, weights)

    threads, results = launch.threads(), {}
    for count in (1, threads):
        launch.set_threads(count)
        results[count] = _in_turns({"forward": forward, "backward": backward}, config)
    return results[threads], round(sum(results[1].values()) / sum(results[threads].values()), 2)


def random_splats(n: int, width: int, height: int) -> tuple[np.ndarray, ...]:
    """2D Gaussians all over an image: centres, covariances, conics, opacities, colours, depths."""
    rng = np.random.default_rng(0)
    xy = rng.uniform((0, 0), (width, height), (n, 2)).astype(np.float32)
    deviations, angle = np.exp(rng.uniform(0, np.log(8), (n, 2))), rng.uniform(0, np.pi, n)
    R = np.stack([np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle)], -1).reshape(n, 2, 2)
    cov = R * deviations[:, None] ** 2 @ R.transpose(0, 2, 1) + 0.3 * np.eye(2)
    inverse = np.linalg.inv(cov)
    conic = inverse[:, [0, 0, 1], [0, 1, 1]].astype(np.float32)
    opacity, rgb = rng.uniform(0.05, 0.9, n).astype(np.float32), rng.uniform(0, 1, (n, 3)).astype(np.float32)
    return xy, cov, conic, opacity, rgb, rng.uniform(1, 5, n)


def _our_stages(
    config: Config, xy: Tensor, conic: Tensor, opacity: Tensor, rgb: Tensor, depth: Tensor, d_image: Tensor
) -> tuple[dict[str, Run], int]:
    """Our kernels through torch's graph: `forward` blends, `backward` is its adjoint with the reduction inside."""
    splats, bins, options = _binned(config, xy, conic, opacity, rgb, depth)
    inputs = [t[None].requires_grad_() for t in splats]
    image: dict[str, Tensor] = {}

    def forward() -> None:
        image["drawn"] = splats_warp._Blend.apply(*inputs, torch.zeros(1, 3), [bins], options)[0]

    def backward() -> None:
        torch.autograd.grad(image["drawn"], inputs, d_image[None])

    return {"forward": forward, "backward and reduce": backward}, len(bins.ids)


def _binned(
    config: Config, xy: Tensor, conic: Tensor, opacity: Tensor, rgb: Tensor, depth: Tensor
) -> tuple[tuple[Tensor, Tensor, Tensor], splats_warp.Bins, RasterOptions]:
    """Centres, shapes and colours as the tile stage takes them, and its lists."""
    A, B, C = conic.double().unbind(-1)
    k = (0.5 * np.log2(np.e)) ** 0.5
    factors = [k * A.sqrt(), k * B / A.sqrt(), k * (C - B * B / A).sqrt(), opacity.double().log2()]
    shapes = torch.stack(factors, 1).float()
    options = RasterOptions(config.width, config.height, 0.01, 1e10, 0.3, None, False, False, True, False, False)
    radii = torch.ones(len(xy), 2, dtype=torch.int32)
    return (xy, shapes, rgb), splats_warp._bin(xy, shapes, depth.float(), radii, options), options


def _peer_stages(
    script: ModuleType, config: Config, splats: tuple[np.ndarray, ...], d_image: np.ndarray
) -> tuple[dict[str, Run], int]:
    """The peer's own set-up, with its own binning."""
    import warp as wp

    xy, cov, conic, opacity, rgb, depth = splats
    tiles_x, tiles_y, offsets, ids = script.bin_tiles(config.width, config.height, xy, cov, opacity, depth)
    pairs = np.argsort(ids, kind="stable").astype(np.int32)
    starts = np.concatenate([[0], np.cumsum(np.bincount(ids, minlength=len(xy)))]).astype(np.int32)
    image, T = np.zeros_like(d_image), np.zeros(d_image.shape[:2], np.float32)

    def flat(a: np.ndarray) -> Any:
        return wp.array(a.reshape(-1), dtype=wp.int32 if a.dtype.kind == "i" else float, device="cpu", copy=False)

    d_pair, d_gaussian = (wp.zeros((rows, 9), dtype=float, device="cpu") for rows in (len(ids), len(xy)))
    common = [tiles_x, config.width, config.height, *map(flat, (offsets, ids, xy, conic, rgb, opacity))]
    stages = {
        "forward": script.split(script.forward, tiles_x * tiles_y, [*common, flat(image), flat(T)]),
        "backward": script.split(script.backward, tiles_x * tiles_y, [*common, flat(image), flat(d_image), d_pair]),
        "reduce": script.split(script.reduce, len(xy), [flat(starts), flat(pairs), d_pair, d_gaussian]),
    }
    return stages, len(ids)


def _load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("peer", path)
    if not path.is_file() or spec is None or spec.loader is None:
        raise FileError(path, got="no such script", wanted="a Python file with tile kernels")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _in_turns(stages: dict[str, Run], config: Config, *, pause: float = 0.0) -> dict[str, float]:
    """Median time of each stage [ms] over rounds in which every stage runs once; the first two rounds warm up."""
    times: dict[str, list[float]] = {name: [] for name in stages}
    for _ in range(config.repeats + 2):
        for name, stage in stages.items():
            time.sleep(pause)
            start = time.perf_counter()
            stage()
            times[name].append(1e3 * (time.perf_counter() - start))
    return {name: round(float(np.median(t[2:])), 2) for name, t in times.items()}

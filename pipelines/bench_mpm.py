"""How fast MPM is: against its Taichi twin in the same run, one thread against all, a million particles, other engines.

    scenekit bench mpm --peer-genesis PYTHON --peer-newton PYTHON

A cube of elastic matter, eight particles per cell in the order of a jittered lattice, falls in a grid of 64³ nodes.
Engines take the same substeps in turns. A peer is a Python that has the package; it runs the same cube by itself.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import numpy as np
import torch

import scenekit._kernels.launch as launch
from scenekit.errors import BackendError
from scenekit.laws import FixedCorotated, Law, NeoHookean
from scenekit.material import Material
from scenekit.quantities import Quantity
from scenekit.sim.model import Domain, Model
from scenekit.sim.mpm import SolverMPM, longest_substep
from scenekit.sim.particles import Particles
from scenekit.sim.solver import Solver

LAWS: dict[str, Law] = {"neo-hookean": NeoHookean(), "fixed-corotated": FixedCorotated()}
PEERS = Path(__file__).with_name("mpm_peers.py")


@dataclass(frozen=True)
class Config:
    """What is measured."""

    particles: int = 100_000
    """Of the cube that all engines move."""
    many: int = 1_000_000
    """Of the large one; 0 to leave it out."""
    law: Literal["neo-hookean", "fixed-corotated"] = "neo-hookean"
    """How matter answers."""
    substeps: int = 30
    """Of one step, which is what is timed; 30 are a frame of 1/60 s."""
    repeats: int = 9
    """Rounds; the median of each counts."""
    taichi: bool = True
    """Whether the twin runs, if it is installed."""
    peer_genesis: Path | None = None
    """A Python with genesis-world."""
    peer_newton: Path | None = None
    """A Python with newton."""


@dataclass(frozen=True)
class Result:
    """Medians."""

    threads: int
    """Of all that can use them."""
    particles: int
    """Of the cube."""
    substep: dict[str, float]
    """Time of a substep [ms], by engine and threads."""
    throughput: float
    """Ours on all threads [million particle-substeps/s]."""
    speedup: float
    """Ours, all threads over one."""
    times_taichi: float
    """Taichi's time over ours, all threads."""
    cost_of_many: float
    """Time per particle of the large cube over that of the other."""
    peak_memory: float
    """Of the process with the large cube [GB]."""
    peers: dict[str, float] = field(default_factory=dict)
    """Time of a substep of other engines over ours, all threads."""

    def __str__(self) -> str:
        rows = {f"substep, {name} [ms]": f"{ms:.2f}" for name, ms in self.substep.items()}
        rows |= {
            "million particle-substeps/s": f"{self.throughput:.1f}",
            f"{self.threads} threads over one": f"{self.speedup:.2f}",
            "times as fast as Taichi": f"{self.times_taichi:.1f}",
            "cost per particle of many over few": f"{self.cost_of_many:.2f}",
            "peak memory with many [GB]": f"{self.peak_memory:.2f}",
        }
        rows |= {f"times as fast as {name}": f"{ratio:.1f}" for name, ratio in self.peers.items()}
        head = f"{self.particles} particles, {self.threads} threads"
        return "\n".join([head, "", "| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows.items())])


def run(config: Config) -> Result:
    """Measure; see the module."""
    threads, nan = launch.threads(), float("nan")
    many = _in_turns({"many": _ours(cube(config.many, config.law), threads, config)}, config) if config.many else {}
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e9 if sys.platform == "darwin" else 1e6)
    model = cube(config.particles, config.law)
    steps = {f"ours, {n} threads": _ours(model, n, config) for n in sorted({1, threads})}
    if config.taichi and find_spec("taichi") is not None:
        steps[f"Taichi, {threads} threads"] = _taichi(model, config)
    substep = _in_turns(steps, config)
    launch.set_threads(threads)
    ours = substep[f"ours, {threads} threads"]
    peers = {name: ms / ours for name, ms in _peers(model, config).items()}
    return Result(
        threads=threads,
        particles=config.particles,
        substep={name: round(ms, 3) for name, ms in substep.items()},
        throughput=round(config.particles / ours / 1e3, 1),
        speedup=round(substep["ours, 1 threads"] / ours, 2),
        times_taichi=round(substep.get(f"Taichi, {threads} threads", nan) / ours, 1),
        cost_of_many=round(many["many"] / config.many / (ours / config.particles), 2) if many else nan,
        peak_memory=round(memory, 2) if many else nan,
        peers={name: round(ratio, 1) for name, ratio in peers.items()},
    )


def cube(count: int, law: str) -> Model:
    """About `count` particles, in the middle of a grid of 64³ nodes, or of as many as hold the same share of them."""
    side = round(count ** (1 / 3))
    nodes = max(64, round(64 * side / 46))
    cell = 1 / (nodes - 1)
    rng = np.random.default_rng(0)
    lattice = np.stack(np.meshgrid(*[np.arange(side)] * 3, indexing="ij"), -1).reshape(-1, 3)
    x = 0.5 + (lattice + rng.uniform(0.2, 0.8, lattice.shape) - side / 2) * cell / 2
    p, volume = len(x), cell**3 / 8
    default = Quantity(0.0)
    material = Material(law, Quantity(1000.0), Quantity(1e5), Quantity(0.3), default, default, LAWS[law])
    particles = Particles(
        torch.from_numpy(x).float(),
        torch.zeros(p, 3),
        torch.full((p,), 1000 * volume),
        torch.full((p,), volume),
        torch.zeros(p, dtype=torch.int32),
        (material,),
    )
    return Model(domain=Domain((0.0, 0.0, 0.0), (1.0, 1.0, 1.0), cell), particles=particles)


def _ours(model: Model, threads: int, config: Config) -> Callable[[], object]:
    return _step(SolverMPM(model), model, config, threads)


def _taichi(model: Model, config: Config) -> Callable[[], object]:
    from scenekit.sim.mpm_taichi import SolverTaichi

    return _step(SolverTaichi(model, threads=launch.threads()), model, config, launch.threads())


def _step(solver: Solver, model: Model, config: Config, threads: int) -> Callable[[], object]:
    """A step of so many substeps of a solver that has a state of its own."""
    state, control, dt = model.state(), model.control(), config.substeps * longest_substep(model, 0.4)

    def step() -> None:
        if launch.threads() != threads:
            launch.set_threads(threads)
        solver.step(state, state, control, dt)

    return step


def _in_turns(steps: dict[str, Callable[[], object]], config: Config) -> dict[str, float]:
    """Median time of a substep [ms] over rounds in which every engine steps once; the first two warm up."""
    times: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(config.repeats + 2):
        for name, step in steps.items():
            start = time.perf_counter()
            step()
            times[name].append(1e3 * (time.perf_counter() - start) / config.substeps)
    return {name: float(np.median(t[2:])) for name, t in times.items()}


def _peers(model: Model, config: Config) -> dict[str, float]:
    """Time of a substep of the other engines [ms]."""
    asked = {"genesis": config.peer_genesis, "newton": config.peer_newton}
    return {name: _peer(name, python, model, config) for name, python in asked.items() if python is not None}


def _peer(name: str, python: Path, model: Model, config: Config) -> float:
    assert model.domain is not None
    job = {
        "particles": config.particles,
        "cell": model.domain.cell,
        "h": longest_substep(model, 0.4),
        "substeps": config.substeps,
        "repeats": config.repeats,
    }
    done = subprocess.run([str(python), str(PEERS), name, json.dumps(job)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise BackendError(f"peer {name}", got=done.stderr[-300:], wanted=f"a Python with {name}")
    return float(json.loads(done.stdout.splitlines()[-1])["ms"])

"""The cube of `bench_mpm` in other engines, run by a Python that has them: `PYTHON mpm_peers.py NAME JOB`.

Prints the median time of a step [ms], each of the same length as our substep. Imports nothing of scenekit.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from importlib import import_module
from statistics import median
from typing import Any

Job = dict[str, float]


def newton(job: Job) -> Callable[[], object]:
    """Newton's implicit MPM with its own settings, elastic, on the CPU; a step is one implicit solve."""
    import numpy as np

    wp, engine = import_module("warp"), import_module("newton")
    wp.set_device("cpu")
    solvers = import_module("newton.solvers")
    builder = engine.ModelBuilder()
    solvers.SolverImplicitMPM.register_custom_attributes(builder)
    side, gap = round(job["particles"] ** (1 / 3)), job["cell"] / 2
    rng = np.random.default_rng(0)
    lattice = np.stack(np.meshgrid(*[np.arange(side)] * 3, indexing="ij"), -1).reshape(-1, 3)
    x = 0.5 + (lattice + rng.uniform(0.2, 0.8, lattice.shape) - side / 2) * gap
    count = len(x)
    speeds, masses, radii = [wp.vec3(0.0, 0.0, 0.0)] * count, [1000 * gap**3] * count, [gap / 2] * count
    builder.add_particles(pos=[wp.vec3(*row) for row in x], vel=speeds, mass=masses, radius=radii)
    model = builder.finalize(device="cpu")
    model.mpm.young_modulus.fill_(1e5)
    model.mpm.poisson_ratio.fill_(0.3)
    model.mpm.tensile_yield_ratio.fill_(1.0)
    config = solvers.SolverImplicitMPM.Config()
    config.voxel_size = job["cell"]
    solver, states = solvers.SolverImplicitMPM(model, config=config), [model.state(), model.state()]

    def step() -> None:
        solver.step(states[0], states[1], None, None, job["h"])
        states.reverse()

    return step


def genesis(job: Job) -> Callable[[], object]:
    """Genesis' explicit MPM, neo-Hookean, on the CPU."""
    gs: Any = import_module("genesis")
    gs.init(backend=gs.cpu, logging_level="error")
    side = round(job["particles"] ** (1 / 3)) * job["cell"] / 2
    scene = gs.Scene(
        sim_options=gs.options.SimOptions(dt=job["h"], substeps=1),
        mpm_options=gs.options.MPMOptions(
            lower_bound=(0.0, 0.0, 0.0),
            upper_bound=(1.0, 1.0, 1.0),
            grid_density=1 / job["cell"],
            particle_size=job["cell"] / 2,
        ),
        show_viewer=False,
    )
    material = gs.materials.MPM.Elastic(E=1e5, nu=0.3, rho=1000.0, model="neohooken", sampler="regular")
    scene.add_entity(gs.morphs.Box(pos=(0.5, 0.5, 0.5), size=(side, side, side)), material=material)
    scene.build()
    return scene.step


def main(name: str, job: Job) -> None:
    """Times the steps of one engine."""
    step, times = {"newton": newton, "genesis": genesis}[name](job), []
    for _ in range(int(job["repeats"]) + 2):
        start = time.perf_counter()
        step()
        times.append(1e3 * (time.perf_counter() - start))
    print(json.dumps({"ms": median(times[2:])}))


if __name__ == "__main__":
    main(sys.argv[1], json.loads(sys.argv[2]))

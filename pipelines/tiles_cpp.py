"""The forward tile stage in C++ (`bench_tiles.cpp`) beside our kernel, on the same lists: for `bench_tiles --cpp`."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

import scenekit._kernels.launch as launch
import scenekit._kernels.splat_tiles as splat_tiles
from scenekit.errors import BackendError
from scenekit.render.splats_pixels import described
from scenekit.render.splats_warp import Bins

SOURCE = Path(__file__).with_name("bench_tiles.cpp")
FLAGS = [
    *("-O3", "-march=native", "-fopenmp", "-shared", "-fPIC"),
    *("-fno-math-errno", "-fno-trapping-math", "-ffinite-math-only", "-fno-signed-zeros"),
]
"""Not -ffast-math: it would fold away the rounding in exp2, and its start-up code sets this whole process to flush
denormal numbers."""
DIFFERENCE = 1e-4
"""Largest relative difference ‖a − b‖ / ‖b‖ of the images and of the alphas."""


def stages(size: tuple[int, int], splats: tuple[Tensor, Tensor, Tensor], bins: Bins) -> dict[str, Callable[[], object]]:
    """One forward launch of our kernel, and one of the C++, over `launch.threads()` threads each.

    Args:
        size: Width and height of the image [px].
        splats: Centres (n, 2) [px], shapes (n, 4) and colours (n, 3).
        bins: The tile lists of both.

    Raises:
        BackendError: If there is no g++, it does not compile the source, or the two images differ.
    """
    ours, theirs = ([torch.zeros(size[1] * size[0], 3), torch.zeros(size[1] * size[0])] for _ in range(2))
    kernel, _ = splat_tiles.tile_kernels(3, False)
    background, ends = torch.zeros(3), torch.empty_like(bins.offsets[:-1])
    forward = compiled()
    given = [t.contiguous() for t in (bins.offsets, bins.ids, *splats)]
    numbers = [launch.threads(), bins.tiles_x, bins.tiles_y, *size]

    def run() -> None:
        arrays = described(kernel, 6, [*given, background, *ours, ends])
        launch.launch(kernel, len(ends), [bins.tiles_x, *size, 0, *arrays], "cpu", interleaved=True)

    def run_cpp() -> None:
        forward(*numbers, *(ctypes.c_void_p(t.data_ptr()) for t in (*given, *theirs)))

    run()
    run_cpp()
    difference = max(((a - b).norm() / b.norm()).item() for a, b in zip(theirs, ours, strict=True))
    if not difference <= DIFFERENCE:
        wanted = f"at most {DIFFERENCE:g}"
        raise BackendError(SOURCE.name, got=f"images that differ by {difference:.2g} of their norm", wanted=wanted)
    return {"ours": run, "C++": run_cpp}


def compiled() -> Callable[..., None]:
    """`forward` of the C++, compiled by the system's g++ in a temporary folder.

    Raises:
        BackendError: If there is no g++, or it fails.
    """
    compiler = shutil.which("g++")
    if compiler is None:
        raise BackendError("g++", got="no such program", wanted="a C++ compiler with OpenMP", hint="Install g++.")
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder) / "tiles.so"
        done = subprocess.run([compiler, *FLAGS, str(SOURCE), "-o", str(library)], capture_output=True, text=True)
        if done.returncode:
            raise BackendError("g++", got=done.stderr.strip()[-500:], wanted=f"{SOURCE.name} compiled")
        forward = ctypes.CDLL(str(library)).forward  # stays loaded when the file has gone
    forward.restype = None
    return forward

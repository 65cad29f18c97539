"""CoACD in a process of its own: a solid → clouds of points whose hulls are convex pieces of it.

CoACD (Wei et al. 2022, Approximate convex decomposition for 3D meshes with collision-aware concavity) is C++ that may
take minutes over a rough mesh, or crash on it, and cannot be interrupted. The child is this file run as a program; it
imports nothing of ours, so it starts at once. Letters: v vertices, f faces, n points.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

SECONDS = 120.0
"""Most that a solid may take [s]; those of a few thousand faces take 1 to 20 on two cores."""

SEARCH = 20
"""Iterations of the tree search for each cut."""

CRUMB = 1e-6
"""Pieces this much thinner than long are leftovers of a cut, or of a few points in a plane."""

THICKENED = 30
"""Voxels along the longest side of a sheet that is thickened."""


def cut(vertices: Array, faces: Array, *, threshold: float, is_solid: bool, seed: int) -> list[Array] | None:
    """Points of each convex piece, shape (n, 3) each [m]; as many pieces as it takes, not merged.

    Args:
        vertices: Positions [m], shape (v, 3).
        faces: Shape (f, 3).
        threshold: Concavity that a piece may have, a distance [m].
        is_solid: Whether the faces are the surface of a solid; a sheet is thickened.
        seed: Of the search.

    Returns:
        The pieces, without crumbs that span no volume; None if there are none, or CoACD crashed or took longer than
        `SECONDS`.
    """
    sent = io.BytesIO()
    np.savez(
        sent, vertices=np.asarray(vertices, np.float64), faces=np.asarray(faces, np.int32),
        threshold=np.array(threshold), is_solid=np.array(is_solid), seed=np.array(seed),
    )  # fmt: skip
    try:
        ran = subprocess.run(
            [sys.executable, "-P", __file__], input=sent.getvalue(), capture_output=True, timeout=SECONDS, check=True,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )  # fmt: skip
    except (subprocess.TimeoutExpired, subprocess.CalledProcessError):
        return None
    with np.load(io.BytesIO(ran.stdout)) as found:
        return [points for points in map(found.get, found.files) if _is_solid(points)] or None


def _is_solid(points: Array) -> bool:
    """Whether points span a volume: their least spread is not nothing beside their greatest."""
    if len(points) < 4:
        return False
    spread = np.linalg.svd(points - points.mean(0), compute_uv=False)
    return bool(spread[2] > CRUMB * spread[0])


def _serve() -> None:
    """The child: reads a solid, answers with its pieces."""
    import coacd

    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever CoACD prints must not enter the answer
    coacd.set_log_level("error")
    with np.load(io.BytesIO(sys.stdin.buffer.read())) as given:
        parts = coacd.run_coacd(
            coacd.Mesh(given["vertices"], given["faces"]),
            threshold=float(given["threshold"]),
            max_convex_hull=-1,
            preprocess_mode="off" if given["is_solid"] else "on",
            preprocess_resolution=THICKENED,
            resolution=1000,
            mcts_iterations=SEARCH,
            merge=False,  # `scenekit.sim.merging` asks the solid itself, and finds half as many
            seed=int(given["seed"]),
            real_metric=True,
        )
    np.savez(out, *(vertices for vertices, _ in parts))
    out.close()


if __name__ == "__main__":
    _serve()

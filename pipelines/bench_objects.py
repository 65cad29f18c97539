"""How good the closed meshes of a scene's things are: sound or not, how near to the truth, and their volumes.

    scenekit demo -o demo
    scenekit bench objects --scene demo/tabletop --truth demo/photos

The scene is moved onto the true cameras by a similarity first. docs/evaluation.md has the protocol.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median

import numpy as np
import torch

from scenekit.capture.capture import Capture, Points
from scenekit.errors import InputError
from scenekit.meshes import Mesh, merge_meshes
from scenekit.opening import open_scene
from scenekit.pipelines.bench_surface import Truth, onto_truth, read_truth
from scenekit.surface.scores import SurfaceScores, area_samples, nearest_meshes, object_scores
from scenekit.validation.crossings import crossings
from scenekit.validation.surface import Surface

MATCH_SAMPLES = 2000
"""Points of a mesh that vote for the true thing it shows."""


@dataclass(frozen=True)
class Config:
    """What is measured."""

    scene: Path = Path("runs/demo/tabletop")
    """A scene with meshes, such as a run with --mesh."""
    truth: Path = Path("runs/demo/photos")
    """The capture, with its truth."""
    threshold: float = 0.005
    """Of the F-score [m]."""
    samples: int = 20_000
    """Points on each thing."""
    seed: int = 0
    """Of the points."""


@dataclass(frozen=True)
class Solid:
    """One closed mesh."""

    shows: str
    """The true thing that most of its surface is nearest to."""
    faces: int
    """Number of faces."""
    sound: bool
    """Closed, looking outwards, one shell, and nowhere through itself."""
    volume: float
    """Enclosed, over the true volume."""


@dataclass(frozen=True)
class Result:
    """All of them."""

    solids: dict[str, Solid]
    """By node."""
    scores: dict[str, SurfaceScores]
    """Of all closed meshes together against each true object, by its name."""

    @property
    def chamfer(self) -> float:
        """Mean over the objects that have a mesh [m]."""
        return fmean(score.chamfer for score in self.scores.values() if np.isfinite(score.chamfer))

    def __str__(self) -> str:
        lines = ["| node | shows | faces | sound | volume / true |", "|---|---|---|---|---|"]
        lines += [
            f"| {path} | {s.shows} | {s.faces} | {'yes' if s.sound else 'no'} | {s.volume:.2f} |"
            for path, s in self.solids.items()
        ]
        lines += ["", "| object | Chamfer [mm] | F |", "|---|---|---|"]
        lines += [f"| {name} | {1e3 * s.chamfer:.2f} | {s.f_score:.3f} |" for name, s in self.scores.items()]
        found = [s for s in self.scores.values() if np.isfinite(s.chamfer)]
        lines.append(f"| **mean of {len(found)}** | {1e3 * self.chamfer:.2f} | {fmean(s.f_score for s in found):.3f} |")
        sound = sum(solid.sound for solid in self.solids.values())
        off = median(abs(solid.volume - 1) for solid in self.solids.values())
        return "\n".join([*lines, "", f"{sound} of {len(self.solids)} sound; volume off by {off:.0%} in the median"])


def run(config: Config) -> Result:
    """Measure; see the module.

    Raises:
        FileError: If the scene or the truth is missing.
        InputError: If the scene has no closed mesh.
    """
    truth, state = read_truth(config.truth), open_scene(config.scene).state
    seen = Capture(state.photos(), Points.none(), "scene")
    T, capture = onto_truth(seen, config.truth)
    meshes = {
        path: node.mesh.transform(torch.from_numpy(T @ state.pose(path).matrix))
        for path, node in state.walk()
        if node.mesh is not None and Surface(node.mesh).is_closed
    }
    if not meshes:
        raise InputError("scene", got="no closed mesh", wanted="at least one", hint="scenekit segment, scenekit mesh.")
    whole = merge_meshes([Mesh(mesh.vertices, mesh.faces) for mesh in meshes.values()])
    options = {"samples": config.samples, "threshold": config.threshold, "seed": config.seed}
    scores = object_scores(whole, truth.meshes, seen_from=capture, **options)  # type: ignore[arg-type]
    return Result(dict(_solids(meshes, truth)), {truth.names[k]: scores[k] for k in truth.free})


def _solids(meshes: dict[str, Mesh], truth: Truth) -> Iterator[tuple[str, Solid]]:
    rng = np.random.default_rng(0)
    for path, mesh in meshes.items():
        votes = np.bincount(nearest_meshes(truth.objects, area_samples(mesh, MATCH_SAMPLES, rng)))
        shown = int(votes.argmax())
        surface = Surface(mesh)
        crossed = crossings(surface.vertices, surface.faces)
        sound = len(crossed.pairs) == 0 and crossed.complete and int(surface.shell.max()) == 0
        volume, true = surface.solid.volume, Surface(truth.objects[shown]).solid.volume
        yield path, Solid(truth.names[truth.free[shown]], len(mesh.faces), sound and volume > 0, volume / true)

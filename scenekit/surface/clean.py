"""Cleaning: what a fused surface has too much or too little of, and what was done about it. Letters: v vertices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from scenekit.errors import InputError
from scenekit.meshes import Mesh
from scenekit.surface.holes import with_holes_closed
from scenekit.surface.mend import compact, joined, without_crumbs, without_needless_faces, wound
from scenekit.surface.simplify import simplified
from scenekit.surface.smooth import smoothed
from scenekit.surface.spikes import without_spikes
from scenekit.validation.finding import counted
from scenekit.validation.surface import Surface


@dataclass(frozen=True)
class CleanConfig:
    """What is cleaned. The defaults take away what no real surface has, and neither invent nor blur any."""

    min_component: float = 0.001
    """Pieces with less than this share of the largest one's area are dropped: crumbs of a room or table, and not a
    thing that stands alone; 0 keeps all."""
    spike: float = 60.0
    """Vertices at the tip of a cone narrower than this that stands on a surface are moved down to their neighbours
    [degrees]; at 60 none in a dozen true meshes; 0 moves none."""
    max_hole: float = 0.0
    """Holes with a rim of up to this part of the mesh's diagonal are closed. None by default: where no photo saw a
    surface, there is none to show, and a solid for physics is made by `solid`."""
    smooth: int = 0
    """Steps of Taubin's smoothing; 10 take away the noise of single voxels. None by default: it blurs edges too, and
    fusion has averaged over many photos."""
    faces: int | None = None
    """Faces to keep; None: by `error` alone."""
    error: float | None = None
    """Fewer faces within this distance from the surface [m], as `simplify.deviation` measures it. None by default:
    colours live on the vertices, and fewer hold less of them."""

    def __post_init__(self) -> None:
        for name, good, wanted in (
            ("min_component", 0 <= self.min_component <= 1, "0 to 1"),
            ("spike", 0 <= self.spike <= 180, "0 to 180 degrees"),
            ("max_hole", self.max_hole >= 0, "0 or more"),
            ("smooth", self.smooth >= 0, "0 or more"),
            ("faces", self.faces is None or self.faces >= 4, "at least 4"),
            ("error", self.error is None or 0 < self.error < np.inf, "a length in m above 0"),
        ):
            if not good:
                raise InputError(name, got=getattr(self, name), wanted=wanted)


class CleanReport(NamedTuple):
    """What was done."""

    before: int
    """Faces that were given."""
    after: int
    """Faces that are left."""
    broken: int
    """Faces dropped for a corner that is not finite."""
    needless: int
    """Doubled faces and faces without area that were dropped."""
    crumbs: int
    """Small pieces that were dropped."""
    spikes: int
    """Vertices that were moved down to their neighbours."""
    turned: int
    """Faces that were turned to look the way of their neighbours."""
    holes: int
    """Holes that were closed."""
    left_open: int
    """Holes that are left."""
    smoothed: float
    """Greatest distance that smoothing moved a vertex [m]."""
    simplified: int
    """Faces that simplification took away."""

    def __str__(self) -> str:
        done = (
            (self.broken, f"{counted(self.broken, 'face')} without a finite place dropped"),
            (self.needless, f"{counted(self.needless, 'doubled or flat face')} dropped"),
            (self.crumbs, f"{counted(self.crumbs, 'crumb')} dropped"),
            (self.spikes, f"{counted(self.spikes, 'spike')} moved down"),
            (self.turned, f"{counted(self.turned, 'face')} turned"),
            (self.holes, f"{counted(self.holes, 'hole')} closed"),
            (self.left_open, f"{counted(self.left_open, 'hole')} left open"),
            (self.smoothed, f"smoothed by up to {self.smoothed:.2g} m"),
            (self.simplified, f"{counted(self.simplified, 'face')} simplified away"),
        )
        return "\n".join([f"{self.before} → {self.after} faces", *(text for count, text in done if count)])


def clean(mesh: Mesh, config: CleanConfig = CleanConfig()) -> tuple[Mesh, CleanReport]:
    """The mesh without what a reconstruction leaves behind, and what was done.

    Vertex colours and, unless it is simplified, a texture follow. Faces keep the side from which the photos saw them;
    the fewer of a piece that disagree are turned.

    Raises:
        InputError: If a textured mesh is to be simplified.
    """
    finite = compact(joined(mesh))
    if not len(finite.faces):
        return finite, CleanReport(len(mesh.faces), 0, len(mesh.faces), 0, 0, 0, 0, 0, 0, 0.0, 0)
    needed = compact(without_needless_faces(finite))
    large = without_crumbs(needed, config.min_component)
    aligned = wound(large)
    blunt = without_spikes(aligned, config.spike)
    closed = with_holes_closed(blunt, config.max_hole)
    smooth = smoothed(closed, config.smooth)
    reduces = config.faces is not None or config.error is not None
    result = simplified(smooth, faces=config.faces, error=config.error) if reduces else smooth
    report = CleanReport(
        before=len(mesh.faces),
        after=len(result.faces),
        broken=len(mesh.faces) - len(finite.faces),
        needless=len(finite.faces) - len(needed.faces),
        crumbs=_pieces(needed) - _pieces(large),
        spikes=int((blunt.vertices != aligned.vertices).any(1).sum()),
        turned=int((aligned.faces != large.faces).any(1).sum()),
        holes=_holes(blunt) - _holes(closed),
        left_open=_holes(result),
        smoothed=max((smooth.vertices - closed.vertices).norm(dim=1).tolist(), default=0.0),
        simplified=len(smooth.faces) - len(result.faces),
    )
    return result, report


def _pieces(mesh: Mesh) -> int:
    return int(Surface(mesh).shell.max(initial=-1)) + 1


def _holes(mesh: Mesh) -> int:
    return len(Surface(mesh).holes)

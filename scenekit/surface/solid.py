"""Solid: any triangles → the closed surface of a body, fit for physics. Letters: v vertices, f faces, n m k nodes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from scenekit.cameras import Array
from scenekit.errors import InputError
from scenekit.meshes import Mesh
from scenekit.surface.holes import with_holes_closed
from scenekit.surface.isosurface import isosurface
from scenekit.surface.mend import largest_shell, mended, outward, without_crumbs
from scenekit.surface.outside import facing_out
from scenekit.surface.signed_distance import signed_field
from scenekit.surface.simplify import simplified
from scenekit.surface.transfer import colored_like
from scenekit.validation.crossings import crossings
from scenekit.validation.probe import Probe
from scenekit.validation.shells import shells
from scenekit.validation.surface import Surface

NODES = 1_000_000
"""Nodes of the grid where no voxel is given."""

NODE_BYTES = 40
"""Memory that a node takes at the most, all arrays together."""

PAD = 3
"""Voxels around the mesh, in which its surface ends."""

CRUMB = 0.001
"""A piece with less than this share of the largest one's area is no part of the body."""

SIMPLER = 0.15
"""Error within which a new surface is simplified where none is given [voxels]."""

BACK_OFF = (1.0, 1.15, 1.4, 1.8, 2.5, 4.0)
"""Times as many faces are kept while a simplified surface crosses itself."""

PAIRS = 600
"""Pairs of boxes that are looked at for each face to find crossings, several times what a fine surface needs."""

SAMPLES = 50_000
"""Points spread over a surface to measure what is new or lost."""


How = Literal["untouched", "mended", "remeshed"]
"""It was a solid; `mend` and patches over its holes were enough; it has a new surface."""


@dataclass(frozen=True)
class SolidConfig:
    """How triangles become a solid. Lengths are in metres; None is chosen from the mesh."""

    voxel: float | None = None
    """Side of a voxel of the grid [m]; what is thinner may be lost. None: so that there are about a million nodes."""
    one_shell: bool = True
    """Keeps only the largest body, and fills its hollows: no photo saw these, and simulators take one surface."""
    faces: int | None = None
    """Faces to keep, about; more where fewer would cross. None: by `error` alone."""
    error: float | None = None
    """Simplifies within this distance [m], as `simplify.deviation` measures it. None: 0.15 voxels if the
    surface is new, else not at all."""
    max_memory: int = 2_000_000_000
    """Most memory for the grid [bytes]."""

    def __post_init__(self) -> None:
        for name, good, wanted in (
            ("voxel", self.voxel is None or 0 < self.voxel < np.inf, "a length in m above 0"),
            ("faces", self.faces is None or self.faces >= 4, "at least 4"),
            ("error", self.error is None or 0 < self.error < np.inf, "a length in m above 0"),
            ("max_memory", self.max_memory > 0, "above 0 bytes"),
        ):
            if not good:
                raise InputError(name, got=getattr(self, name), wanted=wanted)


class SolidReport(NamedTuple):
    """What was done."""

    how: How
    """What it took."""
    before: int
    """Faces that were given."""
    after: int
    """Faces of the solid."""
    voxel: float
    """Side of a voxel [m], the measure of what is new or lost."""
    estimated: float
    """Share of the solid's area farther than half a voxel from what was given: fills, which nobody saw."""
    lost: float
    """Share of the given area farther than a voxel from the solid: crumbs, inner walls, what is too thin."""
    volume: float
    """What it encloses [m³]."""

    def __str__(self) -> str:
        grid = f" on a grid of {self.voxel:.3g} m" if self.how == "remeshed" else ""
        return "\n".join(
            [
                f"{self.before} → {self.after} faces, {self.how}{grid}, {self.volume:.4g} m³",
                f"{self.estimated:.1%} of the surface estimated, {self.lost:.1%} of what was given lost",
            ]
        )


def solid(mesh: Mesh, config: SolidConfig = SolidConfig()) -> tuple[Mesh, SolidReport]:
    """A closed, outward, manifold surface without crossings around what the triangles enclose, and what was done.

    A mesh that is such a surface is returned as it is; one that lacks no more than mending and fills keeps all its
    triangles. Any other is sampled as a field, the distance to its triangles with the sign of their generalized
    winding number (Jacobson et al. 2013), and gets the field's `isosurface`, simplified as far as that stays sound. A
    new surface has vertex colours from the nearest points of the old one, also where that had a texture.

    Raises:
        InputError: If there is no face, they enclose nothing that the voxel shows, or the grid would take more than
            `max_memory`; the message tells which voxel fits.
    """
    if not len(mesh.faces) or not mesh.vertices[mesh.faces].isfinite().all(2).all(1).any():
        raise InputError("mesh", got="no face with finite corners", wanted="a surface")
    how: How = "untouched"
    result, error = mesh, config.error
    unsound = faults(mesh, one_shell=config.one_shell)
    if unsound:
        result, how = _mended(mesh), "mended"
    voxel = _voxel(result, config)
    if unsound and faults(result, one_shell=config.one_shell):
        result, how = colored_like(_remeshed(result, voxel, config), mesh), "remeshed"
        error = SIMPLER * voxel if error is None and config.faces is None else error
    if config.faces is not None or error is not None:
        result = simplified_solid(result, faces=config.faces, error=error, one_shell=config.one_shell)
    given, made = Surface(mended(mesh, max_hole=0)), Surface(result)
    estimated = Probe(given.vertices, given.faces).distance(made.sample(SAMPLES)[0]) > voxel / 2
    lost = Probe(made.vertices, made.faces).distance(given.sample(SAMPLES)[0]) > voxel
    shares = float(estimated.mean()), float(lost.mean())
    return result, SolidReport(how, len(mesh.faces), len(result.faces), voxel, *shares, made.solid.volume)


def faults(mesh: Mesh, *, one_shell: bool = True) -> list[str]:
    """What keeps a mesh from being the surface of a solid, in words; nothing if it is one."""
    if not len(mesh.faces) or not mesh.vertices[mesh.faces].isfinite().all():
        return ["no faces, or corners that are not finite"]
    surface = Surface(mesh)
    flat = len(surface.degenerate) + len(surface.duplicates)
    odd, turned = int((surface.faces_at != 2).sum()), int((surface.balance != 0).sum())
    found = [(flat, "doubled or flat faces"), (odd, "edges without two faces"), (turned, "edges where faces disagree")]
    found.append((len(surface.pinched), "vertices where parts meet in a point"))
    if not any(count for count, _ in found):
        pieces = shells(surface)
        found.append((sum(p.is_inside_out or p.is_buried for p in pieces), "shells inside out or buried"))
        found.append(((len(pieces) - 1) * one_shell, "shells too many"))
    if not any(count for count, _ in found):
        crossed = crossings(surface.vertices, surface.faces, budget=PAIRS * len(surface.faces) + 10_000)
        found.append((len(crossed.pairs) + (not crossed.complete), "pairs of faces that cross, or too many to look at"))
    return [f"{count} {what}" for count, what in found if count]


def simplified_solid(
    mesh: Mesh, *, faces: int | None = None, error: float | None = None, one_shell: bool = True
) -> Mesh:
    """A solid of fewer faces, as `simplified`, but of more than asked for where fewer would cross or pinch.

    Raises:
        InputError: As `simplified`.
    """
    fewer = simplified(mesh, faces=faces, error=error)
    for factor in BACK_OFF:
        count = round(factor * len(fewer.faces))
        if count >= len(mesh.faces):
            break
        candidate = fewer if factor == 1 else simplified(mesh, faces=count)
        if not faults(candidate, one_shell=one_shell):
            return candidate
    return mesh


def _mended(mesh: Mesh) -> Mesh:
    """What can be had without a new surface: no crumbs, wound outwards, holes closed where patches cross nothing."""
    whole = mended(mesh, max_hole=0)
    if not len(whole.faces):
        raise InputError("mesh", got="only faces without area", wanted="a surface")
    return outward(with_holes_closed(facing_out(without_crumbs(whole, CRUMB)), np.inf))


def _remeshed(mesh: Mesh, voxel: float, config: SolidConfig) -> Mesh:
    """The surface of the signed field, without look."""
    low, high = (end.double().numpy() for end in mesh.vertices[mesh.faces].reshape(-1, 3).aminmax(dim=0))
    origin = low - PAD * voxel
    field = signed_field(mesh, origin=origin, shape=_nodes(high - low, voxel), voxel=voxel)
    surface = isosurface(field, origin=origin.tolist(), voxel=voxel)
    if not len(surface.faces):
        hint = "A smaller voxel shows thinner things; an open sheet encloses nothing."
        raise InputError("mesh", got=f"nothing inside at a voxel of {voxel:.3g} m", wanted="a body", hint=hint)
    return largest_shell(surface) if config.one_shell else surface


def _voxel(mesh: Mesh, config: SolidConfig) -> float:
    """Side of a voxel [m], checked against the memory of the grid before there is one."""
    low, high = mesh.vertices[mesh.faces].reshape(-1, 3).double().aminmax(dim=0)
    extent = (high - low).numpy()
    if not 0 < extent.max() < np.inf:
        raise InputError("mesh", got="all corners in one place", wanted="a surface")
    voxel = _voxel_for(extent, NODES) if config.voxel is None else config.voxel
    needed = math.prod(_nodes(extent, voxel)) * NODE_BYTES
    if needed > config.max_memory:
        fits = _voxel_for(extent, config.max_memory // NODE_BYTES)
        got = f"{voxel:.3g} m, {needed / 1e9:.3g} GB of nodes"
        wanted = f"at least {fits:.3g} m for max_memory of {config.max_memory / 1e9:.3g} GB"
        raise InputError("voxel", got=got, wanted=wanted)
    return voxel


def _nodes(extent: Array, voxel: float) -> tuple[int, int, int]:
    n, m, k = (math.ceil(side / voxel) + 2 * PAD + 1 for side in extent.tolist())
    return n, m, k


def _voxel_for(extent: Array, nodes: float) -> float:
    """The smallest voxel, rounded up in the third digit, with which the grid has at most so many nodes."""
    low, high = float(extent.max()) * 1e-7, float(extent.max())
    for _ in range(60):
        middle = (low * high) ** 0.5
        if math.prod(_nodes(extent, middle)) > nodes:
            low = middle
        else:
            high = middle
    digit = 10.0 ** (math.floor(math.log10(high)) - 2)
    return float(f"{math.ceil(high / digit) * digit:.3g}")

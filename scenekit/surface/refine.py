"""Refinement: a mesh and its colours → nearer to the photos, through the differentiable renderer.

    mesh, report = refine(textured, load_views(undistorted(capture, "cache")))

Each step draws what one photo shows and moves colours and vertices against the mean absolute difference. Vertices move
with their neighbours (Nicolet et al. 2021), so that the surface stays smooth.

Letters: v vertices, u vertices at distinct places, e edges, f faces, h w image.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import NamedTuple

import numpy as np
import torch
from rich.progress import track
from torch import Tensor

from scenekit.cameras import inverse_pose, pinhole
from scenekit.capture.views import View
from scenekit.errors import InputError
from scenekit.evaluate import psnr
from scenekit.meshes import Mesh
from scenekit.render.soft_meshes import SoftMesh, render_soft, soft_mesh, welded
from scenekit.surface.large_steps import LargeSteps, smoothing

REPORTED = 8
"""Most photos that the report's PSNR is a mean over."""

COVERED = 0.999
"""Alpha from which on a pixel shows nothing behind the mesh."""


@dataclass(frozen=True)
class RefineConfig:
    """Options of `refine`."""

    steps: int = 400
    """Steps, of one photo each."""
    vertex_rate: float = 3e-3
    """About the most that a vertex moves in a step, as a share of the mesh's diagonal; 0 keeps the shape."""
    color_rate: float = 0.01
    """Step of texels and vertex colours, in display values 0..1; 0 keeps the colours."""
    smoothness: float = 20.0
    """λ of I + λL: a move spreads over about √λ edges; 0 moves each vertex by itself."""
    background: tuple[float, float, float] | None = None
    """Display colour 0..1 behind the mesh. None: unknown, and only pixels that the mesh covers count."""
    seed: int = 0
    """Of the order of the photos."""

    def __post_init__(self) -> None:
        for name, good, wanted in (
            ("steps", self.steps >= 1, "at least 1"),
            ("vertex_rate", 0 <= self.vertex_rate < 1, "0 to less than 1"),
            ("color_rate", 0 <= self.color_rate < 1, "0 to less than 1"),
            ("smoothness", 0 <= self.smoothness < np.inf, "0 or more"),
        ):
            if not good:
                raise InputError(name, got=getattr(self, name), wanted=wanted)


class RefineReport(NamedTuple):
    """What changed."""

    psnr_before: float
    """Mean over at most `REPORTED` of the photos, of the pixels that count [dB]."""
    psnr_after: float
    """The same afterwards [dB]."""
    moved: float
    """Mean distance that vertices moved [m]."""
    moved_most: float
    """Largest distance [m]."""
    flipped: int
    """Faces that turned by more than 90°: where there are any, look for folds."""


def refine(mesh: Mesh, views: Sequence[View], config: RefineConfig | None = None) -> tuple[Mesh, RefineReport]:
    """The mesh with vertices, and texture or vertex colours, fitted to photos; its faces stay as they are.

    Vertices at one place, as along the seams of a texture, stay together. Nothing keeps surfaces from passing through
    each other.

    Args:
        mesh: In the world of the views [m], nearly right, opaque.
        views: Photos; their masks are honoured.
        config: Options.

    Raises:
        InputError: If there are no views, none shows the mesh, or it has no face or a vertex that is not finite.
    """
    config = config or RefineConfig()
    if not views:
        raise InputError("views", got="none", wanted="at least one")
    soft = soft_mesh(mesh)
    psnr_before = _psnr(soft, views, config)
    kept, place = torch.unique(welded(mesh.vertices), return_inverse=True)
    points = mesh.vertices[kept].clone()
    adams = [LargeSteps(look, config.color_rate) for look in (soft.vertex_colors, soft.texture) if look is not None]
    smooth = smoothing(place[soft.edges.ends], len(points), config.smoothness)
    adams.append(LargeSteps(points, config.vertex_rate * _diagonal(mesh), smooth))
    for view, left in _schedule(views, config):
        soft = replace(soft, vertices=points[place])
        rgb, counts = _seen(soft, view, config)
        ((rgb - view.image / 255)[counts].abs().sum() / (3 * counts.sum().clamp(min=1))).backward()
        for adam in adams:
            adam.step(left)
    refined = _mesh(mesh, replace(soft, vertices=points.detach()[place]))
    return refined, _report(mesh, refined, psnr_before, _psnr(soft_mesh(refined), views, config))


def _schedule(views: Sequence[View], config: RefineConfig) -> Iterator[tuple[View, float]]:
    """The photo of each step, all before any again, and the share of the rates that is left, which falls to 0."""
    rng = np.random.default_rng(config.seed)
    order = np.concatenate([rng.permutation(len(views)) for _ in range(-(-config.steps // len(views)))])
    for step in track(range(config.steps), description="Refining", transient=True):
        yield views[order[step]], 1 - step / config.steps


def _seen(mesh: SoftMesh, view: View, config: RefineConfig) -> tuple[Tensor, Tensor]:
    """What the view's camera sees, shape (h, w, 3), and which pixels count, shape (h, w)."""
    fx, fy, cx, cy = (float(view.K[i, j]) for i, j in ((0, 0), (1, 1), (0, 2), (1, 2)))
    camera, pose = pinhole(view.width, view.height, fx, fy, cx, cy), inverse_pose(view.viewmat.double().numpy())
    frame = render_soft(mesh, camera, pose, background=config.background or (0.0, 0.0, 0.0))
    counts = frame.alpha.detach() > COVERED if config.background is None else torch.ones_like(frame.alpha).bool()
    return frame.rgb, counts if view.mask is None else counts & view.mask


@torch.no_grad()
def _psnr(mesh: SoftMesh, views: Sequence[View], config: RefineConfig) -> float:
    """Mean over some of the views [dB]."""
    values = []
    for view in views[:: -(-len(views) // REPORTED)]:
        rgb, counts = _seen(mesh, view, config)
        if counts.any():
            values.append(float(psnr(rgb.float(), view.image / 255, mask=counts)))
    if not values:
        hint = "Are the mesh and the photos in the same world?"
        raise InputError("views", got="none that shows the mesh", wanted="at least one", hint=hint)
    return fmean(values)


def _diagonal(mesh: Mesh) -> float:
    """Of the box around the mesh [m]."""
    low, high = mesh.vertices.aminmax(dim=0)
    return float((high - low).norm())


def _mesh(mesh: Mesh, soft: SoftMesh) -> Mesh:
    """The mesh with the vertices and colours of `soft`; it keeps its alpha."""

    def to_bytes(look: Tensor | None, old: Tensor | None) -> Tensor | None:
        if look is None or old is None:
            return old
        return torch.cat([(255 * look.detach().clamp(0, 1)).round().to(torch.uint8), old[..., 3:]], -1)

    return replace(
        mesh,
        vertices=soft.vertices,
        vertex_colors=to_bytes(soft.vertex_colors, mesh.vertex_colors),
        texture=to_bytes(soft.texture, mesh.texture),
    )


def _report(before: Mesh, after: Mesh, psnr_before: float, psnr_after: float) -> RefineReport:
    moves = (after.vertices - before.vertices).norm(dim=-1)
    normals = [torch.linalg.cross(*mesh.vertices[mesh.faces].diff(dim=1).unbind(1)) for mesh in (before, after)]
    flipped = (normals[0] * normals[1]).sum(-1) < 0
    return RefineReport(psnr_before, psnr_after, float(moves.mean()), float(moves.max()), int(flipped.sum()))

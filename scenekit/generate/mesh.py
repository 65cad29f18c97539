"""A mesh in the making: one that splats or a field left, refined by the same guide (the second stage of Magic3D).

Letters: v vertices, f faces, e edges, c cameras, h w picture.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from scenekit.errors import FitError, InputError
from scenekit.generate.representation import Moment, Rendered, Shading
from scenekit.generate.shading import shaded
from scenekit.guidance.regularisers import Ramp
from scenekit.guidance.view_cameras import ViewCameras
from scenekit.meshes import Mesh
from scenekit.render.soft_meshes import Edges, SoftMesh, render_soft, soft_mesh
from scenekit.splats import Splats
from scenekit.surface.flat_splats import mesh_splats
from scenekit.surface.large_steps import LargeSteps, smoothing
from scenekit.surface.mend import compact, joined
from scenekit.surface.solid import simplified_solid, solid

GREY = 128
"""Colour of a mesh that has none."""


@dataclass(frozen=True)
class MeshSketchConfig:
    """How a mesh is refined."""

    vertex_rate: float = 2e-3
    """About the most that a vertex moves in the first step, in longest sides of the thing; 0 keeps the form."""
    color_rate: float = 0.02
    """The same of display colours, 0..1; 0 keeps them."""
    smoothness: float = 20.0
    """λ of I + λL: a move spreads over about √λ edges (Nicolet et al. 2021)."""
    consistency: Ramp = field(default_factory=lambda: Ramp(100.0, 100.0))
    """Weight of the mean of 1 − cosine between neighbouring faces."""
    faces: int = 8000
    """To which a finer mesh is simplified first, about. A thing's edges then are 0.03 of its longest side long, a pixel
    of the embedded prior's pictures: what is smaller no guide sees, and takes time."""
    count: int = 20_000
    """Gaussians that it becomes."""

    def __post_init__(self) -> None:
        for name, good, wanted in (
            ("vertex_rate", 0 <= self.vertex_rate < 1, "0 to less than 1"),
            ("color_rate", 0 <= self.color_rate < 1, "0 to less than 1"),
            ("smoothness", 0 <= self.smoothness < np.inf, "0 or more"),
            ("faces", self.faces >= 4, "at least 4"),
            ("count", self.count >= 1, "at least 1"),
        ):
            if not good:
                raise InputError(f"mesh sketch {name}", got=getattr(self, name), wanted=wanted)


class MeshSketch:
    """A `Representation` by a closed mesh, whose vertices move and whose vertex colours change; its faces stay.

    Args:
        mesh: Closed, in the studio's frame, with vertex colours or of no particular colour.
        config: How it is refined.
        seed: Of the places of Gaussians that it becomes.

    Raises:
        InputError: If the mesh is empty, open, not finite or textured.
    """

    def __init__(self, mesh: Mesh, config: MeshSketchConfig = MeshSketchConfig(), *, seed: int = 0):
        self.config, self.seed = config, seed
        self.first = _plain(mesh, config.faces)
        self.soft = soft_mesh(self.first)
        self.pairs = _neighbours(self.soft.edges)
        assert self.soft.vertex_colors is not None  # `_plain` gave it some
        smooth = smoothing(self.soft.edges.ends, len(self.first.vertices), config.smoothness)
        self.form = LargeSteps(self.soft.vertices.clone(), config.vertex_rate, smooth)
        self.look = LargeSteps(self.soft.vertex_colors.clone(), config.color_rate)

    def render(
        self, cameras: ViewCameras, moment: Moment, *, background: Tensor, shading: Shading, generator: torch.Generator
    ) -> Rendered:
        """See `Representation`."""
        soft = replace(self.soft, vertices=self.form.values, vertex_colors=self.look.values)
        pairs = zip(cameras.cameras, cameras.T_world_cam, strict=True)
        frames = [render_soft(soft, camera, pose) for camera, pose in pairs]
        image, alpha = torch.stack([f.rgb for f in frames]), torch.stack([f.alpha for f in frames])
        normals = torch.stack([f.normals for f in frames]).movedim(-1, 1)
        pictures = shaded(
            image.movedim(-1, 1), alpha, normals, cameras,
            shading=shading, background=background, generator=generator,
        )  # fmt: skip
        return Rendered(pictures, alpha, self.config.consistency.at(moment.progress) * self._bends(soft))

    def advance(self, moment: Moment, generator: torch.Generator) -> None:
        """See `Representation`; the rates fall to 0 on a line."""
        self.form.step(1 - moment.progress)
        self.look.step(1 - moment.progress)
        self.look.values.data.clamp_(0, 1)

    def tensors(self) -> dict[str, Tensor]:
        """See `Representation`."""
        parts = {"form": self.form, "look": self.look}
        return {f"{name}.{key}": tensor for name, part in parts.items() for key, tensor in part.tensors().items()}

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """See `Representation`.

        Raises:
            InputError: If they are of another mesh.
        """
        if tensors["form.values"].shape != self.form.values.shape:
            got = f"{len(tensors['form.values'])} vertices"
            raise InputError("mesh", got=got, wanted=f"{len(self.form.values)}, as the mesh has that is refined")
        for name, part in (("form", self.form), ("look", self.look)):
            part.restore({key.removeprefix(f"{name}."): tensor for key, tensor in tensors.items()})

    def splats(self) -> Splats:
        """See `Representation`: flat ones on its surface."""
        return mesh_splats(self._now(), self.config.count, np.random.default_rng(self.seed))

    def mesh(self) -> Mesh:
        """See `Representation`; remeshed where its faces came to cross each other."""
        try:
            return solid(self._now())[0]
        except InputError as error:
            hint = "A smaller vertex_rate may help."
            raise FitError("mesh", got=f"no body any more ({error})", wanted="a body", hint=hint) from error

    def facts(self) -> dict[str, Any]:
        """How many faces it has, and how far its vertices have moved [longest sides]."""
        moved = (self.form.values.detach() - self.first.vertices).norm(dim=1)
        return {"faces": len(self.first.faces), "moved": round(float(moved.mean()), 4)}

    def _now(self) -> Mesh:
        rgb = (255 * self.look.values.detach()).round().to(torch.uint8)
        rgba = torch.nn.functional.pad(rgb, (0, 1), value=255)
        return replace(self.first, vertices=self.form.values.detach().clone(), vertex_colors=rgba)

    def _bends(self, soft: SoftMesh) -> Tensor:
        """Mean of 1 − cosine between neighbouring faces."""
        a, b, c = soft.vertices[soft.faces].unbind(1)
        normals = torch.nn.functional.normalize(torch.linalg.cross(b - a, c - a), dim=-1)
        return 1 - (normals[self.pairs[:, 0]] * normals[self.pairs[:, 1]]).sum(-1).mean()


def _plain(mesh: Mesh, faces: int) -> Mesh:
    """Vertices, colours and about so many faces at most, each vertex once."""
    if not len(mesh.faces) or not mesh.vertices.isfinite().all():
        raise InputError("mesh", got="no faces, or places that are not finite", wanted="a closed mesh")
    if mesh.texture is not None:
        raise InputError("mesh", got="a texture", wanted="vertex colours")
    grey = torch.full((len(mesh.vertices), 4), GREY, dtype=torch.uint8)
    colors = grey if mesh.vertex_colors is None else mesh.vertex_colors
    plain = compact(joined(Mesh(mesh.vertices, mesh.faces, colors)))
    return plain if len(plain.faces) <= faces else simplified_solid(plain, faces=faces)


def _neighbours(edges: Edges) -> Tensor:
    """The two faces of each edge, shape (e, 2)."""
    of = edges.of_faces.reshape(-1)
    if not (of.bincount() == 2).all():
        hint = "scenekit.surface.solid closes it."
        raise InputError("mesh", got="edges without two faces", wanted="a closed mesh", hint=hint)
    return (of.argsort(stable=True) // 3).reshape(-1, 2)

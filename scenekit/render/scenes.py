"""A whole scene as a camera sees it: splats, and the meshes of nodes that have no splats, where they are nearer."""

from __future__ import annotations

import torch
from torch import Tensor

from scenekit.cameras import Array, Camera
from scenekit.io.mesh_atlas import joined
from scenekit.render.meshes import ray_scene, render_mesh
from scenekit.render.splats import render
from scenekit.scene import SceneState

WHITE = (1.0, 1.0, 1.0)
"""Behind everything."""


class ScenePicture:
    """Draws a scene from any number of cameras.

    Args:
        state: The scene; a node that has splats looks like these, one that has a mesh alone like that.
        background: Display colour 0..1 behind everything.
    """

    def __init__(self, state: SceneState, *, background: tuple[float, float, float] = WHITE):
        self.background = background
        self._splats = state.splats()
        posed = [
            node.mesh.transform(torch.from_numpy(state.pose(path).matrix))
            for path, node in state.walk()
            if node.mesh is not None and node.splats is None and len(node.mesh.faces)
        ]
        self._mesh = joined(posed)[0] if posed else None
        self._rays = None if self._mesh is None else ray_scene(self._mesh)

    @torch.no_grad()
    def __call__(self, camera: Camera, T_world_cam: Array) -> Tensor:
        """Display colours 0..1, shape (h, w, 3).

        Args:
            camera: A pinhole camera.
            T_world_cam: Its pose, shape (4, 4).
        """
        behind = torch.tensor(self.background).expand(camera.height, camera.width, 3)
        nearer = torch.zeros(camera.height, camera.width)
        mesh = self._mesh
        if mesh is not None:
            lit = mesh.texture is None and mesh.vertex_colors is None
            seen = render_mesh(
                mesh, camera, T_world_cam, background=self.background, samples=2, scene=self._rays,
                shading="headlight" if lit else "none",
            )  # fmt: skip
            behind, nearer = seen.rgb, torch.where(seen.depth.isfinite(), seen.alpha, 0)
        if not len(self._splats):
            return behind.clamp(0, 1).clone()
        frame = render(self._splats, camera, T_world_cam)
        rgb = frame.rgb + (1 - frame.alpha[..., None]) * behind
        if mesh is not None:
            nearer = nearer * (seen.depth < torch.where(frame.alpha > 0, frame.depth, torch.inf))
            rgb = rgb + nearer[..., None] * (behind - rgb)
        return rgb.clamp(0, 1)

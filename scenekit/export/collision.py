"""Collision geometry of a thing within a tolerance, and what of it could not be met."""

from __future__ import annotations

from scenekit.export.assets import ExportConfig
from scenekit.meshes import Mesh
from scenekit.sim.bodies import Piece
from scenekit.sim.pieces import Approximation, pieces
from scenekit.validation.surface import Surface


def collision(mesh: Mesh, config: ExportConfig) -> tuple[tuple[Piece, ...], Approximation, list[str]]:
    """The pieces of a closed mesh, how near they are to it, and remarks."""
    near = config.threshold or config.tolerance * float(Surface(mesh).extent.max())
    method = "hull" if config.collision == "sdf" else config.collision
    made, how = pieces(
        mesh, method=method, threshold=near, max_pieces=config.max_pieces, max_vertices=config.max_vertices
    )
    return made, how, []

"""Collision geometry of a thing: what was asked for, within a tolerance, and what of that could not be met."""

from __future__ import annotations

from scenekit.export.assets import ExportConfig
from scenekit.meshes import Mesh
from scenekit.sim.bodies import Piece
from scenekit.sim.pieces import Approximation, pieces
from scenekit.validation.surface import Surface

MJX_PIECES, MJX_VERTICES = 16, 31
"""What MJX and MuJoCo Warp collide fast: so many pieces of a body, and corners of a piece."""


def collision(mesh: Mesh, config: ExportConfig) -> tuple[tuple[Piece, ...], Approximation, list[str]]:
    """The pieces of a closed mesh, how near they are to it, and a remark if they are not as near as they were to be.

    Of what collides as a distance field the pieces are the hull, for formats without such fields.
    """
    longest = float(Surface(mesh).extent.max())
    made, how = pieces(
        mesh,
        method="hull" if config.collision == "sdf" else config.collision,
        threshold=config.threshold or config.tolerance * longest,
        max_pieces=min(config.max_pieces, MJX_PIECES) if config.mjx else config.max_pieces,
        max_vertices=min(config.max_vertices, MJX_VERTICES) if config.mjx else config.max_vertices,
    )
    if how.distance <= how.threshold:
        return made, how, []
    far = f"{how.distance * 1e3:.3g} mm, {how.distance / longest:.1%} of its longest side"
    return (
        made,
        how,
        [f"the collision geometry is {far}, from the surface, where {how.threshold * 1e3:.3g} mm were wanted"],
    )

"""Splats → surface: depth, meshes, and what they look like."""

from typing import TYPE_CHECKING

from scenekit._imports import doors

if TYPE_CHECKING:
    from scenekit.surface.depth import SurfaceView as SurfaceView
    from scenekit.surface.depth import surface_view as surface_view
    from scenekit.surface.fusion import FusionConfig as FusionConfig
    from scenekit.surface.fusion import fuse as fuse
    from scenekit.surface.scores import SurfaceScores as SurfaceScores
    from scenekit.surface.scores import surface_scores as surface_scores

__getattr__, __all__ = doors(
    __name__,
    {
        "FusionConfig": "fusion",
        "SurfaceScores": "scores",
        "SurfaceView": "depth",
        "fuse": "fusion",
        "surface_scores": "scores",
        "surface_view": "depth",
    },
)

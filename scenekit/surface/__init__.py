"""Splats → surface: depth, meshes, and what they look like."""

from scenekit.surface.depth import SurfaceView as SurfaceView
from scenekit.surface.depth import surface_view as surface_view
from scenekit.surface.fusion import FusionConfig as FusionConfig
from scenekit.surface.fusion import fuse as fuse
from scenekit.surface.scores import SurfaceScores as SurfaceScores
from scenekit.surface.scores import surface_scores as surface_scores

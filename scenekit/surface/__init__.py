"""Splats → surface: depth, meshes, and what they look like."""

from scenekit.surface.depth import SurfaceView as SurfaceView
from scenekit.surface.depth import surface_view as surface_view

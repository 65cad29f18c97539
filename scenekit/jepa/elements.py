"""Elements: what a splat or a sample of a surface says, in one space. Letters: n elements.

A sample of a surface is a flat Gaussian of the area it stands for, as in `scenekit.surface.flat_splats`; so a cloud of
splats and the surface it lies on say nearly the same.
"""

from __future__ import annotations

OFFSET = slice(0, 3)
"""From the centre of the token, in its radii."""
COVARIANCE = slice(3, 9)
"""xx, yy, zz, xy, xz, yz of Σ = R S Sᵀ Rᵀ, in squares of the radius; q and −q are the same."""
COLOR = slice(9, 12)
"""Display colour seen from all around, less ½."""
SHEEN = slice(12, 13)
"""Standard deviation of the colour over directions of view; 0 for a matt one."""
OPACITY = slice(13, 14)
"""0..1."""
SIZE = slice(14, 15)
"""Logarithm of the square root of the area it stands for, in radii."""
FEATURES = 15
"""Numbers of an element of a token: the slices above, in order."""

"""Which axis points up in a file."""

from __future__ import annotations

from typing import Literal

Up = Literal["z", "y", "-y"]
"""The axis that points up: z ours, y glTF's and SPZ's, -y that of COLMAP and of the original 3DGS."""

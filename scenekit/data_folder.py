"""Where downloads, generated data and caches go."""

from __future__ import annotations

import os
from pathlib import Path


def data_folder() -> Path:
    """$SCENEKIT_DATA, else the user's cache folder."""
    return Path(os.environ.get("SCENEKIT_DATA") or Path.home() / ".cache" / "scenekit")

"""Where a viewer is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ViewerConfig:
    """Where the viewer is, and for whom."""

    host: str = "127.0.0.1"
    """Interface to listen on; 0.0.0.0 lets in other machines, if they know the token."""
    port: int = 8080
    """First port that is tried; 0 for any that is free."""
    token: str | None = None
    """First part of the address, 16 to 128 letters, digits, _ and -; a new one each time if None."""
    open: bool = True
    """Open a tab of the browser."""
    browser_splats: int = 300_000
    """Most Gaussians that browsers draw themselves; of more, scenekit draws pictures for them, unless they ask."""

"""The viewer: a scene in the browser, to be seen, changed, played and exported. Built on viser.

The names below are imported when they are first used: `from scenekit.viewer import Viewer, ViewerConfig`.
"""

from typing import TYPE_CHECKING

from scenekit._imports import doors

if TYPE_CHECKING:
    from scenekit.viewer.config import ViewerConfig as ViewerConfig
    from scenekit.viewer.door import Door as Door
    from scenekit.viewer.session import Session as Session
    from scenekit.viewer.viewer import Viewer as Viewer
    from scenekit.viewer.viewer import view as view

__getattr__, __all__ = doors(
    __name__,
    {
        "Door": "door",
        "Session": "session",
        "Viewer": "viewer",
        "ViewerConfig": "config",
        "view": "viewer",
    },
)

"""The viewer: a session in the browser.

viewer = scenekit.view(scene)          # opens a tab; in a notebook, the viewer is shown below the cell
viewer.session.apply(edits.Move("/mug", by=(0, 0, 0.1)))
viewer.close()
"""

from __future__ import annotations

import html
import threading
import webbrowser
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType

from scenekit.scene import Scene
from scenekit.viewer.access import close_server, new_token, open_server
from scenekit.viewer.cameras import home
from scenekit.viewer.drawing import Drawing, Style
from scenekit.viewer.jobs import Jobs
from scenekit.viewer.painter import Painter
from scenekit.viewer.panels.edit import EditPanel
from scenekit.viewer.panels.history import HistoryPanel
from scenekit.viewer.panels.layers import LayersPanel
from scenekit.viewer.panels.materials import MaterialsPanel
from scenekit.viewer.panels.measure import MeasurePanel
from scenekit.viewer.panels.see import SeePanel
from scenekit.viewer.panels.select import SelectPanel
from scenekit.viewer.panels.statistics import StatisticsPanel
from scenekit.viewer.panels.tree import TreePanel
from scenekit.viewer.pointer import Pointer
from scenekit.viewer.session import Session


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


TABS: dict[str, tuple[Callable[[Viewer], object], ...]] = {
    "See": (SeePanel, TreePanel, LayersPanel, StatisticsPanel),
    "Edit": (HistoryPanel, SelectPanel, EditPanel, MeasurePanel, MaterialsPanel),
}
"""The panels of each tab. A panel adds its controls where it is made, and lives as long as its viewer."""


class Viewer:
    """A scene in the browser, for as long as this is open.

    Args:
        scene: What to look at; or a session that others look at too.
        config: Where.

    Raises:
        InputError, BackendError: As `open_server` says.
    """

    def __init__(self, scene: Scene | Session, config: ViewerConfig = ViewerConfig()):
        self.session = scene if isinstance(scene, Session) else Session(scene)
        self.config = config
        self._token = config.token or new_token()
        self.server = open_server(config.host, config.port, self._token)
        self.server.scene.set_up_direction("+z")
        self.server.scene.configure_default_lights(cast_shadow=False)  # photos have their shadows
        eye, target = home(self.session.shown.state)
        self.server.initial_camera.position, self.server.initial_camera.look_at = eye, target
        self.drawing = Drawing(self.server.scene, self.session, Style(splats=False))
        self.painter = Painter(self.server, self.drawing, most=config.browser_splats)
        self.jobs = Jobs(self.server)
        self.pointer = Pointer(self.server)
        self._closed = threading.Event()
        self.panels: list[object] = []
        """Those of all tabs, in order."""
        tabs = self.server.gui.add_tab_group()
        for title, panels in TABS.items():
            with tabs.add_tab(title):
                self.panels += [panel(self) for panel in panels]

    @property
    def url(self) -> str:
        """The address to open; whoever has it may change the scene."""
        host = "127.0.0.1" if self.config.host == "0.0.0.0" else self.config.host
        return f"http://{host}:{self.server.get_port()}/{self._token}/"

    def wait(self) -> None:
        """Until it is closed, or Ctrl-C."""
        while not self._closed.wait(timeout=0.5):
            pass

    def close(self) -> None:
        """Let everybody go; what was not saved stays in the session's scene."""
        if not self._closed.is_set():
            self._closed.set()
            self.painter.close()
            close_server(self.server)

    def __enter__(self) -> Viewer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _repr_html_(self) -> str:
        """A notebook shows the viewer itself."""
        return f'<iframe src="{html.escape(self.url)}" width="100%" height="600" frameborder="0"></iframe>'


def view(scene: Scene, config: ViewerConfig = ViewerConfig()) -> Viewer:
    """Show a scene in the browser and go on; `.wait()` stays with it.

    Raises:
        InputError, BackendError: As `open_server` says.
    """
    viewer = Viewer(scene, config)
    if config.open:
        webbrowser.open(viewer.url)
    return viewer

"""The viewer: a session in the browser.

viewer = scenekit.view(scene)          # opens a tab; in a notebook, the viewer is shown below the cell
viewer.session.apply(edits.Move("/mug", by=(0, 0, 0.1)))
viewer.close()
"""

from __future__ import annotations

import html
import threading
from types import TracebackType

from scenekit.scene import Scene
from scenekit.viewer.cameras import home
from scenekit.viewer.config import ViewerConfig
from scenekit.viewer.door import Door
from scenekit.viewer.drawing import Drawing, Style
from scenekit.viewer.jobs import Jobs
from scenekit.viewer.painter import Painter
from scenekit.viewer.playback import Playback
from scenekit.viewer.pointer import Pointer
from scenekit.viewer.session import Session, Shown

PATIENCE = 10.0
"""The panels wait for the first picture no longer than this [s]."""


class Viewer:
    """A scene in the browser, for as long as this is open.

    Args:
        scene: What to look at; or a session that others look at too.
        config: Where.
        door: A door that is open already, and is closed with the viewer; its config counts then.

    Raises:
        InputError, BackendError: As `open_server` says.
    """

    def __init__(self, scene: Scene | Session, config: ViewerConfig = ViewerConfig(), *, door: Door | None = None):
        self.session = scene if isinstance(scene, Session) else Session(scene)
        self.door = Door(config) if door is None else door
        self.server = self.door.server
        self._prepare()
        self.drawing = Drawing(self.server.scene, self.session, Style(splats=False))
        self.painter = Painter(self.server, self.drawing, most=self.door.config.browser_splats)
        self.playback = Playback(self.session, self._draw_at_once)
        self.jobs = Jobs(self.server)
        self.pointer = Pointer(self.server)
        self._closed = threading.Event()
        self.panels: list[object] = []
        """Those of all tabs, in order."""
        try:
            self._furnish()
        except BaseException:  # Ctrl-C, too: nobody else can end the painter's thread
            self.close()
            raise

    @property
    def url(self) -> str:
        """The address to open; whoever has it may change the scene."""
        return self.door.url

    def wait(self) -> None:
        """Until it is closed, or Ctrl-C."""
        while not self._closed.wait(timeout=0.5):
            pass

    def close(self) -> None:
        """Let everybody go; what was not saved stays in the session's scene."""
        if not self._closed.is_set():
            self._closed.set()
            self.playback.pause()
            self.painter.close()
            self.door.close()

    def _prepare(self) -> None:
        """Everybody begins at the same place; whoever is there already goes there, in one message."""
        self.door.clear()
        eye, target = home(self.session.shown.state)
        with self.server.atomic():
            self.server.scene.set_up_direction("+z")
            self.server.scene.configure_default_lights(cast_shadow=False)  # photos have their shadows
            self.server.initial_camera.position, self.server.initial_camera.look_at = eye, target

    def _furnish(self) -> None:
        """Add the panels, after the first picture: they bring simulation and export, which take long to import."""
        self.painter.began.wait(timeout=PATIENCE)
        from scenekit.viewer.tabs import TABS

        tabs = self.server.gui.add_tab_group()
        for title, panels in TABS.items():
            with tabs.add_tab(title):
                self.panels += [panel(self) for panel in panels]

    def _draw_at_once(self, before: Shown, now: Shown) -> None:
        """Draw so that browsers never see a part of it: what changes its shape is gone before it is there again."""
        with self.server.atomic():
            self.drawing.draw(before, now)

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
    viewer.door.invite()
    return viewer

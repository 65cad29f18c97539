"""The door of a viewer: its server and its address, which are there before what is to be seen.

with Door(ViewerConfig(), note="Opening kitchen …") as door:
    door.invite()                                   # the browser loads its page while the scene is read
    viewer = Viewer(open_scene("kitchen"), door=door)

It needs neither torch nor Warp, whose import takes as long as the page.
"""

from __future__ import annotations

import webbrowser
from types import TracebackType

from scenekit.viewer.access import close_server, new_token, open_server
from scenekit.viewer.config import ViewerConfig


class Door:
    """A server that lets in who knows its address; a context that closes it.

    Args:
        config: Where.
        note: What people read until there is something to see.

    Raises:
        InputError, BackendError: As `open_server` says.
    """

    def __init__(self, config: ViewerConfig = ViewerConfig(), *, note: str = ""):
        self.config = config
        self._token = config.token or new_token()
        self._closed = False
        self.server = open_server(config.host, config.port, self._token)
        self._note = self.server.gui.add_markdown(note) if note else None

    @property
    def url(self) -> str:
        """The address to open; whoever has it may change the scene."""
        host = "127.0.0.1" if self.config.host == "0.0.0.0" else self.config.host
        return f"http://{host}:{self.server.get_port()}/{self._token}/"

    def invite(self) -> None:
        """Open a tab of the browser, if that is wanted."""
        if self.config.open:
            webbrowser.open(self.url)

    def clear(self) -> None:
        """Take the note away."""
        if self._note is not None:
            self._note.remove()
            self._note = None

    def close(self) -> None:
        """Let everybody go."""
        if not self._closed:
            self._closed = True
            close_server(self.server)

    def __enter__(self) -> Door:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

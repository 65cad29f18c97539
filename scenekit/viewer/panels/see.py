"""The panel of seeing: what each person wants to see, and who draws it; and the photos they can look through."""

from __future__ import annotations

import threading
from functools import partial
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import viser

from scenekit.capture.capture import Photo
from scenekit.viewer.cameras import camera_of, look_through
from scenekit.viewer.jobs import answering, unless_left
from scenekit.viewer.painter import AT_PHOTO, DrawnBy, Person, Shows
from scenekit.viewer.panels.controls import set_value
from scenekit.viewer.session import Shown

if TYPE_CHECKING:
    from scenekit.viewer.viewer import Viewer

FREE = "(free)"
"""No photo is looked through."""


class SeePanel:
    """One set of controls for each person: what one looks at is no matter of the others.

    Args:
        viewer: Whose tab is open now.
    """

    def __init__(self, viewer: Viewer):
        self._viewer, self._lock = viewer, threading.Lock()
        self.controls: dict[int, Controls] = {}
        """Of each person, by the number of their client."""
        self.photos: dict[str, Photo] = _photos(viewer.session.shown)
        """Posed in the world, by name."""
        self.frustums: dict[str, str] = {}
        """What stands for them in viser's scene, by their names."""
        self._listening: dict[str, list[viser.SceneNodeHandle]] = {}
        self._folder = viewer.server.gui.add_folder("View")
        viewer.session.on_change(self._changed)
        viewer.drawing.on_drawn(self._listen)
        viewer.server.on_client_connect(self._meet)
        viewer.server.on_client_disconnect(self._part)
        self._listen()

    def snap(self, client: viser.ClientHandle, name: str) -> None:
        """Put a person where a photo was taken."""
        set_value(self.controls[client.client_id].photo, name)

    def _meet(self, client: viser.ClientHandle) -> None:
        with self._lock, self._folder:
            self.controls[client.client_id] = Controls(self, self._viewer, client)

    def _part(self, client: viser.ClientHandle) -> None:
        with self._lock:
            self.controls.pop(client.client_id, None)

    def _changed(self, before: Shown, now: Shown) -> None:
        self.photos = _photos(now)
        with self._lock:
            for controls in self.controls.values():
                with unless_left(self._viewer.server, controls.client):
                    controls.show_photos()

    def _listen(self) -> None:
        """A click on the frustum of a photo snaps to it, and who looks out of it does not see it."""
        drawing = self._viewer.drawing
        drawn = {path: handles for (path, layer), handles in drawing.parts.items() if layer == "cameras"}
        new = {path: handles for path, handles in drawn.items() if self._listening.get(path) is not handles}
        for path, handles in new.items():
            capture = drawing.shown.state.node(path).cameras
            if capture is not None:
                for handle in handles:
                    assert isinstance(handle, viser.CameraFrustumHandle)
                    name = capture.photos[int(handle.name.rsplit("/", 1)[1])].name
                    self.frustums[name] = handle.name
                    handle.on_click(answering(partial(self._clicked, name)))
        self._listening = drawn
        if new:
            with self._lock:
                for controls in self.controls.values():
                    controls.conceal()

    def _clicked(self, name: str, event: Any) -> None:
        self.snap(event.client, name)


class Controls:
    """What one person sees, as they want it.

    Args:
        panel: Where the photos are.
        viewer: Whose.
        client: Whose browser.
    """

    def __init__(self, panel: SeePanel, viewer: Viewer, client: viser.ClientHandle):
        self._panel, self._painter, self._server, self.client = panel, viewer.painter, viewer.server, client
        self._lock, self._concealed = threading.Lock(), dict[str, viser.FrameHandle]()
        self.person: Person = viewer.painter.person(client)
        gui = client.gui
        self.shows = gui.add_dropdown("Show", get_args(Shows))
        self.drawn_by = gui.add_dropdown(
            "Splats by", get_args(DrawnBy), hint="Who draws splats: scenekit sends pictures, with all colours."
        )
        self.photo = gui.add_dropdown("Photo", (FREE,), hint="Look through the camera of a photo.")
        self.split = gui.add_slider("Photo | picture", 0.0, 1.0, 0.01, self.person.split, visible=False)
        for control in (self.shows, self.drawn_by, self.split):
            control.on_update(answering(self._changed))
        self.photo.on_update(answering(self._look))
        client.camera.on_update(lambda camera: self.conceal())
        self.show_photos()

    def show_photos(self) -> None:
        """List the photos there are."""
        names = (FREE, *self._panel.photos)
        if tuple(self.photo.options) != names:
            self.photo.options = names
        self.photo.visible = len(names) > 1

    def _changed(self, event: Any) -> None:
        self.person.shows, self.person.drawn_by = self.shows.value, self.drawn_by.value
        self.person.split = self.split.value
        self.split.visible = self.shows.value == "compare"
        if self.shows.value in ("error", "compare") and self.photo.value == FREE and self._panel.photos:
            set_value(self.photo, next(iter(self._panel.photos)))
        self._painter.touch(self.person)

    def _look(self, event: Any) -> None:
        photo = self.person.photo = self._panel.photos.get(self.photo.value)
        if photo is not None:
            look_through(self.client, photo.camera, photo.T_world_cam)
        self._painter.touch(self.person)

    def conceal(self) -> None:
        """Hide the frustum that they look out of: its small picture would be all they see."""
        with self._lock, unless_left(self._server, self.client):
            photo, name = self.person.photo, None
            if photo is not None and np.allclose(camera_of(self.client)[1], photo.T_world_cam, atol=AT_PHOTO):
                name = self._panel.frustums.get(photo.name)
            for other in set(self._concealed) - {name}:
                self._concealed.pop(other).remove()
            if name is not None and name not in self._concealed:
                self._concealed[name] = self.client.scene.add_frame(name, show_axes=False, visible=False)


def _photos(shown: Shown) -> dict[str, Photo]:
    return {photo.name: photo for photo in shown.state.photos()}

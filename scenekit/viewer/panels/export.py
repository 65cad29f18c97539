"""The panels of what people take with them: a picture, files of splats and meshes, assets for simulators."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import viser
from PIL import Image

from scenekit.errors import BackendError
from scenekit.export.checks.report import CheckReport, drop_rows, file_rows
from scenekit.export.export import FORMATS, Exported, export
from scenekit.render.scenes import ScenePicture
from scenekit.scene import Scene
from scenekit.viewer.downloads import Download, exported, read_bounded, suffixes, zipped
from scenekit.viewer.folders import beside
from scenekit.viewer.jobs import notify
from scenekit.viewer.panels.controls import button
from scenekit.viewer.screenshots import SIDES, bytes_of, key_of, picture_size, png, visible

if TYPE_CHECKING:
    from scenekit.viewer.viewer import Viewer

WAIT = 30.0
"""For a browser's own picture [s]."""


class ScreenshotPanel:
    """A picture of what somebody sees.

    Args:
        viewer: Of what.
    """

    def __init__(self, viewer: Viewer):
        self.viewer, gui = viewer, viewer.server.gui
        with gui.add_folder("Screenshot"):
            self.size = gui.add_vector2("Size [px]", (1280, 720), min=(SIDES[0],) * 2, max=(SIDES[1],) * 2, step=1)
            self.browser = gui.add_checkbox("As the browser draws it", False, hint="With grid, cameras and handles.")
            self.take = button(gui, "Take", self._take)

    def _take(self, event: Any) -> None:
        person, size = event.client, picture_size(self.size.value)
        work = self._of_browser if self.browser.value else self._drawn
        self.viewer.jobs.start(
            "Screenshot", lambda: work(person, size), lambda picture: picture.send(person), client=person
        )

    def _drawn(self, person: viser.ClientHandle, size: tuple[int, int]) -> Download:
        key = key_of(person)
        picture = ScenePicture(visible(self.viewer.playback.shown))
        return png(bytes_of(picture(key.lens(*size), key.pose.matrix)))

    def _of_browser(self, person: viser.ClientHandle, size: tuple[int, int]) -> Download:
        try:
            return png(person.get_render(size[1], size[0], transport_format="png", timeout=WAIT))
        except (RuntimeError, TimeoutError) as error:
            raise BackendError("browser", got=error, wanted="a picture") from None


class FilesPanel:
    """Splats and meshes as files.

    Args:
        viewer: Of what.
    """

    def __init__(self, viewer: Viewer):
        self.viewer, gui = viewer, viewer.server.gui
        with gui.add_folder("Splats and meshes"):
            self.what = gui.add_dropdown("What", ("Everything", "What is selected"))
            self.kind = gui.add_dropdown("Format", tuple(suffixes()))
            self.download = button(gui, "Download", self._download, hint="As it is shown: of a frame, that moment.")

    def _download(self, event: Any) -> None:
        session, kind = self.viewer.session, self.kind.value
        what = None if self.what.value == "Everything" else session.selected
        state = self.viewer.playback.shown.state

        def sent(file: Download) -> None:
            file.send(event.client)
            notify(event.client, file.name, " ".join(file.notes))

        self.viewer.jobs.start(kind, lambda: exported(state, what, kind), sent, client=event.client)


class AssetsPanel:
    """Assets for simulators, in a folder beside the scene, and the proof that they load.

    Args:
        viewer: Of what.
    """

    def __init__(self, viewer: Viewer):
        self.viewer, gui = viewer, viewer.server.gui
        with gui.add_folder("For simulators"):
            self.name = gui.add_text("Name", "assets", hint="Of a new folder beside the scene's.")
            self.formats = {name: gui.add_checkbox(name, True) for name in FORMATS}
            self.check = gui.add_checkbox("Check", True, hint="Open all files in other programs, and drop everything.")
            self.write = button(gui, "Export", self._write)
            self.report = gui.add_markdown("", visible=False)
            self.sheet = gui.add_image(np.full((1, 1, 3), 255, np.uint8), visible=False)

    def _write(self, event: Any) -> None:
        folder = beside(self.viewer.session.scene.folder, self.name.value)
        chosen = [name for name, box in self.formats.items() if box.value]
        scene, check = Scene(self.viewer.session.shown.state), bool(self.check.value)

        def done(made: Exported) -> None:
            self.show(made)
            with tempfile.TemporaryDirectory() as zips:
                file = zipped(made.folder, Path(zips) / made.folder.name)
                Download(file.name, read_bounded(file)).send(event.client)

        self.viewer.jobs.start(
            "Export", lambda: export(scene, folder, formats=chosen, check=check), done, client=event.client
        )

    def show(self, made: Exported) -> None:
        """Show everybody what was written and what the check found."""
        report = "Not checked." if made.report is None else markdown(made.report)
        self.report.content = f"**{len(made.assets.assets)} assets** in `{made.folder}`\n\n{report}"
        self.report.visible = True
        sheet = made.folder / "check.png"
        self.sheet.visible = sheet.is_file()
        if self.sheet.visible:
            self.sheet.image = np.asarray(Image.open(sheet).convert("RGB"))


def markdown(report: CheckReport) -> str:
    """What a check found, as tables for a narrow place."""
    files = [f"| {format} | {program} | {good} |" for format, program, good, *_ in file_rows(report)]
    drops = [
        f"| {'✗' if drop.problems else '✓'} {drop.asset} | {drop.engine} | {figures[0]} |"
        for drop, figures in drop_rows(report)
    ]
    parts = [[report.verdict], ["| format | opened by | files |", "|---|---|---|", *files]]
    if drops:
        parts.append(["| thing | dropped in | settles |", "|---|---|---|", *drops])
    parts.append([f"- ✗ {found.place}, {found.program}: {found.problem}" for found in report.findings])
    parts.append([f"- {note}" for note in report.notes])
    return "\n\n".join("\n".join(part) for part in parts if part)

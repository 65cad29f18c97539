"""The pictures of the viewer in docs/images, of the table that the demo reconstructs.

scenekit demo && SCENEKIT_SCENE=runs/demo/tabletop pytest -m slow tests/viewer/test_screenshots.py
"""

import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from scenekit.opening import open_scene
from scenekit.viewer import Viewer
from tests.viewer.conftest import eventually, pixels
from tests.viewer.panels.test_see import controls

IMAGES = Path(__file__).parents[2] / "docs" / "images"

SIZE = {"width": 1280, "height": 800}


def save(page: Any, name: str) -> None:
    """A picture of the whole page, of at most 200 kB."""
    picture = Image.open(io.BytesIO(page.screenshot(timeout=120_000))).convert("RGB")
    picture = picture.resize((960, 600), Image.Resampling.LANCZOS)
    for colors in (256, 128, 64, 32):
        buffer = io.BytesIO()
        picture.quantize(colors, dither=Image.Dither.FLOYDSTEINBERG).save(buffer, "png", optimize=True)
        if buffer.tell() <= 200_000:
            break
    (IMAGES / name).write_bytes(buffer.getvalue())


@pytest.mark.slow
def test_pictures_of_the_viewer(opened: Callable[..., tuple[Viewer, Any]]) -> None:
    folder = os.environ.get("SCENEKIT_SCENE")
    if folder is None:
        pytest.skip("SCENEKIT_SCENE does not say where the demo's table is")
    viewer, page = opened(open_scene(folder))
    page.set_viewport_size(SIZE)
    page.locator("button:near(:text('Software WebGL'))").first.click(timeout=5000)
    mine, state = controls(viewer), viewer.session.shown.state
    mine.photo.value = state.photos()[0].name
    mine.drawn_by.value = "scenekit"
    things = {path: len(node.splats) for path, node in state.walk("/table") if node.splats is not None}
    viewer.session.choose(max(things.keys() - {"/table"}, key=lambda path: things[path]))
    for name, shows, tab in (
        ("see", "colour", "See"),
        ("objects", "objects", "See"),
        ("compare", "compare", "See"),
        ("edit", "colour", "Edit"),
    ):
        mine.shows.value = shows
        page.get_by_role("tab", name=tab).click()
        eventually(lambda: mine.person.painted >= mine.person.moved)
        page.wait_for_timeout(4000)
        save(page, f"viewer-{name}.png")
        assert len(np.unique(pixels(page).reshape(-1, 3), axis=0)) > 1000

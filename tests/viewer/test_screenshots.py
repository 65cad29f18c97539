"""The pictures of the viewer in docs/images, of the table that the demo reconstructs.

scenekit demo && SCENEKIT_SCENE=runs/demo/tabletop pytest -m slow tests/viewer/test_screenshots.py
"""

import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

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
    mine = controls(viewer)
    mine.photo.value = next(iter(viewer.session.shown.state.photos())).name
    mine.drawn_by.value = "scenekit"
    viewer.session.choose("/mug")
    for name, change in {
        "viewer-see.png": lambda: None,
        "viewer-objects.png": lambda: setattr(mine.shows, "value", "objects"),
        "viewer-compare.png": lambda: setattr(mine.shows, "value", "compare"),
    }.items():
        change()
        before = pixels(page)
        eventually(lambda: mine.person.painted >= mine.person.moved)
        page.wait_for_timeout(4000)
        save(page, name)
        assert (IMAGES / name).stat().st_size <= 200_000
        assert (before != before[0, 0]).any()

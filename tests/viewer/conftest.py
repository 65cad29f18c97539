"""A headless Chromium, and viewers opened in it. Pictures are small: WebGL runs in software on the cores that test."""

import contextlib
import io
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from scenekit.errors import BackendError
from scenekit.pipelines import bench_view
from scenekit.scene import Scene
from scenekit.viewer import Viewer, ViewerConfig

SIZE = {"width": 640, "height": 480}
"""Of a page [px]."""

PATIENCE = 60.0
"""How long a test waits for what must happen [s]: it happens within one or two where nothing else runs."""

HERE = ViewerConfig(port=0, open=False)
"""A viewer of a test."""


def eventually(condition: Callable[[], Any], seconds: float = PATIENCE) -> Any:
    """What `condition` gives, as soon as that is true; fails if it is not within `seconds`."""
    end = time.monotonic() + seconds
    while not (answer := condition()):
        assert time.monotonic() < end, f"not within {seconds} s: {condition.__name__}"
        time.sleep(0.05)
    return answer


def pixels(page: Any) -> NDArray[np.uint8]:
    """What a page shows of the scene, without panels, shape (h, w, 3)."""
    png = page.screenshot(style=bench_view.CANVAS_ONLY, timeout=1000 * bench_view.PATIENCE)
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


def drawn(page: Any) -> bool:
    """True once a page shows anything at all."""
    return bool((pixels(page) != pixels(page)[0, 0]).any())


def frames(page: Any, count: int = 3) -> None:
    """Wait until a page has drawn so many pictures more: what it was told before is seen then, however slow it is."""
    tick = "const tick = () => left-- > 0 ? requestAnimationFrame(tick) : done()"
    page.evaluate(f"left => new Promise(done => {{ {tick}; tick() }})", count)


def drag(page: Any, *path: tuple[float, float]) -> None:
    """Press the mouse at the first place [px] and go to the others with it; it is still pressed then."""
    for i, place in enumerate(path):
        page.mouse.move(*place)
        frames(page)
        if i == 0:
            page.mouse.down()
            frames(page)


def look(browser: Any, viewer: Viewer) -> Any:
    """A new page that looks at a viewer, once it is connected and something is drawn."""
    known = set(viewer.server.get_clients())
    page = browser.new_page(viewport=SIZE)
    page.goto(viewer.url + "?fixedDpr=1")
    eventually(lambda: set(viewer.server.get_clients()) - known)
    eventually(lambda: drawn(page))
    return page


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Debian's Chromium, driven by Playwright; tests that need it are skipped where one of them is missing."""
    with contextlib.ExitStack() as stack:
        try:
            chromium = stack.enter_context(bench_view.chromium())
        except BackendError as error:
            pytest.skip(f"{error} (.ci/run installs it)")
        yield chromium


@pytest.fixture
def opened(browser: Any) -> Iterator[Callable[..., tuple[Viewer, Any]]]:
    """Opens a viewer of a scene, and a page that looks at it: `viewer, page = opened(scene)`. Both are closed after."""
    viewers: list[Viewer] = []

    def opened(scene: Scene, config: ViewerConfig = HERE) -> tuple[Viewer, Any]:
        viewers.append(Viewer(scene, config))
        return viewers[-1], look(browser, viewers[-1])

    yield opened
    for context in browser.contexts:
        context.close()
    for viewer in viewers:
        viewer.close()

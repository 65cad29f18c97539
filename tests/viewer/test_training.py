"""A watched fit: its splats and figures are seen, it can be ended, and its scene stays to be worked on."""

from math import cos, sin
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from scenekit import edits
from scenekit.cameras import inverse_pose, look_at, pinhole
from scenekit.capture import Capture
from scenekit.capture.capture import Photo, Points
from scenekit.capture.views import View
from scenekit.errors import InputError
from scenekit.fit import FitConfig, fit
from scenekit.fit.metrics import HeldOut, History, Record
from scenekit.fit.trainer import CHECKPOINT
from scenekit.io.images import write_image
from scenekit.render.splats import render
from scenekit.scene import Node, Scene, SceneState
from scenekit.splats import Splats, random_splats
from scenekit.viewer import Viewer
from scenekit.viewer import training as module
from scenekit.viewer.cameras import camera_of
from scenekit.viewer.panels.training import POINTS, figures, thinned
from scenekit.viewer.training import Training
from tests.viewer.conftest import HERE, drawn, eventually, look, pixels

CAMERA = pinhole(64, 48, 64, 64, 32, 24)
STEPS = FitConfig(steps=60, log_every=5, evaluate_every=20)


@pytest.fixture(scope="module")
def photographed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Capture, list[View]]:
    """Six photos of 300 Gaussians."""
    folder, truth = tmp_path_factory.mktemp("photos"), random_splats(300, degree=0, extent=0.7, scale=0.12, seed=3)
    photos, views = [], []
    for i, a in enumerate(np.linspace(0, 2 * np.pi, 7)[:-1]):
        T = look_at(np.array([3 * cos(a), 3 * sin(a), 1.0]), np.zeros(3))
        with torch.no_grad():
            image = (render(truth, CAMERA, T).rgb.clamp(0, 1) * 255).round().to(torch.uint8)
        write_image(folder / f"{i}.png", image.numpy())
        photos.append(Photo(f"{i}.png", folder / f"{i}.png", CAMERA, T))
        views.append(
            View(f"{i}.png", image, torch.from_numpy(CAMERA.K).float(), torch.from_numpy(inverse_pose(T)).float())
        )
    points = Points(truth.means.double().numpy(), np.zeros((300, 3), np.uint8), np.zeros(300))
    return Capture(photos, points, "colmap"), views


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """A picture at each record."""
    monkeypatch.setattr(module, "PAUSE", 0.0)
    monkeypatch.setattr(module, "SHARE", 1e9)


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who stays with a viewer goes at once."""
    monkeypatch.setattr(Viewer, "wait", lambda viewer: None)


def start() -> Splats:
    return random_splats(200, degree=1, extent=0.7, scale=0.1, seed=1)


def test_the_figures_say_how_fast_it_goes_and_how_long_it_takes():
    records = [Record(10 * i, 2.0 * i, 0.1, 20.0, 1234) for i in range(1, 31)]
    text = figures(History(records, [HeldOut(200, 1.0, 19.5)]), 1000)
    assert "5.0 steps/s, about 2 min 20 s left" in text  # 700 steps
    assert "19.50 dB" in text
    assert "1\u202f234" in text


def test_a_long_history_is_thinned_and_keeps_its_end():
    x, y = thinned([(i, 2.0 * i) for i in range(10 * POINTS + 3)])
    assert len(x) <= POINTS + 1
    assert x[-1] == 10 * POINTS + 2
    np.testing.assert_array_equal(y, 2 * x)


def test_a_watched_fit_shows_its_splats_and_refuses_edits_until_it_is_done(
    photographed: tuple[Capture, list[View]], often: None, at_once: None
) -> None:
    capture, views = photographed
    seen: list[Splats | None] = []
    with Training(capture, STEPS.steps, HERE) as training:
        session = training.viewer.session
        session.on_change(lambda before, now: seen.append(now.state.node("/scene").splats))
        assert len(session.shown.state.photos()) == 6
        result = fit(views[1:], start(), STEPS, held_out=views[:1], progress=False, on_step=training.step)
        with pytest.raises(InputError, match="while the fit goes on"):
            session.apply(edits.Move("/scene", by=(1, 0, 0)))
        assert len(seen) == 12
        assert seen[-1] is not None
        assert torch.equal(seen[-1].means, result.splats.means)
        assert training.progress.bar.value == 100
        training.stay(Scene(SceneState(Node("", children=(Node("scene", splats=result.splats),)))))
        session.apply(edits.Move("/scene", by=(1, 0, 0)))
        assert session.shown.state.pose("/scene").position == (1, 0, 0)


def test_pictures_wait_for_their_share_of_the_time(
    photographed: tuple[Capture, list[View]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A picture of 1 s is followed by 20 s without, which is 5 %. Steps take 4 s; the clock goes on with both."""
    now = 0.0
    monkeypatch.setattr(module.time, "monotonic", lambda: now)
    shown = []
    with Training(photographed[0], 60, HERE) as training:

        def show(splats: Splats) -> None:
            nonlocal now
            now += 1.0
            shown.append(now)

        monkeypatch.setattr(training, "_show", show)
        for step in range(1, 11):
            training.step(History([Record(step, 1.0, 0.1, 20.0, 200)]), start())
            now += 4.0
    assert shown == [1.0, 22.0]


def test_who_ends_a_fit_keeps_its_checkpoint_and_may_work_on_what_there_is(
    photographed: tuple[Capture, list[View]], often: None, at_once: None, tmp_path: Path
) -> None:
    capture, views = photographed
    with pytest.raises(KeyboardInterrupt), Training(capture, STEPS.steps, HERE) as training:
        session = training.viewer.session

        def step(history: History, splats: Splats) -> bool:
            training.progress.stopped = history.records[-1].step == 30
            return training.step(history, splats)

        fit(views, start(), STEPS, folder=tmp_path, progress=False, on_step=step)
    assert (tmp_path / CHECKPOINT).is_file()
    assert session.awaited is None
    left = session.shown.state.node("/scene").splats
    assert left is not None
    assert left.sh_degree == 1


def test_a_page_sees_a_fit_go_on(photographed: tuple[Capture, list[View]], often: None, browser: Any) -> None:
    capture, views = photographed
    pictures = []
    with Training(capture, STEPS.steps, HERE) as training:

        def step(history: History, splats: Splats) -> bool:
            result = training.step(history, splats)
            if not pictures:
                pictures.append(pixels(look(browser, training.viewer)))
            return result

        fit(views[1:], start(), STEPS, held_out=views[:1], progress=False, on_step=step)
        page = browser.contexts[-1].pages[0]
        page.get_by_text("60 of 60").wait_for()
        page.get_by_text("PSNR of the photos held out").first.wait_for()
        assert eventually(lambda: (pixels(page) != pictures[0]).any())
    page.context.close()


def test_who_presses_stop_and_keep_on_the_page_goes_on_with_what_the_fit_has(
    photographed: tuple[Capture, list[View]], often: None, browser: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    capture, views = photographed
    pages: list[Any] = []
    fitted: dict[int, Splats] = {}

    def work(viewer: Viewer) -> None:
        """What somebody does then on the page that is open already."""
        session, (page,) = viewer.session, pages
        page.get_by_text("stopped and kept").first.wait_for()
        page.get_by_role("button", name="Stop and keep").wait_for(state="hidden")
        session.choose(None)
        eventually(lambda: shows(page, viewer, fitted[max(fitted)]))
        session.choose("/scene")
        page.keyboard.press("Delete")
        eventually(lambda: "/scene" not in session.shown.state)
        eventually(lambda: not drawn(page))
        page.keyboard.press("Control+z")
        eventually(lambda: "/scene" in session.shown.state)
        session.choose(None)
        eventually(lambda: shows(page, viewer, fitted[max(fitted)]))

    monkeypatch.setattr(Viewer, "wait", work)
    with pytest.raises(KeyboardInterrupt), Training(capture, STEPS.steps, HERE) as training:
        session = training.viewer.session

        def step(history: History, splats: Splats) -> bool:
            stop = training.step(history, splats)
            fitted[history.records[-1].step] = splats.map(torch.clone)
            if not pages:
                pages.append(look(browser, training.viewer))
                session.choose("/scene")
                pages[0].keyboard.press("Delete")
                pages[0].get_by_text("while the fit goes on").wait_for()
                pages[0].get_by_role("button", name="Stop and keep").click()
                eventually(lambda: training.progress.stopped)
            return stop

        fit(views, start(), STEPS, folder=tmp_path, progress=False, on_step=step)
    pages[0].context.close()
    assert max(fitted) == 10  # the next record after the one at which it was pressed, of 60 steps
    assert (tmp_path / CHECKPOINT).is_file()
    kept = session.shown.state.node("/scene").splats
    assert kept is not None
    for name, tensor in kept.tensors().items():
        assert torch.equal(tensor, fitted[10].tensors()[name])


def shows(page: Any, viewer: Viewer, splats: Splats) -> bool:
    """Whether a page shows splats as scenekit draws them, in the colours that browsers know."""
    (client,) = viewer.server.get_clients().values()
    with torch.no_grad():
        expected = render(module.plain(splats), *camera_of(client), background=torch.ones(3)).rgb.clamp(0, 1).numpy()
    return bool(np.abs(pixels(page) / 255 - expected).mean() < 0.01)

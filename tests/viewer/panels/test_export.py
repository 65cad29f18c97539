"""The export tab, in a real browser: pictures, files and assets arrive; bad names and sizes change nothing."""

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import trimesh
from PIL import Image

from scenekit.body import Body
from scenekit.edits import Delete
from scenekit.errors import InputError
from scenekit.export.checks import drops, openings
from scenekit.export.export import FORMATS
from scenekit.io.splat_files import read_splats
from scenekit.material import materials
from scenekit.meshes import Mesh
from scenekit.poses import Pose
from scenekit.scene import Node, Scene, SceneState
from scenekit.splats import random_splats
from scenekit.viewer import Viewer
from scenekit.viewer.panels.export import AssetsPanel, ScreenshotPanel
from scenekit.viewer.screenshots import picture_size, png, visible
from scenekit.viewer.session import Shown
from tests.viewer.conftest import HERE, eventually

NOBODY = SimpleNamespace(client=None)


def a_scene(folder: Path | None = None) -> Scene:
    """A cube that can be dropped, and a cloud."""
    box = trimesh.creation.box((0.1, 0.1, 0.1))
    mesh = Mesh(torch.from_numpy(box.vertices.copy()).float(), torch.from_numpy(box.faces.copy()).long())
    cube = Node("cube", Pose((0, 0, 0.05)), mesh=mesh, body=Body("dynamic"), material=materials["wood"])
    cloud = Node("cloud", Pose((1, 0, 0)), splats=random_splats(300, degree=0, extent=0.4, scale=0.05, seed=1))
    return Scene(SceneState(Node("", children=(cube, cloud))), folder=folder)


def panel_of(viewer: Viewer, kind: type[Any]) -> Any:
    return next(panel for panel in viewer.panels if isinstance(panel, kind))


def test_files_and_pictures_arrive_in_the_browser(opened: Callable[..., tuple[Viewer, Any]], tmp_path: Path) -> None:
    viewer, page = opened(a_scene())
    page.get_by_role("tab", name="Export").click()
    with page.expect_download() as got:
        page.get_by_role("button", name="Download").click()
    got.value.save_as(tmp_path / got.value.suggested_filename)
    for name, tensor in read_splats(tmp_path / "scene.ply").tensors().items():
        assert torch.equal(tensor, viewer.session.shown.state.splats().tensors()[name])
    viewer.jobs.wait()
    panel_of(viewer, ScreenshotPanel).size.value = (320, 200)
    with page.expect_download() as got:
        page.get_by_role("button", name="Take").click()
    picture = np.asarray(Image.open(got.value.path()))
    assert picture.shape == (200, 320, 3)
    assert (picture != 255).any()


@pytest.mark.slow
def test_assets_are_written_proven_and_sent(opened: Callable[..., tuple[Viewer, Any]], tmp_path: Path) -> None:
    viewer, page = opened(a_scene(tmp_path / "scene"))
    panel = panel_of(viewer, AssetsPanel)
    for name, box in panel.formats.items():
        box.value = name == "glb"  # whose check drops nothing, which takes minutes
    page.get_by_role("tab", name="Export").click()
    with page.expect_download(timeout=300_000) as got:
        page.get_by_role("button", name="Export", exact=True).click()
    names = zipfile.ZipFile(got.value.path()).namelist()
    assert {"physics.json", "check.html"} <= set(names)
    assert json.loads((tmp_path / "assets" / "check.json").read_text())["passed"]
    eventually(lambda: panel.report.visible)
    assert "Passed" in panel.report.content
    page.get_by_text("opened by").wait_for()


def test_what_the_check_found_is_shown_on_the_page_with_its_picture(
    opened: Callable[..., tuple[Viewer, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(openings.READERS, "mjcf", (("MuJoCo", "read_mujoco"),))  # Newton compiles kernels for minutes
    monkeypatch.setitem(drops.DROPPED, "Newton", ())
    scene = a_scene(tmp_path / "scene").apply(Delete("/cloud"))
    viewer, page = opened(scene)
    before = viewer.session.shown
    page.get_by_role("tab", name="Export").click()
    for name in FORMATS:
        page.get_by_label(name, exact=True).set_checked(name == "mjcf")
    with page.expect_download(timeout=300_000):
        page.get_by_role("button", name="Export", exact=True).click()
    found = json.loads((tmp_path / "assets" / "check.json").read_text())
    (drop,) = found["drops"]
    assert found["passed"] and drop["engine"] == "MuJoCo" and viewer.session.shown is before
    page.get_by_text("1 thing settles in MuJoCo").wait_for()
    rows = [row.inner_text().split("\t") for row in page.get_by_role("row").all()]
    assert ["mjcf", "✓ MuJoCo", "2 of 2"] in rows and ["✓ cube", "MuJoCo", f"{drop['settled']:.2f} s"] in rows
    picture = page.locator("img[src^=blob]")
    picture.scroll_into_view_if_needed()
    seen = np.asarray(Image.open(io.BytesIO(picture.screenshot(timeout=60_000))).convert("RGB")).astype(float)
    sheet = Image.open(tmp_path / "assets" / "check.png").convert("RGB").resize(seen.shape[1::-1])
    assert np.abs(seen - np.asarray(sheet)).mean() < 4 and np.asarray(sheet).std() > 20


@pytest.mark.parametrize("name", ["../assets", "/tmp/assets", "", ".", "..", "a/b", "a\\b", "taken", "a\0b", "x" * 65])
def test_names_that_lead_elsewhere_or_are_taken_are_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    before = sorted(tmp_path.rglob("*"))
    with Viewer(a_scene(tmp_path / "scene"), HERE) as viewer:
        state, panel = viewer.session.shown, panel_of(viewer, AssetsPanel)
        panel.name.value = name
        with pytest.raises(InputError, match="folder"):
            panel._write(NOBODY)
        assert viewer.session.shown is state
        assert not viewer.jobs.busy
    assert sorted(tmp_path.rglob("*")) == before


def test_pictures_of_absurd_sizes_are_refused() -> None:
    assert picture_size((1280.0, 720.0)) == (1280, 720)
    for size in ((0.0, 10.0), (1e9, 720.0), (float("nan"), 720.0)):
        with pytest.raises(InputError, match="px"):
            picture_size(size)


def test_what_is_hidden_is_not_in_a_picture() -> None:
    state = a_scene().state
    assert [path for path, _ in visible(Shown(state, hidden=frozenset({"/cube"}))).walk()] == ["/", "/cloud"]
    assert visible(Shown(state)) is state


def test_a_png_holds_the_picture() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3)).astype(np.uint8)
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(png(pixels).content))), pixels)

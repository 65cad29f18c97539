"""The report: one file, nothing fetched, nothing executed."""

import base64
import io
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from scenekit.cameras import look_at, pinhole
from scenekit.capture.capture import Capture, Frame, Photo, Points
from scenekit.charts import Curve
from scenekit.evaluate import Scores, ViewScore
from scenekit.report import Comparison, Report, duration, error_map, jpeg_uri, plainly, thousands, write_report

HOSTILE = '"><script>alert(1)</script><img src=http://example.com/x.png onerror=alert(2)>.jpg'


class Page(HTMLParser):
    """Every tag with its attributes, and all text."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def capture(name: str) -> Capture:
    camera = pinhole(32, 24, 30, 30, 16, 12)
    poses = [look_at(np.array([np.cos(a), np.sin(a), 0.5]), np.zeros(3)) for a in (0.0, 1.0, 2.0)]
    photos = [Photo(f"{i}{name}", Path("x"), camera, pose) for i, pose in enumerate(poses)]
    points = Points(np.random.default_rng(0).normal(size=(40, 3)), np.zeros((40, 3), np.uint8), np.zeros(40))
    return Capture(photos, points, "photos", Frame(note=name), {name: name}, {"reprojection_error_px": 0.71})


def report(name: str = "a.jpg", **changes: object) -> Report:
    picture = np.random.default_rng(0).integers(0, 255, (24, 32, 3), dtype=np.uint8)
    fields: dict = {
        "title": name,
        "capture": capture(name),
        "scores": Scores([ViewScore(name, 24.5, 0.81)]),
        "gaussians": 14203,
        "sh_degree": 3,
        "seconds": {"cameras": 31.2, "fit": 84.0},
        "comparisons": [Comparison(name, picture, picture, 24.5, 0.81)],
        "curves": [Curve("Loss", [1, 2, 3], [0.3, 0.2, 0.1], log=True)],
        "facts": {name: name},
        "command": name,
        "versions": {"scenekit": "0.1.0"},
    }
    return Report(**fields | changes)


@pytest.fixture
def page(tmp_path: Path) -> Page:
    write_report(tmp_path / "report.html", report(HOSTILE))
    return Page(tmp_path / "report.html")


def test_names_of_files_are_shown_and_never_executed(page: Page) -> None:
    assert not [tag for tag, _ in page.tags if tag in ("script", "iframe", "object", "link")]
    assert not [key for _, attributes in page.tags for key in attributes if key.startswith("on")]
    assert page.text.count(HOSTILE) >= 5


def test_nothing_is_fetched(page: Page) -> None:
    addresses = [a[key] for _, a in page.tags for key in ("src", "href", "srcset", "poster", "data") if key in a]
    assert addresses
    assert all(address and address.startswith("data:") for address in addresses)
    assert "url(" not in page.text
    assert "@import" not in page.text


def test_photo_render_and_error_stand_side_by_side(page: Page) -> None:
    images = [attributes["src"] or "" for tag, attributes in page.tags if tag == "img"]
    assert len(images) == 3
    sizes = [Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1]))).size for uri in images]
    assert sizes == [(32, 24)] * 3


def test_the_figures_are_there(tmp_path: Path) -> None:
    write_report(tmp_path / "report.html", report())
    text = " ".join(Page(tmp_path / "report.html").text.split())
    for figure in ("24.50", "0.810", "14 203", "estimated", "3 of 4", "0.71", "1 min 24 s", "1 min 55 s", "0.1.0"):
        assert figure in text


def test_a_run_without_held_out_photos_says_so(tmp_path: Path) -> None:
    write_report(tmp_path / "report.html", report(scores=None, comparisons=[], curves=[]))
    assert "No photo was held out" in Page(tmp_path / "report.html").text


def test_a_video_is_inside_the_page(tmp_path: Path) -> None:
    (tmp_path / "video.mp4").write_bytes(b"not really a video")
    write_report(tmp_path / "report.html", report(video=tmp_path / "video.mp4"))
    videos = [attributes["src"] for tag, attributes in Page(tmp_path / "report.html").tags if tag == "video"]
    assert videos == ["data:video/mp4;base64," + base64.b64encode(b"not really a video").decode()]


def test_a_name_that_is_not_unicode_does_not_stop_the_report(tmp_path: Path) -> None:
    write_report(tmp_path / "report.html", report("caf\udce9.jpg"))
    assert "caf\\udce9.jpg" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_the_error_map_is_black_for_none_and_its_brightest_from_a_quarter_on() -> None:
    photo = np.zeros((1, 3, 3), np.uint8)
    render = np.array([[[0, 0, 0], [64, 64, 64], [255, 255, 255]]], np.uint8)
    assert error_map(photo, render).tolist() == [[[0, 0, 4], [252, 255, 164], [252, 255, 164]]]


def test_the_error_map_grows_brighter_with_the_error() -> None:
    ramp = np.repeat(np.arange(64, dtype=np.uint8)[None, :, None], 3, axis=2)
    brightness = error_map(np.zeros_like(ramp), ramp).astype(int).sum(2)[0]
    assert (np.diff(brightness) >= 0).all()


def test_wide_pictures_are_reduced_in_proportion() -> None:
    uri = jpeg_uri(np.zeros((300, 1200, 3), np.uint8), max_width=400)
    assert Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1]))).size == (400, 100)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.42, "0.42 s"), (8.13, "8.1 s"), (59.97, "1 min 00 s"), (185, "3 min 05 s"), (7800, "2 h 10 min")],
)
def test_durations_are_written_for_people(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0.71234, "0.7123"), (7, "7"), ("a", "a"), ({"second_try": 2.5, "n": 1}, "second try 2.5, n 1")]
)
def test_summaries_are_written_plainly(value: object, text: str) -> None:
    assert plainly(value) == text


def test_thousands_are_set_apart() -> None:
    assert thousands(1234567) == "1\u202f234\u202f567"


def test_meshes_are_shown_beside_the_photos_and_listed(tmp_path: Path) -> None:
    picture = np.random.default_rng(0).integers(0, 255, (24, 32, 3), dtype=np.uint8)
    pairs = [Comparison(HOSTILE, picture, picture, 24.5, 0.81, mesh=picture)]
    closed = {"faces": 1200, "closed": True, "holes": 0, "volume": 1.5e-4, "estimated_share": 0.12, "texture": [64, 32]}
    facts = {"/table": closed | {"closed": False, "holes": 7, "volume": None, "texture": None}, f"/{HOSTILE}": closed}
    write_report(tmp_path / "report.html", report(comparisons=pairs, meshes=facts))
    page = Page(tmp_path / "report.html")
    images = [attrs["alt"] or "" for tag, attrs in page.tags if tag == "img"]
    assert sum(text.startswith("Mesh from where") for text in images) == 1
    assert all(text in page.text for text in ("150.0", "12 %", "64 × 32", "7 holes", "vertices", HOSTILE))
    assert not any(tag == "script" for tag, _ in page.tags)
    write_report(tmp_path / "report.html", report())
    assert "Meshes" not in Page(tmp_path / "report.html").text

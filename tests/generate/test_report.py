"""The report of a thing: one file, nothing fetched or executed; the strips that it shows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from scenekit.charts import Curve
from scenekit.generate.report import MOST_STRIPS, Side, ThingReport, kept_strips, write_thing_report
from scenekit.validation.finding import Finding

HOSTILE = '"><script>alert(1)</script><img src=http://example.com/x.png onerror=alert(2)>'


def test_words_of_the_prompt_are_shown_and_never_executed(tmp_path: Path) -> None:
    picture = np.zeros((8, 8, 3), np.uint8)
    report = ThingReport(
        HOSTILE, HOSTILE, {HOSTILE: HOSTILE}, {HOSTILE: picture}, [Side(HOSTILE, picture, picture)],
        [Curve("Pull", [1, 2], [0.1, 0.2])], {HOSTILE: HOSTILE}, {HOSTILE: 0.5},
        [Finding("error", "mesh-holes", HOSTILE, HOSTILE, HOSTILE)], {"sketch": 1.0}, HOSTILE, {"scenekit": HOSTILE},
    )  # fmt: skip
    write_thing_report(tmp_path / "report.html", report)
    page = (tmp_path / "report.html").read_text()
    assert "<script" not in page and "<img src=http" not in page and "<svg" in page
    assert page.count("&lt;script&gt;alert(1)") >= 10


def test_strips_are_in_order_with_the_first_and_the_last(tmp_path: Path) -> None:
    for stage, steps in (("sketch", range(50, 1001, 50)), ("refine", (50, 100))):
        for step in steps:
            Image.new("RGB", (8, 2), (step % 256, 0, 0)).save(tmp_path / f"{stage}-{step:06d}.png")
    shown = kept_strips(tmp_path, {"sketch": 1000, "refine": 100})
    names = list(shown)
    assert len(names) == MOST_STRIPS
    assert (names[0], names[-1]) == ("sketch, step 50 of 1000", "refine, step 100 of 100")
    assert [picture[0, 0, 0] for picture in shown.values()] == [int(name.split()[2]) % 256 for name in names]
    assert kept_strips(tmp_path / "nowhere", {"sketch": 10}) == {}

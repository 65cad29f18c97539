"""CoACD in a process of its own: pieces fill a solid and are the same each time; crashes and time-outs give none."""

from pathlib import Path

import numpy as np
import pytest
import trimesh

from scenekit.cameras import Array
from scenekit.sim import cutting
from scenekit.sim.cutting import cut


@pytest.fixture(scope="module")
def notched() -> trimesh.Trimesh:
    """A unit cube with half of its upper side cut away: 0.75 m³."""
    notch = trimesh.creation.box((0.5, 1.0, 0.5)).apply_translation((0.25, 0, 0.25))
    solid = trimesh.boolean.difference([trimesh.creation.box((1, 1, 1)), notch], engine="manifold")
    assert solid.volume == pytest.approx(0.75)
    return solid


def pieces_of(solid: trimesh.Trimesh, seed: int = 0) -> list[Array] | None:
    return cut(solid.vertices, solid.faces, threshold=0.02, is_solid=True, seed=seed)


def test_a_box_with_a_notch_is_cut_into_pieces_that_fill_it(notched: trimesh.Trimesh) -> None:
    clouds = pieces_of(notched)
    assert clouds is not None and 2 <= len(clouds) <= 4
    hulls = [trimesh.convex.convex_hull(points) for points in clouds]
    assert sum(hull.volume for hull in hulls) == pytest.approx(0.75, rel=0.02)
    both = [trimesh.boolean.intersection([hull, notched], engine="manifold").volume for hull in hulls]
    assert sum(both) == pytest.approx(0.75, rel=0.02), "the notch stays open"


def test_pieces_are_the_same_for_the_same_seed(notched: trimesh.Trimesh) -> None:
    once, again = (pieces_of(notched, seed=3) for _ in range(2))
    assert once is not None and again is not None and len(once) == len(again)
    for a, b in zip(once, again, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_sheet_is_thickened(notched: trimesh.Trimesh) -> None:
    sheet = trimesh.Trimesh([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], [[0, 1, 2], [0, 2, 3]])
    clouds = cut(sheet.vertices, sheet.faces, threshold=0.05, is_solid=False, seed=0)
    assert clouds
    points = np.concatenate(clouds)
    thickness = np.ptp(points, axis=0)[2]
    assert 0 < thickness < 0.2
    np.testing.assert_allclose(np.ptp(points, axis=0)[:2], 1, atol=thickness + 0.02)


def test_a_search_that_takes_too_long_gives_nothing(notched: trimesh.Trimesh, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cutting, "SECONDS", 0.01)
    assert pieces_of(notched) is None


@pytest.mark.parametrize("program", ["import os; os.abort()", "import sys; sys.exit(3)"], ids=["crash", "error"])
def test_a_crash_gives_nothing(
    program: str, notched: trimesh.Trimesh, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "child.py").write_text(program)
    monkeypatch.setattr(cutting, "__file__", str(tmp_path / "child.py"))
    assert pieces_of(notched) is None


def test_what_coacd_prints_is_no_part_of_the_answer(
    notched: trimesh.Trimesh, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "coacd.py").write_text(
        "import os\n"
        "def set_log_level(level): pass\n"
        "def Mesh(vertices, faces): return vertices\n"
        "def run_coacd(vertices, **options):\n"
        "    print('from Python', flush=True)\n"
        "    os.write(1, b'from C++')\n"
        "    return [(vertices, None)]\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    clouds = pieces_of(notched)
    assert clouds is not None
    np.testing.assert_array_equal(clouds[0], notched.vertices)


@pytest.mark.parametrize("solids", [2, 0])
def test_crumbs_without_a_volume_are_no_pieces(
    solids: int, notched: trimesh.Trimesh, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "coacd.py").write_text(
        "import numpy as np\n"
        "def set_log_level(level): pass\n"
        "def Mesh(vertices, faces): return vertices\n"
        "def run_coacd(vertices, **options):\n"
        "    corner, square = np.eye(4, 3), np.array([[0, 0, 1], [1, 0, 1], [1, 1, 1], [0, 1, 1.]])\n"
        f"    return [(points, None) for points in [corner] * {solids} + [corner[:1], corner[:3], square]]\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    clouds = pieces_of(notched)
    assert clouds is None if not solids else clouds is not None and len(clouds) == solids

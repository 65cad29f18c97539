"""`scenekit edit`: every edit by its words, back and forth, and short answers to what does not fit."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from scenekit.cli import main
from scenekit.edits import EDITS
from scenekit.io.scene_folder import read_scene, save_scene
from scenekit.io.splat_files import write_splats
from scenekit.meshes import Mesh
from scenekit.poses import Pose
from scenekit.scene import Frame, Node, Scene, SceneState
from scenekit.splats import merge, random_splats

CORNERS = torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [5, 5, 5]])  # the last is idle
FACES = torch.tensor([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]])
HALF = "HalfSpace((1, 0, 0))"

WORDS = {
    "add": ["/table/lamp"],
    "crop": ["/table", "--where", HALF],
    "decimate": ["/", "--keep", "0.5"],
    "delete": ["/table/mug"],
    "duplicate": ["/table/mug", "/table/mug_2"],
    "floaters": ["--min-opacity", "0.2"],
    "level": [],
    "material": ["/table/mug", "ceramic"],
    "mend": ["/"],
    "merge": ["/table", "/bowl"],
    "metric-distance": ["--a", "0", "0", "0", "--b", "1", "0", "0", "--metres", "0.5"],
    "metric-size": ["/table", "--metres", "1.2"],
    "mirror": ["/table/mug", "--normal", "0", "1", "0"],
    "move": ["/table/mug", "--by", "-0.1", "0", "0.3"],
    "opacity": ["/table", "--times", "0.5"],
    "recolor": ["/", "--exposure", "0.5", "--temperature", "4000", "--hue", "20", "--saturation", "0.5"],
    "rename": ["/table/mug", "cup"],
    "reparent": ["/bowl", "/table"],
    "rotate": ["/table", "--angle", "30"],
    "scale": ["/table", "--by", "2"],
    "split": ["/table", "/half", "--where", HALF],
}
"""Words of every edit that a scene without photos and support takes."""


@pytest.fixture
def kitchen(tmp_path: Path) -> Path:
    """/table with /table/mug, which has a mesh, and /bowl."""
    mug = Node("mug", Pose((0.2, 0.1, 0.4)), splats=random_splats(30, seed=1), mesh=Mesh(CORNERS, FACES))
    faint = replace(random_splats(1), logit_opacities=torch.tensor([-6.0]))
    table = Node("table", splats=random_splats(50, degree=1, seed=2), children=(mug,))
    bowl = Node("bowl", Pose((3.0, 0, 0)), splats=merge([random_splats(20, seed=3), faint]))
    state = SceneState(Node("", children=(table, bowl)), Frame(note="a test"))
    return save_scene(Scene(state), tmp_path / "kitchen")


def done(*words: object) -> None:
    assert main([str(word) for word in words]) == 0


def refused(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    """What is said of words that must not work: short, ours, and without a traceback."""
    capsys.readouterr()
    assert main([str(word) for word in words]) == 2
    err = capsys.readouterr().err
    assert err.startswith("scenekit: ")
    assert "Traceback" not in err
    return err


@pytest.mark.parametrize("edit", WORDS)
def test_every_edit_works_by_its_words_and_is_undone_and_redone(
    edit: str, kitchen: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = read_scene(kitchen)
    done("edit", kitchen, edit, *WORDS[edit])
    assert f"saved in {kitchen}" in capsys.readouterr().out
    after = read_scene(kitchen)
    assert before.diff(after)
    done("edit", kitchen, "undo")
    assert "undone: " in capsys.readouterr().out
    assert before.diff(read_scene(kitchen)) == []
    done("edit", kitchen, "redo")
    assert after.diff(read_scene(kitchen)) == []


def test_the_other_edits_say_what_they_need(kitchen: Path, capsys: pytest.CaptureFixture[str]) -> None:
    needs = {
        "extract": "a node with a field",
        "metric-gps": "at least 4",
        "metric-marker": "markers",
        "segment": "3 nodes",
    }
    assert set(needs) | set(WORDS) == set(EDITS)
    words = {"metric-marker": ["--edge", "0.05"]}
    text = (kitchen / "scene.json").read_bytes()
    for edit, says in needs.items():
        assert says in refused(capsys, "edit", kitchen, edit, *words.get(edit, []))
    assert (kitchen / "scene.json").read_bytes() == text


def test_floaters_go_by_either_spelling(kitchen: Path, tmp_path: Path) -> None:
    done("edit", kitchen, "delete", "--floaters", "-o", tmp_path / "a")
    done("edit", kitchen, "floaters", "-o", tmp_path / "b")
    a, b = read_scene(tmp_path / "a"), read_scene(tmp_path / "b")
    assert a.diff(b) == []
    assert [len(read_scene(f).splats()) for f in (kitchen, tmp_path / "a")] == [101, 100]


@pytest.mark.parametrize("place", [0, 1, 3, 7])
def test_the_output_may_stand_anywhere(place: int, kitchen: Path, tmp_path: Path) -> None:
    words = [str(kitchen), "move", "/bowl", "--by", "1", "0", "0"]
    done("edit", *words[:place], "-o", tmp_path / "out", *words[place:])
    assert read_scene(tmp_path / "out").state.pose("/bowl").position == (4.0, 0.0, 0.0)
    assert read_scene(kitchen).state.pose("/bowl").position == (3.0, 0.0, 0.0)


def test_history_lists_what_was_done_and_marks_now(kitchen: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done("edit", kitchen, "rename", "/bowl", "dish")
    done("edit", kitchen, "add", "/lamp")
    done("edit", kitchen, "undo")
    capsys.readouterr()
    done("edit", kitchen, "history")
    assert capsys.readouterr().out.splitlines()[:3] == ["  rename /bowl to dish", "> now", "  add /lamp (undone)"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["movee", "/bowl"], "Did you mean move?"),
        (["/bowl", "move"], "The scene comes first"),
        (["move", "/bowll", "--by", "0", "0", "1"], "one of /, /table, /table/mug, /bowl"),
        (["crop", "/table", "--where", "Bx((0, 0, 0))"], "Sphere(centre, radius)"),
        (["crop", "/table", "--where", "__import__('os')"], "Sphere(centre, radius)"),
        (["crop", "/table", "--where", "Box((0, 0, 0)"], "never closed"),
        (["crop", "/table", "--where", "Sphere((99, 0, 0), 1)"], "nothing of /table"),
        (["material", "/bowl", "rubba"], "rubber"),
        (["rename", "/bowl", "a b"], "letters"),
        (["duplicate", "/bowl", "/table"], "no node yet"),
        (["merge", "/table", "/table/mug"], "not above, at or below"),
        (["delete"], "below the root"),
        (["delete", "--floaters", "--where", HALF], "one of them"),
        (["scale", "/bowl", "--by", "0"], "more than 0"),
        (["undo", "--steps", "3"], "0 to 0"),
        (["decimate", "/"], "keep, count or error"),
    ],
)
def test_what_does_not_fit_is_answered_with_what_would(
    words: list[str], says: str, kitchen: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (kitchen / "scene.json").read_bytes()
    assert says in refused(capsys, "edit", kitchen, *words)
    assert (kitchen / "scene.json").read_bytes() == text


def test_a_file_needs_a_folder_to_go_to(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_splats(tmp_path / "a.ply", random_splats(9))
    words = ["edit", tmp_path / "a.ply", "recolor", "/a", "--exposure", "1"]
    assert "-o FOLDER" in refused(capsys, *words)
    done(*words, "-o", tmp_path / "a")
    assert len(read_scene(tmp_path / "a").splats()) == 9


def test_help_lists_every_edit(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["edit", "--help"])
    assert exit_.value.code == 0
    listed = set(re.findall(r"• ([a-z-]+)", capsys.readouterr().out))
    assert listed == {*EDITS, "undo", "redo", "history"}

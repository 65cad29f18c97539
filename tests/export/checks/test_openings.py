"""Every file opens in every program and agrees; each way of spoiling one is found and named."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from scenekit.export.checks import openings
from scenekit.export.checks.files import AssetFile, expected_files
from scenekit.export.checks.openings import opened
from scenekit.export.physics_json import read_physics


def files(folder: Path) -> dict[str, AssetFile]:
    return {file.name: file for file in expected_files(folder, read_physics(folder))}


def problems(folder: Path, name: str) -> list[str]:
    """Of a file, in all programs."""
    return [f"{opening.program}: {problem}" for opening in opened(files(folder)[name]) for problem in opening.problems]


def edit(path: Path, change: Callable[[str], str]) -> None:
    before = path.read_text()
    assert change(before) != before
    path.write_text(change(before))


def test_every_file_loads_everywhere_and_agrees(room: Path) -> None:
    found = [opening for file in files(room).values() for opening in opened(file)]
    assert not [opening for opening in found if opening.problems]
    assert {opening.program for opening in found} == {"MuJoCo", "Newton", "OpenUSD", "trimesh"}
    pairs = {(o.file.split("/")[0], o.program, name) for o in found for name in o.differences}
    assert len(pairs) == 7 * 3  # each format in its programs, each link with a mass
    assert max(opening.largest for opening in found) < 1e-5


def test_a_mass_that_is_a_thousandth_off_is_found_by_both_readers(copy: Path) -> None:
    scaled: Callable[[re.Match[str]], str] = lambda match: f'mass="{1.001 * float(match[1])}"'  # noqa: E731
    edit(copy / "mjcf/cup.xml", lambda text: re.sub(r'mass="([^"]+)"', scaled, text, count=1))
    assert [text.split(", more")[0] for text in problems(copy, "mjcf/cup.xml")] == [
        "MuJoCo: mass of cup is off by 0.001", "Newton: mass of cup is off by 0.001",
    ]  # fmt: skip


def test_axes_of_inertia_that_are_swapped_are_found(copy: Path) -> None:
    def swapped(text: str) -> str:
        return text.replace("ixx=", "i#=").replace("iyy=", "ixx=").replace("i#=", "iyy=")

    edit(copy / "urdf/cabinet.urdf", swapped)
    found = problems(copy, "urdf/cabinet.urdf")
    assert len(found) == 4 and all("inertia of cabinet" in problem for problem in found)


def test_a_door_that_hangs_elsewhere_is_found_by_both_readers(copy: Path) -> None:
    edit(copy / "urdf/cabinet.urdf", lambda text: text.replace('xyz="-0.15 -0.111 0.0"', 'xyz="-0.15 -0.121 0.0"'))
    assert [text.split(" is off")[0] for text in problems(copy, "urdf/cabinet.urdf")] == [
        "MuJoCo: pose of cabinet_door", "Newton: pose of cabinet_door",
    ]  # fmt: skip


def test_a_glb_that_is_cut_short_is_found(copy: Path) -> None:
    path = copy / "glb/cup.glb"
    path.write_bytes(path.read_bytes()[:-200])
    (problem,) = problems(copy, "glb/cup.glb")
    assert problem.startswith("trimesh: does not load") and "no whole GLB" in problem


def test_a_usd_in_centimetres_is_found(copy: Path) -> None:
    edit(copy / "usd/scene.usda", lambda text: text.replace("metersPerUnit = 1", "metersPerUnit = 0.01"))
    assert "OpenUSD: does not load: metersPerUnit 0.01; wanted 1.0" in problems(copy, "usd/scene.usda")


@pytest.mark.parametrize(("path", "said"), [("/etc/passwd", "a reference to"), ("textures/no.png", "is missing")])
def test_a_usd_that_needs_what_is_not_in_its_folder_is_found(copy: Path, path: str, said: str) -> None:
    edit(copy / "usd/cup/simready/cup.usda", lambda text: re.sub(r"@[^@]*textures/cup.png@", f"@{path}@", text))
    found = problems(copy, "usd/cup/simready/cup.usda")
    assert found[0].startswith("OpenUSD: does not load") and said in found[0] and path in found[0]


def test_a_link_that_is_not_there_is_found(copy: Path) -> None:
    edit(copy / "mjcf/cup.xml", lambda text: text.replace('<body name="cup"', '<body name="mug"'))
    assert problems(copy, "mjcf/cup.xml") == ["MuJoCo: has no body cup", "Newton: has no body cup"]


def test_a_mesh_or_a_file_that_is_missing_is_found(copy: Path) -> None:
    (copy / "urdf/meshes/cup_visual.obj").unlink()
    (copy / "mjcf/cabinet.xml").unlink()
    (problem,) = problems(copy, "urdf/cup.urdf")
    assert "meshes/cup_visual.obj" in problem and "missing" in problem
    assert problems(copy, "mjcf/cabinet.xml") == ["scenekit: is missing"]


@pytest.mark.parametrize("path", ["../glb/cup.glb", "/etc/passwd", "file:///etc/passwd", "C:\\mesh.obj"])
def test_a_path_that_leads_outside_is_not_followed(copy: Path, path: str) -> None:
    edit(copy / "mjcf/cup.xml", lambda text: text.replace("meshes/cup_visual.obj", path))
    (problem,) = problems(copy, "mjcf/cup.xml")
    assert problem.startswith("scenekit: names") and "not a relative path" in problem


def test_a_link_to_a_file_outside_is_not_followed(copy: Path) -> None:
    path = copy / "mjcf/meshes/cup_visual.obj"
    path.unlink()
    path.symlink_to(copy / "urdf/meshes/cup_visual.obj")
    (problem,) = problems(copy, "mjcf/cup.xml")
    assert "a link to a file outside" in problem


@pytest.mark.parametrize("junk", [b"", b"<mujoco", b"\x00" * 50, b"<mujoco/>"])
def test_what_is_no_model_is_named_and_not_raised(copy: Path, junk: bytes) -> None:
    (copy / "mjcf/cup.xml").write_bytes(junk)
    (copy / "glb/cup.glb").write_bytes(junk)
    (copy / "usd/cup/simready/cup.usda").write_bytes(junk)
    for name in ("mjcf/cup.xml", "glb/cup.glb", "usd/cup/simready/cup.usda"):
        assert problems(copy, name)


def test_a_program_that_is_not_installed_is_said_and_fails(room: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(openings.READERS, "urdf", (("Nobody", "read_nobody"),))
    (problem,) = problems(room, "urdf/cup.urdf")
    assert problem.startswith("Nobody: is not checked, its reader is not installed") and "read_nobody" in problem


def test_a_mass_that_is_no_number_is_found(copy: Path) -> None:
    path = copy / "glb/cup.glb"
    data = path.read_bytes()
    size = int.from_bytes(data[12:16], "little")
    mass = json.loads(data[20 : 20 + size])["nodes"][1]["extras"]["scenekit"]["mass"]
    path.write_bytes(data.replace(str(mass).encode(), b"NaN".ljust(len(str(mass)))))
    (problem,) = problems(copy, "glb/cup.glb")
    assert "mass of cup is off by" in problem

"""A scene in a folder comes back bit for bit with its history, and is never half there."""

import errno
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from scenekit import edits
from scenekit.body import Body
from scenekit.cameras import Camera, look_at
from scenekit.capture.capture import Capture, Frame, Photo, Points
from scenekit.errors import FileError, InputError
from scenekit.io import part_files
from scenekit.io.scene_folder import read_scene, save_scene
from scenekit.material import materials
from scenekit.poses import Pose
from scenekit.quantities import Quantity
from scenekit.scene import Node, Scene, SceneState
from scenekit.splats import Splats, random_splats


def fresh(folder: Path) -> Scene:
    """The scene in a folder as another process would read it: nothing is remembered of its files."""
    part_files._files.clear()
    part_files._parts.clear()
    return read_scene(folder)


def same_splats(a: Splats, b: Splats) -> bool:
    pairs = zip(a.tensors().values(), b.tensors().values(), strict=True)
    return a.antialiased == b.antialiased and all(torch.equal(x, y) for x, y in pairs)


def splats_of(scene: Scene, path: str) -> Splats:
    splats = scene.state.node(path).splats
    assert splats is not None
    return splats


def files(folder: Path) -> dict[str, int]:
    """Every part file and when it was written."""
    return {path.name: path.stat().st_mtime_ns for path in (folder / "parts").iterdir()}


@pytest.fixture
def capture(tmp_path: Path) -> Capture:
    rng = np.random.default_rng(0)
    path = tmp_path / "photos" / "ü.png"
    path.parent.mkdir()
    Image.new("RGB", (40, 30)).save(path)
    lens = Camera("SIMPLE_RADIAL", 40, 30, (33.3, 20.1, 15.2, -0.031))
    photo = Photo("ü.png", path, lens, look_at(rng.normal(size=3), rng.normal(size=3) + 4))
    points = Points(rng.normal(size=(7, 3)), rng.integers(0, 255, (7, 3), dtype=np.uint8), rng.uniform(size=7))
    frame = Frame("estimated", "given", "because", 0.1, 0.02, rng.normal(size=(4, 4)))
    return Capture([photo], points, "photos", frame, {"x.jpg": "blurred"}, {"registered": 3}, frozenset({"ü.png"}))


@pytest.fixture
def state(capture: Capture) -> SceneState:
    rng = np.random.default_rng(1)
    quat = rng.normal(size=4)
    pose = Pose(tuple(rng.normal(size=3) / 3), tuple(quat / np.linalg.norm(quat)))
    inertia = ((1e-3, 0.1, 0.2), (0.1, 1 / 3, 0.0), (0.2, 0.0, 5e-324))
    body = Body("dynamic", Quantity(0.3, "estimated", 0.01, "weighed by eye"), (0.1, -0.0, 1 / 3), inertia)
    mug = Node("mug", pose, splats=random_splats(50, degree=2), body=body, material=materials["ceramic"])
    table = Node(
        "table", Pose((0, 0, 0.1)), splats=replace(random_splats(70, seed=1), antialiased=True), children=(mug,)
    )
    root = Node("", children=(table, Node("cameras", cameras=capture), Node("größe.1")))
    return SceneState(root, Frame("measured", "given", "by a ruler", None, 0.01, rng.normal(size=(4, 4))), "a test")


def test_everything_comes_back_bit_for_bit(state: SceneState, tmp_path: Path) -> None:
    Scene(state).save(tmp_path / "kitchen")
    again = fresh(tmp_path / "kitchen").state
    assert [path for path, _ in again.walk()] == [path for path, _ in state.walk()]
    for path, node in state.walk():
        other = again.node(path)
        assert (node.pose, node.body, node.material) == (other.pose, other.body, other.material)
        assert (node.splats is None) == (other.splats is None)
        if node.splats is not None and other.splats is not None:
            assert same_splats(node.splats, other.splats)
    ours, theirs = state.node("/cameras").cameras, again.node("/cameras").cameras
    assert ours is not None and theirs is not None
    assert ours.photos[0].T_world_cam.tobytes() == theirs.photos[0].T_world_cam.tobytes()
    assert ours.points.xyz.tobytes() == theirs.points.xyz.tobytes()
    assert (ours.frame, ours.skipped, ours.summary, ours.held_out) == (
        theirs.frame,
        theirs.skipped,
        theirs.summary,
        theirs.held_out,
    )
    assert (again.frame, again.source) == (state.frame, state.source)
    assert again.frame.T_world_source.tobytes() == state.frame.T_world_source.tobytes()


def test_history_goes_on_in_another_process_with_the_very_bits(state: SceneState, tmp_path: Path) -> None:
    scene = Scene(state)
    less = splats_of(scene, "/table/mug").map(lambda t: t[::2])
    scene.apply(edits.Assign("/table/mug", "splats", less), edits.Move("/table", by=(0.1, 0, 1 / 3)))
    scene.undo()
    scene.save(tmp_path / "kitchen")
    again = fresh(tmp_path / "kitchen")
    assert same_splats(splats_of(again, "/table/mug"), less)
    again.redo()
    assert again.state.pose("/table") == Pose((0.1, 0, 0.1 + 1 / 3))
    again.undo(2)
    assert same_splats(splats_of(again, "/table/mug"), splats_of(Scene(state), "/table/mug"))
    assert [label.split()[0] for _, label in again.future] == ["move", "set"]
    again.save()
    assert len(fresh(tmp_path / "kitchen").redo(2).past) == 2


def test_past_states_are_not_read_until_they_are_wanted(state: SceneState, tmp_path: Path) -> None:
    scene = Scene(state).apply(edits.Assign("/table", "splats", None))
    scene.save(tmp_path / "kitchen")
    (gone,) = (tmp_path / "kitchen" / "parts").glob("table-????????????.ply")
    gone.unlink()
    again = fresh(tmp_path / "kitchen")
    before = again.state
    with pytest.raises(FileError, match="table-"):
        again.undo()
    assert again.state is before and len(again.past) == 1 and not again.future


def test_saving_again_writes_only_what_changed(state: SceneState, tmp_path: Path) -> None:
    scene = Scene(state)
    scene.save(tmp_path / "kitchen")
    before = files(tmp_path / "kitchen")
    scene.apply(edits.Assign("/table/mug", "splats", random_splats(9, seed=5)))
    scene.save()
    after = files(tmp_path / "kitchen")
    assert before.items() <= after.items()
    assert len(after) == len(before) + 1


def test_a_state_read_back_shares_its_parts_with_those_of_the_history(state: SceneState, tmp_path: Path) -> None:
    Scene(state).apply(edits.Move("/table", by=(1, 0, 0))).save(tmp_path / "kitchen")
    again = fresh(tmp_path / "kitchen")
    mug = splats_of(again, "/table/mug")
    assert splats_of(again.undo(), "/table/mug") is mug


def test_equal_parts_of_several_nodes_are_one_file(tmp_path: Path) -> None:
    twin = random_splats(20)
    root = Node("", children=(Node("a", splats=twin), Node("b", splats=twin), Node("c", splats=random_splats(20))))
    Scene(SceneState(root)).save(tmp_path / "kitchen")
    assert len(list((tmp_path / "kitchen" / "parts").glob("a-*"))) == 1
    assert not list((tmp_path / "kitchen" / "parts").glob("b-*"))


def test_a_scene_with_another_folder_takes_its_history_along(state: SceneState, tmp_path: Path) -> None:
    Scene(state).apply(edits.Assign("/table/mug", "splats", None)).save(tmp_path / "a")
    copy = fresh(tmp_path / "a")
    copy.save(tmp_path / "b")
    assert copy.folder == tmp_path / "a"
    shutil.rmtree(tmp_path / "a")
    assert len(splats_of(fresh(tmp_path / "b").undo(), "/table/mug")) == 50


def test_parts_no_state_uses_are_removed_and_strangers_stay(state: SceneState, tmp_path: Path) -> None:
    Scene(state).save(tmp_path / "kitchen")
    (tmp_path / "kitchen" / "parts" / "notes.txt").write_text("mine")
    (tmp_path / "kitchen" / "parts" / ".new-1.ply").write_text("left by a killed process")
    Scene(SceneState(Node("", children=(Node("a", splats=random_splats(3)),)))).save(tmp_path / "kitchen")
    names = [path.name for path in (tmp_path / "kitchen" / "parts").iterdir()]
    assert len(names) == 2 and "notes.txt" in names


def test_history_has_a_budget_and_the_furthest_steps_go_first(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    scene = Scene(SceneState(Node("", children=(Node("a", splats=random_splats(1000, degree=0)),))))
    for seed in range(1, 6):
        scene.apply(edits.Assign("/a", "splats", random_splats(1000, degree=0, seed=seed)))
    scene.save(tmp_path / "kitchen", history_bytes=int(2.5 * 1000 * 17 * 4))
    assert "3 steps of history" in caplog.text
    again = fresh(tmp_path / "kitchen")
    assert len(again.past) == len(scene.past) == 2
    assert len(files(tmp_path / "kitchen")) == 3
    assert same_splats(splats_of(again.undo(2), "/a"), random_splats(1000, degree=0, seed=3))


def test_what_another_process_saved_is_not_overwritten(state: SceneState, tmp_path: Path) -> None:
    Scene(state).save(tmp_path / "kitchen")
    mine, theirs = read_scene(tmp_path / "kitchen"), read_scene(tmp_path / "kitchen")
    theirs.apply(edits.Move("/table", by=(1, 0, 0))).save()
    with pytest.raises(FileError, match="somebody else"):
        mine.apply(edits.Move("/table", by=(2, 0, 0))).save()
    assert fresh(tmp_path / "kitchen").state.pose("/table").position[0] == 1
    mine.save(tmp_path / "other")


def test_a_number_that_is_not_finite_is_refused_by_name_and_nothing_is_written(
    state: SceneState, tmp_path: Path
) -> None:
    scene = Scene(state)
    scene.save(tmp_path / "kitchen")
    before = (tmp_path / "kitchen" / "scene.json").read_bytes()
    scene.apply(edits.Assign("/table/mug", "body", Body(centre=(float("nan"), 0, 0))))
    with pytest.raises(InputError, match="mug"):
        scene.save()
    assert (tmp_path / "kitchen" / "scene.json").read_bytes() == before


def test_a_scene_without_a_folder_asks_for_one() -> None:
    with pytest.raises(InputError, match="folder"):
        Scene().save()


@pytest.mark.parametrize("damage", ["bits", "length", "gone", "linked out", "folder"])
def test_a_part_file_that_is_not_what_was_written_is_refused(damage: str, state: SceneState, tmp_path: Path) -> None:
    Scene(state).save(tmp_path / "kitchen")
    (part,) = (tmp_path / "kitchen" / "parts").glob("table-mug-*.ply")
    data = bytearray(part.read_bytes())
    part.unlink()
    if damage == "bits":
        data[-9] ^= 1
        part.write_bytes(data)
    elif damage == "length":
        part.write_bytes(data[:-4])
    elif damage == "linked out":
        (tmp_path / "elsewhere.ply").write_bytes(data)
        part.symlink_to(tmp_path / "elsewhere.ply")
    elif damage == "folder":
        part.mkdir()
    with pytest.raises(FileError, match="table-mug"):
        fresh(tmp_path / "kitchen")


# Crashes: the folder holds the old scene or the new one, whatever happens during a save.


def numbered(k: int) -> Scene:
    """Scene number k: every tensor tells k, so that a mixture of two scenes would show."""
    clouds = [random_splats(2000, degree=0, seed=seed).map(lambda t: torch.full_like(t, k)) for seed in range(3)]
    nodes = tuple(Node(f"n{i}", Pose((k, 0, 0)), splats=cloud) for i, cloud in enumerate(clouds))
    return Scene(SceneState(Node("", children=nodes), source=str(k)))


def number_in(folder: Path) -> int:
    """Which scene the folder holds; asserts that it is one, whole, with all its history."""
    scene = fresh(folder)
    k = int(scene.state.source)
    for _ in range(len(scene.past) + 1):
        for i in range(3):
            node = scene.state.node(f"/n{i}")
            assert node.splats is not None
            assert node.pose.position[0] == k
            assert all((t == k).all() for t in node.splats.tensors().values())
        if scene.past:
            k = int(scene.undo().state.source)
    return int(fresh(folder).state.source)


SAVING = """
import os, sys
sys.path.insert(0, {here!r})
from pathlib import Path
from test_scene_folder import numbered
from scenekit.io.scene_folder import read_scene
folder = Path(sys.argv[1])
for _ in sys.stdin:  # what takes long is imported once; a new process saves for each line
    if child := os.fork():
        print(os.waitpid(child, 0)[1], flush=True)
        continue
    scene = read_scene(folder)
    first = int(scene.state.source) + 1
    for k in range(first, 10**6):
        scene.past.append((scene.state, "next"))
        scene.state = numbered(k).state
        scene.save(history_bytes=300_000)
        if k == first:
            print("saved", os.getpid(), flush=True)
"""


def killed_at_random(folder: Path, times: int) -> list[int]:
    """Kills a saving process that often, some time after its first save; the number of the scene found after each."""
    numbered(0).save(folder)
    rng, found = np.random.default_rng(0), [0]
    program = [sys.executable, "-c", SAVING.format(here=str(Path(__file__).parent)), str(folder)]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None and process.stdout is not None
        for _ in range(times):
            process.stdin.write("another\n")
            process.stdin.flush()
            said, pid = process.stdout.readline().split()
            assert said == "saved"
            time.sleep(rng.uniform(0.0, 0.3))
            os.kill(int(pid), signal.SIGKILL)
            assert int(process.stdout.readline()) == signal.SIGKILL
            found.append(number_in(folder))
    return found


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_a_killed_save_leaves_the_old_scene_or_the_new(tmp_path: Path) -> None:
    found = killed_at_random(tmp_path / "kitchen", 4)
    assert len(found) == 4 + 1 and all(a < b for a, b in pairwise(found))


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_two_hundred_killed_saves_leave_the_old_scene_or_the_new(tmp_path: Path) -> None:
    found = killed_at_random(tmp_path / "kitchen", 200)
    assert len(found) == 200 + 1 and all(a < b for a, b in pairwise(found))


def test_a_failure_at_any_call_to_the_system_leaves_the_old_scene_or_the_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is full at the k-th fsync, rename or truncating open, for every k until a save gets through."""
    folder, failures = tmp_path / "kitchen", 0
    numbered(0).save(folder)
    for k in range(1, 100):
        calls = 0

        def failing(original: object, k: int = k) -> object:
            def call(*args: object, **kwargs: object) -> object:
                nonlocal calls
                calls += 1
                if calls == k:
                    raise OSError(errno.ENOSPC, "No space left on device")
                return original(*args, **kwargs)  # type: ignore[operator]

            return call

        scene = fresh(folder)
        old = int(scene.state.source)
        scene.past.append((scene.state, "next"))
        scene.state = numbered(k).state
        with monkeypatch.context() as patched:
            patched.setattr(os, "fsync", failing(os.fsync))
            patched.setattr(Path, "replace", failing(Path.replace))
            patched.setattr(Path, "unlink", failing(Path.unlink))
            try:
                scene.save()
            except OSError:
                failures += 1
                assert number_in(folder) in (old, k)
                continue
        assert number_in(folder) == k
        break
    assert failures > 10


def room_for(folder: Path, size: int) -> None:
    """A file that leaves `size` bytes on the disk of `folder`."""
    filler = folder / "filler"
    filler.unlink(missing_ok=True)
    free = shutil.disk_usage(folder).free
    filler.write_bytes(b"\0" * max(0, free - size))


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root mounts disks")
def test_a_disk_that_fills_up_leaves_the_old_scene_or_the_new(tmp_path: Path) -> None:
    """200 saves onto a real disk with 0 to 600 kB left."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(disk)], capture_output=True).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        folder, full = disk / "kitchen", 0
        numbered(0).save(folder)
        for k in range(1, 201):
            scene = fresh(folder)
            old = int(scene.state.source)
            scene.past, scene.state = [(scene.state, "next")], numbered(k).state
            room_for(disk, 3000 * k)
            try:
                save_scene(scene, history_bytes=200_000)
            except OSError:
                full += 1
                (disk / "filler").unlink()
                assert number_in(folder) == old
                assert len(files(folder)) <= 9, "what did not become a scene is taken back"
            else:
                assert number_in(folder) == k
        assert 20 < full < 180
    finally:
        subprocess.run(["umount", str(disk)], check=True)

"""A sentence to a report: tiny runs by a prior whose answer is known, gone on with, and refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor

import scenekit
from scenekit.cli import main
from scenekit.errors import BackendError, FileError, InputError
from scenekit.generate.recipes import RECIPES
from scenekit.generate.report import SIDES
from scenekit.generate.splats import SplatSketch, SplatSketchConfig
from scenekit.generate.thing import Thing
from scenekit.guidance.analytic import AnalyticPrior
from scenekit.guidance.prior import Views
from scenekit.guidance.shapes_prior import ShapesPrior
from scenekit.guidance.transformer import PictureTransformer, TransformerConfig
from scenekit.io.splat_files import read_splats
from scenekit.opening import open_scene
from scenekit.pipelines import generate, generate_world
from scenekit.pipelines.generate_plan import Config, Overrides, planned, prior_of
from scenekit.runs import read_json

PROMPT = "a red ball"
SIDE, STEPS = 24, 24
FAST = Overrides(steps=STEPS, views=4, side=SIDE)
TINY = SplatSketchConfig(count=200, voxels=16)


def ball(views: Views) -> Tensor:
    """A red ball of diameter 1 before the studio's background, the same from everywhere, shape (n, 1, 3, s, s)."""
    y, x = torch.meshgrid(*[(torch.arange(SIDE) + 0.5) / SIDE * 2 - 1] * 2, indexing="ij")
    inside = ((x**2 + y**2).sqrt() < 0.55).float()
    red, wall = (torch.tensor(c)[:, None, None] for c in ((0.8, 0.1, 0.1), (0.6, 0.69, 0.8)))
    return (inside * red + (1 - inside) * wall).expand(len(views), 1, 3, SIDE, SIDE)


def known(config: Config | None = None) -> AnalyticPrior:
    return AnalyticPrior([PROMPT], ball, Views(torch.zeros(1), torch.zeros(1)))


def config(folder: Path, **changes: Any) -> Config:
    options: dict[str, Any] = {"recipe": FAST, "video_frames": 3, "size": 0.12}
    return Config(PROMPT, output=folder, **options | changes)


@pytest.fixture(scope="module")
def patch() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patch:
        yield patch


@pytest.fixture(scope="module", autouse=True)
def prior(patch: pytest.MonkeyPatch) -> None:
    """The prior of every run here knows a red ball and nothing else, and sketches are small."""
    patch.setattr(generate, "prior_of", known)
    patch.setattr(generate_world, "prior_of", known)
    patch.setitem(RECIPES, "shapes", replace(RECIPES["shapes"], splats=TINY))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, prior: None) -> generate.Result:
    """A whole run."""
    return generate.run(config(tmp_path_factory.mktemp("runs") / "ball"))


def bits(folder: Path) -> dict[str, bytes]:
    """What a run is to end in, whatever happened on the way."""
    files = [
        folder / "splats.ply",
        folder / "mesh.glb",
        *(folder / "progress").iterdir(),
        *(folder / "scene/parts").iterdir(),
    ]
    return {file.name: file.read_bytes() for file in sorted(files)}


def test_a_run_leaves_every_file_it_promises(finished: generate.Result) -> None:
    names = {path.name for path in finished.folder.iterdir()}
    assert names >= {
        "scene",
        "splats.ply",
        "mesh.glb",
        "video.mp4",
        "report.html",
        "progress",
        "metrics.json",
        "config.json",
        "run.json",
    }
    assert read_json(finished.folder / "run.json")["finished"]
    with av.open(str(finished.folder / "video.mp4")) as container:
        assert len(list(container.decode(video=0))) == 3
    strips = sorted(finished.folder.glob("progress/*.png"))
    assert [Image.open(file).size for file in strips] == [(4 * SIDE, SIDE)] * len(strips) and strips


def test_the_thing_is_the_ball_that_the_prior_knows(finished: generate.Result) -> None:
    """Round, 12 cm, on the floor, on its way from grey to red; in the scene as in the result and in the files."""
    thing, scene = finished.thing, open_scene(finished.folder)
    sides = np.ptp(thing.box, axis=0)
    assert sides.max() == pytest.approx(0.12, rel=1e-4) and sides.min() > 0.8 * sides.max()
    assert thing.mesh.vertex_colors is not None
    red, green, blue, _ = thing.mesh.vertex_colors.float().mean(0).tolist()
    assert red > 1.25 * max(green, blue)
    node = scene.state.node("/ball")
    assert node.mesh is not None and torch.equal(node.mesh.vertices, thing.mesh.vertices)
    assert torch.equal(read_splats(finished.folder / "splats.ply").means, thing.splats.means)
    assert not [f.code for f in scene.validate() if f.severity != "note"]


def test_metrics_say_what_the_thing_is_and_where_numbers_come_from(finished: generate.Result) -> None:
    metrics = read_json(finished.folder / "metrics.json")
    assert metrics["prompt"] == PROMPT and metrics["material"] == "rubber"
    assert metrics["longest_side"]["provenance"] == "authored"
    assert metrics["mass_kg"] == pytest.approx(finished.thing.mass)
    assert metrics["history"][-1]["step"] == STEPS
    assert list(metrics["seconds"]) == ["sketch", "surface", "scene", "video", "report"]


def test_the_report_shows_the_making_and_needs_nothing_else(finished: generate.Result) -> None:
    page = (finished.folder / "report.html").read_text()
    assert PROMPT in page and f"step {STEPS} of {STEPS}" in page.lower() and "data:video/mp4" in page
    assert page.count("Splats from") == page.count("Mesh from") == len(SIDES)
    assert "http://" not in page and "https://" not in page and "<script" not in page


def test_a_run_interrupted_once_in_every_stage_ends_in_the_same_bits(
    finished: generate.Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stages = {"sketch": (SplatSketch, "advance"), "surface": (SplatSketch, "mesh"), "scene": (Thing, "scene")}
    stages |= {"video": (generate, "write_turntable"), "report": (generate, "write_thing_report")}
    for stage, (owner, name) in stages.items():
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(owner, name, interrupted(getattr(owner, name), after=STEPS // 2 if stage == "sketch" else 0))
            generate.run(config(tmp_path))
        assert stage not in read_json(tmp_path / "run.json")["done"]
    generate.run(config(tmp_path))
    assert bits(tmp_path) == bits(finished.folder)


def interrupted(whole: Any, *, after: int = 0) -> Any:
    """A function that is left by Ctrl-C after so many calls."""
    calls = 0

    def called(*args: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls > after:
            raise KeyboardInterrupt
        return whole(*args, **options)

    return called


def test_a_finished_run_that_is_called_again_keeps_edits_of_its_scene(finished: generate.Result) -> None:
    before = bits(finished.folder)
    scene = open_scene(finished.folder).apply(scenekit.edits.Rename("/ball", "sun"))
    scene.save()
    generate.run(config(finished.folder))
    assert "/sun" in open_scene(finished.folder)
    open_scene(finished.folder).undo().save()
    assert bits(finished.folder) == before


def test_another_seed_makes_another_ball_and_is_refused_in_the_same_folder(
    finished: generate.Result, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="seed was 0, now 1"):
        generate.run(config(finished.folder, seed=1))
    other = generate.run(config(tmp_path / "other", seed=1, recipe=replace(FAST, steps=4)))
    assert not torch.equal(other.thing.splats.means[:9], finished.thing.splats.means[:9])


def test_the_commands_of_scenes_work_on_a_run(
    finished: generate.Result, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = str(finished.folder)
    assert main(["info", run]) == 0 and "/ball" in capsys.readouterr().out
    assert main(["validate", run]) == 0
    assert main(["edit", run, "move", "/ball", "--by", "0", "0", "0.1"]) == 0
    assert main(["edit", run, "undo"]) == 0
    assert main(["export", run, "-o", str(tmp_path / "assets"), "--to", "glb", "--collision", "hull"]) == 0
    assert (tmp_path / "assets" / "glb" / "scene.glb").is_file()
    moving = ["--seconds", "0.07", "--size", "64x48", "--drop", "/ball=0.1", "-o", str(tmp_path / "fall")]
    assert main(["simulate", run, *moving]) == 0
    assert (tmp_path / "fall" / "video.mp4").is_file()


def test_a_mesh_is_refined_by_the_same_guidance(tmp_path: Path) -> None:
    made = generate.run(config(tmp_path, refine=4))
    assert (tmp_path / "progress" / "refine-000004.png").is_file()
    assert [record["step"] for record in made.metrics["history"]] == [10, 20, STEPS, STEPS + 4]
    assert np.ptp(made.thing.box, axis=0).max() == pytest.approx(0.12, rel=1e-4)
    assert len(made.thing.splats) > 1000


def test_a_layout_becomes_a_world_of_runs_and_goes_on_where_it_stopped(
    finished: generate.Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two balls are made, a third one is there already."""
    shutil.copytree(finished.folder / "scene", tmp_path / "scene")
    things: list[dict[str, Any]] = [
        {"name": "first", "prompt": PROMPT, "size": "10 cm", "at": [0, 0]},
        {"name": "second", "prompt": PROMPT, "size": "20 cm", "material": "wood", "beside": "first"},
        {"name": "old", "scene": "scene", "at": [0.5, 0.5]},
    ]
    document = {"version": 1, "name": "balls", "things": things}
    (tmp_path / "layout.json").write_text(json.dumps(document))
    options = replace(config(tmp_path / "world"), prompt="", size=None, layout=tmp_path / "layout.json")
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(generate_world, "world", interrupted(None))
        generate.run(options)
    with monkeypatch.context() as patch:
        patch.setattr(generate_world, "generated", None)  # nothing is made twice
        made = generate.run(options)
    assert isinstance(made, generate_world.WorldResult)
    scene = open_scene(tmp_path / "world")
    assert {"/first", "/second", "/old"} < {*scene}
    assert not [finding for finding in scene.validate() if finding.severity == "error"]
    material = scene.state.node("/second").material
    assert material is not None and material.name == "wood"
    assert "balls" in (tmp_path / "world" / "report.html").read_text()
    assert (tmp_path / "world" / "video.mp4").is_file() and (tmp_path / "world/things/first/report.html").is_file()
    things[2]["at"] = [0.5, -0.5]
    (tmp_path / "layout.json").write_text(json.dumps(document))
    with pytest.raises(InputError, match=r"layout\.old\.at was"):
        generate.run(options)


def test_a_layout_with_words_that_nobody_knows_names_the_thing_before_anything_is_made(tmp_path: Path) -> None:
    things = [{"name": "a", "prompt": PROMPT}, {"name": "b", "prompt": "a green blorp"}]
    (tmp_path / "layout.json").write_text(json.dumps({"version": 1, "name": "x", "things": things}))
    options = replace(config(tmp_path / "world"), prompt="", size=None, layout=tmp_path / "layout.json")
    with pytest.raises(InputError, match="layout: 'b': prompt"):
        generate.run(options)
    with pytest.raises(InputError, match="--layout: got prompt and size too"):
        generate.run(replace(options, prompt=PROMPT, size=0.1))
    assert not (tmp_path / "world").exists()


def test_generate_is_a_door_of_the_package(tmp_path: Path) -> None:
    brief = replace(FAST, steps=4)
    result = scenekit.generate(PROMPT, tmp_path / "ball", size=0.2, recipe=brief, video_frames=0)
    assert result.thing.size.value == 0.2
    assert not (tmp_path / "ball" / "video.mp4").exists()


def test_sizes_and_materials_are_said_or_usual_and_say_which() -> None:
    usual = planned(config(Path("x"), size=None), known())
    assert (usual.size.value, usual.size.provenance, usual.material) == (0.2, "estimated", "rubber")
    said = planned(config(Path("x"), material="steel"), known())
    assert (said.size.provenance, said.material, said.material_from) == ("authored", "steel", "as was asked for")


def test_a_picture_pulls_too(tmp_path: Path) -> None:
    y, x = np.mgrid[:64, :64]
    rgba = np.zeros((64, 64, 4), np.uint8)
    rgba[(x - 32) ** 2 + (y - 32) ** 2 < 25**2] = (20, 20, 200, 255)
    Image.fromarray(rgba).save(tmp_path / "blue.png")
    made = generate.run(config(tmp_path / "run", image=tmp_path / "blue.png", image_weight=5.0))
    assert made.thing.mesh.vertex_colors is not None
    red, _, blue, _ = made.thing.mesh.vertex_colors.float().mean(0).tolist()
    assert blue > red


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"prompt": "  "}, "prompt: got nothing"),
        ({"prompt": "ball " * 100}, "prompt: got 499 characters"),
        ({"prompt": "a red bal"}, "a red ball"),
        ({"material": "unobtainium"}, "material: got 'unobtainium'"),
        ({"size": 1e6}, "size: got"),
        ({"recipe": Overrides(steps=0)}, "distillation steps"),
        ({"recipe": Overrides(side=4096, views=64)}, "million pixels"),
        ({"image": Path("nowhere.png")}, "no such file"),
    ],
)
def test_what_cannot_be_made_is_refused_before_a_folder_is(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises((InputError, FileError), match=message):
        generate.run(replace(config(tmp_path / "run"), **changes))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--size", "12"], "a number and a unit"), (["--size", "9000 km"], "0.1 mm to 10 km"),
        (["--prior", "imagen"], "shapes"), (["--method", "voxels"], "nerf"),
    ],
)  # fmt: skip
def test_options_that_do_not_exist_are_named(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as error:
        main(["generate", PROMPT, *words])
    assert error.value.code == 2
    assert message in " ".join(capsys.readouterr().err.replace("│", " ").split())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"weights": Path("nowhere.safetensors")}, "weights of a prior"),
        ({"model": "a/b"}, "none with --prior shapes"),
        ({"prior": "diffusers"}, "got no model"),
        (
            {"prior": "diffusers", "model": "a/b", "weights": Path("w.safetensors")},
            "--model FOLDER or OWNER/NAME alone",
        ),
    ],
)
def test_priors_that_are_not_there_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises((InputError, FileError), match=message):
        prior_of(replace(config(Path("x")), **options))


def test_a_gpu_that_is_not_there_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(BackendError, match="--device"):
        generate.run(config(tmp_path / "run", device="cuda"))
    assert not (tmp_path / "run").exists()


@pytest.mark.gpu
def test_a_gpu_makes_the_ball_too(finished: generate.Result, tmp_path: Path) -> None:
    made = generate.run(config(tmp_path, device="cuda"))
    assert np.ptp(made.thing.box, axis=0) == pytest.approx(np.ptp(finished.thing.box, axis=0), rel=0.1)
    assert made.thing.mesh.vertex_colors is not None
    red, green, blue, _ = made.thing.mesh.vertex_colors.float().mean(0).tolist()
    assert red > 1.25 * max(green, blue)


def test_weights_of_something_else_are_refused(tmp_path: Path) -> None:
    save_file({"x": torch.zeros(2)}, tmp_path / "w.safetensors", {"scenekit": json.dumps({"vocabulary": ["a"]})})
    with pytest.raises(FileError, match="weights"):
        prior_of(replace(config(Path("x")), weights=tmp_path / "w.safetensors"))


def test_what_the_embedded_prior_does_not_know_is_answered_with_near_words_and_another_prior() -> None:
    network = PictureTransformer(TransformerConfig(side=16, patch=8, width=32, depth=1, heads=2, vocabulary=20))
    with pytest.raises(InputError, match=r"boll.*ball for 'boll'.*--prior diffusers"):
        planned(replace(config(Path("x")), prompt="a red boll"), ShapesPrior(network, ("a", "red", "ball")))


def test_a_folder_with_other_things_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(FileError, match="other things"):
        generate.run(config(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]

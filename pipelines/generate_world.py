"""A layout → a world: each of its things is generated in a run folder of its own, and put in its place on a floor."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from scenekit.cameras import Array
from scenekit.generate.layout import FLOOR, Item, Layout, naming, read_layout
from scenekit.generate.placing import PlacingConfig, World, world
from scenekit.generate.report import ThingReport, all_sides, write_thing_report
from scenekit.generate.thing import only_node
from scenekit.guidance.lora import NetworkPrior
from scenekit.io.mesh_atlas import joined
from scenekit.lengths import shown
from scenekit.opening import SCENE, open_scene, saved_scene
from scenekit.pipelines.generate import generated, write_turntable
from scenekit.pipelines.generate_plan import Config, planned, prior_of
from scenekit.pipelines.mesh import in_world
from scenekit.report import duration, thousands
from scenekit.runs import LAST_STAGE, Run, as_json, command, open_run, versions, write_json
from scenekit.scene import Node, Scene
from scenekit.validation import Finding

THINGS = "things"
"""Folder of the runs of a world's things."""


@dataclass(frozen=True)
class WorldResult:
    """A finished world."""

    world: World
    """The scene and where things came to be."""
    folder: Path
    """The run folder."""
    findings: list[Finding]
    """What validation says."""
    seconds: dict[str, float]
    """Wall time per stage [s]."""

    def __str__(self) -> str:
        wrong = [finding.code for finding in self.findings if finding.severity != "note"]
        return "\n".join([
            f"{len(self.world.places)} things in {duration(sum(self.seconds.values()))}",
            *(f"  {line}" for line in str(self.world).splitlines()),
            f"  checks  {', '.join(wrong) or 'nothing is wrong'}",
            f"  scene   {self.folder / SCENE}",
            f"  report  {self.folder / 'report.html'}",
        ])  # fmt: skip


def built(config: Config) -> WorldResult:
    """Makes the things of `config.layout`, and the world of them.

    Raises:
        ScenekitError: If the layout, one of its things, an option or the folder cannot be used; names the thing.
    """
    assert config.layout is not None
    layout = read_layout(config.layout)
    options = {item.name: options_of(config, item) for item in layout.things if item.scene is None}
    prior = prior_of(config)
    for name, of in options.items():
        with naming(name):
            planned(of, prior)  # what is wrong is told before any thing is begun
    wanted = {item.name: as_json(item) for item in layout.things} | {FLOOR: as_json(layout.floor)}
    run = open_run(config.output, as_json(config) | {"layout": wanted}, fresh=config.fresh)
    with run.stage("things"):
        nodes = {item.name: made(item, options.get(item.name), prior) for item in layout.things}
    with run.stage("placing"):
        there = drawn_alike(world(layout, nodes, PlacingConfig(seed=config.seed)))
    with run.stage("scene"):
        if not ("scene" in run.done and saved_scene(run.folder)):
            Scene(there.state).save(run.folder / SCENE)
    with run.stage("video"):
        write_turntable(run.folder, there.state.splats(), box_of(there), frames=config.video_frames)
    findings = Scene(there.state).validate()
    with run.stage("report"):
        write_thing_report(run.folder / "report.html", told(run, config, layout, there, findings))
    places = [place._asdict() for place in there.places]
    metrics = {"places": places, "findings": as_json(findings), "seconds": run.seconds}
    write_json(run.folder / "metrics.json", metrics)
    return WorldResult(there, run.folder, findings, run.seconds)


def options_of(config: Config, item: Item) -> Config:
    """The options of the run that makes a thing: those of the world, and what the layout says of it. A picture without
    words is of what the thing is called."""
    folder = config.output / THINGS / item.name
    own = {"size": item.size, "material": item.material, "image": item.image, "layout": None, "output": folder}
    return replace(config, prompt=item.prompt or " ".join(re.findall(r"[^\W\d_]+", item.name)), **own)


def made(item: Item, options: Config | None, prior: NetworkPrior) -> Node:
    """The node of a thing: from the scene that the layout names, or from its run, which goes on where it stopped.

    Raises:
        ScenekitError: If it cannot be had; names the thing.
    """
    with naming(item.name):
        if options is None:
            assert item.scene is not None
            return only_node(open_scene(item.scene).state)
        if options.output.is_dir() and LAST_STAGE in open_run(options.output, options, fresh=options.fresh).done:
            return only_node(open_scene(options.output).state)
        return generated(options, prior).thing.node()


def drawn_alike(there: World) -> World:
    """The world with all its splats antialiased, as those of sketches are: a cloud is of one kind, and what is larger
    than a pixel looks the same."""

    def alike(_: str, node: Node) -> Node:
        return node if node.splats is None else replace(node, splats=replace(node.splats, antialiased=True))

    return replace(there, state=there.state.with_each("/", alike))


def box_of(there: World) -> Array:
    """Lowest and highest corner of all things but the floor [m], shape (2, 3)."""
    placed, meshes = {f"/{place.name}" for place in there.places}, in_world(there.state)
    vertices = np.concatenate([mesh.vertices.double().numpy() for path, mesh in meshes.items() if path in placed])
    return np.stack([vertices.min(0), vertices.max(0)])


def told(run: Run, config: Config, layout: Layout, there: World, findings: list[Finding]) -> ThingReport:
    """What the report shows."""
    box = box_of(there)
    splats, whole = there.state.splats(), joined(list(in_world(there.state).values()))[0]
    return ThingReport(
        title=layout.name,
        lede=f"{len(layout.things)} things, each made by itself, stand where the layout wants them.",
        figures={
            "Things": str(len(layout.things)),
            "Longest side": shown(float(np.ptp(box, axis=0).max())),
            "Gaussians": thousands(len(splats)),
            "Faces": thousands(len(whole.faces)),
        },
        sides=all_sides(splats, whole, box),
        facts={item.name: item.prompt or str(item.scene) for item in layout.things}
        | {f"Place of {place.name}": str(place) for place in there.places}
        | {"Prior": config.prior, "Sketch": config.method, "Seed": str(config.seed)},
        findings=findings,
        seconds=run.seconds,
        command=command(),
        versions=versions(),
        video=run.folder / "video.mp4" if config.video_frames else None,
    )

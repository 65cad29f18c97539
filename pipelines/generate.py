"""A sentence → a thing that is ready to edit, simulate and export: a scene, a turntable, a report, in a run folder.

A prior of pictures pulls a sketch, Gaussians or a radiance field, towards the words; the sketch becomes a closed mesh,
which may be refined; both stand on the floor as large as such a thing is. docs/text-to-3d.md says more.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from rich.progress import track
from torch import Tensor

from scenekit.cameras import Array
from scenekit.charts import Curve
from scenekit.datasets.shapes import NOUNS
from scenekit.errors import InputError
from scenekit.generate.distil import DistilRecord, distil
from scenekit.generate.field import FieldSketch
from scenekit.generate.mesh import MeshSketch
from scenekit.generate.pictures import Picture, of_splats, ring, strip
from scenekit.generate.recipes import Recipe
from scenekit.generate.report import ELEVATION, ThingReport, all_sides, kept_strips, write_thing_report
from scenekit.generate.representation import Representation
from scenekit.generate.splats import SplatSketch
from scenekit.generate.thing import Thing, thing_of
from scenekit.guidance.judge import JUDGE, Judge
from scenekit.guidance.lora import NetworkPrior
from scenekit.io.images import write_image
from scenekit.io.mesh_files import write_mesh
from scenekit.io.scene_folder import is_scene
from scenekit.io.splat_files import write_splats
from scenekit.io.video import write_video
from scenekit.lengths import shown
from scenekit.material import materials
from scenekit.meshes import Mesh
from scenekit.opening import SCENE
from scenekit.pipelines.generate_plan import Config, Plan, planned, prior_of
from scenekit.report import duration, thousands
from scenekit.runs import Run, as_json, command, open_run, versions, write_json
from scenekit.splats import Splats
from scenekit.validation import Finding

if TYPE_CHECKING:
    from scenekit.pipelines.generate_world import WorldResult

VIDEO_SIDE = 480
"""Of the turntable [px]."""

REFINING = (0.02, 0.5)
"""Timesteps of the refinement, as parts of the schedule (Magic3D, second stage)."""

PROGRESS, VERDICTS = "progress", 6
"""Folder of pictures of the thing in the making; so many sentences of the judge are shown."""


@dataclass(frozen=True)
class Result:
    """A finished run."""

    thing: Thing
    """What was made."""
    folder: Path
    """The run folder."""
    metrics: dict[str, Any]
    """What metrics.json holds."""

    def __str__(self) -> str:
        thing, metrics = self.thing, self.metrics
        sides = " × ".join(f"{100 * side:.3g}" for side in np.ptp(thing.box, axis=0))
        found = metrics["findings"]
        return "\n".join([
            f"{metrics['prompt']} → {thousands(len(thing.splats))} Gaussians, {thousands(len(thing.mesh.faces))} faces"
            f" in {duration(sum(metrics['seconds'].values()))}",
            f"  size    {sides} cm ({thing.size.provenance}), {thing.mass:.3g} kg of {thing.material.name}",
            f"  checks  {'nothing is wrong' if not found else ', '.join(f['code'] for f in found)}",
            f"  scene   {self.folder / 'scene'}",
            f"  report  {self.folder / 'report.html'}",
        ])  # fmt: skip


def run(config: Config) -> Result | WorldResult:
    """Makes a thing, or the world of a layout, and leaves a run folder.

    Raises:
        ScenekitError: As `generated`, and as `built` of a layout.
    """
    if config.layout is None:
        return generated(config)
    said = [name for name in ("prompt", "image", "size", "material") if getattr(config, name)]
    if said:
        raise InputError("--layout", got=f"{' and '.join(said)} too", wanted="a layout alone, which has its own")
    from scenekit.pipelines.generate_world import built  # it is made of runs of ours

    return built(config)


def generated(config: Config, prior: NetworkPrior | None = None) -> Result:
    """Makes a thing and leaves a run folder.

    Args:
        config: What and how.
        prior: That of the options, if it is loaded already.

    Raises:
        ScenekitError: If the prompt, the prior, an option or the folder cannot be used, or nothing comes of it; see
            `scenekit.errors`.
    """
    plan = planned(config, prior or prior_of(config))
    run = open_run(config.output, config, fresh=config.fresh)
    with run.stage("sketch"):
        sketch = SKETCHES[config.method](plan.recipe, config.seed, plan.device)
        records = distil(
            sketch, plan.guide, plan.recipe.run, folder=run.folder / "checkpoint" / "sketch",
            photos=plan.photos, title="sketch", on_show=keeper(run.folder, "sketch"),
        )  # fmt: skip
    with run.stage("surface"):
        splats, mesh = sketch.splats(), sketch.mesh()
    if config.refine:
        with run.stage("refine"):
            splats, mesh, refining = refined(run, config, plan, mesh)
        records += refining
    with run.stage("scene"):
        thing = thing_of(splats, mesh, name=plan.name, size=plan.size, material=materials[plan.material])
        write_scene(run, thing, source=f"“{plan.guide.prompt}” by {config.prior}")
    with run.stage("video"):
        write_turntable(run.folder, thing.splats, thing.box, frames=config.video_frames)
    findings = thing.scene("").validate()
    with run.stage("report"):
        write_thing_report(run.folder / "report.html", told(run, config, plan, thing, records, findings))
    metrics = measured(run, plan, thing, records, findings)
    write_json(run.folder / "metrics.json", metrics)
    return Result(thing, run.folder, metrics)


def generate(prompt: str, output: str | Path = "thing", **options: Any) -> Result:
    """A sentence → a run folder with a scene of the thing; `options` are the fields of `Config`.

    Example: `scenekit.generate("a red mug", "mug", size=0.12).thing.mesh`
    """
    return generated(Config(prompt, output=Path(output), **options))


SKETCHES: dict[str, Callable[[Recipe, int, torch.device], Representation]] = {
    "splats": lambda recipe, seed, device: SplatSketch(recipe.splats, seed=seed, device=device),
    "nerf": lambda recipe, seed, _: FieldSketch(recipe.nerf, seed=seed),
}
"""What is optimised, by the name of the method. A field is on the CPU: its rays are marched there."""


def refined(run: Run, config: Config, plan: Plan, mesh: Mesh) -> tuple[Splats, Mesh, list[DistilRecord]]:
    """The mesh after more steps of guidance by little noise, splats on it, and how that went."""
    sketch, sketched = MeshSketch(mesh, plan.recipe.mesh, seed=config.seed), plan.recipe.run
    little = replace(plan.guide.config, timesteps=REFINING, annealing="none")
    records = distil(
        sketch, replace(plan.guide, config=little), replace(sketched, steps=config.refine, joint=None),
        folder=run.folder / "checkpoint" / "refine", photos=plan.photos, title="refine",
        on_show=keeper(run.folder, "refine"),
    )  # fmt: skip
    return sketch.splats(), sketch.mesh(), [record._replace(step=sketched.steps + record.step) for record in records]


def keeper(folder: Path, stage: str) -> Callable[[int, Tensor], None]:
    """Keeps pictures of the thing in the making as progress/STAGE-STEP.png."""
    return lambda step, pictures: write_image(folder / PROGRESS / f"{stage}-{step:06d}.png", strip(pictures))


def write_scene(run: Run, thing: Thing, source: str) -> None:
    """Writes the scene, the splats and the mesh; a scene of an earlier sitting, which may have been edited, stays."""
    write_splats(run.folder / "splats.ply", thing.splats)
    write_mesh(run.folder / "mesh.glb", thing.mesh)
    if not ("scene" in run.done and is_scene(run.folder / SCENE)):
        thing.scene(source).save(run.folder / SCENE)


def write_turntable(folder: Path, splats: Splats, box: Array, *, frames: int) -> None:
    """Writes video.mp4: once around the box."""
    if frames:
        cameras = ring(box, count=frames, elevation=ELEVATION, side=VIDEO_SIDE)
        write_video(folder / "video.mp4", track(of_splats(splats, cameras), "turntable", total=frames, transient=True))


def told(
    run: Run, config: Config, plan: Plan, thing: Thing, records: Sequence[DistilRecord], findings: list[Finding]
) -> ThingReport:
    """What the report shows."""
    sides = all_sides(thing.splats, thing.mesh, thing.box)
    steps, prompt = [record.step for record in records], plan.guide.prompt
    return ThingReport(
        title=prompt,
        lede="One body made from these words: Gaussians to look at, and a closed mesh for simulators.",
        figures={
            "Longest side": shown(thing.size.value), "Mass": f"{thing.mass:.3g} kg",
            "Gaussians": thousands(len(thing.splats)), "Faces": thousands(len(thing.mesh.faces)),
        },
        strips=kept_strips(run.folder / PROGRESS, {"sketch": plan.recipe.run.steps, "refine": config.refine}),
        sides=sides,
        curves=[
            Curve("Pull", steps, [record.pull for record in records], log=True),
            Curve("Opacity", steps, [record.alpha for record in records]),
        ],
        facts=facts(config, plan, thing),
        verdict=verdict(prompt, [side.splats for side in sides]),
        findings=findings,
        seconds=run.seconds,
        command=command(),
        versions=versions(),
        video=run.folder / "video.mp4" if config.video_frames else None,
    )  # fmt: skip


def facts(config: Config, plan: Plan, thing: Thing) -> dict[str, str]:
    """The table of the report."""
    recipe, sides, size, density = plan.recipe, np.ptp(thing.box, axis=0), thing.size, thing.material.density
    method = "joint DDIM" if recipe.run.joint else recipe.guidance.method.upper()
    spread = "" if size.spread is None else f" ± {shown(size.spread)}"
    return {
        "Size": " × ".join(shown(float(side)) for side in sides),
        "Longest side": f"{shown(size.value)}{spread} ({size.provenance}): {size.note}",
        "Mass": f"{thing.mass:.3g} kg, as if solid {thing.material.name} inside the mesh",
        "Density": f"{density.value:g} kg/m³ ({density.provenance})",
        "Material": f"{thing.material.name} ({plan.material_from})",
        "Prior": config.prior + (f" ({config.model})" if config.model else ""),
        "Sketch": f"{config.method}, {thousands(recipe.run.steps)} steps of {recipe.run.views} pictures",
        "Guidance": f"{method}, scale {recipe.guidance.scale:g}",
        "Seed": str(config.seed),
    } | ({} if config.image is None else {"Picture": config.image.name})


def verdict(prompt: str, pictures: Sequence[Picture]) -> dict[str, float]:
    """What the judge takes pictures for: the best of "a NOUN" and the prompt; nothing where it is not there, or does
    not know the words."""
    if not JUDGE.is_file():
        return {}
    sentences = list(dict.fromkeys([prompt, *(f"a {noun}" for noun in NOUNS)]))
    seen = torch.from_numpy(np.stack(pictures)).movedim(-1, 1) / 255
    try:
        scores = Judge.load().scores(seen, sentences).mean(0)
    except InputError:
        return {}
    best = sorted(zip(sentences, scores.tolist(), strict=True), key=lambda pair: -pair[1])
    return dict(best[:VERDICTS]) | {prompt: float(scores[0])}


def measured(
    run: Run, plan: Plan, thing: Thing, records: Sequence[DistilRecord], findings: list[Finding]
) -> dict[str, Any]:
    """What metrics.json holds."""
    return {
        "prompt": plan.guide.prompt,
        "gaussians": len(thing.splats),
        "faces": len(thing.mesh.faces),
        "size_m": np.ptp(thing.box, axis=0).tolist(),
        "longest_side": asdict(thing.size),
        "material": thing.material.name,
        "mass_kg": thing.mass,
        "findings": as_json(findings),
        "history": [record._asdict() for record in records],
        "seconds": run.seconds,
    }

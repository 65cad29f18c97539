"""A sentence → a thing that is ready to edit, simulate and export: a scene, a turntable, a report, in a run folder.

A prior of pictures pulls a sketch, Gaussians or a radiance field, towards the words; the sketch becomes a closed mesh,
which may be refined; both stand on the floor as large as such a thing is. docs/text-to-3d.md says more.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
import tyro
from rich.progress import track
from torch import Tensor

from scenekit.cameras import Array
from scenekit.charts import Curve
from scenekit.datasets.shapes import NOUNS
from scenekit.datasets.shapes_usual import Usual, usual
from scenekit.errors import InputError
from scenekit.generate.distil import DistilRecord, PhotoTarget, distil
from scenekit.generate.field import FieldSketch
from scenekit.generate.guide import Guide
from scenekit.generate.photo import photo_target
from scenekit.generate.pictures import Picture, of_mesh, of_splats, ring, strip
from scenekit.generate.recipes import RECIPES, Recipe
from scenekit.generate.report import Side, ThingReport, kept_strips, write_thing_report
from scenekit.generate.representation import Representation
from scenekit.generate.splats import SplatSketch
from scenekit.generate.thing import Thing, thing_of
from scenekit.guidance.judge import JUDGE, Judge
from scenekit.guidance.prior import DiffusionPrior, Views
from scenekit.guidance.prompts import checked
from scenekit.guidance.shapes_prior import WEIGHTS, ShapesPrior
from scenekit.io.images import write_image
from scenekit.io.mesh_files import write_mesh
from scenekit.io.scene_folder import is_scene
from scenekit.io.splat_files import write_splats
from scenekit.io.video import write_video
from scenekit.lengths import Length, shown
from scenekit.material import materials
from scenekit.opening import SCENE, node_name
from scenekit.quantities import Quantity
from scenekit.report import duration, thousands
from scenekit.runs import Run, command, open_run, versions, write_json
from scenekit.splats import Splats
from scenekit.validation import Finding

VIDEO_SIDE, SHEET_SIDE, SHEET_VIEWS, ELEVATION = 480, 240, 8, 20.0
"""Sides of the pictures of the turntable and of the contact sheet [px], how many this has, and from how high
[degrees]."""

MAX_PIXELS = {"splats": 8_000_000, "nerf": 500_000}
"""Most pixels in one step; both take some 8 GB."""

PROGRESS, VERDICTS = "progress", 6
"""Folder of pictures of the thing in the making; so many sentences of the judge are shown."""

GREY = (0.5, 0.5, 0.5)
"""Background of a run whose own changes from step to step, where a photo wants one."""

UNKNOWN_SIZE = Quantity(0.2, "default", note="nobody said how large it is.")
"""Of a thing of no kind that is known [m]."""

UNKNOWN_MATERIAL = "plastic"
"""Of a thing of no kind that is known."""


@dataclass(frozen=True)
class Overrides:
    """Numbers of the recipe to change; None leaves what the prior's recipe says."""

    steps: int | None = None
    """Of the sketch."""
    views: int | None = None
    """Cameras of each step."""
    side: int | None = None
    """Of their pictures [px]."""
    scale: float | None = None
    """Of classifier-free guidance."""
    distillation: Literal["sds", "ism"] | None = None
    """Score distillation by DreamFusion or by LucidDreamer."""


@dataclass(frozen=True)
class Config:
    """What is made, by what, and where the run is kept."""

    prompt: tyro.conf.Positional[str]
    """What to make, such as "a blue mug with a red handle"."""
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"], metavar="FOLDER")] = Path("thing")
    """The run folder; a run that was interrupted goes on there."""
    size: Length | None = None
    """Longest side of the thing, such as "12 cm"; what is usual of such things if not given."""
    material: str | None = None
    """What it is made of; what the words say or what is usual if not given."""
    method: Literal["splats", "nerf"] = "splats"
    """What is sketched with: Gaussians, or a radiance field."""
    prior: Literal["shapes", "diffusers"] = "shapes"
    """The embedded one, which knows 100 kinds of things, or a model of the diffusers library."""
    model: str | None = None
    """Of diffusers: a folder, or owner/name of the hub."""
    weights: Path | None = None
    """Of the embedded prior, if they are not to be those of the package."""
    negative: str = ""
    """What it is not to be."""
    image: Path | None = None
    """A picture that it is to look like from one side, cut out or before an even background."""
    image_azimuth: float = 0.0
    """From where that was taken [degrees]: 0 the front, 90 the viewer's right."""
    image_elevation: float = 15.0
    """And from how high [degrees]."""
    image_weight: float = 1.0
    """How much it counts beside the words."""
    video_frames: int = 90
    """Length of the turntable; 0 for none."""
    seed: int = 0
    """Seed of everything random."""
    fresh: bool = False
    """Start over where an earlier run is in the way."""
    recipe: Overrides = field(default_factory=Overrides)
    """Numbers of the prior's recipe to change."""


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


@dataclass(frozen=True)
class Plan:
    """What a run does, with everything checked that can be before it begins."""

    guide: Guide
    """The prior and the words."""
    recipe: Recipe
    """With the changes asked for."""
    photos: tuple[PhotoTarget, ...]
    """Pictures that the thing is to look like."""
    name: str
    """Of its node."""
    size: Quantity
    """Longest side [m]."""
    material: str
    """A name of `materials`."""
    material_from: str
    """Who says so."""


def run(config: Config) -> Result:
    """Makes a thing and leaves a run folder.

    Raises:
        ScenekitError: If the prompt, the prior, an option or the folder cannot be used, or nothing comes of it; see
            `scenekit.errors`.
    """
    plan = planned(config)
    run = open_run(config.output, config, fresh=config.fresh)
    with run.stage("sketch"):
        sketch = SKETCHES[config.method](plan.recipe, config.seed)
        records = distil(
            sketch, plan.guide, plan.recipe.run, folder=run.folder / "checkpoint" / "sketch",
            photos=plan.photos, title="sketch", on_show=keeper(run.folder, "sketch"),
        )  # fmt: skip
    with run.stage("surface"):
        splats, mesh = sketch.splats(), sketch.mesh()
        thing = thing_of(splats, mesh, name=plan.name, size=plan.size, material=materials[plan.material])
    with run.stage("scene"):
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
    return run(Config(prompt, Path(output), **options))


SKETCHES: dict[str, Callable[[Recipe, int], Representation]] = {
    "splats": lambda recipe, seed: SplatSketch(recipe.splats, seed=seed),
    "nerf": lambda recipe, seed: FieldSketch(seed=seed),
}
"""What is optimised, by the name of the method."""


def planned(config: Config) -> Plan:
    """Checks the options and loads the prior.

    Raises:
        InputError: If an option cannot be used, or the prior does not know a word.
        FileError: If weights, model or image are missing or damaged.
        BackendError: If the prior's packages or its memory are missing.
    """
    prompt, prior = checked(config.prompt), prior_of(config)
    recipe, known = settled(config, RECIPES[kind_of(config, prior)]), usual(prompt)
    material, source = substance(config, known)
    photos: tuple[PhotoTarget, ...] = ()
    if config.image is not None:
        photos = (photo_target(
            config.image, recipe.run, azimuth=config.image_azimuth, elevation=config.image_elevation,
            weight=config.image_weight,
        ),)  # fmt: skip
    guide = recipe.guide(prior, prompt)
    guide.condition(Views(torch.zeros(recipe.run.views), torch.zeros(recipe.run.views)))  # may not know the words
    guide.unconditional(1)
    return Plan(
        guide, recipe, photos, node_name(known.noun if known else prompt), sized(config, known), material, source
    )


def settled(config: Config, recipe: Recipe) -> Recipe:
    """The recipe with the changes asked for.

    Raises:
        InputError: If a number is out of range, or the pictures would not fit into memory.
    """
    said = config.recipe
    named = {name: getattr(said, name) for name in ("steps", "views", "side")}
    run = replace(recipe.run, seed=config.seed, **{name: v for name, v in named.items() if v is not None})
    if config.image is not None and run.background is None:
        run = replace(run, background=GREY)
    scale = recipe.guidance.scale if said.scale is None else said.scale
    guidance = replace(recipe.guidance, scale=scale, method=said.distillation or recipe.guidance.method)
    if run.views * run.side**2 > MAX_PIXELS[config.method]:
        got = f"{run.views} pictures of {run.side}x{run.side} px in each step"
        wanted = f"at most {MAX_PIXELS[config.method] / 1e6:g} million pixels together, or memory does not suffice"
        raise InputError("recipe", got=got, wanted=wanted)
    return replace(recipe, run=run, guidance=guidance, negative=config.negative or recipe.negative)


def prior_of(config: Config) -> DiffusionPrior:
    """The diffusion model that is asked for.

    Raises:
        InputError: If the options of one prior are given to the other.
        FileError, BackendError: If it is not there, damaged, or does not fit into memory.
    """
    if config.prior == "shapes":
        if config.model is not None:
            raise InputError("--model", got=config.model, wanted="none with --prior shapes", hint="See --weights.")
        return ShapesPrior.load(config.weights or WEIGHTS)
    if config.model is None or config.weights is not None:
        got = "no model" if config.model is None else f"--weights {config.weights}"
        hint = "Such as --model stabilityai/stable-diffusion-2-1-base, or a folder."
        raise InputError("--prior diffusers", got=got, wanted="--model FOLDER or OWNER/NAME alone", hint=hint)
    from scenekit.guidance.diffusers_prior import DiffusersPrior

    return DiffusersPrior.load(config.model)


def kind_of(config: Config, prior: DiffusionPrior) -> str:
    """The kind of a prior, a name of `RECIPES`."""
    if config.prior == "shapes":
        return "shapes"
    from scenekit.guidance.diffusers_prior import DiffusersPrior

    assert isinstance(prior, DiffusersPrior)
    kinds = {"sd": "stable-diffusion", "xl": "stable-diffusion", "if": "deepfloyd", "multiview": "mvdream"}
    return kinds[prior.texts.pipeline.kind]


def sized(config: Config, known: Usual | None) -> Quantity:
    """How large the thing is, and who says so."""
    if config.size is not None:
        return Quantity(config.size, "authored", note="as was asked for.")
    if known is None:
        return UNKNOWN_SIZE
    return Quantity(known.size, "estimated", known.spread, f"usual of a {known.noun}.")


def substance(config: Config, known: Usual | None) -> tuple[str, str]:
    """What the thing is made of, and who says so.

    Raises:
        InputError: If there is no material of that name; names those that there are.
    """
    if config.material is not None:
        return materials[config.material].name, "as was asked for"
    if known is None:
        return UNKNOWN_MATERIAL, "nobody said"
    return known.substance, "as the words say" if known.is_said else f"usual of a {known.noun}"


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
    cameras = ring(thing.box, count=SHEET_VIEWS, elevation=ELEVATION, side=SHEET_SIDE)
    pairs = zip(of_splats(thing.splats, cameras), of_mesh(thing.mesh, cameras), strict=True)
    sides = [Side(f"{360 * k / SHEET_VIEWS:g}°", *pair) for k, pair in enumerate(pairs)]
    steps, prompt = [record.step for record in records], plan.guide.prompt
    return ThingReport(
        title=prompt,
        lede=f"A prior of pictures, {config.prior}, pulled a sketch towards these words; what came of it is one body.",
        figures={
            "Longest side": shown(thing.size.value), "Mass": f"{thing.mass:.3g} kg",
            "Gaussians": thousands(len(thing.splats)), "Faces": thousands(len(thing.mesh.faces)),
        },
        strips=kept_strips(run.folder / PROGRESS, {"sketch": plan.recipe.run.steps}),
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
    recipe, sides = plan.recipe, np.ptp(thing.box, axis=0)
    return {
        "Size": " × ".join(shown(float(side)) for side in sides),
        "Longest side": f"{thing.size}: {thing.size.note}",
        "Mass": f"{thing.mass:.3g} kg, as if solid {thing.material.name} inside the mesh",
        "Density": f"{thing.material.density} kg/m³",
        "Material": f"{thing.material.name} ({plan.material_from})",
        "Prior": config.prior + (f" ({config.model})" if config.model else ""),
        "Sketch": f"{config.method}, {thousands(recipe.run.steps)} steps of {recipe.run.views} pictures",
        "Guidance": f"{recipe.guidance.method}, scale {recipe.guidance.scale:g}",
        "Picture": "none" if config.image is None else config.image.name,
        "Seed": str(config.seed),
    }


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
        "findings": [{"severity": f.severity, "code": f.code, "what": f.what} for f in findings],
        "history": [record._asdict() for record in records],
        "seconds": run.seconds,
    }

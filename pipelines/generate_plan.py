"""What is asked of text to 3D, checked: options, recipe, prior, words, size and material."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Literal

import torch
import tyro

from scenekit.datasets.shapes_usual import Usual, usual
from scenekit.errors import BackendError, InputError
from scenekit.generate.distil import PhotoTarget
from scenekit.generate.guide import Guide
from scenekit.generate.joint import JointConfig
from scenekit.generate.photo import photo_target
from scenekit.generate.recipes import RECIPES, Recipe
from scenekit.guidance.distillation import Method
from scenekit.guidance.lora import LoraScore, NetworkPrior
from scenekit.guidance.prior import Views
from scenekit.guidance.prompts import checked
from scenekit.guidance.shapes_prior import WEIGHTS, ShapesPrior
from scenekit.lengths import LONGEST, SHORTEST, Length, shown
from scenekit.material import materials
from scenekit.opening import node_name
from scenekit.quantities import Quantity

MAX_PIXELS = {"splats": 8_000_000, "nerf": 500_000}
"""Most pixels in one step; both take some 8 GB."""

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
    distillation: Method | Literal["joint"] | None = None
    """Fixed sides denoised together, or score distillation by DreamFusion (sds), by ProlificDreamer (vsd) or by
    LucidDreamer (ism); with the latter two go small scales."""


@dataclass(frozen=True)
class Config:
    """What is made, by what, and where the run is kept."""

    prompt: tyro.conf.Positional[str] = ""
    """What to make, such as "a blue mug with a red handle"."""
    layout: Path | None = None
    """A world instead: a JSON file of things and how they lie to each other; see docs/text-to-3d.md."""
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
    refine: int = 0
    """Steps in which the mesh is refined by the same guidance; 0 for none."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where the prior and Gaussians are; a GPU if there is one."""
    seed: int = 0
    """Seed of everything random."""
    fresh: bool = False
    """Start over where an earlier run is in the way."""
    recipe: Overrides = field(default_factory=Overrides)
    """Numbers of the prior's recipe to change."""


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
    device: torch.device
    """Where Gaussians are."""


def planned(config: Config, prior: NetworkPrior) -> Plan:
    """Checks the options, and whether the prior knows the words.

    Raises:
        InputError: If an option cannot be used, or the prior does not know a word.
        FileError: If the image is missing or damaged.
        BackendError: If there is no GPU and one is asked for.
    """
    prompt = checked(config.prompt)
    recipe, known = settled(config, RECIPES[kind_of(config, prior)]), usual(prompt)
    material, source = substance(config, known)
    photos: tuple[PhotoTarget, ...] = ()
    if config.image is not None:
        photos = (photo_target(
            config.image, recipe.run, azimuth=config.image_azimuth, elevation=config.image_elevation,
            weight=config.image_weight,
        ),)  # fmt: skip
    score = LoraScore(prior, seed=config.seed) if recipe.guidance.method == "vsd" else None
    guide = recipe.guide(prior, prompt, score=score)
    views = Views(torch.zeros(recipe.run.views), torch.zeros(recipe.run.views))
    guide.condition(views)  # may not know the words
    guide.unconditional(views)
    return Plan(
        guide, recipe, photos, node_name(known.noun if known else prompt), sized(config, known), material, source,
        device_of(config),
    )  # fmt: skip


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
    scale, method = recipe.guidance.scale if said.scale is None else said.scale, recipe.guidance.method
    if said.distillation == "joint":
        run = replace(run, joint=run.joint or JointConfig())
    elif said.distillation is not None:
        run, method = replace(run, joint=None), said.distillation
    guidance = replace(recipe.guidance, scale=scale, method=method)
    if run.views * run.side**2 > MAX_PIXELS[config.method]:
        got = f"{run.views} pictures of {run.side}x{run.side} px in each step"
        wanted = f"at most {MAX_PIXELS[config.method] / 1e6:g} million pixels together, or memory does not suffice"
        raise InputError("recipe", got=got, wanted=wanted)
    return replace(recipe, run=run, guidance=guidance, negative=config.negative or recipe.negative)


def prior_of(config: Config) -> NetworkPrior:
    """The diffusion model that is asked for.

    Raises:
        InputError: If the options of one prior are given to the other.
        FileError: If weights or model are missing or damaged, or the hub cannot be reached.
        BackendError: If diffusers is not installed, or memory does not suffice.
    """
    if config.prior == "shapes":
        if config.model is not None:
            raise InputError("--model", got=config.model, wanted="none with --prior shapes", hint="See --weights.")
        return ShapesPrior.load(config.weights or WEIGHTS, device=device_of(config))
    if config.model is None or config.weights is not None:
        got = "no model" if config.model is None else f"--weights {config.weights}"
        hint = "Such as --model stabilityai/stable-diffusion-2-1-base, or a folder."
        raise InputError("--prior diffusers", got=got, wanted="--model FOLDER or OWNER/NAME alone", hint=hint)
    from scenekit.guidance.diffusers_prior import DiffusersPrior

    return DiffusersPrior.load(config.model, device=device_of(config))


def device_of(config: Config) -> torch.device:
    """Where the prior and Gaussians are.

    Raises:
        BackendError: If there is no GPU and one is asked for.
    """
    if config.device == "cuda" and not torch.cuda.is_available():
        raise BackendError("--device", got="cuda, which PyTorch does not see", wanted="cpu or auto")
    return torch.device("cuda" if config.device != "cpu" and torch.cuda.is_available() else "cpu")


def kind_of(config: Config, prior: NetworkPrior) -> str:
    """The kind of a prior, a name of `RECIPES`."""
    if config.prior == "shapes":
        return "shapes"
    from scenekit.guidance.diffusers_prior import DiffusersPrior

    assert isinstance(prior, DiffusersPrior)
    kinds = {"sd": "stable-diffusion", "xl": "stable-diffusion", "if": "deepfloyd", "multiview": "mvdream"}
    return kinds[prior.texts.pipeline.kind]


def sized(config: Config, known: Usual | None) -> Quantity:
    """How large the thing is, and who says so.

    Raises:
        InputError: If the size is absurd.
    """
    if config.size is not None and not SHORTEST <= config.size <= LONGEST:
        raise InputError("size", got=f"{config.size:.3g} m", wanted=f"{shown(SHORTEST)} to {shown(LONGEST)}")
    if config.size is not None:
        return Quantity(config.size, "authored", note="as was asked for.")
    if known is None:
        return UNKNOWN_SIZE
    return Quantity(known.size, "estimated", known.spread, f"{_whose(known)}.")


def substance(config: Config, known: Usual | None) -> tuple[str, str]:
    """What the thing is made of, and who says so.

    Raises:
        InputError: If there is no material of that name; names those that there are.
    """
    if config.material is not None:
        return materials[config.material].name, "as was asked for"
    if known is None:
        return UNKNOWN_MATERIAL, "nobody said"
    return known.substance, "as the words say" if known.is_said else _whose(known)


def _whose(known: Usual) -> str:
    return f"usual of {'an' if known.noun[0] in 'aeiou' else 'a'} {known.noun}"

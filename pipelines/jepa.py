"""The 3D-JEPA: makes its scenes, learns from them, and shows what it makes of others.

`data` makes shards of tokens of procedural scenes, `rollouts` of bodies that move; `train` learns from them, and goes
on where it was stopped; `embed` writes the latents of scenes; `energy` shows where a scene is not as the rest of it
lets expect; `probe` measures what encoders are worth. Several processes train together under
`torchrun --nproc-per-node 2 -m scenekit jepa train …`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
import tyro
from safetensors.torch import save_file
from torch import Tensor

from scenekit import processes
from scenekit.cameras import Array, Camera, look_at, pinhole
from scenekit.data_folder import data_folder
from scenekit.datasets.rollouts import RolloutConfig
from scenekit.datasets.rollouts_shards import BODY, write_rollouts
from scenekit.datasets.shapes_scenes import Flaw, flawed
from scenekit.datasets.token_shards import TokenShardConfig, TokenShards, made_scene, made_view, write_token_shards
from scenekit.errors import InputError
from scenekit.io.atomic import write_text, written_atomically
from scenekit.io.images import write_image
from scenekit.io.splat_files import write_splats
from scenekit.io.typed_json import as_json, from_json
from scenekit.jepa.elements import owner_paths
from scenekit.jepa.energy import EnergyConfig, EnergyMap, painted, usual_oddities
from scenekit.jepa.jepa import WEIGHTS, Jepa, JepaNetwork
from scenekit.jepa.masked_autoencoder import MaskedAutoencoder
from scenekit.jepa.masks import FEW, I_JEPA, Blocks, Hidden, Layers, MaskSampler, Objects, Random
from scenekit.jepa.network import BASE, SMALL, TINY, JepaConfig
from scenekit.jepa.objective import MaskedObjective, ObjectiveConfig
from scenekit.jepa.sequential import OrderedObjective
from scenekit.jepa.tokens import TokenConfig, Tokens
from scenekit.jepa.training import Trainer, TrainingConfig
from scenekit.jepa.training_log import TrainingLog
from scenekit.opening import open_scene
from scenekit.pipelines.jepa_data import Data, Rollouts
from scenekit.pipelines.jepa_data import run as make_data
from scenekit.pipelines.jepa_family import MOVING, Member, Moving
from scenekit.pipelines.jepa_probe import Measured, Probe
from scenekit.pipelines.jepa_probe import run as probed
from scenekit.render.video import draw
from scenekit.scene import Node, SceneState
from scenekit.splats import Splats

SIZES = {"tiny": TINY, "small": SMALL, "base": BASE}
"""Of the network, by name."""

MASKS: dict[str, MaskSampler] = {
    "blocks": Blocks(),
    "i-jepa": I_JEPA,
    "few": FEW,
    "hidden": Hidden(),
    "layers": Layers(),
    "objects": Objects(),
    "random": Random(shares=(0.6,), context=0.4),
}
"""What is hidden, by name."""

SIDE = 640
"""Of a picture [px]."""


@dataclass(frozen=True)
class Train:
    """Makes scenes, or rollouts, if there are none, and learns from them."""

    output: Annotated[Path, tyro.conf.arg(aliases=["-o"], metavar="FOLDER")] = Path("jepa")
    """Checkpoint, log, plots and weights go here; the same command goes on where it was stopped."""
    data: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER")] = None
    """Shards that `scenekit jepa data` or `scenekit jepa rollouts` made; they are made, as --scenes or --rollouts says,
    if not given."""
    size: Literal["tiny", "small", "base"] = "small"
    """Of the network."""
    method: Literal["jepa", "ordered", "autoencoder", "space-time", "world", "objects", "variational", "sequential"] = (
        "jepa"
    )
    """Of scenes: predict latents; block after block in the order in which they matter; or, for comparison, reconstruct
    what elements say, with the same encoder. The others learn from rollouts."""
    mask: Literal["blocks", "i-jepa", "few", "hidden", "layers", "objects", "random"] = "blocks"
    """What is hidden of scenes."""
    workers: int = 2
    """Processes that make scenes or rollouts."""
    scenes: Annotated[TokenShardConfig, tyro.conf.arg(name="scenes")] = field(default_factory=TokenShardConfig)
    """What is learned from."""
    rollouts: Annotated[RolloutConfig, tyro.conf.arg(name="rollouts")] = field(default_factory=RolloutConfig)
    """What is learned from where things move."""
    moving: Annotated[Moving, tyro.conf.arg(name="moving")] = field(default_factory=Moving)
    """How, there."""
    objective: Annotated[ObjectiveConfig, tyro.conf.arg(name="objective")] = field(default_factory=ObjectiveConfig)
    """What keeps latents of scenes from collapsing."""
    training: Annotated[TrainingConfig, tyro.conf.arg(name="")] = field(default_factory=TrainingConfig)
    """How."""
    intact: int = 128
    """Scenes, made as those that were learned from with the seed after theirs, whose oddities say what is usual."""


@dataclass(frozen=True)
class Embed:
    """Writes the latents of scenes."""

    scenes: tyro.conf.Positional[tuple[Path, ...]]
    """Scenes, runs, or files of splats or of a mesh."""
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"], metavar="FILE")] = Path("latents.safetensors")
    """Of each scene N.pooled (2 d,), N.latents (t, d) and N.centers (t, 3) [m], and as metadata their paths."""
    weights: Path = WEIGHTS
    """Of the model."""
    device: str = "cpu"
    """Where it runs."""


@dataclass(frozen=True)
class Energy:
    """Shows where a scene is not as the rest of it lets expect."""

    scene: tyro.conf.Positional[Path]
    """A scene, a run, or a file of splats or of a mesh."""
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"], metavar="FOLDER")] = Path("energy")
    """tokens.json, and of splats energy.png and energy.ply, the redder the odder, go here."""
    weights: Path = WEIGHTS
    """Of the model."""
    draws: int = 4
    """Draws of elements of which the energy of splats is the mean."""
    device: str = "cpu"
    """Where it runs."""
    energy: Annotated[EnergyConfig, tyro.conf.arg(name="")] = field(default_factory=EnergyConfig)
    """How it is measured."""
    path: str = "/"
    """The node to look at, with all below it."""
    flaw: Flaw | None = None
    """Something to spoil it with before, to see whether that is found."""
    seed: int = 0
    """Chance of the flaw."""


@tyro.conf.configure(tyro.conf.OmitSubcommandPrefixes)
@dataclass(frozen=True)
class Config:
    """Options of `scenekit jepa`."""

    action: (
        Annotated[Train, tyro.conf.subcommand("train")]
        | Annotated[Embed, tyro.conf.subcommand("embed")]
        | Annotated[Energy, tyro.conf.subcommand("energy")]
        | Annotated[Probe, tyro.conf.subcommand("probe")]
        | Annotated[Data, tyro.conf.subcommand("data")]
        | Annotated[Rollouts, tyro.conf.subcommand("rollouts")]
    )
    """What to do."""


@dataclass(frozen=True)
class Result:
    """What was made."""

    path: Path
    """Weights, latents, or the folder."""
    said: str
    """About it, one line."""
    seconds: float
    """Time in all [s]."""

    def __str__(self) -> str:
        return f"{self.path}: {self.said}, {self.seconds:.1f} s"


def run(config: Config) -> Result | Measured | None:
    """Makes, learns, embeds, shows or measures; of several processes that learn only the first says what was made.

    Raises:
        ScenekitError: If a folder, file or option cannot be used, or a training diverges; see `scenekit.errors`.
    """
    start, action = time.perf_counter(), config.action
    if isinstance(action, Probe):
        return probed(action)
    if isinstance(action, Data | Rollouts):
        made = make_data(action)
        path, said = made.folder, made.said
    elif isinstance(action, Train):
        with processes.processes():
            path, said = trained(action)
            if processes.rank() > 0:
                return None
    elif isinstance(action, Embed):
        path, said = embedded(action)
    else:
        path, said = shown(action)
    return Result(path, said, time.perf_counter() - start)


def trained(action: Train) -> tuple[Path, str]:
    """The file of the weights, or the checkpoint, when all steps are taken, and the last losses."""
    data, output = _data(action), action.output
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(action.training.seed)
        if action.method in MOVING:
            member = MOVING[action.method](data, replace(SIZES[action.size], tokens=BODY), action.moving)
        else:
            member = of_scenes(data, action)
    about = {"method": action.method} | member.about
    log = Trainer(member.objective, member.examples, action.training, folder=output, about=about).train(progress=True)
    if member.save is None or processes.rank() > 0:
        return output / "checkpoint.safetensors", summary(log)
    budget = f"{action.training.steps} steps of {action.training.batch}, {len(member.examples)} examples"
    return member.save(output, f"{action.size}, {budget}"), summary(log)


def of_scenes(data: Path, action: Train) -> Member:
    """The member of the family that learns from scenes, its weights by torch's own chance."""
    examples, config = TokenShards(data), action.objective
    network = replace(SIZES[action.size], tokens=from_json(TokenConfig, examples.config["tokens"], "tokens"))
    objective = made_objective(action, network)

    def save(output: Path, learned: str) -> Path:
        model = as_model(objective)
        if model.network.predictor is not None and action.intact:
            model.usual = usual_oddities(model, intact_scenes(model, examples.config, action.intact))
        told = config.targets + ", tokens alone" * config.alone + ", moments" * bool(config.moments)
        targets = "" if action.method == "autoencoder" else f" ({told})"
        model.save(output / "scenes.safetensors", note=f"{action.method}{targets}, {action.mask}, {learned}")
        return output / "scenes.safetensors"

    about = {
        "mask": action.mask, "network": as_json(network), "objective": asdict(config), "data": examples.config,
    }  # fmt: skip
    return Member(examples, objective, about, save)


def _data(action: Train) -> Path:
    """The folder of the shards to learn from; the first process makes what is missing."""
    if action.data is not None:
        return action.data
    moving = action.method in MOVING
    folder = data_folder() / ("rollouts" if moving else f"tokens/{action.scenes.variant}")
    if processes.rank() == 0:
        if moving:
            write_rollouts(folder, action.rollouts, workers=action.workers)
        else:
            write_token_shards(folder, action.scenes, workers=action.workers)
    processes.wait()
    return folder


def made_objective(action: Train, network: JepaConfig) -> MaskedObjective | MaskedAutoencoder:
    """What is minimised of scenes."""
    if action.method == "autoencoder":
        return MaskedAutoencoder(network, MASKS[action.mask])
    kind = OrderedObjective if action.method == "ordered" else MaskedObjective
    return kind(network, action.objective, MASKS[action.mask])


def as_model(objective: MaskedObjective | MaskedAutoencoder) -> Jepa:
    """What has been learned."""
    if isinstance(objective, MaskedAutoencoder):
        return Jepa(JepaNetwork.of(objective.encoder), normalised=False)
    network, config = JepaNetwork.of(objective.trained, objective.predictor), objective.config
    return Jepa(network, normalised=objective.mean is not None, alone=config.alone)


def intact_scenes(model: Jepa, config: dict[str, Any], count: int) -> Iterator[Tokens]:
    """Valid tokens of scenes such as those of shards of this config, of the seed after theirs; views take turns."""
    shards = from_json(TokenShardConfig, config)
    shards = replace(shards, seed=shards.seed + 1)
    for number in range(count):
        tokens = made_view(shards, number, number % len(shards.views), made_scene(shards, number))
        yield tokens.take(tokens.valid.nonzero().flatten())


def summary(log: TrainingLog) -> str:
    """The last losses and the health of the latents, one line."""
    said = [f"{name} {value:.4f}" for name, value in log.mean().items()]
    said += [f"effective rank {100 * health.rank:.0f} %" for health in log.health[-1:]]
    return ", ".join([*said, *(["COLLAPSED"] if log.health and log.health[-1].alarms else [])])


def embedded(action: Embed) -> tuple[Path, str]:
    """The file of latents, and how many scenes are in it."""
    if not action.scenes:
        raise InputError("scenes", got="none", wanted="at least one")
    jepa = Jepa.load(action.weights, device=action.device)
    tensors: dict[str, Tensor] = {}
    for number, path in enumerate(action.scenes):
        found = jepa.embed(open_scene(path))
        parts = {"pooled": found.pooled, "latents": found.latents, "centers": found.centers}
        tensors |= {f"{number}.{name}": tensor.contiguous() for name, tensor in parts.items()}
    with written_atomically(action.output) as temporary:
        save_file(tensors, temporary, metadata={"scenes": json.dumps([str(path) for path in action.scenes])})
    return action.output, f"{len(action.scenes)} scenes"


def shown(action: Energy) -> tuple[Path, str]:
    """The folder of the map, and where the energy is highest."""
    jepa, state = Jepa.load(action.weights, device=action.device), open_scene(action.scene).state
    if action.path != "/":
        part = replace(state.node(action.path), pose=state.pose(action.path))
        state = replace(state, root=Node("", children=(part,)))
    if action.flaw is not None:
        state = flawed(state, action.flaw, np.random.default_rng(action.seed)).state
    found = jepa.energy(state, action.energy)
    rows = token_rows(found, state)
    write_text(action.output / "tokens.json", json.dumps(rows, indent=1) + "\n")
    splats = state.splats()
    if len(splats):
        odd = painted(splats, jepa.splat_energy(splats, action.energy, draws=action.draws))
        write_splats(action.output / "energy.ply", odd)
        camera, pose = view_of(splats)
        pictures = [next(draw(each, camera, pose[None])) for each in (splats, odd)]
        write_image(action.output / "energy.png", np.concatenate(pictures, 1))
    first = rows[0]
    where = ", ".join(f"{x:.2f}" for x in first["center"])
    return action.output, f"highest {first['energy']:.3f} at ({where}) m, median {float(found.values.median()):.3f}"


def token_rows(found: EnergyMap, state: SceneState) -> list[dict[str, Any]]:
    """Every token as JSON has it, the highest energy first."""
    paths, tokens = owner_paths(state), found.tokens
    return [
        {
            "energy": round(float(found.values[i]), 5),
            "center": [round(float(x), 5) for x in found.centers[i]],
            "radius": round(float(tokens.radii[i] * tokens.frame[3]), 5),
            "node": paths[int(tokens.owners[i])] if tokens.owners[i] >= 0 else None,
        }
        for i in found.values.argsort(descending=True).tolist()
    ]


def view_of(splats: Splats) -> tuple[Camera, Array]:
    """A camera in front of splats, a little above and to the side, and its pose."""
    centres = splats.means.double().cpu()
    low, high = np.quantile(centres.numpy(), [0.02, 0.98], axis=0)
    middle, size = (low + high) / 2, float(np.linalg.norm(high - low)) or 1.0
    eye = middle + 1.1 * size * np.array([0.5, -0.75, 0.45])
    return pinhole(SIDE, SIDE, SIDE, SIDE, SIDE / 2, SIDE / 2), look_at(eye, middle)

"""Public data sets by their published protocols, and what others have published by the same.

    scenekit fetch mipnerf360 --scenes garden --accept-licence
    scenekit bench public --dataset mipnerf360 --scenes garden

Photos, their size, which of them are judged and what is behind them are the protocol's (datasets/*.md); 30 000 steps.
Renders are rounded to 8 bits as the published ones are, PSNR and SSIM are means over the judged photos, LPIPS is VGG's
on colours 0..1 as they are, as the code of 3DGS takes it, where the extra `lpips` and VGG's weights are on this
machine. DTU: the splats' depth is fused at voxels of 0.004, the largest piece is cut by the masks, and its Chamfer
distance taken. A scene that has not been fetched is "not run". Fits go on from their checkpoints in --workspace.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from statistics import fmean

import torch
import trimesh
from torch import Tensor

from scenekit.cameras import inverse_pose
from scenekit.capture.capture import Capture
from scenekit.capture.undistort import undistorted
from scenekit.capture.views import View, load_views
from scenekit.data_folder import data_folder
from scenekit.datasets.dtu_chamfer import chamfer, culled, in_millimetres, read_truth
from scenekit.datasets.public import PublicDataset, PublicScene, public_dataset
from scenekit.errors import InputError
from scenekit.evaluate import lens, lpips_metric, photo, psnr, ssim
from scenekit.fit import FitConfig, fit, initial_splats
from scenekit.io.atomic import write_text
from scenekit.io.splat_files import write_splats
from scenekit.meshes import Mesh, some_faces
from scenekit.pipelines.fetch import Name
from scenekit.render.splats import render
from scenekit.splats import Splats
from scenekit.surface.depth import surface_view
from scenekit.surface.fusion import FusionConfig, fuse

STEPS = 30_000
"""Of every protocol."""

DTU_FUSION = FusionConfig(voxel=0.004, truncation=5.0, max_depth=3.0)
"""As 2DGS fuses DTU's depth, in the normalised frame."""


@dataclass(frozen=True)
class Config:
    """What is measured."""

    dataset: Name = "mipnerf360"
    """The data set."""
    scenes: tuple[str, ...] = ()
    """Some of its scenes; all if none."""
    data: Path | None = None
    """Folder of public data sets; public/ in $SCENEKIT_DATA or the user's cache folder if not given."""
    workspace: Path | None = None
    """Where checkpoints and splats go, a folder for each scene; bench/ in the same if not given."""
    fit: FitConfig = field(default_factory=lambda: FitConfig(steps=STEPS))
    """How to fit; the protocol sets the background."""
    device: str = "cuda" if torch.cuda.is_available() else "cpu"
    """Where to fit."""
    output: Path | None = None
    """JSON file for the figures."""


@dataclass(frozen=True)
class Row:
    """A scene."""

    scene: str
    """Its name."""
    psnr: float | None = None
    """Mean of the judged photos [dB]; None where there are none, or it was not run."""
    ssim: float | None = None
    """The same."""
    lpips: float | None = None
    """The same, or None where VGG's weights are not on this machine."""
    chamfer: float | None = None
    """Of DTU [mm]."""
    gaussians: int | None = None
    """How many there are."""
    seconds: float | None = None
    """Of the fit."""
    remarks: tuple[str, ...] = ()
    """Why it was not run, or what is not as the protocol has it."""


@dataclass(frozen=True)
class Result:
    """All scenes, and what others have published."""

    dataset: str
    """Its title."""
    steps: int
    """Of each fit."""
    rows: list[Row]
    """By scene."""
    figures: str
    """What the published figures are."""
    peers: list[dict[str, str]]
    """Method, figures, source."""

    def __str__(self) -> str:
        named = {"psnr": "PSNR", "ssim": "SSIM", "lpips": "LPIPS", "chamfer": "Chamfer [mm]"}
        shown = [name for name in named if any(getattr(row, name) is not None for row in self.rows)] or ["psnr"]
        head = ["scene", *(named[name] for name in shown), "Gaussians", "fit [s]", ""]
        lines = [f"{self.dataset}, {self.steps} steps", "", _line(head), "|---" * len(head) + "|"]
        for row in self.rows:
            cells = [_cell(getattr(row, name)) for name in shown]
            tail = [_cell(row.gaussians), _cell(row.seconds), " ".join(row.remarks)]
            lines.append(_line([row.scene, *cells, *tail]))
        done = [row for row in self.rows if row.seconds is not None]
        if done:
            means = [_mean([getattr(row, name) for row in done]) for name in shown]
            lines.append(_line([f"mean of {len(done)}", *map(_cell, means), "", "", ""]))
        lines += ["", _line(["published", self.figures, "source"]), "|---|---|---|"]
        return "\n".join([*lines, *(_line(list(peer.values())) for peer in self.peers)])


def run(config: Config) -> Result:
    """Fits and judges each scene that is there.

    Raises:
        InputError: If a scene is not known.
        FileError: If data are damaged.
    """
    dataset = public_dataset(config.dataset)
    rows = []
    for name in dataset.known(config.scenes):
        if (dataset.place(config.data) / name).is_dir():
            rows.append(measured(dataset, name, config))
        else:
            rows.append(Row(name, remarks=(f"not run: `scenekit fetch {dataset.name} --scenes {name}` first",)))
        if config.output is not None:
            write_text(config.output, json.dumps([asdict(row) for row in rows], indent=1))
    peers = [asdict(peer) for peer in dataset.peers]
    return Result(dataset.title, config.fit.steps, rows, dataset.figures, peers)


def measured(dataset: PublicDataset, name: str, config: Config) -> Row:
    """One scene: fitted, and judged by its protocol."""
    scene = dataset.open(name, config.data)
    workspace = (config.workspace or data_folder() / "bench") / dataset.name / name
    capture = undistorted(scene.capture, workspace / "flat")
    held = capture.held_out or frozenset()
    names = [photo.name for photo in capture.photos]
    train = load_views(capture, downscale=scene.downscale, names=[n for n in names if n not in held])
    options = protocol_fit(config.fit, scene)
    start = initial_splats(scene.start or capture.points, views=train, opacity=scene.start_opacity, seed=options.seed)
    result = fit(train, start.map(lambda t: t.to(config.device)), options, folder=workspace / "checkpoint")
    on_cpu = result.splats.map(Tensor.cpu)
    write_splats(workspace / "splats.ply", on_cpu)
    row = Row(name, gaussians=len(result.splats), seconds=result.history.records[-1].seconds, remarks=scene.deviations)
    if held:
        row = judged(row, result.splats, load_views(capture, downscale=scene.downscale, names=held), scene)
    return with_chamfer(row, on_cpu, capture, dataset, scene, config) if dataset.truth else row


def protocol_fit(config: FitConfig, scene: PublicScene) -> FitConfig:
    """The options with the protocol's background.

    Raises:
        InputError: If another background was asked for.
    """
    if config.background not in ("black", scene.background):
        raise InputError("fit.background", got=config.background, wanted=f"{scene.background}, as the protocol has it")
    return replace(config, background=scene.background)


def judged(row: Row, splats: Splats, views: Sequence[View], scene: PublicScene) -> Row:
    """The row with the means over the judged photos."""
    behind = torch.full((3,), float(scene.background == "white"), device=splats.means.device)
    perceptual, scores = lpips_metric("vgg", scaled=False), []
    for view, image in zip(views, pictures(splats, views, behind), strict=True):
        target = photo(view).to(image)
        distance = perceptual(image, target) if perceptual else None
        scores.append((float(psnr(image, target)), float(ssim(image, target)), distance))
    means = [_mean(list(column)) for column in zip(*scores, strict=True)]
    return replace(row, psnr=means[0], ssim=means[1], lpips=means[2])


def pictures(splats: Splats, views: Sequence[View], behind: Tensor) -> Iterator[Tensor]:
    """What the splats look like over a colour, as an 8-bit file would keep it: 0..1 in steps of 1/255."""
    for view in views:
        with torch.no_grad():
            pose = inverse_pose(view.viewmat.cpu().double().numpy())
            yield (render(splats, lens(view), pose, background=behind).rgb.clamp(0, 1) * 255).round() / 255


def with_chamfer(
    row: Row, splats: Splats, capture: Capture, dataset: PublicDataset, scene: PublicScene, config: Config
) -> Row:
    """The row with the distance of the mesh from the scan."""
    place = dataset.place(config.data)
    views = load_views(capture, downscale=scene.downscale)
    with torch.no_grad():
        seen = [
            surface_view(splats, lens(view), inverse_pose(view.viewmat.double().numpy()), depth=DTU_FUSION.depth)
            for view in views
        ]
    mesh = culled(largest_piece(fuse(seen, DTU_FUSION)), place / row.scene)
    truth = read_truth(place, int(row.scene.removeprefix("scan")))
    return replace(row, chamfer=chamfer(in_millimetres(mesh, place / row.scene), truth).overall)


def largest_piece(mesh: Mesh) -> Mesh:
    """The faces that hang together with most others by edges."""
    if not len(mesh.faces):
        return mesh
    adjacency = trimesh.graph.face_adjacency(mesh.faces.numpy())
    labels = trimesh.graph.connected_component_labels(adjacency, node_count=len(mesh.faces))
    labels = torch.from_numpy(labels).long()
    return some_faces(mesh, labels == labels.bincount().argmax())


def _mean(values: Sequence[float | None]) -> float | None:
    there = [value for value in values if value is not None]
    return fmean(there) if there else None


def _cell(value: float | None) -> str:
    if value is None:
        return "–"
    return str(value) if isinstance(value, int) else f"{value:.2f}" if abs(value) >= 2 else f"{value:.3f}"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"

"""Gives the nodes of a scene their surfaces: closed meshes of its things, open ones of the rest, textured."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
import tyro
from numpy.typing import NDArray

from scenekit.cameras import small_pinhole
from scenekit.io.images import write_image
from scenekit.io.mesh_atlas import joined
from scenekit.io.mesh_files import write_mesh, write_meshes
from scenekit.meshes import Mesh
from scenekit.opening import open_scene
from scenekit.render.meshes import ray_scene, render_mesh
from scenekit.render.splats import render
from scenekit.runs import write_json
from scenekit.scene import Scene, SceneState
from scenekit.surface.meshing import MeshingConfig, MeshScene, NodeMesh, around, scene_meshes
from scenekit.validation.surface import Surface

PICTURES, PICTURE_SIDE = 2, 640
"""Views in the picture, and the longest side of each part [px]."""


@dataclass(frozen=True)
class Config:
    """Options of `scenekit mesh`."""

    scene: tyro.conf.Positional[Path]
    """A scene, a run, or a file of splats."""
    output: Annotated[Path | None, tyro.conf.arg(aliases=["-o"], metavar="FOLDER")] = None
    """Folder to save in; None saves where the scene came from."""
    format: Literal["glb", "obj"] = "glb"
    """Of the mesh files; an OBJ is three files."""
    mesh: Annotated[MeshingConfig, tyro.conf.arg(name="")] = field(default_factory=MeshingConfig)
    """How surfaces are made."""


@dataclass(frozen=True)
class Result:
    """A scene with meshes."""

    scene: Scene
    """With its history."""
    made: dict[str, NodeMesh]
    """The meshes, by node."""
    folder: Path
    """Where it was saved."""
    files: list[Path]
    """The mesh files, that of the whole scene first."""
    seconds: float
    """Time in all [s]."""

    def __str__(self) -> str:
        return "\n".join(
            [
                *table(self.made),
                f"  scene    {self.folder}",
                f"  meshes   {self.files[0]}, {len(self.made)} in {self.folder / 'meshes'}",
                f"  picture  {self.folder / 'meshes.png'}",
                f"  {self.seconds:.1f} s",
            ]
        )


def run(config: Config) -> Result:
    """Meshes a scene, saves it, and writes its meshes as files and a picture of them.

    Raises:
        FileError: If the scene or a photo cannot be read, or the folder not be written.
        InputError: If there is no surface to mesh, or its voxels would not fit into memory.
    """
    start = time.perf_counter()
    scene = open_scene(config.scene)
    made = scene_meshes(scene.state, config.mesh)
    scene.apply(MeshScene(config.mesh, made))
    folder = scene.save(config.output)
    files = write_results(folder, scene.state, made, config.format)
    return Result(scene, made, folder, files, time.perf_counter() - start)


def write_results(folder: Path, state: SceneState, made: dict[str, NodeMesh], format: str) -> list[Path]:
    """Writes the whole scene, each node, what is known of them and a picture; returns the mesh files, the whole first.

    Node meshes are in their nodes' frames, the whole one is in the world.
    """
    posed = {path: found.mesh.transform(torch.from_numpy(state.pose(path).matrix)) for path, found in made.items()}
    files = [folder / f"mesh.{format}"]
    write_meshes(files[0], {path.strip("/"): mesh for path, mesh in posed.items()})
    (folder / "meshes").mkdir(exist_ok=True)
    for path, found in made.items():
        files.append(folder / "meshes" / f"{path.strip('/').replace('/', '.')}.{format}")
        write_mesh(files[-1], found.mesh)
    write_json(folder / "meshes" / "meshes.json", {path: facts(found) for path, found in made.items()})
    write_image(folder / "meshes.png", picture(state, joined(list(posed.values()))[0]))
    return files


def facts(found: NodeMesh) -> dict[str, Any]:
    """What meshes.json says of a node."""
    return {
        "faces": len(found.mesh.faces),
        "closed": found.is_closed,
        "volume": found.volume,
        "estimated_share": round(found.estimated, 4),
        "estimated_from_face": found.seen_faces,
        "texture": None if found.texture is None else list(found.texture.size),
        "seconds": round(found.seconds, 3),
    }


def table(made: dict[str, NodeMesh]) -> list[str]:
    """A line for each node."""
    lines = [
        f"  {'node':<26}{'faces':>9}  {'closed':<7}{'size [cm]':<20}{'volume [cm³]':>13}{'estimated':>11}{'texture':>12}"
    ]
    for path, found in made.items():
        size = " × ".join(f"{100 * side:.1f}" for side in Surface(found.mesh).extent)
        volume = "–" if found.volume is None else f"{1e6 * found.volume:,.1f}"
        texture = "vertices" if found.texture is None else "{}×{}".format(*found.texture.size)
        closed = "yes" if found.is_closed else "no"
        lines.append(
            f"  {path:<26}{len(found.mesh.faces):>9,}  {closed:<7}{size:<20}{volume:>13}{found.estimated:>11.0%}{texture:>12}"
        )
    return lines


def picture(state: SceneState, mesh: Mesh) -> NDArray[np.uint8]:
    """Photo, mesh, and its shape in the light of the camera, side by side at some photos, shape (h, w, 3).

    Where there are no photos, the splats are beside the mesh.
    """
    splats, photos = state.splats(), state.photos()
    photos = photos or around(splats).photos
    scene, shape, rows = ray_scene(mesh), Mesh(mesh.vertices, mesh.faces), []
    for k in np.linspace(0, len(photos) - 1, PICTURES + 1)[:-1].round().astype(int):
        camera, pose = small_pinhole(photos[k].camera, PICTURE_SIDE), photos[k].T_world_cam
        with torch.no_grad():
            row = [render(splats, camera, pose).rgb.clamp(0, 1)]
        row += [render_mesh(mesh, camera, pose, scene=scene, samples=2).rgb]
        row += [render_mesh(shape, camera, pose, scene=scene, samples=2, shading="headlight").rgb]
        rows.append(torch.cat(row, 1))
    return (255 * torch.cat(rows)).round().to(torch.uint8).numpy()

"""Photographed meshes against their own truth."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh
from PIL import Image

from scenekit.cameras import Camera
from scenekit.datasets import photographed
from scenekit.datasets.photographed import capture_mesh, round_walk, standing
from scenekit.datasets.photographed_studio import irradiance, sky
from scenekit.datasets.photographed_textures import glaze, solid_noise
from scenekit.datasets.tabletop_photos import lens
from scenekit.errors import FileError, InputError
from scenekit.io.colmap import read_model
from scenekit.io.mesh_files import read_mesh
from scenekit.render.raycast import RayScene, pixel_rays

TINY = {"photos": 4, "width": 64, "height": 48, "seed": 3, "samples": 1}


def hashes(folder: Path) -> dict[str, str]:
    """SHA-256 of every file, by relative path."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def pin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A torus on a post, Y up, far from the origin."""
    ring = trimesh.creation.torus(1.0, 0.4, major_sections=24, minor_sections=12)
    post = trimesh.creation.box((0.5, 2.0, 0.5)).apply_translation([0, -1.5, 0])
    path = tmp_path_factory.mktemp("mesh") / "pin.obj"
    trimesh.util.concatenate([ring, post]).apply_translation([7.0, 3.0, -5.0]).export(path)
    return path


@pytest.fixture(scope="module")
def capture(pin: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return capture_mesh(tmp_path_factory.mktemp("data") / "pin", pin, **TINY)


@pytest.fixture(scope="module")
def truth(capture: Path) -> dict:
    read = {name: json.loads((capture / "truth" / f"{name}.json").read_text()) for name in ("cameras", "objects")}
    camera = read["cameras"]["camera"]
    read["lens"] = Camera(camera["model"], camera["width"], camera["height"], tuple(camera["params"]))
    return read


def test_a_seed_gives_the_same_bytes_with_any_number_of_threads(pin, capture, tmp_path):
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        again = capture_mesh(tmp_path / "again", pin, **TINY)
    finally:
        torch.set_num_threads(threads)
    assert hashes(again) == hashes(capture)


def test_another_seed_gives_other_photos_of_the_same_mesh(pin, capture, tmp_path):
    other, mine = hashes(capture_mesh(tmp_path / "other", pin, **{**TINY, "seed": 4})), hashes(capture)
    assert not any(other[name] == mine[name] for name in mine if name.startswith("images"))
    assert other["truth/meshes/object.ply"] == mine["truth/meshes/object.ply"]


def test_the_mesh_stands_in_the_middle_with_the_wanted_height(pin):
    mesh = standing(pin, 0.3, None)
    low, high = mesh.vertices.amin(0), mesh.vertices.amax(0)
    torch.testing.assert_close(torch.stack([low[2], high[2]]), torch.tensor([0.0, 0.3]))
    torch.testing.assert_close(low[:2], -high[:2])
    own = trimesh.load(pin).extents
    np.testing.assert_allclose((high - low).numpy() / 0.3, own[[0, 2, 1]] / own[1], rtol=1e-5)


def test_depth_and_ids_lie_on_the_true_meshes(capture, truth):
    scenes = {}
    for entry in truth["objects"]["objects"]:
        mesh = read_mesh(capture / "truth" / entry["mesh"])
        scenes[entry["id"]] = RayScene([(mesh.vertices.numpy(), mesh.faces.numpy())])
    for name, photo in truth["cameras"]["photos"].items():
        T = np.array(photo["T_world_cam"])
        depth = np.load(capture / "truth" / "depth" / f"{Path(name).stem}.npz")["depth"].reshape(-1)
        ids = np.asarray(Image.open(capture / "truth" / "ids" / f"{Path(name).stem}.png")).reshape(-1)
        rays = pixel_rays(truth["lens"]).reshape(-1, 3) @ T[:3, :3].T.astype(np.float32)
        assert 0.05 < (ids == 1).mean() < 0.6
        for number, scene in scenes.items():
            mine = (ids == number) & np.isfinite(depth)
            hits = scene.cast(np.broadcast_to(T[:3, 3], rays[mine].shape), rays[mine])
            np.testing.assert_allclose(hits.distance, depth[mine], rtol=1e-5)


def test_the_colmap_model_has_the_same_cameras(capture, truth):
    model = read_model(capture / "truth" / "colmap")
    assert {image.name for image in model.images} == set(truth["cameras"]["photos"])
    for image in model.images:
        T = truth["cameras"]["photos"][image.name]["T_world_cam"]
        np.testing.assert_allclose(np.linalg.inv(image.T_cam_world), T, atol=1e-9)


def test_every_shot_has_the_whole_object_in_the_picture(pin):
    mesh, camera = standing(pin, 0.2, None), lens(640, 480)
    shots = list(round_walk(mesh, photographed.distance_to(mesh, camera), 60, 0, exposure_spread=0.1))
    assert len(shots) == 60
    for shot in shots:
        T = np.linalg.inv(shot.T_world_cam)
        local = mesh.vertices.double().numpy() @ T[:3, :3].T + T[:3, 3]
        at = camera.project(local)
        assert (at > 0).all() and (at < [640, 480]).all()


def test_the_files_own_look_is_photographed(tmp_path):
    """A cube whose picture is red on one half and green on the other: its pixels are red or green."""
    picture = np.zeros((8, 8, 3), np.uint8)
    picture[:, :4], picture[:, 4:] = (220, 20, 20), (20, 200, 20)
    Image.fromarray(picture).save(tmp_path / "halves.png")
    cube = trimesh.creation.box()
    uvs = cube.vertices[:, :2] * 0.9 + 0.5
    lines = [f"v {x} {y} {z}" for x, y, z in cube.vertices] + [f"vt {u} {v}" for u, v in uvs]
    lines += [f"f {a}/{a} {b}/{b} {c}/{c}" for a, b, c in cube.faces + 1]
    (tmp_path / "cube.obj").write_text("\n".join(lines))
    folder = capture_mesh(tmp_path / "cap", tmp_path / "cube.obj", texture=tmp_path / "halves.png", **TINY)
    for k in range(TINY["photos"]):
        rgb = np.asarray(Image.open(folder / "images" / f"{k:04d}.jpg")).astype(int)
        inside = np.asarray(Image.open(folder / "truth" / "ids" / f"{k:04d}.png")) == 1
        r, g, b = rgb[inside].T
        assert np.mean(np.maximum(r, g) > b + 20) > 0.9
    look = read_mesh(folder / "truth" / "meshes" / "object.glb")
    assert look.texture is not None and bool((look.texture[..., 2] < 60).all())


def test_irradiance_of_an_open_place_is_the_integral_of_the_sky():
    far = RayScene([(np.array([[9, 9, -9], [9.1, 9, -9], [9, 9.1, -9]], float), np.array([[0, 1, 2]]))])
    normal = np.array([0.3, -0.2, 0.9]) / np.linalg.norm([0.3, -0.2, 0.9])
    n = 400
    z, angle = np.meshgrid((np.arange(2 * n) + 0.5) / n - 1, (np.arange(n) + 0.5) / n * 2 * np.pi)
    ring = np.sqrt(1 - z**2)
    d = np.stack([ring * np.cos(angle), ring * np.sin(angle), z], -1).reshape(-1, 3)
    exact = (sky(d) * np.maximum(d @ normal, 0)[:, None]).mean(0) * 4 * np.pi
    points = np.zeros((200, 3), np.float32)
    found = irradiance(far, points, np.tile(normal, (200, 1)), 0.0, np.random.default_rng(0))
    np.testing.assert_allclose(found.mean(0), exact, rtol=0.01)


def test_it_is_darker_beside_and_under_the_object(pin):
    mesh = standing(pin, 0.2, None)
    rays = RayScene([(mesh.vertices.numpy(), mesh.faces.numpy())])
    places = np.float32([[-0.02, 0.04, 0.0], [1.0, -1.0, 0.0]])  # beside the post and under the ring, and in the open
    shaded, free = irradiance(rays, places, np.float32([[0, 0, 1]] * 2), 1e-4, np.random.default_rng(0)).mean(1)
    assert shaded < 0.8 * free


def test_solid_noise_belongs_to_places_not_to_their_order():
    points = np.random.default_rng(0).normal(0, 0.1, (4000, 3)).astype(np.float32)
    order = np.random.default_rng(1).permutation(len(points))
    noise, again = (solid_noise(p, 0.05, np.random.default_rng(2)) for p in (points, points[order]))
    np.testing.assert_allclose(again, noise[order], atol=1e-5)
    assert abs(noise.mean()) < 1e-5 and abs(noise.std() - 1) < 1e-5
    near = solid_noise(points + np.float32(1e-5), 0.05, np.random.default_rng(2))
    assert np.abs(near - noise).max() < 0.05
    assert glaze(points, np.random.default_rng(0)).min() > 0


def test_an_interrupted_capture_leaves_nothing(pin, tmp_path, monkeypatch):
    def stopped(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(photographed, "write_cameras", stopped)
        with pytest.raises(KeyboardInterrupt):
            capture_mesh(tmp_path / "cap", pin, **TINY)
    assert not list(tmp_path.iterdir())


def test_another_datasets_folder_is_left_alone(pin, tmp_path):
    (tmp_path / "truth").mkdir()
    (tmp_path / "truth" / "objects.json").write_text('{"dataset": "tabletop"}')
    with pytest.raises(FileError, match="other content"):
        capture_mesh(tmp_path, pin, **TINY)


@pytest.mark.parametrize(
    "wrong", [{"photos": 1}, {"object_height": 0.0}, {"object_height": float("nan")}, {"width": 0}, {"seed": -1}]
)
def test_numbers_out_of_range_are_refused(pin, tmp_path, wrong):
    with pytest.raises(InputError):
        capture_mesh(tmp_path / "cap", pin, **{**TINY, **wrong})


def test_what_cannot_stand_is_refused(pin, tmp_path):
    flat = tmp_path / "flat.obj"
    flat.write_text("v 0 0 0\nv 1 0 0\nv 0 0 1\nf 1 2 3\n")
    with pytest.raises(FileError, match="height"):
        capture_mesh(tmp_path / "cap", flat, **TINY)
    (tmp_path / "empty.obj").write_text("v 0 0 0\n")
    with pytest.raises(FileError):
        capture_mesh(tmp_path / "cap", tmp_path / "empty.obj", **TINY)
    with pytest.raises(FileError):
        capture_mesh(tmp_path / "cap", tmp_path / "missing.obj", **TINY)
    with pytest.raises(InputError, match="texture coordinates"):
        capture_mesh(tmp_path / "cap", pin, texture=tmp_path / "halves.png", **TINY)
    assert not (tmp_path / "cap").exists()

"""Meshes of scenes: what each node gets, and what is said where there is nothing to mesh."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh

from scenekit.cameras import look_at, pinhole, quaternion_from_rotation
from scenekit.capture.capture import Capture, Photo, Points
from scenekit.capture.level import rotation_between
from scenekit.errors import FileError, InputError
from scenekit.io.images import write_image
from scenekit.poses import Pose
from scenekit.render.splats import render
from scenekit.scene import Node, Scene, SceneState
from scenekit.splats import SH_C0, Splats, merge, random_splats
from scenekit.surface.clean import CleanConfig
from scenekit.surface.fusion import FusionConfig
from scenekit.surface.meshing import MeshingConfig, MeshScene, around, scene_meshes
from scenekit.surface.texture import TextureConfig
from scenekit.validation.surface import Surface

CAMERA = pinhole(120, 90, 115, 115, 60, 45)
RED, BLUE, OAK = (0.8, 0.1, 0.1), (0.1, 0.2, 0.7), (0.6, 0.4, 0.2)
QUICK = MeshingConfig(max_side=120, clean=CleanConfig(faces=2000), baking=TextureConfig(texel=0.004))


def surface(mesh: trimesh.Trimesh, rgb: tuple[float, ...], sigma: float) -> Splats:
    """Flat opaque Gaussians of deviation `sigma` [m] all over a mesh."""
    n = int(1.5 * mesh.area / sigma**2)
    points, faces = trimesh.sample.sample_surface(mesh, n, seed=0)
    up = np.array([0.0, 0.0, 1.0])
    turned = np.array([quaternion_from_rotation(rotation_between(up, normal)) for normal in mesh.face_normals])
    return Splats(
        torch.from_numpy(points).float(),
        torch.from_numpy(turned[faces]).float(),
        torch.tensor([sigma, sigma, sigma / 10]).log().expand(n, 3).contiguous(),
        torch.full((n,), 6.0),
        ((torch.tensor(rgb) - 0.5) / SH_C0).expand(n, 1, 3).contiguous(),
    )


def box(x: float, y: float, z: float, *sides: float) -> trimesh.Trimesh:
    return trimesh.creation.box(sides, trimesh.transformations.translation_matrix([x, y, z + sides[2] / 2]))


TABLE = surface(box(0, 0, -0.03, 0.8, 0.6, 0.03), OAK, 0.012)
CARTON = surface(box(-0.15, 0.05, 0, 0.14, 0.1, 0.16), RED, 0.004)
BRICK = surface(box(0.18, -0.08, 0, 0.16, 0.12, 0.08), BLUE, 0.004)
OVERHANG = 0.25
"""Splats reach over the edges of the boxes by about a deviation, which makes volumes larger by this part at most."""

LIFT = np.array([[0.0, -1, 0, 0.3], [1, 0, 0, 0.1], [0, 0, 1, 0.7], [0, 0, 0, 1]])
"""Pose of the table in the world."""


@pytest.fixture(scope="module")
def photographed(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """A table with two things, in a frame of its own, and photos of it."""
    folder = tmp_path_factory.mktemp("photos")
    things = tuple(Node(name, splats=splats) for name, splats in (("carton", CARTON), ("brick", BRICK)))
    table = Node("table", pose=Pose.from_matrix(LIFT), splats=TABLE, children=things)
    world = merge([TABLE, CARTON, BRICK]).transform(torch.from_numpy(LIFT))
    photos = []
    for k, turn in enumerate(np.arange(16) * 2 * np.pi / 8):
        eye = np.array([0.3 + 0.7 * np.cos(turn), 0.1 + 0.7 * np.sin(turn), 0.95 + 0.25 * (k >= 8)])
        pose = look_at(eye, np.array([0.3, 0.1, 0.72]))
        with torch.no_grad():
            picture = render(world, CAMERA, pose).rgb.clamp(0, 1)
        write_image(folder / f"{k}.png", (255 * picture).round().to(torch.uint8).numpy())
        photos.append(Photo(f"{k}.png", folder / f"{k}.png", CAMERA, pose))
    cameras = Node("cameras", cameras=Capture(photos, Points.none(), "photos"))
    return Scene(SceneState(Node("", children=(table, cameras))))


@pytest.fixture(scope="module")
def meshed(photographed: Scene) -> Scene:
    return Scene(photographed.state).mesh(QUICK)


def colour(mesh_rgb: torch.Tensor) -> np.ndarray:
    return np.median(mesh_rgb[..., :3].reshape(-1, 3).numpy(), 0) / 255


def test_things_are_closed_and_their_support_is_open(meshed: Scene) -> None:
    for path, volume in (("/table/carton", 0.14 * 0.1 * 0.16), ("/table/brick", 0.16 * 0.12 * 0.08)):
        solid = Surface(meshed[path].mesh)
        assert solid.is_closed and solid.shell.max() == 0
        assert solid.solid.volume == pytest.approx(volume, rel=OVERHANG)
    assert not Surface(meshed["/table"].mesh).is_closed


def test_meshes_lie_in_their_nodes_frames_around_the_splats(meshed: Scene) -> None:
    low, high = (end.numpy() for end in meshed["/table/carton"].mesh.vertices.aminmax(dim=0))
    assert low == pytest.approx([-0.22, 0.0, 0.0], abs=0.015)  # two pixels and a half
    assert high == pytest.approx([-0.08, 0.1, 0.16], abs=0.015)  # two pixels and a half


def test_the_support_goes_on_under_what_stands_on_it(meshed: Scene) -> None:
    table = Surface(meshed["/table"].mesh)
    x, y = table.triangles.mean(1)[:, :2].T
    for low, high in (((-0.2, 0.02), (-0.1, 0.08)), ((0.12, -0.12), (0.24, -0.04))):
        under = (x > low[0]) & (x < high[0]) & (y > low[1]) & (y < high[1])
        wanted = (high[0] - low[0]) * (high[1] - low[1])
        assert table.areas[under].sum() == pytest.approx(wanted, rel=0.25)
        assert np.abs(table.triangles[under].mean(1)[:, 2]).max() < 0.02


def test_textures_have_the_colours_of_the_photos(meshed: Scene) -> None:
    for path, rgb in (("/table/carton", RED), ("/table/brick", BLUE), ("/table", OAK)):
        mesh = meshed[path].mesh
        assert mesh.texture is not None
        assert colour(mesh.texture) == pytest.approx(rgb, abs=0.06)


def test_it_is_one_step_of_history_and_changes_nothing_but_meshes(photographed: Scene, meshed: Scene) -> None:
    assert [label for _, label in meshed.past] == ["mesh"]
    for path, node in photographed.state.walk():
        assert replace(meshed.state.node(path), mesh=None, children=()) == replace(node, children=())
    again = Scene(meshed.state)
    again.past = list(meshed.past)
    assert again.undo().state is photographed.state


def test_what_was_made_before_is_taken(photographed: Scene) -> None:
    config = replace(QUICK, path="/table/brick", texture=False)
    made = scene_meshes(photographed.state, config)
    state = MeshScene(config, made).apply(photographed.state)
    assert list(made) == ["/table/brick"]
    assert state.node("/table/brick").mesh is made["/table/brick"].mesh
    assert state.node("/table/carton").mesh is None
    assert str(MeshScene(config)) == "mesh /table/brick"


def test_seen_faces_come_first_and_estimated_ones_are_the_bottom(photographed: Scene) -> None:
    found = scene_meshes(photographed.state, replace(QUICK, path="/table/brick", texture=False))["/table/brick"]
    heights = found.mesh.vertices[found.mesh.faces].mean(1)[:, 2]
    assert heights[: found.seen_faces].median() > 0.03 > 0.01 > heights[found.seen_faces :].median()
    assert 0 < found.estimated < 0.4
    assert found.volume == pytest.approx(0.16 * 0.12 * 0.08, rel=OVERHANG)


def test_without_textures_vertices_have_the_colours_of_the_splats(photographed: Scene) -> None:
    mesh = scene_meshes(photographed.state, replace(QUICK, path="/table/brick", texture=False))["/table/brick"].mesh
    assert mesh.texture is None and mesh.vertex_colors is not None
    assert colour(mesh.vertex_colors) == pytest.approx(BLUE, abs=0.06)


def test_photos_that_are_gone_leave_vertex_colours(photographed: Scene, caplog: pytest.LogCaptureFixture) -> None:
    def moved(node: Node) -> Node:
        assert node.cameras is not None
        photos = [replace(photo, path=Path("gone") / photo.name) for photo in node.cameras.photos]
        return replace(node, cameras=replace(node.cameras, photos=photos))

    state = photographed.state.with_node("/cameras", moved)
    mesh = scene_meshes(state, replace(QUICK, path="/table/brick"))["/table/brick"].mesh
    assert mesh.texture is None and mesh.vertex_colors is not None
    assert "is missing" in caplog.text


def test_everything_is_closed_on_request(photographed: Scene) -> None:
    made = scene_meshes(photographed.state, replace(QUICK, close=True, texture=False))
    assert set(made) == {"/table", "/table/carton", "/table/brick"}
    for found in made.values():
        surface = Surface(found.mesh)
        assert surface.is_closed and surface.shell.max() == 0 and found.volume is not None


def test_splats_without_photos_are_looked_at_from_all_around() -> None:
    scene = Scene(SceneState(Node("", children=(Node("brick", splats=BRICK),))))
    scene.mesh(replace(QUICK, close=True, fusion=FusionConfig(voxel=0.005)))
    mesh = scene["/brick"].mesh
    surface = Surface(mesh)
    assert surface.is_closed
    assert surface.solid.volume == pytest.approx(0.16 * 0.12 * 0.08, rel=OVERHANG)
    assert colour(mesh.vertex_colors) == pytest.approx(BLUE, abs=0.06)


def test_cameras_around_splats_see_all_of_them() -> None:
    capture = around(BRICK)
    directions = capture.centres - BRICK.means.median(0).values.numpy()
    assert len(capture.photos) >= 32
    assert np.linalg.norm(directions.mean(0)) < 0.1 * np.linalg.norm(directions, axis=1).mean()
    for photo in capture.photos:
        local = (BRICK.means.double().numpy() - photo.T_world_cam[:3, 3]) @ photo.T_world_cam[:3, :3]
        pixels = photo.camera.project(local)
        assert ((pixels > 0) & (pixels < [photo.camera.width, photo.camera.height])).all()


def test_gaussians_that_are_not_finite_are_left_out() -> None:
    means = BRICK.means.clone()
    means[::7] = torch.nan
    scene = Scene(SceneState(Node("", children=(Node("brick", splats=replace(BRICK, means=means)),))))
    scene.mesh(replace(QUICK, fusion=FusionConfig(voxel=0.006)))
    assert bool(scene["/brick"].mesh.vertices.isfinite().all())


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ((), "no splats"),
        ((Node("empty", splats=BRICK.map(lambda t: t[:0])),), "no splats"),
        (
            (Node("glass", splats=replace(BRICK, logit_opacities=torch.full((len(BRICK),), -9.0))),),
            "none that is opaque",
        ),
    ],
    ids=["nothing", "no Gaussians", "transparent"],
)
def test_scenes_without_a_surface_are_refused_and_stay(nodes: tuple[Node, ...], message: str) -> None:
    scene = Scene(SceneState(Node("", children=nodes)))
    before = scene.state
    with pytest.raises(InputError, match=message):
        scene.mesh(QUICK)
    assert scene.state is before and not scene.past


def test_transparent_splats_before_photos_are_refused(photographed: Scene) -> None:
    glass = replace(BRICK, logit_opacities=torch.full((len(BRICK),), -9.0))
    cameras = photographed.state.node("/cameras")
    state = SceneState(Node("", children=(Node("glass", splats=glass), cameras)))
    with pytest.raises(InputError, match="without any depth"):
        scene_meshes(state, QUICK)


def test_a_path_without_splats_is_refused(photographed: Scene) -> None:
    with pytest.raises(InputError, match="no node has splats"):
        scene_meshes(photographed.state, replace(QUICK, path="/cameras"))
    with pytest.raises(InputError, match="/chair"):
        scene_meshes(photographed.state, replace(QUICK, path="/chair"))


def test_an_absurd_voxel_is_refused(photographed: Scene) -> None:
    with pytest.raises(InputError, match=r"at least .* m for max_memory"):
        scene_meshes(photographed.state, replace(QUICK, fusion=FusionConfig(voxel=1e-7)))


def test_depth_that_cannot_tell_things_apart_is_refused(photographed: Scene) -> None:
    with pytest.raises(InputError, match="median"):
        scene_meshes(photographed.state, replace(QUICK, fusion=FusionConfig(depth="plane")))


@pytest.mark.parametrize("options", [{"max_side": 1}, {"views": 0}])
def test_options_out_of_range_are_refused(options: dict[str, int]) -> None:
    with pytest.raises(InputError, match=next(iter(options))):
        MeshingConfig(**options)  # type: ignore[arg-type]


def test_a_damaged_photo_is_named(photographed: Scene, tmp_path: Path) -> None:
    (tmp_path / "3.png").write_bytes(b"no picture")

    def damaged(node: Node) -> Node:
        assert node.cameras is not None
        photos = [replace(p, path=tmp_path / p.name) if p.name == "3.png" else p for p in node.cameras.photos]
        return replace(node, cameras=replace(node.cameras, photos=photos))

    with pytest.raises(FileError, match=r"3\.png"):
        scene_meshes(photographed.state.with_node("/cameras", damaged), replace(QUICK, path="/table/brick"))


def test_a_cloud_of_noise_gives_a_mesh_or_a_clear_error() -> None:
    scene = Scene(SceneState(Node("", children=(Node("noise", splats=random_splats(300, seed=0)),))))
    try:
        scene.mesh(replace(QUICK, max_side=64))
    except InputError:
        assert not scene.past
    else:
        assert len(scene["/noise"].mesh.faces)

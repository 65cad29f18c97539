"""Solid: whatever was done to a body, what comes out is one closed surface, outward, without crossings, near it."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import trimesh

from scenekit.errors import InputError
from scenekit.io.mesh_files import read_mesh
from scenekit.meshes import Mesh, merge_meshes
from scenekit.surface.solid import SolidConfig, faults, simplified_solid, solid
from scenekit.validation.crossings import crossings
from scenekit.validation.probe import Probe
from scenekit.validation.surface import Surface


def mesh_of(thing: trimesh.Trimesh) -> Mesh:
    return Mesh(torch.tensor(thing.vertices, dtype=torch.float32), torch.tensor(thing.faces, dtype=torch.int64))


def moved(mesh: Mesh, *by: float) -> Mesh:
    return replace(mesh, vertices=mesh.vertices + torch.tensor(by))


BALL = mesh_of(trimesh.creation.icosphere(4, 0.5))
RING = mesh_of(trimesh.creation.torus(0.5, 0.2, major_sections=48, minor_sections=24))
VOXEL = 0.03
COARSE = SolidConfig(voxel=VOXEL)


def soup(mesh: Mesh, *, turned: float = 0.0, shaken: float = 1e-4) -> Mesh:
    """Every triangle for itself, shaken a little, some of them turned."""
    rng = torch.Generator().manual_seed(0)
    corners = mesh.vertices[mesh.faces].reshape(-1, 3)
    faces = torch.arange(len(corners)).reshape(-1, 3)
    turn = torch.rand(len(faces), 1, generator=rng) < turned
    return Mesh(corners + shaken * torch.randn(corners.shape, generator=rng), torch.where(turn, faces.flip(1), faces))


def without(mesh: Mesh, *holes: tuple[float, float, float]) -> Mesh:
    """With round holes of radius 0.15 m."""
    centres = mesh.vertices[mesh.faces].mean(1)
    near = torch.cdist(centres, torch.tensor(holes)).amin(1) < 0.15
    return replace(mesh, faces=mesh.faces[~near])


def assert_sound(mesh: Mesh, *, shells: int = 1) -> None:
    surface = Surface(mesh)
    assert set(surface.faces_at) == {2} and not surface.balance.any()
    assert not len(surface.pinched) and not len(surface.degenerate)
    assert len(np.unique(surface.shell)) == shells
    assert surface.solid.volume > 0
    found = crossings(surface.vertices, surface.faces, budget=10**8)
    assert found.complete and not len(found.pairs)


def assert_near(mesh: Mesh, truth: Mesh, distance: float) -> None:
    """Every point of what is left of the truth lies near the mesh."""
    made, given = Surface(mesh), Surface(truth)
    assert Probe(made.vertices, made.faces).distance(given.sample(10_000)[0]).max() <= distance


def test_a_solid_is_returned_as_it_is() -> None:
    mesh, report = solid(RING)
    assert mesh is RING and report.how == "untouched"
    assert (report.estimated, report.lost) == (0, 0)
    assert report.volume == pytest.approx(2 * np.pi**2 * 0.5 * 0.2**2, rel=0.02)


@pytest.mark.parametrize("damage", ["holes", "turned faces", "doubled faces", "crumbs", "inside out", "all"])
def test_what_mending_and_patches_can_do_keeps_every_triangle_that_was_right(damage: str) -> None:
    mesh, right, every = RING, RING, damage == "all"
    if every or damage == "holes":
        mesh = right = without(mesh, (0.7, 0, 0), (-0.5, 0, 0.2))
    if every or damage == "turned faces":
        turn = torch.rand(len(mesh.faces), 1, generator=torch.Generator().manual_seed(0)) < 0.3
        mesh = replace(mesh, faces=torch.where(turn, mesh.faces.flip(1), mesh.faces))
    if every or damage == "doubled faces":
        mesh = replace(mesh, faces=torch.cat([mesh.faces, mesh.faces[100:300]]))
    if every or damage == "crumbs":
        crumb = mesh_of(trimesh.creation.icosphere(1, 0.01))
        mesh = merge_meshes([mesh, moved(crumb, 1, 1, 1), moved(crumb, 0, 0, 0)])
    if damage == "inside out":
        mesh = replace(mesh, faces=mesh.faces.flip(1))
    made, report = solid(mesh)
    assert report.how == "mended"
    assert_sound(made)
    assert_near(made, right, 1e-6)
    assert report.volume == pytest.approx(2 * np.pi**2 * 0.5 * 0.2**2, rel=0.05 if every or damage == "holes" else 0.02)
    assert (report.estimated > 0.005) == (every or damage == "holes")


@pytest.mark.parametrize("turned", [0.0, 0.3])
def test_a_soup_of_triangles_becomes_the_body_again(turned: float) -> None:
    made, report = solid(soup(RING, turned=turned), COARSE)
    assert report.how == "remeshed" and report.voxel == VOXEL
    assert_sound(made)
    assert_near(made, RING, VOXEL / 2)
    assert report.volume == pytest.approx(Surface(RING).solid.volume, rel=0.02)
    assert report.estimated < 0.002 and report.lost == 0


def test_an_open_soup_is_closed_and_what_is_new_is_told() -> None:
    """A ball without what is above z = 0.3: the membrane is near the disc of radius 0.4."""
    bowl = replace(BALL, faces=BALL.faces[(BALL.vertices[BALL.faces][:, :, 2] < 0.3).all(1)])
    made, report = solid(soup(bowl), COARSE)
    assert_sound(made)
    assert_near(made, bowl, VOXEL)
    cap, disc = np.pi * 0.2**2 * (3 * 0.5 - 0.2) / 3, np.pi * 0.4**2
    assert 0.45 < disc / (2 * np.pi * 0.5 * 0.8 + disc) / (report.estimated + 0.1) < 1.1
    assert report.volume == pytest.approx(4 / 3 * np.pi * 0.5**3 - cap, rel=0.05)


def test_bodies_that_pass_through_each_other_become_one() -> None:
    balls = merge_meshes([BALL, moved(BALL, 0.5, 0, 0), moved(BALL, 1.6, 0, 0)])
    made, report = solid(balls, COARSE)
    assert_sound(made)
    lens = np.pi * (4 * 0.5 + 0.5) * (2 * 0.5 - 0.5) ** 2 / 12  # of two balls of radius 0.5 with centres 0.5 apart
    assert report.volume == pytest.approx(8 / 3 * np.pi * 0.5**3 - lens, rel=0.02)
    assert 0.3 < report.lost < 0.6  # the third ball, and what lies within
    assert_sound(solid(balls, replace(COARSE, one_shell=False))[0], shells=2)


def test_hollows_are_filled_unless_asked_for() -> None:
    inner = replace(BALL, vertices=BALL.vertices * 0.5, faces=BALL.faces.flip(1))
    hollow = merge_meshes([BALL, inner])
    made, report = solid(hollow, COARSE)
    assert_sound(made)
    assert report.volume == pytest.approx(4 / 3 * np.pi * 0.5**3, rel=0.02)
    assert solid(hollow, replace(COARSE, one_shell=False))[0] is hollow


def test_colours_and_textures_come_over_to_a_new_surface() -> None:
    rgba = torch.cat([(RING.vertices / 1.4 + 0.5) * 255, torch.full((len(RING.vertices), 1), 255.0)], 1)
    coloured = replace(RING, vertex_colors=rgba.round().to(torch.uint8))
    pierced = merge_meshes([coloured, moved(replace(coloured, vertices=coloured.vertices * 0.3), 0.5, 0, 0)])
    made, report = solid(pierced, COARSE)
    assert report.how == "remeshed" and made.vertex_colors is not None
    left = made.vertices[:, 0] < 0
    assert (made.vertex_colors[left, :3] - (made.vertices[left] / 1.4 + 0.5) * 255).abs().max() < 12


def test_a_number_of_faces_or_an_error_is_kept_and_the_surface_sound() -> None:
    few, report = solid(RING, SolidConfig(faces=400))
    assert report.how == "untouched" and len(few.faces) == report.after < 700
    assert_sound(few)
    near = simplified_solid(RING, error=0.01)
    assert_sound(near)
    assert_near(near, RING, 0.0125)
    assert len(near.faces) < len(RING.faces) / 2


def test_faults_are_named() -> None:
    assert faults(BALL) == []
    assert "edges without two faces" in faults(without(BALL, (0.5, 0, 0)))[0]
    assert faults(replace(BALL, faces=BALL.faces.flip(1))) == ["1 shells inside out or buried"]
    assert faults(merge_meshes([BALL, moved(BALL, 2, 0, 0)])) == ["1 shells too many"]
    assert "cross" in faults(merge_meshes([BALL, moved(BALL, 0.5, 0.1, 0)]), one_shell=False)[-1]


def test_what_encloses_nothing_is_refused() -> None:
    sheet = mesh_of(trimesh.creation.box((1, 1, 0.1)))
    sheet = replace(sheet, faces=sheet.faces[(sheet.vertices[sheet.faces][:, :, 2] > 0).all(1)])
    line = Mesh(torch.tensor([[0, 0, 0], [1, 0, 0], [2, 0, 0.0]]), torch.tensor([[0, 1, 2]]))
    broken = replace(BALL, vertices=torch.full_like(BALL.vertices, torch.nan))
    for mesh in (sheet, line, broken, replace(BALL, faces=BALL.faces[:0])):
        with pytest.raises(InputError, match="mesh"):
            solid(mesh)


def test_an_absurd_voxel_is_refused_with_the_size_that_fits() -> None:
    pieces, config = soup(mesh_of(trimesh.creation.icosphere(2, 0.5))), SolidConfig(voxel=1e-6, max_memory=2_000_000)
    with pytest.raises(InputError, match="voxel") as refused:
        solid(pieces, config)
    fits = float(str(refused.value.wanted).split("at least ")[1].split(" m")[0])
    assert 0.02 < fits < 0.06
    assert_sound(solid(pieces, replace(config, voxel=fits))[0])


@pytest.mark.parametrize("options", [{"voxel": 0.0}, {"voxel": float("nan")}, {"faces": 2}, {"error": -1.0}])
def test_options_out_of_range_are_refused(options: dict) -> None:
    with pytest.raises(InputError, match=next(iter(options))):
        SolidConfig(**options)


@pytest.mark.real
def test_spot_in_pieces_is_whole_again(shared) -> None:
    spot = read_mesh(shared / "meshes" / "spot" / "spot.obj")
    config = SolidConfig(voxel=float(np.ptp(spot.vertices.numpy(), axis=0).max()) / 40)
    made, report = solid(soup(spot, turned=0.1), config)
    assert_sound(made)
    assert_near(made, spot, report.voxel)
    assert report.volume == pytest.approx(Surface(spot).solid.volume, rel=0.02)

"""Following: linear deformations are followed exactly, colours turn as a turned cloud is seen, rigid nodes by pose."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import trimesh
from torch import Tensor

from scenekit.cameras import look_at, pinhole
from scenekit.errors import InputError
from scenekit.harmonics import sh_rotation
from scenekit.material import materials
from scenekit.meshes import Mesh
from scenekit.poses import Pose
from scenekit.render.splats import render
from scenekit.render.splats_torch import rotations
from scenekit.scene import Node, SceneState
from scenekit.sim.bodies import RigidBody
from scenekit.sim.elements import elements_of
from scenekit.sim.follow import Follower, deformed, turned
from scenekit.sim.model import Domain, Matter, Model
from scenekit.sim.particles import Particles
from scenekit.sim.state import State
from scenekit.splats import Splats, random_splats

SHEAR = torch.tensor([[1.0, 0.4, 0.0], [0.0, 1.1, 0.2], [0.1, 0.0, 0.9]], dtype=torch.float64)
TURN = torch.from_numpy(trimesh.transformations.rotation_matrix(1.1, (1, 2, 3))[:3, :3].copy())
SHIFT = torch.tensor([0.3, -0.2, 0.5], dtype=torch.float64)
PLACE = Pose.from_matrix(trimesh.transformations.rotation_matrix(0.6, (3, 1, 2), (0.2, 0.1, 0.4)))


def covariances(splats: Splats) -> Tensor:
    L = rotations(torch.nn.functional.normalize(splats.quats.double(), dim=1)) * splats.scales.double()[:, None]
    return L @ L.mT


def cube(pose: Pose = PLACE, law: str = "jelly") -> tuple[SceneState, Model]:
    """A node with splats and a mesh in a cube of particles."""
    box = trimesh.creation.box((0.8, 0.8, 0.8))
    mesh = Mesh(torch.from_numpy(box.vertices.copy()).float(), torch.from_numpy(box.faces.copy()).long())
    node = Node("cube", pose, splats=random_splats(200, extent=0.4, degree=3), mesh=mesh, material=materials[law])
    local = torch.cartesian_prod(*[torch.linspace(-0.5, 0.5, 8, dtype=torch.float64)] * 3)
    T = torch.from_numpy(pose.matrix)
    x = (local @ T[:3, :3].T + T[:3, 3]).float()
    ones, kinds = torch.ones(len(x)), torch.zeros(len(x), dtype=torch.int32)
    particles = Particles(x, torch.zeros_like(x), ones, ones * 1e-3, kinds, (materials[law],))
    model = Model(
        domain=Domain((-3.0,) * 3, (3.0,) * 3, 0.1),
        particles=particles,
        matter=(Matter("/cube", particles=(0, len(x))),),
    )
    return SceneState(Node("", children=(node,))), model


def linear(model: Model, F: Tensor, shift: Tensor = SHIFT) -> State:
    """All particles and vertices under x ↦ F x + shift."""
    state = model.state()
    state.particle_x.copy_(state.particle_x.double() @ F.T + shift)
    state.particle_total.copy_(F.float().expand(len(state.particle_x), 3, 3))
    state.vertex_x.copy_(state.vertex_x.double() @ F.T + shift)
    return state


@pytest.mark.parametrize("F", [SHEAR, TURN, TURN @ SHEAR, torch.eye(3, dtype=torch.float64)])
def test_splats_under_a_linear_deformation_have_exactly_its_covariance(F: Tensor):
    scene, model = cube()
    before, after = scene.splats(), Follower(scene, model).at(linear(model, F)).splats()
    wanted = F @ covariances(before) @ F.T
    assert (covariances(after) - wanted).abs().max() < 1e-5 * wanted.abs().max()
    assert (after.means.double() - (before.means.double() @ F.T + SHIFT)).abs().max() < 1e-5
    assert torch.equal(after.logit_opacities, before.logit_opacities)


def test_vertices_under_a_linear_deformation_are_exact_and_keep_their_look():
    scene, model = cube()
    F = TURN @ SHEAR
    mesh, T = scene.node("/cube").mesh, torch.from_numpy(PLACE.matrix)
    moved = Follower(scene, model).at(linear(model, F)).node("/cube").mesh
    assert mesh is not None and moved is not None
    wanted = mesh.transform(T).vertices.double() @ F.T + SHIFT
    assert (moved.transform(T).vertices.double() - wanted).abs().max() < 1e-5
    assert torch.equal(moved.faces, mesh.faces)


def test_a_rotated_cloud_from_a_rotated_camera_gives_the_same_picture():
    scene, model = cube()
    camera = pinhole(64, 48, 60, 60, 32, 24)
    T_world_cam = look_at(np.array([2.0, 1.0, 1.5]), np.array([0.2, 0.1, 0.4]))
    move = np.eye(4)
    move[:3, :3], move[:3, 3] = TURN.numpy(), SHIFT.numpy()
    after = Follower(scene, model).at(linear(model, TURN))
    with torch.no_grad():
        first = render(scene.splats(), camera, T_world_cam, backend="torch").rgb
        second = render(after.splats(), camera, move @ T_world_cam, backend="torch").rgb
    assert (first - second).abs().max() < 1e-4


def test_colours_turn_as_the_wigner_matrices_say():
    sh = torch.randn(40, 16, 3, generator=torch.Generator().manual_seed(0))
    quats = torch.randn(40, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    R = rotations(torch.nn.functional.normalize(quats, dim=1))
    wanted = sh_rotation(R, 3) @ sh.double()
    assert (turned(sh, R).double() - wanted).abs().max() < 1e-5
    still = torch.eye(3, dtype=torch.float64).expand(40, 3, 3)
    assert turned(sh, still) is sh


def test_stretch_is_bounded_as_told():
    splats = random_splats(50, degree=0)
    F = torch.diag(torch.tensor([100.0, 1.0, 1e-4], dtype=torch.float64)).expand(50, 3, 3)
    bounded = torch.diag(torch.tensor([4.0, 1.0, 0.1], dtype=torch.float64))
    found = covariances(deformed(splats, splats.means, F))
    wanted = bounded @ covariances(splats) @ bounded
    assert (found - wanted).abs().max() < 1e-5 * wanted.abs().max()


def test_inverted_and_flat_matter_gives_finite_splats():
    splats = random_splats(3, degree=1)
    F = torch.stack(
        [torch.diag(torch.tensor(d, dtype=torch.float64)) for d in ([-1.0, 1, 1], [0.0, 1, 1], [0.0, 0, 0])]
    )
    found = deformed(splats, splats.means, F)
    assert all(tensor.isfinite().all() for tensor in found.tensors().values())
    assert torch.allclose(found.quats.norm(dim=1), torch.ones(3))


def test_rigid_nodes_go_by_pose_and_what_hangs_on_them_goes_along():
    leaf = Node("leaf", Pose((0.0, 0.0, 0.1)), splats=random_splats(5))
    free = Node("free", Pose((0.5, 0.0, 0.0)), splats=random_splats(5))
    scene = SceneState(Node("", children=(Node("tray", PLACE, splats=random_splats(5), children=(leaf, free)),)))

    def body(path: str) -> RigidBody:
        return RigidBody(path, "dynamic", scene.pose(path), 1.0, (0.0, 0.0, 0.0), np.eye(3))

    model = Model(
        bodies=(body("/tray"), body("/tray/free")), matter=(Matter("/tray", body=0), Matter("/tray/free", body=1))
    )
    state = model.state()
    to = Pose.from_matrix(trimesh.transformations.rotation_matrix(0.9, (0, 1, 1), (1, 2, 3)))
    state.body_x[0] = torch.tensor(to.position, dtype=torch.float64)
    state.body_quat[0] = torch.tensor(to.quat, dtype=torch.float64)
    after = Follower(scene, model).at(state)
    assert np.allclose(after.pose("/tray").matrix, to.matrix, atol=1e-12)
    assert np.allclose(after.pose("/tray/leaf").matrix, (to @ leaf.pose).matrix, atol=1e-12)
    assert np.allclose(after.pose("/tray/free").matrix, scene.pose("/tray/free").matrix, atol=1e-12)
    assert after.node("/tray").splats is scene.node("/tray").splats


@pytest.mark.parametrize("kind", ["tets", "faces"])
def test_points_bound_to_tetrahedra_or_triangles_follow_a_linear_deformation(kind: str):
    scene, model = cube(Pose())
    if kind == "tets":
        x = torch.tensor([[-1.0, -1, -1], [3.0, -1, -1], [-1.0, 3, -1], [-1.0, -1, 3]])
        F = TURN @ SHEAR
        tets = torch.tensor([[0, 1, 2, 3]], dtype=torch.int32)
        volume = torch.tensor([64 / 6])
        more = {"tet_mu": torch.ones(1), "tet_lambda": torch.ones(1), "tet_volume": volume}
        inverse = torch.linalg.inv((x[1:] - x[:1]).mT)[None]
        elements = elements_of(
            x=x, mass=torch.ones(4), radius=0.0, friction=0.0, tets=tets, tet_inverse_rest=inverse, **more
        )
    else:
        x = torch.tensor([[-1.0, -1, 0], [3.0, -1, 0], [-1.0, 3, 0]])
        F = TURN  # a sheet has no strain along its normal
        faces = torch.tensor([[0, 1, 2]], dtype=torch.int32)
        elements = elements_of(x=x, mass=torch.ones(3), radius=0.0, friction=0.0, faces=faces)
    model = Model(elements=elements, matter=(Matter("/cube", vertices=(0, len(x))),))
    before, after = scene.splats(), Follower(scene, model).at(linear(model, F)).splats()
    wanted = F @ covariances(before) @ F.T
    assert (covariances(after) - wanted).abs().max() < 1e-5 * wanted.abs().max()
    assert (after.means.double() - (before.means.double() @ F.T + SHIFT)).abs().max() < 1e-5


def test_matter_that_tears_gets_an_inside_and_points_that_follow_one_particle():
    scene, model = cube(law="sand")
    follower = Follower(scene, model)
    state = model.state()
    right = state.particle_x[:, 0] > PLACE.position[0]
    state.particle_x[right] += torch.tensor([2.0, 0.0, 0.0])
    after = follower.at(state).splats()
    assert len(after) > len(scene.splats())
    gap = (after.means[:, 0] > PLACE.position[0] + 0.7) & (after.means[:, 0] < PLACE.position[0] + 1.3)
    assert not gap.any(), "nothing hangs between the two halves"


def test_at_rest_the_scene_is_as_it_was():
    scene, model = cube()
    before, after = scene.splats(), Follower(scene, model).at(model.state()).splats()
    assert (covariances(after) - covariances(before)).abs().max() < 1e-6 * covariances(before).abs().max()
    assert torch.equal(after.sh, before.sh)
    assert (after.means - before.means).abs().max() < 1e-6


def test_bounds_of_stretch_must_hold_one():
    scene, model = cube()
    with pytest.raises(InputError, match="stretch"):
        Follower(scene, replace(model), stretch=(2.0, 3.0))

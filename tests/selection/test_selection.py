"""Selections: what each means, against the plain definition; that they are an algebra; and that texts come back."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from scenekit.cameras import Camera, look_at, pinhole
from scenekit.capture.capture import Capture, Photo, Points
from scenekit.errors import InputError
from scenekit.meshes import Mesh
from scenekit.poses import Pose
from scenekit.scene import Node, SceneState
from scenekit.selection import (
    Box,
    Cluster,
    Color,
    Everything,
    Flatness,
    HalfSpace,
    Lifted,
    Near,
    Opacity,
    Polygon,
    Scale,
    Selection,
    Sphere,
    parse_selection,
)
from scenekit.splats import SH_C0, Splats, random_splats

CAMERA = pinhole(40, 30, 36, 36, 20, 15)
POSE = Pose((0.3, -0.2, 0.5), (0.6, 0.0, 0.8, 0.0))


def scene_of(splats: Splats | None, mesh: Mesh | None = None, **parts: object) -> SceneState:
    return SceneState(Node("", children=(Node("a", POSE, splats, mesh, **parts),)))


def world(splats: Splats) -> torch.Tensor:
    T = torch.from_numpy(POSE.matrix)
    return splats.means.double() @ T[:3, :3].T + T[:3, 3]


def square(z: float = 0.0) -> Mesh:
    corners = torch.tensor([[-1.0, -1, z], [1, -1, z], [1, 1, z], [-1, 1, z]])
    return Mesh(corners, torch.tensor([[0, 1, 2], [0, 2, 3]]))


SPLATS = random_splats(400, degree=1)
STATE = scene_of(SPLATS, square())


def test_a_box_holds_what_lies_between_its_corners_in_the_world():
    low, high = torch.tensor([-0.5, -0.4, 0.0]), torch.tensor([0.7, 0.5, 0.9])
    points = world(SPLATS)
    expected = ((points >= low) & (points <= high)).all(1)
    assert 0 < expected.sum() < len(SPLATS)
    assert torch.equal(Box((-0.5, -0.4, 0.0), (0.7, 0.5, 0.9)).mask(STATE, "/a"), expected)


def test_a_box_turned_by_a_right_angle_has_its_sides_exchanged():
    s = math.sqrt(0.5)
    turned = Box((-1, -0.2, -1), (1, 0.2, 1), (s, 0.0, 0.0, s)).mask(STATE, "/a")
    assert torch.equal(turned, Box((-0.2, -1, -1), (0.2, 1, 1)).mask(STATE, "/a"))


def test_a_ball_and_a_half_space_are_their_inequalities():
    points = world(SPLATS)
    near = (points - torch.tensor([0.1, 0.2, 0.3])).norm(dim=1) <= 0.8
    assert torch.equal(Sphere((0.1, 0.2, 0.3), 0.8).mask(STATE, "/a"), near)
    above = points[:, 0] * 2 - points[:, 2] >= 2 * 0.1 - 0.2
    assert torch.equal(HalfSpace((2, 0, -1), (0.1, 9, 0.2)).mask(STATE, "/a"), above)


def test_opacity_scale_flatness_and_colour_are_ranges_of_what_splats_have():
    o, s = SPLATS.opacities, SPLATS.scales
    assert torch.equal(Opacity(0.2, 0.7).mask(STATE, "/a"), (o >= 0.2) & (o <= 0.7))
    assert torch.equal(Scale(0.04).mask(STATE, "/a"), s.amax(1) >= 0.04)
    assert torch.equal(Flatness(1, 3).mask(STATE, "/a"), s.amax(1) / s.amin(1) <= 3)
    rgb = (0.5 + SH_C0 * SPLATS.sh[:, 0].double()).clamp(0, 1)
    near = (rgb - torch.tensor([0.5, 0.45, 0.5])).norm(dim=1) <= 0.1
    assert 0 < near.sum() < len(near)
    assert torch.equal(Color((0.5, 0.45, 0.5), 0.1).mask(STATE, "/a"), near)


@pytest.mark.parametrize("radius", [0.2, 0.35, 0.45])
def test_clusters_are_those_of_the_graph_of_all_pairs(radius):
    """With fewer than 16 neighbours within the radius, the graph of nearest ones is the graph of all pairs."""
    splats = random_splats(60, degree=0)
    state = scene_of(splats)
    points = world(splats)
    near = torch.cdist(points, points) <= radius
    assert near.sum(1).max() <= 16
    reach = near.double()
    for _ in range(6):
        reach = ((reach @ reach) > 0).double()
    at = tuple(points[7].tolist())
    assert torch.equal(Cluster(radius, at).mask(state, "/a"), reach[7] > 0)
    assert Cluster(radius).mask(state, "/a").sum() == reach.sum(1).max()


def test_near_means_the_distance_to_the_nearest_part_of_another_node():
    other = random_splats(20, degree=0, seed=5)
    state = SceneState(Node("", children=(STATE.root.children[0], Node("b", splats=other))))
    nearest = torch.cdist(world(SPLATS), other.means.double()).amin(1)
    assert torch.equal(Near("/b", 0.3).mask(state, "/a"), nearest <= 0.3)
    with pytest.raises(InputError, match="splats or a mesh"):
        Near("/b", 0.3).mask(SceneState(Node("", children=(Node("a", splats=other), Node("b")))), "/a")


def photos_of(folder) -> Capture:
    poses = [look_at(np.array(eye), np.zeros(3)) for eye in ([0.1, -3.0, 0.4], [3.0, 0.1, 0.4])]
    photos = [Photo(f"side/{i}.jpg", folder / f"{i}.jpg", CAMERA, T) for i, T in enumerate(poses)]
    return Capture(photos, Points.none(), "photos")


def test_a_polygon_holds_what_projects_into_it(tmp_path):
    state = scene_of(SPLATS, cameras=photos_of(tmp_path))
    photo = photos_of(tmp_path).photos[1]
    seen = SPLATS.means.double().numpy() - photo.T_world_cam[:3, 3]
    pixels = CAMERA.project(seen @ photo.T_world_cam[:3, :3])
    depth = seen @ photo.T_world_cam[:3, 2]
    inside = ((pixels > [10, 8]) & (pixels < [25, 20])).all(1)
    corners = ((10, 8), (25, 8), (25, 20), (10, 20))
    assert 0 < inside.sum() < len(inside)
    assert np.array_equal(Polygon(corners, "side/1.jpg").mask(state, "/a"), inside)
    assert np.array_equal(
        Polygon(corners, "1", near=2.9, far=3.4).mask(state, "/a"), inside & (depth > 2.9) & (depth <= 3.4)
    )
    T = Pose.from_matrix(state.pose("/a").matrix @ photo.T_world_cam)
    assert np.array_equal(Polygon(corners, camera=CAMERA, pose=T).mask(state, "/a"), inside)


def test_an_outline_that_crosses_itself_counts_by_even_and_odd():
    """A pentagram's middle is outside of it."""
    angles = np.arange(5) * 4 * np.pi / 5
    star = tuple((20 + 10 * np.sin(a), 15 - 10 * np.cos(a)) for a in angles)
    splats = random_splats(2, degree=0)
    means = torch.tensor([[0.0, 0, 3], [0.0, -8 * 3 / 36, 3]])
    state = SceneState(Node("", children=(Node("a", splats=Splats(**splats.tensors() | {"means": means})),)))
    assert Polygon(star, camera=CAMERA).mask(state, "/a").tolist() == [False, True]


def test_what_is_behind_the_camera_is_in_no_polygon():
    state = SceneState(Node("", children=(Node("a", splats=random_splats(50)),)))
    everything = ((-1e6, -1e6), (1e6, -1e6), (1e6, 1e6), (-1e6, 1e6))
    mask = Polygon(everything, camera=CAMERA).mask(state, "/a")
    assert torch.equal(mask, random_splats(50).means[:, 2] > 0)


@pytest.mark.parametrize("lens", [CAMERA, Camera("SIMPLE_RADIAL", 40, 30, (36.0, 20.0, 15.0, -0.06))])
def test_lifted_masks_choose_the_splats_they_cover(tmp_path, lens):
    """Two far apart clouds, and masks that cover the left one; lenses may distort, as those of phones do."""
    left, right = random_splats(40, degree=0, extent=0.2), random_splats(40, degree=0, extent=0.2, seed=1)
    splats = Splats(**{k: torch.cat([t, right.tensors()[k]]) for k, t in left.tensors().items()})
    splats.means[:40, 0] -= 1.0
    splats.means[40:, 0] += 1.0
    photo = replace(photos_of(tmp_path).photos[0], camera=lens)
    capture = Capture([photo], Points.none(), "photos")
    (tmp_path / "masks" / "side").mkdir(parents=True)
    mask = np.zeros((30, 40), np.uint8)
    mask[:, :20] = 255
    Image.fromarray(mask).save(tmp_path / "masks" / "side" / "0.png")
    chosen = Lifted(str(tmp_path / "masks")).mask(scene_of(splats, cameras=capture), "/a")
    assert chosen[:40].float().mean() > 0.95 and not chosen[40:].any()
    with pytest.raises(InputError, match=r"side/0\.png"):
        Lifted(str(tmp_path)).mask(scene_of(splats, cameras=capture), "/a")


def test_faces_follow_their_middles_or_the_nearest_splat_and_opacities_say_nothing_of_them():
    splats = random_splats(2, degree=0)
    means = torch.tensor([[0.4, -0.4, 0.0], [-0.4, 0.4, 0.0]])
    sh = torch.tensor([[[2.0, 0, 0]], [[-2.0, 0, 0]]])
    state = SceneState(
        Node("", children=(Node("a", splats=Splats(**splats.tensors() | {"means": means, "sh": sh}), mesh=square()),))
    )
    assert HalfSpace((1, -1, 0)).faces(state, "/a").tolist() == [True, False]
    assert Color((1.0, 0.5, 0.5), 0.3).faces(state, "/a").tolist() == [True, False]
    assert Opacity(0.0, 0.1).faces(state, "/a") is None
    assert (~Opacity(0.0, 0.1)).faces(state, "/a") is None
    assert (HalfSpace((1, -1, 0)) & Scale(9.0)).faces(state, "/a").tolist() == [True, False]
    assert (~HalfSpace((1, -1, 0)) | Scale(9.0)).faces(state, "/a").tolist() == [False, True]


numbers = st.floats(-2, 2, allow_nan=False)
vectors = st.tuples(numbers, numbers, numbers)
leaves = st.one_of(
    st.just(Everything()),
    st.builds(Box, vectors, vectors),
    st.builds(Sphere, vectors, st.floats(0, 2)),
    st.builds(HalfSpace, vectors.filter(any), vectors),
    st.builds(Opacity, st.floats(0, 1), st.floats(0, 1)),
    st.builds(Scale, st.floats(0, 0.1), st.sampled_from([0.1, math.inf])),
    st.builds(Flatness, st.floats(1, 2), st.sampled_from([3.0, math.inf])),
    st.builds(Color, vectors, st.floats(0, 1)),
    st.builds(Cluster, st.floats(0.01, 0.2), st.one_of(st.none(), vectors)),
)
texts = st.one_of(
    leaves,
    st.builds(Lifted, st.text(max_size=20), st.floats(0, 1), st.text(max_size=5)),
    st.builds(Near, st.text(max_size=20), st.floats(0, 9)),
    st.builds(
        Polygon,
        st.lists(st.tuples(numbers, numbers), min_size=3, max_size=5).map(tuple),
        camera=st.just(CAMERA),
        near=st.floats(0, 1),
        pose=st.just(POSE),
    ),
    st.builds(Polygon, st.just(((0.0, 0.0), (1.0, 0.0), (0.0, 1.0))), st.text(min_size=1, max_size=9)),
)


def trees(parts):
    return st.recursive(
        parts,
        lambda s: st.one_of(
            st.tuples(s, s).map(lambda p: p[0] & p[1]), st.tuples(s, s).map(lambda p: p[0] | p[1]), s.map(lambda a: ~a)
        ),
        max_leaves=6,
    )


@given(trees(texts))
def test_a_selection_is_what_its_text_says(selection: Selection):
    assert parse_selection(str(selection)) == selection


@settings(max_examples=60, deadline=None)
@given(trees(leaves), trees(leaves), trees(leaves))
def test_selections_are_a_boolean_algebra(a: Selection, b: Selection, c: Selection):
    for ask in (lambda s: s.mask(STATE, "/a"), lambda s: s.faces(STATE, "/a")):
        if any(ask(s) is None for s in (a, b, c)):
            continue
        assert torch.equal(ask(~(a & b)), ask(~a | ~b))
        assert torch.equal(ask(a & (b | c)), ask((a & b) | (a & c)))
        assert torch.equal(ask(~~a), ask(a))
        assert torch.equal(ask(a | b), ask(b | a))
        assert not ask(a & ~a).any() and ask(a | ~a).all()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1",
        "Box",
        "Box()",
        "Box((0, 0, 0), (1, 1))",
        "Box((0, 0, 0), (1, 1, True))",
        "Box((0, 0, 0), (1, 1, '1'))",
        "Box((0, 0, 0), (1, 1, 1), nonsense=3)",
        "Box((0, 0, 0), (1, 1, 1), low=(0, 0, 0))",
        "Box((0, 0, 0), (1, 1, 1), **{})",
        "Sphere((0, 0, 0), 1e999 - 1e999)",
        "Everything() + Everything()",
        "Everything() & 1",
        "-Everything()",
        "~1",
        "__import__('os').system('true')",
        "Everything().__class__",
        "[Everything() for _ in (1,)]",
        "Everything(); Everything()",
        "lambda: Everything()",
        "Everything() if True else Everything()",
        "~" * 9000 + "Everything()",
        "(" * 9000,
        "foo(" + "~" * 2000 + "Everything())",
        "&".join(["Everything()"] * 100),
        "Everything() | " * 3000 + "Everything()",
        "Near('\\ud800', 1)\x00",
    ],
)
def test_a_text_that_is_no_selection_is_refused(text):
    with pytest.raises(InputError):
        parse_selection(text)


def test_a_refusal_says_which_selections_there_are():
    with pytest.raises(InputError, match=r"Box\(low, high, quat\).*Cluster\(radius, at\)"):
        parse_selection("Boks(1)")


def test_a_node_without_splats_has_none_selected():
    assert Everything().mask(scene_of(None), "/a").shape == (0,)
    assert Everything().faces(scene_of(SPLATS), "/a") is None


@pytest.mark.parametrize(
    "make", [lambda: HalfSpace((0, 0, 0)), lambda: Polygon(((0, 0), (1, 1)), "a"), lambda: Polygon(((0, 0),) * 3)]
)
def test_selections_that_mean_nothing_are_refused(make):
    with pytest.raises(InputError):
        make()

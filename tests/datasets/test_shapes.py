"""Shapes: words to things and back, and what pictures of them show."""

import colorsys
import hashlib
import itertools
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from scenekit import materials
from scenekit.colors import linear_srgb
from scenekit.datasets.shapes import (
    NOUNS,
    VOCABULARY,
    Shape,
    Spec,
    build,
    caption,
    captions,
    parse,
    sample_spec,
    splats,
)
from scenekit.datasets.shapes_colors import COLORS, MATERIALS
from scenekit.datasets.shapes_pictures import STUDIO, VIEWS, camera_pose, cutout, lens, picture, view_name
from scenekit.datasets.shapes_shards import ShardConfig, read_shards, stream, write_shards
from scenekit.datasets.shapes_words import LONGEST, hosts
from scenekit.errors import FileError, InputError
from scenekit.meshes import Mesh
from scenekit.splats import SH_C0
from scenekit.validation.surface import Surface


def made(text: str, seed: int = 0) -> Shape:
    return build(parse(text), np.random.default_rng(seed))


def volume(mesh: Mesh) -> float:
    """Signed: negative where faces look inwards [m³]."""
    a, b, c = mesh.vertices.double()[mesh.faces].unbind(1)
    return float((a * torch.linalg.cross(b, c)).sum() / 6)


class TestThings:
    @pytest.mark.parametrize("name", list(NOUNS))
    def test_every_noun_is_one_closed_outward_surface_in_the_canonical_frame(self, name: str) -> None:
        for seed, material in enumerate([None, "wooden", None]):
            shape = build(Spec(name, material=material), np.random.default_rng(seed))
            surface = Surface(shape.mesh)
            assert surface.is_closed
            assert not len(surface.degenerate)
            assert volume(shape.mesh) > 1e-3
            assert len(shape.bodies[0].solid.decompose()) == 1
            low, high = shape.mesh.vertices.min(0).values, shape.mesh.vertices.max(0).values
            assert float((high - low).max()) == pytest.approx(1, abs=1e-4)
            assert low[2] == pytest.approx(0, abs=1e-4)
            assert torch.allclose(low[:2], -high[:2], atol=1e-4)

    def test_there_are_at_least_48_nouns_and_12_colours(self) -> None:
        assert len(NOUNS) >= 48
        assert len(COLORS) == 12

    def test_the_same_seed_builds_the_same_thing_and_another_seed_another(self) -> None:
        first, again, other = (made("a wooden teapot on a table", seed).mesh for seed in (1, 1, 2))
        assert torch.equal(first.vertices, again.vertices)
        assert torch.equal(first.vertex_colors, again.vertex_colors)
        assert first.vertices.shape != other.vertices.shape or not torch.equal(first.vertices, other.vertices)

    def test_the_parts_cover_the_thing(self) -> None:
        shape = made("a blue mug with a red handle")
        assert set(shape.parts) == {"body", "handle"}
        assert all(Surface(part).is_closed for part in shape.parts.values())
        assert volume(shape.mesh) <= sum(map(volume, shape.parts.values())) + 1e-6
        assert (shape.mesh.vertices.max(0).values[0] - shape.parts["handle"].vertices.max(0).values[0]).abs() < 1e-5

    def test_vertex_colours_are_those_of_the_parts(self) -> None:
        mesh = made("a blue mug with a red handle").mesh
        handle = mesh.vertices[:, 0] > mesh.vertices[:, 0].max() - 0.05
        rgb = mesh.vertex_colors[:, :3].float()
        assert (rgb[handle, 0] > 2 * rgb[handle, 2]).all()
        assert (rgb[mesh.vertices[:, 0] < 0, 2] > 2 * rgb[mesh.vertices[:, 0] < 0, 0]).all()

    def test_words_of_size_change_the_metres_and_not_the_canonical_mesh(self) -> None:
        small, large = made("a small chair"), made("a large chair")
        assert small.size < 0.8 * NOUNS["chair"].size < 1.3 * NOUNS["chair"].size < large.size

    def test_substances_are_materials_that_physics_knows(self) -> None:
        assert {noun.substance for noun in NOUNS.values()} | {look.substance for look in MATERIALS.values()} <= set(
            materials
        )
        assert made("a wooden mug").bodies[0].substance == "wood"

    @pytest.mark.parametrize("relation", ["on", "in", "beside"])
    def test_two_things_rest_and_do_not_overlap(self, relation: str) -> None:
        rng = np.random.default_rng(5)
        for host in hosts(relation)[:12]:
            spec = Spec(str(rng.choice(list(NOUNS))), relation=relation, other=Spec(host))
            first, second = build(spec, rng).bodies
            assert (first.solid ^ second.solid).volume() == 0
            bottom = first.solid.bounding_box()[2]
            if relation == "beside":
                assert bottom == pytest.approx(0, abs=1e-6)
            else:  # a little lower it would touch
                assert not (first.solid.translate((0, 0, -0.02)) ^ second.solid).is_empty()
                assert bottom > 0

    def test_a_small_thing_is_smaller_beside_a_large_one(self) -> None:
        small, large = made("a small red ball beside a large blue cube").bodies
        assert small.solid.bounding_box()[5] < 0.75 * large.solid.bounding_box()[5]

    def test_splats_lie_on_the_surface_and_have_its_colours(self) -> None:
        shape = made("a red cone")
        cloud = splats(shape, 500, np.random.default_rng(0))
        assert len(cloud) == 500
        rgb = cloud.sh[:, 0] * SH_C0 + 0.5
        assert (rgb[:, 0] > 2 * rgb[:, 1]).all()
        towards = normals(cloud)
        found = shape.scene.cast((cloud.means + 1e-2 * towards).numpy(), -towards.numpy())
        assert np.allclose(found.distance, 1e-2, atol=1e-4)
        assert (found.normals * towards.numpy()).sum(1).min() > 0.999


def normals(cloud: object) -> torch.Tensor:
    """The thin axis of flat Gaussians."""
    w, x, y, z = cloud.quats.unbind(1)
    return torch.stack([2 * (x * z + w * y), 2 * (y * z - w * x), 1 - 2 * (x * x + y * y)], 1)


class TestWords:
    @given(st.integers(0, 2**32))
    @settings(max_examples=300, deadline=None)
    def test_captions_parse_back_to_what_they_say(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        spec = sample_spec(rng, relations=0.4)
        for text in captions(spec, rng, count=5):
            assert parse(text) == spec
            assert len(text) <= LONGEST

    def test_the_canonical_sentence(self) -> None:
        spec = parse("Large BLUE mug made of wood, with red handle, on top of an orange table!")
        assert caption(spec) == "a large blue wooden mug with a red handle on an orange table"

    def test_parts_are_in_the_order_of_the_noun(self) -> None:
        assert parse("a house with a red door and a blue roof") == parse("a house with a blue roof and a red door")

    def test_synonyms_mean_the_same(self) -> None:
        assert parse("a gray couch next to a doughnut") == parse("a grey sofa beside a donut")

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("a red mugg", ["'mugg'", "mug"]),
            ("a majestic dragon", ["'majestic'", "'dragon'"]),
            ("a rde charr", ["'rde'", "red", "chair"]),
            ("", ["a sentence"]),
            ("   ", ["a sentence"]),
            ("red " * 100, ["at most"]),
            ("a red", ["noun"]),
            ("a red blue mug", ["one color"]),
            ("a mug with a red roof", ["handle"]),
            ("a mug on a ball", ["table", "plate"]),
            ("a mug on a table on a crate", ["the end"]),
            ("a mug with a red handle and", ["a colour and a part"]),
            ("mug chair", ["the end"]),
            ("of", ["noun"]),
            ("a picture of", ["noun"]),
            ("3d", ["noun"]),
        ],
    )
    def test_what_cannot_be_read_is_answered(self, text: str, said: list[str]) -> None:
        with pytest.raises(InputError) as caught:
            parse(text)
        assert all(word in str(caught.value) for word in said), str(caught.value)

    @given(st.lists(st.sampled_from(VOCABULARY), max_size=8))
    def test_any_order_of_known_words_is_read_or_answered(self, words: list[str]) -> None:
        try:
            spec = parse(" ".join(words))
        except InputError:
            return
        assert parse(caption(spec)) == spec

    @given(st.text(max_size=60))
    def test_any_text_is_read_or_answered(self, text: str) -> None:
        try:
            parse(text)
        except InputError as error:
            assert str(error)

    def test_a_spec_of_unknown_words_is_refused(self) -> None:
        for wrong in ({"noun": "mugg"}, {"noun": "mug", "color": "teal"}, {"noun": "mug", "relation": "on"}):
            with pytest.raises(InputError):
                Spec(**wrong)


class TestPictures:
    def test_no_two_colours_overlap(self) -> None:
        for (a, first), (b, second) in itertools.combinations(COLORS.items(), 2):
            ranges = zip(_limits(first), _limits(second), strict=True)
            assert any(high < low or top < bottom for (bottom, high), (low, top) in ranges), (a, b)

    @pytest.mark.parametrize("color", list(COLORS))
    def test_the_colour_seen_is_the_one_named(self, color: str) -> None:
        for seed in range(4):
            rgba = cutout(made(f"a {color} cube", seed), 30, 25)
            light = linear_srgb(rgba[rgba[..., 3] == 255][:, :3] / 255).mean(0)
            albedo = COLORS[color]
            hue, saturation, _ = colorsys.rgb_to_hsv(*light)
            drawn = [colorsys.rgb_to_hsv(*albedo.draw(np.random.default_rng(k))) for k in range(300)]
            turns = np.array([h for h, _, _ in drawn])
            if albedo.saturation[0] > 0.2:
                away = np.abs((turns - hue + 0.5) % 1 - 0.5).min() * 360
                assert away < 3
            assert saturation <= max(s for _, s, _ in drawn) + 0.02

    def test_white_grey_and_black_are_told_apart_by_light(self) -> None:
        means = [
            np.mean(rgba[rgba[..., 3] == 255][:, :3])
            for rgba in (cutout(made(f"a {color} cube"), 30, 25) for color in ("white", "grey", "black"))
        ]
        assert means[0] > 175 > means[1] + 40 > means[2] + 80

    @pytest.mark.parametrize("name", ["clock", "duck", "robot", "television", "house", "chair", "penguin", "car"])
    def test_front_and_back_differ(self, name: str) -> None:
        assert painted_otherwise_behind(name) > 20

    def test_a_cylinder_has_no_front(self) -> None:
        assert painted_otherwise_behind("cylinder") == 0

    def test_the_light_of_a_point_is_the_same_from_everywhere(self) -> None:
        shape = made("a wooden house with a red roof")
        rng = np.random.default_rng(0)
        seen = {}
        for azimuth in (0.0, 25.0):
            pose = camera_pose(azimuth, 20, distance=STUDIO.distance, target=shape.centre)
            seen[azimuth] = (picture(shape, azimuth, 20, side=512, samples=1), np.linalg.inv(pose))
        points = np.stack([rng.uniform(-0.1, 0.1, 40), np.full(40, -1.0), rng.uniform(0.35, 0.5, 40)], 1)
        hits = shape.scene.cast(points.astype(np.float32), np.tile(np.float32([0, 1, 0]), (40, 1)))
        points[:, 1] += hits.distance
        colors = []
        for image, T_cam_world in seen.values():
            local = points @ T_cam_world[:3, :3].T + T_cam_world[:3, 3]
            u, v = np.floor(lens(512, STUDIO.fov).project(local)).astype(int).T
            colors.append(image[v, u].astype(float))
        assert np.median(np.abs(colors[0] - colors[1])) <= 3
        assert np.mean(np.abs(colors[0] - colors[1]).max(1) <= 12) > 0.8

    def test_azimuth_90_sees_what_is_at_positive_x(self) -> None:
        shape = made("a blue mug with a red handle")

        def red(view: str) -> int:
            rgb = picture(shape, *VIEWS[view]).astype(int)
            return int(((rgb[..., 0] - rgb[..., 2]) > 60).sum())

        assert red("right") > 30
        assert red("left") == 0
        rgb = picture(shape, *VIEWS["front"]).astype(int)
        columns = np.flatnonzero(((rgb[..., 0] - rgb[..., 2]) > 60).any(0))
        assert columns.min() > 32

    def test_names_of_views(self) -> None:
        assert [view_name(*direction) for direction in VIEWS.values()] == list(VIEWS)
        assert [view_name(a, 10) for a in (44, 46, 134, 136, -44, -90, 361)] == [
            "front", "right", "right", "back", "front", "left", "front",
        ]  # fmt: skip
        assert view_name(180, 61) == "overhead"

    def test_a_whole_cube_is_in_the_picture(self) -> None:
        shape = made("a red cube")
        for azimuth, elevation in ((45, 30), (0, 0), (45, 89), (20, 60)):
            alpha = cutout(shape, azimuth, elevation)[..., 3]
            edge = np.concatenate([alpha[0], alpha[-1], alpha[:, 0], alpha[:, -1]])
            assert not edge.any()

    def test_sizes_out_of_range_are_refused(self) -> None:
        for options in ({"side": 0}, {"side": 5000}, {"samples": 0}):
            with pytest.raises(InputError):
                picture(made("a cube"), 0, 0, **options)


def painted_otherwise_behind(name: str) -> int:
    """Pixels of the front that differ from the mirrored back by more than shading, all in even light."""
    even = replace(STUDIO, ambient=0.9, lamps=tuple((*lamp[:3], 0.0) for lamp in STUDIO.lamps))
    shape = build(Spec(name), np.random.default_rng(0))
    front, back = (picture(shape, *VIEWS[view], studio=even).astype(int) for view in ("front", "back"))
    return int((np.abs(front - back[:, ::-1]).max(-1) > 30).sum())


def _limits(color: object) -> list[tuple[float, float]]:
    """Hue in -180..180 about red, saturation, value."""
    low, high = color.hue
    if high - low < 360 and low > 180:
        low, high = low - 360, high - 360
    return [(low, high), color.saturation, color.value]


class TestShards:
    CONFIG = ShardConfig(objects=5, views=2, side=16, per_shard=2, seed=3)

    def test_a_stream_is_the_same_whoever_makes_which_part(self) -> None:
        whole = list(stream(7, 6, side=16))
        parts = [*stream(7, 3, side=16, first=0, step=2), *stream(7, 3, side=16, first=1, step=2)]
        for one, other in zip(whole, [parts[k] for k in (0, 3, 1, 4, 2, 5)], strict=True):
            assert np.array_equal(one.picture, other.picture)
            assert one[1:] == other[1:]

    def test_prior_and_judge_see_different_data(self) -> None:
        prior, judge = (list(stream(0, 8, side=16, variant=variant)) for variant in ("prior", "judge"))
        assert {e.caption for e in prior}.isdisjoint(e.caption for e in judge)
        corners = {tuple(e.picture[0, 0]) for e in judge}
        assert len({tuple(e.picture[0, 0]) for e in prior}) == 1
        assert len(corners) > 4

    def test_shards_resume_after_loss_and_damage(self, tmp_path: Path) -> None:
        files = write_shards(tmp_path, self.CONFIG)
        before = [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]
        stamp = files[0].stat().st_mtime_ns
        files[1].unlink()
        files[2].write_bytes(b"cut off")
        assert write_shards(tmp_path, self.CONFIG) == files
        assert [hashlib.sha256(file.read_bytes()).hexdigest() for file in files] == before
        assert files[0].stat().st_mtime_ns == stamp

    def test_shards_read_back(self, tmp_path: Path) -> None:
        write_shards(tmp_path, self.CONFIG)
        shards = list(read_shards(tmp_path))
        assert [shard.rgba.shape for shard in shards] == [(2, 2, 16, 16, 4), (2, 2, 16, 16, 4), (1, 2, 16, 16, 4)]
        assert shards[0].pictures().shape == (2, 2, 16, 16, 3)
        shape = parse(shards[2].captions[0][0])
        assert all(parse(text) == shape for text in shards[2].captions[0])

    def test_a_folder_of_other_shards_is_refused(self, tmp_path: Path) -> None:
        write_shards(tmp_path, self.CONFIG)
        with pytest.raises(FileError, match="another folder"):
            write_shards(tmp_path, ShardConfig(objects=5, views=2, side=16, per_shard=2, seed=4))

    def test_damaged_shards_are_refused(self, tmp_path: Path) -> None:
        file = write_shards(tmp_path, ShardConfig(objects=1, views=1, side=8))[0]
        note = file.with_suffix(".json")
        said = json.loads(note.read_text())
        file.write_bytes(file.read_bytes()[:-1])
        with pytest.raises(FileError, match="hash"):
            list(read_shards(tmp_path))
        file.write_bytes(b"{}")
        note.write_text(json.dumps(said | {"sha256": hashlib.sha256(b"{}").hexdigest()}))
        with pytest.raises(FileError):
            list(read_shards(tmp_path))
        note.write_text("{")
        with pytest.raises(FileError):
            list(read_shards(tmp_path))
        with pytest.raises(FileError):
            list(read_shards(tmp_path / "none"))

    def test_configs_out_of_range_are_refused(self) -> None:
        for wrong in ({"objects": 0}, {"side": 0}, {"variant": "jury"}, {"relations": 2.0}, {"seed": -1}):
            with pytest.raises(InputError):
                ShardConfig(**wrong)

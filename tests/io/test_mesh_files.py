"""Mesh formats: what each gives back, against trimesh and plain JSON, and files that are not what they say."""

import json
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh
from PIL import Image

from scenekit.errors import FileError, InputError
from scenekit.io.mesh_files import MESH_FORMATS, open_mesh, read_mesh, write_mesh
from scenekit.meshes import Mesh

SUFFIXES = [suffix for format in MESH_FORMATS for suffix in format.suffixes]


def random_mesh(v: int = 40, f: int = 60, *, seed: int = 0) -> Mesh:
    """A mesh with everything a mesh can have, of random numbers."""
    rng = torch.Generator().manual_seed(seed)
    return Mesh(
        torch.randn(v, 3, generator=rng),
        torch.randint(0, v, (f, 3), generator=rng),
        torch.randint(0, 256, (v, 4), generator=rng, dtype=torch.uint8),
        torch.rand(v, 2, generator=rng) * 2 - 0.5,
        torch.randint(0, 256, (7, 13, 4), generator=rng, dtype=torch.uint8),
        (0.1, 0.7, 1 / 3, 0.9),
        0.3,
        0.6,
    )


def box() -> Mesh:
    """A unit cube without any look."""
    made = trimesh.creation.box()
    return Mesh(torch.tensor(made.vertices, dtype=torch.float32), torch.tensor(made.faces, dtype=torch.int64))


def assert_same(a: Mesh, b: Mesh) -> None:
    for name, value in a.__dict__.items():
        other = getattr(b, name)
        if isinstance(value, torch.Tensor) and isinstance(other, torch.Tensor):
            torch.testing.assert_close(other, value, rtol=0, atol=0, msg=name)
        else:
            assert other == value, name


@pytest.mark.parametrize("suffix", [".glb", ".gltf"])
def test_gltf_gives_every_bit_back(tmp_path: Path, suffix: str) -> None:
    mesh = random_mesh()
    mesh.vertices[0] = torch.tensor([0.0, -0.0, 1e-38])
    assert write_mesh(tmp_path / f"a{suffix}", mesh) == ()
    again = read_mesh(tmp_path / f"a{suffix}")
    assert_same(again, mesh)
    assert again.vertices.numpy().tobytes() == mesh.vertices.numpy().tobytes()


def test_all_256_steps_of_a_vertex_colour_survive_gltf(tmp_path: Path) -> None:
    steps = torch.arange(256, dtype=torch.uint8)[:, None].expand(256, 4).contiguous()
    mesh = Mesh(torch.rand(256, 3), torch.tensor([[0, 1, 2]]), steps)
    write_mesh(tmp_path / "a.glb", mesh)
    assert_same(read_mesh(tmp_path / "a.glb"), mesh)


@pytest.mark.parametrize("keep", [(), ("uvs",), ("texture", "uvs"), ("vertex_colors",)])
@pytest.mark.parametrize("suffix", [".glb", ".obj", ".usda", ".usdc", ".usdz"])
def test_parts_that_are_missing_stay_missing(tmp_path: Path, suffix: str, keep: tuple[str, ...]) -> None:
    gone = {name: None for name in ("vertex_colors", "uvs", "texture") if name not in keep}
    mesh = replace(random_mesh(), **gone)
    write_mesh(tmp_path / f"a{suffix}", mesh)
    assert read_mesh(tmp_path / f"a{suffix}").tensors().keys() == mesh.tensors().keys()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_vertices_and_faces_survive_every_format_that_shares_them(tmp_path: Path, suffix: str) -> None:
    mesh = box()
    write_mesh(tmp_path / f"a{suffix}", mesh)
    again = read_mesh(tmp_path / f"a{suffix}")
    if suffix == ".stl":  # in another order
        assert again.vertices.shape == mesh.vertices.shape
        torch.testing.assert_close(again.vertices[again.faces], mesh.vertices[mesh.faces], rtol=0, atol=0)
    else:
        assert_same(again, mesh)


@pytest.mark.parametrize("suffix", [".usda", ".usdc", ".usdz"])
def test_usd_gives_all_back_and_the_material_as_float32(tmp_path: Path, suffix: str) -> None:
    mesh = random_mesh()
    assert write_mesh(tmp_path / f"a{suffix}", mesh) == ()
    again = read_mesh(tmp_path / f"a{suffix}")
    numbers = [(*m.base_color, m.metallic, m.roughness) for m in (again, mesh)]
    np.testing.assert_array_equal(*np.array(numbers, np.float32))
    look = {"base_color": mesh.base_color, "metallic": mesh.metallic, "roughness": mesh.roughness}
    assert_same(replace(again, **look), mesh)


def test_an_obj_gives_corners_texture_and_material_back(tmp_path: Path) -> None:
    mesh = replace(random_mesh(), vertex_colors=None)
    losses = write_mesh(tmp_path / "a.obj", mesh)
    assert losses == ("The file does not say that Z is up.",)
    again = read_mesh(tmp_path / "a.obj")
    torch.testing.assert_close(again.vertices[again.faces], mesh.vertices[mesh.faces], rtol=0, atol=0)
    torch.testing.assert_close(again.uvs[again.faces], mesh.uvs[mesh.faces], rtol=0, atol=0)
    torch.testing.assert_close(again.texture, mesh.texture, rtol=0, atol=0)
    assert again.base_color == pytest.approx(mesh.base_color, abs=1 / 255)
    assert (again.metallic, again.roughness) == (mesh.metallic, mesh.roughness)


def test_an_obj_gives_vertex_colours_back(tmp_path: Path) -> None:
    mesh = replace(random_mesh(), uvs=None, texture=None)
    assert any("alpha" in line for line in write_mesh(tmp_path / "a.obj", mesh))
    again = read_mesh(tmp_path / "a.obj")
    assert torch.equal(again.vertex_colors[again.faces][..., :3], mesh.vertex_colors[mesh.faces][..., :3])


def test_a_ply_keeps_vertex_colours_and_says_what_it_leaves_out(tmp_path: Path) -> None:
    mesh = random_mesh()
    lost = write_mesh(tmp_path / "a.ply", mesh)
    assert any("texture" in line for line in lost)
    assert any("base color" in line for line in lost)
    assert torch.equal(read_mesh(tmp_path / "a.ply").vertex_colors, mesh.vertex_colors)


def test_trimesh_sees_our_glb_with_y_up(tmp_path: Path) -> None:
    mesh = random_mesh()
    write_mesh(tmp_path / "a.glb", mesh)
    other = trimesh.load(tmp_path / "a.glb", process=False).to_geometry()
    x, y, z = mesh.vertices.unbind(1)
    np.testing.assert_array_equal(other.vertices, torch.stack([x, z, -y], 1))
    np.testing.assert_array_equal(other.faces, mesh.faces)
    picture = np.asarray(other.visual.material.baseColorTexture.convert("RGBA"))
    h, w = picture.shape[:2]
    ours = mesh.texture.numpy()
    for (u, v), (s, t) in zip(mesh.uvs[:20].numpy(), other.visual.uv[:20], strict=True):  # trimesh turns v up, as we do
        assert (ours[int((1 - v) % 1 * h), int(u % 1 * w)] == picture[int((1 - t) % 1 * h), int(s % 1 * w)]).all()


def test_a_glb_is_sound_by_its_own_json(tmp_path: Path) -> None:
    write_mesh(tmp_path / "a.glb", random_mesh())
    data = (tmp_path / "a.glb").read_bytes()
    magic, version, length, size, kind = struct.unpack_from("<4sIII4s", data)
    assert (magic, version, length, kind) == (b"glTF", 2, len(data), b"JSON")
    document = json.loads(data[20 : 20 + size])
    for accessor in document["accessors"]:
        view = document["bufferViews"][accessor["bufferView"]]
        width = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4}[accessor["type"]]
        assert accessor["count"] * width * {5123: 2, 5125: 4, 5126: 4}[accessor["componentType"]] == view["byteLength"]
        assert view["byteOffset"] % 4 == 0
    position = document["accessors"][document["meshes"][0]["primitives"][0]["attributes"]["POSITION"]]
    assert len(position["min"]) == len(position["max"]) == 3


@pytest.mark.parametrize("suffix", [".glb", ".obj"])
def test_geometries_of_one_file_become_one_mesh_with_their_colours_and_places(tmp_path: Path, suffix: str) -> None:
    """Each corner of the joined mesh shows the colour its own material had there."""
    pictures = [np.full((8, 8, 4), color, np.uint8) for color in ((255, 0, 0, 255), (0, 255, 0, 255))]
    scene = trimesh.Scene()
    for i, picture in enumerate(pictures):
        uv = np.random.default_rng(i).random((8, 2))
        material = trimesh.visual.material.PBRMaterial(baseColorTexture=Image.fromarray(picture), name=f"m{i}")
        geometry = trimesh.creation.box()
        geometry.visual = trimesh.visual.TextureVisuals(uv=uv, material=material)
        scene.add_geometry(geometry, transform=trimesh.transformations.translation_matrix([5.0 * i, 0, 0]))
    scene.export(tmp_path / f"a{suffix}")
    reading = open_mesh(tmp_path / f"a{suffix}")
    mesh = reading.mesh
    assert len(mesh.faces) == 24
    assert any("joined" in note for note in reading.notes)
    h, w = mesh.texture.shape[:2]
    columns, rows = (mesh.uvs[:, 0] * w).long().clamp(0, w - 1), ((1 - mesh.uvs[:, 1]) * h).long().clamp(0, h - 1)
    right = mesh.vertices[:, 0] > 2.5
    seen = mesh.texture[rows, columns].int()
    for side, shown, hidden in ((~right, 0, 1), (right, 1, 0)):  # trimesh's OBJ darkens by a Kd of 0.4
        assert (seen[side, shown] >= 170).all()
        assert (seen[side][:, [hidden, 2]] == 0).all()
    assert 0 < int(right.sum()) < len(right)


def test_transforms_of_parents_and_mirrors_reach_the_vertices(tmp_path: Path) -> None:
    write_mesh(tmp_path / "a.gltf", box())
    document = json.loads((tmp_path / "a.gltf").read_text())
    document["nodes"] = [
        {"children": [1], "translation": [1, 2, 3], "rotation": [0, 0.7071067811865476, 0, 0.7071067811865476]},
        {"mesh": 0, "scale": [-2, 1, 1]},
    ]
    (tmp_path / "b.gltf").write_text(json.dumps(document))
    mesh, plain = read_mesh(tmp_path / "b.gltf"), box().vertices
    x, y, z = plain[:, 0] * -2, plain[:, 2], -plain[:, 1]  # in glTF's axes, scaled
    x, y, z = z + 1, y + 2, -x + 3  # a quarter turn about Y
    torch.testing.assert_close(mesh.vertices, torch.stack([x, -z, y], 1), rtol=1e-6, atol=1e-6)
    volume = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False).volume
    assert volume == pytest.approx(2.0)  # still outside out


@pytest.mark.parametrize("suffix", [".obj", ".ply", ".stl"])
def test_formats_without_an_up_axis_are_turned_when_told(tmp_path: Path, suffix: str) -> None:
    write_mesh(tmp_path / f"a{suffix}", replace(box(), vertices=box().vertices + torch.tensor([0, 0, 9.0])), up="y")
    assert read_mesh(tmp_path / f"a{suffix}").vertices[:, 1].mean() == pytest.approx(9)
    assert read_mesh(tmp_path / f"a{suffix}", up="y").vertices[:, 2].mean() == pytest.approx(9)


def test_gltf_cannot_be_told_another_axis(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="fixes"):
        write_mesh(tmp_path / "a.glb", box(), up="z")


@pytest.mark.parametrize("name", ["../secret.png", "/etc/passwd", "http://host/a.png", "sub/../../secret.png"])
def test_no_format_opens_files_outside_its_folder(tmp_path: Path, name: str) -> None:
    Image.new("RGBA", (2, 2)).save(tmp_path / "secret.png")
    folder = tmp_path / "sub"
    folder.mkdir()
    write_mesh(folder / "a.gltf", random_mesh())
    document = json.loads((folder / "a.gltf").read_text())
    document["images"] = [{"uri": name}]
    (folder / "a.gltf").write_text(json.dumps(document))
    write_mesh(folder / "a.obj", random_mesh())
    (folder / "a.mtl").write_text(f"newmtl mesh\nmap_Kd {name}\n")
    write_mesh(folder / "a.usda", random_mesh())
    (folder / "a.usda").write_text((folder / "a.usda").read_text().replace("./a.png", name))
    for file in ("a.gltf", "a.obj", "a.usda"):
        with pytest.raises(FileError, match="inside its folder"):
            read_mesh(folder / file)


def test_an_obj_without_its_material_is_read_with_a_note(tmp_path: Path) -> None:
    write_mesh(tmp_path / "a.obj", random_mesh())
    (tmp_path / "a.mtl").unlink()
    assert any("a.mtl" in note for note in open_mesh(tmp_path / "a.obj").notes)


def test_an_obj_with_coordinates_and_no_material_has_no_look(tmp_path: Path) -> None:
    """Not the grey that trimesh gives it."""
    (tmp_path / "a.obj").write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\nvt 0 0\nvt 1 0\nvt 0 1\nf 1/1 2/2 3/3\n")
    mesh = read_mesh(tmp_path / "a.obj")
    assert mesh.texture is None and mesh.base_color == (1.0, 1.0, 1.0, 1.0) and mesh.uvs is not None


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_failed_write_leaves_the_old_file(tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    write_mesh(tmp_path / f"a{suffix}", box())
    before = (tmp_path / f"a{suffix}").read_bytes()

    def full(*_: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_mesh(tmp_path / f"a{suffix}", random_mesh())
    assert (tmp_path / f"a{suffix}").read_bytes() == before
    assert not [file.name for file in tmp_path.iterdir() if file.name.startswith(".")]


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("content", [b"", b"nonsense", b"glTF\x02\0\0\0", b"ply\nformat ascii 1.0\n", b"#usda 1.0\n("])
def test_what_is_no_mesh_is_refused(tmp_path: Path, suffix: str, content: bytes) -> None:
    file = tmp_path / f"a{suffix}"
    file.write_bytes(content)
    with pytest.raises(FileError):
        read_mesh(file)


def test_values_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    mesh = random_mesh()
    write_mesh(tmp_path / "a.glb", replace(mesh, vertices=mesh.vertices.index_fill(0, torch.tensor([3]), float("nan"))))
    with pytest.raises(FileError, match="finite"):
        read_mesh(tmp_path / "a.glb")


def test_a_small_picture_that_would_fill_the_memory_is_refused(tmp_path: Path) -> None:
    mesh = replace(random_mesh(), texture=torch.zeros(2, 2, 4, dtype=torch.uint8))
    write_mesh(tmp_path / "a.obj", mesh)
    write_mesh(tmp_path / "a.usda", mesh)
    Image.new("L", (20_000, 20_000)).save(tmp_path / "a.png")
    with pytest.raises(FileError):
        read_mesh(tmp_path / "a.usda")
    assert read_mesh(tmp_path / "a.obj").texture is None

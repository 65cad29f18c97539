"""USD: read by pxr alone, stages of other programs, round trips within float32, and stages that reach outside."""

import struct
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from pxr import Gf, Usd, UsdGeom, UsdVol, Vt

from scenekit.errors import FileError, InputError
from scenekit.io.splat_files import open_splats, read_splats, write_splats
from scenekit.io.splat_usd import read, write
from scenekit.splats import Splats, merge, random_splats

SUFFIXES = [".usda", ".usdc", ".usd", ".usdz"]


def same_rotations(a: Splats, b: Splats) -> bool:
    quats = [torch.nn.functional.normalize(splats.quats.double(), dim=1) for splats in (a, b)]
    return bool(((quats[0] * quats[1]).sum(1).abs() > 1 - 1e-12).all())


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("degree", [0, 3, 4])
def test_a_round_trip_loses_no_more_than_float32_of_the_linear_values(tmp_path: Path, suffix: str, degree: int) -> None:
    splats = replace(random_splats(300, degree=degree), antialiased=True)
    write_splats(tmp_path / f"a{suffix}", splats)
    reading = open_splats(tmp_path / f"a{suffix}")
    again = reading.splats
    assert (reading.up, reading.notes, again.antialiased) == ("z", (), True)
    assert torch.equal(again.means, splats.means)
    assert torch.equal(again.sh, splats.sh)
    assert same_rotations(again, splats)
    slack = 2.0**-24 * (1 + splats.log_scales.abs())
    assert ((again.log_scales - splats.log_scales).abs() <= slack).all()
    slack = 2.0**-24 / (1 - splats.opacities) + 2.0**-23 * splats.logit_opacities.abs()
    assert ((again.logit_opacities - splats.logit_opacities).abs() <= slack).all()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_pxr_alone_finds_the_published_schema(tmp_path: Path, suffix: str) -> None:
    splats = random_splats(20, degree=2)
    write_splats(tmp_path / f"a{suffix}", splats)
    stage = Usd.Stage.Open(str(tmp_path / f"a{suffix}"))
    assert (UsdGeom.GetStageUpAxis(stage), UsdGeom.GetStageMetersPerUnit(stage)) == ("Z", 1.0)
    field = UsdVol.ParticleField3DGaussianSplat(stage.GetDefaultPrim())
    assert field
    np.testing.assert_array_equal(np.array(field.GetPositionsAttr().Get()), splats.means)
    np.testing.assert_allclose(np.array(field.GetScalesAttr().Get()), splats.scales, rtol=1e-6)
    np.testing.assert_allclose(np.array(field.GetOpacitiesAttr().Get()), splats.opacities, rtol=1e-6)
    quats = torch.nn.functional.normalize(splats.quats, dim=1)
    for i, q in enumerate(field.GetOrientationsAttr().Get()):
        np.testing.assert_allclose([q.GetReal(), *q.GetImaginary()], quats[i], atol=1e-6)
    assert field.GetRadianceSphericalHarmonicsDegreeAttr().Get() == 2
    coefficients = np.array(field.GetRadianceSphericalHarmonicsCoefficientsAttr().Get())
    np.testing.assert_array_equal(coefficients.reshape(20, 9, 3), splats.sh)  # all of a particle, then the next
    low, high = np.array(field.GetExtentAttr().Get())
    assert (low < splats.means.amin(0).numpy()).all()
    assert (high > splats.means.amax(0).numpy()).all()


def test_files_of_a_usdz_are_stored_at_multiples_of_64(tmp_path: Path) -> None:
    write_splats(tmp_path / "a.usdz", random_splats(5))
    data = (tmp_path / "a.usdz").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.usdz") as package:
        for entry in package.infolist():
            name, extra = struct.unpack_from("<HH", data, entry.header_offset + 26)
            assert entry.compress_type == zipfile.ZIP_STORED
            assert (entry.header_offset + 30 + name + extra) % 64 == 0


def authored(path: Path, *, up: str = "Y", metres: float | None = 1.0) -> Usd.Stage:
    stage = Usd.Stage.CreateNew(str(path))
    UsdGeom.SetStageUpAxis(stage, up)
    if metres is not None:
        UsdGeom.SetStageMetersPerUnit(stage, metres)
    return stage


def author(stage: Usd.Stage, place: str, splats: Splats, *, half: bool = False) -> UsdVol.ParticleField3DGaussianSplat:
    """A prim as another program would write it."""
    field = UsdVol.ParticleField3DGaussianSplat.Define(stage, place)
    kind = np.float16 if half else np.float32
    quats = torch.nn.functional.normalize(splats.quats, dim=1)[:, [1, 2, 3, 0]].contiguous().numpy().astype(kind)
    values = [splats.means, splats.scales, splats.opacities, splats.sh.reshape(-1, 3)]
    means, scales, opacities, sh = (np.ascontiguousarray(v.numpy().astype(kind)) for v in values)
    vec, scalar, quat = (
        (Vt.Vec3hArray, Vt.HalfArray, Vt.QuathArray) if half else (Vt.Vec3fArray, Vt.FloatArray, Vt.QuatfArray)
    )
    h = "h" if half else ""
    getattr(field, f"CreatePositions{h}Attr")(vec.FromNumpy(means))
    getattr(field, f"CreateScales{h}Attr")(vec.FromNumpy(scales))
    getattr(field, f"CreateOpacities{h}Attr")(scalar.FromNumpy(opacities))
    getattr(field, f"CreateOrientations{h}Attr")(quat.FromNumpy(quats))
    getattr(field, f"CreateRadianceSphericalHarmonicsCoefficients{h}Attr")(vec.FromNumpy(sh))
    field.CreateRadianceSphericalHarmonicsDegreeAttr(splats.sh_degree)
    return field


def test_half_precision_twins_are_read(tmp_path: Path) -> None:
    splats = random_splats(30, degree=1)
    stage = authored(tmp_path / "a.usdc", up="Z")
    author(stage, "/a", splats, half=True)
    stage.Save()
    again = read_splats(tmp_path / "a.usdc")
    torch.testing.assert_close(again.means, splats.means.half().float(), rtol=0, atol=0)
    torch.testing.assert_close(again.sh, splats.sh.half().float(), rtol=0, atol=0)
    torch.testing.assert_close(again.scales, splats.scales, rtol=1e-3, atol=0)


def test_prims_are_merged_where_their_parents_put_them_in_metres_with_z_up(tmp_path: Path) -> None:
    """The oracle: the same clouds, moved by Splats.transform."""
    clouds = [random_splats(10, degree=1, seed=seed) for seed in (1, 2)]
    stage = authored(tmp_path / "a.usda", up="Y", metres=0.01)
    parent = UsdGeom.Xform.Define(stage, "/parent")
    parent.AddTranslateOp().Set(Gf.Vec3d(100, 200, 300))
    parent.AddScaleOp().Set(Gf.Vec3f(2, 2, 2))
    author(stage, "/parent/one", clouds[0])
    author(stage, "/two", clouds[1])
    stage.Save()
    moved = torch.tensor([[2, 0, 0, 100], [0, 2, 0, 200], [0, 0, 2, 300], [0, 0, 0, 100.0]], dtype=torch.float64) / 100
    metres = torch.diag(torch.tensor([0.01, 0.01, 0.01, 1], dtype=torch.float64))
    z_up = torch.tensor([[1, 0, 0, 0], [0, 0, -1, 0], [0, 1, 0, 0], [0, 0, 0, 1.0]], dtype=torch.float64)
    wanted = merge([clouds[0].transform(moved), clouds[1].transform(metres)]).transform(z_up)
    again = read_splats(tmp_path / "a.usda")
    torch.testing.assert_close(again.means, wanted.means, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(again.log_scales, wanted.log_scales, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(again.sh, wanted.sh, rtol=1e-5, atol=1e-5)
    assert same_rotations(again, wanted)


def test_a_stage_that_does_not_say_its_unit_is_in_centimetres_with_a_note(tmp_path: Path) -> None:
    stage = authored(tmp_path / "a.usda", up="Z", metres=None)
    author(stage, "/a", random_splats(5))
    stage.Save()
    reading = open_splats(tmp_path / "a.usda")
    torch.testing.assert_close(reading.splats.means, random_splats(5).means / 100)
    assert any("centimetre" in note for note in reading.notes)


def test_gaussians_that_would_be_squashed_are_refused(tmp_path: Path) -> None:
    stage = authored(tmp_path / "a.usda")
    field = author(stage, "/a", random_splats(5))
    UsdGeom.Xformable(field).AddScaleOp().Set(Gf.Vec3f(1, 2, 1))
    stage.Save()
    with pytest.raises(FileError, match="shears or squashes"):
        read_splats(tmp_path / "a.usda")


def test_opacities_of_one_and_scales_of_zero_stay_finite(tmp_path: Path) -> None:
    stage = authored(tmp_path / "a.usda", up="Z")
    field = author(stage, "/a", random_splats(3))
    field.GetOpacitiesAttr().Set([1.0, 0.0, 1.5])
    field.GetScalesAttr().Set([(0, 1, 1)] * 3)
    stage.Save()
    reading = open_splats(tmp_path / "a.usda")
    torch.testing.assert_close(reading.splats.opacities, torch.tensor([1.0, 0.0, 1.0]))
    assert reading.splats.scales[:, 0].max() < 1e-30
    assert any("clamped" in note for note in reading.notes)


def test_layers_beside_the_file_are_composed_and_those_outside_refused(tmp_path: Path) -> None:
    folder = tmp_path / "inner"
    folder.mkdir()
    for place in (tmp_path, folder):
        write(place / "part.usda", random_splats(4), "z")
    for name, good in (("part.usda", True), ("../part.usda", False), (str(tmp_path / "part.usda"), False)):
        stage = authored(folder / "a.usda", up="Z")
        stage.OverridePrim("/splats").GetReferences().AddReference(name)
        stage.Save()
        del stage
        if good:
            assert len(read(folder / "a.usda").splats) == 4
        else:
            with pytest.raises(FileError, match="inside its folder"):
                read(folder / "a.usda")
        (folder / "a.usda").unlink()


def test_a_file_written_anew_is_read_anew(tmp_path: Path) -> None:
    """The reader's process, which stays, keeps no layers."""
    for n in (3, 7):
        write_splats(tmp_path / "a.usdc", random_splats(n))
        assert len(read_splats(tmp_path / "a.usdc")) == n


def test_no_gaussians_and_all_up_axes_survive(tmp_path: Path) -> None:
    write_splats(tmp_path / "none.usdc", random_splats(0))
    assert len(read_splats(tmp_path / "none.usdc")) == 0
    write_splats(tmp_path / "y.usdc", random_splats(5), up="y")
    reading = open_splats(tmp_path / "y.usdc")
    assert reading.up == "y"
    torch.testing.assert_close(reading.splats.means, random_splats(5).means)
    with pytest.raises(InputError, match="y or z"):
        write_splats(tmp_path / "b.usdc", random_splats(5), up="-y")


def test_a_stage_of_meshes_is_no_splats(tmp_path: Path) -> None:
    stage = authored(tmp_path / "a.usda")
    UsdGeom.Mesh.Define(stage, "/m")
    stage.Save()
    with pytest.raises(FileError, match="without ParticleField"):
        read_splats(tmp_path / "a.usda")

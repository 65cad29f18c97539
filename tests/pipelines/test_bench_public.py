"""scenekit fetch and scenekit bench public, on scenes made in the layouts of the public data sets."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh
from PIL import Image
from scipy.io import savemat

from scenekit._libraries import open3d
from scenekit.cameras import inverse_pose, look_at, pinhole
from scenekit.cli import main
from scenekit.datasets import public
from scenekit.datasets.public import PublicDataset, public_dataset
from scenekit.errors import InputError
from scenekit.fit import FitConfig
from scenekit.io.images import write_image
from scenekit.meshes import Mesh
from scenekit.pipelines import bench_public, fetch
from scenekit.render.splats import render
from scenekit.surface.flat_splats import mesh_splats
from scenekit.surface.fusion import FusionConfig

FIT = FitConfig(steps=12, coarse=(), log_every=4)


def write_ball(folder: Path, *, side: int = 32) -> Path:
    """A red disk, the same from everywhere, as NeRF-synthetic stores it."""
    y, x = (np.mgrid[:side, :side] + 0.5) / side - 0.5
    rgba = np.zeros((side, side, 4), np.uint8)
    rgba[np.hypot(x, y) < 0.3] = 200, 20, 20, 255
    for name, count in (("train", 6), ("test", 2)):
        frames = []
        for i in range(count):
            eye = 4 * np.array([np.cos(i + 0.5 * (name == "test")), np.sin(i + 0.5 * (name == "test")), 0.3])
            (folder / name).mkdir(parents=True, exist_ok=True)
            Image.fromarray(rgba).save(folder / name / f"r_{i}.png")
            pose = look_at(eye, np.zeros(3)) * [1, -1, -1, 1]
            frames.append({"file_path": f"./{name}/r_{i}", "transform_matrix": pose.tolist()})
        (folder / f"transforms_{name}.json").write_text(json.dumps({"camera_angle_x": 0.7, "frames": frames}))
    return folder


@pytest.fixture
def few_points(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scenekit.datasets.nerf_synthetic.POINTS", 400)


def config(tmp_path: Path, **changes: object) -> bench_public.Config:
    folders = {"data": tmp_path / "data", "workspace": tmp_path / "work", "output": tmp_path / "out.json"}
    return bench_public.Config(**{"dataset": "nerf_synthetic", "fit": FIT, "device": "cpu", **folders, **changes})


def test_what_is_there_is_measured_and_what_is_not_says_how_to_fetch_it(tmp_path: Path, few_points: None) -> None:
    write_ball(tmp_path / "data" / "nerf_synthetic" / "lego")
    result = bench_public.run(config(tmp_path, scenes=("lego", "ship")))
    lego, ship = result.rows
    assert lego.psnr is not None and lego.psnr > 9 and lego.ssim is not None and lego.gaussians == 400
    assert any("800×800" in text for text in lego.remarks)
    assert (ship.psnr, ship.seconds) == (None, None) and "scenekit fetch nerf_synthetic --scenes ship" in ship.remarks[
        0
    ]
    text = str(result)
    assert "| lego | " in text and "| ship | – | – | – | – | not run" in text and "mean of 1" in text
    assert "| 3DGS | 33.31 / 0.969 / 0.037 | nerfbaselines, blender |" in text
    assert [row["scene"] for row in json.loads((tmp_path / "out.json").read_text())] == ["lego", "ship"]
    assert (tmp_path / "work" / "nerf_synthetic" / "lego" / "splats.ply").is_file()


def test_an_interrupted_bench_goes_on_from_its_checkpoint(tmp_path: Path, few_points: None) -> None:
    write_ball(tmp_path / "data" / "nerf_synthetic" / "lego")
    first = bench_public.run(config(tmp_path, scenes=("lego",)))
    again = bench_public.run(config(tmp_path, scenes=("lego",)))
    assert (again.rows[0].psnr, again.rows[0].seconds) == (first.rows[0].psnr, first.rows[0].seconds)


def test_renders_are_judged_over_white_as_eight_bit_files_would_keep_them(tmp_path: Path, few_points: None) -> None:
    write_ball(tmp_path / "data" / "nerf_synthetic" / "lego")
    scene = public_dataset("nerf_synthetic").open("lego", tmp_path / "data")
    from scenekit.capture import load_views
    from scenekit.splats import random_splats

    views = load_views(scene.capture, names=["test/r_0.png"])
    faint = random_splats(1)
    faint = replace(faint, logit_opacities=torch.full((1,), -20.0))
    (image,) = bench_public.pictures(faint, views, torch.ones(3))
    assert torch.equal(image, torch.ones(32, 32, 3))
    (image,) = bench_public.pictures(random_splats(50, scale=0.5), views, torch.ones(3))
    assert torch.equal((image * 255).round() / 255, image)


def test_another_background_than_the_protocols_is_refused(tmp_path: Path) -> None:
    write_ball(tmp_path / "data" / "nerf_synthetic" / "lego")
    with pytest.raises(InputError, match="as the protocol has it"):
        bench_public.run(config(tmp_path, scenes=("lego",), fit=replace(FIT, background="random")))
    with pytest.raises(InputError, match="some of chair"):
        bench_public.run(config(tmp_path, scenes=("garden",)))


def test_every_row_is_not_run_where_there_are_no_data(tmp_path: Path) -> None:
    for name in public.MODULES:
        result = bench_public.run(config(tmp_path, dataset=name))
        assert all("not run" in row.remarks[0] for row in result.rows)
        assert str(result).count("not run") == len(result.rows)


def ball() -> Mesh:
    made = trimesh.creation.icosphere(subdivisions=4)
    return Mesh(torch.from_numpy(np.array(made.vertices)).float(), torch.from_numpy(np.array(made.faces)).long())


def write_dtu(place: Path, *, scale: float) -> None:
    """A speckled unit ball from 14 sides in the layout of NeuS, masks of all, and its truth of `scale` mm."""
    speckles = torch.randint(60, 255, (len(ball().vertices), 4), generator=torch.Generator().manual_seed(0))
    speckled = replace(ball(), vertex_colors=speckles.to(torch.uint8))
    splats, lens = mesh_splats(speckled, 3000, np.random.default_rng(0)), pinhole(64, 48, 60.0, 60.0, 32.0, 24.0)
    matrices, scan = {}, place / "scan24"
    for i, angle in enumerate(np.linspace(0, 4 * np.pi, 15)[:-1]):
        pose = look_at(4 * np.array([np.cos(angle), np.sin(angle), 0.8 * np.cos(angle / 2)]), np.zeros(3))
        rgb = render(splats, lens, pose).rgb.clamp(0, 1)
        write_image(scan / "image" / f"{i:03}.png", (rgb * 255).round().to(torch.uint8).numpy())
        write_image(scan / "mask" / f"{i:03}.png", np.full((48, 64, 3), 255, np.uint8))
        projection = np.eye(4)
        projection[:3] = lens.K @ inverse_pose(pose)[:3]
        matrices |= {f"world_mat_{i}": projection @ np.diag([1 / scale] * 3 + [1]), f"scale_mat_{i}": np.eye(4)}
        matrices[f"scale_mat_{i}"][:3, :3] *= scale
    np.savez(scan / "cameras.npz", **matrices)
    (place / "ObsMask").mkdir()
    (place / "stl").mkdir()
    observed = {"ObsMask": np.ones((31, 31, 31), np.uint8), "BB": np.array([[-15.0] * 3, [15.0] * 3]), "Res": 1.0}
    savemat(place / "ObsMask" / "ObsMask24_10.mat", observed)
    savemat(place / "ObsMask" / "Plane24.mat", {"P": np.array([0.0, 0, 0, 1])})
    points = open3d.utility.Vector3dVector(scale * ball().vertices.double().numpy())
    open3d.io.write_point_cloud(str(place / "stl" / "stl024_total.ply"), open3d.geometry.PointCloud(points))


def test_the_chamfer_distance_of_a_ball_is_a_part_of_its_radius(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_dtu(tmp_path / "data" / "dtu", scale=10.0)
    monkeypatch.setattr(bench_public, "DTU_FUSION", FusionConfig(voxel=0.08, truncation=5.0, max_depth=6.0))
    fit = FitConfig(steps=150, coarse=(), log_every=50)
    (row,) = bench_public.run(config(tmp_path, dataset="dtu", scenes=("scan24",), fit=fit)).rows
    assert row.psnr is None and row.chamfer is not None
    assert row.chamfer < 2.0  # mm, of a radius of 10


def test_the_largest_piece_is_what_hangs_together_with_most() -> None:
    made = [trimesh.creation.icosphere(subdivisions=level) for level in (1, 2)]
    made[1].apply_translation((5, 0, 0))
    both = trimesh.util.concatenate(made)
    mesh = Mesh(torch.from_numpy(np.array(both.vertices)).float(), torch.from_numpy(np.array(both.faces)).long())
    piece = bench_public.largest_piece(mesh)
    assert len(piece.faces) == 320 and float(piece.vertices[:, 0].min()) >= 4


def test_a_licence_is_shown_before_anything_is_asked_of_the_network(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PublicDataset, "fetch", lambda *_, **__: pytest.fail("asked the network"))
    for name in public.MODULES:
        assert main(["fetch", name, "--data", str(tmp_path)]) == 2
        shown = capsys.readouterr().err
        assert (
            "--accept-licence" in shown and public_dataset(name).home in shown and public_dataset(name).licence in shown
        )
    assert not list(tmp_path.iterdir())


def test_an_accepted_licence_brings_the_scenes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = {}

    def brought(self: PublicDataset, scenes: tuple[str, ...], folder: Path, *, given: tuple[Path, ...]) -> list[Path]:
        asked.update(name=self.name, scenes=scenes, folder=folder, given=given)
        return [folder / "garden"]

    monkeypatch.setattr(PublicDataset, "fetch", brought)
    result = fetch.run(fetch.Config("mipnerf360", scenes=("garden",), accept_licence=True, data=tmp_path))
    assert str(result) == str(tmp_path / "garden")
    assert asked == {"name": "mipnerf360", "scenes": ("garden",), "folder": tmp_path, "given": ()}
    with pytest.raises(InputError, match="some of bicycle"):
        fetch.run(fetch.Config("mipnerf360", scenes=("lego",)))

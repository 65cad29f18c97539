"""The score of textured meshes in held-out photos."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh

from scenekit.colors import encoded_srgb, linear_srgb
from scenekit.datasets.photographed import capture_mesh
from scenekit.io.mesh_files import read_mesh, write_mesh
from scenekit.pipelines.bench_texture import Config, compared, run
from scenekit.surface.texture import TextureConfig


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ball")
    trimesh.creation.icosphere(3).export(folder / "ball.obj")
    return capture_mesh(folder / "photos", folder / "ball.obj", photos=16, width=96, height=72, samples=2)


def test_gains_that_the_photo_had_are_found_and_taken_out():
    photo = torch.rand(40, 50, 3, generator=torch.Generator().manual_seed(0)) * 0.5 + 0.1
    gains = np.array([0.8, 0.9, 1.1])
    render = torch.from_numpy(encoded_srgb(linear_srgb(photo.double().numpy()) / gains)).float()
    counts = torch.zeros(40, 50, dtype=torch.bool)
    counts[5:30, 10:40] = True
    look = compared(render, photo, counts, 1.0)
    assert look.psnr_gains > 80 > 40 > look.psnr
    elsewhere = torch.where(counts[..., None], render, torch.zeros(()))
    assert compared(elsewhere, photo, counts, 1.0) == look


def test_the_true_mesh_covers_all_and_half_of_it_half(photos, tmp_path):
    whole = run(Config(truth=photos, samples=2, output=tmp_path / "out"))
    look = whole.looks["object"]
    assert look.covered == 1 and look.photos == 2 and look.psnr_gains >= look.psnr
    coarse = run(Config(truth=photos, samples=2, texture=TextureConfig(texel=0.05)))
    assert look.psnr > coarse.psnr + 2
    assert (tmp_path / "out" / "mesh.glb").is_file() and len(list((tmp_path / "out").glob("*.png"))) == 2
    mesh = read_mesh(photos / "truth" / "meshes" / "object.ply")
    upper = mesh.vertices[mesh.faces].mean(1)[:, 2] > 0.1
    write_mesh(tmp_path / "upper.ply", replace(mesh, faces=mesh.faces[upper]))
    half = run(Config(truth=photos, mesh=tmp_path / "upper.ply", samples=2))
    assert 0.3 < half.looks["object"].covered < 0.9
    assert "object" in str(half)

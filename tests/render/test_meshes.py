"""The mesh ray caster against closed forms."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from scenekit.cameras import look_at, pinhole
from scenekit.errors import InputError
from scenekit.meshes import Mesh
from scenekit.render.meshes import ray_scene, render_mesh

CAMERA = pinhole(40, 40, 40.0, 40.0, 20.0, 20.0)
ABOVE = look_at(np.array([0.0, 0.0, 1.0]), np.zeros(3), up=(0.0, 1.0, 0.0))
"""One metre over the square, +X right and +Y up in the picture."""

SQUARE = Mesh(
    torch.tensor([[-0.5, -0.5, 0], [0.5, -0.5, 0], [0.5, 0.5, 0], [-0.5, 0.5, 0]]),
    torch.tensor([[0, 1, 2], [0, 2, 3]]),
    uvs=torch.tensor([[0.0, 0], [1, 0], [1, 1], [0, 1]]),
)


def test_a_texture_as_large_as_the_picture_is_reproduced_exactly():
    texture = torch.randint(0, 256, (40, 40, 4), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    texture[..., 3] = 255
    frame = render_mesh(replace(SQUARE, texture=texture), CAMERA, ABOVE)
    torch.testing.assert_close(frame.rgb, texture[..., :3] / 255, atol=2e-3, rtol=0)
    assert (frame.alpha == 1).all()


def test_depth_normals_and_faces_of_a_plane():
    frame = render_mesh(SQUARE, CAMERA, ABOVE)
    torch.testing.assert_close(frame.depth, torch.ones(40, 40), atol=1e-6, rtol=0)
    torch.testing.assert_close(frame.normals, torch.tensor([0.0, 0, 1]).expand(40, 40, 3))
    assert frame.faces[30, 35] == 0 and frame.faces[5, 10] == 1  # below and above the diagonal


def test_where_nothing_is_the_background_shows():
    frame = render_mesh(
        SQUARE.transform(torch.diag(torch.tensor([0.5, 0.5, 1, 1.0]))), CAMERA, ABOVE, background=(0, 1, 0)
    )
    assert frame.alpha.sum() == 20 * 20
    torch.testing.assert_close(frame.rgb[0, 0], torch.tensor([0.0, 1, 0]))
    assert frame.faces[0, 0] == -1 and frame.depth[0, 0].isinf() and (frame.normals[0, 0] == 0).all()


def test_vertex_colours_are_interpolated_in_linear_light():
    colors = torch.tensor(
        [[0, 0, 0, 255], [255, 255, 255, 255], [255, 255, 255, 255], [0, 0, 0, 255]], dtype=torch.uint8
    )
    row = render_mesh(replace(SQUARE, vertex_colors=colors), CAMERA, ABOVE).rgb[20, :, 0].double()
    linear = torch.where(row <= 0.04045, row / 12.92, ((row + 0.055) / 1.055) ** 2.4)
    torch.testing.assert_close(linear, (torch.arange(40, dtype=torch.float64) + 0.5) / 40, atol=1e-4, rtol=0)


def test_the_base_colour_multiplies_and_its_alpha_lets_the_background_through():
    frame = render_mesh(replace(SQUARE, base_color=(1.0, 0.0, 0.0, 0.25)), CAMERA, ABOVE, background=(0, 0, 1))
    torch.testing.assert_close(frame.rgb[20, 20], torch.tensor([0.25, 0, 0.75]))


def test_samples_average_over_the_edge_of_a_pixel():
    """The square's right edge at 10.25 px from the middle covers a quarter of that column."""
    scaled = SQUARE.transform(torch.diag(torch.tensor([0.5125, 2, 1, 1.0])))
    frame = render_mesh(scaled, CAMERA, ABOVE, samples=8)
    torch.testing.assert_close(frame.alpha[20, 30], torch.tensor(0.25))


def test_the_headlight_darkens_with_the_cosine():
    frame = render_mesh(SQUARE, CAMERA, ABOVE, shading="headlight")
    v, u = torch.meshgrid(torch.arange(40) - 19.5, torch.arange(40) - 19.5, indexing="ij")
    cosine = (1 + (u / 40) ** 2 + (v / 40) ** 2) ** -0.5
    display = 1.055 * cosine ** (1 / 2.4) - 0.055
    torch.testing.assert_close(frame.rgb[..., 0], display, atol=1e-4, rtol=0)


def test_a_scene_made_before_gives_the_same_picture():
    ours, again = render_mesh(SQUARE, CAMERA, ABOVE), render_mesh(SQUARE, CAMERA, ABOVE, scene=ray_scene(SQUARE))
    assert all(torch.equal(a, b) for a, b in zip(ours, again, strict=True))


def test_an_empty_mesh_and_bad_options_are_refused():
    with pytest.raises(InputError):
        render_mesh(replace(SQUARE, faces=SQUARE.faces[:0]), CAMERA, ABOVE)
    with pytest.raises(InputError):
        render_mesh(SQUARE, CAMERA, ABOVE, samples=0)
    with pytest.raises(InputError):
        render_mesh(SQUARE, CAMERA, ABOVE, shading="disco")

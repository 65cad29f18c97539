"""Recolouring and opacity: exact on what is drawn, and only where it is meant."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from scenekit import edits
from scenekit.errors import InputError
from scenekit.harmonics import sh_basis
from scenekit.selection import Everything, HalfSpace


def test_colours_are_mapped_from_every_side(make_state):
    """½ + Σ Y c before and after, in random directions: the map of the colours, exactly."""
    state = make_state(n=30, degree=3)
    edit = edits.Recolor("/", exposure=0.7, hue=40, saturation=1.4, temperature=3200, tint=0.2, gains=(1.1, 0.9, 1))
    rng = torch.Generator().manual_seed(0)
    d = torch.nn.functional.normalize(torch.randn(50, 3, generator=rng, dtype=torch.float64), dim=-1)
    Y = sh_basis(d, 3)
    for path in ("/room", "/room/mug"):
        old, new = (
            torch.einsum("dk,nkc->dnc", Y, s.node(path).splats.sh.double()) + 0.5 for s in (state, edit.apply(state))
        )
        torch.testing.assert_close(new, old @ torch.from_numpy(edit.matrix).T, atol=2e-6, rtol=0)


def test_greys_stay_grey_under_hue_and_saturation():
    edit = edits.Recolor("/", hue=77, saturation=0.3)
    np.testing.assert_allclose(edit.matrix @ np.ones(3), np.ones(3), atol=1e-12)


def test_only_what_is_meant_changes(make_state):
    state = make_state()
    where = HalfSpace((1, 0, 0))
    new = edits.Recolor("/room", exposure=1, where=where).apply(state)
    mask = where.mask(state, "/room")
    a, b = state.node("/room").splats.sh, new.node("/room").splats.sh
    assert torch.equal(a[~mask], b[~mask]) and (a[mask] != b[mask]).any()
    assert new.node("/room/mug").mesh is state.node("/room/mug").mesh
    assert new.node("/box") is state.node("/box")


def test_vertex_colours_of_a_mesh_follow_in_eight_bits(make_state):
    state = make_state()
    edit = edits.Recolor("/box", gains=(0.5, 1, 1))
    old, new = (s.node("/box").mesh.vertex_colors.double() for s in (state, edit.apply(state)))
    assert (new[:, 0] - old[:, 0] * 0.5 ** (1 / 2.2)).abs().max() <= 0.5
    assert torch.equal(new[:, 1:], old[:, 1:])


def test_textures_and_single_colours_of_a_mesh_follow(make_state):
    state = make_state()
    mesh = state.node("/box").mesh
    textured = replace(
        mesh, vertex_colors=None, uvs=torch.zeros(8, 2), texture=torch.full((2, 2, 4), 100, dtype=torch.uint8)
    )
    plain = replace(mesh, vertex_colors=None, base_color=(0.2, 0.4, 0.6, 0.7))
    grey = edits.Recolor("/box", saturation=0)
    new = grey.apply(state.with_node("/box", lambda node: replace(node, mesh=textured))).node("/box").mesh
    assert torch.equal(new.texture, textured.texture)
    r, g, b, alpha = (
        grey.apply(state.with_node("/box", lambda node: replace(node, mesh=plain))).node("/box").mesh.base_color
    )
    assert r == pytest.approx(g) == pytest.approx(b) and alpha == 0.7


def test_opacities_are_multiplied_or_set_and_stay_finite(make_state):
    state = make_state()
    old = state.node("/room").splats.opacities
    half = edits.SetOpacity("/room", times=0.5).apply(state).node("/room").splats.opacities
    torch.testing.assert_close(half, old * 0.5)
    for to in (0.0, 0.3, 1.0):
        splats = edits.SetOpacity("/room", to=to).apply(state).node("/room").splats
        assert splats.logit_opacities.isfinite().all()
        torch.testing.assert_close(splats.opacities, torch.full_like(old, to), atol=2e-6, rtol=0)
    assert edits.SetOpacity("/room", times=99).apply(state).node("/room").splats.logit_opacities.isfinite().all()


def test_a_selection_and_its_text_mean_the_same(make_state):
    state = make_state()
    a = edits.SetOpacity("/room", times=0.5, where=Everything()).apply(state)
    b = edits.SetOpacity("/room", times=0.5, where="Everything()").apply(state)
    assert torch.equal(a.node("/room").splats.logit_opacities, b.node("/room").splats.logit_opacities)


@pytest.mark.parametrize(
    "edit",
    [
        edits.Recolor("/", exposure=float("nan")),
        edits.Recolor("/", temperature=500),
        edits.Recolor("/", saturation=-1),
        edits.Recolor("/", gains=(-1, 1, 1)),
        edits.SetOpacity("/", times=-1),
        edits.SetOpacity("/", to=2),
        edits.SetOpacity("/", where="Opacity("),
    ],
)
def test_what_cannot_be_is_refused(make_state, edit):
    with pytest.raises(InputError):
        edit.apply(make_state())

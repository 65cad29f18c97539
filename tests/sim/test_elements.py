"""Elements: joining several, and tying vertices."""

import pytest
import torch

from scenekit.errors import InputError
from scenekit.laws import Cloth
from scenekit.material import Material
from scenekit.meshes import Mesh
from scenekit.quantities import Quantity as Q
from scenekit.sim.cloth import cloth
from scenekit.sim.elements import GROUPS, Elements, merge
from scenekit.sim.model import Model
from scenekit.sim.ropes import rope
from scenekit.sim.soft_bodies import soft_body
from scenekit.sim.xpbd import SolverXPBD

STUFF = Material("stuff", Q(1000), Q(1e5), Q(0.3), Q(0.5), Q(0), Cloth(thickness=Q(1e-3), bending=Q(1e-4)))
CORNERS = torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])


def parts() -> list[Elements]:
    return [
        cloth(Mesh(CORNERS, torch.tensor([[0, 1, 2], [0, 2, 3]])), STUFF),
        rope(CORNERS[:3] * torch.tensor([1.0, 0, 0]) + torch.arange(3)[:, None], STUFF, radius=0.1, bending=1.0),
        soft_body(CORNERS, torch.tensor([[0, 1, 2, 3]]), STUFF).attach(torch.tensor([2])),
    ]


def test_what_is_merged_keeps_its_vertices() -> None:
    whole, start = merge(*parts()), 0
    for part in parts():
        rows = slice(start, start + len(part))
        assert torch.equal(whole.x[rows], part.x) and torch.equal(whole.mass[rows], part.mass)
        start += len(part)
    assert start == len(whole) == 11
    for name in GROUPS:
        named = torch.cat([part.x[getattr(part, name).long()].reshape(-1, 3) for part in parts()])
        assert torch.equal(whole.x[getattr(whole, name).long()].reshape(-1, 3), named)


def test_nothing_cannot_be_merged() -> None:
    with pytest.raises(InputError, match="merge"):
        merge()


def test_vertices_are_tied_where_they_are_or_where_it_is_said() -> None:
    line = parts()[1].attach(torch.tensor([0])).attach(torch.tensor([2]), at=torch.ones(1, 3), body=1, compliance=0.5)
    assert line.attached.tolist() == [0, 2] and line.attached_body.tolist() == [-1, 1]
    assert torch.equal(line.attached_at, torch.stack([line.x[0], torch.ones(3)]))
    assert line.attached_compliance.tolist() == [0, 0.5]


def test_a_hold_needs_a_body_that_is_there_a_place_in_it_and_a_vertex_of_its_own() -> None:
    line = parts()[1]
    with pytest.raises(InputError, match="attach: at"):
        line.attach(torch.tensor([0]), body=0)
    with pytest.raises(InputError, match="attached_body"):
        SolverXPBD(Model(elements=line.attach(torch.tensor([0]), at=torch.zeros(1, 3), body=0)))
    with pytest.raises(InputError, match="held twice"):
        SolverXPBD(Model(elements=line.attach(torch.tensor([0, 0]))))

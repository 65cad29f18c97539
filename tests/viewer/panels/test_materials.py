"""Tests of scenekit.viewer.panels.materials."""

from scenekit.material import materials, read_material
from scenekit.viewer import Viewer
from scenekit.viewer.panels.materials import MaterialsPanel
from tests.viewer.panels.conftest import Person, panel


def test_a_material_is_assigned_and_shown_with_where_its_numbers_come_from(viewer: Viewer) -> None:
    panel_, person = panel(viewer, MaterialsPanel), Person()
    assert panel_.assign.disabled
    viewer.session.choose("/a")
    assert panel_.numbers.content == "No material yet."
    person.uses(panel_.material, "rubber")
    person.uses(panel_.assign)
    assert viewer.session.shown.state.node("/a").material == materials["rubber"]
    assert f"| density | {materials['rubber'].density} | kg/m³ |" in panel_.numbers.content
    person.uses(panel_.but, "youngs_modulus=5e3")
    person.uses(panel_.assign)
    assert viewer.session.shown.state.node("/a").material == read_material("rubber,youngs_modulus=5e3")
    person.uses(panel_.material, "none")
    person.uses(panel_.assign)
    assert viewer.session.shown.state.node("/a").material is None
    viewer.session.undo(3)
    assert not viewer.session.scene.past


def test_a_number_that_no_material_has_is_told(viewer: Viewer) -> None:
    panel_, person = panel(viewer, MaterialsPanel), Person()
    viewer.session.choose("/a")
    person.uses(panel_.material, "rubber")
    person.uses(panel_.but, "youngs=5")
    person.uses(panel_.assign)
    assert person.told[-1][0] == "That did not work" and not viewer.session.scene.past

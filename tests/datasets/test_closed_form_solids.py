"""Fine meshes against the closed forms that come with them."""

import numpy as np
import pytest

from scenekit.datasets.closed_form_solids import closed_form_solids
from scenekit.mass import mass_properties
from scenekit.validation.surface import Surface

SOLIDS = closed_form_solids()


@pytest.mark.parametrize("name", SOLIDS)
def test_mesh_is_closed_and_as_heavy_as_its_closed_form(name):
    solid = SOLIDS[name]
    found, truth = mass_properties(solid.mesh), solid.truth
    assert Surface(solid.mesh).is_closed
    assert found.volume == pytest.approx(truth.volume, rel=1e-3)
    np.testing.assert_allclose(found.centre, truth.centre, atol=1e-7)
    assert np.linalg.norm(found.inertia - truth.inertia) < 1e-3 * np.linalg.norm(truth.inertia)

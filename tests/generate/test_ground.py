"""The floor of a world."""

import numpy as np
import pytest

from scenekit.generate.ground import THICKNESS, ground
from scenekit.generate.layout import Floor
from scenekit.scene import Node, SceneState
from scenekit.validation import findings
from scenekit.validation.surface import Surface


def test_the_ground_is_a_closed_slab_whose_top_is_zero_and_whose_splats_cover_it() -> None:
    node = ground(Floor(material="concrete"), np.array([[-1.0, 0.0], [3.0, 1.0]]))
    assert node.mesh is not None and node.splats is not None
    assert Surface(node.mesh).is_closed
    assert Surface(node.mesh).solid.volume == pytest.approx(4 * 1 * THICKNESS, rel=1e-5)
    assert float(node.mesh.vertices[:, 2].max()) == 0
    means = node.splats.means.numpy()
    assert means.min(0) == pytest.approx([-1, 0, -THICKNESS])
    assert means.max(0) == pytest.approx([3, 1, 0])
    told = findings(SceneState(Node("", children=(node,))))
    assert not [f for f in told if f.path == "/ground" and f.severity != "note"]

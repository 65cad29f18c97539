"""State, control → state: models, states and solvers of what moves.

The names below are imported when they are first used: `from scenekit.sim import Model, SolverCoupled`.
"""

from typing import TYPE_CHECKING

from scenekit._imports import doors

if TYPE_CHECKING:
    from scenekit.sim.control import Control as Control
    from scenekit.sim.coupled import SolverCoupled as SolverCoupled
    from scenekit.sim.differentiable import ElasticRollout as ElasticRollout
    from scenekit.sim.from_scene import SimConfig as SimConfig
    from scenekit.sim.model import Model as Model
    from scenekit.sim.mpm import SolverMPM as SolverMPM
    from scenekit.sim.mpm_taichi import SolverTaichi as SolverTaichi
    from scenekit.sim.rigid import SolverRigid as SolverRigid
    from scenekit.sim.scenario import Scenario as Scenario
    from scenekit.sim.state import State as State
    from scenekit.sim.xpbd import SolverXPBD as SolverXPBD

__getattr__, __all__ = doors(
    __name__,
    {
        "Control": "control",
        "ElasticRollout": "differentiable",
        "Model": "model",
        "Scenario": "scenario",
        "SimConfig": "from_scene",
        "SolverCoupled": "coupled",
        "SolverMPM": "mpm",
        "SolverRigid": "rigid",
        "SolverTaichi": "mpm_taichi",
        "SolverXPBD": "xpbd",
        "State": "state",
    },
)

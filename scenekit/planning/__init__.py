"""State, goal → control: plans by sampling, kept apart from what renders and what simulates."""

from scenekit.planning.cem import CemConfig as CemConfig
from scenekit.planning.cem import cem as cem
from scenekit.planning.mppi import MppiConfig as MppiConfig
from scenekit.planning.mppi import mppi as mppi
from scenekit.planning.plan import Controller as Controller
from scenekit.planning.plan import PlanConfig as PlanConfig
from scenekit.planning.plan import Planner as Planner
from scenekit.planning.search import Cost as Cost
from scenekit.planning.search import Plan as Plan

"""Assets: what of a scene becomes files for simulators, the same for every format.

    Assets ─► Asset, one file ─► Link, one body: its look, what collides, its mass, and where each number is from

Letters: v vertices, f faces, n Gaussians.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import tyro

from scenekit.body import Vector
from scenekit.capture.capture import Photo
from scenekit.errors import InputError
from scenekit.material import Material
from scenekit.meshes import Mesh
from scenekit.poses import Pose
from scenekit.quantities import Quantity
from scenekit.sim.bodies import RigidBody
from scenekit.sim.model import GRAVITY
from scenekit.sim.pieces import Approximation
from scenekit.splats import Splats
from scenekit.surface.solid import SolidReport

Format = Literal["mjcf", "urdf", "usd", "glb"]
"""What can be written."""

Collision = Literal["auto", "primitive", "hull", "coacd", "sdf"]
"""As `scenekit.sim.pieces.Method`; sdf is the closed mesh itself, for simulators that know distance fields."""


@dataclass(frozen=True)
class ExportConfig:
    """How a scene becomes assets. Lengths are in metres."""

    collision: Collision = "auto"
    """What things collide as: the first of primitive, hull and CoACD's pieces that is near enough; or one of these, or
    the closed mesh as a distance field."""
    tolerance: float = 0.02
    """How near the collision's surface is to be to the visual one, as a part of the longest side of the thing."""
    threshold: float | None = None
    """The same in metres, for all things, instead of `tolerance`."""
    max_pieces: int = 128
    """Most convex pieces of a body; smooth things take a few dozen, rough scans more."""
    max_vertices: int = 64
    """Most vertices of a piece."""
    mjx: bool = False
    """Keeps to what MJX and MuJoCo Warp collide fast: at most 16 pieces of a body, of at most 31 vertices."""
    default_material: str = "plastic"
    """What things without a material are made of."""
    mass: Annotated[tuple[tuple[str, float], ...], tyro.conf.Suppress] = ()
    """Masses that are known, by path [kg]; they come before those of bodies and densities. The command line has words
    of its own for them."""
    size: float | None = None
    """Longest side that a file without a scene, a bare mesh or bare splats, is scaled to [m]; None keeps its size."""
    loose: bool = True
    """Things that have no body are movable; False lets only those move that have one."""
    floor: float | Literal["auto", "none"] = "auto"
    """Height of the plane below everything [m]; auto is 0, or the lowest point of the scene if that is lower."""
    gltf_physics: bool = False
    """Writes KHR_physics_rigid_bodies and KHR_implicit_shapes, which are drafts, into GLB files."""

    def __post_init__(self) -> None:
        for name, good, wanted in (
            ("tolerance", 0 < self.tolerance < 1, "a share of the size, 0 to 1"),
            ("threshold", self.threshold is None or 0 < self.threshold < float("inf"), "more than 0 m"),
            ("max_pieces", self.max_pieces >= 1, "at least 1"),
            ("max_vertices", self.max_vertices >= 4, "at least 4"),
            ("size", self.size is None or 0 < self.size < float("inf"), "more than 0 m"),
            ("mass", all(0 < kg < float("inf") for _, kg in self.mass), "more than 0 kg each"),
        ):
            if not good:
                raise InputError(f"export {name}", got=getattr(self, name), wanted=wanted)


@dataclass(frozen=True)
class Link:
    """One rigid body as files have it. Its frame is that of its node."""

    name: str
    """Legal in every format, [A-Za-z_][A-Za-z0-9_]*, and of no other link."""
    path: str
    """Of its node."""
    body: RigidBody
    """Mass, inertia, pieces, friction, restitution, joint; its pose is T_world_node, its parent a number of the asset's
    links. A static one has no mass, and no pieces if nothing can collide with it."""
    mesh: Mesh | None = None
    """What is seen of it."""
    splats: Splats | None = None
    """What is seen of it, where the renderer knows Gaussians."""
    solid: Mesh | None = None
    """The closed surface that mass and pieces come from; None of what only stands there."""
    sdf: bool = False
    """It collides as the distance field of `solid`; the pieces are its hull, for formats without such fields."""
    approximation: Approximation | None = None
    """How far its pieces are from its surface."""
    repair: SolidReport | None = None
    """What it took to make `solid` of the mesh; None if nothing was done."""
    material: Material | None = None
    """What it is made of."""
    mass: Quantity | None = None
    """With its provenance [kg]; None if static."""
    centre_source: str = ""
    """Where the centre of mass is from: a provenance, then words."""
    inertia_source: str = ""
    """Where the inertia is from: a provenance, then words."""
    remarks: tuple[str, ...] = ()
    """What was assumed, mended or approximated, one sentence each."""


@dataclass(frozen=True)
class Asset:
    """What is one file: a body and all that is joined to it."""

    links: tuple[Link, ...]
    """Parents before children; the first is the root, and the file's frame is the root's."""

    @property
    def name(self) -> str:
        """That of its root, and of its files."""
        return self.links[0].name

    @property
    def is_static(self) -> bool:
        """Whether it stays where it is."""
        return self.links[0].body.kind == "static"


@dataclass(frozen=True)
class Assets:
    """Everything that is exported from a scene."""

    name: str
    """Of the scene, legal as that of a link."""
    assets: tuple[Asset, ...]
    """In the order of the scene."""
    gravity: Vector = GRAVITY
    """Acceleration of everything [m/s²]."""
    floor: float | None = 0.0
    """Height of the plane below everything [m]; None if there is none."""
    scale: str = "estimated"
    """How the metre was found: measured, given or estimated."""
    photos: tuple[Photo, ...] = ()
    """Photos that were taken of it, posed in the world."""
    remarks: tuple[str, ...] = ()
    """What concerns the whole."""

    @property
    def links(self) -> tuple[Link, ...]:
        """All bodies, asset by asset."""
        return tuple(link for asset in self.assets for link in asset.links)

    def pose(self, asset: Asset) -> Pose:
        """T_world_root of an asset."""
        return asset.links[0].body.pose

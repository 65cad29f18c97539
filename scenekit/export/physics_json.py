"""physics.json: every number that the files of an export share, and where it is from.

What is written is read back by its own dataclasses, so that they are the schema. A name in it is a legal one, and so
leads to no file outside of the folder.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from scenekit.body import Joint, Vector
from scenekit.cameras import Array, quaternion_from_rotation
from scenekit.errors import FileError, InputError
from scenekit.export.assets import Asset, Assets, Link
from scenekit.export.folder import PHYSICS
from scenekit.export.names import LEGAL, LONGEST
from scenekit.io.bounded import parse_json, read_bytes
from scenekit.io.typed_json import as_json, from_json
from scenekit.mass import mass_properties
from scenekit.poses import Pose
from scenekit.quantities import Quantity
from scenekit.sim.bodies import principal_inertia
from scenekit.sim.shapes import Hull
from scenekit.validation.surface import Surface

SCHEMA = 1
"""The version of the layout."""

Tensor3 = tuple[Vector, Vector, Vector]


@dataclass(frozen=True)
class SourcedVector:
    """Three numbers and where they are from."""

    value: Vector
    source: str


@dataclass(frozen=True)
class SourcedTensor:
    """A tensor and where it is from."""

    value: Tensor3
    source: str


@dataclass(frozen=True)
class Principal:
    """Moments of inertia about the principal axes."""

    moments: Vector
    """Largest first [kg m²]."""
    quat: tuple[float, float, float, float]
    """Principal axes → link, wxyz."""


@dataclass(frozen=True)
class MaterialFacts:
    """What a link is made of."""

    name: str
    density: Quantity
    """[kg/m³]."""


@dataclass(frozen=True)
class MeshFacts:
    """How large a mesh is."""

    vertices: int
    faces: int
    texture: tuple[int, int] | None
    """Width and height [px]."""


@dataclass(frozen=True)
class RepairFacts:
    """As `scenekit.surface.solid.SolidReport`."""

    how: str
    before: int
    after: int
    voxel: float
    estimated: float
    lost: float


@dataclass(frozen=True)
class CollisionFacts:
    """As `scenekit.sim.pieces.Approximation`; lengths in metres."""

    method: str
    count: int
    vertices: int
    """Most of a piece; 0 if all are primitives."""
    missing: float
    excess: float
    distance: float
    mean: float
    volume_ratio: float | None
    tolerance: float
    sdf: bool
    """It collides as the distance field of the solid, where a format knows it."""
    buried: float


@dataclass(frozen=True)
class LinkFacts:
    """As `scenekit.export.assets.Link`."""

    name: str
    path: str
    kind: Literal["static", "kinematic", "dynamic"]
    parent: str | None
    """Name of the link that it hangs on; None for the world."""
    joint: Joint | None
    pose: Pose
    """T_world_link."""
    mass: Quantity | None
    """[kg]; None if static."""
    centre: SourcedVector
    """Of mass, in the link's frame [m]."""
    inertia: SourcedTensor
    """About the centre, axes of the link [kg m²]."""
    principal: Principal | None
    """None if static."""
    friction: float
    restitution: float
    material: MaterialFacts | None
    size: Vector
    """Of what is seen, along the axes of the link [m]."""
    volume: float | None
    """Of the solid [m³]."""
    mesh: MeshFacts | None
    splats: int
    """Gaussians."""
    repair: RepairFacts | None
    collision: CollisionFacts | None
    """None if nothing collides with it, or nobody looked how near its shapes are."""
    remarks: tuple[str, ...]


@dataclass(frozen=True)
class AssetFacts:
    """As `scenekit.export.assets.Asset`."""

    name: str
    links: tuple[LinkFacts, ...]

    @property
    def root(self) -> LinkFacts:
        """The link that the others hang on."""
        return self.links[0]


@dataclass(frozen=True)
class Physics:
    """All of a physics.json."""

    schema: int
    name: str
    generator: str
    gravity: Vector
    """[m/s²]."""
    floor: float | None
    """Height of the plane below everything [m]."""
    scale: str
    """How the metre was found."""
    remarks: tuple[str, ...]
    assets: tuple[AssetFacts, ...]

    @property
    def links(self) -> tuple[LinkFacts, ...]:
        """All of them, asset by asset."""
        return tuple(link for asset in self.assets for link in asset.links)


def facts(assets: Assets) -> dict[str, Any]:
    """What physics.json says, as plain JSON values."""
    document: dict[str, Any] = as_json(physics_of(assets))
    return document


def physics_of(assets: Assets) -> Physics:
    """All numbers of an export."""
    from scenekit import __version__

    return Physics(
        SCHEMA, assets.name, f"scenekit {__version__}", _vector(assets.gravity), assets.floor, assets.scale,
        assets.remarks, tuple(_asset(asset) for asset in assets.assets),
    )  # fmt: skip


def read_physics(folder: Path) -> Physics:
    """What the physics.json of a folder says.

    Raises:
        FileError: If it is missing, of another schema, or anything in it is not what it should be.
    """
    file = Path(folder) / PHYSICS
    document = parse_json(file, read_bytes(file, "the facts of an export"))
    if document.get("schema") != SCHEMA:
        raise FileError(file, got=f"schema {str(document.get('schema'))[:20]!r}", wanted=f"schema {SCHEMA}")
    try:
        physics = from_json(Physics, document)
    except (ValueError, InputError) as error:
        raise FileError(file, got=str(error)[:500], wanted="what scenekit export writes") from None
    for wrong in _wrong_names(physics):
        raise FileError(file, got=wrong, wanted="legal names that differ, roots first, parents before children")
    return physics


def _wrong_names(physics: Physics) -> Iterator[str]:
    """What is wrong with the names and what hangs on what."""
    known: set[str] = set()
    for asset in physics.assets:
        if not asset.links or asset.links[0].name != asset.name or asset.links[0].parent is not None:
            yield f"the asset {asset.name[:80]!r} without a root of its name"
        above: set[str] = set()
        for link in asset.links:
            name = link.name
            if not LEGAL.fullmatch(name) or len(name) > 2 * LONGEST or name.casefold() in known:
                yield f"the name {name[:80]!r}, which is not legal or is another's"
            if link.parent is not None and link.parent not in above:
                yield f"the parent {link.parent[:80]!r} of {name}"
            known.add(name.casefold())
            above.add(name)


def _asset(asset: Asset) -> AssetFacts:
    return AssetFacts(asset.name, tuple(_link(asset, link) for link in asset.links))


def _link(asset: Asset, link: Link) -> LinkFacts:
    body, material, report = link.body, link.material, link.repair
    x, y, z = np.asarray(body.inertia, np.float64)
    return LinkFacts(
        name=link.name,
        path=link.path,
        kind=body.kind,
        parent=asset.links[body.parent].name if body.parent >= 0 else None,
        joint=body.joint,
        pose=body.pose,
        mass=link.mass,
        centre=SourcedVector(_vector(body.centre), link.centre_source),
        inertia=SourcedTensor((_vector(x), _vector(y), _vector(z)), link.inertia_source),
        principal=_principal(link),
        friction=float(body.friction),
        restitution=float(body.restitution),
        material=None if material is None else MaterialFacts(material.name, material.density),
        size=_vector(_size(link)),
        volume=None if link.solid is None else mass_properties(link.solid).volume,
        mesh=_mesh(link),
        splats=0 if link.splats is None else len(link.splats),
        repair=None
        if report is None
        else RepairFacts(*(getattr(report, name) for name in RepairFacts.__annotations__)),
        collision=_collision(link),
        remarks=link.remarks,
    )


def _principal(link: Link) -> Principal | None:
    if link.body.kind == "static":
        return None
    moments, axes = principal_inertia(link.body)
    w, x, y, z = quaternion_from_rotation(axes).tolist()
    return Principal(_vector(moments), (w, x, y, z))


def _size(link: Link) -> Array:
    """Along the axes of the link, of its mesh, else of its splats' centres."""
    if link.mesh is not None and len(link.mesh.faces):
        return Surface(link.mesh).extent
    means = None if link.splats is None else link.splats.means[link.splats.means.isfinite().all(1)].double().numpy()
    return np.zeros(3) if means is None or not len(means) else np.ptp(means, axis=0)


def _mesh(link: Link) -> MeshFacts | None:
    mesh = link.mesh
    if mesh is None:
        return None
    texture = None if mesh.texture is None else (mesh.texture.shape[1], mesh.texture.shape[0])
    return MeshFacts(len(mesh.vertices), len(mesh.faces), texture)


def _collision(link: Link) -> CollisionFacts | None:
    how = link.approximation
    if how is None:
        return None
    corners = (len(piece.shape.mesh.vertices) for piece in link.body.pieces if isinstance(piece.shape, Hull))
    return CollisionFacts(
        how.method, how.count, max(corners, default=0), how.missing, how.excess, how.distance, how.mean,
        how.volume_ratio, how.threshold, link.sdf, how.buried,
    )  # fmt: skip


def _vector(values: Any) -> Vector:
    x, y, z = (float(value) for value in values)
    return x, y, z

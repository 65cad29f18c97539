"""Elements: vertices held together by constraints, for XPBD: cloth, ropes and soft bodies of tetrahedra.

Letters: v vertices, e edges, b bends, r rods, t tetrahedra, f faces, a attachments.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace

import torch
from torch import Tensor

from scenekit.errors import InputError

GROUPS = {
    "edges": ("edge_rest", "edge_compliance"),
    "bends": ("bend_rest", "bend_compliance"),
    "rods": ("rod_compliance",),
    "tets": ("tet_inverse_rest", "tet_volume", "tet_mu", "tet_lambda"),
    "attached": ("attached_body", "attached_at", "attached_compliance"),
    "faces": (),
}
"""The tensors that name vertices, and what goes with each row of them."""

OF_VERTICES = ("x", "v", "mass", "radius", "friction")


@dataclass(frozen=True)
class Elements:
    """What XPBD moves. Constant: positions and velocities of the moment are in `State`.

    Raises:
        InputError: If shapes disagree, a value is not finite or out of range, a row names a vertex that is not there or
            one twice, a tetrahedron has no volume or a face no area, or a vertex belongs to nothing; it says
            how many there are and which is the first.
    """

    x: Tensor
    """Where vertices begin [m], float32, shape (v, 3)."""
    v: Tensor
    """How fast they begin [m/s], float32, shape (v, 3)."""
    mass: Tensor
    """[kg], float32, shape (v,); 0 for a vertex that stays where it is put."""
    radius: Tensor
    """Half of the thickness that contacts keep [m], float32, shape (v,)."""
    friction: Tensor
    """Coefficient of friction of contacts, float32, shape (v,)."""
    edges: Tensor
    """Vertices of each distance constraint (stretch, shear, ropes), int32, shape (e, 2)."""
    edge_rest: Tensor
    """Rest lengths [m], float32, shape (e,)."""
    edge_compliance: Tensor
    """Inverse stiffness α = 1/k [m/N], float32, shape (e,)."""
    bends: Tensor
    """Vertices of each bend: the common edge, then the two opposite ones; int32, shape (b, 4)."""
    bend_rest: Tensor
    """Rest angles between the two triangles, 0 if flat [rad], float32, shape (b,)."""
    bend_compliance: Tensor
    """Inverse stiffness [rad²/J], float32, shape (b,)."""
    tets: Tensor
    """Vertices of each tetrahedron, positive volume, int32, shape (t, 4)."""
    tet_inverse_rest: Tensor
    """Inverse of the matrix of rest edges (x₁ − x₀, x₂ − x₀, x₃ − x₀ as columns) [1/m], float32, shape (t, 3, 3)."""
    tet_volume: Tensor
    """Rest volumes [m³], float32, shape (t,)."""
    tet_mu: Tensor
    """First Lamé constant of shear μ [Pa], float32, shape (t,)."""
    tet_lambda: Tensor
    """Lamé's λ [Pa], float32, shape (t,)."""
    faces: Tensor
    """Triangles of the surface, for contacts of its own kind and for drawing, int32, shape (f, 3)."""
    attached: Tensor
    """Vertices that are held, int32, shape (a,)."""
    attached_body: Tensor
    """The body that holds each, −1 for the world, int32, shape (a,)."""
    attached_at: Tensor
    """Where it is held, in the body's frame or the world [m], float32, shape (a, 3)."""
    attached_compliance: Tensor
    """Inverse stiffness of the hold [m/N], 0 for a hard one, float32, shape (a,)."""

    rods: Tensor = field(default_factory=lambda: torch.zeros(0, 3, dtype=torch.int32))
    """Three vertices in a row, equally spaced, which want to be straight (ropes), int32, shape (r, 3)."""
    rod_compliance: Tensor = field(default_factory=lambda: torch.zeros(0))
    """Inverse stiffness of |x₀ − 2 x₁ + x₂| [m/N], float32, shape (r,)."""

    def __post_init__(self) -> None:
        v = len(self.x)
        _check_shapes(self)
        for name in GROUPS:
            rows = getattr(self, name).long()
            rows = rows[:, None] if rows.ndim == 1 else rows
            ordered = rows.sort(1).values
            _refuse(f"elements.{name}", (rows < 0).any(1) | (rows >= v).any(1), f"vertices 0 to {v - 1}")
            _refuse(f"elements.{name}", (ordered[:, 1:] == ordered[:, :-1]).any(1), "each vertex once")
        _check_sizes(self)
        for name, values in ((f.name, getattr(self, f.name)) for f in fields(self)):
            infinite = ~values.isfinite()
            _refuse(f"elements.{name}", infinite.flatten(1).any(1) if infinite.ndim > 1 else infinite, "finite numbers")
            if name in ("mass", "radius", "friction") or name.endswith("compliance"):
                _refuse(f"elements.{name}", values < 0, "0 or more")
            if name in ("edge_rest", "tet_volume", "tet_mu", "tet_lambda"):
                _refuse(f"elements.{name}", values <= 0, "more than 0")

    def __len__(self) -> int:
        return len(self.x)

    def attach(
        self, vertices: Tensor, *, at: Tensor | None = None, body: int = -1, compliance: float = 0.0
    ) -> Elements:
        """The elements with more of them held.

        Args:
            vertices: Which, shape (k,).
            at: Where, in the frame of the body or the world [m], shape (k, 3); None for where they begin in the world.
            body: What holds them, −1 for the world.
            compliance: Inverse stiffness of the hold [m/N], 0 for a hard one.

        Raises:
            InputError: If a body holds them and it is not said where.
        """
        if body >= 0 and at is None:
            raise InputError("attach: at", got="nothing", wanted="points in the frame of the body")
        which = vertices.int()
        points = self.x[which.long()] if at is None else at.float()
        more = {
            "attached": which,
            "attached_body": torch.full_like(which, body),
            "attached_at": points,
            "attached_compliance": torch.full((len(which),), compliance),
        }
        return replace(self, **{name: torch.cat([getattr(self, name), rows]) for name, rows in more.items()})


def elements_of(*, x: Tensor, mass: Tensor, radius: float, friction: float, **groups: Tensor) -> Elements:
    """Elements at rest whose vertices share a radius [m] and a friction; what is not given is empty."""
    v = len(x)
    none: dict[str, Tensor] = {
        name: torch.zeros((0, *shape), dtype=dtype) for name, (shape, dtype) in _row_kinds().items()
    }
    one = {"radius": torch.full((v,), radius), "friction": torch.full((v,), friction)}
    return Elements(x=x.float(), v=torch.zeros(v, 3), mass=mass.float(), **one, **(none | groups))


def merge(*parts: Elements) -> Elements:
    """All of several elements as one, vertices in the order of the parts.

    Raises:
        InputError: If there are none.
    """
    if not parts:
        raise InputError("merge", got="nothing", wanted="elements")
    starts = torch.tensor([0, *(len(part) for part in parts)]).cumsum(0).int()
    joined: dict[str, Tensor] = {}
    for f in fields(Elements):
        rows = [getattr(part, f.name) for part in parts]
        if f.name in GROUPS:
            rows = [row + start for row, start in zip(rows, starts, strict=False)]
        joined[f.name] = torch.cat(rows)
    return Elements(**joined)


def _row_kinds() -> dict[str, tuple[tuple[int, ...], torch.dtype]]:
    """Shape and type of a row of each tensor that is not of vertices."""
    corners = {"edges": (2,), "bends": (4,), "rods": (3,), "tets": (4,), "faces": (3,), "attached": ()}
    kinds: dict[str, tuple[tuple[int, ...], torch.dtype]] = {name: (n, torch.int32) for name, n in corners.items()}
    kinds["attached_body"] = ((), torch.int32)
    for name in (name for others in GROUPS.values() for name in others if name != "attached_body"):
        shape = {"tet_inverse_rest": (3, 3), "attached_at": (3,)}.get(name, ())
        kinds[name] = (shape, torch.float32)
    return kinds


def _check_shapes(elements: Elements) -> None:
    v = len(elements.x)
    wanted: dict[str, tuple[tuple[int, ...], torch.dtype]] = {
        name: ((v, 3) if name in "xv" else (v,), torch.float32) for name in OF_VERTICES
    }
    kinds = _row_kinds()
    for name, others in GROUPS.items():
        for part in (name, *others):
            shape, dtype = kinds[part]
            wanted[part] = ((len(getattr(elements, name)), *shape), dtype)
    for name, (shape, dtype) in wanted.items():
        tensor = getattr(elements, name)
        if tuple(tensor.shape) != shape or tensor.dtype != dtype:
            got = f"{tensor.dtype} {tuple(tensor.shape)}"
            raise InputError(f"elements.{name}", got=got, wanted=f"{dtype} {shape}")


def _check_sizes(elements: Elements) -> None:
    """No tetrahedron turned inside out or flat, no face without area, no loose vertex."""
    corners = elements.x.double()[elements.tets.long()]
    sides = corners[:, 1:] - corners[:, :1]
    volume = torch.linalg.det(sides) / 6
    longest = sides.norm(dim=2).amax(1) if len(sides) else volume
    hint = "Turn inverted ones by exchanging two of their vertices; drop flat ones."
    _refuse("elements.tets", volume <= 1e-7 * longest**3, "positive volume", hint)
    corners = elements.x.double()[elements.faces.long()]
    sides = corners[:, 1:] - corners[:, :1]
    area = torch.linalg.cross(sides[:, 0], sides[:, 1]).norm(dim=1) / 2
    longest = sides.norm(dim=2).amax(1) if len(sides) else area
    _refuse("elements.faces", area <= 1e-7 * longest**2, "triangles with an area")
    named = torch.zeros(len(elements), dtype=torch.bool)
    for name in GROUPS:
        named[getattr(elements, name).long().reshape(-1)] = True
    _refuse("elements.x", ~named, "vertices that belong to something")


def _refuse(name: str, bad: Tensor, wanted: str, hint: str = "") -> None:
    """Raises if any row is bad, and says how many are and which is the first."""
    count = int(bad.sum())
    if count:
        first = int(bad.nonzero()[0])
        raise InputError(name, got=f"{count} of {len(bad)} bad, first number {first}", wanted=wanted, hint=hint)

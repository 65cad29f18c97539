"""Where a ray from a click meets the scene. Letters: n Gaussians, f faces.

A mesh is met at its first face. Gaussians are met where light along the ray is half gone: each is as opaque as the peak
of its density on the ray, α = o · exp(−½ d²) with d its Mahalanobis distance, and peaks follow one another in depth.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from scenekit.cameras import Array, rotation_from_quaternion
from scenekit.errors import InputError
from scenekit.meshes import Mesh
from scenekit.poses import Pose
from scenekit.render.raycast import RayScene
from scenekit.scene import SceneState
from scenekit.splats import Splats
from scenekit.viewer.session import is_hidden

REACH = 3.0
"""Gaussians further from the ray than this many of their largest standard deviations are not met."""

FAINTEST = 1 / 255
"""Least opacity that is drawn."""


def surface_point(
    state: SceneState, origin: Array, direction: Array, *, hidden: frozenset[str] = frozenset()
) -> tuple[Array, str] | None:
    """Where a ray meets the scene, in the world [m], and the node it meets; None if it meets nothing.

    Args:
        state: The scene.
        origin: Where the ray begins, in the world [m], shape (3,).
        direction: Where to, of any length, shape (3,).
        hidden: Paths that are passed through, and what is below them.

    Raises:
        InputError: If the ray is not finite or goes nowhere.
    """
    origin, direction = np.asarray(origin, np.float64), np.asarray(direction, np.float64)
    length = np.linalg.norm(direction)
    if not (np.isfinite([*origin, *direction]).all() and length > 0):
        raise InputError("ray", got=f"{origin} towards {direction}", wanted="finite numbers and a direction")
    direction = direction / length
    depths, opacities, paths = [], [], []
    for path, depth, opacity in _met(state, origin, direction, hidden):
        depths.append(depth)
        opacities.append(opacity)
        paths += [path] * len(depth)
    depth, opacity = np.concatenate([*depths, np.zeros(0)]), np.concatenate([*opacities, np.zeros(0)])
    order = np.argsort(depth, kind="stable")
    gone = 1 - np.cumprod(1 - opacity[order])
    if not len(order) or gone[-1] < 0.5:
        return None
    first = order[np.argmax(gone >= 0.5)]
    return origin + depth[first] * direction, paths[first]


def _met(
    state: SceneState, origin: Array, direction: Array, hidden: frozenset[str]
) -> Iterator[tuple[str, Array, Array]]:
    """Of each node that is met: depths [m] and opacities of what is met there."""
    for path, node in state.walk():
        if is_hidden(path, hidden):
            continue
        inward = state.pose(path).inverse()
        ray = _moved(inward, origin), _moved(inward, direction) - np.array(inward.position)
        if node.splats is not None and len(node.splats):
            yield path, *_through_splats(node.splats, *ray)
        if node.mesh is not None and len(node.mesh.faces):
            yield path, *_through_mesh(node.mesh, *ray)


def _through_splats(splats: Splats, origin: Array, direction: Array) -> tuple[Array, Array]:
    """Depths and opacities of the Gaussians that a ray in their frame meets."""
    o, d = torch.from_numpy(origin).to(splats.means), torch.from_numpy(direction).to(splats.means)
    beside = splats.means - o
    along = beside @ d
    reach = REACH * splats.log_scales.amax(1).exp()
    near = ((beside.square().sum(1) - along.square()) < reach.square()) & (along > -reach)
    R = rotation_from_quaternion(splats.quats[near].double().numpy())
    scales = splats.scales[near].double().numpy()
    # In the axes of a Gaussian, in its standard deviations, density falls with the distance from the centre alone.
    centre = np.einsum("nij,ni->nj", R, beside[near].double().numpy()) / scales
    towards = np.einsum("nij,i->nj", R, direction) / scales
    depth = (centre * towards).sum(1) / (towards**2).sum(1)
    distance = ((depth[:, None] * towards - centre) ** 2).sum(1)
    opacity = splats.opacities[near].double().numpy() * np.exp(-0.5 * distance)
    met = (depth > 0) & (opacity > FAINTEST)
    return depth[met], opacity[met]


def _through_mesh(mesh: Mesh, origin: Array, direction: Array) -> tuple[Array, Array]:
    """Depth of the first face that a ray in the frame of a mesh meets, opaque; none if it meets none."""
    hits = RayScene([(mesh.vertices.numpy(), mesh.faces.numpy())]).cast(origin[None], direction[None])
    depth = hits.distance[hits.mesh >= 0].astype(np.float64)
    return depth, np.ones_like(depth)


def _moved(pose: Pose, point: Array) -> Array:
    moved: Array = pose.matrix[:3, :3] @ point + pose.position
    return moved

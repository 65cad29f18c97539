"""Meshes, cameras, rasteriser and losses of PyTorch3D (Ravi et al. 2020), where it is installed.

It has no wheels for current Pythons, and is built with a C++ compiler, for CUDA with its compiler too:

    pip install --no-build-isolation git+https://github.com/facebookresearch/pytorch3d

Everything else in scenekit works without it. Letters: n points, v vertices, f faces, h w image.
"""

from __future__ import annotations

import importlib
import importlib.util
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from scenekit.cameras import Array, Camera, inverse_pose
from scenekit.errors import BackendError, InputError
from scenekit.meshes import Mesh

if TYPE_CHECKING:
    from pytorch3d.renderer import PerspectiveCameras
    from pytorch3d.structures import Meshes


class Fragments(NamedTuple):
    """What lies nearest at the pixel centres."""

    faces: Tensor
    """Number of the face, -1 where there is none, int64, shape (h, w)."""
    weights: Tensor
    """Barycentric weights of its corners, perspective-correct, zero where there is none, shape (h, w, 3)."""
    depth: Tensor
    """Along the optical axis [m], infinite where there is none, shape (h, w)."""


def to_meshes(mesh: Mesh) -> Meshes:
    """A batch of one mesh, with its texture, or else its vertex colours, as display values 0..1.

    Raises:
        BackendError: If PyTorch3D is not installed.
    """
    renderer, textures = _pytorch3d("renderer"), None
    if mesh.texture is not None and mesh.uvs is not None:
        maps = mesh.texture[None, ..., :3] / 255
        # Texels lie at +0.5, as ours do.
        textures = renderer.TexturesUV(maps, mesh.faces[None], mesh.uvs[None], align_corners=False)
    elif mesh.vertex_colors is not None:
        textures = renderer.TexturesVertex(mesh.vertex_colors[None, :, :3] / 255)
    return _meshes(mesh.vertices, mesh.faces, textures)


def to_cameras(camera: Camera, T_world_cam: Array) -> PerspectiveCameras:
    """A batch of one camera.

    PyTorch3D's axes are x left, y up, z forward, and its pixels are measured from the middle of the picture.

    Raises:
        BackendError: If PyTorch3D is not installed.
        InputError: If the camera has lens distortion.
    """
    convert = _pytorch3d("utils").cameras_from_opencv_projection
    if not camera.is_pinhole:
        hint = "Undistort the photos first."
        raise InputError("pytorch3d", got=f"a {camera.model} lens", wanted="a pinhole camera", hint=hint)
    T_cam_world = torch.from_numpy(inverse_pose(T_world_cam)).float()
    K, size = torch.from_numpy(camera.K).float(), torch.tensor([[camera.height, camera.width]])
    return convert(T_cam_world[None, :3, :3], T_cam_world[None, :3, 3], K[None], size)


def rasterize(vertices: Tensor, faces: Tensor, camera: Camera, T_world_cam: Array) -> Fragments:
    """The nearest face at each pixel, with gradients of weights and depth to the vertices.

    Args:
        vertices: In the world [m], float32, shape (v, 3).
        faces: int64, shape (f, 3).
        camera: A pinhole camera.
        T_world_cam: Pose, shape (4, 4).

    Raises:
        BackendError: If PyTorch3D is not installed.
        InputError: If the camera has lens distortion.
    """
    renderer = _pytorch3d("renderer")
    # Without bins: those overflow, with a warning, where faces are many and small.
    settings = renderer.RasterizationSettings(image_size=(camera.height, camera.width), bin_size=0)
    cameras = to_cameras(camera, T_world_cam).to(vertices.device)
    found = renderer.MeshRasterizer(cameras, settings)(_meshes(vertices, faces))
    face = found.pix_to_face[0, ..., 0]
    there = face >= 0
    weights = found.bary_coords[0, ..., 0, :].where(there[..., None], 0.0)
    return Fragments(face, weights, found.zbuf[0, ..., 0].where(there, torch.inf))


def chamfer(a: Tensor, b: Tensor) -> Tensor:
    """Mean squared distance from points a (n, 3) to the nearest of b (m, 3), plus that from b to a [m²].

    Raises:
        BackendError: If PyTorch3D is not installed.
    """
    return _pytorch3d("loss").chamfer_distance(a[None], b[None])[0]


def laplacian(vertices: Tensor, faces: Tensor) -> Tensor:
    """Mean distance of vertices from the mean of their neighbours [m].

    Raises:
        BackendError: If PyTorch3D is not installed.
    """
    return _pytorch3d("loss").mesh_laplacian_smoothing(_meshes(vertices, faces), method="uniform")


def normal_consistency(vertices: Tensor, faces: Tensor) -> Tensor:
    """Mean of 1 − cosine between the normals of faces that share an edge.

    Raises:
        BackendError: If PyTorch3D is not installed.
    """
    return _pytorch3d("loss").mesh_normal_consistency(_meshes(vertices, faces))


def edge_length(vertices: Tensor, faces: Tensor) -> Tensor:
    """Mean squared length of edges [m²].

    Raises:
        BackendError: If PyTorch3D is not installed.
    """
    return _pytorch3d("loss").mesh_edge_loss(_meshes(vertices, faces))


def _meshes(vertices: Tensor, faces: Tensor, textures: Any = None) -> Meshes:
    return _pytorch3d("structures").Meshes([vertices], [faces], textures)


def _pytorch3d(module: str) -> Any:
    """One of its modules."""
    if importlib.util.find_spec("pytorch3d") is None:
        hint = "See the head of scenekit/render/meshes_pytorch3d.py; render_soft needs no other package."
        raise BackendError("pytorch3d", got="no such package", wanted="PyTorch3D ≥ 0.7.8", hint=hint)
    return importlib.import_module(f"pytorch3d.{module}")

"""Radiance fields: encodings, occupancy, ray marching, volume rendering, training, and what becomes of a field."""

from typing import TYPE_CHECKING

from scenekit._imports import doors

if TYPE_CHECKING:
    from scenekit.fields.contraction import Region as Region
    from scenekit.fields.contraction import region_of as region_of
    from scenekit.fields.extract import FieldMesh as FieldMesh
    from scenekit.fields.extract import field_mesh as field_mesh
    from scenekit.fields.extract import field_splats as field_splats
    from scenekit.fields.field import RadianceField as RadianceField
    from scenekit.fields.files import read_field as read_field
    from scenekit.fields.files import write_field as write_field
    from scenekit.fields.fitted import FittedField as FittedField
    from scenekit.fields.hash_field import HashField as HashField
    from scenekit.fields.hash_field import HashFieldConfig as HashFieldConfig
    from scenekit.fields.hash_grid import HashGridConfig as HashGridConfig
    from scenekit.fields.nerf import Nerf as Nerf
    from scenekit.fields.nerf import NerfConfig as NerfConfig
    from scenekit.fields.occupancy import OccupancyGrid as OccupancyGrid
    from scenekit.fields.occupancy import Stepping as Stepping
    from scenekit.fields.rendering import Look as Look
    from scenekit.fields.rendering import render_field as render_field
    from scenekit.fields.rendering import stepping_of as stepping_of
    from scenekit.fields.train import FieldConfig as FieldConfig
    from scenekit.fields.train import FieldResult as FieldResult
    from scenekit.fields.train import fit_field as fit_field

__getattr__, __all__ = doors(
    __name__,
    {
        "FieldConfig": "train",
        "FieldMesh": "extract",
        "FieldResult": "train",
        "FittedField": "fitted",
        "HashField": "hash_field",
        "HashFieldConfig": "hash_field",
        "HashGridConfig": "hash_grid",
        "Look": "rendering",
        "Nerf": "nerf",
        "NerfConfig": "nerf",
        "OccupancyGrid": "occupancy",
        "RadianceField": "field",
        "Region": "contraction",
        "Stepping": "occupancy",
        "field_mesh": "extract",
        "field_splats": "extract",
        "fit_field": "train",
        "read_field": "files",
        "region_of": "contraction",
        "render_field": "rendering",
        "stepping_of": "rendering",
        "write_field": "files",
    },
)

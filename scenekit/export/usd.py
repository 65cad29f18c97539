"""Assets as USD: a prop of each, by the rules of SimReady's Robotics-Prop, and a scene with all of them, also as usdz.

    usd/NAME/simready/NAME.usda      one asset, in folders of its own, which can be taken away alone
        textures/LINK.png            its picture
        splats/LINK.usdc             its Gaussians, binary, as text of them would be long
    usd/scene.usda, scene.usdz       all of them where they are, with floor, light, camera, gravity

Frames: metres, kilograms, Z up. The default prim of NAME.usda is /NAME, the root link's frame, where it stands still;
the scene puts it to its place. Links are siblings, /NAME/LINK, each an Xform at T_root_link: bodies inside of bodies
would need !resetXformStack!. Below a link all is in its own frame: visual/mesh, splats, collision/piece_N, the
physics:* of its mass, and the local frames of its joint.

SimReady's folders: https://nvidia.github.io/simready-foundation, requirement NP.005.
"""

from __future__ import annotations

import math
from datetime import date
from pathlib import Path

from pxr import Gf, Kind, Usd, UsdGeom, UsdLux, UsdPhysics, UsdShade, UsdUtils

from scenekit.errors import FileError
from scenekit.export.assets import Asset, Assets, Link
from scenekit.export.usd_body import define_body, define_contact, place
from scenekit.export.usd_joint import define_joint
from scenekit.export.view import view_of
from scenekit.io import splat_usd
from scenekit.io.atomic import write_bytes
from scenekit.io.textures import png
from scenekit.sim.rigid_bodies import BOUNCE, FRICTION

FOLDER = "simready"
"""Between a prop's folder and its file."""

LOOKS = ("mesh", "splats")
"""Variants of a prop that has both, the first selected: most programs know meshes, and both at once would flicker."""

SUN, SKY = 1500.0, 500.0
"""Intensities of the two lights of a scene."""

FOCAL = 50.0
"""Focal length of the camera, in USD's tenths of its unit; its aperture follows from what it is to see."""

FAR = 1e5
"""How far it sees, times how near."""

GROUND = 20.0
"""Side of the floor as it is drawn [m]; it collides without end."""


def write(folder: Path, assets: Assets) -> list[Path]:
    """Writes every asset, the scene of them, and its package; returns the files.

    Raises:
        InputError: If a shape or a joint has no counterpart; names the link.
        FileError: If the package cannot be made.
    """
    written = [_write_asset(folder, asset) for asset in assets.assets]
    scene = _write_scene(folder, assets)
    return [*written, scene, _write_package(scene)]


def asset_file(folder: Path, name: str) -> Path:
    """Where the file of an asset is."""
    return folder / name / FOLDER / f"{name}.usda"


def _write_asset(folder: Path, asset: Asset) -> Path:
    file = asset_file(folder, asset.name)
    file.parent.mkdir(parents=True)
    stage = Usd.Stage.CreateNew(str(file))
    root = _set_up(stage, asset.name, Kind.Tokens.component)
    to_root = asset.links[0].body.pose.inverse()
    for link in asset.links:
        _write_beside(file.parent, link)
        define_body(stage, f"/{asset.name}/{link.name}", link, to_root @ link.body.pose)
    joined = [link for link in asset.links if link.body.joint is not None]
    for link in joined:
        define_joint(stage, asset, link)
    if joined:
        UsdPhysics.ArticulationRootAPI.Apply(root)
    _add_looks(stage, root, asset)
    stage.Save()
    return file


def _write_beside(folder: Path, link: Link) -> None:
    """The picture and the Gaussians of a link, which its prims name."""
    if link.mesh is not None and link.mesh.texture is not None:
        (folder / "textures").mkdir(exist_ok=True)
        write_bytes(folder / "textures" / f"{link.name}.png", png(link.mesh.texture))
    if link.splats is not None:
        (folder / "splats").mkdir(exist_ok=True)
        splat_usd.write(folder / "splats" / f"{link.name}.usdc", link.splats, "z")


def _set_up(stage: Usd.Stage, name: str, kind: str) -> Usd.Prim:
    """Units, axes, and the default prim."""
    UsdGeom.SetStageMetersPerUnit(stage, 1.0)
    UsdPhysics.SetStageKilogramsPerUnit(stage, 1.0)
    UsdGeom.SetStageUpAxis(stage, UsdGeom.Tokens.z)
    root = UsdGeom.Xform.Define(stage, f"/{name}").GetPrim()
    Usd.ModelAPI(root).SetKind(kind)
    stage.SetDefaultPrim(root)
    about = {"asset_name": name, "asset_type": kind, "source_file": "scenekit"}
    about["usd_date_generated"] = date.today().isoformat()
    stage.GetRootLayer().customLayerData = {**about, "SimReady_Metadata": about}  # NP.006 and SR.001 want it twice
    return root


def _add_looks(stage: Usd.Stage, root: Usd.Prim, asset: Asset) -> None:
    """A choice between mesh and splats, for the links that have both."""
    both = [link for link in asset.links if link.mesh is not None and link.splats is not None]
    if not both:
        return
    choice = root.GetVariantSets().AddVariantSet("look")
    for look, hidden in zip(LOOKS, ("splats", "visual"), strict=True):
        choice.AddVariant(look)
        choice.SetVariantSelection(look)
        with choice.GetVariantEditContext():
            for link in both:
                prim = stage.GetPrimAtPath(f"/{asset.name}/{link.name}/{hidden}")
                UsdGeom.Imageable(prim).CreateVisibilityAttr(UsdGeom.Tokens.invisible)
    choice.SetVariantSelection(LOOKS[0])


def _write_scene(folder: Path, assets: Assets) -> Path:
    file, top = folder / "scene.usda", f"/{assets.name}"
    stage = Usd.Stage.CreateNew(str(file))
    _set_up(stage, assets.name, Kind.Tokens.assembly)
    Usd.ModelAPI(UsdGeom.Xform.Define(stage, f"{top}/assets").GetPrim()).SetKind(Kind.Tokens.group)
    for asset in assets.assets:
        prim = UsdGeom.Xform.Define(stage, f"{top}/assets/{asset.name}")
        prim.GetPrim().GetReferences().AddReference(f"./{asset_file(Path(), asset.name).as_posix()}")
        place(prim, assets.pose(asset))
    physics, pull = UsdPhysics.Scene.Define(stage, f"{top}/physics"), Gf.Vec3f(*assets.gravity)
    physics.CreateGravityMagnitudeAttr(pull.Normalize())
    physics.CreateGravityDirectionAttr(pull)
    if assets.floor is not None:
        _add_floor(stage, f"{top}/floor", assets.floor)
    _add_view(stage, top, assets)
    stage.Save()
    return file


def _add_floor(stage: Usd.Stage, path: str, height: float) -> None:
    floor = UsdGeom.Plane.Define(stage, path)
    floor.AddTranslateOp().Set(Gf.Vec3d(0, 0, height))
    floor.CreateAxisAttr(UsdGeom.Tokens.z)
    floor.CreateWidthAttr(GROUND)
    floor.CreateLengthAttr(GROUND)
    floor.CreateExtentAttr([Gf.Vec3f(-GROUND / 2, -GROUND / 2, 0), Gf.Vec3f(GROUND / 2, GROUND / 2, 0)])
    floor.CreateDisplayColorAttr([Gf.Vec3f(0.4)])
    UsdPhysics.CollisionAPI.Apply(floor.GetPrim())
    contact = define_contact(stage, f"{path}_contact", FRICTION, BOUNCE["static"])
    UsdShade.MaterialBindingAPI.Apply(floor.GetPrim()).Bind(contact, materialPurpose="physics")


def _add_view(stage: Usd.Stage, top: str, assets: Assets) -> None:
    """Lights, and the camera of the other formats."""
    UsdLux.DomeLight.Define(stage, f"{top}/sky").CreateIntensityAttr(SKY)
    sun = UsdLux.DistantLight.Define(stage, f"{top}/sun")
    sun.CreateIntensityAttr(SUN)
    sun.AddRotateXYZOp().Set(Gf.Vec3f(40, 0, 30))
    view, camera = view_of(assets), UsdGeom.Camera.Define(stage, f"{top}/camera")
    place(camera, view.pose)
    camera.CreateVerticalApertureAttr(2 * FOCAL * math.tan(view.fovy / 2))
    camera.CreateHorizontalApertureAttr(2 * FOCAL * math.tan(view.fovy / 2) * view.width / view.height)
    camera.CreateFocalLengthAttr(FOCAL)
    camera.CreateClippingRangeAttr(Gf.Vec2f(view.near, FAR * view.near))


def _write_package(scene: Path) -> Path:
    """The scene and all that it refers to in one file."""
    package = scene.with_suffix(".usdz")
    if not UsdUtils.CreateNewUsdzPackage(str(scene), str(package)):
        raise FileError(package, got="a package that OpenUSD could not write", wanted="room on the disk")
    return package

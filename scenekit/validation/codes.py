"""Codes: what can be wrong with a scene, the gravest first, and what mends each.

A remedy is a template: {path} is the node, other names are the figures of the finding. SCENE stands for the scene's
folder; the command line puts it in.
"""

from __future__ import annotations

MEND = "`scenekit edit SCENE mend {path}`"
REMAKE = "Make or import the mesh anew."
BODY = 'Set it: `scene["{path}"].body = Body(…)`, or leave mass, centre and inertia None to take them from the mesh.'
MEASURE = "Give a known length: `scenekit edit SCENE metric-size NODE --metres M`, or metric-distance, -marker or -gps."
LEVEL = "`scenekit edit SCENE level`, or `scenekit segment SCENE`, which levels by the support; or rotate /."

CODES: dict[str, tuple[str, str]] = {
    # what cannot be used at all
    "mesh-not-finite": ("A vertex has a position that is not a finite number.", f"{MEND} drops the faces there."),
    "splats-not-finite": ("A Gaussian has a number that is not finite.", f"{MEND} drops them."),
    "splats-zero-quat": ("A Gaussian has a rotation of length zero.", f"{MEND} drops them."),
    "field-not-finite": (
        "A number of a radiance field is not finite.",
        'Take it away: `scene["{path}"].field = None`, and fit it anew.',
    ),
    "body-not-finite": ("Centre or inertia are not finite numbers.", BODY),
    "node-far": (
        "A node is absurdly far from the origin.",
        "`scenekit edit SCENE delete {path}`, or move it back.",
    ),
    # what a simulator cannot use, or explodes with
    "body-no-mesh": (
        "A dynamic body has no mesh: nothing can touch it.",
        'Give it one, `scene["{path}"].mesh = …`, or make it static.',
    ),
    "body-mass-missing": (
        "A dynamic body has neither mass nor material.",
        'Give it a material: `scene["{path}"].material = materials["wood"]`, or a mass.',
    ),
    "body-mass-not-positive": ("A dynamic body has a mass of zero or less.", BODY),
    "body-volume-unknown": (
        "Mass, centre or inertia are to follow from a mesh that is not closed.",
        f"{MEND} closes small holes; or set mass, centre and inertia of the body.",
    ),
    "body-centre-outside": ("The centre of mass is outside of the convex hull of the mesh.", BODY),
    "body-inertia-asymmetric": ("The inertia tensor is not symmetric.", BODY),
    "body-inertia-not-positive": ("A principal moment of inertia is zero or less.", BODY),
    "body-inertia-triangle": ("A principal moment of inertia exceeds the sum of the other two.", BODY),
    "mesh-inside-out": ("A closed shell looks inwards, so that its volume is negative.", f"{MEND} turns it."),
    "nodes-overlap": (
        "Two nodes are in the same place.",
        "Move one: `scenekit edit SCENE move {path} --by X Y Z`, by the depth, away from the other.",
    ),
    "node-below-support": (
        "A dynamic node is below what should hold it up.",
        "`scenekit edit SCENE move {path} --by 0 0 {lift:.6g}` puts it on top.",
    ),
    "node-unsupported": (
        "A dynamic node has nothing below it.",
        "Give what it stands on a mesh, or a static node with one below it.",
    ),
    "node-floating": (
        "A dynamic node touches nothing below it.",
        "`scenekit edit SCENE move {path} --by 0 0 -{gap:.6g}` puts it down.",
    ),
    "body-mass-density": (
        "The mass is not density times volume.",
        "Trust one of them: leave the mass None, or set density to mass over volume. Hollow things are lighter.",
    ),
    "body-inertia-implausible": ("The inertia is far from that of a solid of the same mass and shape.", BODY),
    # what is probably wrong
    "scale-implausible": ("The scene is smaller or larger than anything one photographs.", MEASURE),
    "frame-scale-estimated": ("Nobody measured how large the scene is.", MEASURE),
    "object-size": (
        "A dynamic node is smaller or larger than a thing one can push.",
        "`scenekit edit SCENE scale {path} --by FACTOR`, or make it static.",
    ),
    "frame-unlevel": ("What should be level is not.", LEVEL),
    "mesh-winding": ("Neighbouring faces look opposite ways.", f"{MEND} turns them."),
    "mesh-holes": ("The surface has a border.", f"{MEND} closes holes that are small beside the mesh."),
    "mesh-self-intersections": ("Faces pass through each other.", "Reconstruct or remesh the part that is named."),
    "mesh-nonmanifold-edges": (
        "An edge has more than two faces.",
        f"{MEND} drops doubled faces; else {REMAKE.lower()}",
    ),
    "mesh-nonmanifold-vertices": (
        "Parts of the surface meet in nothing but a point.",
        "Move or remove one of the parts.",
    ),
    "mesh-degenerate-faces": ("A face has no area.", f"{MEND} drops them."),
    "mesh-duplicate-faces": ("A face is there twice.", f"{MEND} drops the copies."),
    "mesh-shells": (
        "A mesh is several pieces: parts, cavities, buried solids, crumbs or open ones.",
        "Split off what is a thing of its own (`scenekit edit SCENE split {path} …`), delete crumbs (`… delete …`).",
    ),
    "mesh-size": (
        "A mesh is absurdly small or large.",
        "`scenekit edit SCENE scale {path} --by FACTOR`; is it in mm or cm?",
    ),
    "mesh-empty": ("A mesh has no face.", 'Take it away: `scene["{path}"].mesh = None`.'),
    "mesh-uvs-missing": (
        "There is a texture and no coordinates.",
        "Import the mesh with its coordinates, or bake anew.",
    ),
    "mesh-uvs-range": ("Texture coordinates leave 0..1.", "Fine if the texture is to repeat; else bake it anew."),
    "field-empty": (
        "A radiance field shows nothing.",
        'Take it away: `scene["{path}"].field = None`, and fit it anew.',
    ),
    "field-cut-off": (
        "A radiance field is solid at the sides of its region.",
        "Fit it in a larger or an unbounded region.",
    ),
    "splats-empty": ("A cloud has no Gaussians.", 'Take it away: `scene["{path}"].splats = None`.'),
    "splats-huge": (
        "A Gaussian is as large as the scene.",
        "`scenekit edit SCENE delete {path} --where 'Scale({limit:.4g})'`.",
    ),
    "splats-outliers": (
        "A Gaussian is far from all others.",
        "`scenekit edit SCENE crop {path} --where 'Sphere({middle}, {limit:.4g})'`.",
    ),
    "splats-duplicates": ("A Gaussian is there twice.", f"{MEND} drops the copies."),
    "splats-off-mesh": (
        "Splats of a node are away from its mesh.",
        "Delete or split them off by a selection (`scenekit edit SCENE split {path} …`), or make the mesh anew.",
    ),
    "mesh-without-splats": (
        "Parts of a node's mesh have no splats near.",
        "Never seen from there, or not the same thing: photograph it, or crop the mesh to what was seen.",
    ),
    # what is worth knowing
    "frame-up-estimated": ("Up was found from the photos, not measured.", LEVEL),
    "splats-needles": (
        "Many Gaussians are needles.",
        "Fit longer or from more views; `scenekit edit SCENE delete {path} --where 'Flatness(1000)'` drops the worst.",
    ),
    "splats-tiny": (
        "A Gaussian is too small to be seen.",
        "`scenekit edit SCENE delete {path} --where 'Scale(0, {limit:.3g})'`.",
    ),
    "splats-invisible": (
        "A Gaussian is too transparent to be drawn.",
        "`scenekit edit SCENE delete {path} --where 'Opacity(0, 0.0039)'`.",
    ),
    "mesh-duplicate-vertices": ("A vertex is there twice.", f"{MEND} joins them."),
    "mesh-unreferenced-vertices": ("A vertex belongs to no face.", f"{MEND} drops them."),
    "mesh-crossings-unknown": ("Too many faces are close to each other to look at all pairs.", REMAKE),
    "node-without-mesh": (
        "A node has splats and no mesh, though others have one.",
        'Give it one: `scene["{path}"].mesh = …`.',
    ),
    "nodes-not-compared": ("There are too many nodes near each other to compare all.", "Validate parts of the scene."),
    "tokens-odd": (
        "Neighbourhoods are not as the rest of the scene lets expect.",
        "Look: `scenekit jepa energy SCENE`. `scenekit edit SCENE floaters --odd 0.001` drops such splats.",
    ),
    "body-provenance": (
        "Numbers of physics that nobody measured.",
        "Weigh and measure what matters, or treat results as such.",
    ),
}
"""What each code means, and its remedy."""

"""Projection stage of the splat rasteriser: 3D Gaussians → what the tile stage draws, and back.

One item is a Gaussian. EWA splatting (Zwicker et al. 2002): with M = J W R S the projected covariance is
M Mᵀ + eps2d·I, and det(M Mᵀ) = |m₀ × m₁|² for the rows of M, which does not cancel where xx·yy − xy² would. The tile
stage wants Σ⁻¹ factored (see `splat_tiles`): p = κ √(yy / det), q = −κ xy / √(yy det), r = κ / √yy, s = log₂ opacity,
κ² = ½ log₂ e.
"""

import warp as wp

from scenekit._kernels.launch import OPTIONS
from scenekit._kernels.splat_sh import sh_basis, sh_gradient, vec25

wp.set_module_options(OPTIONS)

KAPPA = wp.constant(0.8493218002880191)
LN2 = wp.constant(0.6931471805599453)
LOG2_255 = wp.constant(7.994353436858858)
SHARE_MIN = wp.constant(1.0e-12)
"""Least share of the opacity, squared, that the antialiasing leaves."""


@wp.struct
class View:
    """One camera and what is asked of it."""

    W: wp.mat33
    t: wp.vec3
    fx: float
    fy: float
    cx: float
    cy: float
    width: float
    height: float
    near: float
    far: float
    eps2d: float
    degree: int  # −1: no spherical harmonics
    antialiased: int
    with_depth: int
    with_normals: int


@wp.struct
class Ellipse:
    """A Gaussian on the image plane, and what its gradient needs again."""

    R: wp.mat33
    norm: float  # of the quaternion
    a0: wp.vec3  # rows of J W
    a1: wp.vec3
    b0: wp.vec3  # rows of M = J W R S
    b1: wp.vec3
    tx: float
    ty: float
    free_x: float  # 1 where the point of J is the centre, 0 where it is held at the frustum's margin
    free_y: float
    xx: float  # covariance, blur included
    xy: float
    yy: float
    det0: float  # without blur
    det: float


@wp.func
def rotation(quat: wp.vec4):
    """Rotation matrix of a unit quaternion wxyz."""
    w = quat[0]
    x = quat[1]
    y = quat[2]
    z = quat[3]
    return wp.mat33(
        1.0 - 2.0 * (y * y + z * z), 2.0 * (x * y - w * z), 2.0 * (x * z + w * y),
        2.0 * (x * y + w * z), 1.0 - 2.0 * (x * x + z * z), 2.0 * (y * z - w * x),
        2.0 * (x * z - w * y), 2.0 * (y * z + w * x), 1.0 - 2.0 * (x * x + y * y),
    )


@wp.func
def rotation_gradient(quat: wp.vec4, norm: float, G: wp.mat33):
    """∂L/∂quat from G = ∂L/∂R, for the unit quaternion wxyz that came from one of length `norm`."""
    w = quat[0]
    x = quat[1]
    y = quat[2]
    z = quat[3]
    d = 2.0 * wp.vec4(
        x * (G[2, 1] - G[1, 2]) + y * (G[0, 2] - G[2, 0]) + z * (G[1, 0] - G[0, 1]),
        w * (G[2, 1] - G[1, 2]) + y * (G[0, 1] + G[1, 0]) + z * (G[0, 2] + G[2, 0]) - 2.0 * x * (G[1, 1] + G[2, 2]),
        w * (G[0, 2] - G[2, 0]) + x * (G[0, 1] + G[1, 0]) + z * (G[1, 2] + G[2, 1]) - 2.0 * y * (G[0, 0] + G[2, 2]),
        w * (G[1, 0] - G[0, 1]) + x * (G[0, 2] + G[2, 0]) + y * (G[1, 2] + G[2, 1]) - 2.0 * z * (G[0, 0] + G[1, 1]),
    )
    return (d - quat * wp.dot(quat, d)) / norm


@wp.func
def ellipse(view: View, m: wp.vec3, quat: wp.vec4, scale: wp.vec3):
    """Project a Gaussian with centre m in the camera frame."""
    e = Ellipse()
    e.norm = wp.max(wp.length(quat), 1.0e-12)
    e.R = rotation(quat / e.norm)
    x = m[0] / m[2]
    y = m[1] / m[2]
    x_held = wp.clamp(x, -view.cx / view.fx - 0.15 * view.width / view.fx, (1.15 * view.width - view.cx) / view.fx)
    y_held = wp.clamp(y, -view.cy / view.fy - 0.15 * view.height / view.fy, (1.15 * view.height - view.cy) / view.fy)
    e.free_x = wp.where(x == x_held, 1.0, 0.0)
    e.free_y = wp.where(y == y_held, 1.0, 0.0)
    e.tx = x_held * m[2]
    e.ty = y_held * m[2]
    away = view.W[2]
    e.a0 = (view.W[0] - away * x_held) * (view.fx / m[2])
    e.a1 = (view.W[1] - away * y_held) * (view.fy / m[2])
    e.b0 = wp.cw_mul(e.a0 @ e.R, scale)
    e.b1 = wp.cw_mul(e.a1 @ e.R, scale)
    xx = wp.dot(e.b0, e.b0)
    yy = wp.dot(e.b1, e.b1)
    e.xx = xx + view.eps2d
    e.xy = wp.dot(e.b0, e.b1)
    e.yy = yy + view.eps2d
    e.det0 = wp.length_sq(wp.cross(e.b0, e.b1))
    e.det = e.det0 + view.eps2d * (xx + yy) + view.eps2d * view.eps2d
    return e


@wp.func
def shortest_axis(R: wp.mat33, scale: wp.vec3, toward: wp.vec3):
    """Index of the shortest axis, and the sign that turns it against `toward`."""
    k = int(0)
    if scale[1] < scale[k]:
        k = 1
    if scale[2] < scale[k]:
        k = 2
    n = wp.vec3(R[0, k], R[1, k], R[2, k])
    return k, wp.where(wp.dot(n, toward) > 0.0, -1.0, 1.0), n


@wp.kernel
def forward(first: int, stride: int, view: View, means: wp.array(dtype=wp.vec3), quats: wp.array(dtype=wp.vec4),
            scales: wp.array(dtype=wp.vec3), opacities: wp.array(dtype=float), sh: wp.array2d(dtype=float),
            centres: wp.array(dtype=wp.vec2), shapes: wp.array(dtype=wp.vec4), features: wp.array2d(dtype=float),
            depths: wp.array(dtype=float), conics: wp.array(dtype=wp.vec3), drawn: wp.array(dtype=float),
            radii: wp.array(dtype=wp.vec2i)):
    """A Gaussian that no pixel can show gets radius 0."""
    g = first + wp.tid() * stride
    m = view.W * means[g] + view.t
    depths[g] = m[2]
    centres[g] = wp.vec2()
    shapes[g] = wp.vec4()
    conics[g] = wp.vec3()
    drawn[g] = 0.0
    radii[g] = wp.vec2i()
    for c in range(features.shape[1]):
        features[g, c] = 0.0
    if not (m[2] >= view.near and m[2] <= view.far):
        return
    e = ellipse(view, m, quats[g], scales[g])
    centre = wp.vec2(view.fx * m[0] / m[2] + view.cx, view.fy * m[1] / m[2] + view.cy)
    opacity = opacities[g]
    if view.antialiased != 0:
        opacity = opacity * wp.sqrt(wp.max(e.det0 / e.det, SHARE_MIN))
    drawn[g] = opacity
    centres[g] = centre
    conics[g] = wp.vec3(e.yy, -e.xy, e.xx) / e.det
    j = int(0)
    toward = means[g] + view.t @ view.W  # the camera's centre is −Wᵀ t
    if view.degree >= 0:
        Y = sh_basis(wp.normalize(toward), view.degree)
        rgb = wp.vec3(0.5, 0.5, 0.5)
        for k in range((view.degree + 1) * (view.degree + 1)):
            rgb += Y[k] * wp.vec3(sh[g, 3 * k], sh[g, 3 * k + 1], sh[g, 3 * k + 2])
        for c in range(3):
            features[g, c] = wp.max(rgb[c], 0.0)
        j = 3
    if view.with_depth != 0:
        features[g, j] = m[2]
        j += 1
    if view.with_normals != 0:
        axis, sign, normal = shortest_axis(e.R, scales[g], toward)
        for c in range(3):
            features[g, j + c] = sign * normal[c]
    s = wp.log2(opacity)
    reach = s + LOG2_255
    if not (reach > 0.0 and e.det > 0.0 and e.det < 1.0e30):
        return
    half_x = wp.sqrt(reach * e.xx) / KAPPA
    half_y = wp.sqrt(reach * e.yy) / KAPPA
    inside_x = centre[0] + half_x > 0.0 and centre[0] - half_x < view.width
    inside_y = centre[1] + half_y > 0.0 and centre[1] - half_y < view.height
    if not (inside_x and inside_y):
        return
    shapes[g] = KAPPA * wp.vec4(wp.sqrt(e.yy / e.det), -e.xy / wp.sqrt(e.yy * e.det), 1.0 / wp.sqrt(e.yy), s / KAPPA)
    radii[g] = wp.vec2i(int(wp.ceil(wp.min(half_x, 1.0e9))), int(wp.ceil(wp.min(half_y, 1.0e9))))


@wp.kernel
def backward(first: int, stride: int, view: View, means: wp.array(dtype=wp.vec3), quats: wp.array(dtype=wp.vec4),
             scales: wp.array(dtype=wp.vec3), opacities: wp.array(dtype=float), sh: wp.array2d(dtype=float),
             radii: wp.array(dtype=wp.vec2i), shapes: wp.array(dtype=wp.vec4), features: wp.array2d(dtype=float),
             d_centres: wp.array(dtype=wp.vec2), d_shapes: wp.array(dtype=wp.vec4), d_features: wp.array2d(dtype=float),
             d_means: wp.array(dtype=wp.vec3), d_quats: wp.array(dtype=wp.vec4), d_scales: wp.array(dtype=wp.vec3),
             d_opacities: wp.array(dtype=float), d_sh: wp.array2d(dtype=float), d_views: wp.array2d(dtype=float)):
    """The row of `d_views` is that of W₀ t₀ W₁ t₁ W₂ t₂; there are no rows if it is not wanted."""
    g = first + wp.tid() * stride
    if radii[g][0] == 0:
        d_means[g] = wp.vec3()
        d_quats[g] = wp.vec4()
        d_scales[g] = wp.vec3()
        d_opacities[g] = 0.0
        for k in range(d_sh.shape[1]):
            d_sh[g, k] = 0.0
        for c in range(12 * wp.min(d_views.shape[0], 1)):
            d_views[g, c] = 0.0
        return
    m = view.W * means[g] + view.t
    scale = scales[g]
    e = ellipse(view, m, quats[g], scale)
    opacity = opacities[g]
    toward = means[g] + view.t @ view.W
    d_R = wp.mat33()
    d_toward = wp.vec3()
    d_m = wp.vec3()

    j = int(0)
    if view.degree >= 0:
        d_rgb = wp.vec3()
        for c in range(3):
            if features[g, c] > 0.0:
                d_rgb[c] = d_features[g, c]
        length = wp.max(wp.length(toward), 1.0e-12)
        d = toward / length
        Y = sh_basis(d, view.degree)
        v = vec25()
        used = (view.degree + 1) * (view.degree + 1)
        for k in range(used):
            v[k] = sh[g, 3 * k] * d_rgb[0] + sh[g, 3 * k + 1] * d_rgb[1] + sh[g, 3 * k + 2] * d_rgb[2]
            for c in range(3):
                d_sh[g, 3 * k + c] = Y[k] * d_rgb[c]
        for k in range(3 * used, d_sh.shape[1]):
            d_sh[g, k] = 0.0
        d_d = sh_gradient(v, d, view.degree)
        d_toward = (d_d - d * wp.dot(d, d_d)) / length
        j = 3
    if view.with_depth != 0:
        d_m[2] = d_features[g, j]
        j += 1
    if view.with_normals != 0:
        axis, sign, normal = shortest_axis(e.R, scale, toward)
        for c in range(3):
            d_R[c, axis] = sign * d_features[g, j + c]

    # the factored inverse covariance, and the opacity
    G = d_shapes[g]
    shape = shapes[g]
    d_yy = 0.5 * (shape[0] * G[0] - shape[1] * G[1] - shape[2] * G[2]) / e.yy
    d_xy = -KAPPA * G[1] / wp.sqrt(e.yy * e.det)
    d_det = -0.5 * (shape[0] * G[0] + shape[1] * G[1]) / e.det
    d_det0 = float(0.0)
    d_opacities[g] = G[3] / (LN2 * opacity)
    if view.antialiased != 0 and e.det0 > SHARE_MIN * e.det:
        d_det0 = 0.5 * G[3] / (LN2 * e.det0)
        d_det -= 0.5 * G[3] / (LN2 * e.det)
    d_det0 += d_det
    d_xx = view.eps2d * d_det
    d_yy += view.eps2d * d_det

    # M = J W R S
    normal_b = wp.cross(e.b0, e.b1)
    d_b0 = 2.0 * d_xx * e.b0 + d_xy * e.b1 + 2.0 * d_det0 * wp.cross(e.b1, normal_b)
    d_b1 = 2.0 * d_yy * e.b1 + d_xy * e.b0 + 2.0 * d_det0 * wp.cross(normal_b, e.b0)
    d_scales[g] = wp.cw_mul(d_b0, e.a0 @ e.R) + wp.cw_mul(d_b1, e.a1 @ e.R)
    d_c0 = wp.cw_mul(d_b0, scale)
    d_c1 = wp.cw_mul(d_b1, scale)
    d_R += wp.outer(e.a0, d_c0) + wp.outer(e.a1, d_c1)
    d_a0 = e.R * d_c0
    d_a1 = e.R * d_c1
    d_quats[g] = rotation_gradient(quats[g] / e.norm, e.norm, d_R)

    # a0 = fx/z W₀ − fx tx/z² W₂, alike a1; then the centre itself
    z = m[2]
    d_alpha = wp.dot(d_a0, view.W[0])
    d_beta = wp.dot(d_a0, view.W[2])
    d_gamma = wp.dot(d_a1, view.W[1])
    d_delta = wp.dot(d_a1, view.W[2])
    d_c = d_centres[g]
    d_m[0] = d_m[0] + view.fx / z * (d_c[0] - e.free_x * d_beta / z)
    d_m[1] = d_m[1] + view.fy / z * (d_c[1] - e.free_y * d_delta / z)
    d_m[2] = d_m[2] - (view.fx * (d_alpha + d_c[0] * m[0]) + view.fy * (d_gamma + d_c[1] * m[1])) / (z * z)
    d_held = view.fx * e.tx * d_beta * (1.0 + e.free_x) + view.fy * e.ty * d_delta * (1.0 + e.free_y)
    d_m[2] = d_m[2] + d_held / (z * z * z)
    d_means[g] = d_m @ view.W + d_toward

    if d_views.shape[0] > 0:
        mean = means[g]
        d_t = d_m + view.W * d_toward
        d_W0 = d_m[0] * mean + view.t[0] * d_toward + d_a0 * (view.fx / z)
        d_W1 = d_m[1] * mean + view.t[1] * d_toward + d_a1 * (view.fy / z)
        d_W2 = d_m[2] * mean + view.t[2] * d_toward - (d_a0 * (view.fx * e.tx) + d_a1 * (view.fy * e.ty)) / (z * z)
        for c in range(3):
            d_views[g, c] = d_W0[c]
            d_views[g, 4 + c] = d_W1[c]
            d_views[g, 8 + c] = d_W2[c]
            d_views[g, 4 * c + 3] = d_t[c]

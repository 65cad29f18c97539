"""Real spherical harmonics up to degree 4, with the signs of 3DGS files, and their derivatives along x, y, z.

Values beyond `degree` are zero. The polynomials are extended off the unit sphere as they stand: normalising the
direction removes the radial part of their gradient.
"""

import warp as wp

vec25 = wp.types.vector(length=25, dtype=float)

C0 = wp.constant(0.28209479177387814)
C1 = wp.constant(0.4886025119029199)
A2 = wp.constant(1.0925484305920792)
B2 = wp.constant(0.31539156525252005)
D2 = wp.constant(0.5462742152960396)
A3 = wp.constant(0.5900435899266435)
B3 = wp.constant(2.890611442640554)
D3 = wp.constant(0.4570457994644658)
E3 = wp.constant(0.3731763325901154)
F3 = wp.constant(1.445305721320277)
A4 = wp.constant(2.5033429417967046)
B4 = wp.constant(1.7701307697799304)
D4 = wp.constant(0.9461746957575601)
E4 = wp.constant(0.6690465435572892)
F4 = wp.constant(0.10578554691520431)


@wp.func
def sh_basis(d: wp.vec3, degree: int):
    """Y(d) for a unit vector d."""
    x = d[0]
    y = d[1]
    z = d[2]
    xx = x * x
    yy = y * y
    zz = z * z
    Y = vec25()
    Y[0] = C0
    if degree >= 1:
        Y[1] = -C1 * y
        Y[2] = C1 * z
        Y[3] = -C1 * x
    if degree >= 2:
        Y[4] = A2 * x * y
        Y[5] = -A2 * y * z
        Y[6] = B2 * (2.0 * zz - xx - yy)
        Y[7] = -A2 * x * z
        Y[8] = D2 * (xx - yy)
    if degree >= 3:
        Y[9] = -A3 * y * (3.0 * xx - yy)
        Y[10] = B3 * x * y * z
        Y[11] = -D3 * y * (4.0 * zz - xx - yy)
        Y[12] = E3 * z * (2.0 * zz - 3.0 * xx - 3.0 * yy)
        Y[13] = -D3 * x * (4.0 * zz - xx - yy)
        Y[14] = F3 * z * (xx - yy)
        Y[15] = -A3 * x * (xx - 3.0 * yy)
    if degree >= 4:
        Y[16] = A4 * x * y * (xx - yy)
        Y[17] = -B4 * y * z * (3.0 * xx - yy)
        Y[18] = D4 * x * y * (7.0 * zz - 1.0)
        Y[19] = -E4 * y * z * (7.0 * zz - 3.0)
        Y[20] = F4 * (35.0 * zz * zz - 30.0 * zz + 3.0)
        Y[21] = -E4 * x * z * (7.0 * zz - 3.0)
        Y[22] = 0.5 * D4 * (xx - yy) * (7.0 * zz - 1.0)
        Y[23] = -B4 * x * z * (xx - 3.0 * yy)
        Y[24] = 0.25 * A4 * (xx * (xx - 3.0 * yy) - yy * (3.0 * xx - yy))
    return Y


@wp.func
def sh_gradient(v: vec25, d: wp.vec3, degree: int):
    """Σ vₖ ∇Yₖ(d)."""
    x = d[0]
    y = d[1]
    z = d[2]
    xx = x * x
    yy = y * y
    zz = z * z
    gx = float(0.0)
    gy = float(0.0)
    gz = float(0.0)
    if degree >= 1:
        gx += -C1 * v[3]
        gy += -C1 * v[1]
        gz += C1 * v[2]
    if degree >= 2:
        gx += A2 * (y * v[4] - z * v[7]) - 2.0 * B2 * x * v[6] + 2.0 * D2 * x * v[8]
        gy += A2 * (x * v[4] - z * v[5]) - 2.0 * B2 * y * v[6] - 2.0 * D2 * y * v[8]
        gz += -A2 * (y * v[5] + x * v[7]) + 4.0 * B2 * z * v[6]
    if degree >= 3:
        gx += -6.0 * A3 * x * y * v[9] + B3 * y * z * v[10] + 2.0 * D3 * x * y * v[11] - 6.0 * E3 * x * z * v[12]
        gx += -D3 * (4.0 * zz - 3.0 * xx - yy) * v[13] + 2.0 * F3 * x * z * v[14] - 3.0 * A3 * (xx - yy) * v[15]
        gy += -3.0 * A3 * (xx - yy) * v[9] + B3 * x * z * v[10] - D3 * (4.0 * zz - xx - 3.0 * yy) * v[11]
        gy += -6.0 * E3 * y * z * v[12] + 2.0 * D3 * x * y * v[13] - 2.0 * F3 * y * z * v[14] + 6.0 * A3 * x * y * v[15]
        gz += B3 * x * y * v[10] - 8.0 * D3 * y * z * v[11] + 3.0 * E3 * (2.0 * zz - xx - yy) * v[12]
        gz += -8.0 * D3 * x * z * v[13] + F3 * (xx - yy) * v[14]
    if degree >= 4:
        gx += A4 * y * (3.0 * xx - yy) * v[16] - 6.0 * B4 * x * y * z * v[17] + D4 * y * (7.0 * zz - 1.0) * v[18]
        gx += -E4 * z * (7.0 * zz - 3.0) * v[21] + D4 * x * (7.0 * zz - 1.0) * v[22]
        gx += -3.0 * B4 * z * (xx - yy) * v[23] + A4 * x * (xx - 3.0 * yy) * v[24]
        gy += A4 * x * (xx - 3.0 * yy) * v[16] - 3.0 * B4 * z * (xx - yy) * v[17] + D4 * x * (7.0 * zz - 1.0) * v[18]
        gy += -E4 * z * (7.0 * zz - 3.0) * v[19] - D4 * y * (7.0 * zz - 1.0) * v[22]
        gy += 6.0 * B4 * x * y * z * v[23] - A4 * y * (3.0 * xx - yy) * v[24]
        gz += -B4 * y * (3.0 * xx - yy) * v[17] + 14.0 * D4 * x * y * z * v[18]
        gz += -3.0 * E4 * y * (7.0 * zz - 1.0) * v[19]
        gz += F4 * (140.0 * zz - 60.0) * z * v[20] - 3.0 * E4 * x * (7.0 * zz - 1.0) * v[21]
        gz += 7.0 * D4 * z * (xx - yy) * v[22] - B4 * x * (xx - 3.0 * yy) * v[23]
    return wp.vec3(gx, gy, gz)

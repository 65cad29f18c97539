"""Stretch of a deformation: of F = V R the symmetric V; eigenvectors, logarithm and exponential of symmetric matrices.

Functions for other kernels: `left_stretch`, `eigen`, `spectral`, `logarithm` and `exponential`.
"""

import warp as wp

from scenekit._kernels.launch import OPTIONS

wp.set_module_options(OPTIONS)

NEWTON_STEPS = wp.constant(10)
"""For the trace of V: enough for stretches from 0.01 to 100."""

SWEEPS = wp.constant(3)
"""Jacobi's, which converge quadratically."""

NEAR = wp.constant(0.3)
"""Norm up to which a power series is exact to float32, and three times as fast as eigenvectors."""

LEAST = wp.constant(1.0e-6)
"""Smallest eigenvalue of a squared stretch that is told from zero."""


@wp.func
def left_stretch(F: wp.mat33):
    """V = √(F Fᵀ) without a decomposition; its least eigenvalue is negative where F is inverted (Irving et al. 2004).

    The trace x of V is the largest root of (x² − I₁)²/4 − 2 x det F − I₂ = 0 with the invariants of b = F Fᵀ (Cayley
    and Hamilton, as Hoger & Carlson 1984). Newton's method falls to it from √(3 I₁), exact for equal stretches.
    """
    b = F * wp.transpose(F)
    bb = b * b
    J = wp.determinant(F)
    i1 = wp.trace(b)
    i2 = 0.5 * (i1 * i1 - wp.trace(bb))
    x = wp.sqrt(3.0 * i1)
    for _step in range(NEWTON_STEPS):
        h = x * x - i1
        change = (0.25 * h * h - 2.0 * J * x - i2) / (x * h - 2.0 * J + 1.0e-30)
        x = x - change
        if wp.abs(change) < 1.0e-5 * x:  # the next would be of its square
            break
    k = 0.5 * (x * x - i1)
    # (σ₁ + σ₂)(σ₂ + σ₃)(σ₃ + σ₁): zero only if inverted by as much as the middle stretch, where no V is the nearest.
    whole = wp.max(x * k - J, 1.0e-4 * i1 * wp.sqrt(i1) + 1.0e-30)
    return (1.0 / whole) * (x * J * wp.identity(n=3, dtype=float) + (x * x - k) * b - bb)


@wp.func
def _turn(p: float, q: float, a: float, x: float, y: float, u: wp.vec3, v: wp.vec3):
    """Jacobi's rotation of the plane of u and v that makes a, which couples p and q, zero; x and y couple them to the
    third."""
    h = q - p
    t = 2.0 * a * wp.where(h < 0.0, -1.0, 1.0) / (wp.abs(h) + wp.sqrt(h * h + 4.0 * a * a) + 1.0e-30)
    c = 1.0 / wp.sqrt(1.0 + t * t)
    s = t * c
    return p - t * a, q + t * a, c * x - s * y, s * x + c * y, c * u - s * v, s * u + c * v


@wp.func
def eigen(A: wp.mat33):
    """Eigenvectors as columns, and eigenvalues in no order, of a symmetric matrix."""
    d0 = A[0, 0]
    d1 = A[1, 1]
    d2 = A[2, 2]
    a01 = A[0, 1]
    a02 = A[0, 2]
    a12 = A[1, 2]
    u0 = wp.vec3(1.0, 0.0, 0.0)
    u1 = wp.vec3(0.0, 1.0, 0.0)
    u2 = wp.vec3(0.0, 0.0, 1.0)
    for _sweep in range(SWEEPS):
        d0, d1, a02, a12, u0, u1 = _turn(d0, d1, a01, a02, a12, u0, u1)
        d0, d2, a01, a12, u0, u2 = _turn(d0, d2, a02, float(0.0), a12, u0, u2)
        d1, d2, a01, a02, u1, u2 = _turn(d1, d2, a12, a01, float(0.0), u1, u2)
        a12 = float(0.0)
    return wp.matrix_from_cols(u0, u1, u2), wp.vec3(d0, d1, d2)


@wp.func
def spectral(U: wp.mat33, d: wp.vec3):
    """U diag(d) Uᵀ."""
    return U * wp.diag(d) * wp.transpose(U)


@wp.func
def logarithm(b: wp.mat33):
    """ln b of a symmetric matrix; eigenvalues below `LEAST` count as it.

    Near the identity by 2 artanh((b − I) (b + I)⁻¹) up to the seventh power, else by eigenvectors.
    """
    I = wp.identity(n=3, dtype=float)
    off = b - I
    log_b = wp.mat33()
    if wp.ddot(off, off) < NEAR * NEAR:
        A = off * wp.inverse(b + I)
        AA = A * A
        log_b = 2.0 * A * (I + AA * (1.0 / 3.0 * I + AA * (0.2 * I + 1.0 / 7.0 * AA)))
    else:
        U, d = eigen(b)
        log_b = spectral(
            U, wp.vec3(wp.log(wp.max(d[0], LEAST)), wp.log(wp.max(d[1], LEAST)), wp.log(wp.max(d[2], LEAST))))
    return log_b


@wp.func
def exponential(A: wp.mat33):
    """exp A of a symmetric matrix: of a small one by the powers up to the sixth, else by eigenvectors."""
    I = wp.identity(n=3, dtype=float)
    exp_A = wp.mat33()
    if wp.ddot(A, A) < NEAR * NEAR:
        exp_A = I + A / 6.0
        exp_A = I + 0.2 * (A * exp_A)
        exp_A = I + 0.25 * (A * exp_A)
        exp_A = I + 1.0 / 3.0 * (A * exp_A)
        exp_A = I + 0.5 * (A * exp_A)
        exp_A = I + A * exp_A
    else:
        U, d = eigen(A)
        exp_A = spectral(U, wp.vec3(wp.exp(d[0]), wp.exp(d[1]), wp.exp(d[2])))
    return exp_A

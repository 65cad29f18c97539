"""Stretch of a deformation: of F = V R the symmetric V, and the eigenvectors and eigenvalues of symmetric matrices.

Functions for other kernels, without branches: `left_stretch` and `eigen`.
"""

import warp as wp

from scenekit._kernels.launch import OPTIONS

wp.set_module_options(OPTIONS)

NEWTON_STEPS = wp.constant(6)
"""For the trace of V: enough for stretches from 0.01 to 100."""

SWEEPS = wp.constant(4)
"""Jacobi's, which converge quadratically."""


@wp.func
def left_stretch(F: wp.mat33):
    """V = √(F Fᵀ) without a decomposition; its least eigenvalue is negative where F is inverted (Irving et al. 2004).

    The trace x of V is the largest root of (x² − I₁)²/4 − 2 x det F − I₂ = 0 with the invariants of b = F Fᵀ (Cayley and
    Hamilton, as Hoger & Carlson 1984). Newton's method falls to it from √(3 I₁), which is exact for equal stretches.
    """
    b = F * wp.transpose(F)
    bb = b * b
    J = wp.determinant(F)
    i1 = wp.trace(b)
    i2 = 0.5 * (i1 * i1 - wp.trace(bb))
    x = wp.sqrt(3.0 * i1)
    for _step in range(NEWTON_STEPS):
        h = x * x - i1
        x = x - (0.25 * h * h - 2.0 * J * x - i2) / (x * h - 2.0 * J + 1.0e-30)
    k = 0.5 * (x * x - i1)
    # (σ₁ + σ₂)(σ₂ + σ₃)(σ₃ + σ₁): zero only if inverted by as much as the middle stretch, where no V is the nearest.
    whole = wp.max(x * k - J, 1.0e-4 * i1 * wp.sqrt(i1) + 1.0e-30)
    return (1.0 / whole) * (x * J * wp.identity(n=3, dtype=float) + (x * x - k) * b - bb)


@wp.func
def _turn(A: wp.mat33, U: wp.mat33, p: int, q: int):
    """Jacobi's rotation that makes A[p, q] zero, of A = Uᵀ b U and of U."""
    h = A[q, q] - A[p, p]
    a = A[p, q]
    t = 2.0 * a * wp.where(h < 0.0, -1.0, 1.0) / (wp.abs(h) + wp.sqrt(h * h + 4.0 * a * a) + 1.0e-30)
    c = 1.0 / wp.sqrt(1.0 + t * t)
    s = t * c
    r = 3 - p - q
    up = A[p, r]
    uq = A[q, r]
    A[p, p] = A[p, p] - t * a
    A[q, q] = A[q, q] + t * a
    A[p, q] = 0.0
    A[q, p] = 0.0
    A[p, r] = c * up - s * uq
    A[r, p] = A[p, r]
    A[q, r] = s * up + c * uq
    A[r, q] = A[q, r]
    for i in range(3):
        x = U[i, p]
        y = U[i, q]
        U[i, p] = c * x - s * y
        U[i, q] = s * x + c * y
    return A, U


@wp.func
def eigen(A: wp.mat33):
    """Eigenvectors as columns, and eigenvalues in no order, of a symmetric matrix."""
    U = wp.identity(n=3, dtype=float)
    D = A
    for _sweep in range(SWEEPS):
        D, U = _turn(D, U, 0, 1)
        D, U = _turn(D, U, 0, 2)
        D, U = _turn(D, U, 1, 2)
    return U, wp.get_diag(D)

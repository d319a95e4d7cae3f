"""What error minimum-norm least squares leaves in a known space: exact laws, derived from singular values.

The target has coefficients c with E c c^T = I/D, mean square 1; the labels are A c + noise, A (n, D) the basis at the
points.  The ridge estimate is V s/(s^2 + r) U^T of the labels, for A = U s V^T, so that for these points

    E error^2 = (D - rank)/D + 1/D sum_j (r / (s_j^2 + r))^2 + noise^2 sum_j (s_j / (s_j^2 + r))^2

over the singular values that are not zero.  Without noise and ridge this is 1 - rank/D, the trace of the projector on
what the points do not see.  In one dimension any n <= D different points have rank n (trigonometric polynomials are a
Chebyshev system); in more dimensions points in general position do, but not all: those on a line x_2 = const have rank
2B + 1 at most.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from data_pruning.arguments import check_real, integer
from simulations.nyquist.torus import basis

__all__ = ["CUTOFF", "condition_number", "grid_square_error", "mean_square_error"]

CUTOFF = 1e-13  # singular values below this share of the largest are taken for zero


def mean_square_error(points: ArrayLike, band: int, *, noise: float = 0.0, ridge: float = 0.0) -> float:
    """Expected squared error of ``BandLimited(band, ridge)`` at given points, over isotropic targets of the same band.

    Args:
        points: where the target is sampled, shape (n, d).
        band: of target and learner, at least 0.
        noise: standard deviation of the noise of a label, at least 0.
        ridge: strength of the ridge, at least 0.

    Returns:
        E error^2, in units of the mean square of the target: 1 is as bad as the answer 0.

    Raises:
        TypeError, ValueError: an argument of the wrong type or out of range.

    Source: derivation in the docstring of this module.
    """
    check_real("noise", noise, "[0, inf)")
    check_real("ridge", ridge, "[0, inf)")
    matrix = basis(points, band)
    size = matrix.shape[1]
    s = np.linalg.svd(matrix, compute_uv=False)
    s = s[s > CUTOFF * s[0]]
    shrunk = (ridge / (s**2 + ridge)) ** 2
    return float((size - s.size + shrunk.sum()) / size + noise**2 * np.sum((s / (s**2 + ridge)) ** 2))


def grid_square_error(per_axis: int, band: int, dimension: int = 1, *, noise: float = 0.0) -> float:
    """The same on a regular grid, without a ridge, in closed form.

    Along an axis of m points the frequencies -B ... B fall into min(m, 2B + 1) classes of aliases, k modulo m; a class
    of g frequencies has the squared singular value m g, and a grid of more dimensions their products.  From m = 2B + 1
    on, noise^2 D/n is left.

    Args:
        per_axis: points along an axis, m, at least 1.
        band: B, at least 0.
        dimension: d, at least 1.
        noise: standard deviation of the noise of a label, at least 0.
    """
    m, b, d = integer("per_axis", per_axis, 1), integer("band", band, 0), integer("dimension", dimension, 1)
    check_real("noise", noise, "[0, inf)")
    aliases = np.bincount(np.arange(-b, b + 1) % m, minlength=m)
    aliases = aliases[aliases > 0]
    unseen = 1 - (aliases.size / (2 * b + 1)) ** d
    return float(unseen + noise**2 * np.sum(1 / (m * aliases)) ** d)


def condition_number(points: ArrayLike, band: int) -> float:
    """Largest over smallest singular value of the basis at the points, of min(n, D) of them; inf where one is zero.

    It says how much rounding and noise are amplified.  At random points n = D log D is enough to keep it bounded
    (Cohen, Davenport and Leviatan, Foundations of Computational Mathematics 13, 2013).
    """
    s = np.linalg.svd(basis(points, band), compute_uv=False)
    return float(s[0] / s[-1]) if s[-1] > 0 else float("inf")

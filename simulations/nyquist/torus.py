"""Band-limited functions on the torus [0, 2 pi)^d: their basis, and designs of points to sample them at.

A function of band B has the frequencies k with |k_j| <= B, and D = (2B + 1)^d real coefficients.  The basis is that of
trigonometric interpolation, products of 1, sqrt 2 cos(k x_j) and sqrt 2 sin(k x_j): orthonormal for the mean over the
torus, so that the mean square of a function is the sum of its squared coefficients (Parseval).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from data_pruning.arguments import integer, real_array

__all__ = ["MOST_ENTRIES", "basis", "num_coefficients", "points_array", "regular_grid", "uniform_points"]

Floats = NDArray[np.float64]

MOST_ENTRIES = 2**27  # of a matrix: 1 GiB


def num_coefficients(band: int, dimension: int = 1) -> int:
    """Degrees of freedom of the functions of a band, D = (2 band + 1)^dimension.

    Args:
        band: largest frequency along an axis, at least 0.
        dimension: d, at least 1.

    Raises:
        TypeError, ValueError: an argument that is no integer or too small.
    """
    return int((2 * integer("band", band, 0) + 1) ** integer("dimension", dimension, 1))


def points_array(points: ArrayLike) -> Floats:
    """Points as an array of shape (n, d), n and d at least 1.

    Raises:
        TypeError, ValueError: they are none.
    """
    x = np.asarray(real_array("points", points))
    if x.ndim != 2 or 0 in x.shape:
        raise ValueError(f"points must have the shape (number of points, dimension), none 0, got shape {x.shape}")
    return x


def basis(points: ArrayLike, band: int) -> Floats:
    """The orthonormal basis at points of the torus.

    Args:
        points: shape (n, d), in radians.
        band: largest frequency along an axis, at least 0.

    Returns:
        Values of the D = (2 band + 1)^d functions, shape (n, D).

    Raises:
        TypeError, ValueError: points of another shape, or a band that is no integer of at least 0.
        MemoryError: n D above 2^27.
    """
    x = points_array(points)
    columns = num_coefficients(band, x.shape[1])
    if len(x) * columns > MOST_ENTRIES:
        raise MemoryError(f"{len(x)} points times {columns} coefficients are more than {MOST_ENTRIES} numbers (1 GiB)")
    phases = x[:, :, None] * np.arange(1, band + 1)
    waves = np.sqrt(2) * np.concatenate([np.cos(phases), np.sin(phases)], axis=2)
    axes = np.concatenate([np.ones((*x.shape, 1)), waves], axis=2)
    product = axes[:, 0]
    for j in range(1, x.shape[1]):
        product = (product[:, :, None] * axes[:, j, None, :]).reshape(len(x), -1)
    return product


def regular_grid(per_axis: int, dimension: int, rng: np.random.Generator) -> Floats:
    """A grid of equal distances, shifted at random along each axis.

    Args:
        per_axis: points along an axis, m, at least 1.
        dimension: d, at least 1.
        rng: source of the shifts.

    Returns:
        Points, shape (m^d, d).
    """
    m, d = integer("per_axis", per_axis, 1), integer("dimension", dimension, 1)
    axes = 2 * np.pi / m * (np.arange(m) + rng.random((d, 1)))
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, d)


def uniform_points(num_points: int, dimension: int, rng: np.random.Generator) -> Floats:
    """Independent points, uniform on the torus, shape (num_points, dimension)."""
    shape = (integer("num_points", num_points, 1), integer("dimension", dimension, 1))
    return rng.uniform(0, 2 * np.pi, shape)

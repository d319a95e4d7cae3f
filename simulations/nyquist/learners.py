"""Learners of functions on the torus: one that knows the band, and kernels that know less.

``learner_named`` makes one from a name: ``band``, ``band@30``, ``ridge``, ``gaussian``, ``gaussian@0.2``, ``laplace``,
``laplace@2``, ``ntk``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from data_pruning.arguments import check_integer, check_real, real_array
from simulations.nyquist.laws import CUTOFF
from simulations.nyquist.torus import MOST_ENTRIES, basis, num_coefficients, points_array

__all__ = ["NTK", "BandLimited", "KernelLearner", "Laplace", "Learner", "PeriodicGaussian", "learner_named"]

Floats = NDArray[np.float64]

MOST_BAND = 2**26
JITTER = 1e-14  # added to each eigenvalue of a kernel matrix, times the number of points: that of rounding


class Learner(ABC):
    """Learns a function from its values at points."""

    @abstractmethod
    def predict(self, points: ArrayLike, values: ArrayLike, at: ArrayLike) -> Floats:
        """Predictions from examples.

        Args:
            points: of the examples, shape (n, d), in radians.
            values: labels of the examples, shape (n,).
            at: points to predict at, shape (m, d).

        Returns:
            Predictions, shape (m,).

        Raises:
            TypeError, ValueError: arrays of other shapes, or that are not finite.
            MemoryError: a matrix of more than 2^27 numbers.
        """

    @abstractmethod
    def entries(self, num_points: int, num_at: int, dimension: int) -> int:
        """Numbers in the largest matrix that ``predict`` needs."""


@dataclass(frozen=True)
class BandLimited(Learner):
    """Least squares among the functions of a band; of several solutions the one of least norm.

    Minimises sum (values - f)^2 + ridge |c|^2, c the coefficients of f.  A ridge of noise^2 D is the best one for
    isotropic coefficients of mean square 1 (Gauss-Markov with this prior; for Gaussian ones it is the Bayes estimate).

    Attributes:
        band: the band that is assumed, 0 to 2^26; on a grid aliases spoil a target of band B up to B + band points
            per axis, and random points must be (2 band + 1)^d.
        ridge: at least 0; at 0, singular values below 1e-13 of the largest are taken for zero.
    """

    band: int
    ridge: float = 0.0

    def __post_init__(self) -> None:
        check_integer("band", self.band, 0, MOST_BAND)
        check_real("ridge", self.ridge, "[0, inf)")

    def coefficients(self, points: ArrayLike, values: ArrayLike) -> Floats:
        """Coefficients in the ``basis`` of the band that are learned from examples, shape (D,)."""
        y = _values_at(points, values)
        u, s, vt = np.linalg.svd(basis(points, self.band), full_matrices=False)
        kept = s > CUTOFF * s[0]
        u, s, vt = u[:, kept], s[kept], vt[kept]
        return np.asarray(vt.T @ (s / (s**2 + self.ridge) * (u.T @ y)))

    def entries(self, num_points: int, num_at: int, dimension: int) -> int:  # noqa: D102
        return max(num_points, num_at) * num_coefficients(self.band, dimension)

    def predict(self, points: ArrayLike, values: ArrayLike, at: ArrayLike) -> Floats:  # noqa: D102
        return np.asarray(basis(at, self.band) @ self.coefficients(points, values))


class KernelLearner(Learner):
    """Interpolation of least norm in the space of a kernel, k(x, x) = 1, that depends on the differences of points."""

    @abstractmethod
    def kernel(self, cosines: Floats) -> Floats:
        """The kernel where the differences x_j - x'_j have these cosines, shape (..., d), as an array (...)."""

    def entries(self, num_points: int, num_at: int, dimension: int) -> int:  # noqa: D102
        return num_points * max(num_points, num_at) * dimension

    def predict(self, points: ArrayLike, values: ArrayLike, at: ArrayLike) -> Floats:  # noqa: D102
        x, y = points_array(points), _values_at(points, values)
        gram = self._between(x, x) + JITTER * len(x) * np.eye(len(x))
        return np.asarray(self._between(points_array(at), x) @ np.linalg.solve(gram, y))

    def _between(self, x: Floats, z: Floats) -> Floats:
        if len(x) * z.size > MOST_ENTRIES:
            raise MemoryError(f"{len(x)} times {len(z)} points of dimension {z.shape[1]} are more than 1 GiB")
        return self.kernel(np.cos(x[:, None] - z))


@dataclass(frozen=True)
class PeriodicGaussian(KernelLearner):
    """exp(sum_j (cos(x_j - x'_j) - 1) / width^2): near a point the Gaussian of standard deviation ``width``, > 0."""

    width: float

    def __post_init__(self) -> None:
        check_real("width", self.width, "[1e-12, 1e6]")

    def kernel(self, cosines: Floats) -> Floats:  # noqa: D102
        return np.asarray(np.exp((cosines - 1).sum(axis=-1) / self.width**2))


@dataclass(frozen=True)
class Laplace(KernelLearner):
    """exp(-distance/width), the distance that between the points on their circles in the plane; ``width`` > 0."""

    width: float

    def __post_init__(self) -> None:
        check_real("width", self.width, "[1e-12, 1e6]")

    def kernel(self, cosines: Floats) -> Floats:  # noqa: D102
        squares = np.maximum(2 - 2 * cosines, 0).sum(axis=-1)  # rounding makes some negative
        return np.asarray(np.exp(-np.sqrt(squares) / self.width))


@dataclass(frozen=True)
class NTK(KernelLearner):
    """A network with one hidden layer of ReLU, infinitely wide, that is trained in both layers by gradient flow.

    Its inputs are cos x_j and sin x_j, and a bias of the same norm as all of them: without a bias the kernel has no
    odd frequencies from 3 on, and they are never learnt (Basri et al., NeurIPS 2019).

    Source: Jacot, Gabriel and Hongler, NeurIPS 2018; arc-cosine kernels of Cho and Saul, NeurIPS 2009.
    """

    def kernel(self, cosines: Floats) -> Floats:  # noqa: D102
        t = np.clip((cosines.mean(axis=-1) + 1) / 2, -1, 1)
        angle = np.arccos(t)
        active = (np.pi - angle) / np.pi
        return np.asarray((2 * t * active + np.sqrt(1 - t**2) / np.pi) / 2)


def _values_at(points: ArrayLike, values: ArrayLike) -> Floats:
    y = np.asarray(real_array("values", values))
    if y.shape != (len(points_array(points)),):
        raise ValueError(f"values must be one per point, {len(points_array(points))}, got shape {y.shape}")
    return y


def learner_named(name: str, band: int, dimension: int = 1, noise: float = 0.0) -> Learner:
    """A learner of a target of a band.

    Args:
        name: ``band``, that of the target, or ``band@NUMBER``, another one; ``ridge``, that of the target and the ridge
            noise^2 D; ``gaussian`` (width 2/max(band, 1)) or ``gaussian@WIDTH``; ``laplace`` (width 1) or
            ``laplace@WIDTH``; ``ntk``.
        band: of the target.
        dimension: d.
        noise: of the labels; positive for ``ridge``.

    Raises:
        ValueError: no such learner, or a ridge without noise.
    """
    kind, at, text = name.partition("@")
    if name == "ridge":
        if noise == 0:
            raise ValueError("learner ridge takes its strength from the noise: give a noise above 0")
        return BandLimited(band, noise**2 * num_coefficients(band, dimension))
    if name == "ntk":
        return NTK()
    if kind in ("band", "gaussian", "laplace"):
        try:
            value = (int if kind == "band" else float)(text) if at else None
        except ValueError:
            whole = "a whole number" if kind == "band" else "a number"
            raise ValueError(f"learner {name!r}: after @ comes {whole}, got {text!r}") from None
        try:
            if kind == "band":
                return BandLimited(band if value is None else int(value))
            if kind == "gaussian":
                return PeriodicGaussian(2 / max(band, 1) if value is None else value)
            return Laplace(1.0 if value is None else value)
        except ValueError as error:
            raise ValueError(f"learner {name!r}: {error}") from None
    raise ValueError(
        f"learners are band, band@NUMBER, ridge, gaussian, gaussian@WIDTH, laplace, laplace@WIDTH and ntk, got {name!r}"
    )

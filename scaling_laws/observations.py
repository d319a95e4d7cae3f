"""Errors at scales, checked: what laws are fitted to, and which curves no law may be fitted to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from data_pruning.arguments import check_real, real_array
from scaling_laws.forms.form import Floats, falling_slopes

__all__ = ["Observations"]

_FEWEST = 6  # points of a curve from which a rise within it can be told from noise
_NEIGHBOURS = 3  # points of a running mean
_RISE = 4.0  # rise of the running mean, in units of the noise of a point, beyond which a curve rises
_PER_WINDOW = 2.2
_PRIOR = 10  # degrees of freedom with which the variance of all points counts at each
_MEDIAN = 0.6745  # of the size of a normal variable, in standard deviations
_LEAST_RISE = 0.01  # relative rise that is none


@dataclass(frozen=True)
class Observations:
    """Errors at scales.

    Attributes:
        scales: names of the scales.
        x: logarithms of the scales, shape (num_scales, num_points).
        y: logarithms of the errors, means over seeds, shape (num_points,).
        weights: weights of the squared deviations of y, shape (num_points,): one over squared standard errors where
            these are known, else of mean 1.
        errors: errors of the seeds, shape (num_points, num_seeds); None for errors without seeds.
        has_standard_errors: whether weights are in units of standard errors.
    """

    scales: tuple[str, ...]
    x: Floats
    y: Floats
    weights: Floats
    errors: Floats | None
    has_standard_errors: bool

    @classmethod
    def checked(
        cls,
        scales: Mapping[str, ArrayLike],
        errors: ArrayLike,
        standard_errors: ArrayLike | None = None,
        weight_exponent: float = 0.0,
    ) -> Observations:
        """Observations of checked arguments, see :func:`scaling_laws.fitting.fit_law`.

        Raises:
            ValueError: an argument has another shape than it should, or is not positive and finite.
        """
        if not isinstance(scales, Mapping) or not scales:
            raise TypeError(f"scales must map names to arrays, such as {{'n': [...]}}, got {scales!r}")
        columns = {name: real_array(f"scales[{name!r}]", values) for name, values in scales.items()}
        values = real_array("errors", errors)
        if values.ndim not in (1, 2) or not values.size:
            raise ValueError(f"errors must have shape (num_points,) or (num_points, num_seeds), got {values.shape}")
        num_points = values.shape[0]
        for name, column in columns.items():
            if column.shape != (num_points,):
                raise ValueError(
                    f"scales[{name!r}] must have one value for each of {num_points} errors, got shape {column.shape}"
                )
            _check_positive(f"scales[{name!r}]", column)
        seeds = values if values.ndim == 2 else None
        if seeds is not None and np.any(seeds < 0):
            raise ValueError(f"errors must be at least 0, got {seeds.min():g}")
        mean = values if seeds is None else values.mean(axis=1)
        _check_positive("errors", mean)
        check_real("weight_exponent", weight_exponent, "[0, 20]")
        deviation = None
        if standard_errors is not None:
            if seeds is not None:
                raise ValueError("standard_errors must be None for errors of several seeds, which have their own")
            deviation = real_array("standard_errors", standard_errors)
            if deviation.shape != (num_points,):
                raise ValueError(f"standard_errors must have shape ({num_points},), got {deviation.shape}")
            _check_positive("standard_errors", deviation)
        elif seeds is not None:
            if seeds.shape[1] < 3:
                raise ValueError(f"errors must be of at least 3 seeds, got {seeds.shape[1]}; or give their means")
            deviation = mean * _relative_standard_errors(seeds / mean[:, None])
        x = np.log(np.stack(list(columns.values())))
        if deviation is not None:
            with np.errstate(over="ignore", under="ignore", divide="ignore"):
                weights = (mean / deviation) ** 2
            if not np.all((weights > 0) & np.isfinite(weights)):
                raise ValueError(f"standard_errors must be comparable to the errors, got {deviation.tolist()}")
        else:
            shift = weight_exponent * (x[0] - x[0].max())
            weights = np.exp(shift) / np.mean(np.exp(shift))
        return cls(tuple(columns), x, np.log(mean), weights, seeds, deviation is not None)

    @property
    def num_points(self) -> int:
        """Number of points."""
        return self.y.size

    def thresholds(self, huber: float | None) -> Floats:
        """Deviations beyond which each point counts linearly, shape (num_points,).

        Args:
            huber: the threshold, in standard errors where these are known; None is infinity.
        """
        if huber is None:
            return np.full(self.num_points, np.inf)
        return huber / np.sqrt(self.weights) if self.has_standard_errors else np.full(self.num_points, huber)

    def part(self, chosen: np.ndarray) -> Observations:
        """The observations of some points: a mask or indices."""
        seeds = None if self.errors is None else self.errors[chosen]
        return replace(self, x=self.x[:, chosen], y=self.y[chosen], weights=self.weights[chosen], errors=seeds)

    def thinned(self, most: int) -> Observations:
        """At most so many points of one scale: means over equal values, and then over cells even in its logarithm."""
        values, cell = np.unique(self.x[0], return_inverse=True)
        if values.size > most:
            cell = np.floor((self.x[0] - values[0]) / (values[-1] - values[0]) * most * (1 - 1e-12))
            cell = np.unique(cell, return_inverse=True)[1]
        if cell.max() + 1 == self.num_points:
            return self
        total = np.bincount(cell, self.weights).astype(np.float64)
        x, y = (np.bincount(cell, self.weights * one) / total for one in (self.x[0], self.y))
        return replace(self, x=x[None], y=y, weights=total, errors=None)

    def check_enough(
        self, form: str, num_parameters: int, names: Sequence[str], varied: Sequence[str] | None = None
    ) -> None:
        """Refuse to fit as many parameters as there are points, and scales that never change.

        Args:
            form: name of the law.
            num_parameters: how many are free.
            names: of these.
            varied: scales that must change; None is all.

        Raises:
            ValueError: there are too few points, or values of a scale.
        """
        if self.num_points <= num_parameters:
            raise ValueError(
                f"{form} has {num_parameters} parameters ({', '.join(names)}) and there are {self.num_points} points: "
                "it would pass through them all and say nothing; measure more, or take a form with fewer"
            )
        for name, row in zip(self.scales, self.x, strict=True):
            if varied is not None and name not in varied:
                continue
            needed = num_parameters if len(self.scales) == 1 else 2
            found = np.unique(row).size
            if found < needed:
                raise ValueError(
                    f"{form} needs at least {needed} different values of {name}, got {found}: measure at more of them"
                )

    def check_falling(self) -> None:
        """Refuse errors that rise with a scale, by more than noise.

        Points that share all other scales are a curve.  The mean over curves of last over first error, in the
        logarithm, must be below 0 for each scale (where there are no curves, the slope of a linear fit).  In a curve
        of at least six points the running mean over three may nowhere rise by more than four times the noise of a
        point, measured by the median of second differences, and by more than 1 %.

        Raises:
            ValueError: errors rise; the message says where.
        """
        for number, name in enumerate(self.scales):
            others = np.delete(self.x, number, axis=0)
            _, groups = np.unique(others, axis=1, return_inverse=True)
            curves = [_curve(self.x[number, at], self.y[at]) for at in _members(groups.reshape(-1))]
            curves = [(x, y) for x, y in curves if x.size > 1]
            if not curves and falling_slopes(self.x, self.y, least=-np.inf)[number] <= 0:
                raise ValueError(
                    f"errors do not fall with {name}: the slope of a linear fit of the logarithms is positive"
                )
            for x, y in curves:
                _check_within(name, x, y)
            if curves and np.mean([y[-1] - y[0] for _, y in curves]) >= 0:
                x, y = max(curves, key=lambda curve: curve[1][-1] - curve[1][0])
                raise ValueError(_risen(name, x, y, 0, x.size - 1))


def _members(groups: np.ndarray) -> list[np.ndarray]:
    order = np.argsort(groups, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(groups[order])) + 1)


def _curve(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Different values of x in order, and the means of y there."""
    points, inverse = np.unique(x, return_inverse=True)
    return points, np.bincount(inverse, y) / np.bincount(inverse)


def _check_within(name: str, x: Floats, y: Floats) -> None:
    if x.size < _FEWEST:
        return
    smooth = np.convolve(y, np.ones(_NEIGHBOURS) / _NEIGHBOURS, "valid")
    # the more windows, the larger the difference that noise makes between two
    most = max(_RISE, _PER_WINDOW * np.sqrt(np.log(smooth.size)))
    rise, low, high = max((smooth[i:].max() - smooth[i], i, i + int(np.argmax(smooth[i:]))) for i in range(smooth.size))
    noise = np.median(np.abs(np.diff(y, 2))) / (_MEDIAN * np.sqrt(6))
    if rise > max(most * noise, _LEAST_RISE):
        raise ValueError(_risen(name, x, y, low + _NEIGHBOURS // 2, high + _NEIGHBOURS // 2))


def _risen(name: str, x: Floats, y: Floats, low: int, high: int) -> str:
    if y[high] == y[low]:
        return f"errors do not fall with {name}: {np.exp(y[low]):.4g} at {np.exp(x[low]):.6g} and {np.exp(x[high]):.6g}"
    return (
        f"errors rise with {name}, from {np.exp(y[low]):.4g} at {np.exp(x[low]):.6g} to {np.exp(y[high]):.4g} at "
        f"{np.exp(x[high]):.6g}, as no scaling law here does: fit the part in which they fall (double descent, and too "
        "few steps for much data, make errors rise)"
    )


def _relative_standard_errors(relative: Floats) -> Floats:
    """Standard errors of the means over seeds, from errors over their mean, shape (num_points, num_seeds).

    A variance known from S seeds, S - 1 degrees of freedom, is brought towards the mean of all points, which counts as
    ten: else the few points whose seeds happen to agree decide a fit.
    """
    S = relative.shape[1]
    variances = relative.var(axis=1, ddof=1)
    if not np.any(variances > 0):
        raise ValueError("errors must differ between seeds at some point: give means, or standard_errors")
    shrunk = (_PRIOR * variances.mean() + (S - 1) * variances) / (_PRIOR + S - 1)
    return np.sqrt(shrunk / S)


def _check_positive(name: str, values: Floats) -> None:
    bad = np.flatnonzero(~(values > 0))
    if bad.size:
        raise ValueError(f"{name} must be above 0, but entry {bad[0]} is {values[bad[0]]:g}")

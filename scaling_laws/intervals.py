"""Confidence intervals of a law's parameters: bootstrap over seeds or over points, profile likelihood."""

from __future__ import annotations

import math

import numpy as np

from scaling_laws.evaluation import log_errors
from scaling_laws.forms.form import Floats, Form
from scaling_laws.least_squares import minimise
from scaling_laws.observations import Observations

__all__ = ["bootstrap_points", "bootstrap_seeds", "profile"]

_STEPS = np.array([0.1, 0.4, 0.7, 0.9, 1.1, 1.4, 2.0, 3.0, 5.0, 10.0, 20.0])  # 1 is where a quadratic cost would cross
_WIDEST = 3.0  # step of a coordinate that the points hardly determine
_ROUNDS = 5
_MOST_STEPS = 60  # of a search, which begins near its end
_FARTHEST = 5.0  # that a coordinate is moved before a search
_FLAT = 1e-8  # of the largest slope
_REFINED = np.linspace(0.0, 1.0, 5)[1:-1]
_BETTER = 1e-6  # relative decrease of the cost in a profile that says that the fit was not the best


class BetterMinimumError(Exception):
    """A profile found a lower cost than the fit: its coordinates are the argument."""


def bootstrap_seeds(
    form: Form, data: Observations, best: Floats, free: np.ndarray, level: float, num_resamples: int, seed: int
) -> Floats:
    """Percentiles of coordinates over fits to means of seeds drawn with replacement, shape (2, num_parameters).

    Whole seeds are drawn, as a seed shares its pool and weights across points; deviations are stretched by
    sqrt(S / (S - 1)) t / z for few seeds S (Hesterberg 2015, *What teachers should know about the bootstrap*, section
    3.3).
    """
    from scipy import stats

    assert data.errors is not None
    S = data.errors.shape[1]
    tail = (1 + level) / 2
    stretch = math.sqrt(S / (S - 1)) * float(stats.t.ppf(tail, S - 1) / stats.norm.ppf(tail))
    counts = np.random.default_rng(seed).multinomial(S, np.full(S, 1 / S), size=num_resamples)
    mean = data.errors.mean(axis=1)
    deviations = stretch * (counts @ (data.errors - mean[:, None]).T / S) / mean
    found = _refitted(form, data, best, free, data.y + np.log(np.maximum(1 + deviations, 1e-3)), data.weights)
    return np.quantile(found, [1 - tail, tail], axis=0)


def bootstrap_points(
    form: Form,
    data: Observations,
    best: Floats,
    free: np.ndarray,
    level: float,
    num_resamples: int,
    seed: int,
    huber: float | None,
) -> Floats:
    """Percentiles of coordinates over fits to points drawn with replacement, shape (2, num_parameters)."""
    rng = np.random.default_rng(seed)
    counts = rng.multinomial(data.num_points, np.full(data.num_points, 1 / data.num_points), size=num_resamples)
    found = _refitted(form, data, best, free, data.y, counts * data.weights, huber)
    return np.quantile(found, [(1 - level) / 2, (1 + level) / 2], axis=0)


def _refitted(
    form: Form,
    data: Observations,
    best: Floats,
    free: np.ndarray,
    y: Floats,
    weights: Floats,
    huber: float | None = None,
) -> Floats:
    centre = form.centred and bool(free.all())
    x0 = data.x.mean(axis=1) if centre else np.zeros(len(data.x))
    num = max(len(np.atleast_2d(y)), len(np.atleast_2d(weights)))
    shape = (num, data.num_points)
    begin = np.tile(form.shifted(best, -x0), (num, 1))
    x = data.x - x0[:, None]
    found = minimise(
        form,
        begin,
        x,
        np.broadcast_to(y, shape),
        np.broadcast_to(weights, shape),
        free=free,
        huber=huber,
        most_steps=_MOST_STEPS,
    )
    return np.array([form.shifted(p, x0) for p in found.p])


def profile(form: Form, data: Observations, best: Floats, cost: float, free: np.ndarray, level: float) -> Floats:
    """Coordinates at which the cost, minimised over all other parameters, has risen by what the level allows.

    With standard errors, twice the cost may rise by the quantile of chi-square with one degree of freedom; without, by
    that of the F distribution times the variance of the residuals (Bates and Watts 1988, *Nonlinear regression
    analysis*, section 6.1).  Infinite where it never does: minus infinity is 0 for a positive parameter.

    Returns:
        Lower and upper coordinates, shape (2, num_parameters); fixed ones are their value.

    Raises:
        BetterMinimumError: the cost is lower elsewhere.
    """
    from scipy import stats

    rest = data.num_points - int(free.sum())
    if data.has_standard_errors:
        allowed = 0.5 * float(stats.chi2.ppf(level, 1))
    else:
        allowed = max(cost, 1e-24) / rest * float(stats.f.ppf(level, 1, rest))
    covariance, flat = _covariance(form, data, best, free)
    spread = np.where(flat, _WIDEST, np.clip(np.sqrt(2 * allowed * np.diag(covariance)), 1e-8, _WIDEST))
    result = np.tile(best, (2, 1))
    sides = [(int(number), sign) for number in np.flatnonzero(free) for sign in (-1, 1)]
    at = np.array([[best[n] + sign * step * spread[n] for step in _STEPS] for n, sign in sides])
    rises = _rises(form, data, best, covariance, cost, free, sides, at)
    inside, outside = np.zeros(len(sides)), np.full(len(sides), np.inf)  # distances from the best, by where it crosses
    for row, (number, _) in enumerate(sides):
        over = np.flatnonzero(rises[row] > allowed)
        distances = np.abs(at[row] - best[number])
        if over.size:
            outside[row] = distances[over[0]]
            inside[row] = distances[over[0] - 1] if over[0] else 0.0
    bounded = np.flatnonzero(np.isfinite(outside))
    for _ in range(_ROUNDS):  # each a fourth of the distance before
        if not bounded.size:
            break
        some = [sides[row] for row in bounded]
        distances = inside[bounded, None] + (outside - inside)[bounded, None] * _REFINED
        signed = np.array([[best[n] + sign * d for d in row] for (n, sign), row in zip(some, distances, strict=True)])
        found = _rises(form, data, best, covariance, cost, free, some, signed)
        for row, distance, rise in zip(bounded.tolist(), distances, found, strict=True):
            over = np.flatnonzero(rise > allowed)
            first = over[0] if over.size else len(distance)
            outside[row] = distance[first] if over.size else outside[row]
            inside[row] = distance[first - 1] if first else inside[row]
    for row, (number, sign) in enumerate(sides):
        result[(1 + sign) // 2, number] = best[number] + sign * (0.5 * (inside + outside)[row])
    return result


def _rises(
    form: Form,
    data: Observations,
    best: Floats,
    covariance: Floats,
    cost: float,
    free: np.ndarray,
    sides: list[tuple[int, int]],
    at: Floats,
) -> Floats:
    """How far the cost has risen with one coordinate held at values, shape of ``at``, (num_sides, num_values)."""
    starts = np.tile(best, (at.size, 1))
    mask = np.tile(free, (at.size, 1))
    for row, (number, _) in enumerate(sides):
        part = slice(row * at.shape[1], (row + 1) * at.shape[1])
        # the others move along, as they would if the cost were quadratic
        along = covariance[number] / max(covariance[number, number], 1e-300)
        starts[part] += np.clip(np.outer(at[row] - best[number], np.where(free, along, 0.0)), -_FARTHEST, _FARTHEST)
        starts[part, number] = at[row]
        mask[part, number] = False
    found = minimise(form, starts, data.x, data.y, data.weights, free=mask, most_steps=_MOST_STEPS)
    lowest = int(np.argmin(found.cost))
    if found.cost[lowest] < cost * (1 - _BETTER) - 1e-20:
        raise BetterMinimumError(found.p[lowest])
    return found.cost.reshape(at.shape) - cost


def _covariance(form: Form, data: Observations, best: Floats, free: np.ndarray) -> tuple[Floats, np.ndarray]:
    """The inverse of the curvature of the cost, by Gauss and Newton, and which coordinates the errors do not depend on.

    Zero for coordinates that are held.
    """
    step = 1e-5
    moved = np.concatenate([best + step * np.eye(best.size), best - step * np.eye(best.size)])
    values = log_errors(form, moved, data.x)
    columns = ((values[: best.size] - values[best.size :]) / (2 * step))[free]
    curvature = (columns * data.weights) @ columns.T
    # scaled first: the coordinates are of very different sizes
    scale = np.sqrt(np.maximum(np.diag(curvature), 1e-300))
    inverse = np.linalg.pinv(curvature / np.outer(scale, scale), rcond=1e-13, hermitian=True) / np.outer(scale, scale)
    found = np.zeros((best.size, best.size))
    found[np.ix_(free, free)] = inverse
    flat = np.zeros(best.size, bool)
    flat[free] = scale < _FLAT * scale.max()
    return found, flat

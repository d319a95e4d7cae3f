"""Confidence intervals of a law's parameters: bootstrap over seeds or over points, profile likelihood."""

from __future__ import annotations

import math

import numpy as np

from scaling_laws.evaluation import log_errors
from scaling_laws.forms.form import Floats, Form
from scaling_laws.least_squares import Minima, minimise
from scaling_laws.observations import Observations

__all__ = ["bootstrap_points", "bootstrap_seeds", "profile"]

_STEPS = np.array([0.1, 0.4, 0.7, 0.9, 1.1, 1.4, 2.0, 3.0, 5.0, 10.0, 20.0])  # 1 is where a quadratic cost would cross
_WIDEST = 3.0  # step of a coordinate that the points hardly determine
_HALVINGS = 8
_MOST_STARTS = 16  # of searches for other valleys
_MOST_POINTS = 64
_FEW_STEPS = 30
_MOST_STEPS = 150  # of a search, which begins near its end
_FARTHEST = 5.0  # that a coordinate is moved before a search
_FLAT = 1e-8  # of the largest slope
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
        huber=data.thresholds(huber),
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
    sides = [(int(number), sign) for number in np.flatnonzero(free) for sign in (-1, 1)]
    numbers, signs = (np.array(each) for each in zip(*sides, strict=True))
    distances = _STEPS * spread[numbers][:, None]
    rows = np.arange(len(sides))
    along = covariance[numbers] / np.maximum(covariance[numbers, numbers], 1e-300)[:, None]
    along = np.where(free & ~flat[numbers][:, None], along, 0.0)

    def at(distance: Floats, *starts: Floats) -> tuple[Floats, Floats]:
        """Rise of the cost with each side's coordinate at a distance, the lowest from several starts, and where."""
        held = best[numbers] + signs * distance
        found = [_held(form, data, np.asarray(start), numbers, held, free, _MOST_STEPS) for start in starts]
        cost_found, p = np.stack([one.cost for one in found]), np.stack([one.p for one in found])
        lowest = np.argmin(cost_found, axis=0)
        rise, where = cost_found[lowest, rows] - cost, p[lowest, rows]
        if np.min(rise) < -_BETTER * cost - 1e-20:
            raise BetterMinimumError(where[np.argmin(rise)])
        return rise, where

    # outwards, each from its neighbour, along the quadratic approximation and from another valley; then back from the
    # farther neighbour
    elsewhere = _other_valleys(form, data, numbers, best[numbers][:, None] + signs[:, None] * distances, free, best)
    rises, places = np.zeros((_STEPS.size, len(sides))), np.tile(best, (_STEPS.size, len(sides), 1))
    previous = np.tile(best, (len(sides), 1))
    for step in range(_STEPS.size):
        quadratic = best + np.clip((signs * distances[:, step])[:, None] * along, -_FARTHEST, _FARTHEST)
        rises[step], places[step] = at(distances[:, step], previous, quadratic, elsewhere[:, step])
        previous = places[step]
    for step in range(_STEPS.size - 2, -1, -1):
        rise, place = at(distances[:, step], places[step + 1])
        lower = rise < rises[step]
        rises[step][lower], places[step][lower] = rise[lower], place[lower]
    over = rises > allowed
    crossed, first = over.any(axis=0), np.argmax(over, axis=0)
    inner, outer = (np.where(crossed, distances[rows, np.maximum(k, 0)], np.nan) for k in (first - 1, first))
    inner = np.where(first == 0, 0.0, inner)
    near = np.where((first == 0)[:, None], best, places[np.maximum(first - 1, 0), rows])
    far = places[first, rows]
    for _ in range(_HALVINGS):
        middle = np.where(crossed, (inner + outer) / 2, distances[:, 0])
        rise, place = at(middle, near, far)
        beyond = rise > allowed
        outer, inner = np.where(beyond, middle, outer), np.where(beyond, inner, middle)
        far, near = np.where(beyond[:, None], place, far), np.where(beyond[:, None], near, place)
    result = np.tile(best, (2, 1))
    ends = np.where(crossed, best[numbers] + signs * (inner + outer) / 2, signs * np.inf)
    result[(1 + signs) // 2, numbers] = ends
    return result


def _other_valleys(
    form: Form, data: Observations, numbers: np.ndarray, values: Floats, free: np.ndarray, best: Floats
) -> Floats:
    """Where a short search from the form's own starts comes with one coordinate held, on a part of many points.

    ``numbers`` are the coordinates that are held, shape (num_sides,), ``values`` at what, shape (num_sides, num_steps);
    what is returned has shape (num_sides, num_steps, num_parameters).
    """
    order = np.argsort(data.x[0], kind="stable")[:: -(-data.num_points // _MOST_POINTS)]
    part = data.part(order)
    x0 = part.x.mean(axis=1) if form.centred else np.zeros(len(part.x))
    begin = np.array([form.shifted(one, x0) for one in form.starts(part.x - x0[:, None], part.y)])
    begin = np.where(free, begin[:: -(-len(begin) // _MOST_STARTS)], best)
    sides, steps, starts = np.meshgrid(*(np.arange(n) for n in (*values.shape, len(begin))), indexing="ij")
    which, start = sides.ravel(), begin[starts.ravel()]
    found = _held(form, part, start, numbers[which], values[which, steps.ravel()], free, _FEW_STEPS)
    costs = found.cost.reshape(sides.shape)
    places = found.p.reshape(*sides.shape, -1)
    return np.take_along_axis(places, np.argmin(costs, axis=2)[..., None, None], axis=2)[:, :, 0]


def _held(
    form: Form,
    data: Observations,
    starts: Floats,
    numbers: np.ndarray,
    values: Floats,
    free: np.ndarray,
    most_steps: int,
) -> Minima:
    """Searches with one coordinate each held at a value."""
    rows = np.arange(numbers.size)
    begin, mask = np.array(starts), np.tile(free, (numbers.size, 1))
    begin[rows, numbers], mask[rows, numbers] = values, False
    return minimise(form, begin, data.x, data.y, data.weights, free=mask, most_steps=most_steps)


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

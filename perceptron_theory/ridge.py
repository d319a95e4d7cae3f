"""The strength of ridge regularisation that gives the lowest test error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize.elementwise import find_minimum

from data_pruning.arguments import check_choice, real_array
from data_pruning.keep_by_label import KeepByLabel
from data_pruning.keep_rules import KeepRule
from perceptron_theory.features import Features, Spectrum
from perceptron_theory.labels import Labels
from perceptron_theory.solution import Solution, solve
from perceptron_theory.solver.limits import solve_points
from perceptron_theory.solver.points import (
    Floats,
    broadcast_shape,
    check_not_traced,
    check_types,
    checked_numbers,
    parts_of,
    unflatten,
)
from perceptron_theory.solver.saddle_point import Point, unknowns_of
from perceptron_theory.students import LAMBDA_RANGE, LOSSES, LossName

__all__ = ["BestRidge", "best_ridge"]

NUM_GRID = 15  # values of log lambda among which the lowest error is looked for before it is refined
WEAKEST, STRONGEST = 1e-9, 1e3  # lambda over the mean variance of features, and over that times 1 + alpha_prune
WIDTH = 1e-5  # of log lambda at which the search ends; the error is flat there


@dataclass(frozen=True)
class BestRidge:
    """The best lambda; every field has the broadcast shape of the arguments of ``best_ridge``.

    Attributes:
        lam: lambda of the lowest test error, right to about 1e-5 of itself: the error is flat there.
        solution: the student at it.
        at_edge: whether lambda is an end of the range searched, so that the error may still fall beyond: at the lower
            end towards the student without regularisation, at the upper one towards Hebb's rule.
    """

    lam: Any
    solution: Solution
    at_edge: Any

    @property
    def error(self) -> Any:
        """The lowest test error."""
        return self.solution.error


def best_ridge(
    alpha_tot: ArrayLike,
    keep: KeepRule | KeepByLabel,
    theta: ArrayLike,
    *,
    loss: LossName = "square",
    labels: Labels = Labels(),  # noqa: B008  (frozen)
    features: Features | None = None,
    lam_range: tuple[float, float] | None = None,
) -> BestRidge:
    """The lambda of the lowest test error.

    The error is evaluated at 15 values of log lambda; the lowest of them is refined by Chandrupatla's method between
    its neighbours.

    Args:
        alpha_tot: examples per parameter of the student before pruning.
        keep: keep rule.
        theta: angle between probe and teacher in radians, in [0, pi/2].
        loss: "square", "logistic" or "hinge".
        labels: the labels, given by the truth itself (flipped or not).
        features: what the student sees of the features; None is all of them, of equal variance.
        lam_range: lowest and highest lambda, in [1e-14, 1e14]; None is 1e-9 to 1e3 (1 + alpha_prune), both times the
            mean variance of the features seen.

    Returns:
        The best lambda and the student there.

    Raises:
        TypeError, ValueError, RuntimeError: as ``solve``, or an unknown loss, a range that is none, or labels by a
            teacher other than the truth.

    Example:
        >>> from perceptron_theory import KeepRandom, Labels, best_ridge
        >>> best = best_ridge(4, KeepRandom(0.5), 0.0, labels=Labels(flip_probability=0.1))
        >>> print(f"lambda {best.lam:.3f}: {best.error:.4f}")
        lambda 1.454: 0.2479
    """
    check_choice("loss", loss, tuple(LOSSES))
    student = LOSSES[loss](1.0)
    check_types(keep, student, labels, features)
    check_not_traced("best_ridge", alpha_tot, keep, theta, labels, features)
    if not labels.truth_is_teacher:
        raise ValueError(f"the best ridge is that of the error against the teacher, got {labels!r}")
    if lam_range is not None:
        ends = real_array("lam_range", lam_range)
        if ends.shape != (2,) or not LAMBDA_RANGE[0] <= ends[0] < ends[1] <= LAMBDA_RANGE[1]:
            raise ValueError(
                f"lam_range must be two increasing values in [{LAMBDA_RANGE[0]:g}, {LAMBDA_RANGE[1]:g}], "
                f"got {lam_range!r}"
            )
    alpha_tot, theta = checked_numbers(alpha_tot, theta)
    shape = broadcast_shape(alpha_tot, keep, theta, student, labels, features)
    log_lam, at_edge = np.zeros(int(np.prod(shape))), np.zeros(int(np.prod(shape)), bool)
    for aligned, rows, points, _ in parts_of(alpha_tot, keep, theta, student, labels, shape, features):
        first, last = np.log(_range(points) if lam_range is None else np.broadcast_to(lam_range, (rows.size, 2))).T
        log_lam[rows], at_edge[rows] = _lowest(loss, points, aligned, first, last)
    lam = unflatten(np.clip(np.exp(log_lam), *LAMBDA_RANGE), shape) if log_lam.size else np.zeros(shape)
    best = solve(alpha_tot, keep, theta, student=LOSSES[loss](lam), labels=labels, features=features)
    return BestRidge(lam, best, unflatten(at_edge, shape) if at_edge.size else np.zeros(shape, bool))


def _range(points: Point) -> Floats:
    """Lowest and highest lambda of each point, shape (num_points, 2)."""
    mean_variance = np.ones(points.alpha_prune.size)
    if isinstance(points.features, Spectrum):
        mean_variance = (points.features.count * points.features.variance).sum(-1)
    ends = mean_variance[:, None] * np.stack(
        [np.full_like(mean_variance, WEAKEST), STRONGEST * (1 + points.alpha_prune)], 1
    )
    return np.clip(ends, *LAMBDA_RANGE)


def _lowest(kind: str, points: Point, aligned: bool, first: Floats, last: Floats) -> tuple[Floats, Any]:
    """Log lambda of the lowest error of each point, and whether it is an end."""
    every = np.arange(points.alpha_prune.size)
    grid = last + (first - last) * np.linspace(0, 1, NUM_GRID)[:, None]  # it falls: each student starts from the last
    values, students = np.empty(grid.shape), np.empty((*grid.shape, 4))
    for i, log_lam in enumerate(grid):
        known = (students[i - 1], np.exp(grid[i - 1])) if i else None
        values[i], students[i] = _log_errors(kind, points._replace(lam=np.exp(log_lam)), aligned, known)
    best = np.argmin(values, axis=0)
    at_edge = (best == 0) | (best == NUM_GRID - 1)
    found, inside = grid[best, every], np.flatnonzero(~at_edge)
    if inside.size == 0:
        return found, at_edge

    def log_error(log_lam: Floats, row: Any) -> Floats:
        at = inside[np.asarray(row, int)]
        some = jax.tree.map(lambda a: a[at], points)._replace(lam=np.exp(log_lam))
        above = best[at] - 1  # the student of the next larger lambda
        return _log_errors(kind, some, aligned, (students[above, at], np.exp(grid[above, at])))[0]

    bracket = tuple(grid[best[inside] + step, inside] for step in (1, 0, -1))
    refined = find_minimum(
        log_error, bracket, args=(np.arange(inside.size),), tolerances={"xatol": WIDTH, "xrtol": 0.0}
    )
    found[inside] = np.where(np.isfinite(refined.x), refined.x, found[inside])
    return found, at_edge


def _log_errors(kind: str, points: Point, aligned: bool, known: tuple[Floats, Floats] | None) -> tuple[Floats, Floats]:
    """log(error) of each point, infinite where none was found, and its unknowns."""
    found = solve_points(kind, points if kind == "square" else points._replace(known=known), aligned=aligned)
    unknowns = unknowns_of(kind, *(found[name] for name in ("r", "omega", "s", "v")))
    return np.where(found["converged"] == 1, found["log_error"], np.inf), unknowns

"""Exact derivatives of the test error: slopes along a rule's fraction, scaling exponents, and where they turn."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import minimize_scalar

from data_pruning.arguments import real_number
from data_pruning.keep_by_label import KeepByLabel
from data_pruning.keep_rules import KeepHard, KeepRule
from perceptron_theory.features import Features
from perceptron_theory.frontier import pareto_frontier
from perceptron_theory.labels import Labels
from perceptron_theory.solver.batch import OnePoint, for_each_point
from perceptron_theory.solver.limits import as_regularised, check_separable, solved_unknowns
from perceptron_theory.solver.points import (
    broadcast_shape,
    check_not_traced,
    check_types,
    checked_numbers,
    kind_and_lam,
    lanes_of,
    parts_of,
    unflatten,
)
from perceptron_theory.solver.saddle_point import Point, log_error_slope
from perceptron_theory.students import MaxMargin, Student

__all__ = ["Turn", "exponential_to_power_law", "scaling_exponent"]


def scaling_exponent(
    alpha_tot: ArrayLike,
    keep: KeepRule | KeepByLabel,
    theta: ArrayLike,
    *,
    student: Student = MaxMargin(),  # noqa: B008  (frozen)
    labels: Labels = Labels(),  # noqa: B008
    features: Features | None = None,
) -> Any:
    """Local scaling exponent - d log(error) / d log(alpha_tot) at a fixed rule, by implicit differentiation.

    1 where the error falls like 1/alpha_tot, growing with alpha_tot where it falls exponentially.

    Args:
        alpha_tot: examples per parameter of the student before pruning.
        keep: keep rule.
        theta: angle between probe and teacher in radians, in [0, pi/2].
        student: the student; lambda > 0 for logistic and hinge loss.
        labels: the labels, given by the truth itself (flipped or not).
        features: what the student sees of the features; None is all of them, of equal variance.

    Returns:
        The exponent, of the broadcast shape of all arguments.

    Raises:
        TypeError, ValueError, RuntimeError: as ``solve``, or labels by a teacher other than the truth, or lambda = 0.

    Example:
        >>> from perceptron_theory import KeepHard, scaling_exponent
        >>> scaling_exponent([2, 50], KeepHard(0.2), 0.0).round(3)  # the error falls as a power near 1 in the end
        array([0.053, 0.999])
    """
    check_types(keep, student, labels, features)
    check_not_traced("scaling_exponent", alpha_tot, keep, theta, student, labels, features)
    if not labels.truth_is_teacher:
        raise ValueError(f"the scaling exponent is that of the error against the teacher, got {labels!r}")
    kind, lam = kind_and_lam(student)
    if kind != "max-margin" and np.any(np.asarray(lam) == 0):
        raise ValueError(f"lam must be positive for a scaling exponent, got {student!r}")
    alpha_tot, theta = checked_numbers(alpha_tot, theta)
    shape = broadcast_shape(alpha_tot, keep, theta, student, labels, features)
    slope = np.full(int(np.prod(shape)), np.nan)
    for aligned, rows, points, _ in parts_of(alpha_tot, keep, theta, student, labels, shape, features):
        if kind == "max-margin" and features is not None:
            check_separable(points)
        solved, points = as_regularised(kind, points)
        unknowns = solved_unknowns(solved, points, aligned=aligned)
        lanes = lanes_of(solved, points, aligned)
        slope[rows] = for_each_point(_alpha_slope(solved, aligned), (points, unknowns), lanes=lanes)["slope"]
        if not np.all(np.isfinite(slope[rows])):
            i = int(np.flatnonzero(~np.isfinite(slope[rows]))[0])
            raise RuntimeError(f"no scaling exponent at alpha_prune = {points.alpha_prune[i]:.6g}, {keep}")
    return unflatten(-slope, shape) if slope.size else slope.reshape(shape)


@dataclass(frozen=True)
class Turn:
    """Where the frontier of keep-hard turns from exponential to power law.

    Attributes:
        alpha_prune: kept examples per parameter where the local exponent is largest.
        exponent: that exponent, - d log(error) / d log(alpha_prune) along the frontier.
        error: test error there.
        fraction: fraction kept there.
    """

    alpha_prune: float
    exponent: float
    error: float
    fraction: float


def exponential_to_power_law(theta: float, *, f_min: float = 1e-3) -> Turn:
    """Where the fall of the keep-hard frontier turns from exponential to a power law, for an imperfect probe.

    Along the frontier (lowest error over f at each alpha_prune) the local exponent grows while the error falls
    exponentially and tends to 1 in the power law that an imperfect probe leads to in the end (Sorscher et al. 2022,
    Fig. 1; ``asymptotics.hard_frontier_error``).  The turn is where it is largest.  By the envelope theorem the
    exponent along the frontier is the one at fixed f, at the best f.

    Args:
        theta: angle between probe and teacher in radians, in [0.01, pi/2): for a perfect probe there is no turn.
        f_min: smallest fraction kept, in [1e-4, 1).

    Raises:
        ValueError: theta out of range.
        RuntimeError: no turn, because the frontier runs into ``f_min`` first.
    """
    theta = real_number("theta", theta)
    if not 0.01 <= theta < np.pi / 2:
        raise ValueError(f"theta is in radians and must lie in [0.01, pi/2) for a turn to exist, got {theta!r}")

    def exponent(log_alpha: Any) -> tuple[Any, Any, Any]:
        alpha = np.exp(log_alpha)
        best = pareto_frontier(alpha, theta, rule="hard", f_min=f_min)
        return scaling_exponent(alpha / best.fraction, KeepHard(best.fraction), theta), best.error, best.fraction

    grid = np.log(np.geomspace(0.5, 30.0 / theta, 40))
    i = int(np.argmax(exponent(grid)[0]))
    if i in (0, grid.size - 1):
        raise RuntimeError(f"the exponent has no maximum inside the range searched at theta = {theta:.6g}")
    found = minimize_scalar(
        lambda x: -exponent(x)[0], bounds=(grid[i - 1], grid[i + 1]), method="bounded", options={"xatol": 1e-6}
    )
    height, error, f = exponent(found.x)
    if f <= f_min:
        raise RuntimeError(f"the frontier runs into f_min = {f_min:g} before it turns at theta = {theta:.6g}")
    return Turn(float(np.exp(found.x)), float(height), float(error), float(f))


@cache
def _alpha_slope(kind: str, aligned: bool) -> OnePoint:
    def one(point: Point, unknowns: jax.Array) -> dict[str, jax.Array]:
        def point_at(log_alpha: jax.Array) -> Point:
            return point._replace(alpha_prune=jnp.exp(log_alpha))

        return {"slope": log_error_slope(kind, aligned, point_at, jnp.log(point.alpha_prune), unknowns)}

    return one

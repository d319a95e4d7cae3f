"""Exact derivatives of the test error: slopes along a rule's fraction, scaling exponents, and where they turn."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import minimize_scalar

from perceptron_theory.batch import OnePoint, for_each_point
from perceptron_theory.keep_rules import KeepByLabel, KeepHard, KeepRule
from perceptron_theory.labels import Labels
from perceptron_theory.order_parameters import (
    _check_types,
    _checked,
    _kind,
    _lanes,
    _points,
    _shape,
    _unflatten,
    solve,
)
from perceptron_theory.quadrature import FAR, Strips, normal_pdf
from perceptron_theory.saddle_point import Point, order_parameters
from perceptron_theory.students import MaxMargin, Student

__all__ = ["Turn", "exponential_to_power_law", "log_error_slope", "scaling_exponent"]


def log_error_slope(alpha_prune: ArrayLike, keep: KeepRule, theta: ArrayLike) -> Any:
    """Slope d log(error) / d f at fixed alpha_prune: what a larger pool is worth to the max-margin student.

    Args:
        alpha_prune: kept examples per parameter, in [1e-3, 1e5].
        keep: ``KeepHard`` or ``KeepEasy`` with f in [1e-4, 1), the fraction that is varied.
        theta: angle between probe and teacher in radians, in [0, pi/2].

    Returns:
        The slope, of the broadcast shape.

    Raises:
        ValueError: as ``solve``, or f = 1, where the edge of the rule is at infinity.
    """
    if np.any(np.asarray(keep.fraction) >= 1):
        raise ValueError(f"f must be below 1 to be varied, got {keep!r}")
    _check_types(keep, MaxMargin(), Labels())
    alpha_tot, theta = _checked(np.asarray(alpha_prune) / np.asarray(keep.fraction), theta)
    shape = _shape(alpha_tot, keep, theta, MaxMargin(), Labels())
    theta = np.broadcast_to(theta, shape)
    slope = np.full(theta.size, np.nan)
    for aligned in (True, False):
        rows = np.flatnonzero((theta == 0).reshape(-1) == aligned)
        if rows.size == 0:
            continue
        points, _ = _points(alpha_tot, keep, theta, MaxMargin(), Labels(), shape, aligned=aligned)
        points = jax.tree.map(lambda a: a[rows], points)  # noqa: B023
        found = for_each_point(_edge_slope(aligned), (points,), lanes=_lanes("max-margin", points, aligned))
        if not np.all(found["converged"] == 1):
            i = int(np.flatnonzero(found["converged"] != 1)[0])
            raise RuntimeError(f"no convergence at alpha_prune = {points.alpha_prune[i]:.6g}, {keep}")
        slope[rows] = found["slope"]
    return _unflatten(slope, shape) if slope.size else slope.reshape(shape)


def scaling_exponent(
    alpha_tot: ArrayLike,
    keep: KeepRule | KeepByLabel,
    theta: ArrayLike,
    *,
    student: Student = MaxMargin(),  # noqa: B008  (frozen)
    labels: Labels = Labels(),  # noqa: B008
) -> Any:
    """Local scaling exponent - d log(error) / d log(alpha_tot) at a fixed rule, by implicit differentiation.

    1 where the error falls like 1/alpha_tot, growing with alpha_tot where it falls exponentially.

    Args:
        alpha_tot: examples per parameter before pruning.
        keep: keep rule.
        theta: angle between probe and teacher in radians, in [0, pi/2].
        student: the student; lambda > 0 for logistic and hinge loss.
        labels: the labels, given by the truth itself (flipped or not).

    Returns:
        The exponent, of the broadcast shape of all arguments.

    Raises:
        TypeError, ValueError, RuntimeError: as ``solve``, or labels by a teacher other than the truth, or lambda = 0.
    """
    _check_types(keep, student, labels)
    if not labels.truth_is_teacher:
        raise ValueError(f"the scaling exponent is that of the error against the teacher, got {labels!r}")
    kind, lam = _kind(student)
    if kind != "max-margin" and np.any(np.asarray(lam) == 0):
        raise ValueError(f"lam must be positive for a scaling exponent, got {student!r}")
    alpha_tot, theta = _checked(alpha_tot, theta)
    shape = _shape(alpha_tot, keep, theta, student, labels)
    solve(alpha_tot, keep, theta, student=student, labels=labels)  # says what is wrong where there is no student
    aligned = isinstance(keep, KeepRule) and not np.any(theta)
    points, _ = _points(alpha_tot, keep, np.broadcast_to(theta, shape), student, labels, shape, aligned=aligned)
    if points.theta.size == 0:
        return np.zeros(shape)
    return _unflatten(
        -for_each_point(_alpha_slope(kind, aligned), (points,), lanes=_lanes(kind, points, aligned))["slope"], shape
    )


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
    from perceptron_theory.frontier import pareto_frontier

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
    def one(point: Point) -> dict[str, jax.Array]:
        def log_error(log_alpha: jax.Array) -> jax.Array:
            return order_parameters(kind, aligned, point._replace(alpha_prune=jnp.exp(log_alpha)))["log_error"]

        start = jnp.log(point.alpha_prune)
        return {"slope": jax.jvp(log_error, (start,), (jnp.ones_like(start),))[1]}

    return one


@cache
def _edge_slope(aligned: bool) -> OnePoint:
    """Derivative of log(error) by f where one edge of the rule moves with it and alpha_prune stays."""

    def one(point: Point) -> dict[str, jax.Array]:
        strips = point.strips
        # one edge in |z| moves: the outer one of hard, the inner one of easy; f is twice a Gaussian mass in either case
        f = 1 / strips.weight[0]

        def motion(edge: jax.Array, outwards: float) -> jax.Array:
            still = (jnp.abs(edge) >= FAR) | (edge == 0)
            return jnp.where(still, 0.0, outwards * 0.5 / jnp.where(still, 1.0, normal_pdf(edge)))

        thinner = -jnp.ones_like(strips.weight) / f**2
        moved = Strips(motion(strips.lower, -1.0), motion(strips.upper, 1.0), thinner, None, jnp.zeros_like(f))

        def log_error(strips: Strips) -> tuple[jax.Array, jax.Array]:
            found = order_parameters("max-margin", aligned, point._replace(strips=strips))
            return found["log_error"], found["converged"]

        _, slope, converged = jax.jvp(partial(log_error), (strips,), (moved,), has_aux=True)
        return {"slope": slope, "converged": converged}

    return one

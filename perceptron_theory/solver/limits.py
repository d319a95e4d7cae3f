"""Points solved, with the limits lambda -> 0 and the existence of the student seen to."""

from __future__ import annotations

from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from perceptron_theory.features import Spectrum
from perceptron_theory.solver import separation
from perceptron_theory.solver.batch import OnePoint, for_each_point
from perceptron_theory.solver.feature_response import hidden_of
from perceptron_theory.solver.neighbours import from_loss_nearby, from_margin_nearby, in_a_chain, in_runs
from perceptron_theory.solver.points import Floats, lanes_of
from perceptron_theory.solver.saddle_point import Point, order_parameters, unknowns_of

__all__ = [
    "MIN_NORM_LAMBDA",
    "NEAR_INTERPOLATION",
    "SEPARABLE",
    "as_regularised",
    "check_separable",
    "inverse_where",
    "least_lam",
    "limit_met",
    "separability_solver",
    "solve_points",
    "solved_unknowns",
]

MIN_NORM_LAMBDA = 1e-13  # stands for the limit lambda -> 0 of the square loss, relative to alpha_prune
HARD_MARGIN_LAMBDA = 1e-16  # stands for the limit lambda -> 0 of separated examples, relative to the least variance
NO_CLIP = 100.0  # V over the spread of fields above which no force of the hinge loss reaches its largest value
SEPARABLE = 1e8  # a threshold above this counts as infinite
NEAR_INTERPOLATION = 1e-4  # |alpha_prune - 1| below which that limit is not resolved


def solve_points(kind: str, points: Point, *, aligned: bool) -> dict[str, Floats]:
    """Solve flattened points, with the limits lambda -> 0 and the existence of the student seen to."""
    alpha, zero = points.alpha_prune, points.lam == 0
    noisy = points.strips.flipped is not None or points.features is not None  # then there may be no separator
    if kind == "square" and zero.any():
        near = zero & (np.abs(alpha - 1) < NEAR_INTERPOLATION)
        if near.any():
            raise ValueError(
                f"SquareLoss(0) has no limit at alpha_prune = 1, where |w| diverges: got {alpha[near][0]:.9g}; "
                "use lam > 0"
            )
        points = points._replace(lam=np.where(zero, least_lam(points), points.lam))
    if kind in ("logistic", "hinge") and zero.any():
        # where the examples are separable the direction tends to that of the max-margin student (Rosset et al. 2004)
        separable = zero & (alpha < thresholds(points) if noisy else True)
        if separable.any():
            found: dict[str, Floats] = {}
            for part, of_kind in ((separable, "max-margin"), (~separable, kind)):
                if part.any():
                    taken = jax.tree.map(lambda a: a[part], points)  # noqa: B023
                    for name, value in solve_points(of_kind, taken, aligned=aligned).items():
                        found.setdefault(name, np.full(alpha.size, np.nan))[part] = value
            if kind == "logistic":  # its weights diverge
                found["norm"] = np.where(separable, np.inf, found["norm"])
            return found
    if kind == "max-margin" and noisy:
        check_separable(points)
        solved, points = as_regularised(kind, points)
        if solved != kind:
            found = _solved(solved, points, aligned=aligned)
            return found | {"converged": found["converged"] * limit_met(found)}
    return _solved(kind, points, aligned=aligned)


def _solved(kind: str, points: Point, *, aligned: bool) -> dict[str, Floats]:
    """Every point for itself, or from the student of a point nearby."""
    one, lanes = solver_of(kind, aligned), lanes_of(kind, points, aligned)
    if kind == "max-margin" and aligned:
        order = partial(in_runs, points)
        return for_each_point(one, (points,), lanes=lanes, follow=from_margin_nearby, order=order)
    if kind in ("hinge", "logistic") and points.known is None:
        rows, points = in_a_chain(points)
        return for_each_point(one, (points,), lanes=1, follow=from_loss_nearby, order=lambda _: rows, least_followed=1)
    return for_each_point(one, (points,), lanes=lanes)


def check_separable(points: Point) -> None:
    """Raise a ``ValueError`` that names the first point at which no separator exists."""
    alpha, limit = points.alpha_prune, thresholds(points)
    beyond = alpha >= limit
    if beyond.any():
        i = int(np.argmax(beyond))
        raise ValueError(
            f"the kept examples are not separable, so there is no max-margin student: alpha_prune = {alpha[i]:.6g} "
            f"is not below the threshold {limit[i]:.6g} (separability_threshold). Keep fewer examples, or use "
            "a regularised student"
        )


def least_lam(points: Point) -> Any:
    """The lambda that stands for the limit lambda -> 0 of the square loss."""
    least = points.features.variance.min(-1) if isinstance(points.features, Spectrum) else 1.0
    return MIN_NORM_LAMBDA * least * points.alpha_prune


def as_regularised(kind: str, points: Point) -> tuple[str, Point]:
    """The max-margin student where features have unequal variances: the hinge loss's as lambda -> 0.

    A margin is measured by the length of w, which is not the spread of its field then.  Once V is so large that no
    example's field is below 1 - V, where forces are clipped, all forces are proportional to lambda, and the student
    is that of every smaller lambda: ``limit_met``.
    """
    if kind != "max-margin" or not isinstance(points.features, Spectrum):
        return kind, points
    strips = points.strips._replace(origin=0 * points.theta)
    return "hinge", points._replace(strips=strips, lam=HARD_MARGIN_LAMBDA * points.features.variance.min(-1))


def limit_met(found: dict[str, Any]) -> Any:
    """Whether students of ``as_regularised`` are those of the largest margin; where there is none they are not."""
    return found["v"] > NO_CLIP * (1 + found["r"] + found["s"])


def solved_unknowns(kind: str, points: Point, *, aligned: bool) -> Floats:
    """The unknowns of ``saddle_point.student_unknowns`` at each point, shape (num_points, 3) or (num_points, 4).

    Raises:
        ValueError: as ``solve_points``.
        RuntimeError: a point did not converge.
    """
    found = solve_points(kind, points, aligned=aligned)
    failed = found["converged"] != 1
    if failed.any():
        i = int(np.argmax(failed))
        raise RuntimeError(
            f"{failed.sum()} of {failed.size} points did not converge, the first at alpha_prune = "
            f"{points.alpha_prune[i]:.6g}, theta = {points.theta[i]:.6g}, {kind}"
        )
    return np.asarray(unknowns_of(kind, *(found[name] for name in ("r", "omega", "s", "v"))))


def thresholds(points: Point) -> Floats:
    found = for_each_point(separability_solver(), (points,), lanes=8)
    return inverse_where(found["violation"], (found["converged"] == 1) & (found["violation"] > 1 / SEPARABLE))


def inverse_where(values: Floats, where: Any) -> Floats:
    """1 / values where the condition holds, infinity elsewhere."""
    return np.divide(1.0, values, out=np.full_like(values, np.inf), where=where)


@cache
def separability_solver() -> OnePoint:
    """The violation <G> of the student that separates best: its inverse is the threshold."""

    def one(point: Point) -> dict[str, jax.Array]:
        strips = point.strips._replace(origin=jnp.zeros_like(point.theta))
        nothing = jnp.zeros_like(point.theta)
        found = separation.most_separating(
            strips,
            point.theta,
            nothing + 1.0,
            point.start_omega,
            nothing + 1 / SEPARABLE,
            None if point.features is None else hidden_of(point.features),
            aligned=False,
        )
        return {"violation": found.violation, "converged": found.converged}

    return one


@cache
def solver_of(kind: str, aligned: bool) -> OnePoint:
    """The solver of one point, one object for each kind."""

    def one(point: Point) -> dict[str, jax.Array]:
        return order_parameters(kind, aligned, point)

    return one

"""Slope of the error along the fraction kept, at fixed alpha_prune."""

from __future__ import annotations

from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from data_pruning.keep_rules import KeepRule
from perceptron_theory.labels import Labels
from perceptron_theory.solver import saddle_point
from perceptron_theory.solver.batch import OnePoint, for_each_point
from perceptron_theory.solver.limits import solved_unknowns
from perceptron_theory.solver.points import broadcast_shape, check_types, checked_numbers, lanes_of, parts_of, unflatten
from perceptron_theory.solver.quadrature import FAR, normal_pdf
from perceptron_theory.solver.saddle_point import Point
from perceptron_theory.students import MaxMargin

__all__ = ["log_error_slope"]


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
    check_types(keep, MaxMargin(), Labels())
    alpha_tot, theta = checked_numbers(np.asarray(alpha_prune) / np.asarray(keep.fraction), theta)
    shape = broadcast_shape(alpha_tot, keep, theta, MaxMargin(), Labels())
    slope = np.full(int(np.prod(shape)), np.nan)
    for aligned, rows, points, _ in parts_of(alpha_tot, keep, theta, MaxMargin(), Labels(), shape):
        unknowns = solved_unknowns("max-margin", points, aligned=aligned)
        lanes = lanes_of("max-margin", points, aligned)
        slope[rows] = for_each_point(_edge_slope(aligned), (points, unknowns), lanes=lanes)["slope"]
    return unflatten(slope, shape) if slope.size else slope.reshape(shape)


@cache
def _edge_slope(aligned: bool) -> OnePoint:
    """Derivative of log(error) by f where one edge of the rule moves with it and alpha_prune stays."""

    def one(point: Point, unknowns: jax.Array) -> dict[str, jax.Array]:
        strips = point.strips
        # one edge in |z| moves: the outer one of hard, the inner one of easy; f is twice a Gaussian mass in either case
        f = 1 / strips.weight[0]

        def motion(edge: jax.Array, outwards: float) -> jax.Array:
            still = (jnp.abs(edge) >= FAR) | (edge == 0)
            return jnp.where(still, 0.0, outwards * 0.5 / jnp.where(still, 1.0, normal_pdf(edge)))

        outwards = motion(strips.lower, -1.0), motion(strips.upper, 1.0), -jnp.ones_like(strips.weight) / f**2

        def point_at(more: jax.Array) -> Point:
            """The point with ``more`` kept."""
            fields = (strips.lower, strips.upper, strips.weight)
            lower, upper, weight = (field + more * moved for field, moved in zip(fields, outwards, strict=True))
            return point._replace(strips=strips._replace(lower=lower, upper=upper, weight=weight))

        return {"slope": saddle_point.log_error_slope("max-margin", aligned, point_at, jnp.zeros_like(f), unknowns)}

    return one

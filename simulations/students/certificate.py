"""What the regularised students have in common: units and certificate.

A regularised student minimises sum_mu l(y_mu w.x_mu) + (lambda N / 2) |w|^2.  With rows a_mu = y_mu x_mu / sqrt N and
v = sqrt N w this is

    minimise    F(v) = sum_mu l(a_mu.v) + (lambda / 2) |v|^2,

which is what the solvers work with; v points where w points.  A row of zeros is no example.

F is lambda-strongly convex, so any v, however found, carries a bound on its distance r to the minimum: r <= |F'(v)| /
lambda, and r^2 <= 2 (F(v) - lower bound) / lambda.  The angle between v and the minimum is then at most
arcsin(r / |v|); the ``gap`` is 1 - cos of that, as it is for the max-margin student.
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
from jax import Array

__all__ = ["TARGET_GAP", "Minimum", "angle_gap", "minimum", "real_rows"]

TARGET_GAP = 1e-12  # of the iterative solvers: the angle is right to 1.4e-6
ARMED_GAP = 1e-4  # below it, iterations that no longer improve the gap are stopped


class Minimum(NamedTuple):
    """A regularised student and the proof of its accuracy.

    Attributes:
        weights: student v, shape (num_features,).
        margin: min(A v)/|v| over the examples; negative where one is misclassified.
        gap: the angle between ``weights`` and the true minimum is at most arccos(1 - gap); infinite where nothing is
            proven.
        num_iterations: iterations of the solver.
    """

    weights: Array
    margin: Array
    gap: Array
    num_iterations: Array


def real_rows(examples: Array) -> Array:
    """Which rows are examples: those that are not all zeros."""
    return jnp.any(examples != 0, axis=1)


def angle_gap(distance: Array, v: Array) -> Array:
    """1 - cos of the largest angle between ``v`` and a vector at most ``distance`` away; infinite if that is any."""
    sine = distance / jnp.linalg.norm(v)
    return jnp.where(sine < 1, sine**2 / (1 + jnp.sqrt(jnp.maximum(1 - sine**2, 0.0))), jnp.inf)


def minimum(examples: Array, v: Array, gap: Array, num_iterations: Array | int = 1) -> Minimum:
    """``v`` with its certificate and margin."""
    margin = jnp.min(jnp.where(real_rows(examples), examples @ v, jnp.inf)) / jnp.linalg.norm(v)
    return Minimum(v, margin, gap, jnp.asarray(num_iterations))

"""Ridge-regularised logistic regression by damped Newton steps."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from simulations.students.certificate import ARMED_GAP, TARGET_GAP, Minimum, angle_gap, minimum, real_rows

__all__ = ["logistic_regression"]

MAX_ITERATIONS = 100
DESCENT = 1e-4  # share of the decrease that the slope promises and a step must bring (Armijo)
ROUNDING = 1e-14  # relative, of the objective: near the minimum steps are not judged by less
SHORTEST_STEP = 2.0**-40


class _State(NamedTuple):
    v: Array
    best: Minimum
    num_idle: Array
    num_iterations: Array


def logistic_regression(examples: Array, lam: Array, importance: Array | None = None) -> Minimum:
    """Minimise sum importance log(1 + exp(-a.v)) + lambda |v|^2 / 2.

    Newton steps, halved until the convex objective falls enough, converge from anywhere, in the end quadratically.
    Each takes one factorisation in the smaller of the dimensions of examples and features.

    Args:
        examples: label times input over sqrt N, shape (num_examples, num_features), float64; rows of zeros are ignored.
        lam: lambda > 0, scalar.
        importance: weight of each example's loss, >= 0, shape (num_examples,); None weighs all alike.

    Returns:
        The student with its certificate.

    Pure and traceable; call it under ``jax.enable_x64``.
    """
    num_examples, num_features = examples.shape
    real = real_rows(examples)
    count: Array | float = 1.0 if importance is None else importance  # how often each example counts
    wide = num_examples <= num_features
    gram = examples @ examples.T if wide else None

    def objective(h: Array, square: Array) -> Array:
        return jnp.sum(jnp.where(real, count * jnp.logaddexp(0.0, -h), 0.0)) + lam * square / 2

    def newton(g: Array, h: Array) -> Array:
        """(lambda + A^T D A)^-1 g, D the second derivatives of the losses."""
        if gram is None:
            weight = count * jax.nn.sigmoid(h) * jax.nn.sigmoid(-h)
            hessian = examples.T @ (weight[:, None] * examples) + lam * jnp.eye(num_features)
            return jax.scipy.linalg.cho_solve((jax.lax.linalg.cholesky(hessian), True), g)
        root = jnp.sqrt(count * jax.nn.sigmoid(h) * jax.nn.sigmoid(-h))
        matrix = root[:, None] * gram * root + lam * jnp.eye(num_examples)  # Woodbury
        inner = jax.scipy.linalg.cho_solve((jax.lax.linalg.cholesky(matrix), True), root * (examples @ g))
        return (g - (root * inner) @ examples) / lam

    def unfinished(state: _State) -> Array:
        return (state.best.gap > TARGET_GAP) & (state.num_idle < 3) & (state.num_iterations < MAX_ITERATIONS)

    def iterate(state: _State) -> _State:
        v = state.v
        h = examples @ v
        g = _gradient(examples, lam, count, v, h)
        dv = -newton(g, h)
        dh = examples @ dv
        square, mixed, square_of_step = v @ v, v @ dv, dv @ dv
        before, slope = objective(h, square), g @ dv

        def too_long(length: Array) -> Array:
            after = objective(h + length * dh, square + length * (2 * mixed + length * square_of_step))
            return (after > before + DESCENT * length * slope + ROUNDING * before) & (length > SHORTEST_STEP)

        length = jax.lax.while_loop(too_long, lambda length: length / 2, jnp.ones((), v.dtype))
        v = v + length * dv
        found = minimum(examples, v, _gap(examples, lam, v, count))
        improved = found.gap < state.best.gap
        best = jax.tree.map(lambda new, old: jnp.where(improved, new, old), found, state.best)
        idle = jnp.where(improved, 0, state.num_idle + (state.best.gap < ARMED_GAP))
        return _State(v, best, idle, state.num_iterations + 1)

    v = jnp.zeros(num_features, examples.dtype)
    never, zero = jnp.asarray(jnp.inf, v.dtype), jnp.zeros((), int)
    end = jax.lax.while_loop(unfinished, iterate, _State(v, Minimum(v, -never, never, zero), zero, zero))
    return end.best._replace(num_iterations=end.num_iterations)


def _gradient(examples: Array, lam: Array, importance: Array | float, v: Array, h: Array) -> Array:
    return lam * v - (importance * jax.nn.sigmoid(-h)) @ examples


def _gap(examples: Array, lam: Array, v: Array, importance: Array | float = 1.0) -> Array:
    """What any v proves by its gradient."""
    return angle_gap(jnp.linalg.norm(_gradient(examples, lam, importance, v, examples @ v)) / lam, v)

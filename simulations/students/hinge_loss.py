"""The soft-margin support vector machine without bias, by a primal-dual interior-point method.

With slacks xi, the hinge loss is the quadratic program

    minimise sum xi + lambda |v|^2 / 2    subject to    A v + xi >= 1,  xi >= 0.

Its multipliers a lie in [0, 1], and lambda v = A^T a at the solution.  (Where example i counts c_i times, the first
term is c.xi, and c_i takes the place of 1 as the bound of its multiplier.)  Any v and any a in [0, 1], however found,
prove that v costs at most

    sum [(1 - a) (1 - A v)_+ + a (A v - 1)_+] + |lambda v - A^T a|^2 / (2 lambda)

more than the minimum (Fenchel duality, with the terms paired so that none cancels).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from simulations.students.certificate import ARMED_GAP, TARGET_GAP, Minimum, angle_gap, minimum, real_rows

__all__ = ["support_vector_machine"]

MAX_ITERATIONS = 100
BOUNDARY = 0.995  # share of the way to the boundary that a step may take


class _Iterate(NamedTuple):
    v: Array
    a: Array  # multipliers of A v + xi >= 1
    b: Array  # multipliers of xi >= 0: count - a in the end
    s: Array  # A v + xi - 1
    xi: Array


class _State(NamedTuple):
    at: _Iterate
    best: Minimum
    num_idle: Array
    num_iterations: Array


def support_vector_machine(examples: Array, lam: Array, importance: Array | None = None) -> Minimum:
    """Minimise sum importance max(0, 1 - a.v) + lambda |v|^2 / 2 by Mehrotra's predictor-corrector method.

    Args:
        examples: label times input over sqrt N, shape (num_examples, num_features), float64; rows of zeros are ignored.
        lam: lambda > 0, scalar.
        importance: weight of each example's loss, > 0, shape (num_examples,); None weighs all alike.

    Returns:
        The student with its certificate.

    Pure and traceable; call it under ``jax.enable_x64``.
    """
    num_examples = examples.shape[0]
    target = jnp.where(real_rows(examples), 1.0, -1.0)  # 0.v >= -1 holds always: a row of zeros is inert
    count = jnp.ones(num_examples) if importance is None else jnp.where(target > 0, importance, 1.0)
    factorise = _newton_solver(examples, lam, count)

    # along Hebb's rule, as long as brings the mean of A v to 1 or as lambda allows; slacks inside
    hebb = jnp.where(target > 0, 0.5 * count, 0.0) @ examples
    fields = examples @ hebb
    length = jnp.minimum(1 / lam, jnp.sum(fields) / jnp.maximum(fields @ fields, 1e-300))
    v, fields = length * hebb, length * fields
    half, excess = 0.5 * count, fields - target
    start = _Iterate(v, half, half, jnp.maximum(excess, 0.0) + 0.5, jnp.maximum(-excess, 0.0) + 0.5)

    def unfinished(state: _State) -> Array:
        return (state.best.gap > TARGET_GAP) & (state.num_idle < 4) & (state.num_iterations < MAX_ITERATIONS)

    def iterate(state: _State) -> _State:
        at = state.at
        mu = _complementarity(at)
        direction = factorise(at, target)
        step = direction(-at.a * at.s, -at.b * at.xi)
        mu_affine = _complementarity(_moved(at, step, _step_length(at, step, 1.0)))
        aim = jnp.clip(mu_affine / mu, 0.0, 1.0) ** 3 * mu
        step = direction(aim - at.a * at.s - step.a * step.s, aim - at.b * at.xi - step.b * step.xi)
        at = _moved(at, step, _step_length(at, step, BOUNDARY))

        found = minimum(examples, at.v, _gap(examples, target, lam, at.v, at.a, count))
        improved = found.gap < state.best.gap
        best = jax.tree.map(lambda new, old: jnp.where(improved, new, old), found, state.best)
        idle = jnp.where(improved, 0, state.num_idle + (state.best.gap < ARMED_GAP))
        return _State(at, best, idle, state.num_iterations + 1)

    never, zero = jnp.asarray(jnp.inf, v.dtype), jnp.zeros((), int)
    end = jax.lax.while_loop(unfinished, iterate, _State(start, Minimum(v, -never, never, zero), zero, zero))
    return end.best._replace(num_iterations=end.num_iterations)


def _gap(examples: Array, target: Array, lam: Array, v: Array, a: Array, count: Array | float = 1.0) -> Array:
    """What v and a prove, by the formula above."""
    a = jnp.where(target > 0, jnp.clip(a, 0.0, count), 0.0)
    short = 1 - examples @ v
    terms = jnp.where(target > 0, jnp.where(short > 0, (count - a) * short, -a * short), 0.0)
    stationarity = lam * v - a @ examples
    excess = jnp.sum(terms) + stationarity @ stationarity / (2 * lam)
    return angle_gap(jnp.sqrt(2 * excess / lam), v)


def _complementarity(at: _Iterate) -> Array:
    return (jnp.mean(at.a * at.s) + jnp.mean(at.b * at.xi)) / 2


def _moved(at: _Iterate, step: _Iterate, length: Array) -> _Iterate:
    return _Iterate(*(old + length * new for old, new in zip(at, step, strict=True)))


def _step_length(at: _Iterate, step: _Iterate, share: float) -> Array:
    """Longest step in (0, 1] that goes at most ``share`` of the way to where a, b, s or xi vanishes."""
    reach = [jnp.min(jnp.where(new < 0, -old / new, jnp.inf)) for old, new in zip(at[1:], step[1:], strict=True)]
    return jnp.minimum(1.0, share * jnp.min(jnp.stack(reach)))


def _newton_solver(
    examples: Array, lam: Array, count: Array
) -> Callable[[_Iterate, Array], Callable[[Array, Array], _Iterate]]:
    """Newton directions of the optimality conditions, reduced to the smaller of examples and features.

    With D = 1/(s/a + xi/b) and the rest eliminated: (lambda + A^T D A) dv or (1/D + A A^T / lambda) da.
    """
    num_examples, num_features = examples.shape
    wide = num_examples <= num_features
    gram = examples @ examples.T if wide else None

    def factorise(at: _Iterate, target: Array) -> Callable[[Array, Array], _Iterate]:
        _, a, b, s, xi = at
        stationarity, sum_to_count = lam * at.v - a @ examples, count - a - b
        feasibility = examples @ at.v + xi - target - s
        softness = s / a + xi / b
        if gram is None:
            matrix = examples.T @ (examples / softness[:, None]) + lam * jnp.eye(num_features)
        else:
            matrix = gram / lam + jnp.diag(softness)
        factor = (jax.lax.linalg.cholesky(matrix), True)

        def direction(first: Array, second: Array) -> _Iterate:
            """Towards a s + da s + a ds = a s + first, and so with b xi and second."""
            # da = pull - A dv / softness
            pull = (first / a - second / b + xi / b * sum_to_count - feasibility) / softness
            if gram is None:
                dv = jax.scipy.linalg.cho_solve(factor, pull @ examples - stationarity)
                da = pull - (examples @ dv) / softness
            else:
                da = jax.scipy.linalg.cho_solve(factor, softness * pull + examples @ stationarity / lam)
                dv = (da @ examples - stationarity) / lam
            db = sum_to_count - da
            return _Iterate(dv, da, db, (first - s * da) / a, (second - xi * db) / b)

        return direction

    return factorise

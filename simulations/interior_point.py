"""The max-margin separator of a finite data set, with a certificate of optimality.

For examples a_i (label times input, one row each) the separator of largest margin kappa* = max_w min_i a_i.w / |w|
solves the quadratic program

    minimise |w|^2 / 2    subject to    A w >= 1.

``max_margin`` runs Mehrotra's predictor-corrector interior-point method (SIAM J. Optim. 2, 1992) in double precision.
Any w and any a >= 0, however found, bracket the answer (weak duality):

    min(A w) / |w|  <=  kappa*  <=  |A^T a| / sum(a)

so each solution carries its own proof: the relative width of that bracket is the ``gap``, and the angle between w and
the true separator is at most arccos(1 - gap).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

__all__ = ["Separator", "max_margin"]

MAX_ITERATIONS = 60
TARGET_GAP = 1e-11
ARMED_GAP = 1e-4  # below it, iterations that no longer improve the gap are stopped
POOR_STEP, POOR_GAIN = 0.1, 0.7  # a shorter step, or a gap that falls by less, makes the next direction exact
LATE_GAP = 1e-2
NUM_CORRECTIONS = 1  # steps of conjugate gradients per Newton direction
BOUNDARY = 0.995  # share of the way to the boundary that a step may take


Direction = Callable[[Array], tuple[Array, Array, Array]]  # complementarity aimed at -> dw, da, ds
Factorise = Callable[[Array, Array, Array, Array, Array], Direction]


class Separator(NamedTuple):
    """A separator and the bracket around the largest margin.

    Attributes:
        weights: separator w, shape (num_features,).
        margin: lower bound min(A w)/|w| on the largest margin, reached by ``weights``.
        margin_bound: upper bound on the largest margin.
        gap: 1 - margin / margin_bound; above 1 if ``weights`` do not separate the data.
        num_iterations: interior-point iterations.
    """

    weights: Array
    margin: Array
    margin_bound: Array
    gap: Array
    num_iterations: Array


class _State(NamedTuple):
    w: Array
    a: Array  # multipliers, > 0
    s: Array  # slacks, > 0
    best: Separator
    poor: Array  # whether the last step was short or gained little
    num_poor: Array
    num_idle: Array
    num_iterations: Array


def max_margin(examples: Array, *, num_dense: int | None = None) -> Separator:
    """The max-margin separator without bias of one data set.

    Args:
        examples: label times input, shape (num_examples, num_features), float64; rows of zeros are ignored.
        num_dense: examples whose products are formed in every iteration once the others have faded; default
            3/2 num_features.  It affects the speed only.

    Returns:
        The separator with its certificate; a gap of at most 1e-11 unless the data are not separable.

    Raises:
        ValueError: no examples or no features.

    Pure and traceable (jit, vmap, lax.map); call it under ``jax.enable_x64``.
    """
    num_examples, num_features = examples.shape
    if 0 in examples.shape:
        raise ValueError(f"examples must have at least one row and one column, got shape {examples.shape}")
    target = jnp.where(jnp.any(examples != 0, axis=1), 1.0, -1.0)  # 0.w >= -1 holds always: a row of zeros is inert
    solver = _dual_solver if num_examples <= num_features else _primal_solver
    factorise = solver(examples, num_dense or (3 * num_features) // 2)

    # dual feasible start along Hebb's rule: a constant, w = A^T a, and slacks moved inside
    a = jnp.where(target > 0, 1.0, 1e-3)
    w = a @ examples
    scale = jnp.sum(a * target) / jnp.maximum(w @ w, 1e-300)
    a, w = scale * a, scale * w
    s = examples @ w - target
    s = s + jnp.maximum(0.0, -1.5 * jnp.min(s)) + 0.1
    zero, never = jnp.zeros((), int), jnp.asarray(jnp.inf, s.dtype)
    start = _State(w, a, s, Separator(w, -never, never, never, zero), jnp.asarray(False), zero, zero, zero)

    def unfinished(state: _State) -> Array:
        return (state.best.gap > TARGET_GAP) & (state.num_idle < 4) & (state.num_iterations < MAX_ITERATIONS)

    def iterate(state: _State) -> _State:
        w, a, s = state.w, state.a, state.s
        fields = examples @ w
        primal, dual = fields - target - s, w - a @ examples
        mu = jnp.mean(a * s)
        direction = factorise(a, s, primal, dual, state.poor | (state.num_poor >= 2))

        # predictor: how far towards complementarity zero a pure Newton step gets decides how much to centre
        dw, da, ds = direction(-a * s)
        length = _step_length(a, da, s, ds, 1.0)
        mu_affine = jnp.mean((a + length * da) * (s + length * ds))
        sigma = jnp.clip(mu_affine / mu, 0.0, 1.0) ** 3
        dw, da, ds = direction(sigma * mu - a * s - da * ds)
        length = _step_length(a, da, s, ds, BOUNDARY)
        w, a, s = w + length * dw, a + length * da, s + length * ds

        found = _certify(examples, target, w, a)
        improved = found.gap < state.best.gap
        best = jax.tree.map(lambda new, old: jnp.where(improved, new, old), found, state.best)
        idle = jnp.where(improved, 0, state.num_idle + (state.best.gap < ARMED_GAP))
        late = state.best.gap < LATE_GAP  # before, the gap is no measure of progress
        poor = (length < POOR_STEP) | (late & (found.gap > POOR_GAIN * state.best.gap))
        return _State(w, a, s, best, poor, state.num_poor + poor, idle, state.num_iterations + 1)

    end = jax.lax.while_loop(unfinished, iterate, start)
    return end.best._replace(num_iterations=end.num_iterations)


def _certify(examples: Array, target: Array, w: Array, a: Array) -> Separator:
    """The bracket that w and a prove."""
    real = target > 0
    margin = jnp.min(jnp.where(real, examples @ w, jnp.inf)) / jnp.linalg.norm(w)
    a = jnp.where(real, a, 0.0)
    bound = jnp.linalg.norm(a @ examples) / jnp.sum(a)
    return Separator(w, margin, bound, 1 - margin / bound, jnp.zeros((), int))


def _step_length(a: Array, da: Array, s: Array, ds: Array, share: float) -> Array:
    """Longest step in (0, 1] that goes at most ``share`` of the way to a = 0 or s = 0."""
    reach = jnp.minimum(jnp.min(jnp.where(da < 0, -a / da, jnp.inf)), jnp.min(jnp.where(ds < 0, -s / ds, jnp.inf)))
    return jnp.minimum(1.0, share * reach)


def _primal_solver(examples: Array, num_dense: int) -> Factorise:
    """Newton directions through (1 + A^T D A) dw, D = a/s: more examples than features.

    Only the ``num_dense`` examples of largest weight, which soon include all that touch the margin, enter the matrix
    that is factorised.  The others point in all directions with small weights and are replaced by their isotropic
    mean; conjugate gradients on the exact system mend what this misses.  After a poor step all
    examples enter, after two from then on.
    """
    num_examples, num_features = examples.shape
    unit = jnp.eye(num_features)

    def product(rows: Array, weight: Array) -> Array:
        # lower triangle by blocks of columns: half of a symmetric product need not be formed
        weighted, half = weight[:, None] * rows, num_features // 2
        top = jnp.pad(rows[:, :half].T @ weighted[:, :half], ((0, 0), (0, num_features - half)))
        return jnp.concatenate([top, rows[:, half:].T @ weighted])

    def reduced(weight: Array) -> Array:
        if num_dense >= num_examples:
            return product(examples, weight) + unit
        top, which = jax.lax.top_k(weight, num_dense)
        rest = jnp.maximum(jnp.sum(weight) - jnp.sum(top), 0.0) / num_features
        return product(examples[which], top) + (1 + rest) * unit

    def factorise(a: Array, s: Array, primal: Array, dual: Array, poor: Array) -> Direction:
        weight = a / s
        matrix = jax.lax.cond(poor, lambda d: product(examples, d) + unit, reduced, weight)
        factor = (jax.lax.linalg.cholesky(matrix, symmetrize_input=False), True)

        def newton(v: Array) -> Array:
            return v + (weight * (examples @ v)) @ examples

        def solve(right: Array) -> Array:
            x = jax.scipy.linalg.cho_solve(factor, right)
            if num_dense >= num_examples:
                return x
            residual = right - newton(x)
            z = jax.scipy.linalg.cho_solve(factor, residual)
            p, energy = z, residual @ z
            for step in range(NUM_CORRECTIONS):
                image = newton(p)
                length = energy / jnp.maximum(p @ image, 1e-300)
                x = x + length * p
                if step + 1 < NUM_CORRECTIONS:
                    residual = residual - length * image
                    z = jax.scipy.linalg.cho_solve(factor, residual)
                    energy, previous = residual @ z, energy
                    p = z + energy / jnp.maximum(previous, 1e-300) * p
            return x

        def direction(complementarity: Array) -> tuple[Array, Array, Array]:
            pull = (complementarity - a * primal) / s
            dw = solve(pull @ examples - dual)
            ds = examples @ dw + primal
            return dw, (complementarity - a * ds) / s, ds

        return direction

    return factorise


def _dual_solver(examples: Array, num_dense: int) -> Factorise:
    """Newton directions through (A A^T + 1/D) da: at most as many examples as features."""
    gram = examples @ examples.T

    def factorise(a: Array, s: Array, primal: Array, dual: Array, poor: Array) -> Direction:
        factor = jax.scipy.linalg.cho_factor(gram + jnp.diag(s / a), lower=True)
        shift = examples @ dual - primal

        def direction(complementarity: Array) -> tuple[Array, Array, Array]:
            da = jax.scipy.linalg.cho_solve(factor, complementarity / a + shift)
            return da @ examples - dual, da, (complementarity - s * da) / a

        return direction

    return factorise

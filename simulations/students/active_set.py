"""The max-margin separator from its support vectors, found many at a time.

With multipliers a >= 0 and w = A^T a, the solution of min |w|^2/2 subject to A w >= 1 splits the examples: on the
support set F, A_F w = 1 and a_F > 0; elsewhere a = 0 and A w >= 1.  Given F, one linear system gives both:

    A_F A_F^T a_F = 1,    w = A_F^T a_F.

A block pivoting step (Portugal, Judice, Vicente, Math. Comp. 63, 1994; equal to the semi-smooth Newton method of
Hintermueller, Ito, Kunisch, SIAM J. Optim. 13, 2002) takes from F what has a <= 0 and adds what has A w < 1.  It ends
at the exact solution or, from a poor start, not at all; the certificate tells.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from simulations.students.separator import TARGET_GAP, Separator, bracket
from simulations.students.symmetric_product import lower_product

__all__ = ["pivot"]

RIDGE = 1e-12  # of the largest |a_i|^2, on the diagonal: keeps the matrix definite where examples are dependent
NUM_REFINEMENTS = 2  # each shrinks what the ridge changes by RIDGE over the smallest eigenvalue
INSIDE = 1 - TARGET_GAP / 4  # an example whose field is this large does not violate its constraint


class _State(NamedTuple):
    priority: Array  # of the examples for a place in the support set, positive for candidates, float32
    best: Separator
    num_steps: Array
    finite: Array


def pivot(examples: Array, priority: Array, known: Separator, max_steps: int | Array) -> Separator:
    """Exchange support vectors until the certificate holds.

    Args:
        examples: rows A, shape (num_examples, num_features), float64; rows of zeros are ignored.
        priority: first support set: the at most num_features examples of largest positive priority, shape
            (num_examples,), float32.
        known: separator known so far; if it has a certificate, nothing is done.
        max_steps: number of linear systems that may be solved.

    Returns:
        The best separator, of those found and the known one; ``num_iterations`` adds up.
    """
    real = jnp.any(examples != 0, axis=1)
    restricted = _restricted_solver(examples)

    def unfinished(state: _State) -> Array:
        return (state.best.gap > TARGET_GAP) & (state.num_steps < max_steps) & state.finite

    def step(state: _State) -> _State:
        a, w = restricted(state.priority)
        fields = examples @ w
        positive = jnp.maximum(a, 0.0)
        found = bracket(real, w, fields, positive, positive @ examples)
        better = found.gap < state.best.gap
        best = jax.tree.map(lambda new, old: jnp.where(better, new, old), found, state.best)
        # those that stay come first, then the most violated: there may be more than places
        violation = jnp.where(real & (fields < INSIDE), 1 - fields, 0.0)
        priority = jnp.where(a > 0, 2.0, violation / jnp.max(violation))
        return _State(priority.astype(jnp.float32), best, state.num_steps + 1, jnp.all(jnp.isfinite(w)))

    start = _State(jnp.where(real, priority, 0.0), known, jnp.zeros((), int), jnp.asarray(True))
    end = jax.lax.while_loop(unfinished, step, start)
    return end.best._replace(num_iterations=known.num_iterations + end.num_steps)


def _restricted_solver(examples: Array) -> Callable[[Array], tuple[Array, Array]]:
    """From the priorities to a and w of the support set that they choose."""
    num_examples, num_features = examples.shape
    ridge = RIDGE * jnp.max(jnp.sum(examples**2, axis=1))
    few = num_examples <= num_features
    gram = lower_product(examples.T) if few else None

    def solve(priority: Array) -> tuple[Array, Array]:
        if gram is not None:
            inside = priority > 0
            rows, matrix = examples, jnp.where(inside[:, None] & inside, gram, 0.0)
            which = None
        else:
            top, which = jax.lax.top_k(priority, num_features)
            inside = top > 0
            rows = jnp.where(inside[:, None], examples[which], 0.0)
            matrix = lower_product(rows.T)
        diagonal = jnp.diag(jnp.where(inside, ridge, 1.0))
        factor = jax.lax.linalg.cholesky(matrix + diagonal, symmetrize_input=False)
        # w is mended by itself: summed anew from multipliers that are large and cancel, it would be less accurate
        a, w = jnp.zeros(len(rows), rows.dtype), jnp.zeros(num_features, rows.dtype)
        for _ in range(1 + NUM_REFINEMENTS):
            residual = jnp.where(inside, 1 - rows @ w, 0.0)
            change = jnp.where(inside, jax.scipy.linalg.cho_solve((factor, True), residual), 0.0)
            a, w = a + change, w + change @ rows
        return a if which is None else jnp.zeros(num_examples, a.dtype).at[which].set(a), w

    return solve

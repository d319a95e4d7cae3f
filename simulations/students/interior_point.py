"""The max-margin separator of a finite data set, with a certificate of optimality: ``max_margin``.

For examples a_i (label times input, one row each) the separator of largest margin solves the quadratic program

    minimise |w|^2 / 2    subject to    A w >= 1.

Three methods share the work, and the first two may fail without harm, because every answer is judged by its
certificate (``separator``):

1. Mehrotra's predictor-corrector interior-point method (SIAM J. Optim. 2, 1992) in single precision comes close
   enough to tell the support vectors from the rest.  Halfway, the rows far from the margin are left out.
2. Block pivoting (``active_set``) in double precision, over all rows, mends the few that were told wrong, and solves
   for the rest exactly.  With at most as many examples as features it needs no start.
3. The interior-point method in double precision, over all rows, takes on what is left without a certificate: from
   where single precision ended, which takes some five steps, and if that fails from the beginning.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from simulations.students.active_set import pivot
from simulations.students.separator import TARGET_GAP, Separator, bracket, unknown_separator
from simulations.students.symmetric_product import lower_product

__all__ = ["Separator", "max_margin", "quick_max_margin"]

MAX_ITERATIONS = 60
IDENTIFIED_GAP = 1e-5  # below it, block pivoting seldom needs more than two steps
USEFUL_GAP = 3e-2  # above it, block pivoting is not tried
MAX_PIVOTS, MAX_PIVOTS_FROM_NOTHING = 4, 16
NEAR_GAP = 0.1  # below it, the support vectors are among the NEAR_ROWS examples per feature of largest a/s
NEAR_ROWS = 2
ARMED_GAP = 1e-3  # below it, iterations that no longer improve the gap are stopped
PATIENCE, PATIENCE_SINGLE = 4, 2
BOUNDARY = 0.995  # share of the way to the boundary that a step may take


Direction = Callable[[Array], tuple[Array, Array, Array]]  # complementarity aimed at -> dw, da, ds
Factorise = Callable[[Array, Array, Array, Array], Direction]


class _State(NamedTuple):
    w: Array
    a: Array  # multipliers, > 0
    s: Array  # slacks, > 0
    fields: Array  # A w
    pull: Array  # A^T a
    best: Separator
    num_idle: Array


def max_margin(examples: Array) -> Separator:
    """The max-margin separator without bias of one data set.

    Args:
        examples: label times input, shape (num_examples, num_features), float64; rows of zeros are ignored.

    Returns:
        The separator with its certificate; a gap of at most 1e-11 unless the data are not separable.

    Raises:
        ValueError: no examples or no features.

    Pure and traceable (jit, vmap, lax.map); call it under ``jax.enable_x64``.
    """
    with jax.default_matmul_precision("highest"):
        quick, identified = _quick_max_margin(examples)
        cold = _hebb(examples)
        starts = [cold] if identified is None else [_over_all_rows(examples, identified), cold]

        def attempt(known: Separator, start: _State) -> tuple[Separator, None]:
            best = start.best._replace(num_iterations=known.num_iterations)
            num_idle = jnp.where(known.gap <= TARGET_GAP, PATIENCE, 0)  # no iterations where there is a certificate
            start = start._replace(best=best, num_idle=num_idle)
            last = _interior_point(examples, start, TARGET_GAP, PATIENCE).best
            better = last.gap < known.gap
            best = jax.tree.map(lambda new, old: jnp.where(better, new, old), last, known)
            return best._replace(num_iterations=last.num_iterations), None

        return jax.lax.scan(attempt, quick, jax.tree.map(lambda *each: jnp.stack(each), *starts))[0]


def quick_max_margin(examples: Array) -> Separator:
    """``max_margin`` without the third method, which is seldom needed and a third of what is compiled.

    Args and raises: as ``max_margin``.

    Returns:
        The separator with its certificate; where the gap exceeds 1e-11, ``max_margin`` may know better.
    """
    with jax.default_matmul_precision("highest"):  # else some accelerators round what is multiplied
        return _quick_max_margin(examples)[0]


class _Identified(NamedTuple):
    """Where the interior-point method ended in single precision."""

    state: _State  # of some rows, in units in which the largest entry of the data is 1
    which: Array  # numbers of these rows
    unit: Array

    @property
    def priority(self) -> Array:
        """a/s of the rows that seem to be support vectors, and zero."""
        weight, typical = self.state.a / self.state.s, jnp.mean(self.state.a) / jnp.mean(self.state.s)
        return jnp.where(weight > typical, weight, 0.0)


def _quick_max_margin(examples: Array) -> tuple[Separator, _Identified | None]:
    if jnp.ndim(examples) != 2 or not jnp.issubdtype(jnp.result_type(examples), jnp.floating):
        raise ValueError(
            "examples must be floating-point numbers of shape (num_examples, num_features), got "
            f"{jnp.result_type(examples)} of shape {jnp.shape(examples)}"
        )
    num_examples, num_features = examples.shape
    if 0 in examples.shape:
        raise ValueError(f"examples must have at least one row and one column, got shape {examples.shape}")
    if num_examples <= num_features:
        everything = jnp.ones(num_examples, jnp.float32)
        return pivot(examples, everything, unknown_separator(examples[0]), MAX_PIVOTS_FROM_NOTHING), None
    found = _identify(examples)
    best = found.state.best
    priority = jnp.zeros(num_examples, jnp.float32).at[found.which].set(found.priority)
    known = unknown_separator(examples[0])._replace(num_iterations=best.num_iterations)
    return pivot(examples, priority, known, jnp.where(best.gap < USEFUL_GAP, MAX_PIVOTS, 0)), found


def _identify(examples: Array) -> _Identified:
    """Support vectors told by the interior-point method in single precision; the certificate is for the rows near."""
    num_examples, num_features = examples.shape
    num_near = NEAR_ROWS * num_features
    unit = jnp.maximum(jnp.max(jnp.abs(examples)), 1e-300)  # lengths in units of the largest entry cannot overflow
    rows, which = (examples / unit).astype(jnp.float32), jnp.arange(num_examples)
    state = _hebb(rows)
    if num_near < num_examples:
        state = _interior_point(rows, state, NEAR_GAP, PATIENCE_SINGLE)
        _, which = jax.lax.top_k(state.a / state.s, num_near)
        rows, a, s = rows[which], state.a[which], state.s[which]
        best = unknown_separator(state.w)._replace(num_iterations=state.best.num_iterations)
        state = _State(state.w, a, s, state.fields[which], a @ rows, best, state.num_idle)
    state = _interior_point(rows, state, IDENTIFIED_GAP, PATIENCE_SINGLE)
    return _Identified(state, which, unit)


def _over_all_rows(examples: Array, found: _Identified) -> _State:
    """The state at the end of single precision as a start in double precision, over all rows.

    Rows that were left out are as near to complementarity as the others; where they are violated, their slack is moved
    inside.
    """

    def double(values: Array) -> Array:
        return values.astype(examples.dtype)

    w = double(found.state.w) / found.unit
    a, s = double(found.state.a) / found.unit / found.unit, double(found.state.s)
    mu, fields = jnp.mean(a * s), examples @ w
    inside = jnp.sqrt(jnp.sum(a * s)) / jnp.linalg.norm(w)  # root of the relative gap
    slacks = jnp.maximum(fields - _target(examples), inside).at[found.which].set(s)
    multipliers = (mu / slacks).at[found.which].set(a)
    pull = multipliers @ examples
    return _State(w, multipliers, slacks, fields, pull, unknown_separator(w), jnp.zeros((), int))


def _hebb(examples: Array) -> _State:
    """A start along Hebb's rule: a constant, w = A^T a, which is dual feasible, and slacks moved inside."""
    target = _target(examples)
    a = jnp.where(target > 0, 1.0, 1e-3).astype(examples.dtype)
    w = a @ examples
    scale = jnp.sum(a * target) / jnp.maximum(w @ w, jnp.finfo(w.dtype).tiny)
    a, w = scale * a, scale * w
    fields = examples @ w
    s = fields - target
    s = s + jnp.maximum(0.0, -1.5 * jnp.min(s)) + 0.1
    return _State(w, a, s, fields, w, unknown_separator(w), jnp.zeros((), int))


def _target(examples: Array) -> Array:
    """Least field of each row: 1, or -1 for a row of zeros, which 0.w always exceeds."""
    return jnp.where(jnp.any(examples != 0, axis=1), 1.0, -1.0).astype(examples.dtype)


def _interior_point(examples: Array, start: _State, target_gap: float, patience: int) -> _State:
    """Predictor-corrector steps until the gap is small or has not improved ``patience`` times."""
    num_examples, num_features = examples.shape
    factorise = (_dual_solver if num_examples <= num_features else _primal_solver)(examples)
    target = _target(examples)

    def unfinished(state: _State) -> Array:
        more = (state.num_idle < patience) & (state.best.num_iterations - num_before < MAX_ITERATIONS)
        return (state.best.gap > target_gap) & more

    def iterate(state: _State) -> _State:
        w, a, s = state.w, state.a, state.s
        mu = jnp.mean(a * s)
        direction = factorise(a, s, state.fields - target - s, w - state.pull)

        # predictor: how far towards complementarity zero a pure Newton step gets decides how much to centre
        dw, da, ds = direction(-a * s)
        length = _step_length(a, da, s, ds, 1.0)
        mu_affine = jnp.mean((a + length * da) * (s + length * ds))
        sigma = jnp.clip(mu_affine / mu, 0.0, 1.0) ** 3
        dw, da, ds = direction(sigma * mu - a * s - da * ds)
        length = _step_length(a, da, s, ds, BOUNDARY)
        w, a, s = w + length * dw, a + length * da, s + length * ds

        fields, pull = examples @ w, a @ examples
        found = bracket(target > 0, w, fields, a, pull)
        improved = found.gap < state.best.gap
        count = state.best.num_iterations + 1
        best = jax.tree.map(lambda new, old: jnp.where(improved, new, old), found, state.best)
        best = best._replace(num_iterations=count)
        num_idle = jnp.where(improved, 0, state.num_idle + (state.best.gap < ARMED_GAP))
        moved = _State(w, a, s, fields, pull, best, num_idle)
        stuck = state._replace(best=best, num_idle=jnp.asarray(patience, num_idle.dtype))
        sound = jnp.isfinite(found.gap)  # else rounding has made the matrix indefinite
        return jax.tree.map(lambda new, old: jnp.where(sound, new, old), moved, stuck)

    num_before = start.best.num_iterations
    return jax.lax.while_loop(unfinished, iterate, start)


def _step_length(a: Array, da: Array, s: Array, ds: Array, share: float) -> Array:
    """Longest step in (0, 1] that goes at most ``share`` of the way to a = 0 or s = 0."""
    reach = jnp.minimum(jnp.min(jnp.where(da < 0, -a / da, jnp.inf)), jnp.min(jnp.where(ds < 0, -s / ds, jnp.inf)))
    return jnp.minimum(1.0, share * reach)


def _primal_solver(examples: Array) -> Factorise:
    """Newton directions through (1 + A^T D A) dw, D = a/s: more examples than features."""
    unit = jnp.eye(examples.shape[1], dtype=examples.dtype)

    def factorise(a: Array, s: Array, primal: Array, dual: Array) -> Direction:
        factor = jax.lax.linalg.cholesky(lower_product(examples, a / s) + unit, symmetrize_input=False)

        def direction(complementarity: Array) -> tuple[Array, Array, Array]:
            pull = (complementarity - a * primal) / s
            dw = jax.scipy.linalg.cho_solve((factor, True), pull @ examples - dual)
            ds = examples @ dw + primal
            return dw, (complementarity - a * ds) / s, ds

        return direction

    return factorise


def _dual_solver(examples: Array) -> Factorise:
    """Newton directions through (A A^T + 1/D) da: at most as many examples as features."""
    gram = lower_product(examples.T)

    def factorise(a: Array, s: Array, primal: Array, dual: Array) -> Direction:
        factor = jax.lax.linalg.cholesky(gram + jnp.diag(s / a), symmetrize_input=False)
        shift = examples @ dual - primal

        def direction(complementarity: Array) -> tuple[Array, Array, Array]:
            da = jax.scipy.linalg.cho_solve((factor, True), complementarity / a + shift)
            return da @ examples - dual, da, (complementarity - s * da) / a

        return direction

    return factorise

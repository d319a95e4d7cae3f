"""The student that separates the kept examples best, and so up to what load a max-margin student exists.

Where labels are flipped the kept examples may not be separable.  A margin k >= 0 exists where
alpha_prune <G(-m.u)> <= 1 for some in-plane part m of the student, so the data are separable up to
alpha_c = 1 / min_m <G(-m.u)>, a convex problem (Candes and Sur 2020 derive the same threshold for
logistic regression).
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from perceptron_theory.solver.margin_search import MAX_STEPS, move
from perceptron_theory.solver.max_margin import averages, select
from perceptron_theory.solver.quadrature import Frame, Strips

__all__ = ["Separation", "most_separating"]


class Separation(NamedTuple):
    """The student that separates best; scalars."""

    r: Array
    omega: Array
    violation: Array  # <G> at margin 0: the data are separable for alpha_prune < 1 / violation
    converged: Array


class _Descent(NamedTuple):
    r: Array
    omega: Array
    violation: Array
    along: Array  # Newton step
    across: Array
    stride: Array
    trial_r: Array
    trial_omega: Array
    settled: Array
    num_steps: Array


def most_separating(
    strips: Strips, theta: Array, start_r: Array, start_omega: Array, enough: Array, *, aligned: bool
) -> Separation:
    """Minimise <G(-m.u)> over the in-plane part m of the student, by Newton's method with backtracking.

    Args:
        strips: what is kept.
        theta: angle between probe and teacher in radians, scalar.
        start_r: length of the first student tried, scalar > 0.
        start_omega: its angle to the teacher; off the axis where a rule looks at the label: the student may have to
            turn away from the teacher, and on the axis nothing at theta = 0 says to which side.
        enough: the search also ends where <G> is below this, scalar.
        aligned: as ``maximise_margin``.
    """
    zero = jnp.zeros_like(start_r)

    def turn(state: _Descent) -> _Descent:
        r, omega = state.trial_r, state.trial_omega
        frame = Frame.of(theta, omega)
        mean = averages(strips._replace(origin=zero), theta, r, omega, zero, aligned=aligned)
        tt, tu, uu = mean.g2_dd / r**2, -mean.g2_du / r, mean.g2_uu
        det = tt * uu - tu * tu
        first = mean.g1_t / tt if aligned else (uu * mean.g1_t - tu * mean.g1_u) / det
        second = zero if aligned else (tt * mean.g1_u - tu * mean.g1_t) / det
        cosine, sine = jnp.where(frame.probe, frame.cos_psi, 0.0), jnp.where(frame.probe, frame.sin_psi, 1.0)
        decrement = first * mean.g1_t + second * mean.g1_u
        lower = mean.g0 <= state.violation * (1 + 1e-14)
        here = state._replace(
            r=r,
            omega=omega,
            violation=mean.g0,
            along=first + cosine * second,
            across=sine * second,
            stride=jnp.minimum(1.0, 4 * state.stride),
            settled=(decrement < 1e-14 * mean.g0) | (mean.g0 < enough),
        )
        best = select(lower, here, state._replace(stride=0.25 * state.stride))
        limit = jnp.minimum(
            0.9 * best.r / jnp.maximum(-best.along, 1e-300), 10 * best.r / jnp.hypot(best.along, best.across)
        )
        stride = jnp.minimum(best.stride, limit)
        trial_r, trial_omega = move(best.r, best.omega, stride * best.along, stride * best.across)
        stuck = best.stride < 1e-8  # rounding: the value cannot be lowered any more
        return best._replace(
            trial_r=trial_r, trial_omega=trial_omega, settled=best.settled | stuck, num_steps=state.num_steps + 1
        )

    start = _Descent(
        r=start_r,
        omega=start_omega,
        violation=zero + jnp.inf,
        along=zero,
        across=zero,
        stride=zero + 1.0,
        trial_r=start_r,
        trial_omega=start_omega,
        settled=jnp.zeros_like(start_r, dtype=bool),
        num_steps=jnp.zeros_like(start_r, dtype=int),
    )
    end = jax.lax.while_loop(lambda s: ~s.settled & (s.num_steps < MAX_STEPS), turn, start)
    return Separation(end.r, end.omega, end.violation, end.settled)

"""The student that separates the kept examples best, and so up to what load a max-margin student exists.

Where labels are flipped the kept examples may not be separable.  A margin k >= 0 exists where
alpha_prune <G(-m.u)> <= 1 for some in-plane part m of the student, so the data are separable up to
alpha_c = 1 / min_m <G(-m.u)>, a convex problem (Candes and Sur 2020 derive the same threshold for
logistic regression).  Where features are hidden the 1 is 1 - m.K m (``max_margin``), and the ratio of the two is
lowered by Newton steps for <G> - c (1 - m.K m), with c the lowest ratio so far (Dinkelbach 1967).
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from perceptron_theory.features import Hidden
from perceptron_theory.solver.margin_search import MAX_STEPS, move
from perceptron_theory.solver.max_margin import Held, averages, second_axis, select
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
    strips: Strips,
    theta: Array,
    start_r: Array,
    start_omega: Array,
    enough: Array,
    features: Hidden | None = None,
    *,
    aligned: bool,
) -> Separation:
    """Minimise <G(-m.u)> over the in-plane part m of the student, by Newton's method with backtracking.

    Args:
        strips: what is kept.
        theta: angle between probe and teacher in radians, scalar.
        start_r: length of the first student tried, scalar > 0.
        start_omega: its angle to the teacher; off the axis where a rule looks at the label: the student may have to
            turn away from the teacher, and on the axis nothing at theta = 0 says to which side.
        enough: the search also ends where <G> is below this, scalar.
        features: what is hidden from the student; None where it sees all features.
        aligned: as ``maximise_margin``.
    """
    zero = jnp.zeros_like(start_r)

    def turn(state: _Descent) -> _Descent:
        r, omega = state.trial_r, state.trial_omega
        frame = Frame.of(theta, omega)
        mean = averages(strips._replace(origin=zero), theta, r, omega, zero, aligned=aligned)
        tt, tu, uu = mean.g2_dd / r**2, -mean.g2_du / r, mean.g2_uu
        pull_t, pull_u, violation = mean.g1_t, mean.g1_u, mean.g0
        if features is not None:
            # per 2 c in place of 2 / (alpha <G'>), with which Held comes
            held = Held.of(features, 1 / mean.g1, frame, r, mean)
            violation = mean.g0 / jnp.where(held.share < 1, 1 - held.share, jnp.nan)
            c = jnp.where(jnp.isfinite(violation), violation, 1.0)
            tt, tu, uu = tt + c * held.along, tu + c * held.mixed, uu + c * held.second
            pull_t, pull_u = pull_t - c * r * held.along, pull_u - c * r * held.mixed
        det = tt * uu - tu * tu
        first = pull_t / tt if aligned else (uu * pull_t - tu * pull_u) / det
        second = zero if aligned else (tt * pull_u - tu * pull_t) / det
        cosine, sine = second_axis(frame)
        decrement = first * pull_t + second * pull_u
        lower = violation <= state.violation * (1 + 1e-14)
        here = state._replace(
            r=r,
            omega=omega,
            violation=violation,
            along=first + cosine * second,
            across=sine * second,
            stride=jnp.minimum(1.0, 4 * state.stride),
            settled=(decrement < 1e-14 * mean.g0) | (violation < enough),
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

    if features is not None:  # shorter than where nothing of the student would be free
        start_r = jnp.minimum(start_r, 0.7 / jnp.sqrt(jnp.maximum(jnp.maximum(features.along, features.across), 1e-6)))
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

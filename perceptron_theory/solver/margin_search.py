"""The search for the max-margin student: a climb that always arrives; the mathematics is in ``max_margin``."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from perceptron_theory.features import Hidden
from perceptron_theory.solver.continuation import ON_CONSTRAINT, RESTLESS, SETTLED, newton_from
from perceptron_theory.solver.max_margin import (
    Averages,
    Held,
    averages,
    equations,
    excess_of,
    log_error,
    mean_fields,
    select,
    slope_of,
)
from perceptron_theory.solver.quadrature import Frame, Strips

__all__ = ["MAX_STEPS", "SaddlePoint", "maximise_margin", "move"]

MAX_STEPS = 300


class SaddlePoint(NamedTuple):
    """Solution of one point; scalars.  r, omega, k as in ``max_margin``."""

    r: Array
    omega: Array
    k: Array
    residual: Array  # largest relative residual of the three equations
    converged: Array
    num_steps: Array  # quadratures used


class _Model(NamedTuple):
    """Quadratic model of the margin at a student, and the Newton step that it suggests (scalars)."""

    x_along: Array  # derivative of x along the student
    x_across: Array
    x_curve: Array  # step.(Hessian of x).step for the full Newton step
    step_along: Array
    step_across: Array
    gain: Array  # increase of log kappa that the full step promises


def _model(
    origin: Array,
    theta: Array,
    r: Array,
    omega: Array,
    x: Array,
    mean: Averages,
    held: Held | None,
    *,
    aligned: bool,
) -> _Model:
    frame = Frame.of(theta, omega)
    slope = slope_of(origin, frame, r, x, mean, held)
    n = 1 + r * r
    k = x + r * frame.cos_psi * origin
    d_mean, _, u_mean = mean_fields(r, mean, held)
    # curvature of k: <G'' (f - <f>)(g - <g>)> / <G'> for the fields t = (x - d)/r and u; k is concave
    tt = (mean.g2_dd - 2 * d_mean * mean.g2_d + d_mean * d_mean * mean.g2) / (r * r * mean.g1)
    tu = -(mean.g2_du - d_mean * mean.g2_u - u_mean * mean.g2_d + d_mean * u_mean * mean.g2) / (r * mean.g1)
    uu = (mean.g2_uu - 2 * u_mean * mean.g2_u + u_mean * u_mean * mean.g2) / mean.g1
    if held is not None:
        tt, tu, uu = tt + held.along, tu + held.mixed, uu + held.second
    # curvature of kappa sqrt n
    weight = k / n
    a = tt + weight / n
    b = tu + weight * slope.cosine / n
    d = uu + weight * (slope.sine**2 + slope.cosine**2 / n)
    if aligned:
        first, second = slope.along / a, jnp.zeros_like(a)
    else:
        det = a * d - b * b
        first = (d * slope.along - b * slope.second) / det
        second = (a * slope.second - b * slope.along) / det
    # gradient of x across the student from that along the second axis
    across = (slope.x_second - slope.cosine * slope.x_along) / slope.sine
    return _Model(
        x_along=slope.x_along,
        x_across=jnp.zeros_like(across) if aligned else across,
        x_curve=-(tt * first * first + 2 * tu * first * second + uu * second * second),
        step_along=first + slope.cosine * second,
        step_across=slope.sine * second,
        gain=0.5 * (slope.along * first + slope.second * second) / k,
    )


class _Search(NamedTuple):
    """State of the search: the best student so far with its model, and the trial to be evaluated next."""

    r: Array
    omega: Array
    x: Array
    origin: Array  # x and the model are relative to it
    height: Array  # kappa - origin; -inf before the first
    model: _Model
    stride: Array  # fraction of the Newton step to take at most
    taken: Array  # fraction that the trial takes
    trial_r: Array
    trial_omega: Array
    trial_x: Array
    trial_origin: Array
    residual: Array
    num_quiet: Array  # accepted students in a row whose next step would change the error by less than RESTLESS
    settled: Array
    num_steps: Array


def move(r: Array, omega: Array, along: Array, across: Array) -> tuple[Array, Array]:
    """The student displaced along and across itself."""
    return jnp.hypot(r + along, across), omega + jnp.arctan2(across, r + along)


def maximise_margin(
    alpha_prune: Array,
    strips: Strips,
    theta: Array,
    mean_bound: Array,
    start_r: Array,
    start_omega: Array,
    longest: Array,
    near_r: Array,
    near_x: Array,
    features: Hidden | None = None,
    *,
    aligned: bool,
) -> SaddlePoint:
    """Solve the saddle-point equations of one point.

    Args:
        alpha_prune: kept examples per parameter, scalar.
        strips: what is kept.
        theta: angle between probe and teacher in radians, scalar.
        mean_bound: upper bound on the mean over kept examples of any field, scalar.
        start_r: length of the first student tried.
        start_omega: its angle to the teacher.
        longest: if that one has no positive margin, longer ones up to this length are tried.
        near_r: length of the student of a point nearby, 0 where none is known; it is tried first if ``aligned``.
        near_x: its margin minus its field at the origin there; whatever these are, the answer is the same.
        features: what is hidden from the student; None where it sees all features.
        aligned: theta is exactly 0, and the rule does not look at the label.
    """
    zero = jnp.zeros_like(alpha_prune)
    none = jnp.zeros_like(alpha_prune, dtype=bool)

    def high_margin(r: Array) -> Array:
        """A k beyond the constraint: <G(k - r t)> >= G(k - r <t>) by Jensen, and G(c) >= (1 + c^2)/2."""
        return r * mean_bound + jnp.sqrt(2 / alpha_prune)

    def turn(search: _Search) -> _Search:
        r, omega, origin = search.trial_r, search.trial_omega, search.trial_origin
        strips_here = strips._replace(origin=origin)
        mean = averages(strips_here, theta, r, omega, search.trial_x, aligned=aligned)
        at_origin = r * jnp.cos(theta - omega) * origin
        held = None
        if features is not None:
            held = Held.of(features, alpha_prune, Frame.of(theta, omega), r, mean)
        excess = excess_of(alpha_prune, mean, held)
        # x is the root of an increasing function: from below Newton on log <G>, from above on sqrt <G>, which is
        # convex, so that from there the iteration falls monotonically on the root
        correction = jnp.where(excess < 0, -excess, 2 * jnp.expm1(-0.5 * excess)) * mean.g0 / mean.g1
        correction = jnp.where(mean.g0 > 0, correction, high_margin(r) - at_origin - search.trial_x)
        x = search.trial_x + correction
        k = x + at_origin
        # kappa - origin without cancellation: for easy examples kappa can differ from origin in the ninth digit
        n = 1 + r * r
        cos_psi, sin_psi = jnp.cos(theta - omega), jnp.sin(theta - omega)
        above = x / jnp.sqrt(n)
        below = origin * (1 + (r * sin_psi) ** 2) / (jnp.sqrt(n) * (jnp.sqrt(n) + r * cos_psi))
        height = jnp.where(k > 0, above - below, -jnp.inf)
        model = _model(origin, theta, r, omega, x, mean, held, aligned=aligned)
        # far from the top x need not be exact: its error moves log kappa by much less than the steps are to gain
        gain = jnp.minimum(jnp.abs(search.model.gain), jnp.abs(model.gain))
        slack = (
            1e-3 * jnp.sqrt(jnp.where(jnp.isfinite(gain), jnp.minimum(gain, 1.0), 0.0)) * jnp.minimum(jnp.abs(k), 1.0)
        )
        slack = slack * jnp.minimum(r, 1.0)  # the slope along a short student is a small difference
        on_constraint = jnp.abs(excess) < jnp.maximum(ON_CONSTRAINT, slack)
        beyond = none if held is None else held.share >= 1  # no student has such a part in the plane
        # near the top kappa is flat to rounding: there the Newton step itself is the better judge
        climbed = height - search.height + (origin - search.origin)
        higher = climbed > -1e-12 * (jnp.abs(above) + jnp.abs(below))
        accept = on_constraint & higher & jnp.isfinite(height) & jnp.isfinite(model.gain)

        after = log_error(*move(r, omega, model.step_along, model.step_across))
        change = jnp.abs(after - log_error(r, omega))
        exact = jnp.abs(excess) < 1e3 * ON_CONSTRAINT
        num_quiet = jnp.where((change < RESTLESS) & exact, search.num_quiet + 1, 0)
        balance = equations(alpha_prune, strips_here, theta, r, omega, search.trial_x, mean, held)
        found = search._replace(
            r=r,
            omega=omega,
            x=x,
            origin=origin,
            height=height,
            model=model,
            stride=jnp.minimum(1.0, 4 * search.stride),
            residual=jnp.max(jnp.abs(balance[: 2 if aligned else 3])),
            num_quiet=num_quiet,
            settled=((change < SETTLED) & exact) | (num_quiet >= 3),
        )
        best = select(accept, found, search._replace(stride=0.25 * search.taken))
        # the student keeps its side, and its length changes by at most a factor of about thirty a step
        along, across = best.model.step_along, best.model.step_across
        limit = jnp.minimum(0.97 * best.r / jnp.maximum(-along, 1e-300), 30 * best.r / jnp.hypot(along, across))
        stride = jnp.minimum(best.stride, limit)
        along, across = stride * along, stride * across
        trial_r, trial_omega = move(best.r, best.omega, along, across)
        trial_x = best.x + best.model.x_along * along + best.model.x_across * across
        trial_x = trial_x + 0.5 * stride**2 * best.model.x_curve
        # measure the margin from the lowest |z| kept where that edge is what holds the student back
        k = trial_x + trial_r * jnp.cos(theta - trial_omega) * best.origin
        edge = trial_r * jnp.cos(theta - trial_omega) * strips.origin
        origin = jnp.where(k > 0.5 * edge, strips.origin, 0.0)
        trial_x = jnp.where(origin == best.origin, trial_x, k - jnp.where(origin > 0, edge, 0.0))
        outer = best._replace(
            trial_r=trial_r, trial_omega=trial_omega, trial_x=trial_x, trial_origin=origin, taken=stride
        )
        chosen = select(on_constraint | beyond, outer, search._replace(trial_x=x))
        # the search starts from a student of positive margin: if alpha <G> > 1 at k = 0, try a longer one
        too_short = jnp.isneginf(search.height) & (search.trial_x == 0) & (excess >= 0)
        longer = search._replace(trial_r=jnp.minimum(8 * r, longest))
        chosen = select(too_short & (r < longest), longer, chosen)
        return chosen._replace(num_steps=search.num_steps + 1)

    start = _Search(
        r=start_r,
        omega=start_omega,
        x=zero,
        origin=zero,
        height=zero - jnp.inf,
        model=_Model(zero, zero, zero, zero, zero, zero + 1.0),
        stride=zero + 1.0,
        taken=zero + 1.0,
        trial_r=start_r,
        trial_omega=start_omega,
        trial_x=zero,
        trial_origin=zero,
        residual=zero + jnp.inf,
        num_quiet=jnp.zeros_like(alpha_prune, dtype=int),
        settled=none,
        num_steps=jnp.zeros_like(alpha_prune, dtype=int),
    )
    by_newton = None
    if aligned and strips.flipped is None and features is None:
        by_newton = newton_from(alpha_prune, strips, near_r, near_x)
        start = start._replace(settled=by_newton.converged, num_steps=by_newton.num_steps)
    end = jax.lax.while_loop(lambda s: ~s.settled & (s.num_steps < MAX_STEPS), turn, start)
    k = end.x + end.r * jnp.cos(theta - end.omega) * end.origin
    found = SaddlePoint(end.r, end.omega, k, end.residual, end.settled, end.num_steps)
    if by_newton is None:
        return found
    nearby = found._replace(r=by_newton.r, omega=zero, k=by_newton.k, residual=by_newton.residual)
    return select(by_newton.converged, nearby, found)

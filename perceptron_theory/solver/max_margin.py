"""The max-margin student: its saddle point, and a Newton method that always finds it.

The student is w = (A, B, 1): components along the teacher and along the rest of the probe, and a unit part outside
their plane; k is its margin in these units.  With G(d) = E_g (d - g)_+^2, g a standard normal, and <.> the average
over kept examples of label +1, the largest margin kappa = k / sqrt(1 + A^2 + B^2) solves (Gardner 1988; Sorscher et
al. 2022, appendix; here by Gordon's inequality)

    maximise kappa over (A, B)    subject to    alpha_prune <G(k - A p - B q)> = 1.

The constraint set is convex because G is convex, and kappa >= c is convex for c > 0, so there is one stationary point
and it is the answer: any method that climbs gets there.  In polar coordinates (A, B) = r (cos omega, sin omega), with
t and v the example's fields along and across the student, stationarity reads

    alpha_prune <G> = 1        n <G' t> = k r <G'>        <G' v> = 0        n = 1 + r^2, d = k - r t.

``maximise_margin`` climbs kappa with Dinkelbach's trick for ratios (Management Science 13, 1967): on the constraint
k is a concave function of (A, B), so with c the largest kappa so far k - c sqrt n is concave too, its Newton direction
always points uphill, and wherever it is positive kappa is larger than c.  At the top its Newton step is that of
kappa itself, so the convergence is quadratic.  k is found by a monotone Newton iteration inside the same loop; each
turn of the loop costs one quadrature.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from perceptron_theory.solver import quadrature
from perceptron_theory.solver.quadrature import Frame, Strips, kept_lines, normal_cdf, normal_pdf, once

__all__ = [
    "MAX_STEPS",
    "Averages",
    "Conditions",
    "SaddlePoint",
    "across_moments",
    "averages",
    "conditions",
    "equations",
    "log_error",
    "maximise_margin",
    "move",
    "select",
]

MAX_STEPS = 300
ON_CONSTRAINT = 1e-13  # |log(alpha <G>)| that always counts as on the constraint
SETTLED = 1e-13  # relative change of the error that the next Newton step would make, below which the search ends
RESTLESS = 5e-11  # the same where rounding stops the steps from shrinking further: three in a row end the search


class Averages(NamedTuple):
    """Averages over kept examples that enter the saddle point and its derivatives (scalars).

    d = k - r t is the margin minus the student's field, u the second field of ``KeptLines``.
    """

    g0: Array  # <G>
    g1: Array  # <G'>
    g1_d: Array  # <G' d>
    g1_t: Array  # <G' t>, t measured from the origin
    g1_u: Array  # <G' u>
    g2: Array  # <G''>
    g2_d: Array  # <G'' d>
    g2_u: Array  # <G'' u>
    g2_dd: Array
    g2_du: Array
    g2_uu: Array


class SaddlePoint(NamedTuple):
    """Solution of one point; scalars.  r, omega, k as in the module's docstring."""

    r: Array
    omega: Array
    k: Array
    residual: Array  # largest relative residual of the three equations
    converged: Array
    num_steps: Array  # quadratures used


def averages(strips: Strips, theta: Array, r: Array, omega: Array, x: Array, *, aligned: bool) -> Averages:
    """All averages at the student (r, omega) with margin k = x + r cos(theta - omega) origin; not differentiable."""
    evaluate = once
    top = (x + quadrature.REACH) / r  # beyond it d < -quadrature.REACH, and every integrand is below double precision
    steps = (x - quadrature.STEP) / r
    steps = steps[None] if strips.flipped is None else jnp.stack([steps, top])
    line = kept_lines(strips, theta, r, omega, steps, top, aligned=aligned, evaluate=evaluate)
    d = x - r * line.t
    cdf, pdf = evaluate(lambda d: (normal_cdf(d), normal_pdf(d)), d)
    g0 = line.weight * ((1 + d * d) * cdf + d * pdf)
    g1 = line.weight * 2 * (d * cdf + pdf)
    g2 = line.weight * 2 * cdf
    g1_u0, g2_u0, g2_u1 = g1 * line.u0, g2 * line.u0, g2 * line.u1
    zero = jnp.zeros_like(r)  # on the teacher's axis u is v: its mean is zero on every line, its square 1
    return Averages(
        g0=jnp.sum(g0 * line.u0),
        g1=jnp.sum(g1_u0),
        g1_d=jnp.sum(g1_u0 * d),
        g1_t=jnp.sum(g1_u0 * line.t),
        g1_u=zero if aligned else jnp.sum(g1 * line.u1),
        g2=jnp.sum(g2_u0),
        g2_d=jnp.sum(g2_u0 * d),
        g2_u=zero if aligned else jnp.sum(g2_u1),
        g2_dd=jnp.sum(g2_u0 * d * d),
        g2_du=zero if aligned else jnp.sum(g2_u1 * d),
        g2_uu=jnp.sum(g2_u0) if aligned else jnp.sum(g2 * line.u2),
    )


class _Slope(NamedTuple):
    """Gradient of the margin k in two directions: along the student, and along the second field's axis.

    The second axis is the probe J where the frame says so, else across the student; ``cosine`` and ``sine`` are its
    components along and across the student.
    """

    along: Array  # of k, minus kappa times that of sqrt n
    second: Array
    x_along: Array  # of x = k - r cos(psi) origin
    x_second: Array
    cosine: Array
    sine: Array


def _slope(origin: Array, frame: Frame, r: Array, x: Array, mean: Averages) -> _Slope:
    """Implicit differentiation of the constraint; each difference of large numbers taken by hand."""
    n = 1 + r * r
    k = x + r * frame.cos_psi * origin
    d_mean, u_mean = mean.g1_d / mean.g1, mean.g1_u / mean.g1
    across_n = 1 + (r * frame.sin_psi) ** 2  # n - (J.w)^2
    probe = u_mean + (origin * across_n - x * r * frame.cos_psi) / n
    # the mean field directly where the student is short, from d = x - r t where it is long: neither cancels
    short, t_mean = r < 1, mean.g1_t / mean.g1
    return _Slope(
        along=jnp.where(short, t_mean + origin * frame.cos_psi - k * r / n, k / (r * n) - d_mean / r),
        second=jnp.where(frame.probe, probe, u_mean),
        x_along=jnp.where(short, t_mean, (x - d_mean) / r),
        x_second=jnp.where(frame.probe, u_mean, u_mean - origin * frame.sin_psi),
        cosine=jnp.where(frame.probe, frame.cos_psi, 0.0),
        sine=jnp.where(frame.probe, frame.sin_psi, 1.0),
    )


def equations(
    alpha_prune: Array, strips: Strips, theta: Array, r: Array, omega: Array, x: Array, mean: Averages
) -> Array:
    """The saddle-point equations, each relative to the spread of its terms over kept examples; shape (3,).

    The second and third are the derivatives of kappa along the student and along the second axis.
    """
    slope = _slope(strips.origin, Frame.of(theta, omega), r, x, mean)
    along_scale = jnp.sqrt(mean.g2_dd / mean.g2) / r
    second_scale = jnp.abs(strips.origin) + jnp.sqrt(mean.g2_uu / mean.g2)
    return jnp.stack([jnp.log(alpha_prune * mean.g0), slope.along / along_scale, slope.second / second_scale])


class Conditions(NamedTuple):
    """The equations at a student, and their derivatives by displacements along and across it and by k."""

    value: Array  # log(alpha <G>), n <G' t> - k r <G'>, n <G' v>; shape (3,)
    jacobian: Array  # shape (3, 3)


def conditions(
    alpha_prune: Array, strips: Strips, theta: Array, r: Array, omega: Array, k: Array, *, aligned: bool
) -> Conditions:
    """The equations for implicit differentiation, as ``equations`` but with their derivatives from averages.

    The derivatives of averages by the student are averages themselves, of G' and G'' times fields: nothing is
    differentiated that a strip's sharp edges make steep.
    """
    top = (k + quadrature.REACH) / r
    steps = (k - quadrature.STEP) / r
    steps = steps[None] if strips.flipped is None else jnp.stack([steps, top])
    line = kept_lines(strips, theta, r, omega, steps, top, aligned=aligned)
    across1, across2 = across_moments(line, theta, omega, aligned=aligned)
    d = k - r * line.t
    cdf, pdf = normal_cdf(d), normal_pdf(d)
    g0, g1, g2 = (line.weight * g for g in ((1 + d * d) * cdf + d * pdf, 2 * (d * cdf + pdf), 2 * cdf))
    t, u0 = line.t, line.u0
    mean0, mean1, mean1_t, mean1_v = (jnp.sum(x) for x in (g0 * u0, g1 * u0, g1 * u0 * t, g1 * across1))
    mean2, mean2_t, mean2_v = (jnp.sum(x) for x in (g2 * u0, g2 * u0 * t, g2 * across1))
    mean2_tt, mean2_tv, mean2_vv = (jnp.sum(x) for x in (g2 * u0 * t * t, g2 * across1 * t, g2 * across2))
    mean1_d, mean2_d, mean2_dt, mean2_dv = (
        jnp.sum(x) for x in (g1 * u0 * d, g2 * u0 * d, g2 * u0 * d * t, g2 * across1 * d)
    )
    n = 1 + r * r
    # n <G' t> - k r <G'> directly where the student is short, through d = k - r t where it is long: neither cancels
    short = jnp.stack([n * mean1_t - k * r * mean1, 2 * r * mean1_t - n * mean2_tt - k * mean1 + k * r * mean2_t])
    along = (k * mean1 - n * mean1_d) / r
    long = jnp.stack([along, (n * (mean2_dt + mean1_t) - k * mean2_t - 2 * r * mean1_d - along) / r])
    by_across = jnp.where(r < 1, -n * mean2_tv + k * r * mean2_v, (n * (mean2_dv + mean1_v) - k * mean2_v) / r)
    by_k = jnp.where(r < 1, n * mean2_t - r * mean1 - k * r * mean2, (k * mean2 - n * mean2_d) / r - r * mean1)
    along, by_along = jnp.where(r < 1, short, long)
    value = jnp.stack([jnp.log(alpha_prune * mean0), along, n * mean1_v])
    jacobian = jnp.stack(
        [
            jnp.stack([-mean1_t, -mean1_v, mean1]) / mean0,
            jnp.stack([by_along, by_across, by_k]),
            jnp.stack([2 * r * mean1_v - n * mean2_tv, -n * mean2_vv - k * mean1, n * mean2_v]),
        ]
    )
    return Conditions(value, jacobian)


def across_moments(line: quadrature.KeptLines, theta: Array, omega: Array, *, aligned: bool) -> tuple[Array, Array]:
    """Moments 1 and 2 of the field v across the student on each line, with ``origin`` 0."""
    if aligned:
        return line.u1, line.u2
    frame = Frame.of(theta, omega)
    sine, field = jnp.where(frame.probe, frame.sin_psi, 1.0), frame.cos_psi * line.t
    first = (line.u1 - field * line.u0) / sine
    second = (line.u2 - 2 * field * line.u1 + field * field * line.u0) / sine**2
    return jnp.where(frame.probe, first, line.u1), jnp.where(frame.probe, second, line.u2)


def log_error(r: Array, omega: Array) -> Array:
    """Logarithm of the test error arccos(R)/pi, R = A / sqrt(1 + A^2 + B^2), without cancellation."""
    a, b = r * jnp.cos(omega), r * jnp.sin(omega)
    return jnp.log(jnp.arctan2(jnp.sqrt(1 + b * b), a) / jnp.pi)


class _Model(NamedTuple):
    """Quadratic model of the margin at a student, and the Newton step that it suggests (scalars)."""

    x_along: Array  # derivative of x along the student
    x_across: Array
    x_curve: Array  # step.(Hessian of x).step for the full Newton step
    step_along: Array
    step_across: Array
    gain: Array  # increase of log kappa that the full step promises


def _model(origin: Array, theta: Array, r: Array, omega: Array, x: Array, mean: Averages, *, aligned: bool) -> _Model:
    frame = Frame.of(theta, omega)
    slope = _slope(origin, frame, r, x, mean)
    n = 1 + r * r
    k = x + r * frame.cos_psi * origin
    d_mean, u_mean = mean.g1_d / mean.g1, mean.g1_u / mean.g1
    # curvature of k: <G'' (f - <f>)(g - <g>)> / <G'> for the fields t = (x - d)/r and u; k is concave
    tt = (mean.g2_dd - 2 * d_mean * mean.g2_d + d_mean * d_mean * mean.g2) / (r * r * mean.g1)
    tu = -(mean.g2_du - d_mean * mean.g2_u - u_mean * mean.g2_d + d_mean * u_mean * mean.g2) / (r * mean.g1)
    uu = (mean.g2_uu - 2 * u_mean * mean.g2_u + u_mean * u_mean * mean.g2) / mean.g1
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
        aligned: theta is exactly 0, and the rule does not look at the label.
    """
    zero = jnp.zeros_like(alpha_prune)

    def high_margin(r: Array) -> Array:
        """A k beyond the constraint: <G(k - r t)> >= G(k - r <t>) by Jensen, and G(c) >= (1 + c^2)/2."""
        return r * mean_bound + jnp.sqrt(2 / alpha_prune)

    def turn(search: _Search) -> _Search:
        r, omega, origin = search.trial_r, search.trial_omega, search.trial_origin
        strips_here = strips._replace(origin=origin)
        mean = averages(strips_here, theta, r, omega, search.trial_x, aligned=aligned)
        at_origin = r * jnp.cos(theta - omega) * origin
        excess = jnp.log(alpha_prune * mean.g0)
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
        model = _model(origin, theta, r, omega, x, mean, aligned=aligned)
        # far from the top x need not be exact: its error moves log kappa by much less than the steps are to gain
        gain = jnp.minimum(jnp.abs(search.model.gain), jnp.abs(model.gain))
        slack = (
            1e-3 * jnp.sqrt(jnp.where(jnp.isfinite(gain), jnp.minimum(gain, 1.0), 0.0)) * jnp.minimum(jnp.abs(k), 1.0)
        )
        slack = slack * jnp.minimum(r, 1.0)  # the slope along a short student is a small difference
        on_constraint = jnp.abs(excess) < jnp.maximum(ON_CONSTRAINT, slack)
        # near the top kappa is flat to rounding: there the Newton step itself is the better judge
        climbed = height - search.height + (origin - search.origin)
        higher = climbed > -1e-12 * (jnp.abs(above) + jnp.abs(below))
        accept = on_constraint & higher & jnp.isfinite(height) & jnp.isfinite(model.gain)

        after = log_error(*move(r, omega, model.step_along, model.step_across))
        change = jnp.abs(after - log_error(r, omega))
        exact = jnp.abs(excess) < 1e3 * ON_CONSTRAINT
        num_quiet = jnp.where((change < RESTLESS) & exact, search.num_quiet + 1, 0)
        balance = equations(alpha_prune, strips_here, theta, r, omega, search.trial_x, mean)
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
        chosen = select(on_constraint, outer, search._replace(trial_x=x))
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
        settled=jnp.zeros_like(alpha_prune, dtype=bool),
        num_steps=jnp.zeros_like(alpha_prune, dtype=int),
    )
    end = jax.lax.while_loop(lambda s: ~s.settled & (s.num_steps < MAX_STEPS), turn, start)
    k = end.x + end.r * jnp.cos(theta - end.omega) * end.origin
    return SaddlePoint(end.r, end.omega, k, end.residual, end.settled, end.num_steps)


def select(condition: Array, yes: Any, no: Any) -> Any:
    """One of two trees of arrays."""
    return jax.tree.map(lambda a, b: jnp.where(condition, a, b), yes, no)

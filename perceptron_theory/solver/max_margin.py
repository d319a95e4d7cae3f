"""The max-margin student: the equations of its saddle point, and the averages in them.

The student is w = (A, B, 1): components along the teacher and along the rest of the probe, and a unit part outside
their plane; k is its margin in these units.  With G(d) = E_g (d - g)_+^2, g a standard normal, and <.> the average
over kept examples of label +1, the largest margin kappa = k / sqrt(1 + A^2 + B^2) solves (Gardner 1988; Sorscher et
al. 2022, appendix; here by Gordon's inequality)

    maximise kappa over (A, B)    subject to    alpha_prune <G(k - A p - B q)> = 1.

The constraint set is convex because G is convex, and kappa >= c is convex for c > 0, so there is one stationary point
and it is the answer: any method that climbs gets there.  In polar coordinates (A, B) = r (cos omega, sin omega), with
t and v the example's fields along and across the student, stationarity reads

    alpha_prune <G> = 1        n <G' t> = k r <G'>        <G' v> = 0        n = 1 + r^2, d = k - r t.

Where some features are hidden from the student (``feature_response``), the part of its field that is not m.u has the
variance 1 = m.K m + the square of a free part, and only the latter counts on the right of the constraint:
alpha_prune <G> = 1 - m.K m.  The set that this allows is convex too.  The mean fields <G' u> / <G'>, which are the
gradient of k, lose 2 K m / (alpha_prune <G'>), and the curvature of k gains as much times K.

``margin_search`` climbs kappa with Dinkelbach's trick for ratios (Management Science 13, 1967): on the constraint
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

from perceptron_theory.features import Hidden
from perceptron_theory.solver import quadrature
from perceptron_theory.solver.feature_response import Plane
from perceptron_theory.solver.quadrature import Frame, Strips, kept_lines, normal_cdf_and_pdf

__all__ = [
    "Averages",
    "Held",
    "across_moments",
    "averages",
    "balance",
    "equations",
    "excess_of",
    "jacobian",
    "log_error",
    "mean_fields",
    "select",
    "slope_of",
]


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


def averages(strips: Strips, theta: Array, r: Array, omega: Array, x: Array, *, aligned: bool) -> Averages:
    """All averages at the student (r, omega) with margin k = x + r cos(theta - omega) origin."""
    top = (x + quadrature.REACH) / r  # beyond it d < -quadrature.REACH, and every integrand is below double precision
    steps = (x - quadrature.STEP) / r
    steps = steps[None] if strips.flipped is None else jnp.stack([steps, top])
    line = kept_lines(strips, theta, omega, steps, top, aligned=aligned)
    d = x - r * line.t
    cdf, pdf = normal_cdf_and_pdf(d)
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


class Held(NamedTuple):
    """What hidden features take from the student: m.K m, and K in its frame over alpha <G'> / 2.

    The second direction is that of ``_Slope``.
    """

    share: Array  # m.K m
    along: Array
    mixed: Array
    second: Array

    @classmethod
    def of(cls, features: Hidden, alpha_prune: Array, frame: Frame, r: Array, mean: Averages) -> Held:
        """For the student of length r in this frame."""
        k = Plane.of(features.along, features.across, frame.cos_psi, frame.sin_psi)
        cosine, sine = second_axis(frame)
        mixed = cosine * k.along + sine * k.mixed
        second = cosine * mixed + sine * (cosine * k.mixed + sine * k.across)
        unit = 2 / (alpha_prune * mean.g1)
        return cls(r * r * k.along, unit * k.along, unit * mixed, unit * second)


def second_axis(frame: Frame) -> tuple[Array, Array]:
    """Components along and across the student of the second direction: the probe's where the frame says so."""
    return jnp.where(frame.probe, frame.cos_psi, 0.0), jnp.where(frame.probe, frame.sin_psi, 1.0)


def mean_fields(r: Array, mean: Averages, held: Held | None) -> tuple[Array, Array, Array]:
    """Means of d, t and u over the forces, less what hidden features hold back."""
    d_mean, t_mean, u_mean = mean.g1_d / mean.g1, mean.g1_t / mean.g1, mean.g1_u / mean.g1
    if held is None:
        return d_mean, t_mean, u_mean
    return d_mean + r * r * held.along, t_mean - r * held.along, u_mean - r * held.mixed


def slope_of(origin: Array, frame: Frame, r: Array, x: Array, mean: Averages, held: Held | None = None) -> _Slope:
    """Implicit differentiation of the constraint; each difference of large numbers taken by hand."""
    n = 1 + r * r
    k = x + r * frame.cos_psi * origin
    d_mean, t_mean, u_mean = mean_fields(r, mean, held)
    across_n = 1 + (r * frame.sin_psi) ** 2  # n - (J.w)^2
    probe = u_mean + (origin * across_n - x * r * frame.cos_psi) / n
    # the mean field directly where the student is short, from d = x - r t where it is long: neither cancels
    short = r < 1
    cosine, sine = second_axis(frame)
    return _Slope(
        along=jnp.where(short, t_mean + origin * frame.cos_psi - k * r / n, k / (r * n) - d_mean / r),
        second=jnp.where(frame.probe, probe, u_mean),
        x_along=jnp.where(short, t_mean, (x - d_mean) / r),
        x_second=jnp.where(frame.probe, u_mean, u_mean - origin * frame.sin_psi),
        cosine=cosine,
        sine=sine,
    )


def excess_of(alpha_prune: Array, mean: Averages, held: Held | None) -> Array:
    """Log of the two sides of the constraint; NaN where hidden features leave nothing free."""
    excess = jnp.log(alpha_prune * mean.g0)
    return excess if held is None else excess - jnp.log1p(-held.share)


def equations(
    alpha_prune: Array,
    strips: Strips,
    theta: Array,
    r: Array,
    omega: Array,
    x: Array,
    mean: Averages,
    held: Held | None = None,
) -> Array:
    """The saddle-point equations, each relative to the spread of its terms over kept examples; shape (3,).

    The second and third are the derivatives of kappa along the student and along the second axis.
    """
    slope = slope_of(strips.origin, Frame.of(theta, omega), r, x, mean, held)
    along_scale = jnp.sqrt(mean.g2_dd / mean.g2) / r
    second_scale = jnp.abs(strips.origin) + jnp.sqrt(mean.g2_uu / mean.g2)
    return jnp.stack([excess_of(alpha_prune, mean, held), slope.along / along_scale, slope.second / second_scale])


class _Fields(NamedTuple):
    """What the equations average over the kept examples, arrays of shape (num_lines,); n = 1 + r^2 is a scalar."""

    t: Array
    d: Array  # k - r t
    u0: Array
    across1: Array
    across2: Array
    g0: Array  # G, G' and G'' of d, times the weight
    g1: Array
    g2: Array
    n: Array


def _fields(strips: Strips, theta: Array, r: Array, omega: Array, k: Array, aligned: bool) -> _Fields:
    top = (k + quadrature.REACH) / r
    steps = (k - quadrature.STEP) / r
    steps = steps[None] if strips.flipped is None else jnp.stack([steps, top])
    line = kept_lines(strips, theta, omega, steps, top, aligned=aligned)
    d = k - r * line.t
    cdf, pdf = normal_cdf_and_pdf(d)
    g0, g1, g2 = (line.weight * g for g in ((1 + d * d) * cdf + d * pdf, 2 * (d * cdf + pdf), 2 * cdf))
    return _Fields(line.t, d, line.u0, *across_moments(line, theta, omega, aligned=aligned), g0, g1, g2, 1 + r * r)


def balance(
    alpha_prune: Array,
    strips: Strips,
    theta: Array,
    r: Array,
    omega: Array,
    k: Array,
    features: Hidden | None = None,
    *,
    aligned: bool,
) -> Array:
    """The equations for implicit differentiation: log(alpha <G>), n <G' t> - k r <G'>, n <G' v>; shape (3,)."""
    f = _fields(strips, theta, r, omega, k, aligned)
    g1_u0 = f.g1 * f.u0
    mean1, mean1_t, mean1_d = jnp.sum(g1_u0), jnp.sum(g1_u0 * f.t), jnp.sum(g1_u0 * f.d)
    # directly where the student is short, through d = k - r t where it is long: neither cancels
    along = jnp.where(r < 1, f.n * mean1_t - k * r * mean1, (k * mean1 - f.n * mean1_d) / r)
    value = jnp.stack([jnp.log(alpha_prune * jnp.sum(f.g0 * f.u0)), along, f.n * jnp.sum(f.g1 * f.across1)])
    if features is None:
        return value
    held, pull = _plane(features, theta, omega), 2 * f.n * r / alpha_prune
    return value - jnp.stack([jnp.log1p(-r * r * held.along), pull * held.along, pull * held.mixed])


def _plane(features: Hidden, theta: Array, omega: Array) -> Plane:
    """K in the frame of the student."""
    return Plane.of(features.along, features.across, jnp.cos(theta - omega), jnp.sin(theta - omega))


def jacobian(
    alpha_prune: Array,
    strips: Strips,
    theta: Array,
    r: Array,
    omega: Array,
    k: Array,
    features: Hidden | None = None,
    *,
    aligned: bool,
) -> Array:
    """Derivatives of ``balance`` by displacements along and across the student and by k, shape (3, 3).

    The derivatives of averages by the student are averages themselves, of G' and G'' times fields: nothing is
    differentiated that a strip's sharp edges make steep.
    """
    f = _fields(strips, theta, r, omega, k, aligned)
    t, d, n = f.t, f.d, f.n
    g1_u0, g2_u0, g2_across = f.g1 * f.u0, f.g2 * f.u0, f.g2 * f.across1
    mean0, mean1, mean1_t, mean1_v = (jnp.sum(x) for x in (f.g0 * f.u0, g1_u0, g1_u0 * t, f.g1 * f.across1))
    mean2, mean2_t, mean2_v = (jnp.sum(x) for x in (g2_u0, g2_u0 * t, g2_across))
    mean2_tt, mean2_tv, mean2_vv = (jnp.sum(x) for x in (g2_u0 * t * t, g2_across * t, f.g2 * f.across2))
    mean1_d, mean2_d, mean2_dt, mean2_dv = (jnp.sum(x) for x in (g1_u0 * d, g2_u0 * d, g2_u0 * d * t, g2_across * d))
    along = (k * mean1 - n * mean1_d) / r
    short = 2 * r * mean1_t - n * mean2_tt - k * mean1 + k * r * mean2_t
    by_along = jnp.where(r < 1, short, (n * (mean2_dt + mean1_t) - k * mean2_t - 2 * r * mean1_d - along) / r)
    by_across = jnp.where(r < 1, -n * mean2_tv + k * r * mean2_v, (n * (mean2_dv + mean1_v) - k * mean2_v) / r)
    by_k = jnp.where(r < 1, n * mean2_t - r * mean1 - k * r * mean2, (k * mean2 - n * mean2_d) / r - r * mean1)
    rows = jnp.stack(
        [
            jnp.stack([-mean1_t, -mean1_v, mean1]) / mean0,
            jnp.stack([by_along, by_across, by_k]),
            jnp.stack([2 * r * mean1_v - n * mean2_tv, -n * mean2_vv - k * mean1, n * mean2_v]),
        ]
    )
    if features is None:
        return rows
    held, zero = _plane(features, theta, omega), jnp.zeros_like(r)
    free, pull, longer = 1 - r * r * held.along, 2 * n / alpha_prune, 4 * r * r / alpha_prune
    return rows - jnp.stack(
        [
            jnp.stack([-2 * r * held.along / free, -2 * r * held.mixed / free, zero]),
            jnp.stack([(pull + longer) * held.along, pull * held.mixed, zero]),
            jnp.stack([(pull + longer) * held.mixed, pull * held.across, zero]),
        ]
    )


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


def select(condition: Array, yes: Any, no: Any) -> Any:
    """One of two trees of arrays."""
    return jax.tree.map(lambda a, b: jnp.where(condition, a, b), yes, no)

"""The max-margin student at theta = 0 by Newton steps from the student of a point nearby.

The probe is the teacher, so the student lies on the teacher's axis and two unknowns are left, its length r in units of
its part outside the plane and x = k - r origin; with t = field - origin and d = x - r t, and the averages of
``max_margin``, they solve

    log(alpha_prune <G(d)>) = 0        origin + <G' t> / <G'> = k r / n        n = 1 + r^2, k = x + r origin.

There is one solution of positive margin, so a student that meets both is the answer, wherever the steps began; where
they do not arrive, the climb of ``margin_search`` does.  Nearly all of the time goes into the 28 nodes of the integral
over t: what is exponential is evaluated once a node, and the panel on which G is a polynomial only where there is one.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from perceptron_theory.solver.evaluation import once
from perceptron_theory.solver.quadrature import NODES, REACH, STEP, WEIGHTS, Strips, normal_cdf, normal_pdf

__all__ = ["ON_CONSTRAINT", "RESTLESS", "SETTLED", "Nearby", "newton_from"]

ON_CONSTRAINT = 1e-13  # |log(alpha <G>)| that always counts as on the constraint
SETTLED = 1e-13  # relative change of the error that the next Newton step would make, below which the search ends
RESTLESS = 5e-11  # the same where rounding stops the steps from shrinking further: three in a row end the search
MAX_STEPS = 12  # steps after which it does not arrive

FROM_LEFT = 0.5 * (1 + NODES)  # nodes of [0, 1]
MOMENTS = WEIGHTS[:, None] * FROM_LEFT[:, None] ** np.arange(3)  # and twice the weights of their powers 0, 1, 2


class Nearby(NamedTuple):
    """Where the steps have led (scalars); the fields of ``margin_search.SaddlePoint``, omega being 0."""

    r: Array
    k: Array
    residual: Array
    converged: Array
    num_steps: Array


class _Averages(NamedTuple):
    """As ``max_margin.Averages``, those that do not vanish on the axis."""

    g0: Array
    g1: Array
    g1_d: Array
    g1_t: Array
    g2: Array
    g2_d: Array
    g2_dd: Array


def _gaussian(d: Array, z: Array) -> tuple[Array, Array, Array]:
    return normal_cdf(d), normal_pdf(d), normal_pdf(z)


def _averages(strips: Strips, r: Array, x: Array) -> _Averages:
    highest = jnp.minimum((x + REACH) / r, REACH - strips.origin)  # beyond it every integrand is zero
    first = jnp.clip(jnp.maximum(strips.lower, 0.0) - strips.origin, -strips.origin, highest)
    last = jnp.clip(strips.upper - strips.origin, first, highest)
    corner = jnp.clip((x - STEP) / r, first, last)  # below it G is a polynomial

    def panel(left: Array, right: Array) -> _Averages:
        left, width = left[:, None], (right - left)[:, None]
        t = left + width * FROM_LEFT
        d = x - r * t
        cdf, pdf, density = once(_gaussian, d, strips.origin + t)
        # most of the weight lies near the left end, so that moments about it lose no digits
        g0 = (density * ((1 + d * d) * cdf + d * pdf)) @ MOMENTS
        g1 = (density * 2 * (d * cdf + pdf)) @ MOMENTS
        g2 = (density * 2 * cdf) @ MOMENTS
        weight = strips.weight * width[:, 0]
        t, d, length = left[:, 0], x - r * left[:, 0], r * width[:, 0]
        return _Averages(
            g0=weight @ g0[:, 0],
            g1=weight @ g1[:, 0],
            g1_d=weight @ (d * g1[:, 0] - length * g1[:, 1]),
            g1_t=weight @ (t * g1[:, 0] + width[:, 0] * g1[:, 1]),
            g2=weight @ g2[:, 0],
            g2_d=weight @ (d * g2[:, 0] - length * g2[:, 1]),
            g2_dd=weight @ (d * d * g2[:, 0] - 2 * d * length * g2[:, 1] + length * length * g2[:, 2]),
        )

    upper = panel(corner, last)
    missing = jnp.any(corner > first)
    return jax.lax.while_loop(
        lambda state: state[0],
        lambda state: (jnp.zeros_like(missing), jax.tree.map(jnp.add, state[1], panel(first, corner))),
        (missing, upper),
    )[1]


class _Steps(NamedTuple):
    r: Array
    x: Array
    residual: Array
    num_quiet: Array
    settled: Array
    num_steps: Array


def newton_from(alpha_prune: Array, strips: Strips, near_r: Array, near_x: Array) -> Nearby:
    """Newton's method for the student of one point, at theta = 0 and with labels that are right.

    Args:
        alpha_prune: kept examples per parameter, scalar.
        strips: what is kept.
        near_r: length of the student of a point nearby; where it is 0 there is none, and no step is taken.
        near_x: its x, with the origin there.
    """
    origin = strips.origin

    def turn(at: _Steps) -> _Steps:
        r, x = at.r, at.x
        mean = _averages(strips, r, x)
        n, k = 1 + r * r, x + r * origin
        d_mean, t_mean = mean.g1_d / mean.g1, mean.g1_t / mean.g1
        # neither form cancels where it is taken
        slope = jnp.where(r < 1, t_mean + origin - k * r / n, k / (r * n) - d_mean / r)
        excess = jnp.log(alpha_prune * mean.g0)
        # derivatives by x and r, those of <G' t>/<G'> through t = (x - d)/r
        constraint_x, constraint_r = mean.g1 / mean.g0, -mean.g1_t / mean.g0
        spread = (mean.g2_d - d_mean * mean.g2) / mean.g1
        spread_d = (mean.g2_dd - d_mean * mean.g2_d) / mean.g1
        slope_x = -spread / r - r / n
        slope_r = (x * spread - spread_d) / (r * r) - (origin * r + k) / n + 2 * k * r * r / (n * n)
        determinant = constraint_x * slope_r - constraint_r * slope_x
        step_x = (constraint_r * slope - slope_r * excess) / determinant
        step_r = (slope_x * excess - constraint_x * slope) / determinant
        change = jnp.abs(step_r) / jnp.sqrt(n)  # of log(error), at most
        num_quiet = jnp.where((change < RESTLESS) & (jnp.abs(excess) < 1e3 * ON_CONSTRAINT), at.num_quiet + 1, 0)
        settled = ((change < SETTLED) & (jnp.abs(excess) < 10 * ON_CONSTRAINT)) | (num_quiet >= 3)
        part = jnp.where(settled, 0.0, jnp.minimum(1.0, 0.7 * r / jnp.maximum(jnp.abs(step_r), 1e-300)))
        return _Steps(
            r=r + part * step_r,
            x=x + part * step_x,
            residual=jnp.maximum(jnp.abs(excess), jnp.abs(slope) * r / jnp.sqrt(mean.g2_dd / mean.g2)),
            num_quiet=num_quiet,
            settled=settled,
            num_steps=at.num_steps + 1,
        )

    known = near_r > 0
    start = _Steps(
        r=jnp.where(known, near_r, 1.0),
        x=jnp.where(known, near_x, 1.0),
        residual=jnp.full_like(near_r, jnp.inf),
        num_quiet=jnp.zeros_like(near_r, dtype=int),
        settled=~known,
        num_steps=jnp.zeros_like(near_r, dtype=int),
    )
    end = jax.lax.while_loop(lambda at: ~at.settled & (at.num_steps < MAX_STEPS), turn, start)
    k = end.x + end.r * origin
    return Nearby(end.r, k, end.residual, known & end.settled & (k > 0), end.num_steps)

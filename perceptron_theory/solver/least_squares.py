"""The ridge-regression student in closed form.

For the square loss the equations of ``regularised`` are linear but for one quadratic.  The force on an example is
(1 - omega) / (1 + V) with curvature 1 / (1 + V), so that

    1/V = lambda + alpha / (1 + V)                       lambda V^2 + (lambda + alpha - 1) V - 1 = 0
    lambda m = alpha <(1 - y m.u) y u> / (1 + V)         (alpha C + lambda (1 + V)) m = alpha mu

with the moments mu = <y u> and C = <u u^T> of the kept examples.  With E = <(1 - y m.u)^2> the last equation,
s^2 = alpha V^2 (E + s^2) / (1 + V)^2, becomes by the first one

    s^2 = alpha V^2 E / ((1 + V) (1 + lambda V^2)).

Where the loss of an example carries a weight w, force and curvature are those at w V, times w: with c = w / (1 + w V),

    1/V = lambda + alpha <c>                             (alpha <c u u^T> + lambda) m = alpha <c y u>
    s^2 (lambda V + alpha V <c / (1 + w V)>) = alpha V^2 <c^2 (1 - y m.u)^2>

The first of these is solved by Newton's method from V = 1 / (lambda + alpha), which is never above the solution and
rises to it: lambda V + alpha <w V / (1 + w V)> is concave.

No difference of large numbers is left: V > 0 is taken from the form of the root that adds, E is a sum of squares on
every line, and the moments are taken in the coordinates of the probe, (z, v) with v across it in the teacher-probe
plane.  There C is diagonal for rules that do not look at labels, however thin the strips of z.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from perceptron_theory.features import Hidden, Spectrum
from perceptron_theory.solver.feature_response import response_of
from perceptron_theory.solver.max_margin import across_moments
from perceptron_theory.solver.quadrature import REACH, Strips, kept_lines

__all__ = ["least_squares", "mean_example", "mean_square_importance"]

NEWTON_STEPS = 60


def least_squares(
    alpha_prune: Array,
    strips: Strips,
    theta: Array,
    lam: Array,
    features: Hidden | Spectrum | None = None,
    *,
    aligned: bool,
) -> Array:
    """Solve one point.

    Args:
        alpha_prune: kept examples per parameter, scalar.
        strips: what is kept, with origin 0.
        theta: angle between probe and teacher in radians, scalar.
        lam: lambda > 0, scalar.
        features: what the student sees of the features; None is all of them, of equal variance.
        aligned: as ``kept_lines``; then B = 0.

    Returns:
        (A, B, log s, log V), shape (4,), as ``loss_search.minimise_loss`` finds them.
    """
    t, w0, w1, w2 = _lines(strips, theta, aligned)
    weight = jnp.ones_like(t) if strips.importance is None else _per_line(strips.importance, t)
    if isinstance(features, Spectrum):
        v = _of_spectrum(alpha_prune, weight, w0, lam, features)
    elif strips.importance is None:
        b = lam + alpha_prune - 1
        root = jnp.sqrt(b * b + 4 * lam)
        v = jnp.where(b > 0, 2 / (jnp.abs(b) + root), (jnp.abs(b) + root) / (2 * lam))
    else:
        v = _weighted(alpha_prune, weight, w0, lam)
    c = weight / (1 + weight * v)
    answer = response_of(features, lam, alpha_prune * jnp.sum(w0 * c))
    w0, w1, w2 = c * w0, c * w1, c * w2
    along = jnp.sum(w0 * t * t) + answer.drag_along / alpha_prune
    mean = jnp.sum(w0 * t)
    if aligned:
        m_probe, m_across = mean / along, jnp.zeros_like(mean)
    else:
        mixed, across, mean_across = jnp.sum(w1 * t), jnp.sum(w2) + answer.drag_across / alpha_prune, jnp.sum(w1)
        # eliminated in the order of the sizes: z is the small field where strips are thin
        rest = along - mixed * mixed / across
        m_probe = (mean - mixed * mean_across / across) / rest
        m_across = (mean_across - mixed * m_probe) / across
    miss = 1 - m_probe * t
    squares = jnp.sum(c * (w0 * miss * miss - 2 * w1 * miss * m_across + w2 * m_across * m_across))
    held = answer.excess_along * m_probe**2 + answer.excess_across * m_across**2
    left = (lam * answer.length + alpha_prune * answer.spread * jnp.sum(w0 / (1 + weight * v))) / v
    s_squared = (alpha_prune * answer.spread * squares + held) / left
    return jnp.stack([*_in_plane(theta, m_probe, m_across), 0.5 * jnp.log(s_squared), jnp.log(v)])


def _per_line(importance: Array, t: Array) -> Array:
    return jnp.repeat(importance, t.size // importance.size)


def _of_spectrum(alpha_prune: Array, weight: Array, mass: Array, lam: Array, features: Spectrum) -> Array:
    """V where the features have unequal variances; examples on lines of Gaussian measure ``mass`` carry weights."""

    def excess(log_v: Array) -> Array:
        v = jnp.exp(log_v)
        curvature = alpha_prune * jnp.sum(mass * weight / (1 + weight * v))
        return jnp.log(response_of(features, lam, curvature).v) - log_v

    low = response_of(features, lam, alpha_prune * jnp.sum(mass * weight)).v
    high = response_of(features, lam, jnp.zeros_like(lam)).v
    return jnp.exp(_root(excess, jnp.log(low), jnp.log(high)))


def _weighted(alpha_prune: Array, weight: Array, mass: Array, lam: Array) -> Array:
    """V where examples on lines of Gaussian measure ``mass`` carry weights."""

    def rise(_: int, v: Array) -> Array:
        c = weight / (1 + weight * v)
        value = lam * v + alpha_prune * v * jnp.sum(mass * c) - 1
        slope = lam + alpha_prune * jnp.sum(mass * c / (1 + weight * v))
        return v - value / slope

    return jax.lax.fori_loop(0, NEWTON_STEPS, rise, 1 / (lam + alpha_prune))


def _root(value: Any, low: Array, high: Array) -> Array:
    """Where a falling function is zero between two arguments: Newton's method, and halving where it leaves them."""

    def turn(state: tuple[Array, Array, Array, Array, Array]) -> tuple[Array, Array, Array, Array, Array]:
        low, high, x, _, num_steps = state
        height, slope = jax.jvp(value, (x,), (jnp.ones_like(x),))
        low, high = jnp.where(height >= 0, x, low), jnp.where(height >= 0, high, x)
        newton = x - height / slope
        inside = (newton >= low) & (newton <= high)
        onwards = jnp.where(inside, newton, 0.5 * (low + high))
        return low, high, onwards, jnp.abs(onwards - x), num_steps + 1

    start = (low, high, 0.5 * (low + high), jnp.full_like(low, jnp.inf), jnp.zeros_like(low, dtype=int))
    end = jax.lax.while_loop(lambda s: (s[3] > 1e-15 * (1 + jnp.abs(s[2]))) & (s[4] < NEWTON_STEPS), turn, start)
    return end[2]


def mean_square_importance(strips: Strips, theta: Array, *, aligned: bool) -> Array:
    """Mean of the squared weights of the losses over the kept examples."""
    mass = _lines(strips, theta, aligned)[1].reshape(strips.importance.size, -1).sum(axis=1)
    return jnp.sum(mass * strips.importance**2)


def mean_example(strips: Strips, theta: Array, *, aligned: bool) -> tuple[Array, Array]:
    """Mean <y u> of the kept examples times their labels, in teacher coordinates: the direction of Hebb's rule."""
    t, w0, w1, _ = _lines(strips, theta, aligned)
    return _in_plane(theta, jnp.sum(w0 * t), jnp.zeros_like(theta) if aligned else jnp.sum(w1))


def _lines(strips: Strips, theta: Array, aligned: bool) -> tuple[Array, Array, Array, Array]:
    """Lines of constant z: z times label, and the weight times moments 0, 1, 2 of v times label on each."""
    one = jnp.ones_like(theta)
    line: Any = kept_lines(strips, theta, theta, jnp.zeros(1), REACH * one, aligned=aligned)
    across1, across2 = across_moments(line, theta, theta, aligned=aligned)
    return line.t, line.weight * line.u0, line.weight * across1, line.weight * across2


def _in_plane(theta: Array, probe: Array, across: Array) -> tuple[Array, Array]:
    """Teacher coordinates of a vector with these components along the probe and across it."""
    return probe * jnp.cos(theta) - across * jnp.sin(theta), probe * jnp.sin(theta) + across * jnp.cos(theta)

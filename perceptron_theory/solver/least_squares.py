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

from perceptron_theory.solver.feature_response import Hidden
from perceptron_theory.solver.max_margin import across_moments
from perceptron_theory.solver.quadrature import REACH, Strips, kept_lines

__all__ = ["least_squares", "mean_example", "mean_square_importance"]

NEWTON_STEPS = 60


def least_squares(
    alpha_prune: Array, strips: Strips, theta: Array, lam: Array, features: Hidden | None = None, *, aligned: bool
) -> Array:
    """Solve one point.

    Args:
        alpha_prune: kept examples per parameter, scalar.
        strips: what is kept, with origin 0.
        theta: angle between probe and teacher in radians, scalar.
        lam: lambda > 0, scalar.
        features: what is hidden from the student; None where it sees all features, of equal variance.
        aligned: as ``kept_lines``; then B = 0.

    Returns:
        (A, B, log s, log V), shape (4,), as ``regularised.minimise_loss`` finds them.
    """
    t, w0, w1, w2 = _lines(strips, theta, aligned)
    if strips.importance is None:
        b = lam + alpha_prune - 1
        root = jnp.sqrt(b * b + 4 * lam)
        v = jnp.where(b > 0, 2 / (jnp.abs(b) + root), (jnp.abs(b) + root) / (2 * lam))
        drag, left, whole = (1 + v) / alpha_prune, (1 + v) * (1 + lam * v * v), (1 + v) ** 2
    else:
        importance = jnp.repeat(strips.importance, t.size // strips.importance.size)
        v = _response(alpha_prune, importance, w0, lam)
        c = importance / (1 + importance * v)
        drag, whole = 1 / alpha_prune, 1.0
        left = lam * v + alpha_prune * v * jnp.sum(w0 * c / (1 + importance * v))
        w0, w1, w2 = c * w0, c * w1, c * w2
    hidden = Hidden(0 * lam, 0 * lam) if features is None else features
    along = jnp.sum(w0 * t * t) + drag * (lam + hidden.along / v)
    mean = jnp.sum(w0 * t)
    if aligned:
        m_probe, m_across = mean / along, jnp.zeros_like(mean)
    else:
        mixed, across, mean_across = jnp.sum(w1 * t), jnp.sum(w2) + drag * (lam + hidden.across / v), jnp.sum(w1)
        # eliminated in the order of the sizes: z is the small field where strips are thin
        rest = along - mixed * mixed / across
        m_probe = (mean - mixed * mean_across / across) / rest
        m_across = (mean_across - mixed * m_probe) / across
    miss = 1 - m_probe * t
    square = w0 * miss * miss - 2 * w1 * miss * m_across + w2 * m_across * m_across
    squares = jnp.sum(square if strips.importance is None else c * square)
    held = hidden.along * m_probe**2 + hidden.across * m_across**2
    s_squared = (alpha_prune * v * v * squares + whole * held) / left
    return jnp.stack([*_in_plane(theta, m_probe, m_across), 0.5 * jnp.log(s_squared), jnp.log(v)])


def _response(alpha_prune: Array, importance: Array, mass: Array, lam: Array) -> Array:
    """V where examples carry weights, ``importance`` on lines of Gaussian measure ``mass``."""

    def rise(_: int, v: Array) -> Array:
        c = importance / (1 + importance * v)
        value = lam * v + alpha_prune * v * jnp.sum(mass * c) - 1
        slope = lam + alpha_prune * jnp.sum(mass * c / (1 + importance * v))
        return v - value / slope

    return jax.lax.fori_loop(0, NEWTON_STEPS, rise, 1 / (lam + alpha_prune))


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
    line: Any = kept_lines(strips, theta, one, theta, jnp.zeros(1), REACH * one, aligned=aligned)
    across1, across2 = across_moments(line, theta, theta, aligned=aligned)
    return line.t, line.weight * line.u0, line.weight * across1, line.weight * across2


def _in_plane(theta: Array, probe: Array, across: Array) -> tuple[Array, Array]:
    """Teacher coordinates of a vector with these components along the probe and across it."""
    return probe * jnp.cos(theta) - across * jnp.sin(theta), probe * jnp.sin(theta) + across * jnp.cos(theta)

"""What an example does to a student of a loss: force, its square and its slope, averaged over what is not in the plane.

In terms of the Moreau envelope M_V(omega) = min_h l(h) + (h - omega)^2 / (2V) and its minimiser h, the output after
training (``regularised``): the force is -M' = (h - omega) / V.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from perceptron_theory.solver import quadrature
from perceptron_theory.solver.evaluation import knows_its_slopes
from perceptron_theory.solver.quadrature import normal_cdf, normal_pdf

__all__ = ["CHANNELS", "LOGISTIC_STEPS", "Channel", "hinge_channel", "logistic_channel", "square_channel"]

# outputs h between which the logistic loss is smooth on the scale of a panel
LOGISTIC_STEPS = np.array([-36.0, -20.0, -12.0, -7.0, -3.5, 0.0, 3.5, 7.0, 12.0, 17.0, 22.0, 28.0, 36.0])
_LOGISTIC_GRID = np.arange(-40.0, 41.0)
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(16)


class Channel(NamedTuple):
    """Averages over g of an example with student field a times label, omega = a + s g; arrays like a."""

    force: Array  # -M' = (h - omega) / V
    force_squared: Array
    curvature: Array  # M''


def square_channel(a: Array, s: Array, v: Array) -> Channel:
    """l(h) = (1 - h)^2 / 2: h = (omega + V) / (1 + V)."""
    return Channel((1 - a) / (1 + v), ((1 - a) ** 2 + s * s) / (1 + v) ** 2, jnp.ones_like(a) / (1 + v))


def hinge_channel(a: Array, s: Array, v: Array) -> Channel:
    """l(h) = max(0, 1 - h): h = omega + V below 1 - V, 1 up to 1, omega above."""
    # with w = (far - g)_+ and so on; where far is positive most forces are 1, and the rest is the small number
    near, far, width = (1 - a) / s, (1 - v - a) / s, v / s
    flat = far > 0
    top, bottom = jnp.where(flat, -far, near), jnp.where(flat, -near, far)
    p_top, p_bottom = normal_cdf(top), normal_cdf(bottom)
    d_top, d_bottom = normal_pdf(top), normal_pdf(bottom)
    first_top, first_bottom = top * p_top + d_top, bottom * p_bottom + d_bottom
    first = (first_top - first_bottom) / width
    second = (1 + top * top) * p_top + top * d_top - (1 + bottom * bottom) * p_bottom - bottom * d_bottom
    second = second / width**2
    return Channel(
        jnp.where(flat, 1 - first, first),
        jnp.where(flat, 1 - 2 * first_top / width + second, second - 2 * first_bottom / width),
        (p_top - p_bottom) / v,
    )


def logistic_channel(a: Array, s: Array, v: Array) -> Channel:
    """l(h) = log(1 + exp(-h)).  The integral over g is taken over the output h: omega = h - V / (1 + exp(h))."""
    return _logistic_averages(a, s, v)[0]


def _logistic_averages(a: Array, s: Array, v: Array) -> tuple[Channel, tuple[Channel, Channel, Channel]]:
    """The averages, and their derivatives by a, s and V, which are averages as well.

    With f = 1 / (1 + exp(h)) the force, b = f (1 - f) and c = M'' = b / (1 + V b): f falls by c with omega and by c f
    with V, and c changes by q = b (2 f - 1) / (1 + V b)^3 with omega and by q f - c^2 with V.
    """
    breaks, count = _logistic_breaks(a, s, v)

    def add(state: tuple[Array, tuple[Array, ...]]) -> tuple[Array, tuple[Array, ...]]:
        i, sums = state
        left, right = (jax.lax.dynamic_index_in_dim(breaks, i + k, axis=0) for k in (0, 1))
        half = 0.5 * (right - left)
        h = left + half * (1 + _NODES[:, None])
        grow = jnp.exp(-jnp.abs(h))
        small = grow / (1 + grow)
        f = jnp.where(h > 0, small, 1 - small)
        b = small / (1 + grow)
        bend = 1 + v * b
        c = b / bend
        q = c / (bend * bend) * (2 * f - 1)
        g = (h - v * f - a) / s
        weight = half * _WEIGHTS[:, None] * normal_pdf(g) * bend / s
        cf = c * f
        values = (f, f * f, c, cf, q, g * c, g * cf, g * q, cf * f, q * f, c * c)
        more = _all_sums(tuple(weight * value for value in values))
        return i + 1, tuple(total + part for total, part in zip(sums, more, strict=True))

    nothing: tuple[Array, ...] = (jnp.zeros_like(a),) * 11
    sums = jax.lax.while_loop(lambda state: state[0] < count, add, (jnp.zeros_like(count), nothing))[1]
    f, ff, c, cf, q, gc, gcf, gq, cff, qf, cc = sums
    return Channel(f, ff, c), (
        Channel(-c, -2 * cf, q),
        Channel(-gc, -2 * gcf, gq),
        Channel(-cf, -2 * cff, qf - cc),
    )


knows_its_slopes(logistic_channel, _logistic_averages)


def _all_sums(values: tuple[Array, ...]) -> tuple[Array, ...]:
    """Sums over the first axis of arrays, in one loop on a CPU: what is common to the arrays is evaluated once."""
    zero = np.zeros((), values[0].dtype)
    return jax.lax.reduce(values, (zero,) * len(values), lambda a, b: jax.tree.map(jnp.add, a, b), (0,))


def _logistic_breaks(a: Array, s: Array, v: Array) -> tuple[Array, Array]:
    """Ends of the panels of the output h for each field, one row after the other, and the number of panels needed.

    They are not differentiated: the integral does not depend on where its panels end.
    """
    a, s, v = (jax.lax.stop_gradient(x) for x in (a, s, v))
    steps = jnp.asarray(LOGISTIC_STEPS)
    away = jnp.array([-quadrature.REACH, -quadrature.REACH / 3, quadrature.REACH / 3, quadrature.REACH])
    ends = _logistic_output(a + s * away[:, None], v)
    first, last = ends[0], ends[3]
    place = jnp.searchsorted(steps, first, side="right") + jnp.arange(steps.size)[:, None]
    inside = jnp.minimum(jnp.where(place < steps.size, steps[jnp.minimum(place, steps.size - 1)], last), last)
    breaks = jnp.sort(jnp.concatenate([ends, inside]), axis=0)  # those that are not needed are the last ones
    return breaks, jnp.max(jnp.sum(breaks < last, axis=0))


def _logistic_output(omega: Array, v: Array) -> Array:
    """The output h after training, where it would have been omega without."""

    def omega_of(h: Array) -> Array:
        return h - v * jax.nn.sigmoid(-h)

    grid = jnp.asarray(_LOGISTIC_GRID)
    table = omega_of(grid)
    i = jnp.clip(jnp.searchsorted(table, omega) - 1, 0, grid.size - 2)
    low, high = grid[i], grid[i] + 1
    h = low + (omega - table[i]) / (table[i + 1] - table[i])
    for _ in range(6):
        f = jax.nn.sigmoid(-h)
        h = jnp.clip(h - (h - v * f - omega) / (1 + v * f * (1 - f)), low, high)
    return jnp.where(omega < table[0], omega + v, jnp.where(omega > table[-1], omega, h))


CHANNELS = {"square": square_channel, "hinge": hinge_channel, "logistic": logistic_channel}

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

    def omega_of(h: Array) -> Array:
        return h - v * jax.nn.sigmoid(-h)

    def output(omega: Array) -> Array:
        grid = jnp.asarray(_LOGISTIC_GRID)
        table = omega_of(grid)
        i = jnp.clip(jnp.searchsorted(table, omega) - 1, 0, grid.size - 2)
        low, high = grid[i], grid[i] + 1
        h = low + (omega - table[i]) / (table[i + 1] - table[i])
        for _ in range(6):
            slope = 1 + v * jax.nn.sigmoid(h) * jax.nn.sigmoid(-h)
            h = jnp.clip(h - (omega_of(h) - omega) / slope, low, high)
        return jnp.where(omega < table[0], omega + v, jnp.where(omega > table[-1], omega, h))

    ends = jax.lax.stop_gradient(
        output(
            a[:, None]
            + s * jnp.array([-quadrature.REACH, -quadrature.REACH / 3, quadrature.REACH / 3, quadrature.REACH])
        )
    )
    first, last = ends[:, :1], ends[:, 3:]
    breaks = jnp.concatenate([ends, jnp.clip(jnp.asarray(LOGISTIC_STEPS), first, last)], axis=1)
    breaks = jnp.sort(breaks, axis=1)
    half = 0.5 * (breaks[:, 1:] - breaks[:, :-1])[..., None]
    h = breaks[:, :-1, None] + half * (1 + _NODES)
    force = jax.nn.sigmoid(-h)
    bend = force * jax.nn.sigmoid(h)
    g = (h - v * force - a[:, None, None]) / s
    weight = half * _WEIGHTS * normal_pdf(g) * (1 + v * bend) / s

    def mean(values: Array) -> Array:
        return jnp.sum(weight * values, axis=(1, 2))

    return Channel(mean(force), mean(force * force), mean(bend / (1 + v * bend)))


CHANNELS = {"square": square_channel, "hinge": hinge_channel, "logistic": logistic_channel}

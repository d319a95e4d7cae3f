"""How a student answers forces when it sees only a part of the features, or features of unequal variance.

The field of a student w on a kept example is y m.u + s g, with m its components along teacher T and the rest Q of the
probe *in the space of all features* and s the spread of all else.  What it sees enters by a few functions of the
curvature c = alpha <M''> alone:

    alpha <force y u> = D m        s^2 = S alpha <force^2> + m.E m        V = R

with 2 x 2 matrices D and E that are diagonal along and across the probe.  Where all features are seen and equal,
R = 1 / (lambda + c), D = lambda, S = R^2 and E = 0 (``regularised``).

*Hidden features.*  Let C be the Gram matrix of the seen parts of T and Q, and K = C^-1 - 1.  A seen vector with
in-plane part m has at least the square length m.C^-1 m, so that s^2 = m.K m + the square of a free part; ridge
regularisation pays for both:

    R = 1 / (lambda + c)        D = lambda + K / R        S = R^2        E = K

For a probe that sees all features C = cos^2 psi times 1, psi the angle between the teacher and its seen part; for one
that sees what the student sees C has the eigenvalue 1 along the probe and (cos^2 psi - cos^2 theta) / sin^2 theta
across it.

*A spectrum.*  Feature k has the variance l_k, and both T and Q take the part tau_k of the variance of their fields from
it; M features are seen, and h = 1 - sum of tau over them is hidden.  Ridge regularisation pays for |w|^2, so that
a feature answers with a_k = l_k / (lambda + l_k c):

    R = (1/M) sum a_k        S = (1/M) sum a_k^2
    G = sum tau_k a_k        D = 1/G - c = (h + lambda sum tau_k / (lambda + l_k c)) / G
    E = sum tau_k a_k^2 / G^2 - 1 = h / (1 - h) + sum tau_k (a_k (1 - h) / G - 1)^2 / (1 - h)^2

D and E are sums of positive terms on the right, where they lose no digits.  Equal variances give the first case back.

The square length of the student is |w|^2 = L alpha <force^2> + W m^2, with L = (1/M) sum l_k / (lambda + l_k c)^2 and
W = sum tau_k l_k / (lambda + l_k c)^2 / G^2.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from perceptron_theory.features import Hidden, Spectrum

__all__ = [
    "Plane",
    "Response",
    "curvature_of",
    "hidden_of",
    "length_of",
    "response_of",
    "with_slope",
]

MOST_STEPS = 100


class Response(NamedTuple):
    """R, D, S, E and L (scalars); the matrices by their eigenvalues along and across the probe."""

    v: Array
    drag_along: Array
    drag_across: Array
    spread: Array
    excess_along: Array
    excess_across: Array
    length: Array


class Plane(NamedTuple):
    """A symmetric matrix with eigenvectors along and across the probe, in the frame of the student (scalars)."""

    along: Array  # student, student
    mixed: Array
    across: Array

    @classmethod
    def of(cls, probe: Array, beside: Array, cos_psi: Array, sin_psi: Array) -> Plane:
        """From its eigenvalues; psi is the angle from the student to the probe."""
        return cls(
            probe * cos_psi**2 + beside * sin_psi**2,
            (probe - beside) * sin_psi * cos_psi,
            probe * sin_psi**2 + beside * cos_psi**2,
        )

    def times(self, along: Array, across: Array) -> tuple[Array, Array]:
        """Its product with a vector, both by components along and across the student."""
        return self.along * along + self.mixed * across, self.mixed * along + self.across * across


def response_of(features: Hidden | Spectrum | None, lam: Array, curvature: Array) -> Response:
    """The functions of the curvature; ``None`` where all features are seen and equal."""
    if isinstance(features, Spectrum):
        paid = 1 / (lam + features.variance * curvature)
        answer = features.variance * paid
        seen = 1 - features.hidden
        pull = jnp.sum(features.share * answer)
        uneven = jnp.sum(features.share * (answer * seen / pull - 1) ** 2)
        drag = (features.hidden + lam * jnp.sum(features.share * paid)) / pull
        excess = features.hidden / seen + uneven / seen**2
        v, spread = jnp.sum(features.count * answer), jnp.sum(features.count * answer**2)
        return Response(v, drag, drag, spread, excess, excess, jnp.sum(features.count * answer * paid))
    v = 1 / (lam + curvature)
    if features is None:
        return Response(v, lam, lam, v * v, jnp.zeros_like(v), jnp.zeros_like(v), v * v)
    drag = (lam + features.along / v, lam + features.across / v)
    return Response(v, *drag, v * v, features.along, features.across, v * v)


def with_slope(features: Hidden | Spectrum, lam: Array, curvature: Array) -> tuple[Response, Response]:
    """The functions of the curvature, and their derivatives by it."""
    return jax.jvp(lambda c: response_of(features, lam, c), (curvature,), (jnp.ones_like(curvature),))


def curvature_of(features: Spectrum, lam: Array, v: Array) -> Array:
    """The curvature c >= 0 at which R = V, differentiable.

    By Newton's method for 1/R, which is concave and rises, from c = 0: it never overshoots.
    """
    fixed = jax.lax.stop_gradient((features, lam, v))

    def rise(state: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        c, _, num_steps = state
        more = _rise(*fixed, c)
        return c + more, more, num_steps + 1

    zero = jnp.zeros_like(v)
    c, _, _ = jax.lax.while_loop(
        lambda state: (jnp.abs(state[1]) > 1e-15 * state[0]) & (state[2] < MOST_STEPS),
        rise,
        (zero, zero + 1.0, jnp.zeros_like(v, dtype=int)),
    )
    return c + _rise(features, lam, v, c)  # at the root, where it adds nothing but the derivatives


def _rise(features: Spectrum, lam: Array, v: Array, c: Array) -> Array:
    """Newton step for 1/R = 1/V."""
    response, slope = with_slope(features, lam, c)
    return (response.v - v) * response.v / (-slope.v * v)


def length_of(features: Spectrum, lam: Array, r: Array, s: Array, v: Array) -> Array:
    """|w| of the student with components of length r in the plane and spread s beside it."""
    c = curvature_of(features, lam, v)
    response = response_of(features, lam, c)
    paid = 1 / (lam + features.variance * c)
    pull = jnp.sum(features.share * features.variance * paid)
    forces = (s * s - response.excess_along * r * r) / response.spread
    held = jnp.sum(features.share * features.variance * paid**2) / pull**2
    return jnp.sqrt(response.length * forces + held * r * r)


def hidden_of(features: Hidden | Spectrum) -> Hidden:
    """What is hidden where only the span of the features counts, not their variances: equal after whitening."""
    if isinstance(features, Hidden):
        return features
    ratio = features.hidden / (1 - features.hidden)
    return Hidden(ratio, ratio)

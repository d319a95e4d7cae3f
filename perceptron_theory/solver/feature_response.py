"""How a student answers forces when it sees only a part of the features, or features of unequal variance.

The field of a student w on a kept example is y m.u + s g, with m its components along teacher T and the rest Q of the
probe *in the space of all features* and s the spread of all else.  What it sees enters by a few functions of the
curvature c = alpha <M''> alone:

    alpha <force y u> = D m        s^2 = S alpha <force^2> + m.E m        V = R

with 2 x 2 matrices D and E that are diagonal along and across the probe.  Where all features are seen and equal,
R = 1 / (lambda + c), D = lambda, S = R^2 and E = 0 (``regularised``).

*Hidden features.*  Let C be the Gram matrix of the seen parts of T and Q, and K = C^-1 - 1.  A seen vector with in-plane
part m has at least the square length m.C^-1 m, so that s^2 = m.K m + the square of a free part; ridge regularisation
pays for both:

    R = 1 / (lambda + c)        D = lambda + K / R        S = R^2        E = K

For a probe that sees all features C = cos^2 psi times 1, psi the angle between the teacher and its seen part; for one
that sees what the student sees C has the eigenvalue 1 along the probe and (cos^2 psi - cos^2 theta) / sin^2 theta
across it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

__all__ = ["Hidden", "Plane", "Response", "response_of"]


class Hidden(NamedTuple):
    """Eigenvalues of K; scalars inside the compiled code, one row per point on the host."""

    along: Any  # the probe
    across: Any


class Response(NamedTuple):
    """R, D, S and E (scalars); the matrices by their eigenvalues along and across the probe."""

    v: Array
    drag_along: Array
    drag_across: Array
    spread: Array
    excess_along: Array
    excess_across: Array


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


def response_of(features: Hidden, lam: Array, curvature: Array) -> Response:
    """The functions of the curvature."""
    v = 1 / (lam + curvature)
    return Response(v, lam + features.along / v, lam + features.across / v, v * v, features.along, features.across)


def with_slope(features: Hidden, lam: Array, curvature: Array) -> tuple[Response, Response]:
    """The functions of the curvature, and their derivatives by it."""
    return jax.jvp(lambda c: response_of(features, lam, c), (curvature,), (jnp.ones_like(curvature),))

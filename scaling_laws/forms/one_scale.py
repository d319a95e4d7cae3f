"""Laws in one scale, such as the number of examples n: each a function that returns its form.

In the code x = log n, and all is written for the logarithm of the error; positive parameters are exponentials of
coordinates.  Alabdulmohsin et al. is Alabdulmohsin, Neyshabur and Zhai, *Revisiting neural scaling laws in language
and vision* (NeurIPS 2022).
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from scaling_laws.forms.form import Floats, Form, Parameter, falling_slopes

__all__ = ["broken", "envelope", "exponential", "m3", "m4", "power", "power_constant"]

_CONSTANTS = (1e-3, 0.3, 0.7, 0.95)  # of a start, as a share of the lowest error
_SLOPES = (0.3, 1.0, 2.0, 4.0)  # of a start, as a multiple of the mean slope
_LEAST_REST = 1e-3  # of a start, what is not constant, as a share of the error
_HIGHEST = 1.05  # of a start, the error of no examples, as a multiple of the highest error
_STEEPEST = 50.0  # logarithm of b n beyond which an exponential is gone
_FARTHEST = 40.0  # logit of (error - c) / span beyond which m4 is not followed: there the error is c, or c + span

_COEFFICIENT = Parameter("coefficient")
_EXPONENT = Parameter("exponent")
_CONSTANT = Parameter("constant")


def power(scale: str) -> Form:
    """Error = coefficient n^-exponent; M1 of Alabdulmohsin et al."""

    def log_error(p: Any, x: Any) -> Any:
        return p[0] - jnp.exp(p[1]) * x[0]

    def starts(x: Floats, y: Floats) -> Floats:
        slopes = np.array(_SLOPES) * falling_slopes(x, y)
        return np.stack([y.mean() + slopes * x.mean(), np.log(slopes)], axis=1)

    return Form("power", (_COEFFICIENT, _EXPONENT), (scale,), log_error, starts, _shifted_power)


def power_constant(scale: str) -> Form:
    """Error = coefficient n^-exponent + constant; M2 of Alabdulmohsin et al., and Hestness et al. 2017."""

    def log_error(p: Any, x: Any) -> Any:
        return jnp.logaddexp(p[0] - jnp.exp(p[1]) * x[0], p[2])

    parameters = (_COEFFICIENT, _EXPONENT, _CONSTANT)
    return Form("power+constant", parameters, (scale,), log_error, _power_starts, _shifted_power)


def exponential(scale: str) -> Form:
    """Error = coefficient exp(-rate n) + constant."""

    def log_error(p: Any, x: Any) -> Any:
        return jnp.logaddexp(p[0] - jnp.exp(jnp.minimum(p[1] + x[0], _STEEPEST)), p[2])

    def starts(x: Floats, y: Floats) -> Floats:
        found = []
        for rate in np.exp(-np.quantile(x, [0.05, 0.2, 0.4, 0.6, 0.8, 1.0])):
            for share in _CONSTANTS:
                constant = share * np.exp(y.min())
                first = np.log(np.exp(y.max()) - constant) + rate * np.exp(x.min())
                found.append([first, np.log(rate), np.log(constant)])
        return np.array(found)

    def shifted(p: Floats, x0: Floats) -> Floats:
        return np.array([p[0], p[1] - x0[0], p[2]])

    parameters = (_COEFFICIENT, Parameter("rate"), _CONSTANT)
    return Form("exponential", parameters, (scale,), log_error, starts, shifted)


def m3(scale: str) -> Form:
    """Error = coefficient (1/n + offset)^exponent; M3 of Alabdulmohsin et al."""

    def log_error(p: Any, x: Any) -> Any:
        return p[0] + jnp.exp(p[1]) * jnp.logaddexp(-x[0], p[2])

    def starts(x: Floats, y: Floats) -> Floats:
        (slope,) = falling_slopes(x, y)
        at = y.mean() + slope * x.mean()
        return np.array([[at, np.log(c * slope), np.log(g) - x.max()] for c in _SLOPES for g in _CONSTANTS])

    def shifted(p: Floats, x0: Floats) -> Floats:
        return np.array([p[0] + np.exp(p[1]) * x0[0], p[1], p[2] - x0[0]])

    parameters = (_COEFFICIENT, _EXPONENT, Parameter("offset"))
    return Form("m3", parameters, (scale,), log_error, starts, shifted)


def envelope(scale: str) -> Form:
    """Error = guessing_error t / sqrt(t^2 + 1) with t = coefficient n^-exponent + constant.

    The law of Rosenfeld, Rosenfeld, Belinkov and Shavit, *A constructive prediction of the generalization error across
    scales* (ICLR 2020), section 5, in the data alone.  Its eta is 1 here: (coefficient, constant, eta) times any
    number is the same law.
    """

    def log_error(p: Any, x: Any) -> Any:
        log_t = jnp.logaddexp(p[0] - jnp.exp(p[1]) * x[0], p[2])
        return p[3] + log_t - 0.5 * jnp.logaddexp(2 * log_t, 0.0)

    def starts(x: Floats, y: Floats) -> Floats:
        (slope,) = falling_slopes(x, y)
        guess = _HIGHEST * np.exp(y.max())
        found = []
        for factor in _SLOPES:
            for share in _CONSTANTS:
                for size in (1.0, 3.0):
                    constant = 0.7 * share * np.exp(y.min()) / guess
                    at = np.log(size) + factor * slope * x.mean()
                    found.append([at, np.log(factor * slope), np.log(constant), np.log(guess)])
        return np.array(found)

    parameters = (_COEFFICIENT, _EXPONENT, _CONSTANT, Parameter("guessing_error"))
    return Form("envelope", parameters, (scale,), log_error, starts, _shifted_power)


def m4(scale: str) -> Form:
    """(error - constant) / (constant + span - error)^curvature = coefficient n^-exponent.

    M4 of Alabdulmohsin et al.: the error falls from constant + span at few examples to the constant at many.  With
    u = (error - constant) / span and v its logit this is log u - curvature log(1 - u) = L, which rises in v: Newton's
    method, to rounding errors.
    """

    def log_error(p: Any, x: Any) -> Any:
        curvature = jnp.exp(p[4])
        level = p[0] - jnp.exp(p[1]) * x[0] - (1 - curvature) * p[3]
        return jnp.logaddexp(p[2], p[3] - jnp.logaddexp(0.0, -_logit(level, curvature)))

    def starts(x: Floats, y: Floats) -> Floats:
        found = []
        for start in _power_starts(x, y, _CONSTANTS[::2]):
            span = max(_HIGHEST * np.exp(y.max()) - np.exp(start[2]), _LEAST_REST * np.exp(y.max()))
            found += [[*start, np.log(span), np.log(curvature)] for curvature in (0.1, 1.0)]
        return np.array(found)

    parameters = (_COEFFICIENT, _EXPONENT, _CONSTANT, Parameter("span"), Parameter("curvature"))
    return Form("m4", parameters, (scale,), log_error, starts, _shifted_power)


def _logit(level: Any, curvature: Any) -> Any:
    """The v at which -log(1 + e^-v) + curvature log(1 + e^v) is ``level``."""

    def step(v: Any, level: Any, curvature: Any) -> Any:
        excess = -jnp.logaddexp(0.0, -v) + curvature * jnp.logaddexp(0.0, v) - level
        slope = jax.nn.sigmoid(-v) + curvature * jax.nn.sigmoid(v)
        return jnp.clip(v - jnp.clip(excess / slope, -4.0, 4.0), -_FARTHEST, _FARTHEST)

    fixed_level, fixed_curvature = jax.lax.stop_gradient((level, curvature))
    v = jnp.where(fixed_level < 0, fixed_level, fixed_level / jnp.maximum(fixed_curvature, 1e-3))
    v = jnp.clip(v, -_FARTHEST, _FARTHEST)
    v = jax.lax.fori_loop(0, 8, lambda _, v: step(v, fixed_level, fixed_curvature), v)
    # two more steps from a constant: their derivatives, the second ones too, are those of the solution
    v = jax.lax.stop_gradient(v)
    return step(step(v, level, curvature), level, curvature)


def broken(scale: str) -> Form:
    """Error = constant + coefficient n^-exponent (1 + (n / break)^(1 / width))^(-change width).

    The exponent is ``exponent`` far before the break and exponent + change far beyond it; both may be of either sign.
    Caballero, Gupta, Rish and Krueger, *Broken neural scaling laws* (ICLR 2023), equation 1, with one break.
    """

    def log_error(p: Any, x: Any) -> Any:
        constant, coefficient, exponent, change, at, log_width = p
        width = jnp.exp(log_width)
        falls = coefficient - exponent * x[0] - change * width * jnp.logaddexp(0.0, (x[0] - at) / width)
        return jnp.logaddexp(constant, falls)

    def starts(x: Floats, y: Floats) -> Floats:
        found = []
        for coefficient, log_exponent, constant in _power_starts(x, y):
            c = np.exp(log_exponent)
            for at in np.quantile(x, [0.15, 0.4, 0.7]):
                found += [[constant, coefficient, c, change, at, np.log(0.5)] for change in (c, -0.5 * c)]
        return np.array(found)

    def shifted(p: Floats, x0: Floats) -> Floats:
        return np.array([p[0], p[1] + p[2] * x0[0], p[2], p[3], p[4] + x0[0], p[5]])

    names = ("constant", "coefficient", "exponent", "change", "break", "width")
    parameters = tuple(Parameter(name, "real" if name in ("exponent", "change") else "positive") for name in names)
    return Form("broken", parameters, (scale,), log_error, starts, shifted)


def _power_starts(x: Floats, y: Floats, constants: tuple[float, ...] = _CONSTANTS) -> Floats:
    """Starts of coefficient, exponent and constant, in this order."""
    (slope,) = falling_slopes(x, y)
    found = []
    for factor in _SLOPES:
        for share in constants:
            constant = share * np.exp(y.min())
            rest = max(np.exp(y.mean()) - constant, _LEAST_REST * np.exp(y.mean()))
            found.append([np.log(rest) + factor * slope * x.mean(), np.log(factor * slope), np.log(constant)])
    return np.array(found)


def _shifted_power(p: Floats, x0: Floats) -> Floats:
    return np.array([p[0] + np.exp(p[1]) * x0[0], *p[1:]])

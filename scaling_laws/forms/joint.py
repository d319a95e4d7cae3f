"""Laws in the number of examples n and the size of a model: each a function that returns its form.

The first scale is n.  The others measure the model; where there are several, such as width and depth, they enter as one
product of powers.  With D = data_coefficient n^-data_exponent and
S = size_coefficient (product over the other scales of scale^-exponent_scale):

    additive           D + S + constant
    envelope           guessing_error t / sqrt(t^2 + 1),  t = D + S + constant
    kaplan             (D^(1/a) + S^(1/a))^a,  a = data_exponent
    p-norm             (D^p + S^p)^(1/p)

``kaplan+constant`` and ``p-norm+constant`` add a constant to theirs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np

from scaling_laws.forms.form import Floats, Form, Parameter, falling_slopes

__all__ = ["additive", "envelope", "kaplan", "kaplan_constant", "p_norm", "p_norm_constant"]

_SLOPES = (0.5, 1.0, 2.0)  # of a start, as a multiple of the mean slope
_SHARES = (0.2, 0.5, 0.8)  # of a start, the data's share of what is not constant
_CONSTANTS = (0.01, 0.5, 0.9)  # of a start, as a share of the lowest error
_HIGHEST = 1.05  # of a start, the error of guessing, as a multiple of the highest error
_POWERS = (1.5, 4.0)

Extra = Callable[[Floats], list[list[float]]]


def additive(*scales: str) -> Form:
    """Error = D + S + constant.

    Equation 2 of Hoffmann et al., *Training compute-optimal large language models* (2022), the law of Chinchilla;
    before it, Rosenfeld et al. (ICLR 2020), equation 4.
    """

    def log_error(p: Any, x: Any) -> Any:
        data, size = _terms(p, x)
        return jnp.logaddexp(jnp.logaddexp(data, size), p[-1])

    return _form("additive", scales, log_error, ("constant",), _constants)


def envelope(*scales: str) -> Form:
    """Error = guessing_error t / sqrt(t^2 + 1) with t = D + S + constant.

    Rosenfeld, Rosenfeld, Belinkov and Shavit, *A constructive prediction of the generalization error across scales*
    (ICLR 2020), section 5, whose eta is 1 here: (coefficients, constant, eta) times any number is the same law.
    """

    def log_error(p: Any, x: Any) -> Any:
        data, size = _terms(p, x)
        log_t = jnp.logaddexp(jnp.logaddexp(data, size), p[-2])
        return p[-1] + log_t - 0.5 * jnp.logaddexp(2 * log_t, 0.0)

    def extra(y: Floats) -> list[list[float]]:
        guess = float(y.max() + np.log(_HIGHEST))
        return [[c - guess, guess] for (c,) in _constants(y)]

    return _form("envelope", scales, log_error, ("constant", "guessing_error"), extra, relative=True)


def kaplan(*scales: str) -> Form:
    """Error = (D^(1/a) + S^(1/a))^a with a = data_exponent.

    Equation 1.5 of Kaplan et al., *Scaling laws for neural language models* (2020): [(N_c/N)^(alpha_N/alpha_D) +
    D_c/D]^alpha_D.
    """

    def log_error(p: Any, x: Any) -> Any:
        return _norm(*_terms(p, x), jnp.exp(-p[1]))

    return _form("kaplan", scales, log_error, (), lambda y: [[]])


def kaplan_constant(*scales: str) -> Form:
    """The error of ``kaplan`` plus a constant."""

    def log_error(p: Any, x: Any) -> Any:
        return jnp.logaddexp(_norm(*_terms(p, x), jnp.exp(-p[1])), p[-1])

    return _form("kaplan+constant", scales, log_error, ("constant",), _constants)


def p_norm(*scales: str) -> Form:
    """Error = (D^p + S^p)^(1/p): errors that add for p = 1, of which the larger wins for a large p."""

    def log_error(p: Any, x: Any) -> Any:
        return _norm(*_terms(p, x), jnp.exp(p[-1]))

    return _form("p-norm", scales, log_error, ("p",), lambda y: [[float(np.log(power))] for power in _POWERS])


def p_norm_constant(*scales: str) -> Form:
    """The error of ``p-norm`` plus a constant."""

    def log_error(p: Any, x: Any) -> Any:
        return jnp.logaddexp(_norm(*_terms(p, x), jnp.exp(p[-1])), p[-2])

    def extra(y: Floats) -> list[list[float]]:
        return [[c, float(np.log(power))] for (c,) in _constants(y) for power in _POWERS]

    return _form("p-norm+constant", scales, log_error, ("constant", "p"), extra)


def _terms(p: Any, x: Any) -> tuple[Any, Any]:
    """Logarithms of D and S."""
    size = p[2]
    for number in range(1, len(x)):
        size = size - jnp.exp(p[2 + number]) * x[number]
    return p[0] - jnp.exp(p[1]) * x[0], size


def _norm(data: Any, size: Any, power: Any) -> Any:
    return jnp.logaddexp(power * data, power * size) / power


def _constants(y: Floats) -> list[list[float]]:
    return [[float(np.log(share) + y.min())] for share in _CONSTANTS]


def _form(
    name: str,
    scales: tuple[str, ...],
    log_error: Callable[[Any, Any], Any],
    extra_names: tuple[str, ...],
    extra: Extra,
    *,
    relative: bool = False,
) -> Form:
    """A form of D, S and further parameters, of which ``extra`` gives starts; ``relative`` to an error of guessing."""

    def starts(x: Floats, y: Floats) -> Floats:
        slopes = falling_slopes(x, y)
        found = []
        for more in extra(y):
            level = float(y.mean()) - (more[-1] if relative else 0.0)
            constant = more[0] if extra_names and extra_names[0] == "constant" else -np.inf
            rest = np.log(max(np.exp(level) - np.exp(constant), 1e-2 * np.exp(level)))
            for factor in _SLOPES:
                alpha, betas = factor * slopes[0], factor * slopes[1:]
                for share in _SHARES:
                    data = rest + np.log(share) + alpha * x[0].mean()
                    size = rest + np.log1p(-share) + betas @ x[1:].mean(axis=1)
                    found.append([data, np.log(alpha), size, *np.log(betas), *more])
        return np.array(found)

    def shifted(p: Floats, x0: Floats) -> Floats:
        moved = np.array(p, np.float64)
        moved[0] += np.exp(p[1]) * x0[0]
        moved[2] += np.exp(p[3 : 2 + len(x0)]) @ x0[1:]
        return moved

    names = ["data_coefficient", "data_exponent", "size_coefficient"]
    names += ["size_exponent"] if len(scales) == 2 else [f"{scale}_exponent" for scale in scales[1:]]
    parameters = tuple(Parameter(one) for one in (*names, *extra_names))
    return Form(name, parameters, scales, log_error, starts, shifted)

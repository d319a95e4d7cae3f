"""The law of the error of networks from which the smallest weights were pruned."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from scaling_laws.forms.form import Floats, Form, Parameter

__all__ = ["PRUNING_SCALES", "magnitude_pruning"]

PRUNING_SCALES = ("density", "unpruned_error", "depth", "width")


def magnitude_pruning() -> Form:
    """Error = e |(m - i p (g/e)^(1/gamma)) / (m - i p)|^gamma with the invariant m = depth^phi width^psi density.

    e is the unpruned error, a column like the scales, g the error of guessing, and density the share of the weights
    that is left.  The error is e at high densities, g at none, and in between a power of density with the exponent
    -gamma. One network has phi = psi = 0.  Rosenfeld, Frankle, Carbin and Shavit, *On the predictability of pruning
    across scales* (ICML 2021), equations 1 and 2.
    """

    def log_error(p: Any, x: Any) -> Any:
        # beyond e^60 the law is its limit, log e + share (log g - log e), to the last digit; at infinity it is NaN
        guess, gamma, log_p = p[0], jnp.exp(jnp.minimum(p[1], 60.0)), p[2]
        density, unpruned, depth, width = x
        invariant = density + p[3] * depth + p[4] * width
        # the quotient of squares less 1, so that nothing cancels at a large gamma, an exponential of the share of p^2
        share = jax.nn.sigmoid(2 * (log_p - invariant))
        return unpruned + 0.5 * gamma * jnp.log1p(share * jnp.expm1(2 * (guess - unpruned) / gamma))

    def starts(x: Floats, y: Floats) -> Floats:
        size = float(x[3].mean())
        return np.array(
            [
                [y.max(), np.log(gamma), np.log(p) + phi * x[2].mean() + psi * size, phi, psi]
                for gamma in (0.5, 1.5, 3.0)
                for p in (0.003, 0.02, 0.1)
                for phi, psi in ((0.0, 0.0), (0.5, 1.0), (1.0, 2.0))
            ]
        )

    def shifted(p: Floats, x0: Floats) -> Floats:
        if np.any(x0):
            raise ValueError("the scales of magnitude-pruning are not shifted")
        return np.asarray(p, np.float64)

    parameters = (
        Parameter("guessing_error"),
        Parameter("gamma"),
        Parameter("p"),
        Parameter("phi", "real"),
        Parameter("psi", "real"),
    )
    return Form("magnitude-pruning", parameters, PRUNING_SCALES, log_error, starts, shifted, centred=False)

"""Errors of laws at scales, for many coordinates at once."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from data_pruning.compilation import quickly_compiled
from scaling_laws.forms.form import Floats, Form

__all__ = ["log_errors"]

_FILLED = 16  # points are filled up to a multiple, so that few programs are compiled


def log_errors(form: Form, p: Floats, x: Floats) -> Floats:
    """Logarithms of the errors of laws.

    Args:
        form: the law.
        p: coordinates, shape (num_laws, num_parameters).
        x: logarithms of the scales, shape (num_scales, num_points).

    Returns:
        Shape (num_laws, num_points).
    """
    num = x.shape[1]
    filled = np.pad(x, ((0, 0), (0, -num % _FILLED)))
    with jax.enable_x64(True):
        return np.asarray(_log_errors(form, np.asarray(p, np.float64), filled))[:, :num]


@quickly_compiled(static_argnames="form")
def _log_errors(form: Form, p: Any, x: Any) -> Any:
    return jax.vmap(form.log_error, in_axes=(0, None))(p, x)

"""What a scaling law is: a function of scales with parameters, and where a fit of it may start."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["Floats", "Form", "Parameter", "falling_slopes"]

Floats = NDArray[np.float64]

_LEAST_SLOPE = 1e-3


@dataclass(frozen=True)
class Parameter:
    """One number of a law.

    Attributes:
        name: the parameter.
        kind: "positive", which is searched for by its logarithm, or "real".
    """

    name: str
    kind: Literal["positive", "real"] = "positive"

    def value(self, coordinate: Any) -> Any:
        """The parameter at a coordinate of the search."""
        return np.exp(coordinate) if self.kind == "positive" else coordinate

    def coordinate(self, value: float) -> float:
        """The coordinate of the search at a value of the parameter; minus infinity at a positive one's limit 0.

        Raises:
            ValueError: the value is negative, and the parameter is not.
        """
        if self.kind == "real":
            return float(value)
        if not value >= 0:
            raise ValueError(f"{self.name} must be at least 0, got {value!r}")
        return float(np.log(value)) if value > 0 else -np.inf


@dataclass(frozen=True)
class Form:
    """A family of scaling laws for given scales.

    The functions take coordinates p, shape (num_parameters,), one for each parameter, and logarithms of the scales x,
    shape (num_scales, num_points).

    Attributes:
        name: the form.
        parameters: its parameters, in the order of p.
        scales: names of the scales, in the order of x.
        log_error: logarithm of the error at (p, x), shape (num_points,); in JAX.
        starts: where a fit to (x, logarithms of the errors) may start, shape (num_starts, num_parameters).
        shifted: from (p, x0), x0 of shape (num_scales,), the coordinates that give at x what p gives at x - x0.
        centred: whether fits shift each x to mean 0, which makes coefficients and exponents nearly independent.
    """

    name: str
    parameters: tuple[Parameter, ...]
    scales: tuple[str, ...]
    log_error: Callable[[Any, Any], Any]
    starts: Callable[[Floats, Floats], Floats]
    shifted: Callable[[Floats, Floats], Floats]
    centred: bool = True

    @property
    def num_parameters(self) -> int:
        """Number of parameters."""
        return len(self.parameters)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the parameters."""
        return tuple(parameter.name for parameter in self.parameters)


def falling_slopes(x: Floats, log_error: Floats, least: float = _LEAST_SLOPE) -> Floats:
    """Exponents with which errors fall in each scale, by linear least squares in the logarithms.

    Args:
        x: logarithms of the scales, shape (num_scales, num_points).
        log_error: logarithms of the errors, shape (num_points,).
        least: smaller exponents are brought to this one.
    """
    design = np.vstack([x, np.ones(x.shape[1])]).T
    slopes = -np.linalg.lstsq(design, log_error, rcond=None)[0][:-1]
    return np.maximum(slopes, least)

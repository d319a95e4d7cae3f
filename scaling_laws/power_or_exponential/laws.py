"""Forms of scaling laws: how test error falls with the number of examples."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["LAWS", "Floats", "Law", "ScalingFit"]


Law = Literal["power", "exponential"]


LAWS: tuple[Law, ...] = ("power", "exponential")
"""Names of the laws that are told apart."""


Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ScalingFit:
    """One law fitted to test error against the number of examples kept, K; call it for the error at other K.

    power:        error = prefactor K^(-exponent) + irreducible_error
    exponential:  error = prefactor exp(-exponent K) + irreducible_error

    Attributes:
        law: "power" or "exponential".
        prefactor: a > 0, an error.
        exponent: b > 0; of the exponential law, per example.
        irreducible_error: c >= 0, the error of infinitely many examples; 0 where it was fixed.
        prefactor_interval: confidence interval of a.
        exponent_interval: confidence interval of b; 0 and inf mean that the data set no limit.
        irreducible_error_interval: confidence interval of c; (0, 0) where it was fixed.
        level: confidence level of the intervals.
        chi_square: sum over points of ((mean error - law) / standard error)^2.
        num_points: number of points fitted.
        num_parameters: 3, or 2 without irreducible error.
        p_value: how often a chi-square at least as large would be seen if the law were true; None where the law has
            as many parameters as there are points, and passes through them all.
    """

    law: Law
    prefactor: float
    exponent: float
    irreducible_error: float
    prefactor_interval: tuple[float, float]
    exponent_interval: tuple[float, float]
    irreducible_error_interval: tuple[float, float]
    level: float
    chi_square: float
    num_points: int
    num_parameters: int
    p_value: float | None

    def __call__(self, num_kept: ArrayLike) -> Floats:
        """Test error of the law at ``num_kept`` > 0, an array of its shape."""
        K = np.asarray(num_kept, np.float64)
        if np.any(~(K > 0)):
            raise ValueError(f"num_kept must be above 0, got {num_kept!r}")
        x = np.log(K) if self.law == "power" else K
        return np.exp(math.log(self.prefactor) - self.exponent * x) + self.irreducible_error

    def __str__(self) -> str:
        formula = f"K^-{self.exponent:.3g}" if self.law == "power" else f"exp(-{self.exponent:.3g} K)"
        low, high = self.exponent_interval
        fit = "" if self.p_value is None else f", p = {self.p_value:.2g}"
        return (
            f"{self.law}: error = {self.prefactor:.3g} {formula} + {self.irreducible_error:.3g}; "
            f"exponent in [{low:.3g}, {high:.3g}] ({100 * self.level:g} %), chi-square {self.chi_square:.3g}{fit}"
        )

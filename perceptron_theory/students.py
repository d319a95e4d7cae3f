"""Students: what is minimised over the kept examples.

Every student is linear, w.x without a bias, trained on examples x ~ N(0, I_N) with labels y.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from data_pruning.arguments import is_traced, real_array

__all__ = ["LAMBDA_RANGE", "LOSSES", "HingeLoss", "LogisticLoss", "LossName", "MaxMargin", "SquareLoss", "Student"]

LAMBDA_RANGE = (1e-14, 1e14)


@dataclass(frozen=True)
class Student:
    """Base of all students."""


@dataclass(frozen=True)
class MaxMargin(Student):
    """The separator of largest margin: maximises min y w.x / |w|.  Exists where the kept examples are separable."""


@dataclass(frozen=True)
class RegularisedStudent(Student):
    """Minimises sum over kept examples of loss(y w.x), plus (lambda N / 2) |w|^2.

    Attributes:
        lam: lambda, in [1e-14, 1e14] or 0; number or array.  0 means the limit lambda -> 0, where it exists.
    """

    lam: Any
    loss: ClassVar[str]

    def __post_init__(self) -> None:
        lam = real_array("lam", self.lam)
        low, high = LAMBDA_RANGE
        if not is_traced(lam) and np.any((lam != 0) & ((lam < low) | (lam > high))):
            raise ValueError(
                f"lam, the strength lambda of the regularisation, must be 0 or lie in [{low:g}, {high:g}], "
                f"got {self.lam!r}"
            )


@dataclass(frozen=True)
class SquareLoss(RegularisedStudent):
    """Ridge regression on the labels: loss(h) = (1 - h)^2 / 2."""

    loss: ClassVar[str] = "square"


@dataclass(frozen=True)
class LogisticLoss(RegularisedStudent):
    """Logistic regression: loss(h) = log(1 + exp(-h))."""

    loss: ClassVar[str] = "logistic"


@dataclass(frozen=True)
class HingeLoss(RegularisedStudent):
    """Soft-margin support vector machine: loss(h) = max(0, 1 - h)."""

    loss: ClassVar[str] = "hinge"


LossName = Literal["square", "logistic", "hinge"]
LOSSES: dict[str, type[RegularisedStudent]] = {"square": SquareLoss, "logistic": LogisticLoss, "hinge": HingeLoss}

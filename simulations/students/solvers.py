"""Which solver trains which student."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from jax import Array

from data_pruning.arguments import number
from perceptron_theory import HingeLoss, LogisticLoss, MaxMargin, SquareLoss, Student
from simulations.students.hinge_loss import support_vector_machine
from simulations.students.interior_point import max_margin, quick_max_margin
from simulations.students.logistic_loss import logistic_regression
from simulations.students.square_loss import minimum_norm, ridge

__all__ = ["LARGEST_GAP", "Fit", "Trained", "quick_solver_of", "solver_of"]

LARGEST_GAP = 1e-10  # certified: the error of the returned angle is below sqrt(2 LARGEST_GAP)/pi = 5e-6


class Trained(Protocol):
    """What every solver returns, and more."""

    @property
    def weights(self) -> Array:
        """Student, shape (num_features,)."""

    @property
    def margin(self) -> Array:
        """Smallest y w.x / sqrt(N) / |w| over the examples."""

    @property
    def gap(self) -> Array:
        """The angle of the student is right to arccos(1 - gap)."""


Fit = Callable[..., Trained]  # examples (rows y x / sqrt N), lambda, and for losses the weight of each example


def train_max_margin_quickly(examples: Array, lam: Array, importance: Array | None = None) -> Trained:
    """``quick_max_margin``, called as the others are."""
    return quick_max_margin(examples)


def train_max_margin(examples: Array, lam: Array, importance: Array | None = None) -> Trained:
    """``max_margin``, called as the others are; ``lam`` and ``importance`` take no part."""
    return max_margin(examples)


def solver_of(student: Student) -> tuple[Fit, float]:
    """The solver of a student, and its lambda.

    Raises:
        TypeError, ValueError: no student, or one whose minimum is not unique in general.
    """
    if isinstance(student, MaxMargin):
        return train_max_margin, 0.0
    if not isinstance(student, SquareLoss | LogisticLoss | HingeLoss):
        raise TypeError(f"student must be MaxMargin(), SquareLoss, LogisticLoss or HingeLoss, got {student!r}")
    lam = number("lam", student.lam)
    if isinstance(student, SquareLoss):
        return (ridge, lam) if lam > 0 else (minimum_norm, lam)
    if lam == 0:
        raise ValueError(
            f"a simulated {student} has no unique minimum in general: take a small lam > 0, or MaxMargin()"
        )
    return (logistic_regression, lam) if isinstance(student, LogisticLoss) else (support_vector_machine, lam)


def quick_solver_of(student: Student) -> Fit | None:
    """A solver that compiles faster and may end without a certificate, where there is one."""
    return train_max_margin_quickly if isinstance(student, MaxMargin) else None

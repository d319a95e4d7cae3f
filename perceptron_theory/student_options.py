"""Options of the command lines that say who learns, and from what labels; for the theory and the simulations alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import tyro

from perceptron_theory.labels import Labels
from perceptron_theory.students import LOSSES, MaxMargin, Student

__all__ = ["StudentChoice", "StudentName", "StudentOptions", "student_named"]

StudentName = Literal["max-margin", "square", "logistic", "hinge"]


@dataclass(frozen=True)
class StudentChoice:
    """The student and its labels.

    Attributes:
        student: what is trained on the kept examples: the max-margin separator, or a ridge-regularised loss.
        lam: strength lambda of the regularisation, at least 0; needed by square, logistic and hinge.
        flip_probability: fraction of wrong labels, in [0, 0.5).
    """

    student: StudentName = "max-margin"
    lam: float | None = None
    flip_probability: float = 0.0

    def chosen(self) -> Student:
        """The student."""
        return student_named(self.student, self.lam)

    def labels(self) -> Labels:
        """The labels, of a teacher that is the truth."""
        return Labels(self.flip_probability)


StudentOptions = Annotated[StudentChoice, tyro.conf.arg(name="")]


def student_named(name: StudentName, lam: float | None, option: str = "--lam") -> Student:
    """The student of a name and a lambda; ``option`` is what errors call the latter."""
    if (name == "max-margin") != (lam is None):
        raise ValueError(f"{option} is needed by the students square, logistic and hinge, and by them only")
    return MaxMargin() if lam is None else LOSSES[name](lam)

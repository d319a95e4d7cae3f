"""Options of the command lines that say who learns, from what labels, and what it sees; for theory and simulations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import tyro

from perceptron_theory.features import Features, PowerLawFeatures, SeenFeatures
from perceptron_theory.labels import Labels
from perceptron_theory.students import LOSSES, MaxMargin, Student

__all__ = ["FeatureChoice", "FeatureOptions", "StudentChoice", "StudentName", "StudentOptions", "student_named"]

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


@dataclass(frozen=True)
class FeatureChoice:
    """What the student sees of the features; nothing said: all of them, of equal variance.

    Attributes:
        seen_fraction: part of the features that the student sees, of equal variance, in (0, 1].
        probe_sees: whether the probe sees all of these features, or what the student sees.
        num_seen: features that the student sees of power-law features, with --decay and --teacher-decay.
        decay: exponent of their variances k^-decay, > 1.
        teacher_decay: exponent of the part k^-teacher_decay that the teacher takes from each, > 1.
        num_all: power-law features altogether, at most 2^20.
    """

    seen_fraction: float | None = None
    probe_sees: Literal["all", "seen"] = "all"
    num_seen: int | None = None
    decay: float | None = None
    teacher_decay: float | None = None
    num_all: int = 2**17

    def chosen(self) -> Features | None:
        """The features."""
        power_law = (self.num_seen, self.decay, self.teacher_decay)
        if all(x is None for x in power_law):
            if self.num_all != FeatureChoice.num_all:
                raise ValueError("--num-all belongs to power-law features: --num-seen, --decay and --teacher-decay")
            if self.seen_fraction is None:
                if self.probe_sees != "all":
                    raise ValueError("--probe-sees belongs to --seen-fraction")
                return None
            return SeenFeatures(self.seen_fraction, self.probe_sees)
        if self.num_seen is None or self.decay is None or self.teacher_decay is None:
            raise ValueError("power-law features need all of --num-seen, --decay and --teacher-decay")
        if self.seen_fraction is not None or self.probe_sees != "all":
            raise ValueError(
                "--seen-fraction and --probe-sees belong to features of equal variance: leave out --num-seen"
            )
        return PowerLawFeatures(self.decay, self.teacher_decay, self.num_seen, self.num_all)


StudentOptions = Annotated[StudentChoice, tyro.conf.arg(name="")]
FeatureOptions = Annotated[FeatureChoice, tyro.conf.arg(name="")]


def student_named(name: StudentName, lam: float | None, option: str = "--lam") -> Student:
    """The student of a name and a lambda; ``option`` is what errors call the latter."""
    if (name == "max-margin") != (lam is None):
        raise ValueError(f"{option} is needed by the students square, logistic and hinge, and by them only")
    return MaxMargin() if lam is None else LOSSES[name](lam)

"""What the explorer is asked: one point of the theory, as a link writes it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from data_pruning import KeepRule, keep_rule
from data_pruning.arguments import check_choice, check_string, number

if TYPE_CHECKING:
    from perceptron_theory import Features, Labels, Student

__all__ = ["ALPHA_PRUNE_RANGE", "STUDENTS", "Question"]

STUDENTS = ("max-margin", "square", "logistic", "hinge")
ALPHA_PRUNE_RANGE = (1e-3, 1e5)  # of the theory; a test compares, so that this file does not load the solver
_FRACTION_RANGE = (1e-4, 1.0)
_LAMBDA_RANGE = (1e-14, 1e14)
_TEXTS = ("rule", "student")


@dataclass(frozen=True)
class Question:
    """One point: how many examples, what is kept of them, and who learns from what.

    All fields are numbers or texts; equal questions are equal objects, which caches use.

    Attributes:
        alpha_tot: examples per parameter before pruning; f alpha_tot must lie in [1e-3, 1e5].
        f: fraction kept, in [1e-4, 1].
        theta_deg: angle between probe and teacher in degrees, in [0, 90].
        rule: keep rule as :func:`data_pruning.keep_rule` names it.
        student: "max-margin", "square", "logistic" or "hinge".
        lam: strength lambda of the regularisation, 0 or in [1e-14, 1e14]; the max-margin student has none.
        flip_probability: fraction of wrong labels, in [0, 1/2).
        seen: part of the features that the student sees, in (0, 1].

    Raises:
        TypeError, ValueError: a value that is none of these; the message names it.
    """

    alpha_tot: float = 10.0
    f: float = 0.3
    theta_deg: float = 20.0
    rule: str = "hard"
    student: str = "max-margin"
    lam: float = 0.1
    flip_probability: float = 0.0
    seen: float = 1.0

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            if field.name in _TEXTS:
                check_string(field.name, getattr(self, field.name))
            else:  # 10 and 10.0 are one question
                object.__setattr__(self, field.name, float(number(field.name, getattr(self, field.name))))
        low, high = ALPHA_PRUNE_RANGE
        _check("f, the fraction kept,", self.f, _FRACTION_RANGE[0] <= self.f <= 1, "[0.0001, 1]")
        inside = low * (1 - 1e-9) <= self.f * self.alpha_tot <= high * (1 + 1e-9)
        room = f"[{low / self.f:g}, {high / self.f:g}] at f = {self.f:g}: kept examples per parameter, f alpha_tot, "
        _check("alpha_tot", self.alpha_tot, inside, room + f"in [{low:g}, {high:g}]")
        _check("theta_deg", self.theta_deg, 0 <= self.theta_deg <= 90, "[0, 90]")
        check_choice("student", self.student, STUDENTS)
        allowed = self.lam == 0 or _LAMBDA_RANGE[0] <= self.lam <= _LAMBDA_RANGE[1]
        _check("lam", self.lam, allowed, "[1e-14, 1e14] or be 0")
        _check("flip_probability", self.flip_probability, 0 <= self.flip_probability < 0.5, "[0, 0.5)")
        _check("seen", self.seen, 0 < self.seen <= 1, "(0, 1]")
        if self.keep.weight_power > 0 and self.student == "max-margin":
            raise ValueError(
                f"rule must have no weights where student is max-margin, which has no loss to be weighted, got "
                f"{self.rule!r}: choose square, logistic or hinge, or leave out +weighted"
            )

    @property
    def theta(self) -> float:
        """Angle between probe and teacher in radians."""
        return float(np.deg2rad(self.theta_deg))

    @property
    def keep(self) -> KeepRule:
        """The keep rule."""
        return keep_rule(self.rule, self.f)

    @property
    def labels(self) -> Labels:
        """The labels, of a teacher that is the truth."""
        from perceptron_theory import Labels

        return Labels(self.flip_probability)

    @property
    def student_model(self) -> Student:
        """The student."""
        from perceptron_theory import HingeLoss, LogisticLoss, MaxMargin, SquareLoss

        if self.student == "max-margin":
            return MaxMargin()
        return {"square": SquareLoss, "logistic": LogisticLoss, "hinge": HingeLoss}[self.student](self.lam)

    @property
    def features(self) -> Features | None:
        """What the student sees of the features; None is all of them."""
        from perceptron_theory import SeenFeatures

        return None if self.seen == 1 else SeenFeatures(self.seen)

    @property
    def config(self) -> dict[str, Any]:
        """The fields by name, for the config of results."""
        return dataclasses.asdict(self)

    def to_query(self) -> dict[str, str]:
        """The fields as a link writes them; ``from_query`` gives the same question to the last digit."""
        return {name: value if isinstance(value, str) else repr(value) for name, value in self.config.items()}

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> Question:
        """The question of a link; what it does not say is as by default.

        Args:
            query: texts by the names of the fields.

        Raises:
            ValueError: a name that is none, a text that is no number, or a value out of range.
        """
        names = [field.name for field in dataclasses.fields(cls)]
        values: dict[str, Any] = {}
        for name, text in query.items():
            if name not in names:
                raise ValueError(f"a question has {', '.join(names)}, got {name!r}")
            values[name] = text if name in _TEXTS else _number(name, text)
        return cls(**values)


def _number(name: str, text: str) -> float:
    try:
        return float(text)
    except (TypeError, ValueError):
        raise ValueError(f"{name} must be a number, got {text!r}") from None


def _check(name: str, value: float, allowed: bool, interval: str) -> None:
    if not allowed:
        raise ValueError(f"{name} must lie in {interval}, got {value:g}")

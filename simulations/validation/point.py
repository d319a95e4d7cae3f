"""One comparison of theory and simulation: ``Point``."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from data_pruning import KeepByLabel, KeepRule
from data_pruning.arguments import integer
from perceptron_theory import Labels, MaxMargin, Student
from perceptron_theory.features import Features
from simulations.probe import TrainedProbe
from simulations.pruned_students import PrunedStudents
from simulations.simulation import number_of_trials

__all__ = ["Point"]


@dataclass(frozen=True)
class Point:
    """One comparison of theory and simulation; the fields are the arguments of ``simulate``.

    Attributes:
        alpha_tot: examples per parameter before pruning, > 0.
        keep: one keep rule, or one for the examples whose label the probe predicts and one for the others.
        theta: angle between probe and teacher in radians, in [0, pi/2], or a probe that is trained in every trial.
        num_features: N; or several sizes, increasing, such as (50, 100, 200), from which the comparison is
            extrapolated to infinite N.
        num_trials: trials of each size, at least 2; or "auto", as many as ``target`` takes.
        student: what is minimised.
        labels: flips of labels, and the truth that counts.
        target: with "auto", the standard error of the mean test error that is small enough, at each size.
        features: what the student sees of the features.

    Raises:
        TypeError, ValueError: a field of the wrong type or out of range, as ``simulate``.
    """

    alpha_tot: float
    keep: KeepRule | KeepByLabel
    theta: float | TrainedProbe
    num_features: int | tuple[int, ...] = 200
    num_trials: int | Literal["auto"] = 100
    student: Student = MaxMargin()  # noqa: RUF009 (frozen)
    labels: Labels = Labels()  # noqa: RUF009 (frozen)
    target: float | None = None
    features: Features | None = None

    def __post_init__(self) -> None:
        if isinstance(self.num_features, tuple):
            if not self.num_features:
                raise ValueError("num_features is empty: give at least one size")
            for size in self.num_features:
                integer("num_features", size, 2)
            if list(self.num_features) != sorted(set(self.num_features)):
                raise ValueError(f"num_features must be increasing sizes, got {self.num_features!r}")
        elif isinstance(self.num_features, bool) or not isinstance(self.num_features, int | np.integer):
            raise TypeError(f"num_features must be an integer or a tuple of increasing ones, got {self.num_features!r}")
        number_of_trials(self.num_trials, self.target)
        for size in self.sizes:
            self.students(size)

    @property
    def sizes(self) -> tuple[int, ...]:
        """The sizes N, increasing."""
        return self.num_features if isinstance(self.num_features, tuple) else (self.num_features,)

    def students(self, num_features: int, seed: int = 0) -> PrunedStudents:
        """The trials of one size.

        Args:
            num_features: N.
            seed: the user's; that of the trials is derived from it and from their settings by SHA-256.
        """
        fields = (self.alpha_tot, self.keep, self.theta, num_features, self.student, self.labels)
        settings = PrunedStudents(*fields, features=self.features).point()
        digest = hashlib.sha256(json.dumps([int(seed), settings], sort_keys=True).encode()).digest()
        # 31 bits: a seed that every random generator takes
        return PrunedStudents(*fields, seed=int.from_bytes(digest[:4], "big") >> 1, features=self.features)

    def settings(self) -> dict[str, Any]:
        """The point as a JSON value; student, labels and target only where they are not the default."""
        settings = self.students(self.sizes[-1]).point()
        if isinstance(self.num_features, tuple):
            settings["num_features"] = [int(size) for size in self.num_features]
        settings["num_trials"] = "auto" if self.num_trials == "auto" else int(self.num_trials)
        return settings if self.target is None else settings | {"target": float(self.target)}

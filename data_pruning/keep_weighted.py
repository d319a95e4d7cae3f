"""A rule whose kept examples carry importance weights: ``KeepWeighted``."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from data_pruning.importance_weights import check_power
from data_pruning.keep_rules import KeepRule

__all__ = ["KeepWeighted", "warn_of_ignored_weights", "without_weights"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class KeepWeighted(KeepRule):
    """Keep as a rule does, and weigh the loss of each kept example by 1 / probability to a power, mean 1.

    At power 1 the weighted loss estimates that of all examples without bias; whether that, the plain loss or something
    between is best depends on student and data (Kolossov, Montanari and Tandon 2023).  A student that separates the
    examples with the largest margin has no loss to be weighted.

    Attributes:
        rule: keep rule, or array of rules.
        power: gamma, in [0, 1]; 0 weighs all alike.
    """

    rule: KeepRule
    power: float = 1.0

    def __post_init__(self) -> None:
        if not isinstance(self.rule, KeepRule) or isinstance(self.rule, KeepWeighted):
            raise TypeError(
                f"rule must be a keep rule without weights, such as KeepProportional(0.2), got {self.rule!r}"
            )
        check_power(self.power)

    @property
    def weight_power(self) -> float:  # noqa: D102
        return float(self.power)

    @property
    def fraction(self) -> Any:  # noqa: D102
        return self.rule.fraction

    @property
    def shape(self) -> tuple[int, ...]:  # noqa: D102
        return self.rule.shape

    def __call__(self, rank: ArrayLike) -> Floats:
        """As ``rule(rank)``."""
        return self.rule(rank)

    def windows(self) -> tuple[Any, Any, Any]:  # noqa: D102
        return self.rule.windows()

    def with_fraction(self, f: float) -> KeepWeighted:  # noqa: D102
        return KeepWeighted(self.rule.with_fraction(f), self.power)

    def num_kept(self, num_examples: int) -> int:  # noqa: D102
        return self.rule.num_kept(num_examples)

    def kept_positions(self, num_examples: int, rng: np.random.Generator | None = None) -> NDArray[np.int64]:  # noqa: D102
        return self.rule.kept_positions(num_examples, rng)

    def positions_by_score(  # noqa: D102
        self, scores: ArrayLike, count: int | None = None, rng: np.random.Generator | None = None
    ) -> NDArray[np.int64]:
        return self.rule.positions_by_score(scores, count, rng)

    def chances(self, num_examples: int, count: int, scores: ArrayLike | None = None) -> Floats:  # noqa: D102
        return self.rule.chances(num_examples, count, scores)


def warn_of_ignored_weights(keep: Any, student: Any) -> None:
    """Warn that a student has no use for the weights of a rule, if it has any."""
    if keep.weight_power > 0:
        warnings.warn(
            f"{student} ignores the weights of {keep}: it separates all kept examples, and no loss is weighted",
            UserWarning,
            stacklevel=3,
        )


def without_weights(keep: Any) -> None:
    """Raise a ``ValueError`` for a rule with weights, where there is no answer for one."""
    if keep.weight_power > 0:
        raise ValueError(f"keep must be a rule without weights here, got {keep!r}")

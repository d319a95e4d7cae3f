"""A rule for a part of the budget, random examples for the rest: ``KeepMixture``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from data_pruning.arguments import check_real
from data_pruning.keep_rules import KeepRule, nearest_whole

__all__ = ["KeepMixture"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class KeepMixture(KeepRule):
    """Spend a share of the budget on a rule, the rest on random examples of what the rule leaves.

    Source: Ayed and Hayou, *Data pruning and neural scaling laws: fundamental limitations of score-based algorithms*
    (2023): with a share of random examples every example keeps a chance, and training stays consistent.

    Attributes:
        rule: one keep rule, whose fraction is that of the mixture.
        share: part of the kept examples that the rule chooses, in [0, 1]; 0 keeps at random, 1 is the rule.
    """

    rule: KeepRule
    share: float = 0.5

    def __post_init__(self) -> None:
        if not isinstance(self.rule, KeepRule):
            raise TypeError(f"rule must be a keep rule such as KeepHard(0.2), got {self.rule!r}")
        if self.rule.shape != ():
            raise ValueError(f"rule must be one keep rule, got an array of rules of shape {self.rule.shape}")
        check_real("share", self.share, "[0, 1]")

    @property
    def fraction(self) -> Any:  # noqa: D102
        return self.rule.fraction

    def with_fraction(self, f: float) -> KeepMixture:  # noqa: D102
        return KeepMixture(self.rule.with_fraction(f), self.share)

    def windows(self) -> tuple[Floats, Floats, Floats]:
        """The windows of the rule and what lies between them."""
        f, share = float(self.fraction), float(self.share)
        chosen = f * share
        by_chance = min(1.0, (f - chosen) / (1 - chosen)) if chosen < 1 else 0.0  # of what the rule leaves
        if chosen == 0:
            return np.zeros(1), np.ones(1), np.full(1, f)
        lower, upper, probability = self.rule.with_fraction(chosen).windows()
        order = np.argsort(lower, kind="stable")
        lower, upper, probability = lower[order], upper[order], probability[order]
        edges = np.concatenate([[0.0], np.ravel(np.column_stack([lower, upper])), [1.0]])
        values = np.full(edges.size - 1, by_chance)
        values[1::2] = probability + (1 - probability) * by_chance
        real = (np.diff(edges) > 0) & (values > 0)
        return edges[:-1][real], edges[1:][real], values[real]

    def num_kept(self, num_examples: int) -> int:  # noqa: D102
        return self.rule.num_kept(num_examples)

    def kept_positions(self, num_examples: int, rng: np.random.Generator | None = None) -> NDArray[np.int64]:
        """As ``KeepRule.kept_positions``: first the rule's part, then the others at random."""
        count = self.num_kept(num_examples)
        by_rule = nearest_whole(float(self.share), count)
        chosen = np.zeros(0, np.int64)
        if by_rule:
            chosen = self.rule.with_fraction(by_rule / num_examples).kept_positions(num_examples, rng)
        return self._filled_up(chosen, num_examples, count, rng)

    def positions_by_score(
        self, scores: ArrayLike, count: int | None = None, rng: np.random.Generator | None = None
    ) -> NDArray[np.int64]:
        """As ``KeepRule.positions_by_score``: first the rule's part, then the others at random."""
        values = np.asarray(scores)
        number = self.num_kept(values.size) if count is None else count
        by_rule = nearest_whole(float(self.share), number)
        chosen = self.rule.positions_by_score(values, by_rule, rng) if by_rule else np.zeros(0, np.int64)
        return self._filled_up(chosen, values.size, number, rng)

    def chances(self, num_examples: int, count: int, scores: ArrayLike | None = None) -> Floats:  # noqa: D102
        by_rule = nearest_whole(float(self.share), count)
        own = self.rule.chances(num_examples, by_rule, scores) if by_rule else np.zeros(num_examples)
        by_chance = (count - by_rule) / (num_examples - by_rule) if by_rule < num_examples else 0.0
        return own + (1 - own) * by_chance

    def _filled_up(
        self, chosen: NDArray[np.int64], num_examples: int, count: int, rng: np.random.Generator | None
    ) -> NDArray[np.int64]:
        left = np.setdiff1d(np.arange(num_examples), chosen)
        missing = count - chosen.size
        if missing and missing < left.size and rng is None:
            raise ValueError(f"{self} keeps examples at random: give rng, a numpy.random.Generator")
        more = left if missing == left.size else rng.choice(left, missing, replace=False)  # type: ignore[union-attr]
        return np.sort(np.concatenate([chosen, more]))

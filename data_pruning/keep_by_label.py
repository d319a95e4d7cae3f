"""Keep rules that also look at the label: ``KeepByLabel``."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from data_pruning.importance_weights import check_power
from data_pruning.keep_rules import KeepRule

__all__ = ["KeepByLabel"]


@dataclass(frozen=True)
class KeepByLabel:
    """Keep rules that also look at the label: one for examples whose label the probe predicts, one for the others.

    ``KeepByLabel(KeepHard(0.2))`` keeps, of the hardest fifth of all examples, those on which probe and label agree
    (the label-aware curation of Dohmatob, Pezeshki and Askari-Hemmat 2025).  Ranks are those among all examples.
    What fraction is kept depends on the probe and on the labels: ``solve(...).fraction`` says.

    Attributes:
        agree: rule for the examples whose label is sign(J.x); None keeps none of them.
        disagree: rule for the examples whose label is not; None, the default, keeps none of them.
        weight_power: power gamma in [0, 1] of the importance weights of the kept examples, 1 / probability^gamma of
            mean 1; see :class:`KeepWeighted`.
    """

    agree: KeepRule | None
    disagree: KeepRule | None = None
    weight_power: float = 0.0

    def __post_init__(self) -> None:
        for name in ("agree", "disagree"):
            rule = getattr(self, name)
            if not (rule is None or isinstance(rule, KeepRule)):
                raise TypeError(f"{name} must be a keep rule such as KeepHard(0.2) or None, got {rule!r}")
            if rule is not None and rule.weight_power:
                raise TypeError(f"{name} must be a rule without weights, got {rule!r}: set weight_power")
        check_power(self.weight_power)
        if self.agree is None and self.disagree is None:
            raise ValueError("agree and disagree are both None: nothing would be kept")

    @property
    def shape(self) -> tuple[int, ...]:
        """Broadcast shape of the two rules."""
        return np.broadcast_shapes(*(rule.shape for rule in (self.agree, self.disagree) if rule is not None))

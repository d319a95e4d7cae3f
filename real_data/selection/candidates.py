"""The rules that are tried where the best one is sought; cheap to import."""

from __future__ import annotations

from data_pruning import keep_rule
from real_data.models.config import ModelConfig

__all__ = ["BASELINES", "CANDIDATES", "WINDOWS", "candidates_at", "rules_for"]

WINDOWS = ("hard", "window@0.25", "window@0.5", "window@0.75", "easy")
SOFT = (
    "proportional@0.25",
    "proportional@0.5",
    "proportional@0.5+weighted@0.5",
    "proportional@0.5+weighted",
    "proportional@1+weighted",
    "proportional@1+trim@0.1+weighted@0.5",
    "proportional@1+trim@0.2",
    "proportional@0.5+trim@0.4",
    "coverage@0.1",
    "coverage@0.2",
    "coverage@0.3",
    "mix@0.25",
)
CANDIDATES = (*WINDOWS, *SOFT)
BASELINES = ("random", "rs2", "infobatch")
"""What rules are compared with; the last two see all examples, in as many gradient steps."""


def candidates_at(fraction: float, rules: tuple[str, ...] = CANDIDATES) -> tuple[str, ...]:
    """Those candidates that can keep this fraction: a rule that trims a share cannot keep more than the rest.

    Args:
        fraction: fraction of the pool kept, in (0, 1].
        rules: the candidates.
    """

    def possible(name: str) -> bool:
        try:
            keep_rule(name, fraction)
        except ValueError:
            return False
        return True

    return tuple(filter(possible, rules))


def rules_for(model: ModelConfig, rules: tuple[str, ...] = CANDIDATES) -> tuple[str, ...]:
    """Candidates and baselines for a network: baselines that choose while training need gradient descent.

    Args:
        model: the network.
        rules: the candidates.
    """
    baselines = BASELINES[:1] if model.solved_for else BASELINES
    return tuple(dict.fromkeys((*rules, *baselines)))

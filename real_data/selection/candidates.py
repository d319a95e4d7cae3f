"""The rules that are tried where the best one is sought; cheap to import."""

from __future__ import annotations

__all__ = ["BASELINES", "CANDIDATES", "WINDOWS", "rules_for"]

WINDOWS = ("hard", "window@0.25", "window@0.5", "window@0.75", "easy")
SOFT = (
    "proportional@0.25",
    "proportional@0.5",
    "proportional@1",
    "proportional@0.5+weighted",
    "proportional@1+weighted",
    "coverage@0",
    "coverage@0.1",
    "coverage@0.2",
    "coverage@0.3",
    "mix@0.1",
    "mix@0.25",
)
CANDIDATES = (*WINDOWS, *SOFT)
BASELINES = ("random", "rs2", "infobatch")
"""What rules are compared with; the last two see all examples, in as many gradient steps."""


def rules_for(kind: str, rules: tuple[str, ...] = CANDIDATES) -> tuple[str, ...]:
    """Candidates and baselines for a kind of network: those that choose while training need gradient descent.

    Args:
        kind: of network; see :class:`real_data.ModelConfig`.
        rules: the candidates.
    """
    baselines = BASELINES[:1] if kind.endswith("-features") else BASELINES
    return tuple(dict.fromkeys((*rules, *baselines)))

"""Names of keep rules in parts, as drop-down, number and power of the weights, and put together again."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["RULE_KINDS", "RuleKind", "RuleParts", "kind_of", "rule_name"]


class RuleKind(NamedTuple):
    """A kind of keep rule.

    Attributes:
        name: how its name begins.
        label: what it does, in a few words.
        hint: what its number is; empty where it has none.
        usual: the number to begin with.
    """

    name: str
    label: str
    hint: str = ""
    usual: str = ""


RULE_KINDS = (
    RuleKind("hard", "hard: the hardest"),
    RuleKind("easy", "easy: the easiest"),
    RuleKind("random", "random"),
    RuleKind("window", "window of ranks", "place P in [0, 1]: 0 begins at the hardest, 1 ends at the easiest", "0.25"),
    RuleKind("proportional", "soft: power of the score", "POWER in [-8, 8], or POWER+trim@SHARE of the hardest", "1"),
    RuleKind("coverage", "coverage: as many of each stratum", "share of the hardest that is dropped, in [0, 1)", "0.1"),
    RuleKind(
        "mix", "mix: part of it at random", "share of the rule in [0, 1], or SHARE:RULE for another than hard", "0.5"
    ),
    RuleKind("policy", "policy: any probability of rank", "EDGES/PROBABILITIES, from 0 to 1", "0,0.2,1/1,0.2"),
)
"""All kinds of rules that ``python -m real_data prune`` takes; each of them may have weights."""


class RuleParts(NamedTuple):
    """Parts of the name of a rule.

    Attributes:
        kind: one of ``RULE_KINDS`` by name.
        number: what follows ``@``; empty where nothing does.
        power: gamma of the weights; empty without weights.
    """

    kind: str
    number: str = ""
    power: str = ""

    @classmethod
    def of(cls, name: str) -> RuleParts:
        """The parts of a name, of which the rule itself checks whether they are right."""
        plain, weighted, power = name.partition("+weighted")
        kind, _, number = plain.partition("@")
        return cls(kind, number, (power.removeprefix("@") or "1") if weighted else "")


def kind_of(name: str) -> RuleKind:
    """The kind of a name.

    Raises:
        ValueError: there is none.
    """
    for kind in RULE_KINDS:
        if kind.name == name:
            return kind
    raise ValueError(f"rule must begin with one of {', '.join(kind.name for kind in RULE_KINDS)}, got {name!r}")


def rule_name(parts: RuleParts) -> str:
    """The name that :func:`data_pruning.keep_rule` understands, or complains about."""
    number, power = parts.number.strip(), parts.power.strip()
    plain = f"{parts.kind}@{number}" if kind_of(parts.kind).hint else parts.kind
    return f"{plain}+weighted@{power}" if power else plain

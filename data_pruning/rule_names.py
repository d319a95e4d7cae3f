"""Keep rules by name, as command lines and settings files write them."""

from __future__ import annotations

from collections.abc import Callable

from data_pruning.arguments import check_string
from data_pruning.keep_coverage import KeepCoverage
from data_pruning.keep_mixture import KeepMixture
from data_pruning.keep_policy import KeepPolicy
from data_pruning.keep_proportional import KeepProportional
from data_pruning.keep_rules import KeepEasy, KeepHard, KeepRandom, KeepRule, KeepWindow
from data_pruning.keep_weighted import KeepWeighted

__all__ = ["RULE_NAMES", "keep_rule"]

RULE_NAMES = (
    "hard, easy, random, window@P with P in [0, 1], proportional@POWER (and proportional@POWER+trim@SHARE), "
    "coverage@TRIM, mix@SHARE (of hard; or mix@SHARE:RULE), policy@EDGES/PROBABILITIES, or one of these with weights, "
    "RULE+weighted@GAMMA"
)
_FORMS = f"a keep rule is {RULE_NAMES}"


def keep_rule(name: str, f: float) -> KeepRule:
    """The keep rule of a name, at a fraction kept.

    Args:
        name: one of

            * ``hard``, ``easy`` or ``random``;
            * ``window@P``, the window of rank of width f that starts at P (1 - f), P in [0, 1]: 0 is keep-hard, 1
              keep-easy;
            * ``proportional@POWER`` or ``proportional@POWER+trim@SHARE``: :class:`KeepProportional`;
            * ``coverage@TRIM``: :class:`KeepCoverage`;
            * ``mix@SHARE`` or ``mix@SHARE:RULE``: :class:`KeepMixture` of keep-hard, or of another rule;
            * ``policy@EDGES/PROBABILITIES``, for example ``policy@0,0.2,1/1,0.1``, brought to the fraction f by
              :meth:`perceptron_theory.KeepPolicy.with_fraction`;

            and any of these followed by ``+weighted`` or ``+weighted@GAMMA``: :class:`KeepWeighted`.
        f: fraction kept, in (0, 1].

    Raises:
        ValueError: the name is none of these, or f or a number in the name is out of range.

    Example:
        >>> from data_pruning import keep_rule
        >>> keep_rule("window@0.4", 0.2)([0.1, 0.5, 0.9])  # of the hardest, middle and easiest examples
        array([0., 1., 0.])
        >>> keep_rule("proportional@1", 0.3)
        KeepProportional(f=0.3, power=1.0, trim=0.0)
    """
    check_string("the name of a keep rule", name)
    plain, weighted, power = name.partition("+weighted")
    kind, _, numbers = plain.partition("@")
    simple: dict[str, Callable[[float], KeepRule]] = {"hard": KeepHard, "easy": KeepEasy, "random": KeepRandom}
    if name in simple:
        return simple[name](f)
    try:
        if weighted:
            if power and not power.startswith("@"):
                raise ValueError("weights are written +weighted or +weighted@GAMMA, last")
            return KeepWeighted(keep_rule(plain, f), _number(power[1:] or "1"))
        if "+trim" in plain and kind != "proportional":
            raise ValueError(
                "+trim@SHARE goes with proportional@POWER, whose power 0 is random; coverage@TRIM trims itself"
            )
        if kind == "window":
            place = _number(numbers)
            if not 0 <= place <= 1:
                raise ValueError("P must lie in [0, 1]")
            lower = place * (1 - f)
            return KeepWindow(lower, min(1.0, lower + f))
        if kind == "proportional":
            exponent, trimmed, trim = numbers.partition("+trim@")
            return KeepProportional(f, _number(exponent), _number(trim) if trimmed else 0.0)
        if kind == "coverage":
            return KeepCoverage(f, _number(numbers))
        if kind == "mix":
            share, _, other = numbers.partition(":")
            return KeepMixture(keep_rule(other or "hard", f), _number(share))
        if kind == "policy":
            if numbers.count("/") != 1:
                raise ValueError(f"edges and probabilities are parted by one /; {_FORMS}")
            edges, probability = ([_number(x) for x in part.split(",")] for part in numbers.split("/"))
            return KeepPolicy(edges, probability).with_fraction(f)
    except ValueError as error:
        raise ValueError(f"keep rule {name!r} at f = {f}: {error}") from error
    raise ValueError(f"{_FORMS}, got {name!r}")


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise ValueError(f"{error}; {_FORMS}") from error

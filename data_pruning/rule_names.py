"""Keep rules by name, as command lines and settings files write them."""

from __future__ import annotations

from collections.abc import Callable

from data_pruning.arguments import check_string
from data_pruning.keep_policy import KeepPolicy
from data_pruning.keep_rules import KeepEasy, KeepHard, KeepRandom, KeepRule, KeepWindow

__all__ = ["keep_rule"]


def keep_rule(name: str, f: float) -> KeepRule:
    """The keep rule of a name, at a fraction kept.

    Args:
        name: ``hard``, ``easy`` or ``random``; ``window@P``, the window of rank of width f that starts at P (1 - f), P
            in [0, 1]: 0 is keep-hard, 1 keep-easy; or ``policy@EDGES/PROBABILITIES``, for example
            ``policy@0,0.2,1/1,0.1``, brought to the fraction f by :meth:`perceptron_theory.KeepPolicy.with_fraction`.
        f: fraction kept, in (0, 1].

    Raises:
        ValueError: the name is none of these, or f or P is out of range.
    """
    check_string("the name of a keep rule", name)
    if name in ("hard", "easy", "random"):
        rules: dict[str, Callable[[float], KeepRule]] = {"hard": KeepHard, "easy": KeepEasy, "random": KeepRandom}
        return rules[name](f)
    kind, _, numbers = name.partition("@")
    try:
        if kind == "window":
            place = float(numbers)
            if not 0 <= place <= 1:
                raise ValueError("P must lie in [0, 1]")
            lower = place * (1 - f)
            return KeepWindow(lower, min(1.0, lower + f))
        if kind == "policy":
            edges, probability = ([float(x) for x in part.split(",")] for part in numbers.split("/"))
            return KeepPolicy(edges, probability).with_fraction(f)
    except ValueError as error:
        raise ValueError(f"keep rule {name!r} at f = {f}: {error}") from error
    raise ValueError(
        f"a keep rule is hard, easy, random, window@P with P in [0, 1] or policy@EDGES/PROBABILITIES, got {name!r}"
    )

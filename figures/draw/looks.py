"""The looks and names of keep rules and scores, the same in all pictures."""

from __future__ import annotations

from typing import Any

from figures.draw.style import MARKERS

__all__ = ["LOOKS", "METRIC_NAMES", "RULE_LABELS", "RULE_LOOKS", "rule_label", "rule_look"]


LOOKS: dict[str, dict[str, Any]] = {
    "hard": {"color": "#440154", "marker": "o", "linestyle": "-"},
    "easy": {"color": "#2a9d8f", "marker": "s", "linestyle": "--"},
    "random": {"color": "0.55", "marker": "^", "linestyle": ":"},
}


METRIC_NAMES = {
    "el2n": "EL2N",
    "grand": "GraNd",
    "forgetting": "forgetting",
    "margin": "margin",
    "confidence": "confidence",
    "prototypes": "prototype",
    "moderate": "moderate",
    "aum": "AUM",
    "dyn-unc": "Dyn-Unc",
    "tdds": "TDDS",
    "dual": "DUAL",
    "ddd": "DDD",
    "random": "random",
}


OTHER_KINDS = {
    "policy": ("#d55e00", "-"),
    "proportional": ("#0072b2", "-"),
    "coverage": ("#009e73", "-"),
    "mix": ("#cc79a7", "-"),
    "rs2": ("#e69f00", ":"),
    "infobatch": ("#e69f00", "-."),
}
"""Colour and line of the kinds of rules besides those above."""


def rule_look(rule: str) -> dict[str, Any]:
    """Colour, marker and line of a keep rule; windows run from the colour of keep-hard to that of keep-easy."""
    import matplotlib as mpl

    plain, weighted, _ = rule.partition("+weighted")
    kind, _, number = plain.partition("@")
    if kind == "window":
        place = float(number)
        marker = MARKERS[1 + int(place * 10) % (len(MARKERS) - 1)]
        return {"color": mpl.colormaps["viridis"](0.53 * place), "marker": marker, "linestyle": "-."}
    if rule in LOOKS:
        return LOOKS[rule]
    color, line = OTHER_KINDS.get(kind, ("black", "-"))
    marker = MARKERS[sum(map(ord, number)) % len(MARKERS)]  # so that rules of a kind can be told apart
    return {"color": color, "marker": "D" if kind == "policy" else marker, "linestyle": "--" if weighted else line}


def rule_label(rule: str) -> str:
    """Name of a keep rule in legends and titles."""
    plain, weighted, power = rule.partition("+weighted")
    kind, _, numbers = plain.partition("@")
    number, trimmed, share = numbers.partition("+trim@")
    names = {
        "hard": "keep hard",
        "easy": "keep easy",
        "policy": "policy",
        "rs2": "RS2",
        "infobatch": "InfoBatch",
        "window": f"window at $P$ = {number}",
        "proportional": f"score to the power {number}" + (f", {share} trimmed" if trimmed else ""),
        "coverage": f"coverage, {number} trimmed",
        "mix": f"mix, share {number}",
    }
    return names.get(kind, plain) + (", weighted" + power.replace("@", " ") if weighted else "")


RULE_LOOKS: dict[str, dict[str, Any]] = LOOKS | {
    "best": {"color": "#d55e00", "marker": "D", "linestyle": "-"},
    "bylabel": {"color": "#d55e00", "marker": "D", "linestyle": "-."},
}


RULE_LABELS = {
    "hard": "keep hard",
    "easy": "keep easy",
    "random": "random",
    "best": "best rule",
    "bylabel": "keep hard where\nprobe and label agree",
}

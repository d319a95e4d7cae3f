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
    "random": "random",
}


def rule_look(rule: str) -> dict[str, Any]:
    """Colour, marker and line of a keep rule; windows run from the colour of keep-hard to that of keep-easy."""
    import matplotlib as mpl

    kind, _, number = rule.partition("@")
    if kind == "window":
        place = float(number)
        marker = MARKERS[1 + int(place * 10) % (len(MARKERS) - 1)]
        return {"color": mpl.colormaps["viridis"](0.53 * place), "marker": marker, "linestyle": "-."}
    if kind == "policy":
        return {"color": "#d55e00", "marker": "D", "linestyle": "-"}
    return LOOKS[rule]


def rule_label(rule: str) -> str:
    """Name of a keep rule in legends and titles."""
    kind, _, number = rule.partition("@")
    if kind == "window":
        return f"window at $P$ = {float(number):g}"
    return {"hard": "keep hard", "easy": "keep easy", "policy": "policy"}.get(kind, rule)


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

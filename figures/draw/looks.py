"""The looks and names of keep rules and scores, the same in all pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from figures.draw.style import MARKERS

__all__ = [
    "LOOKS",
    "METRIC_NAMES",
    "RULE_LABELS",
    "RULE_LOOKS",
    "curve_looks",
    "metric_name",
    "rule_label",
    "rule_look",
]


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
    "influence-max": "largest influence",
    "influence-sum": "sum of influences",
    "mutual-information": "mutual information",
    "variation-ratio": "variation ratio",
    "el2n-held-out": "EL2N, held out",
    "margin-held-out": "margin, held out",
    "ssl-prototypes": "SSL prototype",
    "random": "random",
}


METRIC_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#440154")
"""Colours that the colour-blind tell apart (Okabe and Ito 2008), without black and grey: those are all and random."""


METRIC_ORDER = (
    "el2n",
    "memorization",
    "ssl-prototypes",
    "prototypes",
    "forgetting",
    "ddd",
    "entropy",
    "grand",
    "aum",
    "influence-max",
    "influence-sum",
    "margin",
    "mutual-information",
    "moderate",
    "confidence",
    "dyn-unc",
    "tdds",
    "dual",
    "variation-ratio",
    "consistency",
    "el2n-held-out",
    "margin-held-out",
)
"""Scores that are often drawn together come first, as they differ in colour; the others also in marker."""


_OTHER_LINES = ("-.", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 1)))


def metric_name(metric: str) -> str:
    """Name of a score in legends and titles; of a published or unknown one its own."""
    return METRIC_NAMES.get(metric, metric)


def curve_looks(curves: Sequence[tuple[str, str]]) -> list[dict[str, Any]]:
    """Looks of curves that are a score and a rule each: colour and marker say the score, the line says the rule.

    Keep-hard is solid with full markers, keep-easy dashed, other rules dash-dotted, with hollow ones; random examples
    look as in every picture.  A score has the same colour in all pictures, unless another one in the picture has it,
    earlier in the order, and a colour is free.

    Args:
        curves: pairs of metric and rule; random examples have the rule ``random``.
    """
    others = list(dict.fromkeys(rule for _, rule in curves if rule not in LOOKS))
    unknown = list(dict.fromkeys(metric for metric, _ in curves if metric not in METRIC_ORDER))
    order = [*METRIC_ORDER, *unknown]
    colours: dict[str, str] = {}
    for metric in sorted({metric for metric, rule in curves if rule != "random"}, key=order.index):
        usual = METRIC_COLOURS[order.index(metric) % len(METRIC_COLOURS)]
        free = [colour for colour in METRIC_COLOURS if colour not in colours.values()]
        colours[metric] = usual if usual in free or not free else free[0]
    found = []
    for metric, rule in curves:
        if rule == "random":
            found.append(dict(LOOKS["random"]))
            continue
        place, color = order.index(metric), colours[metric]
        line = LOOKS[rule]["linestyle"] if rule in LOOKS else _OTHER_LINES[others.index(rule) % len(_OTHER_LINES)]
        marker = MARKERS[(place + place // len(METRIC_COLOURS)) % len(MARKERS)]
        face = color if rule == "hard" else "white"
        found.append({"color": color, "marker": marker, "linestyle": line, "markerfacecolor": face})
    return found


OTHER_KINDS = {
    "policy": ("#d55e00", "-"),
    "proportional": ("#0072b2", "-"),
    "coverage": ("#56b4e9", "-"),
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

"""The controls of the theory: sliders with boxes beside, lists of choices, and the sentence below a bad value."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from dash import dcc, html

from figures.explorer.images.rule_parts import RULE_KINDS, RuleParts
from figures.explorer.question import STUDENTS, Question

__all__ = ["LIVE", "NUMBERS", "RULE_SLIDERS", "Judgement", "NumberControl", "controls", "judge", "spoken", "texts_of"]


class NumberControl(NamedTuple):
    """A number with a slider; the box takes any value that the theory does, the slider the usual ones.

    Attributes:
        name: field of :class:`Question`.
        label: what it is, with its unit.
        symbol: as in the equations.
        low: where the slider begins.
        high: where it ends.
        step: between its places; of the power of ten where ``log``.
        log: whether the slider moves by factors.
    """

    name: str
    label: str
    symbol: str
    low: float
    high: float
    step: float
    log: bool = False


NUMBERS = (
    NumberControl("alpha_tot", "Examples per parameter", "α", -1, 3, 0.01, log=True),
    NumberControl("f", "Fraction kept", "f", 0.01, 1, 0.01),
    NumberControl("theta_deg", "Angle of the probe, degrees", "θ", 0, 90, 0.5),
    NumberControl("lam", "Regularisation", "λ", -4, 2, 0.05, log=True),
    NumberControl("flip_probability", "Wrong labels, fraction", "p", 0, 0.49, 0.01),
    NumberControl("seen", "Features seen, fraction", "φ", 0.05, 1, 0.01),
)
RULE_SLIDERS = {
    "window": (0.0, 1.0, 0.01),
    "proportional": (-2.0, 4.0, 0.05),
    "coverage": (0.0, 0.9, 0.01),
    "mix": (0.0, 1.0, 0.01),
}
"""Where the slider of the number of a rule begins and ends, and its step; other rules have a box alone."""

_STUDENT_LABELS = {"max-margin": "max margin", "square": "square", "logistic": "logistic", "hinge": "hinge"}
LIVE: Any = {"aria-live": "polite"}
"""Readers of screens say what appears there."""

_ORDER = ("f", "alpha_tot", "theta_deg", "lam", "flip_probability", "seen", "student", "rule")


class Judgement(NamedTuple):
    """What the texts of the controls are.

    Attributes:
        question: what is asked; None where a text is bad.
        complaints: the sentence about each bad text, by the name of the control.
    """

    question: Question | None
    complaints: dict[str, str]


def texts_of(query: Mapping[str, str]) -> dict[str, str]:
    """The text of each control, as a link has it or by default; bad values are kept, to be complained about."""
    return {name: query.get(name, _short(text)) for name, text in Question().to_query().items()}


def judge(texts: Mapping[str, str]) -> Judgement:
    """The question that the texts ask, or what is wrong with them.

    Args:
        texts: of the controls, by the names of the fields.
    """
    accepted: dict[str, str] = {}
    complaints: dict[str, str] = {}
    for name in _ORDER:  # one more each time, so that a complaint is about that one, or how it goes with the others
        try:
            Question.from_query({**accepted, name: texts[name].strip()})
        except (ValueError, TypeError) as error:
            complaints[name] = str(error)
        else:
            accepted[name] = texts[name].strip()
    return Judgement(None if complaints else Question.from_query(accepted), complaints)


def controls(texts: Mapping[str, str]) -> list[Any]:
    """All controls, with these texts in them.

    Args:
        texts: by the names of the fields of :class:`Question`.
    """
    parts, numbers = RuleParts.of(texts["rule"]), {control.name: control for control in NUMBERS}
    kinds = [{"label": kind.label, "value": kind.name} for kind in RULE_KINDS]
    if parts.kind not in {kind.name for kind in RULE_KINDS}:  # of a link; what is wrong with it is said below
        kinds.append({"label": parts.kind or "none", "value": parts.kind})
    low, high, step = RULE_SLIDERS.get(parts.kind, (0.0, 1.0, 0.01))
    rule = [
        html.Div(
            [
                html.Label("Keep rule", htmlFor="theory-rule-kind"),
                dcc.Dropdown(kinds, parts.kind, id="theory-rule-kind", clearable=False, searchable=False),
                html.Div(
                    [
                        html.Label("Its number", htmlFor="theory-rule-number", id="theory-rule-label"),
                        html.Div(
                            [
                                _range("theory-rule-slider", low, high, step, _place(parts.number, low, high)),
                                _box("theory-rule-number", parts.number),
                            ],
                            className="slider-and-box",
                        ),
                    ],
                    id="theory-rule-parameter",
                    className="part",
                ),
                html.Div(
                    [
                        html.Label("Weights of the losses, a power", htmlFor="theory-rule-power"),
                        _box("theory-rule-power", parts.power, "none"),
                    ],
                    id="theory-rule-weights",
                    className="part beside",
                ),
                _complaint("rule"),
            ],
            className="control",
        )
    ]
    student = html.Fieldset(
        [
            html.Legend("Student"),
            dcc.RadioItems(
                [{"label": _STUDENT_LABELS[name], "value": name} for name in STUDENTS],
                texts["student"],
                id="theory-student",
                className="choices",
            ),
            _complaint("student"),
        ],
        className="control",
    )
    of_name = {name: _number(control, texts[name]) for name, control in numbers.items()}
    return [
        html.H2("Data"),
        of_name["alpha_tot"],
        of_name["f"],
        of_name["theta_deg"],
        *rule,
        html.H2("Student and labels"),
        student,
        html.Div(of_name["lam"], id="theory-lam-part"),
        of_name["flip_probability"],
        of_name["seen"],
    ]


def spoken(name: str) -> Any:
    """The name of a part of the page, for readers of screens, as an attribute."""
    return {"aria-label": name}


def _number(control: NumberControl, text: str) -> html.Div:
    name = f"theory-{control.name}"
    place = _place(text, control.low, control.high, log=control.log)
    return html.Div(
        [
            html.Label([control.label, html.I(control.symbol)], htmlFor=name),
            html.Div(
                [_range(f"{name}-slider", control.low, control.high, control.step, place), _box(name, text)],
                className="slider-and-box",
            ),
            _complaint(control.name),
        ],
        className="control",
    )


def _range(name: str, low: float, high: float, step: float, value: float) -> dcc.Input:
    """A slider of the browser's own: it knows the keyboard and readers of screens."""
    return dcc.Input(id=name, type="range", min=low, max=high, step=step, value=value, className="slide")


def _box(name: str, text: str, placeholder: str = "") -> dcc.Input:
    return dcc.Input(id=name, type="text", value=text, placeholder=placeholder, autoComplete="off", className="box")


def _complaint(name: str) -> html.P:
    return html.P(id=f"theory-{name}-complaint", className="complaint", **LIVE)


def _place(text: str, low: float, high: float, *, log: bool = False) -> float:
    """Where the slider stands for a text; at its ends for what lies beyond, and at the lower one for no number."""
    try:
        value = float(text)
    except ValueError:
        return low
    if math.isnan(value) or (log and value <= 0):
        return low
    return min(high, max(low, math.log10(value) if log else value))


def _short(text: str) -> str:
    """A number without needless zeros; other texts as they are."""
    return text.removesuffix(".0")

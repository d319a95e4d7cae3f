"""Simulation on demand: students of the question, each with its certificate, drawn beside the theory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dash import Dash, Input, Output, State, ctx, dcc, html, no_update

from data_pruning.arguments import check_integer
from figures.explorer.controls import LIVE, judge, spoken, texts_of
from figures.explorer.question import Question

__all__ = ["DEFAULTS", "begin", "end", "panel", "register", "settings_of", "tick"]

DEFAULTS = {"num_features": "200", "num_trials": "40", "seed": "0"}
_RANGES = {"num_features": (10, 1000), "num_trials": (2, 10_000), "seed": (0, 2**31 - 1)}
_LABELS = {"num_features": "Parameters N", "num_trials": "Trials", "seed": "Seed"}
POLL = 300  # milliseconds between looks at how far it is


def panel(query: Mapping[str, str]) -> html.Section:
    """Controls of the simulation, with the numbers that a link says."""
    boxes = [
        html.Div(
            [
                html.Label(_LABELS[name], htmlFor=f"theory-{name}"),
                dcc.Input(id=f"theory-{name}", type="text", value=query.get(name, usual), className="box"),
            ]
        )
        for name, usual in DEFAULTS.items()
    ]
    buttons = html.Div(
        [
            html.Button("Simulate this point", id="theory-start", type="button", className="main"),
            html.Button("Cancel", id="theory-cancel", type="button", disabled=True),
            html.Button("Clear points", id="theory-clear", type="button"),
        ],
        className="buttons",
    )
    return html.Section(
        [
            html.H2("Simulation"),
            html.Div([*boxes, buttons], className="simulation"),
            html.P(id="theory-trials-complaint", className="complaint", **LIVE),
            html.Progress(id="theory-progress", value="0", max="1", hidden=True, **spoken("Trials done")),
            html.P(
                "Finite students of these settings, each solved to a certificate; they appear on the curves and the "
                "frontier with their standard errors.",
                id="theory-trials-said",
                className="about",
                **LIVE,
            ),
            dcc.Interval(id="theory-tick", interval=POLL, disabled=True),
            dcc.Store(id="theory-running"),
            dcc.Store(id="theory-points", data=[], storage_type="session"),
        ],
        className="card",
        **spoken("Simulation"),
    )


def settings_of(texts: Mapping[str, str]) -> dict[str, int]:
    """Numbers of the simulation from what is typed in.

    Raises:
        ValueError: one is no whole number, or out of range.
    """
    found = {}
    for name, (least, most) in _RANGES.items():
        try:
            value = int(texts[name])
        except (ValueError, TypeError):
            raise ValueError(f"{name} must be a whole number in [{least}, {most}], got {texts[name]!r}") from None
        check_integer(name, value, least, most)
        found[name] = value
    return found


def begin(texts: Mapping[str, str], numbers: Mapping[str, str]) -> dict[str, Any]:
    """Start the simulation of a question.

    Args:
        texts: of the controls.
        numbers: what is typed in for ``num_features``, ``num_trials`` and ``seed``.

    Returns:
        ``key`` of what runs now, its ``query`` and ``num_features``.

    Raises:
        ValueError: something is not allowed, or cannot be simulated.
    """
    from figures.explorer import trials

    question, complaints = judge(texts_of(texts))
    if question is None:
        raise ValueError("; ".join(complaints.values()))
    settings = settings_of(numbers)
    key = trials.start(question, **settings)
    return {"key": key, "query": question.to_query(), **settings}


def tick(running: Mapping[str, Any], points: list[dict[str, Any]]) -> tuple[Any, list[dict[str, Any]], bool, str, str]:
    """How far a simulation is.

    Returns:
        Its state, the points with this one among them once it has an error, whether it has ended, what to say, and a
        complaint.
    """
    from figures.explorer import trials

    try:
        state = trials.state(running["key"])
    except (KeyError, ValueError):
        return None, points, True, "", "the simulation is not known any more: the page has been started again since"
    if state.done and state.mean is not None:
        point = {
            **{name: running[name] for name in ("key", "query", "num_features")},
            "done": state.done,
            "mean": state.mean,
            "standard_error": state.standard_error,
            "worst_gap": state.worst_gap,
        }
        points = [other for other in points if other["key"] != running["key"]] + [point]
    return state, points, state.finished, _say(state, Question.from_query(running["query"])), ""


def end() -> None:
    """Cancel what runs."""
    from figures.explorer import trials

    trials.stop()


def register(app: Dash) -> None:
    """Add what the simulation does to the application."""

    @app.callback(
        Output("theory-running", "data"),
        Output("theory-trials-complaint", "children"),
        Output("theory-points", "data", allow_duplicate=True),
        Input("theory-start", "n_clicks"),
        Input("theory-clear", "n_clicks"),
        State("theory-state", "data"),
        [State(f"theory-{name}", "value") for name in DEFAULTS],
        prevent_initial_call=True,
    )
    def start(_start: int, _clear: int, state: dict[str, Any], *numbers: str) -> Any:
        if ctx.triggered_id == "theory-clear":
            return no_update, "", []
        try:
            return begin(state["texts"], dict(zip(DEFAULTS, numbers, strict=True))), "", no_update
        except ValueError as error:
            return no_update, str(error), no_update

    @app.callback(
        Output("theory-progress", "value"),
        Output("theory-progress", "max"),
        Output("theory-progress", "hidden"),
        Output("theory-trials-said", "children"),
        Output("theory-trials-complaint", "children", allow_duplicate=True),
        Output("theory-points", "data", allow_duplicate=True),
        Output("theory-tick", "disabled"),
        Output("theory-cancel", "disabled"),
        Output("theory-start", "disabled"),
        Input("theory-running", "data"),
        Input("theory-tick", "n_intervals"),
        Input("theory-cancel", "n_clicks"),
        State("theory-points", "data"),
        prevent_initial_call=True,
    )
    def look(running: dict[str, Any] | None, _tick: int, _cancel: int, points: list[dict[str, Any]]) -> Any:
        if not running:
            return (no_update,) * 6 + (True, True, False)
        if ctx.triggered_id == "theory-cancel":
            from figures.explorer import trials

            trials.cancel(running["key"])
        state, after, ended, said, complaint = tick(running, points or [])
        if state is None:
            return "0", "1", True, said, complaint, no_update, True, True, False
        new = after if after != points else no_update
        return (
            str(state.done),
            str(max(1, state.total)),
            ended,
            said,
            complaint or no_update,
            new,
            ended,
            ended,
            not ended,
        )


def _say(state: Any, question: Question) -> str:
    """What is known so far, in a sentence or two."""
    said = state.message or ""
    if state.done and state.mean is not None:
        spread = "" if state.standard_error is None else f" ± {100 * state.standard_error:.2g}"
        said = f"{said.rstrip('.')}. " if said else ""
        said += f"{state.done} of {state.total} trials: error {100 * state.mean:.3g}{spread} %"
        said += f" at α = {question.alpha_tot:g}, f = {question.f:g}, rule {question.rule}"
        said += f"; worst optimality gap {state.worst_gap:.1e}." if state.worst_gap is not None else "."
    return said

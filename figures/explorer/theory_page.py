"""The page of the theory: controls, the point in words, pictures, simulation, and files of it all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dash import ClientsideFunction, Dash, Input, Output, State, ctx, dcc, html, no_update

from figures.explorer import theory_simulation
from figures.explorer.answers import ANSWERS, warm_up
from figures.explorer.application import Page
from figures.explorer.controls import LIVE, NUMBERS, RULE_SLIDERS, controls, spoken, texts_of
from figures.explorer.downloads import csv_of, netcdf_of
from figures.explorer.images.rule_parts import RULE_KINDS
from figures.explorer.question import Question
from figures.explorer.theory_answers import VIEWS, answered, query_of

__all__ = ["download", "layout", "page", "register"]

_GRAPH: Any = {"displaylogo": False, "displayModeBar": False, "responsive": True, "doubleClick": False}
_EMPTY: Any = {"data": [], "layout": {"xaxis": {"visible": False}, "yaxis": {"visible": False}}}
_FIRST = "The programs of the first answer are being made ready: some seconds."
_COMPLAINTS = tuple(Question().config)
_PARTS = ("rule-parameter", "rule-weights", "lam-part")


def page() -> Page:
    """The page of the theory, at ``/``."""
    import jax  # noqa: F401  (whole before there are threads: checks of arguments look whether it is there)

    return Page("/", "Theory", layout, register, _warm_up, theory_simulation.end)


def _warm_up() -> None:
    warm_up().join()


def layout(query: Mapping[str, str]) -> html.Div:
    """The page as a link has it.

    Args:
        query: what the link says: fields of :class:`Question`, ``view``, and the numbers of the simulation.
    """
    texts = texts_of(query)
    view = query.get("view", "curves")
    views = [{"label": label, "value": name} for name, label in VIEWS.items()]
    download = [("nc", "Data (NetCDF)"), ("csv", "Data (CSV)"), ("py", "Code (Python)")]
    picture = html.Section(
        [
            dcc.RadioItems(views, view if view in VIEWS else "curves", id="theory-view", className="views"),
            html.P(id="theory-about", className="about"),
            html.P(_FIRST, id="theory-note", className="note", **LIVE),
            html.Div(
                dcc.Graph(id="theory-graph", figure=_EMPTY, config=_GRAPH, style={"height": "100%"}), className="graph"
            ),
            html.Div(
                [
                    *(html.Button(label, id=f"theory-get-{suffix}", type="button") for suffix, label in download),
                    html.Button("Copy link", id="theory-copy", type="button"),
                    html.Span(id="theory-copied", className="said", **LIVE),
                    dcc.Download(id="theory-download"),
                ],
                className="buttons",
            ),
        ],
        id="theory-panel",
        className="card waiting",
        **spoken("Picture"),
    )
    point: Any = html.Section(
        [html.Div(id="theory-tiles", className="tiles"), html.P(id="theory-sentence", className="sentence", **LIVE)],
        id="theory-point",
        className="card waiting",
        **spoken("This point"),
    )
    asked = html.Aside(controls(texts), className="controls", **spoken("Question"))
    program = html.Details(
        [html.Summary("The program that repeats this"), html.Pre(id="theory-code", tabIndex="0")], className="card"
    )
    answers = html.Div([point, picture, theory_simulation.panel(query), program], className="answers")
    return html.Div([asked, answers, *_stores()], id="theory-page", className="columns")


def register(app: Dash) -> None:
    """Add what the page does to the application."""
    _register_controls(app)
    for detail in ("quick", "full"):
        app.callback(
            Output(f"theory-arrived-{detail}", "data"),
            Input(f"theory-asked-{detail}", "data"),
            prevent_initial_call=True,
        )(answered)
    app.clientside_callback(
        ClientsideFunction("theory", "show"),
        [Output(f"theory-{name}-complaint", "children") for name in _COMPLAINTS],
        Output("theory-tiles", "children"),
        Output("theory-sentence", "children"),
        Output("theory-about", "children"),
        Output("theory-note", "children"),
        Output("theory-graph", "figure"),
        Output("theory-code", "children"),
        Output("theory-shown", "data"),
        Output("theory-point", "className"),
        Output("theory-panel", "className"),
        Input("theory-arrived-quick", "data"),
        Input("theory-arrived-full", "data"),
        State("theory-setup", "data"),
        prevent_initial_call=True,
    )
    app.clientside_callback(
        ClientsideFunction("theory", "copy"),
        Output("theory-copied", "children"),
        Input("theory-copy", "n_clicks"),
        prevent_initial_call=True,
    )
    app.clientside_callback(ClientsideFunction("theory", "release"), Input("explorer-fault", "children"))

    @app.callback(
        Output("theory-download", "data"),
        Output("theory-copied", "children", allow_duplicate=True),
        Input("theory-get-nc", "n_clicks"),
        Input("theory-get-csv", "n_clicks"),
        Input("theory-get-py", "n_clicks"),
        State("theory-shown", "data"),
        prevent_initial_call=True,
    )
    def get(_nc: int, _csv: int, _py: int, shown: dict[str, Any] | None) -> Any:
        try:
            return download(str(ctx.triggered_id).rpartition("-")[2], shown), ""
        except ValueError as error:
            return no_update, f"There is nothing to download: {error}"

    theory_simulation.register(app)


def download(suffix: str, shown: Mapping[str, Any] | None) -> Any:
    """A file of what is shown, in full detail.

    Args:
        suffix: ``nc``, ``csv`` or ``py``.
        shown: ``view`` and ``query`` of the last answer; None where there has been none.

    Raises:
        ValueError: the question has no answer in this view.
    """
    if not shown:
        return no_update
    question, view = Question.from_query(query_of(shown["query"])), shown["view"]
    name = f"{view.replace('_', '-')}.{suffix}"
    if suffix == "py":
        from figures.explorer.code import code

        return dcc.send_string(code(question, view), name)
    results = ANSWERS[view](question, "full")
    return dcc.send_bytes(netcdf_of(results), name) if suffix == "nc" else dcc.send_string(csv_of(results), name)


def _stores() -> list[Any]:
    """What the browser keeps, for one tab each."""
    setup = {
        "numbers": [control._asdict() for control in NUMBERS],
        "kinds": {kind.name: kind._asdict() for kind in RULE_KINDS},
        "sliders": RULE_SLIDERS,
        "defaults": texts_of({}),
        "views": list(VIEWS),
        "complaints": _COMPLAINTS,
        "simulation": theory_simulation.DEFAULTS,
        "outputs": [f"{name}.{what}" for name, what in _driven()],
    }
    names = ("state", "visited", "shown", "asked-quick", "asked-full", "arrived-quick", "arrived-full")
    return [dcc.Store(id="theory-setup", data=setup), *(dcc.Store(id=f"theory-{name}") for name in names)]


def _driven() -> list[tuple[str, str]]:
    """Components and properties that controls, clicks and links move, in the order of the callback."""
    numbers = [f"theory-{control.name}" for control in NUMBERS]
    values = [*(f"{name}-slider" for name in numbers), *numbers, "theory-rule-kind", "theory-rule-slider"]
    values += ["theory-rule-number", "theory-rule-power", "theory-student", "theory-view"]
    values += [f"theory-{name}" for name in theory_simulation.DEFAULTS]
    return [
        *((name, "value") for name in values),
        *(("theory-rule-slider", what) for what in ("min", "max", "step", "className")),
        ("theory-rule-label", "children"),
        *((f"theory-{name}", "hidden") for name in _PARTS),
        ("theory-state", "data"),
    ]


def _register_controls(app: Dash) -> None:
    driven = _driven()
    app.clientside_callback(
        ClientsideFunction("theory", "change"),
        [Output(name, what) for name, what in driven],
        [Input(name, what) for name, what in driven if what == "value"],
        Input("theory-graph", "clickData"),
        Input("theory-visited", "data"),
        State("theory-setup", "data"),
    )
    app.clientside_callback(
        ClientsideFunction("theory", "ask"), Input("theory-state", "data"), Input("theory-points", "data")
    )

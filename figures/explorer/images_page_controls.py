"""Controls of the page of real data: score, class and keep rule, and the lists that come of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from dash import Dash, Input, Output, State, ctx, dcc, html, no_update

from figures.explorer.images.collection import Collection
from figures.explorer.images.kept import class_rows, class_table, kept_images, kept_list
from figures.explorer.images.repeat import command_line, python_code
from figures.explorer.images.rule_parts import RULE_KINDS, RuleParts, kind_of, rule_name
from figures.explorer.images.view import Choice, View, typed_integer, typed_number

__all__ = ["LIVE", "choice_of", "controls", "link_of", "register_controls", "view_of"]

Find = Callable[[], Collection]
FEW_CLASSES = 1000  # in the drop-down
BUTTONS = ("kept", "names", "classes")
LIVE: dict[str, Any] = {"aria-live": "polite"}


def view_of(collection: Collection, query: Mapping[str, str]) -> View:
    """The view of what a link, or a part of one, says."""
    return View.from_query(query, collection)[0]


def choice_of(collection: Collection, query: Mapping[str, str]) -> Choice:
    """What is kept, of the same."""
    return view_of(collection, query).choice


def link_of(view: View, collection: Collection) -> dict[str, str]:
    """What a link says of a view; that of a demonstration says so."""
    return ({"data": "digits"} if collection.prepared else {}) | view.to_query()


def controls(collection: Collection, view: View) -> html.Div:
    """The column of controls, as a view has them."""
    choice, parts = view.choice, RuleParts.of(view.choice.rule)
    data = collection.dataset
    about = f"{collection.num_images:,} training images, {len(data.test_labels):,} test images"
    classes = [
        {"label": collection.class_name(label), "value": label} for label in range(min(data.num_classes, FEW_CLASSES))
    ]
    scored = [
        _labelled("Score", "images-score", _choices("images-score", list(collection.scores), choice.score)),
        _labelled(
            "Keep rule", "images-kind", _choices("images-kind", {k.name: k.label for k in RULE_KINDS}, parts.kind)
        ),
        html.Div(_number(parts), id="images-number-box"),
        _labelled(
            "Weights of the losses", "images-power", _text("images-power", parts.power, "none; or their power, as 1")
        ),
        _labelled(
            "Fraction kept",
            "images-fraction",
            html.Div(
                [_slider("images-fraction-slider", choice.f), _text("images-fraction", f"{choice.f:g}")],
                className="slider-and-box",
            ),
        ),
        _labelled(
            "Least share of a class",
            "images-share",
            html.Div(
                [
                    _slider("images-share-slider", choice.min_class_share),
                    _text("images-share", f"{choice.min_class_share:g}"),
                ],
                className="slider-and-box",
            ),
            "1: each class keeps the same fraction; 0: all are ranked together",
        ),
        _labelled("Seed", "images-seed", _text("images-seed", str(choice.seed)), "of ties and random choices"),
        html.Div(
            dcc.Checklist(
                [{"label": "drop duplicates first", "value": "among"}],
                ["among"] if choice.among else [],
                id="images-among",
            ),
            style={} if collection.candidates is not None else {"display": "none"},
        ),
    ]
    return html.Div(
        [
            html.H2(data.name),
            html.P([about, f", {data.num_classes:,} classes"], className="about"),
            _labelled(
                "Class shown",
                "images-class",
                dcc.Dropdown(classes, view.label, id="images-class", placeholder="all classes"),
            ),
            html.Div(scored, style={} if collection.scores else {"display": "none"}),
            html.P(id="images-complaint", role="alert", className="complaint"),
            html.P(id="images-summary", className="images-summary", **LIVE),
            html.Div(_downloads(collection), className="buttons"),
            html.A("Link to this view", id="images-link", href="/images"),
        ],
        className="controls images-controls",
    )


def _downloads(collection: Collection) -> list[Any]:
    named = {} if collection.dataset.train_names is not None else {"display": "none"}
    scored = {} if collection.scores else {"display": "none"}
    return [
        html.Button("Kept images", id="images-get-kept", type="button", style=scored, title="kept.txt, positions"),
        html.Button("Their names", id="images-get-names", type="button", style=named | scored, title="kept.names.txt"),
        html.Button("Classes", id="images-get-classes", type="button", style=scored, title="classes.csv"),
        dcc.Download(id="images-download"),
    ]


def _labelled(name: str, of: str, control: Any, hint: str = "") -> html.Div:
    said = [html.Small(hint)] if hint else []
    return html.Div([html.Label(name, htmlFor=of), control, *said], className="control")


def _choices(name: str, options: list[str] | dict[str, str], value: str) -> dcc.Dropdown:
    return dcc.Dropdown(options, value or None, id=name, clearable=False, searchable=len(options) > 10)


def _text(name: str, value: str, placeholder: str = "") -> dcc.Input:
    return dcc.Input(
        id=name, type="text", value=value, placeholder=placeholder, debounce=True, autoComplete="off", className="box"
    )


def _slider(name: str, value: float) -> dcc.Slider:
    marks = {0: "0", 0.5: "0.5", 1: "1"}
    options: dict[str, Any] = {"updatemode": "drag", "allow_direct_input": False}
    return dcc.Slider(0, 1, 0.01, value=value, id=name, marks=marks, **options)


def _number(parts: RuleParts) -> list[Any]:
    """The number of a rule, out of sight where it has none."""
    try:
        hint = kind_of(parts.kind).hint
    except ValueError:
        hint = ""
    control = _labelled("Number of the rule", "images-number", _text("images-number", parts.number), hint)
    return [control] if hint else [html.Div(control, style={"display": "none"})]


def register_controls(app: Dash, find: Find) -> None:
    """Add what the controls do.

    Args:
        app: the application.
        find: what is looked at; raises PreventUpdate where nothing is.
    """

    @app.callback(Output("images-number-box", "children"), Input("images-kind", "value"), prevent_initial_call=True)
    def other_kind(kind: str) -> list[Any]:
        return _number(RuleParts(kind, kind_of(kind).usual))

    for name in ("fraction", "share"):
        _join(app, f"images-{name}-slider", f"images-{name}")

    @app.callback(
        Output("images-choice", "data"),
        Output("images-complaint", "children"),
        Output("images-summary", "children"),
        Output("images-code", "children"),
        *(Output(f"images-get-{name}", "disabled") for name in BUTTONS),
        Input("images-score", "value"),
        Input("images-kind", "value"),
        Input("images-number", "value"),
        Input("images-power", "value"),
        Input("images-fraction", "value"),
        Input("images-share", "value"),
        Input("images-seed", "value"),
        Input("images-among", "value"),
        State("images-said", "data"),
    )
    def choose(
        score: str,
        kind: str,
        number: str,
        power: str,
        fraction: str,
        share: str,
        seed: str,
        among: list[str],
        said: str,
    ) -> tuple[Any, ...]:
        collection = find()
        if not collection.scores:
            return {}, said or "", "", "", *[True] * 3
        first = said if ctx.triggered_id is None else ""  # what was wrong in the link is said until something is moved
        try:
            choice = Choice(
                score,
                rule_name(RuleParts(kind, number or "", power or "")),
                typed_number("fraction, the part kept,", fraction),
                typed_number("least share of a class", share),
                typed_integer("seed", seed),
                bool(among),
            )
            kept = kept_images(collection, choice)
        except (TypeError, ValueError) as error:
            return no_update, f"{error}. What is shown is as before.", no_update, no_update, *[True] * 3
        number_kept, of = kept.indices.size, kept.num_candidates
        summary = [html.B(f"{number_kept:,}"), f" of {of:,} {'candidates' if choice.among else 'images'} kept"]
        if kept.weights is not None:
            summary.append(f", weights {kept.weights.min():.3g} to {kept.weights.max():.3g}")
        code = _code(collection, choice)
        query = replace(view_of(collection, {}), choice=choice).to_query()
        return query, first, summary, code, *[False] * 3

    @app.callback(
        Output("images-download", "data"),
        *(Input(f"images-get-{name}", "n_clicks") for name in BUTTONS),
        State("images-choice", "data"),
        prevent_initial_call=True,
    )
    def download(*given: Any) -> Any:
        *clicks, query = given
        collection = find()
        if not any(clicks):
            return no_update
        choice = choice_of(collection, query)
        if ctx.triggered_id == "images-get-classes":
            return dcc.send_string(class_table(class_rows(collection, choice)), "classes.csv")
        names = ctx.triggered_id == "images-get-names"
        content = kept_list(collection, choice, names=names)
        return dcc.send_bytes(content, "kept.names.txt" if names else "kept.txt")


def _code(collection: Collection, choice: Choice) -> list[Any]:
    """The command line and the Python, each to be copied."""
    parts = []
    texts = {"command": command_line(collection, choice), "python": python_code(collection, choice)}
    for name, text in texts.items():
        parts.append(
            html.Div(
                [html.Pre(text, id=f"images-{name}"), dcc.Clipboard(target_id=f"images-{name}", title="Copy")],
                className="images-paste",
            )
        )
    return parts


def _join(app: Dash, slider: str, text: str) -> None:
    """A slider and the field beside it say the same; what is no number stays in the field."""
    app.clientside_callback(
        """function(place, text) {
            const none = window.dash_clientside.no_update;
            const moved = window.dash_clientside.callback_context.triggered_id || "";
            if (moved.endsWith("-slider")) { return [none, String(place)]; }
            const number = Number(text);
            return [text.trim() !== "" && number >= 0 && number <= 1 ? number : none, none];
        }""",
        Output(slider, "value"),
        Output(text, "value"),
        Input(slider, "value"),
        Input(text, "value"),
        prevent_initial_call=True,
    )

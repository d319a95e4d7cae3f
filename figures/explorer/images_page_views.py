"""What the page of real data shows on its five sheets: scores, images by rank, a rule, two scores, duplicates."""

from __future__ import annotations

from typing import Any

from dash import dcc, html

from figures.explorer.images.collection import Collection
from figures.explorer.images.kept import QUANTILES, ClassRow
from figures.explorer.images.view import AXES, PAIRS, SCALES, SHOWN, TABS, View

__all__ = ["class_table_rows", "correlation_table", "sheets", "threshold_table"]

TITLES = ("Scores", "Images by rank", "Kept and dropped", "Two scores", "Duplicates")
MOST_CLASS_ROWS = 200
AXIS_WORDS = dict(zip(AXES, ("ranks", "scores"), strict=True))
PAIR_WORDS = dict(
    zip(
        PAIRS,
        ("all pairs", "leaks into the test set", "training pairs", "exact copies", "of other classes"),
        strict=True,
    )
)


def sheets(collection: Collection, view: View) -> html.Div:
    """All sheets, of which the tab chosen is in sight."""
    there = [tab for tab in TABS if _is_there(collection, tab)]
    tabs = dcc.RadioItems(
        {tab: TITLES[TABS.index(tab)] for tab in there},
        view.tab if view.tab in there else there[0],
        id="images-tab",
        className="views",
    )
    bodies = {
        "scores": _scores(view),
        "gallery": _gallery(view),
        "rule": _rule(),
        "agreement": _agreement(collection, view),
        "duplicates": _duplicates(collection, view),
    }
    walk = html.Div(_walk(collection, view), id="images-walk", className="images-walk")
    sheets = [html.Section(bodies[tab], id=f"images-sheet-{tab}", className="images-sheet") for tab in TABS]
    return html.Div([tabs, walk, *sheets], className="card images-main")


def _is_there(collection: Collection, tab: str) -> bool:
    if tab == "duplicates":
        return collection.duplicates is not None
    return len(collection.scores) > (1 if tab == "agreement" else 0)


def _graph(name: str) -> dcc.Graph:
    config: Any = {"displayModeBar": False, "responsive": True}
    return dcc.Graph(id=name, config=config, className="images-graph", figure={"layout": {"height": 260}})


def _radio(name: str, options: Any, value: str, said: str) -> html.Div:
    radio = dcc.RadioItems(options, value, id=name, inline=True, className="images-radio")
    return html.Div([html.Span(said, className="images-label"), radio], className="images-line")


def _button(name: str, text: str, title: str) -> html.Button:
    return html.Button(text, id=name, type="button", title=title)


def _walk(collection: Collection, view: View) -> list[Any]:
    """From the hardest to the easiest image."""
    last = max(1, collection.num_images - 1)
    typed = dcc.Input(
        id="images-rank-typed", type="text", value=str(view.rank), debounce=True, autoComplete="off", className="box"
    )
    slider = dcc.Slider(
        0,
        100,
        0.1,
        value=round(100 * (view.rank - 1) / last, 1),
        id="images-place",
        marks={0: "0 %", 25: "25 %", 50: "50 %", 75: "75 %", 100: "100 %"},
        updatemode="drag",
        allow_direct_input=False,
    )
    return [
        _button("images-first", "hardest", "the first page"),
        _button("images-before", "◀ harder", "the page before"),
        html.Label(["from rank ", typed], className="images-rank"),
        _button("images-after", "easier ▶", "the next page"),
        _button("images-last", "easiest", "the last page"),
        html.Div(slider, className="images-place"),
        html.Span(id="images-rank-complaint", role="alert", className="complaint"),
    ]


def _scores(view: View) -> list[Any]:
    return [
        _radio("images-scale", list(SCALES), view.scale, "Numbers"),
        _graph("images-histogram"),
        html.P(id="images-classes-said", className="said"),
        _graph("images-class-histograms"),
    ]


def _gallery(view: View) -> list[Any]:
    return [
        _radio("images-shown", list(SHOWN), view.shown, "Show"),
        html.P(id="images-gallery-said", className="said"),
        html.Div(id="images-gallery"),
    ]


def _rule() -> list[Any]:
    halves = [
        html.Div([html.H3(id=f"images-{side}-said"), html.Div(id=f"images-{side}")], className=f"images-of-{side}")
        for side in ("kept", "dropped")
    ]
    return [
        html.Div(halves, className="images-two"),
        html.H3("By rank"),
        _graph("images-by-rank"),
        html.H3("By class"),
        _graph("images-by-class"),
        html.Div(id="images-class-table", className="images-table"),
        html.H3("To repeat it"),
        html.Div(id="images-code"),
    ]


def _agreement(collection: Collection, view: View) -> list[Any]:
    others = list(collection.scores)
    other = view.other or next((name for name in others if name != view.choice.score), view.choice.score)
    return [
        html.Div(
            [
                html.Div(
                    [
                        html.Span("Against", className="images-label"),
                        dcc.Dropdown(others, other or None, id="images-other", clearable=False, searchable=False),
                    ],
                    className="images-line",
                ),
                _radio("images-axes", AXIS_WORDS, view.axes, "Axes"),
            ],
            className="images-lines",
        ),
        html.P(id="images-agreement-said", className="said"),
        html.Div(
            [
                _graph("images-agreement"),
                html.Div(
                    [
                        html.P(id="images-cell-said", className="said"),
                        html.Div(id="images-cell"),
                        html.Div(id="images-outliers"),
                    ]
                ),
            ],
            className="images-two",
        ),
        html.Div(id="images-correlations", className="images-table"),
    ]


def _duplicates(collection: Collection, view: View) -> list[Any]:
    typed = dcc.Input(
        id="images-pair-typed", type="text", value=str(view.pair), debounce=True, autoComplete="off", className="box"
    )
    return [
        _radio("images-pairs", PAIR_WORDS, view.pairs, "Pairs"),
        html.P(id="images-pairs-said", className="said"),
        html.Div(
            [
                _button("images-pair-before", "◀ more alike", "the page before"),
                html.Label(["from pair ", typed], className="images-rank"),
                _button("images-pair-after", "less alike ▶", "the next page"),
                html.Span(id="images-pair-complaint", role="alert", className="complaint"),
            ],
            className="images-walk",
        ),
        html.Div(id="images-pairs-gallery", className="images-pairs"),
        html.Div(threshold_table(collection), className="images-table"),
    ]


def threshold_table(collection: Collection) -> Any:
    """How many images each threshold of the similarity would flag; nothing where no neighbours were saved."""
    found = collection.duplicates
    if found is None or (found.nearest_test is None and found.nearest_train is None):
        return None
    known = [found.nearest_test is not None, found.nearest_train is not None]
    head = [name for name, there in zip(("test images", "training images"), known, strict=True) if there]
    rows = [
        (f"{threshold:.3f}", *(f"{number:,}" for number in numbers if number is not None))
        for threshold, *numbers in found.curve(found.thresholds())
    ]
    said = "Images that have another one at least as similar to them, by its cosine, among the training images"
    return _table(("cosine", *head), rows, said)


def class_table_rows(rows: list[ClassRow]) -> Any:
    """The table of classes, the hardest by their median first."""
    weighted = any(row.weight is not None for row in rows)
    head = ("class", "images", "kept", "%", *(f"{100 * q:g} %" for q in QUANTILES), *(["weight"] if weighted else []))
    shown = [
        (
            row.name,
            f"{row.size:,}",
            f"{row.kept:,}",
            f"{100 * row.share:.1f}",
            *(f"{value:.3g}" for value in row.quantiles),
            *(["" if row.weight is None else f"{row.weight:.3g}"] if weighted else []),
        )
        for row in rows[:MOST_CLASS_ROWS]
    ]
    said = "Classes by the median of their scores; on the right quantiles of the scores"
    if len(rows) > len(shown):
        said += f". The {len(rows) - len(shown):,} easiest classes are in classes.csv"
    return _table(head, shown, said)


def correlation_table(names: list[str], values: Any) -> Any:
    """Rank correlations of all scores; ``None`` where one is not defined."""
    rows = [
        (name, *("" if value is None else f"{value:.2f}" for value in row))
        for name, row in zip(names, values, strict=True)
    ]
    return _table(("rank correlation", *names), rows, "")


def _table(head: Any, rows: Any, caption: str) -> html.Table:
    said = [html.Caption(caption)] if caption else []
    return html.Table(
        [
            *said,
            html.Thead(html.Tr([html.Th(name) for name in head])),
            html.Tbody([html.Tr([html.Th(row[0]), *(html.Td(entry) for entry in row[1:])]) for row in rows]),
        ]
    )

"""The page of real data: scores of a data set, its images by rank, what a keep rule keeps, and duplicates."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

import flask
from dash import Dash, Input, Output, dcc, html, no_update
from dash.exceptions import PreventUpdate

from figures.explorer.application import Page
from figures.explorer.images.collection import Collection
from figures.explorer.images.demonstration import COMMANDS, DEMONSTRATION
from figures.explorer.images.kept import class_rows
from figures.explorer.images.pictures import picture
from figures.explorer.images.ranking import ranking
from figures.explorer.images.spread import class_counts, histogram
from figures.explorer.images.view import Choice, View
from figures.explorer.images_page_answers import register_answers
from figures.explorer.images_page_controls import LIVE, controls, register_controls
from figures.explorer.images_page_views import sheets
from figures.explorer.images_page_walking import register_walking

__all__ = ["page"]

PATH = "/images"
POLL = 300  # milliseconds between looks at how far the demonstration is
A_DAY = 86400  # seconds for which the browser keeps a picture; other contents have other addresses


def page(collection: Collection | None = None) -> Page:
    """The page of real data.

    Args:
        collection: what is looked at; None explains how to make it, and offers scikit-learn's digits.
    """

    def found() -> Collection | None:
        return DEMONSTRATION.progress.collection if collection is None else collection

    def find() -> Collection:
        there = found()
        if there is None:  # a tab that is older than the server
            raise PreventUpdate
        return there

    def layout(link: Mapping[str, str]) -> Any:
        query = dict(link)
        if collection is None:
            wanted = query.pop("data", None) == "digits"
            if not wanted or found() is None:
                if wanted:
                    DEMONSTRATION.start()
                return html.Div(html.Div(_guide(query, wanted), className="card images-guide"), id="images-page")
        return html.Div(_body(find(), query), id="images-page")

    def register(app: Dash) -> None:
        _register_pictures(app.server, found)
        register_controls(app, find)
        register_answers(app, find)
        register_walking(app, find)
        if collection is None:
            _register_demonstration(app)

    return Page(PATH, "Real data", layout, register, lambda: _warm_up(collection))


def _warm_up(collection: Collection | None) -> None:
    """Rank, bin and keep once, which imports what that needs; later answers take it from there."""
    if collection is None:
        return
    for score in collection.scores:
        with contextlib.suppress(ValueError):  # fewer images than classes: the page says so
            histogram(collection, Choice(score))
            class_rows(collection, Choice(score))
        ranking(collection, score, 0)
        class_counts(collection, score)


def _body(collection: Collection, query: Mapping[str, str]) -> list[Any]:
    """Controls and sheets, as a link has them."""
    view, complaints = View.from_query(query, collection)
    close_up = html.Aside(
        [
            html.Button("×", id="images-close", type="button", title="Close", className="images-close"),
            html.Div(id="images-close-up"),
        ],
        id="images-close-up-box",
        className="images-close-up",
        style={"display": "none"},
    )
    stores: dict[str, Any] = {"choice": None, "rank": view.rank, "pair": view.pair, "image": view.image, "steps": {}}
    said = "; ".join(complaints)
    return [
        html.Div([controls(collection, view), sheets(collection, view)], className="columns"),
        close_up,
        html.Div(id="images-tip", role="tooltip", className="images-tip", hidden=True),
        *(dcc.Store(id=f"images-{name}", data=value) for name, value in stores.items()),
        dcc.Store(id="images-said", data=f"In the link, {said}." if said else ""),
    ]


def _guide(query: Mapping[str, str], running: bool) -> list[Any]:
    """How there comes to be something to look at."""
    commands = (
        "python -m real_data score --dataset folder --path PHOTOGRAPHS --image-size 96 --metrics el2n prototypes",
        "python -m real_data duplicates --dataset folder --path PHOTOGRAPHS --image-size 96 --flag 20",
        "python -m figures explore --scores results/scores/folder-*.nc --dataset folder --path PHOTOGRAPHS "
        "--image-size 96 --duplicates results/duplicates",
    )
    return [
        html.H2("Scores of real images"),
        html.P(
            "This page shows the images of a data set from the hardest to the easiest, what a keep rule keeps and "
            "drops of them, how far two scores agree, and duplicates side by side. It needs files of scores; three "
            "commands make and show them, here for a folder with one sub-folder of photographs for each class:"
        ),
        html.Pre("\n".join(commands), id="images-commands"),
        html.P("Duplicates may be left out; python -m real_data score --help names the data sets and the scores."),
        html.H2("Or look at digits now"),
        html.P(
            "The handwritten digits that come with scikit-learn: scored by a few small networks here, in the "
            "background, which takes seconds. Nothing is written; these commands would write the same:"
        ),
        html.Pre("\n".join(COMMANDS)),
        html.Button("Score the digits", id="images-demonstrate", type="button", className="main", disabled=running),
        html.P(id="images-progress", className="said", **LIVE),
        dcc.Interval(id="images-poll", interval=POLL, disabled=not running),
        dcc.Store(id="images-query", data=dict(query)),
    ]


def _register_demonstration(app: Dash) -> None:
    @app.callback(
        Output("images-poll", "disabled"),
        Output("images-demonstrate", "disabled"),
        Input("images-demonstrate", "n_clicks"),
        prevent_initial_call=True,
    )
    def demonstrate(clicks: int | None) -> tuple[Any, Any]:
        if not clicks:
            return no_update, no_update
        DEMONSTRATION.start()
        return False, True

    @app.callback(
        Output("images-page", "children"),
        Output("images-progress", "children"),
        Output("images-poll", "disabled", allow_duplicate=True),
        Output("images-demonstrate", "disabled", allow_duplicate=True),
        Input("images-poll", "n_intervals"),
        Input("images-query", "data"),
        prevent_initial_call=True,
    )
    def poll(_: int | None, query: dict[str, str]) -> tuple[Any, ...]:
        progress = DEMONSTRATION.progress
        if progress.collection is not None:
            return _body(progress.collection, query), no_update, no_update, no_update
        if progress.running:
            bar = html.Progress(value=str(progress.done), max=str(progress.total))
            return no_update, [bar, f" {progress.message}"], no_update, no_update
        return no_update, progress.message, True, False  # it failed, and may be tried again


def _register_pictures(server: flask.Flask, found: Any) -> None:
    @server.route("/pictures/<path:other>")
    def serve_none(other: str) -> flask.Response:
        return flask.Response(f"There is no picture {other}.\n", 404, mimetype="text/plain")

    @server.route("/pictures/<key>/<part>/<int:side>/<int:index>.png")
    def serve_picture(key: str, part: str, side: int, index: int) -> flask.Response:
        collection = found()
        if collection is None or key != collection.key:
            return flask.Response("There are no such images here.\n", 404, mimetype="text/plain")
        try:
            content = picture(collection, part, index, side)
        except (ValueError, OSError) as error:
            return flask.Response(f"{error}\n", 404, mimetype="text/plain")
        answer = flask.Response(content, mimetype="image/png")
        answer.cache_control.max_age = A_DAY
        answer.cache_control.private = True
        return answer

"""The explorer as one application of Dash: its pages, what is around them, and who may ask."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

import dash
import flask
from dash import Dash, Input, Output, State, dcc, html

__all__ = ["Page", "application", "parse_link"]

_PAGES: Any = {"aria-label": "Pages"}
_CURRENT: Any = {"aria-current": "page"}
_HOSTS = ("127.0.0.1", "localhost")

_DOCUMENT = """<!DOCTYPE html>
<html lang="en">
  <head>
    {%metas%}
    <title>{%title%}</title>
    <link rel="icon" type="image/svg+xml" href="/assets/icon.svg">
    {%css%}
  </head>
  <body>
    {%app_entry%}
    <footer>{%config%}{%scripts%}{%renderer%}</footer>
  </body>
</html>"""


def _nothing() -> None:
    """What a page does that needs no warming up, or leaves nothing."""


@dataclass(frozen=True)
class Page:
    """One page of the explorer.  Ids of its components begin with its name, so that no two are the same.

    Attributes:
        path: where it lies, for example ``/images``.
        title: its name in the navigation.
        layout: its components, for what the link says behind the question mark, as texts by name.
        register: adds its callbacks to the application; they are pure functions of what the browser sends.
        warm_up: makes what takes long the first time; called once, in the background.
        end: takes away what it has left, when the server ends.
    """

    path: str
    title: str
    layout: Callable[[Mapping[str, str]], Any]
    register: Callable[[Dash], None]
    warm_up: Callable[[], None] = _nothing
    end: Callable[[], None] = _nothing


def parse_link(search: str | None) -> dict[str, str]:
    """What a link says behind its question mark, by name."""
    return dict(parse_qsl((search or "").removeprefix("?"), keep_blank_values=True))


def application(pages: Sequence[Page]) -> Dash:
    """The application with these pages; everything it loads lies in the packages, nothing comes from elsewhere.

    Two browsers, or two tabs, share nothing but caches: what a page shows depends on what is sent to it alone.

    Args:
        pages: by the order of the navigation; one of them has the path ``/``.

    Raises:
        ValueError: no page has the path ``/``, or two have the same.
    """
    by_path = {page.path: page for page in pages}
    if "/" not in by_path or len(by_path) < len(pages):
        raise ValueError(f"pages must have different paths, one of them /, got {[page.path for page in pages]}")
    app = Dash(
        __name__,
        title="Data pruning explorer",
        update_title="",  # a title that changes at each move of a slider is noise
        serve_locally=True,
        suppress_callback_exceptions=True,  # the components of a page are there when it is
        index_string=_DOCUMENT,
        on_error=_say_fault,
        meta_tags=[
            {"name": "viewport", "content": "width=device-width, initial-scale=1"},
            {"name": "color-scheme", "content": "light dark"},
        ],
    )
    app.server.before_request(_refuse_strangers)
    app.layout = html.Div(
        [
            dcc.Location(id="explorer-location", refresh=False),
            html.A("Skip to the page", href="#explorer-page", className="skip"),
            _header(pages),
            html.P(id="explorer-fault", className="fault", role="alert"),
            html.Div(id="explorer-page", role="main", tabIndex="-1"),
        ]
    )
    for page in pages:
        page.register(app)

    @app.callback(
        Output("explorer-page", "children"),
        Output("explorer-navigation", "children"),
        Input("explorer-location", "pathname"),
        State("explorer-location", "search"),
    )
    def show(path: str | None, search: str | None) -> tuple[Any, Any]:
        if path is None:  # the browser has not said yet
            return dash.no_update, dash.no_update
        navigation = _navigation(pages, path)
        if path not in by_path:
            return html.P([f"There is no page {path} here. ", html.A("Go to the theory", href="/")]), navigation
        return by_path[path].layout(parse_link(search)), navigation

    return app


def _header(pages: Sequence[Page]) -> html.Header:
    return html.Header(
        [
            html.Span("data pruning", className="name"),
            html.Nav(_navigation(pages, ""), id="explorer-navigation", **_PAGES),
            html.Button(
                "Light or dark",
                id="explorer-appearance",
                className="quiet",
                type="button",
                title="Switch between light and dark; the browser remembers",
            ),
        ],
        className="top",
    )


def _navigation(pages: Sequence[Page], here: str) -> list[html.A]:
    """Links to the pages; a page is loaded as a whole, so that back and forward are the browser's own."""
    return [html.A(page.title, href=page.path, **(_CURRENT if page.path == here else {})) for page in pages]


def _say_fault(error: Exception) -> None:
    """Say in the page that there was a fault of ours, and in the terminal where."""
    traceback.print_exception(error)
    said = f"A fault of this program: {type(error).__name__}: {error}. The terminal says where; the page goes on."
    dash.set_props("explorer-fault", {"children": said})


def _refuse_strangers() -> flask.Response | None:
    """Refuse what other sites ask in the name of this one: a name of theirs that points here, or a form of theirs."""
    origin = flask.request.headers.get("Origin")
    asked = [flask.request.host, *([origin.partition("://")[2]] if origin else [])]
    if all(one.partition(":")[0] in _HOSTS for one in asked) and len(set(asked)) == 1:
        return None
    return flask.Response(f"This page answers at {' and '.join(_HOSTS)} only.\n", 403, mimetype="text/plain")

"""Callbacks of the page of real data that walk: along the ranks, along the pairs, to one image, and to the link."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from dash import Dash, Input, Output, State, ctx, html, no_update
from dash.exceptions import PreventUpdate

from figures.explorer.images.about import pair_about, pair_numbers
from figures.explorer.images.collection import Collection
from figures.explorer.images.kept import kept_images
from figures.explorer.images.view import View, typed_integer
from figures.explorer.images_page_controls import choice_of, link_of
from figures.explorer.images_page_tiles import close_up, pair_tile

__all__ = ["register_walking"]

Find = Callable[[], Collection]
PAIRS_SHOWN = 24


def register_walking(app: Dash, find: Find) -> None:
    """Add what moves.

    Args:
        app: the application.
        find: what is looked at; raises PreventUpdate where nothing is.
    """

    @app.callback(
        Output("images-rank", "data"),
        Output("images-place", "value"),
        Output("images-rank-typed", "value"),
        Output("images-rank-complaint", "children"),
        Input("images-place", "value"),
        Input("images-rank-typed", "value"),
        *(Input(f"images-{name}", "n_clicks") for name in ("first", "before", "after", "last")),
        State("images-rank", "data"),
        State("images-steps", "data"),
        prevent_initial_call=True,
    )
    def walk(place: float, typed: str, *others: Any) -> tuple[Any, ...]:
        *_, rank, steps = others
        number, moved = find().num_images, ctx.triggered_id
        if moved == "images-place":
            rank = 1 + round(place / 100 * (number - 1))
            return rank, no_update, str(rank), ""
        if moved == "images-rank-typed":
            try:
                rank = typed_integer("rank", typed)
                if not 1 <= rank <= number:
                    raise ValueError(f"rank must lie in [1, {number}], got {rank}")
            except ValueError as error:
                return no_update, no_update, no_update, f"{error}."
        else:
            to = {"images-first": 1, "images-last": number}
            step = (steps or {}).get(str(moved).removeprefix("images-"))
            rank = to.get(str(moved), step or rank)
        return rank, round(100 * (rank - 1) / max(1, number - 1), 1), str(rank), ""

    @app.callback(
        Output("images-pair", "data"),
        Output("images-pair-typed", "value"),
        Output("images-pair-complaint", "children"),
        Input("images-pair-typed", "value"),
        Input("images-pair-before", "n_clicks"),
        Input("images-pair-after", "n_clicks"),
        Input("images-pairs", "value"),
        State("images-pair", "data"),
        prevent_initial_call=True,
    )
    def walk_pairs(typed: str, _: Any, __: Any, kind: str, pair: int) -> tuple[Any, ...]:
        moved, last = ctx.triggered_id, max(1, pair_numbers(find(), kind).size)
        if moved == "images-pair-typed":
            try:
                pair = typed_integer("pair", typed)
                if not 1 <= pair <= last:
                    raise ValueError(f"pair must lie in [1, {last}], got {pair}")
            except ValueError as error:
                return no_update, no_update, f"{error}."
        elif moved == "images-pairs":
            pair = 1
        else:
            pair = pair + PAIRS_SHOWN if moved == "images-pair-after" else pair - PAIRS_SHOWN
            pair = min(
                max(1, pair), (last - 1) // PAIRS_SHOWN * PAIRS_SHOWN + 1
            )  # the first and the last page are ends
        return pair, str(pair), ""

    @app.callback(
        Output("images-pairs-gallery", "children"),
        Output("images-pairs-said", "children"),
        Input("images-tab", "value"),
        Input("images-choice", "data"),
        Input("images-pairs", "value"),
        Input("images-pair", "data"),
    )
    def pairs(tab: str, query: dict[str, str] | None, kind: str, pair: int) -> tuple[Any, ...]:
        collection = find()
        if tab != "duplicates" or query is None:
            raise PreventUpdate
        choice = choice_of(collection, query)
        kept = kept_images(collection, choice) if choice.score else None
        numbers = pair_numbers(collection, kind)
        shown = numbers[pair - 1 : pair - 1 + PAIRS_SHOWN]
        found = collection.duplicates
        assert found is not None
        said = f"{numbers.size:,} pairs"
        if shown.size:
            said = f"{pair:,} to {pair - 1 + shown.size:,} of {said}, the most alike first"
        threshold = "exact copies alone" if found.threshold is None else f"a cosine of {found.threshold:.4f} or more"
        said += f". Duplicates have {threshold}; {int(found.kept.sum()):,} of {found.kept.size:,} training images stay."
        return [pair_tile(collection, choice, pair_about(collection, number), kept) for number in shown.tolist()], said

    @app.callback(
        Output("images-close-up", "children"),
        Output("images-close-up-box", "style"),
        Input("images-image", "data"),
        Input("images-choice", "data"),
    )
    def look_closely(image: int | None, query: dict[str, str] | None) -> tuple[Any, ...]:
        if image is None or query is None:
            return [], {"display": "none"}
        collection = find()
        choice = choice_of(collection, query)
        if not 0 <= image < collection.num_images:
            return html.P(f"image must lie in [0, {collection.num_images - 1}], got {image}."), {}
        return close_up(collection, choice, image, kept_images(collection, choice) if choice.score else None), {}

    @app.callback(
        Output("images-image", "data", allow_duplicate=True),
        Input("images-close", "n_clicks"),
        prevent_initial_call=True,
    )
    def close(_: int) -> None:
        return None

    @app.callback(
        Output("images-link", "href"),
        Input("images-choice", "data"),
        *(Input(f"images-{name}", "value") for name in ("tab", "scale", "class", "shown", "other", "axes", "pairs")),
        *(Input(f"images-{name}", "data") for name in ("rank", "pair", "image")),
    )
    def link(
        query: dict[str, str] | None,
        tab: str,
        scale: str,
        label: int | None,
        shown: str,
        other: str | None,
        axes: str,
        pairs: str,
        rank: int,
        pair: int,
        image: int | None,
    ) -> str:
        collection = find()
        if query is None:
            raise PreventUpdate
        view = replace(View(choice_of(collection, query)), tab=tab, scale=scale, label=label, shown=shown)
        view = replace(view, other=other or "", axes=axes, pairs=pairs, rank=rank, pair=pair, image=image)
        found = link_of(view, collection)
        return f"/images?{urlencode(found)}" if found else "/images"

    app.clientside_callback(
        """function(address) {
            if (address) { window.history.replaceState(window.history.state, "", address); }
            return window.dash_clientside.no_update;
        }""",
        Output("images-link", "title"),
        Input("images-link", "href"),
    )

"""Callbacks that fill the sheets of the page of real data; each answers for its own sheet, and when it is in sight."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from dash import Dash, Input, Output, State, ctx, html, no_update
from dash.exceptions import PreventUpdate

from figures.explorer.images.agreement import cell_at, cell_images, cells, correlation, outliers
from figures.explorer.images.charts import (
    agreement_chart,
    class_chart,
    histogram_chart,
    points_chart,
    rank_chart,
    share_chart,
)
from figures.explorer.images.collection import Collection
from figures.explorer.images.kept import class_rows, kept_images, shares_by_rank
from figures.explorer.images.ranking import members, page_at, ranking
from figures.explorer.images.spread import MOST_ROWS, class_counts, histogram
from figures.explorer.images.view import TABS
from figures.explorer.images_page_controls import choice_of
from figures.explorer.images_page_tiles import gallery
from figures.explorer.images_page_views import class_table_rows, correlation_table

__all__ = ["register_answers"]

Find = Callable[[], Collection]
PAGE, HALF = 60, 24  # images of a gallery, and of each of two side by side
FEW = 2500  # images of which each is a point
QUERY = Input("images-choice", "data")
TAB = Input("images-tab", "value")
LABEL = Input("images-class", "value")


def score_title(collection: Collection, name: str) -> str:
    """What an axis says of a score."""
    from figures.draw.image_scores import AXIS_LABELS

    metric = collection.score(name).metric
    said = AXIS_LABELS.get(metric, metric).replace("$-$", "−")
    return said if name == metric else f"{name}: {said}"


def register_answers(app: Dash, find: Find) -> None:
    """Add what fills the sheets.

    Args:
        app: the application.
        find: what is looked at; raises PreventUpdate where nothing is.
    """

    @app.callback(*(Output(f"images-sheet-{tab}", "style") for tab in TABS), Output("images-walk", "style"), TAB)
    def in_sight(tab: str) -> list[dict[str, str]]:
        hidden = {"display": "none"}
        return [*({} if tab == one else hidden for one in TABS), {} if tab in ("gallery", "rule") else hidden]

    @app.callback(
        Output("images-histogram", "figure"),
        Output("images-classes-said", "children"),
        Output("images-class-histograms", "figure"),
        TAB,
        QUERY,
        LABEL,
        Input("images-scale", "value"),
    )
    def scores(tab: str, query: dict[str, str], label: int | None, scale: str) -> tuple[Any, ...]:
        _only(tab, "scores", query)
        collection, choice = find(), choice_of(find(), query)
        title = score_title(collection, choice.score)
        of_all = histogram_chart(*histogram(collection, choice, label), title, log=scale == "log")
        if ctx.triggered_id not in (None, "images-tab", "images-choice"):  # the classes are as they were
            return of_all, no_update, no_update
        edges, labels, shares = class_counts(collection, choice.score)
        names = [collection.class_name(one) for one in labels]
        said = "Per cent of a class in each bin, the class of the highest median on top"
        if len(names) > MOST_ROWS:
            said += f": the {MOST_ROWS} hardest of {len(names):,} classes"
        return of_all, said, class_chart(edges, names, shares, title)

    @app.callback(
        Output("images-gallery", "children"),
        Output("images-gallery-said", "children"),
        Output("images-steps", "data"),
        TAB,
        QUERY,
        LABEL,
        Input("images-shown", "value"),
        Input("images-rank", "data"),
    )
    def by_rank(tab: str, query: dict[str, str], label: int | None, shown: str, rank: int) -> tuple[Any, ...]:
        _only(tab, "gallery", query)
        collection, choice = find(), choice_of(find(), query)
        kept, ranked = kept_images(collection, choice), ranking(collection, choice.score, choice.seed)
        mask = {"all": None, "kept": kept.mask, "dropped": ~kept.mask}[shown]
        page = page_at(ranked, members(collection, ranked, label, mask), rank, PAGE)
        what = "" if shown == "all" else f" {shown}"
        of = "" if label is None else f" of {collection.class_name(label)}"
        said = f"{page.total:,}{what} images{of}"
        if page.total:
            first, last = (int(ranked.place[page.indices[end]]) + 1 for end in (0, -1))
            said = f"{page.start + 1:,} to {page.start + page.indices.size:,} of {said}: ranks {first:,} to {last:,}"
        images = gallery(collection, choice, page.indices.tolist(), kept, f"No image{of} is{what}.")
        return images, said, {"before": page.before, "after": page.after}

    @app.callback(
        *(Output(f"images-{side}", "children") for side in ("kept", "dropped")),
        *(Output(f"images-{side}-said", "children") for side in ("kept", "dropped")),
        Output("images-by-rank", "figure"),
        Output("images-by-class", "figure"),
        Output("images-class-table", "children"),
        Output("images-steps", "data", allow_duplicate=True),
        TAB,
        QUERY,
        LABEL,
        Input("images-rank", "data"),
        prevent_initial_call="initial_duplicate",
    )
    def rule(tab: str, query: dict[str, str], label: int | None, rank: int) -> tuple[Any, ...]:
        _only(tab, "rule", query)
        collection, choice = find(), choice_of(find(), query)
        kept, ranked = kept_images(collection, choice), ranking(collection, choice.score, choice.seed)
        pages = [
            page_at(ranked, members(collection, ranked, label, mask), rank, HALF) for mask in (kept.mask, ~kept.mask)
        ]
        words = ("kept", "dropped")
        of = "" if label is None else f" of {collection.class_name(label)}"
        galleries = [
            gallery(collection, choice, page.indices.tolist(), kept, f"No image{of} is {word}.")
            for page, word in zip(pages, words, strict=True)
        ]
        said = [f"{page.total:,} {word}{of}" for page, word in zip(pages, words, strict=True)]
        before = [page.before for page in pages if page.before is not None]
        after = [page.after for page in pages if page.after is not None]
        steps = {"before": max(before, default=None), "after": min(after, default=None)}
        if ctx.triggered_id in ("images-rank", "images-class"):  # the rest does not depend on it
            return *galleries, *said, no_update, no_update, no_update, steps
        rows = class_rows(collection, choice)
        by_rank = rank_chart(*shares_by_rank(collection, choice))
        by_class = share_chart(rows, kept.indices.size / collection.num_images)
        return *galleries, *said, by_rank, by_class, class_table_rows(rows), steps

    @app.callback(
        Output("images-agreement-said", "children"),
        Output("images-agreement", "figure"),
        Output("images-outliers", "children"),
        Output("images-correlations", "children"),
        TAB,
        QUERY,
        LABEL,
        Input("images-other", "value"),
        Input("images-axes", "value"),
    )
    def agreement(tab: str, query: dict[str, str], label: int | None, other: str, axes: str) -> tuple[Any, ...]:
        _only(tab, "agreement", query)
        collection, choice = find(), choice_of(find(), query)
        pair = choice.score, other
        names = list(collection.scores)
        found = [[_correlation(collection, one, two) for two in names] for one in names]
        value = found[names.index(choice.score)][names.index(other)]
        said = "one of them is the same for all images and ranks nothing"
        if value is not None:
            said = f"Spearman's rank correlation {value:.3f} over all {collection.num_images:,} images"
        options: dict[str, Any] = {"label": label, "seed": choice.seed}
        sides = []
        for images, hard, easy in zip(outliers(collection, *pair, HALF // 2, **options), pair, pair[::-1], strict=True):
            shown = gallery(collection, choice, images.tolist(), kept_images(collection, choice), "There are none.")
            sides.append(html.Div([html.H3(f"Hard by {hard}, easy by {easy}"), shown]))
        chart = _agreement_chart(collection, choice, other, axes, label)
        return f"{pair[0]} and {other}: {said}", chart, sides, correlation_table(names, found)

    @app.callback(
        Output("images-cell", "children"),
        Output("images-cell-said", "children"),
        Output("images-image", "data", allow_duplicate=True),
        Input("images-agreement", "clickData"),
        Input("images-agreement", "figure"),
        State("images-choice", "data"),
        State("images-class", "value"),
        State("images-other", "value"),
        State("images-axes", "value"),
        prevent_initial_call=True,
    )
    def clicked(click: Any, _: Any, query: dict[str, str], label: int | None, other: str, axes: str) -> tuple[Any, ...]:
        if not query:
            raise PreventUpdate
        if "images-agreement.clickData" not in ctx.triggered_prop_ids or not click:
            return [], "Click into the picture to see the images of a place.", no_update
        collection, choice = find(), choice_of(find(), query)
        point, pair = click["points"][0], (choice.score, other)
        if image_is_point(collection, label):
            return [], "", point["customdata"]
        options: dict[str, Any] = {"axes": axes, "seed": choice.seed}
        cell = cell_at(collection, *pair, (point["x"], point["y"]), **options)
        images = cell_images(collection, *pair, cell, label=label, **options)
        said = f"{images.size:,} images at this place" + (f", the {HALF} hardest of them" if images.size > HALF else "")
        kept = kept_images(collection, choice)
        return gallery(collection, choice, images[:HALF].tolist(), kept, "No image is here."), said, no_update


def image_is_point(collection: Collection, label: int | None) -> bool:
    """Whether there are so few images that each is a point of the picture of two scores."""
    labels = np.asarray(collection.dataset.train_labels)
    return (labels.size if label is None else int(np.sum(labels == label))) <= FEW


def _agreement_chart(collection: Collection, choice: Any, other: str, axes: str, label: int | None) -> dict[str, Any]:
    names = [score_title(collection, name) for name in (choice.score, other)]
    if axes == "rank":
        names = [f"rank by {name}   (0 hardest)" for name in (choice.score, other)]
    titles = names[0], names[1]
    if not image_is_point(collection, label):
        found = cells(collection, choice.score, other, axes=axes, label=label, seed=choice.seed)
        return agreement_chart(*found, titles)
    labels = np.asarray(collection.dataset.train_labels)
    images = np.arange(labels.size) if label is None else np.flatnonzero(labels == label)
    number = collection.num_images
    x, y = (
        ranking(collection, name, choice.seed).place[images] / max(1, number - 1)
        if axes == "rank"
        else collection.score(name).values[images]
        for name in (choice.score, other)
    )
    kept = kept_images(collection, choice).mask[images]
    return points_chart(x, y, images, kept, [collection.class_name(int(one)) for one in labels[images]], titles)


def _correlation(collection: Collection, one: str, other: str) -> float | None:
    try:
        return correlation(collection, one, other)
    except ValueError:  # all values are equal
        return None


def _only(tab: str, own: str, query: dict[str, str] | None) -> None:
    """Go no further for a sheet that is out of sight, or before there is anything to show."""
    if tab != own or (not query and own != "duplicates"):
        raise PreventUpdate

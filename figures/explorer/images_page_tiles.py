"""Tiles of the page of real data: images with what is known about them, galleries, and pairs side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dash import html

from figures.explorer.images.about import PairAbout, about_image
from figures.explorer.images.collection import Collection
from figures.explorer.images.kept import Kept
from figures.explorer.images.pictures import LARGE, SMALL, picture_address, side_of
from figures.explorer.images.ranking import ranking
from figures.explorer.images.view import Choice

__all__ = ["close_up", "gallery", "pair_tile", "tile", "tile_side"]

PIXELATED = 64  # images of fewer pixels are enlarged without smoothing


def tile_side(collection: Collection) -> int:
    """Width in pixels of an image in a gallery."""
    return 72 if side_of(collection) <= PIXELATED else SMALL


def tile(
    collection: Collection,
    choice: Choice,
    index: int,
    kept: Kept | None,
    part: str = "train",
    *,
    stays: bool | None = None,
) -> html.Button:
    """One image; the browser shows the text when the pointer rests on it, and a click looks closely at it.

    Args:
        collection: what is looked at.
        choice: what ranks it, and decides whether it is kept.
        index: position in its part.
        kept: what is kept; None where nothing is chosen.
        part: train or test.
        stays: whether the frame is that of a kept image; None is as ``kept`` says.
    """
    if stays is None and kept is not None and part == "train":
        stays = bool(kept.mask[index])
    state = "" if stays is None else " is-kept" if stays else " is-dropped"
    if part == "test":
        label = collection.class_name(int(collection.dataset.test_labels[index]))
        rows, caption = [("test image", collection.image_name(index, in_test=True)), ("class", label)], "test"
    else:
        label = collection.class_name(int(collection.dataset.train_labels[index]))
        rows, caption = about_image(collection, choice, index, kept), f"{index}"
        if choice.score:
            caption = f"{int(ranking(collection, choice.score, choice.seed).place[index]) + 1:,}"
        weight = None if kept is None else kept.weight_of(index)
        caption += "" if weight is None else f" ×{weight:.2g}"
    said = "\n".join(f"{name}: {value}" for name, value in rows)
    smoothing = "images-picture is-pixelated" if side_of(collection) <= PIXELATED else "images-picture"
    data: dict[str, Any] = {"data-tip": said, "aria-label": said.replace("\n", ", ")}
    if part == "train":
        data["data-image"] = str(index)
    address = picture_address(collection, part, index)
    picture = html.Img(src=address, alt="", className=smoothing)
    below = html.Span([html.B(caption), html.Span(label)], className="images-caption")
    return html.Button([picture, below], type="button", className=f"images-tile{state}", **data)


def gallery(collection: Collection, choice: Choice, images: Sequence[int], kept: Kept | None, empty: str) -> Any:
    """Images side by side, in the order given; a sentence where there are none."""
    if not len(images):
        return html.P(empty, className="images-none")
    side = {"--images-side": f"{tile_side(collection)}px"}
    return html.Div(
        [tile(collection, choice, int(index), kept) for index in images], className="images-gallery", style=side
    )


def pair_tile(collection: Collection, choice: Choice, about: PairAbout, kept: Kept | None) -> html.Figure:
    """A pair side by side, the training image on the left; below it how alike they are and which of them stays."""
    of_test = about.in_test
    sides = [
        tile(collection, choice, about.image, kept, stays=about.kept[0]),
        tile(
            collection, choice, about.of, kept, *(["test"] if of_test else []), stays=None if of_test else about.kept[1]
        ),
    ]
    stays = ["stays" if stay else "dropped" for stay in about.kept]
    if of_test:
        stays[1] = "test image"
    named = [
        html.Div([one, html.Span(word, className=f"images-stay is-{word.split()[0]}")], className="images-half")
        for one, word in zip(sides, stays, strict=True)
    ]
    caption: list[Any] = [html.B(f"{about.similarity:.3f}"), *(f" · {mark}" for mark in about.marks)]
    differ = about.labels[0] != about.labels[1]
    side = {"--images-side": f"{tile_side(collection)}px"}
    return html.Figure(
        [html.Div(named, className="images-sides"), html.Figcaption(caption)],
        className=f"images-pair{' is-differing' if differ else ''}",
        style=side,
    )


def close_up(collection: Collection, choice: Choice, index: int, kept: Kept | None) -> list[Any]:
    """An image as large as it is, with all that is known about it and the images that are like it."""
    rows = about_image(collection, choice, index, kept)
    smoothing = "images-large is-pixelated" if side_of(collection) <= PIXELATED else "images-large"
    parts: list[Any] = [
        html.Img(
            src=picture_address(collection, "train", index, LARGE), alt=f"training image {index}", className=smoothing
        ),
        html.Dl([one for name, value in rows for one in (html.Dt(name), html.Dd(value))]),
    ]
    like = _like(collection, index)
    if like:
        tiles = [tile(collection, choice, other, kept, part) for other, part in like]
        side = {"--images-side": f"{tile_side(collection)}px"}
        parts += [html.P("Similar images"), html.Div(tiles, className="images-gallery", style=side)]
    return parts


def _like(collection: Collection, index: int, most: int = 6) -> list[tuple[int, str]]:
    """The other images of pairs that an image is in, the most similar first, and whether they are of train or test."""
    if collection.duplicates is None:
        return []
    pairs = collection.duplicates.pairs
    rows = ((pairs.image == index) | (~pairs.in_test & (pairs.of == index))).nonzero()[0][:most]
    found = []
    for row in rows.tolist():
        if pairs.in_test[row]:
            found.append((int(pairs.of[row]), "test"))
        else:
            found.append((int(pairs.of[row] if pairs.image[row] == index else pairs.image[row]), "train"))
    return found

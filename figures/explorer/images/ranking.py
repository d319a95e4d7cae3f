"""The order from hardest to easiest, and the part of it that is on the screen."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from figures.explorer.images.collection import Collection

__all__ = ["Page", "Ranking", "members", "page_at", "ranking"]

Indices = NDArray[np.int64]


class Ranking(NamedTuple):
    """Images by difficulty.

    Attributes:
        order: the training images from hardest to easiest, shape (num_images,).
        place: where each image is in that order, from 0, shape (num_images,).
    """

    order: Indices
    place: Indices


@lru_cache(maxsize=64)
def ranking(collection: Collection, score: str, seed: int) -> Ranking:
    """The order of a score, equal scores in random order: the same as :func:`real_data.prune` draws with this seed."""
    values = collection.score(score).values
    order = np.lexsort((np.random.default_rng(seed).permutation(values.size), values))[::-1]
    place = np.empty_like(order)
    place[order] = np.arange(order.size)
    for array in (order, place):
        array.flags.writeable = False
    return Ranking(order, place)


def members(
    collection: Collection, ranked: Ranking, label: int | None = None, mask: NDArray[np.bool_] | None = None
) -> Indices:
    """Images of a class and of a mask, from hardest to easiest.

    Args:
        collection: what is looked at.
        ranked: their order.
        label: class; None is all.
        mask: which images, shape (num_images,); None is all.
    """
    order = ranked.order
    wanted = np.ones(order.size, bool) if mask is None else mask[order]
    if label is not None:
        wanted = wanted & (np.asarray(collection.dataset.train_labels)[order] == label)
    return order[wanted]


class Page(NamedTuple):
    """Some of the members.

    Attributes:
        indices: the images on the page, hardest first.
        start: place of the first one among the members, from 0.
        total: number of members.
        before: rank (from 1, among all images) at which the page before begins; None where this is the first.
        after: rank at which the next page begins; None where this is the last.
    """

    indices: Indices
    start: int
    total: int
    before: int | None
    after: int | None


def page_at(ranked: Ranking, shown: Indices, rank: int, size: int) -> Page:
    """The members from a rank on; the last ones where none are that easy.

    Args:
        ranked: the order of all images.
        shown: the members, hardest first.
        rank: among all images, from 1.
        size: images on a page, at least 1.
    """
    places = ranked.place[shown]
    start = int(np.searchsorted(places, rank - 1))
    if start == shown.size:
        start = max(0, shown.size - size)
    stop = start + size
    return Page(
        shown[start:stop],
        start,
        shown.size,
        int(places[max(0, start - size)]) + 1 if start else None,
        int(places[stop]) + 1 if stop < shown.size else None,
    )

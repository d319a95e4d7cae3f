"""Two scores against each other: how far they rank the images alike, and the images at a place of the picture."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from data_pruning.arguments import check_choice, check_integer
from figures.explorer.images.collection import Collection
from figures.explorer.images.ranking import ranking
from figures.explorer.images.view import AXES

__all__ = ["NUM_CELLS", "cell_at", "cell_images", "cells", "correlation", "outliers"]

NUM_CELLS = 32
"""Cells along each axis of the picture of two scores."""


@lru_cache(maxsize=256)
def correlation(collection: Collection, one: str, other: str) -> float:
    """Spearman's rank correlation of two scores, in [-1, 1].

    Raises:
        ValueError: a score that there is not, or all of whose values are equal.
    """
    from real_data.scores.rank_agreement import rank_correlation

    return float(rank_correlation([collection.score(one), collection.score(other)])[0, 1])


@lru_cache(maxsize=64)
def _axis(collection: Collection, score: str, axes: str, seed: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Edges of the cells along the axis of a score, and the cell of each image."""
    check_choice("axes", axes, AXES)
    if axes == "rank":  # 0 is the hardest, as in the theory
        place = ranking(collection, score, seed).place
        return np.linspace(0, 1, NUM_CELLS + 1), place * NUM_CELLS // place.size
    values = collection.score(score).values
    low, high = float(values.min()), float(values.max())
    edges = np.linspace(low, high if high > low else low + 1, NUM_CELLS + 1)
    return edges, np.clip(np.searchsorted(edges, values, side="right") - 1, 0, NUM_CELLS - 1)


def cells(
    collection: Collection, one: str, other: str, *, axes: str = "rank", label: int | None = None, seed: int = 0
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Images in each cell of the picture of two scores.

    Args:
        collection: what is looked at.
        one: score to the right.
        other: score upwards.
        axes: ``rank``, 0 the hardest and 1 the easiest, or ``score``.
        label: class; None is all.
        seed: for the order of equal scores.

    Returns:
        Edges to the right and upwards, shape (NUM_CELLS + 1,), and the numbers, shape (NUM_CELLS upwards, NUM_CELLS to
        the right).
    """
    (x, column), (y, row) = (_axis(collection, score, axes, seed) for score in (one, other))
    flat = row * NUM_CELLS + column
    if label is not None:
        flat = flat[np.asarray(collection.dataset.train_labels) == label]
    return x, y, np.bincount(flat, minlength=NUM_CELLS**2).reshape(NUM_CELLS, NUM_CELLS)


def cell_at(
    collection: Collection, one: str, other: str, place: tuple[float, float], *, axes: str = "rank", seed: int = 0
) -> tuple[int, int]:
    """The cell, its number to the right and upwards, that a place of the picture lies in.

    Args:
        collection: as for :func:`cells`; so the others.
        one: see there.
        other: see there.
        place: to the right and upwards.
        axes: see there.
        seed: see there.
    """
    edges = [_axis(collection, score, axes, seed)[0] for score in (one, other)]
    across, up = (
        int(np.clip(np.searchsorted(e, x, side="right") - 1, 0, NUM_CELLS - 1))
        for e, x in zip(edges, place, strict=True)
    )
    return across, up


def cell_images(
    collection: Collection,
    one: str,
    other: str,
    cell: tuple[int, int],
    *,
    axes: str = "rank",
    label: int | None = None,
    seed: int = 0,
) -> NDArray[np.int64]:
    """The images of a cell, by the first score from hardest to easiest.

    Args:
        collection: as for :func:`cells`; so the others.
        one: see there.
        other: see there.
        cell: number of the cell to the right and upwards, in [0, NUM_CELLS).
        axes: see there.
        label: see there.
        seed: see there.
    """
    for name, number in zip(("cell to the right", "cell upwards"), cell, strict=True):
        check_integer(name, number, 0, NUM_CELLS - 1)
    (_, column), (_, row) = (_axis(collection, score, axes, seed) for score in (one, other))
    order = ranking(collection, one, seed).order
    inside = (column[order] == cell[0]) & (row[order] == cell[1])
    if label is not None:
        inside &= np.asarray(collection.dataset.train_labels)[order] == label
    return order[inside]


def outliers(
    collection: Collection, one: str, other: str, number: int, *, label: int | None = None, seed: int = 0
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Images that the scores disagree most on: hard by the first and easy by the other, and the other way round.

    Args:
        collection: as for :func:`cells`; so the others.
        one: see there.
        other: see there.
        number: images of each kind, at least 1.
        label: see there.
        seed: see there.
    """
    gap = ranking(collection, other, seed).place - ranking(collection, one, seed).place  # positive: hard by the first
    images = np.arange(gap.size)
    if label is not None:
        images = np.flatnonzero(np.asarray(collection.dataset.train_labels) == label)
    by_gap = images[np.argsort(-gap[images], kind="stable")]
    first, second = by_gap[:number], by_gap[::-1][:number]
    return first[gap[first] > 0], second[gap[second] < 0]

"""How scores are distributed: numbers of images kept and dropped in bins of the score, and class by class."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from figures.explorer.images.collection import Collection
from figures.explorer.images.kept import kept_images
from figures.explorer.images.view import Choice

__all__ = ["MOST_ROWS", "class_counts", "histogram", "score_bins"]

NUM_BINS = 60
MOST_ROWS = 40
"""Classes that are drawn at a time, from the hardest on by their median."""


@lru_cache(maxsize=64)
def score_bins(collection: Collection, score: str) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Edges of bins of equal width, and the bin of each image."""
    from figures.draw.image_scores import bin_edges

    values = collection.score(score).values
    edges = bin_edges(values, NUM_BINS)
    return edges, np.clip(np.searchsorted(edges, values, side="right") - 1, 0, edges.size - 2)


def histogram(collection: Collection, choice: Choice, label: int | None = None) -> tuple[Any, Any, Any]:
    """Images in each bin of the score.

    Args:
        collection: what is looked at.
        choice: what is kept.
        label: class; None is all.

    Returns:
        Edges of the bins, shape (num_bins + 1,), images kept and images dropped in each, shape (num_bins,).
    """
    edges, bin_of = score_bins(collection, choice.score)
    mask, number = kept_images(collection, choice).mask, edges.size - 1
    if label is not None:
        of_class = np.asarray(collection.dataset.train_labels) == label
        mask, bin_of = mask[of_class], bin_of[of_class]
    kept = np.bincount(bin_of[mask], minlength=number)
    return edges, kept, np.bincount(bin_of, minlength=number) - kept


@lru_cache(maxsize=64)
def class_counts(collection: Collection, score: str) -> tuple[NDArray[np.float64], list[int], NDArray[np.float64]]:
    """The share of each class in each bin of the score.

    Returns:
        Edges of the bins; the classes that have images, of the highest median first; the shares of the images of each
        in each bin, shape (num_classes, num_bins), rows that add up to 1.
    """
    edges, bin_of = score_bins(collection, score)
    labels, values = np.asarray(collection.dataset.train_labels), collection.score(score).values
    number = edges.size - 1
    counts = np.bincount(labels * number + bin_of, minlength=collection.dataset.num_classes * number)
    counts = counts.reshape(-1, number)
    order = np.lexsort((values, labels))
    ends = np.searchsorted(labels[order], np.arange(collection.dataset.num_classes + 1))
    present = np.flatnonzero(np.diff(ends))
    middle = values[order][(ends[present] + ends[present + 1]) // 2]
    rows = present[np.argsort(-middle, kind="stable")]
    return edges, rows.tolist(), counts[rows] / counts[rows].sum(axis=1, keepdims=True)

"""What a keep rule keeps: the same as ``python -m real_data prune``, with its list, and class by class."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from data_pruning import keep_rule
from figures.explorer.images.collection import Collection
from figures.explorer.images.ranking import ranking
from figures.explorer.images.view import Choice

__all__ = ["QUANTILES", "ClassRow", "Kept", "class_rows", "class_table", "kept_images", "kept_list", "shares_by_rank"]

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True, eq=False)
class Kept:
    """What is kept.

    Attributes:
        indices: the images kept, increasing, shape (num_kept,).
        mask: whether each image is kept, shape (num_images,).
        probability: with which each of ``indices`` was kept, shape (num_kept,).
        weights: of the losses of ``indices``, float32; None without weights.
        num_candidates: images that might have been kept.
    """

    indices: NDArray[np.int64]
    mask: NDArray[np.bool_]
    probability: NDArray[np.float64]
    weights: NDArray[np.float32] | None
    num_candidates: int

    def weight_of(self, index: int) -> float | None:
        """Weight of an image; None where it has none."""
        if self.weights is None or not self.mask[index]:
            return None
        return float(self.weights[np.searchsorted(self.indices, index)])


@lru_cache(maxsize=64)
def kept_images(collection: Collection, choice: Choice) -> Kept:
    """The images that a choice keeps.

    Raises:
        ValueError: the rule keeps none, leaves a class empty, or does not suit the scores; in one line.
    """
    from real_data import select

    values = collection.score(choice.score).values
    among = collection.candidates if choice.among else None
    if choice.among and among is None:
        raise ValueError("there is no list of images that are no duplicates: give a folder with kept.txt")
    indices, probability, weights = select(
        values,
        keep_rule(choice.rule, choice.f),
        collection.dataset.train_labels,
        min_class_share=choice.min_class_share,
        among=among,
        seed=choice.seed,
    )
    mask = np.zeros(values.size, bool)
    mask[indices] = True
    found = None if weights is None else weights.astype(np.float32)
    return Kept(indices, mask, probability, found, values.size if among is None else len(among))


def kept_list(collection: Collection, choice: Choice, *, names: bool = False) -> bytes:
    """The file that ``python -m real_data prune`` writes for a choice, byte for byte.

    Args:
        collection: what is looked at.
        choice: what is kept.
        names: file names of the images in place of their positions.

    Raises:
        ValueError: as :func:`kept_images`, or the images have no names.
    """
    from real_data.selection.kept_list import write_kept
    from real_data.training.examples import Examples

    of_images = collection.dataset.train_names if names else None
    if names and of_images is None:
        raise ValueError(f"images of {collection.dataset.name} have no names")
    kept = kept_images(collection, choice)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "kept.txt"
        write_kept(path, Examples(kept.indices, kept.weights), of_images)
        return path.read_bytes()


class ClassRow(NamedTuple):
    """A class, and what is kept of it.

    Attributes:
        label: its number.
        name: what it is called.
        size: its images.
        kept: those of them that are kept.
        quantiles: of its scores, at ``QUANTILES``.
        weight: mean weight of its kept images; None without weights or where none is kept.
    """

    label: int
    name: str
    size: int
    kept: int
    quantiles: tuple[float, ...]
    weight: float | None

    @property
    def share(self) -> float:
        """Share of its images that is kept."""
        return self.kept / self.size


def class_rows(collection: Collection, choice: Choice) -> list[ClassRow]:
    """The classes that have images, the hardest (by the median of the score) first."""
    kept = kept_images(collection, choice)
    labels = np.asarray(collection.dataset.train_labels)
    num_classes = collection.dataset.num_classes
    sizes, numbers = (
        np.bincount(labels, minlength=num_classes),
        np.bincount(labels[kept.indices], minlength=num_classes),
    )
    sums = None if kept.weights is None else np.bincount(labels[kept.indices], kept.weights, num_classes)
    rows = []
    quantiles = _class_quantiles(collection, choice.score)
    for label in np.flatnonzero(sizes).tolist():
        weight = None if sums is None or not numbers[label] else float(sums[label] / numbers[label])
        about = int(sizes[label]), int(numbers[label]), quantiles[label], weight
        rows.append(ClassRow(label, collection.class_name(label), *about))
    return sorted(rows, key=lambda row: (-row.quantiles[2], row.label))


@lru_cache(maxsize=64)
def _class_quantiles(collection: Collection, score: str) -> dict[int, tuple[float, ...]]:
    labels, values = np.asarray(collection.dataset.train_labels), collection.score(score).values
    by_class = np.argsort(labels, kind="stable")
    present, begins = np.unique(labels[by_class], return_index=True)
    parts = np.split(values[by_class], begins[1:])
    return {
        int(label): tuple(np.quantile(part, QUANTILES).tolist()) for label, part in zip(present, parts, strict=True)
    }


def shares_by_rank(
    collection: Collection, choice: Choice, num_bins: int = 50
) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
    """The share kept in bins of rank, from hardest to easiest, and the mean weight of those kept.

    Args:
        collection: what is looked at.
        choice: what is kept.
        num_bins: at least 1; fewer where there are fewer images.

    Returns:
        Shares, shape (num_bins,), and mean weights, NaN in bins of which nothing is kept; None without weights.
    """
    kept, place = kept_images(collection, choice), ranking(collection, choice.score, choice.seed).place
    number = min(num_bins, place.size)
    bin_of = place * number // place.size
    counts = np.bincount(bin_of[kept.indices], minlength=number)
    shares = counts / np.bincount(bin_of, minlength=number)
    if kept.weights is None:
        return shares, None
    sums = np.bincount(bin_of[kept.indices], kept.weights, number)
    return shares, np.divide(sums, counts, out=np.full(number, np.nan), where=counts > 0)


def class_table(rows: list[ClassRow]) -> str:
    """The table of classes as CSV text."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["label", "class", "images", "kept", "share_kept", *(f"score_{q:g}" for q in QUANTILES), "weight"])
    for row in rows:
        weight = "" if row.weight is None else f"{row.weight:.9g}"
        numbers = [f"{value:.9g}" for value in (row.share, *row.quantiles)]
        writer.writerow([row.label, row.name, row.size, row.kept, *numbers, weight])
    return text.getvalue()

"""Lists of kept examples in text files, one a line: position in the training set or file name, and a weight if any."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from data_pruning.records.atomic_file import write_atomically
from real_data.training.examples import Examples

if TYPE_CHECKING:
    from real_data.datasets import ImageDataset

__all__ = ["read_kept", "write_kept"]

LEAST_WEIGHT, MOST_WEIGHT = 1e-30, 1e30  # that float32 holds


def write_kept(path: Path, kept: Examples, names: Sequence[str] | None = None) -> None:
    """Write a list that :func:`read_kept` reads.

    Args:
        path: the text file; it is there as a whole or not at all.
        kept: the kept examples.
        names: of all training images, to be written in place of positions.
    """
    entries = [str(i) if names is None else names[i] for i in kept.indices]
    if kept.weights is not None:
        entries = [f"{entry}\t{weight:.9g}" for entry, weight in zip(entries, kept.weights, strict=True)]
    write_atomically(path, "".join(f"{entry}\n" for entry in entries).encode("utf-8", "surrogateescape"))


def read_kept(path: str | os.PathLike[str], dataset: ImageDataset) -> Examples:
    """The training images that a file lists, with the weights of their losses if it has any.

    Args:
        path: a text file with one image a line, by its position in the training set (from 0) or by its name in
            ``dataset.train_names``; where losses are weighted, a tab and the weight follow.  Empty lines are passed
            over.
        dataset: the data set.

    Returns:
        The examples, in ascending order; weights as they are in the file.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: a line is neither, a position or a weight is out of range, an image is named twice, some have
            weights and others none, or no image is named.
    """
    place = Path(path)
    try:
        lines = place.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except IsADirectoryError:
        raise ValueError(f"kept must be a text file, but {place} is a folder") from None
    number_of = {name: i for i, name in enumerate(dataset.train_names or ())}
    number = len(dataset.train_labels)
    chosen: dict[int, tuple[int, float | None]] = {}  # line and weight of each image
    for at, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            index, weight = _entry(line.strip(), number_of, number)
        except ValueError as error:
            raise ValueError(f"{place}, line {at}: {error}") from None
        if index in chosen:
            raise ValueError(f"{place}, line {at}: the image of line {chosen[index][0]} again")
        if chosen and (weight is None) != (next(iter(chosen.values()))[1] is None):
            raise ValueError(f"{place}, line {at}: all images must have a weight, or none")
        chosen[index] = at, weight
    if not chosen:
        raise ValueError(f"{place} names no image")
    indices = np.array(sorted(chosen), np.int64)
    weights = [weight for i in indices.tolist() if (weight := chosen[i][1]) is not None]
    return Examples(indices, np.array(weights, np.float32) if weights else None)


def _entry(entry: str, number_of: Mapping[str, int], number: int) -> tuple[int, float | None]:
    """Position and weight of the image of a line."""
    weight = None
    name, tab, text = entry.rpartition("\t")
    if tab and entry not in number_of:  # a name may have a tab of its own
        entry = name.rstrip()
        try:
            weight = float(text)
        except ValueError:
            raise ValueError(f"{text[:80]!r} after the tab is not a weight") from None
        if not LEAST_WEIGHT <= weight <= MOST_WEIGHT:
            raise ValueError(f"weights must lie in [{LEAST_WEIGHT:g}, {MOST_WEIGHT:g}], got {text}")
    index = number_of.get(entry)
    if index is None:
        if not entry.isdecimal():
            raise ValueError(f"{entry[:80]!r} is neither a position nor the name of a training image")
        index = int(entry)
        if index >= number:
            raise ValueError(f"positions must lie in [0, {number}), got {entry}")
    return index, weight

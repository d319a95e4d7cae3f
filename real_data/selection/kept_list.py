"""Lists of kept examples in text files: positions in the training set, or file names, one a line."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from real_data.datasets import ImageDataset

__all__ = ["read_kept"]


def read_kept(path: str | os.PathLike[str], dataset: ImageDataset) -> NDArray[np.int64]:
    """Indices of the training images that a file lists.

    Args:
        path: a text file with one image a line, by its position in the training set (from 0) or by its name in
            ``dataset.train_names``; empty lines are passed over.
        dataset: the data set.

    Returns:
        The indices, in ascending order.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: a line is neither, a position is out of range, an image is named twice, or none is named.
    """
    place = Path(path)
    try:
        lines = place.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except IsADirectoryError:
        raise ValueError(f"kept must be a text file, but {place} is a folder") from None
    number_of = {name: i for i, name in enumerate(dataset.train_names or ())}
    number = len(dataset.train_labels)
    chosen: dict[int, int] = {}
    for at, line in enumerate(lines, 1):
        entry = line.strip()
        if not entry:
            continue
        index = number_of.get(entry)
        if index is None:
            if not entry.isdecimal():
                raise ValueError(
                    f"{place}, line {at}: {entry[:80]!r} is neither a position nor the name of a training image"
                )
            index = int(entry)
            if index >= number:
                raise ValueError(f"{place}, line {at}: positions must lie in [0, {number}), got {entry}")
        if index in chosen:
            raise ValueError(f"{place}, line {at}: the image of line {chosen[index]} again")
        chosen[index] = at
    if not chosen:
        raise ValueError(f"{place} names no image")
    return np.array(sorted(chosen), np.int64)

"""What images, or anything with embeddings, are compared by: unit vectors, one for each different content."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from real_data.duplicates.exact_copies import Contents, digests_of
from real_data.duplicates.thumbnails import Thumbnails, read_thumbnails
from real_data.duplicates.whitening import CHANGED, Whitening, changed_thumbnails, fit_whitening, unit_rows

if TYPE_CHECKING:
    from real_data.datasets import ImageDataset

__all__ = ["Described", "describe", "describe_rows"]

LEAST_CHANGES = 2000  # images few in number are changed several times each


@dataclass(frozen=True, eq=False)
class Described:
    """Contents, and a unit vector for each.

    Attributes:
        contents: which rows have the same.
        features: products are cosines, shape (num_contents, width), float32.
        mirrored: the same of the mirrored images; None where they are not compared.
    """

    contents: Contents
    features: NDArray[np.float32]
    mirrored: NDArray[np.float32] | None = None


def describe(
    dataset: ImageDataset,
    *,
    thumbnails: bool = True,
    embeddings: ArrayLike | None = None,
    mirror: bool = False,
    seed: int = 0,
    folder: Path | None = None,
    progress: bool = False,
) -> tuple[Described, Described]:
    """Training and test images by their thumbnails, by embeddings or by both: then cosines are the mean of both.

    Args:
        dataset: the images.
        thumbnails: whether to take whitened thumbnails, which are fitted to the training images.
        embeddings: of all images, those of the training set first: shape (num_train + num_test, width).
        mirror: whether to describe mirrored images as well; thumbnails only.
        seed: of the changes that thumbnails are made to withstand.
        folder: where thumbnails of image files are kept meanwhile.
        progress: whether to show bars on stderr.

    Raises:
        ValueError: embeddings of another number, not finite or without direction; nothing to compare by.
    """
    if not thumbnails and embeddings is None:
        raise ValueError("images must be compared by thumbnails or embeddings, or both; got neither")
    if mirror and embeddings is not None:
        raise ValueError("mirror compares thumbnails; there are no embeddings of the mirrored images")
    parts = (dataset.train_images, dataset.test_images)
    looks = [read_thumbnails(images, folder=folder, progress=progress) for images in parts]
    contents = [Contents.of(one.digests) for one in looks]
    kinds: list[list[NDArray[np.float32]]] = [[], []]
    mirrored: list[NDArray[np.float32] | None] = [None, None]
    if thumbnails:
        whitening = _whitening(parts[0], looks[0], contents[0], mirror, seed)
        small = [one.values[content.first] for one, content in zip(looks, contents, strict=True)]
        kinds = [[whitening(values)] for values in small]
        if mirror:
            mirrored = [whitening(np.ascontiguousarray(values[:, :, ::-1])) for values in small]
    if embeddings is not None:
        values = _checked(embeddings, sum(len(images) for images in parts), "training and test images")
        num_train = len(parts[0])
        for kind, content, begin in zip(kinds, contents, (0, num_train), strict=True):
            kind.append(unit_rows(values[begin + content.first]))
    train, test = (
        Described(content, np.hstack(kind) / np.float32(np.sqrt(len(kind))), other)
        for content, kind, other in zip(contents, kinds, mirrored, strict=True)
    )
    return train, test


def describe_rows(embeddings: ArrayLike) -> Described:
    """Anything by its embeddings, texts for example; equal rows are exact copies.

    Args:
        embeddings: shape (num, width).

    Raises:
        ValueError: they are not finite or without direction.
    """
    values = _checked(embeddings, None, "rows")
    contents = Contents.of(digests_of(values))
    return Described(contents, unit_rows(values[contents.first]))


def _whitening(images: Any, looks: Thumbnails, contents: Contents, mirror: bool, seed: int) -> Whitening:
    """Fitted to the different training images; those that are changed are the first by digest, which is at random."""
    changed = contents.first[:CHANGED]
    times = -(-min(LEAST_CHANGES, CHANGED) // changed.size)
    again = np.tile(changed, times)
    return fit_whitening(
        looks.values[contents.first], looks.values[again], changed_thumbnails(images, again, seed), mirror=mirror
    )


def _checked(embeddings: ArrayLike, num: int | None, of: str) -> NDArray[np.floating]:
    values = np.asanyarray(embeddings)
    if values.ndim != 2 or values.shape[1] == 0 or values.dtype.kind != "f":
        raise ValueError(
            f"embeddings must be floating-point of shape (num, width), got {values.dtype} of shape {values.shape}"
        )
    if len(values) == 0 or (num is not None and len(values) != num):
        wanted = "at least one row" if num is None else f"a row for each of the {num} {of}, training images first"
        raise ValueError(f"embeddings must have {wanted}, got {len(values)}")
    for start in range(0, len(values), 8192):
        lengths = np.linalg.norm(values[start : start + 8192].astype(np.float64), axis=1)
        bad = np.flatnonzero(~np.isfinite(lengths) | (lengths == 0))
        if bad.size:
            raise ValueError(f"embeddings must be finite and not zero, but row {start + bad[0]} is not")
    return values

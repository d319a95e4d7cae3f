"""What images, or anything with embeddings, are compared by: unit vectors, one for each different content."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from real_data.duplicates.exact_copies import Contents, digests_of
from real_data.duplicates.thumbnails import read_thumbnails
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
    test_embeddings: ArrayLike | None = None,
    with_test: bool = True,
    mirror: bool = False,
    seed: int = 0,
    folder: Path | None = None,
    progress: bool = False,
) -> tuple[Described, Described | None]:
    """Training and test images by their thumbnails, by embeddings or by both: then cosines are the mean of both.

    Args:
        dataset: the images.
        thumbnails: whether to take whitened thumbnails, which are fitted to the training images.
        embeddings: of the training images, shape (num_train, width).
        test_embeddings: of the test images, shape (num_test, width).
        with_test: whether to describe test images; with False they are not looked at.
        mirror: whether to describe mirrored images as well; thumbnails only.
        seed: of the changes that thumbnails are made to withstand.
        folder: where thumbnails of image files are kept meanwhile.
        progress: whether to show bars on stderr.

    Returns:
        The training images, and the test images or None.

    Raises:
        ValueError: embeddings of another number, not finite or without direction; nothing to compare by.
    """
    if not thumbnails and embeddings is None:
        raise ValueError("images must be compared by thumbnails or embeddings, or both; got neither")
    if mirror and embeddings is not None:
        raise ValueError("mirror compares thumbnails; there are no embeddings of the mirrored images")
    parts = [dataset.train_images, dataset.test_images][: 1 + with_test]
    looks = [read_thumbnails(images, folder=folder, progress=progress) for images in parts]
    contents = [Contents.of(one.digests) for one in looks]
    kinds: list[list[NDArray[np.float32]]] = [[] for _ in parts]
    mirrored: list[NDArray[np.float32] | None] = [None for _ in parts]
    if thumbnails:
        small = [one.values[content.first] for one, content in zip(looks, contents, strict=True)]
        whitening = _whitening(parts[0], small[0], contents[0], mirror, seed)
        kinds = [[whitening(values)] for values in small]
        if mirror:
            mirrored = [whitening(np.ascontiguousarray(values[:, :, ::-1])) for values in small]
    if embeddings is not None:
        if with_test and test_embeddings is None:
            raise ValueError("embeddings of the test images are missing: compare train-train only")
        names = ("training images", "test images")
        for kind, content, rows, name in zip(kinds, contents, (embeddings, test_embeddings), names, strict=False):
            kind.append(unit_rows(_checked(rows, content.of_row.size, name), content.first))
        if len({kind[-1].shape[1] for kind in kinds}) > 1:
            raise ValueError("embeddings of training and test images must have one width")
    found = [
        Described(content, kind[0] if len(kind) == 1 else np.hstack(kind) / np.float32(np.sqrt(len(kind))), other)
        for content, kind, other in zip(contents, kinds, mirrored, strict=True)
    ]
    return found[0], found[1] if with_test else None


def describe_rows(embeddings: ArrayLike) -> Described:
    """Anything by its embeddings, texts for example; equal rows are exact copies.

    Args:
        embeddings: shape (num, width).

    Raises:
        ValueError: they are not finite or without direction.
    """
    values = _checked(embeddings, None, "rows")
    contents = Contents.of(digests_of(values))
    return Described(contents, unit_rows(values, contents.first))


def _whitening(images: Any, thumbnails: NDArray[np.float32], contents: Contents, mirror: bool, seed: int) -> Whitening:
    """Fitted to the different training images; those that are changed are the first by digest, which is at random."""
    number = min(CHANGED, contents.first.size)
    again = np.tile(np.arange(number), -(-min(LEAST_CHANGES, CHANGED) // number))
    changed = changed_thumbnails(images, contents.first[again], seed)
    return fit_whitening(thumbnails, thumbnails[again], changed, mirror=mirror)


def _checked(embeddings: ArrayLike | None, num: int | None, of: str) -> NDArray[np.floating]:
    values = np.asanyarray(embeddings)
    if values.ndim != 2 or values.shape[1] == 0 or values.dtype.kind != "f":
        raise ValueError(
            f"embeddings must be floating-point of shape (num, width), got {values.dtype} of shape {values.shape}"
        )
    if len(values) == 0 or (num is not None and len(values) != num):
        wanted = "at least one row" if num is None else f"a row for each of the {num} {of}"
        raise ValueError(f"embeddings must have {wanted}, got {len(values)}")
    for start in range(0, len(values), 8192):
        lengths = np.linalg.norm(values[start : start + 8192].astype(np.float64), axis=1)
        bad = np.flatnonzero(~np.isfinite(lengths) | (lengths == 0))
        if bad.size:
            raise ValueError(f"embeddings must be finite and not zero, but row {start + bad[0]} is not")
    return values

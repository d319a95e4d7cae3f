"""Which example of a group is preferred: named choices, each a number for every training example."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from real_data.datasets.image_files import ImageFiles

if TYPE_CHECKING:
    from real_data.datasets import ImageDataset

__all__ = ["preferences"]


def preferences(
    keep: str,
    num: int,
    to_centroid: Callable[[], NDArray[np.float64]],
    *,
    dataset: ImageDataset | None = None,
    scores: ArrayLike | None = None,
) -> NDArray[np.float64]:
    """How much each training example is preferred, shape (num,): the one with the highest number is kept.

    Args:
        keep: a choice of :data:`real_data.duplicates.config.KEEP`.
        num: number of training examples.
        to_centroid: cosine of each with the centroid of its cell, or of all where there are no cells.
        dataset: the images, for ``largest``.
        scores: difficulty of each, higher = harder, for ``hardest`` and ``easiest``, and for these only.

    Raises:
        ValueError: scores are missing, not wanted, of another number or not finite; images have no sizes of their own.
    """
    by_score = keep in ("hardest", "easiest")
    if by_score != (scores is not None):
        raise ValueError(f"keep = {keep} {'needs scores' if by_score else 'takes no scores'}")
    if by_score:
        values = np.asarray(scores, np.float64)
        if values.shape != (num,) or not np.all(np.isfinite(values)):
            raise ValueError(f"scores must be finite, one for each of {num} training examples, got {values.shape}")
        return values if keep == "hardest" else -values
    if keep == "farthest":
        return -to_centroid()
    if keep == "first":
        return -np.arange(num, dtype=np.float64)
    images = None if dataset is None else dataset.train_images
    if not isinstance(images, ImageFiles):
        raise ValueError(
            "keep = largest is for image files of different sizes, decoded as needed (give image_size); these images "
            "are of one size"
        )
    return _areas(images)


def _areas(images: ImageFiles) -> NDArray[np.float64]:
    """Pixels of each image file, which is not decoded for it."""
    from PIL import Image

    areas: list[Any] = []
    for i, name in enumerate(images.names):
        try:
            with Image.open(io.BytesIO(images.content(i))) as image:
                areas.append(image.size[0] * image.size[1])
        except Exception as error:  # Pillow raises many kinds of error
            raise ValueError(f"{name} has no size: {error}") from error
    return np.array(areas, np.float64)

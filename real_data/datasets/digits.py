"""The handwritten digits that come with scikit-learn."""

from __future__ import annotations

import numpy as np

from real_data.datasets.image_dataset import ImageDataset
from real_data.datasets.stratification import stratified_choice

__all__ = ["load_digits"]


def load_digits(split_seed: int, *, num_train: int = 1200) -> ImageDataset:
    """Handwritten digits that come with scikit-learn: 1,797 images of 8 x 8 pixels, nothing to download.

    The images are the test part of the UCI *Optical Recognition of Handwritten Digits* set (Alpaydin and
    Kaynak 1998).  Pixels 0..16 are scaled to [0, 1].  The split is stratified: every class gives its share
    of the training pool, to within the rounding of one example, chosen by a seeded permutation of the
    class.

    Args:
        split_seed: non-negative integer; the same seed gives the same split.
        num_train: number of training images, in [10, 1787]; the others are the test set.

    Returns:
        The data set: float32 images of shape (num, 8, 8, 1), int64 labels 0..9, training and test images
        each in the order of the source.

    Raises:
        ValueError: ``num_train`` out of range.

    Example:
        >>> from real_data import load_digits
        >>> digits = load_digits(0)
        >>> digits.train_images.shape, digits.test_images.shape, digits.num_classes
        ((1200, 8, 8, 1), (597, 8, 8, 1), 10)
    """
    from sklearn import datasets

    source = datasets.load_digits()
    images = (source.images / 16).astype(np.float32)[..., None]
    labels = source.target.astype(np.int64)
    if not 10 <= num_train <= labels.size - 10:
        raise ValueError(f"num_train must lie in [10, {labels.size - 10}], got {num_train}")
    in_train = np.zeros(labels.size, dtype=bool)
    in_train[stratified_choice(labels, num_train, 10, split_seed)] = True
    names = tuple("0123456789")
    return ImageDataset("digits", images[in_train], labels[in_train], images[~in_train], labels[~in_train], 10, names)

"""Image data sets: arrays in memory, with a fingerprint of their contents."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from perceptron_theory.apportionment import apportion

__all__ = ["ImageDataset", "load_digits"]


@dataclass(frozen=True, eq=False)
class ImageDataset:
    """Labelled images, divided into a training pool and a test set.

    Attributes:
        name: name of the data set.
        train_images: shape (num_train, height, width, channels); uint8 in 0..255, or float32.
        train_labels: classes of the training images, shape (num_train,), integers in [0, num_classes).
        test_images: shape (num_test, height, width, channels), of the same type.
        test_labels: classes of the test images, shape (num_test,).
        num_classes: number of classes.
    """

    name: str
    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    num_classes: int

    def __post_init__(self) -> None:
        for part in ("train", "test"):
            images, labels = getattr(self, f"{part}_images"), getattr(self, f"{part}_labels")
            if images.ndim != 4 or images.dtype not in (np.uint8, np.float32):
                raise ValueError(
                    f"{part}_images must be uint8 or float32 of shape (num, height, width, channels), "
                    f"got {images.dtype} of shape {images.shape}"
                )
            if labels.shape != images.shape[:1] or labels.dtype.kind not in "iu":
                raise ValueError(
                    f"{part}_labels must be integers of shape {images.shape[:1]}, "
                    f"got {labels.dtype} of shape {labels.shape}"
                )
            if labels.size == 0 or labels.min() < 0 or labels.max() >= self.num_classes:
                raise ValueError(f"{part}_labels must be at least one, all in [0, {self.num_classes})")

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over the contents: types, shapes and bytes of the four arrays, in hexadecimal."""
        digest = hashlib.sha256()
        for array in (self.train_images, self.train_labels, self.test_images, self.test_labels):
            # little-endian whatever the machine, so that the fingerprint names the data and nothing else
            little = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
            digest.update(f"{little.dtype.str}{little.shape}".encode())
            digest.update(little.tobytes())
        return digest.hexdigest()


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
    """
    from sklearn import datasets

    source = datasets.load_digits()
    images = (source.images / 16).astype(np.float32)[..., None]
    labels = source.target.astype(np.int64)
    if not 10 <= num_train <= labels.size - 10:
        raise ValueError(f"num_train must lie in [10, {labels.size - 10}], got {num_train}")
    rng = np.random.default_rng(split_seed)
    num_of_class = apportion(num_train, np.bincount(labels))
    chosen = [rng.permutation(np.flatnonzero(labels == c))[:number] for c, number in enumerate(num_of_class)]
    in_train = np.zeros(labels.size, dtype=bool)
    in_train[np.concatenate(chosen)] = True
    return ImageDataset("digits", images[in_train], labels[in_train], images[~in_train], labels[~in_train], 10)

"""Image data sets: images with labels, divided into training pool and test set, with a fingerprint of the contents."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from data_pruning.records.fingerprint import sha256_of
from real_data.datasets.image_files import ImageFiles
from real_data.datasets.stratification import stratified_choice

__all__ = ["ImageDataset"]


@dataclass(frozen=True, eq=False)
class ImageDataset:
    """Labelled images, divided into a training pool and a test set.

    Attributes:
        name: name of the data set.
        train_images: shape (num_train, height, width, channels); an array, uint8 in 0..255 or finite float32, or
            :class:`ImageFiles`, which are decoded when they are indexed.
        train_labels: classes of the training images, shape (num_train,), integers in [0, num_classes).
        test_images: the same for the test set, with images of the same size and type.
        test_labels: classes of the test images, shape (num_test,).
        num_classes: number of classes.
        class_names: what the classes are called, by label; None if they have no names.
        train_names: file name of every training image, which published scores are aligned by; None if the images come
            without names.
        notes: what the reader of the files has to say: what it passed over, left out or set aside, a sentence each.
    """

    name: str
    train_images: Any
    train_labels: np.ndarray
    test_images: Any
    test_labels: np.ndarray
    num_classes: int
    class_names: tuple[str, ...] | None = None
    train_names: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for part in ("train", "test"):
            _check_images(f"{part}_images", getattr(self, f"{part}_images"))
            _check_labels(
                f"{part}_labels",
                getattr(self, f"{part}_labels"),
                len(getattr(self, f"{part}_images")),
                self.num_classes,
            )
        of_train, of_test = ((images.shape[1:], images.dtype) for images in (self.train_images, self.test_images))
        if of_train != of_test:
            raise ValueError(
                f"train_images and test_images must have one shape and type, got {of_train[1]} of "
                f"{_by(of_train[0])} and {of_test[1]} of {_by(of_test[0])}"
            )
        if self.class_names is not None and len(self.class_names) != self.num_classes:
            raise ValueError(
                f"class_names must be {self.num_classes} names, one per class, got {len(self.class_names)}"
            )
        if self.train_names is not None and len(self.train_names) != len(self.train_labels):
            raise ValueError(
                f"train_names must be {len(self.train_labels)} names, one per training image, "
                f"got {len(self.train_names)}"
            )

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over images and labels, training and test, in hexadecimal.

        Of arrays, over types, shapes and bytes; of :class:`ImageFiles`, over the names and sizes of the files.
        """
        return sha256_of(self.train_images, self.train_labels, self.test_images, self.test_labels)

    @cached_property
    def train_fingerprint(self) -> str:
        """The same over the training images and their labels alone: what scores belong to."""
        return sha256_of(self.train_images, self.train_labels)

    def subset(self, indices: ArrayLike, labels: ArrayLike | None = None) -> ImageDataset:
        """The data set with a part of its training images; the test set stays.

        Args:
            indices: which training images, in the order wanted, shape (num_kept,), integers in [0, num_train).
            labels: classes to give them, shape (num_kept,); None keeps theirs.

        Raises:
            ValueError: an index is out of range or no index is given, or labels do not fit.
        """
        chosen = np.asarray(indices)
        number = len(self.train_labels)
        if chosen.ndim != 1 or chosen.size == 0 or chosen.dtype.kind not in "iu":
            raise ValueError(f"indices must be integers, at least one, got {chosen.dtype} of shape {chosen.shape}")
        outside = np.flatnonzero((chosen < 0) | (chosen >= number))
        if outside.size:
            raise ValueError(f"indices must lie in [0, {number}), but indices[{outside[0]}] is {chosen[outside[0]]}")
        images = self.train_images
        return replace(
            self,
            train_images=images.subset(chosen) if isinstance(images, ImageFiles) else images[chosen],
            train_labels=self.train_labels[chosen] if labels is None else np.asarray(labels),
            train_names=None if self.train_names is None else tuple(self.train_names[i] for i in chosen.tolist()),
        )

    def pool(self, size: int, seed: int) -> NDArray[np.int64]:
        """Choose training images at random, of every class its share to within the rounding of one image.

        With the same seed, a smaller pool lies within a larger one, up to that rounding.

        Args:
            size: number of images, in [1, num_train].
            seed: non-negative integer.

        Returns:
            Their indices, in ascending order, shape (size,); for :meth:`subset`.

        Raises:
            ValueError: ``size`` out of range.
        """
        number = len(self.train_labels)
        if not 1 <= size <= number:
            raise ValueError(f"size must lie in [1, {number}], the number of training images, got {size}")
        return stratified_choice(self.train_labels, size, self.num_classes, seed)


def _check_images(name: str, images: Any) -> None:
    if isinstance(images, ImageFiles):
        return
    if not isinstance(images, np.ndarray) or images.ndim != 4 or images.dtype not in (np.uint8, np.float32):
        found = f"{images.dtype} of shape {images.shape}" if isinstance(images, np.ndarray) else type(images).__name__
        raise ValueError(
            f"{name} must be ImageFiles, or uint8 or float32 of shape (num, height, width, channels), got {found}"
        )
    if images.size == 0:
        raise ValueError(f"{name} must be at least one image of at least one pixel, got shape {images.shape}")
    if images.dtype == np.float32:
        # image by image: a mask of all pixels would double the memory
        bad = [i for i, image in enumerate(images) if not np.all(np.isfinite(image))]
        if bad:
            raise ValueError(
                f"{name} must be finite, but {len(bad)} of {len(images)} have a pixel that is not: the first is "
                f"{name}[{bad[0]}]"
            )


def _check_labels(name: str, labels: Any, number: int, num_classes: int) -> None:
    if not isinstance(labels, np.ndarray) or labels.shape != (number,) or labels.dtype.kind not in "iu":
        found = f"{labels.dtype} of shape {labels.shape}" if isinstance(labels, np.ndarray) else type(labels).__name__
        raise ValueError(f"{name} must be integers of shape ({number},), got {found}")
    if number == 0:
        raise ValueError(f"{name} must be at least one")
    bad = np.flatnonzero((labels < 0) | (labels >= num_classes))
    if bad.size:
        raise ValueError(f"{name} must lie in [0, {num_classes}), but {name}[{bad[0]}] is {labels[bad[0]]}")


def _by(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))

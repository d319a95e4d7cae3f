"""Prototypes: how far the features of an example are from those of its class on average."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["class_sums", "cosine_distance", "median_distance", "prototype_distance"]


def prototype_distance(features: ArrayLike, labels: ArrayLike) -> NDArray[np.float64]:
    """Cosine distance of each example's features to the mean of its class, the supervised prototype.

    Source: Sorscher et al., *Beyond neural scaling laws* (NeurIPS 2022), section 5 and appendix: prototypes are
    centroids in feature space, classes for supervised ones and clusters of k-means for self-supervised ones, and
    difficulty is the cosine distance, 1 - cos.  Examples count towards the mean of their own class, so the only
    one of a class has distance 0.

    Args:
        features: shape (..., num_images, width), finite.
        labels: classes, integers of at least 0, shape (num_images,).

    Returns:
        Distances in [0, 2], higher = harder, shape (..., num_images).  Features that are all zero have no direction;
        their distance is 1, as that of orthogonal ones.

    Raises:
        ValueError: shapes that do not fit, or features that are not finite.
    """
    values, classes = _checked(features, labels)
    sums = class_sums(values, classes, int(classes.max()) + 1)
    return cosine_distance(values, sums[..., classes, :])


def median_distance(features: ArrayLike, labels: ArrayLike) -> NDArray[np.float64]:
    """Euclidean distance of each example's features to the median of its class, coordinate by coordinate.

    The score of moderate selection (Xia, Liu, Yu, Shen, Han and Liu, *Moderate coreset*, ICLR 2023), which keeps the
    middle of it: ``prune(scores, KeepWindow((1 - f) / 2, (1 + f) / 2))``, the rule ``window@0.5``.

    Args:
        features: shape (..., num_images, width), finite.
        labels: classes, integers of at least 0, shape (num_images,).

    Returns:
        Distances, higher = farther, shape (..., num_images).

    Raises:
        ValueError: shapes that do not fit, or features that are not finite.
    """
    values, classes = _checked(features, labels)
    distances = np.empty(values.shape[:-1])
    for c in np.unique(classes):
        members = values[..., classes == c, :]
        middle = np.median(members, axis=-2, keepdims=True)
        distances[..., classes == c] = np.linalg.norm(members - middle, axis=-1)
    return distances


def _checked(features: ArrayLike, labels: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    values, classes = np.asarray(features, dtype=np.float64), np.asarray(labels)
    if values.ndim < 2 or 0 in values.shape or classes.shape != values.shape[-2:-1]:
        raise ValueError(
            f"features must have shape (..., num_images, width) and labels (num_images,), "
            f"got {values.shape} and {classes.shape}"
        )
    if not np.all(np.isfinite(values)):
        raise ValueError(f"features must be finite, but {np.sum(~np.isfinite(values))} of {values.size} are not")
    return values, classes


def class_sums(features: np.ndarray, labels: np.ndarray, num_classes: int) -> NDArray[np.float64]:
    """Sum of the features over each class: the direction of the mean, and sums of parts can be added.

    Args:
        features: shape (..., num_images, width).
        labels: classes, integers in [0, num_classes), shape (num_images,).
        num_classes: number of classes.

    Returns:
        Shape (..., num_classes, width).
    """
    sums = np.zeros((*features.shape[:-2], num_classes, features.shape[-1]))
    for c in np.unique(labels):
        sums[..., c, :] = features[..., labels == c, :].sum(axis=-2, dtype=np.float64)
    return sums


def cosine_distance(one: np.ndarray, other: np.ndarray) -> NDArray[np.float64]:
    """One minus the cosine of the angle between vectors along the last axis, in [0, 2]; 1 where one is zero."""
    a, b = np.asarray(one, dtype=np.float64), np.asarray(other, dtype=np.float64)
    lengths = [np.linalg.norm(v, axis=-1, keepdims=True) for v in (a, b)]
    zero = (lengths[0] == 0) | (lengths[1] == 0)
    directions = [v / np.where(zero, 1, length) for v, length in zip((a, b), lengths, strict=True)]
    # |u - v|^2 / 2 for unit vectors: no cancellation where they are nearly the same
    distance = np.sum((directions[0] - directions[1]) ** 2, axis=-1) / 2
    return np.where(zero[..., 0], 1.0, np.clip(distance, 0, 2))

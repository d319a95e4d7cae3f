"""Scores of a network's predictions: how far its probabilities are from the label."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["confidence", "error_norm", "margin"]


def error_norm(logits: ArrayLike, labels: ArrayLike) -> NDArray[np.float64]:
    """Length of the error vector, |softmax(logits) - onehot(label)|, of each example.

    Source: Paul, Ganguli, Dziugaite, *Deep Learning on a Data Diet* (NeurIPS 2021), section 2; EL2N is its average
    over networks early in training.

    Args:
        logits: shape (..., num_images, num_classes), finite.
        labels: classes, integers in [0, num_classes), shape (num_images,).

    Returns:
        Lengths in [0, sqrt 2], shape (..., num_images).

    Raises:
        TypeError: labels that are not integers.
        ValueError: shapes that do not fit, a label out of range or a logit that is not finite.

    Example:
        >>> from real_data.scores import error_norm
        >>> error_norm([[4.0, 0.0], [0.0, 0.0]], [0, 1]).round(3)  # sure and right; undecided
        array([0.025, 0.707])
    """
    error, of_label = _probabilities(logits, labels)
    # the other probabilities' sum instead of 1 - p: exact also where the network is nearly sure
    np.put_along_axis(error, of_label, 0.0, axis=-1)
    np.put_along_axis(error, of_label, -error.sum(axis=-1, keepdims=True), axis=-1)
    return np.linalg.norm(error, axis=-1)


def confidence(logits: ArrayLike, labels: ArrayLike) -> NDArray[np.float64]:
    """Lack of confidence in the label, 1 - p with p its softmax probability.

    Args:
        logits: shape (..., num_images, num_classes), finite.
        labels: classes, integers in [0, num_classes), shape (num_images,).

    Returns:
        Numbers in [0, 1], higher = harder, shape (..., num_images).

    Raises:
        TypeError: labels that are not integers.
        ValueError: shapes that do not fit, a label out of range or a logit that is not finite.
    """
    probabilities, of_label = _probabilities(logits, labels)
    np.put_along_axis(probabilities, of_label, 0.0, axis=-1)
    return np.minimum(probabilities.sum(axis=-1), 1.0)


def margin(logits: ArrayLike, labels: ArrayLike) -> NDArray[np.float64]:
    """Negative margin of the label, max over the other classes of p_k, minus the label's p.

    Args:
        logits: shape (..., num_images, num_classes), num_classes >= 2, finite.
        labels: classes, integers in [0, num_classes), shape (num_images,).

    Returns:
        Numbers in [-1, 1], higher = harder; above 0 where the network is wrong; shape (..., num_images).

    Raises:
        TypeError: labels that are not integers.
        ValueError: shapes that do not fit, fewer than two classes, a label out of range or a logit that is not finite.
    """
    probabilities, of_label = _probabilities(logits, labels)
    if probabilities.shape[-1] < 2:
        raise ValueError("logits must have at least 2 classes: a margin is a difference between two")
    true = np.take_along_axis(probabilities, of_label, axis=-1)[..., 0]
    np.put_along_axis(probabilities, of_label, 0.0, axis=-1)
    return probabilities.max(axis=-1) - true


def _probabilities(logits: ArrayLike, labels: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Softmax of the logits, and the index of the label along the last axis for ``take_along_axis``."""
    values, classes = np.asarray(logits, dtype=np.float64), np.asarray(labels)
    if values.ndim < 2 or 0 in values.shape[-2:] or classes.shape != values.shape[-2:-1]:
        raise ValueError(
            f"logits must have shape (..., num_images, num_classes) and labels (num_images,), "
            f"got {values.shape} and {classes.shape}"
        )
    if classes.dtype.kind not in "iu":
        raise TypeError(f"labels must be integers, got an array of type {classes.dtype}")
    if classes.min() < 0 or classes.max() >= values.shape[-1]:
        raise ValueError(f"labels must lie in [0, {values.shape[-1]}), got {classes.min()} to {classes.max()}")
    if not np.all(np.isfinite(values)):
        raise ValueError(f"logits must be finite, but {np.sum(~np.isfinite(values))} of {values.size} are not")
    exponentials = np.exp(values - values.max(axis=-1, keepdims=True))
    probabilities = exponentials / exponentials.sum(axis=-1, keepdims=True)
    of_label = np.broadcast_to(classes.astype(np.int64)[:, None], (*values.shape[:-1], 1))
    return probabilities, of_label

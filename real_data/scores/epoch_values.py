"""What a network says of every example after an epoch: margin, probability of the label, change since the last one."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["change_of_probabilities", "finite_logits", "logit_margin", "probability_of_label"]

Floats = NDArray[np.float64]


def logit_margin(logits: ArrayLike, labels: ArrayLike) -> Floats:
    """Logit of the label minus the largest other one.

    Args:
        logits: shape (..., num_examples, num_classes), num_classes >= 2, finite.
        labels: classes, integers in [0, num_classes), shape (num_examples,).

    Returns:
        Shape (..., num_examples), below 0 where the network is wrong.

    Raises:
        TypeError: labels that are not integers.
        ValueError: shapes that do not fit, a label out of range or a logit that is not finite.
    """
    values = finite_logits(logits)
    of_label = _places(np.asarray(labels), values)
    if values.shape[-1] < 2:
        raise ValueError("logits must have at least 2 classes: a margin is a difference between two")
    given = np.take_along_axis(values, of_label, axis=-1)[..., 0]
    others = values.copy()
    np.put_along_axis(others, of_label, -np.inf, axis=-1)
    return given - others.max(axis=-1)


def probability_of_label(logits: ArrayLike, labels: ArrayLike) -> Floats:
    """Softmax probability of the label, in [0, 1]; shapes and errors as for :func:`logit_margin`."""
    values = _log_probabilities(finite_logits(logits))
    return np.exp(np.take_along_axis(values, _places(np.asarray(labels), values), axis=-1)[..., 0])


def change_of_probabilities(before: ArrayLike, after: ArrayLike) -> Floats:
    """sum_c |p'_c log(p'_c / p_c)| with the softmax p before and p' after, of logits (..., num_classes)."""
    old, new = _log_probabilities(finite_logits(before)), _log_probabilities(finite_logits(after))
    return np.abs(np.exp(new) * (new - old)).sum(axis=-1)


def finite_logits(logits: ArrayLike) -> Floats:
    """Logits as float64, or a ``ValueError``."""
    values = np.asarray(logits, dtype=np.float64)
    if values.ndim < 2 or 0 in values.shape:
        raise ValueError(f"logits must have shape (..., num_examples, num_classes), none of it 0, got {values.shape}")
    if not np.all(np.isfinite(values)):
        raise ValueError(f"logits must be finite, but {np.sum(~np.isfinite(values))} of {values.size} are not")
    return values


def _places(classes: NDArray[Any], values: Floats) -> NDArray[np.int64]:
    """The index of the label along the last axis, for ``take_along_axis``."""
    if classes.dtype.kind not in "iu":
        raise TypeError(f"labels must be integers, got an array of type {classes.dtype}")
    if classes.shape != values.shape[-2:-1]:
        raise ValueError(
            f"logits must have shape (..., num_examples, num_classes) and labels (num_examples,), got {values.shape} "
            f"and {classes.shape}"
        )
    if classes.min() < 0 or classes.max() >= values.shape[-1]:
        raise ValueError(f"labels must lie in [0, {values.shape[-1]}), got {classes.min()} to {classes.max()}")
    return np.broadcast_to(classes.astype(np.int64)[:, None], (*values.shape[:-1], 1))


def _log_probabilities(logits: Floats) -> Floats:
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))

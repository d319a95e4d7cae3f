"""Scores of difficulty: one number per training example, higher = harder, in data-set order."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from real_data.training import Model, TrainingConfig, train

__all__ = ["el2n", "error_norm"]


def el2n(
    model: Model,
    images: np.ndarray,
    labels: np.ndarray,
    *,
    config: TrainingConfig,
    num_networks: int = 10,
    seed: int = 0,
    batch_size: int = 1024,
) -> NDArray[np.float64]:
    """EL2N: length of the error vector early in training, averaged over several networks.

    The score of an example (x, y) is the mean of |softmax(f(x)) - onehot(y)| over networks f that differ by
    initial weights and order of batches, each trained briefly on all examples.

    Source: Paul, Ganguli, Dziugaite, *Deep Learning on a Data Diet* (NeurIPS 2021), section 2; averaging over
    ten networks after a few epochs is theirs too.

    Args:
        model: builds one network; see :data:`real_data.training.Model`.
        images: shape (num_images, height, width, channels), uint8 or float32.
        labels: classes, integers of shape (num_images,).
        config: training of the networks; few steps.
        num_networks: number of networks, at least 1.
        seed: non-negative integer, for initial weights and order of batches of all networks.
        batch_size: images scored at a time; does not change the scores beyond float32 rounding.

    Returns:
        Scores in [0, sqrt 2], higher = harder, in the order of ``images``, shape (num_images,).

    Raises:
        ValueError: ``num_networks`` or ``batch_size`` below 1.
        FloatingPointError: a network diverged in training.
    """
    if num_networks < 1:
        raise ValueError(f"num_networks must be at least 1, got {num_networks}")
    everything = np.arange(len(images))
    seeds = np.random.SeedSequence(seed).generate_state(num_networks).tolist()
    networks = train(model, images, labels, [everything] * num_networks, seeds=seeds, config=config)
    return error_norm(networks.logits(images, batch_size=batch_size), labels).mean(axis=0)


def error_norm(logits: ArrayLike, labels: ArrayLike) -> NDArray[np.float64]:
    """Length of the error vector, |softmax(logits) - onehot(label)|, of each example.

    Args:
        logits: shape (..., num_images, num_classes).
        labels: classes, integers in [0, num_classes), shape (num_images,).

    Returns:
        Lengths in [0, sqrt 2], shape (..., num_images).
    """
    logits = np.asarray(logits, dtype=np.float64)
    exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
    error = exponentials / exponentials.sum(axis=-1, keepdims=True)
    error[..., np.arange(logits.shape[-2]), np.asarray(labels)] -= 1
    return np.linalg.norm(error, axis=-1)

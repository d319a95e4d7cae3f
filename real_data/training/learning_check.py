"""Has a network learned?  Whether it is better than the most frequent class of its own training images.

A network that always names the most frequent class is right about the share p of that class.  The check looks at the
batches of the last quarter of the training, as they were classified before each step: m examples, k of them right.
As examples return from epoch to epoch, no more than the n kept ones count: with m' = min(m, n) and the same share of
right answers the network has learned where a binomial variable of m' draws with chance p reaches that share with
probability below ``FALSE_ALARM``, or where all m are right.  So of networks that have learned nothing, one in a
thousand passes; and with fewer than ``FEWEST`` examples nothing is said.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

__all__ = ["FALSE_ALARM", "FEWEST", "has_learned", "label_statistics", "last_quarter", "stands_still"]

FALSE_ALARM = 1e-3
FEWEST = 100
LAST = 4  # the part of the training looked at: its last quarter


def label_statistics(labels: np.ndarray) -> tuple[float, float]:
    """Share of the most frequent class, and entropy of the labels in nats: what a constant answer reaches.

    Args:
        labels: classes, integers of shape (num_examples,), at least one.
    """
    share = np.bincount(labels) / labels.size
    present = share[share > 0]
    return float(share.max()), float(-np.sum(present * np.log(present)))


def last_quarter(steps: NDArray) -> NDArray:
    """The last quarter of the training steps, the second axis."""
    num_steps = steps.shape[1]
    return steps[:, num_steps - max(1, num_steps // LAST) :]


def has_learned(correct: NDArray[np.bool_], num_kept: NDArray, most_frequent: NDArray) -> NDArray[np.bool_]:
    """Whether each network is better than the most frequent class of its training images, or too little is known.

    Args:
        correct: whether the network was right about each example of each batch, shape (num_networks, num_steps,
            batch_size).
        num_kept: number of training images of each network, shape (num_networks,).
        most_frequent: share of the most frequent class among them, shape (num_networks,).

    Returns:
        Shape (num_networks,); True also where fewer than ``FEWEST`` examples were seen in the last quarter, or kept.
    """
    last = last_quarter(correct)
    right = last.mean(axis=(1, 2))
    counted = np.minimum(last.shape[1] * last.shape[2], num_kept)
    chance = binom.sf(np.ceil(right * counted - 1e-9) - 1, counted, most_frequent)
    return (counted < FEWEST) | (right == 1) | (chance < FALSE_ALARM)


def stands_still(losses: NDArray[np.float32], entropy: NDArray) -> NDArray[np.bool_]:
    """Whether the loss of each network ended no lower than that of a constant answer, the entropy of the labels.

    Args:
        losses: training loss of each step, shape (num_networks, num_steps).
        entropy: of the labels of each network's training images, in nats, shape (num_networks,).
    """
    return last_quarter(losses).mean(axis=1) > entropy - 0.01

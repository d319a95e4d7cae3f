"""Scores of the course of a training, from what a network says of every example after every epoch.

All are higher where their authors keep an example: hard, uncertain, or still changing.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from real_data.scores.epoch_values import change_of_probabilities, finite_logits, logit_margin
from real_data.scores.epoch_windows import Accumulator, DualDepth, MeanMargin, Uncertainty

__all__ = [
    "DECAY",
    "DUAL_EPOCHS",
    "WINDOW",
    "area_under_margin",
    "difficulty_and_uncertainty",
    "dynamic_uncertainty",
    "temporal_dual_depth",
]

WINDOW = 10
"""Epochs of a window: those of He et al. and of Cho et al., and the default of Zhang et al."""

DUAL_EPOCHS = 30
"""Epochs from the beginning that Cho et al. look at."""

DECAY = 0.9
Floats = NDArray[np.float64]


def area_under_margin(logits: ArrayLike, labels: ArrayLike) -> Floats:
    """AUM with its sign turned: the mean over all epochs of the largest logit of another class minus the label's.

    Source: Pleiss, Zhang, Elenberg, Weinberger, *Identifying mislabeled data using the area under the margin ranking*
    (NeurIPS 2020), section 3; there a low area is that of a wrong label.  Logits, not probabilities, and every epoch.

    Args:
        logits: shape (num_epochs, ..., num_examples, num_classes), num_epochs >= 1, num_classes >= 2, finite.
        labels: classes, integers in [0, num_classes), shape (num_examples,).

    Returns:
        Real numbers, higher = harder, shape (..., num_examples).

    Raises:
        TypeError: labels that are not integers.
        ValueError: shapes that do not fit, a label out of range or a logit that is not finite.
    """
    margins = logit_margin(_of_epochs(logits), labels)
    return _told(MeanMargin(margins.shape[1:]), margins, len(margins))


def dynamic_uncertainty(probabilities: ArrayLike, *, window: int = WINDOW) -> Floats:
    """Dyn-Unc: the standard deviation of the label's probability within a window of epochs, mean over all windows.

    The deviation is the unbiased one, divided by window - 1; a window begins with each epoch that leaves room for it.

    Source: He, Yang, Huang, Zhao, *Large-scale dataset pruning with dynamic uncertainty* (CVPR workshops 2024); window
    and deviation also as Cho et al. compute it.

    Args:
        probabilities: of the label, in [0, 1], shape (num_epochs, ..., num_examples).
        window: epochs of a window, in [2, num_epochs].

    Returns:
        Numbers in [0, 1], high = uncertain, to be kept, shape (..., num_examples).

    Raises:
        ValueError: a probability out of range, or a window longer than the training.
    """
    values = _probabilities(probabilities)
    return _told(Uncertainty(values.shape[1:], window), values, len(values))


def difficulty_and_uncertainty(
    probabilities: ArrayLike, *, window: int = WINDOW, num_epochs: int = DUAL_EPOCHS
) -> Floats:
    """DUAL: deviation of the label's probability within a window times one minus its mean there, mean over windows.

    The deviation is that of :func:`dynamic_uncertainty`; only the first epochs are looked at.

    Source: Cho, Shin, Yun, *Lightweight dataset pruning without full training via example difficulty and prediction
    uncertainty* (ICML 2025).  Their sampling by a Beta density is no part of the score.

    Args:
        probabilities: of the label, in [0, 1], shape (number of epochs, ..., num_examples).
        window: epochs of a window, in [2, number of epochs].
        num_epochs: how many epochs from the beginning are looked at, at least ``window``; where the training is
            shorter, all.

    Returns:
        Numbers in [0, 1], high = difficult and uncertain, to be kept, shape (..., num_examples).

    Raises:
        ValueError: a probability out of range, or a window longer than the training or than ``num_epochs``.
    """
    values = _probabilities(probabilities)
    accumulator = Uncertainty(values.shape[1:], window, times_difficulty=True, num_epochs=num_epochs)
    return _told(accumulator, values, len(values))


def temporal_dual_depth(logits: ArrayLike, *, window: int = WINDOW, decay: float = DECAY) -> Floats:
    """TDDS: how unevenly the probabilities change from epoch to epoch in a window; the last windows count most.

    The change between two epochs is d = sum_c |p'_c log(p'_c / p_c)|, p before and p' after, as the authors compute it
    (the absolute value class by class, without which it is the Kullback-Leibler divergence).  A window of J epochs has
    J - 1 changes; its depth is sqrt(sum (d - mean d)^2).  Depths are added up with weights decay (1 - decay)^a, where a
    windows came later: at 0.9 the last window has 90 %.

    Source: Zhang, Du, Li, Xie, Zhou, *Spanning training progress: temporal dual-depth scoring (TDDS) for enhanced
    dataset pruning* (CVPR 2024), and the authors' code, but for its 1e-8 beside each probability.  They choose window
    and number of epochs for each data set and fraction.

    Args:
        logits: shape (num_epochs, ..., num_examples, num_classes), finite.
        window: epochs of a window, in [3, num_epochs].
        decay: in (0, 1].

    Returns:
        Numbers at least 0, high = to be kept, shape (..., num_examples).

    Raises:
        ValueError: a logit that is not finite, or a window longer than the training.
    """
    values = _of_epochs(logits)
    accumulator = DualDepth(values.shape[1:-1], window, decay)
    changes = [change_of_probabilities(*pair) for pair in pairwise(values)]
    return _told(accumulator, changes, len(values))


def _told(accumulator: Accumulator, told: Sequence[Floats] | Floats, num_epochs: int) -> Floats:
    if num_epochs < accumulator.window:
        raise ValueError(f"window must be at most the {num_epochs} epochs of the training, got {accumulator.window}")
    for values in told:
        accumulator.add(values)
    return accumulator.score()


def _of_epochs(logits: ArrayLike) -> Floats:
    values = finite_logits(logits)
    if values.ndim < 3:
        raise ValueError(f"logits must have shape (num_epochs, ..., num_examples, num_classes), got {values.shape}")
    return values


def _probabilities(probabilities: ArrayLike) -> Floats:
    values = np.asarray(probabilities, dtype=np.float64)
    if values.ndim < 2 or 0 in values.shape:
        raise ValueError(f"probabilities must have shape (num_epochs, ..., num_examples), got {values.shape}")
    bad = np.sum(~((values >= 0) & (values <= 1)))
    if bad:
        raise ValueError(f"probabilities must lie in [0, 1], but {bad} of {values.size} do not")
    return values

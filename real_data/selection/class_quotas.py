"""How many examples each class keeps: as the ranking has it, with a floor, or by the errors of the classes."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from data_pruning.apportionment import apportion
from data_pruning.arguments import real_array

__all__ = ["checked_recalls", "quotas_by_error", "quotas_with_floor"]

Indices = NDArray[np.int64]


def quotas_with_floor(sizes: Indices, global_counts: Indices, min_class_share: float) -> Indices:
    """Number kept of each class: that of the global ranking, but not below its minimum; the same total.

    Args:
        sizes: number of examples of each class, shape (num_classes,).
        global_counts: how many of each the ranking of all examples together keeps, likewise.
        min_class_share: see :func:`real_data.prune`.
    """
    total = int(global_counts.sum())
    equal_shares = apportion(total, sizes)
    # rounded up, so that no class falls short of its minimum; never above equal shares, so that the sum fits
    share_of_class = np.round(min_class_share * total * sizes / sizes.sum(), 9)
    minimum = np.minimum(np.ceil(share_of_class).astype(np.int64), equal_shares)
    deficit, surplus = np.maximum(minimum - global_counts, 0), np.maximum(global_counts - minimum, 0)
    quotas = global_counts + deficit - apportion(int(deficit.sum()), surplus) if deficit.any() else global_counts
    return _none_empty(quotas, sizes) if min_class_share > 0 else quotas


def quotas_by_error(total: int, sizes: Indices, recalls: ArrayLike) -> Indices:
    """Number kept of each class where classes that are often misjudged keep a larger share (DRoP).

    Class c keeps the share d_c = d (1 - r_c) / Z of its examples, r_c its recall and Z such that the total is right; at
    most all of them, and what a class cannot take goes to the others in the same proportion (Vysogorets, Ahuja and
    Kempe, ICLR 2025).  A class of recall 1 keeps what no other can take, but one example where there are as many to
    keep as classes.

    Args:
        total: number of examples to keep, in [0, sum of sizes].
        sizes: number of examples of each class, at least 1, shape (num_classes,).
        recalls: share of the examples of each class that are recognised, in [0, 1], likewise.

    Returns:
        Shape (num_classes,), adding up to ``total``.
    """
    needs = 1 - np.asarray(recalls, float)
    shares = np.zeros(sizes.size)
    for open_ones in (needs > 0, needs == 0):
        weights = np.where(open_ones, sizes * np.where(needs > 0, needs, 1.0), 0.0)
        full = np.zeros(sizes.size, bool)
        while True:
            rest = total - shares[~open_ones].sum() - sizes[full].sum()
            free = open_ones & ~full
            if rest <= 0 or not free.any():
                break
            shares[free] = rest * weights[free] / weights[free].sum()
            over = free & (shares > sizes)
            shares[over] = sizes[over]
            if not over.any():
                break
            full |= over
        if shares.sum() >= total - 1e-9 * max(total, 1):
            break
    quotas = apportion(total, shares) if total else np.zeros(sizes.size, np.int64)
    return _none_empty(quotas, sizes)


def _none_empty(quotas: Indices, sizes: Indices) -> Indices:
    """As long as there are as many examples to keep as classes, a class without any takes one of the largest quota."""
    quotas = quotas.copy()
    if quotas.sum() >= sizes.size:
        for empty in np.flatnonzero(quotas == 0):
            quotas[np.argmax(quotas)] -= 1
            quotas[empty] = 1
    return quotas


def checked_recalls(recalls: ArrayLike, labels: Indices) -> NDArray[np.float64]:
    """Recalls by class number, after a check.

    Raises:
        TypeError, ValueError: not real numbers in [0, 1], or none for a class among the labels.
    """
    values = real_array("class_recalls", recalls)
    if values.ndim != 1:
        raise ValueError(f"class_recalls must have shape (num_classes,), got {values.shape}")
    if np.any((values < 0) | (values > 1)):
        raise ValueError(f"class_recalls must lie in [0, 1], got {recalls!r}")
    if labels.min() < 0 or labels.max() >= values.size:
        raise ValueError(
            f"class_recalls must have a number for each class: labels go from {labels.min()} to {labels.max()}, but "
            f"there are {values.size}"
        )
    return np.asarray(values)

"""How well a score agrees with labels of people: rank correlation, and area under the curve, with 95 % intervals."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm, rankdata

from data_pruning.arguments import check_integer, real_array

__all__ = ["Agreement", "area_under_curve", "rank_agreement"]

CONFIDENCE = 0.95
Floats = NDArray[np.float64]


class Agreement(NamedTuple):
    """A measure of agreement with its interval.

    Attributes:
        value: the measure.
        low: lower end of the 95 % interval over examples; networks and annotators as they are.
        high: its upper end.
    """

    value: float
    low: float
    high: float


def area_under_curve(scores: ArrayLike, wrong: ArrayLike) -> Agreement:
    """Probability that an example with a wrong label has a higher score than one with a right label, ties half.

    The area under the receiver operating characteristic, exactly, from mid-ranks; the interval is that of DeLong et al.
    (1988), by normal approximation, within [0, 1]; for few labels of one kind it is too narrow (normal scores, an area
    of 0.95: it held the truth in 84 % of 1,500 cases with 20 wrong labels, in 93 % with 100).  Where scores separate
    wrong and right labels without exception its error is estimated as 0, and the interval is the exact one of n
    independent pairs that are all in order, n the number of wrong or right labels, whichever is smaller: from
    0.025^(1/n) to 1.

    Args:
        scores: higher = harder, shape (num_examples,), finite.
        wrong: whether each label is wrong, booleans of shape (num_examples,).

    Raises:
        TypeError, ValueError: other shapes or types; fewer than two wrong or two right labels.
    """
    values, flags = _checked(scores), np.asarray(wrong)
    if flags.dtype != np.bool_ or flags.shape != values.shape:
        raise ValueError(f"wrong must be booleans of shape {values.shape}, got {flags.dtype} of shape {flags.shape}")
    num_wrong = int(flags.sum())
    num_right = flags.size - num_wrong
    if min(num_wrong, num_right) < 2:
        raise ValueError(f"at least two wrong and two right labels are needed, got {num_wrong} and {num_right}")
    ranks = rankdata(values)
    # of each wrong one, the share of right ones below it; of each right one, the share of wrong ones above it
    above = (ranks[flags] - rankdata(values[flags])) / num_right
    below = 1 - (ranks[~flags] - rankdata(values[~flags])) / num_wrong
    area = float(above.mean())
    error = math.sqrt(above.var(ddof=1) / num_wrong + below.var(ddof=1) / num_right)
    width = float(norm.ppf((1 + CONFIDENCE) / 2)) * error
    low, high = max(0.0, area - width), min(1.0, area + width)
    if area in (0.0, 1.0):
        least = ((1 - CONFIDENCE) / 2) ** (1 / min(num_wrong, num_right))
        low, high = (least, 1.0) if area == 1 else (0.0, 1 - least)
    return Agreement(area, low, high)


def rank_agreement(scores: ArrayLike, doubt: ArrayLike, *, num_resamples: int = 1000, seed: int = 0) -> Agreement:
    """Spearman's rank correlation with how much people doubt each label; the interval is a bootstrap over examples.

    Args:
        scores: higher = harder, shape (num_examples,), finite.
        doubt: the number or share of people who disagree, shape (num_examples,), finite.
        num_resamples: samples of as many examples, drawn with replacement, of whose correlations the interval has the
            percentiles; at least 100.  Samples of equal scores or equal doubts alone have none and are left out.
        seed: non-negative integer.

    Raises:
        TypeError, ValueError: other shapes or types, or all scores or all doubts are equal.
    """
    values, other = _checked(scores), real_array("doubt", doubt)
    if other.shape != values.shape:
        raise ValueError(f"doubt must have the shape of scores, {values.shape}, got {other.shape}")
    check_integer("num_resamples", num_resamples, 100)
    groups = [np.unique(each, return_inverse=True)[1] for each in (values, other)]
    for name, group in zip(("scores", "doubt"), groups, strict=True):
        if group.max() == 0:
            raise ValueError(f"{name} must not be all equal: they rank nothing")
    rng = np.random.default_rng(seed)
    number = values.size
    drawn = [
        _correlation(groups, np.bincount(rng.integers(number, size=number), minlength=number).astype(float))
        for _ in range(num_resamples)
    ]
    low, high = np.nanquantile(drawn, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Agreement(_correlation(groups, np.ones(number)), float(low), float(high))


def _correlation(groups: list[NDArray[np.int64]], counts: Floats) -> float:
    """Spearman's correlation of examples that are there ``counts`` times, from their groups of equal values."""
    centred = []
    for group in groups:
        sizes = np.bincount(group, weights=counts)
        ranks = (np.cumsum(sizes) - sizes / 2)[group]
        centred.append(ranks - np.average(ranks, weights=counts))
    x, y = centred
    spread = math.sqrt((counts @ x**2) * (counts @ y**2))
    return float(counts @ (x * y)) / spread if spread > 0 else math.nan


def _checked(scores: ArrayLike) -> Floats:
    values: Floats = real_array("scores", scores)
    if values.ndim != 1 or values.size == 0:
        raise ValueError(f"scores must have shape (num_examples,), got {values.shape}")
    return values

"""Pruning a data set: the keep rules of the theory, applied to the scores of real examples."""

from __future__ import annotations

from numbers import Integral, Real
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from data_pruning import KeepRule, importance_weights
from data_pruning.apportionment import apportion

__all__ = ["Selection", "prune", "select"]

Indices = NDArray[np.int64]


class Selection(NamedTuple):
    """The examples that are kept.

    Attributes:
        indices: in data-set order (increasing), int64, shape (num_kept,).
        probability: with which each was kept, in (0, 1], before rounding to whole examples, shape (num_kept,).
        weights: importance weight of each, mean 1, shape (num_kept,); None where the rule has no weights.
    """

    indices: Indices
    probability: NDArray[np.float64]
    weights: NDArray[np.float64] | None


def prune(
    scores: ArrayLike,
    keep: KeepRule,
    labels: ArrayLike | None = None,
    *,
    min_class_share: float = 1.0,
    seed: int = 0,
) -> Indices:
    """Choose the examples to keep, from their scores and a keep rule.

    Without ``labels`` all examples are ranked together.  With labels they are ranked within their class,
    and class c, which has n_c of the n examples, keeps at least ``min_class_share`` times its proportional
    share K n_c / n of the K examples kept (Sorscher et al., NeurIPS 2022, use 0.5 on ImageNet):

    * 1: every class keeps the same fraction, rounded to whole examples by largest remainder; of equal remainders
      the class with the harder hardest example is served first;
    * 0: every class keeps as many examples as the ranking of all examples together would give it;
    * between: the numbers of 0, raised to the minimum (rounded up, but not above the numbers of 1) where they
      fall short; the classes above their minimum pay for it in proportion to their surplus.

    With a share above 0 no class is left empty as long as there are as many examples to keep as classes: one is
    taken from the class that keeps most.

    The total K does not depend on labels: it is ``keep.kept_positions(n)``'s.  Within its class, each class
    then applies the rule at its own fraction, ``keep.with_fraction``.  So at ``min_class_share=0`` hard and
    easy rules keep the same examples as without labels, while a window is a window of rank within the
    class.

    Examples with equal scores are ranked in random order, drawn from ``seed``: never in the order of the
    data set, which is often sorted by class.

    Args:
        scores: difficulty of each example, higher = harder, shape (num_examples,), finite; integers or
            floats.
        keep: one keep rule; its fraction is that of the whole data set.
        labels: class of each example, integers of shape (num_examples,), or None.
        min_class_share: least share of its proportional part that a class keeps, in [0, 1]; used with
            labels only.
        seed: non-negative integer, for ties and for rules that keep examples at random.

    Returns:
        Indices of the kept examples in data-set order (increasing), int64, shape (num_kept,).

    Raises:
        TypeError: an argument of the wrong type, for example labels that are not integers.
        ValueError: scores not finite or not one-dimensional, labels of another length, ``min_class_share`` or
            ``seed`` out of range, a rule that keeps no example, or a class left without any.
    """
    return select(scores, keep, labels, min_class_share=min_class_share, seed=seed).indices


def select(
    scores: ArrayLike,
    keep: KeepRule,
    labels: ArrayLike | None = None,
    *,
    min_class_share: float = 1.0,
    seed: int = 0,
) -> Selection:
    """The examples that :func:`prune` keeps, with the probability of each and its importance weight.

    Args:
        scores: as for :func:`prune`; so the others.
        keep: see there; a :class:`KeepWeighted` rule gives weights.
        labels: see there.
        min_class_share: see there.
        seed: see there.

    Returns:
        The selection.

    Raises:
        TypeError, ValueError: as :func:`prune`.
    """
    values = _checked_scores(scores)
    if not isinstance(keep, KeepRule):
        raise TypeError(f"keep must be a keep rule such as KeepHard(0.4), got {keep!r}")
    if not isinstance(min_class_share, Real) or isinstance(min_class_share, bool):
        raise TypeError(f"min_class_share must be a number in [0, 1], got {min_class_share!r}")
    if not 0 <= min_class_share <= 1:
        raise ValueError(f"min_class_share must lie in [0, 1], got {min_class_share!r}")
    if not isinstance(seed, Integral) or isinstance(seed, bool):
        raise TypeError(f"seed must be a non-negative integer, got {seed!r}")
    if seed < 0:
        raise ValueError(f"seed must be a non-negative integer, got {seed!r}")

    rng = np.random.default_rng(int(seed))
    hardest_first = np.lexsort((rng.permutation(values.size), values))[::-1]
    kept = hardest_first[keep.positions_by_score(values[hardest_first], None, rng)]
    if labels is None:
        return _selection(values, keep, [hardest_first], [kept])

    classes, class_of = _classes_by_hardest_example(_checked_labels(labels, values.size), hardest_first)
    sizes = np.bincount(class_of)
    quotas = _class_quotas(sizes, np.bincount(class_of[kept], minlength=classes.size), float(min_class_share))
    if not quotas.all():
        empty = int(np.argmin(quotas))
        if min_class_share > 0:
            least = classes.size / values.size
            remedy = f"keep at least {classes.size} examples, one of each class, a fraction of {least:.3g}"
        else:
            remedy = "keep a larger fraction, or one of each class with min_class_share above 0 (--min-class-share)"
        raise ValueError(
            f"{keep} with min_class_share = {min_class_share} leaves no example of class {classes[empty]} "
            f"({sizes[empty]} of {values.size} examples): {remedy}"
        )
    by_class = hardest_first[np.argsort(class_of[hardest_first], kind="stable")]
    rankings = np.split(by_class, np.cumsum(sizes)[:-1])
    chosen = [
        ranking[keep.positions_by_score(values[ranking], quota, rng)]
        for ranking, quota in zip(rankings, quotas.tolist(), strict=True)
    ]
    return _selection(values, keep, rankings, chosen)


def _selection(values: np.ndarray, keep: KeepRule, rankings: list[Indices], chosen: list[Indices]) -> Selection:
    """What was chosen from each of several rankings."""
    chance = np.zeros(values.size)
    for ranking, kept in zip(rankings, chosen, strict=True):
        chance[ranking] = keep.chances(ranking.size, kept.size, values[ranking])
    indices = np.sort(np.concatenate(chosen))
    probability = chance[indices]
    # kept by rounding alone, from a part of the ranking that the rule leaves out
    probability = np.where(probability > 0, probability, np.min(probability, initial=1.0, where=probability > 0))
    weights = importance_weights(probability, keep.weight_power) if keep.weight_power else None
    return Selection(indices, probability, weights)


def _classes_by_hardest_example(labels: Indices, hardest_first: Indices) -> tuple[Indices, Indices]:
    """The classes in the order of their hardest examples, and the number of the class of each example.

    So nothing depends on what the classes are called, nor on the order of the data set.
    """
    classes, class_of = np.unique(labels, return_inverse=True)
    _, hardest = np.unique(labels[hardest_first], return_index=True)
    order = np.argsort(hardest)
    return classes[order], np.argsort(order)[class_of]


def _class_quotas(sizes: Indices, global_counts: Indices, min_class_share: float) -> Indices:
    """Number kept of each class: that of the global ranking, but not below its minimum; the same total."""
    total = int(global_counts.sum())
    equal_shares = apportion(total, sizes)
    # rounded up, so that no class falls short of its minimum; never above equal shares, so that the sum fits
    share_of_class = np.round(min_class_share * total * sizes / sizes.sum(), 9)
    minimum = np.minimum(np.ceil(share_of_class).astype(np.int64), equal_shares)
    deficit, surplus = np.maximum(minimum - global_counts, 0), np.maximum(global_counts - minimum, 0)
    quotas = global_counts + deficit - apportion(int(deficit.sum()), surplus) if deficit.any() else global_counts
    if min_class_share > 0 and total >= sizes.size:
        for empty in np.flatnonzero(quotas == 0):
            quotas[np.argmax(quotas)] -= 1
            quotas[empty] = 1
    return quotas


def _checked_scores(scores: ArrayLike) -> np.ndarray:
    values = np.asarray(scores)
    if values.dtype.kind not in "fiu":
        raise TypeError(f"scores must be real numbers, got an array of type {values.dtype}")
    if values.ndim != 1 or values.size == 0:
        raise ValueError(f"scores must have shape (num_examples,) with num_examples >= 1, got {values.shape}")
    bad = np.flatnonzero(~np.isfinite(values))
    if bad.size:
        first = f"scores[{bad[0]}] = {values[bad[0]]}"
        raise ValueError(f"scores must be finite, but {bad.size} of {values.size} are not: {first}")
    return values


def _checked_labels(labels: ArrayLike, num_examples: int) -> np.ndarray:
    values = np.asarray(labels)
    if values.dtype.kind not in "iu":
        raise TypeError(f"labels must be integers, got an array of type {values.dtype}")
    if values.shape != (num_examples,):
        raise ValueError(f"labels must have the shape of scores, {(num_examples,)}, got {values.shape}")
    return values

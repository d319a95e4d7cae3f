"""Pruning a data set: the keep rules of the theory, applied to the scores of real examples."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from data_pruning import KeepRule, importance_weights
from real_data.selection.class_quotas import checked_recalls, quotas_by_error, quotas_with_floor

__all__ = ["Selection", "class_sizes", "prune", "select"]

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
    class_recalls: ArrayLike | None = None,
    among: ArrayLike | None = None,
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

    With ``class_recalls`` the classes that are often misjudged keep a larger share instead, see
    :func:`real_data.selection.class_quotas.quotas_by_error`; with :class:`KeepRandom` that is DRoP (Vysogorets et al.
    2025).

    With ``among`` the others are dropped first, near-duplicates for example, and everything said here holds for the
    candidates alone: ranks, classes, and the fraction, which is that of the candidates.

    The total K does not depend on labels: it is ``keep.kept_positions(n)``'s, n the number of candidates.  Within its
    class, each class then applies the rule at its own fraction, ``keep.with_fraction``.  So at
    ``min_class_share=0`` hard and easy rules keep the same examples as without labels, while a window is a window of
    rank within the class.

    Examples with equal scores are ranked in random order, drawn from ``seed``: never in the order of the
    data set, which is often sorted by class.

    Args:
        scores: difficulty of each example, higher = harder, shape (num_examples,), finite; integers or
            floats.
        keep: one keep rule; its fraction is that of the whole data set.
        labels: class of each example, integers of shape (num_examples,), or None.
        min_class_share: least share of its proportional part that a class keeps, in [0, 1]; used with
            labels only, and not with ``class_recalls``.
        class_recalls: share of the examples of each class that are recognised, on examples that were not trained on,
            in [0, 1], by class number, shape (num_classes,); used with labels only.
        among: the examples that may be kept, their indices or a mask of booleans, shape (num_examples,); None is all.
        seed: non-negative integer, for ties and for rules that keep examples at random.

    Returns:
        Indices of the kept examples in data-set order (increasing), int64, shape (num_kept,).

    Raises:
        TypeError: an argument of the wrong type, for example labels that are not integers.
        ValueError: scores not finite or not one-dimensional, labels of another length, ``min_class_share``,
            ``class_recalls``, ``among`` or ``seed`` out of range, a rule that keeps no example, or a class left
            without any.

    Example:
        >>> from data_pruning import KeepHard
        >>> from real_data import prune
        >>> prune([0.3, 0.9, 0.1, 0.7], KeepHard(0.5))  # the hardest half of four examples
        array([1, 3])
    """
    options: dict[str, Any] = {"min_class_share": min_class_share, "class_recalls": class_recalls, "among": among}
    return select(scores, keep, labels, **options, seed=seed).indices


def select(
    scores: ArrayLike,
    keep: KeepRule,
    labels: ArrayLike | None = None,
    *,
    min_class_share: float = 1.0,
    class_recalls: ArrayLike | None = None,
    among: ArrayLike | None = None,
    seed: int = 0,
) -> Selection:
    """The examples that :func:`prune` keeps, with the probability of each and its importance weight.

    Args:
        scores: as for :func:`prune`; so the others.
        keep: see there; a :class:`KeepWeighted` rule gives weights.
        labels: see there.
        min_class_share: see there.
        class_recalls: see there.
        among: see there; probabilities are those of the candidates.
        seed: see there.

    Returns:
        The selection.

    Raises:
        TypeError, ValueError: as :func:`prune`.

    Example:
        >>> from data_pruning import KeepProportional, KeepWeighted
        >>> from real_data import select
        >>> select([0.3, 0.9, 0.1, 0.7], KeepWeighted(KeepProportional(0.5)), seed=1)
        Selection(indices=array([0, 1]), probability=array([0.3, 0.9]), weights=array([1.5, 0.5]))
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

    classes_of = None if labels is None else _checked_labels(labels, values.size)
    if class_recalls is not None:
        if classes_of is None:
            raise ValueError("class_recalls are of no use without labels")
        class_recalls = checked_recalls(class_recalls, classes_of)
    if among is None:
        return _select(values, keep, classes_of, min_class_share, class_recalls, int(seed))
    candidates = _checked_among(among, values.size)
    of_candidates = None if classes_of is None else classes_of[candidates]
    found = _select(values[candidates], keep, of_candidates, min_class_share, class_recalls, int(seed))
    return found._replace(indices=candidates[found.indices])


def _select(
    values: np.ndarray,
    keep: KeepRule,
    labels: Indices | None,
    min_class_share: float,
    recalls: NDArray[np.float64] | None,
    seed: int,
) -> Selection:
    rng = np.random.default_rng(seed)
    hardest_first = _ranked(values, rng)
    kept = hardest_first[keep.positions_by_score(values[hardest_first], None, rng)]
    if labels is None:
        return _selection(values, keep, [hardest_first], [kept])

    classes, class_of = _classes_by_hardest_example(labels, hardest_first)
    sizes = np.bincount(class_of)
    if recalls is None:
        quotas = quotas_with_floor(sizes, np.bincount(class_of[kept], minlength=classes.size), min_class_share)
    else:
        quotas = quotas_by_error(kept.size, sizes, recalls[classes])
    if not quotas.all():
        empty = int(np.argmin(quotas))
        if min_class_share > 0 or recalls is not None:
            least = classes.size / values.size
            remedy = f"keep at least {classes.size} examples, one of each class, a fraction of {least:.3g}"
        else:
            remedy = "keep a larger fraction, or one of each class with min_class_share above 0 (--min-class-share)"
        how = f"min_class_share = {min_class_share}" if recalls is None else "quotas by error"
        raise ValueError(
            f"{keep} with {how} leaves no example of class {classes[empty]} "
            f"({sizes[empty]} of {values.size} examples): {remedy}"
        )
    by_class = hardest_first[np.argsort(class_of[hardest_first], kind="stable")]
    rankings = np.split(by_class, np.cumsum(sizes)[:-1])
    chosen = [
        ranking[keep.positions_by_score(values[ranking], quota, rng)]
        for ranking, quota in zip(rankings, quotas.tolist(), strict=True)
    ]
    return _selection(values, keep, rankings, chosen)


def class_sizes(
    scores: ArrayLike, keep: KeepRule, labels: ArrayLike, *, min_class_share: float = 1.0, seed: int = 0
) -> Indices:
    """How many examples of each class :func:`prune` keeps, also where it would refuse as a class is left empty.

    Args:
        scores: as for :func:`prune`; so the others.
        keep: see there.
        labels: see there, in [0, num_classes).
        min_class_share: see there.
        seed: see there.

    Returns:
        By class number, shape (largest label + 1,).

    Raises:
        TypeError, ValueError: as :func:`prune`, but for empty classes.
    """
    kept = select(scores, keep, min_class_share=min_class_share, seed=seed).indices
    values = np.asarray(scores)
    of_class = _checked_labels(labels, values.size)
    hardest_first = _ranked(values, np.random.default_rng(int(seed)))
    classes, class_of = _classes_by_hardest_example(of_class, hardest_first)
    counts = np.bincount(class_of[kept], minlength=classes.size)
    found = np.zeros(int(classes.max()) + 1, np.int64)
    found[classes] = quotas_with_floor(np.bincount(class_of), counts, min_class_share)
    return found


def _ranked(values: np.ndarray, rng: np.random.Generator) -> Indices:
    """The examples from hardest to easiest, equal scores in random order."""
    return np.lexsort((rng.permutation(values.size), values))[::-1]


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


def _checked_among(among: ArrayLike, num_examples: int) -> Indices:
    """Indices of the candidates, increasing."""
    values = np.asarray(among)
    if values.dtype == np.bool_:
        if values.shape != (num_examples,):
            raise ValueError(f"among, a mask, must have the shape of scores, {(num_examples,)}, got {values.shape}")
        candidates = np.flatnonzero(values)
    elif values.dtype.kind in "iu":
        if values.ndim != 1:
            raise ValueError(f"among must be indices of shape (num_candidates,) or a mask, got shape {values.shape}")
        candidates, counts = np.unique(values.astype(np.int64), return_counts=True)
        if candidates.size and (candidates[0] < 0 or candidates[-1] >= num_examples):
            outside = candidates[0] if candidates[0] < 0 else candidates[-1]
            raise ValueError(f"among must lie in [0, {num_examples}), got {outside}")
        if np.any(counts > 1):
            raise ValueError(f"among must be different indices, but {candidates[np.argmax(counts)]} is there twice")
    else:
        raise TypeError(f"among must be indices or a mask of booleans, got an array of type {values.dtype}")
    if candidates.size == 0:
        raise ValueError("among must leave at least one example, got none")
    return candidates

"""Agreement of scores: do they rank the examples alike?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from data_pruning import Results
from real_data.scores.score_file import Scores

__all__ = ["hierarchical_order", "rank_agreement", "rank_correlation"]

Floats = NDArray[np.float64]


def rank_correlation(scores: Sequence[Scores]) -> Floats:
    """Spearman's rank correlation of each two scores of the same data set; equal scores have their mean rank.

    Each score is ranked once, and the matrix is one product: 8 bytes for each score and example.

    Args:
        scores: at least one.

    Returns:
        Symmetric matrix in [-1, 1] with ones on the diagonal, in the order of ``scores``.

    Raises:
        ValueError: none, scores of different data sets, or scores that are all equal, which rank nothing.
    """
    if not scores:
        raise ValueError("scores must be at least one")
    first = scores[0]
    for i, one in enumerate(scores):
        if one.fingerprint != first.fingerprint or one.values.size != first.values.size:
            raise ValueError(
                f"scores[0] ({first.metric}) are of {first.dataset!r}, {first.values.size} examples, fingerprint "
                f"{first.fingerprint}, but scores[{i}] ({one.metric}) of {one.dataset!r}, {one.values.size} examples, "
                f"fingerprint {one.fingerprint}"
            )
        if np.all(one.values == one.values[0]):
            raise ValueError(f"scores[{i}] ({one.metric}) are all equal to {one.values[0]}: they rank nothing")
    ranks = np.empty((len(scores), first.values.size))
    for row, one in zip(ranks, scores, strict=True):
        row[:] = _mean_ranks(one.values)
        row -= (row.size - 1) / 2  # the mean of the ranks 0 to n - 1, with ties too
        row /= np.linalg.norm(row)
    matrix = np.clip(ranks @ ranks.T, -1.0, 1.0)
    np.fill_diagonal(matrix, 1.0)
    return matrix


def _mean_ranks(values: Floats) -> Floats:
    """Ranks from 0; equal values have the mean of theirs."""
    order = np.argsort(values)
    begins = np.flatnonzero(np.diff(values[order], prepend=np.nan) != 0)  # of runs of equal values
    lengths = np.diff(begins, append=values.size)
    ranks = np.empty(values.size)
    ranks[order] = np.repeat(begins + (lengths - 1) / 2, lengths)
    return ranks


def hierarchical_order(correlation: Floats) -> NDArray[np.int64]:
    """The order in which similar scores stand side by side.

    Scores are joined to clusters by mean linkage at the distance 1 - correlation, and the leaves of the tree are turned
    such that neighbours are as near as they can be (Bar-Joseph, Gifford, Jaakkola 2001).

    Args:
        correlation: symmetric, shape (num_scores, num_scores), num_scores >= 1.
    """
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import squareform

    if len(correlation) < 3:
        return np.arange(len(correlation))
    distance = 1 - correlation
    np.fill_diagonal(distance, 0.0)
    return leaves_list(linkage(squareform(distance, checks=False), "average", optimal_ordering=True)).astype(np.int64)


def rank_agreement(scores: Sequence[Scores], names: Sequence[str] | None = None) -> Results:
    """Rank correlations of scores, with the share of ties of each, similar ones side by side.

    This is Figure 5 of Sorscher et al. (2022) for any scores.

    Args:
        scores: at least two, of the same data set.
        names: what to call them, each different; None takes the names of the metrics.

    Returns:
        ``name`` and ``tied``, the share of examples whose score others have too, of each score, and ``correlation``
        (score, other), all in hierarchical order.

    Raises:
        ValueError: fewer than two scores, names that are not different or not as many, or see :func:`rank_correlation`.
    """
    if len(scores) < 2:
        raise ValueError(f"scores must be at least two, got {len(scores)}")
    names = [one.metric for one in scores] if names is None else list(names)
    if len(names) != len(scores) or len(set(names)) < len(names):
        raise ValueError(f"names must be {len(scores)} different ones, one for each score, got {', '.join(names)}")
    matrix = rank_correlation(scores)
    order = hierarchical_order(matrix)
    first = scores[0]
    about = [{"metric": scores[i].metric, "settings": dict(scores[i].config)} for i in order]
    results = Results(
        "Rank correlations of scores",
        {"dataset": first.dataset, "fingerprint": first.fingerprint, "num_examples": first.values.size, "of": about},
    )
    results.add("name", "score", [names[i] for i in order], "", "name of the score, in hierarchical order")
    tied = [scores[i].tied for i in order]
    results.add("tied", "score", tied, "1", "share of examples whose score others have too; they have their mean rank")
    found = matrix[np.ix_(order, order)]
    results.add("correlation", ("score", "other"), found, "1", "Spearman's rank correlation")
    return results

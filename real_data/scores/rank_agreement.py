"""Agreement of scores: do they rank the examples alike?"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from real_data.scores.score_file import Scores

__all__ = ["rank_correlation"]


def rank_correlation(scores: Sequence[Scores]) -> NDArray[np.float64]:
    """Spearman's rank correlation of each two scores of the same data set.

    Args:
        scores: at least one.

    Returns:
        Symmetric matrix in [-1, 1] with ones on the diagonal, in the order of ``scores``.

    Raises:
        ValueError: none, scores of different data sets, or scores that are all equal, which rank nothing.
    """
    from scipy.stats import spearmanr

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
    matrix = np.eye(len(scores))
    for i, j in combinations(range(len(scores)), 2):
        matrix[i, j] = matrix[j, i] = spearmanr(scores[i].values, scores[j].values).statistic
    return matrix

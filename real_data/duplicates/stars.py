"""Which of similar examples are kept: stars around the kept ones, not chains.

Joined by single linkage, a and c would be one group where only a-b and b-c are similar.  Here every dropped example is
within the threshold of a kept one, and no two kept ones are within it of each other.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from real_data.duplicates.candidates import PairList

__all__ = ["stars"]


def stars(num: int, pairs: PairList, preference: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Decide which examples are kept.

    The preferred example of all that are undecided is kept and those similar to it are dropped, until all are decided.
    A dropped one belongs to the most similar of the kept ones, the preferred of those where several are.

    Args:
        num: number of examples.
        pairs: pairs of similar ones, numbers in [0, num), each pair once.
        preference: shape (num,), higher is kept first; of equal ones that of the lowest number, so that examples must
            be numbered by content for the stars not to depend on their order.

    Returns:
        The kept example that each belongs to, -1 for kept ones, and the cosine with it, 1 for kept ones; shapes (num,).
    """
    rank = np.empty(num, np.int64)
    rank[np.argsort(-preference, kind="stable")] = np.arange(num)
    ends = np.concatenate([pairs.row, pairs.column])
    others = np.concatenate([pairs.column, pairs.row])
    similarity = np.concatenate([pairs.similarity, pairs.similarity])
    by_end = np.argsort(ends, kind="stable")
    ends, others, similarity = ends[by_end], others[by_end], similarity[by_end]
    start = np.searchsorted(ends, np.arange(num + 1))
    dropped = np.zeros(num, bool)
    some = np.unique(ends)
    for example in some[np.argsort(rank[some])].tolist():
        if not dropped[example]:  # those it drops come later: had one come before, this one would be dropped
            dropped[others[start[example] : start[example + 1]]] = True
    of, cosine = np.full(num, -1, np.int64), np.ones(num, np.float32)
    belongs = dropped[ends] & ~dropped[others]
    ends, others, similarity = ends[belongs], others[belongs], similarity[belongs]
    best_last = np.lexsort((-rank[others], similarity, ends))
    of[ends[best_last]] = others[best_last]  # the last assignment stays
    cosine[ends[best_last]] = similarity[best_last]
    return of, cosine

"""Sums over many integers by few of them: Gauss quadrature for the measure that counts.

A sum of f(k) over a block of integers is an integral by the counting measure, and n nodes with the weights of its
orthogonal polynomials in log k give it exactly for every polynomial of degree 2 n - 1.  What is summed over a power-law
spectrum is analytic in log k, with its nearest poles at a distance pi / decay from the real axis, so that blocks of
half an octave with six nodes leave relative errors of 1e-16 at decay 1.5, 1e-11 at 4 and 1e-7 at 10.  The first
integers, where most of the sum is, are taken one by one.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

__all__ = ["LONGEST", "nodes_of_sum", "num_nodes"]

ONE_BY_ONE = 64  # integers up to here are nodes themselves
PER_BLOCK = 6
LONGEST = 2**20  # the last integer of a sum
EDGES = np.unique(np.round(ONE_BY_ONE * 2.0 ** np.arange(0, np.log2(LONGEST / ONE_BY_ONE) + 0.5, 0.5)).astype(int))


def nodes_of_sum(first: int, last: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Nodes k and weights w, such that w.f(k) is the sum of f over the integers first, ..., last.

    Args:
        first: at least 1.
        last: at most 2^20; below ``first`` the sum is empty.
    """
    single = np.arange(first, min(last, ONE_BY_ONE) + 1, dtype=float)
    nodes, weights = [single], [np.ones(single.size)]
    start = max(first, ONE_BY_ONE + 1)
    for end in (*EDGES[(start <= EDGES) & (last > EDGES)].tolist(), last):
        if start <= end:
            for values, more in zip((nodes, weights), _block(start, end), strict=True):
                values.append(more)
        start = end + 1
    return np.concatenate(nodes), np.concatenate(weights)


def num_nodes(last: int) -> int:
    """Most nodes of a sum that ends at or before ``last``."""
    return min(last, ONE_BY_ONE + PER_BLOCK * (1 + int(np.sum(last > EDGES))))


@cache
def _block(first: int, last: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Gauss nodes and weights of one block, by Stieltjes' recurrence and the eigenvectors of its Jacobi matrix."""
    k = np.arange(first, last + 1, dtype=float)
    if k.size <= PER_BLOCK:
        return k, np.ones(k.size)
    middle, half = 0.5 * np.log(first * last), 0.5 * np.log(last / first)
    x = (np.log(k) - middle) / half
    before, here = np.zeros(k.size), np.full(k.size, k.size**-0.5)
    diagonal, beside = np.zeros(PER_BLOCK), np.zeros(PER_BLOCK)
    for i in range(PER_BLOCK):
        diagonal[i] = here @ (x * here)
        after = (x - diagonal[i]) * here - (beside[i - 1] if i else 0.0) * before
        beside[i] = np.linalg.norm(after)
        before, here = here, after / beside[i]
    roots, vectors = np.linalg.eigh(np.diag(diagonal) + np.diag(beside[:-1], 1) + np.diag(beside[:-1], -1))
    return np.exp(middle + half * roots), k.size * vectors[0] ** 2

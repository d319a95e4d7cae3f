"""Influence: what it matters to the answers about test images that a network has seen an example."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from data_pruning.arguments import check_integer
from real_data.scores.held_out import check_split, columns_of, matrix, share_variance
from real_data.scores.influence_noise import largest_of_normals, phantom_members, spread_of
from real_data.subset_trainings.packing import Bits, PackedBits

__all__ = ["Influence", "influence", "influence_of_each"]

ROWS_AT_ONCE = 4096
TESTS_AT_ONCE = 2048
SORTED_AT_ONCE = 256


@dataclass(frozen=True, eq=False)
class Influence:
    """Influence of n training examples on test images.

    Attributes:
        largest: largest influence of each example on a test image, shape (n,).
        largest_error: standard error of this one influence, as if it had not been chosen for being the largest.
        largest_floor: what the largest is in half of the cases if there is no influence at all and test images are
            independent, shape (n,).
        total: sum of |influence| over the test images, shape (n,).
        total_error: its standard deviation if there is no influence, from examples that no network has seen, shape
            (n,).
        total_floor: its mean if there is no influence, sqrt(2 / pi) sum_j sqrt(v_j (1 / a + 1 / (K - a))) with v_j the
            variance over networks, q_j (1 - q_j) K / (K - 1); a little low, as counts are discrete: by 0.3 % with 100
            networks, by 2 % with 20.
        top_tests: the test images that an example has the largest influence on, the largest first, -1 where there are
            not so many; shape (n, top).  Of equal ones, any.
        top_values: these influences, 0 where there are not so many.
    """

    largest: NDArray[np.float64]
    largest_error: NDArray[np.float64]
    largest_floor: NDArray[np.float64]
    total: NDArray[np.float64]
    total_error: NDArray[np.float64]
    total_floor: NDArray[np.float64]
    top_tests: NDArray[np.int64]
    top_values: NDArray[np.float64]


def influence_of_each(outcomes: ArrayLike, members: ArrayLike) -> NDArray[np.float64]:
    """Influence of every example on every test image, where the whole matrix fits into memory.

    infl_ij = mean(c_kj | i in S_k) - mean(c_kj | i not in S_k) over networks k, trained on the subsets S_k; with G =
    S^T C, a the numbers of networks that have seen the examples and t_j the sum of c_kj over all K networks it is
    G_ij / a_i - (t_j - G_ij) / (K - a_i): one product.

    Source: Feldman, Zhang, *What Neural Networks Memorize and Why* (NeurIPS 2020), section 2.

    Args:
        outcomes: c_kj, whether network k is right about test image j, or any number, shape (num_networks, num_tests).
        members: whether i is in S_k, booleans of shape (num_networks, n).

    Returns:
        Shape (n, num_tests).

    Raises:
        TypeError, ValueError: see :func:`influence`.
    """
    given, split = _checked(outcomes, members)
    everything, tests = columns_of(split, 0, split.shape[1]), np.arange(given.shape[1])
    ((_, values),) = _influences(given, everything, tests, tests.size, check_split(everything))
    return values


def influence(
    outcomes: Bits | ArrayLike,
    members: Bits | ArrayLike,
    *,
    labels: ArrayLike | None = None,
    test_labels: ArrayLike | None = None,
    top: int = 5,
    rows_at_once: int = ROWS_AT_ONCE,
    tests_at_once: int = TESTS_AT_ONCE,
    seed: int = 0,
) -> Influence:
    """Largest influence of each example, and sum of its influences, without the matrix of all of them.

    The influences of ``rows_at_once`` examples on ``tests_at_once`` test images are in memory at a time: of 4,096 and
    2,048 about 110 MB, whatever the numbers of examples and test images.  With labels, an example's influence is looked
    for on the test images of its own class only, whose noise is less; examples of a class without test images have
    influence 0.

    Noise raises both scores: the floors say how high, from the scatter of each outcome over networks.

    Source: Feldman, Zhang (NeurIPS 2020); Sorscher et al. (NeurIPS 2022), appendix, for the two scores.

    Args:
        outcomes: whether each network is right about each test image, or any number, shape (num_networks, num_tests);
            an array or packed bits.
        members: whether each network was trained on each example, booleans of shape (num_networks, n).
        labels: classes of the examples, integers of shape (n,); None takes all test images.
        test_labels: classes of the test images, shape (num_tests,); both or neither.
        top: test images that are named for each example, at least 1.
        rows_at_once: examples in memory at a time, at least 1.
        tests_at_once: test images in memory at a time, at least 1.
        seed: of the examples that no network has seen, from which ``total_error`` comes.

    Raises:
        TypeError: ``members`` is not boolean, or labels are not integers.
        ValueError: shapes that do not fit, or an example that all networks have seen, or none.
    """
    given, split = _checked(outcomes, members)
    for name, value in (("top", top), ("rows_at_once", rows_at_once), ("tests_at_once", tests_at_once)):
        check_integer(name, value, 1)
    num_networks, num_examples = split.shape
    classes, test_classes = _classes(labels, test_labels, num_examples, given.shape[1])
    for first in range(0, num_examples, rows_at_once):  # before phantoms are drawn as these are
        check_split(columns_of(split, first, first + rows_at_once), first)
    spread = spread_of(given)
    result = _empty(num_examples, top)
    phantoms = phantom_members(split, seed)
    for label in np.unique(classes):
        rows = np.flatnonzero(classes == label)
        tests = np.flatnonzero(test_classes == label)
        if not tests.size:
            continue
        typical = largest_of_normals(spread[tests])
        per_phantom = _phantom_totals(given, phantoms, tests, tests_at_once)
        for first in range(0, rows.size, rows_at_once):
            some = rows[first : first + rows_at_once]
            seen = check_split(_picked(split, some), int(some[0]))
            width = np.sqrt(1 / seen + 1 / (num_networks - seen))
            _fill(result, given, split, some, tests, tests_at_once)
            result.largest_floor[some] = typical * width
            result.total_floor[some] = math.sqrt(2 / math.pi) * spread[tests].sum() * width
            result.total_error[some] = per_phantom.std(ddof=1) * width
    return result


def _checked(outcomes: Bits | ArrayLike, members: Bits | ArrayLike) -> tuple[Bits, Bits]:
    given, split = matrix("outcomes", outcomes), matrix("members", members, boolean=True)
    if given.shape[0] != split.shape[0]:
        raise ValueError(
            f"outcomes and members must be of the same networks, got {given.shape[0]} and {split.shape[0]} of them"
        )
    return given, split


def _classes(
    labels: ArrayLike | None, test_labels: ArrayLike | None, num_examples: int, num_tests: int
) -> tuple[np.ndarray, np.ndarray]:
    """Classes of examples and test images; one for all where labels play no part."""
    if (labels is None) != (test_labels is None):
        raise ValueError("give both labels and test_labels, or neither")
    if labels is None or test_labels is None:
        return np.zeros(num_examples, np.int64), np.zeros(num_tests, np.int64)
    both = np.asarray(labels), np.asarray(test_labels)
    for name, array, number in zip(("labels", "test_labels"), both, (num_examples, num_tests), strict=True):
        if array.dtype.kind not in "iu":
            raise TypeError(f"{name} must be integers, got an array of type {array.dtype}")
        if array.shape != (number,):
            raise ValueError(f"{name} must have shape ({number},), got {array.shape}")
    return both


def _empty(number: int, top: int) -> Influence:
    zeros = [np.zeros(number) for _ in range(6)]
    return Influence(
        zeros[0], zeros[1], zeros[2], zeros[3], zeros[4], zeros[5], np.full((number, top), -1), np.zeros((number, top))
    )


def _picked(values: Bits, columns: NDArray[np.int64]) -> np.ndarray:
    return values.picked(columns) if isinstance(values, PackedBits) else values[:, columns]


def _influences(
    outcomes: Bits,
    split: NDArray[np.bool_],
    tests: NDArray[np.int64],
    tests_at_once: int,
    seen: NDArray[np.int64],
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float64]]]:
    held = len(split) - seen
    for start in range(0, tests.size, tests_at_once):
        some = tests[start : start + tests_at_once]
        c = _picked(outcomes, some)
        kind = np.float32 if c.dtype == np.bool_ else np.float64  # float32 counts exactly up to 2^24 networks
        products = split.astype(kind).T @ c.astype(kind)
        values = _of_products(products, c.sum(axis=0, dtype=np.float64), seen, held)
        del products  # one block is in memory at a time
        yield some, values
        del values


def _of_products(
    products: np.ndarray, total: NDArray[np.float64], seen: NDArray[np.int64], held: NDArray[np.int64]
) -> NDArray[np.float64]:
    if products.dtype == np.float64:
        return products / seen[:, None] - (total - products) / held[:, None]
    values = products.astype(np.float64)
    values *= (1 / seen + 1 / held)[:, None]
    for row, part in zip(values, 1 / held, strict=True):  # row by row, as there is no room for another block
        row -= total * part
    return values


def _fill(
    result: Influence,
    outcomes: Bits,
    members: Bits,
    rows: NDArray[np.int64],
    tests: NDArray[np.int64],
    tests_at_once: int,
) -> None:
    """The sums, largest influences and their test images of some examples."""
    split = _picked(members, rows)
    seen = check_split(split, int(rows[0]))
    top = min(result.top_tests.shape[1], tests.size)
    best, which = np.full((rows.size, top), -np.inf), np.full((rows.size, top), -1)
    total = np.zeros(rows.size)
    for some, values in _influences(outcomes, split, tests, tests_at_once, seen):
        better = np.flatnonzero(values.max(axis=1) > best[:, -1])  # few, once some test images have been looked at
        for first in range(0, better.size, SORTED_AT_ONCE):
            _merge(best, which, better[first : first + SORTED_AT_ONCE], values, some)
        total += np.abs(values, out=values).sum(axis=1)
        del values
    result.total[rows], result.largest[rows] = total, best[:, 0]
    result.top_tests[rows, :top], result.top_values[rows, :top] = which, best
    result.largest_error[rows] = _error_of_one(outcomes, split, which[:, 0], seen)


def _merge(
    best: NDArray[np.float64],
    which: NDArray[np.int64],
    rows: NDArray[np.int64],
    values: NDArray[np.float64],
    tests: NDArray[np.int64],
) -> None:
    """Put the largest of new values among the best so far of some rows, in place."""
    top, new = best.shape[1], values[rows]
    kept = min(top, tests.size)
    places = np.argpartition(new, tests.size - kept, axis=1)[:, tests.size - kept :]
    together = np.concatenate([best[rows], np.take_along_axis(new, places, axis=1)], axis=1)
    images = np.concatenate([which[rows], tests[places]], axis=1)
    order = np.argsort(-together, axis=1, kind="stable")[:, :top]
    best[rows], which[rows] = (np.take_along_axis(each, order, axis=1) for each in (together, images))


def _error_of_one(
    outcomes: Bits, split: NDArray[np.bool_], tests: NDArray[np.int64], seen: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Standard error of the influence of each example on one test image."""
    c = _picked(outcomes, tests)
    held = len(split) - seen
    if c.dtype == np.bool_:
        right = np.sum(c & split, axis=0)
        return np.sqrt(share_variance(right, seen) + share_variance(np.sum(c, axis=0) - right, held))
    from real_data.scores.memorization import memorization

    return memorization(c, split).standard_error


def _phantom_totals(
    outcomes: Bits, phantoms: NDArray[np.bool_], tests: NDArray[np.int64], tests_at_once: int
) -> NDArray[np.float64]:
    """Sum of |influence| of each phantom, over its sqrt(1 / a + 1 / (K - a))."""
    seen = phantoms.sum(axis=0)
    total = np.zeros(seen.size)
    for _, values in _influences(outcomes, phantoms, tests, tests_at_once, seen):
        total += np.abs(values).sum(axis=1)
    return total / np.sqrt(1 / seen + 1 / (len(phantoms) - seen))

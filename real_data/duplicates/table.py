"""Pairs of images, one a row: which are similar, and which of these pairs is why an image is dropped."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from real_data.duplicates.candidates import PairList
from real_data.duplicates.exact_copies import Contents

__all__ = ["Found", "PairTable", "pair_table"]


@dataclass(frozen=True, eq=False)
class Found:
    """Pairs of contents that are similar or the same.

    Attributes:
        pairs: similar ones; rows are test contents, or training contents; columns are training contents.
        mirrored: whether each is only as similar as that when one is mirrored, shape (num_pairs,).
        same: test and training contents that are equal; none among training contents, which are all different.
    """

    pairs: PairList
    mirrored: NDArray[np.bool_]
    same: tuple[NDArray[np.int64], NDArray[np.int64]]


@dataclass(frozen=True, eq=False)
class PairTable:
    """Pairs of a training image and another one, the most similar pair first.

    Attributes:
        image: position in the training set, shape (num_pairs,).
        of: position of the other image, in the training or test set.
        similarity: cosine; 1 for exact copies.
        in_test: whether the other image is a test image.
        exact: whether the pixels are the same.
        mirrored: whether one is like the other one mirrored.
        dropped: whether ``image`` is dropped as a duplicate of ``of``: once for each dropped image.
    """

    image: NDArray[np.int64]
    of: NDArray[np.int64]
    similarity: NDArray[np.float64]
    in_test: NDArray[np.bool_]
    exact: NDArray[np.bool_]
    mirrored: NDArray[np.bool_]
    dropped: NDArray[np.bool_]

    def __len__(self) -> int:
        return self.image.size

    def __getitem__(self, index: NDArray[np.generic] | slice) -> PairTable:
        return PairTable(*(getattr(self, each.name)[index] for each in fields(self)))

    @classmethod
    def of_pairs(
        cls,
        image: NDArray[np.int64],
        of: NDArray[np.int64],
        similarity: NDArray[np.floating] | float = 1.0,
        *,
        in_test: bool,
        exact: bool,
        mirrored: NDArray[np.bool_] | bool = False,
    ) -> PairTable:
        """Rows of one kind, of which none is yet a reason to drop."""
        shape = image.shape
        return cls(
            image,
            of,
            np.broadcast_to(similarity, shape).astype(np.float64),
            np.full(shape, in_test),
            np.full(shape, exact),
            np.broadcast_to(mirrored, shape).copy(),
            np.zeros(shape, bool),
        )


def pair_table(
    train: Contents,
    preference: NDArray[np.float64],
    *,
    test: Contents | None = None,
    leaks: Found | None = None,
    copies: Found | None = None,
    star: NDArray[np.int64] | None = None,
) -> PairTable:
    """All pairs of images that pairs of contents stand for.

    Of the copies of a content, the preferred one (the first of several) stands for all in pairs of training images; in
    pairs with test images all are named.

    Args:
        train: contents of the training images.
        preference: of each training image, shape (num_train,), higher is kept.
        test: contents of the test images.
        leaks: pairs of test and training contents; their training images are dropped.
        copies: pairs of training contents.
        star: the kept content that each training content belongs to, -1 for kept ones and for those of ``leaks``,
            shape (num_contents,).
    """
    of_image = np.full(train.of_row.size, -1)  # whose copy each image is, among the training images
    parts = []
    if copies is not None and star is not None:
        best = _preferred(train, preference)
        stands = best[train.of_row]
        images = np.arange(train.of_row.size)
        others = images[images != stands]
        parts.append(PairTable.of_pairs(others, stands[others], in_test=False, exact=True))
        of_image[others] = stands[others]
        dropped = star[train.of_row] >= 0
        of_image[dropped] = best[star[train.of_row[dropped]]]
        pairs = copies.pairs
        one, two = pairs.row, pairs.column
        swap = (star[two] == one) | ((star[one] != two) & (preference[best[two]] < preference[best[one]]))
        one, two = np.where(swap, two, one), np.where(swap, one, two)
        parts.append(
            PairTable.of_pairs(
                best[one], best[two], pairs.similarity, in_test=False, exact=False, mirrored=copies.mirrored
            )
        )
        more = np.flatnonzero(star[one] == two)  # copies of a dropped image go with it
        at, copy = _members(train, one[more])
        further = copy != stands[copy]
        at, copy = more[at[further]], copy[further]
        parts.append(
            PairTable.of_pairs(
                copy,
                best[two[at]],
                pairs.similarity[at],
                in_test=False,
                exact=False,
                mirrored=copies.mirrored[at],
            )
        )
    if leaks is not None and test is not None:
        for pairs, exact in (
            (leaks.pairs, False),
            (PairList(*leaks.same, np.ones(leaks.same[0].size, np.float32)), True),
        ):
            at, image = _members(train, pairs.column)
            again, tested = _members(test, pairs.row[at])
            mirrored = leaks.mirrored[at[again]] if not exact else False
            parts.append(
                PairTable.of_pairs(
                    image[again], tested, pairs.similarity[at[again]], in_test=True, exact=exact, mirrored=mirrored
                )
            )
    return _with_reasons(parts, of_image)


def _with_reasons(parts: list[PairTable], of_image: NDArray[np.int64]) -> PairTable:
    """The rows in order, and which are reasons: the most similar test image, else the training image kept."""
    joined = PairTable(*(np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(PairTable)))
    order = np.lexsort((joined.of, joined.image, ~joined.in_test, ~joined.exact, -joined.similarity))
    table = joined[order]
    dropped = ~table.in_test & (of_image[table.image] == table.of)
    leaked = np.flatnonzero(table.in_test)
    images, first = np.unique(table.image[leaked], return_index=True)
    dropped[np.isin(table.image, images)] = False
    dropped[leaked[first]] = True
    return PairTable(table.image, table.of, table.similarity, table.in_test, table.exact, table.mirrored, dropped)


def _preferred(contents: Contents, preference: NDArray[np.float64]) -> NDArray[np.int64]:
    """The preferred row of each content, the first of several."""
    order = np.lexsort((-preference, contents.of_row))
    return order[np.searchsorted(contents.of_row[order], np.arange(contents.first.size))]


def _members(contents: Contents, chosen: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """All rows that have the chosen contents: which of those chosen, and the row."""
    order = np.argsort(contents.of_row, kind="stable")
    counts = np.bincount(contents.of_row, minlength=contents.first.size)
    starts = np.cumsum(counts) - counts
    number = counts[chosen]
    at = np.repeat(np.arange(chosen.size), number)
    offset = np.arange(at.size) - np.repeat(np.cumsum(number) - number, number)
    return at, order[starts[chosen[at]] + offset]

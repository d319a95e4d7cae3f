"""The search for near-duplicates: exact copies, similar pairs, and which examples are kept."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from data_pruning.records.settings import to_json
from real_data.duplicates.candidates import ROUNDING, Blocks, PairList, all_blocks, nearest, pairs_above
from real_data.duplicates.cells import Cells, usual_num_cells
from real_data.duplicates.config import DuplicateConfig
from real_data.duplicates.described import Described, describe, describe_rows
from real_data.duplicates.preference import preferences
from real_data.duplicates.report import Duplicates
from real_data.duplicates.stars import stars
from real_data.duplicates.table import Found, pair_table
from real_data.duplicates.thumbnails import software

if TYPE_CHECKING:
    from real_data.datasets import ImageDataset

__all__ = ["find_duplicates"]


def find_duplicates(
    dataset: ImageDataset | None,
    config: DuplicateConfig,
    *,
    thumbnails: bool = True,
    embeddings: ArrayLike | None = None,
    test_embeddings: ArrayLike | None = None,
    scores: ArrayLike | None = None,
    folder: Path | None = None,
    progress: bool = False,
) -> Duplicates:
    """Find exact and near copies among training images, and between them and the test images; nothing is deleted.

    Exact copies have the same decoded pixels.  Others are compared by whitened thumbnails, by embeddings, or by the
    mean of both cosines.  A training image that is a duplicate of a test image is dropped; of the others those that
    are no centres of stars.  A cosine is no probability: choose the threshold by the number of images flagged.

    Memorization scores of near-duplicates are small by construction, as a network that has not seen one has seen the
    other: find duplicates before scoring, not after.

    Args:
        dataset: the images; None where there are only embeddings, all of them of training examples.
        config: which are duplicates, and which of them are kept.
        thumbnails: whether to compare thumbnails, where there are images.
        embeddings: of the training images, shape (num_train, width); of anything where there is no data set, texts for
            example.
        test_embeddings: of the test images, shape (num_test, width).
        scores: difficulty of each training image, to keep the hardest or easiest.
        folder: where thumbnails of image files are kept, so that an interrupted search goes on from there.
        progress: whether to show bars on stderr.

    Returns:
        The pairs and what is kept.  It does not depend on the order of the images, but for ``keep="first"``; of exact
        copies, the first is kept where all else is equal.

    Raises:
        ValueError: there is nothing to compare, ``flag`` is more than there are images, or arguments do not fit.
    """
    train, test = _described(dataset, config, thumbnails, (embeddings, test_embeddings), folder, progress)
    rows = train.contents.of_row
    num_cells = usual_num_cells(len(train.features)) if config.num_cells is None else config.num_cells
    cells = None
    if num_cells > 1:
        cells = Cells.fit(train.features, num_cells, config.num_probes, config.seed, progress=progress)
    probes = np.zeros((len(train.features), 1), np.int64) if cells is None else cells.probes(train.features)
    preference = preferences(
        config.keep, rows.size, lambda: _to_centroid(train, cells, probes[:, 0])[rows], dataset=dataset, scores=scores
    )

    leaks = None if test is None else _Comparison.of(train, test, cells, probes, progress)
    copies = _Comparison.of(train, None, cells, probes, progress) if "train-train" in config.where else None
    nearest_test = None if leaks is None or test is None else leaks.of_queries[test.contents.of_row]
    nearest_train = None
    if copies is not None:
        nearest_train = np.where(np.bincount(rows)[rows] > 1, np.float32(1), copies.of_queries[rows])
    threshold = _threshold(config, nearest_train if nearest_test is None else nearest_test)

    found = [None if each is None else each.found(threshold, progress) for each in (leaks, copies)]
    star = None
    kept = np.ones(len(train.features), bool)
    if found[0] is not None:
        kept[found[0].pairs.column] = kept[found[0].same[1]] = False
    if found[1] is not None:
        best = np.full(kept.size, -np.inf)
        np.maximum.at(best, rows, preference)
        pairs = found[1].pairs
        star, _ = stars(kept.size, pairs[kept[pairs.row] & kept[pairs.column]], best)
    contents = None if test is None else test.contents
    table = pair_table(train.contents, preference, test=contents, leaks=found[0], copies=found[1], star=star)
    of_images = np.ones(rows.size, bool)
    of_images[table.image[table.dropped]] = False
    lost = []
    if cells is not None and threshold is not None:
        lost = [(t, *cells.share_lost(train.features, t, config.seed)) for t in (threshold, (1 + threshold) / 2)]
    compared = ["thumbnails"] if thumbnails and dataset is not None else []
    record = {
        "settings": to_json(config),
        "compared_by": compared + ([] if embeddings is None else ["embeddings"]),
        "dataset": None if dataset is None else dataset.name,
        "fingerprint": None if dataset is None else dataset.fingerprint,
        "threshold": threshold,
        "num_cells": num_cells,
        "software": software(),
    }
    return Duplicates(table, of_images, threshold, nearest_train, nearest_test, record, num_cells, tuple(lost))


def _described(
    dataset: ImageDataset | None,
    config: DuplicateConfig,
    thumbnails: bool,
    embeddings: tuple[ArrayLike | None, ArrayLike | None],
    folder: Path | None,
    progress: bool,
) -> tuple[Described, Described | None]:
    """What is compared: training images, and test images if they are."""
    if dataset is None:
        if embeddings[0] is None:
            raise ValueError("embeddings must be given where there is no data set")
        if config.where != ("train-train",) or config.mirror:
            raise ValueError(
                "embeddings without a data set have no test examples and no mirrored ones: where must be train-train, "
                "mirror False"
            )
        return describe_rows(embeddings[0]), None
    return describe(
        dataset,
        thumbnails=thumbnails,
        embeddings=embeddings[0],
        test_embeddings=embeddings[1],
        with_test="train-test" in config.where,
        mirror=config.mirror,
        seed=config.seed,
        folder=folder,
        progress=progress,
    )


def _to_centroid(train: Described, cells: Cells | None, homes: NDArray[np.int64]) -> NDArray[np.float64]:
    """Cosine of each content with the centroid of its cell, of all where there are no cells."""
    if cells is not None:
        return cells.to_centroid(train.features, homes)
    mean = train.features.mean(axis=0, dtype=np.float64)
    return train.features @ (mean / max(float(np.linalg.norm(mean)), np.finfo(float).tiny))


def _threshold(config: DuplicateConfig, near: NDArray[np.float32] | None) -> float | None:
    """The threshold given, or that at which so many images are flagged as were asked for."""
    if config.flag is None or near is None:
        return config.threshold
    if config.flag > near.size:
        raise ValueError(
            f"flag must be at most the number of images that may be flagged, {near.size}, got {config.flag}"
        )
    return float(np.partition(near, near.size - config.flag)[near.size - config.flag]) - ROUNDING


@dataclass(frozen=True, eq=False)
class _Comparison:
    """Test contents with training contents, or these with each other, and how near they come.

    Attributes:
        queries: the former, or training contents; then once more mirrored, if they are compared too.
        keys: training contents.
        blocks: which pairs are compared, for each of ``queries``.
        within: whether training contents are compared with each other.
        same: queries and keys that are equal.
        near: largest cosine of each query and key, for each of ``queries``.
    """

    queries: list[NDArray[np.float32]]
    keys: NDArray[np.float32]
    blocks: list[Blocks]
    within: bool
    same: tuple[NDArray[np.int64], NDArray[np.int64]]
    near: list[tuple[NDArray[np.float32], NDArray[np.float32]]]

    @classmethod
    def of(
        cls, train: Described, test: Described | None, cells: Cells | None, probes: NDArray[np.int64], progress: bool
    ) -> _Comparison:
        """Compare."""
        one, within = (train, True) if test is None else (test, False)
        queries: list[NDArray[np.float32]] = [one.features]
        if one.mirrored is not None:
            queries.append(one.mirrored)
        if cells is None:
            # the cosine of a mirrored image with another is that of the other, mirrored, with it: half is enough
            num_columns = None if within else len(train.features)
            blocks = [all_blocks(len(one.features), num_columns)] * len(queries)
        else:
            # mirrored training images are compared with the training images: two sets of rows
            blocks = [
                cells.blocks(cells.probes(each), None if within and n == 0 else probes)
                for n, each in enumerate(queries)
            ]
        nothing = np.empty(0, np.int64)
        return cls(
            queries,
            train.features,
            blocks,
            within,
            (nothing, nothing) if test is None else test.contents.shared(train.contents),
            [
                nearest(each, train.features, some, within=within, progress=progress)
                for each, some in zip(queries, blocks, strict=True)
            ],
        )

    @property
    def of_queries(self) -> NDArray[np.float32]:
        """Largest cosine of each query."""
        near: Any = np.max([of_queries for of_queries, _ in self.near], axis=0)
        near[self.same[0]] = 1
        return near

    def found(self, threshold: float | None, progress: bool) -> Found:
        """Pairs of different contents at or above the threshold; without one none."""
        lists = []
        if threshold is not None:
            for queries, blocks, near in zip(self.queries, self.blocks, self.near, strict=True):
                options = {"within": self.within, "progress": progress}
                lists.append(pairs_above(queries, self.keys, blocks, threshold, near, **options))
        pairs = PairList.joined(lists, within=self.within)
        if not self.within:  # equal contents are pairs of another kind
            equal = np.full(len(self.queries[0]), -1)
            equal[self.same[0]] = self.same[1]
            pairs = pairs[equal[pairs.row] != pairs.column]
        mirrored = np.zeros(len(pairs), bool)
        if len(lists) > 1:
            mirrored = pairs.similarity > _cosine_in(lists[0], pairs, len(self.keys)) + ROUNDING
        return Found(pairs, mirrored, self.same)


def _cosine_in(known: PairList, pairs: PairList, num_columns: int) -> NDArray[np.float32]:
    """Cosine that pairs have in another list, which is sorted; -2 where they are not in it."""
    keys, wanted = (each.row * num_columns + each.column for each in (known, pairs))
    at = np.minimum(np.searchsorted(keys, wanted), max(0, keys.size - 1))
    if keys.size == 0:
        return np.full(wanted.size, -2, np.float32)
    return np.where(keys[at] == wanted, known.similarity[at], np.float32(-2))

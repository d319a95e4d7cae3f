"""Scores that an experiment takes from files: of the whole training set, and the same for all of its seeds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from data_pruning.records.fingerprint import sha256_of
from real_data import scores

if TYPE_CHECKING:
    from real_data.datasets import ImageDataset

__all__ = ["SavedScore", "same_scores", "saved_scores"]

MANY_TIED = 0.1


class SavedScore(NamedTuple):
    """What a file of scores holds, wherever it lies.

    Attributes:
        metric: name of the score.
        digest: SHA-256 of the values: what cells are named by.
        settings: how the scores were computed; a JSON value.
        seeds: seeds of the networks that they are averages over.
        tied: share of the examples whose score others have too.
    """

    metric: str
    digest: str
    settings: Any
    seeds: tuple[int, ...]
    tied: float

    def about(self) -> dict[str, Any]:
        """For the reader of results."""
        return {
            "metric": self.metric,
            "values_sha256": self.digest,
            "settings": self.settings,
            "seeds": list(self.seeds),
            "tied": self.tied,
        }

    def remarks(self) -> list[str]:
        """What limits what results say of the score: a score of two values, for example, defines one fraction only."""
        if self.tied < MANY_TIED:
            return []
        return [f"{100 * self.tied:.3g} % of the {self.metric} scores are not unique: of equal ones a rule keeps any"]


def saved_scores(paths: Sequence[str], data: ImageDataset, others: Sequence[str] = ()) -> tuple[SavedScore, ...]:
    """What several files of scores hold.

    Args:
        paths: the files.
        data: the data set, with all of its training images.
        others: metrics that there are besides.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: a file is damaged or no file of scores, holds scores of other images, or of a metric that another
            one has too; or its scores of test images are not those of the data set.
    """
    found: list[SavedScore] = []
    for path in paths:
        one = _loaded(path, data)
        known = [*others, *(each.metric for each in found)]
        if one.metric in known:
            raise ValueError(f"{path}: there are {one.metric} scores already; the metrics must be different")
        settings = dict(one.config)
        found.append(SavedScore(one.metric, sha256_of(one.values), settings, tuple(map(int, one.seeds)), one.tied))
    return tuple(found)


def same_scores(path: str, data: ImageDataset, digest: str) -> scores.Scores:
    """The scores of a file, which must be those of this digest.

    Raises:
        FileNotFoundError, ValueError: as :func:`saved_scores`; or the scores are others.
    """
    found = _loaded(path, data)
    if sha256_of(found.values) != digest:
        raise ValueError(f"{path} holds other scores than when the experiment began: give another folder")
    return found


def _loaded(path: str, data: ImageDataset) -> scores.Scores:
    found = scores.Scores.load(path, data)
    tests = found.test_values
    if tests is not None and len(tests) != len(data.test_labels):
        raise ValueError(f"{path} scores {len(tests)} test images, but there are {len(data.test_labels)}")
    return found

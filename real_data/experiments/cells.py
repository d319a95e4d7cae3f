"""The cells of an experiment, and the folder in which their test errors are kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from data_pruning import Results
from data_pruning.records.results import DISK_FULL
from data_pruning.records.settings import digest_of

COLUMNS = {
    "errors": "test error, fraction",
    "num_kept": "number of examples kept",
    "training_errors": "error in the last quarter of the training, fraction",
    "learned": "whether the network is better than the most frequent class of its training images",
    "learning_rates": "learning rate of the training, lower than that of the settings where that failed",
}
"""What is saved of each cell, the fields of its outcome; and"""
WRONG = "whether each test image is classified wrongly"

__all__ = ["Cell", "CellFolder", "Outcome", "group_name"]


@dataclass(frozen=True)
class Cell:
    """One training on one kept set.

    Attributes:
        rule: name of the keep rule; ``all`` is the whole pool.
        fraction: fraction of the pool kept.
        score: number of the score in the experiment, None where difficulty plays no part.
        key: sixteen hexadecimal digits of all that determines the outcome.
    """

    rule: str
    fraction: float
    score: int | None
    key: str


class Outcome(NamedTuple):
    """What came of a cell.

    Attributes:
        error: test error, a fraction.
        num_kept: number of examples kept.
        training_error: error in the last quarter of the training, a fraction.
        learned: whether the network is better than the most frequent class of its training images.
        learning_rate: the one it was trained at in the end; lower than that of the settings where that failed.
        wrong: which test images were classified wrongly, shape (num_test,); None of cells of earlier versions.
    """

    error: float
    num_kept: int
    training_error: float
    learned: bool
    learning_rate: float
    wrong: NDArray[np.bool_] | None = None


class CellFolder:
    """Finished cells, in files that are written whole or not at all, each of the cells trained side by side.

    Args:
        path: the folder, made if missing.
    """

    def __init__(self, path: Path):
        self.path = path
        self._read: dict[Path, dict[str, Outcome]] = {}

    def outcomes(self) -> dict[str, Outcome]:
        """Outcomes of all finished cells by key.

        Raises:
            ValueError: a file is damaged, or its content does not belong to its name.
        """
        for path in sorted(self.path.glob("*.nc")):
            if path not in self._read:
                found = Results.load(path)
                try:
                    keys = [str(key) for key in found["key"]]
                    columns = [found[name].tolist() for name in COLUMNS]
                    columns.append(list(found["wrong"]) if "wrong" in found.variables else [None] * len(keys))
                    if not path.stem.endswith(_name_of(keys)):
                        raise ValueError("its cells are not those of its name")
                except (KeyError, ValueError) as error:
                    raise ValueError(f"{path} is damaged or not a file of cells ({error}): delete it") from error
                outcomes = (Outcome(e, n, t, bool(ok), *rest) for e, n, t, ok, *rest in zip(*columns, strict=True))
                self._read[path] = dict(zip(keys, outcomes, strict=True))
        return {key: outcome for found in self._read.values() for key, outcome in found.items()}

    def add(self, stem: str, cells: Sequence[Cell], outcomes: Sequence[Outcome], config: dict[str, Any]) -> Path:
        """Save finished cells, at once and in one file.

        Raises:
            OSError: the disk is full, among others; the message says what is lost and what is not.
        """
        keys = [cell.key for cell in cells]
        results = Results("Test errors of networks trained on kept examples", config)
        results.add("key", "cell", keys, "", "what determines the outcome, digest")
        results.add("rule", "cell", [cell.rule for cell in cells], "", "keep rule")
        results.add("fraction", "cell", [cell.fraction for cell in cells], "1", "fraction of the pool kept")
        *columns, wrong = zip(*outcomes, strict=True)
        for (name, description), values in zip(COLUMNS.items(), columns, strict=True):
            results.add(name, "cell", np.array(values), "1", description)
        if all(one is not None for one in wrong):
            results.add("wrong", ("cell", "test"), np.stack(wrong), "1", WRONG)
        path = self.path / f"{stem}-{group_name(cells)}.nc"
        try:
            return results.save(path)
        except OSError as error:
            if error.errno not in DISK_FULL:
                raise
            raise OSError(
                error.errno,
                f"the disk is full: {len(cells)} cells just trained could not be saved in {path}, all cells before "
                "are; make room and run the same again",
            ) from error


def group_name(cells: Sequence[Cell]) -> str:
    """Sixteen hexadecimal digits for these cells together, in any order."""
    return _name_of([cell.key for cell in cells])


def _name_of(keys: Sequence[str]) -> str:
    return digest_of(sorted(keys))

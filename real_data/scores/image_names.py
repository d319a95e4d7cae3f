"""Rows of tables and the images that they are of, brought together by file name."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

__all__ = ["ImageNames", "Row"]

Row = tuple[int, str, str]
"""Number of the line, name of the image, score as it is written."""


class ImageNames:
    """The names of the training images of a data set, to look rows up in; made once for several tables.

    Args:
        dataset: name of the data set.
        names: path of each image, in data-set order.
    """

    def __init__(self, dataset: str, names: Sequence[str]):
        self.dataset, self.names = dataset, names
        self._number_of = {name: number for number, name in enumerate(names)}
        self._repeated = [repr(name) for name, count in Counter(names).items() if count > 1]
        self._components: list[list[str]] = []
        self._folders: set[str] = set()
        self._with_last: dict[str, list[int]] = {}

    def aligned(self, path: Path, rows: Iterable[Row], score_column: str | int) -> NDArray[np.float64]:
        """The scores of rows in the order of the images, see :func:`real_data.scores.scores_from_csv`.

        Args:
            path: file of the rows, for messages; so is ``score_column``.
            rows: in any order.
            score_column: see above.

        Raises:
            ValueError: a score is not a finite number, or rows and images do not correspond one to one.
        """
        values = np.full(len(self.names), np.nan)
        line_of: dict[int, int] = {}
        bad: list[str] = []
        unknown: list[str] = []
        ambiguous: list[str] = []
        duplicate: list[str] = []
        num_rows = 0
        for line, name, text in rows:
            num_rows += 1
            number = self._number_of.get(name, -1)
            if number < 0:
                best = self._by_ending(name)
                if len(best) != 1:
                    several = f", such as {' and '.join(repr(self.names[i]) for i in best[:2])}" if best else ""
                    (ambiguous if best else unknown).append(f"{name!r} (line {line}{several})")
                    continue
                number = best[0]
            if number in line_of:
                duplicate.append(f"{self.names[number]!r} (lines {line_of[number]} and {line})")
                continue
            line_of[number] = line
            value = _number(text)
            if not math.isfinite(value):
                bad.append(f"{text!r} of {name!r} (line {line})")
            values[number] = value
        missing = [repr(name) for number, name in enumerate(self.names) if number not in line_of]
        problems = {
            f"scores in column {score_column!r} that are not finite numbers": bad,
            "rows that name no training image": unknown,
            "rows that name none in full and several by their common ending": ambiguous,
            "rows for an image that has one already": duplicate,
            "images without a row": missing,
            "names that several images have": self._repeated,
        }
        found = "; ".join(_first(problem, those) for problem, those in problems.items() if those)
        if found:
            raise ValueError(
                f"{path} ({num_rows} rows) does not fit the {len(self.names)} training images of {self.dataset!r}: "
                f"{found}"
            )
        return values

    def _by_ending(self, name: str) -> list[int]:
        """The images whose names have the longest common ending with this one."""
        if not self._components:
            self._components = [_components(name) for name in self.names]
            self._folders = {part for parts in self._components for part in parts[1:]}
            for number, parts in enumerate(self._components):
                self._with_last.setdefault(parts[0], []).append(number)
        asked = _components(name)
        candidates = self._with_last.get(asked[0], [])
        common = [_common(asked, self._components[candidate]) for candidate in candidates]
        best = [candidate for candidate, length in zip(candidates, common, strict=True) if length == max(common)]
        # cat/1.jpg is no row for dog/1.jpg, although a row for images/1.jpg would do
        return [candidate for candidate in best if not _contradict(asked, self._components[candidate], self._folders)]


def _first(problem: str, those: Sequence[str]) -> str:
    rest = ", ..." if len(those) > 3 else ""
    return f"{problem}: {len(those)}, {', '.join(those[:3])}{rest}"


def _number(text: str) -> float:
    try:
        return math.nan if "_" in text else float(text)  # Python reads 1_0 as 10
    except ValueError:
        return math.nan


def _components(name: str) -> list[str]:
    """Parts of a path from the last to the first, without those that mean the same folder."""
    parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".")]
    return parts[::-1] or [""]


def _contradict(one: Sequence[str], other: Sequence[str], folders: Collection[str]) -> bool:
    """Whether the first of two paths lies in another one of the data set's folders."""
    at = _common(one, other)
    return at < min(len(one), len(other)) and one[at] in folders


def _common(one: Sequence[str], other: Sequence[str]) -> int:
    """How many components two paths have in common, counted from the end."""
    return next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))

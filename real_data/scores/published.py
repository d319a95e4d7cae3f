"""Published scores: CSV files with one row per training image."""

from __future__ import annotations

import csv
import hashlib
import io
import math
import os
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from real_data.scores.score_file import Scores

if TYPE_CHECKING:
    from real_data.datasets import ImageDataset

__all__ = ["scores_from_csv"]


def scores_from_csv(
    path: str | os.PathLike[str],
    dataset: ImageDataset,
    *,
    name_column: str,
    score_column: str,
    higher_is_harder: bool = True,
    metric: str = "published",
) -> Scores:
    r"""Scores from a CSV file with a header and one row per training image, aligned by file name.

    A row belongs to the image of the same name; failing that, to the one whose name has the longest common ending with
    it, component by component (``/data/train/dog/7.png``, ``dog\7.png`` and ``7.png`` all end like
    ``train/dog/7.png``), where there is a single such image.  Every image must have exactly one row and every row an
    image, whatever the order.

    Files of this kind for ImageNet, by Sorscher et al. (2022): https://github.com/rgeirhos/dataset-pruning-metrics;
    there higher scores are the ones to keep.

    Args:
        path: the file, UTF-8, commas between the fields.
        dataset: the data set scored; has ``train_names``.
        name_column: header of the column of file names.
        score_column: header of the column of scores.
        higher_is_harder: whether a high score means a hard example; if not, the signs are changed.
        metric: name that the scores get.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the data set has no file names, a column is missing, a row has too many or few fields, a score is
            not a finite number, or rows and images do not correspond one to one.
    """
    path = Path(path)
    if dataset.train_names is None:
        raise ValueError(f"the data set {dataset.name!r} has no names of its training images (train_names) to align by")
    content = path.read_bytes()
    rows = list(_rows(path, content, name_column, score_column))
    values = _aligned(path, rows, dataset.name, list(map(str, dataset.train_names)), score_column)
    config = {
        "file": path.name,
        "sha256": hashlib.sha256(content).hexdigest(),
        "name_column": name_column,
        "score_column": score_column,
        "higher_is_harder": bool(higher_is_harder),
    }
    values = values if higher_is_harder else -values
    return Scores(metric, values, dataset.name, dataset.train_fingerprint, config, notes=dataset.notes)


Row = tuple[int, str, str]
"""Number of the line, name of the image, score as it is written."""


def _rows(path: Path, content: bytes, name_column: str, score_column: str) -> Iterator[Row]:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not a CSV file in UTF-8: {error}") from error
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = next(reader, [])
        for column in (name_column, score_column):
            if header.count(column) != 1:
                raise ValueError(
                    f"{path} must have one column {column!r}, but it has {header.count(column)}; "
                    f"its columns are {', '.join(map(repr, header)) or 'none: it is empty'}"
                )
        name_at, score_at = header.index(name_column), header.index(score_column)
        for fields in reader:
            if not fields:
                continue
            if len(fields) != len(header):
                raise ValueError(
                    f"{path}, line {reader.line_num}: {len(fields)} fields, but the header has {len(header)}"
                )
            yield reader.line_num, fields[name_at], fields[score_at]
    except csv.Error as error:
        raise ValueError(f"{path}, line {reader.line_num}: not CSV: {error}") from error


def _aligned(path: Path, rows: list[Row], dataset: str, names: list[str], score_column: str) -> np.ndarray:
    """The scores in the order of ``names``."""
    number_of = {name: number for number, name in enumerate(names)}
    components = [_components(name) for name in names]
    folders = {part for parts in components for part in parts[1:]}
    with_last: dict[str, list[int]] = {}
    for number, parts in enumerate(components):
        with_last.setdefault(parts[0], []).append(number)
    values = np.full(len(names), np.nan)
    line_of: dict[int, int] = {}
    bad: list[str] = []
    unknown: list[str] = []
    ambiguous: list[str] = []
    duplicate: list[str] = []
    for line, name, text in rows:
        number = number_of.get(name, -1)
        if number < 0:
            asked = _components(name)
            candidates = with_last.get(asked[0], [])
            common = [_common(asked, components[candidate]) for candidate in candidates]
            best = [candidate for candidate, length in zip(candidates, common, strict=True) if length == max(common)]
            # cat/1.jpg is no row for dog/1.jpg, although a row for images/1.jpg would do
            best = [candidate for candidate in best if not _contradict(asked, components[candidate], folders)]
            if len(best) != 1:
                several = f", such as {' and '.join(repr(names[i]) for i in best[:2])}" if best else ""
                (ambiguous if best else unknown).append(f"{name!r} (line {line}{several})")
                continue
            number = best[0]
        if number in line_of:
            duplicate.append(f"{names[number]!r} (lines {line_of[number]} and {line})")
            continue
        line_of[number] = line
        value = _number(text)
        if not math.isfinite(value):
            bad.append(f"{text!r} of {name!r} (line {line})")
        values[number] = value
    missing = [repr(name) for number, name in enumerate(names) if number not in line_of]
    repeated = [repr(name) for name, count in Counter(names).items() if count > 1]
    problems = {
        f"scores in column {score_column!r} that are not finite numbers": bad,
        "rows that name no training image": unknown,
        "rows that name none in full and several by their common ending": ambiguous,
        "rows for an image that has one already": duplicate,
        "images without a row": missing,
        "names that several images have": repeated,
    }
    found = "; ".join(_first(problem, those) for problem, those in problems.items() if those)
    if found:
        raise ValueError(
            f"{path} ({len(rows)} rows) does not fit the {len(names)} training images of {dataset!r}: {found}"
        )
    return values


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

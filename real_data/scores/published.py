"""Published scores: CSV files with one row per training image, one file or a folder of them."""

from __future__ import annotations

import csv
import hashlib
import io
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from tqdm import tqdm

from real_data.scores.image_names import ImageNames, Row
from real_data.scores.score_file import Scores

if TYPE_CHECKING:
    from real_data.datasets import ImageDataset

__all__ = ["scores_from_csv", "scores_from_folder"]


def scores_from_csv(
    path: str | os.PathLike[str],
    dataset: ImageDataset,
    *,
    name_column: str | int,
    score_column: str | int,
    header: bool = True,
    higher_is_harder: bool = True,
    metric: str = "published",
) -> Scores:
    r"""Scores from a CSV file with one row per training image, aligned by file name.

    A row belongs to the image of the same name; failing that, to the one whose name has the longest common ending with
    it, component by component (``/data/train/dog/7.png``, ``dog\7.png`` and ``7.png`` all end like
    ``train/dog/7.png``), where there is a single such image.  Every image must have exactly one row and every row an
    image, whatever the order.

    Files of this kind for ImageNet, by Sorscher et al. (2022): https://github.com/rgeirhos/dataset-pruning-metrics;
    there higher scores are the ones to keep.

    Args:
        path: the file, UTF-8, commas between the fields.
        dataset: the data set scored; has ``train_names``.
        name_column: column of the file names: its header, or its number, counted from 1.
        score_column: column of the scores, likewise.
        header: whether the first line holds the names of the columns; without it they go by number.
        higher_is_harder: whether a high score means a hard example; if not, the signs are changed.
        metric: name that the scores get.

    Returns:
        The scores.  Where there are only two different ones, ``notes`` say which fraction kept they define.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the data set has no file names, a column is missing, a row has too many or few fields, a score is
            not a finite number, or rows and images do not correspond one to one.
    """
    columns = _Columns(name_column, score_column, header)
    return _read(Path(path), dataset, _names_of(dataset), columns, higher_is_harder, metric)


def scores_from_folder(
    folder: str | os.PathLike[str],
    dataset: ImageDataset,
    *,
    name_column: str | int,
    score_column: str | int,
    header: bool = True,
    prefix: str | None = None,
    progress: bool = False,
) -> list[Scores]:
    """The scores of all CSV files of a folder, which are called after their metrics; see :func:`scores_from_csv`.

    High scores are those of the examples to keep, for every metric, as in the folder that Sorscher et al. published.

    Args:
        folder: with files ``*.csv``, all of the same columns; what else is there is not looked at.
        dataset: the data set scored; has ``train_names``.
        name_column: column of the file names: its header, or its number, counted from 1.
        score_column: column of the scores, likewise.
        header: whether the first line of each file holds the names of the columns.
        prefix: beginning of the files' names that is no part of the metric's; None takes what all have in common up to
            the first underscore, for example ``ImageNet-1K_``.
        progress: show a progress bar on stderr.

    Returns:
        Scores by name of the file.

    Raises:
        FileNotFoundError: there is no such folder, or no such file in it.
        ValueError: a file without the prefix, two files of one name but for upper case, or see :func:`scores_from_csv`.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder} is no folder: give that of the CSV files")
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() == ".csv" and path.is_file())
    if not paths:
        raise FileNotFoundError(f"{folder} has no files *.csv")
    metrics = _metrics([path.stem for path in paths], prefix)
    columns, names = _Columns(name_column, score_column, header), _names_of(dataset)
    return [
        _read(path, dataset, names, columns, True, metric)
        for path, metric in zip(tqdm(paths, desc="reading", unit="file", disable=not progress), metrics, strict=True)
    ]


def _metrics(stems: Sequence[str], prefix: str | None) -> list[str]:
    """What is left of the files' names."""
    if prefix is None:
        beginnings = {stem.partition("_")[0] + "_" for stem in stems if "_" in stem}
        prefix = beginnings.pop() if len(beginnings) == 1 and all("_" in stem for stem in stems) else ""
    for stem in stems:
        if not stem.startswith(prefix) or stem == prefix:
            raise ValueError(f"prefix must begin the names of all files and leave something, got {prefix!r} and {stem}")
    metrics = [stem.removeprefix(prefix) for stem in stems]
    twice = [name for name, count in Counter(map(str.lower, metrics)).items() if count > 1]
    if twice:
        raise ValueError(f"the files must be of different metrics, but {twice[0]!r} is there more than once")
    return metrics


class _Columns:
    """Where in a table names and scores stand."""

    def __init__(self, name: str | int, score: str | int, header: bool):
        self.name, self.score, self.header = name, score, header
        for what, column in (("name_column", name), ("score_column", score)):
            if isinstance(column, int) and column < 1:
                raise ValueError(f"{what} must be at least 1, the first column, got {column}")
            if isinstance(column, str) and not header:
                raise ValueError(f"{what} must be a number, counted from 1, where there is no header, got {column!r}")

    def place(self, path: Path, column: str | int, first: list[str]) -> int:
        """Index of a column, given the first line of the file."""
        found = f"its columns are {', '.join(map(repr, first)) or 'none: it is empty'}"
        if isinstance(column, int):
            if column > len(first):
                raise ValueError(f"{path} has no column {column}; {found}")
            return column - 1
        if first.count(column) != 1:
            raise ValueError(
                f"{path} must have one column {column!r}, but it has {first.count(column)}; {found} (if that is no "
                "header: header=False, --no-header, and the numbers of the columns)"
            )
        return first.index(column)


def _names_of(dataset: ImageDataset) -> ImageNames:
    if dataset.train_names is None:
        raise ValueError(f"the data set {dataset.name!r} has no names of its training images (train_names) to align by")
    return ImageNames(dataset.name, list(map(str, dataset.train_names)))


def _read(
    path: Path, dataset: ImageDataset, names: ImageNames, columns: _Columns, higher_is_harder: bool, metric: str
) -> Scores:
    content = path.read_bytes()
    values = names.aligned(path, _rows(path, content, columns), columns.score)
    config = {
        "file": path.name,
        "sha256": hashlib.sha256(content).hexdigest(),
        "name_column": columns.name,
        "score_column": columns.score,
        "higher_is_harder": bool(higher_is_harder),
    }
    values = values if higher_is_harder else -values
    notes = (*dataset.notes, *_of_two_values(metric, values))
    return Scores(metric, values, dataset.name, dataset.train_fingerprint, config, notes=notes)


def _of_two_values(metric: str, values: np.ndarray) -> tuple[str, ...]:
    """What a score of two values says: which examples are kept at one fraction, and nothing else."""
    if np.unique(values).size != 2:
        return ()
    share = np.mean(values == values.max())
    return (f"{metric} has two values only: only f = {share:.4g} has a meaning, any other is random among equals",)


def _rows(path: Path, content: bytes, columns: _Columns) -> Iterator[Row]:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not a CSV file in UTF-8: {error}") from error
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        first = next(reader, [])
        name_at, score_at = (columns.place(path, column, first) for column in (columns.name, columns.score))
        if not columns.header:
            yield reader.line_num, first[name_at], first[score_at]
        for fields in reader:
            if not fields:
                continue
            if len(fields) != len(first):
                what = "header" if columns.header else "first line"
                raise ValueError(
                    f"{path}, line {reader.line_num}: {len(fields)} fields, but the {what} has {len(first)}"
                )
            yield reader.line_num, fields[name_at], fields[score_at]
    except csv.Error as error:
        raise ValueError(f"{path}, line {reader.line_num}: not CSV: {error}") from error

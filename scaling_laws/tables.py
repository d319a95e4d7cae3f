"""Tables of errors from files: CSV, JSON lines, and result files of this package."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from data_pruning.records.results import Results
from scaling_laws.forms.form import Floats

__all__ = ["Columns", "read_columns", "read_groups"]

Columns = dict[str, np.ndarray]

SEED_DIMS = ("seed", "trial", "draw")
"""Dimensions of result files that stand for repetitions."""


def read_columns(
    path: str | os.PathLike[str], scales: Sequence[str], error: str, others: Sequence[str] = ()
) -> Columns:
    """Columns of a table.

    Of a CSV or TSV file, or of JSON lines (``.jsonl``), they are the columns of those names; of a result file (``.nc``)
    the variables, brought to one row for each entry of the error.  An error with a dimension of seeds or trials keeps
    it as a second axis, where no scale runs along it.

    Args:
        path: the file.
        scales: names of the scales.
        error: name of the error.
        others: names of further columns, such as standard errors.

    Returns:
        By name; each of shape (num_rows,), the error (num_rows,) or (num_rows, num_seeds).

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: a column is missing, not of numbers, or has a gap, whose row the message names.
    """
    path, names = Path(path), [*scales, error, *others]
    if path.suffix == ".nc":
        return _from_results(Results.load(path), path, names, error)
    frame = _frame(path)
    missing = [name for name in names if name not in frame]
    if missing:
        raise ValueError(f"{path} has no column {missing[0]!r}, but {', '.join(map(str, frame.columns))}")
    return {name: _numbers(path, name, frame[name].to_numpy()) for name in names}


def read_groups(path: str | os.PathLike[str], by: Sequence[str]) -> np.ndarray:
    """One text for each row of a table, of the entries of some columns, such as those that name a learning curve.

    Raises:
        FileNotFoundError, ValueError: see :func:`read_columns`.
    """
    if Path(path).suffix == ".nc":
        raise ValueError(f"{path} must be a CSV, TSV or JSON-lines file: a result file names no curves")
    frame = _frame(Path(path))
    for name in by:
        if name not in frame:
            raise ValueError(f"{path} has no column {name!r}, but {', '.join(map(str, frame.columns))}")
    columns = [frame[name].astype(str) for name in by]
    return np.array([" / ".join(row) for row in zip(*columns, strict=True)])


def _frame(path: Path) -> Any:
    import pandas

    if not path.exists():
        raise FileNotFoundError(f"there is no table {path}")
    separator = "\t" if path.suffix == ".tsv" else ","
    names: list[str] = []
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pandas.errors.ParserWarning)  # of rows that are longer than the header
            if path.suffix == ".jsonl":
                frame = pandas.read_json(path, lines=True, precise_float=True)
            else:
                frame = pandas.read_csv(path, index_col=False, sep=separator, skipinitialspace=True)
                header = pandas.read_csv(path, header=None, nrows=1, sep=separator, dtype=str, keep_default_na=False)
                names = header.iloc[0].str.strip().tolist()
    except (ValueError, pandas.errors.ParserWarning) as error:
        raise ValueError(f"{path} cannot be read as a table: {str(error).strip()}") from error
    twice = next((name for name in names if name and names.count(name) > 1), None)
    if twice is not None:
        raise ValueError(f"{path} has two columns {twice!r}: which is meant?")
    frame.columns = frame.columns.astype(str).str.strip()
    if frame.empty:
        raise ValueError(f"{path} has no rows")
    return frame


def _numbers(path: Path, name: str, values: np.ndarray) -> Floats:
    if values.dtype.kind not in "fiub":
        import pandas

        numbers = pandas.to_numeric(pandas.Series(values), errors="coerce")
        at = int(np.flatnonzero(numbers.isna())[0]) if numbers.isna().any() else 0
        raise ValueError(f"{path}: column {name!r} must be of numbers, but row {at + 1} has {values[at]!r}")
    numbers = values.astype(np.float64)
    gaps = np.flatnonzero(~np.isfinite(numbers))
    if gaps.size:
        raise ValueError(
            f"{path}: column {name!r} has {gaps.size} entries that are no finite numbers, the first in row "
            f"{gaps[0] + 1}: remove these rows, or fill them in"
        )
    return numbers


def _from_results(results: Results, path: Path, names: Sequence[str], error: str) -> Columns:
    for name in names:
        if name not in results.variables:
            raise ValueError(f"{path} has no variable {name!r}, but {', '.join(results.variables)}")
    used = {dim for name in names if name != error for dim in results.variables[name].dims}
    dims = results.variables[error].dims
    seeds = [dim for dim in dims if dim in SEED_DIMS and dim not in used]
    rows = [dim for dim in dims if dim not in seeds]
    stray = used - set(rows)
    if stray:
        raise ValueError(f"{path}: the scales run along {', '.join(sorted(stray))}, along which {error!r} does not")
    unlike = [dim for dim in dims if dim not in used and dim not in seeds and results.sizes[dim] > 1]
    if unlike:
        raise ValueError(
            f"{path}: {error!r} runs along {', '.join(unlike)}, along which no scale does: what differs there are "
            "other curves, not points of one; save one of them by itself"
        )
    shape = [results.sizes[dim] for dim in rows]
    found = {}
    for name in names:
        variable = results.variables[name]
        if name == error:
            values = (
                np.moveaxis(variable.values, [dims.index(dim) for dim in seeds], range(-len(seeds), 0))
                if seeds
                else variable.values
            )
            flat = values.reshape(int(np.prod(shape)), -1)
            found[name] = flat if seeds else flat[:, 0]
        else:
            placed = [slice(None) if dim in variable.dims else None for dim in rows]
            ordered = np.transpose(variable.values, [variable.dims.index(dim) for dim in rows if dim in variable.dims])
            found[name] = np.broadcast_to(ordered[tuple(placed)], shape).reshape(-1)
        found[name] = _numbers(path, name, found[name])
    return found

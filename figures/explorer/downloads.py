"""Answers as files: NetCDF as all results of the package, and CSV."""

from __future__ import annotations

import csv
import io
import json
import tempfile
from pathlib import Path

import numpy as np

from data_pruning import Results

__all__ = ["csv_of", "netcdf_of"]

_AXES = ("i", "j", "k")


def netcdf_of(results: Results) -> bytes:
    """The file that ``results.save`` writes."""
    with tempfile.TemporaryDirectory() as folder:
        return results.save(Path(folder) / "answer.nc").read_bytes()


def csv_of(results: Results) -> str:
    """One row for each number, under comments that say what the variables are.

    Columns are ``variable``, its places ``i``, ``j``, ``k`` along its dimensions, from 0, and ``value``, which is empty
    where there is none.
    """
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    text.write(f"# {results.title}\n# {json.dumps(results.config, sort_keys=True)}\n")
    for name, variable in results.variables.items():
        along = ", ".join(f"{axis} is {dim}" for axis, dim in zip(_AXES, variable.dims, strict=False))
        unit = f" [{variable.units}]" if variable.units else ""
        text.write(f"# {name}{unit}{f', where {along}' if along else ''}: {variable.description}\n")
    rows.writerow(["variable", *_AXES, "value"])
    for name, variable in results.variables.items():
        for place, value in np.ndenumerate(variable.values):
            rest = [""] * (len(_AXES) - len(place))
            rows.writerow([name, *place, *rest, _cell(value)])
    return text.getvalue()


def _cell(value: object) -> str:
    if isinstance(value, np.bool_):
        return str(int(value))
    if isinstance(value, np.floating):
        return repr(float(value)) if np.isfinite(value) else ""
    return str(value)

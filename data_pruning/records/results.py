"""Result files: named arrays with dimensions, units and a description, stored as NetCDF-3.

The format is an open standard that xarray, MATLAB, R and ``ncdump`` read as it is; nothing is pickled.  A file is
written whole or not at all: it appears under its name only when it is complete and on the disk.  It
holds the SHA-256 of its content, so that an altered one is not taken for a result.

It also holds the version of its format and that of the package that wrote it; :mod:`data_pruning.records.file_format`
says what is in a file.  Files of earlier releases are read, those from before there was a number too; a file of a newer
format is refused in one sentence.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from data_pruning.records.atomic_file import write_atomically
from data_pruning.records.file_format import Content, NewerFormatError, Variable, decode, encode

if TYPE_CHECKING:
    import xarray

__all__ = ["DISK_FULL", "MissingVariableError", "NewerFormatError", "Results", "Variable", "stored"]

DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class MissingVariableError(KeyError, ValueError):
    """Results are of another kind than was expected: they have no variable of that name."""

    def __str__(self) -> str:
        return str(self.args[0])


@dataclass(frozen=True)
class Results:
    """Named arrays that describe themselves.

    Attributes:
        title: what the file holds, in a sentence.
        config: everything needed to compute the numbers again; any JSON value.
        variables: the arrays by name; indexing the results gives the values.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from data_pruning import Results
        >>> results = Results("Test error of keep-hard", {"f": 0.2})
        >>> results.add("error", "alpha_tot", [0.44, 0.10], "1", "test error")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     again = Results.load(results.save(Path(folder) / "errors.nc"))
        >>> print(again)
        Test error of keep-hard
          f = 0.2
          error (alpha_tot: 2) [1]: test error
        >>> again["error"]
        array([0.44, 0.1 ])
    """

    title: str
    config: Mapping[str, Any] = field(default_factory=dict)
    variables: dict[str, Variable] = field(default_factory=dict)

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self.variables:
            raise MissingVariableError(
                f"these results have no {name!r}, but {', '.join(self.variables) or 'nothing'}: {self.title}"
            )
        return self.variables[name].values

    def add(self, name: str, dims: tuple[str, ...] | str, values: ArrayLike, units: str, description: str) -> None:
        """Add an array.

        Raises:
            ValueError: the shape does not fit ``dims``, a dimension has another length in another array, or one number
                has the name of a dimension.
        """
        dims = (dims,) if isinstance(dims, str) else dims
        array = np.asarray(values)
        if array.ndim != len(dims):
            raise ValueError(f"{name} has {array.ndim} axes but {len(dims)} dimensions {dims}")
        sizes = self.sizes
        scalars = {other for other, variable in self.variables.items() if not variable.dims}
        for clash in ({name} & sizes.keys()) if not dims else (scalars & {*dims}):
            raise ValueError(f"{clash} is the name of one number and of a dimension, which xarray cannot read")
        for dim, size in zip(dims, array.shape, strict=True):
            if sizes.get(dim, size) != size:
                raise ValueError(f"{name}: dimension {dim} has length {sizes[dim]} elsewhere, {size} here")
        self.variables[name] = Variable(dims, array, units, description)

    @property
    def sizes(self) -> dict[str, int]:
        """Length of each dimension."""
        return {
            dim: size
            for variable in self.variables.values()
            for dim, size in zip(variable.dims, variable.values.shape, strict=True)
        }

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the results to ``path`` (NetCDF-3, suffix ``.nc``) and return the path.

        The same results are the same bytes, wherever and whenever a version of the package writes them.  When this
        returns they are on the disk, not only on their way there.

        Raises:
            OSError: the disk is full, among others; what was under ``path`` before is still there.
            TypeError, ValueError: something that a file cannot hold: an empty array, integers beyond 32 bits, complex
                numbers, a config that is not JSON, a null character in a text.
        """
        path = Path(path)
        content = encode(Content(self.title, json.dumps(self.config, sort_keys=True), self.variables))
        try:
            write_atomically(path, content)
        except OSError as error:
            if error.errno not in DISK_FULL:
                raise
            raise OSError(
                error.errno,
                f"the disk is full: {path} could not be saved; nothing saved before is lost: make room and run the "
                "same again to continue",
            ) from error
        return path

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Results:
        """Read a file that ``save`` wrote.

        Raises:
            FileNotFoundError: there is no such file.
            NewerFormatError: a later version of the package wrote it, in a format that this one cannot read.
            ValueError: the file is not a result file, or is cut short or altered: its content is not that of the
                SHA-256 in it.
        """
        path = Path(path)
        content = path.read_bytes()
        try:
            found = decode(content)
            results = cls(found.title, json.loads(found.config))
            for name, variable in found.variables.items():
                results.add(name, variable.dims, variable.values, variable.units, variable.description)
        except NewerFormatError as error:
            raise NewerFormatError(f"{path} {error}") from None
        except Exception as error:
            raise ValueError(
                f"{path} is not a result file of this package, or is damaged: {error}; if this package wrote it, "
                "delete it and run the same again"
            ) from error
        return results

    def to_xarray(self) -> xarray.Dataset:
        """The results as an ``xarray.Dataset``, as ``xarray.open_dataset`` reads them from a file.

        Dimensions have their names, each variable has the attributes ``units`` and ``long_name``, and the dataset has
        ``title`` and ``config``, the latter as JSON.  A variable with the name of its only dimension is a coordinate.
        """
        import xarray

        return xarray.Dataset(
            {
                name: (variable.dims, variable.values, {"units": variable.units, "long_name": variable.description})
                for name, variable in self.variables.items()
            },
            attrs={"title": self.title, "config": json.dumps(self.config, sort_keys=True)},
        )

    def __str__(self) -> str:
        lines = [self.title, *(f"  {key} = {value}" for key, value in sorted(self.config.items()))]
        for name, variable in self.variables.items():
            shape = ", ".join(f"{d}: {n}" for d, n in zip(variable.dims, variable.values.shape, strict=True))
            unit = f" [{variable.units}]" if variable.units else ""
            lines.append(f"  {name} ({shape}){unit}: {variable.description}")
        return "\n".join(lines)


def stored(
    folder: str | os.PathLike[str], stem: str, config: Mapping[str, Any], compute: Callable[[], Results]
) -> Results:
    """The results of ``config`` from ``folder``, computed and saved there first if need be.

    The file's name holds a hash of ``config``, so results of other settings are never taken for these, and since what
    is returned has been read back from the file it cannot depend on when it was computed.

    Args:
        folder: where the files lie; made if missing.
        stem: beginning of the file's name, for people.
        config: all that determines the numbers; any JSON value.
        compute: computes the results; their config is set to ``config``.

    Raises:
        ValueError: the file is damaged or holds another configuration.
    """
    config = json.loads(json.dumps(config))  # as it comes back from a file: tuples become lists
    key = hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()[:16]
    path = Path(folder) / f"{stem}-{key}.nc"
    if not path.exists():
        replace(compute(), config=config).save(path)
    results = Results.load(path)
    if results.config != config:
        raise ValueError(f"{path} holds the result of another configuration than its name says: delete it")
    return results

"""Result files: named arrays with dimensions, units and a description, stored as NetCDF-3.

The format is an open standard that xarray, MATLAB, R and ``ncdump`` read as it is; nothing is pickled.  A file is
written whole or not at all: it appears under its name only when it is complete.
"""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["Results", "Variable", "stored"]


@dataclass(frozen=True)
class Variable:
    """One named array of a result file.

    Attributes:
        dims: names of the dimensions, one per axis of ``values``.
        values: the numbers, booleans or strings.
        units: physical units; "1" for pure numbers, "" for strings.
        description: what the numbers are, in a sentence.
    """

    dims: tuple[str, ...]
    values: np.ndarray
    units: str
    description: str


@dataclass(frozen=True)
class Results:
    """Named arrays that describe themselves.

    Attributes:
        title: what the file holds, in a sentence.
        config: everything needed to compute the numbers again; any JSON value.
        variables: the arrays by name; indexing the results gives the values.
    """

    title: str
    config: Mapping[str, Any] = field(default_factory=dict)
    variables: dict[str, Variable] = field(default_factory=dict)

    def __getitem__(self, name: str) -> np.ndarray:
        return self.variables[name].values

    def add(self, name: str, dims: tuple[str, ...] | str, values: ArrayLike, units: str, description: str) -> None:
        """Add an array.

        Raises:
            ValueError: the shape does not fit ``dims``, or a dimension has another length in another array.
        """
        dims = (dims,) if isinstance(dims, str) else dims
        array = np.asarray(values)
        if array.ndim != len(dims):
            raise ValueError(f"{name} has {array.ndim} axes but {len(dims)} dimensions {dims}")
        sizes = self.sizes
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
        """Write the results to ``path`` (NetCDF-3, suffix ``.nc``) and return the path."""
        from scipy.io import netcdf_file

        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.parent / f".{path.name}.{uuid.uuid4().hex}.partial"
        try:
            with netcdf_file(partial, "w", version=2) as opened:
                file: Any = opened  # its attributes are the file's own
                file.title = self.title.encode()
                file.config = json.dumps(self.config, sort_keys=True).encode()
                for name, variable in self.variables.items():
                    values, dims = _encode(variable)
                    for dim, size in zip(dims, values.shape, strict=True):
                        if dim not in file.dimensions:
                            file.createDimension(dim, size)
                    stored = file.createVariable(name, values.dtype, dims)
                    stored[...] = values
                    stored.units = variable.units.encode()
                    stored.long_name = variable.description.encode()
                    stored.dtype_of_values = variable.values.dtype.kind.encode()
            partial.replace(path)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
        return path

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Results:
        """Read a file that ``save`` wrote.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: the file is not a result file, or is cut short or altered.
        """
        from scipy.io import netcdf_file

        path = Path(path)
        try:
            with netcdf_file(path, "r", mmap=False) as opened:
                file: Any = opened
                results = cls(file.title.decode(), json.loads(file.config.decode()))
                for name, stored in file.variables.items():
                    kind = stored.dtype_of_values.decode()
                    values = np.array(stored[...]) if stored.shape else np.array(stored.getValue())
                    dims = stored.dimensions
                    if kind == "U":
                        values, dims = (
                            np.char.decode(values.view(f"S{values.shape[-1]}")[..., 0], "utf-8"),
                            dims[:-1],
                        )
                    elif kind == "b":
                        values = values.astype(bool)
                    elif kind == "i":
                        values = values.astype(np.int64)
                    else:
                        values = values.astype(np.float64)
                    results.add(name, dims, values, stored.units.decode(), stored.long_name.decode())
        except FileNotFoundError:
            raise
        except Exception as error:
            raise ValueError(f"{path} is not a result file of this package, or is damaged: {error}") from error
        return results

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


def _encode(variable: Variable) -> tuple[np.ndarray, tuple[str, ...]]:
    """Values and dimensions in the types that NetCDF-3 has: doubles, 32-bit integers, bytes, characters."""
    values, dims = variable.values, variable.dims
    kind = values.dtype.kind
    if kind == "U":
        encoded = np.char.encode(values, "utf-8")
        length = max(1, encoded.dtype.itemsize)
        characters = np.ascontiguousarray(encoded.astype(f"S{length}")).view("S1").reshape(*values.shape, length)
        return characters, (*dims, f"string{length}")
    if kind == "b":
        return values.astype(np.int8), dims
    if kind in "iu":
        if values.size and (values.min() < -(2**31) or values.max() >= 2**31):
            raise ValueError(f"integers outside 32 bits cannot be stored in NetCDF-3: {variable.description}")
        return values.astype(np.int32), dims
    if kind == "f":
        return values.astype(np.float64), dims
    raise TypeError(f"cannot store values of type {values.dtype}: {variable.description}")

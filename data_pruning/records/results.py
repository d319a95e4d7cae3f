"""Result files: named arrays with dimensions, units and a description, stored as NetCDF-3.

The format is an open standard that xarray, MATLAB, R and ``ncdump`` read as it is; nothing is pickled.  A file is
written whole or not at all: it appears under its name only when it is complete and on the disk.  It
holds the SHA-256 of its content, so that an altered one is not taken for a result.
"""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from data_pruning.records.atomic_file import write_atomically

if TYPE_CHECKING:
    import xarray

__all__ = ["DISK_FULL", "MissingVariableError", "Results", "Variable", "stored"]

DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class MissingVariableError(KeyError, ValueError):
    """Results are of another kind than was expected: they have no variable of that name."""

    def __str__(self) -> str:
        return str(self.args[0])


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

        The same results are the same bytes, wherever and whenever they are written.  When this returns they are on the
        disk, not only on their way there.

        Raises:
            OSError: the disk is full, among others; what was under ``path`` before is still there.
            TypeError, ValueError: something that a file cannot hold: an empty array, integers beyond 32 bits, complex
                numbers, a config that is not JSON, a null character in a text.
        """
        path = Path(path)
        content = self._to_bytes()
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

    def _to_bytes(self) -> bytes:
        from scipy.io import netcdf_file

        config = json.dumps(self.config, sort_keys=True)
        texts = [self.title, *(text for v in self.variables.values() for text in (v.units, v.description))]
        if any("\0" in text for text in texts):
            raise ValueError(f"a null character cannot be stored in title, units or description: {texts}")
        buffer = io.BytesIO()
        with netcdf_file(buffer, "w", version=2) as opened:
            file: Any = opened  # its attributes are the file's own
            file.title = self.title.encode()
            file.config = config.encode()
            file.sha256 = _digest(self.title, config, self.variables).encode()
            for name, variable in self.variables.items():
                values, dims = _encode(variable)
                for dim, size in zip(dims, values.shape, strict=True):
                    if dim not in file.dimensions:
                        file.createDimension(dim, size)
                stored = file.createVariable(name, values.dtype, dims)
                stored[...] = values
                stored.units = variable.units.encode()
                stored.long_name = variable.description.encode()
                kind = _kind(variable)
                stored.dtype_of_values = kind.encode()
                if kind == "U":
                    stored._Encoding = b"utf-8"  # for xarray and others, which otherwise read bytes
                elif kind == "b":
                    stored.dtype = b"bool"
            file.flush()
            return buffer.getvalue()

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Results:
        """Read a file that ``save`` wrote.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: the file is not a result file, or is cut short or altered: its content is not that of the
                SHA-256 in it.
        """
        from scipy.io import netcdf_file

        path = Path(path)
        content = path.read_bytes()
        try:
            if len(content) % 4:  # every part of a file is filled up to four bytes, the last one too
                raise ValueError(f"it is cut short, to {len(content)} bytes")
            with netcdf_file(io.BytesIO(content), "r") as opened:
                file: Any = opened
                config = file.config.decode()
                results = cls(file.title.decode(), json.loads(config))
                for name, stored in file.variables.items():
                    kind = stored.dtype_of_values.decode()
                    values = np.array(stored[...]) if stored.shape else np.array(stored.getValue())
                    dims = stored.dimensions
                    if kind == "U":
                        values, dims = (
                            np.char.decode(values.view(f"S{values.shape[-1]}")[..., 0], "utf-8"),
                            dims[:-1],
                        )
                    else:
                        values = values.astype({"b": np.bool_, "i": np.int64, "f": np.float64}[kind])
                    results.add(name, dims, values, stored.units.decode(), stored.long_name.decode())
                if not hasattr(file, "sha256"):
                    raise ValueError("it has no sha256")
                if file.sha256.decode() != _digest(results.title, config, results.variables):
                    raise ValueError("its content is not that of its sha256")
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


def _digest(title: str, config: str, variables: Mapping[str, Variable]) -> str:
    """SHA-256 of everything, of the numbers as little-endian integers of 64 bits, doubles or bytes."""
    digest = hashlib.sha256(json.dumps([title, config]).encode())
    for name, variable in sorted(variables.items()):
        kind, values = _kind(variable), variable.values
        about = [name, variable.dims, variable.units, variable.description, kind, values.shape]
        digest.update(json.dumps(about).encode())
        if kind == "U":
            digest.update(json.dumps(values.tolist()).encode())
        else:
            digest.update(values.astype({"b": "|b1", "i": "<i8", "f": "<f8"}[kind]).tobytes())
    return digest.hexdigest()


def _kind(variable: Variable) -> str:
    """Kind of the values when they have been read back: b, i, f or U."""
    kind, size = variable.values.dtype.kind, variable.values.dtype.itemsize
    if kind not in {*"biufU"} or (kind == "f" and size > 8):
        raise TypeError(f"cannot store values of type {variable.values.dtype}: {variable.description}")
    return "i" if kind == "u" else kind


def _encode(variable: Variable) -> tuple[np.ndarray, tuple[str, ...]]:
    """Values and dimensions in the types that NetCDF-3 has: doubles, 32-bit integers, bytes, characters."""
    values, dims, kind = variable.values, variable.dims, _kind(variable)
    if values.size == 0:
        raise ValueError(f"an empty array, of shape {values.shape}, cannot be stored: {variable.description}")
    if kind == "U":
        encoded = np.char.encode(values, "utf-8")
        length = max(1, encoded.dtype.itemsize)
        characters = np.ascontiguousarray(encoded.astype(f"S{length}")).view("S1").reshape(*values.shape, length)
        return characters, (*dims, f"string{length}")
    if kind == "i" and (values.min() < -(2**31) or values.max() >= 2**31):
        raise ValueError(f"integers outside 32 bits cannot be stored in NetCDF-3: {variable.description}")
    return values.astype({"b": np.int8, "i": np.int32, "f": np.float64}[kind]), dims

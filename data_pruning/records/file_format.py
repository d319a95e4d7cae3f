"""The format of result files: arrays and texts as NetCDF-3, with a digest of the content and the version of the format.

Attributes of a file: ``title``; ``config``, JSON; ``sha256`` of the content; ``format_version``, an integer;
``written_by``, the version of the package; and ``format_seal``, the first digits of the SHA-256 of these two, by which
a format to come is told from a damaged number.  Formats to come keep the last three.  Attributes of a variable:
``units``, ``long_name`` and ``dtype_of_values`` (b, i, f or U); strings are bytes in UTF-8 along a last dimension
``stringLENGTH``.

Format 1 is the only one so far.  Files written before there was a number have none of the last three, and are read as
ever.  A change that readers of the present format would misread takes the next number; what they would only not know
of, such as another attribute, does not.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from data_pruning.records.version import VERSION

__all__ = ["FORMAT_VERSION", "Content", "NewerFormatError", "Variable", "decode", "encode"]

FORMAT_VERSION = 1


class NewerFormatError(ValueError):
    """A file is of a format that came after this version of the package."""


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
class Content:
    """What is in a file.

    Attributes:
        title: what the file holds, in a sentence.
        config: any JSON value, as text.
        variables: the arrays by name.
    """

    title: str
    config: str
    variables: Mapping[str, Variable]


def encode(content: Content) -> bytes:
    """The bytes of a file; the same content is the same bytes.

    Raises:
        TypeError, ValueError: something that a file cannot hold: an empty array, integers beyond 32 bits, complex
            numbers, a null character in a text.
    """
    from scipy.io import netcdf_file

    texts = [content.title, *(text for v in content.variables.values() for text in (v.units, v.description))]
    if any("\0" in text for text in texts):
        raise ValueError(f"a null character cannot be stored in title, units or description: {texts}")
    buffer = io.BytesIO()
    with netcdf_file(buffer, "w", version=2) as opened:
        file: Any = opened  # its attributes are the file's own
        file.title = content.title.encode()
        file.config = content.config.encode()
        file.format_version = FORMAT_VERSION
        file.written_by = VERSION.encode()
        file.format_seal = _seal(FORMAT_VERSION, VERSION).encode()
        file.sha256 = _digest(content, [FORMAT_VERSION, VERSION]).encode()
        for name, variable in content.variables.items():
            values, dims = _stored(variable)
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


def decode(data: bytes) -> Content:
    """What is in the bytes of a file.

    Raises:
        NewerFormatError: it is of a format that came after this version of the package.
        Exception: it is no such file, or is cut short or altered.
    """
    from scipy.io import netcdf_file

    if len(data) % 4:  # every part of a file is filled up to four bytes, the last one too
        raise ValueError(f"it is cut short, to {len(data)} bytes")
    with netcdf_file(io.BytesIO(data), "r") as opened:
        file: Any = opened
        written = _written(file)
        variables = {name: _variable(stored) for name, stored in file.variables.items()}
        content = Content(file.title.decode(), file.config.decode(), variables)
        if not hasattr(file, "sha256"):
            raise ValueError("it has no sha256")
        if file.sha256.decode() != _digest(content, written):
            raise ValueError("its content is not that of its sha256")
    return content


def _written(file: Any) -> list[Any]:
    """Version of the format, and of the package that wrote it; nothing in files from before there were any."""
    if not hasattr(file, "format_version"):
        return []
    version, package = int(file.format_version), file.written_by.decode()
    if getattr(file, "format_seal", b"").decode() != _seal(version, package):
        raise ValueError("its format is not that of its seal")
    if version > FORMAT_VERSION:
        raise NewerFormatError(
            f"was written by version {package} of data-pruning-theory in format {version} of result files; this is "
            f"version {VERSION}, which reads up to format {FORMAT_VERSION}: install a newer one to read it"
        )
    return [version, package]


def _seal(version: int, package: str) -> str:
    return hashlib.sha256(json.dumps([version, package]).encode()).hexdigest()[:16]


def _variable(stored: Any) -> Variable:
    kind = stored.dtype_of_values.decode()
    values = np.array(stored[...]) if stored.shape else np.array(stored.getValue())
    dims = stored.dimensions
    if kind == "U":
        values, dims = np.char.decode(values.view(f"S{values.shape[-1]}")[..., 0], "utf-8"), dims[:-1]
    else:
        values = values.astype({"b": np.bool_, "i": np.int64, "f": np.float64}[kind])
    return Variable(dims, values, stored.units.decode(), stored.long_name.decode())


def _digest(content: Content, written: list[Any]) -> str:
    """SHA-256 of everything, of the numbers as little-endian integers of 64 bits, doubles or bytes."""
    digest = hashlib.sha256(json.dumps([content.title, content.config, *written]).encode())
    for name, variable in sorted(content.variables.items()):
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


def _stored(variable: Variable) -> tuple[np.ndarray, tuple[str, ...]]:
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

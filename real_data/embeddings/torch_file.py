"""Tensors in a file of PyTorch, read without PyTorch and without running what it holds.

Since version 1.6 such a file is a zip archive of a pickle (a table of names and tensors) and a file of numbers per
store.  Before, it was five pickles (a magic number, the protocol, sizes of types, the table, names of the stores) and
then the numbers of each store.  The pickles are read by :mod:`real_data.embeddings.torch_pickle`, which calls nothing
that they name.
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import IO, Any

import numpy as np

from real_data.embeddings.torch_pickle import Store, Tensor, Unpickler, arrays_of, tables_in
from real_data.training.array_file import check_stored

__all__ = ["read_tensors"]

MAGIC, PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
TABLES = ("", "state_dict", "model", "model_state_dict", "net")
"""Where a file has its weights, the first first: at the top, or under a name beside what else was saved."""


def read_tensors(path: Path) -> dict[str, np.ndarray]:
    """The tensors of a file by name; of bfloat16 and float16 as float32, others of their type.

    The names may be at the top of the file or, as in many checkpoints, in a table ``state_dict``, ``model``,
    ``model_state_dict`` or ``net``.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is another kind of file, cut short, names anything but what tensors need, or has no table of
            tensors.
    """
    with path.open("rb") as file:
        try:
            zipped = file.read(2) == b"PK"
            file.seek(0)
            tensors = (_of_archive if zipped else _of_pickles)(file, path.stat().st_size)
        except Exception as error:  # a damaged pickle may raise anything
            raise ValueError(f"{path} is no file of tensors of PyTorch, or is damaged: {error}") from error
    return tensors


def _of_archive(file: IO[bytes], num_bytes: int) -> dict[str, np.ndarray]:
    with zipfile.ZipFile(file) as archive:
        check_stored(archive.infolist(), num_bytes)
        names = [name for name in archive.namelist() if name.endswith("/data.pkl") and name.count("/") == 1]
        if len(names) != 1:
            raise ValueError("it has no data.pkl, or several")
        folder = names[0].removesuffix("data.pkl")
        if f"{folder}byteorder" in archive.namelist() and archive.read(f"{folder}byteorder") != b"little":
            raise ValueError("its numbers begin with the high byte")
        with archive.open(names[0]) as pickled:
            tensors = _table(Unpickler(pickled).load())
        numbers = {}
        for store in {tensor.store.key: tensor.store for tensor in tensors.values()}.values():
            numbers[store.key] = _numbers(store, archive.read(f"{folder}data/{store.key}"))
        return arrays_of(tensors, numbers)


def _of_pickles(file: IO[bytes], num_bytes: int) -> dict[str, np.ndarray]:
    magic, protocol, machine = (Unpickler(file).load() for _ in range(3))
    if magic != MAGIC or protocol != PROTOCOL or not machine.get("little_endian"):
        raise ValueError("its first numbers are others")
    unpickler = Unpickler(file)
    tensors = _table(unpickler.load())
    numbers = {}
    for key in Unpickler(file).load():
        store = unpickler.stores[key]
        size = int.from_bytes(file.read(8), "little")
        if size * store.type.dtype.itemsize > num_bytes - file.tell():
            raise ValueError("it ends within its numbers")
        numbers[key] = _numbers(store, file.read(size * store.type.dtype.itemsize))
    return arrays_of(tensors, numbers)


def _numbers(store: Store, content: bytes) -> np.ndarray:
    if len(content) != store.size * store.type.dtype.itemsize:
        raise ValueError(f"the store {store.key} has {len(content)} bytes, not {store.size} numbers")
    return np.frombuffer(content, store.type.dtype)


def _table(value: Any) -> dict[str, Tensor]:
    """The table of weights in what was saved."""
    tables = dict(tables_in(value))
    for name in TABLES:
        if name in tables:
            return dict(tables[name])
    found = ", ".join(sorted(map(str, value))) if isinstance(value, dict) else type(value).__name__
    raise ValueError(f"it has no table of tensors at its top or under {', '.join(TABLES[1:])}, but {found[:200]}")

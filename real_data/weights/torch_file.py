"""Tensors in a file of PyTorch, read without PyTorch and without running what it holds.

Since version 1.6 such a file is a zip archive of a pickle (a table of names and tensors) and a file of numbers per
store.  Before, it was five pickles (a magic number, the protocol, sizes of types, the table, names of the stores) and
then the numbers of each store.  The pickles are read by :mod:`real_data.weights.torch_pickle`, which calls nothing
that they name.
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import IO, Any

import numpy as np

from real_data.training.array_file import check_stored
from real_data.weights.torch_pickle import Store, Tensor, Unpickler, arrays_of, table_of

__all__ = ["read_tensors", "tensors_and_notes"]

MAGIC, PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
TABLES = ("state_dict", "model", "model_state_dict", "net", "state_dict_ema", "model_ema")
"""Under which names a file has its weights beside what else was saved, the first first; else they are at its top."""


def read_tensors(path: Path) -> dict[str, np.ndarray]:
    """The tensors of a file by name; of bfloat16 and float16 as float32, others of their type.

    The names may be at the top of the file or, as in many checkpoints, in a table of one of the names :data:`TABLES`,
    beside a loss, a state of an optimiser and the like, which are left out.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is another kind of file, cut short, names anything but what tensors need, or has no table of
            tensors.
    """
    return tensors_and_notes(path)[0]


def tensors_and_notes(path: Path) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    """:func:`read_tensors`, and which other tables of tensors there are, such as weights averaged in training."""
    with path.open("rb") as file:
        try:
            zipped = file.read(2) == b"PK"
            file.seek(0)
            found = (_of_archive if zipped else _of_pickles)(file, path.stat().st_size)
        except Exception as error:  # a damaged pickle may raise anything
            raise ValueError(f"{path} is no file of tensors of PyTorch, or is damaged: {error}") from error
    return found


def _of_archive(file: IO[bytes], num_bytes: int) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    with zipfile.ZipFile(file) as archive:
        if any(name.endswith("/constants.pkl") for name in archive.namelist()):
            raise ValueError("it is a program of TorchScript: save model.state_dict() alone")
        check_stored(archive.infolist(), num_bytes)
        names = [name for name in archive.namelist() if name.endswith("/data.pkl") and name.count("/") == 1]
        if len(names) != 1:
            raise ValueError("it has no data.pkl, or several")
        folder = names[0].removesuffix("data.pkl")
        if f"{folder}byteorder" in archive.namelist() and archive.read(f"{folder}byteorder") != b"little":
            raise ValueError("its numbers begin with the high byte")
        with archive.open(names[0]) as pickled:
            tensors, notes = _table(Unpickler(pickled).load())
        numbers = {}
        for store in {tensor.store.key: tensor.store for tensor in tensors.values()}.values():
            numbers[store.key] = _numbers(store, archive.read(f"{folder}data/{store.key}"))
        return arrays_of(tensors, numbers), notes


def _of_pickles(file: IO[bytes], num_bytes: int) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    magic, protocol, machine = (Unpickler(file).load() for _ in range(3))
    if magic != MAGIC or protocol != PROTOCOL or not machine.get("little_endian"):
        raise ValueError("its first numbers are others")
    unpickler = Unpickler(file)
    tensors, notes = _table(unpickler.load())
    numbers = {}
    for key in Unpickler(file).load():
        store = unpickler.stores[key]
        size = int.from_bytes(file.read(8), "little")
        if size * store.type.dtype.itemsize > num_bytes - file.tell():
            raise ValueError("it ends within its numbers")
        numbers[key] = _numbers(store, file.read(size * store.type.dtype.itemsize))
    return arrays_of(tensors, numbers), notes


def _numbers(store: Store, content: bytes) -> np.ndarray:
    if len(content) != store.size * store.type.dtype.itemsize:
        raise ValueError(f"the store {store.key} has {len(content)} bytes, not {store.size} numbers")
    return np.frombuffer(content, store.type.dtype)


def _table(value: Any) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """The table of weights in what was saved, and what to tell of others there."""
    tables = {name: table_of(value.get(name)) for name in TABLES} if isinstance(value, dict) else {}
    found = {name: table for name, table in tables.items() if table is not None}
    if found:
        first, *others = found
        notes = (f"of the tables of weights there are, {', '.join(found)}, read: {first}",) if others else ()
        return found[first], notes
    at_top = table_of(value)
    if at_top is not None:
        return at_top, ()
    there = ", ".join(sorted(map(str, value))) if isinstance(value, dict) else type(value).__name__
    raise ValueError(f"it has no table of tensors at its top or under {', '.join(TABLES)}, but {there[:200]}")

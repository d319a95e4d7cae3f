"""Tensors in a file that PyTorch wrote before version 1.6, read without PyTorch and without running what it holds.

Such a file is five pickles (a magic number, the protocol, sizes of types, a table of names and tensors, names of the
stores of numbers) and then the numbers of each store.  Unpickling may call any function that a file names; here it may
name four, and any other name is refused.
"""

from __future__ import annotations

import pickle
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

__all__ = ["read_tensors"]

MAGIC, PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
TYPES = {"FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8")}


@dataclass(frozen=True)
class _Store:
    key: str
    dtype: np.dtype
    size: int


@dataclass(frozen=True)
class _Tensor:
    store: _Store
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def of(self, numbers: np.ndarray) -> np.ndarray:
        """The tensor as an array of its own: where its strides say, not in the order of the store."""
        places = (self.offset, *self.shape, *self.strides)
        if not all(isinstance(n, int) and n >= 0 for n in places) or len(self.shape) != len(self.strides):
            raise ValueError(f"a tensor of shape {self.shape} and strides {self.strides} is impossible")
        empty = 0 in self.shape
        last = self.offset + sum((n - 1) * step for n, step in zip(self.shape, self.strides, strict=True))
        if not empty and last >= numbers.size:
            raise ValueError(f"a tensor reaches to number {last} of a store of {numbers.size}")
        strides = tuple(step * numbers.itemsize for step in self.strides)
        return np.array(np.lib.stride_tricks.as_strided(numbers[self.offset :], self.shape, strides, writeable=False))


def _rebuilt(store: Any, offset: Any, shape: Any, strides: Any, *_: Any) -> _Tensor:
    if not isinstance(store, _Store) or not isinstance(shape, tuple) or not isinstance(strides, tuple):
        raise pickle.UnpicklingError("a tensor is not made as PyTorch makes them")
    return _Tensor(store, offset, shape, strides)


class _Unpickler(pickle.Unpickler):
    """Knows an ordered dictionary, the making of a tensor and the types of its numbers, and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _rebuilt
        if module == "torch" and name in TYPES:
            return TYPES[name]
        raise pickle.UnpicklingError(f"it names {module}.{name}, which a file of weights has no need of")

    def persistent_load(self, pid: Any) -> _Store:
        match pid:
            case ("storage", np.dtype() as dtype, str(key), _, int(size), None):
                return _Store(key, dtype, size)
        raise pickle.UnpicklingError("a store of numbers is not described as PyTorch describes them")


def read_tensors(path: Path) -> dict[str, np.ndarray]:
    """The tensors of a file by name, float32 or int64.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is another kind of file, cut short, or names anything but the four things that it needs.
    """
    with path.open("rb") as file:
        try:
            return _tensors(file, path.stat().st_size)
        except Exception as error:  # a damaged pickle may raise anything
            raise ValueError(f"{path} is no file of tensors of PyTorch before 1.6, or is damaged: {error}") from error


def _tensors(file: IO[bytes], num_bytes: int) -> dict[str, np.ndarray]:
    magic, protocol, machine, table, keys = (_Unpickler(file).load() for _ in range(5))
    if magic != MAGIC or protocol != PROTOCOL or not machine.get("little_endian"):
        raise ValueError("its first numbers are others")
    tensors = {str(name): tensor for name, tensor in table.items() if isinstance(tensor, _Tensor)}
    dtypes = {tensor.store.key: tensor.store.dtype for tensor in tensors.values()}
    numbers = {}
    for key in keys:
        size = int.from_bytes(file.read(8), "little")
        dtype = dtypes[key]
        if size * dtype.itemsize > num_bytes - file.tell():
            raise ValueError("it ends within its numbers")
        numbers[key] = np.frombuffer(file.read(size * dtype.itemsize), dtype)
    return {name: tensor.of(numbers[tensor.store.key]) for name, tensor in tensors.items()}

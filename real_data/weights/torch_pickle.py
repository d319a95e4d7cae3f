"""The pickle in a file of PyTorch, read without PyTorch: a table of names and tensors, and nothing that is run.

Unpickling may call any function that a file names.  Here it may name an ordered dictionary, the making of a tensor or
a parameter, and types of numbers; any other name is refused, and what stands for these names is our own: nothing that a
file names is ever called.
"""

from __future__ import annotations

import math
import pickle
import pickletools
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO, Any

import numpy as np

__all__ = ["Store", "Tensor", "Unpickler", "arrays_of", "float32_of", "table_of"]

BFLOAT16 = "BFloat16Storage"
TYPES: dict[str, np.dtype] = {
    "DoubleStorage": np.dtype("<f8"),
    "FloatStorage": np.dtype("<f4"),
    "HalfStorage": np.dtype("<f2"),
    BFLOAT16: np.dtype("<u2"),  # the upper half of a float32: NumPy has no such type
    "LongStorage": np.dtype("<i8"),
    "IntStorage": np.dtype("<i4"),
    "ShortStorage": np.dtype("<i2"),
    "CharStorage": np.dtype("i1"),
    "ByteStorage": np.dtype("u1"),
    "BoolStorage": np.dtype("?"),
}
MOST_SHARED = 2
"""Tensors may share a store, as tied weights do; together they have at most so many times the numbers of the file."""


@dataclass(frozen=True)
class StoreType:
    """Type of the numbers of a store, by its name in PyTorch; calling it is refused."""

    name: str

    @property
    def dtype(self) -> np.dtype:
        """How the numbers lie in the file."""
        return TYPES[self.name]


@dataclass(frozen=True)
class Store:
    """Numbers of one type, one after another."""

    key: str
    type: StoreType
    size: int


@dataclass(frozen=True)
class Tensor:
    """A part of a store, in units of numbers, none of them below 0; as many strides as axes."""

    store: Store
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def of(self, numbers: np.ndarray) -> np.ndarray:
        """The tensor as an array of its own: where its strides say, not in the order of the store."""
        empty = 0 in self.shape
        last = self.offset + sum((n - 1) * step for n, step in zip(self.shape, self.strides, strict=True))
        if not empty and last >= numbers.size:
            raise ValueError(f"a tensor reaches to number {last} of a store of {numbers.size}")
        strides = tuple(step * numbers.itemsize for step in self.strides)
        part = np.lib.stride_tricks.as_strided(numbers[self.offset :], self.shape, strides, writeable=False)
        return float32_of(np.array(part, order="C"), bfloat16=self.store.type.name == BFLOAT16)


def float32_of(array: np.ndarray, *, bfloat16: bool) -> np.ndarray:
    """The array; numbers of two bytes with a fraction as float32, which holds them exactly.

    Args:
        array: numbers; bfloat16 ones as uint16.
        bfloat16: whether they are such.
    """
    if bfloat16:
        return (array.astype(np.uint32) << 16).view(np.float32)
    half = array.dtype.kind == "f" and array.dtype.itemsize == 2
    return array.astype(np.float32) if half else array


def arrays_of(tensors: Mapping[str, Tensor], numbers: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The tensors by name, from the numbers of each store by its key."""
    wanted = sum(math.prod(tensor.shape) for tensor in tensors.values())
    there = sum(array.size for array in numbers.values())
    if wanted > MOST_SHARED * there:  # strides of 0 make gigabytes of one number
        raise ValueError(f"its tensors have {wanted} numbers, the file {there}")
    return {name: tensor.of(numbers[tensor.store.key]) for name, tensor in tensors.items()}


def _tensor(store: Any, offset: Any, shape: Any, strides: Any, *rest: Any) -> Tensor:
    tuples = isinstance(shape, tuple) and isinstance(strides, tuple) and len(shape) == len(strides)
    # asked here: what else a file puts in their place is neither multiplied nor shown, which may take all memory
    if (
        not isinstance(store, Store)
        or not tuples
        or any(type(n) is not int or n < 0 for n in (offset, *shape, *strides))
    ):
        raise pickle.UnpicklingError("a tensor is impossible, not made as PyTorch makes them")
    if len(rest) > 2 and rest[2]:  # after requires_grad and hooks: how it differs from the numbers of its store
        raise pickle.UnpicklingError(
            "a tensor is a negative or conjugate view: save it after resolve_neg().resolve_conj()"
        )
    return Tensor(store, offset, shape, strides)


def _parameter(tensor: Any, *_: Any) -> Tensor:
    if not isinstance(tensor, Tensor):
        raise pickle.UnpicklingError("a parameter is not made as PyTorch makes them")
    return tensor


class Unpickler(pickle.Unpickler):
    """Knows ordered dictionaries, the making of tensors and the types of their numbers, and nothing else.

    Attributes:
        stores: what it met, by key.
    """

    def __init__(self, file: IO[bytes]):
        _check_places(file)
        super().__init__(file)
        self.stores: dict[str, Store] = {}

    def find_class(self, module: str, name: str) -> Any:
        """What stands for a name, or an error."""
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        # functions of this one file: a pickle may set attributes of what it names
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return lambda *parts: _tensor(*parts)
        if (module, name) == ("torch._utils", "_rebuild_parameter"):
            return lambda *parts: _parameter(*parts)
        if module == "torch" and name in TYPES:
            return StoreType(name)
        raise pickle.UnpicklingError(
            f"it names {module}.{name}, which a file of weights has no need of: save model.state_dict() alone, or the "
            "table of it that is in the file"
        )

    def persistent_load(self, pid: Any) -> Store:
        """The store of numbers that a tuple describes; the last entry is missing since PyTorch 1.6."""
        match pid:
            case ("storage", StoreType() as kind, str(key), _, int(size)) | (
                "storage",
                StoreType() as kind,
                str(key),
                _,
                int(size),
                None,
            ):
                store = Store(key, kind, size)
                if self.stores.setdefault(key, store) != store or size < 0:
                    raise pickle.UnpicklingError(f"the store {key} is described in two ways")
                return store
        raise pickle.UnpicklingError("a store of numbers is not described as PyTorch describes them")


def _check_places(file: IO[bytes]) -> None:
    """Raise if the next pickle in a file remembers something at a place that would take gigabytes of memory to reach.

    Places are numbered one after another, so that none is beyond the bytes read until then.
    """
    start = file.tell()
    for code, argument, place in pickletools.genops(file):
        if code.name in ("PUT", "BINPUT", "LONG_BINPUT") and int(argument or 0) > (place or 0) - start:
            raise pickle.UnpicklingError(f"it remembers something at place {argument}, beyond its {place} bytes")
    file.seek(start)


def table_of(value: Any) -> dict[str, Tensor] | None:
    """The table of tensors that an unpickled value is, without entries that have no tensors; None where it has none.

    Raises:
        ValueError: tensors lie deeper in it, or a name is no text.
    """
    if not isinstance(value, Mapping) or not any(isinstance(entry, Tensor) for entry in value.values()):
        return None
    wrong = [str(name) for name, entry in value.items() if not isinstance(entry, Tensor) and _has_tensors(entry)]
    if wrong:
        raise ValueError(f"beside tensors it has tables or lists of tensors, {', '.join(wrong)[:200]}")
    found = {name: entry for name, entry in value.items() if isinstance(entry, Tensor)}
    if not all(isinstance(name, str) for name in found):
        raise ValueError("names of tensors are no text")
    return found


def _has_tensors(value: Any) -> bool:
    """Whether a value is a tensor or, at any depth, has one; a value may have itself, as pickles allow."""
    seen: set[int] = set()
    left = [value]
    while left:
        value = left.pop()
        if isinstance(value, Tensor):
            return True
        if isinstance(value, (Mapping, list, tuple, set, frozenset)) and id(value) not in seen:
            seen.add(id(value))
            left += value.values() if isinstance(value, Mapping) else value
    return False

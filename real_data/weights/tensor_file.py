"""Tensors by name in files of the formats in use, as they lie there; what the file is, is told from its content."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from data_pruning.records.atomic_file import write_atomically
from real_data.training.array_file import read_arrays, write_arrays
from real_data.weights.listing import listed
from real_data.weights.torch_file import tensors_and_notes
from real_data.weights.torch_pickle import float32_of

__all__ = ["FORMATS", "TensorFile", "is_of_training", "read_tensor_file", "write_tensor_file"]

FORMATS = (".safetensors", ".npz")
"""Suffixes of the files that are written."""
_TYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2"} | {
    f"{kind}{8 * size}": f"<{kind.lower()}{size}" for kind in "IU" for size in (1, 2, 4, 8)
}


class TensorFile(NamedTuple):
    """What is in a file.

    Attributes:
        tensors: by name; numbers of two bytes with a fraction as float32, others of their type.
        description: what :func:`real_data.weights.write` said of them; None where there is none, or another's.
        notes: what was left out in reading.
    """

    tensors: dict[str, np.ndarray]
    description: dict[str, Any] | None = None
    notes: tuple[str, ...] = ()


def is_of_training(path: Path) -> bool:
    """Whether a file has the members of those that :func:`real_data.training.weights_file.save_weights` writes."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return {"seeds.npy", "sha256.npy"} <= set(archive.namelist())


def read_tensor_file(path: Path) -> TensorFile:
    """Tensors of a safetensors file, a ``.npz`` file or a file of PyTorch.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is of another kind, damaged or compressed, or would run code if it were allowed to.
    """
    with path.open("rb") as file:
        head = file.read(9)
    if head[8:] == b"{":
        return _read_safetensors(path)
    if head.startswith(b"PK"):
        try:
            with zipfile.ZipFile(path) as archive:
                of_numpy = any(name.endswith(".npy") for name in archive.namelist())
        except zipfile.BadZipFile as error:
            raise ValueError(f"{path} is a damaged archive: {error}") from error
        return _read_npz(path) if of_numpy else _read_torch(path)
    if head.startswith(b"\x80"):
        return _read_torch(path)
    raise ValueError(f"{path} is no file of weights: neither safetensors nor npz nor of PyTorch")


def write_tensor_file(path: Path, tensors: Mapping[str, np.ndarray], description: Mapping[str, Any] | None) -> None:
    """Write tensors; the file is there whole or not at all, in place of one that was there.

    Args:
        path: the file, with one of the suffixes :data:`FORMATS`.
        tensors: the tensors.
        description: a JSON value that is kept beside them, as metadata or as the array ``description``.
    """
    text = None if description is None else json.dumps(description)
    if path.suffix == ".npz":
        write_arrays(path, {**({} if text is None else {"description": np.array(text)}), **tensors})
        return
    from safetensors.numpy import save

    contiguous = {name: np.asarray(array, order="C") for name, array in tensors.items()}
    write_atomically(path, save(contiguous, metadata=None if text is None else {"description": text}))


def _read_torch(path: Path) -> TensorFile:
    tensors, notes = tensors_and_notes(path)
    return TensorFile(tensors, None, notes)


def _read_npz(path: Path) -> TensorFile:
    try:
        arrays = read_arrays(path)
    except ValueError as error:
        raise ValueError(f"{path} is no npz file of arrays, or is damaged: {error}") from error
    described = "description" in arrays and arrays["description"].dtype.kind == "U"
    description = _ours(str(arrays.pop("description"))) if described else None
    return TensorFile({name: float32_of(array, bfloat16=False) for name, array in arrays.items()}, description)


def _read_safetensors(path: Path) -> TensorFile:
    from safetensors import SafetensorError, deserialize

    content = path.read_bytes()
    try:
        found = sorted(deserialize(content), key=lambda pair: pair[0])  # in another order each time
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    except (SafetensorError, ValueError) as error:
        raise ValueError(f"{path} is no safetensors file, or is damaged: {error}") from error
    del content
    wrong = [f"{name} is of type {tensor['dtype']}" for name, tensor in found if tensor["dtype"] not in _TYPES]
    if wrong:
        raise ValueError(f"{path} has numbers of types that are none of {', '.join(_TYPES)}: {listed(wrong)}")
    arrays = {}
    for name, tensor in found:
        numbers = np.frombuffer(tensor["data"], _TYPES[tensor["dtype"]]).reshape(tensor["shape"])
        arrays[name] = float32_of(numbers, bfloat16=tensor["dtype"] == "BF16")
    return TensorFile(arrays, _ours((header.get("__metadata__") or {}).get("description")))


def _ours(text: str | None) -> dict[str, Any] | None:
    """The description that we wrote; others have texts of this name, too."""
    try:
        value = None if text is None else json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) and "weights_sha256" in value else None

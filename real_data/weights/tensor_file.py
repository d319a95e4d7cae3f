"""Tensors by name in files of the formats in use, as they lie there; what the file is, is told from its content."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from data_pruning.records.atomic_file import write_atomically
from real_data.embeddings.torch_file import read_tensors
from real_data.embeddings.torch_pickle import float32_of
from real_data.training.array_file import read_arrays, write_arrays

__all__ = ["FORMATS", "read_tensor_file", "write_tensor_file"]

FORMATS = (".safetensors", ".npz")
"""Suffixes of the files that are written."""
_TYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2"} | {
    f"{kind}{8 * size}": f"<{kind.lower()}{size}" for kind in "IU" for size in (1, 2, 4, 8)
}


def read_tensor_file(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any] | None]:
    """Tensors of a safetensors file, a ``.npz`` file or a file of PyTorch, and our description where there is one.

    Numbers of two bytes with a fraction come as float32, others as they are.

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
        return _read_npz(path) if of_numpy else (read_tensors(path), None)
    if head.startswith(b"\x80"):
        return read_tensors(path), None
    raise ValueError(f"{path} is no file of weights: neither safetensors nor npz nor of PyTorch")


def write_tensor_file(path: Path, tensors: Mapping[str, np.ndarray], description: Mapping[str, Any] | None) -> None:
    """Write tensors; the file is there whole or not at all.

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

    contiguous = {name: np.ascontiguousarray(array) for name, array in tensors.items()}
    write_atomically(path, save(contiguous, metadata=None if text is None else {"description": text}))


def _read_npz(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any] | None]:
    try:
        arrays = read_arrays(path)
        text = arrays.pop("description", None)
        description = None if text is None else json.loads(str(text))
    except ValueError as error:
        raise ValueError(f"{path} is no npz file of arrays, or is damaged: {error}") from error
    return {name: float32_of(array, bfloat16=False) for name, array in arrays.items()}, description


def _read_safetensors(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any] | None]:
    from safetensors import SafetensorError, deserialize

    content = path.read_bytes()
    try:
        found = deserialize(content)
        header = json.load(io.BytesIO(content[8 : 8 + int.from_bytes(content[:8], "little")]))
        text = header.get("__metadata__", {}).get("description")
        description = json.loads(text) if text is not None and text.startswith("{") else None
    except (SafetensorError, ValueError) as error:
        raise ValueError(f"{path} is no safetensors file, or is damaged: {error}") from error
    arrays = {}
    for name, tensor in found:
        if tensor["dtype"] not in _TYPES:
            raise ValueError(f"{path}: {name} has numbers of the type {tensor['dtype']}, none of {', '.join(_TYPES)}")
        numbers = np.frombuffer(tensor["data"], _TYPES[tensor["dtype"]]).reshape(tensor["shape"])
        arrays[name] = float32_of(numbers, bfloat16=tensor["dtype"] == "BF16")
    return arrays, description

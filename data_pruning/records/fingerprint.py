"""Digests that tell whether arrays are still the same."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

__all__ = ["sha256_of"]


def sha256_of(*arrays: Any) -> str:
    """SHA-256 of the types, shapes and bytes of arrays, in hexadecimal.

    Args:
        arrays: anything that NumPy takes for an array; or :class:`real_data.datasets.ImageFiles`, of which the names
            and sizes of the files are digested.
    """
    digest = hashlib.sha256()
    for array in arrays:
        if hasattr(array, "update"):
            array.update(digest)
            continue
        values = np.asarray(array)
        # little-endian whatever the machine, so that the digest names the data and nothing else
        little = np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("<"))
        digest.update(f"{little.dtype.str}{values.shape}".encode())
        digest.update(little.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()

"""MATLAB's .mat files of version 5, of which it is known beforehand how much they hold."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

from real_data.datasets.bounded_stream import MOST

__all__ = ["read_mat"]

HEADER_BYTES = 128
TAG = {b"IM": "<II", b"MI": ">II"}  # byte order, by the last two bytes of the header
COMPRESSED = 15  # type of an element that is another one, compressed by zlib


def read_mat(content: bytes, name: str, expected: int, **options: Any) -> dict[str, Any]:
    """The variables of a .mat file.

    Args:
        content: bytes of the file.
        name: what errors call it.
        expected: bytes that the variables should have.
        options: as of ``scipy.io.loadmat``.

    Raises:
        ValueError: the file is truncated, altered or of another format, or unpacks to more than ``MOST`` times what is
            expected.
    """
    from scipy.io import loadmat

    order = TAG.get(content[HEADER_BYTES - 2 : HEADER_BYTES])
    if order is not None:
        content = _unpacked(content, order, name, expected)
    # scipy raises many kinds of error on bytes that are no .mat file
    try:
        return dict(loadmat(io.BytesIO(content), **options))
    except MemoryError:
        raise
    except Exception as error:
        raise ValueError(f"{name}: truncated, altered or no .mat file of version 5: {error}") from error


def _unpacked(content: bytes, order: str, name: str, expected: int) -> bytes:
    """The same file without compressed elements."""
    pieces, left, at = [content[:HEADER_BYTES]], int(MOST * expected), HEADER_BYTES
    while at + 8 <= len(content):
        kind, size = struct.unpack_from(order, content, at)
        element = content[at + 8 : at + 8 + size]
        if kind != COMPRESSED:
            element = content[at : at + 8 + size]
        else:
            unpacking = zlib.decompressobj()
            try:
                element = unpacking.decompress(element, left + 1)
            except zlib.error as error:
                raise ValueError(f"{name}: truncated, altered or no .mat file of version 5: {error}") from error
            if not unpacking.eof and len(element) <= left:
                raise ValueError(f"{name}: truncated, altered or no .mat file of version 5: an element ends early")
        left -= len(element)
        if left < 0:
            raise ValueError(f"{name} unpacks to more than {MOST} times the {expected:,} bytes that it should have")
        pieces.append(element)
        at += 8 + size
    return b"".join(pieces)

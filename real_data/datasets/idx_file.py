"""IDX files, the format of MNIST and its relatives: a header with the shape, then the bytes."""

from __future__ import annotations

import gzip
import io
import math
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

__all__ = ["read_idx"]


def read_idx(path: Path, *, num_axes: int, most_bytes: int = 2**30) -> NDArray[np.uint8]:
    """Read an IDX file of unsigned bytes, compressed with gzip or not.

    Args:
        path: the file; compressed if it begins like a gzip file.
        num_axes: number of axes that the array must have: 1 for labels, 3 for gray images.
        most_bytes: size of the array above which the file is refused, before it is unpacked.

    Returns:
        The array, of the shape that the header gives.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is not one of this kind, or is truncated, altered or too long; the message names the file
            and the place.

    Source: Y. LeCun, "The MNIST database of handwritten digits", section "File formats".
    """
    with path.open("rb") as raw:
        compressed = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        with gzip.GzipFile(fileobj=raw) if compressed else raw as file:
            try:
                magic, header = file.read(4), file.read(4 * num_axes)
                if magic != bytes([0, 0, 8, num_axes]):
                    raise ValueError(
                        f"{path}: bad magic number {magic.hex() or 'nothing'} at offset 0, expected "
                        f"000008{num_axes:02x} of an IDX file of unsigned bytes with {num_axes} axes"
                    )
                if len(header) != 4 * num_axes:
                    raise ValueError(
                        f"{path}: the header ends at offset {4 + len(header)}, expected {4 + 4 * num_axes} bytes"
                    )
                shape = tuple(int(n) for n in np.frombuffer(header, ">u4"))
                expected = math.prod(shape)
                if expected > most_bytes:
                    raise ValueError(
                        f"{path}: the header at offset 4 gives {' x '.join(map(str, shape))} = {expected:,} bytes, at "
                        f"most {most_bytes:,} are expected"
                    )
                # one byte more than expected: reads to the end of the file, where gzip compares its checksum
                content = _read(file, expected + 1)
            except (gzip.BadGzipFile, EOFError, zlib.error) as error:
                raise ValueError(f"{path}: the gzip file is truncated or altered: {error}") from error
    if len(content) != expected:
        got = f"{len(content)}" if len(content) < expected else "more"
        raise ValueError(
            f"{path}: the header at offset 4 gives {' x '.join(map(str, shape))} = {expected} bytes, got {got} from "
            f"offset {4 + len(header)} on"
        )
    return np.frombuffer(content, np.uint8).reshape(shape)


def _read(file: io.BufferedIOBase, most: int) -> bytes:
    # piece by piece, so that a header with absurd sizes does not make room for them
    pieces, missing = [], most
    while missing and (piece := file.read(min(missing, 1 << 24))):
        pieces.append(piece)
        missing -= len(piece)
    return b"".join(pieces)

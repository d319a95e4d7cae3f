"""Arrays by name in NumPy's ``.npz``: nothing pickled, nothing compressed, named by a digest."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from data_pruning.records.atomic_file import write_atomically

__all__ = ["check_stored", "digest_of_arrays", "read_arrays", "write_arrays"]


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays; the file is there whole or not at all."""
    content = io.BytesIO()
    np.savez(content, allow_pickle=False, **arrays)
    write_atomically(path, content.getbuffer())


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a file that NumPy's ``savez`` wrote.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is another kind of file, damaged, compressed, has a name twice, or objects, which would be run.
    """
    # opened here: NumPy leaves a file that is cut short open
    with path.open("rb") as opened:
        try:
            with np.load(opened, allow_pickle=False) as file:
                check_stored(file.zip.infolist(), path.stat().st_size)
                arrays = {name: file[name] for name in file.files}
                strange = [name for name, array in arrays.items() if not isinstance(array, np.ndarray)]
                if strange:
                    raise ValueError(f"{strange[0]} is no array")
                if len(arrays) < len(file.files):  # a.npy and a are one name
                    raise ValueError("a name is in it twice")
                return arrays
        except Exception as error:  # a damaged file may raise anything
            raise ValueError(str(error)) from error


def check_stored(members: Sequence[zipfile.ZipInfo], num_bytes: int) -> None:
    """Raise if members of an archive are compressed, overlap or have one name: it could unpack to anything.

    Args:
        members: what is in the archive.
        num_bytes: of the archive.
    """
    for member in members:
        if member.compress_type != zipfile.ZIP_STORED or member.file_size > member.compress_size:
            raise ValueError(
                f"{member.filename} is compressed, as no file of this package is: save it again without compression"
            )
    names = [member.filename for member in members]
    if len(set(names)) < len(names):
        raise ValueError(f"{next(name for name in names if names.count(name) > 1)} is in it twice")
    if sum(member.file_size for member in members) > num_bytes:
        raise ValueError("its members have more bytes than the file")


def digest_of_arrays(arrays: Mapping[str, np.ndarray]) -> str:
    """Digest of the names, types, shapes and bytes of arrays, 64 hexadecimal digits."""
    digest = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()

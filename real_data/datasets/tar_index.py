"""Where the files in a tar archive begin, so that they can be read in place; nothing is ever unpacked."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple

from data_pruning.records.atomic_file import write_atomically

__all__ = ["Member", "members_of", "nested_members_of"]

MANY = 100_000
"""Indices of archives with at least so many files are kept."""


class Member(NamedTuple):
    """A file in an archive: its name, where its bytes begin in the archive, and how many they are."""

    name: str
    offset: int
    num_bytes: int


def members_of(path: Path) -> list[Member]:
    """Files in an uncompressed tar archive, in the order of the archive.

    Args:
        path: the archive.

    Raises:
        ValueError: the archive is truncated, altered or not one of this kind, or has a member that is no plain file
            within it: a link, a device, an absolute name or one with ``..``.
    """
    with path.open("rb") as file:
        return list(_members(file, str(path)))


def nested_members_of(path: Path, *, kept_in: Path) -> dict[str, list[Member]]:
    """Files in the tar archives that an uncompressed tar archive consists of.

    Going through the headers of ImageNet takes a minute or more, so the index of an archive with many files is kept,
    and used again as long as the size and the time of the archive stay the same.

    Args:
        path: the outer archive.
        kept_in: folder for such indices; made if there is none.  If it cannot be written to, nothing is kept.

    Returns:
        For every inner archive ``NAME.tar`` the files in it, under ``NAME``; offsets count from the beginning of the
        outer archive.

    Raises:
        ValueError: as for :func:`members_of`, or a member is not called ``NAME.tar``.
    """
    about = path.stat()
    key = hashlib.sha256(f"{path.resolve()}\0{about.st_size}\0{about.st_mtime_ns}".encode()).hexdigest()
    kept = kept_in / f"{key[:32]}.json"
    # there is none, or none that can be believed
    with suppress(OSError, ValueError, TypeError, KeyError, AttributeError):
        return _read_index(kept.read_bytes(), about.st_size)
    found = _nested_members(path)
    if sum(map(len, found.values())) >= MANY:
        with suppress(OSError):
            members = json.dumps(found)
            index = {"sha256": hashlib.sha256(members.encode()).hexdigest(), "members": found}
            write_atomically(kept, json.dumps(index).encode())
    return found


def _read_index(content: bytes, num_bytes: int) -> dict[str, list[Member]]:
    """The members in an index that was kept, of an archive of ``num_bytes``; an error where it is altered."""
    index = json.loads(content)
    if hashlib.sha256(json.dumps(index["members"]).encode()).hexdigest() != index["sha256"]:
        raise ValueError("altered")
    found = {name: [Member(*m) for m in each] for name, each in index["members"].items()}
    if any(not 0 <= m.offset <= m.offset + m.num_bytes <= num_bytes for each in found.values() for m in each):
        raise ValueError("members outside the archive")
    return found


def _nested_members(path: Path) -> dict[str, list[Member]]:
    found = {}
    with path.open("rb") as file:
        for inner in list(_members(file, str(path))):
            name = PurePosixPath(inner.name)
            if name.suffix != ".tar" or name.stem in found:
                raise ValueError(f"{path}: members must be archives, each once, got {inner.name!r}")
            part = _Part(file, inner.offset, inner.num_bytes)
            found[name.stem] = [
                member._replace(offset=inner.offset + member.offset)
                for member in _members(part, f"{inner.name} in {path}")
            ]
    return found


def _members(file: IO[bytes] | _Part, where: str) -> Iterator[Member]:
    names = set()
    try:
        with tarfile.open(fileobj=file, mode="r:") as archive:
            while (member := archive.next()) is not None:
                archive.members.clear()  # type: ignore[attr-defined]  # a million would take gigabytes
                if member.isdir():
                    continue
                path = PurePosixPath(member.name)
                if not member.isreg() or member.issparse():
                    raise ValueError(f"{where}: member {member.name!r} at offset {member.offset} is a link or device")
                if path.is_absolute() or ".." in path.parts:
                    raise ValueError(
                        f"{where}: member {member.name!r} at offset {member.offset} lies outside the archive"
                    )
                if member.name in names:
                    raise ValueError(f"{where}: member {member.name!r} at offset {member.offset} occurs a second time")
                names.add(member.name)
                yield Member(str(path), member.offset_data, member.size)
            # tarfile takes a damaged header, or the end of the file between two members, for the end of the archive
            end = archive.offset
            file.seek(end)
            if file.read(512) != bytes(512):
                raise ValueError(
                    f"{where}: truncated or altered at offset {end}, where a member or the end mark should be"
                )
    except tarfile.TarError as error:
        raise ValueError(f"{where}: truncated, altered or no uncompressed tar archive: {error}") from error


class _Part(io.RawIOBase):
    """Part of a file, as a file."""

    def __init__(self, file: IO[bytes], offset: int, num_bytes: int) -> None:
        self._file, self._offset, self._num_bytes, self._at = file, offset, num_bytes, 0

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = offset + (0, self._at, self._num_bytes)[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def read(self, size: int | None = -1) -> bytes:
        left = max(0, self._num_bytes - self._at)
        self._file.seek(self._offset + self._at)
        content = self._file.read(left if size is None or size < 0 else min(size, left))
        self._at += len(content)
        return content

"""Where the files in a tar archive begin, so that they can be read in place; nothing is ever unpacked."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple

__all__ = ["Member", "members_of", "nested_members_of"]


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


def nested_members_of(path: Path) -> dict[str, list[Member]]:
    """Files in the tar archives that an uncompressed tar archive consists of.

    Args:
        path: the outer archive.

    Returns:
        For every inner archive ``NAME.tar`` the files in it, under ``NAME``; offsets count from the beginning of the
        outer archive.

    Raises:
        ValueError: as for :func:`members_of`, or a member is not called ``NAME.tar``.
    """
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

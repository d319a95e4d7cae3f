"""Files that are there whole or not at all, whenever the process is killed: ``write_atomically``."""

from __future__ import annotations

import errno
import os
import uuid
from pathlib import Path

__all__ = ["write_atomically"]


def write_atomically(path: Path, content: bytes | memoryview) -> None:
    """Put ``content`` under ``path``, whole or not at all, and wait until it is on the disk."""
    folder = path.parent
    made = [each for each in (folder, *folder.parents) if not each.exists()]
    partial = folder / f".{path.name}.{uuid.uuid4().hex}.partial"
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    for each in (folder, *(child.parent for child in made)):
        _sync_folder(each)


def _sync_folder(folder: Path) -> None:
    """Wait until the names in ``folder`` are on the disk."""
    if not hasattr(os, "O_DIRECTORY"):  # a system whose folders cannot be opened
        return
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(opened)
    except OSError as error:
        if error.errno != errno.EINVAL:  # a file system that has no such wait for folders
            raise
    finally:
        os.close(opened)

"""Locks that end with their process: two do not do the same work, and a killed one leaves nothing locked."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

__all__ = ["locked"]


@contextmanager
def locked(path: Path, *, wait: bool = True, remove: bool = False) -> Iterator[None]:
    """Hold the lock of a file for the duration of a ``with`` block; two threads of a process exclude each other too.

    Args:
        path: the file, made if missing.
        wait: whether to wait until nobody else holds it.
        remove: whether to remove the file at the end.  Of all that use one file, some may and others not.

    Raises:
        BlockingIOError: it is held elsewhere, and ``wait`` is False.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    file = _open_and_lock(path, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    try:
        yield
    finally:
        if remove:
            path.unlink(missing_ok=True)
        fcntl.flock(file, fcntl.LOCK_UN)  # also for processes forked meanwhile, which have the file open
        file.close()


def _open_and_lock(path: Path, how: int) -> TextIO:
    while True:
        file = path.open("a")
        try:
            fcntl.flock(file, how)
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                return file
        except FileNotFoundError:
            pass
        except BaseException:
            file.close()
            raise
        file.close()  # the holder before removed it: a lock on it would keep nobody out

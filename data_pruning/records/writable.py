"""Whether results can be written where they are wanted, asked before the work and not after it."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["check_file", "check_folder"]


def check_folder(name: str, folder: str | os.PathLike[str]) -> None:
    """Make sure that files can be written into a folder, which may not exist yet; nothing is made.

    Args:
        name: the argument that gives the folder, for the message.
        folder: the folder.

    Raises:
        ValueError: the name is empty.
        NotADirectoryError: it, or a folder that it would lie in, is a file.
        PermissionError: it, or the folder that it would be made in, cannot be written to.
    """
    if not os.fspath(folder):
        raise ValueError(f"{name} must be the name of a folder, got an empty one; the current folder is '.'")
    path = Path(folder)
    there = next(each for each in (path, *path.absolute().parents) if os.path.lexists(each))
    if not there.is_dir():
        raise NotADirectoryError(f"{name} must be a folder, but {there} is none")
    if not os.access(there, os.W_OK | os.X_OK):
        raise PermissionError(f"{name}: there is no permission to write into {there}")


def check_file(name: str, path: str | os.PathLike[str], suffix: str | None = None) -> None:
    """Make sure that a file can be written; see :func:`check_folder`.

    Args:
        name: the argument that gives the file, for the message.
        path: the file; one that is there will be replaced.
        suffix: how its name must end, for example ``.nc``; None is anyhow.

    Raises:
        ValueError: the name is empty or ends otherwise.
        IsADirectoryError: it is a folder.
        NotADirectoryError, PermissionError: see :func:`check_folder`.
    """
    if not os.fspath(path):
        raise ValueError(f"{name} must be the name of a file, got an empty one")
    if suffix is not None and Path(path).suffix != suffix:
        raise ValueError(f"{name} must end in {suffix}, got {os.fspath(path)!r}")
    if Path(path).is_dir():
        raise IsADirectoryError(f"{name} must be a file, but {os.fspath(path)} is a folder")
    check_folder(name, Path(path).absolute().parent)

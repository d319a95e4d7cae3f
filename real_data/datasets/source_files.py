"""Files of published data sets: where they come from, where they are looked for, and their download."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

__all__ = ["DATA_FOLDER", "Source", "SourceFile", "data_folder", "download"]

DATA_FOLDER = "DATA_PRUNING_DATA"
"""Environment variable that names the folder of all data sets."""


@dataclass(frozen=True)
class SourceFile:
    """A published file.

    Attributes:
        url: its address.
        num_bytes: its size.
        sha256: its checksum, in hexadecimal; None where the file may not be downloaded by a program.
    """

    url: str
    num_bytes: int
    sha256: str | None

    @property
    def name(self) -> str:
        """Name of the file."""
        return self.url.rpartition("/")[2]


@dataclass(frozen=True)
class Source:
    """The files of a data set.

    Attributes:
        folder: name of its own folder in the folder of all data sets.
        files: what is needed.
        licence: terms under which the files are to be had.
        elsewhere: other folders to look in.
        remark: a sentence for a reader who has to find the files.
    """

    folder: str
    files: tuple[SourceFile, ...]
    licence: str
    elsewhere: tuple[Path, ...] = ()
    remark: str = ""

    @property
    def downloadable(self) -> bool:
        """Whether a program may download the files."""
        return all(file.sha256 is not None for file in self.files)

    def instructions(self, folder: Path) -> str:
        """What to do to have the files in ``folder``."""
        lines = [f"  {file.name} ({file.num_bytes / 1e6:,.2f} MB) from {file.url}" for file in self.files]
        by_hand = f"Put these files into {folder}, or give the folder that has them as path:"
        if self.downloadable:
            by_hand = f"download=True fetches what is missing. By hand: {by_hand[0].lower()}{by_hand[1:]}"
        return "\n".join([by_hand, *lines, f"Licence: {self.licence}. {self.remark}".strip()])


def data_folder() -> Path:
    """The folder of all data sets: that of the environment variable DATA_PRUNING_DATA, or the user's cache."""
    if os.environ.get(DATA_FOLDER):
        return Path(os.environ[DATA_FOLDER]).expanduser()
    import pooch

    return Path(pooch.os_cache("data-pruning-theory"))


def download(source: Source, folder: Path) -> None:
    """Download those files of a data set that are missing.

    A file gets its name only when it is complete and its checksum is right.

    Args:
        source: the files.
        folder: where they go; made if there is none.

    Raises:
        ValueError: the files may not be downloaded by a program, or one has not the checksum it should have.
        OSError: the download did not succeed; what to do by hand is said.
    """
    if not source.downloadable:
        raise ValueError(f"these files cannot be downloaded by a program. {source.instructions(folder)}")
    import pooch

    for file in source.files:
        if (folder / file.name).exists():
            continue
        try:
            pooch.retrieve(file.url, f"sha256:{file.sha256}", file.name, folder, progressbar=True)
        except ValueError as error:
            raise ValueError(f"{file.url}: the download was discarded: {error}") from error
        except OSError as error:
            raise OSError(f"{file.url} was not downloaded: {error}\n{source.instructions(folder)}") from error

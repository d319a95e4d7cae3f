"""Independent trials on disk: any number of processes add to one store, any of which may be killed at any moment.

Trials of one configuration lie in one folder, whose name holds a hash of the configuration, as result files that stand
by themselves (NetCDF-3): xarray reads them without this package.  Nothing in a file tells when, where or by which
process it was written, so two machines that compute the same numbers write the same bytes.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from data_pruning import Results
from data_pruning.records.lock import locked

__all__ = ["Column", "TrialStore"]

STALE = 24 * 3600  # seconds after which a half-written file is taken for that of a killed process
ATTEMPTS = 100  # listings of which a file is gone before it is read, because others merge, until reading gives up
LAST = 2**31 - 1  # largest number of a trial: NetCDF-3 has integers of 32 bits

_KINDS = {float: "f", int: "iu", bool: "b"}


class Column(NamedTuple):
    """What is stored of each trial under one name.

    Attributes:
        units: physical units; "1" for pure numbers.
        description: what the numbers are, in a sentence.
        dims: names of the dimensions beyond "trial", one per axis of the array of a trial; () for one number.
        dtype: float (64 bits, stored exactly), int (within 32 bits) or bool.
    """

    units: str
    description: str
    dims: tuple[str, ...] = ()
    dtype: type = float


class _File(NamedTuple):
    """A file as a folder shows it; a file that replaced it differs."""

    path: Path
    inode: int
    modified: int
    size: int


class TrialStore:
    """Trials of one configuration in files that are written whole or not at all.

    A trial is known by its number and must be a function of configuration and number alone; then a trial computed
    twice, by two processes, is the same and counts once.

    Args:
        folder: where stores lie; the store is a folder in it, made when something is first written.
        stem: beginning of the name of the store's folder, for people.
        title: what the trials are, in a sentence.
        config: all that determines the numbers; any JSON object.
        columns: what is stored of each trial, by name; names are ASCII identifiers other than "trial".

    Attributes:
        path: the store's folder, ``folder / f"{stem}-{key}"``; the key is sixteen hexadecimal digits of the SHA-256 of
            ``config`` as JSON with sorted keys.

    Raises:
        TypeError: ``config`` is not a JSON value, or the dtype of a column none of those named above.
        ValueError: a name or dimension that is not allowed, or no columns.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        stem: str,
        title: str,
        config: Mapping[str, Any],
        columns: Mapping[str, Column],
    ) -> None:
        if not stem or Path(stem).name != stem:
            raise ValueError(f"stem must be the beginning of a file name, got {stem!r}")
        if not columns:
            raise ValueError("columns is empty: give at least one Column")
        for name, column in columns.items():
            for text in (name, *column.dims):
                if not (text.isascii() and text.isidentifier()) or text == "trial":
                    raise ValueError(f"names must be ASCII identifiers other than 'trial', got {text!r} in {name!r}")
            if column.dtype not in _KINDS:
                raise TypeError(f"dtype of column {name!r} must be float, int or bool, got {column.dtype!r}")
        self._config = json.loads(json.dumps(dict(config)))  # as it comes back from a file: tuples become lists
        self._text = json.dumps(self._config, sort_keys=True)
        key = hashlib.sha256(self._text.encode()).hexdigest()[:16]
        self.path = Path(folder) / f"{stem}-{key}"
        self._title = title
        self._columns = {name: columns[name] for name in sorted(columns)}
        self._read: dict[_File, dict[str, np.ndarray]] = {}

    def read(self) -> dict[str, np.ndarray]:
        """All stored trials, while other processes may add and merge.

        Returns:
            "trial": sorted numbers of the trials, int64, shape (num_trials,); and by name the values in that order,
            shape (num_trials, ...).  If nothing is stored all axes have length 0.

        Raises:
            ValueError: a file is damaged, holds another configuration or other columns, or two files hold different
                values of one trial; the message names the files.
        """
        return self._union([(str(file.path), values) for file, values in self._files().items()])

    def add(self, trials: np.ndarray, values: Mapping[str, np.ndarray]) -> Path:
        """Store trials, in one file, whole or not at all; they are on the disk when this returns.

        Args:
            trials: different numbers from 0 to 2^31 - 1, shape (num_trials,), in any order, with or without gaps.
            values: by name of each column, an array of its dtype of shape (num_trials, ...).

        Returns:
            The file, ``trials-<first>-<last>.nc``.

        Raises:
            ValueError: empty or wrong shape, dtype, name or number; or the file is there already with other values of
                these trials.  Nothing is written.
            OSError: the disk is full, among others; nothing stored before is lost.
        """
        content = self._checked(trials, values)
        path = self.path / _name(content["trial"])
        with locked(self.path / "store.lock", remove=True):
            if path.exists():  # of a sequence with gaps there may be others between the same ends
                before = self._load(path)
                content = self._union([(str(path), before), ("the trials to be added", content)])
                if content["trial"].size == before["trial"].size:
                    return path
            return self._results(content).save(path)

    @contextmanager
    def claim(self, batch: int, *, wait: bool = False) -> Iterator[bool]:
        """Claim a batch of trials, so that no other process or thread computes them at the same time.

        The claim is a lock on a file that ends with the ``with`` block or with the process, however that ends.  Another
        may have finished the batch just before: read again before computing.

        Args:
            batch: number of the batch, not negative; what it means is for the caller to say.
            wait: whether to wait until nobody else holds it.

        Yields:
            True if the batch is held; False if another holds it and ``wait`` is False.
        """
        if isinstance(batch, bool) or not isinstance(batch, int | np.integer) or batch < 0:
            raise ValueError(f"batch must be a non-negative integer, got {batch!r}")
        with ExitStack() as stack:
            try:
                stack.enter_context(locked(self.path / f"batch-{batch}.lock", wait=wait, remove=True))
                held = True
            except BlockingIOError:
                held = False
            yield held

    def merge(self) -> None:
        """Put all trials into one file, and remove what killed processes left behind.

        The one file is complete before the others are removed: at no moment, not even if killed, is a trial unreadable.
        Other processes may read, claim and add meanwhile; what they add once this has begun stays in files of its own.

        Raises:
            ValueError: as :meth:`read`; nothing is removed.
            OSError: the disk is full, among others; nothing is removed.
        """
        if not self.path.exists() or len(list(self.path.iterdir())) < 2:  # done, maybe where nothing may be written
            return
        with locked(self.path / "store.lock", remove=True):
            files = self._files()
            if len(files) > 1:
                content = self._union([(str(file.path), values) for file, values in files.items()])
                merged = self._results(content).save(self.path / _name(content["trial"]))
                for path in {file.path for file in files} - {merged}:
                    path.unlink(missing_ok=True)
            for path in self.path.glob(".trials-*.partial"):
                if time.time() - path.stat().st_mtime > STALE:
                    path.unlink(missing_ok=True)
            for path in self.path.glob("batch-*.lock"):
                with suppress(BlockingIOError), locked(path, wait=False, remove=True):
                    pass

    def _files(self) -> dict[_File, dict[str, np.ndarray]]:
        """Content of all files.

        Files may go while others merge, but what was in them is then in a file that came before they went.  So what has
        been read stays valid, and nothing is missing once a listing shows no file that has not been read.
        """
        found: dict[_File, dict[str, np.ndarray]] = {}
        for attempt in range(1, ATTEMPTS + 1):
            try:
                while new := [file for file in self._listing() if file not in found]:
                    for file in new:
                        found[file] = self._read[file] if file in self._read else self._load(file.path)
                break
            except OSError as error:
                if error.errno not in (errno.ENOENT, errno.ESTALE) or attempt == ATTEMPTS:
                    raise
        self._read = found
        return found

    def _listing(self) -> list[_File]:
        files = []
        try:
            with os.scandir(self.path) as entries:
                for entry in entries:
                    if entry.name.startswith("trials-") and entry.name.endswith(".nc"):
                        about = entry.stat()
                        files.append(_File(Path(entry.path), about.st_ino, about.st_mtime_ns, about.st_size))
        except FileNotFoundError:
            if self.path.exists():  # a file has gone, not the folder
                raise
        return sorted(files)

    def _load(self, path: Path) -> dict[str, np.ndarray]:
        found = Results.load(path)
        if json.dumps(found.config, sort_keys=True) != self._text:
            raise ValueError(f"{path} holds trials of another configuration than its folder says: delete it")
        there, here = _schema(found), _schema(self._results(self._empty()))
        if there != here:
            odd = sorted(name for name in there.keys() | here if there.get(name) != here.get(name))
            raise ValueError(
                f"{path} holds other columns than are asked for: {', '.join(odd)} differ in name, units, description, "
                "dimensions or dtype; give another folder, or delete it"
            )
        return {name: variable.values for name, variable in found.variables.items()}

    def _results(self, content: Mapping[str, np.ndarray]) -> Results:
        results = Results(self._title, self._config)
        results.add("trial", "trial", content["trial"], "1", "number of the trial")
        for name, column in self._columns.items():
            results.add(name, ("trial", *column.dims), content[name], column.units, column.description)
        return results

    def _empty(self) -> dict[str, np.ndarray]:
        values: dict[str, np.ndarray] = {
            name: np.empty((0,) * (1 + len(c.dims)), c.dtype) for name, c in self._columns.items()
        }
        return {"trial": np.empty(0, np.int64)} | values

    def _checked(self, trials: np.ndarray, values: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        trials = np.asarray(trials)
        if trials.ndim != 1 or trials.size == 0 or trials.dtype.kind not in "iu":
            raise ValueError(f"trials must be a sequence of at least one integer, got {trials!r}")
        if trials.min() < 0 or trials.max() > LAST:
            raise ValueError(f"trials must lie between 0 and {LAST}, got {trials.min()} to {trials.max()}")
        if np.unique(trials).size < trials.size:
            raise ValueError(f"trials must differ, got {trials!r}")
        if values.keys() != self._columns.keys():
            raise ValueError(f"values must have the columns {sorted(self._columns)}, got {sorted(values)}")
        order = np.argsort(trials)
        content = {"trial": trials[order].astype(np.int64)}
        for name, column in self._columns.items():
            array = np.asarray(values[name])
            if array.dtype.kind not in _KINDS[column.dtype] or array.dtype.itemsize > 8:
                raise ValueError(f"{name} must have dtype {column.dtype.__name__}, got {array.dtype}")
            if array.ndim != 1 + len(column.dims) or array.shape[0] != trials.size or array.size == 0:
                dims = ", ".join(("trial", *column.dims))
                raise ValueError(f"{name} must have {trials.size} trials, axes ({dims}), got shape {array.shape}")
            if column.dtype is int and (array.min() < -LAST - 1 or array.max() > LAST):
                raise ValueError(f"{name} must lie within 32 bits, got {array.min()} to {array.max()}")
            content[name] = array[order].astype(column.dtype)
        return content

    def _union(self, parts: list[tuple[str, dict[str, np.ndarray]]]) -> dict[str, np.ndarray]:
        """All trials of named parts, sorted, each once."""
        if not parts:
            return self._empty()
        names, contents = [name for name, _ in parts], [content for _, content in parts]
        trials = np.concatenate([content["trial"] for content in contents])
        part = np.repeat(np.arange(len(parts)), [content["trial"].size for content in contents])
        order = np.argsort(trials, kind="stable")
        again = np.flatnonzero(trials[order][1:] == trials[order][:-1])  # the next is of the same trial
        union = {"trial": np.delete(trials[order], again)}
        for name in self._columns:
            for other, content in zip(names, contents, strict=True):
                if content[name].shape[1:] != contents[0][name].shape[1:]:
                    raise ValueError(
                        f"{name} has shape {contents[0][name].shape[1:]} per trial in {names[0]}, but "
                        f"{content[name].shape[1:]} in {other}; a trial must depend on configuration and number alone"
                    )
            values = np.concatenate([content[name] for content in contents])[order]
            as_bytes = np.ascontiguousarray(values).reshape(trials.size, -1).view(np.uint8)
            differ = again[np.any(as_bytes[again] != as_bytes[again + 1], axis=1)]
            if differ.size:
                one, two = (names[part[order[i]]] for i in (differ[0], differ[0] + 1))
                raise ValueError(
                    f"{name} of trial {trials[order[differ[0]]]} is not the same in {one} and in {two}; a trial must "
                    "depend on configuration and number alone: delete the file that is wrong, or both"
                )
            union[name] = np.delete(values, again, axis=0)
        return union


def _name(trials: np.ndarray) -> str:
    return f"trials-{trials[0]}-{trials[-1]}.nc"


def _schema(results: Results) -> dict[str, tuple[Any, ...]]:
    """What describes each column, without its values."""
    return {name: (v.units, v.description, v.dims, v.values.dtype.kind) for name, v in results.variables.items()}

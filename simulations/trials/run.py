"""Independent trials by number: run in batches, each saved at once, on all devices."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Protocol

import numpy as np
import scipy.linalg  # noqa: F401  (loads the BLAS whose threads are limited below)
from jax.sharding import Mesh
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from data_pruning.records.writable import check_folder
from simulations.trials.devices import Devices, Footprint
from simulations.trials.store import Column, TrialStore

__all__ = ["Precision", "Trials", "run_trials"]

STEP = 10  # numbers of trials among which "auto" chooses are multiples of this
LEAST = 30  # trials before a standard error is believed
MAX_TRIALS = 1_000_000
HOPELESS = 3  # times MAX_TRIALS: the variance of 30 trials is known to better than this factor
SECONDS_BETWEEN_LOOKS = 0.5


class Trials(Protocol):
    """Trials of one kind: everything that determines trial i, and how it is run."""

    @property
    def title(self) -> str:
        """What the trials are, in a sentence."""

    @property
    def columns(self) -> Mapping[str, Column]:
        """What a trial yields."""

    def settings(self) -> dict[str, Any]:
        """All that determines a trial besides its number, as a JSON value."""

    def footprint(self) -> Footprint:
        """Memory of one trial."""

    def run(self, numbers: np.ndarray, device: Any) -> dict[str, np.ndarray]:
        """The columns of the trials of these numbers, computed on a device; trial i is the same whatever the others."""

    def check(self, numbers: np.ndarray, columns: Mapping[str, np.ndarray]) -> None:
        """Raise an error that names the trial if one is not what it should be; nothing unchecked is saved."""


@dataclass(frozen=True)
class Precision:
    """A number of trials that is found on the way: the first multiple of 10, at least 30, that is precise enough.

    Attributes:
        standard_error: target for the standard error of the mean, > 0.
        column: the column whose mean is meant; of several numbers per trial, the mean of each.
    """

    standard_error: float
    column: str = "errors"

    def enough(self, values: np.ndarray) -> int | None:
        """How many of the first trials suffice, None if these do not.

        Args:
            values: the column in the order of trials, from trial 0 without a hole.
        """
        counts = np.arange(LEAST, len(values) + 1, STEP)
        if counts.size == 0:
            return None
        columns = values.reshape(len(values), -1)
        centred, n = columns - columns[:LEAST].mean(axis=0), counts[:, None]
        sums, squares = (np.cumsum(powers, axis=0)[counts - 1] for powers in (centred, centred**2))
        variance = np.maximum(squares - sums**2 / n, 0.0) / (n - 1)
        precise = np.all(np.sqrt(variance / n) <= self.standard_error, axis=1)
        return int(counts[np.argmax(precise)]) if precise.any() else None

    def next_goal(self, values: np.ndarray) -> int:
        """How many trials to run before looking again: as the variance so far suggests, at most four times as many."""
        if len(values) < LEAST:
            return LEAST
        expected = values.var(axis=0, ddof=1).max() / self.standard_error**2
        goal = min(max(1.02 * expected, len(values) + STEP), 4 * len(values))
        return int(-(-goal // STEP) * STEP)


def run_trials(
    trials: Trials,
    num_trials: int | Precision,
    *,
    out: str | os.PathLike[str] | None = None,
    stem: str = "trials",
    mesh: Mesh | None = None,
    progress: bool = False,
    bar: Any = None,
) -> dict[str, np.ndarray]:
    """Run trials 0, 1, 2, ... and return their columns.

    Args:
        trials: the trials.
        num_trials: how many, or how precise.
        out: folder in which every finished batch is saved at once, in a sub-folder of these settings; trials that are
            there are not run again, and several processes may share the work.  None saves nothing.
        stem: beginning of the sub-folder's name, for people.
        mesh: devices to use, default all.
        progress: show a progress bar with the time left on stderr.
        bar: a bar of the caller to advance instead: has ``update(n)`` and ``initial``, as ``tqdm`` has.

    Returns:
        The columns by name, trial by trial, each of shape (number of trials, ...).

    Raises:
        MemoryError: not even one trial at a time fits in memory; before anything is run.
        KeyboardInterrupt: interrupted; the message says what is saved.
        ValueError: ``out`` is a file, or a saved file is damaged.
        OSError: the disk is full, among others.
        RuntimeError: the precision is not reached within a million trials, or it is clear that it will not be.
    """
    if out is not None:
        if Path(out).is_file():
            raise ValueError(f"out must be a folder, but {out} is a file")
        check_folder("out", out)
    if bar is not None and not callable(getattr(bar, "update", None)):
        raise TypeError(f"bar must be a progress bar with the method update, such as tqdm's, got {bar!r}")
    store = None if out is None else TrialStore(out, stem, trials.title, trials.settings(), trials.columns)
    run = _Run(trials, Devices(mesh), store)
    goal = num_trials if isinstance(num_trials, int) else LEAST
    if run.missing(goal).size:
        run.devices.plan(trials.footprint(), goal)  # refuses what does not fit, before any bar is drawn
    own_bar = bar is None
    if own_bar:
        bar = tqdm(total=goal, desc="trials", unit="trial", disable=not progress, leave=False)
    else:  # trials that are there count, but the time left does not go by them
        there = run.num_done(goal) if isinstance(num_trials, int) else len(run.done)
        bar.initial = getattr(bar, "initial", 0) + there
        bar.update(there)
    try:
        while True:
            if own_bar:
                bar.total = goal
                bar.initial = bar.n = run.num_done(goal)  # so that the time left goes by what this run does
                bar.refresh()
            run.up_to(goal, bar)
            if isinstance(num_trials, int):
                break
            values = run.columns(goal)[num_trials.column]
            enough = num_trials.enough(values)
            if enough is not None:
                goal = enough
                break
            expected = float(values.var(axis=0, ddof=1).max()) / num_trials.standard_error**2
            if expected > HOPELESS * MAX_TRIALS:
                raise RuntimeError(
                    f"about {expected:.2g} trials would bring the standard error of {num_trials.column} to the target "
                    f"{num_trials.standard_error:g}, and {MAX_TRIALS:,} are the most: that many reach "
                    f"{values.std(axis=0, ddof=1).max() / MAX_TRIALS**0.5:.2g}"
                )
            if goal >= MAX_TRIALS:
                reached = values.std(axis=0, ddof=1).max() / goal**0.5
                raise RuntimeError(
                    f"the standard error of {num_trials.column} is {reached:.3g} after {goal} "
                    f"trials, above the target {num_trials.standard_error:g}: ask for less precision"
                )
            goal = min(num_trials.next_goal(values), MAX_TRIALS)
    except KeyboardInterrupt:
        where = f"saved in {store.path}; run the same again to continue" if store else "nothing saved: no out folder"
        raise KeyboardInterrupt(f"{run.num_done(goal)} of {goal} trials finished, {where}") from None
    finally:
        if own_bar:
            bar.close()
    if store is not None:
        store.merge()
    return run.columns(goal)


class _Run:
    """Trials that are done, and the means to do more."""

    def __init__(self, trials: Trials, devices: Devices, store: TrialStore | None):
        self.trials, self.devices, self.store = trials, devices, store
        self.lock = threading.Lock()
        self.parts: list[dict[str, np.ndarray]] = []
        self.done: set[int] = set()
        self.unshared = 0  # parts from here on are not known to other hosts
        if store is not None:
            self._take(store.read())
        self._share()

    def num_done(self, goal: int) -> int:
        """How many of the first ``goal`` trials are done."""
        return goal - self.missing(goal).size

    def missing(self, goal: int) -> np.ndarray:
        """Numbers of the first ``goal`` trials that are not done."""
        with self.lock:
            return np.array([number for number in range(goal) if number not in self.done], np.int64)

    def columns(self, goal: int) -> dict[str, np.ndarray]:
        """The first ``goal`` trials."""
        everything = {name: np.concatenate([part[name] for part in self.parts]) for name in self.parts[0]}
        order = np.argsort(everything.pop("trial"), kind="stable")[:goal]
        return {name: values[order] for name, values in everything.items()}

    def up_to(self, goal: int, bar: Any) -> None:
        """Do what is missing of the first ``goal`` trials."""
        if self.missing(goal).size == 0:
            return
        plan = self.devices.plan(self.trials.footprint(), goal)
        if isinstance(bar, tqdm):
            bar.set_postfix_str(f"in {plan.bytes / 2**30:.2g} GiB", refresh=False)
        batch = min(int(found["batch"]) for found in self.devices.exchange({"batch": np.array(plan.batch)}))
        alone = self.devices.num_hosts == 1
        while (missing := self.missing(goal)).size:
            batches = np.split(missing, np.flatnonzero(np.diff(missing // batch)) + 1)
            mine = batches[self.devices.host :: self.devices.num_hosts]
            # one BLAS thread: small factorisations are many times slower with more, and the cores have trials to do
            with threadpool_limits(1, user_api="blas"):
                self._work_off(mine, batch, plan.calls_at_once, bar, if_free=alone)
            if not alone:
                self._share()
            elif self.missing(goal).size == missing.size:  # what is left is in the hands of other processes
                time.sleep(SECONDS_BETWEEN_LOOKS)
                bar.update(self._take_stored())

    def _work_off(self, batches: list[np.ndarray], size: int, calls_at_once: int, bar: Any, *, if_free: bool) -> None:
        free_devices: SimpleQueue[Any] = SimpleQueue()
        for call in range(calls_at_once):
            free_devices.put(self.devices.local[call % len(self.devices.local)])

        def work(numbers: np.ndarray) -> int:
            device = free_devices.get()
            try:
                return self._run_if_free(numbers, size, device) if if_free else self._run(numbers, size, device)
            finally:
                free_devices.put(device)

        with ThreadPoolExecutor(calls_at_once) as pool:
            running = {pool.submit(work, numbers) for numbers in batches}
            try:
                while running:
                    finished, running = wait(running, return_when=FIRST_COMPLETED)
                    for future in finished:
                        bar.update(future.result())
            finally:
                for future in running:
                    future.cancel()

    def _run_if_free(self, numbers: np.ndarray, size: int, device: Any) -> int:
        """Run a batch unless another process does; the number of trials that are new."""
        if self.store is None:
            return self._run(numbers, size, device)
        with self.store.claim(int(numbers[0]) // size) as mine:
            if not mine:
                return 0
            new = self._take_stored()  # another process may have been here
            numbers = np.array([number for number in numbers if number not in self.done], np.int64)
            return new + (self._run(numbers, size, device) if numbers.size else 0)

    def _run(self, numbers: np.ndarray, size: int, device: Any) -> int:
        padded = np.resize(numbers, size)  # the same program for parts of a batch
        found = {name: values[: numbers.size] for name, values in self.trials.run(padded, device).items()}
        self.trials.check(numbers, found)
        if self.store is not None:
            self.store.add(numbers, found)
        return self._take({"trial": numbers, **found})

    def _take(self, found: Mapping[str, np.ndarray]) -> int:
        """Add those of the trials found that are new; how many."""
        with self.lock:
            new = np.array([int(trial) not in self.done for trial in found["trial"]], bool)
            if new.any():
                self.parts.append({name: values[new] for name, values in found.items()})
                self.done.update(found["trial"][new].tolist())
            return int(new.sum())

    def _take_stored(self) -> int:
        return 0 if self.store is None else self._take(self.store.read())

    def _share(self) -> None:
        """Tell the other hosts what is done, and learn what they did."""
        if self.devices.num_hosts == 1:
            return
        own = self.parts[self.unshared :]
        joined = {name: np.concatenate([part[name] for part in own]) for name in own[0]} if own else {}
        for found in self.devices.exchange(joined):
            if found:
                self._take(found)
        self.unshared = len(self.parts)

"""Simulations of a question in the background: perceptrons trained on pruned data, beside the theory.

One thread works them off in turn.  Trial i of a seed is the same whatever the number of trials, so what is done is
kept, in a folder that goes when the process does, and more trials of the same question are added to it.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import queue
import tempfile
import threading
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from data_pruning.arguments import check_settings, integer
from figures.explorer.question import Question

__all__ = ["MOST_FEATURES", "MOST_TRIALS", "TrialsState", "cancel", "start", "state", "stop"]

MOST_FEATURES = 400  # of one perceptron: a batch of larger ones is not cancelled, and no process ended, within seconds
MOST_TRIALS = 10_000
BATCH = 10  # trials that a core runs in one call


@dataclass(frozen=True)
class TrialsState:
    """How far the trials are.

    Attributes:
        done: trials finished.
        total: trials asked for.
        mean: mean test error of the trials counted so far; None before the first are.
        standard_error: standard error of that mean.
        worst_gap: largest certificate of a trial: the angle of its student is right to arccos(1 - gap).
        message: what happens: "waiting", "running", "finished", "cancelled", or what went wrong, in one line.
        finished: nothing more will happen.
    """

    done: int
    total: int
    mean: float | None = None
    standard_error: float | None = None
    worst_gap: float | None = None
    message: str = "waiting"
    finished: bool = False


class _CancelledError(Exception):
    pass


@dataclass
class _Job:
    question: Question
    num_features: int
    num_trials: int
    seed: int
    state: TrialsState
    cancelled: threading.Event = field(default_factory=threading.Event)
    counted: int = 0  # in the step in progress, those that were there included
    initial: int = 0  # as tqdm has it

    def update(self, count: int) -> None:
        """What ``simulate`` calls as trials finish, as it would a progress bar's."""
        if self.cancelled.is_set():
            raise _CancelledError
        self.counted += count
        self.state = replace(self.state, done=max(self.state.done, self.counted))


_jobs: dict[str, _Job] = {}
_lock = threading.Lock()


def start(question: Question, num_features: int = 200, num_trials: int = 100, seed: int = 0) -> str:
    """Run trials of a question, after those asked for before.

    Args:
        question: what to simulate.
        num_features: N, in [2, 400].
        num_trials: number of trials, in [2, 10000].
        seed: non-negative integer.

    Returns:
        A key for ``state`` and ``cancel``; the same for the same arguments, whose trials are run once.

    Raises:
        TypeError, ValueError: an argument of the wrong type or out of range, or a rule that keeps no example.
    """
    check_settings("question", question, Question)
    for name, value, most in (("num_features", num_features, MOST_FEATURES), ("num_trials", num_trials, MOST_TRIALS)):
        if integer(name, value, 2) > most:
            raise ValueError(f"{name} must lie in [2, {most}] here, got {value!r}")
    integer("seed", seed, 0)
    _check(question, num_features, num_trials, seed)
    settings = json.dumps([question.config, num_features, num_trials, seed], sort_keys=True)
    key = hashlib.sha256(settings.encode()).hexdigest()[:16]
    with _lock:
        known = _jobs.get(key)
        if known is None or known.cancelled.is_set():
            _jobs[key] = _Job(question, num_features, num_trials, seed, TrialsState(0, num_trials))
            _waiting().put(_jobs[key])
    return key


def state(key: str) -> TrialsState:
    """How far the trials of a key are.

    Raises:
        ValueError: no trials have that key.
    """
    return _job(key).state


def cancel(key: str) -> None:
    """End trials after the batch in progress; those finished are kept, should they be asked for again.

    Raises:
        ValueError: no trials have that key.
    """
    job = _job(key)
    if not job.state.finished:
        job.cancelled.set()


def stop() -> None:
    """Cancel all trials and remove the folder: what a server does when it ends."""
    for job in list(_jobs.values()):
        if not job.state.finished:
            job.cancelled.set()
    if _folder.cache_info().currsize:
        _folder().cleanup()
        _folder.cache_clear()


def _job(key: str) -> _Job:
    if key not in _jobs:
        raise ValueError(f"no trials have the key {key!r}: start them first")
    return _jobs[key]


def _check(question: Question, num_features: int, num_trials: int, seed: int) -> None:
    from simulations.pruned_students import PrunedStudents

    students = PrunedStudents(
        question.alpha_tot,
        question.keep,
        question.theta,
        num_features,
        question.student_model,
        question.labels,
        seed,
        question.features,
    )
    question.keep.num_kept(students.num_examples)


@cache
def _waiting() -> queue.SimpleQueue[_Job]:
    """The queue, whose thread a process does not wait for when it ends."""
    jobs: queue.SimpleQueue[_Job] = queue.SimpleQueue()

    def work() -> None:
        while True:
            job = jobs.get()
            message = _run(job)
            job.state = replace(job.state, message=message, finished=True)

    threading.Thread(target=work, name="trials", daemon=True).start()
    return jobs


@cache
def _folder() -> Any:
    """Where trials are kept until the process ends."""
    return tempfile.TemporaryDirectory(prefix="explorer-trials-", ignore_cleanup_errors=True)


def _run(job: _Job) -> str:
    """Work off the trials in steps, so that their mean is seen on the way; what to say in the end."""
    if job.cancelled.is_set():
        return "cancelled"
    job.state = replace(job.state, message="running")
    try:
        from simulations import simulate

        step = 2 * BATCH * (os.cpu_count() or 1)
        for goal in [*range(step, job.num_trials, step), job.num_trials]:
            job.counted = 0
            found = simulate(
                job.question.alpha_tot,
                job.question.keep,
                job.question.theta,
                job.num_features,
                goal,
                job.seed,
                student=job.question.student_model,
                labels=job.question.labels,
                features=job.question.features,
                out=_folder().name,
                bar=job,
            )
            mean, error, gap = found.mean, found.standard_error, float(found.gaps.max())
            if not all(math.isfinite(x) for x in (mean, error, gap)):
                return "a trial has no finite error"
            job.state = replace(job.state, done=goal, mean=mean, standard_error=error, worst_gap=gap)
            if job.cancelled.is_set() and goal < job.num_trials:
                return "cancelled"
    except _CancelledError:
        return "cancelled"
    except Exception as error:  # shown where the trials were asked for; the thread goes on with the next
        return str(error).replace("\n", " ") or type(error).__name__
    return "finished"

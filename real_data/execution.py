"""Running tasks on an executor: processes, a Dask cluster, SLURM by way of submitit."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Any

__all__ = ["executor_named", "finished_in_turn"]

SECONDS_BETWEEN_LOOKS = 0.2


def finished_in_turn(
    executor: Any, function: Callable[..., Any], arguments: Sequence[tuple[Any, ...]]
) -> Iterator[Any]:
    """Submit calls to an executor and yield their results as they finish.

    A call that fails does not stop the others: its exception is raised when all have ended.  When the caller stops
    early (Ctrl-C, say), calls that have not begun are cancelled.

    Args:
        executor: has ``submit(function, *arguments)``; what that returns has ``done()``, ``result()`` and ``cancel()``,
            as the futures of ``concurrent.futures``, Dask and submitit have.
        function: what is called; it and its arguments must be picklable for executors of other processes.
        arguments: the arguments of each call.

    Raises:
        Exception: what the first failed call raised.
    """
    running = [executor.submit(function, *each) for each in arguments]
    failures: list[BaseException] = []
    try:
        while running:
            finished = [future for future in running if future.done()]
            running = [future for future in running if not any(future is one for one in finished)]
            for future in finished:
                try:
                    yield future.result()
                except Exception as error:
                    failures.append(error)
            if not finished:
                time.sleep(SECONDS_BETWEEN_LOOKS)
    finally:
        for future in running:
            future.cancel()
    if failures:
        failures[0].add_note(f"{len(failures)} of {len(arguments)} tasks failed; what the others found is saved")
        raise failures[0]


@contextmanager
def executor_named(name: str, folder: Path) -> Iterator[Any]:
    """The executor that a command line asks for; it is shut down in the end.

    Args:
        name: ``here``, None: tasks run in this process; ``processes:N``, N processes here; ``dask:ADDRESS``, the
            Dask cluster of this scheduler address; ``slurm:PARTITION``, jobs of a SLURM partition, by way of submitit;
            ``submitit-local``, the same with processes of this machine.
        folder: where submitit keeps its files.

    Raises:
        ValueError: the name is none of these.
    """
    kind, _, detail = name.partition(":")
    if name == "here":
        yield None
    elif kind == "processes" and detail.isdigit() and int(detail) >= 1:
        # spawned, not forked: JAX runs threads
        with ProcessPoolExecutor(int(detail), mp_context=get_context("spawn")) as pool:
            yield pool
    elif kind == "dask" and detail:
        from distributed import Client

        with Client(detail) as client:
            yield client.get_executor()
    elif (kind == "slurm" and detail) or name == "submitit-local":
        import submitit

        executor = submitit.AutoExecutor(folder=folder / "submitit", cluster="local" if kind != "slurm" else "slurm")
        executor.update_parameters(timeout_min=24 * 60, **({"slurm_partition": detail} if detail else {}))
        yield executor
    else:
        raise ValueError(
            f"executor must be here, processes:N, dask:ADDRESS, slurm:PARTITION or submitit-local, got {name!r}"
        )

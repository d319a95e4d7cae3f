"""Running tasks on an executor: processes, a Dask cluster, SLURM by way of submitit."""

from __future__ import annotations

import math
import os
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context, parent_process
from pathlib import Path
from typing import Any

__all__ = ["executor_named", "finished_in_turn"]

SECONDS_BETWEEN_LOOKS = 0.2
DEFAULT_HOURS = 24
SLURM_NAMES = {"gpus": "gpus_per_node", "cpus": "cpus_per_task", "hours": "timeout_min", "memory_gb": "mem_gb"}
WORKER_DIED = (
    "a worker process was killed, perhaps because memory ran out: what had been saved stays; run the same again to "
    "continue, with fewer processes if memory is short"
)


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
        RuntimeError: a worker process was killed.
        Exception: what the first failed call raised.
    """
    try:
        running = [executor.submit(function, *each) for each in arguments]
    except BrokenProcessPool as error:
        raise RuntimeError(WORKER_DIED) from error
    failures: list[BaseException] = []
    try:
        while running:
            finished = [future for future in running if future.done()]
            running = [future for future in running if not any(future is one for one in finished)]
            for future in finished:
                try:
                    result = future.result()
                except BrokenProcessPool as error:
                    died = RuntimeError(WORKER_DIED)
                    died.__cause__ = error
                    failures.append(died)
                except Exception as error:
                    failures.append(error)
                else:
                    yield result
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
        name: ``here``, None: tasks run in this process; ``processes:N``, N processes here, which share out the NVIDIA
            GPUs of the machine; ``dask:ADDRESS``, the Dask cluster of this scheduler address; ``slurm:PARTITION``, jobs
            of a SLURM partition, by way of submitit, or ``slurm:PARTITION,gpus=1,cpus=8,hours=24,memory_gb=64`` with
            some of these for each job; ``submitit-local``, the same with processes of this machine.
        folder: where submitit keeps its files.

    Raises:
        ValueError: the name is none of these.
        RuntimeError: a process of ``processes:N`` was killed.
    """
    kind, _, detail = name.partition(":")
    if name == "here":
        yield None
    elif kind == "processes" and detail.isdecimal() and int(detail) >= 1:
        with _processes(int(detail)) as pool:
            try:
                yield pool
            except BrokenProcessPool as error:
                raise RuntimeError(WORKER_DIED) from error
    elif kind == "dask" and detail:
        from distributed import Client

        with Client(detail) as client:
            yield client.get_executor()
    elif (kind == "slurm" and detail) or name == "submitit-local":
        parameters = slurm_parameters(detail) if kind == "slurm" else {"timeout_min": DEFAULT_HOURS * 60}
        import submitit

        executor = submitit.AutoExecutor(folder=folder / "submitit", cluster="local" if kind != "slurm" else "slurm")
        executor.update_parameters(**parameters)
        yield executor
    else:
        raise ValueError(
            "executor must be here, processes:N, dask:ADDRESS, slurm:PARTITION[,gpus=...,cpus=...,hours=...,"
            f"memory_gb=...] or submitit-local, got {name!r}"
        )


def slurm_parameters(detail: str) -> dict[str, Any]:
    """Parameters of submitit for ``PARTITION,gpus=1,cpus=8,hours=24,memory_gb=64``.

    Args:
        detail: the partition, then any of gpus (integer, at least 0), cpus (integer, at least 1), hours and memory_gb
            (above 0), each of one job; hours is 24 if left out.

    Raises:
        ValueError: a name is unknown or given twice, or a value is not allowed.
    """
    partition, *entries = detail.split(",")
    if not partition or "=" in partition:
        raise ValueError(f"slurm: needs a partition first, as in slurm:PARTITION,gpus=1, got {partition!r}")
    found: dict[str, float] = {"hours": DEFAULT_HOURS}
    seen: set[str] = set()
    for entry in entries:
        name, _, value = entry.partition("=")
        if name not in SLURM_NAMES:
            raise ValueError(f"slurm:{partition} takes {', '.join(SLURM_NAMES)} as NAME=VALUE, got {entry!r}")
        if name in seen:
            raise ValueError(f"slurm:{partition}: {name} is given twice")
        seen.add(name)
        whole, least = name in ("gpus", "cpus"), {"gpus": 0, "cpus": 1}.get(name)
        try:
            number = int(value) if whole else float(value)
        except ValueError:
            number = math.nan
        if not math.isfinite(number) or (number <= 0 if least is None else number < least):
            allowed = "a number above 0" if least is None else f"an integer, at least {least}"
            raise ValueError(f"slurm:{partition}: {name} must be {allowed}, got {value!r}")
        found[name] = number
    found["hours"] = math.ceil(60 * found["hours"])  # submitit counts in minutes
    return {"slurm_partition": partition} | {SLURM_NAMES[name]: value for name, value in found.items()}


def visible_gpus() -> list[str]:
    """Names of the NVIDIA GPUs (or their MIG parts) that this process may use, as CUDA_VISIBLE_DEVICES takes them.

    JAX is not asked: it would take hold of their memory.
    """
    listed = os.environ.get("CUDA_VISIBLE_DEVICES")
    if listed is not None:
        names = [name.strip() for name in listed.split(",")]
        return names[: next((i for i, name in enumerate(names) if name in ("", "-1")), len(names))]
    if shutil.which("nvidia-smi") is None:
        return []
    try:
        found = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=60, check=False)
    except subprocess.TimeoutExpired:
        return []
    return _gpus_listed(found.stdout) if found.returncode == 0 else []


def _gpus_listed(text: str) -> list[str]:
    """UUIDs in the output of ``nvidia-smi -L``; parts of a GPU that is divided, instead of the GPU."""
    gpus: list[list[str]] = []
    for kind, uuid in re.findall(r"^\s*(GPU|MIG) .*\(UUID:\s*(\S+?)\)", text, flags=re.MULTILINE):
        if kind == "GPU":
            gpus.append([uuid])
        elif gpus:
            gpus[-1].append(uuid)
    return [uuid for whole, *parts in gpus for uuid in (parts or [whole])]


def _processes(number: int) -> ProcessPoolExecutor:
    context = get_context("spawn")  # not forked: JAX runs threads
    gpus = visible_gpus()
    if not gpus:
        return ProcessPoolExecutor(number, mp_context=context, initializer=_end_with_parent)
    environments = []
    for k in range(number):
        environment = {"CUDA_VISIBLE_DEVICES": gpus[k % len(gpus)]}
        # else the first worker on a GPU takes three quarters of its memory
        if number > len(gpus) and "XLA_PYTHON_CLIENT_PREALLOCATE" not in os.environ:
            environment["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"
        environments.append(environment)
    begun = context.Value("i", 0)
    return ProcessPoolExecutor(number, mp_context=context, initializer=_pin, initargs=(environments, begun))


def _end_with_parent() -> None:
    """In a worker: end it when the process that began it ends, however that ends; it would wait for work for ever."""

    def watch() -> None:
        parent = parent_process()
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _pin(environments: list[dict[str, str]], begun: Any) -> None:
    """Before JAX starts in a worker: give it the next of the environments."""
    _end_with_parent()
    with begun.get_lock():
        mine = begun.value
        begun.value += 1
    os.environ.update(environments[mine % len(environments)])

"""The devices that share the trials of an experiment: all of a JAX mesh, on one host or several.

Every device runs the same program on trials of its own, a batch at a time, and nothing but results travels between
them: the result of a trial does not depend on how many devices take part.  On a CPU the trials of a batch are worked
off one after the other (each fills a core's caches), on an accelerator side by side.
"""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh

from data_pruning.compilation import compiler_options

__all__ = ["BatchPlan", "Devices", "Footprint", "TrialProgram"]

CPU_BATCH = 10  # trials of one call on a CPU: calls end often, so that progress is seen and saved
CPU_BYTES = 2**28  # data of one call on a CPU; a single trial may need more
ACCELERATOR_BATCH = 4096  # trials of one call on an accelerator, side by side
ACCELERATOR_BYTES = 2**31  # data of one call on an accelerator
ACCELERATOR_CALLS = 2  # at once on each accelerator: while the host prepares one, the device computes another
LEFTOVERS = 16  # a group of those of a call that need more work is this part of it, on an accelerator
USABLE = 0.8  # share of the memory free at the start that may be planned with


class Footprint(NamedTuple):
    """Memory of one trial.

    Attributes:
        data: bytes of its data set, held while its batch is worked off.
        work: further bytes while it is drawn and solved.
    """

    data: int
    work: int


class BatchPlan(NamedTuple):
    """How trials are divided.

    Attributes:
        batch: trials per call.
        calls_at_once: calls of this host that run at the same time.
        bytes: memory of these calls, on the host for CPUs, else on each device.
        free: memory that was free there, None if unknown.
    """

    batch: int
    calls_at_once: int
    bytes: int
    free: int | None


class Devices:
    """The devices of a mesh.

    Args:
        mesh: mesh of any axes, whose devices work; None takes all devices, those of other hosts of
            ``jax.distributed`` included.  All hosts must then make the same calls.

    Attributes:
        local: the devices of this host.
        on_cpu: whether they are CPUs.
        host: number of this host among those that take part.
        num_hosts: number of hosts that take part.

    Raises:
        TypeError: ``mesh`` is something else.
        ValueError: the mesh has no device of this host, or of some but not all hosts.
    """

    def __init__(self, mesh: Mesh | None = None):
        if mesh is not None and not isinstance(mesh, Mesh):
            raise TypeError(f"mesh must be a jax.sharding.Mesh, got {mesh!r}")
        devices = jax.devices() if mesh is None else list(np.asarray(mesh.devices).flat)
        hosts = sorted({device.process_index for device in devices})
        self.local = [device for device in devices if device.process_index == jax.process_index()]
        if not self.local:
            raise ValueError(f"mesh has no device of this host, number {jax.process_index()}: {mesh}")
        if 1 < len(hosts) < jax.process_count():
            raise ValueError(f"mesh must have devices of one host or of all {jax.process_count()}, got hosts {hosts}")
        self.on_cpu = self.local[0].platform == "cpu"
        self.num_hosts = len(hosts)
        self.host = hosts.index(jax.process_index())

    def exchange(self, arrays: dict[str, np.ndarray]) -> list[dict[str, np.ndarray]]:
        """The arrays of all hosts, in the order of hosts; on every host."""
        if self.num_hosts == 1:
            return [arrays]
        buffer = io.BytesIO()
        np.savez(buffer, allow_pickle=False, **arrays)
        # as bytes: hosts need not have the same shapes, and JAX would round doubles outside its 64-bit mode
        mine = np.frombuffer(buffer.getvalue(), np.uint8)
        sizes = np.asarray(multihost_utils.process_allgather(np.array([mine.size], np.int32))).reshape(-1)
        padded = np.pad(mine, (0, int(sizes.max()) - mine.size))
        gathered = np.asarray(multihost_utils.process_allgather(padded)).reshape(sizes.size, -1)
        found = []
        for row, size in zip(gathered, sizes, strict=True):
            with np.load(io.BytesIO(row[:size].tobytes()), allow_pickle=False) as file:
                found.append(dict(file))
        return found

    def plan(self, footprint: Footprint, num_trials: int) -> BatchPlan:
        """Divide trials into batches that fit in memory.

        Args:
            footprint: memory of one trial.
            num_trials: number of trials that may be expected.

        Raises:
            MemoryError: not even one trial at a time fits.
        """
        free = self.free_memory()
        usable = None if free is None else int(USABLE * free)
        if self.on_cpu:
            # one CPU device computes as many calls at a time as there are cores
            calls = max(len(self.local), os.cpu_count() or 1)
            fair = -(-num_trials // (calls * self.num_hosts))
            batch = max(1, min(CPU_BATCH, fair, CPU_BYTES // footprint.data))
        else:
            batch = 4
            while batch < num_trials:
                batch *= 8  # few sizes: each has a program of its own
            most = min(ACCELERATOR_BATCH, max(1, ACCELERATOR_BYTES // footprint.data))
            batch = min(batch, 2 ** (most.bit_length() - 1))
            calls = min(ACCELERATOR_CALLS, -(-num_trials // batch))  # on each device

        def need() -> int:
            # on a CPU the data of a batch are gathered from trial after trial, and then once more on the device
            copies, worked_on = (2, 1) if self.on_cpu else (1, batch)
            return calls * (copies * batch * footprint.data + worked_on * footprint.work)

        if usable is not None:
            while need() > usable and batch > 1:
                batch //= 2
            while need() > usable and calls > 1:
                calls -= 1
            if need() > usable:
                raise MemoryError(
                    f"one trial at a time needs {need() / 2**30:.3g} GiB, and of the {(free or 0) / 2**30:.3g} GiB "
                    f"that are free {usable / 2**30:.3g} may be used: take a smaller num_features, or keep fewer "
                    "examples"
                )
        return BatchPlan(batch, calls if self.on_cpu else calls * len(self.local), need(), free)

    def free_memory(self) -> int | None:
        """Bytes free on this host if its devices are CPUs, else on the device that has least; None if unknown."""
        if self.on_cpu:
            return _free_host_memory()
        stats = [device.memory_stats() or {} for device in self.local]
        if not all("bytes_limit" in each for each in stats):
            return None
        return min(each["bytes_limit"] - each.get("bytes_in_use", 0) for each in stats)


class TrialProgram:
    """A compiled function of many trials, from a function of one.

    It runs on the device on which the trials are: on a CPU one trial after the other, with one program for any number
    of them, elsewhere side by side.  Calls from several threads compile a program once.

    Args:
        one: takes a tree of arrays that belong to the trial, and further arrays that all trials share.
        cheap: whether to spare the compiler's effort, where the program's time is spent in its library calls or it
            runs briefly.
    """

    def __init__(self, one: Callable[..., Any], *, cheap: bool = False):
        self._one = one
        self._cheap = cheap
        self._compiled: dict[Any, Future[Any]] = {}
        self._lock = threading.Lock()

    def __call__(self, trials: Any, *shared: Any) -> Any:
        """What ``one`` returns, with a leading axis of trials, as the arrays of ``trials`` have it."""
        device = next(iter(jax.tree.leaves(trials)[0].devices()))
        if not _in_turn(device):
            return self.compiled(device, trials, *shared)(trials, *shared)
        every = jax.tree.map(np.asarray, trials)
        num_trials = jax.tree.leaves(every)[0].shape[0]
        rows: Any = None
        for i in range(num_trials):
            one = jax.device_put(jax.tree.map(lambda leaf: leaf[i], every), device)  # noqa: B023
            found = self.compiled(device, one, *shared)(one, *shared)
            if rows is None:
                rows = jax.tree.map(lambda leaf: np.empty((num_trials, *leaf.shape), leaf.dtype), found)
            for into, leaf in zip(jax.tree.leaves(rows), jax.tree.leaves(found), strict=True):
                into[i] = leaf
        return jax.device_put(rows, device)

    def of_some(self, chosen: np.ndarray, trials: Any, *shared: Any) -> Any:
        """What it returns for the trials at the positions ``chosen``, at least one.

        Side by side, they come in groups of a size that depends on the number of trials alone: one program serves.
        """
        leaf = jax.tree.leaves(trials)[0]
        device = next(iter(leaf.devices()))
        in_turn = _in_turn(device)
        size = chosen.size if in_turn else -(-leaf.shape[0] // LEFTOVERS)
        found = []
        for first in range(0, chosen.size, size):
            group = np.resize(chosen[first : first + size], size)
            # in turn, the host picks: JAX would compile that for every size
            picked = jax.tree.map(lambda leaf: (np.asarray(leaf) if in_turn else leaf)[group], trials)  # noqa: B023
            found.append(self(jax.device_put(picked, device), *shared))
        return jax.tree.map(lambda *leaves: np.concatenate(leaves)[: chosen.size], *found)

    def compiled(self, device: jax.Device, trials: Any, *shared: Any) -> Any:
        """The program for a device and arguments of these shapes and types; compiled once, others wait for it.

        ``trials`` is one trial on a CPU.
        """
        place = jax.sharding.SingleDeviceSharding(device)
        shapes = jax.tree.map(lambda x: jax.ShapeDtypeStruct(jnp.shape(x), jnp.result_type(x), sharding=place), trials)
        others = jax.tree.map(lambda x: jax.ShapeDtypeStruct(jnp.shape(x), jnp.result_type(x)), shared)
        leaves, structure = jax.tree.flatten((shapes, others))
        key = (device, structure, *((leaf.shape, leaf.dtype) for leaf in leaves))
        with self._lock:
            mine = key not in self._compiled
            future = self._compiled.setdefault(key, Future())
        if mine:
            try:
                options = compiler_options(device.platform, cheap=self._cheap)
                program = jax.jit(self._one if _in_turn(device) else self._side_by_side)
                future.set_result(program.lower(shapes, *others).compile(options))
            except BaseException as error:
                with self._lock:
                    del self._compiled[key]
                future.set_exception(error)
        return future.result()

    def _side_by_side(self, trials: Any, *shared: Any) -> Any:
        return jax.vmap(lambda own: self._one(own, *shared))(trials)


def _in_turn(device: jax.Device) -> bool:
    """Whether the trials of a call are worked off one after the other."""
    return device.platform == "cpu"


def _free_host_memory() -> int | None:
    """What the system can give without swapping, and the control group of this process allows."""
    info = Path("/proc/meminfo")
    if not info.exists():
        return None
    free = next(int(line.split()[1]) * 1024 for line in info.read_text().splitlines() if "MemAvailable" in line)
    limit, used = (Path("/sys/fs/cgroup") / name for name in ("memory.max", "memory.current"))
    if limit.exists() and used.exists() and (text := limit.read_text().strip()).isdecimal():
        stat = Path("/sys/fs/cgroup/memory.stat")
        lines = stat.read_text().splitlines() if stat.exists() else []
        files = sum(int(line.split()[1]) for line in lines if line.startswith(("inactive_file ", "active_file ")))
        free = min(free, int(text) - int(used.read_text()) + files)
    return free

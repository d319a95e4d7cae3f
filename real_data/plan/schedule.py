"""How long stages take on several devices."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from data_pruning.arguments import check_integer, check_real
from real_data.plan.stages import TRAINING, Stage, Tasks

__all__ = ["Schedule", "Span", "scheduled", "seconds_of"]


@dataclass(frozen=True)
class Span:
    """When a stage begins and ends, in seconds from the start of all."""

    begin: float
    end: float


@dataclass(frozen=True)
class Schedule:
    """Stages on a number of devices.

    Attributes:
        num_devices: how many.
        seconds: from the begin of the first task to the end of the last.
        busy: share of the devices' time that is spent on tasks, in (0, 1].
        spans: of each stage, by name.
        chain_seconds: the longest chain of tasks that wait for each other; no number of devices is faster.
        chain: what the tasks of that chain do, in turn.
    """

    num_devices: int
    seconds: float
    busy: float
    spans: Mapping[str, Span]
    chain_seconds: float
    chain: tuple[str, ...]


def seconds_of(tasks: Tasks, rates: Mapping[str, float], num_devices: int = 1, efficiency: float = 1.0) -> float:
    """Seconds of one of the tasks.

    Args:
        tasks: equal tasks.
        rates: images per second on one device, by work.
        num_devices: that share one training; other work stays on one device.
        efficiency: rate of these together over their number times the rate of one, in (0, 1].
    """
    found = 0.0
    for work, images in tasks.images.items():
        faster = num_devices * efficiency if work == TRAINING and num_devices > 1 else 1.0
        found += images / (rates[work] * faster)
    return found


def scheduled(
    stages: Sequence[Stage],
    rates: Mapping[str, float],
    num_devices: int,
    *,
    devices_per_training: int = 1,
    efficiency: float = 1.0,
) -> Schedule:
    """List scheduling: of the ready tasks that idle devices suffice for, that with the longest way to the end begins.

    A task is ready when all tasks of the stages that its own waits for have ended.  The way to the end is its own time
    and that of the longest task of each stage on the longest way after it; within one stage that is longest task
    first (Graham 1969: of tasks that do not wait for each other it takes at most 4/3 of the least time).

    Args:
        stages: each after those it waits for.
        rates: images per second on one device, by work, above 0.
        num_devices: at least 1.
        devices_per_training: that share each task that trains; fewer where there are not so many.
        efficiency: of these, see :func:`seconds_of`.

    Raises:
        ValueError: a number is out of range, or a rate is missing.
    """
    check_integer("num_devices", num_devices, 1)
    check_integer("devices_per_training", devices_per_training, 1)
    check_real("efficiency", efficiency, "(0, 1]")
    for work in {work for stage in stages for tasks in stage.tasks for work in tasks.images}:
        if work not in rates:
            raise ValueError(f"rates must have that of {work}, got {', '.join(rates) or 'none'}")
        check_real(f"the rate of {work}", rates[work], "(0, inf)")
    shared = min(devices_per_training, num_devices)

    def needed(tasks: Tasks) -> int:
        return shared if TRAINING in tasks.images else 1

    def seconds(tasks: Tasks) -> float:
        return seconds_of(tasks, rates, shared, efficiency)

    after = _ways(stages, seconds)
    waiting = {stage.name: stage.number for stage in stages}  # tasks that have not ended
    left = {(stage.name, i): tasks.number for stage in stages for i, tasks in enumerate(stage.tasks)}
    order = sorted(
        ((stage, i, tasks) for stage in stages for i, tasks in enumerate(stage.tasks)),
        key=lambda one: -seconds(one[2]) - after[one[0].name][0],
    )
    begins: dict[str, float] = {}
    ends: dict[str, float] = {}
    running: list[tuple[float, int, str]] = []  # when each ends, the devices it has, its stage
    now, free, spent = 0.0, num_devices, 0.0
    while any(waiting.values()):
        for stage, i, tasks in order:
            if any(waiting[name] for name in stage.after):
                continue
            while left[stage.name, i] and free >= needed(tasks):
                left[stage.name, i] -= 1
                free -= needed(tasks)
                spent += needed(tasks) * seconds(tasks)
                begins.setdefault(stage.name, now)
                heapq.heappush(running, (now + seconds(tasks), needed(tasks), stage.name))
        now, devices, name = heapq.heappop(running)
        free += devices
        waiting[name] -= 1
        ends[name] = now
        while running and running[0][0] == now:
            _, devices, name = heapq.heappop(running)
            free += devices
            waiting[name] -= 1
            ends[name] = now
    spans = {stage.name: Span(begins[stage.name], ends[stage.name]) for stage in stages}
    longest = {stage.name: max(stage.tasks, key=seconds) for stage in stages}
    first = max(stages, key=lambda stage: seconds(longest[stage.name]) + after[stage.name][0])
    chain = (first.name, *after[first.name][1])
    whole = math.fsum(seconds(longest[name]) for name in chain)
    return Schedule(
        num_devices, now, spent / (now * num_devices), spans, whole, tuple(longest[name].what for name in chain)
    )


def _ways(stages: Sequence[Stage], seconds: Callable[[Tasks], float]) -> dict[str, tuple[float, tuple[str, ...]]]:
    """By stage, the longest way that follows it: its seconds and the names of its stages."""
    found: dict[str, tuple[float, tuple[str, ...]]] = {stage.name: (0.0, ()) for stage in stages}
    for stage in reversed(stages):
        longest = max(map(seconds, stage.tasks))
        way = (longest + found[stage.name][0], (stage.name, *found[stage.name][1]))
        for name in stage.after:
            if way[0] > found[name][0]:
                found[name] = way
    return found

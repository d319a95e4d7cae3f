"""The plan of a study: its stages, rates, and how long they take on each number of devices."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from data_pruning.arguments import check_different, check_integer
from data_pruning.command_line import table
from data_pruning.quantities import duration, size
from real_data.plan.jobs import jobs_of
from real_data.plan.rates import Rate
from real_data.plan.schedule import Schedule, scheduled, seconds_of
from real_data.plan.stages import FORWARD, GRADIENT_NORM, TRAINING, Stage, stages_of
from real_data.plan.study import PlannedStudy

__all__ = ["Plan", "plan_of"]

WORDS = {TRAINING: "trained on", FORWARD: "forward", GRADIENT_NORM: "GraNd"}
LINE = 100  # characters
SCORE_BYTES = 8
COPIES = 3  # of the weights while a network is trained: weights, gradient, momentum


@dataclass(frozen=True)
class Plan:
    """What a study takes.

    Attributes:
        study: its sizes.
        stages: what there is to do.
        jobs: the same in the parts that devices are given.
        rates: images per second on one device, by work.
        schedules: one for each number of devices.
        weight_bytes: of one network.
        decoding_rate: images per second that one core decodes from files; None where that was not measured.
        devices_per_training: that share one training.
        efficiency: assumed of these, None where one training has one device.
    """

    study: PlannedStudy
    stages: tuple[Stage, ...]
    jobs: tuple[Stage, ...]
    rates: Mapping[str, Rate]
    schedules: tuple[Schedule, ...]
    weight_bytes: int
    decoding_rate: float | None = None
    devices_per_training: int = 1
    efficiency: float | None = None

    @property
    def disk_bytes(self) -> int:
        """Weights that are kept, and scores."""
        networks = sum(tasks.number * tasks.networks_kept for stage in self.stages for tasks in stage.tasks)
        return networks * self.weight_bytes + SCORE_BYTES * self.study.scored_images * len(self.study.metrics)

    @property
    def image_bytes(self) -> int:
        """Decoded training images of source (if networks are trained on it) and target."""
        images = max(self.study.target_images) + (self.study.images if self.study.pretrain else 0)
        return 3 * images * self.study.image_size**2

    @property
    def device_seconds(self) -> float:
        """Of all tasks, one after another on one device."""
        rates = {work: rate.images_per_second for work, rate in self.rates.items()}
        return sum(tasks.number * seconds_of(tasks, rates) for stage in self.stages for tasks in stage.tasks)

    @property
    def pretraining_seconds(self) -> float:
        """Of one pretraining on all images of the source, on one device."""
        return self.study.images * self.study.epochs / self.rates[TRAINING].images_per_second

    def loading_rate(self, num_devices: int) -> float:
        """Images per second that the files must deliver while all devices train."""
        return num_devices * self.rates[TRAINING].images_per_second

    def __str__(self) -> str:
        stages = self._stages().splitlines()
        lines = [*self._head(), "", *stages, "", *self._devices(), *self._storage()]
        return "\n".join(line if line in stages else _wrapped(line) for line in lines)

    def _head(self) -> list[str]:
        study = self.study
        source = f"{study.images:,} images, {study.classes:,} classes, {study.image_size} x {study.image_size} pixels"
        targets = " and ".join(f"{number:,}" for number in study.target_images)
        wide = "" if study.width == 1 else f" of width {study.width:g}"
        lines = [f"plan: {study.network}{wide}; source {source}; target {targets} images; the {study.pruned} is pruned"]
        if study.pretrain:
            pretraining = f"pretraining: {study.epochs} epochs of batch {study.batch_size}"
            lines.append(f"{pretraining}, {duration(self.pretraining_seconds)} on all images on one device")
        else:
            lines.append(
                "weights from a file: nothing is pretrained; one pretraining from random weights, "
                f"{study.epochs} epochs, would take {duration(self.pretraining_seconds)} on one device"
            )
        lines.append("images per second of one device:")
        for work, rate in self.rates.items():
            lines.append(f"- {work}: {rate.images_per_second:.4g}, {rate.source}")
        return lines

    def _stages(self) -> str:
        works = [work for work in WORDS if any(stage.total(work) for stage in self.stages)]
        header = ["(images in millions)", "tasks", *(WORDS[work] for work in works), "device time", "longest task"]
        rates = {work: rate.images_per_second for work, rate in self.rates.items()}
        rows = []
        for stage in self.stages:
            each = [(tasks.number, seconds_of(tasks, rates)) for tasks in stage.tasks]
            totals = [stage.total(work) / 1e6 for work in works]
            rows.append(
                [
                    stage.name,
                    f"{stage.number:,}",
                    *(f"{total:,.3f}" if total else "" for total in totals),
                    duration(sum(count * seconds for count, seconds in each)),
                    duration(max(seconds for _, seconds in each)),
                ]
            )
        return table(header, rows)

    def _devices(self) -> list[str]:
        together = self.devices_per_training
        on = "one device" if together == 1 else f"up to {number(together)}"
        lines = [f"jobs, each on {on}: {', then '.join(f'{stage.number:,} {stage.name}' for stage in self.jobs)}"]
        if together > 1:
            lines.append(
                f"{together} devices that share a training have {self.efficiency:g} of {together} times the rate of "
                "one: assumed, not measured"
            )
        for schedule in self.schedules:
            line = f"on {number(schedule.num_devices)}: {duration(schedule.seconds)}, busy {100 * schedule.busy:.0f} %"
            for stage in self.jobs[:-1]:
                line += f"; {stage.name} end after {duration(schedule.spans[stage.name].end)}"
            if schedule.chain_seconds > 0.95 * schedule.seconds and schedule.num_devices > 1:
                line += "; more devices do not help, unless several share a job (--devices-per-training)"
            lines.append(line)
        last = self.schedules[-1]
        lines.append(
            f"no number of devices is faster than {duration(last.chain_seconds)}, the longest chain of jobs: "
            f"{', then '.join(last.chain)}"
        )
        return lines

    def _storage(self) -> list[str]:
        lines = [
            f"on disk: {size(self.disk_bytes)} of weights and scores that are kept ({size(self.weight_bytes)} a "
            f"network); in the memory of a device: {size(COPIES * self.weight_bytes)} of weights, gradient and "
            "momentum of each network that it trains, beside activations"
        ]
        most = self.schedules[-1].num_devices
        line = f"training images: {size(self.image_bytes)} if they are held decoded"
        if self.decoding_rate is not None:
            asked = self.loading_rate(most)
            line += (
                f"; read from files, {number(most)} in training ask for {asked:,.0f} images/s, that is "
                f"{asked / self.decoding_rate:,.2g} cores of this machine, one of which decodes "
                f"{self.decoding_rate:,.0f} images/s (of a JPEG of 500 x 375 pixels made for this); decoding is not in "
                "the times above"
            )
        return [*lines, line]


def plan_of(
    study: PlannedStudy,
    rates: Mapping[str, Rate],
    num_devices: Sequence[int],
    *,
    weight_bytes: int = 0,
    decoding_rate: float | None = None,
    sharing: tuple[int, float | None] = (1, None),
) -> Plan:
    """The plan of a study.

    Args:
        study: its sizes.
        rates: images per second on one device, by work.
        num_devices: numbers of devices, each at least 1.
        weight_bytes: of one network; see :func:`real_data.plan.measurement.weight_bytes`.
        decoding_rate: of one core.
        sharing: devices that share one training, at least 1, and their efficiency, in (0, 1], which is needed where
            they are several: it depends on the machine.

    Raises:
        ValueError: a number is out of range, or a rate is missing.
    """
    check_different("num_devices", tuple(num_devices))
    together, efficiency = sharing
    check_integer("devices per training", together, 1)
    if (efficiency is None) != (together == 1):
        raise ValueError(
            "the parallel efficiency must be given where several devices share a training, and only there, got "
            f"{efficiency!r} for {together}"
        )
    stages, jobs = stages_of(study), jobs_of(study)
    numbers = {work: rate.images_per_second for work, rate in rates.items()}
    shared = 1.0 if efficiency is None else efficiency
    schedules = tuple(
        scheduled(jobs, numbers, each, devices_per_training=together, efficiency=shared) for each in sorted(num_devices)
    )
    return Plan(study, stages, jobs, rates, schedules, weight_bytes, decoding_rate, together, efficiency)


def number(devices: int) -> str:
    """Of devices, in words."""
    return f"{devices} device{'s' if devices > 1 else ''}"


def _wrapped(line: str) -> str:
    return textwrap.fill(line, LINE, subsequent_indent="  ", break_on_hyphens=False)

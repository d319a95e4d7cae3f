"""What subset trainings and their scores will take: trainings, steps, time, disk and memory, before they begin."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import numpy as np

from data_pruning.arguments import check_integer
from data_pruning.quantities import duration, size
from real_data.scores.influence import ROWS_AT_ONCE, SORTED_AT_ONCE, TESTS_AT_ONCE, influence
from real_data.subset_trainings.group import MOST_SUMS, NETWORKS_PER_FILE, class_type
from real_data.subset_trainings.rates import Rates
from real_data.subset_trainings.settings import SubsetTrainings, enough_networks

__all__ = ["SubsetPlan", "influence_rate", "plan_subsets"]


@dataclass(frozen=True)
class SubsetPlan:
    """What K networks on random shares of n images take, and the scores that come from them.

    Attributes:
        num_networks: K.
        num_open: of these, how many are not there yet.
        num_seen: images that each network is trained on.
        steps: gradient steps of the networks that are not there yet, all together.
        training_seconds: of these here, one after another; None where nothing was measured.
        answering_seconds: of asking them about every image.
        file_bytes: of each ten networks on disk.
        disk_bytes: of all networks.
        influence_entries: pairs of an example and a test image, 0 where influence is not asked for.
        influence_seconds: of these; None where nothing was measured.
        influence_bytes: most memory of the blocks of influences, whatever the number of images.
        bits_bytes: memory of memberships and right answers.
        enough_networks: with which every example is in the share of some and not of all, with a chance of 99 %.
        keeps_sums: whether entropy and mutual information can be had.
        votes_bytes: memory of the votes for each class, for the variation ratio.
    """

    num_networks: int
    num_open: int
    num_seen: int
    steps: int
    training_seconds: float | None
    answering_seconds: float | None
    file_bytes: int
    disk_bytes: int
    influence_entries: int
    influence_seconds: float | None
    influence_bytes: int
    bits_bytes: int
    enough_networks: int
    keeps_sums: bool
    votes_bytes: int

    def __str__(self) -> str:
        def of(seconds: float | None) -> str:
            return "" if seconds is None else f", about {duration(seconds)} here"

        head = f"plan: {self.num_networks} networks, each trained on {self.num_seen:,} images"
        if self.num_open < self.num_networks:
            head += f"; {self.num_networks - self.num_open} of them are there"
        lines = [head]
        if self.num_open:
            lines += [
                f"  training {self.num_open} of them: {self.steps:,} steps{of(self.training_seconds)}",
                f"  asking them about every image{of(self.answering_seconds)}",
            ]
        lines.append(
            f"  on disk {size(self.disk_bytes)}, {size(self.file_bytes)} for each {NETWORKS_PER_FILE}; in memory "
            f"{size(self.bits_bytes)} of bits"
        )
        if self.influence_entries:
            lines.append(
                f"  influence: {self.influence_entries:.3g} pairs of images times {self.num_networks} networks"
                f"{of(self.influence_seconds)}; blocks of {size(self.influence_bytes)}"
            )
        if self.num_networks < self.enough_networks:
            lines.append(
                f"  fewer than {self.enough_networks} networks: some images may be in the share of all or none, which "
                "is refused"
            )
        if not self.keeps_sums:
            lines.append(
                "  too many images times classes for entropy and mutual-information: their sums are not kept; "
                f"variation-ratio takes {size(self.votes_bytes)} of memory"
            )
        return "\n".join(lines)


def plan_subsets(
    settings: SubsetTrainings,
    *,
    num_networks: int,
    num_examples: int,
    num_tests: int,
    num_classes: int,
    num_open: int | None = None,
    rates: Rates | None = None,
    influence_classes: str | None = None,
    seconds_per_pair: float | None = None,
) -> SubsetPlan:
    """What subset trainings take, by the numbers of images alone.

    Args:
        settings: the networks.
        num_networks: K, at least 2.
        num_examples: images of the pool, at least 2.
        num_tests: test images, at least 1.
        num_classes: at least 2.
        num_open: networks that are not there yet; None is all.
        rates: how fast they train and answer; None leaves out the times.
        influence_classes: whether influence is looked for on all test images or those of the same class; None not at
            all.
        seconds_per_pair: see :func:`influence_rate`.
    """
    for name, value, least in (
        ("num_networks", num_networks, 2),
        ("num_examples", num_examples, 2),
        ("num_tests", num_tests, 1),
        ("num_classes", num_classes, 2),
    ):
        check_integer(name, value, least)
    still_open = num_networks if num_open is None else num_open
    seen, number = settings.num_seen(num_examples), num_examples + num_tests
    kinds = math.lcm(len(settings.models), len(settings.trainings))
    steps, training, answering = 0, 0.0, 0.0
    for kind in range(kinds):
        networks = still_open / kinds
        model, recipe = settings.kind(kind)
        if not model.solved_for:
            steps += round(recipe.steps_for(seen) * networks)
        if rates is not None:
            i = kind % len(rates.per_step)
            of_steps = rates.per_step[i] * recipe.steps_for(seen)
            training += networks * (rates.per_network[i] + of_steps + rates.per_solved_image[i] * seen)
            answering += networks * number * rates.per_answer[i]
    keeps_sums = max(num_examples, num_tests) * num_classes <= MOST_SUMS
    per_network = 2 * num_examples / 8 + num_tests / 8 + number * (3 * 2 + class_type(num_classes).itemsize)
    beside = 8 * number
    beside += sum(4 * num_classes * images for images in (num_examples, num_tests) if images * num_classes <= MOST_SUMS)
    files = math.ceil(num_networks / NETWORKS_PER_FILE)
    pairs = 0 if influence_classes is None else num_examples * num_tests
    pairs = pairs // num_classes if influence_classes == "same" else pairs
    rows, tests = min(ROWS_AT_ONCE, num_examples), min(TESTS_AT_ONCE, num_tests)
    return SubsetPlan(
        num_networks,
        still_open,
        seen,
        steps,
        None if rates is None else training,
        None if rates is None else answering,
        round(min(num_networks, NETWORKS_PER_FILE) * per_network + beside),
        round(num_networks * per_network + files * beside),
        pairs,
        None if seconds_per_pair is None else pairs * seconds_per_pair,
        12 * rows * tests + 16 * min(rows, SORTED_AT_ONCE) * tests + 6 * num_networks * (rows + tests),
        math.ceil(num_networks * (2 * num_examples + num_tests) / 8),
        enough_networks(settings.share, num_examples),
        keeps_sums,
        2 * max(num_examples, num_tests) * num_classes,
    )


def influence_rate(num_networks: int) -> float:
    """Seconds of the influence of one example on one test image here, in a block, by measurement."""
    rng = np.random.default_rng(0)
    members = rng.random((num_networks, 3072)) < 0.5
    members[0], members[1] = True, False
    right = rng.random((num_networks, TESTS_AT_ONCE)) < 0.5

    def seconds(number: int) -> float:
        began = time.perf_counter()
        influence(right, members[:, :number])
        return time.perf_counter() - began

    seconds(64)
    return max(seconds(3072) - seconds(1024), 0.0) / (2048 * TESTS_AT_ONCE)

"""Scores of the course of a training, as it goes on: an observer of networks at the end of every epoch.

Nothing of the size examples x classes is held, let alone once per epoch: the images go through block by block, and for
the change since the epoch before its weights are kept and asked again.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from real_data.scores.epoch_values import change_of_probabilities, logit_margin, probability_of_label
from real_data.scores.epoch_windows import Accumulator, DualDepth, MeanMargin, Uncertainty
from real_data.scores.network_scores import portions
from real_data.scores.training_dynamics import DECAY, DUAL_EPOCHS, WINDOW
from real_data.training.config import TrainingConfig
from real_data.training.networks import TrainedNetworks
from real_data.training.observation import epoch_ends

__all__ = ["OF_EPOCHS", "Course", "check_epochs"]

OF_EPOCHS = ("aum", "dyn-unc", "tdds", "dual")
"""The scores that look at every epoch; see :mod:`real_data.scores.training_dynamics`."""

_LEAST = {"aum": 1, "dyn-unc": WINDOW, "tdds": WINDOW, "dual": WINDOW}


def check_epochs(metric: str, training: TrainingConfig, num_examples: int) -> None:
    """Refuse, before any training, one of fewer epochs than a score of :data:`OF_EPOCHS` looks at.

    Raises:
        ValueError: the training is too short.
    """
    num_epochs, least = epoch_ends(training, num_examples).size, _LEAST[metric]
    if num_epochs < least:
        raise ValueError(
            f"{metric} needs at least {least} epochs, but a training of {training.steps_for(num_examples)} steps "
            f"of {training.batch_size} of the {num_examples} examples has {num_epochs}: raise num_epochs or "
            "num_steps, of --scoring, or of --training in the command score"
        )


@dataclass(frozen=True, eq=False)
class Course:
    """An observation (:class:`real_data.training.observation.Observation`) that scores.

    Attributes:
        metrics: which of :data:`OF_EPOCHS`.
        images: all that are scored, shape (num_examples, height, width, channels).
        labels: shape (num_examples,).
        batch_size: images scored at a time.
    """

    metrics: tuple[str, ...]
    images: Any
    labels: NDArray[np.int64]
    batch_size: int

    @classmethod
    def of(cls, metrics: Collection[str], images: Any, labels: np.ndarray, batch_size: int) -> Course | None:
        """The observation that some scores need, if any."""
        wanted = tuple(metric for metric in OF_EPOCHS if metric in metrics)
        return cls(wanted, images, np.asarray(labels, np.int64), batch_size) if wanted else None

    @property
    def settings(self) -> dict[str, Any]:
        """What determines the scores besides images, labels and training."""
        return {"metrics": list(self.metrics), "window": WINDOW, "dual_epochs": DUAL_EPOCHS, "decay": DECAY}

    def begin(self, start: TrainedNetworks) -> _Watched:
        """An observer of networks before their first step."""
        return _Watched(self, start)


class _Watched:
    """The course of the training of one group of networks."""

    def __init__(self, course: Course, start: TrainedNetworks):
        self.course = course
        self.before = start  # with the weights at the end of the epoch before
        self.epochs = np.zeros((), np.int64)
        shape = (start.num_networks, len(course.labels))
        kinds: dict[str, Any] = {
            "aum": lambda: MeanMargin(shape),
            "dyn-unc": lambda: Uncertainty(shape, WINDOW),
            "tdds": lambda: DualDepth(shape, WINDOW, DECAY),
            "dual": lambda: Uncertainty(shape, WINDOW, times_difficulty=True, num_epochs=DUAL_EPOCHS),
        }
        self.accumulators: dict[str, Accumulator] = {metric: kinds[metric]() for metric in course.metrics}

    def observe(self, networks: TrainedNetworks) -> None:
        """Look at the networks as they are now."""
        metrics, course = set(self.accumulators), self.course
        changed = "tdds" in metrics and self.epochs > 0
        shape = (networks.num_networks, len(course.labels))
        margins, probabilities, changes = (np.full(shape, np.nan) for _ in range(3))
        for some in portions(networks, len(course.labels), course.batch_size):
            images, labels = course.images[some], course.labels[some]
            logits = networks.logits(images, batch_size=course.batch_size)
            logits_before = self.before.logits(images, batch_size=course.batch_size) if changed else logits
            # a network that diverged is trained again, or refused, when the training is over
            good = np.all(np.isfinite(logits) & np.isfinite(logits_before), axis=(1, 2))
            if not good.any():
                continue
            if "aum" in metrics:
                margins[good, some] = logit_margin(logits[good], labels)
            if {"dyn-unc", "dual"} & metrics:
                probabilities[good, some] = probability_of_label(logits[good], labels)
            if changed:
                changes[good, some] = change_of_probabilities(logits_before[good], logits[good])
        told = {"aum": margins, "dyn-unc": probabilities, "dual": probabilities, "tdds": changes}
        for metric, accumulator in self.accumulators.items():
            if metric != "tdds" or changed:
                accumulator.add(told[metric])
        self.epochs = self.epochs + 1
        if "tdds" in metrics:
            self.before = replace(self.before, params=networks.params, batch_stats=networks.batch_stats)

    def memory(self) -> Any:
        """What a checkpoint must hold."""
        weights = (self.before.params, self.before.batch_stats) if "tdds" in self.accumulators else ()
        return self.epochs, weights, {metric: one.state for metric, one in self.accumulators.items()}

    def remember(self, memory: Any) -> None:
        """Go on from where :meth:`memory` was taken."""
        self.epochs, weights, states = memory
        if weights:
            self.before = replace(self.before, params=weights[0], batch_stats=weights[1])
        for metric, accumulator in self.accumulators.items():
            accumulator.state = states[metric]

    def result(self) -> dict[str, NDArray[np.float64]]:
        """The scores, by metric, shape (num_networks, num_examples)."""
        return {metric: one.score() for metric, one in self.accumulators.items()}

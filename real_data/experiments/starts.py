"""What the networks of an experiment or of a training start from."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from real_data.experiments.pool import load_for
from real_data.training.start import Start, same_start

if TYPE_CHECKING:
    from real_data.datasets import ImageDataset
    from real_data.experiments.config import Experiment, TrainingRun
    from real_data.experiments.task import Task

__all__ = ["start_digest_of", "start_of", "start_of_task"]


def start_of(config: Experiment | TrainingRun, data: ImageDataset) -> Start | None:
    """The start of networks for the images of a data set, from the file of its weights; None is random weights.

    Raises:
        FileNotFoundError, ValueError: see :func:`real_data.weights.starting_weights`.
    """
    if config.fine_tuning is None:
        return None
    from real_data.weights import starting_weights

    return starting_weights(config.fine_tuning, config.model, data.train_images.shape[1:], data.num_classes)


def start_digest_of(config: Experiment) -> str | None:
    """Digest of what all networks of an experiment start from, wherever its file lies; None of random weights."""
    if config.fine_tuning is None:
        return None
    start = start_of(config, load_for(config, config.first_seed))
    return None if start is None else start.digest


def start_of_task(task: Task, data: ImageDataset) -> Start | None:
    """The start of the networks of a task.

    Raises:
        FileNotFoundError, ValueError: as :func:`start_of`; or the weights here are not those of the experiment.
    """
    if task.start_sha256 is None:
        return None
    return same_start(partial(_started, task.config, data), task.start_sha256)


def _started(config: Experiment, data: ImageDataset) -> Start:
    start = start_of(config, data)
    assert start is not None
    return start

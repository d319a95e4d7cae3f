"""How fast networks train and answer here: a few steps of each kind, measured after compilation."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from real_data import models
from real_data.models.config import ModelConfig
from real_data.subset_trainings.group import NETWORKS_PER_FILE
from real_data.subset_trainings.settings import SubsetTrainings
from real_data.training.config import TrainingConfig
from real_data.training.learning_check import FEWEST
from real_data.training.networks import TrainedNetworks
from real_data.training.train import STEPS_AT_ONCE, default_networks_at_once, train

__all__ = ["Rates", "measured_rates"]

FEW_STEPS = 2  # of networks with convolutions, which are trained step by step
MOST_NUMBERS = 2**20
ASKED = 64  # images
LONG_ENOUGH = 0.2  # seconds
SOLVED_FOR = 2000  # images that a readout is solved for


@dataclass(frozen=True)
class Rates:
    """Seconds of one network of each kind, in the order in which they take turns.

    Attributes:
        per_network: of what is done once, as drawing the initial weights.
        per_step: of a training step.
        per_solved_image: of solving for a readout, for each image that it is trained on, beside the steps.
        per_answer: of the logits of one image.
    """

    per_network: tuple[float, ...]
    per_step: tuple[float, ...]
    per_solved_image: tuple[float, ...]
    per_answer: tuple[float, ...]


def measured_rates(
    settings: SubsetTrainings,
    image_shape: tuple[int, int, int],
    num_classes: int,
    num_kinds: int,
    *,
    most_numbers: int = MOST_NUMBERS,
) -> Rates:
    """Seconds per step and per answer of the networks of the settings, on random images, with what JAX finds here.

    Args:
        settings: the networks and their trainings.
        image_shape: height, width and channels.
        num_classes: number of classes.
        num_kinds: how many kinds take turns; network k < num_kinds is measured for each.
        most_numbers: pixels times channels of a batch that is measured, at most; larger ones are taken to cost in
            proportion.
    """
    found: dict[Any, tuple[float, float, float, float]] = {}
    each = []
    for network in range(num_kinds):
        kind = settings.kind(network)
        if kind not in found:
            found[kind] = _measured(*kind, image_shape, num_classes, -(-NETWORKS_PER_FILE // num_kinds), most_numbers)
        each.append(found[kind])
    return Rates(*zip(*each, strict=True))


def _measured(
    config: ModelConfig,
    training: TrainingConfig,
    shape: tuple[int, int, int],
    num_classes: int,
    networks: int,
    most_numbers: int,
) -> tuple[float, float, float, float]:
    rng = np.random.default_rng(0)
    # of few examples it is not asked whether the network has learned
    number = SOLVED_FOR if config.solved_for else FEWEST - 1
    images = rng.integers(0, 256, (number, *shape), dtype=np.uint8)
    labels = np.arange(number) % num_classes
    model = models.build(config, shape, num_classes)
    at_once = min(default_networks_at_once(model, images), networks)
    steps = STEPS_AT_ONCE if at_once > 1 else FEW_STEPS
    batch_size = max(1, min(training.batch_size, most_numbers // int(np.prod(shape))))
    subsets = [np.arange(number)] * at_once

    def fitted(num_steps: int) -> tuple[TrainedNetworks, float]:
        short = replace(training, num_steps=num_steps, num_epochs=None, batch_size=batch_size, learning_rate=1e-6)
        began = time.perf_counter()
        networks = train(model, images, labels, subsets, seeds=range(at_once), config=short)
        return networks, time.perf_counter() - began

    fitted(steps)  # programs are compiled
    found, once = fitted(steps)
    per_step = 0.0
    for more in () if config.solved_for else (2, 40):  # times as many steps; of what is fast, many
        beside_once = fitted((1 + more) * steps)[1] - once  # what is done once, as the initial weights, is not counted
        per_step = max(beside_once, once / 10) / (more * steps * at_once) * training.batch_size / batch_size
        if beside_once > LONG_ENOUGH:
            break
    asked = images[: max(4, min(ASKED, most_numbers // int(np.prod(shape))))]
    found.logits(asked)
    began = time.perf_counter()
    found.logits(asked)
    answer = (time.perf_counter() - began) / (len(asked) * at_once)
    if config.solved_for:
        return 0.0, 0.0, once / (number * at_once), answer
    first = max(once / at_once - steps * per_step * batch_size / training.batch_size, 0.0)
    return first, per_step, 0.0, answer

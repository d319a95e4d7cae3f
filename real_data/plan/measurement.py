"""What is measured on this machine for a plan: rates of the network, its weights, decoding of image files."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Callable, Collection
from functools import partial
from typing import Any

import numpy as np

from real_data.models.config import ModelConfig
from real_data.plan.rates import Rate
from real_data.plan.stages import FORWARD, GRADIENT_NORM, TRAINING
from real_data.plan.study import PlannedStudy
from real_data.training.config import TrainingConfig

__all__ = ["decoding_rate", "rates_here", "weight_bytes"]

PHOTOGRAPH = (375, 500)  # height and width: the customary size of images of ImageNet
NUMBERS_AT_ONCE = 2**20  # pixels times channels of a batch that GraNd is measured on
LONG_ENOUGH = 0.3  # seconds


def rates_here(study: PlannedStudy, works: Collection[str]) -> dict[str, Rate]:
    """Rates of all devices of this machine together, each on a few batches of random images, after compilation.

    Args:
        study: whose network, size of images and batches count.
        works: that are needed, some of training step, forward and GraNd.
    """
    import jax

    from real_data.subset_trainings.rates import measured_rates
    from real_data.subset_trainings.settings import SubsetTrainings

    model, shape = study.model, (study.image_size, study.image_size, 3)
    training = TrainingConfig(num_steps=None, num_epochs=1, batch_size=study.batch_size)
    found = {}
    if {TRAINING, FORWARD} & set(works):
        times = measured_rates(SubsetTrainings((model,), (training,)), shape, study.classes, 1)
        found = {TRAINING: study.batch_size / times.per_step[0], FORWARD: 1 / times.per_answer[0]}
    if GRADIENT_NORM in works:
        found[GRADIENT_NORM] = _gradient_norms(model, shape, study.classes)
    devices = jax.local_devices()
    name = f"{len(devices)} x {devices[0].device_kind}"
    if devices[0].platform == "cpu":
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        name = f"CPU, {cores} core{'s' if cores > 1 else ''}; a GPU was not measured"
    return {work: Rate(found[work], f"measured now on this machine: {name}") for work in works}


def _gradient_norms(model: ModelConfig, shape: tuple[int, int, int], num_classes: int) -> float:
    """Images per second."""
    from real_data import models
    from real_data.scores.grand import gradient_norm
    from real_data.training.train import train

    number = max(4, min(64, NUMBERS_AT_ONCE // int(np.prod(shape))))
    images = np.random.default_rng(0).integers(0, 256, (number, *shape), dtype=np.uint8)
    labels = np.arange(number) % num_classes
    short = TrainingConfig(num_steps=1, batch_size=number, learning_rate=1e-6)
    network = train(
        models.build(model, shape, num_classes), images, labels, [np.arange(number)], seeds=[0], config=short
    )
    return number / _seconds(partial(network.map, gradient_norm, images, labels))


def decoding_rate(image_size: int) -> float:
    """Images per second that one core of this machine decodes, crops at random and resizes.

    The image is a smooth random one, 500 x 375 pixels, as a JPEG of quality 90; photographs may take longer.
    """
    from PIL import Image

    from real_data.datasets.image_decoding import random_resized_crop

    height, width = PHOTOGRAPH
    coarse = np.random.default_rng(0).integers(0, 256, (height // 8, width // 8, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC).save(file, "jpeg", quality=90)
    content, number = file.getvalue(), 20

    def decode() -> None:
        for seed in range(number):
            random_resized_crop(content, "image", image_size, seed)

    return number / _seconds(decode)


def weight_bytes(study: PlannedStudy) -> int:
    """Bytes of the weights and running statistics of one network, float32."""
    import jax
    from flax import nnx

    from real_data import models

    make = models.build(study.model, (study.image_size, study.image_size, 3), study.classes)
    network: Any = nnx.eval_shape(lambda: make(rngs=nnx.Rngs(0)))
    state = nnx.state(network, nnx.Any(nnx.Param, nnx.BatchStat))
    return sum(int(np.prod(leaf.shape)) * leaf.dtype.itemsize for leaf in jax.tree.leaves(state))


def _seconds(work: Callable[[], Any]) -> float:
    """Least of several times, after a first one."""
    work()
    least, began = np.inf, time.perf_counter()
    while least == np.inf or time.perf_counter() - began < LONG_ENOUGH:
        start = time.perf_counter()
        work()
        least = min(least, time.perf_counter() - start)
    return float(least)

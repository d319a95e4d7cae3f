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
NUMBERS_AT_ONCE = 2**20  # pixels times channels of a batch, at most
NUMBERS_ON_ACCELERATOR = 2**25  # the same where many images are needed to keep it busy; 223 of 224 x 224 pixels
LONG_ENOUGH = 0.3  # seconds


def rates_here(study: PlannedStudy, works: Collection[str]) -> dict[str, Rate]:
    """Rates of the device of this machine, each on a few batches of random images, after compilation.

    Args:
        study: whose network, size of images and batches count.
        works: that are needed, some of training step, forward and GraNd.

    Raises:
        ValueError: JAX sees several devices, which would share the work.
    """
    import jax

    from real_data.subset_trainings.rates import measured_rates
    from real_data.subset_trainings.settings import SubsetTrainings

    devices = jax.local_devices()
    if len(devices) > 1:
        raise ValueError(
            f"rates must be those of one device, but JAX sees {len(devices)} here: show it one (of NVIDIA's "
            "CUDA_VISIBLE_DEVICES=0 does), or give files of rates"
        )
    model, shape = study.model, (study.image_size, study.image_size, 3)
    numbers = NUMBERS_AT_ONCE if devices[0].platform == "cpu" else NUMBERS_ON_ACCELERATOR
    most = max(1, numbers // int(np.prod(shape)))
    training = TrainingConfig(num_steps=None, num_epochs=1, batch_size=min(study.usual_batch_size, most))
    found = {}
    if {TRAINING, FORWARD} & set(works):
        settings = SubsetTrainings((model,), (training,))
        times = measured_rates(settings, shape, study.classes, 1, most_numbers=numbers)
        found = {TRAINING: training.batch_size / times.per_step[0], FORWARD: 1 / times.per_answer[0]}
    if GRADIENT_NORM in works:
        found[GRADIENT_NORM] = _gradient_norms(model, shape, study.classes, max(4, min(64, most)))
    name, other = f"{devices[0].device_kind} ({devices[0].platform})", ""
    if devices[0].platform == "cpu":
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        name, other = f"CPU, {cores} core{'s' if cores > 1 else ''}", "; a GPU was not measured"
    batch = {TRAINING: f", batch {training.batch_size}"}
    return {
        work: Rate(found[work], f"measured now on this machine: {name}{batch.get(work, '')}{other}") for work in works
    }


def _gradient_norms(model: ModelConfig, shape: tuple[int, int, int], num_classes: int, number: int) -> float:
    """Images per second, of a batch of this number."""
    from real_data import models
    from real_data.scores.grand import gradient_norm
    from real_data.training.train import train

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

"""The images of an experiment: how its seeds divide the data set, and which of them are the pool."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np

from real_data import datasets
from real_data.datasets.label_file import relabelled
from real_data.experiments.config import Experiment

__all__ = ["divided", "load_for", "pool_within", "source_of", "whole_data"]


def load_for(config: Experiment, seed: int) -> datasets.ImageDataset:
    """The data set of an experiment for one of its seeds.

    Data sets without an official test set are divided anew for every seed; with ``holdout``, a part of the training
    images takes the place of the test images.
    """
    data = whole_data(config, seed)
    if config.holdout == 0:
        return data
    held, others = divided(config, data, seed)
    test = data.subset(held)
    rest = data.subset(others)
    return replace(rest, test_images=test.train_images, test_labels=test.train_labels)


def whole_data(config: Experiment, seed: int) -> datasets.ImageDataset:
    """The data set as it is read, before a part of the training images is set aside."""
    # with holdout the test images are those that everything else calls test images, and are left alone; a file of
    # labels or scores belongs to one division
    same = config.holdout > 0 or config.labels is not None or bool(config.score_files)
    split_seed = seed if config.dataset in datasets.UNDIVIDED and not same else 0
    return _load(config.dataset, config.path, *_reading(config), split_seed)


def divided(config: Experiment, data: datasets.ImageDataset, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The training images that are set aside, and the others."""
    number = data.train_labels.size
    held = data.pool(round(config.holdout * number), int(np.random.SeedSequence([seed, 2]).generate_state(1)[0]))
    return held, np.setdiff1d(np.arange(number), held)


def pool_within(config: Experiment, data: datasets.ImageDataset, pool_size: int, seed: int) -> tuple[np.ndarray, int]:
    """Which training images of the data set of a seed are its pool, and the seed of wrong labels."""
    pool_seed, noise_seed = np.random.SeedSequence([seed, 1]).generate_state(2).tolist()
    return data.pool(pool_size, pool_seed), noise_seed


def source_of(config: Experiment) -> str:
    """Fingerprint of the images of an experiment, however its seeds divide them."""
    return _load(config.dataset, config.path, *_reading(config), 0).fingerprint


def _reading(config: Experiment) -> tuple[int | None, str | None, bool, str | None]:
    return config.image_size, config.test_folder, config.skip_undecodable, config.labels


@lru_cache(maxsize=2)
def _load(
    name: str,
    path: str | None,
    image_size: int | None,
    test_folder: str | None,
    skip_undecodable: bool,
    labels: str | None,
    split_seed: int,
) -> datasets.ImageDataset:
    data = datasets.load(
        name,
        path,
        split_seed=split_seed,
        image_size=image_size,
        test_folder=test_folder,
        skip_undecodable=skip_undecodable,
    )
    return data if labels is None else relabelled(data, labels)

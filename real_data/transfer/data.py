"""The images of a transfer study, and the seeds of all that is drawn from them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from real_data import datasets, models
from real_data.training.arguments import check_scale
from real_data.training.augmentation import standardization_of
from real_data.transfer.config import ImageSet, Transfer

__all__ = ["Seeds", "check_pair", "loaded", "target_tests"]


@lru_cache(maxsize=2)
def loaded(images: ImageSet) -> datasets.ImageDataset:
    """The data set; the last two stay in memory, as tasks come one after another."""
    return datasets.load(images.dataset, images.path, **images.reading)


@dataclass(frozen=True)
class Seeds:
    """What is drawn at random for a pretraining seed: the same for all of its cells.

    Attributes:
        seed: of the pretraining.
    """

    seed: int

    @property
    def scoring(self) -> int:
        """Of the networks that score the source."""
        return self._all[0]

    @property
    def pruning(self) -> int:
        """Of keep rules."""
        return self._all[1]

    @property
    def network(self) -> int:
        """Of the initial weights and the order of batches of the pretraining."""
        return self._all[2]

    @property
    def tests(self) -> int:
        """Of the choice of test images of the target."""
        return self._all[3]

    def fine_tuning(self, number: int) -> tuple[int, int]:
        """Of the target images of a fine-tuning; of its head, or of all weights from scratch, and order of batches."""
        images, network = np.random.SeedSequence([self.seed, 1, number]).generate_state(2).tolist()
        return images, network

    @property
    def _all(self) -> list[int]:
        seeds: list[int] = np.random.SeedSequence(self.seed).generate_state(4).tolist()
        return seeds


def target_tests(config: Transfer, target: datasets.ImageDataset, seed: int) -> NDArray[np.int64]:
    """Which test images of the target the networks of a pretraining seed are tested on, in ascending order."""
    number = len(target.test_labels)
    if config.num_tests is None:
        return np.arange(number)
    rng = np.random.default_rng(Seeds(seed).tests)
    return np.sort(rng.choice(number, config.num_tests, replace=False))


def check_pair(config: Transfer, source: datasets.ImageDataset, target: datasets.ImageDataset) -> None:
    """Check what the images allow, before any work.

    Raises:
        ValueError: images of other shapes, types or scales, or such as the network does not take; too large a target
            size, or too many test images.
    """
    of_source, of_target = ((tuple(each.train_images.shape[1:]), each.train_images.dtype) for each in (source, target))
    if of_source != of_target:
        raise ValueError(
            f"source and target must have images of one shape and type, got {of_source[1]} of {of_source[0]} and "
            f"{of_target[1]} of {of_target[0]}: a folder or imagenet can be read at another image_size"
        )
    for images in (source, target):
        models.build(config.model, images.train_images.shape[1:], images.num_classes)  # complains about its images
    if of_source[1] == np.float32:
        standardize = config.pretraining.standardize
        check_scale(standardization_of(source.train_images, standardize=standardize), target.train_images)
    for size in config.target_sizes:
        if size > len(target.train_labels):
            raise ValueError(
                f"each of target_sizes must lie in [2, {len(target.train_labels)}], the number of training images of "
                f"the target, got {size}"
            )
    if config.num_tests is not None and config.num_tests > len(target.test_labels):
        raise ValueError(
            f"num_tests must lie in [1, {len(target.test_labels)}], the number of test images of the target, got "
            f"{config.num_tests}"
        )

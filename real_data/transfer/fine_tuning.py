"""Fine-tuning on the target: of all layers, of the head alone, and of the same networks from random weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from real_data import datasets, models
from real_data.models.config import ModelConfig
from real_data.training.config import TrainingConfig
from real_data.training.networks import TrainedNetworks
from real_data.training.start import Start
from real_data.training.train import Model, train
from real_data.transfer.data import Seeds, target_tests
from real_data.transfer.outcomes import FineTuned
from real_data.transfer.pretraining import without_head
from real_data.transfer.study import Study

__all__ = ["fine_tune", "probe", "scratch"]

_AT_ONCE = 4096  # images of files that are decoded at a time


def fine_tune(study: Study, seed: int, networks: TrainedNetworks, target: int, folder: Path | None) -> FineTuned:
    """Fine-tune all layers of a pretrained network, several times, and test.

    Args:
        study: the study.
        seed: pretraining seed.
        networks: the pretrained network, the only one.
        target: number of the target size.
        folder: for checkpoints; None keeps none.
    """
    start = Start(without_head(networks), networks.standardization, layer_decay=study.config.layer_decay)
    return _trained_and_tested(study, seed, target, study.config.training_of("all", target), folder, start)


def scratch(study: Study, seed: int, target: int, folder: Path | None) -> FineTuned:
    """As :func:`fine_tune`, of networks with random weights."""
    return _trained_and_tested(study, seed, target, study.config.training_of("scratch", target), folder, None)


def probe(study: Study, seed: int, networks: TrainedNetworks, target: int) -> FineTuned:
    """Train linear probes: a new head on the features of a pretrained network, which are computed once.

    With ``standardize`` in the settings of the probe, each feature has its mean subtracted and is divided by its
    standard deviation, both over the target images that the probes of this size are trained on, all together (4,096 of
    more).

    Args:
        study: the study.
        seed: pretraining seed.
        networks: the pretrained network, the only one.
        target: number of the target size.
    """
    data, subsets, seeds = _drawn(study, seed, target)
    chosen, places = np.unique(np.concatenate(subsets), return_inverse=True)
    tests = target_tests(study.config, data, seed)
    rows = _features(networks, data.train_images, chosen)[places]
    model = models.build(ModelConfig("mlp", hidden=()), rows.shape[1:], data.num_classes)
    return _in_groups(
        model,
        rows,
        np.asarray(data.train_labels)[chosen][places],
        _in_turn(subsets),
        seeds,
        study.config.probe,
        _features(networks, data.test_images, tests),
        np.asarray(data.test_labels)[tests],
    )


def _trained_and_tested(
    study: Study, seed: int, target: int, config: TrainingConfig, folder: Path | None, start: Start | None
) -> FineTuned:
    data, subsets, seeds = _drawn(study, seed, target)
    images, labels = data.train_images, np.asarray(data.train_labels)
    together = np.concatenate(subsets)
    if isinstance(images, np.ndarray) and len(together) < len(images):  # only those needed go to the device
        images, labels, subsets = images[together], labels[together], _in_turn(subsets)
    tests = target_tests(study.config, data, seed)
    return _in_groups(
        models.build(study.config.model, data.train_images.shape[1:], data.num_classes),
        images,
        labels,
        subsets,
        seeds,
        config,
        data.test_images[tests] if isinstance(data.test_images, np.ndarray) else data.test_images.subset(tests),
        np.asarray(data.test_labels)[tests],
        folder=folder,
        start=start,
    )


def _drawn(study: Study, seed: int, target: int) -> tuple[datasets.ImageDataset, list[np.ndarray], list[int]]:
    """The target, the images of each fine-tuning, and the seed of each."""
    data = study.target()
    each = [Seeds(seed).fine_tuning(number) for number in range(study.config.fine_tunings(target))]
    return data, [data.pool(study.config.target_sizes[target], images) for images, _ in each], [one for _, one in each]


def _in_turn(subsets: list[np.ndarray]) -> list[np.ndarray]:
    """Where the images of each subset are when those of all stand one after another."""
    return list(np.arange(sum(map(len, subsets))).reshape(len(subsets), -1))


def _features(networks: TrainedNetworks, images: Any, chosen: np.ndarray) -> np.ndarray:
    """Activations before the head, each a channel of one pixel, shape (num_chosen, 1, 1, width)."""
    portions = [chosen[first : first + _AT_ONCE] for first in range(0, len(chosen), _AT_ONCE)]
    return np.concatenate([networks.features(images[one])[0] for one in portions])[:, None, None, :]


def _in_groups(
    model: Model,
    images: Any,
    labels: np.ndarray,
    subsets: list[np.ndarray],
    seeds: list[int],
    config: TrainingConfig,
    test_images: Any,
    test_labels: np.ndarray,
    folder: Path | None = None,
    start: Start | None = None,
) -> FineTuned:
    """Networks trained and tested; where one of them diverges each by itself, so that no other is lost."""
    parts: list[FineTuned] = []
    groups: list[list[int]] = [list(range(len(seeds)))]
    while groups:
        group = groups.pop(0)
        try:
            networks = train(
                model,
                images,
                labels,
                [subsets[i] for i in group],
                seeds=[seeds[i] for i in group],
                config=config,
                folder=folder if folder is None or len(group) == len(seeds) else folder / f"alone-{group[0]}",
                start=start,
            )
        except FloatingPointError:
            if len(group) > 1:
                groups = [[i] for i in group] + groups
            else:
                nothing = np.array([np.nan])
                parts.append(FineTuned(nothing, nothing, np.array([False]), np.array([config.learning_rate])))
            continue
        rates = np.array([rates[-1] for rates in networks.learning_rates])
        errors = networks.errors(test_images, test_labels)
        parts.append(FineTuned(errors, networks.training_errors, networks.learned, rates))
    return FineTuned(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))

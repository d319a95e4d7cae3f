"""All rounds of the networks of one size: train, test, prune, rewind; saved after each round."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data_pruning import Results
from data_pruning.records.lock import locked
from data_pruning.records.settings import digest_of, to_json
from data_pruning.records.software import source_digest
from real_data import datasets, models
from real_data.magnitude_pruning.config import MagnitudePruning
from real_data.magnitude_pruning.masked_training import MaskedTraining
from real_data.magnitude_pruning.masks import flattened, num_weights, pruned, restored, whole
from real_data.software import software as software_of_trainings

__all__ = ["COLUMNS", "NetworkSize", "load_images", "prune_rounds", "software"]

COLUMNS = {
    "errors": "test error, fraction",
    "training_errors": "error in the last quarter of the training, fraction",
    "learned": "whether the network is better than the most frequent class of its training images",
}
"""What is saved of each round and seed."""

KEY_SETTINGS = ("fraction", "rewind_step", "num_seeds", "first_seed", "training")


def software() -> dict[str, str]:
    """Versions and sources that determine the numbers."""
    own = ("masks", "masked_training", "rounds")
    source = source_digest(*(f"real_data.magnitude_pruning.{name}" for name in own))
    return software_of_trainings() | {"source_of_masks": source}


def load_images(config: MagnitudePruning) -> datasets.ImageDataset:
    """The data set, with one division into training and test images for all seeds.

    Raises:
        ValueError: its images are read from files as they are needed.
    """
    data = datasets.load(
        config.dataset,
        config.path,
        split_seed=config.first_seed,
        image_size=config.image_size,
        test_folder=config.test_folder,
        skip_undecodable=config.skip_undecodable,
    )
    if not isinstance(data.train_images, np.ndarray):
        raise ValueError(f"magnitude pruning takes images that fit into memory, not those of {config.dataset}")
    return data


@dataclass(frozen=True)
class NetworkSize:
    """The networks of one depth, width and number of training images, one for each seed.

    Attributes:
        config: the settings.
        depth: number of hidden layers.
        width: units of each, or factor on the channels.
        pool_size: number of training images.
        fingerprint: of the data set, so that a worker notices if its files are others.
        software: digest of versions and sources.
    """

    config: MagnitudePruning
    depth: int
    width: float
    pool_size: int
    fingerprint: str
    software: str

    @property
    def name(self) -> str:
        """What the networks are called."""
        return f"depth-{self.depth}-width-{self.width:g}-pool-{self.pool_size}"

    @property
    def key(self) -> str:
        """Digest of all that determines the outcome of each round; not of the number of rounds."""
        settings = to_json(self.config)
        own = {"model": to_json(self.config.network(self.depth, self.width)), "pool_size": self.pool_size}
        shared = {name: settings[name] for name in KEY_SETTINGS}
        return digest_of({**shared, **own, "dataset": self.fingerprint, "software": self.software})

    def path(self, folder: Path) -> Path:
        """The file of its rounds."""
        return folder / "networks" / f"{self.name}-{self.key}.nc"


def saved_rounds(size: NetworkSize, folder: Path) -> Results | None:
    """The rounds of a network size that are saved, None where there are none.

    Raises:
        ValueError: the file is damaged or belongs to other networks.
    """
    path = size.path(folder)
    if not path.exists():
        return None
    results = Results.load(path)
    if results.config.get("key") != size.key or "left" not in results.variables:
        raise ValueError(f"{path} does not hold the rounds that its name says: delete it")
    return results


def prune_rounds(size: NetworkSize, folder: Path, report: Callable[[int], Any] = lambda number: None) -> None:
    """Train, test and prune the networks of one size, round by round, and save each round when it ends.

    Goes on after the last round saved; the bits are those of a run without a break.

    Args:
        size: the networks.
        folder: the results folder.
        report: is told the number of rounds just finished.

    Raises:
        ValueError: the data set or the software is another than that of ``size``, or too few weights are left.
        FloatingPointError: a training diverged.
    """
    if digest_of(software()) != size.software:
        raise ValueError(f"the software or device of this worker is another than that of the first: {software()}")
    with locked(folder / "locks" / f"{size.name}-{size.key}"):
        saved = saved_rounds(size, folder)
        if saved is None or saved.sizes["round"] < size.config.rounds:
            _go_on(size, folder, saved, report)


def _go_on(size: NetworkSize, folder: Path, saved: Results | None, report: Callable[[int], Any]) -> None:
    config = size.config
    data = load_images(config)
    if data.fingerprint != size.fingerprint:
        raise ValueError(
            f"the data set {config.dataset} here, sha256 {data.fingerprint}, is not that of the first worker, "
            f"{size.fingerprint}"
        )
    training = training_of(size, data)
    params, batch_stats = training.start()
    masks, total = whole(params), num_weights(params)
    if config.rewind_step > 0:  # as much as a fraction of a round, so it is not saved
        networks = training.between(params, batch_stats, masks, 0, config.rewind_step)
        params, batch_stats = networks.params, networks.batch_stats
    columns: dict[str, list[NDArray[Any]]] = {name: [] for name in COLUMNS}
    if saved is not None:
        columns = {name: list(saved[name]) for name in COLUMNS}
        masks = restored(saved["left"], params)
    for number in range(len(columns["errors"]), config.rounds):
        try:
            networks = training.between(params, batch_stats, masks, config.rewind_step, training.num_steps)
        except FloatingPointError as error:
            raise FloatingPointError(f"{size.name}, round {number}: {error}") from error
        columns["errors"].append(networks.errors(data.test_images, data.test_labels))
        columns["training_errors"].append(networks.training_errors)
        columns["learned"].append(networks.learned)
        masks = pruned(masks, networks.params, config.num_left(total, number + 1))
        _save(size, folder, columns, flattened(masks))
        report(1)


def training_of(size: NetworkSize, data: datasets.ImageDataset) -> MaskedTraining:
    """The training that all rounds of a network size share."""
    config = size.config
    states = [np.random.SeedSequence(seed).generate_state(2).tolist() for seed in config.seeds]
    return MaskedTraining(
        models.build(config.network(size.depth, size.width), data.train_images.shape[1:], data.num_classes),
        data.train_images,
        data.train_labels,
        tuple(data.pool(size.pool_size, pool_seed) for pool_seed, _ in states),
        tuple(train_seed for _, train_seed in states),
        config.training,
    )


def _save(size: NetworkSize, folder: Path, columns: dict[str, list[NDArray[Any]]], left: NDArray[np.bool_]) -> None:
    results = Results(
        f"Test error by round of magnitude pruning, {size.name} on {size.config.dataset}",
        {"key": size.key, "settings": to_json(size.config), "software": software()},
    )
    for name, values in columns.items():
        results.add(name, ("round", "seed"), np.stack(values), "1", COLUMNS[name])
    results.add("left", ("seed", "weight"), left, "1", "which weights are left after the last of these rounds")
    results.save(size.path(folder))

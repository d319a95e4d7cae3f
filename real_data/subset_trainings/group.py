"""A group of subset trainings, the networks of one file: trained, asked about every image, and saved."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from data_pruning import Results
from data_pruning.records.lock import locked
from data_pruning.records.settings import digest_of, to_json
from real_data import models
from real_data.software import PACKAGES, software
from real_data.subset_trainings.packing import to_words
from real_data.subset_trainings.predictions import Predictions, predictions_of
from real_data.subset_trainings.settings import SubsetTrainings
from real_data.training.ensemble import Ensemble
from real_data.training.start import Start, same_start
from real_data.training.train import default_networks_at_once, train

if TYPE_CHECKING:
    from real_data.datasets import ImageDataset

__all__ = ["MOST_SUMS", "NETWORKS_PER_FILE", "TITLE", "SubsetGroup", "class_type", "run_group", "training_software"]

TITLE = "What networks trained on random shares of a pool say of every image"
NETWORKS_PER_FILE = 10
CHECKPOINT_EVERY = 1000  # steps
MOST_SUMS = 2**27
"""Most sums of probabilities, images times classes, that a file of a group holds: of larger pools there are none."""

_NUMBERS_AT_ONCE = 2**23
"""Most logits, of all networks and classes, that are held at a time."""

_PIXELS_AT_ONCE = 2**27
"""Most pixels times channels of images that are held at a time, where they are read from files."""

SOURCES = ("data_pruning", "real_data.datasets", "real_data.models", "real_data.training", "real_data.subset_trainings")


def training_software() -> dict[str, str]:
    """What determines the outcomes besides settings and data: new code of scores does not call for new trainings."""
    found = software(SOURCES)
    return {name: found[name] for name in (*PACKAGES, "source", "device")}


@dataclass(frozen=True, eq=False)
class SubsetGroup:
    """Networks that are trained in one go, and whose outcomes are in one file.

    Attributes:
        settings: of all subset trainings.
        networks: numbers of these networks.
        fingerprint: of the data set, training and test.
        software: digest of what else determines the outcomes.
        data: loads the data set, on a worker too; picklable.
        folder: where the file goes.
        start: loads what the networks start from, likewise; None is random weights.
    """

    settings: SubsetTrainings
    networks: range
    fingerprint: str
    software: str
    data: Callable[[], ImageDataset]
    folder: Path
    start: Callable[[], Start] | None = None

    @property
    def path(self) -> Path:
        """The file."""
        return self.folder / f"networks-{self.networks[0]:05d}-{self.networks[-1]:05d}.nc"


def class_type(num_classes: int) -> np.dtype:
    """The smallest type that holds classes."""
    return np.min_scalar_type(max(num_classes - 1, 1))


def run_group(group: SubsetGroup, report: Callable[[int], Any] = lambda number: None) -> int:
    """Train the networks of a group and save what they say, unless that is there already.

    Args:
        group: the group.
        report: is told the number of networks just trained.

    Returns:
        The number of networks in the group.

    Raises:
        ValueError: the data set, the weights to start from or the software here are others.
        RuntimeError: a network is no better than the most frequent class of its own images.
        FloatingPointError: a training diverged.
    """
    if digest_of(training_software()) != group.software:
        raise ValueError(f"the software or device of this worker is another than that of the first: {software()}")
    with locked(group.folder / "locks" / group.path.stem):
        if group.path.exists():
            report(len(group.networks))
            return len(group.networks)
        dataset = _data_of(group)
        checkpoints = group.folder / "checkpoints" / group.path.stem
        ensemble = _trained(group, dataset, checkpoints, report)
        _outcomes(group, dataset, ensemble).save(group.path)
        shutil.rmtree(checkpoints, ignore_errors=True)
    return len(group.networks)


_LAST: dict[str, Any] = {}  # the data set of this worker: groups come one by one, each with a loader of its own


def _data_of(group: SubsetGroup) -> ImageDataset:
    if group.fingerprint not in _LAST:
        dataset = group.data()
        if dataset.fingerprint != group.fingerprint:
            raise ValueError(
                f"the data set {dataset.name} here, sha256 {dataset.fingerprint}, is not that of the subset trainings, "
                f"{group.fingerprint}"
            )
        _LAST.clear()
        _LAST[group.fingerprint] = dataset
    return _LAST[group.fingerprint]


def _trained(group: SubsetGroup, dataset: ImageDataset, checkpoints: Path, report: Callable[[int], Any]) -> Ensemble:
    """The networks of a group; those of one kind are trained side by side where that is faster."""
    images, labels = dataset.train_images, np.asarray(dataset.train_labels)
    digest = group.settings.start_sha256
    start = None if group.start is None or digest is None else same_start(group.start, digest)
    kinds: dict[Any, list[int]] = {}
    for network in group.networks:
        kinds.setdefault(group.settings.kind(network), []).append(network)
    trained, positions = [], []
    for number, ((model_config, training), networks) in enumerate(kinds.items()):
        model = models.build(model_config, images.shape[1:], dataset.num_classes)
        at_once = default_networks_at_once(model, images, config=training, start=start)
        for first in range(0, len(networks), at_once):
            some = networks[first : first + at_once]
            subsets = [group.settings.subset(network, len(labels)) for network in some]
            long = training.steps_for(len(subsets[0])) > CHECKPOINT_EVERY
            found = train(
                model,
                images,
                labels,
                subsets,
                seeds=[group.settings.training_seed(network) for network in some],
                config=training,
                folder=checkpoints / f"kind-{number}-{some[0]}" if long else None,
                checkpoint_every=CHECKPOINT_EVERY,
                start=start,
            )
            failed = [network for network, learned in zip(some, found.learned, strict=True) if not learned]
            if failed:
                i = some.index(failed[0])
                raise RuntimeError(
                    f"network {failed[0]} of the subset trainings ({model_config.kind}, seed {found.seeds[i]}) is no "
                    f"better than the most frequent class of its training images: {100 * found.training_errors[i]:.1f} "
                    f"% error in the last quarter of its training, the class alone "
                    f"{100 * (1 - found.most_frequent[i]):.1f} %. No score rests on it, and it is not saved: train "
                    f"longer (num_steps, {found.losses.shape[1]} now) or at another learning_rate "
                    f"({training.learning_rate:g} now)"
                )
            trained.append(found)
            positions.append(tuple(group.networks.index(network) for network in some))
            report(len(some))
    return Ensemble(tuple(trained), tuple(positions))


def _outcomes(group: SubsetGroup, dataset: ImageDataset, ensemble: Ensemble) -> Results:
    num_examples = len(dataset.train_labels)
    members = np.stack([group.settings.members(network, num_examples) for network in group.networks])
    results = Results(
        TITLE,
        {
            "settings": to_json(group.settings),
            "dataset": {"name": dataset.name, "sha256": group.fingerprint},
            "software": training_software(),
            "num_examples": num_examples,
            "num_tests": len(dataset.test_labels),
            "num_classes": dataset.num_classes,
            "note": "words: the bytes of bits (first in the highest bit) or of little-endian numbers, in 32-bit "
            "integers; bits of members and right, float16 el2n, risen_margin (margin + 1) and entropy, float32 sums",
        },
    )
    results.add("network", "network", list(group.networks), "1", "number of the network")
    seeds = [str(seed) for seed in ensemble.seeds]
    results.add("seed", "network", seeds, "", "seed of the initial weights and the order of batches")
    results.add("training_error", "network", ensemble.training_errors, "1", "error in the last quarter of the training")
    rates = [rates[-1] for part in ensemble.groups for rates in part.learning_rates]
    order = np.argsort([place for places in ensemble.positions or () for place in places])
    results.add("learning_rate", "network", np.array(rates)[order], "1", "learning rate of the training")
    results.add("members", ("network", "bits"), to_words(members), "1", "whether trained on each example; words")
    of_train = _answers(ensemble, dataset.train_images, np.asarray(dataset.train_labels), ~members)
    of_test = _answers(ensemble, dataset.test_images, np.asarray(dataset.test_labels), None)
    for prefix, what, found in (("", "training", of_train), ("test_", "test", of_test)):
        for name, values in found.of_each.items():
            dims = ("network", f"{prefix}{values.dtype}_words")
            results.add(f"{prefix}{name}", dims, to_words(values), "1", f"{name} of each {what} image; words")
        if found.sums is not None:
            held = "over the networks of this file that have not seen it"
            rows = "test" if prefix else "example"
            results.add(f"{prefix}sums", (rows, "class"), to_words(found.sums), "1", f"sum of probabilities {held}")
            described = f"sum of entropies {held}, nats"
            results.add(f"{prefix}entropy_sum", rows, found.entropy_sum, "1", described)
    return results


@dataclass(frozen=True, eq=False)
class _Answers:
    of_each: dict[str, np.ndarray]
    sums: np.ndarray | None
    entropy_sum: np.ndarray


def _answers(ensemble: Ensemble, images: Any, labels: np.ndarray, asked: np.ndarray | None) -> _Answers:
    """What is saved of the networks' answers about images; sums are over the networks where ``asked``, None all."""
    number, num_classes = len(labels), ensemble.num_classes
    most = min(
        _NUMBERS_AT_ONCE // (ensemble.num_networks * num_classes), _PIXELS_AT_ONCE // math.prod(images.shape[1:])
    )
    size = max(64, most // 1024 * 1024)
    parts: list[Predictions] = []
    sums = np.zeros((number, num_classes), np.float32) if number * num_classes <= MOST_SUMS else None
    entropy_sum = np.zeros(number)
    for start in range(0, number, size):
        some = slice(start, start + size)
        found = predictions_of(ensemble.logits(images[some]), labels[some])
        weight = np.ones(found.right.shape, np.float32) if asked is None else asked[:, some].astype(np.float32)
        if sums is not None:
            sums[some] = np.einsum("rn,rnc->nc", weight, found.probabilities)
        entropy_sum[some] = np.einsum("rn,rn->n", weight, found.entropy, dtype=np.float64)
        parts.append(found._replace(probabilities=np.empty(0, np.float32)))
    kept = {"right": np.bool_, "predicted": class_type(num_classes)} | dict.fromkeys(
        ("el2n", "risen_margin", "entropy"), np.float16
    )
    of_each = {
        name: np.concatenate([getattr(part, name).astype(kind) for part in parts], axis=1)
        for name, kind in kept.items()
    }
    return _Answers(of_each, sums, entropy_sum)

"""How well each class of a pool is recognised, by networks that have not seen the images they are asked about."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data_pruning import Results
from real_data import datasets, models
from real_data.models.config import ModelConfig
from real_data.training import train as training
from real_data.training.config import TrainingConfig
from real_data.training.examples import Examples
from real_data.training.networks import picked
from real_data.training.start import Start

__all__ = ["NUM_FOLDS", "cross_fitted_recalls", "folds_of"]

NUM_FOLDS = 5


def cross_fitted_recalls(
    data: datasets.ImageDataset,
    model: ModelConfig,
    config: TrainingConfig,
    *,
    seed: int,
    path: Path,
    checkpoints: Path | None,
    provenance: dict[str, Any],
    start: Start | None = None,
) -> NDArray[np.float64]:
    """Share of the images of each class that networks recognise which were trained on the other folds.

    The pool is divided into five folds, of each class a fifth in each; no test image takes part.  The share of a class
    of n images, k of them recognised, is (k + 1/2) / (n + 1): a class without an error among a few images may have some
    among many.

    Args:
        data: the pool.
        model: the network.
        config: training of the five networks.
        seed: seed of folds and networks.
        path: file that the recalls are kept in, and taken from if it is there.
        checkpoints: folder for checkpoints of the trainings; None keeps none.
        provenance: what determines them; any JSON value.
        start: what the networks start from; None is random weights.

    Returns:
        By class, in (0, 1), shape (num_classes,).

    Raises:
        RuntimeError: a network has not learned, so that its recalls mean nothing.
    """
    if path.exists():
        return Results.load(path)["recall"]
    labels = np.asarray(data.train_labels)
    fold = folds_of(labels, seed)
    network = models.build(model, data.train_images.shape[1:], data.num_classes)
    subsets = [Examples(np.flatnonzero(fold != k)) for k in range(NUM_FOLDS)]
    alike = len({config.steps_for(len(subset)) for subset in subsets}) == 1
    right = np.zeros(labels.size, bool)
    for group in [list(range(NUM_FOLDS))] if alike else [[k] for k in range(NUM_FOLDS)]:
        chosen = [subsets[k] for k in group]
        networks = training.train(
            network,
            data.train_images,
            labels,
            chosen,
            seeds=[seed] * len(group),
            config=config,
            folder=None if checkpoints is None else checkpoints / f"fold-{group[0]}",
            start=start,
        )
        if not networks.learned.all():
            raise RuntimeError(
                f"{np.sum(~networks.learned)} of the {len(group)} networks that measure how well each class is "
                "recognised have not learned: train longer, or leave out class quotas by error (+by-error)"
            )
        for i, k in enumerate(group):
            held = np.flatnonzero(fold == k)
            right[held] = ~picked(networks, np.array([i])).wrong(data.train_images[held], labels[held])[0]
    counts = np.bincount(labels, minlength=data.num_classes)
    hits = np.bincount(labels[right], minlength=data.num_classes)
    results = Results("How well each class is recognised by networks trained on other images", provenance)
    results.add("recall", "class", (hits + 0.5) / (counts + 1), "1", "share of the images of the class, out of sample")
    results.add("num_images", "class", counts, "1", "images of the class")
    results.save(path)
    return results["recall"]


def folds_of(labels: np.ndarray, seed: int) -> NDArray[np.int64]:
    """The fold of each image, in [0, 5), at random, of every class as many in each fold to within one."""
    order = np.random.default_rng(seed).permutation(labels.size)
    by_class = order[np.argsort(labels[order], kind="stable")]
    fold = np.empty(labels.size, np.int64)
    fold[by_class] = np.arange(labels.size) % NUM_FOLDS
    return fold

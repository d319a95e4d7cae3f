"""A single training on the kept part of a data set, with checkpoints, metrics and settings in one folder."""

from __future__ import annotations

import os
from pathlib import Path

import jax
import numpy as np

from perceptron_theory import Results
from real_data import datasets, models, pruning, scores, training
from real_data.config import TrainingRun, keep_rule, to_json
from real_data.run_folder import write_settings
from real_data.task import software

__all__ = ["run_training"]


def run_training(
    config: TrainingRun, *, out: str | os.PathLike[str], checkpoint_every: int = 1000, progress: bool = True
) -> Results:
    """Train networks on the kept examples, and test them.

    The folder holds the settings (``settings.json``), per network the metrics (``metrics.jsonl``) and checkpoints, and
    in the end ``result.nc``.  When interrupted or killed, the same call goes on from the last checkpoint, and the
    weights are the same bit for bit.

    Args:
        config: the settings.
        out: the folder.
        checkpoint_every: steps between checkpoints, at least 1.
        progress: show a progress bar.

    Returns:
        ``errors`` (seed), test errors as fractions; ``losses`` (seed, step); ``kept``, indices of the kept examples.

    Raises:
        ValueError: the folder belongs to other settings, or the scores to another data set.
        FileNotFoundError: the data set or the scores are not there.
        FloatingPointError: the training diverged.
    """
    folder = Path(out)
    data = datasets.load(config.dataset, config.path, image_size=config.image_size)
    kept = np.arange(data.train_labels.size)
    if config.rule != "all":
        found = None if config.scores is None else scores.Scores.load(config.scores, data)
        kept = pruning.prune(
            np.zeros(kept.size) if found is None else found.values,
            keep_rule(config.rule, config.fraction),
            data.train_labels,
            min_class_share=config.min_class_share,
            seed=config.prune_seed,
        )
    folder.mkdir(parents=True, exist_ok=True)
    write_settings(folder / "settings.json", to_json(config))
    networks = training.train(
        models.build(config.model, data.train_images.shape[1:], data.num_classes),
        data.train_images,
        data.train_labels,
        [kept] * len(config.seeds),
        seeds=config.seeds,
        config=config.training,
        folder=folder,
        checkpoint_every=checkpoint_every,
        progress=progress,
    )
    results = Results(
        f"Training on {kept.size} of {data.train_labels.size} images of {config.dataset}",
        {
            "training_run": to_json(config),
            "dataset": {"name": data.name, "sha256": data.fingerprint},
            "software": software(),
            "device": jax.devices()[0].device_kind,
        },
    )
    results.add("seed", "seed", list(config.seeds), "1", "seed of the network")
    results.add("kept", "kept", kept, "1", "indices of the kept examples in the training set")
    results.add("losses", ("seed", "step"), networks.losses, "1", "training loss")
    errors = networks.errors(data.test_images, data.test_labels)
    results.add("errors", "seed", errors, "1", "test error, fraction of test images classified wrongly")
    results.save(folder / "result.nc")
    return results

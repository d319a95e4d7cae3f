"""A single training on the kept part of a data set, with checkpoints, metrics and settings in one folder."""

from __future__ import annotations

import os
from pathlib import Path

from data_pruning import Results
from data_pruning.records.fingerprint import sha256_of
from data_pruning.records.lock import locked
from data_pruning.records.settings import to_json
from data_pruning.records.settings_file import check_settings, write_settings
from real_data import datasets, models, scores
from real_data.experiments.config import TrainingRun
from real_data.experiments.starts import start_of
from real_data.selection.kept_list import read_kept
from real_data.selection.methods import chosen_examples
from real_data.software import software
from real_data.training import train as training
from real_data.training.examples import Examples
from real_data.training.networks import TrainedNetworks
from real_data.training.start import Start
from real_data.training.weights_file import load_weights, save_weights

__all__ = ["load_networks", "run_training"]

WEIGHTS = "weights.npz"


def run_training(
    config: TrainingRun, *, out: str | os.PathLike[str], checkpoint_every: int = 1000, progress: bool = True
) -> Results:
    """Train networks on the kept examples, and test them.

    The folder holds the settings (``settings.json``), digests of the data (``data.json``), per network the metrics
    (``metrics.jsonl``) and checkpoints, and in the end ``weights.npz``, see :func:`load_networks`, and ``result.nc``.
    When interrupted or killed, the same call goes on from the last checkpoint, and the weights are the same bit for
    bit.  The files of the data set, of the scores and of the weights to start from may be elsewhere by then, but must
    be the same.

    Args:
        config: the settings.
        out: the folder.
        checkpoint_every: steps between checkpoints, at least 1.
        progress: show a progress bar.

    Returns:
        ``errors`` (seed), test errors as fractions; ``losses`` (seed, step); ``kept``, indices of the kept examples;
        ``learned``, ``training_errors`` and ``learning_rates`` (seed), see :class:`real_data.TrainedNetworks`.

    Raises:
        ValueError: another process is training in the folder; the folder belongs to other settings, data or software,
            or the scores to another data set.
        FileNotFoundError: the data set, the scores or the weights to start from are not there.
        FloatingPointError: the training diverged.
    """
    folder = Path(out)
    data = datasets.load(
        config.dataset,
        config.path,
        image_size=config.image_size,
        test_folder=config.test_folder,
        skip_undecodable=config.skip_undecodable,
    )
    if config.kept is not None:
        kept = read_kept(config.kept, data)
    else:
        kept = chosen_examples(
            config.rule,
            config.fraction,
            None if config.scores is None else scores.Scores.load(config.scores, data).values,
            data.train_labels,
            min_class_share=config.min_class_share,
            seed=config.prune_seed,
        )
    # complains of images that it does not take before there is a folder
    model = models.build(config.model, data.train_images.shape[1:], data.num_classes)
    start = start_of(config, data)
    try:
        with locked(folder / "lock", wait=False):
            return _train_and_test(config, model, data, kept, start, folder, checkpoint_every, progress)
    except BlockingIOError:
        raise ValueError(
            f"another process is training in {folder}: wait until it ends, or give another folder"
        ) from None


def load_networks(folder: str | os.PathLike[str]) -> TrainedNetworks:
    """The networks that :func:`run_training` trained, on this device or another, from the file ``weights.npz`` alone.

    Args:
        folder: the folder of the training; a copy of the file in another folder does as well.

    Returns:
        The networks, as :func:`real_data.train` returned them.

    Raises:
        FileNotFoundError: there is no such file; perhaps the training has not ended.
        ValueError: the file is damaged or altered, or the networks are built otherwise in this version.
    """
    path = Path(folder) / WEIGHTS
    if not path.exists():
        raise FileNotFoundError(f"there is no {path}: it is written when the training ends; run it again to go on")
    return load_weights(path)


def _train_and_test(
    config: TrainingRun,
    model: models.Model,
    data: datasets.ImageDataset,
    kept: Examples,
    start: Start | None,
    folder: Path,
    checkpoint_every: int,
    progress: bool,
) -> Results:
    movable = ("path", "scores", "kept", "fine_tuning.weights")
    settings = {"path": folder / "settings.json", "settings": to_json(config), "may_change": movable}
    check_settings(**settings)
    # files may be moved: their digests say whether they are still the same
    digests = {"dataset_sha256": data.fingerprint, "kept_sha256": sha256_of(*kept.digested())}
    if start is not None:
        digests["start_sha256"] = start.digest
    write_settings(folder / "data.json", digests)
    write_settings(**settings)
    networks = training.train(
        model,
        data.train_images,
        data.train_labels,
        [kept] * len(config.seeds),
        seeds=config.seeds,
        config=config.training,
        folder=folder,
        checkpoint_every=checkpoint_every,
        start=start,
        progress=progress,
    )
    provenance = {
        "training_run": to_json(config),
        "notes": list(data.notes),
        "dataset": {"name": data.name, "sha256": data.fingerprint},
        "software": software(),
    }
    if start is not None:
        provenance["start"] = {"sha256": start.digest, "layers": start.layers, "layer_decay": start.layer_decay}
    save_weights(
        folder / WEIGHTS, networks, model=config.model, image_shape=data.train_images.shape[1:], provenance=provenance
    )
    results = Results(
        f"Training on {kept.epoch_size} of {data.train_labels.size} images of {config.dataset}", provenance
    )
    results.add("seed", "seed", list(config.seeds), "1", "seed of the network")
    results.add("kept", "kept", kept.indices, "1", "indices of the kept examples in the training set")
    if kept.weights is not None:
        results.add("weights", "kept", kept.weights, "1", "weight of the loss of each kept example, mean 1")
    results.add("losses", ("seed", "step"), networks.losses, "1", "training loss")
    errors = networks.errors(data.test_images, data.test_labels)
    results.add("learned", "seed", networks.learned.astype(int), "1", "better than the most frequent class")
    results.add(
        "training_errors", "seed", networks.training_errors, "1", "error in the last quarter of the training, fraction"
    )
    rates = [tried[-1] for tried in networks.learning_rates]
    results.add(
        "learning_rates", "seed", rates, "1", "learning rate; lower than that of the settings where that failed"
    )
    results.add("errors", "seed", errors, "1", "test error, fraction of test images classified wrongly")
    results.save(folder / "result.nc")
    return results

"""Pretraining on a part of the source: trained once, its weights and what came of it saved."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from real_data import models
from real_data.experiments import checkpoints
from real_data.training.layers import by_name, head_of
from real_data.training.networks import TrainedNetworks
from real_data.training.train import train
from real_data.training.weights_file import load_weights, save_weights
from real_data.transfer.data import Seeds
from real_data.transfer.outcomes import Pretrained, read_pretrained, save_pretrained
from real_data.transfer.study import Pretraining, Study

__all__ = ["outcome_path", "pretrain", "weights_path", "without_head"]


def outcome_path(pretraining: Pretraining, folder: Path) -> Path:
    """The file that says what came of a pretraining."""
    return folder / "pretrainings" / f"{pretraining.name}.nc"


def weights_path(pretraining: Pretraining, folder: Path) -> Path:
    """The file of its weights, which is not there where it diverged."""
    return folder / "pretrainings" / f"{pretraining.name}.npz"


def pretrain(
    study: Study,
    pretraining: Pretraining,
    folder: Path,
    provenance: dict[str, Any],
    report: Callable[[int], Any] = lambda number: None,
) -> tuple[Pretrained, TrainedNetworks | None]:
    """The network of a pretraining, trained unless the folder has it, and what came of it.

    Weights that were deleted to make room are trained again.

    Args:
        study: the study.
        pretraining: what is trained on, and how long.
        folder: the results folder.
        provenance: what the reader of the files should know of it; any JSON value.
        report: is told that one network has been trained.

    Returns:
        What came of it, and the network; where that diverged or, as the folder says, learned nothing, None.
    """
    path, weights = outcome_path(pretraining, folder), weights_path(pretraining, folder)
    outcome = read_pretrained(path)
    if outcome is not None and not outcome.learned:
        return outcome, None
    try:
        networks = load_weights(weights) if weights.exists() else _trained(study, pretraining, folder, provenance)
    except FloatingPointError:
        nothing = float("nan")
        rate = study.config.pretraining.learning_rate
        outcome = Pretrained(nothing, len(pretraining.kept), pretraining.num_steps, nothing, False, rate)
        save_pretrained(path, outcome, provenance)
        checkpoints.discard(_place(pretraining, folder))
        report(1)
        return outcome, None
    if outcome is not None:
        checkpoints.discard(_place(pretraining, folder))
        return outcome, networks
    source = study.source()
    outcome = Pretrained(
        float(networks.errors(source.test_images, source.test_labels)[0]),
        len(pretraining.kept),
        pretraining.num_steps,
        float(networks.training_errors[0]),
        bool(networks.learned[0]),
        networks.learning_rates[0][-1],
    )
    save_pretrained(path, outcome, provenance)
    checkpoints.discard(_place(pretraining, folder))
    report(1)
    return outcome, networks


def without_head(networks: TrainedNetworks) -> dict[str, np.ndarray]:
    """Weights and batch statistics of the first of some networks by name, without those of its head."""
    params = by_name("params", networks.params)
    found = {**params, **by_name("batch_stats", networks.batch_stats)}
    head = head_of(params.keys())
    return {name: np.asarray(array[0]) for name, array in found.items() if name not in head}


def _trained(study: Study, pretraining: Pretraining, folder: Path, provenance: dict[str, Any]) -> TrainedNetworks:
    source = study.source()
    image_shape = source.train_images.shape[1:]
    networks = train(
        models.build(study.config.model, image_shape, source.num_classes),
        source.train_images,
        source.train_labels,
        [pretraining.kept],
        seeds=[Seeds(pretraining.seed).network],
        config=replace(study.config.pretraining, num_steps=pretraining.num_steps, num_epochs=None),
        folder=_place(pretraining, folder),
        checkpoint_every=checkpoints.CHECKPOINT_EVERY,
    )
    path = weights_path(pretraining, folder)
    save_weights(path, networks, model=study.config.model, image_shape=image_shape, provenance=provenance)
    return networks


def _place(pretraining: Pretraining, folder: Path) -> Path | None:
    return checkpoints.place_of(folder, pretraining.name, pretraining.num_steps)

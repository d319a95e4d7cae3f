"""Sources of error where a teacher network labels the images, so that networks as large as it could make no error.

With labels of a teacher the best network of its size errs nowhere: there is no realizability error for networks as
large, and what they err is uncertainty (too few examples) and learning deficiency (the training does not find the best
network), which a measurement alone cannot tell apart.  The error of smaller ones at the largest n bounds their
realizability error from above.  Noise is what wrong labels of the training images add.
"""

from __future__ import annotations

import math
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from data_pruning import Results
from data_pruning.arguments import check_integer, check_tuple
from data_pruning.command_line import table
from data_pruning.records.settings import to_json
from real_data.experiments.config import Experiment, TrainingRun
from real_data.studies.model_sizes import ModelSizes
from real_data.training.config import TrainingConfig

if TYPE_CHECKING:
    from real_data.training.networks import TrainedNetworks

__all__ = ["check_teacher", "error_sources", "label_by_teacher", "source_table"]

LABELS = "teacher-labels.nc"


def check_teacher(config: ModelSizes, hidden: tuple[int, ...]) -> None:
    """Raise a ``ValueError`` unless a teacher of these hidden widths is one of the networks of a grid."""
    check_tuple("teacher", hidden)
    for width in hidden:
        check_integer("each of teacher, widths of its hidden layers,", width, 1)
    if config.experiment.model.kind != "mlp":
        raise ValueError(f"teacher must be None for a {config.experiment.model.kind}: teachers are MLPs")
    sizes = [config.network(*size).hidden for size in config.sizes]
    if hidden not in sizes:
        raise ValueError(f"teacher must be one of the networks of widths and depths, {sizes}, got {hidden!r}")


def label_by_teacher(
    config: Experiment,
    hidden: tuple[int, ...],
    training: TrainingConfig,
    out: str | os.PathLike[str],
    *,
    progress: bool = True,
) -> Experiment:
    """Train a teacher on all training images and let it label training and test images.

    Args:
        config: the experiment, of which the data set is taken.
        hidden: widths of the hidden layers of the teacher, an MLP.
        training: its training.
        out: folder of the teacher, ``out/teacher``, and its labels, ``out/teacher-labels.nc``; what is there is taken.
        progress: show a progress bar.

    Returns:
        The experiment with the labels of the teacher.

    Raises:
        ValueError: the labels in ``out`` are those of another teacher or data set.
        Exception: as :func:`real_data.run_training`.
    """
    from real_data import datasets
    from real_data.datasets.label_file import relabelled, save_labels
    from real_data.experiments.training_run import load_networks, run_training

    folder = Path(out)
    reading = {name: getattr(config, name) for name in ("image_size", "test_folder", "skip_undecodable")}
    run = TrainingRun(
        config.dataset, config.path, model=replace(config.model, hidden=hidden), training=training, **reading
    )
    settings = {"teacher": {name: value for name, value in to_json(run).items() if name != "path"}}
    path = folder / LABELS
    data = datasets.load(config.dataset, config.path, **reading)
    if path.exists():
        if {"teacher": Results.load(path).config.get("teacher")} != settings:
            raise ValueError(f"{path} holds the labels of another teacher: give another folder")
        relabelled(data, path)  # complains about other images
        return replace(config, labels=str(path))
    run_training(run, out=folder / "teacher", progress=progress)
    teacher = load_networks(folder / "teacher")
    save_labels(path, data, _classes(teacher, data.train_images), _classes(teacher, data.test_images), settings)
    return replace(config, labels=str(path))


def _classes(teacher: TrainedNetworks, images: np.ndarray) -> np.ndarray:
    """The class of each image under one network."""
    logits = teacher.map(_logits, images)
    return np.argmax(logits[0], axis=-1).astype(np.int64)


def _logits(network: Any, inputs: Any, labels: Any) -> Any:
    return network(inputs)


def error_sources(results: Results, teacher: tuple[int, ...], noisy: Results | None = None) -> Results:
    """What can be told apart of the errors on a teacher's labels, from whole pools.

    Args:
        results: of :func:`real_data.studies.model_sizes.measure_model_sizes`, with the labels of the teacher.
        teacher: widths of its hidden layers, one of the networks.
        noisy: the same with wrong labels among those of the training images.

    Returns:
        ``realizable`` (model), 1 where a network is at least as wide and deep as the teacher; ``error`` (model, pool);
        ``excess`` and ``excess_error`` (model, pool), by how much a network errs more than one of the teacher's size,
        and the standard error of it, paired by seed: if errors added it would not depend on n; ``realizability_bound``
        (model), the error at the largest n, 0 where realizable; ``noise`` and ``noise_error`` (model, pool), what wrong
        labels add.

    Raises:
        ValueError: the teacher is none of the networks, or the grids differ.
    """
    depth, width = results["depth"], results["width"]
    own = np.flatnonzero((depth == len(teacher)) & (width == max(teacher, default=0)))
    if own.size != 1:
        raise ValueError(f"teacher must be one of the networks of the results, got {teacher!r}")
    errors = results["errors"][:, :, 0]
    root = math.sqrt(errors.shape[-1])
    realizable = (depth >= len(teacher)) & (width >= max(teacher))
    found = Results(
        "Sources of error on the labels of a teacher", {"measurement": dict(results.config), "teacher": list(teacher)}
    )
    for name in ("depth", "width", "num_parameters", "pool_size"):
        variable = results.variables[name]
        found.add(name, variable.dims, variable.values, variable.units, variable.description)
    found.add("realizable", "model", realizable.astype(int), "1", "1 where at least as wide and deep as the teacher")
    found.add("error", ("model", "pool"), errors.mean(axis=-1), "1", "test error, mean over seeds")
    spread = errors.std(axis=-1, ddof=1) / root
    found.add("standard_error", ("model", "pool"), spread, "1", "standard error of it")
    bound = np.where(realizable, 0.0, errors.mean(axis=-1)[:, np.argmax(results["pool_size"])])
    found.add("realizability_bound", "model", bound, "1", "error at the largest n, at least that of realizability")
    parts = {"excess": (errors - errors[own], "error beyond that of the teacher's size")}
    if noisy is not None:
        for name in ("depth", "width", "pool_size", "seed"):
            if not np.array_equal(noisy[name], results[name]):
                raise ValueError(f"noisy must have the {name} of the results, {results[name]}, got {noisy[name]}")
        parts["noise"] = noisy["errors"][:, :, 0] - errors, "error that wrong labels add"
    for name, (part, described) in parts.items():
        found.add(name, ("model", "pool"), part.mean(axis=-1), "1", described)
        error = part.std(axis=-1, ddof=1) / root
        found.add(f"{name}_error", ("model", "pool"), error, "1", f"standard error of {name}, paired by seed")
    return found


def source_table(sources: Results) -> str:
    """What :func:`error_sources` found, as text, in per cent."""
    order = np.argsort(sources["pool_size"])
    header = ["depth", "width", "", *(f"n = {n}" for n in sources["pool_size"][order])]
    lines = [f"Labels of a teacher of hidden widths {tuple(sources.config['teacher'])}; errors in %"]
    titles = {
        "error": "Test error: uncertainty and learning deficiency where realizable, else realizability too",
        "excess": "Error beyond that of the teacher's size, which would be the same at all n if errors added",
        "noise": "What wrong labels add",
    }
    for name, title in titles.items():
        if name not in sources.variables:
            continue
        error = sources["standard_error" if name == "error" else f"{name}_error"]
        rows = []
        for i in range(len(sources["depth"])):
            told = "realizable" if sources["realizable"][i] else ""
            values = [f"{100 * sources[name][i, j]:.2f} +- {100 * error[i, j]:.2f}" for j in order]
            rows.append([str(sources["depth"][i]), f"{sources['width'][i]:g}", told, *values])
        lines += [f"\n{title}", table(header, rows)]
    return "\n".join(lines)

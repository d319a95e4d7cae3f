"""The command that prunes networks by magnitude and fits the law of their errors."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from data_pruning.records.writable import check_folder
from real_data.commands.options import (
    ImageFileOptions,
    ImageFiles,
    TrainingOptions,
    cli,
    resolved,
)
from real_data.magnitude_pruning.config import Precision, PrunedKind, default_design

__all__ = ["magnitude_pruning"]


@cli.command
def magnitude_pruning(
    images: ImageFileOptions = ImageFiles(),  # noqa: B008  (frozen)
    depths: tuple[int, ...] | None = None,
    widths: tuple[float, ...] | None = None,
    pool_sizes: tuple[int | None, ...] | None = None,
    rounds: int | None = None,
    fraction: float = 0.2,
    rewind_step: int | None = None,
    num_seeds: int | None = None,
    first_seed: int = 0,
    kind: PrunedKind = "mlp",
    precision: Precision = "auto",
    training: TrainingOptions = TrainingOptions(),  # noqa: B008
    executor: str = "here",
    out: Path = Path("results/magnitude_pruning"),
    quiet: bool = False,
) -> None:
    """Prune networks of several sizes by weight magnitude, round by round; fit the law of their errors.

    Does the error depend on depth, width and density of weights through one size invariant?  Writes OUT/DATASET.nc,
    the errors, OUT/DATASET-law.nc, the fits, and OUT/networks as it goes; run again after Ctrl-C to continue.  Prints
    how far the law is from the errors under each hypothesis.  None is as in the design for the data set: digits take
    half a minute, Fashion-MNIST a quarter of an hour on two cores with --executor processes:2.

    Args:
        images: the images.
        depths: numbers of hidden layers.
        widths: units of each hidden layer; of a cnn or ResNet, factors on its channels.
        pool_sizes: numbers of training images; None is the design's.
        rounds: trainings of each network, the first one unpruned.
        fraction: share of the weights left that a round takes away.
        rewind_step: step of the training whose weights each round starts from.
        num_seeds: repetitions, at least 2.
        first_seed: the first seed.
        kind: mlp, cnn, resnet18 or resnet50.
        precision: type of the activations.
        training: its training, in each round from the rewind step on.
        executor: here, processes:N, dask:ADDRESS, slurm:PARTITION or submitit-local.
        out: folder for the results.
        quiet: no progress bar.
    """
    from real_data.experiments.execution import executor_named
    from real_data.magnitude_pruning.law import law_table, pruning_law
    from real_data.magnitude_pruning.measurement import measure_magnitude_pruning

    check_folder("out", out)
    design = default_design(images.dataset, kind)
    given: dict[str, Any] = {
        "depths": depths,
        "widths": widths,
        "pool_sizes": pool_sizes,
        "rounds": rounds,
        "rewind_step": rewind_step,
        "num_seeds": num_seeds,
    }
    config = replace(
        design,
        **images.arguments(),
        **{name: value for name, value in given.items() if value is not None},
        fraction=fraction,
        first_seed=first_seed,
        precision=precision,
        training=resolved(design.training, training),
    )
    with executor_named(executor, out) as chosen:
        results = measure_magnitude_pruning(config, out=out, executor=chosen, progress=not quiet)
    path = out / f"{config.dataset}.nc"
    print(f"saved in {path}")
    law = pruning_law(results)
    written = law.save(path.with_name(f"{config.dataset}-law.nc"))
    print(f"{law_table(law)}\nsaved in {written}")

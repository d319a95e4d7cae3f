"""The command that measures what pruning the data of a pretraining does to another task."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from data_pruning.records.writable import check_folder
from real_data.commands.design import Fractions
from real_data.commands.options import ImageFiles, ModelOptions, TrainingOptions, any_given, cli, resolved
from real_data.scores.config import MetricName, ScoreConfig
from real_data.training.config import TrainingConfig
from real_data.training.fine_tuning import Layers
from real_data.transfer.config import Budget, ImageSet, Transfer

__all__ = ["transfer", "transfer_and_report"]

_DEFAULTS = Transfer(scores=(ScoreConfig(),))
FINE_TUNING_STEPS = (100, 300)
"""For the target sizes of the default."""
BRIEFLY_TRAINED = ("el2n", "grand")
"""Scores that look at networks early in training (Paul et al. 2021): these are trained half as long."""


@cli.command
def transfer(
    source: ImageFiles = ImageFiles("folder"),  # noqa: B008  (frozen)
    target: ImageFiles = ImageFiles("cifar10"),  # noqa: B008
    metrics: tuple[MetricName, ...] | None = None,
    scores: tuple[Path, ...] = (),
    rules: tuple[str, ...] = _DEFAULTS.rules,
    fractions: Fractions = _DEFAULTS.fractions,
    budgets: tuple[Budget, ...] = _DEFAULTS.budgets,
    layers: tuple[Layers, ...] = _DEFAULTS.layers,
    target_sizes: tuple[int, ...] = _DEFAULTS.target_sizes,
    num_pretrainings: int = _DEFAULTS.num_pretrainings,
    first_seed: int = _DEFAULTS.first_seed,
    num_fine_tunings: tuple[int, ...] = _DEFAULTS.num_fine_tunings,
    num_tests: int | None = _DEFAULTS.num_tests,
    min_class_share: float = _DEFAULTS.min_class_share,
    model: ModelOptions = ModelOptions(),  # noqa: B008
    num_score_networks: int | None = None,
    scoring: TrainingOptions = TrainingOptions(),  # noqa: B008
    pretraining: TrainingOptions = TrainingOptions(),  # noqa: B008
    fine_tuning: TrainingOptions = TrainingOptions(),  # noqa: B008
    fine_tuning_steps: tuple[int, ...] | None = None,
    probe: TrainingOptions = TrainingOptions(),  # noqa: B008
    scratch: TrainingOptions = TrainingOptions(),  # noqa: B008
    layer_decay: float = _DEFAULTS.layer_decay,
    plan: bool = False,
    executor: str = "here",
    out: Path = Path("results/transfer"),
    quiet: bool = False,
) -> None:
    """Does a pruned data set still pretrain?  Pretrain on parts of a source, fine-tune on a target, test there.

    Beside every score are as many random images, the whole source, and networks from random weights; pretraining on a
    part is as many gradient steps as on the whole, or as many epochs.  Prints differences with 95 % intervals over
    pretrainings and writes OUT/transfer.nc; run again after Ctrl-C to continue.

    Args:
        source: the images of the pretraining.
        target: the images of the fine-tuning, of the same size.
        metrics: scores of difficulty of the source, measured anew for each pretraining seed, see the command score;
            None is el2n, or none where there are files of scores.
        scores: files of scores of the source, as the command score writes them, the same for all pretrainings.
        rules: keep rules that look at scores, as for run; random is added.
        fractions: fractions of the source kept, in (0, 1]; the whole source is added.
        budgets: steps: as many gradient steps as on the whole source; epochs: as many epochs.
        layers: head: a linear probe; all: all layers are fine-tuned.
        target_sizes: numbers of training images of the target.
        num_pretrainings: pretraining seeds, at least 2: the unit of the intervals.
        first_seed: the first of them.
        num_fine_tunings: fine-tunings of each pretrained network, one number or one for each target size.
        num_tests: test images of the target, drawn anew for each pretraining seed; None is all.
        min_class_share: least share of its proportional part that a class of the source keeps, in [0, 1].
        model: the network.
        num_score_networks: networks that a measured score is averaged over; None is as for the command score.
        scoring: training of the networks that score; that of the pretraining, for el2n and grand half as long, unless
            given.
        pretraining: training on the whole source.
        fine_tuning: training of all layers on the target.
        fine_tuning_steps: gradient steps of fine_tuning and scratch for each target size; None is 100 and 300 for 1,000
            and 10,000 images, or as these say.
        probe: training of the head alone.
        scratch: training from random weights on the target; as fine_tuning, unless given.
        layer_decay: factor on the learning rate of a layer for every layer between it and the head, in (0, 1].
        plan: only print how many networks are trained, and how long that takes here.
        executor: here, processes:N, dask:ADDRESS, slurm:PARTITION or submitit-local.
        out: folder for the results.
        quiet: no progress bar.
    """
    of_pretraining = resolved(_DEFAULTS.pretraining, pretraining)
    of_fine_tuning = resolved(_DEFAULTS.fine_tuning, fine_tuning)
    of_scores: Any = {} if num_score_networks is None else {"num_networks": num_score_networks}
    wanted: tuple[MetricName, ...] = ("el2n",) if metrics is None and not scores else metrics or ()
    lengths = {
        f"--{name}.{each}".replace("_", "-"): getattr(one, each)
        for name, one in (("fine_tuning", fine_tuning), ("scratch", scratch))
        for each in ("num_steps", "num_epochs")
    }
    given = [name for name, length in lengths.items() if length is not None]
    if fine_tuning_steps is not None and given:
        raise ValueError(f"give either --fine-tuning-steps, the steps for each target size, or {', '.join(given)}")
    if fine_tuning_steps is None and target_sizes == _DEFAULTS.target_sizes and not given:
        fine_tuning_steps = FINE_TUNING_STEPS
    config = Transfer(
        source=ImageSet(**source.arguments()),
        target=ImageSet(**target.arguments()),
        scores=tuple(
            ScoreConfig(
                metric,
                training=resolved(_brief(of_pretraining) if metric in BRIEFLY_TRAINED else of_pretraining, scoring),
                **of_scores,
            )
            for metric in wanted
        ),
        score_files=tuple(map(str, scores)),
        rules=rules,
        fractions=fractions,
        budgets=budgets,
        layers=layers,
        target_sizes=target_sizes,
        num_pretrainings=num_pretrainings,
        first_seed=first_seed,
        num_fine_tunings=num_fine_tunings,
        num_tests=num_tests,
        min_class_share=min_class_share,
        model=resolved(_DEFAULTS.model, model),
        pretraining=of_pretraining,
        fine_tuning=of_fine_tuning,
        probe=resolved(_DEFAULTS.probe, probe),
        scratch=resolved(of_fine_tuning, scratch) if any_given(scratch) else None,
        fine_tuning_steps=fine_tuning_steps,
        layer_decay=layer_decay,
    )
    check_folder("out", out)
    if plan:
        from real_data.transfer.plan import planned

        print(planned(config))
    else:
        transfer_and_report(config, executor, out, quiet)


def transfer_and_report(config: Transfer, executor: str, out: Path, quiet: bool) -> None:
    """Run a transfer study and print its tables."""
    from real_data.experiments.execution import executor_named
    from real_data.transfer.measurement import RESULT, measure_transfer
    from real_data.transfer.tables import transfer_table

    check_folder("out", out)
    with executor_named(executor, out) as chosen:
        results = measure_transfer(config, out=out, executor=chosen, progress=not quiet)
    print(transfer_table(results))
    print(f"saved in {out / RESULT}")


def _brief(pretraining: TrainingConfig) -> TrainingConfig:
    """Half of the pretraining, for scores early in training, as a quarter may be too short to learn anything."""
    if pretraining.num_steps is not None:
        return replace(pretraining, num_steps=-(-pretraining.num_steps // 2))
    assert pretraining.num_epochs is not None
    return replace(pretraining, num_epochs=-(-pretraining.num_epochs // 2))

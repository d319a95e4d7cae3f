"""The command that trains networks on a part of a data set."""

from __future__ import annotations

from pathlib import Path

from data_pruning.records.writable import check_folder
from real_data.commands.fine_tuning_options import FineTuningOptions
from real_data.commands.options import (
    Fraction,
    ImageOptions,
    Images,
    ModelOptions,
    TrainingOptions,
    cli,
    resolved,
    say_recipe,
)
from real_data.experiments.config import TrainingRun

__all__ = ["run_and_report", "train"]


@cli.command
def train(
    images: ImageOptions = Images(),  # noqa: B008  (frozen)
    scores: str | None = None,
    kept: str | None = None,
    rule: str = "all",
    fraction: Fraction = 1.0,
    min_class_share: float = 1.0,
    prune_seed: int = 0,
    seeds: tuple[int, ...] = (0,),
    model: ModelOptions = ModelOptions(),  # noqa: B008
    training: TrainingOptions = TrainingOptions(),  # noqa: B008
    fine_tuning: FineTuningOptions = FineTuningOptions(),  # noqa: B008
    out: Path = Path("results/training"),
    checkpoint_every: int = 1000,
    quiet: bool = False,
) -> None:
    """Train networks on the kept part of a data set; run again after Ctrl-C to continue from the last checkpoint.

    Writes OUT/settings.json, OUT/network-*/metrics.jsonl and checkpoints, OUT/weights.npz and OUT/result.nc in the end.

    Args:
        images: the images.
        scores: file of the scores, from the command score; needed by all rules that look at them.
        kept: file that names the images to keep, from the command prune (positions or names), in place of scores and
            rule.
        rule: all, which keeps all images; or as the rules of run, for example random, window@0.2 or proportional@1.
        fraction: fraction kept, in (0, 1]; 1 with the rule all.
        min_class_share: least share of its proportional part that a class keeps, in [0, 1].
        prune_seed: seed of the keep rule.
        seeds: one network for each.
        model: the network.
        training: its training.
        fine_tuning: weights that it starts from.
        out: folder of the run.
        checkpoint_every: steps between checkpoints.
        quiet: no progress bar.
    """
    recipe = images.chosen_recipe
    config = TrainingRun(
        **images.arguments(),
        scores=scores,
        kept=kept,
        rule=rule,
        fraction=fraction,
        min_class_share=min_class_share,
        prune_seed=prune_seed,
        seeds=seeds,
        model=resolved(recipe.model, model),
        training=resolved(recipe.training, training),
        fine_tuning=fine_tuning.settings,
    )
    say_recipe(images, {"model": config.model, "training": config.training})
    run_and_report(config, out, checkpoint_every, quiet)


def run_and_report(config: TrainingRun, out: Path, checkpoint_every: int, quiet: bool) -> None:
    """Run a training and print the test errors."""
    from real_data.experiments.training_run import run_training

    check_folder("out", out)
    results = run_training(config, out=out, checkpoint_every=checkpoint_every, progress=not quiet)
    for i, seed in enumerate(results["seed"]):
        error = f"seed {seed}: test error {100 * results['errors'][i]:.2f} % with {results['kept'].size} images"
        if results["learning_rates"][i] != config.training.learning_rate:
            error += f", at learning rate {results['learning_rates'][i]:.4g}: higher ones failed"
        if not results["learned"][i]:
            error += ". THIS NETWORK HAS NOT LEARNED: it is no better than the most frequent class of its own images"
        print(error)
    print(f"saved in {out / 'result.nc'}")

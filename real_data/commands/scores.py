"""The command that scores examples."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np

from data_pruning.records.settings import digest_of
from data_pruning.records.writable import check_folder
from real_data.commands.options import (
    ImageOptions,
    Images,
    ModelOptions,
    TrainingOptions,
    cli,
    resolved,
    say_recipe,
)
from real_data.scores.config import MetricName, ScoreConfig

__all__ = ["score"]


@cli.command
def score(
    images: ImageOptions = Images(),  # noqa: B008  (frozen)
    metrics: tuple[MetricName, ...] = ("el2n",),
    num_networks: int = 10,
    model: ModelOptions = ModelOptions(),  # noqa: B008
    training: TrainingOptions = TrainingOptions(),  # noqa: B008
    seed: int = 0,
    from_csv: Path | None = None,
    name_column: str = "name",
    score_column: str = "score",
    lower_is_harder: bool = False,
    out: Path = Path("results/scores"),
    quiet: bool = False,
) -> None:
    """Score the training examples of a data set; writes OUT/DATASET-METRIC.nc for every metric.

    Run again after Ctrl-C to continue.  Scores of other images or settings are not overwritten.

    Args:
        images: the images.
        metrics: el2n, grand, forgetting, margin, confidence, prototypes, moderate, random.
        num_networks: networks that a score is averaged over.
        model: the network.
        training: its training; long for forgetting, short for the others.
        seed: seed of the networks, at least 0.
        from_csv: take published scores from this file, one row per image, instead of training; writes
            OUT/DATASET-published.nc.
        name_column: column of the file with the images' file names.
        score_column: column of the file with the scores.
        lower_is_harder: whether low published scores are those of hard images.
        out: folder for the scores.
        quiet: no progress bar.
    """
    from real_data.scores import score_all, scores_from_csv
    from real_data.scores.score_file import taken

    check_folder("out", out)
    data = images.load()
    if from_csv is not None:
        columns = {"name_column": name_column, "score_column": score_column}
        found = [scores_from_csv(from_csv, data, higher_is_harder=not lower_is_harder, **columns)]
    else:
        recipe = images.chosen_recipe
        network, trained = resolved(recipe.model, model), resolved(recipe.scoring, training)
        say_recipe(images, {"model": network, "training": trained})
        configs = [ScoreConfig(metric, num_networks, trained) for metric in metrics]
        paths = [out / f"{images.dataset}-{config.metric}.nc" for config in configs]
        open_configs = [c for c, path in zip(configs, paths, strict=True) if not taken(path, data, c, network, seed)]
        if not open_configs:
            print(f"all there already: {', '.join(map(str, paths))}")
            return
        name = digest_of([data.train_fingerprint, [config.metric for config in open_configs], seed])
        checkpoints = out / f"unfinished-{images.dataset}-{name}"
        found = score_all(data, open_configs, model=network, seed=seed, folder=checkpoints, progress=not quiet)
    for scores in found:
        file = scores.save(out / f"{images.dataset}-{scores.metric}.nc")
        low, middle, high = np.quantile(scores.values, [0.05, 0.5, 0.95])
        print(f"{scores.metric}: {scores.values.size} scores, quantiles 5 % {low:.4g}, 50 % {middle:.4g}, ", end="")
        print(f"95 % {high:.4g}; saved in {file}")
    if from_csv is None:
        shutil.rmtree(checkpoints, ignore_errors=True)

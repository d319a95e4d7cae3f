"""Commands that score examples and choose which to keep."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import tyro

from data_pruning import keep_rule
from data_pruning.records.settings import digest_of
from data_pruning.records.writable import check_file, check_folder
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
from real_data.scores.config import MetricName, ScoreConfig

__all__ = ["prune", "score"]


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


@cli.command
def prune(
    scores: tyro.conf.Positional[Path],
    rule: str = "hard",
    fraction: Fraction = 0.5,
    images: ImageOptions = Images(),  # noqa: B008
    min_class_share: float = 1.0,
    seed: int = 0,
    out: Path = Path("results/kept.txt"),
) -> None:
    """Choose the examples to keep; writes their indices in the training set to a text file, one a line.

    Where the images are files, their names go to a second one, kept.names.txt beside kept.txt.  With a rule that has
    weights (+weighted) each line goes on with a tab and the weight of the loss, which train --kept takes into account.

    Args:
        scores: a file that ``score`` wrote, for the same data set.
        rule: keep rule, as for run.
        fraction: fraction kept, in (0, 1].
        images: the images.
        min_class_share: least share of its proportional part that a class keeps, in [0, 1]; 1 ranks per class.
        seed: for ties and random choices.
        out: the text file.
    """
    from real_data.scores import Scores
    from real_data.selection.kept_list import write_kept
    from real_data.selection.pruning import select
    from real_data.training.examples import Examples

    check_file("out", out)
    data = images.load()
    values = Scores.load(scores, data).values
    keep = keep_rule(rule, fraction)
    indices, _, weights = select(values, keep, data.train_labels, min_class_share=min_class_share, seed=seed)
    kept = Examples(indices, None if weights is None else weights.astype(np.float32))
    write_kept(out, kept)
    where = f"their positions among the {values.size} training images in {out}"
    if data.train_names is not None:
        names = out.with_name(f"{out.stem}.names{out.suffix}")
        write_kept(names, kept, data.train_names)
        where += f", their names in {names}"
    if weights is not None:
        where += ", each with the weight of its loss"
    print(f"{len(kept)} of {values.size} images kept ({len(data.test_labels)} more are the test images); {where}")

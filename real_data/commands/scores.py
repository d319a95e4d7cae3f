"""The command that scores examples."""

from __future__ import annotations

import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from data_pruning.arguments import check_different
from data_pruning.records.settings import digest_of
from data_pruning.records.writable import check_folder
from real_data.commands.cluster_options import METRIC, ClusterOptions, Clusters
from real_data.commands.fine_tuning_options import FineTuningOptions, Origin
from real_data.commands.options import (
    ImageOptions,
    Images,
    ModelOptions,
    TrainingOptions,
    cli,
    resolved,
    say_recipe,
)
from real_data.commands.seen_data import Seen
from real_data.commands.subset_options import SubsetOptions, Subsets
from real_data.models.config import ModelConfig
from real_data.scores.config import MetricName, ScoreConfig
from real_data.scores.families import OF_WHOLE_POOL, family_of

__all__ = ["score"]


@cli.command
def score(
    images: ImageOptions = Images(),  # noqa: B008  (frozen)
    metrics: tuple[MetricName, ...] = ("el2n",),
    num_networks: int | None = None,
    model: ModelOptions = ModelOptions(),  # noqa: B008
    training: TrainingOptions = TrainingOptions(),  # noqa: B008
    fine_tuning: FineTuningOptions = FineTuningOptions(),  # noqa: B008
    subsets: SubsetOptions = Subsets(),  # noqa: B008
    clusters: ClusterOptions = Clusters(),  # noqa: B008
    seed: int = 0,
    on_embeddings: Path | None = None,
    from_csv: Path | None = None,
    name_column: str = "name",
    score_column: str = "score",
    lower_is_harder: bool = False,
    out: Path = Path("results/scores"),
    quiet: bool = False,
) -> None:
    """Score the training examples of a data set; writes OUT/DATASET-METRIC.nc for every metric.

    Run again after Ctrl-C to continue.  Scores of other images or settings are not overwritten.  memorization,
    influence-max, influence-sum, ddd, entropy, mutual-information, variation-ratio, consistency, el2n-held-out and
    margin-held-out come from the same networks, each trained on a random share of the images, which are kept in
    OUT/subset-trainings; what they take is said before they begin.  ssl-prototypes comes from embeddings, without
    labels, and needs --embeddings.

    Args:
        images: the images.
        metrics: el2n, grand, forgetting, margin, confidence, prototypes, moderate, aum, dyn-unc, tdds, dual, those
            above, ssl-prototypes, random.
        num_networks: networks that a score is averaged over; 100 for the metrics of random shares, 10 for the others.
        model: the network.
        training: its training; that of the recipe is short, or for the metrics of random shares as long as that on
            kept images; long is right for forgetting, aum, dyn-unc, tdds and dual.
        fine_tuning: weights that the networks start from.
        subsets: the scores of random shares.
        clusters: the score of embeddings.
        seed: seed of the networks, at least 0.
        on_embeddings: train on these in place of the images: OUT/DATASET.npy of the command embed, or any array with
            NAME-test.npy beside it; a hundred small networks on embeddings take a minute.
        from_csv: take published scores from this file, one row per image, instead of training; writes
            OUT/DATASET-published.nc.
        name_column: column of the file with the images' file names.
        score_column: column of the file with the scores.
        lower_is_harder: whether low published scores are those of hard images.
        out: folder for the scores.
        quiet: no progress bar.
    """
    from real_data.scores import scores_from_csv
    from real_data.scores.subset_scores import check_subset_scores

    check_folder("out", out)
    check_different("metrics", metrics)
    clusters.check(metrics)
    subsets.check(metrics)
    _check_seen(metrics, on_embeddings, from_csv, subsets)
    _check_start(metrics, fine_tuning, from_csv, subsets)
    recipe = images.chosen_recipe
    network = resolved(recipe.model, model)
    if on_embeddings is not None:
        training = _without_augmentation(training)
    scoring, whole = resolved(recipe.scoring, training), resolved(recipe.training, training)
    configs = [
        subsets.config(metric, num_networks, whole if family_of(metric) == "subsets" else scoring)
        for metric in metrics
        if metric != METRIC
    ]
    of_subsets = [config for config in configs if family_of(config.metric) == "subsets"]
    if subsets.plan_images is not None:
        print(subsets.sized_plan(images, subsets.models(network), of_subsets))
        return
    data: Any = images.load()
    if from_csv is not None:
        columns: dict[str, Any] = {"name_column": name_column, "score_column": score_column}
        _say(scores_from_csv(from_csv, data, higher_is_harder=not lower_is_harder, **columns), images, out)
        return
    seen = Seen.of(data, images, on_embeddings)
    origin = Origin.of(fine_tuning, network, seen.data)
    if subsets.plan:
        place = out / "subset-trainings"
        print(subsets.checked_plan(seen.data, subsets.models(network), of_subsets, seed, place, origin.sha256))
        return
    kinds: Any = subsets.models(network) if subsets.kinds else network
    open_configs = _open(configs, seen, images, out, kinds, seed, origin.sha256)
    rest = [config for config in open_configs if config not in of_subsets]
    shares = [config for config in open_configs if config in of_subsets]
    check_subset_scores(seen.data, subsets.models(network), seed, shares)
    if METRIC in metrics:
        clusters.score(data, images, seed, out, quiet)
    if rest:
        _score_whole_pool(seen, rest, images, network, origin, seed, out, quiet)
    if shares:
        _score_shares(seen, shares, images, kinds, origin, subsets, seed, out, quiet)


def _check_seen(metrics: tuple[str, ...], on_embeddings: Path | None, from_csv: Path | None, subsets: Subsets) -> None:
    """Refuse what would not be looked at."""
    asked = ", ".join(metrics)
    if from_csv is not None and (on_embeddings is not None or metrics != ("el2n",)):
        raise ValueError(
            f"--from-csv takes the scores from the file, no network is trained: leave out --metrics {asked}"
        )
    if on_embeddings is not None and not any(family_of(metric) in (*OF_WHOLE_POOL, "subsets") for metric in metrics):
        raise ValueError(f"--on-embeddings is for scores of networks, not for {asked}")
    if on_embeddings is not None and subsets.plan_images is not None:
        raise ValueError("--plan-images is for images that are not there, of which there are no --on-embeddings")


def _check_start(
    metrics: tuple[str, ...], fine_tuning: FineTuningOptions, from_csv: Path | None, subsets: Subsets
) -> None:
    """Refuse weights that no network would start from, or networks of several kinds."""
    if fine_tuning.settings is None:
        return
    if from_csv is not None or not any(family_of(metric) in (*OF_WHOLE_POOL, "subsets") for metric in metrics):
        asked = "--from-csv" if from_csv is not None else ", ".join(metrics)
        raise ValueError(f"--fine-tuning.weights is for scores of networks, not for {asked}")
    if subsets.kinds or subsets.plan_images is not None:
        asked = "--kinds" if subsets.kinds else "--plan-images"
        raise ValueError(f"--fine-tuning.weights are those of one kind of network for the images there: no {asked}")


def _without_augmentation(training: Any) -> Any:
    """The options of a training on rows of numbers: shifted by a pixel, such a row would be zero."""
    if training.augmentation not in (None, "none"):
        raise ValueError(
            f"--on-embeddings has rows of numbers, no images: --training.augmentation must be none, got "
            f"{training.augmentation}"
        )
    return replace(training, augmentation="none")


def _open(
    configs: list[ScoreConfig], seen: Seen, images: Images, out: Path, kinds: Any, seed: int, start_sha256: str | None
) -> list[ScoreConfig]:
    """The scores that are not there yet."""
    from real_data.scores.score_file import taken

    paths = [out / f"{images.dataset}-{config.metric}.nc" for config in configs]
    about = kinds, seed, seen.embeddings
    found = [
        config
        for config, path in zip(configs, paths, strict=True)
        if not taken(path, seen.images, config, *about, start_sha256=start_sha256)
    ]
    if configs and not found:
        print(f"all there already: {', '.join(map(str, paths))}")
    return found


def _score_whole_pool(
    seen: Seen,
    configs: list[ScoreConfig],
    images: Images,
    network: ModelConfig,
    origin: Origin,
    seed: int,
    out: Path,
    quiet: bool,
) -> None:
    from real_data.scores import score_all

    say_recipe(images, {"model": network, "training": configs[0].training})
    name = digest_of([seen.data.train_fingerprint, [config.metric for config in configs], seed])
    checkpoints = out / f"unfinished-{images.dataset}-{name}"
    settings: dict[str, Any] = {"folder": checkpoints, "start": origin.start, "progress": not quiet}
    for scores in score_all(seen.data, configs, model=network, seed=seed, **settings):
        _say(seen.scores(scores), images, out)
    shutil.rmtree(checkpoints, ignore_errors=True)


def _score_shares(
    seen: Seen,
    configs: list[ScoreConfig],
    images: Images,
    kinds: Any,
    origin: Origin,
    subsets: Subsets,
    seed: int,
    out: Path,
    quiet: bool,
) -> None:
    """Scores of networks that are trained on random shares, on an executor if one is asked for."""
    from real_data.experiments.execution import executor_named
    from real_data.scores import score_all

    models = (kinds,) if isinstance(kinds, ModelConfig) else kinds
    for one in models:
        say_recipe(images, {"model": one, "training": configs[0].training})
    folder = out / "subset-trainings"
    with executor_named(subsets.executor, folder) as executor:
        print(subsets.checked_plan(seen.data, models, configs, seed, folder, origin.sha256), file=sys.stderr)
        found = score_all(
            seen.data,
            configs,
            model=kinds,
            seed=seed,
            folder=folder,
            test_images=True,
            executor=executor,
            source=seen.source,
            start=origin.start,
            start_source=origin.source,
            progress=not quiet,
        )
    for scores in found:
        _say(seen.scores(scores), images, out)


def _say(scores: Any, images: Images, out: Path) -> None:
    """Save scores, and print how they are distributed."""
    file = scores.save(out / f"{images.dataset}-{scores.metric}.nc")
    low, middle, high = np.quantile(scores.values, [0.05, 0.5, 0.95])
    line = f"{scores.metric}: {scores.values.size} scores, quantiles 5 % {low:.4g}, 50 % {middle:.4g}, 95 % {high:.4g}"
    if scores.standard_error is not None:
        line += f", standard error {np.median(scores.standard_error):.2g} in the middle"
    if scores.noise_floor is not None:
        line += f", noise alone {np.median(scores.noise_floor):.3g}"
    if scores.tied:
        line += f", {100 * scores.tied:.0f} % share theirs with others"
    print(f"{line}; saved in {file}")

"""Command line of the real-data experiments: ``python -m real_data --help``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro

from data_pruning import Results, command_line
from data_pruning.records.settings import from_json
from data_pruning.rule_names import keep_rule
from real_data.experiments.config import Experiment
from real_data.experiments.training_run_config import TrainingRun
from real_data.findings.error_table import error_table
from real_data.models.config import ModelConfig
from real_data.scores.config import MetricName, ScoreConfig
from real_data.training.config import TrainingConfig

app = tyro.extras.SubcommandApp()

SCORING = TrainingConfig(num_steps=50)


@app.command
def run(
    dataset: str = "digits",
    path: str | None = None,
    image_size: int | None = None,
    metrics: tuple[MetricName, ...] = ("el2n",),
    rules: tuple[str, ...] = ("hard", "easy", "random"),
    fractions: tuple[float, ...] = (0.1, 0.2, 0.3, 0.4, 0.6, 0.8),
    pool_sizes: tuple[int | None, ...] = (None,),
    num_seeds: int = 10,
    first_seed: int = 0,
    min_class_share: float = 1.0,
    label_noise: float = 0.0,
    holdout: float = 0.0,
    model: ModelConfig = ModelConfig(),  # noqa: B008
    num_score_networks: int = 10,
    scoring: TrainingConfig = SCORING,
    retraining: TrainingConfig = TrainingConfig(),  # noqa: B008
    executor: str = "here",
    out: Path = Path("results/real_data"),
    quiet: bool = False,
) -> Callable[[], None]:
    """Measure test error against the number of examples kept.  The default: handwritten digits, nothing to download.

    Writes OUT/DATASET.nc, errors as fractions, OUT/DATASET.json, the settings, and OUT/scores and OUT/cells as it goes;
    run again after Ctrl-C to continue.  Prints test errors in per cent, mean +- standard error over seeds.

    Args:
        dataset: digits, fashion-mnist, cifar10, cifar100, svhn, svhn-extra, imagenet, or folder: images in one
            sub-folder per class.
        path: file or folder of the data set; the default looks in the usual places.
        image_size: width and height that images of imagenet and folder are brought to; None is 224, or their own.
        metrics: scores of difficulty: el2n, grand, forgetting, margin, confidence, prototypes, random.
        rules: keep rules: hard, easy, random, window@P (P from 0, hardest, to 1, easiest), policy@EDGES/PROBABILITIES.
        fractions: fractions of the pool kept, in (0, 1].
        pool_sizes: numbers of training images before pruning; None is all.
        num_seeds: repetitions, at least 2.
        first_seed: the first seed.
        min_class_share: least share of its proportional part that a class keeps, in [0, 1]; 1 ranks per class.
        label_noise: share of wrong labels put into the pool, in [0, 1).
        holdout: share of the training images that takes the place of the test images, in [0, 1); 0 tests on the
            test images.
        model: the network.
        num_score_networks: networks that a score is averaged over.
        scoring: training of the networks that score.
        retraining: training on the kept examples.
        executor: here, processes:N, dask:ADDRESS, slurm:PARTITION or submitit-local.
        out: folder for the results.
        quiet: no progress bar.
    """
    return lambda: _run(
        Experiment(
            dataset,
            path,
            image_size,
            tuple(ScoreConfig(metric, num_score_networks, scoring) for metric in metrics),
            rules,
            fractions,
            pool_sizes,
            num_seeds,
            first_seed,
            min_class_share,
            label_noise,
            holdout,
            model,
            retraining,
        ),
        executor,
        out,
        quiet,
    )


@app.command
def rerun(
    settings: tyro.conf.Positional[Path],
    out: Path | None = None,
    executor: str = "here",
    quiet: bool = False,
) -> Callable[[], None]:
    """Run an experiment or a training again from its settings file: to continue it, or elsewhere to repeat it.

    Args:
        settings: DATASET.json of an experiment or settings.json of a training.
        out: folder for the results; the default is the folder of the settings file.
        executor: as for run.
        quiet: no progress bar.
    """

    def do() -> None:
        try:
            value = json.loads(settings.read_text())
        except ValueError as error:
            raise ValueError(f"{settings} is not a settings file: {error}") from error
        folder = settings.parent if out is None else out
        if isinstance(value, dict) and "training" in value:
            _train(from_json(TrainingRun, value), folder, 1000, quiet)
        else:
            _run(from_json(Experiment, value), executor, folder, quiet)

    return do


@app.command
def show(path: tyro.conf.Positional[Path]) -> Callable[[], None]:
    """Print the tables of a result file: test errors in per cent, mean +- standard error over seeds.

    Args:
        path: a file that ``run`` wrote, OUT/DATASET.nc.
    """
    return lambda: print(error_table(Results.load(path)))


@app.command(name="scaling-law")
def scaling_law(path: tyro.conf.Positional[Path], metric: str | None = None) -> Callable[[], None]:
    """Does error fall as a power law of the examples kept, or exponentially?  For the Pareto frontier and whole pools.

    The frontier, the lowest error at each number kept, is chosen on half of the seeds and measured on the others.

    Args:
        path: a file that ``run`` wrote, with several pool sizes, OUT/DATASET.nc.
        metric: score of difficulty; needed where there are several.
    """

    def do() -> None:
        from real_data.findings.frontier import pareto_frontier
        from scaling_laws.comparison import compare_scaling_laws

        results = Results.load(path)
        frontier = pareto_frontier(results, metric=metric)
        series = {
            "Pareto frontier": (frontier.num_kept, frontier.errors),
            "whole pools": (results["pool_size"], results["errors_all"]),
        }
        for name, (num_kept, errors) in series.items():
            print(f"{name}, {len(num_kept)} points:")
            try:
                found = compare_scaling_laws(num_kept, errors)
            except ValueError as reason:
                print(f"  no fit: {reason}")
                continue
            print(f"  {found.power}\n  {found.exponential}\n  {found.reason}")

    return do


@app.command
def download(dataset: tyro.conf.Positional[str]) -> Callable[[], None]:
    """Download the files of a data set, check them against their published checksums, and say where they are.

    The data sets have licences and conditions of their own.

    Args:
        dataset: fashion-mnist, cifar10, cifar100, svhn or svhn-extra; imagenet must be fetched from its own site.
    """

    def do() -> None:
        from real_data.datasets import data_folder, load

        if dataset == "digits":
            print("digits: nothing to download, they come with scikit-learn")
            return
        if dataset == "folder":
            raise ValueError("folder stands for images of your own: there is nothing to download")
        data = load(dataset, download=True)
        sizes = f"{len(data.train_labels)} training and {len(data.test_labels)} test images"
        print(f"{dataset}: {sizes} in {data_folder()}")

    return do


@app.command
def score(
    dataset: str = "digits",
    path: str | None = None,
    image_size: int | None = None,
    metrics: tuple[MetricName, ...] = ("el2n",),
    num_networks: int = 10,
    model: ModelConfig = ModelConfig(),  # noqa: B008
    training: TrainingConfig = SCORING,
    seed: int = 0,
    from_csv: Path | None = None,
    name_column: str = "name",
    score_column: str = "score",
    lower_is_harder: bool = False,
    out: Path = Path("results/scores"),
    quiet: bool = False,
) -> Callable[[], None]:
    """Score the training examples of a data set; writes OUT/DATASET-METRIC.nc for every metric.

    Args:
        dataset: as for run.
        path: as for run.
        image_size: as for run.
        metrics: el2n, grand, forgetting, margin, confidence, prototypes, random.
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

    def do() -> None:
        from real_data.datasets import load
        from real_data.scores import score_all, scores_from_csv

        data = load(dataset, path, image_size=image_size)
        if from_csv is not None:
            columns = {"name_column": name_column, "score_column": score_column}
            all_found = [scores_from_csv(from_csv, data, higher_is_harder=not lower_is_harder, **columns)]
        else:
            configs = [ScoreConfig(metric, num_networks, training) for metric in metrics]
            all_found = score_all(data, configs, model=model, seed=seed, progress=not quiet)
        for found in all_found:
            file = found.save(out / f"{dataset}-{found.metric}.nc")
            low, middle, high = np.quantile(found.values, [0.05, 0.5, 0.95])
            print(f"{found.metric}: {found.values.size} scores, quantiles 5 % {low:.4g}, 50 % {middle:.4g}, ", end="")
            print(f"95 % {high:.4g}; saved in {file}")

    return do


@app.command
def prune(
    scores: tyro.conf.Positional[Path],
    rule: str = "hard",
    fraction: float = 0.5,
    dataset: str = "digits",
    path: str | None = None,
    image_size: int | None = None,
    min_class_share: float = 1.0,
    seed: int = 0,
    out: Path = Path("results/kept.txt"),
) -> Callable[[], None]:
    """Choose the examples to keep; writes their indices in the training set to a text file, one a line.

    Args:
        scores: a file that ``score`` wrote, for the same data set.
        rule: keep rule, as for run.
        fraction: fraction kept, in (0, 1].
        dataset: as for run.
        path: as for run.
        image_size: as for run.
        min_class_share: as for run.
        seed: for ties and random choices.
        out: the text file.
    """

    def do() -> None:
        from real_data.datasets import load
        from real_data.scores import Scores
        from real_data.selection.pruning import prune

        data = load(dataset, path, image_size=image_size)
        values = Scores.load(scores, data).values
        kept = prune(values, keep_rule(rule, fraction), data.train_labels, min_class_share=min_class_share, seed=seed)
        out.parent.mkdir(parents=True, exist_ok=True)
        np.savetxt(out, kept, fmt="%d")
        print(f"{kept.size} of {values.size} images kept; indices saved in {out}")

    return do


@app.command
def train(
    config: Annotated[TrainingRun, tyro.conf.arg(name="")] = TrainingRun(),  # noqa: B008
    out: Path = Path("results/training"),
    checkpoint_every: int = 1000,
    quiet: bool = False,
) -> Callable[[], None]:
    """Train networks on the kept part of a data set; run again after Ctrl-C to continue from the last checkpoint.

    Writes OUT/settings.json, OUT/network-*/metrics.jsonl and checkpoints, and OUT/result.nc in the end.

    Args:
        config: the settings.
        out: folder of the run.
        checkpoint_every: steps between checkpoints.
        quiet: no progress bar.
    """
    return lambda: _train(config, out, checkpoint_every, quiet)


@app.command
def recommend(
    dataset: str,
    keep: float,
    path: str | None = None,
    image_size: int | None = None,
    model: ModelConfig = ModelConfig(),  # noqa: B008
    metric: MetricName = "el2n",
    num_score_networks: int = 10,
    scoring: TrainingConfig = SCORING,
    retraining: TrainingConfig = TrainingConfig(),  # noqa: B008
    num_seeds: int = 12,
    num_places: int = 7,
    max_pool: int = 16_000,
    holdout: float = 0.2,
    executor: str = "here",
    out: Path = Path("results/pilot"),
    quiet: bool = False,
) -> Callable[[], None]:
    """Say which examples of a data set to keep within a budget, and what error to expect: from a small pilot.

    Trains on pools of the training images, a quarter, a half and all of max_pool, tests on a part held out, chooses the
    window of ranks on half of the seeds and judges it on the others.  Test images are not touched; of digits, and
    of a folder that is not divided into train and test, a third is set aside as test images.

    Args:
        dataset: as for run; your own images: folder.
        keep: the budget: a fraction in (0, 1), or a number of images.
        path: as for run.
        image_size: as for run.
        model: the network of the pilot.
        metric: score of difficulty.
        num_score_networks: networks that the score is averaged over.
        scoring: their training.
        retraining: training on the kept examples.
        num_seeds: repetitions, at least 4.
        num_places: windows tried, at least 3.
        max_pool: images in the largest pool, at least 1.
        holdout: share of the training images that errors are measured on.
        executor: as for run.
        out: folder of the pilot; run again to continue there.
        quiet: no progress bar.
    """

    def do() -> None:
        from real_data.experiments.execution import executor_named
        from real_data.studies.recommendation import recommend

        with executor_named(executor, out) as chosen:
            found = recommend(
                dataset,
                keep=keep,
                path=path,
                image_size=image_size,
                out=out,
                executor=chosen,
                progress=not quiet,
                model=model,
                score=ScoreConfig(metric, num_score_networks, scoring),
                retraining=retraining,
                num_seeds=num_seeds,
                num_places=num_places,
                max_pool=max_pool,
                holdout=holdout,
            )
        print(found)
        data = " ".join([f"--dataset {dataset}", *([f"--path {path}"] if path else [])])
        print("To do so (with the settings of model and training that you mean to use):")
        if found.rule_name != "random":
            print(f"  python -m real_data score {data} --metrics {metric} --out scores")
        scores = "" if found.rule_name == "random" else f" --scores scores/{dataset}-{metric}.nc"
        fraction = found.num_kept / found.num_images
        print(f"  python -m real_data train {data}{scores} --rule {found.rule_name} --fraction {fraction:.6g}")

    return do


@app.command
def study(
    out: Path = Path("results/study"), path: str | None = None, executor: str = "processes:2", quiet: bool = False
) -> Callable[[], None]:
    """Is a window of intermediate difficulty best, and does the theory foresee it?  About 15 minutes on two cores.

    Fashion-MNIST at three pool sizes and digits with wrong labels; run again after Ctrl-C to continue.

    Args:
        out: folder for the results.
        path: folder of the Fashion-MNIST files; the default looks in the usual places.
        executor: as for run; small networks keep one core busy each.
        quiet: no progress bar.
    """

    def do() -> None:
        from real_data.experiments.execution import executor_named
        from real_data.studies.windows import run_study

        with executor_named(executor, out) as chosen:
            print(run_study(out, path=path, executor=chosen, progress=not quiet))

    return do


def _run(config: Experiment, executor: str, out: Path, quiet: bool) -> None:
    from real_data.experiments.execution import executor_named
    from real_data.experiments.experiment import run_experiment

    with executor_named(executor, out) as chosen:
        results = run_experiment(config, out=out, executor=chosen, progress=not quiet)
    print(error_table(results))
    print(f"saved in {out / f'{config.dataset}.nc'}")


def _train(config: TrainingRun, out: Path, checkpoint_every: int, quiet: bool) -> None:
    from real_data.experiments.training_run import run_training

    results = run_training(config, out=out, checkpoint_every=checkpoint_every, progress=not quiet)
    for seed, error in zip(results["seed"], results["errors"], strict=True):
        print(f"seed {seed}: test error {100 * error:.2f} % with {results['kept'].size} images")
    print(f"saved in {out / 'result.nc'}")


def main() -> None:
    """Run the command line; bad input ends with one line on stderr and exit code 2."""
    command_line.main(app, "python -m real_data", __doc__)


if __name__ == "__main__":
    main()

"""Commands that run experiments, and print what came of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from data_pruning import Results
from data_pruning.records.settings import from_json, read_json
from data_pruning.records.writable import check_folder
from real_data.commands.fine_tuning_options import FineTuningOptions
from real_data.commands.options import ImageOptions, Images, ModelOptions, TrainingOptions, cli, resolved, say_recipe
from real_data.experiments.config import Experiment, TrainingRun
from real_data.findings.error_table import error_table
from real_data.models.config import ModelConfig
from real_data.recipes import Recipe
from real_data.scores.config import MetricName, ScoreConfig
from real_data.scores.families import family_of
from real_data.selection.candidates import candidates_at, rules_for

__all__ = [
    "Design",
    "DesignOptions",
    "Fractions",
    "benchmark_rules",
    "recipes",
    "rerun",
    "run",
    "scaling_law",
    "show",
    "study",
]

Fractions = Annotated[tuple[float, ...], tyro.conf.arg(aliases=("--fraction", "--f"))]


@dataclass(frozen=True)
class Design:
    """What is scored, pruned and trained, and how often.

    Attributes:
        metrics: scores of difficulty, measured anew for each seed, see the command score; None is el2n, or none where
            there are files of scores.
        scores: files of scores of these images, as the command score writes them; they are the same for all seeds.
        pool_sizes: numbers of training images before pruning; None is all.
        num_seeds: repetitions, at least 2; 4 where rules are chosen and judged.
        first_seed: the first seed.
        min_class_share: least share of its proportional part that a class keeps, in [0, 1]; 1 ranks per class.
        label_noise: share of wrong labels put into the pool, in [0, 1).
        holdout: share of the training images that takes the place of the test images, in [0, 1); 0 tests on the
            test images.
        model: the network.
        num_score_networks: networks that a measured score is averaged over; None is as for the command score.
        scoring: training of the networks that score; for the metrics of random shares as long as that on kept images
            unless given, see the command score.
        retraining: training on the kept examples.
        fine_tuning: weights that all networks start from, those that score too.
    """

    metrics: tuple[MetricName, ...] | None = None
    scores: tuple[Path, ...] = ()
    pool_sizes: tuple[int | None, ...] = (None,)
    num_seeds: int = 10
    first_seed: int = 0
    min_class_share: float = 1.0
    label_noise: float = 0.0
    holdout: float = 0.0
    model: ModelOptions = ModelOptions()  # noqa: RUF009  (frozen)
    num_score_networks: int | None = None
    scoring: TrainingOptions = TrainingOptions()  # noqa: RUF009
    retraining: TrainingOptions = TrainingOptions()  # noqa: RUF009
    fine_tuning: FineTuningOptions = FineTuningOptions()  # noqa: RUF009

    def network(self, recipe: Recipe) -> ModelConfig:
        """The network, with what the recipe says of it."""
        return resolved(recipe.model, self.model)

    def experiment(self, images: Images, rules: tuple[str, ...], fractions: tuple[float, ...]) -> Experiment:
        """The experiment with these rules, and what is said on stderr about its settings."""
        recipe = images.chosen_recipe
        score_training = resolved(recipe.scoring, self.scoring)
        on_shares = resolved(recipe.training, self.scoring)  # a whole training, as in the command score
        metrics: tuple[MetricName, ...] = ("el2n",) if self.metrics is None and not self.scores else self.metrics or ()
        of_scores: Any = {} if self.num_score_networks is None else {"num_networks": self.num_score_networks}
        config = Experiment(
            **images.arguments(),
            scores=tuple(
                ScoreConfig(
                    metric,
                    training=on_shares if family_of(metric) == "subsets" else score_training,
                    **of_scores,
                )
                for metric in metrics
            ),
            score_files=tuple(map(str, self.scores)),
            rules=rules,
            fractions=fractions,
            pool_sizes=self.pool_sizes,
            num_seeds=self.num_seeds,
            first_seed=self.first_seed,
            min_class_share=self.min_class_share,
            label_noise=self.label_noise,
            holdout=self.holdout,
            model=self.network(recipe),
            retraining=resolved(recipe.training, self.retraining),
            fine_tuning=self.fine_tuning.settings,
        )
        say_recipe(images, {"model": config.model, "scoring": score_training, "retraining": config.retraining})
        return config


DesignOptions = Annotated[Design, tyro.conf.arg(name="")]


@cli.command
def run(
    images: ImageOptions = Images(),  # noqa: B008  (frozen)
    design: DesignOptions = Design(),
    rules: tuple[str, ...] = ("hard", "easy", "random"),
    fractions: Fractions = (0.1, 0.2, 0.3, 0.4, 0.6, 0.8),
    executor: str = "here",
    out: Path = Path("results/real_data"),
    quiet: bool = False,
) -> None:
    """Measure test error against the number of examples kept.  The default: handwritten digits, nothing to download.

    Writes OUT/DATASET.nc, errors as fractions, OUT/DATASET.json, the settings, and OUT/scores and OUT/cells as it goes;
    run again after Ctrl-C to continue.  Prints test errors in per cent, mean +- standard error over seeds.

    Args:
        images: the images.
        design: what is scored and trained.
        rules: hard, easy, random, window@P (P from 0, hardest, to 1, easiest), proportional@POWER (of the score),
            proportional@POWER+trim@SHARE (the same after the hardest share is dropped), coverage@TRIM (drop the hardest
            share, even out the rest), mix@SHARE (of hard, the rest random), policy@EDGES/PROBABILITIES; any of them
            with importance weights, RULE+weighted@GAMMA; or with class quotas by error, RULE+by-error; rs2 (random
            examples anew every epoch), infobatch.
        fractions: fractions of the pool kept, in (0, 1].
        executor: here, processes:N, dask:ADDRESS, slurm:PARTITION or submitit-local.
        out: folder for the results.
        quiet: no progress bar.
    """
    _run(design.experiment(images, rules, fractions), executor, out, quiet)


@cli.command
def benchmark_rules(
    images: ImageOptions = Images(),  # noqa: B008  (frozen)
    design: DesignOptions = Design(),
    rules: tuple[str, ...] | None = None,
    fractions: Fractions = (0.1, 0.3, 0.5),
    executor: str = "here",
    out: Path = Path("results/benchmark"),
    quiet: bool = False,
) -> None:
    """Which rule is best, and does it beat random examples?  Each half of the seeds judges what the other chooses.

    It compares rules, for one score; the command benchmark compares scores, and says where their errors lie.  Rules are
    windows, soft rules and importance weights, and beside them random, RS2 and InfoBatch with as many gradient steps.
    Prints who is ahead of random beyond its 95 % interval, the share of the gap between random and all examples that is
    closed, and the errors by difficulty rank of the test images.  Run again after Ctrl-C to continue.

    Args:
        images: the images.
        design: what is scored and trained.
        rules: rules to choose from; None is five windows and twelve soft rules, without those that drop more than the
            fractions allow. random, and where networks are trained by gradient descent rs2 and infobatch, are added.
        fractions: fractions of the pool kept, in (0, 1].
        executor: here, processes:N, dask:ADDRESS, slurm:PARTITION or submitit-local.
        out: folder for the results.
        quiet: no progress bar.
    """
    from real_data.findings.best_choice import benchmark_table
    from real_data.findings.errors_by_rank import rank_table

    if design.num_seeds < 4:
        raise ValueError(f"num_seeds must be at least 4, two to choose and two to judge, got {design.num_seeds}")
    candidates = candidates_at(max(fractions, default=1.0)) if rules is None else rules
    tried = rules_for(design.network(images.chosen_recipe), candidates)
    results = _run(design.experiment(images, tried, fractions), executor, out, quiet)
    print(f"\n{benchmark_table(results)}")
    if "test_scores" in results.variables:
        print(f"\n{rank_table(results)}")


@cli.command
def rerun(
    settings: tyro.conf.Positional[Path],
    out: Path | None = None,
    executor: str = "here",
    quiet: bool = False,
) -> None:
    """Run an experiment or a training again from its settings file: to continue it, or elsewhere to repeat it.

    Args:
        settings: DATASET.json of an experiment or settings.json of a training.
        out: folder for the results; the default is the folder of the settings file.
        executor: as for run.
        quiet: no progress bar.
    """
    from real_data.commands.training import run_and_report

    value = read_json(settings)
    folder = settings.parent if out is None else out
    if isinstance(value, dict) and "training" in value:
        run_and_report(from_json(TrainingRun, value), folder, 1000, quiet)
    else:
        _run(from_json(Experiment, value), executor, folder, quiet)


@cli.command
def show(path: tyro.conf.Positional[Path], by_rank: bool = False) -> None:
    """Print the tables of a result file: test errors in per cent, mean +- standard error over seeds.

    Args:
        path: a file that ``run`` wrote, OUT/DATASET.nc, or ``benchmark``, OUT/DATASET-benchmark.nc.
        by_rank: also print the errors by difficulty rank of the test images: on which of them a rule pays.
    """
    from real_data.benchmark.summary import TITLE
    from real_data.benchmark.tables import score_benchmark_table
    from real_data.findings.errors_by_rank import rank_table

    if Results.load(path).title == TITLE:
        print(score_benchmark_table(Results.load(path)))
        return
    results = _results_of_run(path)
    print(error_table(results))
    if by_rank:
        print(f"\n{rank_table(results)}")


@cli.command
def scaling_law(path: tyro.conf.Positional[Path], metric: str | None = None) -> None:
    """Does error fall as a power law of the examples kept, or exponentially?  For the Pareto frontier and whole pools.

    The frontier, the lowest error at each number kept, is chosen on half of the seeds and measured on the others.

    Args:
        path: a file that ``run`` wrote, with several pool sizes, OUT/DATASET.nc.
        metric: score of difficulty; needed where there are several.
    """
    from real_data.findings.frontier import pareto_frontier
    from scaling_laws.power_or_exponential.comparison import compare_scaling_laws

    results = _results_of_run(path)
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


@cli.command
def study(
    out: Path = Path("results/study"), path: str | None = None, executor: str = "processes:2", quiet: bool = False
) -> None:
    """Is a window of intermediate difficulty best, and does the theory foresee it?  About 15 minutes on two cores.

    Fashion-MNIST at three pool sizes and digits with wrong labels; run again after Ctrl-C to continue.

    Args:
        out: folder for the results.
        path: folder of the Fashion-MNIST files; the default looks in the usual places.
        executor: as for run; small networks keep one core busy each.
        quiet: no progress bar.
    """
    from real_data.experiments.execution import executor_named
    from real_data.studies.windows import run_study

    check_folder("out", out)
    with executor_named(executor, out) as chosen:
        print(run_study(out, path=path, executor=chosen, progress=not quiet))


@cli.command
def recipes() -> None:
    """List the recipes: settings of network and training by name, where they come from, what they should reach."""
    from real_data.recipes import RECIPES

    print("\n".join(map(str, RECIPES.values())))


def _results_of_run(path: Path) -> Results:
    results = Results.load(path)
    if "experiment" not in results.config or "mean" not in results.variables:
        raise ValueError(f"{path} is not a result of the command run, but: {results.title}")
    return results


def _run(config: Experiment, executor: str, out: Path, quiet: bool) -> Results:
    from real_data.experiments.execution import executor_named
    from real_data.experiments.experiment import run_experiment

    check_folder("out", out)
    with executor_named(executor, out) as chosen:
        results = run_experiment(config, out=out, executor=chosen, progress=not quiet)
    print(error_table(results))
    print(f"saved in {out / f'{config.dataset}.nc'}")
    return results

"""Commands that run experiments, and print what came of them."""

from __future__ import annotations

from pathlib import Path

import tyro

from data_pruning import Results
from data_pruning.records.settings import from_json, read_json
from data_pruning.records.writable import check_folder
from real_data.commands.design import Design, DesignOptions, Fractions
from real_data.commands.options import ImageOptions, Images, cli
from real_data.experiments.config import Experiment, TrainingRun
from real_data.findings.error_table import error_table
from real_data.selection.candidates import candidates_at, rules_for

__all__ = [
    "benchmark_rules",
    "recipes",
    "rerun",
    "run",
    "scaling_law",
    "show",
    "study",
]


@cli.command
def run(
    images: ImageOptions = Images(),  # noqa: B008  (frozen)
    design: DesignOptions = Design(),  # noqa: B008
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
    design: DesignOptions = Design(),  # noqa: B008
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
    """Run an experiment, a training or a transfer study again from its settings: to continue it, or to repeat it.

    Args:
        settings: DATASET.json of an experiment, settings.json of a training or transfer.json of a transfer study.
        out: folder for the results; the default is the folder of the settings file.
        executor: as for run.
        quiet: no progress bar.
    """
    from real_data.commands.training import run_and_report
    from real_data.commands.transfer import transfer_and_report
    from real_data.transfer.config import Transfer

    value = read_json(settings)
    folder = settings.parent if out is None else out
    if isinstance(value, dict) and "training" in value:
        run_and_report(from_json(TrainingRun, value), folder, 1000, quiet)
    elif isinstance(value, dict) and "pretraining" in value:
        own = {name: one for name, one in value.items() if name not in ("source_sha256", "target_sha256")}
        transfer_and_report(from_json(Transfer, own), executor, folder, quiet)
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

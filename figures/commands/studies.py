"""Commands that draw what studies and fits found, from saved files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import tyro

from data_pruning.records.writable import check_folder
from figures.commands.command_line import cli, say_saved

__all__ = [
    "benchmark",
    "learned_rule",
    "magnitude_pruning",
    "network_sizes",
    "rules",
    "scaling_laws",
    "windows",
]


@cli.command
def windows(folder: Path = Path("results/study")) -> None:
    """Draw what the study of windows found, beside the theory, from saved data.

    Args:
        folder: folder of ``python -m real_data study``; the figure goes there.
    """
    from data_pruning import Results
    from figures import windows
    from figures.jobs import save_figure

    stems = {"fashion-mnist": "Fashion-MNIST", "noisy-digits": "digits, 10 % wrong labels"}
    predictions = [Results.load(folder / f"{stem}-prediction.nc") for stem in stems]
    say_saved(save_figure(windows(predictions, list(stems.values())), folder / "windows"))


@cli.command
def rules(file: tyro.conf.Positional[Path], metric: str | None = None, out: Path | None = None) -> None:
    """Draw which rules beat random on real images, and on which test images, from saved data.

    Args:
        file: a file that ``python -m real_data benchmark-rules`` wrote, OUT/DATASET.nc.
        metric: score of difficulty; None is the first.
        out: folder for the figure; None is that of the file.
    """
    from data_pruning import Results
    from figures import rule_benchmark
    from figures.jobs import save_figure

    folder = file.parent if out is None else out
    check_folder("--out", folder)
    results = Results.load(file)
    if "errors_all" not in results.variables:
        raise ValueError(f"{file} is not a result of the command benchmark-rules, but: {results.title}")
    say_saved(save_figure(rule_benchmark(results, metric=metric), folder / "rules"))


@cli.command
def benchmark(file: tyro.conf.Positional[Path], fraction: float | None = None, out: Path | None = None) -> None:
    """Draw what scores are worth: error against fraction, class by class, and by rank of the test images.

    Args:
        file: a file that ``python -m real_data benchmark`` wrote, OUT/DATASET-benchmark.nc.
        fraction: fraction kept of the pictures of classes and ranks; None is the smallest.
        out: folder for the figures; None is that of the file.
    """
    from data_pruning import Results
    from figures.draw.benchmark import benchmark_classes, benchmark_errors, benchmark_ranks
    from figures.jobs import save_figure

    folder = file.parent if out is None else out
    check_folder("--out", folder)
    results = Results.load(file)
    if "class_excess" not in results.variables:
        raise ValueError(f"{file} is not a result of the command benchmark, but: {results.title}")
    written = save_figure(benchmark_errors(results), folder / "benchmark")
    written += save_figure(benchmark_classes(results, fraction=fraction), folder / "benchmark-classes")
    if "rank_excess" in results.variables:
        written += save_figure(benchmark_ranks(results, fraction=fraction), folder / "benchmark-ranks")
    say_saved(written)


@cli.command
def learned_rule(
    file: tyro.conf.Positional[Path],
    alpha_tot: tuple[float, ...] = (3.0, 10.0, 30.0),
    theta_deg: float = 30.0,
    out: Path | None = None,
) -> None:
    """Draw the measured value of each difficulty rank, the rule learned from it, and the theory's value function.

    Args:
        file: a file that ``python -m real_data learn-rule`` wrote, OUT/learned-rule.nc.
        alpha_tot: examples per parameter before pruning of the perceptrons that the theory shows.
        theta_deg: angle between their probe and teacher in degrees.
        out: folder for the figure; None is that of the file.
    """
    from data_pruning import Results
    from figures import learned_rule
    from figures.compute.rank_values import compute_rank_values
    from figures.jobs import save_figure

    folder = file.parent if out is None else out
    check_folder("--out", folder)
    results = Results.load(file)
    if "value" not in results.variables or "experiment" not in results.config:
        raise ValueError(f"{file} is not a result of the command learn-rule, but: {results.title}")
    theory = compute_rank_values(float(results.config["experiment"]["fractions"][0]), alpha_tot, theta_deg)
    say_saved(save_figure(learned_rule(results, theory), folder / "learned-rule"))


@cli.command
def magnitude_pruning(files: tyro.conf.Positional[tuple[Path, ...]], out: Path | None = None) -> None:
    """Draw the errors of networks pruned by weight magnitude beside the law fitted to them, from saved data.

    Args:
        files: files that ``python -m real_data magnitude-pruning`` wrote, OUT/DATASET-law.nc, a row for each.
        out: folder for the figure; None is that of the first file.
    """
    laws, folder = _laws(files, out, "magnitude-pruning", "sigma_left_out")
    from figures.draw.magnitude_pruning import magnitude_pruning
    from figures.jobs import save_figure

    say_saved(save_figure(magnitude_pruning(laws), folder / "magnitude-pruning"))


@cli.command
def network_sizes(
    files: tyro.conf.Positional[tuple[Path, ...]], titles: tuple[str, ...] = (), out: Path | None = None
) -> None:
    """Draw errors over examples and network size beside the law of the small ones, and by keep rule, from saved data.

    Args:
        files: files that ``python -m real_data joint-law`` wrote, OUT/DATASET-joint-law.nc, a row for each.
        titles: a name for each; None is the data set's.
        out: folder for the figure; None is that of the first file.
    """
    laws, folder = _laws(files, out, "joint-law", "unchanged_mean")
    from figures.draw.network_sizes import network_sizes
    from figures.jobs import save_figure

    say_saved(save_figure(network_sizes(laws, titles), folder / "network-sizes"))


@cli.command
def scaling_laws(files: tyro.conf.Positional[tuple[Path, ...]], out: Path = Path("results")) -> None:
    """Draw scaling laws, forecasts and benchmarks of laws, one panel for each file, from saved data.

    Args:
        files: files that fit, extrapolate, forecast or benchmark of ``python -m scaling_laws`` wrote.
        out: folder for the figure.
    """
    from data_pruning import Results
    from figures.draw.scaling_laws import scaling_laws
    from figures.jobs import save_figure

    check_folder("--out", out)
    say_saved(save_figure(scaling_laws([Results.load(file) for file in files]), out / "scaling-laws"))


def _laws(files: tuple[Path, ...], out: Path | None, command: str, variable: str) -> tuple[list[Any], Path]:
    """Files that a command wrote, which all have a variable, and the figure's folder: ``out``, or that of the first.

    Raises:
        ValueError: there is no file, or one is of something else.
    """
    from data_pruning import Results

    if not files:
        raise ValueError(f"files must be at least one, from python -m real_data {command}")
    folder = files[0].parent if out is None else out
    check_folder("--out", folder)
    laws = [Results.load(file) for file in files]
    for file, law in zip(files, laws, strict=True):
        if variable not in law.variables:
            raise ValueError(f"{file} is not a law of the command {command}, but: {law.title}")
    return laws, folder

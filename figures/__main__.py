"""Command line of the figures: ``python -m figures --help``."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from data_pruning.command_line import CommandLine
from data_pruning.records.writable import check_folder
from figures.settings import Job
from real_data.commands.options import ImageFileOptions, ImageFiles

cli = CommandLine("python -m figures", __doc__, sizes="--num-features, --image-size or --num-per-class")


JobOptions = Annotated[Job, tyro.conf.arg(name="")]


@cli.command
def reproduce(job: JobOptions = Job(num_trials=60)) -> None:  # noqa: B008  (frozen)
    """Compute theory, simulate, run the digits experiment and draw all figures: a few minutes on two cores.

    Run again after Ctrl-C to continue.  Prints how well theory and simulation agree and where the files are.
    """
    from figures.jobs import reproduce

    _report(reproduce, job)


@cli.command
def best_rule(job: JobOptions = Job(num_trials=60)) -> None:  # noqa: B008
    """Phase diagram, certificates and frontier of the best keep rule: a few minutes on two cores.

    Run again after Ctrl-C to continue, or after the end to redraw.
    """
    _compare("best-rule", job)


@cli.command
def students(job: JobOptions = Job()) -> None:  # noqa: B008
    """Max margin, square, logistic and hinge loss on pruned data, and label noise: a few minutes on two cores.

    Run again after Ctrl-C to continue, or after the end to redraw.
    """
    _compare("students", job)


@cli.command
def probes(job: JobOptions = Job()) -> None:  # noqa: B008
    """Pruning by probes that were trained: their angle, and the test error it costs; a few minutes on two cores.

    Run again after Ctrl-C to continue, or after the end to redraw.
    """
    _compare("probes", job)


@cli.command
def joint_law(job: JobOptions = Job()) -> None:  # noqa: B008
    """Error against examples and features, its sources, where pruning pays and at what cost: minutes on two cores.

    Students of power-law features; --num-features is about as many as a simulated one sees, several of each variance.
    Run again after Ctrl-C to continue, or after the end to redraw.
    """
    _compare("joint-law", job)


@cli.command
def nyquist(job: JobOptions = Job()) -> None:  # noqa: B008
    """Learners that err not at all from finitely many examples, and what takes that away: a minute on two cores.

    --num-features is that of the perceptrons, --num-trials also the number of draws of functions on the torus.
    Run again after Ctrl-C to continue, or after the end to redraw.
    """
    check_folder("--out", job.out)
    job.check()
    from figures.compute.nyquist import compute_nyquist, summary
    from figures.draw.nyquist import nyquist
    from figures.jobs import save_figure

    found = compute_nyquist(
        job.out / "nyquist",
        num_features=job.num_features,
        num_trials=job.num_trials,
        seed=job.seed,
        progress=True,
    )
    print(summary(found))
    _say_saved([found.save(job.out / "nyquist.nc"), *save_figure(nyquist(found), job.out / "nyquist")])


@cli.command
def queries(job: JobOptions = Job()) -> None:  # noqa: B008
    """Students that pick their examples batch by batch, against one ranking for all: a few minutes on two cores.

    Run again after Ctrl-C to continue, or after the end to redraw.
    """
    from figures.compute.queries import summary
    from figures.jobs import pick_queries

    check_folder("--out", job.out)
    found, files = pick_queries(job)
    print(summary(found))
    _say_saved(files)


def _compare(name: str, job: Job) -> None:
    from figures.jobs import compare

    _report(lambda job: compare(name, job), job)


def _report(work: Callable[[Job], Any], job: Job) -> None:
    check_folder("--out", job.out)
    start = time.monotonic()
    validation, files = work(job)
    print(f"\nTheory against simulation: {validation.summary()}")
    print("Every simulated student is certified: the gap bounds how far it is from the exact one.")
    print("Files: " + ", ".join(str(path) for path in files))
    print(f"Finished in {time.monotonic() - start:.0f} s")


def _redraw(name: str, folder: Path) -> None:
    from figures.jobs import draw

    print("wrote " + ", ".join(str(path) for path in draw(folder, (name,))))


@cli.command
def fig1(folder: Path = Path("results")) -> None:
    """Redraw figure 1 (perfect probe: curves, frontier, crossover) from saved data.

    Args:
        folder: where curves.nc and validation.nc are, and the figure goes.
    """
    _redraw("fig1", folder)


@cli.command
def fig2(folder: Path = Path("results")) -> None:
    """Redraw figure 2 (imperfect probes: the frontier bends to a power law) from saved data.

    Args:
        folder: where curves.nc and validation.nc are, and the figure goes.
    """
    _redraw("fig2", folder)


@cli.command
def fig3(folder: Path = Path("results"), dataset: str = "digits", metric: str | None = None) -> None:
    """Redraw figure 3 (real images: error against examples kept) from saved data.

    With several pools also the Pareto frontier, and whether a power law or an exponential fits better.

    Args:
        folder: where DATASET.nc is, of an experiment, and the figure goes.
        dataset: name of the data set.
        metric: score of difficulty; needed where there are several pools and several scores.
    """
    from data_pruning import Results
    from figures.draw.images import fig3
    from figures.jobs import save_figure

    results = Results.load(folder / f"{dataset}.nc")
    _say_saved(save_figure(fig3(results, metric), folder / "-".join(["fig3", *([metric] if metric else [])])))


@cli.command
def scores(
    files: tyro.conf.Positional[tuple[Path, ...]],
    images: ImageFileOptions = ImageFiles(),  # noqa: B008
    num_per_class: int = 5,
    out: Path = Path("results"),
) -> None:
    """Draw scores of difficulty: histograms, hardest and easiest images of every class, rank correlations.

    Args:
        files: score files, from ``python -m real_data score``.
        images: the images that were scored.
        num_per_class: images shown of each class, at each end.
        out: folder for the figures.
    """
    check_folder("--out", out)
    from figures import extreme_images, rank_correlations, score_histograms
    from figures.jobs import save_figure
    from real_data import Scores

    data = images.load()
    found = [Scores.load(file, data) for file in files]
    classes = range(min(20, data.num_classes))
    written = save_figure(score_histograms(found), out / "score-histograms")
    if data.num_classes <= len(classes):
        by_class = score_histograms(found, data.train_labels, class_names=data.class_names or None)
        written += save_figure(by_class, out / "score-histograms-by-class")
    stems = [file.stem for file in files]
    for stem, one in zip(stems, found, strict=True):
        written += save_figure(extreme_images(data, one, num_per_class, classes=classes), out / f"extremes-{stem}")
    if len(found) > 1:
        names = stems if len({one.metric for one in found}) < len(found) else None
        written += save_figure(rank_correlations(found, names=names), out / "rank-correlations")
    _say_saved(written)


@cli.command
def pairs(
    folder: tyro.conf.Positional[Path],
    images: ImageFileOptions = ImageFiles(),  # noqa: B008
    num_pairs: int = 48,
    where: Literal["train-test", "train-train"] | None = None,
    out: Path | None = None,
) -> None:
    """Draw pairs of near-duplicates side by side, the most similar first, and the images flagged at each threshold.

    Args:
        folder: folder of ``python -m real_data duplicates``, with duplicates.nc.
        images: the images that were compared.
        num_pairs: pairs drawn, 1 to 400, at equal distances of rank where there are more.
        where: pairs to draw; None is all.
        out: folder for the figure; None is that of the pairs.
    """
    goes_to = folder if out is None else out
    check_folder("--out", goes_to)
    from figures import pairs
    from figures.jobs import save_figure
    from real_data import Duplicates

    found = Duplicates.load(folder / "duplicates.nc")
    picture = pairs(found, images.load(), num_pairs=num_pairs, where=where)
    _say_saved(save_figure(picture, goes_to / "-".join(["pairs", *([where] if where else [])])))


@cli.command
def correlations(files: tyro.conf.Positional[tuple[Path, ...]], out: Path = Path("results")) -> None:
    """Rank correlations of scores, similar ones side by side, as a table and a picture; no images are needed.

    Args:
        files: at least two score files of one data set, from score or published-scores of ``python -m real_data``.
        out: folder for correlations.nc and the figure.
    """
    check_folder("--out", out)
    from figures.draw.correlations import correlations
    from figures.jobs import save_figure
    from real_data import Scores
    from real_data.scores import rank_agreement

    found = [Scores.load(file) for file in files]
    metrics = [one.metric for one in found]
    results = rank_agreement(found, metrics if len(set(metrics)) == len(metrics) else [file.stem for file in files])
    for name, tied in zip(results["name"], results["tied"], strict=True):
        if tied > 0:
            print(f"{name}: {100 * tied:.3g} % of the examples share their score with others; they have its mean rank")
    _say_saved([results.save(out / "correlations.nc"), *save_figure(correlations(results), out / "correlations")])


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
    _say_saved(save_figure(windows(predictions, list(stems.values())), folder / "windows"))


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
    _say_saved(save_figure(rule_benchmark(results, metric=metric), folder / "rules"))


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
    _say_saved(written)


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
    _say_saved(save_figure(learned_rule(results, theory), folder / "learned-rule"))


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

    _say_saved(save_figure(magnitude_pruning(laws), folder / "magnitude-pruning"))


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

    _say_saved(save_figure(network_sizes(laws, titles), folder / "network-sizes"))


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
    _say_saved(save_figure(scaling_laws([Results.load(file) for file in files]), out / "scaling-laws"))


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


def _say_saved(written: list[Path]) -> None:
    for path in written:
        print(f"saved in {path}")


def main() -> None:
    """Run the command line; bad input ends with one line on stderr and exit code 2."""
    cli.main()


if __name__ == "__main__":
    main()

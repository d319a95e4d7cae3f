"""Command line of the figures: ``python -m figures --help``."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from data_pruning.command_line import CommandLine
from data_pruning.records.writable import check_folder

cli = CommandLine("python -m figures", __doc__)


@dataclass(frozen=True)
class Job:
    """What theory is compared with, and where it goes.

    Attributes:
        out: folder for data (NetCDF) and figures (PDF, PNG).
        num_features: parameters of the simulated students, N.
        num_trials: independent trials per simulated point, at least 2.
        seed: seed of the simulations.
    """

    out: Path = Path("results")
    num_features: int = 200
    num_trials: int = 40
    seed: int = 0

    def run(self, work: Callable[..., Any]) -> Any:
        """Do the work with these settings."""
        check_folder("--out", self.out)
        return work(self.out, num_features=self.num_features, num_trials=self.num_trials, seed=self.seed)


JobOptions = Annotated[Job, tyro.conf.arg(name="")]


@cli.command
def reproduce(job: JobOptions = Job(num_trials=60)) -> None:
    """Compute theory, simulate, run the digits experiment and draw all figures: a few minutes on two cores.

    Run again after Ctrl-C to continue.  Prints how well theory and simulation agree and where the files are.
    """
    from figures.jobs import reproduce

    _compare(job, reproduce)


@cli.command
def best_rule(job: JobOptions = Job(num_trials=60)) -> None:
    """Phase diagram, certificates and frontier of the best keep rule: a few minutes on two cores.

    Run again after Ctrl-C to continue, or after the end to redraw.
    """
    from figures.jobs import find_best_rule

    _compare(job, find_best_rule)


@cli.command
def students(job: JobOptions = Job()) -> None:
    """Max margin, square, logistic and hinge loss on pruned data, and label noise: a few minutes on two cores.

    Run again after Ctrl-C to continue, or after the end to redraw.
    """
    from figures.jobs import compare_students

    _compare(job, compare_students)


@cli.command
def probes(job: JobOptions = Job()) -> None:
    """Pruning by probes that were trained: their angle, and the test error it costs; a few minutes on two cores.

    Run again after Ctrl-C to continue, or after the end to redraw.
    """
    from figures.jobs import compare_probes

    _compare(job, compare_probes)


@cli.command
def queries(job: JobOptions = Job()) -> None:
    """Students that pick their examples batch by batch, against one ranking for all: a few minutes on two cores.

    Run again after Ctrl-C to continue, or after the end to redraw.
    """
    from figures.compute.queries import summary
    from figures.jobs import compare_queries

    found, files = job.run(compare_queries)
    print(summary(found))
    _say_saved(files)


def _compare(job: Job, work: Callable[..., Any]) -> None:
    start = time.monotonic()
    validation, files = job.run(work)
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
    dataset: str = "digits",
    path: str | None = None,
    image_size: int | None = None,
    num_per_class: int = 5,
    out: Path = Path("results"),
) -> None:
    """Draw scores of difficulty: histograms, hardest and easiest images of every class, rank correlations.

    Args:
        files: score files, from ``python -m real_data score``.
        dataset: the data set that was scored.
        path: file or folder of the data set; the default looks in the usual places.
        image_size: width and height that images of imagenet and folder are brought to; None is 224, or their own.
        num_per_class: images shown of each class, at each end.
        out: folder for the figures.
    """
    check_folder("--out", out)
    from figures import extreme_images, rank_correlations, score_histograms
    from figures.jobs import save_figure
    from real_data import Scores, load

    data = load(dataset, path, image_size=image_size)
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


def _say_saved(written: list[Path]) -> None:
    for path in written:
        print(f"saved in {path}")


def main() -> None:
    """Run the command line; bad input ends with one line on stderr and exit code 2."""
    cli.main()


if __name__ == "__main__":
    main()

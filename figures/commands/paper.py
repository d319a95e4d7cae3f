"""Commands that draw the figures of Sorscher et al. (2022) from saved files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import tyro

from data_pruning.records.writable import check_folder
from figures.commands.command_line import cli, say_saved
from real_data.commands.options import ImageFileOptions, ImageFiles

__all__ = ["fig1", "fig2", "fig3", "fig4", "fig5", "fig6"]


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
    say_saved(save_figure(fig3(results, metric), folder / "-".join(["fig3", *([metric] if metric else [])])))


@cli.command
def fig4(transfer: Path | None = None, fine_tuned: tuple[Path, ...] = (), out: Path = Path("results")) -> None:
    """Draw figure 4 (transfer: pretrained networks on pruned data, and networks pretrained on pruned data).

    Of a study of transfer also what the pruning costs: error less that of all, and less that of random, images.

    Args:
        transfer: a file that ``python -m real_data transfer`` wrote, OUT/transfer.nc.
        fine_tuned: files that ``python -m real_data run --fine-tuning.weights`` wrote, OUT/DATASET.nc.
        out: folder for the figures.
    """
    check_folder("--out", out)
    if transfer is None and not fine_tuned:
        raise ValueError("there is nothing to draw: give --transfer, --fine-tuned or both")
    from figures import fig4, transfer_differences
    from figures.jobs import save_figure

    study = None if transfer is None else _load(transfer, "transfer", "curve_rule", "errors_all", "difference")
    experiments = [_load(file, "run", "pool_size", "mean", "standard_error", "mean_all") for file in fine_tuned]
    for file, experiment in zip(fine_tuned, experiments, strict=True):
        if not experiment.config.get("experiment", {}).get("fine_tuning"):
            raise ValueError(f"{file} is of networks that were not fine-tuned: run with --fine-tuning.weights")
    written = save_figure(fig4(study, experiments), out / "fig4")
    if study is not None:
        written += save_figure(transfer_differences(study), out / "fig4-differences")
        if "random" in study["curve_rule"]:
            written += save_figure(transfer_differences(study, "random"), out / "fig4-differences-random")
    say_saved(written)


@cli.command
def fig5(benchmark: Path, correlations: tuple[Path, ...], out: Path = Path("results")) -> None:
    """Draw figure 5 (scores: how far they agree, and test error against fraction by each) from saved data.

    Args:
        benchmark: a file that ``python -m real_data benchmark`` wrote, OUT/DATASET-benchmark.nc.
        correlations: the file correlations.nc of ``python -m figures correlations``, or at least two score files.
        out: folder for the figure.
    """
    check_folder("--out", out)
    from figures import fig5
    from figures.jobs import save_figure

    of_scores = _load(benchmark, "benchmark", "class_excess")
    say_saved(save_figure(fig5(_agreement(correlations), of_scores), out / "fig5"))


@cli.command
def fig6(
    scores: tyro.conf.Positional[Path | None] = None,
    images: ImageFileOptions = ImageFiles(),  # noqa: B008  (frozen)
    num_whole: int = 24,
    num_per_class: int = 8,
    classes: tuple[str, ...] = (),
    redraw: Path | None = None,
    out: Path | None = None,
) -> None:
    """Draw figure 6 (the hardest and easiest images by a score: of the whole set, and of some classes).

    The images drawn are saved in OUT/fig6.nc, from which the figure is drawn again without the data set.

    Args:
        scores: a score file of ``python -m real_data score``; in the paper that of --metrics ssl-prototypes.
        images: the images that were scored.
        num_whole: images of the whole set, at each end.
        num_per_class: images of each class, at each end.
        classes: names or numbers of at most 20 classes; the default is the first ten.
        redraw: a file fig6.nc, in place of scores and images.
        out: folder for the figure and fig6.nc; None is results, or that of the file redrawn.
    """
    if (scores is None) == (redraw is None):
        given = "neither" if scores is None else "both"
        raise ValueError(f"give a score file, or --redraw and a file fig6.nc: got {given}")
    folder = out or (Path("results") if redraw is None else redraw.parent)
    check_folder("--out", folder)
    from figures import fig6
    from figures.compute.extremes import compute_extremes, numbers_of
    from figures.jobs import save_figure
    from real_data import Scores

    if redraw is not None:
        say_saved(save_figure(fig6(_load(redraw, "fig6", "whole_image", "class_image")), folder / "fig6"))
        return
    assert scores is not None  # as checked above
    found = Scores.load(scores)  # before the images, which may take long
    data = images.load()
    found.check(data)
    extremes = compute_extremes(
        data,
        found,
        num_whole=num_whole,
        num_per_class=num_per_class,
        classes=numbers_of(classes, data) if classes else None,
    )
    if found.tied:
        print(
            f"{100 * found.tied:.3g} % of the images share their score with others: which of these is shown is chance"
        )
    say_saved([extremes.save(folder / "fig6.nc"), *save_figure(fig6(extremes), folder / "fig6")])


def _load(file: Path, command: str, *variables: str) -> Any:
    """A file that a command wrote, which has these variables.

    Raises:
        ValueError: it is of something else.
    """
    from data_pruning import Results

    results = Results.load(file)
    if any(name not in results.variables for name in variables):
        raise ValueError(f"{file} is not a result of the command {command}, but: {results.title}")
    return results


def _agreement(files: tuple[Path, ...]) -> Any:
    """Rank correlations, saved or of score files."""
    from data_pruning import Results
    from real_data import Scores
    from real_data.scores import rank_agreement

    if len(files) == 1:
        results = Results.load(files[0])
        if "correlation" not in results.variables:
            raise ValueError(
                f"--correlations must be a file of the command correlations or at least two score files, but "
                f"{files[0]} alone is: {results.title}"
            )
        return results
    found = [Scores.load(file) for file in files]
    metrics = [one.metric for one in found]
    return rank_agreement(found, metrics if len(set(metrics)) == len(metrics) else [file.stem for file in files])

"""Commands that draw scores of images, pairs of images, and correlations of scores."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import tyro

from data_pruning.records.writable import check_folder
from figures.commands.command_line import cli, say_saved
from real_data.commands.options import ImageFileOptions, ImageFiles

__all__ = ["correlations", "pairs", "scores"]


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
    say_saved(written)


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
    say_saved(save_figure(picture, goes_to / "-".join(["pairs", *([where] if where else [])])))


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
    say_saved([results.save(out / "correlations.nc"), *save_figure(correlations(results), out / "correlations")])

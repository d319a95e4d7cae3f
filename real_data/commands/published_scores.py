"""The command that reads published scores, a folder of them at once."""

from __future__ import annotations

import time
from pathlib import Path

import tyro

from data_pruning import Results
from data_pruning.records.writable import check_folder
from real_data.commands.options import ImageFileOptions, ImageFiles, cli

__all__ = ["published_scores"]


@cli.command
def published_scores(
    folder: tyro.conf.Positional[Path],
    images: ImageFileOptions = ImageFiles(),  # noqa: B008  (frozen)
    name_column: str = "name",
    score_column: str = "score",
    header: bool = True,
    prefix: str | None = None,
    out: Path = Path("results/scores"),
    quiet: bool = False,
) -> None:
    """Read a folder of published scores, one CSV file per metric; writes OUT/DATASET-METRIC.nc for each.

    Metrics are called after their files: ImageNet-1K_EL2N-20-models.csv is EL2N-20-models.  In all files high scores
    are those of the examples to keep.  Every image must have one row, found by its file name.  Other scores are not
    overwritten.

    Args:
        folder: with the files *.csv.
        images: the images that were scored.
        name_column: column of the images' file names, or its number, counted from 1, with --no-header.
        score_column: column of the scores, or its number.
        header: whether the first line of each file holds the names of its columns.
        prefix: beginning of the files' names that is no part of the metrics'; None takes what all have in common up to
            the first underscore.
        out: folder for the scores.
        quiet: no progress bar.
    """
    from real_data.scores import scores_from_folder

    check_folder("out", out)
    columns = {"name_column": name_column, "score_column": score_column}
    places = columns if header else {what: _number(what, column) for what, column in columns.items()}
    data = images.load()
    began = time.monotonic()
    found = scores_from_folder(folder, data, header=header, prefix=prefix, progress=not quiet, **places)
    paths = [out / f"{images.dataset}-{one.metric}.nc" for one in found]
    for one, path in zip(found, paths, strict=True):  # all before any is written
        if path.exists():
            about = Results.load(path).config
            if about.get("fingerprint") != one.fingerprint or about.get("settings") != dict(one.config):
                raise ValueError(f"{path} holds other scores, which would be lost: give another folder")
    for one, path in zip(found, paths, strict=True):
        file = one.save(path)
        print(f"{one.metric}: {one.values.size} scores, {100 * one.tied:.3g} % of them not unique; saved in {file}")
        for note in one.notes[len(data.notes) :]:
            print(f"  {note}")
    print(f"{len(found)} metrics read in {time.monotonic() - began:.0f} s")


def _number(what: str, column: str) -> int:
    try:
        return int(column)
    except ValueError as error:
        raise ValueError(f"{what} must be the number of a column with --no-header, got {column!r}") from error

"""The command that finds near-duplicates."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from data_pruning.command_line import table
from data_pruning.records.writable import check_folder
from real_data.commands.options import ImageFileOptions, ImageFiles, cli
from real_data.duplicates.config import DuplicateConfig, Keep, Where

if TYPE_CHECKING:
    from real_data.datasets import ImageDataset
    from real_data.duplicates.report import Duplicates

__all__ = ["duplicates"]

MOST_NAMED = 5  # pairs of different labels that are printed
ONLY_EMBEDDINGS = "none"


@cli.command
def duplicates(
    images: ImageFileOptions = ImageFiles(),  # noqa: B008  (frozen)
    features: tuple[str, ...] = ("thumbnails",),
    threshold: float | None = None,
    flag: int | None = None,
    where: tuple[Where, ...] | None = None,
    keep: Keep = "farthest",
    scores: Path | None = None,
    mirror: bool = False,
    num_cells: int | None = None,
    num_probes: int = 2,
    seed: int = 0,
    out: Path = Path("results/duplicates"),
    quiet: bool = False,
) -> None:
    """Find exact and near copies among training images and test images; writes OUT/pairs.csv, kept.txt, duplicates.nc.

    Nothing is deleted: kept.txt lists the training images to keep, for train --kept.  A training image that is like a
    test image is dropped, test images never are.  Of training images that are alike, one is kept, and every dropped one
    is at least as similar as the threshold to it.  A cosine is no probability: with neither --threshold nor --flag only
    exact copies are dropped, and a table shows how many images each threshold would flag.  ``python -m figures pairs
    OUT`` draws the pairs.

    Run again after Ctrl-C to continue.  Memorization is small by construction where an image has near-duplicates: find
    them before scoring.

    Args:
        images: the images; --dataset none where there are only embeddings, of texts for example, all of them training
            examples.
        features: thumbnails (whitened, of 8 x 8 pixels), a file of embeddings as embed writes it (NAME.npy of training
            images, NAME-test.npy of test images), or both, which takes the mean of both cosines.
        threshold: least cosine of near-duplicates, in (-1, 1].
        flag: number of test images to flag instead (of training images where they are not compared with test images).
        where: pairs looked for, train-test and train-train; None is both, where there are test images.
        keep: which of a group is kept: farthest (from the centroid), hardest, easiest (by --scores), largest (in
            pixels), first.
        scores: a file that score wrote, for keep hardest or easiest.
        mirror: compare with mirrored images as well.
        num_cells: cells whose images are compared, 1 for all pairs; None is 1 up to 100,000 images.
        num_probes: nearest cells that an image is compared with.
        seed: of cells, and of the changes that thumbnails are made to withstand.
        out: folder for the files.
        quiet: no progress bar.
    """
    only_embeddings = images.dataset == ONLY_EMBEDDINGS
    usual: tuple[Where, ...] = ("train-train",) if only_embeddings else ("train-test", "train-train")
    places = usual if where is None else where
    config = DuplicateConfig(threshold, flag, places, keep, mirror, num_cells, num_probes, seed)
    check_folder("out", out)
    file = _file_of(features)
    if only_embeddings and (scores is not None or "thumbnails" in features):
        raise ValueError("--dataset none has neither thumbnails nor scores: give --features FILE.npy alone")
    if only_embeddings and images != ImageFiles(ONLY_EMBEDDINGS):
        raise ValueError("--dataset none reads no images: leave out --path, --image-size and the like")
    if (keep in ("hardest", "easiest")) != (scores is not None):
        raise ValueError(f"--keep {keep} {'takes no' if scores else 'needs'} --scores")
    from real_data.duplicates.search import find_duplicates

    data = None if only_embeddings else images.load()
    embeddings = None
    if file is not None:
        from real_data.embeddings.embedding_file import read_embedding

        embeddings = read_embedding(file, data)
    values = None
    if scores is not None:
        from real_data.scores import Scores

        values = Scores.load(scores, data).values
    unfinished = out / "unfinished"
    try:
        found = find_duplicates(
            data,
            config,
            thumbnails="thumbnails" in features,
            embeddings=None if embeddings is None else embeddings.train,
            test_embeddings=None if embeddings is None else embeddings.test,
            scores=values,
            folder=unfinished,
            progress=not quiet,
        )
    except KeyboardInterrupt:
        saved = "thumbnails of image files are saved: run the same again to continue" if unfinished.exists() else ""
        raise KeyboardInterrupt(saved or "nothing was saved") from None
    files = found.save(out, data)
    shutil.rmtree(unfinished, ignore_errors=True)
    _say(found, data)
    print(f"saved in {', '.join(map(str, files))}")


def _file_of(features: tuple[str, ...]) -> Path | None:
    """The one file among the features; None where there is none."""
    files = [Path(name) for name in features if name != "thumbnails"]
    if len(set(features)) < len(features) or not features or len(files) > 1:
        raise ValueError(f"--features must be thumbnails, one file, or both, got {' '.join(features)!r}")
    return files[0] if files else None


def _say(found: Duplicates, data: ImageDataset | None) -> None:
    """The curve, what was found, and what is to be looked at."""
    from real_data.duplicates.cells import PLANTED

    titles = ["cosine", "test images flagged", "training images flagged"]
    rows = [
        [f"{threshold:.3f}", *("" if number is None else f"{number:,}" for number in numbers)]
        for threshold, *numbers in found.curve(found.thresholds())
    ]
    print(f"Images with a neighbour at least as similar (a cosine is no probability):\n{table(titles, rows)}")
    pairs = found.pairs
    print(f"{int(pairs.exact.sum()):,} pairs of exact copies", end="")
    if found.threshold is None:
        print("; no threshold was given for others")
    else:
        print(f", {int(np.sum(~pairs.exact)):,} of near-duplicates with a cosine of {found.threshold:.4f} or more")
    of_test = int(found.dropped.in_test.sum())
    print(
        f"{int(found.kept.sum()):,} of {found.kept.size:,} training images kept; {of_test:,} are dropped for "
        f"{found.num_flagged:,} test images, {int(np.sum(~found.kept)) - of_test:,} for other training images"
    )
    for cosine, share, error in found.lost:
        lose = f"{100 * share:.2f} ± {100 * error:.2f} % of copies" if share else f"none of {PLANTED:,} copies"
        print(f"{found.num_cells:,} cells lose {lose} planted at a cosine of {cosine:.4f}")
    if data is not None:
        differ = np.flatnonzero(found.disagree(data))
        if differ.size:
            named = "; ".join(_pair(found, data, int(n)) for n in differ[:MOST_NAMED])
            print(f"{differ.size:,} of {len(pairs):,} pairs have different labels: {named}", file=sys.stderr)


def _pair(found: Duplicates, data: ImageDataset, n: int) -> str:
    pairs = found.pairs
    labels = data.test_labels if pairs.in_test[n] else data.train_labels
    names = [
        str(label) if data.class_names is None else data.class_names[label]
        for label in (data.train_labels[pairs.image[n]], labels[pairs.of[n]])
    ]
    other = "test" if pairs.in_test[n] else "training"
    return f"{names[0]} (training image {pairs.image[n]}) and {names[1]} ({other} image {pairs.of[n]})"

"""The command that chooses which examples to keep."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import tyro

from data_pruning import keep_rule
from data_pruning.records.writable import check_file
from real_data.commands.options import Fraction, ImageOptions, Images, cli

__all__ = ["prune"]

MOST_NAMED = 5


@cli.command
def prune(
    scores: tyro.conf.Positional[Path],
    rule: str = "hard",
    fraction: Fraction = 0.5,
    images: ImageOptions = Images(),  # noqa: B008
    min_class_share: float = 1.0,
    among: Path | None = None,
    seed: int = 0,
    out: Path = Path("results/kept.txt"),
) -> None:
    """Choose the examples to keep; writes their indices in the training set to a text file, one a line.

    Where the images are files, their names go to a second one, kept.names.txt beside kept.txt.  With a rule that has
    weights (+weighted) each line goes on with a tab and the weight of the loss, which train --kept takes into account.

    Args:
        scores: a file that ``score`` wrote, for the same data set.
        rule: keep rule, as for run, but no +by-error, rs2 or infobatch, which need more than scores.
        fraction: fraction kept, in (0, 1]; with among, of the candidates.
        images: the images.
        min_class_share: least share of its proportional part that a class keeps, in [0, 1]; 1 ranks per class.
        among: text file of the images that may be kept, their positions or names, one a line, as this command writes
            it; the others are dropped first, near-duplicates for example.
        seed: for ties and random choices.
        out: the text file.
    """
    from real_data.scores import Scores
    from real_data.selection.kept_list import read_kept, write_kept
    from real_data.selection.pruning import select
    from real_data.training.examples import Examples

    check_file("out", out)
    data = images.load()
    values = Scores.load(scores, data).values
    keep = keep_rule(rule, fraction)
    candidates = None
    if among is not None:
        listed = read_kept(among, data)
        if listed.weights is not None:
            raise ValueError(f"among must be a list without weights, but {among} has some")
        candidates = listed.indices
        lost = np.setdiff1d(data.train_labels, data.train_labels[candidates])
        if lost.size:
            named = [str(c) if data.class_names is None else data.class_names[c] for c in lost[:MOST_NAMED].tolist()]
            print(
                f"{among} has no image of {lost.size} classes, and none is kept: {', '.join(named)}"
                f"{', ...' if lost.size > MOST_NAMED else ''}",
                file=sys.stderr,
            )
    indices, _, weights = select(
        values, keep, data.train_labels, min_class_share=min_class_share, among=candidates, seed=seed
    )
    kept = Examples(indices, None if weights is None else weights.astype(np.float32))
    write_kept(out, kept)
    where = f"their positions among the {values.size} training images in {out}"
    if data.train_names is not None:
        names = out.with_name(f"{out.stem}.names{out.suffix}")
        write_kept(names, kept, data.train_names)
        where += f", their names in {names}"
    if weights is not None:
        where += ", each with the weight of its loss"
    of = f"{values.size} images" if candidates is None else f"{candidates.size} candidates, of {values.size} images,"
    print(f"{len(kept)} of {of} kept ({len(data.test_labels)} more are the test images); {where}")

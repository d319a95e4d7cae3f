"""The command that makes one score of several."""

from __future__ import annotations

from pathlib import Path

import tyro

from data_pruning.arguments import check_different
from data_pruning.records.writable import check_file
from real_data.commands.options import cli

__all__ = ["combine"]


@cli.command
def combine(
    scores: tyro.conf.Positional[tuple[Path, ...]],
    weights: tuple[float, ...] | None = None,
    metric: str = "mean-rank",
    out: Path = Path("results/scores/mean-rank.nc"),
) -> None:
    """One score of several: the mean of the ranks that they give each image; the file goes wherever scores go.

    Args:
        scores: at least two files, each once, of scores of the same images, as the command score writes them.
        weights: one for each, above 0; None weighs all alike.
        metric: name that it gets.
        out: the file, suffix .nc.
    """
    from real_data.scores.combination import combine_scores
    from real_data.scores.score_file import Scores

    check_different("scores", tuple(map(str, scores)))
    check_file("out", out, ".nc")
    found = combine_scores([Scores.load(path) for path in scores], weights=weights, metric=metric)
    print(f"{metric}: mean rank of {len(scores)} scores of {found.values.size} images; saved in {found.save(out)}")

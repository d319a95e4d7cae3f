"""The command that compares scores of difficulty: by what networks trained on their choice make of it."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from data_pruning.records.writable import check_folder
from real_data.commands.design import Design, DesignOptions, Fractions
from real_data.commands.options import ImageOptions, Images, cli
from real_data.selection.methods import BY_ERROR

__all__ = ["benchmark"]


@cli.command
def benchmark(
    images: ImageOptions = Images(),  # noqa: B008  (frozen)
    design: DesignOptions = Design(),  # noqa: B008
    rules: tuple[str, ...] = ("hard", "easy", "coverage@0.1"),
    fractions: Fractions = (0.2, 0.4, 0.6, 0.8),
    class_quotas: Literal["error"] | None = None,
    executor: str = "here",
    out: Path = Path("results/scores_benchmark"),
    quiet: bool = False,
) -> None:
    """What is each score worth?  Scores x rules x fractions beside random examples and all of them, in one run.

    It compares scores, from files (--scores) or measured anew for each seed (--metrics); the command benchmark-rules
    asks which rule is best for one of them.  Prints errors and their differences to random with 95 % intervals, how
    many examples each class keeps and where each class and each difficulty rank of the test images gains or loses.
    Writes OUT/DATASET-benchmark.nc beside what run writes.  Run again after Ctrl-C to continue.

    Args:
        images: the images.
        design: what is scored and trained.
        rules: keep rules, as for run; random is added.
        fractions: fractions of the pool kept, in (0, 1].
        class_quotas: error adds random examples of which often misjudged classes keep more (DRoP), as the rule
            random+by-error; the errors are those of networks trained on other parts of the pool, not of test images,
            and min_class_share takes no part.
        executor: here, processes:N, dask:ADDRESS, slurm:PARTITION or submitit-local.
        out: folder for the results.
        quiet: no progress bar.
    """
    if len(design.pool_sizes) > 1:
        raise ValueError(f"pool_sizes must be one for a benchmark of scores, got {design.pool_sizes}")
    added = ("random", *([f"random{BY_ERROR}"] if class_quotas else []))
    config = design.experiment(images, tuple(dict.fromkeys((*rules, *added))), fractions)
    check_folder("out", out)

    from real_data.benchmark.measurement import measure_benchmark
    from real_data.benchmark.tables import score_benchmark_table
    from real_data.experiments.execution import executor_named

    with executor_named(executor, out) as chosen:
        results = measure_benchmark(config, out=out, executor=chosen, progress=not quiet)
    print(score_benchmark_table(results))
    print(f"saved in {out / f'{config.dataset}-benchmark.nc'}")

"""Commands that compute theory, simulate, and draw both."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Annotated, Any

import tyro

from data_pruning.records.writable import check_folder
from figures.commands.command_line import cli, say_saved
from figures.settings import Job

__all__ = ["best_rule", "joint_law", "nyquist", "probes", "queries", "reproduce", "students"]

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
    say_saved([found.save(job.out / "nyquist.nc"), *save_figure(nyquist(found), job.out / "nyquist")])


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
    say_saved(files)


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

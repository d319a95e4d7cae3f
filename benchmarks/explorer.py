"""How long a slider of the explorer waits: each quick answer, warm, beside the 0.2 s that it may take.

    python benchmarks/explorer.py

Students, rules, wrong labels, hidden features and an angle of 0, with all cores that the process may use.  Every
program is compiled by a first answer; then the numbers of the question move a little in each round, as sliders move
them, to where no answer was before.  Prints the median and the shortest time of each answer in milliseconds, and the
former over the limit; "later" is an answer that is left to the full detail, "none" a question without one.  Takes a
minute and a half, most of it for compilation.
"""

from __future__ import annotations

import argparse
import os
import platform
import time
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import numpy as np

from figures.explorer.answers import ANSWERS, TakesLongerError
from figures.explorer.question import Question

LIMIT = 0.2  # seconds
NOISY = {"alpha_tot": 3.0, "flip_probability": 0.1}
CASES: dict[str, Question] = {
    "max-margin, hard": Question(),
    "max-margin, hard, theta = 0": Question(theta_deg=0.0),
    "max-margin, window": Question(rule="window@0.4"),
    "max-margin, proportional": Question(rule="proportional@1"),
    "max-margin, wrong labels": replace(Question(), **NOISY),  # type: ignore[arg-type]
    "max-margin, hidden features": Question(alpha_tot=1.0, seen=0.8),
    "square, hard": Question(student="square"),
    "square, wrong labels, hidden features": Question(student="square", flip_probability=0.1, seen=0.8),
    "square, proportional": Question(student="square", rule="proportional@1"),
    "hinge, hard": Question(student="hinge"),
    "hinge, wrong labels, window": Question(student="hinge", rule="window@0.4", flip_probability=0.1),
    "logistic, hard": Question(student="logistic"),
    "logistic, wrong labels": Question(student="logistic", flip_probability=0.1),
}


def moved(question: Question, place: int, round_number: int) -> Question:
    """The question after a slider has moved: all numbers a little different, but for an angle of 0."""
    factor = 1 + 0.01 * round_number + 0.0003 * place
    return replace(
        question,
        alpha_tot=question.alpha_tot * factor,
        f=question.f * factor,
        theta_deg=question.theta_deg * factor,
        lam=question.lam * factor,
        flip_probability=question.flip_probability * factor,
        seen=1.0 if question.seen == 1 else question.seen * factor,
    )


def measured(name: str, question: Question, place: int, num_rounds: int) -> str | list[float]:
    """Seconds of each round, or why there are none."""
    try:
        ANSWERS[name](question, "quick")
        seconds = []
        for i in range(1, num_rounds + 1):
            asked = moved(question, place, i)
            begin = time.perf_counter()
            ANSWERS[name](asked, "quick")
            seconds.append(time.perf_counter() - begin)
    except TakesLongerError:
        return "later"
    except ValueError:
        return "none"
    return seconds


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="times that the slider moves")
    options = parser.parse_args()
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    models = [line.split(":")[1].strip() for line in lines if "model name" in line]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    print(
        f"{models[0] if models else platform.processor()}, {cores} cores, load {os.getloadavg()[0]:.1f} at the start; "
    )
    print(f"Python {platform.python_version()}, jax {metadata.version('jax')}; milliseconds: median (least), ratio")
    print("| question | " + " | ".join(ANSWERS) + " |\n|---|" + "---|" * len(ANSWERS))
    worst: tuple[float, str] = (0.0, "")
    for place, (title, question) in enumerate(CASES.items()):
        cells = []
        for name in ANSWERS:
            found = measured(name, question, place, options.rounds)
            if isinstance(found, str):
                cells.append(found)
                continue
            median, least = float(np.median(found)), min(found)
            worst = max(worst, (median / LIMIT, f"{name} of {title}"))
            cells.append(f"{1e3 * median:.0f} ({1e3 * least:.0f}), {median / LIMIT:.2f}")
        print(f"| {title} | " + " | ".join(cells) + " |", flush=True)
    print(f"slowest: {worst[1]}, {worst[0]:.2f} of {LIMIT} s; load {os.getloadavg()[0]:.1f} at the end")


if __name__ == "__main__":
    main()

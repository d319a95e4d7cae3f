"""How long a pilot will take, said while it runs."""

from __future__ import annotations

import sys

from tqdm import tqdm

from real_data.studies.pilot import Pilot

__all__ = ["PilotClock"]

SECONDS_PER_TRAINING = {
    "mlp": 1.5,
    "cnn": 5.0,
    "resnet18": 400.0,
    "resnet50": 1000.0,
    "random-features": 0.3,
    "patch-features": 1.5,
    "vit-ti": 100.0,
    "vit-s": 350.0,
    "vit-b": 1400.0,
}
"""A first guess of the time of one training of the pilot on images of 32 x 32 pixels, two cores of 2020 to 2025."""


class PilotClock:
    """Says on stderr how many trainings a pilot has, and after the first and the next of them how long it will take.

    The first take longest: programs are compiled, and networks are trained to score.
    """

    def __init__(self, config: Pilot):
        self.first: tuple[int, float] | None = None
        self.corrected = False
        choosing, num_pools = config.choosing, len(config.pool_sizes)
        each, judged = len(choosing.rules) + 1, 4  # with all images; judged: the best, the best window, random, all
        self.scorings = choosing.num_seeds + config.num_judges * num_pools
        self.later = config.num_judges * num_pools * judged
        trainings = choosing.num_seeds * each + self.later
        networks = choosing.scores[0].num_networks * self.scorings
        guess = SECONDS_PER_TRAINING[choosing.model.kind]
        print(
            f"pilot: {trainings} trainings ({choosing.num_seeds} seeds x {each} kept sets to choose, "
            f"{config.num_judges} seeds x {num_pools} pools x {judged} to judge) and {networks} short ones to score; "
            f"about {_minutes((trainings + networks / 4) * guess)} for small images on two cores, corrected after the "
            "first",
            file=sys.stderr,
        )

    def __call__(self, done: int, total: int, seconds: float) -> None:
        """As :func:`real_data.run_experiment` reports: cells done, cells there are, and seconds since it began."""
        if not done or done == total or self.corrected:
            return
        if self.first is None:
            self.first = done, seconds
            left = total - done + self.later
            most = f"at most {_minutes(seconds / done * left)} to go, as the first take longest"
            tqdm.write(f"after the first {done} of {total}: {most}", file=sys.stderr)
        elif done > self.first[0]:
            self.corrected = True
            each = (seconds - self.first[1]) / (done - self.first[0])
            extra = max(0.0, self.first[1] - each * self.first[0])  # once for each pool and seed that is left
            seconds_left = each * (total - done + self.later) + extra * (self.scorings - 1)
            tqdm.write(f"after {done} of {total}: about {_minutes(seconds_left)} to go", file=sys.stderr)


def _minutes(seconds: float) -> str:
    return f"{max(1, round(seconds / 60))} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"

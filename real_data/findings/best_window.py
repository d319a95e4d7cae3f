"""Which window of ranks is best, chosen on some seeds and judged on others."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import stats

from data_pruning import Results

__all__ = ["Difference", "WindowVerdict", "difference_of", "judge_windows", "mean_of", "place_of"]

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Difference:
    """A difference of test errors, rival minus window, paired by seed: positive where the window is better.

    Attributes:
        mean: mean over the judging seeds.
        standard_error: its standard error.
        half_width: half the width of the 95 % interval (Student's t).
    """

    mean: float
    standard_error: float
    half_width: float

    @property
    def verdict(self) -> str:
        """``better``: the window has the lower error, beyond the 95 % interval; ``worse``; or ``level``."""
        if abs(self.mean) <= self.half_width:
            return "level"
        return "better" if self.mean > 0 else "worse"


@dataclass(frozen=True)
class WindowVerdict:
    """The best window of ranks at one score, pool size and fraction kept.

    Attributes:
        metric: score of difficulty.
        pool_size: number of training images before pruning.
        fraction: fraction kept, f.
        num_kept: mean number of examples kept.
        place: where the window lies, from 0, the hardest examples, to 1, the easiest.
        lower: least rank kept, ``place`` times (1 - f).
        upper: largest rank kept, ``lower`` + f.
        error: its mean test error over the judging seeds, a fraction.
        standard_error: standard error of ``error``.
        over: for hard, easy and random, as far as they are among the rules, by how much the window is better.
        num_judges: number of judging seeds.
    """

    metric: str
    pool_size: int
    fraction: float
    num_kept: float
    place: float
    lower: float
    upper: float
    error: float
    standard_error: float
    over: dict[str, Difference]
    num_judges: int


def place_of(rule: str) -> float | None:
    """Where the window of a rule lies, 0 = hardest, 1 = easiest; None for a rule that is not a window."""
    if rule in ("hard", "easy"):
        return float(rule == "easy")
    return float(rule.removeprefix("window@")) if rule.startswith("window@") else None


def judge_windows(results: Results) -> list[WindowVerdict]:
    """The best window of each score, pool size and fraction.

    The seeds at even positions choose: the window of least mean error, hard and easy among the candidates.  The others
    judge it, against hard, easy and random; so the choice does not flatter itself.

    Args:
        results: from :func:`real_data.run_experiment`, with at least two windows (hard and easy are windows too) and
            four seeds.

    Raises:
        ValueError: fewer windows or seeds.
    """
    rules = [str(rule) for rule in results["rule"]]
    windows = [i for i, rule in enumerate(rules) if place_of(rule) is not None]
    num_seeds = results.sizes["seed"]
    if len(windows) < 2:
        raise ValueError(f"at least two windows are needed to choose from, got the rules {', '.join(rules)}")
    if num_seeds < 4:
        raise ValueError(f"at least four seeds are needed, two to choose and two to judge, got {num_seeds}")
    verdicts = []
    for (m, metric), (p, size), (k, f) in (
        (a, b, c)
        for a in enumerate(results["metric"])
        for b in enumerate(results["pool_size"])
        for c in enumerate(results["fraction"])
    ):
        errors = results["errors"][m, p, :, k]
        chosen = windows[int(np.argmin(errors[windows, ::2].mean(axis=-1)))]
        judged = errors[:, 1::2]
        place = place_of(rules[chosen])
        assert place is not None
        lower = place * (1 - float(f))
        mean, standard_error = mean_of(judged[chosen])
        verdicts.append(
            WindowVerdict(
                str(metric),
                int(size),
                float(f),
                float(results["num_kept"][m, p, chosen, k].mean()),
                place,
                lower,
                lower + float(f),
                mean,
                standard_error,
                {
                    rival: difference_of(judged[rules.index(rival)] - judged[chosen])
                    for rival in ("hard", "easy", "random")
                    if rival in rules
                },
                judged.shape[-1],
            )
        )
    return verdicts


def mean_of(values: np.ndarray) -> tuple[float, float]:
    """Mean and standard error."""
    return float(values.mean()), float(values.std(ddof=1) / math.sqrt(values.size))


def difference_of(values: np.ndarray, level: float = CONFIDENCE) -> Difference:
    """The difference of which these are the values, one for each seed, with an interval of this nominal level."""
    mean, standard_error = mean_of(values)
    quantile = float(stats.t.ppf((1 + level) / 2, values.size - 1))
    return Difference(mean, standard_error, quantile * standard_error)

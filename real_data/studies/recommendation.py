"""Which examples of a data set to keep: a small pilot, and what it says."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from data_pruning import KeepRandom, KeepRule, KeepWindow, Results
from real_data.experiments.config import Experiment
from real_data.findings.best_window import CONFIDENCE, WindowVerdict, judge_windows, place_of
from real_data.models.config import ModelConfig
from real_data.scores.config import ScoreConfig
from real_data.training.config import TrainingConfig

__all__ = ["Recommendation", "pilot", "recommend"]

LEAST_KEPT_PER_CLASS = 2


@dataclass(frozen=True)
class Recommendation:
    """What to keep of a data set, and what error to expect.

    Attributes:
        rule: the keep rule: a window of ranks, or random where no window is better beyond the noise.
        num_images: training images of the data set.
        num_kept: number of images to keep.
        expected_error: test error to expect, a fraction.
        interval: its 95 % interval; statistical only, and as far as the extrapolation holds.
        continued: whether a power law was continued from the pools of the pilot to the whole data set; if not, the
            error is that of the largest pool.
        verdicts: best window of each pool of the pilot, the largest last.
    """

    rule: KeepRule
    num_images: int
    num_kept: int
    expected_error: float
    interval: tuple[float, float]
    continued: bool
    verdicts: list[WindowVerdict]

    @property
    def rule_name(self) -> str:
        """The rule as the command line takes it: ``random`` or ``window@P``."""
        return "random" if isinstance(self.rule, KeepRandom) else f"window@{self.verdicts[-1].place:g}"

    def __str__(self) -> str:
        last = self.verdicts[-1]
        gain = last.over["random"]
        window = f"difficulty ranks {last.lower:.3f} to {last.upper:.3f} (0 = hardest), ranked within each class"
        by = f"{100 * gain.mean:+.2f} +- {100 * gain.half_width:.2f} points against random"
        if isinstance(self.rule, KeepRandom):
            advice = f"Keep {self.num_kept} of {self.num_images} images at random."
            reason = f"No window is better beyond the noise; the best one, {window}, gains {by}."
        else:
            advice = f"Keep {self.num_kept} of {self.num_images} images: {window}."
            reason = f"It gains {by}."
        low, high = (100 * end for end in self.interval)
        if self.continued:
            basis = f"a power law continued from pools up to {last.pool_size} to {self.num_images} images."
        elif last.pool_size < self.num_images:
            basis = (
                f"of the largest pool, {last.pool_size} images: not continued to {self.num_images}, as the errors do "
            )
            basis += "not fall beyond the noise, or there are fewer than three pools."
        else:
            basis = "measured with all images."
        lines = [
            advice,
            f"{reason} (pilot pool {last.pool_size}, {last.num_judges} judging seeds, 95 %)",
            f"Error to expect: {100 * self.expected_error:.2f} %, 95 % interval {low:.2f} to {high:.2f} %, {basis}",
            "The pilot (validation error in %):",
            f"{'pool':>9}{'kept':>9}   {'best window':16}{'window':>9}{'hard':>9}{'easy':>9}{'random':>9}",
        ]
        for v in self.verdicts:
            rivals = "".join(f"{100 * (v.error + v.over[name].mean):9.2f}" for name in ("hard", "easy", "random"))
            ranks = f"{v.lower:.3f} to {v.upper:.3f}"
            lines.append(f"{v.pool_size:9d}{v.num_kept:9.0f}   {ranks:16}{100 * v.error:9.2f}{rivals}")
        places = [v.place for v in self.verdicts]
        if len(places) > 1 and places[0] != places[-1]:
            lines.append(
                f"The best window moves towards {'hard' if places[-1] < places[0] else 'easy'} as the pool grows: with "
                "more images than the pilot's it may lie further that way."
            )
        return "\n".join(lines)


def pilot(
    dataset: str,
    num_images: int,
    num_classes: int,
    *,
    keep: float,
    path: str | None = None,
    image_size: int | None = None,
    model: ModelConfig | None = None,
    score: ScoreConfig | None = None,
    retraining: TrainingConfig | None = None,
    num_seeds: int = 12,
    num_places: int = 7,
    max_pool: int = 16_000,
    holdout: float = 0.2,
) -> Experiment:
    """The experiment that finds out which window to keep.

    Args:
        dataset: name of the data set; see :func:`real_data.datasets.load`.
        num_images: its number of training images.
        num_classes: its number of classes.
        keep: what to keep: a fraction in (0, 1), or a number of images, at least 1 and below ``num_images``.
        path: where the data set is.
        image_size: see :class:`real_data.Experiment`.
        model: the network; see :class:`real_data.ModelConfig`.
        score: how difficulty is scored.
        retraining: how the network is trained.
        num_seeds: repetitions, at least 4: half of them choose the window, the other half judge it.
        num_places: windows tried, from the hardest to the easiest, at least 3.
        max_pool: largest pool; the pools are this or what there is, a half and a quarter of it.
        holdout: share of the training images that errors are measured on, in (0, 1); test images are not touched.

    Raises:
        ValueError: an argument out of range, or so few images that a class would be left with fewer than two.
    """
    fraction = keep / num_images if keep >= 1 else keep
    if not 0 < fraction < 1:
        raise ValueError(f"keep must be a fraction in (0, 1) or a number of images in [1, {num_images}), got {keep!r}")
    if num_seeds < 4:
        raise ValueError(f"num_seeds must be at least 4, two to choose and two to judge, got {num_seeds}")
    if num_places < 3:
        raise ValueError(f"num_places must be at least 3, got {num_places}")
    if max_pool < 1:
        raise ValueError(f"max_pool must be at least 1, got {max_pool}")
    if not 0 < holdout < 1:
        raise ValueError(f"holdout must lie in (0, 1), got {holdout!r}")
    largest = min(max_pool, num_images - round(holdout * num_images))
    least = math.ceil(LEAST_KEPT_PER_CLASS * num_classes / fraction)
    pools = [largest // part for part in (4, 2, 1) if largest // part >= least]
    if not pools:
        raise ValueError(
            f"keep = {keep!r} leaves fewer than {LEAST_KEPT_PER_CLASS} images per class in a pilot of {largest}: "
            f"keep at least {least / largest:.3f} of them or raise max_pool"
        )
    windows = [f"window@{i / (num_places - 1):.6g}" for i in range(1, num_places - 1)]
    return Experiment(
        dataset=dataset,
        path=path,
        image_size=image_size,
        scores=(score or ScoreConfig(),),
        rules=("hard", *windows, "easy", "random"),
        fractions=(fraction,),
        pool_sizes=tuple(pools),
        num_seeds=num_seeds,
        holdout=holdout,
        model=model or ModelConfig(),
        retraining=retraining or TrainingConfig(),
    )


def recommend(
    dataset: str,
    *,
    keep: float,
    path: str | None = None,
    image_size: int | None = None,
    out: str | os.PathLike[str] | None = None,
    executor: Any = None,
    progress: bool = True,
    **settings: Any,
) -> Recommendation:
    """Which images of a data set to keep, and what error to expect, from a pilot on parts of it.

    Args:
        dataset: name of the data set, for example ``folder``; see :func:`real_data.datasets.load`.
        keep: the budget: a fraction in (0, 1), or a number of images.
        path: where the data set is.
        image_size: see :class:`real_data.Experiment`.
        out: folder of the pilot, which continues there when it was interrupted; None saves nothing.
        executor: see :func:`real_data.run_experiment`.
        progress: show a progress bar.
        settings: further settings of :func:`pilot`.

    Raises:
        ValueError: an argument out of range; see :func:`pilot`.
        FileNotFoundError: the data set is not there.
    """
    from real_data.datasets import load
    from real_data.experiments.experiment import run_experiment

    data = load(dataset, path, image_size=image_size)
    number = len(data.train_labels)
    config = pilot(dataset, number, data.num_classes, keep=keep, path=path, image_size=image_size, **settings)
    return conclude(run_experiment(config, out=out, executor=executor, progress=progress), number)


def conclude(results: Results, num_images: int) -> Recommendation:
    """The recommendation for a data set of ``num_images``, from the results of its pilot."""
    order = np.argsort(results["pool_size"])
    verdicts = judge_windows(results)
    verdicts = [verdicts[i] for i in order]
    last = verdicts[-1]
    rules = [str(rule) for rule in results["rule"]]
    use_window = last.over["random"].verdict == "better"
    chosen = "random" if not use_window else rules[[place_of(rule) for rule in rules].index(last.place)]
    errors = results["errors"][0, order, rules.index(chosen), 0][:, 1::2]  # of the judging seeds
    error, half_width, continued = _continued(results["pool_size"][order], errors, num_images)
    rule = KeepWindow(last.lower, min(1.0, last.upper)) if use_window else KeepRandom(last.fraction)
    return Recommendation(
        rule,
        num_images,
        round(last.fraction * num_images),
        error,
        (max(0.0, error - half_width), min(1.0, error + half_width)),
        continued,
        verdicts,
    )


def _continued(pool_sizes: np.ndarray, errors: np.ndarray, num_images: int) -> tuple[float, float, bool]:
    """Error at ``num_images``, half its 95 % interval, and whether it is continued from the pools.

    Continued is a power law through the pools, seed by seed.  With fewer than three pools, or where the errors do not
    fall beyond the noise, it is the error at the largest pool.
    """
    quantile = float(stats.t.ppf((1 + CONFIDENCE) / 2, errors.shape[1] - 1)) / math.sqrt(errors.shape[1])
    at_end, continued = errors[-1], False
    if len(pool_sizes) >= 3 and pool_sizes[-1] < num_images and np.all(errors > 0):
        x = np.log(pool_sizes)
        slope = ((x - x.mean()) @ np.log(errors)) / np.sum((x - x.mean()) ** 2)
        if slope.mean() + quantile * slope.std(ddof=1) < 0:
            at_end = np.exp(np.log(errors).mean(axis=0) + slope * (math.log(num_images) - x.mean()))
            continued = True
    return float(at_end.mean()), quantile * float(at_end.std(ddof=1)), continued

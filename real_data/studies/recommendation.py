"""Which examples of a data set to keep: a small pilot, and what it says."""

from __future__ import annotations

import math
import os
import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import stats
from tqdm import tqdm

from data_pruning import KeepRandom, KeepRule, KeepWindow, Results
from real_data.experiments.config import Experiment
from real_data.findings.best_window import CONFIDENCE, WindowVerdict, judge_windows, place_of
from real_data.models.config import ModelConfig
from real_data.recipes import default_recipe
from real_data.scores.config import ScoreConfig
from real_data.studies.pilot import pilot, size_of
from real_data.training.config import TrainingConfig

if TYPE_CHECKING:
    from real_data.datasets import ImageDataset

__all__ = ["Recommendation", "conclude", "recommend", "recommend_by"]


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
        failed: rules of which networks are no better than the most frequent class of their training images.
    """

    rule: KeepRule
    num_images: int
    num_kept: int
    expected_error: float
    interval: tuple[float, float]
    continued: bool
    verdicts: list[WindowVerdict]
    failed: tuple[str, ...] = ()

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
        failed = f" Networks of {', '.join(self.failed)} did not learn." if self.failed else ""
        words = {"better": "surely better than", "worse": "surely worse than", "level": "level with"}
        sure = ", ".join(
            f"{words[d.verdict]} {name}"
            for name, d in last.over.items()
            if last.place != {"hard": 0.0, "easy": 1.0}.get(name)
        )
        lines = [
            advice,
            f"The best window is {sure} (level: {last.num_judges} judging seeds cannot tell).{failed}",
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


def recommend(
    dataset: str,
    *,
    keep: float,
    path: str | None = None,
    image_size: int | None = None,
    test_folder: str | None = None,
    skip_undecodable: bool = False,
    model: ModelConfig | None = None,
    score: ScoreConfig | None = None,
    retraining: TrainingConfig | None = None,
    num_seeds: int | None = None,
    num_places: int | None = None,
    num_pools: int | None = None,
    max_pool: int = 16_000,
    holdout: float = 0.2,
    out: str | os.PathLike[str] | None = None,
    executor: Any = None,
    progress: bool = True,
) -> Recommendation:
    """Which images of a data set to keep, and what error to expect, from a pilot on parts of it.

    Args:
        dataset: name of the data set, for example ``folder``; see :func:`real_data.datasets.load`.
        keep: the budget: a fraction in (0, 1), or a number of images.
        path: where the data set is.
        image_size: see :class:`real_data.Experiment`.
        test_folder: see there.
        skip_undecodable: see there.
        model: see :func:`real_data.studies.pilot.pilot`; so the next seven.
        score: see there; None is the scoring of the data set's recipe.
        retraining: see there; None is the training of the data set's recipe.
        num_seeds: see there.
        num_places: see there.
        num_pools: see there.
        max_pool: see there.
        holdout: see there.
        out: folder of the pilot, which continues there when it was interrupted; None saves nothing.
        executor: see :func:`real_data.run_experiment`.
        progress: show a progress bar, and on stderr how many trainings there will be.

    Raises:
        ValueError: an argument out of range; see :func:`real_data.studies.pilot.pilot`.
        FileNotFoundError: the data set is not there.
        RuntimeError: the networks learned nothing, so that there is no advice.
    """
    from real_data.datasets import load

    data = load(dataset, path, image_size=image_size, test_folder=test_folder, skip_undecodable=skip_undecodable)
    network, recipe = model or ModelConfig(), default_recipe(dataset)
    size = size_of(network.kind)
    config = pilot(
        len(data.train_labels),
        data.num_classes,
        keep=keep,
        dataset=dataset,
        path=path,
        image_size=image_size,
        test_folder=test_folder,
        skip_undecodable=skip_undecodable,
        model=network,
        score=score or ScoreConfig(num_networks=size.num_score_networks, training=recipe.scoring),
        retraining=retraining or replace(recipe.training, **size.retraining),
        num_seeds=num_seeds,
        num_places=num_places,
        num_pools=num_pools,
        max_pool=max_pool,
        holdout=holdout,
    )
    return recommend_by(config, data, out=out, executor=executor, progress=progress)


def recommend_by(
    config: Experiment,
    data: ImageDataset,
    *,
    out: str | os.PathLike[str] | None = None,
    executor: Any = None,
    progress: bool = True,
) -> Recommendation:
    """The recommendation from a pilot; see :func:`recommend`.

    Args:
        config: the pilot, from :func:`real_data.studies.pilot.pilot`.
        data: its data set.
        out: see :func:`recommend`, as the others.
        executor: see there.
        progress: see there.
    """
    from real_data.experiments.experiment import run_experiment

    clock = _Clock(config) if progress else None
    results = run_experiment(config, out=out, executor=executor, progress=progress, report=clock)
    most_frequent = float(np.bincount(data.train_labels).max() / data.train_labels.size)
    return conclude(results, len(data.train_labels), most_frequent)


class _Clock:
    """Says on stderr how many trainings a pilot has, and after the first and the next of them how long it will take.

    The first take longest: programs are compiled, and networks are trained to score.
    """

    def __init__(self, config: Experiment):
        self.first: tuple[int, float] | None = None
        self.corrected = False
        each = len(config.rules) + 1
        self.scorings = len(config.pool_sizes) * config.num_seeds
        trainings, networks = each * self.scorings, config.scores[0].num_networks * self.scorings
        guess = SECONDS_PER_TRAINING[config.model.kind]
        print(
            f"pilot: {trainings} trainings ({config.num_seeds} seeds x {len(config.pool_sizes)} pools x {each} kept "
            f"sets) and {networks} short ones to score; about {_minutes((trainings + networks / 4) * guess)} for "
            "small images on two cores, corrected after the first",
            file=sys.stderr,
        )

    def __call__(self, done: int, total: int, seconds: float) -> None:
        if not done or done == total or self.corrected:
            return
        if self.first is None:
            self.first = done, seconds
            most = f"at most {_minutes(seconds / done * (total - done))} to go, as the first take longest"
            tqdm.write(f"after the first {done} of {total}: {most}", file=sys.stderr)
        elif done > self.first[0]:
            self.corrected = True
            each = (seconds - self.first[1]) / (done - self.first[0])
            extra = max(0.0, self.first[1] - each * self.first[0])  # once for each pool and seed that is left
            left = each * (total - done) + extra * (self.scorings - 1)
            tqdm.write(f"after {done} of {total}: about {_minutes(left)} to go", file=sys.stderr)


SECONDS_PER_TRAINING = {"mlp": 1.5, "cnn": 12.0, "resnet18": 400.0, "resnet50": 1000.0}
"""A first guess of the time of one training of the pilot on images of 32 x 32 pixels, two cores of 2020 to 2025."""


def _minutes(seconds: float) -> str:
    return f"{max(1, round(seconds / 60))} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def conclude(results: Results, num_images: int, most_frequent: float) -> Recommendation:
    """The recommendation for a data set, from the results of its pilot.

    Args:
        results: of the pilot.
        num_images: number of training images of the data set.
        most_frequent: share of its most frequent class.

    Raises:
        RuntimeError: networks trained on random or on all images are no better than the most frequent class, of their
            own training images or of those held out: nothing can be said.
    """
    _check_learned(results, most_frequent)
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
        tuple(rule for r, rule in enumerate(rules) if not results["learned"][:, :, r].all()),
    )


def _check_learned(results: Results, most_frequent: float) -> None:
    """Refuse advice from networks that know nothing of the images."""
    rules = [str(rule) for rule in results["rule"]]
    random = rules.index("random")
    learned = np.concatenate([results["learned"][0, :, random, 0].ravel(), results["learned_all"].ravel()]) == 1
    trained = np.concatenate(
        [results["training_errors"][0, :, random, 0].ravel(), results["training_errors_all"].ravel()]
    )
    remedy = (
        "no advice rests on them. Train longer (--retraining.num-steps), at another rate "
        "(--retraining.learning-rate), with another network (--model.kind), or look at the images and their folders"
    )
    if not learned.all():
        raise RuntimeError(
            f"{np.sum(~learned)} of {learned.size} networks trained on random or all images are no better than the "
            f"most frequent class of their own training images ({100 * trained[~learned].mean():.1f} % training error "
            f"on average): {remedy}"
        )
    for size, errors in zip(results["pool_size"], results["errors_all"], strict=True):
        if errors.mean() + 2 * errors.std(ddof=1) / math.sqrt(errors.size) >= 1 - most_frequent:
            raise RuntimeError(
                f"networks trained on whole pools of {size} images have {100 * errors.mean():.1f} % error on images "
                f"held out, no better than the most frequent class ({100 * (1 - most_frequent):.1f} %): {remedy}"
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

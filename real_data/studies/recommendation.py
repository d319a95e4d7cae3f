"""Which examples of a data set to keep: a small pilot, and what it says."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import stats

from data_pruning import KeepRule, Results, keep_rule
from real_data.findings.best_window import CONFIDENCE, Difference, difference_of, place_of
from real_data.models.config import ModelConfig
from real_data.recipes import default_recipe, pilot_network
from real_data.scores.config import ScoreConfig
from real_data.studies.pilot import Pilot, pilot, size_of
from real_data.studies.pilot_clock import PilotClock
from real_data.training.config import TrainingConfig

if TYPE_CHECKING:
    from real_data.datasets import ImageDataset

__all__ = ["PoolVerdict", "Recommendation", "conclude", "recommend", "recommend_by"]


@dataclass(frozen=True)
class PoolVerdict:
    """The rule of the pilot on one pool, on the judging seeds.

    Attributes:
        pool_size: number of training images before pruning.
        num_kept: mean number of examples kept.
        errors: mean validation error of the rules and of ``all``, fractions.
        over: by how much the best rule is better than each of the others, paired by seed.
    """

    pool_size: int
    num_kept: float
    errors: dict[str, float]
    over: dict[str, Difference]


@dataclass(frozen=True)
class Recommendation:
    """What to keep of a data set, and what error to expect.

    Attributes:
        rule: the keep rule: the best of the pilot, or random where that is not better beyond the noise.
        rule_name: the rule as the command line takes it.
        best: name of the best rule of the pilot.
        tried: mean validation error of each rule on the choosing seeds.
        num_images: training images of the data set.
        num_kept: number of images to keep.
        expected_error: test error to expect, a fraction.
        interval: its 95 % interval; statistical only, and as far as the extrapolation holds.
        continued: whether a power law was continued from the pools of the pilot to the whole data set; if not, the
            error is that of the largest pool.
        verdicts: the best rule against others on each pool of the pilot, the largest last.
        num_judges: seeds behind each verdict.
        failed: rules of which networks are no better than the most frequent class of their training images.
    """

    rule: KeepRule
    rule_name: str
    best: str
    tried: dict[str, float]
    num_images: int
    num_kept: int
    expected_error: float
    interval: tuple[float, float]
    continued: bool
    verdicts: list[PoolVerdict]
    num_judges: int
    failed: tuple[str, ...] = ()

    def __str__(self) -> str:
        last = self.verdicts[-1]
        best = f"{self.best} ({described(self.best, self.num_kept / self.num_images)})"
        words = {"better": "surely better than", "worse": "surely worse than", "level": "level with"}
        compared = "; ".join(
            f"{words[d.verdict]} {name}, {100 * d.mean:+.2f} +- {100 * d.half_width:.2f} points"
            for name, d in last.over.items()
        )
        if self.rule_name == "random":
            advice = f"Keep {self.num_kept} of {self.num_images} images at random."
            reason = "No rule is better than random beyond the noise. "
        else:
            advice = f"Keep {self.num_kept} of {self.num_images} images by the rule {best}."
            reason = ""
        which = best if reason else self.best
        reason += (
            f"The best of {len(self.tried) - 1} rules, {which}, is {compared} (pilot pool {last.pool_size}, "
            f"{self.num_judges} judging seeds, 95 %; level: they cannot tell)."
        )
        gap = last.errors["random"] - last.errors["all"]
        if gap > 0 and self.rule_name != "random":
            share = (last.errors["random"] - last.errors[self.best]) / gap
            reason += f" It closes {100 * share:.0f} % of the gap between random and all images."
        if self.failed:
            reason += f" Networks of {', '.join(self.failed)} did not learn."
        low, high = (100 * end for end in self.interval)
        if self.continued:
            basis = f"a power law continued from pools up to {last.pool_size} to {self.num_images} images."
        elif last.pool_size < self.num_images:
            basis = (
                f"of the largest pool, {last.pool_size} images: not continued to {self.num_images}, as the errors do "
                "not fall beyond the noise, or there are fewer than three pools."
            )
        else:
            basis = "measured with all images."
        names = list(last.errors)
        widths = [max(9, len(name) + 2) for name in names]
        heads = "".join(f"{name:>{width}}" for name, width in zip(names, widths, strict=True))
        lines = [
            advice,
            reason,
            f"Error to expect: {100 * self.expected_error:.2f} %, 95 % interval {low:.2f} to {high:.2f} %, {basis}",
            "The pilot, validation error in % on the judging seeds:",
            f"{'pool':>9}{'kept':>9}{heads}",
        ]
        for v in self.verdicts:
            errors = "".join(f"{100 * v.errors[name]:{width}.2f}" for name, width in zip(names, widths, strict=True))
            lines.append(f"{v.pool_size:9d}{v.num_kept:9.0f}{errors}")
        ranked = sorted(self.tried.items(), key=lambda item: item[1])
        lines.append("On the choosing seeds: " + ", ".join(f"{name} {100 * error:.2f}" for name, error in ranked))
        return "\n".join(lines)


def described(name: str, f: float) -> str:
    """A keep rule in words.

    Args:
        name: of the rule; see :func:`data_pruning.keep_rule`.
        f: fraction kept.
    """
    plain, weighted, power = name.partition("+weighted")
    kind, _, number = plain.partition("@")
    place = place_of(plain)
    if place is not None:
        words = f"difficulty ranks {place * (1 - f):.3f} to {place * (1 - f) + f:.3f}, 0 = hardest"
    elif kind == "proportional":
        exponent, trimmed, share = number.partition("+trim@")
        dropped = f"the hardest {100 * float(share):g} % dropped, " if trimmed else ""
        words = f"{dropped}chance in proportion to the score to the power {exponent}, at most 1"
    elif kind == "coverage":
        dropped = f"the hardest {100 * float(number):g} % dropped, " if float(number) else ""
        words = f"{dropped}the same number from every stratum of scores"
    elif kind == "mix":
        share, _, other = number.partition(":")
        words = f"{100 * float(share):g} % of them by {other or 'hard'}, the others at random"
    else:
        words = "a chance for each difficulty rank"
    words += ", within each class"
    return words + (f"; losses weighted by 1/chance{f' to the power {power[1:]}' if power else ''}" if weighted else "")


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
    rules: tuple[str, ...] | None = None,
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
        model: the network; None is that of the data set's recipe, for a folder patch features.
        score: see :func:`real_data.studies.pilot.pilot`; None is the scoring of the data set's recipe.
        retraining: see there, as the next five; None is the training of the data set's recipe.
        num_seeds: see there.
        rules: see there.
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
    recipe = default_recipe(dataset)
    network = model or pilot_network(recipe, data.train_images.shape[1:])
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
        rules=rules,
        num_pools=num_pools,
        max_pool=max_pool,
        holdout=holdout,
    )
    return recommend_by(config, data, out=out, executor=executor, progress=progress)


def recommend_by(
    config: Pilot,
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

    clock = PilotClock(config) if progress else None
    run = partial(run_experiment, out=out, executor=executor, progress=progress)
    choosing = run(config.choosing, report=clock)
    most_frequent = float(np.bincount(data.train_labels).max() / data.train_labels.size)
    _check_learned(choosing, most_frequent)
    judging = run(config.judging(to_judge(choosing)))
    return conclude(choosing, judging, len(data.train_labels), most_frequent)


def to_judge(choosing: Results) -> tuple[str, ...]:
    """Rules to judge: the best of all, the best window of rank where there is another one, and random."""
    tried = _tried(choosing)
    candidates = [rule for rule in tried if rule != "random"]
    windows = [rule for rule in candidates if place_of(rule) is not None]
    best = [min(some, key=lambda rule: tried[rule]) for some in (candidates, windows) if some]
    return tuple(dict.fromkeys((*best, "random")))


def _tried(choosing: Results) -> dict[str, float]:
    """Mean error of each rule on the choosing seeds."""
    return {
        str(rule): float(errors.mean())
        for rule, errors in zip(choosing["rule"], choosing["errors"][0, 0, :, 0], strict=True)
    }


def conclude(choosing: Results, judging: Results, num_images: int, most_frequent: float) -> Recommendation:
    """The recommendation for a data set, from the results of its pilot.

    Args:
        choosing: errors of all rules on the largest pool.
        judging: errors of the rules of :func:`to_judge` on all pools, on other seeds.
        num_images: number of training images of the data set.
        most_frequent: share of its most frequent class.

    Raises:
        RuntimeError: networks trained on random or on all images are no better than the most frequent class, of their
            own training images or of those held out: nothing can be said.
    """
    for results in (choosing, judging):
        _check_learned(results, most_frequent)
    best = to_judge(choosing)[0]
    rules = [str(rule) for rule in judging["rule"]]
    order = np.argsort(judging["pool_size"])
    fraction = float(judging["fraction"][0])
    verdicts = []
    for p in order:
        errors = dict(zip(rules, judging["errors"][0, p, :, 0], strict=True))
        means = {rule: float(values.mean()) for rule, values in errors.items()}
        verdicts.append(
            PoolVerdict(
                int(judging["pool_size"][p]),
                float(judging["num_kept"][0, p, rules.index(best), 0].mean()),
                means | {"all": float(judging["errors_all"][p].mean())},
                {rule: difference_of(values - errors[best]) for rule, values in errors.items() if rule != best},
            )
        )
    chosen = best if verdicts[-1].over["random"].verdict == "better" else "random"
    of_chosen = judging["errors"][0, order, rules.index(chosen), 0]
    error, half_width, continued = _continued(judging["pool_size"][order], of_chosen, num_images)
    failed = [
        str(rule)
        for results in (choosing, judging)
        for r, rule in enumerate(results["rule"])
        if not results["learned"][:, :, r].all()
    ]
    return Recommendation(
        rule=keep_rule(chosen, fraction),
        rule_name=chosen,
        best=best,
        tried=_tried(choosing),
        num_images=num_images,
        num_kept=round(fraction * num_images),
        expected_error=error,
        interval=(max(0.0, error - half_width), min(1.0, error + half_width)),
        continued=continued,
        verdicts=verdicts,
        num_judges=judging.sizes["seed"],
        failed=tuple(dict.fromkeys(failed)),
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

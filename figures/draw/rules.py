"""Rules on real images: which beat random, on which test images, and what each rank is worth."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy import stats

from data_pruning import Results
from figures.draw.looks import rule_label
from figures.draw.style import MARKERS, letter, new_figure, shades, style
from real_data.findings.errors_by_rank import errors_by_rank

__all__ = ["learned_rule", "rule_benchmark"]

CONFIDENCE = 0.95
LINEAR = 2.0  # points up to which the axis is linear, beyond it logarithmic
TICKS = (-20, -2, -1, 0, 1, 2, 5)
SHOWN = 4  # rules in the picture by rank, besides random


def rule_benchmark(results: Results, *, metric: str | None = None) -> Figure:
    """By how many points each rule is better than random, at each pool and fraction, and where its errors lie.

    Args:
        results: of ``python -m real_data benchmark-rules`` (or ``run``), with random among the rules.
        metric: score of difficulty; None is the first.

    Returns:
        A matplotlib figure: one panel for each pool, points with 95 % intervals of the difference, paired by seed; and,
        where test images were scored, one of the errors by difficulty rank of the test images less those of random, at
        the largest pool and the middle fraction.

    Raises:
        ValueError: random is not among the rules, or there is no such score.
    """
    rules = [str(rule) for rule in results["rule"]]
    metrics = [str(name) for name in results["metric"]]
    if "random" not in rules:
        raise ValueError(f"random must be among the rules to be compared with, got {', '.join(rules)}")
    if metric is not None and metric not in metrics:
        raise ValueError(f"metric must be one of {', '.join(metrics)}, got {metric!r}")
    m = 0 if metric is None else metrics.index(metric)
    others = [rule for rule in rules if rule != "random"]
    # of scores from files some may not know the test images
    scored = results["tests_scored"][m] if "tests_scored" in results.variables else True
    by_rank = "test_scores" in results.variables and bool(scored)
    sizes = np.argsort(results["pool_size"])
    with style():
        figure = new_figure(2.6 * len(sizes) + 1.5 + 3.6 * by_rank, 0.24 * len(others) + 1.6)
        ratios = [1.0] * len(sizes) + [1.4] * by_rank
        panels = np.atleast_1d(figure.subplots(1, len(ratios), width_ratios=ratios))
        for axes, p in zip(panels, sizes, strict=False):
            _gains(axes, results, m, int(p), others)
            axes.set_title(f"pool {int(results['pool_size'][p]):,}")
            if axes is not panels[0]:
                axes.set_yticklabels([])
        panels[0].legend(loc="lower left")
        if by_rank:
            fraction = float(np.sort(results["fraction"])[results["fraction"].size // 2])
            _excess_by_rank(panels[-1], results, metrics[m], fraction)
        letter(panels[0], *panels[len(sizes) :])
        return figure


def _gains(axes: Axes, results: Results, m: int, p: int, others: list[str]) -> None:
    rules = [str(rule) for rule in results["rule"]]
    errors = results["errors"][m, p]  # (rule, fraction, seed)
    num_seeds = errors.shape[-1]
    quantile = float(stats.t.ppf((1 + CONFIDENCE) / 2, num_seeds - 1)) / math.sqrt(num_seeds)
    axes.set_xscale("symlog", linthresh=LINEAR, linscale=2.5)
    axes.axvline(0, color="0.55", linestyle=":", linewidth=1)
    fractions = results["fraction"]
    for k, (f, color) in enumerate(zip(fractions, shades(fractions.size), strict=True)):
        shift = 0.22 * (k - (fractions.size - 1) / 2)
        gains = 100 * (errors[rules.index("random"), k] - errors[[rules.index(rule) for rule in others], k])
        axes.errorbar(
            gains.mean(axis=-1),
            np.arange(len(others)) + shift,
            xerr=quantile * gains.std(axis=-1, ddof=1),
            color=color,
            marker=MARKERS[k % len(MARKERS)],
            linestyle="none",
            label=f"f = {f:g}",
        )
        whole = 100 * (errors[rules.index("random"), k] - results["errors_all"][p])
        axes.axvline(whole.mean(), color=color, linewidth=1, alpha=0.6)
    axes.set_xticks(TICKS, [f"{tick:g}" for tick in TICKS])
    axes.minorticks_off()
    axes.set_yticks(np.arange(len(others)), [rule_label(rule) for rule in others])
    axes.set(ylim=(len(others) - 0.4, -0.6), xlabel="points better than random\n(vertical lines: all images)")


def _excess_by_rank(axes: Axes, results: Results, metric: str, fraction: float) -> None:
    found = errors_by_rank(results, fraction, metric=metric)
    means: Mapping[str, NDArray[np.float64]] = found.mean
    random = means["random"]
    ranked = sorted((rule for rule in means if rule != "random"), key=lambda rule: float(means[rule].mean()))
    windows = [rule for rule in ranked if rule.startswith("window@")]
    shown = list(dict.fromkeys([*ranked[: SHOWN - 1], *windows[:1]]))
    rank = (np.arange(random.size) + 0.5) / random.size
    axes.axhline(0, color="0.55", linestyle=":", linewidth=1)
    for rule, color, marker in zip(shown, shades(len(shown)), MARKERS, strict=False):
        axes.errorbar(
            rank,
            100 * (means[rule] - random),
            100 * found.half_width[rule],
            color=color,
            marker=marker,
            label=rule_label(rule),
        )
    axes.legend()
    axes.set(
        xlabel="rank of the test images (0 = hardest)",
        ylabel="test error less random's, points",
        title=f"where the errors lie: pool {int(results['pool_size'].max()):,}, f = {fraction:g}",
    )


def learned_rule(results: Results, theory: Results | None = None) -> Figure:
    """The measured value of each rank, round by round, the rule that came of it, and the theory's value function.

    Args:
        results: the file ``learned-rule.nc`` of ``python -m real_data learn-rule``.
        theory: of :func:`figures.compute.rank_values.compute_rank_values`; None leaves its panel out.

    Returns:
        A matplotlib figure: value with standard errors; keep probabilities; the theory's value function.

    Raises:
        KeyError: the results are of something else.
    """
    edges, rounds = results["edge"], results.sizes["round"]
    middle = (edges[1:] + edges[:-1]) / 2
    with style():
        figure = new_figure(10.0 if theory is not None else 7.0, 3.0)
        panels = figure.subplots(1, 3 if theory is not None else 2)
        panels[0].axhline(0, color="0.55", linestyle=":", linewidth=1)
        for i, color in enumerate(shades(rounds)):
            shift = (i - (rounds - 1) / 2) * 0.15 * (edges[1] - edges[0])
            told = f"round {i + 1}" + ("" if results["gain"][i] > results["gain_half_width"][i] else ": no step helps")
            panels[0].errorbar(
                middle + shift,
                results["value"][i],
                results["standard_error"][i],
                color=color,
                marker=MARKERS[i % len(MARKERS)],
                label=told,
            )
            panels[1].stairs(results["base"][i], edges, color=color, label=f"before round {i + 1}", linewidth=1.4)
        rank = "difficulty rank (0 = hardest)"
        panels[0].set(xlabel=rank, ylabel="value: $-$d log(error) / d(keep probability)", title="measured")
        panels[0].legend()
        panels[1].set(xlabel=rank, ylabel="keep probability", title="the rule", ylim=(0, None))
        panels[1].legend()
        if theory is not None:
            _theory(panels[2], theory)
        letter(*panels)
        return figure


def _theory(axes: Axes, theory: Results) -> None:
    edges = theory["edge"]
    axes.axhline(0, color="0.55", linestyle=":", linewidth=1)
    for i, (alpha, color) in enumerate(zip(theory["alpha_tot"], shades(theory["alpha_tot"].size), strict=True)):
        axes.stairs(theory["value"][i], edges, color=color, label=f"{alpha:g} examples per parameter", baseline=None)
    axes.legend()
    axes.set(
        xlabel="difficulty rank (0 = hardest)",
        title=f"theory: perceptron, probe at {theory.config['theta_deg']:g} degrees",
    )

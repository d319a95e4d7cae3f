"""The benchmark of scores: error against fraction, what becomes of each class, and of each rank of the test images."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, FigureBase
from matplotlib.ticker import MaxNLocator

from data_pruning import Results
from figures.draw.error_panels import FRACTION_LABEL, draw_errors, label_grid, legend_entries
from figures.draw.looks import metric_name, rule_label, rule_look
from figures.draw.style import FULL_WIDTH, new_figure, plain_ticks, shades, style
from real_data.selection.methods import looks_at_recalls, looks_at_scores

__all__ = ["benchmark_classes", "benchmark_errors", "benchmark_ranks", "benchmark_size", "draw_benchmark"]

COLUMNS = 4
MOST_NAMED = 20  # classes that are named on an axis
WIDE = 4.0  # ratio of errors from which the axis is logarithmic
LEAST = 1e-3  # per cent: no error is drawn below
SHOWN = 3  # rules in the pictures of classes and ranks


def benchmark_errors(results: Results) -> Figure:
    """Test error against the fraction kept, a panel for each score, with random examples and all of them beside.

    Args:
        results: the file DATASET-benchmark.nc of ``python -m real_data benchmark``.

    Returns:
        A matplotlib figure; 95 % intervals over seeds, crosses where networks did not learn.
    """
    with style():
        figure = new_figure(*benchmark_size(results["metric"].size))
        draw_benchmark(figure, results)
        return figure


def benchmark_size(number: int) -> tuple[float, float]:
    """Width and height in inches of the panels of a number of scores, with their legend on the right."""
    columns = _columns(number)
    return max(3.0, FULL_WIDTH * columns / COLUMNS) + 1.8, 2.3 * -(-number // columns) + 0.5


def _columns(number: int) -> int:
    """Panels in a row, so that none stands alone in the last one where that can be had."""
    return 3 if number in (5, 6, 9) else min(COLUMNS, number)


def draw_benchmark(figure: FigureBase, results: Results) -> None:
    """A panel for each score in a figure or a part of one, and the legend on the right; see benchmark_errors."""
    metrics = [str(name) for name in results["metric"]]
    number, columns = len(metrics), _columns(len(metrics))
    panels = figure.subplots(-(-number // columns), columns, squeeze=False, sharex=True, sharey=True).ravel()
    learned = results["num_failed"] == 0
    whole = float(results["error_all"])
    low = float(np.min(results["error"], initial=whole))
    high = float(np.max((results["error"] + results["error_half_width"])[learned], initial=whole))
    for m, (metric, axes) in enumerate(zip(metrics, panels, strict=False)):
        axes.axhline(100 * whole, color="black", linewidth=1, label="all images")
        for r, rule in enumerate(map(str, results["rule"])):
            cells = (results["fraction"], results["error"][m, r], results["error_half_width"][m, r], learned[m, r])
            draw_errors(axes, *cells, look=_look(rule), label=_label(rule))
        axes.set_title(metric_name(metric))
        if high > WIDE * low:
            plain_ticks(axes, max(100 * low / 1.25, LEAST), min(100.0, 110 * high))
    if panels[0].get_ylim()[0] < 0:  # intervals may go on
        panels[0].set_ylim(bottom=0)
    label_grid(panels, number, columns, xlabel=FRACTION_LABEL, ylabel="test error  (%)")
    title = f"{int(results['pool_size']):,} images, {results.sizes['seed']} seeds"
    figure.legend(*legend_entries(panels[:number]), loc="outside right upper", title=title)


def benchmark_classes(results: Results, *, fraction: float | None = None) -> Figure:
    """What becomes of the classes at one fraction: how many examples each keeps, and its error less random's.

    Args:
        results: as for :func:`benchmark_errors`.
        fraction: fraction kept, one of those of the results; None is the smallest.

    Returns:
        A matplotlib figure, a row for each score: the sizes of the classes, largest first, for the first rule at three
        least class shares; and by class, in the order of random's errors, the error less random's, with intervals of
        95 % for all classes together.

    Raises:
        ValueError: no such fraction.
    """
    k = _fraction_index(results, fraction, int(np.argmin(results["fraction"])))
    metrics = [str(name) for name in results["metric"]]
    rules = [str(rule) for rule in results["rule"]]
    tested = results["tested_class"]
    in_order = np.argsort(results["class_error"][0, rules.index("random"), k])
    sized = [str(rule) for rule in results["sized_rule"]]
    first = next((rule for rule in sized if looks_at_scores(rule) and not looks_at_recalls(rule)), "random")
    with style():
        figure = new_figure(FULL_WIDTH, 2.3 * len(metrics) + 0.7)
        panels = figure.subplots(len(metrics), 2, squeeze=False, width_ratios=[1, 1.9], sharex="col")
        for m, (metric, (left, right)) in enumerate(zip(metrics, panels, strict=True)):
            _sizes(left, results, m, sized.index(first), k)
            left.set_title(f"{metric_name(metric)}, {_label(first)}")
            right.axhline(0, color="0.55", linestyle=":", linewidth=1)
            shown = _shown(results, m, k)
            for i, rule in enumerate(shown):
                r = rules.index(rule)
                shift = 0.18 * (i - (len(shown) - 1) / 2)
                right.errorbar(
                    np.arange(tested.size) + shift,
                    100 * results["class_excess"][m, r, k][in_order],
                    100 * results["class_excess_half_width"][m, r, k][in_order],
                    **{**_look(rule), "linestyle": "none"},
                    label=_label(rule),
                )
            right.set_title(metric_name(metric) + _what_failed(results, m, k))
            right.set_ylabel("error less random's, points")
        _name_classes(panels[-1, 1], [str(results["class_name"][c]) for c in tested[in_order]])
        panels[0, 0].legend()
        panels[-1, 0].set_xlabel("class, largest first")
        handles, labels = legend_entries(panels[:, 1])
        figure.legend(handles, labels, loc="outside lower right", ncols=max(1, len(labels)))
        figure.suptitle(f"f = {results['fraction'][k]:g} of {int(results['pool_size']):,} images", fontsize=9.5)
        return figure


def benchmark_ranks(results: Results, *, fraction: float | None = None) -> Figure:
    """Where the errors lie: error less random's by difficulty rank of the test images, a panel for each score.

    Args:
        results: as for :func:`benchmark_errors`, with a score that knows the test images.
        fraction: fraction kept, one of those of the results; None is the smallest.

    Returns:
        A matplotlib figure, with 95 % intervals over seeds.

    Raises:
        ValueError: no such fraction, or no score knows the test images.
    """
    if "rank_excess" not in results.variables:
        raise ValueError("no score of these results knows the test images, so that they have no rank")
    k = _fraction_index(results, fraction, int(np.argmin(results["fraction"])))
    metrics = [str(name) for name in results["metric"]]
    rules = [str(rule) for rule in results["rule"]]
    rank = (np.arange(results.sizes["bin"]) + 0.5) / results.sizes["bin"]
    number, columns = len(metrics), _columns(len(metrics))
    with style():
        rows = -(-number // columns)
        figure = new_figure(max(3.0, FULL_WIDTH * columns / COLUMNS) + 1.8, 2.5 * rows + 0.5)
        panels = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).ravel()
        for m, (metric, axes) in enumerate(zip(metrics, panels, strict=False)):
            axes.axhline(0, color="0.55", linestyle=":", linewidth=1)
            for rule in _shown(results, m, k):
                r = rules.index(rule)
                axes.errorbar(
                    rank,
                    100 * results["rank_excess"][m, r, k],
                    100 * results["rank_excess_half_width"][m, r, k],
                    **_look(rule),
                    label=_label(rule),
                )
            by = str(results["ranked_by"][m])
            ranked = "" if by == metric else f"\n(ranks by {metric_name(by)})"
            axes.set_title(metric_name(metric) + ranked + _what_failed(results, m, k))
        xlabel, ylabel = "rank of test images, 0 = hardest", "error less random's, points"
        label_grid(panels, number, columns, xlabel=xlabel, ylabel=ylabel)
        title = f"f = {results['fraction'][k]:g} of {int(results['pool_size']):,} images"
        figure.legend(*legend_entries(panels[:number]), loc="outside right upper", title=title)
        return figure


def _sizes(axes: Axes, results: Results, m: int, rule: int, k: int) -> None:
    shares = results["min_class_share"]
    position = 1 + np.arange(results.sizes["class"])
    for s, color in zip(range(shares.size), shades(shares.size), strict=True):
        sizes = np.sort(results["class_sizes"][s, m, rule, k])[::-1]
        look: dict[str, Any] = {
            "color": color,
            "linewidth": 3.4 - 1.1 * s,
            "drawstyle": "steps-mid",
        }  # lines may lie on each other
        axes.plot(position, sizes, **look, label=f"least class share {shares[s]:g}")
    axes.set(ylabel="images of the class", ylim=(0, None), xlim=(0.5, position[-1] + 0.5))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def _shown(results: Results, m: int, k: int) -> list[str]:
    """The rules of the pictures of classes and ranks: the first that look at the score, and random by error.

    None where networks trained on random examples did not learn: nothing can be compared with them.
    """
    failed = _failed(results, m, k)
    if "random" in failed:
        return []
    names = [str(rule) for rule in results["rule"] if rule not in failed]
    of_score = [rule for rule in names if looks_at_scores(rule)][:SHOWN]
    return of_score + [rule for rule in names if looks_at_recalls(rule) and rule not in of_score]


def _failed(results: Results, m: int, k: int) -> list[str]:
    return [str(rule) for rule, number in zip(results["rule"], results["num_failed"][m, :, k], strict=True) if number]


def _what_failed(results: Results, m: int, k: int) -> str:
    """A line below the title that says which rules are missing in a panel, and why; or nothing."""
    failed = _failed(results, m, k)
    return f"\n({', '.join(map(_label, failed))}: failed)" if failed else ""


def _fraction_index(results: Results, fraction: float | None, default: int) -> int:
    known = results["fraction"].tolist()
    if fraction is None:
        return default
    if fraction not in known:
        raise ValueError(f"fraction must be one of {', '.join(f'{f:g}' for f in known)}, got {fraction:g}")
    return int(known.index(fraction))


def _look(rule: str) -> dict[str, Any]:
    """Colour, marker and line of a rule; of random by error those of random, darker and solid."""
    look = rule_look(rule.removesuffix("+by-error"))
    return {**look, "color": "#8c510a", "linestyle": "-."} if looks_at_recalls(rule) else look


def _label(rule: str) -> str:
    name = rule_label(rule.removesuffix("+by-error"))
    return f"{name}, classes by error" if looks_at_recalls(rule) else name


def _name_classes(axes: Axes, names: list[str]) -> None:
    if len(names) <= MOST_NAMED:
        axes.set_xticks(np.arange(len(names)), names, rotation=0 if max(map(len, names)) < 4 else 30)
    axes.set_xlabel("class, in the order of random's error")

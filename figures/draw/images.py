"""Figure 3: test error of a network on real images against the number of training examples kept."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from data_pruning import Results
from figures.draw.looks import metric_name, rule_label, rule_look
from figures.draw.style import FRONTIER, FULL_WIDTH, MARKERS, new_figure, shades, style
from real_data.findings.frontier import Frontier, pareto_frontier, position
from scaling_laws.power_or_exponential.comparison import ScalingComparison, compare_scaling_laws
from scaling_laws.power_or_exponential.laws import ScalingFit

__all__ = ["fig3"]

NUM_KEPT_LABEL = "training images kept"
ERROR_LABEL = "test error  (%)"
WHOLE_LOOK: dict[str, Any] = {"color": "#d55e00", "marker": "D"}
LAW_LINES = {"power": "-", "exponential": "--"}
LAW_NAMES = {"power": "power law", "exponential": "exponential"}


def fig3(results: Results, metric: str | None = None) -> Figure:
    """Real images: test error against examples kept.

    With one pool there is one panel per metric, with a curve per keep rule and the error of the whole pool as a
    band.  With several pools there is one panel per keep rule, whose curves are fractions kept, and the frontier over
    all pools, rules and fractions; in the last panel a power law and an exponential are fitted to the frontier and to
    the whole pools, and the legend says which fits better.  Error bars are standard errors over seeds.

    Args:
        results: from ``real_data.run_experiment``: dimensions metric, pool, rule, fraction, seed.
        metric: the score of difficulty; None draws all where there is one pool.

    Returns:
        A matplotlib figure.

    Raises:
        KeyError: the results are of something else.
        ValueError: the metric is not in the results, or None where there are several metrics and several pools.

    Source: Sorscher et al. 2022, Fig. 3.
    """
    with style():
        if results["pool_size"].size > 1:
            return _several_pools(results, position(results, "metric", metric))
        everything = range(results["metric"].size)
        return _one_pool(results, everything if metric is None else [position(results, "metric", metric)])


def _title(results: Results, m: int) -> str:
    dataset = results.config.get("experiment", {}).get("dataset", "images")
    metric = str(results["metric"][m])
    return f"{dataset}, {metric_name(metric)} scores, {results['seed'].size} seeds"


def _one_pool(results: Results, metrics: Any) -> Figure:
    columns = 2 if len(metrics) == 4 else min(len(metrics), 3)
    rows = -(-len(metrics) // columns)
    figure = new_figure((4.8, 7.6, FULL_WIDTH)[columns - 1], 3.6 * rows)
    panels = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).ravel()
    for axes, m in zip(panels, metrics, strict=False):
        kept = results["num_kept"][m, 0].mean(axis=-1)
        for r, rule in enumerate(results["rule"]):
            order = np.argsort(kept[r])
            mean, bar = (100 * results[name][m, 0, r][order] for name in ("mean", "standard_error"))
            axes.errorbar(kept[r][order], mean, bar, label=rule_label(str(rule)), **rule_look(str(rule)))
        whole, error = 100 * results["mean_all"][0], 100 * results["standard_error_all"][0]
        axes.axhspan(whole - error, whole + error, color="0.85", zorder=0, label="all training images")
        axes.set(xscale="log", yscale="log", title=_title(results, m))
        _number_ticks(axes, kept[0], figure.get_figwidth() / columns - 0.8)
        _percent_ticks(axes)
        axes.label_outer()
    for axes in panels[len(metrics) :]:
        axes.remove()
    for n, axes in enumerate(panels[: len(metrics)]):
        if n % columns == 0:
            axes.set_ylabel(ERROR_LABEL)
        if n + columns >= len(metrics):  # nothing below
            axes.set_xlabel(NUM_KEPT_LABEL)
            axes.tick_params(labelbottom=True)
    panels[0].legend()
    return figure


def _several_pools(results: Results, m: int) -> Figure:
    rules = [str(rule) for rule in results["rule"]]
    frontier, missing = _frontier(results, m)
    count = len(rules) + 1
    columns = min(count, 4) if count != 5 else 3
    rows = -(-count // columns)
    figure = new_figure(FULL_WIDTH if columns > 2 else 0.7 * FULL_WIDTH, 3.5 * rows + 0.35)
    widths = [1.0] * (columns - 1) + [1.5 if rows == 1 else 1.0]  # the legend of the fits needs room
    panels = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True, width_ratios=widths).ravel()
    for r, (axes, rule) in enumerate(zip(panels, rules, strict=False)):
        _draw_fractions(axes, results, m, r)
        if frontier is not None:
            axes.plot(frontier.num_kept, 100 * frontier.mean, label="best of all", **FRONTIER)
        axes.set_title(rule_label(rule))
    _draw_fits(panels[len(rules)], results, frontier, missing)
    for axes in panels[count:]:
        axes.remove()
    legend = panels[len(rules)].get_legend()
    if count % columns and legend is not None:  # the place beside the last panel is free
        legend.set_loc("upper left")
        legend.set_bbox_to_anchor((1.02, 1.0))
        legend.set_in_layout(False)
    first = panels[0]
    first.set(xscale="log", yscale="log")
    first.set_ylim(*_limits(results, m))
    kept = np.concatenate([results["num_kept"][m].ravel(), results["pool_size"]])
    first.set_xlim(kept.min() / 1.15, kept.max() * 1.15)
    width = figure.get_figwidth() / sum(widths) - 0.5
    _number_ticks(first, _round_numbers(*first.get_xlim(), most=2 * width), width)
    _percent_ticks(first)
    for n, axes in enumerate(panels[:count]):
        axes.label_outer()
        if n % columns == 0:
            axes.set_ylabel(ERROR_LABEL)
        if n + columns >= count:
            axes.set_xlabel(NUM_KEPT_LABEL)
            axes.tick_params(labelbottom=True)
    handles, labels = first.get_legend_handles_labels()
    pools = ", ".join(f"{size:,}" for size in np.sort(results["pool_size"]))
    title = f"fraction kept  (thin grey lines: the same pool, of {pools} images)"
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), title=title, title_fontsize=8)
    figure.suptitle(_title(results, m), fontsize=10)
    return figure


def _draw_fractions(axes: Axes, results: Results, m: int, r: int) -> None:
    """One curve per fraction, over pools, and thin lines that join the fractions of a pool."""
    pools = np.argsort(results["pool_size"])
    fractions = np.argsort(results["fraction"])
    f = results["fraction"][fractions].tolist()
    kept = results["num_kept"][m, :, r].mean(axis=-1)[np.ix_(pools, fractions)]
    mean, bar = (results[name][m, :, r][np.ix_(pools, fractions)] for name in ("mean", "standard_error"))
    if f[-1] < 1:
        f.append(1.0)
        kept = np.column_stack([kept, results["pool_size"][pools]])
        mean = np.column_stack([mean, results["mean_all"][pools]])
        bar = np.column_stack([bar, results["standard_error_all"][pools]])
    for one_pool, error in zip(kept, mean, strict=True):
        axes.plot(one_pool, 100 * error, color="0.6", linewidth=0.7, zorder=1.5)
    for n, colour in enumerate(shades(len(f))):
        axes.errorbar(
            kept[:, n],
            100 * mean[:, n],
            100 * bar[:, n],
            color=colour,
            marker=MARKERS[n % len(MARKERS)],
            markeredgecolor="white",
            markeredgewidth=0.3,
            label=f"{100 * f[n]:g} %",
        )


def _frontier(results: Results, m: int) -> tuple[Frontier | None, str]:
    """The frontier, or None and why there is none."""
    try:
        return pareto_frontier(results, metric=str(results["metric"][m])), ""
    except ValueError as error:
        return None, str(error)


def _draw_fits(axes: Axes, results: Results, frontier: Frontier | None, missing: str) -> None:
    """Frontier and whole pools with both laws; the legend gives the verdict."""
    pools = np.argsort(results["pool_size"])
    series: list[tuple[str, Any, NDArray[Any], dict[str, Any]]] = [
        ("all of the pool", results["pool_size"][pools], results["errors_all"][pools], WHOLE_LOOK)
    ]
    if frontier is not None:
        series.insert(0, ("best of all", frontier.num_kept, frontier.errors, {"color": "black", "marker": "o"}))
    handles: list[Any] = []
    for name, kept, errors, look in series:
        bar = errors.std(axis=1, ddof=1) / np.sqrt(errors.shape[1])
        handles.append(
            axes.errorbar(kept, 100 * errors.mean(axis=1), 100 * bar, linestyle="none", label=name, zorder=3, **look)
        )
        try:
            comparison = compare_scaling_laws(kept, errors)
        except ValueError as reason:
            handles += axes.plot([], [], linestyle="none", label=_wrapped(f"no fit: {reason}"))
            continue
        x = np.geomspace(min(kept), max(kept), 200)
        for fit in (comparison.power, comparison.exponential):
            line, colour = LAW_LINES[fit.law], look["color"]
            handles += axes.plot(x, 100 * fit(x), line, color=colour, linewidth=1.0, label=_fit_label(fit))
        handles += axes.plot([], [], linestyle="none", label=_verdict(comparison))
    if missing:
        handles += axes.plot([], [], linestyle="none", label=_wrapped(f"no frontier: {missing}"))
    axes.set_title("power law or exponential?")
    axes.legend(handles=handles, loc="best", fontsize=6.5, handlelength=1.8, labelspacing=0.35)


def _verdict(comparison: ScalingComparison) -> str:
    """Which law is better, and in how many resamples."""
    if comparison.power.p_value is None:
        return "verdict: undecided (too few points)"
    share = comparison.power_share
    if comparison.verdict == "undecided":
        return f"verdict: undecided (power law in {100 * share:.0f} % of resamples)"
    share = share if comparison.verdict == "power" else 1 - share
    return f"verdict: {LAW_NAMES[comparison.verdict]} ({100 * share:.0f} % of resamples)"


def _fit_label(fit: ScalingFit) -> str:
    low, high = fit.exponent_interval
    name = f"power law, $b$ = {fit.exponent:.2f} [{low:.2f}, {high:.2f}]" if fit.law == "power" else "exponential"
    if fit.p_value is None:
        return name
    return f"{name}, $p$ = {fit.p_value:.2f}" if fit.p_value >= 0.005 else f"{name}, $p$ < 0.005"


def _wrapped(text: str) -> str:
    import textwrap

    return "\n".join(textwrap.wrap(text, 48))


def _limits(results: Results, m: int) -> tuple[float, float]:
    values = np.concatenate([results["mean"][m].ravel(), results["mean_all"]])
    positive = values[values > 0]
    return 100 * positive.min() / 1.25, 100 * positive.max() * 1.25


def _round_numbers(low: float, high: float, *, most: float) -> NDArray[np.float64]:
    """1, 2, 5, 10, ... between two numbers, or 1, 3, 10, ..., or powers of ten, where these would be too many."""
    for digits in ((1, 2, 5), (1, 3), (1,)):
        numbers = np.array([t * 10.0**n for n in range(8) for t in digits])
        numbers = numbers[(numbers >= low) & (numbers <= high)]
        if numbers.size <= most:
            break
    return numbers


def _number_ticks(axes: Axes, numbers: NDArray[np.float64], width: float) -> None:
    """Ticks at these numbers of images, as many as there is room for on an axis ``width`` inches wide."""
    axes.minorticks_off()
    low, high = np.log(axes.get_xlim())
    ticks: list[float] = []
    for number in np.unique(numbers)[::-1]:
        characters = len(f"{(ticks or [number])[-1]:,.0f}") + 1
        if not ticks or np.log(ticks[-1] / number) * width >= 0.08 * characters * (high - low):
            ticks.append(float(number))
    ticks.reverse()
    axes.set_xticks(ticks, [f"{tick:,.0f}" for tick in ticks])


def _percent_ticks(axes: Axes) -> None:
    """Ticks at 1, 2, 3, 5, 10, ... per cent, at every half per cent of their kind if these are too few."""
    axes.minorticks_off()
    low, high = axes.get_ylim()
    steps = (1, 2, 3, 5) if np.log10(high / low) > 0.35 else (1, 1.2, 1.4, 1.6, 1.8, 2, 2.5, 3, 3.5, 4, 5, 6, 7, 8, 9)
    ticks = [t * 10.0**n for n in range(-3, 3) for t in steps if low <= t * 10.0**n <= high]
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])

"""Pictures of scaling laws: fitted and extrapolated parts told apart, forecasts with intervals, benchmarks of laws."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from data_pruning import Results
from figures.draw.style import FULL_WIDTH, MARKERS, letter, new_figure, shades, style
from scaling_laws.benchmark import COMBINED
from scaling_laws.fitting import LawFit

__all__ = ["scaling_laws"]

MOST_CURVES = 6  # sizes of models whose laws are drawn; the points of all are
FORECAST, PLAIN, HEAVY, CHOSEN = "#440154", "0.55", "#2a788e", "#d55e00"
MOST_PANELS = 8
_NARROW = 100  # ratio of the ends of an axis


def scaling_laws(files: Sequence[Results]) -> Figure:
    """One panel for each result file of ``python -m scaling_laws``, two in a row.

    Args:
        files: results of the commands fit, extrapolate, forecast and benchmark, 1 to 8.

    Returns:
        A matplotlib figure.  Points that were fitted are full and laws solid there; points that were not are open and
        laws dashed.  Forecasts have their 80 and 95 % intervals shaded.  Benchmarks show one point for each law and
        learning curve.

    Raises:
        ValueError: there are none or too many, or one is of another kind.
    """
    if not 1 <= len(files) <= MOST_PANELS:
        raise ValueError(f"files must be 1 to {MOST_PANELS} results, got {len(files)}")
    drawers = [_drawer(results) for results in files]
    with style():
        columns = min(2, len(files))
        rows = -(-len(files) // columns)
        figure = new_figure(FULL_WIDTH * columns / 2, 3.9 * rows)
        panels = figure.subplots(rows, columns, squeeze=False).ravel()
        for axes, draw, results in zip(panels, drawers, files, strict=False):
            draw(axes, results)
        for axes in panels[len(files) :]:
            axes.remove()
        if len(files) > 1:
            letter(*panels[: len(files)])
        return figure


def _drawer(results: Results) -> Callable[[Axes, Results], None]:
    for name, draw in (("coverage", _benchmark), ("by_form", _forecast), ("point_law", _law)):
        if name in results.variables:
            return draw
    raise ValueError(f"these are no results of the commands of python -m scaling_laws, but: {results.title}")


def _law(axes: Axes, results: Results) -> None:
    fit, fitted = LawFit.from_results(results), results["point_fitted"]
    first, others = fit.scales[0], fit.scales[1:]
    n, error = results[f"scale_{first}"], results["point_error"]
    sizes = np.stack([results[f"scale_{name}"] for name in others]) if others else np.zeros((0, n.size))
    models, of = np.unique(sizes, axis=1, return_inverse=True) if others else (np.zeros((0, 1)), np.zeros(n.size, int))
    order = np.argsort(np.mean(np.log(np.maximum(models, 1e-300)), axis=0)) if others else np.array([0])
    drawn = order[np.unique(np.round(np.linspace(0, order.size - 1, min(MOST_CURVES, order.size))).astype(int))]
    colours = dict(zip(order.tolist(), shades(order.size), strict=True))
    for model in order.tolist():
        at = of.reshape(-1) == model
        full, size = at & fitted, 3.6 if order.size <= MOST_CURVES else 2.4
        axes.plot(n[full], error[full], "o", color=colours[model], markersize=size)
        axes.plot(n[at & ~fitted], error[at & ~fitted], "o", color=colours[model], mfc="white", markersize=size)
        if model in drawn:
            grid = np.geomspace(n.min(), n.max() * (1.5 if fitted.all() else 1.0), 200)
            scales = {first: grid} | {name: np.full(200, models[i, model]) for i, name in enumerate(others)}
            law, inside = fit.predict(scales), _inside(fit, scales)
            axes.plot(grid, np.where(inside, law, np.nan), color=colours[model])
            axes.plot(grid, np.where(inside, np.nan, law), color=colours[model], linestyle="--")
    handles = [
        Line2D([], [], color=colours[model], label=_size_name(others, models[:, model]))
        for model in drawn.tolist()
        if others
    ]
    handles += [
        Line2D([], [], color="0.3", marker="o", label="fitted"),
        Line2D([], [], color="0.3", marker="o", mfc="white", linestyle="--", label="extrapolated"),
    ]
    axes.legend(handles=handles, loc="best")
    title = f"{fit.form}, {fit.num_points} points fitted"
    if "outside" in results.variables:
        mean, std, _ = results["outside"]
        title += f"; beyond {100 * mean:+.1f} ± {100 * std:.1f} %"
    _plain(axes, error)
    axes.set(xlabel=first, ylabel="error", title=title)
    _scale_axis(axes)


def _scale_axis(axes: Axes) -> None:
    """A logarithmic axis of a scale, with ticks at 1, 2 and 5 where powers of ten would be too few."""
    axes.set(xscale="log")
    low, high = axes.get_xlim()
    if high < _NARROW * low:
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def _plain(axes: Axes, errors: np.ndarray) -> None:
    """A logarithmic axis of errors, written as numbers."""
    axes.set(yscale="log", ylim=(0.93 * errors.min(), 1.08 * errors.max()))
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 1.5, 2.0, 3.0, 5.0, 7.0)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())


def _inside(fit: LawFit, scales: dict[str, np.ndarray]) -> np.ndarray:
    return np.all([scales[name] <= fit.largest[name] * (1 + 1e-9) for name in fit.scales], axis=0)


def _size_name(names: Sequence[str], values: np.ndarray) -> str:
    return ", ".join(f"{name} {value:.3g}" for name, value in zip(names, values, strict=True))


def _forecast(axes: Axes, results: Results) -> None:
    scale, at, largest = results.config["scale"], results["at"], float(results.config["largest"])
    n, inside = results["point_scale"], np.argsort(results["point_scale"])
    axes.plot(n, results["point_error"], "o", color="0.25", label="measured, fitted")
    axes.plot(n[inside], results["point_law"][inside], color=FORECAST, label="median of four laws")
    if "later_scale" in results.variables:
        later = results["later_scale"], results["later_error"]
        axes.plot(*later, "o", color="0.25", mfc="white", zorder=4, label="measured, not fitted")
    order = np.argsort(at)
    for level, ends in sorted(zip(results["level"].tolist(), results["interval"], strict=True), reverse=True):
        low, high = ends[:, order]
        label = f"{100 * level:g} % interval"
        alpha = 0.16 if level > results["level"].min() else 0.32
        if at.size > 1:
            axes.fill_between(at[order], low, high, color=FORECAST, alpha=alpha, linewidth=0, label=label)
        else:
            axes.vlines(at, low, high, color=FORECAST, alpha=2 * alpha, linewidth=3, label=label)
    for number, (name, values) in enumerate(zip(results["form"].tolist(), results["by_form"], strict=True)):
        line = ("-.", ":", "--", (0, (5, 1)))[number % 4]
        axes.plot(at[order], values[order], color="0.5", linestyle=line, linewidth=0.9, label=name)
    axes.plot(at[order], results["forecast"][order], color=FORECAST, linestyle="--", label="forecast")
    axes.axvline(largest, color="0.7", linewidth=0.8)
    _plain(axes, np.concatenate([results["point_error"], results["interval"].ravel()]))
    axes.set(xlabel=scale, ylabel="error")
    _scale_axis(axes)
    axes.set_title(f"forecast from {int(results['num_points'])} points")
    axes.legend(loc="lower left")


def _benchmark(axes: Axes, results: Results) -> None:
    forms, rms, groups = results["form"].tolist(), results["rms"], results["group"].tolist()
    order = np.argsort(-np.nanmean(rms, axis=1))
    kinds = list(dict.fromkeys(groups))
    jitter = np.asarray(np.random.default_rng(0).uniform(-0.28, 0.28, rms.shape[1]))
    for place, number in enumerate(order.tolist()):
        name = forms[number]
        colour = CHOSEN if name == COMBINED else HEAVY if "weight" in name else PLAIN
        for kind, marker in zip(kinds, MARKERS, strict=False):
            chosen = np.array([group == kind for group in groups])
            axes.plot(
                rms[number, chosen],
                place + jitter[chosen],
                marker,
                color=colour,
                markersize=2,
                alpha=0.5,
                markeredgewidth=0,
            )
        mean = float(np.nanmean(rms[number]))
        axes.vlines(mean, place - 0.4, place + 0.4, color=colour, linewidth=2.4)
        axes.annotate(
            f"{mean:.4f}", (1.01, place), xycoords=("axes fraction", "data"), va="center", fontsize=7, color=colour
        )
    axes.set_yticks(range(len(forms)), [forms[number] for number in order])
    axes.set(
        xscale="log",
        xlabel="rms of log(forecast / error), extrapolated part",
        xlim=(0.8 * np.nanmin(rms), 1.2 * np.nanmax(rms)),
    )
    held = ", ".join(
        f"{100 * level:g} % hold {100 * share:.1f} %"
        for level, share in zip(results["level"].tolist(), results["coverage"].mean(axis=1), strict=True)
    )
    axes.set_title(f"{rms.shape[1]} learning curves; bars and numbers: means\nintervals of {held} of the points")
    axes.grid(visible=False, axis="y")
    if len(kinds) > 1:
        handles = [
            Line2D([], [], color="0.4", linestyle="", marker=marker, label=kind)
            for kind, marker in zip(kinds, MARKERS, strict=False)
        ]
        axes.legend(handles=handles, loc="lower left")

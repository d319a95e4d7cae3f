"""Picture of the joint law on real networks: errors beside a law of the small ones, its deviations, rule by rule."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullFormatter

from data_pruning import Results
from figures.draw.style import FULL_WIDTH, MARKERS, letter, new_figure, plain_ticks, shades, style

__all__ = ["network_sizes"]

DRAWN = "envelope"
"""The law whose curves are drawn."""
COMPARED = {"envelope": ("#440154", "o"), "additive": ("#d55e00", "s"), "kaplan": ("#2a788e", "v")}
NAMES = {"folder": "images of a folder", "fashion-mnist": "Fashion-MNIST"}


def network_sizes(laws: Sequence[Results], titles: Sequence[str] = ()) -> Figure:
    """One row of three panels for each measurement.

    Args:
        laws: files ``DATASET-joint-law.nc`` of ``python -m real_data joint-law``, at least one.
        titles: a name for each; without them, that of the data set.

    Returns:
        A matplotlib figure: errors of whole pools against the number of examples, one colour for each width, with the
        envelope fitted to the small part (full symbols, solid lines) and continued (open symbols, dashed lines);
        relative deviations of that law; mean and standard deviation of the deviations of three laws, by keep rule, and
        of no law, the error of the nearest small point.

    Raises:
        KeyError: a result is of something else.
        ValueError: there is none, or not one title for each.
    """
    if not laws:
        raise ValueError("laws must be at least one, got none")
    if titles and len(titles) != len(laws):
        raise ValueError(f"titles must be {len(laws)}, one for each file, got {len(titles)}")
    with style():
        figure = new_figure(FULL_WIDTH, 3.3 * len(laws))
        panels = figure.subplots(len(laws), 3, squeeze=False, width_ratios=[1.15, 1.0, 1.0])
        for number, (row, law) in enumerate(zip(panels, laws, strict=True)):
            _errors(row[0], law, titles[number] if titles else _name(law))
            _deviations(row[1], law)
            _by_rule(row[2], law)
        letter(*panels.ravel())
        return figure


def _name(law: Results) -> str:
    name = str(law.config["measurement"]["model_sizes"]["experiment"]["dataset"])
    return NAMES.get(name, name)


def _colours(law: Results) -> dict[float, tuple[float, float, float, float]]:
    widths = np.unique(law["width"]).tolist()
    return dict(zip(widths, shades(len(widths)), strict=True))


def _markers(law: Results) -> dict[int, str]:
    return dict(zip(np.unique(law["depth"]).tolist(), MARKERS, strict=False))


def _form(law: Results, name: str) -> int:
    return int(law["form"].tolist().index(name))


def _errors(axes: Axes, law: Results, title: str) -> None:
    colours, markers = _colours(law), _markers(law)
    form = _form(law, DRAWN)
    for i in range(len(law["width"])):
        n, order = law["num_kept"][0, i], np.argsort(law["num_kept"][0, i])
        colour, marker = colours[float(law["width"][i])], markers[int(law["depth"][i])]
        small, learned = law["small"][0, i] == 1, law["learned"][0, i] == 1
        for part, face in ((small & learned, colour), (~small & learned, "white")):
            axes.errorbar(
                n[part],
                law["error"][0, i][part],
                law["standard_error"][0, i][part],
                color=colour,
                marker=marker,
                markerfacecolor=face,
                linestyle="none",
                elinewidth=0.7,
                capsize=0,
            )
        if law["fitted"][0, 0, form]:
            curve = law["law"][0, 0, form, i]
            last = int(small.sum())  # of the small ones, which come first
            axes.plot(n[order], curve[order], "--", color=colour, linewidth=0.9)
            axes.plot(n[order][:last], curve[order][:last], "-", color=colour, linewidth=1.2)
    handles = [Line2D([], [], color=colour, label=f"$w = {width:g}$") for width, colour in colours.items()]
    if len(markers) > 1:
        handles += [
            Line2D([], [], color="0.3", marker=marker, linestyle="none", label=f"$l = {depth}$")
            for depth, marker in markers.items()
        ]
    axes.legend(handles=handles, loc="lower left", ncols=2, columnspacing=0.8, handlelength=1.2, fontsize=6.5)
    error = law["error"][0][law["learned"][0] == 1]
    axes.set(xscale="log", xlabel="training images  $n$", ylabel=r"test error  $\varepsilon$")
    low, high = 0.75 * float(error.min()), 1.1 * float(error.max())
    plain_ticks(axes, low, high)
    ticks = [t / 100 for t in (0.5, 1, 2, 3, 5, 7, 10, 15, 20, 30, 40, 60, 80) if low <= t / 100 <= high]
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_title(f"{title}; lines: {DRAWN}")
    _beyond(axes, law)


def _deviations(axes: Axes, law: Results) -> None:
    colours, markers = _colours(law), _markers(law)
    form = _form(law, DRAWN)
    axes.axhline(0, color="0.55", linewidth=1)
    axes.set(xscale="log", xlabel="training images  $n$", ylabel=f"{DRAWN} / error - 1, %")
    if not law["fitted"][0, 0, form]:
        axes.set_title("no fit")
        return
    deviation = 100 * (law["law"][0, 0, form] / law["error"][0] - 1)
    for i in range(len(law["width"])):
        n, learned = law["num_kept"][0, i], law["learned"][0, i] == 1
        colour, small = colours[float(law["width"][i])], law["small"][0, i] == 1
        for part, face in ((small & learned, colour), (~small & learned, "white")):
            axes.plot(
                n[part],
                deviation[i][part],
                color=colour,
                marker=markers[int(law["depth"][i])],
                markerfacecolor=face,
                linestyle="none",
            )
    mean, spread = (100 * law[f"{name}_outside"][0, 0, form] for name in ("mean", "std"))
    axes.set_title(rf"judged: {mean:+.1f} $\pm$ {spread:.1f} %; noise {100 * law['noise'][0]:.1f} %")
    _beyond(axes, law)


def _beyond(axes: Axes, law: Results) -> None:
    """Ends of the axis of n at which symbols are seen whole."""
    axes.set_xlim(0.8 * float(law["num_kept"][0].min()), 1.25 * float(law["num_kept"][0].max()))


def _by_rule(axes: Axes, law: Results) -> None:
    rules, fractions = law["rule"].tolist(), law["fraction"].tolist()
    place = np.arange(len(rules), dtype=float)
    for number, (name, (colour, marker)) in enumerate(COMPARED.items()):
        form = _form(law, name)
        fitted = law["fitted"][:, 0, form] == 1
        for part, face, shift in (("inside", colour, -0.06), ("outside", "white", 0.06)):
            mean, spread = (100 * law[f"{statistic}_{part}"][:, 0, form] for statistic in ("mean", "std"))
            axes.errorbar(
                mean[fitted],
                (place + 0.26 * (number - 1) + shift)[fitted],
                xerr=spread[fitted],
                color=colour,
                marker=marker,
                markerfacecolor=face,
                linestyle="none",
                elinewidth=0.9,
            )
        for at in place[~fitted]:
            axes.text(0, at + 0.26 * (number - 1), f"{name}: no fit", fontsize=6, color=colour, va="center")
    axes.errorbar(
        100 * law["unchanged_mean"],
        place + 0.42,
        xerr=100 * law["unchanged_std"],
        color="0.45",
        marker="x",
        linestyle="none",
        elinewidth=0.9,
    )
    axes.axvline(0, color="0.55", linewidth=1)
    axes.axvspan(-5, 5, color="0.93", zorder=0)
    labels = ["all" if rule == "all" else f"{rule}".replace("+", "\n+") for rule in rules]
    axes.set_yticks(place, labels)
    axes.set(
        ylim=(len(rules) - 0.35, -1.1 if len(rules) == 1 else -1.6), xlabel=r"law / error - 1: $\mu \pm \sigma$, %"
    )
    looks = [(name, colour, marker, colour) for name, (colour, marker) in COMPARED.items()]
    looks += [("fitted", "0.3", "o", "0.3"), ("judged", "0.3", "o", "white"), ("nearest error", "0.45", "x", "0.45")]
    handles = [
        Line2D([], [], color=colour, marker=marker, markerfacecolor=face, linestyle="none", label=name)
        for name, colour, marker, face in looks
    ]
    axes.legend(handles=handles, loc="upper left", ncols=3, fontsize=6.5, columnspacing=0.8, handletextpad=0.2)
    kept = sorted({f for f in fractions if f < 1})
    axes.set_title("by rule" + (f", {', '.join(f'{100 * f:g}' for f in kept)} % kept" if kept else ", whole pools"))

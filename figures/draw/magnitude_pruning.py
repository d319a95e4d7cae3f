"""Picture of magnitude pruning: error against density, against the size invariant, and how far each law is off."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullFormatter

from data_pruning import Results
from figures.draw.style import FULL_WIDTH, MARKERS, letter, new_figure, plain_ticks, shades, style

__all__ = ["magnitude_pruning"]

FORMULAS = {
    "free": r"$l^\varphi w^\psi d$",
    "width only": r"$w^\psi d$",
    "weights left": r"weights left",
    "depth width^2": r"$l\,w^2 d$",
    "none": r"density $d$ alone",
}
ON_WHITE: dict[str, Any] = {
    "loc": "upper right",
    "fontsize": 6.5,
    "frameon": True,
    "framealpha": 1,
    "edgecolor": "none",
}
MOST_POINTS = 600  # shown of the errors of all networks
ERROR_LABEL = r"test error  $\varepsilon$"


def magnitude_pruning(laws: Sequence[Results]) -> Figure:
    """One row of three panels for each measurement.

    Args:
        laws: files ``DATASET-law.nc`` of ``python -m real_data magnitude-pruning``, at least one.

    Returns:
        A matplotlib figure: errors of the networks of the largest pool against the density of weights, with the law of
        all networks together; errors of all of them against its size invariant; relative deviations of the law under
        each hypothesis, in the fit and of network sizes left out of it.

    Raises:
        KeyError: a result is of something else.
        ValueError: there is none.
    """
    if not laws:
        raise ValueError("laws must be at least one, got none")
    with style():
        figure = new_figure(FULL_WIDTH, 3.3 * len(laws))
        panels = figure.subplots(len(laws), 3, squeeze=False, width_ratios=[1.15, 1.0, 0.95])
        for row, law in zip(panels, laws, strict=True):
            _against_density(row[0], law)
            _against_invariant(row[1], law)
            _deviations(row[2], law)
        letter(*panels.ravel())
        return figure


def _name(law: Results) -> str:
    return str(law.config["measurement"]["magnitude_pruning"]["dataset"])


def _colours(law: Results) -> dict[float, tuple[float, float, float, float]]:
    widths = np.unique(law["width"]).tolist()
    return dict(zip(widths, shades(len(widths)), strict=True))


def _markers(law: Results) -> dict[int, str]:
    return dict(zip(np.unique(law["depth"]).tolist(), MARKERS, strict=False))


def _against_density(axes: Axes, law: Results) -> None:
    colours, markers = _colours(law), _markers(law)
    largest = law["pool_size"].max()
    for i in np.flatnonzero(law["pool_size"] == largest):
        colour = colours[float(law["width"][i])]
        density = law["density"][i]
        axes.errorbar(
            density,
            law["mean"][i],
            law["standard_error"][i],
            color=colour,
            marker=markers[int(law["depth"][i])],
            linestyle="none",
            markersize=2.6,
            elinewidth=0.7,
            capsize=0,
        )
        axes.plot(density, law["predicted"][0, i], color=colour, linewidth=0.9)
    axes.axhline(float(law["guessing_error"]), color="0.55", linestyle=":", linewidth=1)
    handles = [Line2D([], [], color=colour, label=f"$w = {width:g}$") for width, colour in colours.items()]
    handles += [
        Line2D([], [], color="0.3", marker=marker, linestyle="none", label=f"$l = {depth}$")
        for depth, marker in markers.items()
    ]
    axes.legend(handles=handles, ncols=2, columnspacing=0.8, handlelength=1.2, **ON_WHITE)
    axes.set(xscale="log", xlabel="density of weights  $d$", ylabel=ERROR_LABEL)
    _error_axis(axes, law)
    axes.set_title(f"{_name(law)}, {int(largest):,} images; lines: one law")


def _against_invariant(axes: Axes, law: Results) -> None:
    colours, markers = _colours(law), _markers(law)
    invariant = law["invariant"][0]
    every = -(-invariant.size // MOST_POINTS)
    for i in range(len(law["depth"])):
        axes.plot(
            invariant[i, i % every :: every],
            law["mean"][i, i % every :: every],
            color=colours[float(law["width"][i])],
            marker=markers[int(law["depth"][i])],
            linestyle="none",
            markersize=2.2,
        )
    order = np.argsort(law["unpruned_error"])
    grid = np.geomspace(invariant.min(), invariant.max(), 200)
    for i, line in ((order[0], "-"), (order[-1], "--")):
        error = float(law["unpruned_error"][i])
        axes.plot(grid, _law(law, error, grid), "k", linestyle=line, linewidth=1, label=f"law, unpruned {error:.2g}")
    phi, psi = float(law["phi"][0]), float(law["psi"][0])
    axes.set(xscale="log", xlabel=rf"size invariant  $m^* = l^{{{phi:.2f}}}\, w^{{{psi:.2f}}}\, d$")
    axes.legend(**ON_WHITE)
    _error_axis(axes, law)
    axes.set_title("the same errors" if np.ptp(law["pool_size"]) == 0 else "errors at all numbers of images")


def _law(law: Results, unpruned: float, invariant: np.ndarray) -> np.ndarray:
    """The law of all networks at an unpruned error."""
    gamma, p, guess = float(law["gamma"][0]), float(law["p"][0]), float(law["guessing_error"])
    far = p * (guess / unpruned) ** (1 / gamma)
    return unpruned * ((invariant**2 + far**2) / (invariant**2 + p**2)) ** (gamma / 2)


def _error_axis(axes: Axes, law: Results) -> None:
    plain_ticks(axes, 0.6 * float(law["mean"].min()), 1.1)
    axes.yaxis.set_minor_formatter(NullFormatter())


def _deviations(axes: Axes, law: Results) -> None:
    names = law["hypothesis"].tolist()
    place = np.arange(len(names))
    inside, outside = (100 * law[f"sigma{where}"] for where in ("", "_left_out"))
    error = 100 * law["sigma_left_out_error"]
    axes.plot(inside, place - 0.12, "o", color="#440154", label="in the fit")
    axes.errorbar(
        outside,
        place + 0.12,
        xerr=error,
        fmt="s",
        color="#d55e00",
        markerfacecolor="white",
        label="sizes left out",
    )
    lines: tuple[tuple[str, Literal["--", ":"], str], ...] = (
        ("own_sigma", "--", "a law for each network"),
        ("noise", ":", "noise of seeds"),
    )
    for value, line, name in lines:
        ends = (-0.5, len(names) - 0.4)  # below the legend
        axes.vlines(100 * float(law[value]), *ends, color="0.4", linestyles=line, linewidth=1, label=name)
    axes.set_yticks(place, [FORMULAS.get(name, name) for name in names])
    low, high = 70 * float(law["noise"]), 1.3 * float((outside + error).max())
    axes.set(ylim=(len(names) - 0.4, -1.9), xlabel="deviation from the errors, %")
    axes.legend(loc="upper left", ncols=2, fontsize=6.5, columnspacing=0.8, handlelength=1.4)
    plain_ticks(axes, low, high, axis="x")
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_title("what is the size invariant $m^*$?")

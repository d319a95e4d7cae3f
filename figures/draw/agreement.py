"""Simulated points beside theory, and the looks of keep rules that all pictures share."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike, NDArray

from data_pruning import Results
from figures.draw.images import LOOKS

__all__ = [
    "RULE_LABELS",
    "RULE_LOOKS",
    "below_axes",
    "draw_relative",
    "draw_simulated",
    "letter",
    "plain_ticks",
    "where",
]

_EDGE: dict[str, Any] = {"markeredgecolor": "white", "markeredgewidth": 0.3}
_NO_LINE: dict[str, Any] = {"linestyle": "none"}

RULE_LOOKS: dict[str, dict[str, Any]] = LOOKS | {
    "best": {"color": "#d55e00", "marker": "D", "linestyle": "-"},
    "bylabel": {"color": "#d55e00", "marker": "D", "linestyle": "-."},
}
RULE_LABELS = {
    "hard": "keep hard",
    "easy": "keep easy",
    "random": "random",
    "best": "best rule",
    "bylabel": "keep hard where\nprobe and label agree",
}


def where(validation: Results, **wanted: Any) -> NDArray[np.bool_]:
    """The simulated points with the given values; numbers within 2 %, for whole examples, words exactly.

    Args:
        validation: from ``simulations.Validation.results``.
        wanted: values by column, a tuple meaning any of them.
    """
    found = np.ones(validation["mean"].shape, bool)
    for name, value in wanted.items():
        column = validation[name]
        if column.dtype.kind == "U":
            found &= np.isin(column, np.atleast_1d(value))
        else:
            found &= np.isclose(column, value, rtol=0.02, atol=1e-9)
    return found


def draw_simulated(
    axes: Axes, x: ArrayLike, validation: Results, rows: NDArray[np.bool_], look: dict[str, Any]
) -> None:
    """Simulated errors with standard errors."""
    axes.errorbar(x, validation["mean"][rows], validation["standard_error"][rows], zorder=3, **_EDGE | look | _NO_LINE)


def draw_relative(axes: Axes, x: ArrayLike, validation: Results, rows: NDArray[np.bool_], look: dict[str, Any]) -> None:
    """Simulation over theory, minus 1, in per cent."""
    mean, bar, theory = (validation[name][rows] for name in ("mean", "standard_error", "theory"))
    axes.errorbar(x, 100 * (mean / theory - 1), 100 * bar / theory, **_EDGE | look | _NO_LINE | {"markersize": 3.0})


def below_axes(below: Axes, limit: float, **settings: Any) -> None:
    """Set up a panel of simulation over theory, in per cent, up to ``limit``."""
    below.axhline(0, color="0.6", linewidth=3, zorder=1)
    below.set(ylabel="sim./theory\n$- 1$  (%)", ylim=(-limit, limit), **settings)


def letter(*panels: Axes) -> None:
    """Letters at the panels' upper left corners."""
    for name, axes in zip("abcdefgh", panels, strict=False):
        axes.text(-0.12, 1.04, name, transform=axes.transAxes, fontweight="bold", fontsize=11)


def plain_ticks(axes: Axes, low: float, high: float, *, axis: Literal["x", "y"] = "y") -> None:
    """A logarithmic axis from ``low`` to ``high`` with ticks written as plain numbers."""
    ticks = [t * 10.0**n for n in range(-6, 5) for t in (1, 2, 5) if low <= t * 10.0**n <= high]
    names = [f"{tick:g}" for tick in ticks]
    if axis == "x":
        axes.set(xscale="log", xlim=(low, high))
        axes.set_xticks(ticks, names)
    else:
        axes.set(yscale="log", ylim=(low, high))
        axes.set_yticks(ticks, names)
    axes.tick_params(axis=axis, which="minor", labelleft=False, labelbottom=False)

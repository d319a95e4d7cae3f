"""Simulated points beside theory."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike, NDArray

from data_pruning import Results

__all__ = ["below_axes", "draw_relative", "draw_simulated", "where"]

_EDGE: dict[str, Any] = {"markeredgecolor": "white", "markeredgewidth": 0.3}
_NO_LINE: dict[str, Any] = {"linestyle": "none"}


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

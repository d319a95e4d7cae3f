"""The study of windows: how good is each window of ranks on real images, and what does the theory say?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from data_pruning import Results
from figures.draw.style import MARKERS, new_figure, shades, style

__all__ = ["windows"]

TICKS = (0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0, 7.0)


def windows(predictions: Sequence[Results], names: Sequence[str]) -> Figure:
    """Test error of each window of ranks over that of random examples, one panel for each data set and pool.

    Args:
        predictions: files of :meth:`real_data.findings.prediction.Prediction.results`, one for each data set.
        names: names of the data sets.

    Returns:
        A matplotlib figure: points with standard errors are measured, lines are the theory.

    Raises:
        KeyError: the results are of something else.
    """
    panels = [
        (data, name, pool)
        for data, name in zip(predictions, names, strict=True)
        for pool in range(data["pool_size"].size)
    ]
    with style():
        figure = new_figure(2.6 * len(panels) + 0.5, 3.5)
        everything = np.atleast_1d(figure.subplots(1, len(panels), sharey=True))
        for axes, (data, name, pool) in zip(everything, panels, strict=True):
            _draw(axes, data, pool)
            size = int(data["pool_size"][pool])
            told = "calibrated here" if size == data.config["calibrated_on"] else "predicted"
            axes.set_title(f"{name}, pool {size:,}\n(theory {told})")
        low, high = (edge(_all(predictions)) for edge in (np.min, np.max))
        everything[0].set(ylabel="test error / that of random examples", ylim=(0.9 * low, 1.1 * high))
        ticks = [tick for tick in TICKS if 0.9 * low <= tick <= 1.1 * high]
        everything[0].set_yticks(ticks, [f"{tick:g}" for tick in ticks])
        everything[0].minorticks_off()
        everything[-1].legend(loc="upper right")
        return figure


def _all(predictions: Sequence[Results]) -> np.ndarray:
    return np.concatenate([data[name].ravel() for data in predictions for name in ("measured", "predicted")])


def _draw(axes: Axes, data: Results, pool: int) -> None:
    axes.axhline(1, color="0.5", linewidth=1, linestyle=":")
    for k, (f, color) in enumerate(zip(data["fraction"], shades(data.sizes["fraction"] + 1), strict=False)):
        start = data["place"] * (1 - f)
        axes.plot(start, data["predicted"][pool, :, k], color=color, label=f"theory, f = {f:g}")
        axes.errorbar(
            start,
            data["measured"][pool, :, k],
            data["standard_error"][pool, :, k],
            color=color,
            marker=MARKERS[k],
            linestyle="none",
            label=f"measured, f = {f:g}",
        )
    axes.set(yscale="log", xlabel="rank at which the window starts\n(0 = hardest)", xlim=(-0.03, 0.83))

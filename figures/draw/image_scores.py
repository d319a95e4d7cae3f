"""Pictures of scores of difficulty: their distribution, and how far metrics agree."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from figures.compute.extremes import MOST_CLASSES, class_name
from figures.draw.correlations import draw_correlations
from figures.draw.looks import metric_name
from figures.draw.style import FULL_WIDTH, new_figure, style

if TYPE_CHECKING:
    from real_data.scores import Scores

__all__ = ["AXIS_LABELS", "bin_edges", "rank_correlations", "score_histograms"]

AXIS_LABELS = {
    "el2n": "EL2N: length of the error vector",
    "grand": "GraNd: length of the gradient",
    "forgetting": "forgetting events",
    "margin": "negative margin",
    "confidence": "1 $-$ confidence",
    "prototypes": "cosine distance from the class mean",
    "moderate": "distance from the class median",
    "aum": "AUM: mean negative margin of logits",
    "dyn-unc": "dynamic uncertainty",
    "tdds": "TDDS: temporal dual depth",
    "dual": "DUAL: difficulty times uncertainty",
    "memorization": "memorization of the label",
    "influence-max": "largest influence on a test image",
    "influence-sum": "sum of influences on test images",
    "ddd": "DDD: share of networks that err",
    "entropy": "entropy of the mean prediction",
    "mutual-information": "mutual information of the networks",
    "variation-ratio": "share of networks against the majority",
    "consistency": "share of networks that err, held out",
    "el2n-held-out": "EL2N, held out",
    "margin-held-out": "negative margin, held out",
    "ssl-prototypes": "cosine distance from its cluster",
    "random": "random score",
}
_COLOUR = "#31688e"


def score_histograms(
    scores: Sequence[Scores],
    labels: ArrayLike | None = None,
    *,
    class_names: Sequence[str] | None = None,
    num_bins: int = 50,
) -> Figure:
    """How the scores of a data set are distributed: one panel per metric.

    Args:
        scores: one or several; higher = harder.
        labels: classes of the examples, integers of shape (num_examples,), at most 20 different ones: each class gets
            its own histogram, as a row of colours, the class of the highest median on top.  None draws all examples
            together.
        class_names: names of the classes, by label; None writes the labels.
        num_bins: number of bins over the range of the scores, at least 1; fewer where the scores are counts, so that
            every bin holds equally many of the values there can be.

    Returns:
        A matplotlib figure.  Numbers are on a logarithmic scale, as the easy images are usually far more numerous than
        the hard ones; a white tick marks the median of a class.

    Raises:
        ValueError: no scores, or labels of another length or of too many classes.
    """
    all_values = [one.values for one in _several(scores, 1)]
    if num_bins < 1:
        raise ValueError(f"num_bins must be at least 1, got {num_bins}")
    classes = None if labels is None else np.asarray(labels)
    if classes is not None:
        _check_labels(classes, all_values)
    with style():
        columns = min(len(all_values), 3)
        rows = -(-len(all_values) // columns)
        height = 2.6 if classes is None else 1.2 + 0.22 * np.unique(classes).size
        figure = new_figure((4.8, 7.6, FULL_WIDTH)[columns - 1], height * rows)
        panels = figure.subplots(rows, columns, squeeze=False).ravel()
        for axes in panels[len(all_values) :]:
            axes.remove()
        for axes, one, values in zip(panels, scores, all_values, strict=False):
            edges = bin_edges(values, num_bins)
            if classes is None:
                counts, _ = np.histogram(values, edges)
                axes.stairs(counts, edges, fill=True, color=_COLOUR, zorder=3)
                axes.set(yscale="log", ylabel="images per bin", xlim=(edges[0], edges[-1]))
                axes.set(ylim=(0.7, 1.6 * counts.max()), title=f"{values.size:,} images")
                ticks = [10**n for n in range(9) if 10**n <= 1.6 * counts.max()]
                axes.set_yticks(ticks, [f"{tick:,}" for tick in ticks])
                axes.minorticks_off()
            else:
                _draw_classes(axes, values, classes, class_names, edges)
            axes.set_xlabel(f"{AXIS_LABELS.get(one.metric, one.metric)}\neasier $\\leftarrow$    $\\rightarrow$ harder")
        return figure


def rank_correlations(scores: Sequence[Scores], *, names: Sequence[str] | None = None) -> Figure:
    """How far scores agree in their ranking: Spearman's rank correlation, as colours and numbers.

    Args:
        scores: at least two, of the same images.
        names: what to call them; None takes the names of the metrics.

    Returns:
        A matplotlib figure of one panel.

    Raises:
        ValueError: fewer than two scores, scores of different images or all equal, or another number of names than of
            scores.
    """
    from real_data.scores import rank_correlation

    values = rank_correlation(_several(scores, 2))
    names = [metric_name(one.metric) for one in scores] if names is None else list(names)
    if len(names) != len(scores):
        raise ValueError(f"names must be as many as scores, {len(scores)}, got {len(names)}")
    with style():
        figure = new_figure(2.1 + 0.56 * len(names), 1.3 + 0.5 * len(names))
        axes = figure.subplots()
        draw_correlations(axes, values, names)
        axes.set_title(f"{scores[0].values.size:,} images")
        return figure


def _draw_classes(
    axes: Axes,
    values: NDArray[np.float64],
    labels: NDArray[np.int64],
    class_names: Sequence[str] | None,
    edges: NDArray[np.float64],
) -> None:
    """One histogram per class, as a row of colours, the class of the highest median on top."""
    from matplotlib.colors import LogNorm

    present = np.unique(labels)
    medians = np.array([np.median(values[labels == label]) for label in present])
    order = np.argsort(medians, kind="stable")
    counts = np.array([np.histogram(values[labels == label], edges)[0] for label in present[order]])
    percent = 100 * counts / counts.sum(axis=1, keepdims=True)
    top = float(percent.max())
    bottom = min(float(percent[percent > 0].min()), top / 10)  # so that nearly equal numbers look so
    mesh = axes.pcolormesh(
        edges,
        np.arange(present.size + 1) - 0.5,
        np.ma.masked_equal(percent, 0),
        cmap="viridis",
        norm=LogNorm(bottom, top),
    )
    for n in range(1, present.size):
        axes.axhline(n - 0.5, color="white", linewidth=1.5)
    for n, median in enumerate(medians[order]):
        axes.plot([median, median], [n - 0.42, n + 0.42], color="black", linewidth=3.2, solid_capstyle="butt")
        axes.plot([median, median], [n - 0.42, n + 0.42], color="white", linewidth=1.6, solid_capstyle="butt")
    axes.set_yticks(range(present.size), [class_name(int(label), class_names) for label in present[order]])
    axes.set(xlim=(edges[0], edges[-1]), title=f"{values.size:,} images")
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False)
    axes.spines["left"].set_visible(False)
    ticks = [t for t in (0.001, 0.01, 0.1, 1, 10, 100) if bottom <= t <= top]
    bar = axes.figure.colorbar(mesh, ax=axes, label="images of the class per bin  (%)", pad=0.02)
    bar.set_ticks(ticks, labels=[f"{tick:g}" for tick in ticks])
    bar.minorticks_off()
    bar.outline.set_visible(False)


def bin_edges(values: NDArray[np.float64], num_bins: int) -> NDArray[np.float64]:
    """Bins of equal width; of counts, each bin holds equally many of the values there can be."""
    different = np.unique(values)
    if 1 < different.size <= 4 * num_bins:
        step = np.diff(different).min()
        places = (different - different[0]) / step
        if places[-1] < 4 * num_bins and np.allclose(places, np.round(places), rtol=0, atol=1e-6):
            count = round(places[-1]) + 1
            width = -(-count // num_bins)
            return different[0] + step * (np.arange(0, count + width, width) - 0.5)
    return np.histogram_bin_edges(values, num_bins)


def _several(scores: Sequence[Scores], least: int) -> Sequence[Scores]:
    if not isinstance(scores, Sequence) or len(scores) < least:
        count = len(scores) if isinstance(scores, Sequence) else "one that is no list"
        raise ValueError(f"scores must be a list of at least {least}, got {count}")
    return scores


def _check_labels(labels: NDArray[Any], all_values: Sequence[NDArray[np.float64]]) -> None:
    for values in all_values:
        if labels.shape != values.shape or labels.dtype.kind not in "iu":
            raise ValueError(f"labels must be integers of shape {values.shape}, got {labels.dtype} of {labels.shape}")
    if np.unique(labels).size > MOST_CLASSES:
        raise ValueError(f"labels must be of at most {MOST_CLASSES} classes, got {np.unique(labels).size}")

"""Pairs of near-duplicates side by side, and how many images each threshold flags."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from data_pruning.arguments import check_integer
from figures.draw.style import FULL_WIDTH, new_figure, style

if TYPE_CHECKING:
    from real_data.datasets import ImageDataset
    from real_data.duplicates.report import Duplicates

__all__ = ["pairs"]

COLUMNS = 8
MOST_PAIRS = 400  # in one picture
GAP, BELOW = 0.35, 0.62  # between tiles and below them, in widths of an image
WRONG = "#c03020"


def pairs(found: Duplicates, dataset: ImageDataset, *, num_pairs: int = 48, where: str | None = None) -> Figure:
    """Pairs of similar images, the most similar first, and the number of images flagged against the threshold.

    Args:
        found: what ``python -m real_data duplicates`` found.
        dataset: its images.
        num_pairs: pairs drawn, in [1, 400]: where there are more, the most similar, the least similar and others at
            equal distances of rank in between.
        where: ``train-test`` or ``train-train`` draws these only; None draws both.

    Returns:
        A matplotlib figure: of each pair the training image on the left, below it the cosine, with what is special, and
        the class; both classes in red where they differ.

    Raises:
        ValueError: other images, or no pairs of this kind.
    """
    found.check(dataset)
    check_integer("num_pairs", num_pairs, 1, MOST_PAIRS)
    if where not in (None, "train-test", "train-train"):
        raise ValueError(f"where must be train-test, train-train or None, got {where!r}")
    of_kind = np.flatnonzero(np.ones(len(found.pairs), bool) if where is None else _is_at(found, where))
    if of_kind.size == 0:
        raise ValueError(f"there are no pairs{'' if where is None else f' {where}'} to be drawn")
    chosen = of_kind[np.unique(np.round(np.linspace(0, of_kind.size - 1, min(num_pairs, of_kind.size))).astype(int))]
    with style():
        columns = min(COLUMNS, chosen.size)
        rows = -(-chosen.size // columns)
        tiles_height = FULL_WIDTH * rows * (1 + BELOW) / (COLUMNS * (2 + GAP))
        figure = new_figure(FULL_WIDTH, tiles_height + 2.6)
        above, below = figure.subplots(2, 1, height_ratios=(tiles_height, 2.2))
        _draw_tiles(above, found, dataset, chosen)
        share = "" if chosen.size == of_kind.size else f", {chosen.size} of them by rank"
        kind = "" if where is None else f" {where}"
        above.set_title(
            f"{dataset.name}: {of_kind.size:,}{kind} pairs{share}; training image on the left, on the right its "
            "neighbour (t: a test image)"
        )
        _draw_curve(below, found)
        return figure


def _is_at(found: Duplicates, where: str) -> NDArray[np.bool_]:
    return found.pairs.in_test == (where == "train-test")


def _draw_tiles(axes: Axes, found: Duplicates, dataset: ImageDataset, chosen: NDArray[np.int64]) -> None:
    table = found.pairs[chosen]
    differ = found.disagree(dataset)[chosen]
    left = np.asarray(dataset.train_images[table.image])
    right = np.empty_like(left)
    for images, here in ((dataset.train_images, ~table.in_test), (dataset.test_images, table.in_test)):
        if here.any():
            right[here] = np.asarray(images[table.of[here]])
    for n, pair in enumerate(zip(_brightness(left), _brightness(right), strict=True)):
        x, y = (n % COLUMNS) * (2 + GAP), -(n // COLUMNS) * (1 + BELOW)
        for side, image in enumerate(pair):
            axes.imshow(image, cmap="gray", vmin=0, vmax=1, extent=(x + side, x + side + 0.97, y, y + 1))
        axes.text(
            x + 0.985,
            y - 0.06,
            _caption(found, dataset, table, n, bool(differ[n])),
            ha="center",
            va="top",
            fontsize=6.5,
            color=WRONG if differ[n] else "black",
        )
    rows = -(-chosen.size // COLUMNS)
    axes.set(xlim=(-0.1, COLUMNS * (2 + GAP) - GAP + 0.1), ylim=(-(rows - 1) * (1 + BELOW) - BELOW, 1.05))
    axes.set_aspect("equal")
    axes.set_axis_off()


def _brightness(images: NDArray[Any]) -> NDArray[np.float64]:
    """Pixels in [0, 1]; of other than 8 bits stretched to the range of those drawn; gray images without channels."""
    pixels = images / 255 if images.dtype == np.uint8 else images.astype(np.float64)
    if pixels.min() < 0 or pixels.max() > 1:
        pixels = (pixels - pixels.min()) / max(float(np.ptp(pixels)), np.finfo(float).tiny)
    if pixels.shape[-1] not in (1, 3):
        raise ValueError(f"images must have 1 or 3 channels to be drawn, got {pixels.shape[-1]}")
    return np.asarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)


def _caption(found: Duplicates, dataset: ImageDataset, table: Any, n: int, differ: bool) -> str:
    labels = dataset.test_labels if table.in_test[n] else dataset.train_labels
    first, second = (
        str(label) if dataset.class_names is None else dataset.class_names[label]
        for label in (dataset.train_labels[table.image[n]], labels[table.of[n]])
    )
    marks = [f"{table.similarity[n]:.3f}"]
    for mark, values in (("t", table.in_test), ("exact", table.exact), ("mirrored", table.mirrored)):
        marks += [mark] if values[n] else []
    return f"{' '.join(marks)}\n{first} | {second}" if differ else f"{' '.join(marks)}\n{first}"


def _draw_curve(axes: Axes, found: Duplicates) -> None:
    """Images with a neighbour at least as similar as each threshold."""
    top = 1
    looks = ("#31688e", "-", "test images"), ("#d55e00", "--", "training images, among each other")
    for near, (colour, line, name) in zip((found.nearest_test, found.nearest_train), looks, strict=True):
        if near is not None:
            values = np.sort(near)[::-1]
            axes.step(values, np.arange(1, values.size + 1), line, color=colour, where="post", label=name)
            top = max(top, values.size)
    if found.threshold is not None:
        axes.axvline(found.threshold, color="0.4", linewidth=1, linestyle=":", label="threshold")
    axes.set(yscale="log", ylim=(0.8, 1.5 * top), xlabel="threshold  (cosine; no probability)", ylabel="images flagged")
    ticks = [10**n for n in range(9) if 10**n <= 1.5 * top]
    axes.set_yticks(ticks, [f"{tick:,}" for tick in ticks])
    axes.minorticks_off()
    axes.set_xlim(right=1.005)
    axes.legend(loc="lower left")

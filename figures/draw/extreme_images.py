"""Figure 6: the hardest and the easiest images of a data set and of its classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from data_pruning import Results
from figures.compute.extremes import class_extremes, class_name, drawn_pixels
from figures.draw.looks import metric_name
from figures.draw.style import new_figure, style

if TYPE_CHECKING:
    from real_data.datasets import ImageDataset
    from real_data.scores import Scores

__all__ = ["extreme_images", "fig6"]

COLUMNS = 8  # at each end, where no class has more
LEAST_COLUMNS = 5  # room for the titles
CELL = 0.42  # inches of an image
CAPTION = 0.34  # room for a name below an image, in heights of it
CAPTION_SIZE = 5.0  # points: ten letters are as wide as an image
LONGEST = 10  # characters of a name below an image


def fig6(extremes: Results) -> Figure:
    """The images at both ends of a score: of the whole data set, with their classes, and of some classes.

    Args:
        extremes: of :func:`figures.compute.extremes.compute_extremes`, the file fig6.nc.

    Returns:
        A matplotlib figure: on the left the hardest images, on the right the easiest, hardest first in both; above
        those of the whole set, below a row for each class.

    Raises:
        ValueError: results of something else.

    Source: Sorscher et al. 2022, Fig. 6, where the score is that of self-supervised prototypes.
    """
    whole, of_classes = extremes["whole_image"], extremes["class_image"]
    names, labels, scores = extremes["class_name"], extremes["whole_label"], extremes["whole_score"]
    columns = max(of_classes.shape[2], min(COLUMNS, whole.shape[1]), LEAST_COLUMNS)
    room = np.full((*of_classes.shape[:2], columns - of_classes.shape[2], *of_classes.shape[3:]), 255)
    of_classes = np.concatenate([of_classes, room], axis=2)  # as wide as the rows above
    rows = -(-whole.shape[1] // columns)
    height, width = whole.shape[2:4]
    gap, below_image = _gaps(height, width)
    heights = [rows * (height + below_image), len(of_classes) * (height + gap)]  # pixels, so that all are of one size
    with style():
        inches = (CELL + 0.04) / (width + gap)
        figure = new_figure(1.3 + 2 * inches * (width + gap) * columns, 1.15 + inches * sum(heights))
        panels = figure.subplots(2, 2, height_ratios=heights)
        for e, end in enumerate(map(str, extremes["end"])):
            above, below = panels[:, e]
            captions = [_short(str(names[label])) for label in labels[e]]
            _draw_mosaic(above, whole[e], columns, captions)
            above.set_title(f"{end}\nscores {scores[e, 0]:.3g} to {scores[e, -1]:.3g}")
            _draw_mosaic(below, of_classes[:, e].reshape(-1, *of_classes.shape[3:]), columns)
        panels[0, 0].set_ylabel("all classes")
        _name_rows(panels[1, 0], [str(names[label]) for label in extremes["row_label"]])
        about = extremes.config
        title = f"{about['dataset']}, {about['num_examples']:,} images, {metric_name(about['metric'])} scores"
        figure.suptitle(title, fontsize=10)
        return figure


def extreme_images(
    dataset: ImageDataset, scores: Scores, num_per_class: int = 5, *, classes: Sequence[int] | None = None
) -> Figure:
    """The hardest and the easiest training images of each class.

    Args:
        dataset: the data set that was scored.
        scores: of its training images; among equal ones the order is drawn at random, with a fixed seed.
        num_per_class: images of either kind and class, at least 1; every class drawn has twice as many or more.
        classes: labels of the classes to draw, at most 20; None is all of them.

    Returns:
        A matplotlib figure: a row per class; left the hardest image first, right the easiest last.

    Raises:
        ValueError: scores of other images, too many or unknown classes, or a class with too few images.
    """
    scores.check(dataset)
    chosen = list(range(dataset.num_classes)) if classes is None else [int(label) for label in classes]
    indices = class_extremes(dataset, scores, num_per_class, chosen)
    pixels = drawn_pixels(dataset.train_images, indices)
    pixels = pixels.reshape(*indices.shape, *pixels.shape[1:])
    with style():
        figure = new_figure(1.3 + 0.92 * num_per_class, 0.6 + CELL * len(chosen))
        panels = figure.subplots(1, 2)
        for e, (axes, title) in enumerate(zip(panels, ("hardest", "easiest"), strict=True)):
            _draw_mosaic(axes, pixels[:, e].reshape(-1, *pixels.shape[3:]), num_per_class)
            axes.set_title(title)
        _name_rows(panels[0], [class_name(label, getattr(dataset, "class_names", None)) for label in chosen])
        figure.suptitle(f"{dataset.name}, {metric_name(scores.metric)} scores", fontsize=10)
        return figure


def _draw_mosaic(axes: Axes, images: NDArray[Any], columns: int, captions: Sequence[str] | None = None) -> None:
    """Images in 0..255 of shape (num_images, height, width, channels) side by side, white between; captions below."""
    number, height, width, channels = images.shape
    gap, below_image = _gaps(height, width)
    below = gap if captions is None else below_image
    rows = -(-number // columns)
    mosaic = np.full((rows * (height + below), columns * (width + gap), channels), 255, np.uint8)
    for n, image in enumerate(images):
        top, left = (n // columns) * (height + below) + gap // 2, (n % columns) * (width + gap) + gap // 2
        mosaic[top : top + height, left : left + width] = image
        if captions is not None:
            axes.text(left + width / 2, top + height, captions[n], ha="center", va="top", fontsize=CAPTION_SIZE)
    axes.imshow(mosaic if channels == 3 else mosaic[..., 0], cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.tick_params(length=0)


def _gaps(height: int, width: int) -> tuple[int, int]:
    """Pixels between images, and below one that has a caption."""
    gap = max(1, round(0.06 * max(height, width)))
    return gap, max(gap, round(CAPTION * height))


def _name_rows(axes: Axes, names: Sequence[str]) -> None:
    """Names on the left of the rows of a mosaic."""
    pixels = axes.get_images()[0].get_array()
    assert pixels is not None
    size = pixels.shape[0] / len(names)
    axes.set_yticks([(n + 0.5) * size - 0.5 for n in range(len(names))], list(names))


def _short(name: str) -> str:
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}."

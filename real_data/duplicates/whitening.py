r"""Numbers that tell images apart, from thumbnails: what differs between images counts, what a crop changes does not.

A thumbnail without its own mean, scaled to unit contrast, is projected on directions in which the images vary most
against what small crops and colour casts change.  With :math:`C` the covariance of the training images and :math:`N`
that of the changes, both measured on them, :math:`V^T C V = 1` and :math:`V^T N V = \mathrm{diag}(n)`: :math:`n_k` is
the share of the variance of number k that is change.  The numbers have weights
:math:`\sqrt{(1 - n_k) / (n_k + 0.05)}`.  Whitening alone is :math:`N = 1` and equal weights.

The weights are those of a linear discriminant between "the same picture, changed" and "another picture" for small
:math:`n_k` (as in Moghaddam, Jebara and Pentland, *Bayesian face recognition*, 2000, whose likelihood ratio of pairs
itself found fewer known pairs here than the cosine).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from real_data.duplicates.thumbnails import AT_ONCE, PART, SIZE, Boxes, area_means

__all__ = ["Whitening", "changed_thumbnails", "fit_whitening", "unit_rows"]

NUMBERS = 128
"""Most numbers an image is described by."""

ZOOM = 0.12  # most of a side that a crop cuts off
CAST = 0.15  # standard deviation of a colour cast over the contrast of a usual image
FAINT = 0.1  # of the usual contrast: images of less are not amplified to the full
NOISE = 1e-3  # of the mean variance: what rounding and compression do to every number
STEEPNESS = 0.05  # keeps the weight of numbers that hardly change finite
CHANGED = 4000
"""Images whose changes are looked at."""


@dataclass(frozen=True, eq=False)
class Whitening:
    """A map from thumbnails to numbers.

    Attributes:
        contrast: usual length of a thumbnail without its mean.
        mean: mean of the thumbnails at unit contrast, shape (SIZE SIZE channels,).
        matrix: shape (SIZE SIZE channels, num_numbers), float32.
        noise_share: share of the variance of each number that is due to changes, ascending, shape (num_numbers,).
    """

    contrast: float
    mean: NDArray[np.float32]
    matrix: NDArray[np.float32]
    noise_share: NDArray[np.float64]

    def __call__(self, thumbnails: NDArray[np.float32]) -> NDArray[np.float32]:
        """Unit vectors that describe thumbnails, shape (num, num_numbers); their products are cosines."""
        found = np.empty((len(thumbnails), self.matrix.shape[1]), np.float32)
        for part in _parts(len(thumbnails)):
            found[part] = unit_rows((_at_unit_contrast(thumbnails[part], self.contrast) - self.mean) @ self.matrix)
        return found


def fit_whitening(
    thumbnails: NDArray[np.float32],
    originals: NDArray[np.float32],
    changed: NDArray[np.float32],
    *,
    mirror: bool = False,
) -> Whitening:
    """Fit the map to images.

    Args:
        thumbnails: of the training images, shape (num, SIZE, SIZE, channels).
        originals: of some of them, shape (num_changed, SIZE, SIZE, channels).
        changed: the same ones, changed.
        mirror: take mirrored images for images of the same kind, so that the cosine of an image with the mirrored
            other one is that of the other with the mirrored one.

    Returns:
        The map.

    Raises:
        ValueError: nothing tells the images apart, or there is one only.
    """
    from scipy.linalg import eigh

    if len(thumbnails) < 2:
        raise ValueError("thumbnails need two different training images at least, to be told apart")
    if mirror:
        originals, changed = (np.concatenate([x, x[:, :, ::-1]]) for x in (originals, changed))
    contrasts = [np.linalg.norm(_without_mean(thumbnails[part]), axis=1) for part in _parts(len(thumbnails))]
    contrast = float(np.median(np.concatenate(contrasts)))
    if contrast == 0:
        raise ValueError("half of the images or more are of one colour: thumbnails do not tell them apart")
    mean, covariance = _moments(thumbnails, contrast, mirror=mirror)
    change = _at_unit_contrast(changed, contrast) - _at_unit_contrast(originals, contrast)
    of_changes = (change.T @ change).astype(np.float64) / (2 * len(change))  # both of a pair may be changed
    noise = NOISE * np.trace(covariance) / len(covariance) * np.eye(len(covariance))
    share, directions = eigh(of_changes + noise, covariance + noise)
    good = np.flatnonzero(share < 1)[:NUMBERS]
    if good.size == 0:
        raise ValueError("thumbnails do not tell the images apart: what crops change is as large as their differences")
    weights = np.sqrt((1 - share[good]) / (share[good] + STEEPNESS))
    return Whitening(contrast, mean.astype(np.float32), (directions[:, good] * weights).astype(np.float32), share[good])


def changed_thumbnails(images: Any, rows: NDArray[np.int64], seed: int) -> NDArray[np.float32]:
    """Thumbnails of images after a small crop and a colour cast.

    Args:
        images: an array of shape (num, height, width, channels) or image files.
        rows: which of them, shape (num_changed,).
        seed: non-negative integer.

    Returns:
        Shape (num_changed, SIZE, SIZE, channels).
    """
    _, height, width, channels = images.shape
    rng = np.random.default_rng(seed)
    sides = rng.uniform(1 - ZOOM, 1, (2, rows.size))
    corners = rng.uniform(0, 1 - sides)
    boxes = Boxes(corners[0], corners[1], sides[0], sides[1])
    step = max(1, AT_ONCE // (height * width * channels))
    parts = [
        area_means(np.asarray(images[rows[at : at + step]]), SIZE, boxes[at : at + step])
        for at in range(0, rows.size, step)
    ]
    thumbnails = np.concatenate(parts)
    usual = np.median(np.linalg.norm(_without_mean(thumbnails), axis=1)) / np.sqrt(thumbnails[0].size)
    return thumbnails + (CAST * usual * rng.standard_normal((rows.size, 1, 1, channels))).astype(np.float32)


def unit_rows(rows: NDArray[np.floating], chosen: NDArray[np.int64] | None = None) -> NDArray[np.float32]:
    """Rows, or those chosen, over their lengths, float32; zero where a row is zero."""
    num = len(rows) if chosen is None else chosen.size
    found = np.empty((num, rows.shape[1]), np.float32)
    step = max(1, AT_ONCE // rows.shape[1])
    for start in range(0, num, step):
        part = slice(start, start + step)
        block = rows[part if chosen is None else chosen[part]].astype(np.float64)  # squares may overflow in float16
        lengths = np.linalg.norm(block, axis=1, keepdims=True)
        found[part] = block / np.where(lengths > 0, lengths, 1)
    return found


def _moments(
    thumbnails: NDArray[np.float32], contrast: float, *, mirror: bool
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and covariance at unit contrast, part by part: a million thumbnails are a gigabyte."""

    def at_unit_contrast() -> Iterator[NDArray[np.float32]]:
        for part in _parts(len(thumbnails)):
            yield _at_unit_contrast(thumbnails[part], contrast)
            if mirror:
                yield _at_unit_contrast(thumbnails[part][:, :, ::-1], contrast)

    width, number = thumbnails[0].size, len(thumbnails) * (1 + mirror)
    mean = sum((flat.sum(axis=0, dtype=np.float64) for flat in at_unit_contrast()), np.zeros(width)) / number
    covariance = np.zeros((width, width))
    for flat in at_unit_contrast():
        apart = flat - mean
        covariance += apart.T @ apart
    return mean, covariance / (number - 1)


def _parts(number: int) -> list[slice]:
    return [slice(start, start + PART) for start in range(0, number, PART)]


def _without_mean(thumbnails: NDArray[np.float32]) -> NDArray[np.float32]:
    flat = thumbnails.reshape(len(thumbnails), -1)
    return flat - flat.mean(axis=1, keepdims=True)


def _at_unit_contrast(thumbnails: NDArray[np.float32], contrast: float) -> NDArray[np.float32]:
    flat = _without_mean(thumbnails)
    return flat / (np.linalg.norm(flat, axis=1, keepdims=True) + np.float32(FAINT * contrast))

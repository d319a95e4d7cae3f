"""Trim the hardest and even out the rest: ``KeepCoverage``."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from data_pruning.arguments import fraction_kept
from data_pruning.keep_by_score import (
    LARGEST_MARGIN,
    KeepByScore,
    check_trim,
    margin_of_rank,
    not_traced,
    num_trimmed,
    trim_left,
)

__all__ = ["KeepCoverage", "water_filling"]

Floats = NDArray[np.float64]
NUM_STRATA = 50


@dataclass(frozen=True)
class KeepCoverage(KeepByScore):
    """Drop the hardest share ``trim``, cut the rest into 50 strata of equal width in score, keep as many of each.

    Coverage-centric selection (Zheng, Liu, Lai and Prakash, *Coverage-centric coreset selection for high pruning
    rates*, ICLR 2023): a stratum that holds fewer than its part is kept whole, and the others share what it leaves.
    So the histogram of scores is flattened, its sparse tails kept whole.  In the perceptron the score is -|z|, z the
    margin of the probe, and the strata are infinitely many: the density of kept examples is constant in |z| up to a
    margin beyond which all are kept.

    Attributes:
        f: fraction kept, in (0, 1].
        trim: beta, the share of all examples that is dropped as the hardest, in [0, 1 - f].
    """

    f: Any
    trim: Any = 0.0

    def __post_init__(self) -> None:
        not_traced(f=self.f, trim=self.trim)
        check_trim(self.f, self.trim)

    @property
    def fraction(self) -> Any:  # noqa: D102
        return np.broadcast_to(fraction_kept(self.f), self.shape)[()]

    def with_fraction(self, f: float) -> KeepCoverage:
        """The rule with the same share dropped, or as much as ``f`` leaves."""
        return KeepCoverage(f, trim_left(f, self.trim))

    def _chances_of_scores(self, scores: Floats, count: int) -> Floats:
        stratum, sizes, kept = self._strata(scores, count)
        inside = stratum >= 0
        return np.where(inside, (kept / np.maximum(sizes, 1))[stratum], 0.0)

    def positions_by_score(
        self, scores: ArrayLike, count: int | None = None, rng: np.random.Generator | None = None
    ) -> NDArray[np.int64]:
        """As ``KeepRule.positions_by_score``: the exact number of each stratum, drawn at random."""
        values = np.asarray(scores, np.float64)
        number = self._nearest_number(values.size) if count is None else count
        stratum, sizes, kept = self._strata(values, number)
        if rng is None and np.any(kept < sizes):
            raise ValueError(f"{self} keeps examples at random: give rng, a numpy.random.Generator")
        chosen = []
        for b, n in enumerate(kept):
            members = np.flatnonzero(stratum == b)
            chosen.append(members if n == members.size else rng.choice(members, n, replace=False))  # type: ignore[union-attr]
        return np.sort(np.concatenate(chosen))

    def _strata(self, values: Floats, count: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Stratum of each example (-1: dropped), size of each stratum, and how many of it are kept."""
        dropped = num_trimmed(self._single().trim, values.size, count)
        rest = values[dropped:]
        high, low = rest[0], rest[-1]  # hardest first
        width = (high - low) / NUM_STRATA
        of_rest = np.zeros(rest.size, np.int64)
        if width > 0:
            of_rest = np.clip(((rest - low) / width).astype(np.int64), 0, NUM_STRATA - 1)
        stratum = np.concatenate([np.full(dropped, -1), of_rest])
        sizes = np.bincount(of_rest, minlength=NUM_STRATA)
        return stratum, sizes, water_filling(sizes, count)

    def _at_margin(self) -> tuple[list[float], Callable[[Floats], Floats]]:
        from scipy.optimize import brentq
        from scipy.special import erf, erfc

        f, trim = float(self.f), min(float(self.trim), 1 - float(self.f))
        low = float(margin_of_rank(trim))

        def density(z: float) -> float:
            return 2 / math.sqrt(2 * math.pi) * math.exp(-0.5 * z * z)

        def excess(top: float) -> float:
            return density(top) * (top - low) + erfc(top / math.sqrt(2)) - f

        top = low if excess(low) <= 0 else float(brentq(excess, low, LARGEST_MARGIN, xtol=1e-14, rtol=1e-14))

        def probability(z: Floats) -> Floats:
            z = np.asarray(z, np.float64)
            return np.where(z < low, 0.0, np.exp(np.minimum(0.5 * (z * z - top * top), 0.0)))

        return [trim, float(erf(top / math.sqrt(2)))], probability


def water_filling(sizes: ArrayLike, total: int) -> NDArray[np.int64]:
    """How many of each stratum are kept: equal parts, but no more than there are; the larger take what is left.

    Strata are served from the smallest to the largest, each getting min(size, what is left // strata left).

    Args:
        sizes: examples of each stratum, shape (num_strata,).
        total: examples to keep, at most the sum of the sizes.

    Returns:
        Numbers that add up to ``total``, shape (num_strata,).
    """
    sizes = np.asarray(sizes, np.int64)
    kept, left = np.zeros_like(sizes), total
    smallest_first = np.argsort(sizes, kind="stable")
    for served, b in enumerate(smallest_first):
        kept[b] = min(sizes[b], left // (sizes.size - served))
        left -= kept[b]
    return kept

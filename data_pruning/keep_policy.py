"""Any keep probability over difficulty rank: ``KeepPolicy``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from data_pruning.apportionment import apportion
from data_pruning.arguments import fraction_kept, is_traced, real_array
from data_pruning.keep_rules import KeepRule, nearest_whole

__all__ = ["KeepPolicy"]


@dataclass(frozen=True)
class KeepPolicy(KeepRule):
    """Any keep probability over difficulty rank that is constant between grid points.

    ``KeepPolicy([0, 0.2, 1], [1, 0])`` is ``KeepHard(0.2)``, ``KeepPolicy([0, 1], [0.2])`` is ``KeepRandom(0.2)``.

    Attributes:
        edges: the grid of ranks, from 0 to 1, increasing, shape (num_cells + 1,).
        probability: keep probability on each cell, in [0, 1], not all zero; shape (num_cells,), or
            (..., num_cells) for an array of policies.
    """

    edges: ArrayLike
    probability: Any

    def __post_init__(self) -> None:
        edges, probability = real_array("edges", self.edges), real_array("probability", self.probability)
        if is_traced(edges):
            raise TypeError("the edges of a KeepPolicy cannot be traced by JAX; its probability can")
        if edges.ndim != 1 or edges.size < 2 or edges[0] != 0 or edges[-1] != 1 or np.any(np.diff(edges) <= 0):
            raise ValueError(f"edges must increase from 0 to 1, at least two of them, got {self.edges!r}")
        if probability.ndim < 1 or probability.shape[-1] != edges.size - 1:
            raise ValueError(
                f"probability needs one value per cell, {edges.size - 1} along its last axis, got shape "
                f"{probability.shape}"
            )
        if is_traced(probability):
            return
        if np.any((probability < 0) | (probability > 1)):
            raise ValueError(f"probability must lie in [0, 1], got {self.probability!r}")
        if np.any(probability.sum(axis=-1) == 0):
            raise ValueError("probability is zero on every cell: the policy keeps nothing")

    def windows(self) -> tuple[Any, Any, Any]:
        """The cells; those of one policy without empty ones and with equal neighbours merged."""
        edges, probability = real_array("edges", self.edges), real_array("probability", self.probability)
        if is_traced(probability) or probability.ndim > 1:
            shape = probability.shape
            return np.broadcast_to(edges[:-1], shape), np.broadcast_to(edges[1:], shape), probability
        start = np.flatnonzero(np.r_[True, probability[1:] != probability[:-1]])
        stop = np.r_[start[1:], probability.size]
        kept = probability[start] > 0
        return edges[start][kept], edges[stop][kept], probability[start][kept]

    def with_fraction(self, f: float) -> KeepPolicy:
        """The policy of mean ``f`` in (0, 1] with each probability moved in proportion towards 0 or towards 1."""
        old, new = float(self._single().fraction), float(fraction_kept(f))
        probability = real_array("probability", self.probability)
        if new <= old:
            return KeepPolicy(self.edges, probability * (new / old))
        return KeepPolicy(self.edges, 1 - (1 - probability) * ((1 - new) / (1 - old)))

    def num_kept(self, num_examples: int) -> int:
        """As ``KeepRule.num_kept``: the whole number nearest to f ``num_examples``."""
        return self._nearest_number(num_examples)

    def kept_positions(self, num_examples: int, rng: np.random.Generator | None = None) -> NDArray[np.int64]:
        """As ``KeepRule.kept_positions``, with the whole number nearest to f ``num_examples`` kept in total.

        Cells are bounded by the nearest whole examples; their numbers kept are rounded by largest remainder.
        """
        if num_examples < 1:
            raise ValueError(f"num_examples must be at least 1, got {num_examples}")
        lower, upper, probability = self._single().windows()
        start, stop = (np.array([nearest_whole(x, num_examples) for x in edges]) for edges in (lower, upper))
        whole = nearest_whole(self.fraction, num_examples)
        total = min(whole, int(np.sum(stop - start)))
        share = (stop - start) * probability
        counts = np.minimum(apportion(total, share) if share.any() else 0 * start, stop - start)
        while counts.sum() < total:  # cells that were full pass what they could not take to those most short of theirs
            short = np.where(counts < stop - start, share - counts, -np.inf)
            counts[np.argmax(short)] += 1
        if whole == 0:
            raise ValueError(f"{self} keeps none of {num_examples} examples: keep a larger fraction")
        if rng is None and np.any(counts < stop - start):
            raise ValueError(f"{self} keeps examples at random: give rng, a numpy.random.Generator")
        kept = [
            np.arange(a, b) if n == b - a else np.sort(rng.choice(np.arange(a, b), n, replace=False))  # type: ignore[union-attr]
            for a, b, n in zip(start, stop, counts, strict=True)
        ]
        positions = np.concatenate(kept)
        if positions.size < whole:  # few examples, many cells: the others of highest mean probability fill up
            ends = np.arange(num_examples + 1) / num_examples
            overlap = np.minimum(ends[1:, None], upper) - np.maximum(ends[:-1, None], lower)
            mean = np.sum(np.maximum(overlap, 0) * probability, axis=1)
            mean[positions] = -1
            positions = np.sort(np.append(positions, np.argsort(-mean, kind="stable")[: whole - positions.size]))
        return positions

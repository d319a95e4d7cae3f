"""Keep rules that look at the value of the score, not at the rank alone."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import fields
from functools import cached_property
from itertools import pairwise
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from data_pruning.apportionment import apportion
from data_pruning.arguments import broadcast, fraction_kept, is_traced, real_array
from data_pruning.keep_rules import KeepRule, nearest_whole
from data_pruning.sampling import capped_probabilities, draw_with_probabilities

__all__ = ["KeepByScore", "margin_of_rank"]

Floats = NDArray[np.float64]

NUM_CELLS = 64  # of rank, on which the theory sees a keep probability that varies smoothly
NUM_SAMPLES = 2000
NODES, WEIGHTS = np.polynomial.legendre.leggauss(16)
LARGEST_MARGIN = 40.0  # of rank 1
FAR_MARGIN = 5.0  # beyond it there is next to nothing


class KeepByScore(KeepRule):
    """A keep probability that varies smoothly with the score.

    On data, the probability follows from the scores.  In the perceptron, where the margin |z| of the probe is what is
    known of an example, it is a function of |z|; theory and simulation then see it as a function of rank.  The theory
    averages it over ``NUM_CELLS`` cells of rank, narrow where it varies; test errors are right to about 2e-4 of
    themselves (1e-13 for rules made of windows).
    """

    @abstractmethod
    def _chances_of_scores(self, scores: Floats, count: int) -> Floats:
        """Probabilities that add up to ``count``, of examples with these scores, hardest first."""

    @abstractmethod
    def _at_margin(self) -> tuple[list[float], Callable[[Floats], Floats]]:
        """Of one rule: ranks at which the probability has a corner or a jump, and the probability at margins |z|."""

    def __call__(self, rank: ArrayLike) -> Floats:
        """Probability of keeping an example of the perceptron of difficulty ``rank``, in [0, 1]; not averaged."""
        u = np.asarray(rank, np.float64)
        if np.any((u < 0) | (u > 1)):
            raise ValueError(f"rank must lie in [0, 1], got {rank!r}")
        self._single()
        return self._at_margin()[1](margin_of_rank(u))

    @property
    def shape(self) -> tuple[int, ...]:  # noqa: D102
        return np.broadcast_shapes(*(np.shape(getattr(self, field.name)) for field in fields(self)))  # type: ignore[arg-type]

    def windows(self) -> tuple[Floats, Floats, Floats]:
        """``NUM_CELLS`` cells with the mean probability of each."""
        return self._cells

    @cached_property
    def _cells(self) -> tuple[Floats, Floats, Floats]:
        if self.shape == ():
            return _cells_of(*self._at_margin(), float(self.fraction))
        cells = [_cells_of(*one._at_margin(), float(one.fraction)) for one in self._each()]
        lower, upper, probability = (
            np.stack([one[i] for one in cells]).reshape(*self.shape, NUM_CELLS) for i in range(3)
        )
        return lower, upper, probability

    def _each(self) -> list[Self]:
        """The rules of an array of rules."""
        names = [field.name for field in fields(self)]  # type: ignore[arg-type]
        values = np.broadcast_arrays(*(np.asarray(getattr(self, name)) for name in names))
        return [
            type(self)(**{name: value.flat[i].item() for name, value in zip(names, values, strict=True)})
            for i in range(values[0].size)
        ]

    def num_kept(self, num_examples: int) -> int:
        """As ``KeepRule.num_kept``: the whole number nearest to f ``num_examples``."""
        return self._nearest_number(num_examples)

    def kept_positions(self, num_examples: int, rng: np.random.Generator | None = None) -> NDArray[np.int64]:
        """As ``KeepRule.kept_positions``, of examples of the perceptron: the rank says what the margin is."""
        count = self._nearest_number(num_examples)
        return draw_with_probabilities(self.chances(num_examples, count), count, rng)

    def positions_by_score(
        self, scores: ArrayLike, count: int | None = None, rng: np.random.Generator | None = None
    ) -> NDArray[np.int64]:
        """As ``KeepRule.positions_by_score``, by the values of the scores."""
        values = np.asarray(scores, np.float64)
        number = self._nearest_number(values.size) if count is None else count
        return draw_with_probabilities(self.chances(values.size, number, values), number, rng)

    def chances(self, num_examples: int, count: int, scores: ArrayLike | None = None) -> Floats:
        """As ``KeepRule.chances``: from the scores, or where only ranks are known, of examples of the perceptron."""
        if scores is not None:
            return self._chances_of_scores(np.asarray(scores, np.float64), count)
        chances = self((np.arange(num_examples) + 0.5) / num_examples)
        possible = np.flatnonzero(chances > 0)
        if possible.size < count:  # few examples, and a rule that leaves a part out altogether
            possible = np.argsort(-chances, kind="stable")[:count]
        found = np.zeros(num_examples)
        found[possible] = capped_probabilities(np.maximum(chances[possible], 1e-300), count)
        return found


def not_traced(**arguments: Any) -> None:
    """Raise a ``TypeError`` if one of these is traced by JAX: what follows from it is computed beforehand."""
    for name, value in arguments.items():
        if is_traced(value):
            raise TypeError(f"{name} of this rule cannot be traced by JAX; the probability of a KeepPolicy can")


def check_trim(f: Any, trim: Any, **others: Any) -> None:
    """Raise a ``ValueError`` unless ``trim``, the share dropped as the hardest, leaves the fraction ``f``."""
    fraction, dropped = fraction_kept(f), real_array("trim", trim)
    broadcast(f=fraction, trim=dropped, **others)
    if np.any((dropped < 0) | (dropped + fraction > 1 + 1e-9)):
        raise ValueError(f"trim, the share dropped as the hardest, must lie in [0, 1 - f], got {trim!r} with f = {f!r}")


def trim_left(f: Any, trim: Any) -> Any:
    """The share that is dropped as the hardest where the fraction ``f`` is kept: no more than that leaves."""
    return np.minimum(trim, 1 - np.asarray(fraction_kept(f)))[()]


def num_trimmed(trim: Any, num_examples: int, count: int) -> int:
    """How many examples are dropped as the hardest where ``count`` are kept."""
    return min(nearest_whole(float(trim), num_examples), num_examples - count)


def margin_of_rank(rank: Any) -> Floats:
    """Margin |z| of the probe at difficulty rank u = erf(|z| / sqrt 2) in [0, 1]; 40 at u = 1."""
    from scipy.special import erfinv, ndtri

    u = np.asarray(rank, np.float64)
    upper_tail = -ndtri(np.clip((1 - u) / 2, 1e-300, 0.5))  # keeps its digits near u = 1
    return np.where(u == 1, LARGEST_MARGIN, np.where(u > 0.5, upper_tail, np.sqrt(2) * erfinv(np.minimum(u, 0.5))))


def _cells_of(
    corners: list[float], probability: Callable[[Floats], Floats], fraction: float
) -> tuple[Floats, Floats, Floats]:
    """Cells of rank, and the mean probability of each, which add up to the fraction."""

    def at(rank: Floats) -> Floats:
        return probability(margin_of_rank(rank))

    inside = {corner for corner in corners if 0 < corner < 1}
    ends = [0.0, *sorted(inside), 1.0]
    pieces = [_Piece.of(at, start, stop) for start, stop in pairwise(ends)]
    # every piece has one cell, and the others go where the probability varies
    share = np.array([piece.variation / fraction + 0.2 * (piece.rank[-1] - piece.rank[0]) for piece in pieces])
    varies = np.array([piece.variation > 0 for piece in pieces])
    number = 1 + apportion(NUM_CELLS - len(pieces), share * varies if varies.any() else share)
    edges = np.concatenate([[0.0], *(piece.edges(n) for piece, n in zip(pieces, number, strict=True))])
    lower, width = edges[:-1], np.diff(edges)
    mean = at(lower[:, None] + width[:, None] * (1 + NODES) / 2) @ WEIGHTS / 2
    for _ in range(3):  # cells below 1 make good what quadrature misses; some may get there
        free = mean < 1
        missed = (fraction - width @ mean) / np.maximum(width[free] @ mean[free], 1e-300)
        mean = np.where(free, np.minimum(mean * (1 + missed), 1.0), mean)
    return lower, edges[1:], mean


class _Piece(NamedTuple):
    """Ranks between two corners, where the keep probability is smooth.

    Attributes:
        rank: ranks, increasing, the two corners included.
        change: by how much the probability has changed from the first corner to each rank.
    """

    rank: Floats
    change: Floats

    @classmethod
    def of(cls, at: Callable[[Floats], Floats], start: float, stop: float) -> Self:
        """The piece, sampled densely at both ends."""
        x = np.geomspace(1e-9, 0.5, NUM_SAMPLES // 2)
        inner = start + (stop - start) * np.concatenate([x, 1 - x[-2::-1]])
        change = np.cumsum(np.abs(np.diff(at(inner), prepend=at(inner[:1]))))  # inside: not over a jump at a corner
        rank = np.concatenate([[start], inner, [stop]])
        return cls(rank, np.concatenate([[0.0], change, change[-1:]]))

    @property
    def variation(self) -> float:
        """By how much the probability changes along the piece."""
        return float(self.change[-1])

    def edges(self, number: int) -> Floats:
        """Upper ends of cells along which rank, margin and probability change about equally, shape (number,)."""
        start, stop = self.rank[0], self.rank[-1]
        # rare examples of large margin matter to some losses
        margin = np.minimum(margin_of_rank(self.rank), FAR_MARGIN)
        monitor = (self.rank - start) / (stop - start) + (margin - margin[0]) / (margin[-1] - margin[0])
        if self.variation > 0:
            monitor = monitor + self.change / self.variation
        return np.append(np.interp(monitor[-1] * np.arange(1, number) / number, monitor, self.rank), stop)

"""Keep rules: which examples stay, as a function of difficulty rank.

A keep rule is a function pi(u) from an example's difficulty rank u in [0, 1] (0 = hardest, 1 = easiest) to
the probability of keeping it.  The theory integrates against it, the simulations apply it to the probe's margin
|J.x|, the real-data experiments apply it to EL2N or any other score: one object in all three.

In the perceptron the difficulty rank of an example is u = erf(|z| / sqrt 2), z = J.x its margin under the probe J
(Sorscher et al., NeurIPS 2022, section 2), so that u is uniform on [0, 1].
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from data_pruning.arguments import broadcast, fraction_kept, is_traced, real_array

__all__ = ["KeepEasy", "KeepHard", "KeepRandom", "KeepRule", "KeepWindow"]

Floats = NDArray[np.float64]


class KeepRule(ABC):
    """A piecewise-constant keep probability over difficulty rank.

    Sub-classes say which windows of rank they keep; everything else follows from that.
    """

    @abstractmethod
    def windows(self) -> tuple[Floats, Floats, Floats]:
        """The rank windows kept: arrays ``(lower, upper, probability)`` of shape ``(*shape, num_windows)``."""

    @property
    def weight_power(self) -> float:
        """Power gamma of the importance weights that kept examples carry; 0: all weigh the same."""
        return 0.0

    def with_fraction(self, f: float) -> KeepRule:
        """A rule of the same kind that keeps the fraction ``f`` in (0, 1]."""
        raise NotImplementedError(f"{type(self).__name__} has no with_fraction")

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the rule's fields: ``()`` for one rule, otherwise an array of rules."""
        return self.windows()[0].shape[:-1]

    @property
    def fraction(self) -> Any:
        """Fraction of the data kept, f: the mean of pi(u) over u (a float for one rule, else an array)."""
        lower, upper, probability = self.windows()
        f = ((upper - lower) * probability).sum(axis=-1)
        return f if is_traced(f) or f.ndim else float(f)

    def __call__(self, rank: ArrayLike) -> Floats:
        """Probability of keeping an example of difficulty ``rank`` (0 = hardest, 1 = easiest), in [0, 1].

        Raises:
            ValueError: a rank outside [0, 1], or the rule is an array of rules.
        """
        u = real_array("rank", rank)
        if np.any((u < 0) | (u > 1)):
            raise ValueError(f"rank must lie in [0, 1], got {rank!r}")
        lower, upper, probability = self._single().windows()
        inside = (u[..., None] >= lower) & ((u[..., None] < upper) | (upper == 1))
        return np.sum(np.where(inside, probability, 0.0), axis=-1)

    def kept_positions(self, num_examples: int, rng: np.random.Generator | None = None) -> NDArray[np.int64]:
        """Positions kept among ``num_examples`` examples sorted from hardest to easiest, increasing.

        A window keeps the nearest whole number of examples to its width, and starts at the example nearest to its
        lower edge, so that keep-hard, keep-easy and a window of the same width keep the same number.  A window with
        probability below 1 keeps that share of its examples, drawn without replacement.

        Args:
            num_examples: number of examples, at least 1.
            rng: needed by rules with a probability strictly between 0 and 1 (for example ``KeepRandom``).

        Raises:
            ValueError: nothing would be kept, the rule is an array of rules, or ``rng`` is missing.
        """
        if num_examples < 1:
            raise ValueError(f"num_examples must be at least 1, got {num_examples}")
        kept = []
        for lower, upper, probability in zip(*self._single().windows(), strict=True):
            width = nearest_whole(upper - lower, num_examples)
            start = min(nearest_whole(lower, num_examples), num_examples - width)
            stop = start + width
            count = nearest_whole(probability, width)
            if count == stop - start:
                kept.append(np.arange(start, stop))
            elif rng is None:
                raise ValueError(f"{self} keeps examples at random: give rng, a numpy.random.Generator")
            else:
                kept.append(np.sort(rng.choice(np.arange(start, stop), count, replace=False)))
        positions = np.concatenate(kept)
        if positions.size == 0:
            raise ValueError(f"{self} keeps none of {num_examples} examples: keep a larger fraction")
        return positions

    def num_kept(self, num_examples: int) -> int:
        """How many of ``num_examples`` examples ``kept_positions`` keeps, without a list of them.

        Raises:
            ValueError: as ``kept_positions``.
        """
        if num_examples < 1:
            raise ValueError(f"num_examples must be at least 1, got {num_examples}")
        count = 0
        for lower, upper, probability in zip(*self._single().windows(), strict=True):
            count += nearest_whole(probability, nearest_whole(upper - lower, num_examples))
        if count == 0:
            raise ValueError(f"{self} keeps none of {num_examples} examples: keep a larger fraction")
        return count

    def positions_by_score(
        self, scores: ArrayLike, count: int | None = None, rng: np.random.Generator | None = None
    ) -> NDArray[np.int64]:
        """Positions kept among examples sorted from hardest to easiest, by their scores.

        Most rules look at the rank alone; then this is ``kept_positions``.

        Args:
            scores: scores, higher = harder, decreasing, shape (num_examples,).
            count: number of examples to keep, at least 1; None is what the fraction says.
            rng: as for ``kept_positions``.

        Returns:
            Positions, increasing, shape (count,).

        Raises:
            ValueError: as ``kept_positions``; a rule whose windows cannot be divided into so many whole examples.
        """
        size = np.shape(scores)[0]
        if count is None:
            return self.kept_positions(size, rng)
        rule = self.with_fraction(count / size)
        positions = rule.kept_positions(size, rng)
        if positions.size != count:
            raise ValueError(f"{rule} keeps {positions.size} of {size} examples, not {count}: prune without labels")
        return positions

    def chances(self, num_examples: int, count: int, scores: ArrayLike | None = None) -> Floats:
        """The probability with which each example is kept where ``count`` are, before rounding to whole examples.

        Args:
            num_examples: number of examples, sorted from hardest to easiest.
            count: number of examples to keep, at least 1.
            scores: as for ``positions_by_score``; None where only ranks are known.

        Returns:
            Probabilities in [0, 1], shape (num_examples,).
        """
        rule, ends = self.with_fraction(count / num_examples), np.arange(num_examples + 1) / num_examples
        chances = rule((ends[:-1] + ends[1:]) / 2)
        # an example on the edge of a window may be kept by rounding
        return np.where(chances > 0, chances, np.maximum(rule(ends[:-1]), rule(ends[1:])))

    def _nearest_number(self, num_examples: int) -> int:
        """The whole number nearest to f ``num_examples``, at least 1."""
        if num_examples < 1:
            raise ValueError(f"num_examples must be at least 1, got {num_examples}")
        count = nearest_whole(float(self._single().fraction), num_examples)
        if count == 0:
            raise ValueError(f"{self} keeps none of {num_examples} examples: keep a larger fraction")
        return count

    def _single(self) -> Self:
        if self.shape != ():
            raise ValueError(f"one keep rule is needed here, got an array of rules of shape {self.shape}")
        return self


def nearest_whole(rank: float, num_examples: int) -> int:
    """``rank * num_examples`` to the nearest integer; halves go symmetrically, so edge(u) = n - edge(1 - u)."""
    if rank > 0.5:
        return num_examples - nearest_whole(1 - rank, num_examples)
    return math.floor(round(rank * num_examples, 9) + 0.5)  # 9 digits: 0.35 * 10 counts as the half it means


@dataclass(frozen=True)
class KeepHard(KeepRule):
    """Keep the hardest fraction ``f`` in (0, 1]: difficulty ranks [0, f].

    Example:
        >>> from data_pruning import KeepHard
        >>> KeepHard(0.4).kept_positions(5)  # of five examples from hardest to easiest
        array([0, 1])
    """

    f: Any

    def __post_init__(self) -> None:
        fraction_kept(self.f)

    @property
    def fraction(self) -> Any:  # noqa: D102
        return fraction_kept(self.f)[()]

    def windows(self) -> tuple[Floats, Floats, Floats]:  # noqa: D102
        f = fraction_kept(self.f)[..., None]
        return 0 * f, f, 0 * f + 1

    def with_fraction(self, f: float) -> KeepHard:  # noqa: D102
        return KeepHard(f)


@dataclass(frozen=True)
class KeepEasy(KeepRule):
    """Keep the easiest fraction ``f`` in (0, 1]: difficulty ranks [1 - f, 1]."""

    f: Any

    def __post_init__(self) -> None:
        fraction_kept(self.f)

    @property
    def fraction(self) -> Any:  # noqa: D102
        return fraction_kept(self.f)[()]

    def windows(self) -> tuple[Floats, Floats, Floats]:  # noqa: D102
        f = fraction_kept(self.f)[..., None]
        return 1 - f, 0 * f + 1, 0 * f + 1

    def with_fraction(self, f: float) -> KeepEasy:  # noqa: D102
        return KeepEasy(f)


@dataclass(frozen=True)
class KeepRandom(KeepRule):
    """Keep a random fraction ``f`` in (0, 1] whatever the difficulty: pi(u) = f."""

    f: Any

    def __post_init__(self) -> None:
        fraction_kept(self.f)

    @property
    def fraction(self) -> Any:  # noqa: D102
        return fraction_kept(self.f)[()]

    def windows(self) -> tuple[Floats, Floats, Floats]:  # noqa: D102
        f = fraction_kept(self.f)[..., None]
        return 0 * f, 0 * f + 1, f

    def with_fraction(self, f: float) -> KeepRandom:  # noqa: D102
        return KeepRandom(f)


@dataclass(frozen=True)
class KeepWindow(KeepRule):
    """Keep difficulty ranks [``lower``, ``upper``], 0 <= lower < upper <= 1; 0 = hardest."""

    lower: Any
    upper: Any

    def __post_init__(self) -> None:
        lower, upper = real_array("lower", self.lower), real_array("upper", self.upper)
        broadcast(lower=lower, upper=upper)
        if not is_traced(lower, upper) and np.any((lower < 0) | (upper > 1) | (lower >= upper)):
            raise ValueError(
                f"KeepWindow needs 0 <= lower < upper <= 1, got lower = {self.lower!r}, upper = {self.upper!r}"
            )

    def windows(self) -> tuple[Floats, Floats, Floats]:  # noqa: D102
        lower, upper = real_array("lower", self.lower), real_array("upper", self.upper)
        lower, upper = lower + 0 * upper, upper + 0 * lower  # broadcast
        return lower[..., None], upper[..., None], 0 * lower[..., None] + 1

    def with_fraction(self, f: float) -> KeepWindow:
        """The window of width ``f`` at the same relative position between hardest (0) and easiest (1 - f)."""
        width = float(fraction_kept(f))
        lower, upper, _ = (float(edge[0]) for edge in self._single().windows())
        place = 0.0 if upper - lower == 1 else lower / (1 - (upper - lower))
        return KeepWindow(place * (1 - width), min(1.0, place * (1 - width) + width))

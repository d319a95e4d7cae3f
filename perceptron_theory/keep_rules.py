"""Keep rules: which examples stay, as a function of difficulty rank.

A keep rule is a function pi(u) from an example's difficulty rank u in [0, 1] (0 = hardest, 1 = easiest) to
the probability of keeping it.  The theory integrates against it, the simulations apply it to the probe's margin
|J.x|, the real-data experiments apply it to EL2N or any other score: one object in all three.

In the perceptron the difficulty rank of an example is u = erf(|z| / sqrt 2), z = J.x its margin under the probe J
(Sorscher et al., NeurIPS 2022, section 2), so that u is uniform on [0, 1].
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from perceptron_theory.apportionment import apportion

__all__ = ["KeepByLabel", "KeepEasy", "KeepHard", "KeepPolicy", "KeepRandom", "KeepRule", "KeepWindow", "is_traced"]

Floats = NDArray[np.float64]


def is_traced(*values: Any) -> bool:
    """Whether JAX is tracing a value: then it has no numbers yet that could be checked."""
    jax = sys.modules.get("jax")
    return jax is not None and any(isinstance(value, jax.core.Tracer) for value in values)


def _real_array(name: str, value: Any) -> Any:
    """``value`` as a finite float64 array, or a ``ValueError``/``TypeError`` that names the argument.

    A value that JAX traces is returned as it is.
    """
    if is_traced(value):
        return value
    array = np.asarray(value)
    if array.dtype.kind not in "fiu":
        raise TypeError(f"{name} must be a real number or an array of them, got {value!r}")
    array = array.astype(np.float64)
    if not np.all(np.isfinite(array)):
        raise ValueError(f"{name} must be finite, got {value!r}")
    return array


def _real_number(name: str, value: Any) -> float:
    """``value`` as one finite number, or an error that names the argument."""
    number = _real_array(name, value)
    if number.ndim:
        raise ValueError(f"{name} must be one number, got {value!r}")
    return float(number)


def _fraction(value: Any) -> Any:
    f = _real_array("f", value)
    if not is_traced(f) and np.any((f <= 0) | (f > 1)):
        raise ValueError(f"f, the fraction kept, must lie in (0, 1], got {value!r}")
    return f


class KeepRule:
    """A piecewise-constant keep probability over difficulty rank.

    Sub-classes say which windows of rank they keep; everything else follows from that.
    """

    def windows(self) -> tuple[Floats, Floats, Floats]:
        """The rank windows kept: arrays ``(lower, upper, probability)`` of shape ``(*shape, num_windows)``."""
        raise NotImplementedError

    def with_fraction(self, f: float) -> KeepRule:
        """A rule of the same kind that keeps the fraction ``f`` in (0, 1]."""
        raise NotImplementedError

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
        u = _real_array("rank", rank)
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
            width = _nearest(upper - lower, num_examples)
            start = min(_nearest(lower, num_examples), num_examples - width)
            stop = start + width
            count = _nearest(probability, width)
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

    def _single(self) -> KeepRule:
        if self.shape != ():
            raise ValueError(f"one keep rule is needed here, got an array of rules of shape {self.shape}")
        return self


def _nearest(rank: float, num_examples: int) -> int:
    """``rank * num_examples`` to the nearest integer; halves go symmetrically, so edge(u) = n - edge(1 - u)."""
    if rank > 0.5:
        return num_examples - _nearest(1 - rank, num_examples)
    return math.floor(round(rank * num_examples, 9) + 0.5)  # 9 digits: 0.35 * 10 counts as the half it means


@dataclass(frozen=True)
class KeepHard(KeepRule):
    """Keep the hardest fraction ``f`` in (0, 1]: difficulty ranks [0, f]."""

    f: Any

    def __post_init__(self) -> None:
        _fraction(self.f)

    @property
    def fraction(self) -> Any:  # noqa: D102
        return _fraction(self.f)[()]

    def windows(self) -> tuple[Floats, Floats, Floats]:  # noqa: D102
        f = _fraction(self.f)[..., None]
        return 0 * f, f, 0 * f + 1

    def with_fraction(self, f: float) -> KeepHard:  # noqa: D102
        return KeepHard(f)


@dataclass(frozen=True)
class KeepEasy(KeepRule):
    """Keep the easiest fraction ``f`` in (0, 1]: difficulty ranks [1 - f, 1]."""

    f: Any

    def __post_init__(self) -> None:
        _fraction(self.f)

    @property
    def fraction(self) -> Any:  # noqa: D102
        return _fraction(self.f)[()]

    def windows(self) -> tuple[Floats, Floats, Floats]:  # noqa: D102
        f = _fraction(self.f)[..., None]
        return 1 - f, 0 * f + 1, 0 * f + 1

    def with_fraction(self, f: float) -> KeepEasy:  # noqa: D102
        return KeepEasy(f)


@dataclass(frozen=True)
class KeepRandom(KeepRule):
    """Keep a random fraction ``f`` in (0, 1] whatever the difficulty: pi(u) = f."""

    f: Any

    def __post_init__(self) -> None:
        _fraction(self.f)

    @property
    def fraction(self) -> Any:  # noqa: D102
        return _fraction(self.f)[()]

    def windows(self) -> tuple[Floats, Floats, Floats]:  # noqa: D102
        f = _fraction(self.f)[..., None]
        return 0 * f, 0 * f + 1, f

    def with_fraction(self, f: float) -> KeepRandom:  # noqa: D102
        return KeepRandom(f)


@dataclass(frozen=True)
class KeepWindow(KeepRule):
    """Keep difficulty ranks [``lower``, ``upper``], 0 <= lower < upper <= 1; 0 = hardest."""

    lower: Any
    upper: Any

    def __post_init__(self) -> None:
        lower, upper = _real_array("lower", self.lower), _real_array("upper", self.upper)
        if not is_traced(lower, upper) and np.any((lower < 0) | (upper > 1) | (lower >= upper)):
            raise ValueError(
                f"KeepWindow needs 0 <= lower < upper <= 1, got lower = {self.lower!r}, upper = {self.upper!r}"
            )

    def windows(self) -> tuple[Floats, Floats, Floats]:  # noqa: D102
        lower, upper = _real_array("lower", self.lower), _real_array("upper", self.upper)
        lower, upper = lower + 0 * upper, upper + 0 * lower  # broadcast
        return lower[..., None], upper[..., None], 0 * lower[..., None] + 1

    def with_fraction(self, f: float) -> KeepWindow:
        """The window of width ``f`` at the same relative position between hardest (0) and easiest (1 - f)."""
        width = float(_fraction(f))
        lower, upper, _ = (float(edge[0]) for edge in self._single().windows())
        place = 0.0 if upper - lower == 1 else lower / (1 - (upper - lower))
        return KeepWindow(place * (1 - width), min(1.0, place * (1 - width) + width))


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
        edges, probability = _real_array("edges", self.edges), _real_array("probability", self.probability)
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
        edges, probability = _real_array("edges", self.edges), _real_array("probability", self.probability)
        if is_traced(probability) or probability.ndim > 1:
            shape = probability.shape
            return np.broadcast_to(edges[:-1], shape), np.broadcast_to(edges[1:], shape), probability
        start = np.flatnonzero(np.r_[True, probability[1:] != probability[:-1]])
        stop = np.r_[start[1:], probability.size]
        kept = probability[start] > 0
        return edges[start][kept], edges[stop][kept], probability[start][kept]

    def with_fraction(self, f: float) -> KeepPolicy:
        """The policy of mean ``f`` in (0, 1] with each probability moved in proportion towards 0 or towards 1."""
        old, new = float(self._single().fraction), float(_fraction(f))
        probability = _real_array("probability", self.probability)
        if new <= old:
            return KeepPolicy(self.edges, probability * (new / old))
        return KeepPolicy(self.edges, 1 - (1 - probability) * ((1 - new) / (1 - old)))

    def kept_positions(self, num_examples: int, rng: np.random.Generator | None = None) -> NDArray[np.int64]:
        """As ``KeepRule.kept_positions``, with the whole number nearest to f ``num_examples`` kept in total.

        Cells are bounded by the nearest whole examples; their numbers kept are rounded by largest remainder.
        """
        if num_examples < 1:
            raise ValueError(f"num_examples must be at least 1, got {num_examples}")
        lower, upper, probability = self._single().windows()
        start, stop = (np.array([_nearest(x, num_examples) for x in edges]) for edges in (lower, upper))
        whole = _nearest(self.fraction, num_examples)
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


@dataclass(frozen=True)
class KeepByLabel:
    """Keep rules that also look at the label: one for examples whose label the probe predicts, one for the others.

    ``KeepByLabel(KeepHard(0.2))`` keeps, of the hardest fifth of all examples, those on which probe and label agree
    (the label-aware curation of Dohmatob, Pezeshki and Askari-Hemmat 2025).  Ranks are those among all examples.
    What fraction is kept depends on the probe and on the labels: ``solve(...).fraction`` says.

    Attributes:
        agree: rule for the examples whose label is sign(J.x); None keeps none of them.
        disagree: rule for the examples whose label is not; None, the default, keeps none of them.
    """

    agree: KeepRule | None
    disagree: KeepRule | None = None

    def __post_init__(self) -> None:
        for name in ("agree", "disagree"):
            rule = getattr(self, name)
            if not (rule is None or isinstance(rule, KeepRule)):
                raise TypeError(f"{name} must be a keep rule such as KeepHard(0.2) or None, got {rule!r}")
        if self.agree is None and self.disagree is None:
            raise ValueError("agree and disagree are both None: nothing would be kept")

    @property
    def shape(self) -> tuple[int, ...]:
        """Broadcast shape of the two rules."""
        return np.broadcast_shapes(*(rule.shape for rule in (self.agree, self.disagree) if rule is not None))

"""Keep with a probability proportional to a power of the score: ``KeepProportional``."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data_pruning.arguments import fraction_kept, real_array
from data_pruning.keep_by_score import (
    LARGEST_MARGIN,
    KeepByScore,
    check_trim,
    margin_of_rank,
    not_traced,
    num_trimmed,
    trim_left,
)
from data_pruning.sampling import capped_probabilities

__all__ = ["KeepProportional"]

Floats = NDArray[np.float64]
LARGEST_POWER = 8.0
NODES, WEIGHTS = np.polynomial.legendre.leggauss(16)
LOWEST = -50.0  # log |z| below which there is nothing
NUM_PANELS = 60


@dataclass(frozen=True)
class KeepProportional(KeepByScore):
    """Keep each example with probability min(1, c S^power), S its score; c such that the fraction ``f`` is kept.

    A soft rule: every example keeps a chance, larger for harder ones (power above 0).  Power 0 keeps at random, a
    large one the hardest, a negative one leans to the easy.  In the perceptron S is 1 / |z|, z the margin of the
    probe.  Scores of 0 have the chance that is left when all others are kept (power above 0), or come first (below 0).

    With ``trim`` the hardest share of all examples is dropped first: on images these are often wrongly labelled or
    beyond what the network can learn, and without them a larger power serves the others better.

    Attributes:
        f: fraction kept, in (0, 1].
        power: power of the score, in [-8, 8].
        trim: share of all examples that is dropped as the hardest, in [0, 1 - f].
    """

    f: Any
    power: Any = 1.0
    trim: Any = 0.0

    def __post_init__(self) -> None:
        not_traced(f=self.f, power=self.power, trim=self.trim)
        power = real_array("power", self.power)
        check_trim(self.f, self.trim, power=power)
        if np.any(np.abs(power) > LARGEST_POWER):
            raise ValueError(f"power must lie in [{-LARGEST_POWER:g}, {LARGEST_POWER:g}], got {self.power!r}")

    @property
    def fraction(self) -> Any:  # noqa: D102
        return np.broadcast_to(fraction_kept(self.f), self.shape)[()]

    def with_fraction(self, f: float) -> KeepProportional:
        """The rule with the same share dropped, or as much as ``f`` leaves."""
        return KeepProportional(f, self.power, trim_left(f, self.trim))

    def _chances_of_scores(self, scores: Floats, count: int) -> Floats:
        dropped = num_trimmed(self._single().trim, scores.size, count)
        return np.concatenate([np.zeros(dropped), self._chances_of_rest(scores[dropped:], count)])

    def _chances_of_rest(self, values: Floats, count: int) -> Floats:
        power = float(self.power)
        if np.any(values < 0):
            raise ValueError(
                f"{self} needs scores of at least 0, got {values.min():g}: score by el2n, grand, forgetting, "
                "confidence or prototypes, or keep by rank (policy@, window@)"
            )
        if power == 0 or not values.any():
            return np.full(values.size, count / values.size)
        least = values[values > 0].min()
        zero = math.log(least) - 300 / abs(power)  # its power is e^300 below, or above, all others
        logs = np.where(values > 0, np.log(np.maximum(values, least)), zero)
        return capped_probabilities(np.exp(power * logs - (power * logs).max()), count)

    def _at_margin(self) -> tuple[list[float], Callable[[Floats], Floats]]:
        from scipy.optimize import brentq
        from scipy.special import erf

        f, power, trim = float(self.f), float(self.power), min(float(self.trim), 1 - float(self.f))
        least = float(margin_of_rank(trim))
        if power == 0 or f >= 1 - trim:
            return [trim], lambda z: np.where(np.asarray(z) < least, 0.0, f / (1 - trim))

        def excess(corner: float) -> float:
            return _mean(power, corner, least) - f

        # by log |z| of the corner: from where nothing to where everything is kept
        widest = max(LARGEST_MARGIN, 2 * -math.log(f) / abs(power))
        low, high = (
            (-widest - 60, math.log(LARGEST_MARGIN) + widest)
            if power > 0
            else (-60.0, math.log(LARGEST_MARGIN) + widest)
        )
        corner = float(brentq(excess, low, high, xtol=1e-13, rtol=1e-14))

        def probability(z: Floats) -> Floats:
            with np.errstate(divide="ignore"):
                return np.where(np.asarray(z) < least, 0.0, np.exp(np.minimum(-power * (np.log(z) - corner), 0.0)))

        return [trim, float(erf(math.exp(min(corner, 4.0)) / math.sqrt(2)))], probability


def _mean(power: float, corner: float, least: float) -> float:
    """Mean over |z| of min(1, exp(-power (log |z| - corner))) where |z| is above ``least``, z standard normal."""
    from scipy.special import erf

    low, top = math.log(least) if least > 0 else LOWEST, math.log(LARGEST_MARGIN)
    middle = min(max(corner, low), top)
    start, stop = (middle, top) if power > 0 else (low, middle)
    up_to_middle = erf(math.exp(middle) / math.sqrt(2))
    capped = up_to_middle - erf(least / math.sqrt(2)) if power > 0 else 1 - up_to_middle
    edges = np.linspace(start, stop, NUM_PANELS + 1)
    x = edges[:-1, None] + np.diff(edges)[:, None] * (1 + NODES) / 2
    density = 2 / math.sqrt(2 * math.pi) * np.exp(-0.5 * np.exp(2 * x) + x)
    value = np.exp(-power * (x - corner)) * density
    return float(capped + np.sum(value @ WEIGHTS * np.diff(edges) / 2))

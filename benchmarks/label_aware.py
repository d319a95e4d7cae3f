"""Why windows lose on large pools: the perceptron ranked by a score that knows the label, under an imperfect probe.

    python benchmarks/label_aware.py            # theory, half a minute on two cores
    python benchmarks/label_aware.py simulate   # and certified simulations beside it

Real scores such as EL2N know the label: the hardest examples are those whose label the scoring network does not
predict.  In the perceptron that is a ranking by signed margin y J.x under a probe J at an angle to the teacher.  A
window of such ranks selects on the label: what it keeps has another mean label at each x than the whole pool, a bias
that no amount of data cures, while the error of random examples goes on falling.  A soft rule with importance weights
1/probability estimates the loss of the whole pool without bias, and leans to the examples that matter.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from data_pruning.keep_by_score import margin_of_rank
from data_pruning.sampling import capped_probabilities
from perceptron_theory import KeepByLabel, KeepPolicy, KeepRandom, Labels, SquareLoss, solve

Floats = NDArray[np.float64]
FRACTION, THETA_DEG, LAM, FLIPS = 0.3, 40.0, 0.01, 0.1
ALPHA_TOT = np.array([3.0, 10.0, 30.0, 100.0, 300.0])
PLACES = np.linspace(0, 1, 9)
POWERS = (-0.5, -0.2, 0.1, 0.2, 0.4, 0.7, 1.0)
EDGES = np.linspace(0, 1, 97)
RANKS = (np.arange(2000) + 0.5) / 2000


def by_signed_margin(probability: Callable[[Floats], Floats], theta: float, flips: float, power: float) -> KeepByLabel:
    """The rule that keeps an example of rank r in y J.x (0 = hardest) with ``probability(r)``."""
    z = np.linspace(-8, 8, 40_001)
    right = ndtr(z / np.tan(theta))  # chance that the clean label is sign(J.x), given y J.x = z
    density = np.exp(-z * z / 2) * ((1 - flips) * right + flips * (1 - right))
    rank = np.cumsum(density) / density.sum()
    margin = margin_of_rank((EDGES[1:] + EDGES[:-1]) / 2)
    sides = (np.clip(probability(np.interp(sign * margin, z, rank)), 0, 1) for sign in (1, -1))
    agree, disagree = (KeepPolicy(EDGES, side) if side.any() else None for side in sides)
    return KeepByLabel(agree, disagree, power)


def window(place: float) -> Callable[[Floats], Floats]:
    """Ranks of a window of width f, 0 = hardest."""
    start = place * (1 - FRACTION)
    return lambda rank: ((rank >= start) & (rank < start + FRACTION)).astype(float)


def soft(power: float) -> Callable[[Floats], Floats]:
    """A chance that grows towards hard as a power of 1 - rank."""
    chances = capped_probabilities((1.05 - RANKS) ** power, FRACTION * RANKS.size)
    return lambda rank: np.interp(rank, RANKS, chances)


def main() -> None:
    """Print the errors, as the pool grows."""
    theta, labels, student = np.deg2rad(THETA_DEG), Labels(FLIPS), SquareLoss(LAM)

    def errors(shapes: list[Callable[[Floats], Floats]], power: float) -> tuple[Floats, list[KeepByLabel]]:
        rules = [by_signed_margin(shape, theta, FLIPS, power) for shape in shapes]
        each = np.array([solve(ALPHA_TOT, rule, theta, student=student, labels=labels).error for rule in rules])
        return each.min(axis=0), [rules[i] for i in each.argmin(axis=0)]

    random = solve(ALPHA_TOT, KeepRandom(FRACTION), theta, student=student, labels=labels).error
    found = {
        "best window": errors([window(place) for place in PLACES], 0.0),
        "best soft rule": errors([soft(power) for power in POWERS], 0.0),
        "best soft rule, weighted": errors([soft(power) for power in POWERS], 1.0),
    }
    print(
        f"{student}, probe at {THETA_DEG:g} degrees, {100 * FLIPS:g} % wrong labels, f = {FRACTION:g}; test error in %"
    )
    print(f"{'examples per parameter':26}" + "".join(f"{alpha:9g}" for alpha in ALPHA_TOT))
    print(f"{'random':26}" + "".join(f"{100 * error:9.2f}" for error in random))
    for name, (error, _) in found.items():
        print(f"{name:26}" + "".join(f"{100 * x:9.2f}" for x in error))
    if sys.argv[1:] == ["simulate"]:
        from simulations import Point, validate

        points = [
            Point(float(ALPHA_TOT[i]), rule, theta, 100, 60, student, labels)
            for i in (1, 3)
            for rule in (KeepRandom(FRACTION), *(rules[i] for _, rules in found.values()))
        ]
        judged = validate(points, progress=True)
        print(f"theory against simulation, N = 100, {len(points)} points of 60 trials (10 and 100 per parameter):")
        print(f"chi-square {judged.chi_square:.1f}, p = {judged.p_value:.2g}; worst gap {judged.worst_gap:.1e}")


if __name__ == "__main__":
    main()

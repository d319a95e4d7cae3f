"""Which law is it: a power or an exponential?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from scaling_laws.power_or_exponential.fit import Observations, project
from scaling_laws.power_or_exponential.laws import LAWS, ScalingFit

__all__ = ["ScalingComparison", "compare_scaling_laws"]


@dataclass(frozen=True)
class ScalingComparison:
    """Power law or exponential?

    Attributes:
        power: fit of the power law.
        exponential: fit of the exponential law.
        chi_square_difference: chi-square of the exponential law minus that of the power law; positive speaks for the
            power law.  The laws have equally many parameters, so that this is the difference of AICc (and BIC) too.
        power_share: share of the resamples in which the power law fits better, in [0, 1].
        level: share that the better law must reach.
        verdict: "power" or "exponential", whichever is better in at least the share ``level`` of resamples; else
            "undecided".
        reason: the verdict in a sentence.
    """

    power: ScalingFit
    exponential: ScalingFit
    chi_square_difference: float
    power_share: float
    level: float
    verdict: Literal["power", "exponential", "undecided"]
    reason: str


def compare_scaling_laws(
    num_kept: ArrayLike,
    errors: ArrayLike,
    *,
    irreducible: bool = True,
    level: float = 0.95,
    num_resamples: int = 2000,
    seed: int = 0,
) -> ScalingComparison:
    """Fit both laws and say which fits better, or that the data do not tell.

    The verdict asks how often each law has the lower chi-square when whole seeds are drawn with replacement: one that
    wins in at least the share ``level`` of resamples is the verdict.  With as many parameters as points both laws
    pass through all points, and the verdict is "undecided".  That a law fits better does not say that it fits: see
    ``p_value``.

    Args:
        num_kept: as in :func:`fit_scaling_law`.
        errors: as in :func:`fit_scaling_law`.
        irreducible: as in :func:`fit_scaling_law`.
        level: share of resamples that the better law must win, in (0.5, 1); also the confidence level.
        num_resamples: as in :func:`fit_scaling_law`.
        seed: as in :func:`fit_scaling_law`.

    Raises:
        ValueError: as :func:`fit_scaling_law`.
    """
    if not 0.5 < level < 1:
        raise ValueError(f"level must lie in (0.5, 1) to decide between two laws, got {level!r}")
    data = Observations.checked(num_kept, errors, irreducible, level, num_resamples, seed)
    power, exponential = data.fit("power"), data.fit("exponential")
    means = data.resampled_means(stretch=1.0)
    chi_squares = [project(data.x(law), data.weights[None], means, irreducible)[3] for law in LAWS]
    # where both laws fit equally well, each wins half
    share = float(np.mean(0.5 * (1 + np.sign(chi_squares[1] - chi_squares[0]))))
    difference = exponential.chi_square - power.chi_square
    verdict: Literal["power", "exponential", "undecided"] = "undecided"
    wins = (
        f"the power law fits better in {100 * share:.0f} % of resamples, the exponential in {100 * (1 - share):.0f} %"
    )
    if data.num_points <= data.num_parameters:
        reason = (
            f"undecided: {data.num_points} points for {data.num_parameters} parameters, "
            "so that both laws pass through all points; measure at more values of num_kept"
        )
    elif max(share, 1 - share) < level:
        reason = f"undecided: {wins}; one of them would need {100 * level:g} %"
    else:
        verdict = "power" if share > 0.5 else "exponential"
        best = power if share > 0.5 else exponential
        reason = f"{verdict}: {wins}"
        if best.p_value is not None and best.p_value < 1 - level:
            reason += f"; but it does not fit within the standard errors either (p = {best.p_value:.2g})"
    return ScalingComparison(power, exponential, difference, share, level, verdict, reason)

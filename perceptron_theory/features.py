"""Features: how many of them the student sees, and how much each of them varies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from data_pruning.arguments import check_choice, is_traced, real_array
from perceptron_theory.solver.feature_response import Hidden

__all__ = ["Features", "SeenFeatures"]


@dataclass(frozen=True)
class Features:
    """Base of what is said about the features of the examples."""


@dataclass(frozen=True)
class SeenFeatures(Features):
    """Features of equal variance, of which the student sees a part: the size of the model.

    Examples x ~ N(0, I_N) are labelled by a teacher of all N features; the student is linear in M = fraction N of them.
    Its numbers count *its* parameters: alpha_tot is examples per M, and lambda stands before M |w|^2 / 2.  The best
    that it can do is the part of the teacher that it sees, at an angle psi to the teacher, cos^2 psi = fraction.

    Attributes:
        fraction: part of the features that the student sees, M / N, in (0, 1]; number or array.
        probe: "all": the probe sees all features, in a random direction at the angle theta to the teacher; or "seen":
            the probe sees what the student sees.  theta is the angle in the space of all features, so that with "seen"
            cos theta <= cos psi.
    """

    fraction: Any = 1.0
    probe: Literal["all", "seen"] = "all"

    def __post_init__(self) -> None:
        fraction = real_array("fraction", self.fraction)
        if not is_traced(fraction) and np.any((fraction <= 0) | (fraction > 1)):
            raise ValueError(f"fraction, the part of the features seen, must lie in (0, 1], got {self.fraction!r}")
        check_choice("probe", self.probe, ("all", "seen"))

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the numbers."""
        return np.shape(self.fraction)

    def hidden(self, theta: Any, *, xp: Any = np) -> Hidden:
        """What is hidden from the student, where the probe is at an angle theta in [0, pi/2] to the teacher.

        Raises:
            ValueError: a probe that sees what the student sees cannot be as close to the teacher.
        """
        seen = real_array("fraction", self.fraction)
        ratio = (1 - seen) / seen
        if self.probe == "all":
            return Hidden(ratio + 0 * theta, ratio + 0 * theta)
        room = seen - xp.cos(theta) ** 2  # cos^2 psi - cos^2 theta
        if xp is np and np.any(room < -1e-9):
            i = int(np.argmin(np.broadcast_to(room, np.broadcast_shapes(room.shape, np.shape(theta))).ravel()))
            at, angle = (float(np.broadcast_to(a, room.shape).ravel()[i]) for a in (seen, theta))
            raise ValueError(
                f"a probe that sees a fraction {at:g} of the features is at least {np.arccos(np.sqrt(at)):.6g} radians "
                f"from the teacher, theta = {angle:g}"
            )
        across = xp.where(seen < 1, (1 - seen) / xp.maximum(room, LEAST_ROOM), 0.0)
        return Hidden(0 * across, across)


LEAST_ROOM = 1e-14  # of cos^2 psi - cos^2 theta, where the probe is all that the student sees of teacher and probe

"""Labels: who gives them, how often they are wrong, and what counts as the truth."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from data_pruning.arguments import is_traced, real_array

__all__ = ["Labels", "truth_direction"]

ANGLE_ROUNDING = 1e-9  # radians by which angles may miss the triangle inequality


@dataclass(frozen=True)
class Labels:
    """How the examples are labelled and what the student is tested against.

    The label of x is sign(T.x), T the teacher, flipped with probability eta.  The test error is measured against a
    truth W, which by default is the teacher itself.  A teacher at an angle to the truth stands for labels from an
    imperfect generator, for instance another model (Dohmatob, Pezeshki, Askari-Hemmat 2025).  What the student
    learns depends on W not at all, its test error only on the components of W along teacher and probe: angles to
    both are needed.

    Attributes:
        flip_probability: eta, in [0, 1/2); number or array.
        truth_angle: angle between teacher and truth in radians, in [0, pi]; number or array.
        probe_truth_angle: angle between probe and truth in radians, in [0, pi]; None where teacher and truth are the
            same, and then equal to theta.
    """

    flip_probability: Any = 0.0
    truth_angle: Any = 0.0
    probe_truth_angle: Any = None

    def __post_init__(self) -> None:
        eta = real_array("flip_probability", self.flip_probability)
        if not is_traced(eta) and np.any((eta < 0) | (eta >= 0.5)):
            raise ValueError(f"flip_probability must lie in [0, 1/2), got {self.flip_probability!r}")
        if self.probe_truth_angle is None:
            if is_traced(self.truth_angle) or np.any(real_array("truth_angle", self.truth_angle) != 0):
                raise ValueError(
                    "probe_truth_angle is needed where truth_angle is not 0: the angle between probe and truth"
                )
            return
        for name in ("truth_angle", "probe_truth_angle"):
            angle = real_array(name, getattr(self, name))
            if not is_traced(angle) and np.any((angle < 0) | (angle > math.pi)):
                raise ValueError(f"{name} is in radians and must lie in [0, pi], got {getattr(self, name)!r}")

    @property
    def noisy(self) -> bool:
        """Whether labels are flipped at all."""
        return is_traced(self.flip_probability) or bool(np.any(np.asarray(self.flip_probability) > 0))

    @property
    def truth_is_teacher(self) -> bool:
        """Whether the student is tested against its own teacher."""
        return self.probe_truth_angle is None


def truth_direction(theta: Any, truth_angle: Any, probe_truth_angle: Any, *, xp: Any = np) -> tuple[Any, Any, Any]:
    """Components of the truth W along the teacher, along the rest of the probe, and orthogonal to both.

    Args:
        theta: angle between probe and teacher in radians, in [0, pi/2].
        truth_angle: angle between teacher and truth in radians, in [0, pi].
        probe_truth_angle: angle between probe and truth in radians, in [0, pi].
        xp: numpy, or jax.numpy if an angle is traced; angles are not checked then.

    All angles are numbers or arrays that broadcast against each other.

    Raises:
        ValueError: no three vectors have these angles.
    """
    if xp is np:
        nearest = np.abs(theta - truth_angle)
        farthest = np.minimum(theta + truth_angle, 2 * np.pi - theta - truth_angle)
        off = (probe_truth_angle < nearest - ANGLE_ROUNDING) | (probe_truth_angle > farthest + ANGLE_ROUNDING)
        if np.any(off):
            arrays = np.broadcast_arrays(theta, truth_angle, probe_truth_angle, nearest, farthest, off)
            i = int(np.argmax(arrays[-1].ravel()))
            values = [float(a.ravel()[i]) for a in arrays[:-1]]
            raise ValueError(
                f"no three vectors have the angles theta = {values[0]:g}, truth_angle = {values[1]:g} and "
                f"probe_truth_angle = {values[2]:g}: with the first two, probe_truth_angle must lie in "
                f"[{values[3]:g}, {values[4]:g}]"
            )
    along, out = xp.cos(truth_angle), xp.sin(truth_angle)
    sine = xp.where(theta > 0, xp.sin(theta), 1.0)
    side = xp.where(theta > 0, (xp.cos(probe_truth_angle) - along * xp.cos(theta)) / sine, 0.0)
    if xp is np:
        side = np.clip(side, -out, out)
    square = (out - side) * (out + side)
    outside = xp.where(square > 0, xp.sqrt(xp.where(square > 0, square, 1.0)), 0.0)  # differentiable at 0
    return along + 0 * side, side, outside

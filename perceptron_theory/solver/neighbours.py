"""Points that start from the student of a point nearby, and orders in which neighbours follow each other."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from perceptron_theory.solver.loss_search import Nearby
from perceptron_theory.solver.saddle_point import Point

__all__ = ["from_loss_nearby", "from_margin_nearby", "in_a_chain", "in_runs"]

# Two points are near each other where all that they consist of differs by less than this; with students further apart
# Newton's method may not arrive, and the search begins anew.
NEAR_LOG = 1.2  # logarithms of alpha_prune, lambda, weights and variances
NEAR_ANGLE = 0.2  # radians
NEAR_MARGIN = 0.3  # edges of the strips of probe margin
FAR_OUT = 6.0  # probe margin beyond which there are next to no examples


def from_margin_nearby(arguments: Any, before: dict[str, jax.Array]) -> Any:
    """Points of max-margin students that start from those found for the points before them, where there are such."""
    (points,) = arguments
    found = before["converged"] == 1
    near_r, near_x = (jnp.where(found, before[name], 0.0) for name in ("r", "x"))
    return (points._replace(near_r=near_r, near_x=near_x),)


def in_runs(points: Point, in_turn: int) -> NDArray[np.int64]:
    """An order in which points with similar rules and similar numbers of examples follow each other.

    Rules are sorted into runs of ``in_turn`` points, and each run by its numbers of examples, up and down in turns.
    """
    by_rule = np.lexsort((points.strips.upper[:, 0], points.strips.lower[:, 0]))
    run = np.empty(by_rule.size, np.int64)
    run[by_rule] = np.arange(by_rule.size) // in_turn
    return np.lexsort((np.where(run % 2 == 0, points.alpha_prune, -points.alpha_prune), run))


def from_loss_nearby(arguments: Any, before: dict[str, jax.Array]) -> Any:
    """Points of regularised students that start from those found for the points before them, where these are near."""
    (points,) = arguments
    r, omega = before["r"], before["omega"]
    unknowns = jnp.stack(
        [r * jnp.cos(omega), r * jnp.sin(omega), *(jnp.log(jnp.maximum(before[x], 1e-300)) for x in ("s", "v"))],
        axis=-1,
    )
    return (points._replace(near=points.near._replace(unknowns=unknowns, there=before["converged"] == 1)),)


def in_a_chain(points: Point) -> tuple[NDArray[np.int64], Point]:
    """An order in which neighbours follow each other, and the points, told whether they are near the one before.

    A grid is walked through row by row, there and back in turns; of what varies, that with most values varies fastest.
    """
    num_points = points.alpha_prune.size
    place = _places(points)
    varying = place[:, np.ptp(place, axis=0) > 0]
    rows = np.arange(num_points)
    if varying.shape[1]:
        ranks = [np.unique(column, return_inverse=True)[1] for column in varying.T]
        ranks.sort(key=lambda rank: rank.max())
        fast, slow = ranks[-1], np.zeros(num_points, int)
        for rank in ranks[:-1]:
            slow = np.unique(slow * (rank.max() + 1) + rank, return_inverse=True)[1]
        rows = np.lexsort((np.where(slow % 2 == 0, fast, -fast), slow))
    close = np.zeros(num_points, bool)
    close[rows[1:]] = np.all(np.abs(np.diff(place[rows], axis=0)) < 1, axis=1)
    return rows, points._replace(near=Nearby(np.zeros((num_points, 4)), np.zeros(num_points, bool), close))


def _places(points: Point) -> NDArray[np.float64]:
    """Where each point is, in units in which neighbours differ by less than 1; shape (num_points, num_numbers)."""
    strips = points.strips

    def log(values: Any) -> Any:
        return np.log(np.maximum(values, 1e-300)) / NEAR_LOG

    columns = [log(points.alpha_prune), log(points.lam), points.theta / NEAR_ANGLE, log(strips.weight)]
    columns += [np.clip(edge, -FAR_OUT, FAR_OUT) / NEAR_MARGIN for edge in (strips.lower, strips.upper)]
    columns += [] if strips.flipped is None else [2.0 * strips.flipped]
    columns += [] if strips.importance is None else [log(strips.importance)]
    columns += [log(leaf) for leaf in jax.tree.leaves(points.features)]
    return np.concatenate([np.reshape(column, (points.alpha_prune.size, -1)) for column in columns], axis=1)

"""A separator of a finite data set, and the bracket around the largest margin that proves how good it is.

For examples a_i (label times input, one row each) let kappa* = max_w min_i a_i.w / |w| be the largest margin.  Any w
and any a >= 0, however found, bracket it (weak duality):

    min(A w) / |w|  <=  kappa*  <=  |A^T a| / sum(a)

so each solution carries its own proof: the relative width of that bracket is the ``gap``, and the angle between w and
the true separator is at most arccos(1 - gap).
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
from jax import Array

__all__ = ["TARGET_GAP", "Separator", "bracket", "unknown_separator"]

TARGET_GAP = 1e-11


class Separator(NamedTuple):
    """A separator and the bracket around the largest margin.

    Attributes:
        weights: separator w, shape (num_features,).
        margin: lower bound min(A w)/|w| on the largest margin, reached by ``weights``.
        margin_bound: upper bound on the largest margin.
        gap: 1 - margin / margin_bound; above 1 if ``weights`` do not separate the data.
        num_iterations: linear systems factorised to find it.
    """

    weights: Array
    margin: Array
    margin_bound: Array
    gap: Array
    num_iterations: Array


def bracket(real: Array, w: Array, fields: Array, a: Array, pull: Array) -> Separator:
    """The bracket that w and the multipliers a prove.

    Args:
        real: False where a row of A is zero, shape (num_examples,).
        w: separator, shape (num_features,).
        fields: A w.
        a: multipliers >= 0, shape (num_examples,).
        pull: A^T a.
    """
    margin = jnp.min(jnp.where(real, fields, jnp.inf)) / jnp.linalg.norm(w)
    bound = jnp.linalg.norm(pull) / jnp.sum(jnp.where(real, a, 0.0))
    return Separator(w, margin, bound, 1 - margin / bound, jnp.zeros((), int))


def unknown_separator(w: Array) -> Separator:
    """What is known before the first step: nothing."""
    never = jnp.asarray(jnp.inf, w.dtype)
    return Separator(w, -never, never, never, jnp.zeros((), int))

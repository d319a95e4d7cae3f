"""The kept examples of one point of the theory: keep rule, probe and labels as strips in the teacher-probe plane."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray
from scipy.special import erf, ndtr

from data_pruning.arguments import is_traced
from data_pruning.keep_by_label import KeepByLabel
from data_pruning.keep_by_score import LARGEST_MARGIN, margin_of_rank
from data_pruning.keep_rules import KeepRule
from perceptron_theory.labels import Labels
from perceptron_theory.solver.quadrature import FAR, TINY, Strips

__all__ = ["KeptSet", "kept_set", "probe_margin"]

Floats = NDArray[np.float64]
assert LARGEST_MARGIN == FAR
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(40)


class KeptSet(NamedTuple):
    """What the solvers know of the kept examples; every field has the shape of the points, ``strips`` one axis more.

    Attributes:
        fraction: f, the fraction kept.
        strips: what is kept, of Gaussian measure 1 in total.
        theta: angle between probe and teacher in radians.
        share: lower bound on 1 / (density of kept examples relative to all).
        mean_bound: upper bound on the mean of any field over kept examples.
        boundary_density: density of kept examples relative to all at the teacher's boundary p = 0.
    """

    fraction: Any
    strips: Strips
    theta: Any
    share: Any
    mean_bound: Any
    boundary_density: Any


def probe_margin(rank: Any) -> Any:
    """Probe margin |z| at difficulty rank u = erf(|z| / sqrt 2) in [0, 1]; FAR (= 40) at u = 1."""
    if is_traced(rank):
        return _traced_margin(rank)
    return margin_of_rank(rank)


@jax.custom_jvp
def _traced_margin(u: Any) -> Any:
    upper_tail = -jax.scipy.special.ndtri(jnp.clip((1 - u) / 2, 1e-300, 0.5))
    middle = np.sqrt(2) * jax.scipy.special.erfinv(jnp.minimum(u, 0.5))
    return jnp.where(u >= 1, FAR, jnp.where(u > 0.5, upper_tail, middle))


@_traced_margin.defjvp
def _traced_margin_jvp(primals: Any, tangents: Any) -> Any:
    z = _traced_margin(primals[0])
    return z, jnp.where(primals[0] >= 1, 0.0, np.sqrt(np.pi / 2) * jnp.exp(jnp.minimum(z, 35.0) ** 2 / 2)) * tangents[0]


def kept_set(keep: KeepRule | KeepByLabel, theta: Any, labels: Labels, *, aligned: bool, xp: Any = np) -> KeptSet:
    """The kept set at checked arguments that broadcast against each other; ``xp`` is numpy, or jax.numpy if traced.

    Args:
        keep: what is kept.
        theta: angle between probe and teacher in radians.
        labels: the labels.
        aligned: theta is 0 everywhere and the rule does not look at the label: one strip a window is enough.
        xp: array module.
    """
    agree, disagree = (keep.agree, keep.disagree) if isinstance(keep, KeepByLabel) else (keep, keep)
    theta, eta = xp.asarray(theta), xp.asarray(labels.flip_probability)
    # strips on the side p > 0: the label is +1 unless flipped, and the probe agrees with +1 at z > 0
    parts: list[tuple[Any, ...]] = []
    weighted = keep.weight_power > 0
    flips: list[bool] = []
    for flipped in (False, True) if labels.noisy else (False,):
        chance = (eta if flipped else 1 - eta)[..., None] if labels.noisy else 1.0
        for sign in (1, -1):
            rule = agree if (sign > 0) != flipped else disagree
            if rule is None or (aligned and sign < 0):
                continue
            lower, upper, probability = rule.windows()
            inner, outer = probe_margin(lower), probe_margin(upper)
            ends = (inner, outer) if sign > 0 else (-outer, -inner)
            if agree is disagree and not aligned and inner.shape[-1] == 1 and not is_traced(inner) and not inner.any():
                if sign < 0:
                    continue
                ends = (-outer, outer)  # one strip around z = 0
            own = (*ends, probability * chance, *([_powers(probability, keep.weight_power, xp)] if weighted else []))
            parts.append(tuple(xp.broadcast_arrays(*own)))
            flips += [flipped] * parts[-1][0].shape[-1]
    missing = (1 << (len(flips) - 1).bit_length()) - len(flips)
    if missing:  # strips of weight 0 up to a power of two: few compiled programs serve all numbers of windows
        lower, upper, probability, *importance = (xp.repeat(ends[..., -1:], missing, axis=-1) for ends in parts[-1])
        parts.append((lower, upper, xp.zeros_like(probability), *importance))
        flips += [flips[-1]] * missing
    shape = np.broadcast_shapes(theta.shape, eta.shape, keep.shape)
    lower, upper, density, *importance = (
        xp.concatenate([xp.broadcast_to(part[i], (*shape, part[i].shape[-1])) for part in parts], axis=-1)
        for i in range(len(parts[0]))
    )
    mean_power: Any = None
    if isinstance(keep, KeepByLabel):
        mass = 2 * density * _half_plane_measure(lower, upper, theta[..., None], xp)
        f = mass.sum(axis=-1)
        if weighted:
            mean_power = (mass * importance[0]).sum(axis=-1) / f
    else:
        if weighted:
            mean_power = _mean_power(keep, xp)
        f = xp.broadcast_to(xp.asarray(keep.fraction), shape)
    if labels.noisy:
        wrong, origin = xp.broadcast_to(xp.asarray(flips), lower.shape), xp.zeros(shape)
    else:
        wrong = None
        lowest = xp.where(lower * upper < 0, 0.0, xp.minimum(abs(lower), abs(upper)))
        origin = xp.where(density > 0, lowest, FAR).min(axis=-1)
    highest = [rule.windows()[2].max(axis=-1) for rule in (agree, disagree) if rule is not None]
    share = f / xp.maximum(highest[0], highest[-1])
    mean_bound = 2 * xp.exp(-(probe_margin(1 - share) ** 2) / 2) / np.sqrt(2 * np.pi) / share
    weight = density / f[..., None]
    special = jax.scipy.special.erf if xp is jnp else erf
    sine = (xp.maximum(xp.sin(theta), TINY) * np.sqrt(2))[..., None]
    at_boundary = (1.0 if aligned else 0.5) * (special(upper / sine) - special(lower / sine))
    return KeptSet(
        fraction=f,
        strips=Strips(lower, upper, weight, wrong, origin, importance[0] / mean_power[..., None] if weighted else None),
        theta=xp.broadcast_to(theta, shape),
        share=share,
        mean_bound=mean_bound,
        boundary_density=(weight * at_boundary).sum(axis=-1),
    )


def _powers(probability: Any, power: float, xp: Any) -> Any:
    """Importance weights before they have mean 1: probability^-gamma, and 1 where nothing is kept."""
    return xp.where(probability > 0, probability, 1.0) ** -power


def _mean_power(rule: KeepRule, xp: Any) -> Any:
    """Mean of those over the kept examples."""
    lower, upper, probability = rule.windows()
    mass = (upper - lower) * probability
    return (mass * _powers(probability, rule.weight_power, xp)).sum(axis=-1) / mass.sum(axis=-1)


def _half_plane_measure(lower: Any, upper: Any, theta: Any, xp: Any) -> Any:
    """Gaussian measure of p > 0, lower < z < upper: the integral of phi(z) Phi(z / tan theta) over the strip."""
    cdf = jax.scipy.special.ndtr if xp is jnp else ndtr
    sine, cosine = xp.maximum(xp.sin(theta), TINY), xp.cos(theta)
    step = xp.minimum(9.0 * sine / xp.maximum(cosine, TINY), FAR)
    breaks = [-9.0, -3.0, 3.0, 9.0, -step, -step / 3, 0 * step, step / 3, step]
    reach = xp.stack([xp.clip(b, lower, upper) for b in xp.broadcast_arrays(*breaks, lower)[:-1]], axis=-1)
    first, last = lower[..., None] + 0 * reach[..., :1], upper[..., None] + 0 * reach[..., :1]
    ends = xp.sort(xp.concatenate([first, reach, last], axis=-1))
    ends = xp.clip(ends, -9.0, 9.0)
    half = 0.5 * (ends[..., 1:] - ends[..., :-1])[..., None]
    z = ends[..., :-1, None] + half * (1 + _NODES)
    density = xp.exp(-0.5 * z * z) / np.sqrt(2 * np.pi) * cdf(z * (cosine / sine)[..., None, None])
    return (half * _WEIGHTS * density).sum(axis=(-1, -2))

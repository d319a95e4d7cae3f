"""Exact test error of the max-margin student on pruned data: ``solve``.

Model (Sorscher et al., NeurIPS 2022, section 2): examples x ~ N(0, I_N) with labels sign(T.x), T the teacher; a probe J
at angle theta to T ranks them by |J.x|; a keep rule keeps a fraction f of alpha_tot N examples; the student is the
max-margin separator of what is kept; N -> infinity at fixed alpha_tot.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import erf, erfinv, ndtri

from perceptron_theory.keep_rules import KeepRule, _real_array
from perceptron_theory.quadrature import FAR, TINY, Strips, normal_pdf
from perceptron_theory.saddle_point import averages, equations, log_error, maximise_margin

__all__ = ["Solution", "log_error_slope", "probe_margin", "solve"]

Floats = NDArray[np.float64]

ALPHA_PRUNE_RANGE = (1e-3, 1e5)
FRACTION_RANGE = (1e-4, 1.0)
CHUNK = 256  # points sent to the device at once
# points solved side by side on a CPU: enough to fill the vector units, few enough to wait for little
LANES, LANES_ALIGNED = 8, 32


@dataclass(frozen=True)
class Solution:
    """Order parameters of the student; every field has the broadcast shape of the arguments of ``solve``.

    Attributes:
        error: test error arccos(R)/pi, in (0, 1/2].
        teacher_overlap: R, cosine of the angle between student and teacher.
        probe_overlap: rho, cosine of the angle between student and probe.
        margin: kappa, smallest y w.x / |w| over the kept examples, for x ~ N(0, I_N).
        residual: largest residual of the saddle-point equations, each relative to the spread of its terms.  A
            diagnostic, not a bound: for thin windows with rare examples deep inside the margin it can be 1e-3 while
            the error is right to 1e-13; ``converged`` goes by the change of the error in the next Newton step.
        converged: whether the search settled; False only with ``on_failure="flag"``, and then the rest is NaN.
        num_steps: quadratures that the search took.
    """

    error: Any
    teacher_overlap: Any
    probe_overlap: Any
    margin: Any
    residual: Any
    converged: Any
    num_steps: Any


class _Points(NamedTuple):
    """Arguments of ``maximise_margin``: one row per point on the host, scalars inside the compiled solver."""

    alpha_prune: Any
    strips: Strips
    theta: Any
    pool: Any
    mean_bound: Any
    boundary_density: Any


def solve(
    alpha_tot: ArrayLike,
    keep: KeepRule,
    theta: ArrayLike,
    *,
    on_failure: Literal["raise", "flag"] = "raise",
) -> Solution:
    """Test error and order parameters of the max-margin student trained on pruned data.

    Args:
        alpha_tot: examples per parameter before pruning; alpha_prune = f alpha_tot must lie in [1e-3, 1e5].
        keep: keep rule, of fraction f in [1e-4, 1].
        theta: angle between probe and teacher in radians, in [0, pi/2].
        on_failure: "raise", or "flag" to return NaN and ``converged = False`` at points that do not converge.

    All arguments are scalars or arrays, broadcast against each other and against the fields of ``keep``.

    Returns:
        The solution; NumPy arrays of the broadcast shape, or plain numbers if that is ().

    Raises:
        TypeError: an argument of the wrong type.
        ValueError: an argument out of range or not finite, or shapes that do not broadcast.
        RuntimeError: a point did not converge, with ``on_failure="raise"``.

    Source: the saddle point of Sorscher et al. 2022 (appendix), in the coordinates of ``saddle_point``.
    """
    if on_failure not in ("raise", "flag"):
        raise ValueError(f'on_failure must be "raise" or "flag", got {on_failure!r}')
    points, shape = _points(alpha_tot, keep, theta)
    if points.theta.size == 0:
        nothing = np.zeros(shape)
        return Solution(nothing, nothing, nothing, nothing, nothing, nothing.astype(bool), nothing.astype(np.int64))
    out = _run(_solve_group, points.theta, points)
    r, omega, theta_flat = out["r"], out["omega"], points.theta
    root_n = np.sqrt(1 + r * r)
    fields = {
        "error": np.exp(out["log_error"]),
        "teacher_overlap": r * np.cos(omega) / root_n,
        "probe_overlap": r * np.cos(theta_flat - omega) / root_n,
        "margin": out["k"] / root_n,
        "residual": out["residual"],
    }
    converged = out["converged"].astype(bool) & np.all([np.isfinite(v) for v in fields.values()], axis=0)
    if not converged.all() and on_failure == "raise":
        i = int(np.flatnonzero(~converged)[0])
        raise RuntimeError(
            f"{np.sum(~converged)} of {converged.size} points did not converge, the first at alpha_prune = "
            f"{points.alpha_prune[i]:.6g}, theta = {theta_flat[i]:.6g}, {type(keep).__name__} that keeps "
            f"{np.broadcast_to(keep.fraction, shape or (1,)).flat[i]:.6g}: residual {out['residual'][i]:.2g} after "
            f'{out["num_steps"][i]:.0f} steps. Use on_failure="flag" to get the others.'
        )
    fields = {name: np.where(converged, value, np.nan) for name, value in fields.items()}
    fields |= {"converged": converged, "num_steps": out["num_steps"].astype(np.int64)}
    return Solution(**{name: _unflatten(value, shape) for name, value in fields.items()})


def log_error_slope(alpha_prune: ArrayLike, keep: KeepRule, theta: ArrayLike) -> Any:
    """Slope d log(error) / d f at fixed alpha_prune: what a larger pool is worth, by implicit differentiation.

    Args:
        alpha_prune: kept examples per parameter, in [1e-3, 1e5].
        keep: ``KeepHard`` or ``KeepEasy`` with f in [1e-4, 1), the fraction that is varied.
        theta: angle between probe and teacher in radians, in [0, pi/2].

    Returns:
        The slope, of the broadcast shape.

    Raises:
        ValueError: as ``solve``, or f = 1, where the edge of the rule is at infinity.
    """
    if np.any(np.asarray(keep.fraction) >= 1):
        raise ValueError(f"f must be below 1 to be varied, got {keep!r}")
    points, shape = _points(np.asarray(alpha_prune) / np.asarray(keep.fraction), keep, theta)
    if points.theta.size == 0:
        return np.zeros(shape)
    found = _run(_solve_group, points.theta, points)
    if not found["converged"].all():
        i = int(np.flatnonzero(found["converged"] != 1)[0])
        raise RuntimeError(f"no convergence at alpha_prune = {points.alpha_prune[i]:.6g}, {keep}")
    student = found["r"], found["omega"], found["k"]
    return _unflatten(_run(_slope_group, points.theta, points, *student)["slope"], shape)


def probe_margin(rank: ArrayLike) -> Floats:
    """Probe margin |z| at difficulty rank u = erf(|z| / sqrt 2) in [0, 1]; FAR (= 40) at u = 1."""
    u = np.asarray(rank, np.float64)
    upper_tail = -ndtri(np.clip((1 - u) / 2, 1e-300, 0.5))  # keeps its digits near u = 1
    return np.where(u == 1, FAR, np.where(u > 0.5, upper_tail, np.sqrt(2) * erfinv(np.minimum(u, 0.5))))


def _unflatten(values: np.ndarray, shape: tuple[int, ...]) -> Any:
    return values.reshape(shape) if shape else values[0].item()


def _points(alpha_tot: ArrayLike, keep: KeepRule, theta: ArrayLike) -> tuple[_Points, tuple[int, ...]]:
    """Checked and broadcast arguments, flattened, and their shape."""
    if not isinstance(keep, KeepRule):
        raise TypeError(f"keep must be a keep rule such as KeepHard(0.2), got {keep!r}")
    alpha_tot, theta = _real_array("alpha_tot", alpha_tot), _real_array("theta", theta)
    if np.any((theta < 0) | (theta > np.pi / 2)):
        raise ValueError(f"theta is in radians and must lie in [0, pi/2], got {theta!r}")
    f = np.asarray(keep.fraction)
    try:
        shape = np.broadcast_shapes(alpha_tot.shape, theta.shape, f.shape)
    except ValueError:
        raise ValueError(
            f"shapes do not broadcast: alpha_tot {alpha_tot.shape}, theta {theta.shape}, keep {f.shape}"
        ) from None
    alpha_prune = f * alpha_tot
    for name, value, (low, high) in (
        ("f, the fraction kept,", f, FRACTION_RANGE),
        ("alpha_prune = f alpha_tot", alpha_prune, ALPHA_PRUNE_RANGE),
    ):
        outside = (value < low * (1 - 1e-9)) | (value > high * (1 + 1e-9))
        if np.any(outside):
            raise ValueError(f"{name} must lie in [{low:g}, {high:g}], got {value[outside].flat[0]:.6g}")

    def flat(values: np.ndarray, *trailing: int) -> Floats:
        return np.broadcast_to(values, (*shape, *trailing)).reshape(-1, *trailing).astype(np.float64)

    windows = keep.windows()
    lower, upper, probability = (flat(w, w.shape[-1]) for w in windows)
    f, alpha_prune, theta = flat(f), flat(alpha_prune), flat(theta)
    inner, outer = probe_margin(lower), probe_margin(upper)
    weight = probability / f[:, None]
    origin = np.where(probability > 0, inner, FAR).min(axis=1)
    if inner.shape[1] == 1 and not inner.any():
        strips = Strips(-outer, outer, weight, origin)
    else:
        lows, highs, weights = (np.hstack(pair) for pair in ((inner, -outer), (outer, -inner), (weight, weight)))
        strips = Strips(lows, highs, weights, origin)
    # the kept measure is at most 1/share times the Gaussian, so no field has a larger mean than over its own tail
    share = f / probability.max(axis=1)
    mean_bound = 2 * np.exp(-(probe_margin(1 - share) ** 2) / 2) / np.sqrt(2 * np.pi) / share
    sine = np.maximum(np.sin(theta), TINY)[:, None] * np.sqrt(2)
    boundary_density = np.sum(weight * (erf(outer / sine) - erf(inner / sine)), axis=1)
    return _Points(alpha_prune, strips, theta, alpha_prune / share, mean_bound, boundary_density), shape


def _solve_one(points: _Points, *, aligned: bool) -> dict[str, jax.Array]:
    found = maximise_margin(*points, aligned=aligned)
    return {**found._asdict(), "log_error": log_error(found.r, found.omega)}


def _slope_one(points: _Points, r: jax.Array, omega: jax.Array, k: jax.Array, *, aligned: bool) -> dict[str, jax.Array]:
    """Implicit differentiation of the equations in (log r, omega, k) with respect to the rule's moving edges."""
    strips = points.strips._replace(origin=jnp.zeros_like(points.theta))

    def balance(unknowns: jax.Array, strips: Strips) -> jax.Array:
        r, omega = jnp.exp(unknowns[0]), unknowns[1]
        mean = averages(strips, points.theta, r, omega, unknowns[2], aligned=aligned)
        full = equations(points.alpha_prune, strips, points.theta, r, omega, unknowns[2], mean)
        return full.at[2].set(omega) if aligned else full

    unknowns = jnp.stack([jnp.log(r), omega, k])
    # one edge in |z| moves: the outer one of hard, the inner one of easy; f is twice a Gaussian mass in either case
    f = 1 / strips.weight[0]

    def motion(edge: jax.Array, outwards: float) -> jax.Array:
        still = jnp.abs(edge) >= FAR
        return jnp.where(still, 0.0, outwards * 0.5 / jnp.where(still, 1.0, normal_pdf(edge)))

    thinner = -jnp.ones_like(strips.weight) / f**2
    moved = Strips(motion(strips.lower, -1.0), motion(strips.upper, 1.0), thinner, jnp.zeros_like(f))
    # derivatives along the three unknowns and along the motion of the rule, all in one pass
    still = jax.tree.map(lambda a: jnp.zeros((3, *a.shape)), moved)
    directions = (jnp.eye(4, 3), jax.tree.map(lambda zero, a: jnp.concatenate([zero, a[None]]), still, moved))
    derivatives = jax.vmap(lambda d: jax.jvp(balance, (unknowns, strips), d)[1])(directions)
    response = -jnp.linalg.solve(derivatives[:3].T, derivatives[3])
    _, slope = jax.jvp(lambda u: log_error(jnp.exp(u[0]), u[1]), (unknowns,), (response,))
    return {"slope": slope}


@cache
def _grouped(
    one: Callable[..., dict[str, jax.Array]], aligned: bool, lanes: int
) -> Callable[..., dict[str, jax.Array]]:
    """``one`` over the first ``num_groups`` groups of ``lanes`` points; compiled once per number of strips."""

    def run(num_groups: jax.Array, *arguments: Any) -> dict[str, jax.Array]:
        many = jax.vmap(partial(one, aligned=aligned))

        def group(start: Any) -> Any:
            return jax.tree.map(lambda a: jax.lax.dynamic_slice_in_dim(a, start, lanes), arguments)

        def turn(i: jax.Array, out: dict[str, jax.Array]) -> dict[str, jax.Array]:
            found = many(*group(i * lanes))
            return {
                name: jax.lax.dynamic_update_slice_in_dim(out[name], value.astype(float), i * lanes, 0)
                for name, value in found.items()
            }

        num_points = jax.tree.leaves(arguments)[0].shape[0]
        empty = {name: jnp.full(num_points, jnp.nan) for name in jax.eval_shape(many, *group(0))}
        return jax.lax.fori_loop(0, num_groups, turn, empty)

    return jax.jit(run)


def _solve_group(aligned: bool, lanes: int) -> Callable[..., dict[str, jax.Array]]:
    return _grouped(_solve_one, aligned, lanes)


def _slope_group(aligned: bool, lanes: int) -> Callable[..., dict[str, jax.Array]]:
    return _grouped(_slope_one, aligned, lanes)


def _run(
    group: Callable[[bool, int], Callable[..., dict[str, jax.Array]]], theta: Floats, *arguments: Any
) -> dict[str, np.ndarray]:
    """Apply a solver to all points: on a CPU in small groups on every core, on a GPU side by side."""
    backend = jax.default_backend()
    device = jax.devices("cpu")[0] if backend == "tpu" else jax.devices()[0]  # TPUs have no double precision
    on_cpu = device.platform == "cpu"
    chunk = CHUNK if on_cpu else 16 * CHUNK
    out: dict[str, np.ndarray] = {}

    def work(job: tuple[bool, np.ndarray]) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        aligned, rows = job
        padded = np.concatenate([rows, np.full(chunk - rows.size, rows[-1])])
        lanes = chunk if not on_cpu else LANES_ALIGNED if aligned else LANES
        with jax.enable_x64(True), jax.default_device(device):
            batch = jax.tree.map(lambda a: a[padded], arguments)
            found = group(aligned, lanes)(-(-rows.size // lanes), *batch)
            return rows, {name: np.asarray(value)[: rows.size] for name, value in found.items()}

    def jobs() -> Iterator[tuple[bool, np.ndarray]]:
        for aligned in (True, False):
            rows = np.flatnonzero((theta == 0) == aligned)
            yield from ((aligned, rows[i : i + chunk]) for i in range(0, rows.size, chunk))

    with ThreadPoolExecutor(os.cpu_count() if on_cpu else 1) as pool:
        for rows, found in pool.map(work, jobs()):
            for name, value in found.items():
                out.setdefault(name, np.full(theta.size, np.nan))[rows] = value
    return out

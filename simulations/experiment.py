"""Finite perceptrons trained on pruned data: ``simulate``."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg  # noqa: F401  (loads the BLAS whose threads are limited below)
from jax import Array
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from perceptron_theory import HingeLoss, KeepByLabel, KeepRule, Labels, LogisticLoss, MaxMargin, SquareLoss, Student
from perceptron_theory.labels import truth_direction
from simulations.ensemble import draw_kept_examples
from simulations.hinge_loss import support_vector_machine
from simulations.interior_point import max_margin
from simulations.logistic_loss import logistic_regression
from simulations.separability import is_proven_inseparable
from simulations.square_loss import minimum_norm, ridge

__all__ = ["Simulation", "simulate"]

LARGEST_GAP = 1e-10  # certified: the error of the returned angle is below sqrt(2 LARGEST_GAP)/pi = 5e-6
CPU_CHUNK = 10  # trials per call of the compiled solver on a CPU
CPU_BYTES, GPU_BYTES = 2**28, 2**32  # data of one call


@dataclass(frozen=True)
class Simulation:
    """Test errors of independent trials, each with its certificate of optimality.

    Attributes:
        errors: test error of each trial, the angle between student and truth over pi, exact (no test set), shape
            (num_trials,).
        gaps: certificate of each trial, shape (num_trials,): the angle of the student is right to arccos(1 - gap).
            For max-margin students it is the relative width of the bracket around the largest margin.
        margins: margin kappa of each trial, min y w.x / |w| over the kept examples for x ~ N(0, I_N), shape
            (num_trials,); negative where an example is misclassified.
        kept: examples of each trial after pruning, shape (num_trials,); all equal unless the rule looks at labels.
        mean: mean of ``errors``.
        standard_error: standard error of ``mean``.
        num_features: N.
        num_examples: examples per trial before pruning.
        seed: seed of the trials.
    """

    errors: np.ndarray
    gaps: np.ndarray
    margins: np.ndarray
    kept: np.ndarray
    mean: float
    standard_error: float
    num_features: int
    num_examples: int
    seed: int

    @property
    def num_kept(self) -> float:
        """Examples per trial after pruning, mean over trials; whole unless the rule looks at labels."""
        return float(self.kept.mean())

    @property
    def alpha_tot(self) -> float:
        """Examples per parameter before pruning, with numbers of examples as they were rounded."""
        return self.num_examples / self.num_features

    @property
    def fraction(self) -> float:
        """Fraction kept, with numbers of examples as they were rounded."""
        return self.num_kept / self.num_examples


def simulate(
    alpha_tot: float,
    keep: KeepRule | KeepByLabel,
    theta: float,
    num_features: int = 200,
    num_trials: int = 100,
    seed: int = 0,
    *,
    student: Student = MaxMargin(),  # noqa: B008 (frozen)
    labels: Labels = Labels(),  # noqa: B008 (frozen)
    progress: bool = False,
) -> Simulation:
    """Train students on pruned data sets and measure their test error.

    Each trial draws round(alpha_tot N) examples, ranks them by the probe, keeps what the rule says by rank, and trains
    the student on the rest, with a certificate.  Trials are independent, and trial i of a seed is the same whatever
    the number of trials.

    Args:
        alpha_tot: examples per parameter before pruning, > 0.
        keep: one keep rule, or one for the examples whose label the probe predicts and one for the others.
        theta: angle between probe and teacher in radians, in [0, pi/2].
        num_features: N, at least 2.
        num_trials: number of trials, at least 2 (for a standard error).
        seed: non-negative integer.
        student: what is minimised; its lambda is one number, positive for the logistic and the hinge loss.
        labels: flips of labels, and the truth that counts; all fields single numbers.
        progress: show a progress bar on stderr.

    Returns:
        The simulation.

    Raises:
        TypeError, ValueError: an argument of the wrong type or out of range, or a rule that keeps no example.
        RuntimeError: a trial whose gap stayed above 1e-10, or, for max-margin students, whose data are proven to have
            no separator; no trial is ever left out.

    Source: the model of Sorscher et al. 2022, section 2; students, flips and imperfect teachers as in Dohmatob,
        Pezeshki, Askari-Hemmat 2025.
    """
    num_features, num_trials, seed = (
        _integer(name, value, low)
        for name, value, low in (("num_features", num_features, 2), ("num_trials", num_trials, 2), ("seed", seed, 0))
    )
    alpha_tot, theta = _number("alpha_tot", alpha_tot), _number("theta", theta)
    if alpha_tot <= 0:
        raise ValueError(f"alpha_tot must be positive, got {alpha_tot!r}")
    if not 0 <= theta <= np.pi / 2:
        raise ValueError(f"theta is in radians and must lie in [0, pi/2], got {theta!r}")
    if not isinstance(keep, KeepRule | KeepByLabel):
        raise TypeError(f"keep must be a keep rule such as KeepHard(0.2), got {keep!r}")
    fit, lam = _solver(student)
    if not isinstance(labels, Labels):
        raise TypeError(f"labels must be Labels(...), got {labels!r}")
    flip_probability, truth = _number("labels.flip_probability", labels.flip_probability), None
    if not labels.truth_is_teacher:
        truth = truth_direction(
            theta,
            _number("labels.truth_angle", labels.truth_angle),
            _number("labels.probe_truth_angle", labels.probe_truth_angle),
        )
        if num_features < 3:
            raise ValueError(f"num_features must be at least 3 for a truth that is not the teacher, got {num_features}")
    num_examples = round(alpha_tot * num_features)
    if num_examples < 1:
        raise ValueError(f"alpha_tot = {alpha_tot:g} with num_features = {num_features} gives no example")

    positions, by_label = _kept_positions(keep, num_examples, num_trials, seed)
    num_kept = positions.shape[1]
    # at most N examples are solved in their own dimension: padding must not push them past it
    kept_size = min(_size(num_kept), num_features) if num_kept <= num_features else _size(num_kept)
    padding = (0, kept_size - num_kept)
    trials = _Trials(
        positions=np.pad(positions, ((0, 0), padding)),
        by_label=None if by_label is None else np.pad(by_label, ((0, 0), (0, 0), padding)),
        num_kept=num_kept,
        num_examples=num_examples,
        num_features=num_features,
        theta=theta,
        flip_probability=flip_probability,
        seed=seed,
    )
    outcome = _run(trials, fit, lam, truth, progress=progress)

    errors, gaps, kept = outcome["errors"], outcome["gaps"], outcome["kept"]
    if not np.all(kept > 0):
        raise ValueError(
            f"trial {np.argmin(kept)} of seed {seed} keeps none of {num_examples} examples with {keep}: "
            "keep a larger fraction or more examples"
        )
    if not np.all(gaps <= LARGEST_GAP):
        bad = int(np.flatnonzero(~(gaps <= LARGEST_GAP))[0])
        settings = ", ".join(str(item) for item in (keep, student, labels))
        where = f"{kept[bad]} examples of {num_examples}, {settings}, N = {num_features}"
        if fit is _max_margin and is_proven_inseparable(_data(trials, bad)):
            raise RuntimeError(
                f"the data of trial {bad} of seed {seed} are not separable, so they have no max-margin student: "
                f"{where}; keep fewer examples, or take a student that bears wrong labels, such as HingeLoss(0.1)"
            )
        advice = (
            "repeat it with simulations.interior_point.max_margin to see why"
            if fit is _max_margin
            else "a larger lam makes the minimum sharper"
        )
        raise RuntimeError(
            f"trial {bad} of seed {seed} has no certificate below {LARGEST_GAP:g}: gap {gaps[bad]:.2g} at "
            f"{where}; {advice}"
        )
    return Simulation(
        errors=errors,
        gaps=gaps,
        margins=outcome["margins"],
        kept=kept,
        mean=float(errors.mean()),
        standard_error=float(errors.std(ddof=1) / math.sqrt(num_trials)),
        num_features=num_features,
        num_examples=num_examples,
        seed=seed,
    )


class _Trained(Protocol):
    """What every solver returns, and more."""

    @property
    def weights(self) -> Array: ...
    @property
    def margin(self) -> Array: ...
    @property
    def gap(self) -> Array: ...


_Fit = Callable[[Array, Array], _Trained]  # examples (rows y x / sqrt N), lambda


def _max_margin(examples: Array, lam: Array) -> _Trained:
    return max_margin(examples)


class _Trials(NamedTuple):
    """All that determines the data."""

    positions: np.ndarray  # (num_trials, kept_size)
    by_label: np.ndarray | None  # (num_trials, 2, kept_size)
    num_kept: int
    num_examples: int
    num_features: int
    theta: float
    flip_probability: float
    seed: int


def _solver(student: Student) -> tuple[_Fit, float]:
    """The solver of a student, and its lambda."""
    if isinstance(student, MaxMargin):
        return _max_margin, 0.0
    if not isinstance(student, SquareLoss | LogisticLoss | HingeLoss):
        raise TypeError(f"student must be MaxMargin(), SquareLoss, LogisticLoss or HingeLoss, got {student!r}")
    lam = _number("lam", student.lam)
    if isinstance(student, SquareLoss):
        return (ridge, lam) if lam > 0 else (minimum_norm, lam)
    if lam == 0:
        raise ValueError(
            f"a simulated {student} has no unique minimum in general: take a small lam > 0, or MaxMargin()"
        )
    return (logistic_regression, lam) if isinstance(student, LogisticLoss) else (support_vector_machine, lam)


def _kept_positions(
    keep: KeepRule | KeepByLabel, num_examples: int, num_trials: int, seed: int
) -> tuple[np.ndarray, np.ndarray | None]:
    """Positions that may be kept in each trial, and for ``KeepByLabel`` with which label (disagreeing, agreeing)."""
    random = (np.random.default_rng([seed, i]) for i in range(num_trials))
    if isinstance(keep, KeepRule):
        return np.stack([keep.kept_positions(num_examples, rng) for rng in random]), None
    kept = np.zeros((num_trials, 2, num_examples), bool)
    for trial, rng in zip(kept, random, strict=True):
        for which, rule in ((1, keep.agree), (0, keep.disagree)):
            if rule is not None:
                trial[which, rule.kept_positions(num_examples, rng)] = True
    # all trials need arrays of one size: positions that neither label keeps fill up
    either = kept.any(axis=1)
    size = either.sum(axis=1).max()
    positions = np.sort(np.argsort(~either, axis=1, kind="stable")[:, :size], axis=1)
    return positions, np.take_along_axis(kept, positions[:, None, :], axis=2)


def _integer(name: str, value: Any, low: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(f"{name} must be an integer, got {value!r}")
    if not low <= value < 2**63:
        raise ValueError(f"{name} must lie in [{low}, 2**63), got {value!r}")
    return int(value)


def _number(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        raise TypeError(f"{name} must be a number, got {value!r}")
    if not math.isfinite(value):
        raise ValueError(f"{name} must be finite, got {value!r}")
    return float(value)


def _size(count: int) -> int:
    """Array size for ``count`` rows: one of few, so that few programs are compiled; at most a fifth is padding."""
    step = max(8, 2 ** (max(count, 1).bit_length() - 3))
    return -(-count // step) * step


@cache
def _draw(pool_size: int, num_features: int) -> Callable[..., Array]:
    """Compiled: the data of several trials, shape (num_trials, kept_size, num_features)."""

    def several(
        keys: Array,
        positions: Array,
        num_kept: Array,
        num_examples: Array,
        theta: Array,
        flip_probability: Array | float = 0.0,
        by_label: Array | None = None,
    ) -> Array:
        one = partial(draw_kept_examples, pool_size=pool_size, num_features=num_features)

        def trial(key: Array, row: Array, labels_kept: Array | None) -> Array:
            return one(key, row, num_kept, num_examples, theta, flip_probability=flip_probability, by_label=labels_kept)

        return jax.vmap(trial)(keys, positions, by_label)

    return jax.jit(several)


@cache
def _train(side_by_side: bool, fit: _Fit = _max_margin) -> Callable[..., dict[str, Array]]:
    """Compiled: the students of several data sets, one after the other on a CPU, side by side on an accelerator.

    The compiled function takes the data, lambda, and the truth's first three components if it is not the teacher.
    """

    def one(examples: Array, lam: Array, truth: Array | None) -> dict[str, Array]:
        found = fit(examples, lam)
        w = found.weights
        if truth is None:
            error = jnp.arctan2(jnp.linalg.norm(w[1:]), w[0]) / jnp.pi
        else:
            truth = jnp.zeros_like(w).at[:3].set(truth)
            along = w @ truth
            error = jnp.arctan2(jnp.linalg.norm(w - along * truth), along) / jnp.pi
        # the examples are scaled by 1/sqrt N, the margin is that of x ~ N(0, I_N)
        return {"errors": error, "gaps": found.gap, "margins": found.margin * jnp.sqrt(w.size)}

    def several(data: Array, lam: Array | float = 0.0, truth: Array | None = None) -> dict[str, Array]:
        trial = partial(one, lam=jnp.asarray(lam, data.dtype), truth=truth)
        return jax.vmap(trial)(data) if side_by_side else jax.lax.map(trial, data)

    return jax.jit(several)


def _draw_trials(trials: _Trials, which: np.ndarray) -> Array:
    """Data of the trials of those numbers; call it under ``jax.enable_x64``."""
    root = jax.random.key(trials.seed, impl="threefry2x32")
    keys = jax.vmap(partial(jax.random.fold_in, root))(which)
    draw = _draw(_size(trials.num_examples), trials.num_features)
    return draw(
        keys,
        trials.positions[which],
        trials.num_kept,
        trials.num_examples,
        trials.theta,
        trials.flip_probability,
        None if trials.by_label is None else trials.by_label[which],
    )


def _data(trials: _Trials, number: int) -> np.ndarray:
    """The data of one trial, rows y x / sqrt N."""
    with jax.enable_x64(True):
        return np.asarray(_draw_trials(trials, np.array([number])))[0]


def _run(
    trials: _Trials, fit: _Fit, lam: float, truth: tuple[float, float, float] | None, *, progress: bool
) -> dict[str, np.ndarray]:
    """All trials, in chunks that fit in memory: on a CPU one chunk per core at a time."""
    num_trials, kept_size = trials.positions.shape
    on_cpu = jax.default_backend() == "cpu"
    fitting = max(1, (CPU_BYTES if on_cpu else GPU_BYTES) // (8 * kept_size * trials.num_features))
    chunk = min(fitting, num_trials, CPU_CHUNK if on_cpu else num_trials)
    chunks = [range(start, min(start + chunk, num_trials)) for start in range(0, num_trials, chunk)]
    train = _train(side_by_side=not on_cpu, fit=fit)

    def work(rows: range) -> dict[str, np.ndarray]:
        which = np.minimum(np.arange(rows.start, rows.start + chunk), num_trials - 1)
        with jax.enable_x64(True):
            data = _draw_trials(trials, which)
            found = train(data, lam, None if truth is None else np.array(truth))
            found = {"kept": jnp.any(data != 0, axis=2).sum(axis=1), **found}
            return {name: np.asarray(value)[: len(rows)] for name, value in found.items()}

    # one BLAS thread: small Cholesky factorisations are many times slower with more, and the cores have trials to do
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(os.cpu_count() if on_cpu else 1) as pool:
        done: list[dict[str, np.ndarray]] = []
        with tqdm(total=num_trials, desc="trials", disable=not progress, leave=False) as bar:
            for rows, found in zip(chunks, pool.map(work, chunks), strict=True):
                done.append(found)
                bar.update(len(rows))
    return {name: np.concatenate([found[name] for found in done]) for name in done[0]}

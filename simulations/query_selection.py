"""Examples picked batch by batch by the student itself, not all at once by a probe: ``select_queries``.

A keep rule ranks the pool once, by a probe that never changes.  Here the student that was trained on what is picked so
far ranks what is left, and the hardest of it are picked next: margin sampling, with the labels looked at only of what
is picked.  There is no theory of it; it is compared with the theory of one ranking.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.sharding import Mesh

from data_pruning import KeepHard, Results
from data_pruning.arguments import integer, number
from perceptron_theory import Labels, MaxMargin, Student
from simulations.pruned_students import array_size
from simulations.settings import as_json, software
from simulations.simulation import number_of_trials
from simulations.students.separability import is_proven_inseparable
from simulations.students.solvers import LARGEST_GAP, Fit, solver_of
from simulations.trials.devices import Footprint, TrialProgram
from simulations.trials.run import run_trials
from simulations.trials.store import Column

__all__ = ["QueryExperiment", "QuerySelection", "select_queries"]

FLIPS = 1  # which key of a trial flips its labels; 0 is that of the inputs
COLUMNS = {
    "errors": Column("1", "test error after each round: angle between student and teacher over pi", ("round",)),
    "gaps": Column("1", "optimality gap: the angle of the student is right to arccos(1 - gap)", ("round",)),
    "margins": Column("1", "margin kappa: smallest y w.x / |w| of the picked examples, for x ~ N(0, I)", ("round",)),
}


@dataclass(frozen=True)
class QuerySelection:
    """Students that pick their examples; the fields determine every trial but for its number.

    Attributes:
        alpha_tot: examples per parameter in the pool, > 0.
        fraction: share of the pool that is picked in the end, in (0, 1].
        num_rounds: K, batches of equal size (to one example) in which it is picked, at least 1.
        num_features: N, at least 2.
        theta: None picks the first batch at random; else it is the hardest for a probe at this angle to the teacher in
            radians, in [0, pi/2].
        student: what is minimised.
        labels: flips of labels; the truth is the teacher.
        seed: non-negative integer.
    """

    alpha_tot: float
    fraction: float
    num_rounds: int
    num_features: int
    theta: float | None = None
    student: Student = MaxMargin()  # noqa: RUF009 (frozen)
    labels: Labels = Labels()  # noqa: RUF009 (frozen)
    seed: int = 0

    def __post_init__(self) -> None:
        for name, low in (("num_rounds", 1), ("num_features", 2), ("seed", 0)):
            object.__setattr__(self, name, integer(name, getattr(self, name), low))
        for name in ("alpha_tot", "fraction"):
            object.__setattr__(self, name, number(name, getattr(self, name)))
        if self.alpha_tot <= 0:
            raise ValueError(f"alpha_tot must be positive, got {self.alpha_tot!r}")
        if not 0 < self.fraction <= 1:
            raise ValueError(f"fraction must lie in (0, 1], got {self.fraction!r}")
        if self.theta is not None:
            object.__setattr__(self, "theta", number("theta", self.theta))
            if not 0 <= self.theta <= np.pi / 2:
                raise ValueError(f"theta is in radians and must lie in [0, pi/2], got {self.theta!r}")
        solver_of(self.student)
        if not isinstance(self.labels, Labels):
            raise TypeError(f"labels must be Labels(...), got {self.labels!r}")
        number("labels.flip_probability", self.labels.flip_probability)
        if not self.labels.truth_is_teacher:
            raise ValueError(f"labels may be flipped, but the truth must be the teacher, got {self.labels!r}")
        if self.num_examples < 1:
            raise ValueError(f"alpha_tot = {self.alpha_tot:g} with num_features = {self.num_features} gives no example")
        if self.num_rounds > self.num_kept:
            raise ValueError(
                f"num_rounds = {self.num_rounds} batches of at least one example are more than the {self.num_kept} "
                f"that are picked of {self.num_examples}: take fewer rounds or a larger fraction"
            )

    @property
    def num_examples(self) -> int:
        """Examples in the pool of a trial."""
        return round(self.alpha_tot * self.num_features)

    @property
    def num_kept(self) -> int:
        """Examples picked in the end, as many as ``KeepHard`` keeps."""
        return KeepHard(self.fraction).kept_positions(self.num_examples).size

    @property
    def kept_after(self) -> np.ndarray:
        """Examples picked after each round, shape (num_rounds,)."""
        rounds = np.arange(1, self.num_rounds + 1)
        return (2 * self.num_kept * rounds + self.num_rounds) // (2 * self.num_rounds)

    @property
    def title(self) -> str:  # noqa: D102
        return "Test errors of students that pick their examples"

    @property
    def columns(self) -> dict[str, Column]:  # noqa: D102
        return COLUMNS

    def settings(self, *, platform: str | None = None) -> dict[str, Any]:
        """All that determines a trial besides its number; student and labels only where they are not the default.

        Args:
            platform: kind of device, default JAX's.
        """
        settings: dict[str, Any] = {
            name: getattr(self, name) for name in ("alpha_tot", "fraction", "num_rounds", "num_features", "theta")
        }
        if self.student != MaxMargin():
            settings["student"] = as_json(self.student, student=type(self.student).__name__)
        if as_json(self.labels) != as_json(Labels()):
            settings["labels"] = as_json(self.labels)
        return {**settings, "seed": self.seed, "software": software(platform or jax.default_backend())}

    def footprint(self) -> Footprint:
        """Memory of one trial: its pool is drawn when its turn comes."""
        pool, rows, n = 8 * self.num_examples * self.num_features, self._rows(), self.num_features
        work = 3 * pool + 24 * rows * n + 64 * min(rows, n) ** 2 + 100 * self.num_examples
        return Footprint(8 * self.num_examples, work)

    def run(self, numbers: np.ndarray, device: Any) -> dict[str, np.ndarray]:
        """The trials of these numbers, on a device."""
        found = self._run(numbers, device)
        return {name: found[name] for name in COLUMNS}

    def check(self, numbers: np.ndarray, columns: Mapping[str, np.ndarray]) -> None:
        """The student of every round is certified.

        Raises:
            RuntimeError: a gap above 1e-10; for max-margin students it is said if the data have proven no separator.
        """
        gaps = columns["gaps"]
        if np.all(gaps <= LARGEST_GAP):
            return
        row, bad = np.argwhere(~(gaps <= LARGEST_GAP))[0]
        who = f"trial {numbers[row]} of seed {self.seed} after round {bad + 1} of {self.num_rounds}"
        where = (
            f"{self.kept_after[bad]} examples picked of {self.num_examples}, {self.student}, {self.labels}, "
            f"N = {self.num_features}"
        )
        if isinstance(self.student, MaxMargin):
            examples, picked_in = self.history(int(numbers[row]))
            if is_proven_inseparable(examples[picked_in <= bad]):
                raise RuntimeError(
                    f"the examples picked in {who} are not separable, so they have no max-margin student: {where}; "
                    "pick fewer examples, or take a student that bears wrong labels, such as HingeLoss(0.1)"
                )
        raise RuntimeError(f"{who} has no certificate below {LARGEST_GAP:g}: gap {gaps[row, bad]:.2g} with {where}")

    def history(self, trial: int) -> tuple[np.ndarray, np.ndarray]:
        """The pool of one trial and what was picked of it when.

        Returns:
            The pool, rows y x / sqrt(N), shape (num_examples, num_features), the first coordinate along the teacher
            and the second along the rest of the probe; and the round in which each example was picked, 0 for the
            first, num_rounds for those never picked, integers of shape (num_examples,).
        """
        numbers, device = np.array([trial]), jax.local_devices()[0]
        with jax.enable_x64(True):
            draw = _draw(self.num_examples, self.num_features)
            pool = draw(jax.device_put(numbers, device), self._root(), np.float64(self.labels.flip_probability))
        return np.asarray(pool)[0], self._run(numbers, device)["picked_in"][0]

    def _run(self, numbers: np.ndarray, device: Any) -> dict[str, np.ndarray]:
        fit, lam = solver_of(self.student)
        shape = _Shape(self.num_examples, self.num_features, self._rows())
        first = _First(np.float64(self.theta or 0.0), np.array(self.theta is None))
        batches = np.diff(self.kept_after, prepend=0)
        with jax.enable_x64(True):
            run = _select(fit, shape)
            numbers = jax.device_put(numbers, device)
            flip_probability = np.float64(self.labels.flip_probability)
            found = run(numbers, self._root(), batches, first, np.float64(lam), flip_probability)
            return {name: np.asarray(values) for name, values in found.items()}

    def _root(self) -> np.ndarray:
        return np.asarray(jax.random.key_data(jax.random.key(self.seed, impl="threefry2x32")))

    def _rows(self) -> int:
        """Rows of the array of picked examples in all rounds."""
        count = self.num_kept  # one size for all: compiling a solver takes as long as several hundred of its solutions
        return min(array_size(count), self.num_features) if count <= self.num_features else array_size(count)


class _Shape(NamedTuple):
    """Sizes of arrays."""

    num_examples: int
    num_features: int
    rows: int  # of the array of picked examples


class _First(NamedTuple):
    """How the first batch is picked."""

    theta: Any
    at_random: Any


def _pool(number: Array, root: Array, flip_probability: Array, num_examples: int, num_features: int) -> Array:
    """The pool of one trial: label times input over sqrt N, the first coordinate along the teacher."""
    key = jax.random.fold_in(jax.random.wrap_key_data(root, impl="threefry2x32"), number)
    inputs = jax.random.normal(jax.random.fold_in(key, 0), (num_examples, num_features), float)
    flipped = jax.random.uniform(jax.random.fold_in(key, FLIPS), (num_examples,), float) < flip_probability
    label = jnp.sign(inputs[:, 0]) * jnp.where(flipped, -1.0, 1.0)
    return label[:, None] * inputs / jnp.sqrt(num_features)


@cache
def _draw(num_examples: int, num_features: int) -> Any:
    """Compiled: the pools of several trials."""

    def one(number: Array, root: Array, flip_probability: Array) -> Array:
        return _pool(number, root, flip_probability, num_examples, num_features)

    return TrialProgram(one)


@cache
def _select(fit: Fit, shape: _Shape) -> Any:
    """Compiled: all rounds of several trials."""
    never = np.iinfo(np.int32).max

    def one(
        number: Array, root: Array, batches: Array, first: _First, lam: Array, flip_probability: Array
    ) -> dict[str, Array]:
        pool = _pool(number, root, flip_probability, shape.num_examples, shape.num_features)
        place = jnp.arange(shape.num_examples)
        # the examples are independent: the first of the pool are as good as any drawn at random
        margin = jnp.abs(jnp.cos(first.theta) * pool[:, 0] + jnp.sin(first.theta) * pool[:, 1])
        hardness = jnp.where(first.at_random, place.astype(pool.dtype), margin)

        def one_round(state: tuple[Array, Array], batch: tuple[Array, Array]) -> tuple[Any, dict[str, Array]]:
            hardness, picked_in = state
            which, size = batch
            hardest_first = jnp.argsort(jnp.where(picked_in < never, jnp.inf, hardness))
            picked_in = picked_in.at[hardest_first].min(jnp.where(place < size, which, never))
            chosen = jnp.argsort(picked_in)[: shape.rows]
            found = fit(jnp.where((picked_in < never)[chosen, None], pool[chosen], 0.0), lam)
            w = found.weights
            with jax.default_matmul_precision("highest"):
                hardness = jnp.abs(pool @ w)
            error = jnp.arctan2(jnp.linalg.norm(w[1:]), w[0]) / jnp.pi
            # the examples are scaled by 1/sqrt N, the margin is that of x ~ N(0, I_N)
            margin = found.margin * jnp.sqrt(shape.num_features)
            return (hardness, picked_in), {"errors": error, "gaps": found.gap, "margins": margin}

        rounds = jnp.arange(batches.size, dtype=jnp.int32)
        start = (hardness, jnp.full(shape.num_examples, never, jnp.int32))
        (_, picked_in), found = jax.lax.scan(one_round, start, (rounds, batches))
        return found | {"picked_in": jnp.minimum(picked_in, batches.size)}

    return TrialProgram(one)


@dataclass(frozen=True, eq=False)
class QueryExperiment:
    """Test errors of independent trials after every round, each with its certificate of optimality.

    Attributes:
        trials: the settings.
        errors: test error of each trial after each round, the angle between student and teacher over pi, exact (no
            test set), shape (num_trials, num_rounds).
        gaps: certificate of each student, shape (num_trials, num_rounds): its angle is right to arccos(1 - gap).
        margins: margin kappa of each student, min y w.x / |w| over the examples picked so far for x ~ N(0, I_N), shape
            (num_trials, num_rounds); negative where an example is misclassified.
    """

    trials: QuerySelection
    errors: np.ndarray
    gaps: np.ndarray
    margins: np.ndarray

    @property
    def mean(self) -> np.ndarray:
        """Mean of ``errors`` over trials, shape (num_rounds,)."""
        return self.errors.mean(axis=0)

    @property
    def standard_error(self) -> np.ndarray:
        """Standard errors of ``mean``, shape (num_rounds,); the rounds of a trial are not independent."""
        return self.errors.std(axis=0, ddof=1) / math.sqrt(self.num_trials)

    @property
    def num_trials(self) -> int:
        """Number of trials."""
        return len(self.errors)

    @property
    def kept(self) -> np.ndarray:
        """Examples picked after each round, shape (num_rounds,)."""
        return self.trials.kept_after

    @property
    def alpha_kept(self) -> np.ndarray:
        """Examples picked per parameter after each round, shape (num_rounds,)."""
        return self.kept / self.trials.num_features

    @property
    def alpha_tot(self) -> float:
        """Examples per parameter in the pool, with their number as it was rounded."""
        return self.trials.num_examples / self.trials.num_features

    def results(self) -> Results:
        """The trials as results that can be saved, and read by xarray and others."""
        results = Results(self.trials.title, self.trials.settings())
        for name, column in self.trials.columns.items():
            results.add(name, ("trial", *column.dims), getattr(self, name), column.units, column.description)
        results.add("mean", "round", self.mean, "1", "mean of errors over trials")
        results.add("standard_error", "round", self.standard_error, "1", "standard error of mean")
        results.add("kept", "round", self.kept, "1", "examples picked")
        results.add("alpha_kept", "round", self.alpha_kept, "1", "examples picked per parameter")
        results.add("num_examples", (), self.trials.num_examples, "1", "examples in the pool of a trial")
        return results

    def to_xarray(self) -> Any:
        """The same as an ``xarray.Dataset`` with the dimensions ``trial`` and ``round``, units and descriptions."""
        return self.results().to_xarray()


def select_queries(
    alpha_tot: float,
    fraction: float,
    num_rounds: int,
    num_features: int = 200,
    num_trials: int | Literal["auto"] = 100,
    seed: int = 0,
    *,
    theta: float | None = None,
    student: Student = MaxMargin(),  # noqa: B008 (frozen)
    labels: Labels = Labels(),  # noqa: B008 (frozen)
    target: float | None = None,
    out: str | os.PathLike[str] | None = None,
    mesh: Mesh | None = None,
    progress: bool = False,
) -> QueryExperiment:
    """Train students that pick their examples batch by batch, and measure their test error after every batch.

    Each trial draws a pool of round(alpha_tot N) examples.  In each round the student is trained on all examples picked
    so far, with a certificate, and picks of the others those nearest to its hyperplane, the smallest |w.x|.  The first
    batch is random, or the hardest for a probe.  With one round and a probe this is ``simulate`` with ``KeepHard``.
    Trials are independent, and trial i of a seed is the same whatever the number of trials, and on a CPU, bit for bit,
    of devices.

    Args:
        alpha_tot: examples per parameter in the pool, > 0.
        fraction: share of the pool that is picked in the end, in (0, 1].
        num_rounds: batches of equal size (to one example) in which it is picked, at least 1.
        num_features: N, at least 2.
        num_trials: number of trials, at least 2 (for a standard error); or "auto", as many as ``target`` takes: the
            first multiple of 10, at least 30.
        seed: non-negative integer.
        theta: None picks the first batch at random; else it is the hardest for a probe at this angle to the teacher in
            radians, in [0, pi/2].
        student: what is minimised; its lambda is one number, positive for the logistic and the hinge loss.
        labels: flips of labels, a single number; the truth must be the teacher.
        target: with "auto", the standard error of the mean test error that is small enough after every round, > 0.
        out: folder in which every finished batch of trials is saved at once, in a sub-folder named after these
            settings; what is there is not computed again, and several processes may share the work.
        mesh: JAX mesh whose devices share the trials, those of other hosts included; default all devices.
        progress: show a progress bar with the time left on stderr.

    Returns:
        The test errors after every round.

    Raises:
        TypeError, ValueError: an argument of the wrong type or out of range, or a saved file that is damaged.
        MemoryError: not even one trial at a time fits in memory; before any is run.
        RuntimeError: a student whose gap stayed above 1e-10, or, for max-margin students, whose data are proven to
            have no separator; no trial is ever left out.
        KeyboardInterrupt: interrupted; the message says what is saved.
        OSError: the disk is full, among others.

    Source: margin sampling, Tong and Koller, JMLR 2 (2001); the pool is that of Sorscher et al. 2022, section 2.
    """
    wanted = number_of_trials(num_trials, target)
    trials = QuerySelection(alpha_tot, fraction, num_rounds, num_features, theta, student, labels, seed)
    return QueryExperiment(trials, **run_trials(trials, wanted, out=out, stem="queries", mesh=mesh, progress=progress))

"""Trials of the teacher-student experiment: data drawn, pruned and learned, from a random key to a test error."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from data_pruning import KeepByLabel, KeepRule
from data_pruning.arguments import integer, number
from data_pruning.keep_weighted import warn_of_ignored_weights
from perceptron_theory import Labels, MaxMargin, SeenFeatures, Student
from perceptron_theory.features import Features
from perceptron_theory.labels import truth_direction
from simulations.ensemble import draw_kept_examples, labels_agree
from simulations.probe import TrainedProbe, learned_angle
from simulations.seen_features import SeenCoordinates, field_error, field_gap, num_seen_of, seen_coordinates
from simulations.settings import as_json, software
from simulations.students.separability import is_proven_inseparable
from simulations.students.separator import TARGET_GAP
from simulations.students.solvers import LARGEST_GAP, Fit, quick_solver_of, solver_of
from simulations.trials.devices import Footprint, TrialProgram
from simulations.trials.store import Column

__all__ = ["PrunedStudents", "array_size"]

MOST_EXAMPLES = 2.0**53  # of a trial: more cannot be counted in double precision
PROBE = 3  # which key of a trial its probe has; those of the pool are in ``ensemble``
COLUMNS = {
    "errors": Column("1", "test error: angle between student and truth over pi"),
    "gaps": Column("1", "optimality gap: the angle of the student is right to arccos(1 - gap)"),
    "margins": Column("1", "margin kappa: smallest y w.x / |w| of the kept examples"),
    "kept": Column("1", "examples after pruning", dtype=int),
}
PROBE_COLUMNS = {
    "probe_angles": Column("rad", "measured angle between trained probe and teacher"),
    "probe_gaps": Column("1", "optimality gap of the trained probe"),
}


@dataclass(frozen=True)
class PrunedStudents:
    """Students trained on pruned data; the fields determine every trial but for its number.

    Attributes:
        alpha_tot: examples per parameter of the student before pruning, > 0.
        keep: one keep rule, or one for the examples whose label the probe predicts and one for the others.
        theta: angle between probe and teacher in radians, in [0, pi/2], or a probe that is trained in every trial.
        num_features: N, at least 2; at least 3 for a truth that is not the teacher; a multiple of that of power-law
            features.
        student: what is minimised.
        labels: flips of labels, and the truth that counts; all fields single numbers.
        seed: non-negative integer.
        features: what the student sees of the features; None is all of them, of equal variance.
    """

    alpha_tot: float
    keep: KeepRule | KeepByLabel
    theta: float | TrainedProbe
    num_features: int
    student: Student = MaxMargin()  # noqa: RUF009 (frozen)
    labels: Labels = Labels()  # noqa: RUF009 (frozen)
    seed: int = 0
    features: Features | None = None

    def __post_init__(self) -> None:
        for name, low in (("num_features", 2), ("seed", 0)):
            object.__setattr__(self, name, integer(name, getattr(self, name), low))
        object.__setattr__(self, "alpha_tot", number("alpha_tot", self.alpha_tot))
        if self.alpha_tot <= 0:
            raise ValueError(f"alpha_tot must be positive, got {self.alpha_tot!r}")
        if not isinstance(self.keep, KeepRule | KeepByLabel):
            raise TypeError(f"keep must be a keep rule such as KeepHard(0.2), got {self.keep!r}")
        if self.keep.shape != ():
            raise ValueError(f"keep must be one rule, got an array of rules of shape {self.keep.shape}")
        solver_of(self.student)
        if isinstance(self.student, MaxMargin):
            warn_of_ignored_weights(self.keep, self.student)
        if not isinstance(self.labels, Labels):
            raise TypeError(f"labels must be Labels(...), got {self.labels!r}")
        number("labels.flip_probability", self.labels.flip_probability)
        if isinstance(self.theta, TrainedProbe):
            self.theta.num_examples(self.num_features)
            if not self.labels.truth_is_teacher:
                raise ValueError("a trained probe needs a truth that is the teacher: leave truth_angle of labels at 0")
        else:
            if not isinstance(self.theta, int | float | np.integer | np.floating) or isinstance(self.theta, bool):
                raise TypeError(f"theta must be a number or a TrainedProbe, got {self.theta!r}")
            object.__setattr__(self, "theta", number("theta", self.theta))
            if not 0 <= self.theta <= np.pi / 2:
                raise ValueError(f"theta is in radians and must lie in [0, pi/2], got {self.theta!r}")
        self._check_features()
        if not self.labels.truth_is_teacher:
            self._truth()
            if self.num_features < 3:
                raise ValueError(
                    f"num_features must be at least 3 for a truth that is not the teacher, got {self.num_features}"
                )
        if self.alpha_tot * self.num_parameters >= MOST_EXAMPLES:
            raise ValueError(
                f"alpha_tot = {self.alpha_tot:g} with num_features = {self.num_features} gives more than "
                f"{MOST_EXAMPLES:g} examples: take a smaller alpha_tot"
            )
        if self.num_examples < 1:
            raise ValueError(f"alpha_tot = {self.alpha_tot:g} with num_features = {self.num_features} gives no example")

    def _check_features(self) -> None:
        features = self.features
        if features is None:
            return
        if not isinstance(features, Features):
            raise TypeError(f"features must be SeenFeatures(...), PowerLawFeatures(...) or None, got {features!r}")
        if features.shape != ():
            raise ValueError(f"features must be single numbers, got arrays of shape {features.shape}")
        num_seen_of(features, self.num_features)
        if not isinstance(self.theta, TrainedProbe):
            self.seen()
        elif not isinstance(features, SeenFeatures) or features.probe != "all":
            raise ValueError(
                f"a trained probe sees all features, of equal variance: SeenFeatures(..., 'all'), got {features}"
            )

    @property
    def num_parameters(self) -> int:
        """Parameters of the student: M, the features that it sees."""
        return num_seen_of(self.features, self.num_features)

    @property
    def num_examples(self) -> int:
        """Examples of a trial before pruning."""
        return round(self.alpha_tot * self.num_parameters)

    def seen(self) -> SeenCoordinates | None:
        """How what the student sees hangs together with teacher and probe; None where it sees all."""
        if self.features is None:
            return None
        theta = 0.0 if isinstance(self.theta, TrainedProbe) else self.theta
        truth = (1.0, 0.0, 0.0) if self.labels.truth_is_teacher else self._truth()
        return seen_coordinates(self.features, self.num_features, theta, truth)

    @property
    def title(self) -> str:  # noqa: D102
        return "Test errors of students on pruned data"

    @property
    def columns(self) -> dict[str, Column]:  # noqa: D102
        return COLUMNS | PROBE_COLUMNS if isinstance(self.theta, TrainedProbe) else COLUMNS

    def settings(self, *, platform: str | None = None) -> dict[str, Any]:
        """All that determines a trial besides its number.

        Args:
            platform: kind of device, default JAX's.
        """
        return {
            **self.point(),
            "seed": self.seed,
            "software": software(platform or jax.default_backend()),
        }

    def point(self) -> dict[str, Any]:
        """The fields but for the seed, as a JSON value; student, labels and weights only where not the default."""
        settings: dict[str, Any] = {
            "alpha_tot": self.alpha_tot,
            "keep": as_json(self.keep, rule=type(self.keep).__name__),
            "theta": self.theta,
            "num_features": self.num_features,
        }
        if settings["keep"].get("weight_power") == 0:  # of a rule by label
            del settings["keep"]["weight_power"]
        if isinstance(self.theta, TrainedProbe):
            own = as_json(self.theta.student, student=type(self.theta.student).__name__)
            settings["theta"] = {"probe": "TrainedProbe", "alpha": float(self.theta.alpha), "student": own}
        if self.student != MaxMargin():
            settings["student"] = as_json(self.student, student=type(self.student).__name__)
        if as_json(self.labels) != as_json(Labels()):
            settings["labels"] = as_json(self.labels)
        if self.features is not None:
            settings["features"] = as_json(self.features, features=type(self.features).__name__)
        return settings

    def footprint(self) -> Footprint:
        """Memory of one trial."""
        rows, n = self._kept_size(), self.num_parameters
        data = 8 * rows * n
        if isinstance(self.theta, TrainedProbe):
            data = max(data, 8 * self.theta.num_examples(self.num_features) * self.num_features)
        square = 8 * min(rows, n) ** 2
        return Footprint(data, 3 * data + 8 * square + 100 * array_size(self.num_examples))

    def run(self, numbers: np.ndarray, device: Any) -> dict[str, np.ndarray]:
        """The trials of these numbers, on a device."""
        fit, lam = solver_of(self.student)
        truth = None if self.labels.truth_is_teacher else np.array(self._truth())
        against = (truth, self.seen())
        with jax.enable_x64(True):
            found: dict[str, Any] = {}
            if isinstance(self.theta, TrainedProbe):
                found["probe_angles"], found["probe_gaps"] = self._probe(numbers, device)
            data, found["kept"], importance = self._data(numbers, device, found.get("probe_angles"))
            trials = (data, importance)
            found |= _train(quick_solver_of(self.student) or fit)(trials, np.float64(lam), *against)
            columns = {name: np.array(values) for name, values in found.items()}
            if quick_solver_of(self.student) is not None:
                unproven = np.flatnonzero(~(columns["gaps"] <= TARGET_GAP))
                if unproven.size:
                    for name, values in _train(fit).of_some(unproven, trials, np.float64(lam), *against).items():
                        columns[name][unproven] = values
            return columns

    def check(self, numbers: np.ndarray, columns: Mapping[str, np.ndarray]) -> None:
        """Every trial keeps an example and is certified.

        Raises:
            ValueError: a trial keeps no example.
            RuntimeError: a gap above 1e-10; for max-margin students it is said if the data have proven no separator.
        """
        if not np.all(columns["kept"] > 0):
            raise ValueError(
                f"trial {numbers[np.argmin(columns['kept'])]} of seed {self.seed} keeps none of {self.num_examples} "
                f"examples with {self.keep}: keep a larger fraction or more examples"
            )
        if "probe_gaps" in columns and not np.all(columns["probe_gaps"] <= LARGEST_GAP):
            bad = int(np.flatnonzero(~(columns["probe_gaps"] <= LARGEST_GAP))[0])
            raise RuntimeError(
                f"the probe of trial {numbers[bad]} of seed {self.seed} has no certificate below {LARGEST_GAP:g}: gap "
                f"{columns['probe_gaps'][bad]:.2g} with {self.theta}; if its examples have no separator, take a "
                "student that bears wrong labels, such as HingeLoss(0.1), or PerceptronRule(epochs)"
            )
        gaps = columns["gaps"]
        if np.all(gaps <= LARGEST_GAP):
            return
        bad = int(np.flatnonzero(~(gaps <= LARGEST_GAP))[0])
        settings = ", ".join(str(item) for item in (self.keep, self.student, self.labels, self.features) if item)
        where = f"{columns['kept'][bad]} examples of {self.num_examples}, {settings}, N = {self.num_features}"
        max_margin = isinstance(self.student, MaxMargin)
        if max_margin and is_proven_inseparable(self.data(int(numbers[bad]))):
            raise RuntimeError(
                f"the data of trial {numbers[bad]} of seed {self.seed} are not separable, so they have no max-margin "
                f"student: {where}; keep fewer examples, or take a student that bears wrong labels, such as "
                "HingeLoss(0.1)"
            )
        advice = (
            "repeat it with simulations.students.interior_point.max_margin to see why"
            if max_margin
            else "a larger lam makes the minimum sharper"
        )
        raise RuntimeError(
            f"trial {numbers[bad]} of seed {self.seed} has no certificate below {LARGEST_GAP:g}: gap {gaps[bad]:.2g} "
            f"at {where}; {advice}"
        )

    def data(self, trial: int) -> np.ndarray:
        """The kept examples of one trial, rows y x / sqrt(M), shape (kept_size, M); rows of zeros are no examples.

        x is what the student sees, M its parameters.
        """
        numbers, device = np.array([trial]), jax.local_devices()[0]
        with jax.enable_x64(True):
            angles = self._probe(numbers, device)[0] if isinstance(self.theta, TrainedProbe) else None
            return np.asarray(self._data(numbers, device, angles)[0])[0]

    def _probe(self, numbers: np.ndarray, device: Any) -> tuple[np.ndarray, np.ndarray]:
        flip_probability = np.float64(self.labels.flip_probability)
        each, shared = jax.device_put(numbers, device), (self._root(), flip_probability)
        angles, gaps = map(np.array, _learn(self.theta, self.num_features, True)(each, *shared))
        unproven = np.flatnonzero(~(gaps <= LARGEST_GAP))
        if unproven.size:
            thorough = _learn(self.theta, self.num_features, False)
            angles[unproven], gaps[unproven] = thorough.of_some(unproven, each, *shared)
        return angles, gaps

    def _data(self, numbers: np.ndarray, device: Any, angles: np.ndarray | None) -> tuple[Array, Array, Array | None]:
        """Kept examples of each trial, their number, and the weights of their losses where they have any."""
        positions, num_kept, by_label = self._positions(numbers)
        theta = np.full(numbers.size, self.theta) if angles is None else angles
        kept_rows = np.full(numbers.size, num_kept)
        importance = self._importance(positions, num_kept)
        each = jax.device_put(_Pool(numbers, positions, kept_rows, by_label, theta, importance), device)
        draw = _draw(array_size(self.num_examples), self.num_parameters)
        flip_probability = np.float64(self.labels.flip_probability)
        found = draw(each, self._root(), self.num_examples, flip_probability, self.seen())
        return (*found, None) if importance is None else found

    def _importance(self, positions: np.ndarray, num_kept: int) -> np.ndarray | None:
        """Weights of the losses before they have mean 1, where label and probe disagree and where they agree.

        Shape (num_trials, 2, kept_size); None where all are 1.
        """
        if not self.keep.weight_power or isinstance(self.student, MaxMargin):
            return None
        powers = np.ones((2, self.num_examples))
        if isinstance(self.keep, KeepRule):
            powers[:] = _inverse(self.keep.chances(self.num_examples, num_kept), self.keep.weight_power)
        else:
            for which, rule in ((1, self.keep.agree), (0, self.keep.disagree)):
                if rule is not None:
                    count = rule.num_kept(self.num_examples)
                    powers[which] = _inverse(rule.chances(self.num_examples, count), self.keep.weight_power)
        return np.moveaxis(powers[:, positions], 0, 1)

    def _root(self) -> np.ndarray:
        return np.asarray(jax.random.key_data(jax.random.key(self.seed, impl="threefry2x32")))

    def _positions(self, numbers: np.ndarray) -> tuple[np.ndarray, int, np.ndarray | None]:
        """Positions that may be kept in each trial, their number, and for ``KeepByLabel`` with which label."""
        size, rngs = self._kept_size(), (np.random.default_rng([self.seed, number]) for number in numbers)
        padded = np.zeros((numbers.size, size), np.int64)
        if isinstance(self.keep, KeepRule):
            try:
                rows = self.keep.kept_positions(self.num_examples)[None]  # the same in all trials
            except ValueError:  # at random
                rows = np.stack([self.keep.kept_positions(self.num_examples, rng) for rng in rngs])
            padded[:, : rows.shape[1]] = rows
            return padded, rows.shape[1], None
        by_label = np.zeros((numbers.size, 2, size), bool)
        for row, kept, rng in zip(padded, by_label, rngs, strict=True):
            chosen = np.zeros((2, self.num_examples), bool)
            for which, rule in ((1, self.keep.agree), (0, self.keep.disagree)):
                if rule is not None:
                    chosen[which, rule.kept_positions(self.num_examples, rng)] = True
            either = np.flatnonzero(chosen.any(axis=0))
            row[: either.size] = either
            kept[:, : either.size] = chosen[:, either]
        return padded, size, by_label

    def _kept_size(self) -> int:
        """Rows of the array of kept examples, the same for all trials."""
        count = self._most_kept()
        # at most M examples are solved in their own dimension: padding must not push them past it
        return min(array_size(count), self.num_parameters) if count <= self.num_parameters else array_size(count)

    def _most_kept(self) -> int:
        rules = [self.keep] if isinstance(self.keep, KeepRule) else [self.keep.agree, self.keep.disagree]
        counts = [rule.num_kept(self.num_examples) for rule in rules if rule is not None]
        return min(sum(counts), self.num_examples)

    def _truth(self) -> tuple[float, float, float]:
        """Components of the truth."""
        angles = (number(f"labels.{name}", getattr(self.labels, name)) for name in ("truth_angle", "probe_truth_angle"))
        return truth_direction(self.theta, *angles)


class _Pool(NamedTuple):
    """What tells the pools of the trials of a batch apart."""

    number: Any
    positions: Any  # (kept_size,)
    num_kept: Any
    by_label: Any  # (2, kept_size), or None
    theta: Any
    importance: Any  # (2, kept_size), or None


def _inverse(chance: np.ndarray, power: float) -> np.ndarray:
    """chance^-power; 1 where there is no chance, as nothing is kept there."""
    return np.where(chance > 0, chance, 1.0) ** -power


def array_size(count: int) -> int:
    """Array size for ``count`` rows: one of few, so that few programs are compiled; at most a fifth is padding."""
    step = max(8, 2 ** (max(count, 1).bit_length() - 3))
    return -(-count // step) * step


def _key(root: Array, number: Array) -> Array:
    return jax.random.fold_in(jax.random.wrap_key_data(root, impl="threefry2x32"), number)


@cache
def _learn(probe: TrainedProbe, num_features: int, quick: bool) -> Any:
    """Compiled: the probes of several trials."""

    def one(number: Array, root: Array, flip_probability: Array) -> tuple[Array, Array]:
        key = jax.random.fold_in(_key(root, number), PROBE)
        return learned_angle(key, probe, num_features, flip_probability, quick=quick)

    return TrialProgram(one)


@cache
def _draw(pool_size: int, num_features: int) -> Any:
    """Compiled: the data of several trials, the numbers of examples they keep, and weights where they have any."""

    def one(
        pool: _Pool, root: Array, num_examples: Array, flip_probability: Array, seen: SeenCoordinates | None
    ) -> tuple[Array, ...]:
        examples = draw_kept_examples(
            _key(root, pool.number),
            pool.positions,
            pool.num_kept,
            num_examples,
            pool.theta,
            pool_size=pool_size,
            num_features=num_features,
            flip_probability=flip_probability,
            by_label=pool.by_label,
            seen=seen,
        )
        real = jnp.any(examples != 0, axis=1)
        if pool.importance is None:
            return examples, real.sum()
        agree = labels_agree(
            _key(root, pool.number),
            pool.positions,
            num_examples,
            pool.theta,
            pool_size=pool_size,
            flip_probability=flip_probability,
        )
        powers = jnp.where(agree, pool.importance[1], pool.importance[0])
        mean = jnp.sum(jnp.where(real, powers, 0.0)) / real.sum()
        return examples, real.sum(), jnp.where(real, powers / mean, 1.0)

    return TrialProgram(one, cheap=True)


@cache
def _train(fit: Fit) -> Any:
    """Compiled: the students of several data sets.

    The compiled function takes the data with their weights, lambda, the truth's first three components if it is not
    the teacher, and what the student sees if that is not all.
    """

    def one(
        trial: tuple[Array, Array | None], lam: Array, truth: Array | None, seen: SeenCoordinates | None
    ) -> dict[str, Array]:
        examples, importance = trial
        found = fit(examples, lam) if importance is None else fit(examples, lam, importance)
        w, gap = found.weights, found.gap
        if seen is not None:
            error, gap = field_error(w, seen), field_gap(w, gap, seen)
        elif truth is None:
            error = jnp.arctan2(jnp.linalg.norm(w[1:]), w[0]) / jnp.pi
        else:
            truth = jnp.zeros_like(w).at[:3].set(truth)
            along = w @ truth
            error = jnp.arctan2(jnp.linalg.norm(w - along * truth), along) / jnp.pi
        # the examples are scaled by the root of the number of parameters, the margin is that of x itself
        return {"errors": error, "gaps": gap, "margins": found.margin * jnp.sqrt(w.size)}

    return TrialProgram(one)

"""The theory's prediction for an experiment on real images.

A network on images is not a perceptron, and a pool is not Gaussian; but the theory has few numbers to choose: how many
parameters the student has (which turns a pool into alpha_tot), how far the probe is from the truth, and how many labels
are wrong.  They are calibrated on one pool size, and the theory then has to predict the others.

What is compared is the test error of a window of ranks relative to that of random examples, as many of them.  The
scores know the labels, so the windows are those of signed margin (:func:`perceptron_theory.signed_margin_window`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data_pruning import KeepRandom, Results
from perceptron_theory import HingeLoss, Labels, signed_margin_window, solve
from real_data.findings.best_window import place_of

__all__ = ["Prediction", "predict"]

STUDENT = HingeLoss(0.01)
NUM_PARAMETERS = np.geomspace(25, 3200, 8)
THETAS = (0.1, 0.2, 0.35, 0.5, 0.7, 0.9, 1.1, 1.3)
FLIPS = (0.0, 0.05, 0.1)


@dataclass(frozen=True)
class Prediction:
    """The calibrated theory beside the measurement.

    Attributes:
        num_parameters: parameters of the student, N; a pool of P images has alpha_tot = P / N.
        theta: angle of the probe to the truth, radians.
        flip_probability: share of wrong labels.
        calibrated_on: the pool size that the three were chosen on.
        pool_sizes: shape (num_pools,).
        fractions: shape (num_fractions,).
        places: where the windows lie, 0 = hardest, 1 = easiest, shape (num_places,).
        measured: test error of each window over that of random examples, shape (num_pools, num_places, num_fractions).
        standard_error: standard error of ``measured``.
        predicted: the theory's, of the same shape.
    """

    num_parameters: float
    theta: float
    flip_probability: float
    calibrated_on: int
    pool_sizes: NDArray[np.int64]
    fractions: NDArray[np.float64]
    places: NDArray[np.float64]
    measured: NDArray[np.float64]
    standard_error: NDArray[np.float64]
    predicted: NDArray[np.float64]

    def results(self) -> Results:
        """As a result file: ``measured``, ``predicted`` (pool, place, fraction); its config has the calibration."""
        found = Results(
            "Test error of a window of ranks over that of random examples, measured and in theory",
            {
                "num_parameters": self.num_parameters,
                "theta": self.theta,
                "flip_probability": self.flip_probability,
                "calibrated_on": self.calibrated_on,
                "student": repr(STUDENT),
            },
        )
        found.add("pool_size", "pool", self.pool_sizes, "1", "number of training images before pruning")
        found.add("place", "place", self.places, "1", "where the window lies: 0 = hardest, 1 = easiest")
        found.add("fraction", "fraction", self.fractions, "1", "fraction of the pool kept, f")
        dims = ("pool", "place", "fraction")
        found.add("measured", dims, self.measured, "1", "measured error of the window over that of random examples")
        found.add("standard_error", dims, self.standard_error, "1", "standard error of measured")
        found.add("predicted", dims, self.predicted, "1", "the same in theory")
        return found

    def misfit(self, pool_size: int) -> tuple[float, float]:
        """Root mean square of ln(measured / predicted) at a pool size, and that of predicting no effect at all."""
        pool = list(self.pool_sizes).index(pool_size)
        logs = np.log(self.measured[pool] / self.predicted[pool]), np.log(self.measured[pool])
        return float(np.sqrt(np.mean(logs[0] ** 2))), float(np.sqrt(np.mean(logs[1] ** 2)))


def predict(
    results: Results, *, calibrate_on: int, metric: str | None = None, flip_probability: float | None = None
) -> Prediction:
    """Calibrate the theory on one pool size and let it predict all.

    Args:
        results: from :func:`real_data.run_experiment`, with random and at least three windows among the rules; hard and
            easy are windows too.
        calibrate_on: the pool size.
        metric: the score; None is the only one, or the first.
        flip_probability: share of wrong labels where it is known because they were put there, in [0, 1/2); the test
            labels are then right.  None calibrates it, and test labels are as often wrong as those of the pool.

    Raises:
        ValueError: a pool size or metric that the results do not have, rules that do not suffice, or an error of 0.
        RuntimeError: the theory has no converged student for a window.
    """
    sizes = [int(size) for size in results["pool_size"]]
    metrics = [str(name) for name in results["metric"]]
    rules = [str(rule) for rule in results["rule"]]
    if calibrate_on not in sizes:
        raise ValueError(f"calibrate_on must be one of the pool sizes {sizes}, got {calibrate_on!r}")
    if metric is not None and metric not in metrics:
        raise ValueError(f"metric must be one of {metrics}, got {metric!r}")
    placed = sorted((place, i) for i, rule in enumerate(rules) if (place := place_of(rule)) is not None)
    if "random" not in rules or len(placed) < 3:
        raise ValueError(f"random and at least three windows are needed among the rules, got {rules}")
    errors = results["errors"][metrics.index(metric) if metric else 0]
    places = np.array([place for place, _ in placed])
    windows, random = errors[:, [i for _, i in placed]], errors[:, [rules.index("random")]]
    measured = windows.mean(axis=-1) / random.mean(axis=-1)
    # of a ratio of means, paired by seed
    spread = (windows - measured[..., None] * random).std(axis=-1, ddof=1) / random.mean(axis=-1)
    standard_error = spread / np.sqrt(errors.shape[-1])
    fractions = results["fraction"]
    noisy_test = flip_probability is None
    target = np.log(measured[sizes.index(calibrate_on)])

    best = (np.inf, 0.0, 0.0, 0.0)
    for theta in THETAS:
        for flip in FLIPS if flip_probability is None else (flip_probability,):
            ratio = _ratios(calibrate_on / NUM_PARAMETERS, places, fractions, theta, flip, noisy_test)
            misfits = np.mean((np.log(ratio) - target) ** 2, axis=(1, 2))
            if np.any(np.isfinite(misfits)):
                at = int(np.nanargmin(misfits))
                best = min(best, (float(misfits[at]), float(NUM_PARAMETERS[at]), theta, flip))
    if not np.isfinite(best[0]):
        raise ValueError("the theory cannot be calibrated: a measured error is 0, or no point of its grid is solved")
    _, num_parameters, theta, flip = best
    predicted = _ratios(np.array(sizes) / num_parameters, places, fractions, theta, flip, noisy_test)
    if not np.all(np.isfinite(predicted)):
        unsolved = int(np.sum(~np.isfinite(predicted)))
        raise RuntimeError(
            f"the theory found no student for {unsolved} of {predicted.size} windows at N = {num_parameters:.0f}, "
            f"theta = {theta}, flip probability {flip}"
        )
    return Prediction(
        num_parameters,
        theta,
        flip,
        calibrate_on,
        np.array(sizes),
        fractions,
        places,
        measured,
        standard_error,
        predicted,
    )


def _ratios(
    alpha_tot: NDArray[np.float64],
    places: NDArray[np.float64],
    fractions: NDArray[np.float64],
    theta: float,
    flip: float,
    noisy_test: bool,
) -> NDArray[np.float64]:
    """Error of windows over error of random examples, shape (alphas, places, fractions); NaN where unsolved."""
    alpha = alpha_tot[:, None, None]
    lower = np.broadcast_to(places[:, None] * (1 - fractions), (alpha_tot.size, places.size, fractions.size))
    keep = signed_margin_window(lower, np.minimum(lower + fractions, 1), theta, flip_probability=flip)
    labels = Labels(flip)
    solved = (
        solve(alpha, keep, theta, student=STUDENT, labels=labels, on_failure="flag"),
        solve(alpha[:, 0], KeepRandom(fractions), theta, student=STUDENT, labels=labels, on_failure="flag"),
    )
    window, random = (np.where(found.converged, found.error, np.nan) for found in solved)
    random = random[:, None]
    if noisy_test:
        window, random = (flip + (1 - 2 * flip) * error for error in (window, random))
    return window / random

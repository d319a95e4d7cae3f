"""The study: is a window of intermediate difficulty the best choice on real images, and does the theory foresee it?

Two experiments: Fashion-MNIST at three pool sizes, and handwritten digits of which a tenth has wrong labels.  The
window is chosen on one half of the seeds and judged on the other; the theory is calibrated on the middle pool size and
predicts the others.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from data_pruning import Results
from real_data.experiments.config import Experiment
from real_data.findings.best_window import WindowVerdict, judge_windows
from real_data.findings.prediction import Prediction, predict
from real_data.models.config import ModelConfig
from real_data.scores.config import ScoreConfig
from real_data.training.config import TrainingConfig

__all__ = ["FASHION_MNIST", "NOISY_DIGITS", "Study", "run_study"]

TRAINING = TrainingConfig(num_steps=800, learning_rate=0.1, warmup=0.0, gradient_clip=None, standardize=False)
"""That of the study in ``docs/explanation/random-and-windows.md``, before the defaults for photographs; of digits:"""
OF_DIGITS = replace(TRAINING, num_steps=400, learning_rate=0.3)

PLACES = ("hard", *(f"window@{i / 8:g}" for i in range(1, 8)), "easy", "random")

FASHION_MNIST = Experiment(
    dataset="fashion-mnist",
    scores=(ScoreConfig("el2n", 10, TRAINING),),
    rules=PLACES,
    fractions=(0.2, 0.4),
    pool_sizes=(250, 4000, 16000),
    num_seeds=12,
    model=ModelConfig("mlp", hidden=(256,)),
    retraining=TRAINING,
)

NOISY_DIGITS = Experiment(
    dataset="digits",
    scores=(ScoreConfig("el2n", 10, replace(OF_DIGITS, num_steps=50)),),
    rules=PLACES,
    fractions=(0.2, 0.4),
    num_seeds=12,
    label_noise=0.1,
    retraining=OF_DIGITS,
)


@dataclass(frozen=True)
class Study:
    """What the study found.

    Attributes:
        fashion_mnist: results on Fashion-MNIST.
        noisy_digits: results on digits with wrong labels.
        prediction: the theory beside Fashion-MNIST.
        noisy_prediction: the theory beside the digits.
    """

    fashion_mnist: Results
    noisy_digits: Results
    prediction: Prediction
    noisy_prediction: Prediction

    def __str__(self) -> str:
        fashion, digits = judge_windows(self.fashion_mnist), judge_windows(self.noisy_digits)
        lines = [
            *_table("Fashion-MNIST, EL2N ranked within each class", fashion),
            "",
            *_summary(fashion),
            "",
            *_theory(self.prediction),
            "",
            *_table("Digits with 10 % wrong labels", digits),
            "",
            *_theory(self.noisy_prediction),
        ]
        return "\n".join(lines)


def run_study(
    out: str | os.PathLike[str], *, path: str | None = None, executor: Any = None, progress: bool = True
) -> Study:
    """Run both experiments, or what is left of them, and lay the theory beside them.

    About fifteen minutes on two CPU cores.

    Args:
        out: folder for the results, one sub-folder for each experiment, and for the predictions,
            ``fashion-mnist-prediction.nc`` and ``noisy-digits-prediction.nc``.
        path: folder of the Fashion-MNIST files; None looks where its reader says.
        executor: see :func:`real_data.run_experiment`.
        progress: show progress bars.
    """
    from real_data.experiments.experiment import run_experiment

    folder = Path(out)
    fashion = run_experiment(
        replace(FASHION_MNIST, path=path), out=folder / "fashion-mnist", executor=executor, progress=progress
    )
    digits = run_experiment(NOISY_DIGITS, out=folder / "noisy-digits", executor=executor, progress=progress)
    study = assess(fashion, digits)
    study.prediction.results().save(folder / "fashion-mnist-prediction.nc")
    study.noisy_prediction.results().save(folder / "noisy-digits-prediction.nc")
    return study


def assess(fashion_mnist: Results, noisy_digits: Results) -> Study:
    """The study, from the results of its experiments."""
    sizes = sorted(int(size) for size in fashion_mnist["pool_size"])
    return Study(
        fashion_mnist,
        noisy_digits,
        predict(fashion_mnist, calibrate_on=sizes[len(sizes) // 2]),
        predict(
            noisy_digits,
            calibrate_on=int(noisy_digits["pool_size"][0]),
            flip_probability=NOISY_DIGITS.label_noise,
        ),
    )


def _table(title: str, verdicts: list[WindowVerdict]) -> list[str]:
    lines = [
        f"{title}: test error in %, window chosen on half of the seeds, judged on the other {verdicts[0].num_judges}",
        f"{'pool':>7}{'f':>6}  {'ranks kept':14}{'window':>15}{'hard':>9}{'easy':>9}{'random':>9}"
        "   window better than hard / easy / random by (95 %)",
    ]
    for v in verdicts:
        over = [v.over[name] for name in ("hard", "easy", "random")]
        rivals = "".join(f"{100 * (v.error + gain.mean):9.2f}" for gain in over)
        gains = "  ".join(f"{100 * gain.mean:+.2f} +- {100 * gain.half_width:.2f}" for gain in over)
        window = f"{100 * v.error:.2f} +- {100 * v.standard_error:.2f}"
        lines.append(
            f"{v.pool_size:7d}{v.fraction:6g}  {f'{v.lower:.3f} to {v.upper:.3f}':14}{window:>15}{rivals}   {gains}"
        )
    return lines


def _summary(verdicts: list[WindowVerdict]) -> list[str]:
    both = [v for v in verdicts if all(v.over[name].mean > 0 for name in ("hard", "easy"))]
    surely = [v for v in both if all(v.over[name].verdict == "better" for name in ("hard", "easy"))]
    lines = [
        f"The window beats keep-hard and keep-easy in {len(both)} of {len(verdicts)} cells, in {len(surely)} of them "
        "beyond both 95 % intervals."
    ]
    for word, verb in (("better", "beats random"), ("level", "is level with random"), ("worse", "loses to random")):
        cells = [f"({v.pool_size}, f = {v.fraction:g})" for v in verdicts if v.over["random"].verdict == word]
        lines.append(f"It {verb} in {len(cells)} of {len(verdicts)}" + (f": {', '.join(cells)}." if cells else "."))
    return lines


def _theory(prediction: Prediction) -> list[str]:
    p = prediction
    lines = [
        f"Theory calibrated on pool {p.calibrated_on}: N = {p.num_parameters:.0f}, probe at {p.theta:.2f} rad, "
        f"{100 * p.flip_probability:g} % wrong labels",
    ]
    for i, size in enumerate(p.pool_sizes):
        rms, none = p.misfit(int(size))
        told = "calibrated" if size == p.calibrated_on else "predicted"
        lines.append(f"  pool {size} ({told}): rms of ln(error / random) {rms:.3f}; predicting no effect: {none:.3f}")
        for k, f in enumerate(p.fractions):
            measured, predicted = p.measured[i, :, k], p.predicted[i, :, k]
            right = int(((measured < 1) == (predicted < 1)).sum())
            starts = [p.places[ratio.argmin()] * (1 - f) for ratio in (measured, predicted)]
            lines.append(
                f"    f = {f:g}: best window from rank {starts[0]:.2f} measured, {starts[1]:.2f} in theory, at "
                f"{measured.min():.2f} and {predicted.min():.2f} of random's error; better or worse than random told "
                f"rightly for {right} of {measured.size} windows"
            )
    return lines

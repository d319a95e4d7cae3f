"""Small result files of every kind, as this version writes them; tests of later versions read them.

``python -m release result-files FOLDER`` writes them: about three minutes on two cores, 0.5 MB.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

__all__ = ["KINDS", "write_result_files"]


def theory_and_simulation(folder: Path) -> None:
    """What ``figures.jobs`` computes, small, under the names from which it draws; and trials one by one."""
    from data_pruning import KeepEasy, KeepHard, KeepWindow
    from figures.compute import best_rule, joint_law, probes, queries, students
    from figures.compute.curves import compute_curves
    from figures.compute.nyquist import compute_nyquist
    from figures.jobs import FILES
    from perceptron_theory import MaxMargin, SquareLoss
    from simulations import PerceptronRule, Point, TrainedProbe, simulate, validate

    with tempfile.TemporaryDirectory() as temporary:
        kept = Path(temporary)
        # one shape for all points: 60 kept examples of N = 20
        points = [
            Point(3 / f, rule(f), np.deg2rad(angle), 20, 4)
            for f, rule, angle in ((0.5, KeepHard, 0), (0.5, KeepEasy, 0), (0.5, KeepHard, 20), (1.0, KeepHard, 0))
        ]
        windows = [Point(10.0, KeepWindow(0.2, 0.5), np.deg2rad(angle), 20, 4) for angle in (0, 10, 20)]
        law = joint_law.compute_joint_law(kept, num_examples=3, num_places=3, num_sizes=3, num_budgets=3)
        probed = [Point(10.0, KeepHard(0.3), TrainedProbe(2.0, who), 10, 4) for who in (PerceptronRule(1), MaxMargin())]
        of_law = [joint_law.points_to_simulate(law, 30, 4)[i] for i in (0, 8)]
        found = {
            "curves": compute_curves(fractions=(0.2, 0.5, 1.0), num_alphas=5, num_crossover_fractions=3),
            "validation": validate(points).results(),
            "phase_diagram": best_rule.compute_phase_diagram(kept, (0, 10, 20), 4, 3),
            "policies": best_rule.compute_policies(kept, [(10.0, 0.2, 0.0, MaxMargin())], 32),
            "frontier": best_rule.compute_frontiers(kept, (0.0,), 20.0, (0.1, 0.5), 5),
            "best_rule_validation": validate(windows).results(),
            "students": students.compute_students(kept, 4),
            "label_noise": students.compute_label_noise(kept, 3),
            "students_validation": validate([Point(10.0, KeepHard(0.3), 0.0, 20, 4, SquareLoss(0.1))]).results(),
            "probes": probes.compute_probes(kept, 4, 3),
            "probes_validation": probes.validation_of_probes(validate(probed)),
            "queries": queries.compute_queries(kept, ((6.0, 0.5, 2),), num_features=10, num_trials=4),
            "joint_law": law,
            "joint_law_validation": validate(of_law).results(),
        }
        for name, results in found.items():
            results.save(folder / FILES[name])
        nyquist = compute_nyquist(kept / "n", num_features=20, num_trials=2, densities=(0.5, 2.0), alphas=(0.5, 2.0))
        nyquist.save(folder / "nyquist.nc")
    trials = simulate(3.0, KeepHard(0.4), 0.2, 20, 4, out=folder / "store")
    trials.results().save(folder / "trials.nc")


def laws(folder: Path) -> None:
    """A law fitted, extrapolated, forecast, and a benchmark of forms."""
    from scaling_laws import compare_laws, extrapolate, fit_law, run_benchmark
    from scaling_laws.forecasting import Curve, forecast

    n = np.geomspace(100, 1e4, 8)
    error = (0.02 + 3 * n**-0.5) * np.exp(0.01 * np.random.default_rng(0).standard_normal(n.size))
    fit_law("power+constant", {"n": n}, error).save(folder / "law.nc")
    extrapolate("power", {"n": n}, error, fitted=n < 2000).to_results().save(folder / "extrapolation.nc")
    compare_laws({"n": n}, error, forms=("power", "power+constant")).to_results().save(folder / "comparison.nc")
    curve = Curve(n, error, np.array([2e4, 4e4]))
    forecast({"n": n}, error, curve.at).to_results(curve).save(folder / "forecast.nc")
    scale, judged = Curve(n[:6], error[:6], n[6:]), error[6:]
    curves = {
        name: (replace(scale, errors=part * scale.errors), part * judged) for name, part in (("a", 1), ("b", 0.5))
    }
    run_benchmark(curves, forms=("power", "power+constant")).to_results().save(folder / "benchmark.nc")


def scores_and_experiments(folder: Path) -> None:
    """An experiment with its cells, rules, scores, a benchmark, duplicates and labels, all of handwritten digits."""
    from data_pruning import keep_rule
    from figures.compute.extremes import compute_extremes
    from real_data import (
        DuplicateConfig,
        Experiment,
        ModelConfig,
        ScoreConfig,
        TrainingConfig,
        find_duplicates,
        judge,
        load,
        measure_benchmark,
        prune,
        run_experiment,
        score_all,
    )
    from real_data.datasets.label_file import save_labels
    from real_data.findings.prediction import predict
    from real_data.scores import rank_agreement
    from real_data.scores.config import MetricName
    from real_data.selection.kept_list import write_kept
    from real_data.studies.learned_rule import learn_rule
    from real_data.training.examples import Examples

    data, training = load("digits"), TrainingConfig(num_steps=60)
    experiment = Experiment(
        rules=("hard", "window@0.5", "easy", "random"),
        fractions=(0.3,),
        pool_sizes=(200, 400),
        num_seeds=2,
        holdout=0.1,
        scores=(ScoreConfig("el2n", 1, training),),
        retraining=training,
    )
    measured = run_experiment(experiment, out=folder / "experiment", progress=False)
    for kept in (folder / "experiment").glob("*/"):
        for file in sorted(kept.iterdir())[2:]:
            file.unlink()
    predict(measured, calibrate_on=200).results().save(folder / "prediction.nc")
    linear = replace(experiment, rules=("random",), pool_sizes=(400,), model=ModelConfig("random-features", width=0.1))
    few = {"num_bins": 2, "num_pairs": 2, "num_pilot_seeds": 2, "num_judge_seeds": 2, "max_rounds": 1}
    learn_rule(linear, **few, progress=False).results().save(folder / "learned-rule.nc")  # type: ignore[arg-type]
    with tempfile.TemporaryDirectory() as temporary:
        small = replace(experiment, rules=("hard", "random"), pool_sizes=(200,))
        measure_benchmark(small, out=temporary, progress=False).save(folder / "digits-benchmark.nc")

    parts = {"train_images": 100, "train_labels": 100, "test_images": 40, "test_labels": 40}
    first = replace(data, **{name: getattr(data, name)[:number] for name, number in parts.items()})
    metrics: tuple[MetricName, ...] = ("el2n", "memorization", "influence-max", "random")
    configs = [ScoreConfig(metric, 16, training, subset_share=0.5) for metric in metrics]
    with tempfile.TemporaryDirectory() as temporary:
        scores = score_all(first, configs, model=ModelConfig(), folder=temporary, test_images=True)
        (group,) = Path(temporary).glob("subsets-*")
        for file in group.glob("*.nc"):
            shutil.copy(file, folder)
    for one in scores:
        one.save(folder / f"digits-{one.metric}.nc")
    rank_agreement(scores).save(folder / "correlations.nc")
    wrong = np.random.default_rng(0).random(40)
    judge(scores[:1], test_errors=wrong, num_resamples=100).save(folder / "digits-judgement.nc")
    write_kept(folder / "kept.txt", Examples(prune(scores[0].values, keep_rule("hard", 0.5))))
    compute_extremes(first, scores[0], num_whole=4, num_per_class=2, classes=(0, 1)).save(folder / "fig6.nc")
    find_duplicates(first, DuplicateConfig(flag=3)).save(folder / "duplicates", first)
    save_labels(folder / "labels.nc", first, first.train_labels, first.test_labels, {"made": "for a test"})


def networks(folder: Path) -> None:
    """Networks of several sizes and their law, pruned weights and their law, transfer, weights and embeddings."""
    from real_data import (
        Experiment,
        ImageSet,
        MagnitudePruning,
        ModelConfig,
        ModelSizes,
        ScoreConfig,
        TrainingConfig,
        TrainingRun,
        Transfer,
        measure_magnitude_pruning,
        measure_model_sizes,
        measure_transfer,
        pruning_law,
        run_training,
    )
    from real_data.studies.error_sources import error_sources
    from real_data.studies.joint_law import joint_law

    short = TrainingConfig(num_steps=60)
    scored = (ScoreConfig("el2n", 1, short),)
    experiment = Experiment(
        rules=("hard",), fractions=(0.5,), pool_sizes=(60, 120, 240, 480), num_seeds=2, scores=scored, retraining=short
    )
    with tempfile.TemporaryDirectory() as temporary:
        kept = Path(temporary)
        sizes = measure_model_sizes(ModelSizes(experiment, (4, 8, 16, 32)), out=kept / "sizes", progress=False)
        sizes.save(folder / "digits-sizes.nc")
        joint_law(sizes).save(folder / "digits-joint-law.nc")
        error_sources(sizes, (32,)).save(folder / "digits-error-sources.nc")
        rounds = MagnitudePruning(
            depths=(1,), widths=(8, 12, 16, 24), pool_sizes=(300,), rounds=6, rewind_step=5, num_seeds=2, training=short
        )
        pruned = measure_magnitude_pruning(rounds, out=kept / "rounds", progress=False)
        pruned.save(folder / "digits-magnitude-pruning.nc")
        shutil.copy(next((kept / "rounds").rglob("depth-1-width-8*.nc")), folder / "rounds-of-one-size.nc")
        pruning_law(pruned).save(folder / "digits-law.nc")
        transfer = Transfer(
            source=ImageSet("digits"),
            target=ImageSet("digits", split_seed=1),
            scores=scored,
            rules=("hard",),
            fractions=(0.5,),
            target_sizes=(50,),
            num_pretrainings=2,
            num_fine_tunings=(2,),
            num_tests=100,
            model=ModelConfig("mlp", hidden=(8,)),
            pretraining=short,
            fine_tuning=short,
            probe=short,
        )
        measure_transfer(transfer, out=kept / "transfer", progress=False).save(folder / "transfer.nc")
        run = TrainingRun(model=ModelConfig("mlp", hidden=(4,)), training=short)
        run_training(run, out=kept / "run", progress=False)
        for name in ("settings.json", "data.json", "weights.npz", "result.nc"):
            shutil.copy(kept / "run" / name, folder / f"run-{name}")


KINDS: dict[str, Callable[[Path], None]] = {
    "theory": theory_and_simulation,
    "laws": laws,
    "real-data": scores_and_experiments,
    "networks": networks,
}
"""What there is, by the folder it is in."""


def write_result_files(folder: Path, kinds: Sequence[str] = tuple(KINDS)) -> None:
    """Write the files, each kind into a folder of its own.

    Raises:
        FileExistsError: a folder of a kind is there already: files of a release are never replaced.
    """
    for kind in kinds:
        (folder / kind).mkdir(parents=True)
        KINDS[kind](folder / kind)
        shutil.rmtree(folder / kind / "experiment" / "locks", ignore_errors=True)

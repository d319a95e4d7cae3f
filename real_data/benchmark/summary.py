"""What the cells of a benchmark say: errors, and how they differ from random's; by score, class and test rank."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from data_pruning import Results
from real_data.findings.best_choice import LEVEL, cross_judged
from real_data.findings.errors_by_rank import hardest_first
from real_data.selection.candidates import BASELINES
from real_data.selection.methods import looks_at_scores

__all__ = ["CONFIDENCE", "NUM_BINS", "TITLE", "summarised"]

CONFIDENCE = 0.95
NUM_BINS = 10
TITLE = "Benchmark of scores of difficulty"

Floats = NDArray[np.float64]
CELLS = ("metric", "rule", "fraction")


def summarised(measured: Results, test_labels: np.ndarray, class_names: Sequence[str]) -> Results:
    """The benchmark that an experiment is.

    An excess is an error less that of random examples, as many of them, paired by seed: below 0 is better than random.

    Args:
        measured: of :func:`real_data.run_experiment`, with random among the rules and one pool.
        test_labels: classes of the test images of each seed, integers of shape (num_seeds, num_test).
        class_names: of all classes.

    Returns:
        Errors as fractions, over (metric, rule, fraction): ``error``, ``excess``, each with a ``_half_width`` of the
        95 % interval over seeds (Student's t); ``num_kept``; ``num_failed``, how many networks did not learn: such
        cells say nothing of the rule, and take no part in what is called best.  ``error_all``, ``error_all_half_width``
        and ``num_failed_all`` of the whole pool.

        With a last axis ``tested_class`` (classes with test images): ``class_error``, ``class_excess`` and its
        ``class_excess_half_width``, of 95 % for all classes of a cell together (Bonferroni); ``class_error_all``.
        Over (metric, rule, fraction) ``worst_class``, the number of the class with the largest error, its
        ``worst_class_error``, ``class_spread``, the standard deviation over classes, ``share_losing``, the share of
        classes above random beyond the interval, and ``share_above``, that of those above it at all.

        Where a score knows the test images, ten or more, with a last axis ``bin``: ``rank_error``, ``rank_excess`` and
        ``rank_excess_half_width`` in ten bins of difficulty of the test images, hardest first, ranked by ``ranked_by``
        (metric): the score itself, or the first that knows them.

        With four seeds or more, over (fraction): ``best_error`` and ``best_excess``, with half widths, of the score and
        rule that the other half of the seeds finds best; ``best_at_even`` and ``best_at_odd`` name them, or say ``none
        learned``, with the numbers of random in their place, where no networks did or those of random did not.

    Raises:
        ValueError: random is missing, there are several pools, or other test labels than test images.
    """
    rules = [str(rule) for rule in measured["rule"]]
    if "random" not in rules or measured.sizes["pool"] != 1:
        raise ValueError(f"random and one pool are needed, got the rules {', '.join(rules)}")
    if test_labels.shape != (measured.sizes["seed"], measured.sizes.get("test", 0)):
        raise ValueError(f"test_labels must be of all seeds and test images, got shape {test_labels.shape}")
    results = Results(TITLE, measured.config)
    for name in ("metric", "rule", "fraction", "seed"):
        variable = measured.variables[name]
        results.add(name, variable.dims, variable.values, variable.units, variable.description)
    results.add("class_name", "class", list(class_names), "", "name of each class")
    results.add("pool_size", (), int(measured["pool_size"][0]), "1", "number of training images before pruning")
    at_random = rules.index("random")
    errors = measured["errors"][:, 0]  # (metric, rule, fraction, seed)
    whole = measured["errors_all"][0]
    failed = np.sum(measured["learned"][:, 0] == 0, axis=-1)
    results.add("num_kept", CELLS, measured["num_kept"][:, 0].mean(axis=-1), "1", "examples kept, mean over seeds")
    results.add("num_failed", CELLS, failed, "1", "networks, of one for each seed, that did not learn")
    results.add("num_failed_all", (), int(np.sum(measured["learned_all"][0] == 0)), "1", "the same of the whole pool")
    _add(results, "error", CELLS, errors, "test error, fraction")
    _add(results, "excess", CELLS, errors - errors[:, [at_random]], "test error less random's, fraction")
    results.add("error_all", (), whole.mean(), "1", "test error of the whole pool, fraction")
    results.add("error_all_half_width", (), _half_width(whole), "1", "half of its 95 % interval over seeds")
    _add_best(results, errors, failed, whole)
    wrong, wrong_all = measured["wrong"][:, 0], measured["wrong_all"][0]
    _add_classes(results, wrong, wrong_all, test_labels, at_random)
    if "test_scores" in measured.variables and wrong.shape[-1] >= NUM_BINS:
        _add_ranks(results, measured, wrong, at_random)
    return results


def _half_width(values: Floats, level: float = CONFIDENCE) -> Floats:
    """Half of the interval of the mean over seeds, the last axis (Student's t)."""
    num_seeds = values.shape[-1]
    quantile = float(stats.t.ppf((1 + level) / 2, num_seeds - 1))
    return np.asarray(quantile * values.std(axis=-1, ddof=1) / math.sqrt(num_seeds))


def _add(
    results: Results, name: str, dims: tuple[str, ...], values: Floats, description: str, level: float = CONFIDENCE
) -> None:
    """Mean over seeds, the last axis, and half of its interval."""
    results.add(name, dims, values.mean(axis=-1), "1", f"{description}, mean over seeds")
    among = "" if level == CONFIDENCE else ", for all classes of a cell together (Bonferroni)"
    described = f"half of the 95 % interval of {name} over seeds (Student's t){among}"
    results.add(f"{name}_half_width", dims, _half_width(values, level), "1", described)


def _add_best(results: Results, errors: Floats, failed: np.ndarray, whole: Floats) -> None:
    """The best score and rule of each fraction, each half of the seeds judging what the other chooses."""
    if errors.shape[-1] < 4:
        return
    rules = [str(rule) for rule in results["rule"]]
    metrics = [str(metric) for metric in results["metric"]]
    at_random = rules.index("random")
    found: dict[str, list[str]] = {"best_at_even": [], "best_at_odd": []}
    judged: list[Floats] = []
    for k in range(errors.shape[2]):
        named = {
            (f"{rule} by {metric}" if looks_at_scores(rule) else rule): errors[m, r, k]
            for m, metric in enumerate(metrics)
            for r, rule in enumerate(rules)
            if rule not in BASELINES and not failed[m, r, k]
        }
        if not named or failed[0, at_random, k]:
            found["best_at_even"].append("none learned")
            found["best_at_odd"].append("none learned")
            judged.append(errors[0, at_random, k])
            continue
        chosen, values = cross_judged({**named, "random": errors[0, at_random, k]}, list(named))
        found["best_at_even"].append(chosen[0])
        found["best_at_odd"].append(chosen[1])
        judged.append(values)
    for name, names in found.items():
        half = name.removeprefix("best_at_")
        results.add(name, "fraction", names, "", f"score and rule that the seeds at {half} positions find best")
    best = np.stack(judged)
    random = errors[0, at_random]
    by = "what one half of the seeds finds best, judged by the other"
    for name, values in (("best_error", best), ("best_excess", best - random)):
        results.add(name, "fraction", values.mean(axis=-1), "1", f"{name.removeprefix('best_')} of {by}")
        # halves are not independent: see real_data.findings.best_choice.judge_rules
        results.add(
            f"{name}_half_width", "fraction", _half_width(values, LEVEL), "1", f"half of its 95 % interval: {by}"
        )


def _add_classes(
    results: Results, wrong: np.ndarray, wrong_all: np.ndarray, test_labels: np.ndarray, at_random: int
) -> None:
    num_seeds, num_classes = len(test_labels), results.sizes["class"]
    counts = np.stack([np.bincount(labels, minlength=num_classes) for labels in test_labels])
    tested = np.flatnonzero(np.all(counts > 0, axis=0))

    def by_class(flags: np.ndarray) -> Floats:
        """Error of each class, from flags of shape (..., num_seeds, num_test) to (..., class, seed)."""
        parts = []
        for seed in range(num_seeds):
            present = np.flatnonzero(counts[seed])
            starts = np.concatenate([[0], np.cumsum(counts[seed, present])[:-1]])
            ordered = flags[..., seed, :][..., np.argsort(test_labels[seed], kind="stable")]
            sums = np.add.reduceat(ordered.astype(np.int32), starts, axis=-1)
            parts.append(sums[..., np.searchsorted(present, tested)] / counts[seed, tested])
        return np.stack(parts, axis=-1)

    errors, whole = by_class(wrong), by_class(wrong_all)
    excess = errors - errors[:, [at_random]]
    dims = (*CELLS, "tested_class")
    results.add("tested_class", "tested_class", tested, "1", "number of each class that has test images")
    results.add("class_error", dims, errors.mean(axis=-1), "1", "test error of each class, fraction, mean over seeds")
    results.add("class_error_all", "tested_class", whole.mean(axis=-1), "1", "the same of the whole pool")
    _add(
        results,
        "class_excess",
        dims,
        excess,
        "test error of each class less random's, fraction",
        1 - (1 - CONFIDENCE) / tested.size,
    )
    means, widths = results["class_error"], results["class_excess_half_width"]
    worst = means.argmax(axis=-1)
    results.add("worst_class", CELLS, tested[worst], "1", "number of the class of the largest test error")
    results.add("worst_class_error", CELLS, means.max(axis=-1), "1", "its test error, fraction")
    results.add("class_spread", CELLS, means.std(axis=-1), "1", "standard deviation of class_error over classes")
    losing = excess.mean(axis=-1) > widths
    results.add("share_losing", CELLS, losing.mean(axis=-1), "1", "share of classes above random beyond the interval")
    results.add("share_above", CELLS, (excess.mean(axis=-1) > 0).mean(axis=-1), "1", "share of classes above random")


def _add_ranks(results: Results, measured: Results, wrong: np.ndarray, at_random: int) -> None:
    metrics = [str(metric) for metric in measured["metric"]]
    known = measured["tests_scored"] if "tests_scored" in measured.variables else np.ones(len(metrics), bool)
    by = [m if known[m] else int(np.argmax(known)) for m in range(len(metrics))]
    errors = np.empty((*wrong.shape[:3], NUM_BINS, wrong.shape[3]))
    for m, ranker in enumerate(by):
        order = hardest_first(measured["test_scores"][ranker, 0])  # (seed, test)
        ordered = np.take_along_axis(wrong[m], order[None, None], axis=-1)
        bins = np.array_split(ordered, NUM_BINS, axis=-1)
        errors[m] = np.stack([part.mean(axis=-1) for part in bins], axis=-2)
    results.add("ranked_by", "metric", [metrics[m] for m in by], "", "score that ranks the test images for each score")
    dims = (*CELLS, "bin")
    described = "test error in ten bins of difficulty of the test images, hardest first, fraction, mean over seeds"
    results.add("rank_error", dims, errors.mean(axis=-1), "1", described)
    _add(results, "rank_excess", dims, errors - errors[:, [at_random]], "the same less random's")

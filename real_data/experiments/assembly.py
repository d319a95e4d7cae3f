"""The outcomes of all cells of an experiment as one result."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from data_pruning import Results
from data_pruning.records.settings import to_json
from real_data.experiments.cells import COLUMNS, WRONG, Outcome
from real_data.experiments.config import Experiment
from real_data.experiments.pool import load_for, source_of
from real_data.experiments.pool_scores import scores_of_tests
from real_data.experiments.score_files import SavedScore
from real_data.experiments.task import Task

__all__ = ["assembled"]

SAME_FOR_ALL_SEEDS = "scores from files are the same for all seeds: intervals hold for pool and retraining alone"


def assembled(
    config: Experiment,
    tasks: list[Task],
    outcomes: dict[str, Outcome],
    versions: dict[str, str],
    folder: Path,
    saved: tuple[SavedScore, ...],
) -> Results:
    """The result of an experiment whose cells are all finished.

    Args:
        config: the experiment.
        tasks: its tasks.
        outcomes: of all cells, by key.
        versions: software that they were computed with.
        folder: the results folder, which has the scores of the test images.
        saved: what the files of scores of the experiment hold.

    Returns:
        See :func:`real_data.experiments.experiment.run_experiment`.
    """
    metrics = [*(score.metric for score in config.scores), *(one.metric for one in saved)]
    of_files: dict[str, Any] = {}
    if saved:
        remarks = [SAME_FOR_ALL_SEEDS, *(remark for one in saved for remark in one.remarks())]
        of_files = {"score_files": [one.about() for one in saved], "remarks": remarks}
    sizes = list(dict.fromkeys(task.pool_size for task in tasks))
    results = Results(
        f"Test error of a network on {config.dataset}, against the number of training examples kept",
        {
            "experiment": to_json(config),
            "source": source_of(config),
            "fingerprints": sorted({task.fingerprint for task in tasks}),
            "notes": list(load_for(config, config.first_seed).notes),
            "software": versions,
            **tasks[0].start_key,
            **of_files,
        },
    )
    results.add("metric", "metric", metrics, "", "score of difficulty")
    results.add("pool_size", "pool", sizes, "1", "number of training images before pruning")
    results.add("rule", "rule", list(config.rules), "", "keep rule")
    results.add("fraction", "fraction", list(config.fractions), "1", "fraction of the training pool kept, f")
    results.add("seed", "seed", list(config.seeds), "1", "seed of pool, scores and training")
    shape = (len(metrics), len(sizes), len(config.rules), len(config.fractions), len(config.seeds))
    of_cells = {name: np.empty(shape, np.int64 if name in ("num_kept", "learned") else float) for name in COLUMNS}
    of_pools = {name: np.empty((len(sizes), len(config.seeds)), values.dtype) for name, values in of_cells.items()}
    num_test = {outcome.wrong.size for outcome in outcomes.values() if outcome.wrong is not None}
    wrong = np.zeros((*shape, num_test.pop()), bool) if len(num_test) == 1 else None
    wrong_all = np.zeros((len(sizes), len(config.seeds), 0 if wrong is None else wrong.shape[-1]), bool)
    difficulty: dict[tuple[int, int, int], np.ndarray] = {}
    for task in tasks:
        pool, seed = sizes.index(task.pool_size), task.seed - config.first_seed
        for (score, rule, fraction), cell in task.cells().items():
            outcome = outcomes[cell.key]
            for name, value in zip(COLUMNS, outcome, strict=False):
                if rule == "all":
                    of_pools[name][pool, seed] = value
                else:
                    r, f = config.rules.index(rule), config.fractions.index(fraction)
                    of_cells[name][score, pool, r, f, seed] = value
            if wrong is None or outcome.wrong is None:
                continue
            if rule == "all":
                wrong_all[pool, seed] = outcome.wrong
            else:
                wrong[score, pool, config.rules.index(rule), config.fractions.index(fraction), seed] = outcome.wrong
        for score in range(len(metrics)):
            found = scores_of_tests(task, score, folder)
            if found is not None:
                difficulty[score, pool, seed] = found
    cells, runs = ("metric", "pool", "rule", "fraction"), ("metric", "pool", "rule", "fraction", "seed")
    if wrong is not None:
        results.add("wrong", (*runs, "test"), wrong, "1", WRONG)
        results.add("wrong_all", ("pool", "seed", "test"), wrong_all, "1", f"{WRONG}; of the whole pool (f = 1)")
    complete = [m for m in range(len(metrics)) if sum(key[0] == m for key in difficulty) == len(tasks)]
    if complete and len({one.size for one in difficulty.values()}) == 1:
        each = np.full((len(metrics), len(sizes), len(config.seeds), next(iter(difficulty.values())).size), np.nan)
        for key in difficulty:
            each[key] = difficulty[key]
        described = "difficulty of each test image under the networks that score, higher = harder"
        if len(complete) < len(metrics):
            described += "; NaN of scores that know none, see tests_scored"
            scored = np.isin(np.arange(len(metrics)), complete)
            results.add("tests_scored", "metric", scored, "1", "whether the score knows the test images")
            each[~scored] = np.nan
        results.add("test_scores", ("metric", "pool", "seed", "test"), each, "1", described)
    root = math.sqrt(len(config.seeds))
    for name, description in COLUMNS.items():
        results.add(name, runs, of_cells[name], "1", description)
        if name != "num_kept":
            results.add(
                f"{name}_all", ("pool", "seed"), of_pools[name], "1", f"{description}; of the whole pool (f = 1)"
            )
    errors, whole = of_cells["errors"], of_pools["errors"]
    results.add("mean", cells, errors.mean(axis=-1), "1", "mean of errors over seeds")
    results.add("standard_error", cells, errors.std(axis=-1, ddof=1) / root, "1", "standard error of mean")
    results.add("mean_all", "pool", whole.mean(axis=-1), "1", "mean of errors_all over seeds")
    results.add("standard_error_all", "pool", whole.std(axis=-1, ddof=1) / root, "1", "standard error of mean_all")
    return results

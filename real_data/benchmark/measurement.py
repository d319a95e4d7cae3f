"""The benchmark of scores, measured: scores x rules x fractions beside random examples and all, in one run."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from data_pruning import Results
from data_pruning.records.settings import digest_of
from real_data.benchmark.class_balance import add_class_sizes
from real_data.benchmark.summary import summarised
from real_data.experiments.config import Experiment
from real_data.experiments.experiment import run_experiment, tasks_of
from real_data.experiments.pool import load_for
from real_data.experiments.pool_scores import saved_scores_of

__all__ = ["measure_benchmark"]


def measure_benchmark(
    config: Experiment,
    *,
    out: str | os.PathLike[str],
    executor: Any = None,
    networks_at_once: int | None = None,
    progress: bool = True,
) -> Results:
    """Measure what scores are worth: test errors by score, rule and fraction, and where they lie.

    The command ``benchmark-rules`` asks another question: which rule is best for one score.  Interrupted, the same call
    goes on after the last finished cell, as :func:`real_data.run_experiment` does.

    Args:
        config: the settings, with one pool size; random is added to its rules.
        out: folder for the results of the experiment (``DATASET.nc``), those of the benchmark
            (``DATASET-benchmark.nc``), and what :func:`real_data.run_experiment` keeps there.
        executor: see there; so the others.
        networks_at_once: see there.
        progress: see there.

    Returns:
        See :func:`real_data.benchmark.summary.summarised` and
        :func:`real_data.benchmark.class_balance.add_class_sizes`.

    Raises:
        ValueError: several pool sizes; or as :func:`real_data.run_experiment`, which raises the others too.
    """
    if len(config.pool_sizes) > 1:
        raise ValueError(f"pool_sizes must be one for a benchmark of scores, got {config.pool_sizes}")
    config = replace(config, rules=tuple(dict.fromkeys((*config.rules, "random"))))
    folder = Path(out)
    measured = run_experiment(
        config, out=folder, executor=executor, networks_at_once=networks_at_once, progress=progress
    )
    labels = np.stack([np.asarray(load_for(config, seed).test_labels) for seed in config.seeds])
    first = load_for(config, config.first_seed)
    names = first.class_names or tuple(map(str, range(first.num_classes)))
    results = summarised(measured, labels, names)
    versions = digest_of(measured.config["software"])
    task = tasks_of(config, networks_at_once, versions, saved_scores_of(config))[0]
    add_class_sizes(results, task, folder)
    results.save(folder / f"{config.dataset}-benchmark.nc")
    return results

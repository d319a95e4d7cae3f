"""How many examples of each class a score keeps, with and without a floor; nothing is trained for it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from data_pruning import Results
from real_data.experiments.pool_scores import recalls_of_pool, scores_of_pool
from real_data.experiments.task import Task, pool_of
from real_data.selection.methods import check_method, chosen_examples, looks_at_recalls, looks_at_scores
from real_data.selection.pruning import class_sizes

__all__ = ["SHARES", "add_class_sizes"]

SHARES = (0.0, 0.5, 1.0)
"""Values of ``min_class_share`` that are compared: no floor, that of Sorscher et al. (2022), equal shares."""


def add_class_sizes(results: Results, task: Task, folder: Path) -> None:
    """Add the sizes of the classes of a task's pool, before and after pruning.

    ``class_sizes`` (min_class_share, metric, sized_rule, fraction, class), for the least shares 0, 0.5 and 1, and
    ``pool_class_sizes`` (class).  Rules that divide examples by the errors of classes have no least share, and the same
    numbers for all three; those that choose while they train (rs2, infobatch) are left out.

    Args:
        results: what is added to, of an experiment with the task's scores, rules and fractions.
        task: of the first seed.
        folder: the results folder of the experiment.
    """
    config = task.config
    pool = pool_of(task)
    labels, num_classes = np.asarray(pool.train_labels), pool.num_classes
    seed = task.prune_seed
    rules = [rule for rule in config.rules if check_method(rule, config.fractions[0]) is not None]
    sizes = np.zeros((len(SHARES), task.num_scores, len(rules), len(config.fractions), num_classes), np.int64)
    recalls = recalls_of_pool(task, pool, folder) if any(map(looks_at_recalls, rules)) else None
    for m in range(task.num_scores):
        values = scores_of_pool(task, m, pool, folder) if any(map(looks_at_scores, rules)) else np.zeros(labels.size)
        for r, rule in enumerate(rules):
            for k, f in enumerate(config.fractions):
                if looks_at_recalls(rule):
                    kept = chosen_examples(rule, f, values, labels, class_recalls=recalls, seed=seed).indices
                    sizes[:, m, r, k] = np.bincount(labels[kept], minlength=num_classes)
                    continue
                keep = check_method(rule, f)
                assert keep is not None
                by = values if looks_at_scores(rule) else np.zeros(labels.size)
                for s, share in enumerate(SHARES):
                    counts = class_sizes(by, keep, labels, min_class_share=share, seed=seed)
                    sizes[s, m, r, k, : counts.size] = counts
    results.add("min_class_share", "share", list(SHARES), "1", "least share of its proportional part a class keeps")
    results.add("sized_rule", "sized_rule", rules, "", "keep rules whose numbers of each class are known beforehand")
    results.add(
        "class_sizes",
        ("share", "metric", "sized_rule", "fraction", "class"),
        sizes,
        "1",
        f"examples of each class kept, seed {task.seed}",
    )
    whole = np.bincount(labels, minlength=num_classes)
    results.add("pool_class_sizes", "class", whole, "1", "examples of each class in the pool")

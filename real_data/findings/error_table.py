"""The table of an experiment: test errors by rule and fraction."""

from __future__ import annotations

from typing import Any

import numpy as np

from data_pruning import Results

__all__ = ["error_table"]


def error_table(results: Results) -> str:
    """Test errors in per cent by rule and fraction, mean +- standard error, with the number kept."""
    tables = []
    for m, metric in enumerate(results["metric"]):
        for p, size in enumerate(results["pool_size"]):
            title = f"{metric}, {size} training images" if results["mean"].shape[:2] != (1, 1) else ""
            tables.append(_one_table(results, m, p, title))
    return "\n\n".join([*tables, *(f"Remark: {remark}." for remark in results.config.get("remarks", ()))])


def _one_table(results: Results, m: int, p: int, title: str) -> str:
    def cell(mean: float, standard_error: float, learned: bool) -> str:
        return f"{100 * mean:6.2f} +- {100 * standard_error:4.2f}{' ' if learned else '*'}"

    def count(numbers: np.ndarray) -> str:
        least, most = numbers.min(), numbers.max()
        return f"{least}" if least == most else f"{least}-{most}"

    num_kept: Any = results["num_kept"][m, p]
    rows = [
        ["fraction kept", *(f"{f:g}" for f in results["fraction"]), "all"],
        ["number kept", *(count(num_kept[:, i]) for i in range(results["fraction"].size)), ""],
    ]
    for i, rule in enumerate(results["rule"]):
        learned = results["learned"][m, p, i].all(axis=-1)
        rows.append([str(rule), *map(cell, results["mean"][m, p, i], results["standard_error"][m, p, i], learned), ""])
    whole = results["mean_all"][p], results["standard_error_all"][p], results["learned_all"][p].all()
    rows[-1][-1] = cell(*whole)
    table = "\n".join(f"{row[0]:13}" + "".join(f"{entry:>16}" for entry in row[1:]) for row in rows)
    head = f"{title}: " if title else ""
    if not (results["learned"][m, p].all() and results["learned_all"][p].all()):
        table += "\n* with networks that are no better than the most frequent class of their training images"
    return f"{head}Test error in %, mean +- standard error over {results.sizes['seed']} seeds\n{table}"

"""Pretrained networks that are fine-tuned on a pruned data set."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath

import numpy as np
from scipy import stats

from data_pruning import Results
from figures.draw.curve_panels import CurvePanel, Line
from figures.draw.looks import metric_name

__all__ = ["fine_tuned_panels", "rules_of"]

COLUMNS = 4
LONGEST = 24  # characters of the name of weights
LONGEST_DATA = 12  # of a data set
LONGEST_SCORE = 17


def fine_tuned_panels(files: Sequence[Results], rules: Sequence[str]) -> list[CurvePanel]:
    """Error against the fraction of the target set kept, a panel for each file, score and pool.

    Args:
        files: experiments of :func:`real_data.run_experiment` whose networks start from given weights.
        rules: the curves; a rule that a file does not have is missing in its panels.

    Raises:
        ValueError: results of something else, or of networks that were not fine-tuned.
    """
    panels: list[CurvePanel] = []
    for results in files:
        about = results.config.get("experiment", {})
        if not about.get("fine_tuning"):
            raise ValueError(f"these results are not of fine-tuned networks (no fine_tuning in them): {results.title}")
        of_file = [str(rule) for rule in results["rule"]]
        shape = (len(rules), results["fraction"].size)
        quantile = float(stats.t.ppf(0.975, results["seed"].size - 1)) if results["seed"].size > 1 else np.nan
        for m, p in np.ndindex(results["metric"].size, results["pool_size"].size):
            mean, width, fine = np.full(shape, np.nan), np.full(shape, np.nan), np.ones(shape, bool)
            for r, rule in enumerate(of_file):
                curve = rules.index(rule)
                mean[curve] = results["mean"][m, p, r]
                width[curve] = quantile * results["standard_error"][m, p, r]
                if "learned" in results.variables:
                    fine[curve] = np.all(results["learned"][m, p, r] != 0, axis=-1)
            half_width = float(quantile * results["standard_error_all"][p])
            whole = Line(float(results["mean_all"][p]), half_width, "all target images", {"color": "black"})
            panels.append(
                CurvePanel(
                    row=len(panels) // COLUMNS,
                    column=len(panels) % COLUMNS,
                    title=_title(results, m, p),
                    group=len(panels),
                    ylabel="test error  (%)",
                    fractions=results["fraction"],
                    mean=mean,
                    half_width=width,
                    fine=fine,
                    lines=[whole],
                )
            )
    return panels


def rules_of(files: Sequence[Results]) -> list[str]:
    """All rules of some experiments, each once."""
    return list(dict.fromkeys(str(rule) for results in files for rule in results["rule"]))


def _title(results: Results, m: int, p: int) -> str:
    """Images; what is fine-tuned; and the score."""
    about = results.config["experiment"]
    started = about["fine_tuning"]
    file = PurePath(str(started.get("weights", "pretrained")))
    weights = file.parent.name if file.name == "weights.npz" and file.parent.name else file.stem  # that of the training
    name = str(about.get("dataset", "the target"))
    if name == "folder" and about.get("path"):
        name = PurePath(about["path"]).name
    layers = "head alone" if started.get("layers") == "head" else "all layers"
    images = f"{int(results['pool_size'][p]):,} images of {_short(name, LONGEST_DATA)}"
    score = _short(metric_name(str(results["metric"][m])), LONGEST_SCORE)
    return f"{images}\n{_short(weights, LONGEST)}\n{layers}, {score}"


def _short(name: str, longest: int) -> str:
    return name if len(name) <= longest else f"{name[:longest]}..."

"""Scores of difficulty judged by labels of people: in two tables that answer different questions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data_pruning import Results
from data_pruning.command_line import table
from real_data.benchmark.human_labels import HumanLabels
from real_data.benchmark.label_agreement import Agreement, area_under_curve, rank_agreement
from real_data.scores.score_file import Scores

__all__ = ["judge", "judgement_table"]

Floats = NDArray[np.float64]

TITLE = "Scores of difficulty judged by labels of people"
QUESTIONS = {
    "clean": "Is it hard for people?  Scores of networks trained on the right labels, beside what people call the "
    "images: wrong labels are those of people, which no network has seen",
    "noisy": "Is the label wrong?  Scores of networks trained on the labels {kind} of people, wrong ones among them",
}


def judge(
    scores: Sequence[Scores],
    labels: HumanLabels | None = None,
    *,
    references: Mapping[str, Floats] | None = None,
    test_errors: Floats | None = None,
    num_resamples: int = 1000,
    seed: int = 0,
) -> Results:
    """How well scores agree with people.

    What is asked depends on the labels that the data set has, and with it the networks that score: under the right ones
    a score says how difficult an image is, and may or may not agree with people; under labels of people a score that
    is high where they are wrong finds them.  The two are different tasks, and are never in one table.

    Args:
        scores: of one data set, at least one.
        labels: human labels of its training images; None judges test images alone.
        references: difficulty of the training images by published scores under the right labels, by name, in
            data-set order; higher = harder.
        test_errors: share of the people who are wrong about each test image, shape (num_test,).
        num_resamples: of the bootstrap of rank correlations.
        seed: of the bootstrap.

    Returns:
        Over (score), each with ``_low`` and ``_high``, the ends of its 95 % interval over images:
        ``doubt_correlation``, Spearman's with how much people disagree, and ``area_KIND``, the area under the curve for
        finding the wrong labels of a kind; under human labels the latter alone, for the kind that was trained on.  Over
        (tested_score) ``test_correlation``, Spearman's of scores of test images with ``test_errors``.  The config has
        ``trained_on``.

    Raises:
        ValueError: no scores, scores or references of another length, or that are all equal; references under human
            labels; labels of a kind of which fewer than two are wrong or right; test errors where no score knows the
            test images; neither labels nor test errors.
    """
    if not scores or (labels is None and test_errors is None):
        raise ValueError("scores must be at least one, and labels or test_errors must be given")
    about: dict[str, Any] = {
        "dataset": scores[0].dataset,
        "fingerprint": scores[0].fingerprint,
        "scores": [{"metric": one.metric, "settings": dict(one.config), "seeds": list(one.seeds)} for one in scores],
        "num_resamples": num_resamples,
        "seed": seed,
    }
    doubt = None
    if labels is not None:
        about["trained_on"] = labels.trained_on
        if labels.trained_on == "clean" and (doubt := labels.doubt()) is not None:
            about["doubt"] = doubt[0]
    results = Results(TITLE, about)
    names = [one.metric for one in scores]
    names = [name if names.count(name) == 1 else f"{name} ({i + 1})" for i, name in enumerate(names)]
    correlation = partial(rank_agreement, num_resamples=num_resamples, seed=seed)
    if labels is not None:
        named = _of_training(dict(zip(names, (one.values for one in scores), strict=True)), labels, references or {})
        kinds = [kind for kind in labels.given if labels.trained_on in ("clean", kind)]
        results.add("score", "score", list(named), "", "score of difficulty")
        results.add("kind", "kind", kinds, "", "kind of human label")
        for kind in kinds:
            number = int(labels.wrong(kind).sum())
            if not 2 <= number <= labels.clean.size - 2:
                raise ValueError(
                    f"the human labels {kind} must be wrong twice at least, and right twice, for an area under the "
                    f"curve: {number} of {labels.clean.size} are wrong; leave them out"
                )
        shares = [float(labels.wrong(kind).mean()) for kind in kinds]
        results.add("wrong_share", "kind", shares, "1", "share of them that are wrong")
        if doubt is not None:
            found = _of_each(named, partial(correlation, doubt=doubt[1]))
            _add(results, "doubt_correlation", "score", found, f"Spearman's rank correlation with: {doubt[0]}")
        for kind in kinds:
            areas = _of_each(named, partial(area_under_curve, wrong=labels.wrong(kind)))
            _add(results, f"area_{kind}", "score", areas, f"area under the curve for finding wrong labels, {kind}")
    if test_errors is not None:
        tests = {name: one.test_values for name, one in zip(names, scores, strict=True) if one.test_values is not None}
        if not tests:
            raise ValueError("none of the scores knows the test images: their files have no test_score")
        results.add("tested_score", "tested_score", list(tests), "", "score of difficulty that knows the test images")
        found = _of_each(tests, partial(correlation, doubt=test_errors))
        _add(results, "test_correlation", "tested_score", found, "Spearman's with the share of people who are wrong")
    return results


def _of_training(named: dict[str, Floats], labels: HumanLabels, references: Mapping[str, Floats]) -> dict[str, Floats]:
    """The scores of training images, those of the references last, after a check."""
    if references and labels.trained_on != "clean":
        raise ValueError(
            f"references are scores under the right labels, but those of the data set are the labels "
            f"{labels.trained_on} of people: leave references out"
        )
    together = {**named, **references}
    for name, values in together.items():
        if values.shape != labels.clean.shape:
            raise ValueError(f"scores {name} must be {labels.clean.size}, one for each training image")
    return together


def _of_each(named: Mapping[str, Floats], measure: Callable[[Floats], Agreement]) -> list[Agreement]:
    """The measure of each score; a complaint begins with its name."""
    found = []
    for name, values in named.items():
        try:
            found.append(measure(values))
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error
    return found


def _add(results: Results, name: str, dim: str, found: Sequence[Agreement], description: str) -> None:
    values, low, high = zip(*found, strict=True)
    results.add(name, dim, list(values), "1", description)
    results.add(f"{name}_low", dim, list(low), "1", "lower end of its 95 % interval over images")
    results.add(f"{name}_high", dim, list(high), "1", "upper end of it")


def judgement_table(results: Results) -> str:
    """The tables, with 95 % intervals over images."""

    def entry(name: str, i: int) -> str:
        value, low, high = (float(results[f"{name}{end}"][i]) for end in ("", "_low", "_high"))
        return f"{value:.3f} ({low:.3f} to {high:.3f})"

    parts = []
    if "score" in results.variables:
        kind = str(results.config["trained_on"])
        question = QUESTIONS["clean" if kind == "clean" else "noisy"].format(kind=kind)
        columns = {f"wrong {each}": f"area_{each}" for each in map(str, results["kind"])}
        if "doubt_correlation" in results.variables:
            columns = {str(results.config["doubt"]): "doubt_correlation", **columns}
        entries = [
            [str(score), *(entry(name, i) for name in columns.values())] for i, score in enumerate(results["score"])
        ]
        shares = ", ".join(
            f"{each} {100 * share:.1f} %" for each, share in zip(results["kind"], results["wrong_share"], strict=True)
        )
        asked = "Area under the curve for finding the wrong ones"
        if "doubt" in results.config:
            asked = "Spearman's rank correlation with doubt, and area under the curve for finding wrong labels"
        parts.append(f"{question}.\n{asked} ({shares} wrong)\n{table(['score', *columns], entries)}")
    if "tested_score" in results.variables:
        entries = [[str(score), entry("test_correlation", i)] for i, score in enumerate(results["tested_score"])]
        parts.append(
            "Test images, which the networks have not seen: Spearman's rank correlation with the share of people who "
            f"are wrong\n{table(['score', 'correlation'], entries)}"
        )
    return "\n\n".join(parts)

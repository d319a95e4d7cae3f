"""The benchmark of scores as text: errors, differences to random, classes and ranks of the test images."""

from __future__ import annotations

import numpy as np

from data_pruning import Results
from data_pruning.command_line import table
from real_data.selection.methods import looks_at_scores

__all__ = ["score_benchmark_table"]


def score_benchmark_table(results: Results) -> str:
    """The tables of a benchmark; cells whose networks did not learn are called failed.

    Args:
        results: of :func:`real_data.benchmark.measurement.measure_benchmark`.
    """
    rows = _rows(results)
    parts = [_errors(results, rows), _excesses(results, rows)]
    if "best_error" in results.variables:
        parts.append(_best(results))
    parts += [_classes(results, rows, k) for k in range(results.sizes["fraction"])]
    pruned = np.flatnonzero(results["fraction"] < 1)
    if "rank_excess" in results.variables and pruned.size:
        parts.append(_ranks(results, rows, int(pruned[pruned.size // 2])))
    failures = _failures(results, rows)
    if failures:
        parts.append(failures)
    return "\n\n".join([*parts, *(f"Remark: {remark}." for remark in results.config.get("remarks", ()))])


def _rows(results: Results) -> list[tuple[int, int, str, str]]:
    """Score and rule by number and name; rules that look at no score once."""
    metrics, rules = ([str(name) for name in results[key]] for key in ("metric", "rule"))
    blind = [(0, r, "", rule) for r, rule in enumerate(rules) if not looks_at_scores(rule)]
    return blind + [
        (m, r, metric, rule)
        for m, metric in enumerate(metrics)
        for r, rule in enumerate(rules)
        if looks_at_scores(rule)
    ]


def _without_comparison(results: Results) -> np.ndarray:
    """Whether networks of a cell, or of random examples beside it, did not learn; (metric, rule, fraction)."""
    at_random = [str(rule) for rule in results["rule"]].index("random")
    return np.asarray(results["num_failed"] + results["num_failed"][:, [at_random]] > 0)


def _percent(value: float, half_width: float, *, signed: bool = False) -> str:
    sign = "+" if signed else ""
    return f"{100 * value:{sign}.2f} +- {100 * half_width:.2f}"


def _errors(results: Results, rows: list[tuple[int, int, str, str]]) -> str:
    num_seeds = results.sizes["seed"]
    head = f"Test error in %, with 95 % intervals over {num_seeds} seeds; pool of {int(results['pool_size'])} images"
    failed = results["num_failed"]
    entries = [
        [
            metric,
            rule,
            *(
                "failed" if failed[m, r, k] else _percent(error, width)
                for k, (error, width) in enumerate(
                    zip(results["error"][m, r], results["error_half_width"][m, r], strict=True)
                )
            ),
        ]
        for m, r, metric, rule in rows
    ]
    whole = (
        "failed"
        if results["num_failed_all"]
        else _percent(float(results["error_all"]), float(results["error_all_half_width"]))
    )
    names = ["score", "rule", *(f"f = {f:g}" for f in results["fraction"])]
    return f"{head}\n{table(names, entries)}\nall images: {whole}"


def _excesses(results: Results, rows: list[tuple[int, int, str, str]]) -> str:
    at_random = [str(rule) for rule in results["rule"]].index("random")
    failed = _without_comparison(results)
    entries, number, outside = [], 0, 0
    for m, r, metric, rule in rows:
        if r == at_random:
            continue
        line = [metric, rule]
        for k, (excess, width) in enumerate(
            zip(results["excess"][m, r], results["excess_half_width"][m, r], strict=True)
        ):
            if failed[m, r, k]:
                line.append("failed ")
                continue
            beyond = abs(excess) > width
            number, outside = number + bool(excess or width), outside + beyond  # at f = 1 all are the same networks
            line.append(f"{_percent(excess, width, signed=True)}{'*' if beyond else ' '}")
        entries.append(line)
    if not entries:
        return "No rule but random."
    names = ["score", "rule", *(f"f = {f:g} " for f in results["fraction"])]
    return (
        "Test error less that of random examples, as many of them, in points, paired by seed; * beyond its 95 % "
        f"interval\n{table(names, entries)}\n{outside} of {number} differences are; where there were none, "
        f"{0.05 * number:.1f} would be expected"
    )


def _best(results: Results) -> str:
    entries = []
    for k, f in enumerate(results["fraction"]):
        names = {str(results["best_at_even"][k]), str(results["best_at_odd"][k])}
        numbers = [
            _percent(results[name][k], results[f"{name}_half_width"][k], signed=name == "best_excess")
            for name in ("best_error", "best_excess")
        ]
        nothing = names == {"none learned"}
        entries.append([f"{f:g}", "; ".join(sorted(names)), *(["failed"] * 2 if nothing else numbers)])
    head = "Best score and rule, each half of the seeds judging what the other chooses, in % and points"
    return f"{head}\n{table(['f', 'chosen', 'error', 'less random'], entries)}"


def _classes(results: Results, rows: list[tuple[int, int, str, str]], k: int) -> str:
    names, tested = results["class_name"], results["tested_class"]
    sized = [str(rule) for rule in results["sized_rule"]] if "sized_rule" in results.variables else []
    shares = results["min_class_share"] if sized else np.zeros(0)
    alone = _without_comparison(results)[..., k]
    entries = []
    for m, r, metric, rule in rows:
        if results["num_failed"][m, r, k]:
            entries.append([metric, rule, "failed", *[""] * (4 + len(shares))])
            continue
        sizes = results["class_sizes"][:, m, sized.index(rule), k] if rule in sized else None
        entries.append(
            [
                metric,
                rule,
                f"{100 * results['worst_class_error'][m, r, k]:.1f}",
                str(names[int(results["worst_class"][m, r, k])]),
                f"{100 * results['class_spread'][m, r, k]:.1f}",
                *(
                    "failed" if alone[m, r] else f"{round(results[share][m, r, k] * tested.size)}"
                    for share in ("share_losing", "share_above")
                ),
                *(f"{of.min()}-{of.max()}" for of in (() if sizes is None else sizes)),
                *([""] * len(shares) if sizes is None else []),
            ]
        )
    heads = ["score", "rule", "worst", "class", "spread", "lose", "above", *(f"sizes at {s:g}" for s in shares)]
    return (
        f"Classes at f = {results['fraction'][k]:g}: worst class and spread of the errors in %; of {tested.size} "
        f"classes, how many lose against random (95 % for all together) and how many lie above it; sizes kept with a "
        f"least class share\n{table(heads, entries)}"
    )


def _ranks(results: Results, rows: list[tuple[int, int, str, str]], k: int) -> str:
    excess, width = results["rank_excess"], results["rank_excess_half_width"]
    num_bins = excess.shape[-1]
    alone = _without_comparison(results)[..., k]
    entries, widest, number, outside = [], 0.0, 0, 0
    for m, r, metric, rule in rows:
        if rule == "random" or alone[m, r]:
            continue
        beyond = np.abs(excess[m, r, k]) > width[m, r, k]
        different = (excess[m, r, k] != 0) | (width[m, r, k] != 0)
        number, outside = number + int(different.sum()), outside + int(beyond.sum())
        widest = max(widest, float(width[m, r, k].max()))
        entries.append(
            [
                metric,
                rule,
                str(results["ranked_by"][m]),
                *(f"{100 * x:+.1f}{'*' if b else ' '}" for x, b in zip(excess[m, r, k], beyond, strict=True)),
            ]
        )
    if not entries:
        return f"Ranks of the test images at f = {results['fraction'][k]:g}: no networks to compare learned."
    heads = ["score", "rule", "ranked by", *(f"{i / num_bins:.1f}- " for i in range(num_bins))]
    return (
        f"Test error less random's in points by difficulty rank of the test images (0 = hardest), at f = "
        f"{results['fraction'][k]:g}; * beyond its 95 % interval, which is at most +- {100 * widest:.1f}\n"
        f"{table(heads, entries)}\n{outside} of {number} differences are; where there were none, "
        f"{0.05 * number:.1f} would be expected"
    )


def _failures(results: Results, rows: list[tuple[int, int, str, str]]) -> str:
    num_seeds = results.sizes["seed"]
    entries = [
        [metric, rule, f"{f:g}", f"{results['num_failed'][m, r, k]} of {num_seeds}"]
        for m, r, metric, rule in rows
        for k, f in enumerate(results["fraction"])
        if results["num_failed"][m, r, k]
    ]
    if results["num_failed_all"]:
        entries.append(["", "all", "1", f"{int(results['num_failed_all'])} of {num_seeds}"])
    if not entries:
        return ""
    return (
        "Failed: networks no better than the most frequent class of their training images; such cells say nothing of "
        f"a score\n{table(['score', 'rule', 'f', 'networks'], entries)}"
    )

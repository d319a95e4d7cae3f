"""Which keep rule is best, chosen on some seeds and judged on others."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data_pruning import Results
from real_data.findings.best_window import Difference, difference_of, mean_of
from real_data.selection.candidates import BASELINES, WINDOWS

__all__ = ["LEVEL", "RuleVerdict", "benchmark_table", "choice_table", "cross_judged", "judge_rules"]


LEVEL = 0.97  # nominal, of the intervals: choices of the two halves are not independent, see ``judge_rules``


@dataclass(frozen=True)
class RuleVerdict:
    """The best rule at one score, pool size and fraction kept, each half of the seeds choosing for the other.

    Attributes:
        metric: score of difficulty.
        pool_size: number of training images before pruning.
        fraction: fraction kept, f.
        num_kept: mean number of examples kept.
        chosen: names of the rules that the seeds at even and at odd positions choose.
        error: mean test error of the chosen rules over all seeds, each judged by seeds that did not choose it.
        standard_error: standard error of ``error``.
        over: by how much they are better than each other rule, or ``all``, paired by seed.
        errors: mean test error of each rule over all seeds; and of ``all``.
        gap_closed: how much of the gap between random and all examples they close: 0 is random, 1 all; NaN where there
            is no gap.
        num_seeds: number of seeds.
    """

    metric: str
    pool_size: int
    fraction: float
    num_kept: float
    chosen: tuple[str, str]
    error: float
    standard_error: float
    over: dict[str, Difference]
    errors: dict[str, float]
    gap_closed: float
    num_seeds: int

    @property
    def rule(self) -> str:
        """The rule, or the two where the halves disagree."""
        first, second = self.chosen
        return first if first == second else f"{first}, {second}"


def judge_rules(results: Results, *, candidates: Collection[str] | None = None) -> list[RuleVerdict]:
    """The best rule of each score, pool size and fraction, against random among others.

    The seeds at even positions choose a rule, the candidate of least mean error, which the others judge; and the other
    way round.  So no choice flatters itself, and all seeds judge.  The two halves are not quite independent (what one
    chooses the other is likely to choose as well): where all rules are equally good, intervals of nominally 97 % hold
    the truth in 95 % of cases (16 rules, 8 to 16 seeds), and these are given.

    Args:
        results: from :func:`real_data.run_experiment`, with random and at least one other rule, and four seeds.
        candidates: rules to choose from; None is all but random, rs2 and infobatch.

    Raises:
        ValueError: fewer rules or seeds.
    """
    rules = [str(rule) for rule in results["rule"]]
    wanted = [rule for rule in rules if rule not in BASELINES] if candidates is None else list(candidates)
    missing = [rule for rule in (*wanted, "random") if rule not in rules]
    if missing or not wanted:
        raise ValueError(f"random and rules to choose from are needed, got {', '.join(rules)}, without {missing}")
    num_seeds = results.sizes["seed"]
    if num_seeds < 4:
        raise ValueError(f"at least four seeds are needed, two to choose and two to judge, got {num_seeds}")
    verdicts = []
    for m, metric in enumerate(results["metric"]):
        for p, size in enumerate(results["pool_size"]):
            for k, f in enumerate(results["fraction"]):
                errors = dict(zip(rules, results["errors"][m, p, :, k], strict=True))
                errors["all"] = results["errors_all"][p]
                chosen, judged = cross_judged(errors, wanted)
                mean, standard_error = mean_of(judged)
                means = {rule: float(values.mean()) for rule, values in errors.items()}
                gap = means["random"] - means["all"]
                kept = [float(results["num_kept"][m, p, rules.index(rule), k].mean()) for rule in chosen]
                verdicts.append(
                    RuleVerdict(
                        metric=str(metric),
                        pool_size=int(size),
                        fraction=float(f),
                        num_kept=sum(kept) / 2,
                        chosen=chosen,
                        error=mean,
                        standard_error=standard_error,
                        over={
                            rule: difference_of(values - judged, LEVEL)
                            for rule, values in errors.items()
                            if {rule} != {*chosen}
                        },
                        errors=means,
                        gap_closed=(means["random"] - mean) / gap if gap > 0 else math.nan,
                        num_seeds=num_seeds,
                    )
                )
    return verdicts


def cross_judged(errors: dict[str, NDArray[np.float64]], wanted: list[str]) -> tuple[tuple[str, str], np.ndarray]:
    """What even and odd seeds choose, and by seed the error of what the other half chooses."""

    def best(half: slice) -> str:
        return min(wanted, key=lambda rule: float(errors[rule][half].mean()))

    even, odd = slice(0, None, 2), slice(1, None, 2)
    chosen = best(even), best(odd)
    judged = np.array(errors["random"], float)
    judged[odd], judged[even] = errors[chosen[0]][odd], errors[chosen[1]][even]
    return chosen, judged


def choice_table(verdicts: list[RuleVerdict], rivals: Collection[str] = ()) -> str:
    """The verdicts as a table, with the errors of the rivals given besides those of random and all."""
    names = ["random", *rivals, "all"]
    widths = [max(9, len(name) + 2) for name in names]
    width = max(len("best rule"), *(len(v.rule) for v in verdicts)) + 2
    heads = "".join(f"{name:>{w}}" for name, w in zip(names, widths, strict=True))
    lines = [
        f"Test error in %: each half of the {verdicts[0].num_seeds} seeds chooses a rule, which the other judges",
        f"{'pool':>7}{'f':>6}  {'best rule':{width}}{'its error':>14}{heads}"
        "   better than random by (95 %)   gap to all closed",
    ]
    for v in verdicts:
        others = "".join(f"{100 * v.errors[name]:{w}.2f}" for name, w in zip(names, widths, strict=True))
        gain = v.over["random"]
        share = "" if np.isnan(v.gap_closed) else f"{100 * v.gap_closed:.0f} %"
        error = f"{100 * v.error:.2f} +- {100 * v.standard_error:.2f}"
        lines.append(
            f"{v.pool_size:7d}{v.fraction:6g}  {v.rule:{width}}{error:>14}{others}   "
            f"{f'{100 * gain.mean:+.2f} +- {100 * gain.half_width:.2f} ({gain.verdict})':28}   {share}"
        )
    return "\n".join(lines)


def benchmark_table(results: Results) -> str:
    """Which rule is best, each half of the seeds judging what the other chooses; the same with windows alone."""
    rules = [str(rule) for rule in results["rule"]]
    verdicts = judge_rules(results)
    windows = [rule for rule in WINDOWS if rule in rules]
    rivals = [rule for rule in BASELINES[1:] if rule in rules]
    lines = [choice_table(verdicts, rivals)]
    if windows:
        lines += ["", "The same with windows of rank alone:", choice_table(judge_rules(results, candidates=windows))]
    return "\n".join([*lines, "", _summary(verdicts)])


def _summary(verdicts: list[RuleVerdict]) -> str:
    counts = {word: sum(v.over["random"].verdict == word for v in verdicts) for word in ("better", "level", "worse")}
    return (
        f"Ahead of random beyond the 95 % interval in {counts['better']} of {len(verdicts)} cells, level in "
        f"{counts['level']}, behind in {counts['worse']}."
    )

"""A keep rule learned from the data: the value of each rank measured, and a step along it, again and again.

A round measures the value of the ranks around the best policy so far (on seeds of its own), tries steps of several
lengths along it (the length is chosen on pilot seeds) and judges the step against the policy it started from, on other
seeds.  Rounds end where no step helps beyond its 95 % interval.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from data_pruning import KeepPolicy, Results
from data_pruning.arguments import check_integer, check_real
from data_pruning.records.settings import to_json
from data_pruning.rule_names import keep_rule
from real_data.experiments.config import Experiment
from real_data.findings.best_window import Difference, difference_of, mean_of
from real_data.findings.rank_values import RankValues, measured_rank_values, name_of, random_policies, stepped

__all__ = ["LearnedRule", "Round", "learn_rule"]

LENGTHS = (0.25, 0.5, 1.0, 1.5, 2.0)
"""Lengths of a step that are tried: change of the log probability of the bin of largest value."""


@dataclass(frozen=True)
class Round:
    """What one round found.

    Attributes:
        base: name of the policy it started from.
        values: value of the ranks around it.
        lengths: lengths of the steps tried.
        pilot_errors: mean test error of each on the pilot seeds, shape (num_lengths,).
        rule: the policy of the best step.
        gain: by how much its error is below that of the base, on the judging seeds.
        over_random: by how much it is below that of random examples, likewise.
        error: its mean test error on the judging seeds.
        standard_error: of ``error``.
        random_error: that of random examples.
        error_of_all: that of the whole pool.
        failed: rules of which a network did not learn.
    """

    base: str
    values: RankValues
    lengths: tuple[float, ...]
    pilot_errors: np.ndarray
    rule: str
    gain: Difference
    over_random: Difference
    error: float
    standard_error: float
    random_error: float
    error_of_all: float
    failed: tuple[str, ...]

    @property
    def accepted(self) -> bool:
        """Whether the step helps beyond its 95 % interval."""
        return self.gain.verdict == "better"


@dataclass(frozen=True)
class LearnedRule:
    """A keep rule learned from the data.

    Attributes:
        config: the experiment it was learned by.
        rounds: what each round found; the last one's step is not taken unless it helps.
    """

    config: Experiment
    rounds: tuple[Round, ...]

    @property
    def rule_name(self) -> str:
        """The rule as experiments and command lines take it, ``policy@...``; random where no step helped."""
        helped = [one.rule for one in self.rounds if one.accepted]
        return helped[-1] if helped else "random"

    def __str__(self) -> str:
        lines = []
        for number, one in enumerate(self.rounds, 1):
            edges = one.values.edges
            ranks = "".join(f"{f'{a:.2g}-{b:.2g}':>10}" for a, b in pairwise(edges))
            base = np.asarray(keep_rule(one.base, self.config.fractions[0]).windows()[2])
            lines += [
                f"Round {number}, {one.values.num_trainings} trainings; value: - d log(error) / d (keep probability), "
                "less its mean",
                f"  {'ranks':16}{ranks}",
            ]
            if base.size == edges.size - 1:
                lines.append(f"  {'kept':16}" + "".join(f"{p:10.3f}" for p in base))
            lines += [
                f"  {'value':16}" + "".join(f"{v:10.3f}" for v in one.values.value),
                f"  {'standard error':16}" + "".join(f"{e:10.3f}" for e in one.values.standard_error),
                f"  best step {one.rule.partition('/')[2]}",
                f"  its error {100 * one.error:.2f} +- {100 * one.standard_error:.2f} %; better than the base by "
                f"{100 * one.gain.mean:+.2f} +- {100 * one.gain.half_width:.2f} ({one.gain.verdict}), than random by "
                f"{100 * one.over_random.mean:+.2f} +- {100 * one.over_random.half_width:.2f} "
                f"({one.over_random.verdict}); random {100 * one.random_error:.2f} %, "
                f"all {100 * one.error_of_all:.2f} %",
            ]
            if one.failed:
                lines.append(f"  networks of {', '.join(one.failed)} did not learn")
        lines.append(f"Learned rule: {self.rule_name}")
        return "\n".join(lines)

    def results(self) -> Results:
        """The rounds as results that can be saved: values with their errors, and what was decided."""
        results = Results(
            "Value of difficulty ranks, measured, and the rule learned from it",
            {"experiment": to_json(self.config), "rule": self.rule_name},
        )
        dims = ("round", "bin")
        results.add(
            "edge", "edge", self.rounds[0].values.edges, "1", "edges of the bins of difficulty rank, 0 = hardest"
        )
        for name, description in (
            ("value", "- d log(error) / d keep probability, per fraction of the data, less its mean over ranks"),
            ("standard_error", "standard error of value"),
        ):
            results.add(name, dims, np.stack([getattr(one.values, name) for one in self.rounds]), "1", description)
        probability = [_policy(one.base, self.config.fractions[0], one.values.edges).probability for one in self.rounds]
        results.add("base", dims, np.stack(probability), "1", "keep probability around which values were measured")
        stepped_to = [_policy(one.rule, self.config.fractions[0], one.values.edges).probability for one in self.rounds]
        results.add("step", dims, np.stack(stepped_to), "1", "keep probability after the step")
        for name, values, description in (
            ("gain", [one.gain.mean for one in self.rounds], "error of the base less that of the step, judging seeds"),
            ("gain_half_width", [one.gain.half_width for one in self.rounds], "half of its 95 % interval"),
            ("over_random", [one.over_random.mean for one in self.rounds], "error of random less that of the step"),
            (
                "over_random_half_width",
                [one.over_random.half_width for one in self.rounds],
                "half of its 95 % interval",
            ),
            ("error", [one.error for one in self.rounds], "mean test error after the step, judging seeds"),
            ("random_error", [one.random_error for one in self.rounds], "mean test error of random examples"),
            ("error_of_all", [one.error_of_all for one in self.rounds], "mean test error of the whole pool"),
        ):
            results.add(name, "round", values, "1", description)
        return results


def learn_rule(
    config: Experiment,
    *,
    num_bins: int = 10,
    num_pairs: int = 30,
    spread: float = 0.5,
    num_value_seeds: int = 2,
    num_pilot_seeds: int = 4,
    num_judge_seeds: int = 6,
    max_rounds: int = 3,
    lengths: Sequence[float] = LENGTHS,
    out: str | os.PathLike[str] | None = None,
    executor: Any = None,
    progress: bool = True,
) -> LearnedRule:
    """Learn a keep rule: which ranks are worth keeping more often, by experiment.

    Args:
        config: data, score, fraction (one), pool (one), network and training; its rules and seeds are replaced.
        num_bins: bins of rank, at least 2.
        num_pairs: pairs of policies that values are measured with, in each round.
        spread: by how much, at most, the probabilities of a pair differ from those they lie around, in (0, 1).
        num_value_seeds: seeds on which each is trained, at least 2.
        num_pilot_seeds: seeds that choose the length of the step, at least 2.
        num_judge_seeds: seeds that judge it, at least 2; new ones in each round.
        max_rounds: rounds, at least 1.
        lengths: lengths of the step that are tried; see :func:`real_data.findings.rank_values.stepped`.
        out: folder, as for :func:`real_data.run_experiment`: what was trained is kept, and the same call continues;
            ``learned-rule.nc`` there has the values.  None saves nothing.
        executor: as for :func:`real_data.run_experiment`.
        progress: show progress bars.

    Raises:
        ValueError: several scores, fractions or pools, or a number out of range.
        RuntimeError: the networks trained on random examples did not learn: values would mean nothing.
    """
    if any(len(grid) != 1 for grid in (config.scores, config.fractions, config.pool_sizes)):
        raise ValueError("a rule is learned for one score, one fraction and one pool size")
    if config.fractions[0] >= 1:
        raise ValueError("a rule that keeps everything has nothing to learn: the fraction must be below 1")
    for name, number, least in (
        ("num_bins", num_bins, 2),
        ("num_pairs", num_pairs, 1),
        ("num_value_seeds", num_value_seeds, 2),
        ("num_pilot_seeds", num_pilot_seeds, 2),
        ("num_judge_seeds", num_judge_seeds, 2),
        ("max_rounds", max_rounds, 1),
    ):
        check_integer(name, number, least)
    check_real("spread", spread, "(0, 1)")

    def errors_of(rules: Sequence[str], first_seed: int, num_seeds: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Test errors of rules by seed, and those of the whole pool."""
        from real_data.experiments.experiment import run_experiment

        unique = tuple(dict.fromkeys(rules))
        part = replace(config, rules=unique, first_seed=first_seed, num_seeds=num_seeds)
        results = run_experiment(part, out=out, executor=executor, progress=progress)
        failed.extend(rule for r, rule in enumerate(unique) if not results["learned"][0, 0, r, 0].all())
        if "random" in failed:
            raise RuntimeError(
                "networks trained on random examples are no better than the most frequent class: values of ranks would "
                "mean nothing. Train longer (--retraining.num-steps), or another network (--model.kind)"
            )
        return dict(zip(unique, results["errors"][0, 0, :, 0], strict=True)), results["errors_all"][0]

    fraction = config.fractions[0]
    base = KeepPolicy(np.linspace(0, 1, num_bins + 1), np.full(num_bins, fraction))
    base_name, rounds = "random", []
    values_seed = config.first_seed
    pilot_seed = values_seed + num_value_seeds
    judge_seed = pilot_seed + num_pilot_seeds
    for number in range(max_rounds):
        failed: list[str] = []
        policies = random_policies(base, num_pairs, seed=config.first_seed + number, spread=spread)
        names = [name_of(policy) for policy in policies]
        errors, _ = errors_of([*names, "random"], values_seed, num_value_seeds)
        values = measured_rank_values(policies, np.stack([errors[name] for name in names]))
        steps = {length: name_of(stepped(base, values, length)) for length in lengths}
        errors, _ = errors_of([*steps.values(), base_name, "random"], pilot_seed, num_pilot_seeds)
        pilot_errors = np.array([errors[step].mean() for step in steps.values()])
        rule = list(steps.values())[int(np.argmin(pilot_errors))]
        errors, of_all = errors_of([rule, base_name, "random"], judge_seed + number * num_judge_seeds, num_judge_seeds)
        mean, standard_error = mean_of(errors[rule])
        rounds.append(
            Round(
                base=base_name,
                values=values,
                lengths=tuple(steps),
                pilot_errors=pilot_errors,
                rule=rule,
                gain=difference_of(errors[base_name] - errors[rule]),
                over_random=difference_of(errors["random"] - errors[rule]),
                error=mean,
                standard_error=standard_error,
                random_error=float(errors["random"].mean()),
                error_of_all=float(of_all.mean()),
                failed=tuple(dict.fromkeys(failed)),
            )
        )
        if not rounds[-1].accepted:
            break
        base, base_name = _policy(rule, fraction, base.edges), rule
    learned = LearnedRule(config, tuple(rounds))
    if out is not None:
        learned.results().save(Path(out) / "learned-rule.nc")
    return learned


def _policy(name: str, fraction: float, edges: Any) -> KeepPolicy:
    """A policy of equal bins by name; random is one too."""
    num_bins = np.size(edges) - 1
    if name == "random":
        return KeepPolicy(edges, np.full(num_bins, fraction))
    found = keep_rule(name, fraction)
    assert isinstance(found, KeepPolicy)
    return found

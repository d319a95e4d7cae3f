"""Python that repeats an answer of the explorer: to be copied, with nothing but the public names of the theory."""

from __future__ import annotations

import re

import numpy as np

from data_pruning.arguments import check_choice, check_settings
from figures.explorer.answers.best_rule import check_best_rule
from figures.explorer.answers.curves import NUM_WINDOW_POINTS, grid_of, has_exponent, kept_of, span_of, window_count
from figures.explorer.answers.detail import DETAILS, Detail, takes_longer
from figures.explorer.answers.errors import NEAR_INTERPOLATION, possible, rules_compared, takes_arrays
from figures.explorer.answers.frontier import LEAST_FRACTION, exact_frontier, frontier_grid
from figures.explorer.answers.margins import margin_grid
from figures.explorer.answers.phase_diagram import EQUAL, phase_grid
from figures.explorer.answers.point import compared_rules
from figures.explorer.question import Question

__all__ = ["NAMES", "code"]

NAMES = ("point", "curves", "frontier", "phase_diagram", "margins", "best_rule")
STUDENTS = {"max-margin": "MaxMargin", "square": "SquareLoss", "logistic": "LogisticLoss", "hinge": "HingeLoss"}


def code(question: Question, name: str, detail: Detail = "full") -> str:
    """A program that computes an answer again, to the last digit, and prints it.

    Args:
        question: what was asked.
        name: of the answer, one of ``NAMES``.
        detail: that of the answer.

    Raises:
        ValueError: as the answer where it can be seen beforehand; else the program raises it.
        TakesLongerError: there is no such answer in this detail.
    """
    check_settings("question", question, Question)
    check_choice("name", name, NAMES)
    check_choice("detail", detail, DETAILS)
    writer = {
        "point": _point,
        "curves": _curves,
        "frontier": _frontier,
        "phase_diagram": _phase_diagram,
        "margins": _margins,
        "best_rule": _best_rule,
    }[name]
    body = writer(question, detail)
    called = [_chosen(question)] if "(chosen," in body else []
    called += [_errors(question)] if "errors(" in body else []
    text = "\n\n\n".join([_model(question), *called, body])
    names = [each for each in _PUBLIC if re.search(rf"\b{each}\b", text)]
    listed = "".join(f"    {each},\n" for each in sorted(names))
    return f"import numpy as np\n\nfrom perceptron_theory import (\n{listed})\n\n{text}"


_PUBLIC = (
    *STUDENTS.values(),
    "KeepEasy",
    "KeepHard",
    "KeepRandom",
    "KeepWindow",
    "Labels",
    "SeenFeatures",
    "best_window",
    "keep_rule",
    "margin_distribution",
    "optimal_policy",
    "pareto_frontier",
    "scaling_exponent",
    "separability_threshold",
    "solve",
)


def _model(question: Question) -> str:
    lam = "" if question.student == "max-margin" else repr(question.lam)
    features = f", features=SeenFeatures({question.seen!r})" if question.seen < 1 else ""
    return (
        f"theta = np.deg2rad({question.theta_deg!r})\n"
        f"model = dict(student={STUDENTS[question.student]}({lam}), labels=Labels({question.flip_probability!r})"
        f"{features})"
    )


def _errors(question: Question) -> str:
    """The function ``errors`` of a program, with the conditions that this question has."""
    lines = ["def errors(rule, f, alpha_tot):", '    """Test errors; NaN where there is no such student."""']
    lines += ["    f, alpha_tot = np.broadcast_arrays(f, alpha_tot)", "    error = np.full(f.shape, np.nan)"]
    if not all(possible(question.rule, f) for f in np.geomspace(LEAST_FRACTION, 1, 50)):
        lines += ["    try:", "        rule(f)", "    except ValueError:  # one that drops the hardest cannot keep all"]
        lines += ["        return error"]
    exists = ""
    if question.student == "max-margin" and (question.flip_probability > 0 or question.seen < 1):
        features = ', model["features"]' if question.seen < 1 else ""
        exists = f'f * alpha_tot < separability_threshold(rule(f), theta, model["labels"]{features})'
    elif question.student == "square" and question.lam == 0:
        exists = f"abs(f * alpha_tot - 1) > {NEAR_INTERPOLATION!r}"
    if exists:
        lines += [f"    exists = {exists}", "    if exists.any():"]
        lines += ["        alpha_tot, keep = alpha_tot[exists], rule(f[exists])"]
        lines += ['        error[exists] = solve(alpha_tot, keep, theta, **model, on_failure="flag").error']
    else:
        lines += ['    error[...] = solve(alpha_tot, rule(f), theta, **model, on_failure="flag").error']
    return "\n".join([*lines, "    return error"])


def _chosen(question: Question) -> str:
    """The rule of the question as a function of the fraction."""
    if takes_arrays(question.rule):
        place = float(question.rule.partition("@")[2])
        lines = [f"    lower = {place!r} * (1 - f)", "    return KeepWindow(lower, np.minimum(1.0, lower + f))"]
    else:  # one rule for all points: f is the same at each
        lines = [f"    return keep_rule({question.rule!r}, float(np.ravel(f)[0]))"]
    return "\n".join(["def chosen(f):", *lines])


def _rule(name: str) -> str:
    """What a program calls a rule as a function of the fraction."""
    return {"hard": "KeepHard", "easy": "KeepEasy", "random": "KeepRandom"}.get(name, "chosen")


def _table(rule: str, alphas: str) -> str:
    """The errors of a rule over numbers of examples and the array ``fractions``, as a program computes them.

    Args:
        rule: the rule.
        alphas: numbers of examples, "alpha_tot" or "alpha_prune / f".
    """
    if takes_arrays(rule):
        column, _, by_fraction = alphas.partition(" / ")
        return f"errors({_rule(rule)}, fractions, {column}[:, None]{' / fractions' if by_fraction else ''})"
    return f"np.stack([errors(chosen, f, {alphas}) for f in fractions], axis=1)"


def _grid(values: np.ndarray) -> str:
    """An evenly spaced grid, in logarithms."""
    return f"np.geomspace({float(values[0])!r}, {float(values[-1])!r}, {values.size})"


def _point(question: Question, detail: Detail) -> str:
    alpha, keep = f"{question.alpha_tot!r}", f"keep_rule({question.rule!r}, {question.f!r})"
    lines = [f"solution = solve({alpha}, {keep}, theta, **model)", "print(solution)"]
    rules = compared_rules(question, detail)
    if rules:
        lines += ["rule_error = {"]
        lines += [f"    {name!r}: float(errors({_rule(rule)}, {f!r}, {alpha}))," for name, rule, f in rules]
        lines += ["}", "for rule, error in rule_error.items():", '    print(f"{rule}: test error {error!r}")']
    return "\n".join(lines) + "\n"


def _curves(question: Question, detail: Detail) -> str:
    lines, names = ["alpha_tot, error = {}, {}"], []
    for name in ("chosen", "hard", "easy", "random", "all"):
        grid = grid_of(question, name, detail)
        if grid is not None:
            names.append(name)
            rule, f = kept_of(question, name)
            lines += [f"alpha_tot[{name!r}] = {_grid(grid)}"]
            lines += [f"error[{name!r}] = errors({_rule(rule)}, {f!r}, alpha_tot[{name!r}])"]
    if not names:
        raise takes_longer(f"curves of a {question.student} student", detail)
    if "chosen" in names and has_exponent(question, detail):
        lines += ['exists = np.isfinite(error["chosen"])', "exponent = np.full(exists.size, np.nan)"]
        lines += ["if exists.any():", f"    keep = keep_rule({question.rule!r}, {question.f!r})"]
        lines += ['    exponent[exists] = scaling_exponent(alpha_tot["chosen"][exists], keep, theta, **model)']
    count = window_count(question, detail)
    if count:
        grid = np.geomspace(*span_of(question), min(count, NUM_WINDOW_POINTS[detail]))
        lines += [f'alpha_tot["window"] = {_grid(grid)}']
        lines += [f'lower, error["window"] = best_window(alpha_tot["window"], {question.f!r}, theta, **model)']
    lines += ["for name in error:", "    print(name)", "    for pair in zip(alpha_tot[name], error[name]):"]
    lines += ['        print("  alpha_tot = %r: test error %r" % (float(pair[0]), float(pair[1])))']
    return "\n".join(lines) + "\n"


def _frontier(question: Question, detail: Detail) -> str:
    lines, names = ["lowest, best_f = {}, {}"], []
    for rule in rules_compared(question):
        grid = frontier_grid(question, rule, detail)
        if grid is None:
            continue
        names.append(rule)
        name = rule if rule in ("hard", "easy", "random") else "chosen"
        kept, fractions = grid
        lines += [f"alpha_prune = {_grid(kept)}"]
        if rule == "random":  # its error depends on the number of kept examples alone
            lines += [f"lowest[{name!r}] = errors(KeepRandom, 1.0, alpha_prune)"]
            lines += [f"best_f[{name!r}] = np.where(np.isfinite(lowest[{name!r}]), 1.0, np.nan)"]
        elif exact_frontier(question, rule, detail):
            lines += [f"found = pareto_frontier(alpha_prune, theta, rule={rule!r}, f_min={LEAST_FRACTION!r})"]
            lines += [f"lowest[{name!r}], best_f[{name!r}] = found.error, found.fraction"]
        else:
            lines += [f"fractions = {_grid(fractions)}"]
            lines += [f"error = {_table(rule, 'alpha_prune / f')}"]
            lines += ["there = np.isfinite(error)", "best = np.where(there, error, np.inf).argmin(axis=1)"]
            lines += [f"lowest[{name!r}] = error[np.arange(alpha_prune.size), best]"]
            lines += [f"best_f[{name!r}] = np.where(there.any(axis=1), fractions[best], np.nan)"]
        lines += ["for row in zip(alpha_prune, lowest[%r], best_f[%r]):" % (name, name)]  # noqa: UP031
        lines += [f'    print("{name}: alpha_prune = %r: lowest test error %r at f = %r" % tuple(map(float, row)))']
    if not names:
        raise takes_longer(f"frontiers of a {question.student} student", detail)
    return "\n".join(lines) + "\n"


def _phase_diagram(question: Question, detail: Detail) -> str:
    alpha_tot, fractions, names = phase_grid(question, detail)
    return "\n".join(
        [
            f"rules = {list(names)!r}",
            f"alpha_tot = {_grid(alpha_tot)}",
            f"fractions = {_grid(fractions)}",
            "error = np.stack([",
            *(f"    {_table(rule, 'alpha_tot')}," for rule in names),
            "])",
            "exists = np.isfinite(error)",
            "lowest = np.where(exists, error, np.inf)",
            f'lowest[rules.index("random")] *= 1 - {EQUAL!r}  # wins where no rule is better',
            "winner = np.where(exists.any(axis=0), lowest.argmin(axis=0), -1)",
            "for i, j in np.ndindex(winner.shape):",
            '    best = rules[winner[i, j]] if winner[i, j] >= 0 else "none"',
            '    print(f"alpha_tot = {float(alpha_tot[i])!r}, f = {float(fractions[j])!r}: {best}")',
            "",
        ]
    )


def _margins(question: Question, detail: Detail) -> str:
    margin = margin_grid(question, detail)
    return "\n".join(
        [
            f"margin = np.linspace({float(margin[0])!r}, {float(margin[-1])!r}, {margin.size})",
            f"keep = keep_rule({question.rule!r}, {question.f!r})",
            f"found = margin_distribution({question.alpha_tot!r}, keep, theta, margin, **model)",
            'print(f"{found.atom!r} of the kept examples have the margin {found.atom_margin!r}")',
            "for row in zip(margin, found.kept, found.dropped):",
            '    print("margin %r: density of kept examples %r, of dropped ones %r" % tuple(map(float, row)))',
            "",
        ]
    )


def _best_rule(question: Question, detail: Detail) -> str:
    check_best_rule(question, detail)
    return "\n".join(
        [
            f"best = optimal_policy({question.alpha_tot!r}, {question.f!r}, theta, **model)",
            'print(f"keep the ranks {best.windows}, 0 = hardest: test error {best.error!r}")',
            'print(f"no rule lowers log(error) by more than {best.gap!r}, to first order")',
            'print(f"hard {best.hard_error!r}, easy {best.easy_error!r}, random {best.random_error!r}")',
            "",
        ]
    )

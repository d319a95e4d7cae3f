"""The frontier of an experiment, by hand, and its choice by one half of the seeds."""

import numpy as np
import pytest

from perceptron_theory import Results
from real_data.findings.frontier import pareto_frontier


def results_of(
    errors, errors_all, *, pools=(100, 200), rules=("hard", "easy"), fractions=(0.2, 0.4), metrics=("el2n",)
):
    errors, errors_all = np.asarray(errors, float), np.asarray(errors_all, float)
    results = Results("experiment")
    results.add("metric", "metric", list(metrics), "", "")
    results.add("pool_size", "pool", list(pools), "1", "")
    results.add("rule", "rule", list(rules), "", "")
    results.add("fraction", "fraction", list(fractions), "1", "")
    results.add("seed", "seed", np.arange(errors.shape[-1]), "1", "")
    kept = np.multiply.outer(pools, fractions)[None, :, None, :, None]
    cells = ("metric", "pool", "rule", "fraction", "seed")
    results.add("num_kept", cells, np.broadcast_to(np.round(kept).astype(int), errors.shape), "1", "")
    results.add("errors", cells, errors, "1", "")
    results.add("errors_all", ("pool", "seed"), errors_all, "1", "")
    return results


def seeds(mean):
    """Four seeds: the two that choose have this mean, the two that report lie 0.01 above."""
    return np.asarray(mean)[..., None] + np.array([-0.002, 0.008, 0.002, 0.012])


#  kept      20    40          40    80
MEANS = [[[[0.50, 0.30], [0.45, 0.35]], [[0.25, 0.32], [0.40, 0.26]]]]  # metric, pool, rule, fraction
WHOLE = [0.20, 0.28]  # 100 and 200 images


def test_frontier_by_hand():
    found = pareto_frontier(results_of(seeds(MEANS), seeds(WHOLE)))
    # 20: easy of 100; 40: hard of 200 (0.25), not hard of 100 (0.30); 80: 0.26 is no better than at 40; 100: 0.20
    np.testing.assert_array_equal(found.num_kept, [20, 40, 100])
    assert found.rule == ("easy", "hard", "all")
    np.testing.assert_array_equal(found.pool_size, [100, 200, 100])
    np.testing.assert_allclose(found.fraction, [0.2, 0.2, 1.0])
    np.testing.assert_allclose(found.selection_mean, [0.45, 0.25, 0.20])
    np.testing.assert_allclose(found.mean, [0.46, 0.26, 0.21])
    assert found.selection_seeds == (0, 2)
    assert found.evaluation_seeds == (1, 3)
    # two values 0.004 apart: standard error 0.002
    np.testing.assert_allclose(found.standard_error, 0.002)
    assert found.errors.shape == (3, 2)


def test_only_the_named_rules_take_part():
    found = pareto_frontier(results_of(seeds(MEANS), seeds(WHOLE)), rules=["easy"])
    np.testing.assert_array_equal(found.num_kept, [20, 40, 80, 100])
    assert found.rule == ("easy", "easy", "easy", "all")
    np.testing.assert_allclose(found.selection_mean, [0.45, 0.35, 0.26, 0.20])


def test_reported_errors_are_free_of_selection():
    """Forty equal points: the lowest of them looks better than it is, the reported error does not.

    Standard error of the reported mean: 0.02 / sqrt(10) = 0.0063; 4 of them are exceeded once in 16,000.
    """
    rng = np.random.default_rng(0)
    errors = 0.3 + 0.02 * rng.standard_normal((1, 1, 20, 2, 20))
    whole = 0.9 + 0.02 * rng.standard_normal((1, 20))
    rules = [f"window@{p:g}" for p in np.linspace(0, 1, 20)]
    found = pareto_frontier(results_of(errors, whole, pools=(100,), rules=rules))
    assert found.selection_mean[0] < 0.3 - 0.0063
    assert abs(found.mean[0] - 0.3) < 4 * 0.0063


def test_bad_input_is_named():
    two = results_of(seeds(np.repeat(MEANS, 2, axis=0)), seeds(WHOLE), metrics=("el2n", "grand"))
    assert pareto_frontier(two, metric="grand").metric == "grand"
    with pytest.raises(ValueError, match="metric must be one of el2n, grand: the results have several, got None"):
        pareto_frontier(two)
    one = results_of(seeds(MEANS), seeds(WHOLE))
    with pytest.raises(ValueError, match="metric must be one of el2n, got 'margin'"):
        pareto_frontier(one, metric="margin")
    with pytest.raises(ValueError, match="rule must be one of hard, easy, got 'random'"):
        pareto_frontier(one, rules=["random"])
    with pytest.raises(ValueError, match="rules must be at least one of hard, easy"):
        pareto_frontier(one, rules=[])
    with pytest.raises(ValueError, match="at least 4 seeds, got 3"):
        pareto_frontier(results_of(seeds(MEANS)[..., :3], seeds(WHOLE)[:, :3]))
    with pytest.raises(ValueError, match="some are NaN"):
        pareto_frontier(results_of(seeds(MEANS) * np.nan, seeds(WHOLE)))
    with pytest.raises(KeyError):
        pareto_frontier(Results("something else"))

"""The value of a rank, measured; the rule learned from it."""

from dataclasses import replace

import numpy as np
import pytest
from tiny_experiment import SCORING

from data_pruning.rule_names import keep_rule
from perceptron_theory import KeepPolicy, KeepRandom, SquareLoss, value_function
from real_data import Experiment, ModelConfig, ScoreConfig
from real_data.findings.rank_values import (
    RankValues,
    measured_rank_values,
    name_of,
    random_policies,
    softened,
    stepped,
)
from real_data.studies.learned_rule import learn_rule
from simulations import simulate

UNIFORM = KeepPolicy(np.linspace(0, 1, 6), np.full(5, 0.4))


def test_policies_come_in_opposite_pairs():
    leaning = KeepPolicy(np.linspace(0, 1, 5), [0.9, 0.4, 0.2, 0.1])
    for base in (UNIFORM, leaning):
        policies = random_policies(base, 7, seed=1, spread=0.5)
        probability = np.array([policy.probability for policy in policies])
        middle = softened(base)
        np.testing.assert_allclose((probability[::2] + probability[1::2]) / 2, np.tile(middle, (7, 1)), rtol=1e-12)
        np.testing.assert_allclose([policy.fraction for policy in policies], base.fraction, rtol=1e-12)
        assert np.all((probability > 0) & (probability <= 1))
        assert np.all(np.abs(probability / middle - 1) <= 0.5 + 1e-12)
    assert not np.array_equal(policies[0].probability, policies[2].probability)


def test_values_of_a_linear_law_are_found_exactly():
    """log(error) = - sum value_b pi_b / num_bins + a constant of the seed: no error is left; curvature cancels too."""
    value = np.array([0.5, 0.2, -0.1, -0.2, -0.4])
    policies = random_policies(UNIFORM, 6, seed=0)
    p = np.array([policy.probability for policy in policies])
    curved = 3 * np.sum((p - 0.4) ** 2, axis=1)
    log_error = -(p @ value)[:, None] / 5 + curved[:, None] + np.array([0.0, 1.0, -2.0])
    found = measured_rank_values(policies, np.exp(log_error))
    np.testing.assert_allclose(found.value, value - value.mean(), atol=1e-10)
    np.testing.assert_allclose(found.standard_error, 0, atol=1e-10)
    assert found.num_trainings == 36


def test_standard_errors_are_honest():
    """400 studies with noise of 3 %: values lie within 1.96 standard errors in 95 % +- 3.3 % (false alarm 1e-3)."""
    rng = np.random.default_rng(0)
    value = np.array([0.4, 0.1, 0.0, -0.2, -0.3])
    inside = []
    for study in range(400):
        policies = random_policies(UNIFORM, 20, seed=study)
        p = np.array([policy.probability for policy in policies])
        errors = np.exp(-(p @ value)[:, None] / 5 + 0.03 * rng.standard_normal((40, 2)))
        found = measured_rank_values(policies, errors)
        inside.append(abs(found.value[2] - 0.0) < 1.96 * found.standard_error[2])
    assert abs(np.mean(inside) - 0.95) < 0.033


def test_the_perceptron_has_the_values_of_the_theory():
    """Ridge regression on certified perceptrons of N = 100: all five values within 4 standard errors of the theory's.

    Their deviations have a chi-square of 4 degrees of freedom: above 23.5 once in 10,000 times, for this seed or not;
    what finite N adds is well below the standard errors.
    """
    alpha_tot, theta, student = 4.0, 0.35, SquareLoss(0.1)
    policies = random_policies(UNIFORM, 12, seed=0, spread=0.4)
    errors = [
        simulate(alpha_tot, policy, theta, num_features=100, num_trials=60, student=student, seed=i).mean
        for i, policy in enumerate(policies)
    ]
    found = measured_rank_values(policies, np.array(errors)[:, None])
    _, value = value_function(alpha_tot, KeepRandom(0.4), theta, ranks=found.edges, student=student)
    z = (found.value - (value - value.mean())) / found.standard_error
    assert np.sum(z**2) * 4 / 5 < 23.5
    assert found.value.argmax() == 3
    assert np.ptp(found.value) > 10 * found.standard_error.max()  # it was a test


def test_a_step_follows_the_values_within_its_bounds():
    values = RankValues(UNIFORM.edges, np.array([1.0, 0.5, 0.0, -0.5, -1.0]), np.zeros(5), 0)
    for length in (0.0, 0.5, 2.0, 50.0):
        moved = stepped(UNIFORM, values, length, floor=0.1)
        p = np.asarray(moved.probability)
        assert moved.fraction == pytest.approx(0.4, rel=1e-12)
        assert np.all((p >= 0.04 - 1e-12) & (p <= 1))
        assert np.all(np.diff(p) <= 1e-12)
    np.testing.assert_allclose(stepped(UNIFORM, values, 0.0).probability, 0.4)
    # before the floor, probabilities have the ratio exp(length (v - v'))
    p = (np.asarray(stepped(UNIFORM, values, 0.5).probability) - 0.04) / 0.9
    assert p[1] / p[3] == pytest.approx(np.exp(0.5))
    name = name_of(moved)
    np.testing.assert_allclose(keep_rule(name, 0.4).probability, moved.probability, rtol=1e-5)


def test_too_little_is_refused():
    policies = random_policies(UNIFORM, 2, seed=0)
    with pytest.raises(ValueError, match="4 policies on 1 seeds are too few for 5 bins"):
        measured_rank_values(policies, np.ones((4, 1)))
    with pytest.raises(ValueError, match="errors must be positive"):
        measured_rank_values(policies, np.zeros((4, 5)))
    with pytest.raises(ValueError, match="the base must keep less than everything"):
        random_policies(KeepPolicy([0, 0.5, 1], [1, 1]), 2, seed=0)


SMALL = Experiment(
    rules=("random",),
    fractions=(0.3,),
    pool_sizes=(600,),
    scores=(ScoreConfig("el2n", 1, SCORING),),
    model=ModelConfig("random-features", width=0.1),
    holdout=0.3,
)
FEW = {"num_bins": 4, "num_pairs": 4, "num_pilot_seeds": 2, "num_judge_seeds": 3, "max_rounds": 2, "progress": False}


def test_a_rule_is_learned_and_goes_on_where_it_was_stopped(tmp_path, monkeypatch):
    found = learn_rule(SMALL, **FEW, out=tmp_path / "whole")
    saved = (tmp_path / "whole" / "learned-rule.nc").read_bytes()
    first = found.rounds[0]
    assert first.base == "random"
    assert first.rule.startswith("policy@0,0.25,0.5,0.75,1/")
    assert first.values.num_trainings == 16
    assert found.rule_name == ([one.rule for one in found.rounds if one.accepted] or ["random"])[-1]
    text = str(found)
    assert text.startswith("Round 1, 16 trainings")
    assert text.endswith(f"Learned rule: {found.rule_name}")
    # interrupted before it judges
    from real_data.experiments import experiment

    run = experiment.run_experiment

    def interrupted(config, **settings):
        if config.first_seed >= 4:
            raise KeyboardInterrupt
        return run(config, **settings)

    monkeypatch.setattr(experiment, "run_experiment", interrupted)
    with pytest.raises(KeyboardInterrupt):
        learn_rule(SMALL, **FEW, out=tmp_path / "parts")
    monkeypatch.undo()
    trained = len(list((tmp_path / "parts" / "cells").iterdir()))
    assert trained == 4  # two seeds of values, two of pilots
    learn_rule(SMALL, **FEW, out=tmp_path / "parts")
    assert (tmp_path / "parts" / "learned-rule.nc").read_bytes() == saved


def test_what_cannot_be_learned_is_said():
    for change in ({"fractions": (0.2, 0.3)}, {"pool_sizes": (300, 600)}):
        with pytest.raises(ValueError, match="a rule is learned for one score, one fraction and one pool size"):
            learn_rule(replace(SMALL, **change), **FEW)
    with pytest.raises(ValueError, match="the fraction must be below 1"):
        learn_rule(replace(SMALL, fractions=(1.0,)), **FEW)
    with pytest.raises(ValueError, match=r"num_bins must be at least 2, got 1"):
        learn_rule(SMALL, **(FEW | {"num_bins": 1}))

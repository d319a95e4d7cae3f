"""Scores of subset trainings, the experiments that prune by them, and the plan of what they take."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from wrongly_labelled_digits import DATA, SETTINGS, TRAINING, WRONG

from data_pruning import Results
from real_data import Experiment, ModelConfig, ScoreConfig, TrainingConfig, run_experiment, score_all
from real_data.commands.design import Design
from real_data.commands.options import Images, TrainingOptions
from real_data.scores.families import FAMILIES
from real_data.scores.subset_plan import plan_subsets
from real_data.subset_trainings import SubsetTrainings, group, train_on_subsets, trainings
from real_data.subset_trainings.rates import Rates, measured_rates

METRICS = FAMILIES["subsets"]


def test_every_score_of_the_family(tmp_path, trained):
    """All from one set of trainings; wrong labels are hard where labels play a part.

    Areas under the curve for 30 wrong labels of 300, with networks of seeds 20 to 27: memorization, ddd and consistency
    0.981, deviation 0.0044; el2n and margin 0.989, 0.0015; entropy, mutual information and variation ratio 0.53 to
    0.55, 0.018.  The bounds are at least five deviations away.
    """
    whole = replace(TRAINING, num_steps=300)
    configs = [ScoreConfig(metric, 40, whole) for metric in METRICS]
    assert ScoreConfig("ddd").num_networks == 100
    assert ScoreConfig("el2n").num_networks == 10
    found = score_all(DATA, configs, model=ModelConfig(), folder=tmp_path, test_images=True)
    assert len(trained) == 40
    areas = {}
    for scores, metric in zip(found, METRICS, strict=True):
        assert scores.metric == metric
        assert scores.values.shape == scores.standard_error.shape == (300,)
        assert len(scores.seeds) == 40
        assert (scores.noise_floor is not None) == metric.startswith("influence")
        assert (scores.test_values is None) == (metric.startswith("influence") or metric == "memorization")
        if scores.test_values is not None:
            assert scores.test_values.shape == (90,)
        wrong, right = scores.values[WRONG][:, None], np.delete(scores.values, WRONG)
        areas[metric] = np.mean((right < wrong) + 0.5 * (right == wrong))
    for metric in ("memorization", "ddd", "consistency", "el2n-held-out", "margin-held-out"):
        assert areas[metric] > 0.95, areas
    for metric in ("entropy", "mutual-information", "variation-ratio"):  # labels play no part
        assert 0.43 < areas[metric] < 0.67, areas
    by_name = dict(zip(METRICS, found, strict=True))
    np.testing.assert_array_equal(by_name["ddd"].values, by_name["consistency"].values)
    influence_file = Results.load(next(tmp_path.rglob("influence-all-40.nc")))
    np.testing.assert_allclose(influence_file["influence"][:, 0], by_name["influence-max"].values)
    # of the same class, and without the noise; from the files
    more = [
        ScoreConfig("influence-sum", 40, whole, test_classes="same"),
        ScoreConfig("influence-sum", 40, whole, subtract_noise=True),
    ]
    same, without = score_all(DATA, more, model=ModelConfig(), folder=tmp_path)
    assert len(trained) == 40
    assert np.mean(same.noise_floor) < np.mean(by_name["influence-sum"].noise_floor) / 5
    np.testing.assert_allclose(without.values, by_name["influence-sum"].values - by_name["influence-sum"].noise_floor)
    assert np.all(without.noise_floor == 0)
    assert without.notes == ("the noise floor has been taken off influence-sum",)


def test_errors_that_are_not_known_are_said_not_to_be():
    """Two files of networks: too few to leave one out."""
    (found,) = score_all(DATA, [ScoreConfig("entropy", 20, TRAINING, 0.5)], model=ModelConfig())
    assert found.standard_error is None
    assert found.notes == ("standard errors of entropy are not known from 20 networks",)


def test_margins_of_networks_that_are_nearly_sure_are_told_apart():
    """Of margins themselves in half precision, not of margins + 1, 11 % of these images tie; of 1,200 digits 50 %."""
    easy = DATA.subset(np.setdiff1d(np.arange(300), WRONG))
    whole = replace(TRAINING, num_steps=2000)
    (found,) = score_all(easy, [ScoreConfig("margin-held-out", 20, whole, 0.5)], model=ModelConfig(), test_images=True)
    assert found.tied < 0.02
    assert np.sum(found.values < -0.999) > 20
    assert found.values.min() > -1
    assert np.unique(found.test_values).size > 85


def test_experiments_prune_by_them():
    config = Experiment(
        rules=("hard",),
        fractions=(0.5,),
        pool_sizes=(120,),
        num_seeds=2,
        scores=(ScoreConfig("memorization", 15, TrainingConfig(num_steps=30), 0.5),),
        retraining=TrainingConfig(num_steps=20),
    )
    results = run_experiment(config, progress=False)
    assert np.all(results["errors"] < 0.9)
    assert results.config["experiment"]["scores"][0]["subset_share"] == 0.5


def test_experiments_go_on_with_the_networks_of_their_scores(tmp_path, trained, monkeypatch):
    """Interrupted after ten networks of fifteen, of few steps: these are not trained again, and then discarded."""
    config = Experiment(
        rules=("hard",),
        fractions=(0.5,),
        pool_sizes=(120,),
        num_seeds=2,
        scores=(ScoreConfig("el2n", 1, TrainingConfig(num_steps=5)), ScoreConfig("ddd", 15, TRAINING, 0.5)),
        retraining=TrainingConfig(num_steps=20),
    )
    calls = itertools.count()

    def interrupted(*arguments):
        if next(calls) == 1:
            raise KeyboardInterrupt
        return group.run_group(*arguments)

    monkeypatch.setattr(trainings, "run_group", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_experiment(config, out=tmp_path, progress=False)
    assert len(trained) == 10
    run_experiment(config, out=tmp_path, progress=False)
    assert len(trained) == len(set(trained)) == 30
    assert not list(tmp_path.rglob("networks-*.nc"))


def test_experiments_refuse_too_few_networks_before_any_work(tmp_path):
    scores = (ScoreConfig("el2n", 1, TRAINING), ScoreConfig("ddd", 5, TRAINING))
    with pytest.raises(ValueError, match="in the share of all K = num_networks = 5 networks"):
        run_experiment(Experiment(scores=scores, num_seeds=2), out=tmp_path, progress=False)
    assert not list(tmp_path.iterdir())


def test_metrics_of_both_families_in_one_experiment():
    """Each with the number of networks and the length of training that it has in the command score."""
    design = Design(metrics=("el2n", "memorization"))
    of_logits, of_shares = design.experiment(Images(), ("hard",), (0.5,)).scores
    recipe = Images().chosen_recipe
    assert (of_logits.num_networks, of_logits.training) == (10, recipe.scoring)
    assert (of_shares.num_networks, of_shares.training) == (100, recipe.training)
    assert of_logits.training != of_shares.training
    few = replace(design, num_score_networks=40, scoring=TrainingOptions(num_steps=7))
    for score in few.experiment(Images(), ("hard",), (0.5,)).scores:
        assert (score.num_networks, score.training.num_steps) == (40, 7)


def test_rates_are_positive_where_they_belong():
    settings = SubsetTrainings((ModelConfig("random-features", width=0.1), ModelConfig()), (TRAINING,))
    rates = measured_rates(settings, (8, 8, 1), 10, 2)
    assert rates.per_step[0] == rates.per_network[0] == rates.per_solved_image[1] == 0
    assert min(rates.per_solved_image[0], rates.per_step[1], *rates.per_answer) > 0


def test_a_plan_counts():
    """ImageNet, K = 2,000, by hand."""
    settings = SubsetTrainings((ModelConfig("resnet50"),), (TrainingConfig(None, 90, batch_size=256),))
    sizes = {"num_networks": 2000, "num_examples": 1_281_167, "num_tests": 50_000, "num_classes": 1000}
    rates = Rates((3.0,), (0.1,), (0.0,), (0.001,))
    plan = plan_subsets(settings, **sizes, rates=rates, influence_classes="all", seconds_per_pair=1e-8)
    assert plan.num_seen == 896_817
    assert plan.steps == 2000 * 315_288  # ceil(90 * 896,817 / 256)
    assert plan.training_seconds == pytest.approx(0.1 * plan.steps + 6000)
    assert plan.answering_seconds == pytest.approx(2000 * 1_331_167 * 0.001)
    assert plan.influence_entries == 1_281_167 * 50_000
    assert plan.influence_seconds == pytest.approx(640.58, rel=1e-4)
    assert plan.influence_bytes < 3e8
    assert not plan.keeps_sums
    assert "too many images times classes for entropy" in str(plan)
    same = plan_subsets(settings, **sizes, influence_classes="same", num_open=10)
    assert same.influence_entries == 64_058_350
    assert same.training_seconds is None
    assert "1990 of them are there" in str(same)
    assert "variation-ratio takes 2.56 GB" in str(plan)
    few = plan_subsets(settings, **(sizes | {"num_networks": 20}))
    assert "fewer than 53 networks: some images may be in the share of all or none" in str(few)


def test_a_plan_knows_the_size_of_the_files(tmp_path):
    outcomes = train_on_subsets(DATA, SETTINGS, num_networks=20, folder=tmp_path)
    plan = plan_subsets(SETTINGS, num_networks=20, num_examples=300, num_tests=90, num_classes=10)
    size = sum(path.stat().st_size for path in outcomes.files)
    assert plan.disk_bytes < size < plan.disk_bytes + 2 * 6000  # names and settings

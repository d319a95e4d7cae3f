"""The best window: chosen on some seeds, judged on others; what is recommended from it; what the theory predicts."""

import numpy as np
import pytest
from scipy import stats

from perceptron_theory import KeepCoverage, KeepRandom, Results, SquareLoss
from real_data.findings.best_window import judge_windows, place_of
from real_data.findings.prediction import predict
from real_data.selection.candidates import CANDIDATES
from real_data.studies.pilot import pilot
from real_data.studies.pilot_clock import PilotClock
from real_data.studies.recommendation import conclude, described, to_judge

RULES = ("hard", "window@0.5", "easy", "random")


def results_of(errors, pool_sizes=(1000,), fractions=(0.2,), rules=RULES):
    """Results with errors of shape (pool, rule, fraction, seed)."""
    errors = np.asarray(errors, dtype=float)
    results = Results("made up", {"experiment": {"dataset": "made up"}})
    results.add("metric", "metric", ["el2n"], "", "")
    results.add("pool_size", "pool", list(pool_sizes), "1", "")
    results.add("rule", "rule", list(rules), "", "")
    results.add("fraction", "fraction", list(fractions), "1", "")
    results.add("seed", "seed", np.arange(errors.shape[-1]), "1", "")
    dims = ("metric", "pool", "rule", "fraction", "seed")
    results.add("errors", dims, errors[None], "1", "")
    kept = np.asarray(pool_sizes)[:, None, None, None] * np.asarray(fractions)[:, None]
    results.add("num_kept", dims, np.broadcast_to(kept, errors.shape)[None].astype(int), "1", "")
    results.add("mean", dims[:-1], errors[None].mean(axis=-1), "1", "")
    results.add("learned", dims, np.ones((1, *errors.shape), int), "1", "")
    results.add("training_errors", dims, np.zeros((1, *errors.shape)), "1", "")
    whole = errors[:, -1, 0] / 2  # the last rule is random
    results.add("errors_all", ("pool", "seed"), whole, "1", "")
    results.add("learned_all", ("pool", "seed"), np.ones(whole.shape, int), "1", "")
    results.add("training_errors_all", ("pool", "seed"), np.zeros(whole.shape), "1", "")
    return results


def test_choice_and_judgement_use_different_seeds():
    """On the choosing seeds (0, 2) easy is best, on the judging seeds (1, 3) it is worst: the verdict tells that."""
    errors = [[[[0.3, 0.2, 0.3, 0.2]], [[0.2, 0.2, 0.2, 0.2]], [[0.1, 0.4, 0.1, 0.6]], [[0.3, 0.3, 0.3, 0.5]]]]
    (verdict,) = judge_windows(results_of(errors))
    assert (verdict.place, verdict.lower, verdict.upper) == (1.0, 0.8, 1.0)
    assert verdict.error == pytest.approx(0.5)
    assert verdict.standard_error == pytest.approx(0.1)  # half the difference of two
    assert verdict.num_kept == 200
    assert verdict.num_judges == 2
    # by hand: hard - easy on seeds 1, 3 is -0.2, -0.4; t quantile of one degree of freedom is 12.706
    assert verdict.over["hard"].mean == pytest.approx(-0.3)
    assert verdict.over["hard"].half_width == pytest.approx(12.7062 * 0.1, rel=1e-4)
    assert verdict.over["hard"].verdict == "level"
    assert verdict.over["random"].mean == pytest.approx(-0.1)
    assert verdict.over["random"].standard_error == pytest.approx(0, abs=1e-12)
    assert verdict.over["random"].verdict == "worse"


def test_verdicts_hold_their_level():
    """Where window and random are equally good, "better" or "worse" is said in 5 % of cases.

    800 experiments of 12 seeds: outside 5 % +- 3.5 % with probability below 1e-5 (binomial), for this seed or not.
    """
    rng = np.random.default_rng(0)
    verdicts = []
    for _ in range(800):
        errors = 0.2 + 0.02 * rng.standard_normal((1, 4, 1, 12))
        errors[:, [0, 2]] += 0.5  # the window at 0.5 is always chosen
        verdicts.append(judge_windows(results_of(errors))[0].over["random"].verdict)
    assert abs(np.mean(np.array(verdicts) != "level") - 0.05) < 0.035


def test_windows_need_seeds_and_rivals():
    with pytest.raises(ValueError, match="at least four seeds are needed, two to choose and two to judge, got 3"):
        judge_windows(results_of(np.full((1, 4, 1, 3), 0.1)))
    one = results_of(np.full((1, 4, 1, 4), 0.1))
    one.variables["rule"].values[:3] = "random"
    with pytest.raises(ValueError, match="at least two windows are needed"):
        judge_windows(one)
    assert [place_of(rule) for rule in ("hard", "window@0.25", "easy", "random", "policy@0,1/1")] == [
        0.0,
        0.25,
        1.0,
        None,
        None,
    ]


SIZES = np.array([1000, 2000, 4000])


def _pilot(rng, gain):
    """A pilot in which random examples err as 2 K^-0.5 and coverage ``gain`` times as much, with 3 % noise.

    Windows and others are far worse.  The choosing seeds see the largest pool, the others all pools.
    """

    def errors(rules, sizes, seeds):
        factors = np.array([{"coverage@0.1": gain, "random": 1.0}.get(rule, 3.0) for rule in rules])
        base = 2 * sizes[:, None, None, None] ** -0.5 * factors[:, None, None]
        return results_of(base * np.exp(0.03 * rng.standard_normal((*base.shape[:3], seeds))), sizes, rules=rules)

    choosing = errors(("hard", "window@0.5", "coverage@0.1", "random"), SIZES[-1:], 5)
    return choosing, errors(to_judge(choosing), SIZES, 6)


def test_what_is_judged_is_the_best_rule_and_the_best_window():
    choosing, judging = _pilot(np.random.default_rng(2), 0.5)
    assert to_judge(choosing)[::2] == ("coverage@0.1", "random")
    assert judging["rule"][1] in ("hard", "window@0.5")
    only = results_of(np.full((1, 2, 1, 4), 0.1), rules=("window@0.5", "random"))
    assert to_judge(only) == ("window@0.5", "random")


def test_recommendation_continues_the_power_law():
    """A rule that halves the error is recommended; at 16,000 images theory says 1/sqrt(16,000) = 0.79 %.

    The interval of 95 % is checked on 200 pilots: it must hold the truth in 90 to 99 % (false alarm 1e-3).
    """
    rng = np.random.default_rng(2)
    truth = 0.5 * 2 * 16000**-0.5
    inside = []
    for _ in range(200):
        found = conclude(*_pilot(rng, 0.5), 16000, 0.1)
        assert found.rule == KeepCoverage(0.2, 0.1)
        assert found.rule_name == found.best == "coverage@0.1"
        inside.append(found.interval[0] < truth < found.interval[1])
    assert 0.9 < np.mean(inside) < 0.99
    assert found.num_kept == 3200
    assert found.expected_error == pytest.approx(truth, rel=0.15)
    text = str(found)
    assert text.startswith(
        "Keep 3200 of 16000 images by the rule coverage@0.1 (the hardest 10 % dropped, the same number from every "
        "stratum of scores, within each class).\nThe best of 3 rules, coverage@0.1, is surely better than"
    )
    last = found.verdicts[-1].errors
    closed = (last["random"] - last["coverage@0.1"]) / (last["random"] - last["all"])
    assert f"It closes {100 * closed:.0f} % of the gap between random and all images." in text
    assert closed == pytest.approx(1, abs=0.1)  # all examples err half as much as random ones in these results
    assert "a power law continued from pools up to 4000 to 16000 images." in text


def test_random_is_recommended_where_it_is_as_good():
    found = conclude(*_pilot(np.random.default_rng(3), 1.1), 4000, 0.1)
    assert found.rule == KeepRandom(0.2)
    assert found.rule_name == "random"
    assert str(found).startswith(
        "Keep 800 of 4000 images at random.\nNo rule is better than random beyond the noise. The best of 3 rules, "
        "coverage@0.1 (the hardest 10 % dropped"
    )
    assert found.expected_error == pytest.approx(2 * 4000**-0.5, rel=0.1)
    assert "of the gap between" not in str(found)


def test_an_error_that_does_not_fall_is_not_continued():
    choosing, judging = _pilot(np.random.default_rng(3), 1.1)
    judging.variables["errors"].values[...] = judging["errors"][:, ::-1].copy()
    found = conclude(choosing, judging, 64000, 0.1)
    assert found.expected_error == pytest.approx(2 * 1000**-0.5, rel=0.1)
    assert "a power law continued" not in str(found)
    assert "of the largest pool, 4000 images: not continued to 64000" in str(found)


def test_networks_that_learned_nothing_give_no_advice():
    """On their own training images, or on those held out: of four classes of equal size 75 % is what anybody has."""
    choosing, judging = _pilot(np.random.default_rng(3), 1.1)
    judging["learned"][0, -1, -1, 0, 2] = 0
    with pytest.raises(RuntimeError, match=r"1 of \d+ networks trained on random or all images are no better .*--mod"):
        conclude(choosing, judging, 4000, 0.25)
    choosing, judging = _pilot(np.random.default_rng(3), 1.1)
    choosing["errors_all"][-1] = 0.751
    with pytest.raises(RuntimeError, match=r"75.1 % error on images held out, no better than .*\(75.0 %\)"):
        conclude(choosing, judging, 4000, 0.25)
    choosing, judging = _pilot(np.random.default_rng(3), 1.1)
    choosing["learned"][0, 0, 0] = 0  # of another rule: named, no more
    assert "Networks of hard did not learn." in str(conclude(choosing, judging, 4000, 0.25))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("window@0.5", "difficulty ranks 0.400 to 0.600, 0 = hardest, within each class"),
        ("hard", "difficulty ranks 0.000 to 0.200, 0 = hardest, within each class"),
        ("proportional@0.5", "chance in proportion to the score to the power 0.5, at most 1, within each class"),
        (
            "proportional@1+trim@0.1+weighted@0.5",
            "the hardest 10 % dropped, chance in proportion to the score to the power 1, at most 1, within each class",
        ),
        ("coverage@0", "the same number from every stratum of scores, within each class"),
        ("mix@0.25", "25 % of them by hard, the others at random, within each class"),
        ("policy@0,1/1+weighted@0.5", "a chance for each difficulty rank, within each class; losses weighted by "),
    ],
)
def test_rules_in_words(name, words):
    assert described(name, 0.2).startswith(words)


def test_pilot_keeps_within_the_data():
    config = pilot(10_000, 10, keep=500)
    assert config.choosing.fractions == (0.05,)
    assert config.choosing.pool_sizes == (8000,)
    assert config.pool_sizes == (2000, 4000, 8000)
    assert config.choosing.rules == (*CANDIDATES, "random")
    assert config.choosing.holdout == 0.2
    assert (config.choosing.num_seeds, config.num_judges) == (6, 12)
    judging = config.judging(("hard", "random"))
    assert (judging.rules, judging.pool_sizes) == (("hard", "random"), (2000, 4000, 8000))
    assert not set(judging.seeds) & set(config.choosing.seeds)
    assert pilot(10_000, 10, keep=50).pool_sizes == (4000, 8000)  # two images of every class at least
    with pytest.raises(
        ValueError, match=r"keep must be a fraction in \(0, 1\) or a whole number of images in \[1, 100"
    ):
        pilot(10_000, 10, keep=10_000)
    kept_by_all = pilot(10_000, 10, keep=0.65).choosing.rules
    assert set(CANDIDATES) - set(kept_by_all) == {"proportional@0.5+trim@0.4"}  # 0.65 cannot be kept of 0.6
    with pytest.raises(ValueError, match="leaves fewer than 2 images per class in a pilot of 8000"):
        pilot(10_000, 10, keep=0.001)
    with pytest.raises(ValueError, match=r"num_seeds .* must be at least 4, got 3"):
        pilot(10_000, 10, keep=0.1, num_seeds=3)
    with pytest.raises(ValueError, match="rules must be keep rules to choose from, not random, rs2, infobatch"):
        pilot(10_000, 10, keep=0.1, rules=("hard", "rs2"))


def test_the_time_that_is_left_is_told_twice(capsys):
    """The first training takes 100 s with compilation and scores, the others 20 s; 2 + 3 x 2 scorings."""
    config = pilot(10_000, 10, keep=500, num_seeds=4, rules=("hard", "coverage@0.1"))
    clock, total = PilotClock(config), 8  # 2 seeds x (hard, coverage, random, all)
    for done in range(total + 1):
        clock(done, total, 80 + 20 * done if done else 0)
    said = capsys.readouterr().err.splitlines()
    assert said[0].startswith(
        "pilot: 32 trainings (2 seeds x 4 kept sets to choose, 2 seeds x 3 pools x 4 to judge) and 80 short ones"
    )
    assert said[1] == f"after the first 1 of 8: at most {round(31 * 100 / 60)} min to go, as the first take longest"
    # 6 + 24 trainings of 20 s, and for each of the 7 scorings that are left what the first took beyond a training
    assert said[2] == f"after 2 of 8: about {round((30 * 20 + 7 * 80) / 60)} min to go"
    assert len(said) == 3


def test_theory_is_calibrated_on_one_pool_and_recovers_its_own_numbers(monkeypatch):
    """Errors made by the theory itself at N = 100, 0.5 rad, no wrong labels: calibration finds these again."""
    from real_data.findings import prediction

    monkeypatch.setattr(prediction, "STUDENT", SquareLoss(0.1))  # compiles faster
    monkeypatch.setattr(prediction, "NUM_PARAMETERS", np.array([50.0, 100.0]))
    monkeypatch.setattr(prediction, "THETAS", (0.3, 0.5))
    monkeypatch.setattr(prediction, "FLIPS", (0.0,))
    sizes, fractions = np.array([400, 2000]), np.array([0.2])
    ratios = prediction._ratios(sizes / 100, np.array([0.0, 0.5, 1.0]), fractions, 0.5, 0.0, True)
    errors = 0.1 * np.concatenate([ratios, np.ones((2, 1, 1))], axis=1)[..., None] * np.array([0.9, 1.1])
    found = predict(results_of(errors, sizes, fractions), calibrate_on=400)
    assert (found.num_parameters, found.theta, found.flip_probability) == (100, 0.5, 0.0)
    np.testing.assert_allclose(found.predicted, ratios, rtol=1e-9)
    np.testing.assert_allclose(found.measured, ratios, rtol=1e-12)
    np.testing.assert_allclose(found.standard_error, 0, atol=1e-12)  # window and random vary alike
    assert found.misfit(2000)[0] < 1e-9 < found.misfit(2000)[1]
    saved = found.results()
    assert saved.config["num_parameters"] == 100
    with pytest.raises(ValueError, match=r"calibrate_on must be one of the pool sizes \[400, 2000\], got 3"):
        predict(results_of(errors, sizes, fractions), calibrate_on=3)


def test_difference_is_students_t():
    rng = np.random.default_rng(5)
    errors = rng.random((1, 4, 1, 10))
    (verdict,) = judge_windows(results_of(errors))
    chosen = int(np.argmin(errors[0, :3, 0, ::2].mean(axis=-1)))
    gain = errors[0, 3, 0, 1::2] - errors[0, chosen, 0, 1::2]
    low, high = stats.t.interval(0.95, gain.size - 1, gain.mean(), stats.sem(gain))
    over = verdict.over["random"]
    assert (over.mean - over.half_width, over.mean + over.half_width) == pytest.approx((low, high))

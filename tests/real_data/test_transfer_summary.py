"""Numbers of transfer studies by hand, their tables, and settings that are refused."""

from dataclasses import replace

import numpy as np
import pytest
from tiny_transfer import TINY

from data_pruning import Results
from data_pruning.records.settings import from_json, to_json
from real_data import ImageSet, ModelConfig, ScoreConfig, TrainingConfig, Transfer
from real_data.transfer.assembly import TITLE
from real_data.transfer.data import Seeds, check_pair, loaded, target_tests
from real_data.transfer.plan import stages
from real_data.transfer.summary import add_summary, interval
from real_data.transfer.tables import transfer_table

# Student's t, 97.5 %: with 2 degrees of freedom 4.302653, with 1 12.706205 (tables)


def made_up():
    """Two curves, a budget, a fraction, a kind of layers, two targets, three pretrainings, two fine-tunings."""
    results = Results(TITLE, {"remarks": []})
    results.add("curve_metric", "curve", ["random", "el2n"], "", "")
    results.add("curve_rule", "curve", ["random", "hard"], "", "")
    results.add("budget", "budget", ["steps"], "", "")
    results.add("fraction", "fraction", [0.5], "1", "")
    results.add("layers", "layers", ["all"], "", "")
    results.add("target_size", "target", [10, 100], "1", "")
    results.add("num_fine_tunings", "target", [2, 1], "1", "")
    whole = np.array([[[0.30, 0.32], [0.30, 0.30], [0.28, 0.30]], [[0.1, np.nan], [0.1, np.nan], [0.1, np.nan]]])[None]
    random = whole + 0.01
    hard = whole + np.array([0.01, 0.02, 0.06])[:, None]
    scratch = whole[0] + 0.2
    errors = np.stack([random, hard])[:, None, None]
    results.add("errors", ("curve", "budget", "fraction", *TAIL), errors, "1", "")
    results.add("errors_all", TAIL, whole, "1", "")
    results.add("errors_scratch", TAIL[1:], scratch, "1", "")
    for suffix, values in (("", errors), ("_all", whole), ("_scratch", scratch)):
        dims = results.variables[f"errors{suffix}"].dims
        results.add(f"learned{suffix}", dims, np.ones(values.shape, bool), "1", "")
    results.add("source_errors_all", "pretraining", [0.5, 0.5, 0.5], "1", "")
    return results


TAIL = ("layers", "target", "pretraining", "fine_tuning")


def test_intervals_by_hand():
    """Differences 1, 2 and 6 points: mean 3, standard deviation sqrt((4 + 1 + 9) / 2) = 2.6458, over sqrt 3."""
    mean, width = interval(np.array([0.01, 0.02, 0.06]), np.ones(3, bool))
    assert mean == pytest.approx(0.03)
    assert width == pytest.approx(4.302653 * 0.026457513 / np.sqrt(3), rel=1e-6)
    mean, width = interval(np.array([0.01, 0.02, 0.06]), np.array([True, True, False]))
    assert mean == pytest.approx(0.015)
    assert width == pytest.approx(12.706205 * 0.01 / 2, rel=1e-6)  # standard deviation 0.01 / sqrt 2, over sqrt 2
    mean, width = interval(np.array([0.01, 0.02, np.nan]), np.array([True, False, False]))
    assert np.isnan(mean)
    assert np.isnan(width)


def test_summary_by_hand():
    results = made_up()
    add_summary(results)
    np.testing.assert_allclose(results["difference"][:, 0, 0, 0], [[0.01, 0.01], [0.03, 0.03]])
    np.testing.assert_allclose(results["difference_to_random"][:, 0, 0, 0], [[0, 0], [0.02, 0.02]], atol=1e-15)
    half_width = 4.302653 * 0.026457513 / np.sqrt(3)
    np.testing.assert_allclose(results["difference_half_width"][1], half_width, rtol=1e-6)
    np.testing.assert_allclose(results["difference_half_width"][0], 0, atol=1e-9)
    np.testing.assert_allclose(results["gain"], -0.2)
    assert not results["num_failed"].any()
    text = transfer_table(results)
    assert "+3.00 +- 6.57 " in text
    assert "+1.00 +- 0.00*" in text
    assert "2 of 4 differences to the whole source lie beyond" in text
    assert "0 of 2 differences to random images lie beyond" in text
    assert "nothing was found" in text
    assert "Failed" not in text


def test_what_failed_takes_no_part():
    """The third pretraining of hard failed: 1 and 2 points are left.  One of the whole source too: 1 is."""
    results = made_up()
    results["errors"][1, ..., 2, :] = np.nan
    results["learned"][1, ..., 2, :] = False
    add_summary(results)
    np.testing.assert_allclose(results["difference"][1], 0.015)
    np.testing.assert_allclose(results["difference_half_width"][1], 12.706205 * 0.005, rtol=1e-6)
    np.testing.assert_array_equal(results["num_failed"][:, 0, 0, 0], [[0, 0], [1, 1]])
    assert "1 of 3" in transfer_table(results)
    results = made_up()
    results["errors"][1, ..., 2, :] = np.nan
    results["learned"][1, ..., 2, :] = False
    results["learned_all"][0, 0, 0, 1] = False  # one fine-tuning of the small target
    add_summary(results)
    assert np.all(np.isnan(results["difference"][1, ..., 0]))
    np.testing.assert_allclose(results["difference"][0, ..., 0], 0.01)
    np.testing.assert_allclose(results["difference"][1, ..., 1], 0.015)
    np.testing.assert_array_equal(results["num_failed_all"], [[1, 0]])
    assert "failed" in transfer_table(results)


def test_means_in_the_table_are_of_what_is_compared():
    """A network from scratch that learned nothing, and a pretraining that failed: neither counts, both are named."""
    results = made_up()
    results["errors_scratch"][0, 0, 0] = 0.9
    results["learned_scratch"][0, 0, 0] = False
    results["errors_all"][0, 0, 2] = np.nan
    results["learned_all"][0, 0, 2] = False
    add_summary(results)
    text = transfer_table(results)
    assert np.isnan(results["gain"][0, 0])
    row = next(line for line in text.splitlines() if line.split()[:1] == ["10"])
    assert row.split()[-3:] == ["30.00", "50.00", "failed"]  # of the one seed where both learned
    failed = [line.split() for line in text[text.index("Failed:") :].splitlines()[1:]]
    assert ["from", "scratch", "all", "layers", "fine-tuned", "10", "1", "of", "3"] in failed


def test_what_is_drawn_is_the_same_for_all_cells_and_new_for_each_seed():
    target = loaded(TINY.target)
    first, second = target_tests(TINY, target, 0), target_tests(TINY, target, 1)
    assert first.size == np.unique(first).size == 300
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(first, target_tests(replace(TINY, rules=("easy",)), target, 0))
    np.testing.assert_array_equal(target_tests(replace(TINY, num_tests=None), target, 0), np.arange(597))
    drawn = [seed for s in (0, 1) for seed in (Seeds(s).scoring, Seeds(s).pruning, Seeds(s).network, Seeds(s).tests)]
    drawn += [seed for s in (0, 1) for number in range(5) for seed in Seeds(s).fine_tuning(number)]
    assert len(set(drawn)) == len(drawn)


def test_settings_come_back_from_their_file():
    assert from_json(Transfer, to_json(TINY)) == TINY


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scores": ()}, "scores or score_files must say"),
        ({"scores": TINY.scores[:1] * 2}, "metrics of scores must"),
        ({"fractions": (1.0,)}, "fractions must have one below 1"),
        ({"fractions": (0.0, 1.0)}, r"each of fractions must .*\(0, 1\]"),
        ({"rules": ("rs2",)}, "must choose by scores alone"),
        ({"rules": ("hard+by-error",)}, "must choose by scores alone"),
        ({"budgets": ("time",)}, "each of budgets must be one of steps, epochs"),
        ({"layers": ()}, "layers must"),
        ({"target_sizes": (1,)}, "each of target_sizes must"),
        ({"num_pretrainings": 1}, "num_pretrainings must"),
        ({"num_fine_tunings": (1, 2, 3)}, "one number, or one for each of 2 target sizes"),
        ({"num_fine_tunings": ()}, "one number, or one for each of 2 target sizes"),
        ({"fine_tuning_steps": (5,)}, "fine_tuning_steps must be one number for each of 2"),
        ({"model": ModelConfig("patch-features")}, "features are learned"),
        ({"probe": TrainingConfig(augmentation="flip")}, r"probe\.augmentation must be none"),
        ({"layer_decay": 0.0}, r"layer_decay must .*\(0, 1\]"),
        ({"num_tests": 0}, "num_tests must"),
    ],
)
def test_settings_that_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        replace(TINY, **change)


def test_images_that_do_not_fit_are_refused():
    digits = loaded(TINY.source)
    for change, message in (({"target_sizes": (5, 1201)}, r"\[2, 1200\]"), ({"num_tests": 598}, r"\[1, 597\]")):
        with pytest.raises(ValueError, match=message):
            check_pair(replace(TINY, **change), digits, digits)
    larger = replace(
        digits, train_images=np.zeros((1200, 9, 9, 1), np.uint8), test_images=np.zeros((597, 9, 9, 1), "u1")
    )
    with pytest.raises(ValueError, match="images of one shape and type"):
        check_pair(TINY, digits, larger)
    one, other = (
        replace(
            digits, train_images=np.float32(factor) * digits.train_images, test_images=np.float32(digits.test_images)
        )
        for factor in (1, 255)
    )
    check_pair(TINY, one, one)
    with pytest.raises(ValueError, match="float32 images are taken as they are"):
        check_pair(TINY, one, other)
    with pytest.raises(ValueError, match="path must be given for folder"):
        loaded(ImageSet())


def test_scores_that_look_at_every_epoch_are_planned_so():
    """Digits, 1,200 of 1,797: ten epochs of aum, once el2n and margin, forgetting never; networks shared by all."""
    digits, training = loaded(TINY.source), TrainingConfig(num_steps=None, num_epochs=10)
    for metrics, times in (
        (("forgetting",), 0),
        (("forgetting", "aum"), 10),
        (("aum", "el2n", "margin", "moderate"), 12),
    ):
        scores = tuple(ScoreConfig(metric, 3, training) for metric in metrics)
        stage = stages(replace(TINY, scores=scores), digits, digits)[0]
        assert (stage.networks, stage.steps, stage.answers) == (6, 6 * 188, 6 * times * 1200)
    shares = (ScoreConfig("consistency", 20, training, 0.5),)
    stage = stages(replace(TINY, scores=shares), digits, digits)[0]
    assert (stage.networks, stage.steps, stage.answers) == (40, 40 * 94, 40 * 1797)


def test_lengths_of_pretrainings_and_fine_tunings():
    config = replace(TINY, pretraining=TrainingConfig(num_steps=None, num_epochs=3, batch_size=100))
    assert config.pretraining_steps("steps", 300, 1200) == 36
    assert config.pretraining_steps("epochs", 300, 1200) == 9
    assert config.pretraining_steps("epochs", 301, 1200) == 10  # rounded up
    assert config.pretraining_steps("epochs", 1200, 1200) == 36
    config = replace(TINY, fine_tuning_steps=(7, 8), scratch=TrainingConfig(learning_rate=0.5))
    assert config.training_of("all", 1) == replace(TINY.fine_tuning, num_steps=8)
    assert config.training_of("scratch", 0) == TrainingConfig(num_steps=7, learning_rate=0.5)
    assert config.training_of("head", 0) == TINY.probe
    assert replace(config, scratch=None).training_of("scratch", 0) == replace(TINY.fine_tuning, num_steps=7)


def test_examples_of_a_plan_are_counted_in_batches_of_their_own_training():
    scratch = replace(TINY.fine_tuning, batch_size=3 * TINY.fine_tuning.batch_size)
    scores = tuple(replace(one, training=replace(one.training, batch_size=7)) for one in TINY.scores)
    digits = loaded(TINY.source)
    found = stages(replace(TINY, scratch=scratch, scores=scores), digits, digits)
    sizes = {stage.name.split(",")[0]: stage.examples / stage.steps for stage in found}
    assert sizes == {
        "scores of the source": 7,
        "pretraining": TINY.pretraining.batch_size,
        "linear probes": TINY.probe.batch_size,
        "fine-tuning": TINY.fine_tuning.batch_size,
        "from scratch": scratch.batch_size,
    }

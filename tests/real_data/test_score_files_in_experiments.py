"""Scores from files in experiments: whichever file holds them, they choose the same examples."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
from test_experiment import count_trainings
from tiny_experiment import TINY, run

from data_pruning.rule_names import keep_rule
from real_data import Scores, load, prune
from real_data.experiments import task
from real_data.experiments.experiment import tasks_of
from real_data.experiments.pool import pool_within
from real_data.experiments.pool_scores import saved_scores_of, scores_of_pool
from real_data.findings.error_table import error_table
from real_data.findings.errors_by_rank import errors_by_rank, rank_table
from real_data.selection import methods

RNG = np.random.default_rng(5)


@pytest.fixture(scope="module")
def digits():
    return load("digits")


def saved(path, data, metric="published", values=None, **others):
    values = RNG.permutation(len(data.train_labels)).astype(float) if values is None else values
    return str(Scores(metric, values, data.name, data.train_fingerprint, **others).save(path))


def from_files(*paths, **changes):
    return replace(TINY, **{"scores": (), "score_files": paths, **changes})


def test_the_scores_of_a_measured_run_from_a_file_give_its_errors_bit_for_bit(tmp_path):
    whole = replace(TINY, pool_sizes=(None,))
    measured = run(whole, tmp_path / "measured")
    (file,) = (tmp_path / "measured" / "scores").glob("*seed-0*.nc")
    found = run(replace(whole, scores=(), score_files=(str(file),)), tmp_path / "from-file")
    # seed 0 is the division of the data set that everything else has
    np.testing.assert_array_equal(found["errors"][..., 0], measured["errors"][..., 0])
    np.testing.assert_array_equal(found["wrong"][..., 0, :], measured["wrong"][..., 0, :])
    np.testing.assert_array_equal(found["test_scores"][:, :, 0], measured["test_scores"][:, :, 0])
    np.testing.assert_array_equal(found["test_scores"][:, :, 1], measured["test_scores"][:, :, 0])  # of one division
    assert len(found.config["fingerprints"]) == 1 < len(measured.config["fingerprints"])
    (about,) = found.config["score_files"]
    assert (about["metric"], about["settings"]["score"]["num_networks"], len(about["seeds"])) == ("el2n", 2, 2)
    assert "intervals hold for pool and retraining alone" in error_table(found)
    assert "Remark" not in error_table(measured)


def test_each_task_prunes_its_part_of_the_scores(tmp_path, digits, monkeypatch):
    """With a pool, and with a part set aside; equal scores are ranked by the seed."""
    file = saved(tmp_path / "s.nc", digits, values=np.repeat(np.arange(len(digits.train_labels) / 4), 4))
    values = Scores.load(file, digits).values
    calls = []
    select = methods.select

    def recorded(scores, keep, labels, **settings):
        calls.append((np.array(scores), np.array(labels), settings["seed"]))
        return select(scores, keep, labels, **settings)

    monkeypatch.setattr(methods, "select", recorded)
    for changes in ({}, {"holdout": 0.25}):
        config = from_files(file, rules=("hard",), fractions=(0.3,), **changes)
        found = run(config)
        assert "test_scores" not in found.variables
        measured = calls[-2:]
        for seed, (scores, labels, _) in enumerate(measured):
            data = task.load_for(config, seed)
            pool, _ = pool_within(config, data, 300, seed)
            index = {image.tobytes(): i for i, image in enumerate(digits.train_images)}
            where = [index[image.tobytes()] for image in data.train_images[pool]]
            np.testing.assert_array_equal(scores, values[where])
            np.testing.assert_array_equal(labels, digits.train_labels[where])
        kept = [prune(np.zeros(100), keep_rule("hard", 0.3), seed=seed) for _, _, seed in measured]
        assert not np.array_equal(*kept)  # equal scores


def test_a_file_may_move_but_not_change(tmp_path, digits, monkeypatch):
    file = saved(tmp_path / "s.nc", digits)
    first = run(from_files(file), tmp_path / "out")
    counts = count_trainings(monkeypatch)
    moved = str(tmp_path / "elsewhere.nc")
    shutil.move(file, moved)
    again = run(from_files(moved), tmp_path / "out")
    assert counts == []
    np.testing.assert_array_equal(again["errors"], first["errors"])
    other = saved(tmp_path / "s.nc", digits)
    changed = run(from_files(other), tmp_path / "out")
    assert counts == [2, 2]  # hard and easy at 0.3; random and all are there
    np.testing.assert_array_equal(changed["errors"][:, :, 2], first["errors"][:, :, 2])
    assert not np.array_equal(changed["errors"], first["errors"])
    config = from_files(moved)
    one = tasks_of(config, None, "", saved_scores_of(config))[0]
    shutil.copy(other, moved)
    with pytest.raises(ValueError, match=r"elsewhere.nc holds other scores than when the experiment began"):
        scores_of_pool(one, 0, task.pool_of(one), tmp_path)


def test_files_beside_measured_scores(tmp_path, digits):
    tests = RNG.random(len(digits.test_labels))
    known = saved(tmp_path / "known.nc", digits, "known", test_values=tests)
    unknown = saved(tmp_path / "unknown.nc", digits, "unknown")
    found = run(replace(TINY, fractions=(0.3,), score_files=(unknown, known)), tmp_path / "out")
    assert found["metric"].tolist() == ["el2n", "unknown", "known"]
    assert found["tests_scored"].tolist() == [1, 0, 1]
    np.testing.assert_array_equal(found["test_scores"][2, 0], [tests, tests])
    assert np.isfinite(found["test_scores"]).all(axis=(1, 2, 3)).tolist() == [True, False, True]
    assert errors_by_rank(found, 0.3, metric="known").mean["random"].shape == (10,)
    with pytest.raises(ValueError, match="unknown knows no scores of test images"):
        errors_by_rank(found, 0.3, metric="unknown")
    assert "hardest, el2n)" in rank_table(found)
    only = run(replace(from_files(unknown, known), fractions=(0.3,)), tmp_path / "out")
    assert "hardest, known)" in rank_table(only)
    np.testing.assert_array_equal(only["errors"], found["errors"][1:])
    assert len(only.config["remarks"]) == 1
    binary = saved(tmp_path / "binary.nc", digits, "binary", values=np.arange(len(digits.train_labels)) % 2.0)
    remarks = run(replace(from_files(unknown, binary), fractions=(0.3,)), tmp_path / "out").config["remarks"]
    assert remarks[1:] == ["100 % of the binary scores are not unique: of equal ones a rule keeps any"]


def test_what_is_refused(tmp_path, digits):
    file = saved(tmp_path / "s.nc", digits)
    again = saved(tmp_path / "again.nc", digits)
    tests = saved(tmp_path / "tests.nc", digits, "tests", test_values=np.zeros(3))
    el2n = saved(tmp_path / "el2n.nc", digits, "el2n")
    other = saved(tmp_path / "other.nc", digits.subset(np.arange(500)), "other")
    for changes, message in (
        ({"score_files": (file, again)}, "again.nc: there are published scores already"),
        ({"score_files": (el2n,), "scores": TINY.scores}, "el2n.nc: there are el2n scores already"),
        ({"score_files": (tests,)}, "tests.nc scores 3 test images, but there are 597"),
        ({"score_files": (other,)}, r"other.nc: these other scores are of 'digits' with training images and labels"),
    ):
        with pytest.raises(ValueError, match=message):
            run(from_files(**changes) if "scores" not in changes else replace(TINY, **changes))
    with pytest.raises(ValueError, match=r"label_noise must be 0 with score_files"):
        from_files(file, label_noise=0.1)
    with pytest.raises(ValueError, match="score_files must be different"):
        from_files(file, file)
    with pytest.raises(ValueError, match="the metrics of scores must be different ones, at least one"):
        replace(TINY, scores=())
    with pytest.raises(FileNotFoundError):
        run(from_files(str(tmp_path / "absent.nc")))

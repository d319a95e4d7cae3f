"""Settings from files: wrong types and seeds out of range are named."""

import pytest

from real_data.config import Experiment, TrainingRun, from_json, to_json


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"scores": "el2n"}, "scores must be a sequence, got 'el2n'"),
        ({"scores": ["el2n"]}, "scores: the settings of ScoreConfig must be a table"),
        ({"label_noise": "0.5"}, r"label_noise must be a number in \[0, 1\), got '0.5'"),
        ({"fractions": 0.5}, "fractions must be a sequence, got 0.5"),
        ({"fractions": [[0.5]]}, r"each of fractions must be a number in \(0, 1\]"),
        ({"path": 3}, "path must be a string or None, got 3"),
        ({"rules": "hard"}, "rules must be a sequence, got 'hard'"),
        ({"rules": [1]}, "each of rules must be a str, got 1"),
        ({"retraining": {"standardize": "no"}}, "retraining: standardize must be true or false, got 'no'"),
        ({"model": {"kind": ["mlp"]}}, "model: kind must be one of mlp"),
        ({"first_seed": 2**31 - 2, "num_seeds": 3}, r"the last seed, must be in \[0, 2147483647\], got 2147483648"),
    ],
)
def test_wrong_settings_are_named(value, message):
    with pytest.raises((TypeError, ValueError), match=message):
        from_json(Experiment, value)


@pytest.mark.parametrize("value", [{"seeds": [2**31]}, {"prune_seed": 2**31}, {"seeds": 1}, {"scores": 2}, {"rule": 1}])
def test_wrong_settings_of_a_training_are_named(value):
    with pytest.raises((TypeError, ValueError), match=next(iter(value))):
        from_json(TrainingRun, value)


def test_settings_come_back():
    last = Experiment(first_seed=2**31 - 2, num_seeds=2)
    assert from_json(Experiment, to_json(last)) == last

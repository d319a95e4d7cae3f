"""Settings that come from files: of the right types, or a complaint that names the field."""

import json
import subprocess
import sys
from typing import get_args

import pytest

from data_pruning.records.settings import from_json, to_json
from real_data.experiments.config import Experiment, TrainingRun
from real_data.models.config import ModelConfig
from real_data.scores.config import MetricName, ScoreConfig
from real_data.scores.families import METRICS
from real_data.training.config import TrainingConfig

EXPERIMENT = Experiment(
    dataset="cifar10",
    scores=(ScoreConfig("grand", 3, TrainingConfig(None, 2)), ScoreConfig("random")),
    rules=("window@0.5", "policy@0,0.5,1/1,0.5"),
    pool_sizes=(None, 500),
    model=ModelConfig("resnet18", width=0.5),
)


@pytest.mark.parametrize(
    "settings", [EXPERIMENT, TrainingRun("digits", scores="x.nc", rule="easy", fraction=0.5, seeds=(1, 2))]
)
def test_settings_come_back_from_json(settings):
    assert from_json(type(settings), json.loads(json.dumps(to_json(settings)))) == settings


@pytest.mark.parametrize(
    ("kind", "value", "message"),
    [
        (Experiment, {"scores": "el2n"}, r"scores must be a tuple .*got 'el2n'"),
        (Experiment, {"scores": [{"metric": "el2m"}]}, r"scores: metric must be one of el2n, .*got 'el2m'"),
        (Experiment, {"scores": ["el2n"]}, r"scores: the settings of ScoreConfig must be a table"),
        (Experiment, {"label_noise": "0.5"}, r"label_noise must be a number in \[0, 1\), got '0.5'"),
        (Experiment, {"fractions": 0.5}, r"fractions must be a tuple .*got 0.5"),
        (Experiment, {"fractions": ["0.5"]}, r"each of fractions must be a number in \(0, 1\], got '0.5'"),
        (Experiment, {"path": 3}, r"path must be a string or None, got 3"),
        (Experiment, {"rules": "hard"}, r"rules must be a tuple .*got 'hard'"),
        (Experiment, {"image_size": 0}, r"image_size must be at least 1, got 0"),
        (Experiment, {"first_seed": 2**31}, r"the last seed, must be in \[0, 2147483647\]"),
        (Experiment, {"model": None}, r"model: the settings of ModelConfig must be a table"),
        (Experiment, {"model": {"width": float("nan")}}, r"model: width must lie in \(0, inf\), got nan"),
        (Experiment, {"retraining": {"standardize": "no"}}, r"retraining: standardize must be true or false, got 'no'"),
        (Experiment, {"retraining": {"num_epochs": 3}}, r"retraining: give either num_steps or num_epochs"),
        (TrainingRun, {"seeds": [2**31]}, r"each of seeds must be in \[0, 2147483647\]"),
        (TrainingRun, {"rule": "hard"}, r"rule hard needs scores"),
        (TrainingRun, {"fraction": 0.5}, r"rule all keeps everything: fraction must be 1, got 0.5"),
        (TrainingRun, ["digits"], r"the settings of TrainingRun must be a table"),
    ],
)
def test_wrong_values_are_named(kind, value, message):
    with pytest.raises((TypeError, ValueError), match=message):
        from_json(kind, value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is not a settings file"),
        ('{"scores": "el2n"}', "scores must be a tuple (in a file: a list)"),
        ('{"retraining": {"standardize": "no"}}', "retraining: standardize must be true or false, got 'no'"),
    ],
)
def test_rerun_of_a_wrong_file_is_one_line(tmp_path, content, message):
    (tmp_path / "x.json").write_text(content)
    done = subprocess.run(
        [sys.executable, "-m", "real_data", "rerun", tmp_path / "x.json"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("settings", "steps"),
    [(TrainingConfig(7), 7), (TrainingConfig(None, 3, 64), 47), (TrainingConfig(None, 1, 2000), 1)],
)
def test_epochs_are_rounded_up_to_whole_steps(settings, steps):
    """Three epochs of 1,000 examples are 3,000 / 64 = 46.9 steps."""
    assert settings.steps_for(1000) == steps


def test_the_metrics_that_type_checkers_know_are_those_of_the_families():
    assert get_args(MetricName) == METRICS

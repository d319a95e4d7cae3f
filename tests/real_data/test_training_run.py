"""A single training: the folder is one's own, weights in a file that stands by itself."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace

import jax
import numpy as np
import pytest

from data_pruning.records.lock import locked
from perceptron_theory import Results
from real_data import ModelConfig, Scores, TrainingConfig, datasets, load_networks, run_training
from real_data.commands.options import Images
from real_data.commands.pruning import prune
from real_data.experiments import training_run
from real_data.experiments.config import TrainingRun
from real_data.training import fit
from real_data.training import train as training

TINY = TrainingRun(
    rule="random",
    fraction=0.1,
    seeds=(3, 4),
    model=ModelConfig(hidden=(8,)),
    training=TrainingConfig(num_steps=20, batch_size=8, standardize=True),
)
NORMALIZED = replace(
    TINY,
    seeds=(5,),
    model=ModelConfig("resnet18", width=0.0625),
    training=TrainingConfig(num_steps=2, batch_size=4, learning_rate=0.1, standardize=True),
)


def trained(config, folder, monkeypatch):
    """The networks of a training, as they were in memory."""
    found = []
    train = training.train
    with monkeypatch.context() as patch:
        patch.setattr(training, "train", lambda *a, **k: found.append(train(*a, **k)) or found[0])
        run_training(config, out=folder, progress=False)
    return found[0]


def test_a_list_with_weights_trains_as_the_rule_it_came_from(tmp_path, monkeypatch):
    """``train --scores --rule X+weighted`` and ``train --kept`` with the list that prune writes: the same bits."""
    data = datasets.load("digits")
    values = np.random.default_rng(0).uniform(0.1, 1.0, len(data.train_labels))
    Scores("el2n", values, data.name, data.train_fingerprint, {}).save(tmp_path / "scores.nc")
    rule = "proportional@1+weighted@0.5"
    prune(tmp_path / "scores.nc", rule=rule, fraction=0.1, images=Images("digits"), out=tmp_path / "kept.txt")
    by_rule = replace(TINY, rule=rule, scores=str(tmp_path / "scores.nc"))
    by_list = replace(TINY, rule="all", fraction=1.0, kept=str(tmp_path / "kept.txt"))
    first, second = (
        trained(config, tmp_path / name, monkeypatch) for name, config in (("rule", by_rule), ("list", by_list))
    )
    assert first.examples[0].weights.std() > 0
    np.testing.assert_array_equal(first.examples[0].weights, second.examples[0].weights)
    jax.tree.map(np.testing.assert_array_equal, first.params, second.params)


@pytest.mark.parametrize("config", [TINY, NORMALIZED], ids=["mlp", "resnet18"])
def test_loaded_networks_are_the_trained_ones(tmp_path, monkeypatch, config):
    expected = trained(config, tmp_path / "run", monkeypatch)
    (tmp_path / "copy").mkdir()
    shutil.copy(tmp_path / "run" / "weights.npz", tmp_path / "copy")
    found = load_networks(tmp_path / "copy")
    leaves, others = (jax.tree.leaves_with_path((n.params, n.batch_stats)) for n in (found, expected))
    assert len(jax.tree.leaves(expected.batch_stats)) == (40 if config is NORMALIZED else 0)  # 20 mean, 20 variance
    for (place, one), (there, other) in zip(leaves, others, strict=True):
        assert (place, one.dtype) == (there, other.dtype)
        np.testing.assert_array_equal(one, other)
    data = datasets.load("digits")
    np.testing.assert_array_equal(found.logits(data.test_images[:9]), expected.logits(data.test_images[:9]))
    np.testing.assert_array_equal(found.features(data.test_images[:9]), expected.features(data.test_images[:9]))
    for name in ("losses", "correct"):
        assert getattr(found, name).dtype == getattr(expected, name).dtype
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
    np.testing.assert_array_equal(found.batches(), expected.batches())
    results = Results.load(tmp_path / "run" / "result.nc")
    np.testing.assert_array_equal(found.errors(data.test_images, data.test_labels), results["errors"])


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished")
    run_training(TINY, out=folder, progress=False)
    return folder


def test_weights_can_be_read_by_numpy_alone(finished):
    with np.load(finished / "weights.npz", allow_pickle=False) as file:
        description = json.loads(str(file["description"]))
        assert file["params/layers/0/kernel"].shape == (2, 64, 8)
        assert file["seeds"].tolist() == [3, 4]
    assert description["training_run"]["model"]["hidden"] == [8]
    assert description["image_shape"] == [8, 8, 1]
    assert {"jax", "source", "device"} <= set(description["software"])


def test_an_altered_file_of_weights_is_noticed(finished, tmp_path):
    with np.load(finished / "weights.npz") as file:
        arrays = dict(file)
    arrays["params/layers/0/bias"][1, 3] += 1e-6
    np.savez(tmp_path / "weights.npz", **arrays)
    with pytest.raises(ValueError, match=r"weights.npz is damaged, altered .*does not match its sha256"):
        load_networks(tmp_path)
    content = (finished / "weights.npz").read_bytes()
    (tmp_path / "weights.npz").write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match=r"weights.npz is damaged"):
        load_networks(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"run it again to go on"):
        load_networks(tmp_path / "elsewhere")


HOLDER = """
import sys, fcntl
file = open(sys.argv[1], "a")
fcntl.flock(file, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


def test_two_processes_cannot_train_in_one_folder(tmp_path):
    command = [sys.executable, "-c", HOLDER, tmp_path / "lock"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(ValueError, match=f"another process is training in {tmp_path}: wait until it ends"):
            run_training(TINY, out=tmp_path, progress=False)
        other.kill()
    with locked(tmp_path / "lock"):  # a lock ends with its process
        assert [path.name for path in tmp_path.iterdir()] == ["lock"]


@pytest.mark.parametrize("name", ["jax", "source", "device"])
def test_checkpoints_of_other_software_are_refused(finished, monkeypatch, name):
    versions = fit.software()
    monkeypatch.setattr(fit, "software", lambda: versions | {name: "other"})
    with pytest.raises(ValueError, match=rf"software\.{name} is '.*' there and 'other' now; give another folder"):
        run_training(TINY, out=finished, progress=False)


def test_scores_may_be_moved_but_not_changed(tmp_path):
    data = datasets.load("digits")
    values = np.random.default_rng(0).random(data.train_labels.size)
    config = replace(TINY, rule="hard", scores=str(tmp_path / "here.nc"))
    for name, found in {"here": values, "there": values, "others": 1 - values}.items():
        Scores("el2n", found, "digits", data.train_fingerprint).save(tmp_path / f"{name}.nc")
    out = tmp_path / "run"
    first = run_training(config, out=out, progress=False)
    moved = replace(config, scores=str(tmp_path / "there.nc"))
    again = run_training(moved, out=out, progress=False)
    np.testing.assert_array_equal(again["losses"], first["losses"])
    with pytest.raises(ValueError, match=r"data.json belongs to other settings: kept_sha256"):
        run_training(replace(config, scores=str(tmp_path / "others.nc")), out=out, progress=False)
    assert json.loads((out / "settings.json").read_text())["scores"] == moved.scores


def test_another_test_set_is_refused(finished, monkeypatch):
    data = datasets.load("digits")
    changed = replace(data, test_labels=np.roll(data.test_labels, 1))
    monkeypatch.setattr(training_run.datasets, "load", lambda *a, **k: changed)
    with pytest.raises(ValueError, match=r"data.json belongs to other settings: dataset_sha256"):
        run_training(TINY, out=finished, progress=False)

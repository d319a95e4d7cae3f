"""Experiments, trainings and scores whose networks start from the weights of a file, by its content, not its place."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from tiny_experiment import NAMES, TINY, run

from data_pruning.records.settings import digest_of, from_json, to_json
from data_pruning.records.settings_file import check_settings, write_settings
from real_data import (
    Experiment,
    ModelConfig,
    ScoreConfig,
    Scores,
    TrainingConfig,
    TrainingRun,
    datasets,
    load_networks,
    models,
    run_training,
    score_all,
)
from real_data.commands.design import Design
from real_data.commands.fine_tuning_options import FineTuningOptions
from real_data.commands.options import Images
from real_data.experiments.cells import CellFolder
from real_data.experiments.execution import executor_named
from real_data.experiments.experiment import tasks_of
from real_data.experiments.pool_scores import recalls_of_pool
from real_data.experiments.task import pool_of
from real_data.experiments.task_run import run_task
from real_data.scores.score_file import settings_of, taken
from real_data.software import software
from real_data.subset_trainings import group
from real_data.subset_trainings.settings import SubsetTrainings
from real_data.subset_trainings.trainings import train_on_subsets
from real_data.training import fit
from real_data.training.fine_tuning import FineTuning
from real_data.training.layers import by_name, head_of
from real_data.training.start import Start
from real_data.training.train import initial_weights, train

MODEL = ModelConfig(hidden=(8,))
TRAINING = TrainingConfig(num_steps=60, batch_size=16)
PRETRAINING = TrainingRun(seeds=(1, 2), model=MODEL, training=TrainingConfig(num_steps=200))


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory):
    """Folder of a training of two networks."""
    folder = tmp_path_factory.mktemp("pretrained")
    run_training(PRETRAINING, out=folder, progress=False)
    return folder


def body(folder, network=0):
    """All weights but the head of a network of a training."""
    networks = load_networks(folder)
    arrays = {name: array[network] for name, array in by_name("params", networks.params).items()}
    return {name: array for name, array in arrays.items() if name not in head_of(arrays)}


def tuned(folder, **settings):
    return TrainingRun(
        rule="random",
        fraction=0.1,
        seeds=(3, 4),
        model=MODEL,
        training=replace(TRAINING, num_steps=40),
        fine_tuning=FineTuning(str(folder), **settings),
    )


def test_a_training_from_weights_and_what_it_says_of_them(pretrained, tmp_path):
    """The head alone from the second network of a file: the body is that one's, the file says so."""
    results = run_training(tuned(pretrained, network=1, layers="head"), out=tmp_path, progress=False)
    networks = load_networks(tmp_path)
    for name, array in body(pretrained, 1).items():
        np.testing.assert_array_equal(by_name("params", networks.params)[name], np.stack([array] * 2))
    np.testing.assert_array_equal(networks.standardization.mean, load_networks(pretrained).standardization.mean)
    with np.load(tmp_path / "weights.npz") as file:
        description = json.loads(str(file["description"]))
    start = Start(body(pretrained, 1), load_networks(pretrained).standardization, "head")
    expected = {"sha256": start.digest, "layers": "head", "layer_decay": 1.0}
    assert description["start"] == results.config["start"] == expected
    assert description["training_run"]["fine_tuning"]["weights"] == str(pretrained)
    assert json.loads((tmp_path / "data.json").read_text())["start_sha256"] == start.digest


def test_weights_may_be_moved_but_not_exchanged(pretrained, tmp_path, monkeypatch):
    there = tmp_path / "there"
    shutil.copytree(pretrained, there)
    first = run_training(tuned(there), out=tmp_path / "out", progress=False)
    elsewhere = shutil.move(there, tmp_path / "elsewhere")
    with monkeypatch.context() as patch:  # all steps were taken before the move
        patch.setattr(fit, "advance", None)
        again = run_training(tuned(elsewhere), out=tmp_path / "out", progress=False)
    np.testing.assert_array_equal(again["losses"], first["losses"])
    for change in ({"network": 1}, {"layer_decay": 0.5}):
        with pytest.raises(ValueError, match=r"fine_tuning.* is .* there and .* now"):
            run_training(tuned(elsewhere, **change), out=tmp_path / "out", progress=False)
    run_training(replace(PRETRAINING, seeds=(7, 8)), out=tmp_path / "others", progress=False)
    with pytest.raises(ValueError, match=r"start_sha256 is .* there and .* now"):
        run_training(tuned(tmp_path / "others"), out=tmp_path / "out", progress=False)


def experiment(folder, **settings):
    return replace(TINY, model=MODEL, rules=("hard", "random"), fine_tuning=FineTuning(str(folder), **settings))


def test_an_experiment_in_processes_is_the_same_as_here(pretrained, tmp_path):
    """With scores and retraining from the weights; its cells are not those from random weights, nor of other ones."""
    config = experiment(pretrained)
    here = run(config, tmp_path / "here")
    with executor_named("processes:2", tmp_path) as pool:
        there = run(config, tmp_path / "there", executor=pool)
    for name in NAMES:
        np.testing.assert_array_equal(here[name], there[name])
    assert here["mean_all"] < run(replace(config, fine_tuning=None))["mean_all"] - 0.05
    scores = [Scores.load(path) for path in (tmp_path / "here" / "scores").glob("*.nc")]
    assert [one.config["start_sha256"] for one in scores] == [here.config["start_sha256"]] * 2
    copy = tmp_path / "copy"
    shutil.copytree(pretrained, copy)

    def keys(folder, **settings):
        tasks = tasks_of(experiment(folder, **settings), None, "software")
        return {cell.key for task in tasks for cell in task.cells().values()}

    assert keys(copy) == keys(pretrained)
    assert not keys(copy) & keys(pretrained, network=1)
    assert not keys(copy) & keys(pretrained, layers="head")
    done = CellFolder(tmp_path / "here" / "cells").outcomes().keys()
    assert len(done) == len(keys(copy)) == 6
    run(experiment(copy), tmp_path / "here")  # all there: nothing is trained
    assert CellFolder(tmp_path / "here" / "cells").outcomes().keys() == done
    with pytest.raises(ValueError, match=r"fine_tuning\.network is 0 there and 1 now"):
        run(experiment(copy, network=1), tmp_path / "here")
    run_training(replace(PRETRAINING, seeds=(7, 8)), out=tmp_path / "others", progress=False)
    with pytest.raises(ValueError, match="networks that started from other weights: give another folder"):
        run(experiment(tmp_path / "others"), tmp_path / "here")


def test_a_worker_notices_other_weights(pretrained, tmp_path):
    task = tasks_of(experiment(pretrained), None, digest_of(software()))[0]
    other = replace(task, start_sha256="0" * 64)
    with pytest.raises(ValueError, match="are not those that the work began with, 0000"):
        run_task(other, tmp_path)


def test_recalls_by_error_are_those_of_networks_from_the_weights(pretrained, tmp_path):
    """After twenty steps networks recognise more of each class if they started from learned features."""
    config = replace(experiment(pretrained), retraining=replace(TINY.retraining, num_steps=20))
    found = []
    for one in (config, replace(config, fine_tuning=None)):
        task = tasks_of(one, None, digest_of(software()))[0]
        found.append(recalls_of_pool(task, pool_of(task), tmp_path).mean())
    assert found[0] > found[1] + 0.05


def test_linear_probes_of_an_experiment_are_trained_side_by_side(pretrained, tmp_path):
    """In one group, and beyond rounding as one by one."""
    config = experiment(pretrained, layers="head")
    together, apart = run(config, tmp_path), run(config, networks_at_once=1)
    assert len(list((tmp_path / "cells").glob("*.nc"))) == 2  # of each seed
    np.testing.assert_allclose(together["errors"], apart["errors"], atol=0.011)  # one or two of 199 images


def test_scores_start_from_the_weights_too(pretrained, tmp_path):
    data = datasets.load("digits")
    start = Start(body(pretrained), layers="head")
    configs = [ScoreConfig("el2n", 2, TRAINING), ScoreConfig("consistency", 20, TRAINING, 0.5)]
    found, plain = (score_all(data, configs, model=MODEL, start=one) for one in (start, None))
    for one, other in zip(found, plain, strict=True):
        assert not np.array_equal(one.values, other.values)
        assert one.config["start_sha256"] == start.digest
        assert "start_sha256" not in other.config
    # the second training's errors of networks that start from learned features, and train their head
    assert found[1].values.mean() < plain[1].values.mean()
    path = found[0].save(tmp_path / "el2n.nc")
    assert taken(path, data, configs[0], MODEL, 0, start_sha256=start.digest)
    for digest in (None, "0" * 64):
        with pytest.raises(ValueError, match="holds scores of other settings"):
            taken(path, data, configs[0], MODEL, 0, start_sha256=digest)
    assert "start_sha256" not in settings_of(configs[0], MODEL, 0)
    with pytest.raises(ValueError, match="networks that start from weights must be of one kind, got 2 models"):
        score_all(data, configs[1:], model=[MODEL, ModelConfig("cnn")], start=start)


def test_subset_trainings_are_named_by_the_start(pretrained, tmp_path):
    data = datasets.load("digits").subset(np.arange(300))
    start = Start(body(pretrained))
    settings = SubsetTrainings((MODEL,), (TRAINING,), 0.5, 0, start.digest)
    there = train_on_subsets(data, settings, num_networks=20, folder=tmp_path, start=start)
    with executor_named("processes:1", tmp_path) as pool:
        again = train_on_subsets(data, settings, num_networks=20, folder=tmp_path / "w", executor=pool, start=start)
    np.testing.assert_array_equal(there.right.all(), again.right.all())
    plain = train_on_subsets(data, replace(settings, start_sha256=None), num_networks=20, folder=tmp_path)
    assert np.mean(there.test_right.all()) > np.mean(plain.test_right.all()) + 0.02
    assert len(list(tmp_path.glob("subsets-*"))) == 2
    assert from_json(SubsetTrainings, to_json(settings)) == settings
    for one, digest in ((None, start.digest), (start, None), (start, "0" * 64)):
        with pytest.raises(ValueError, match="start must be that of the settings"):
            train_on_subsets(data, replace(settings, start_sha256=digest), num_networks=20, start=one)


def test_probes_on_random_shares_look_at_each_image_once_together(monkeypatch):
    """Ten convolutional networks of a file in one call, as they share the features."""
    data, seen = datasets.load("digits").subset(np.arange(300)), []

    def recorded(*arguments, seeds, **options):
        seen.append(len(seeds))
        return train(*arguments, seeds=seeds, **options)

    monkeypatch.setattr(group, "train", recorded)
    cnn = ModelConfig("cnn", width=0.1)
    drawn, _ = initial_weights(models.build(cnn, (8, 8, 1), 10), [0])
    arrays = {name: array[0] for name, array in by_name("params", drawn).items()}
    start = Start({name: array for name, array in arrays.items() if name not in head_of(arrays)}, layers="head")
    settings = SubsetTrainings((cnn,), (replace(TRAINING, num_steps=2),), 0.3, 0, start.digest)
    train_on_subsets(data, settings, num_networks=30, start=start)
    assert seen == [10] * 3


def test_settings_of_before_are_read_and_new_ones_come_back():
    for config in (Experiment(), TrainingRun()):
        old = to_json(config)
        for table in (old["model"], old.get("retraining", old.get("training"))):
            for name in ("patch_size", "registers", "depth", "optimizer", "second_momentum"):
                table.pop(name, None)
        assert old.pop("fine_tuning") is None
        assert from_json(type(config), old) == config
        new = replace(config, fine_tuning=FineTuning("a.npz", layers="head", head="keep"))
        assert from_json(type(config), to_json(new)) == new
        with pytest.raises(ValueError, match=r"fine_tuning: FineTuning has no setting 'weight'"):
            from_json(type(config), to_json(config) | {"fine_tuning": {"weight": "a"}})
        with pytest.raises(TypeError, match=r"fine_tuning must be a FineTuning, got 'a\.npz'"):
            replace(config, fine_tuning="a.npz")
        with pytest.raises(ValueError, match="random-features, which is solved for"):
            replace(new, model=ModelConfig("random-features"))


def test_inner_settings_may_change(tmp_path):
    path, names = tmp_path / "settings.json", ("path", "inner.path")
    write_settings(path, {"path": "a", "inner": {"path": "b", "size": 1}, "none": None}, may_change=names)
    assert check_settings(path, {"path": "a", "inner": {"path": "b", "size": 1}, "none": None}, may_change=names)
    assert not check_settings(path, {"path": "c", "inner": {"path": "d", "size": 1}, "none": None}, may_change=names)
    for inner, message in (({"path": "b", "size": 2}, r"inner\.size is 1 there and 2 now"), (None, "inner is")):
        with pytest.raises(ValueError, match=message):
            check_settings(path, {"path": "a", "inner": inner, "none": None}, may_change=names)
    with pytest.raises(ValueError, match=r"inner\.path is 'b' there and 'd' now"):
        check_settings(path, {"path": "a", "inner": {"path": "d", "size": 1}, "none": None}, may_change=("path",))


def test_options_of_commands():
    options = FineTuningOptions("weights.npz", layer_decay=0.75)
    design = Design(num_seeds=2, fine_tuning=options)
    config = design.experiment(Images("digits"), ("hard",), (0.5,))
    assert config.fine_tuning == FineTuning("weights.npz", layer_decay=0.75)
    assert Design().experiment(Images("digits"), ("hard",), (0.5,)).fine_tuning is None
    with pytest.raises(ValueError, match=r"--fine-tuning\.layer-decay: for weights to start from, give"):
        Design(fine_tuning=replace(options, weights=None)).experiment(Images("digits"), ("hard",), (0.5,))

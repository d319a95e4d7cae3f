"""Recipes, options that override them, and printed command lines, which parse to the settings they stand for."""

import contextlib
import shlex
from dataclasses import replace

import numpy as np
import pytest

from data_pruning import Results
from real_data import ImageDataset, ModelConfig, ScoreConfig, TrainingConfig
from real_data.__main__ import cli
from real_data.commands import advice, options, pruning, training
from real_data.commands.options import Images, ModelOptions, TrainingOptions, any_given, resolved
from real_data.recipes import RECIPES, default_recipe, pilot_network, recipe_named
from real_data.scores.score_file import Scores, taken
from real_data.studies.pilot import pilot


def test_every_data_set_has_a_recipe_and_every_recipe_says_what_it_reaches():
    assert default_recipe("digits").name == "digits"
    assert default_recipe("fashion-mnist").name == "fashion-mnist"
    assert default_recipe("folder").name == default_recipe("cifar10").name == "photographs"
    for recipe in RECIPES.values():
        assert recipe.source
        assert "measured" in recipe.reach
    with pytest.raises(ValueError, match=r"recipe must be one of digits, .*got 'best'"):
        recipe_named("best")


def test_rules_are_tried_on_patch_features_where_images_have_patches():
    """Of photographs; where something asks for gradient descent, the command takes the network of the recipe."""
    photographs = RECIPES["photographs"]
    assert pilot_network(photographs, (32, 32, 3)).kind == "patch-features"
    assert pilot_network(photographs, (32, 7, 3)) == photographs.model
    assert pilot_network(RECIPES["fashion-mnist"], (28, 28, 1)) == RECIPES["fashion-mnist"].model
    assert not any_given(TrainingOptions(), ModelOptions())
    assert any_given(TrainingOptions(), ModelOptions(hidden=(9,)))


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("", "patch-features"),
        ("--model.width 0.5", "patch-features"),
        ("--model.kind cnn", "cnn"),
        ("--model.hidden 9", "mlp"),
        ("--metric grand", "mlp"),
        ("--retraining.num-steps 9", "mlp"),
    ],
)
def test_the_network_of_the_pilot(monkeypatch, capsys, words, kind):
    def pilot(*rest, model, **others):
        raise InterruptedError(model.kind)

    images = np.zeros((8, 9, 9, 3), np.uint8)
    data = ImageDataset("x", images, np.arange(8) % 2, images, np.arange(8) % 2, 2)
    monkeypatch.setattr("real_data.studies.pilot.pilot", pilot)
    monkeypatch.setattr(options.Images, "load", lambda self: data)
    with pytest.raises(SystemExit):
        cli.main(["recommend", "--dataset", "folder", "--keep", "0.5", *words.split()])
    assert capsys.readouterr().err.endswith(f": {kind}\n")


def test_options_override_the_recipe_and_epochs_take_the_place_of_steps():
    base = TrainingConfig(num_steps=7)
    assert resolved(base, TrainingOptions()) == base
    assert resolved(base, TrainingOptions(num_epochs=3)) == replace(base, num_steps=None, num_epochs=3)
    epochs = TrainingConfig(num_steps=None, num_epochs=3)
    assert resolved(epochs, TrainingOptions(num_steps=9)) == TrainingConfig(num_steps=9)
    assert resolved(base, TrainingOptions(gradient_clip="none")).gradient_clip is None
    assert resolved(ModelConfig(), ModelOptions(kind="cnn")) == ModelConfig("cnn")


def parsed(monkeypatch, words):
    """The settings that a printed command line would train or score with."""
    seen = {}
    monkeypatch.setattr(training, "run_and_report", lambda config, *rest: seen.update(config=config))

    def score_all(data, configs, *, model, **rest):
        seen.update(scores=configs, model=model)
        raise InterruptedError("that is enough")

    # in this order: the first looks its name up in the second, and would remember what it finds there
    monkeypatch.setattr("real_data.scores.score_all", score_all)
    monkeypatch.setattr("real_data.scores.scoring.score_all", score_all)
    monkeypatch.setattr(options.Images, "load", lambda self: seen.update(images=self) or DATA)
    assert words[:3] == ["python", "-m", "real_data"]
    with contextlib.suppress(SystemExit):  # the score command is stopped where it would train
        cli.main(words[3:])
    return seen


PIXELS = np.zeros((8, 4, 4, 3), np.uint8)
DATA = ImageDataset("x", PIXELS, np.arange(8) % 2, PIXELS, np.arange(8) % 2, 2)


@pytest.mark.parametrize(
    "images",
    [
        Images("folder", "/a folder/with 'quotes' and $dollars", 32, test_folder="val", skip_undecodable=True),
        Images("digits", recipe="photographs"),
    ],
)
def test_the_commands_that_recommend_prints_can_be_pasted(monkeypatch, images):
    """Quoted, complete, and of the same settings as the pilot; the words come back from a shell as they were."""
    recipe = images.chosen_recipe
    config = pilot(
        1000,
        2,
        keep=0.4,
        **images.arguments(),
        model=ModelConfig("cnn", width=0.5),
        score=ScoreConfig("margin", 3, replace(recipe.scoring, num_steps=60)),
        retraining=TrainingConfig(num_steps=None, num_epochs=4, gradient_clip=None, learning_rate=0.05),
    ).choosing
    commands = advice.next_commands(images, config, "window@0.25", 0.4)
    assert len(commands) == 2
    for words in commands:
        assert shlex.split(shlex.join(words)) == words
        seen = parsed(monkeypatch, words)
        if "score" in words[:4]:
            assert seen["scores"] == list(config.scores)
            assert seen["model"] == config.model
            assert replace(seen["images"], recipe=None) == replace(images, recipe=None)
        else:
            run = seen["config"]
            assert (run.model, run.training) == (config.model, config.retraining)
            assert (run.rule, run.fraction) == ("window@0.25", 0.4)
            assert (run.path, run.image_size, run.test_folder) == (images.path, images.image_size, images.test_folder)
    (only,) = advice.next_commands(images, config, "random", 0.4)  # needs no scores
    assert parsed(monkeypatch, only)["config"].rule == "random"


def test_scores_of_other_images_or_settings_are_not_overwritten(tmp_path):
    config, model = ScoreConfig("random", 1), ModelConfig()
    path = tmp_path / "x.nc"
    assert not taken(path, DATA, config, model, 0)
    from data_pruning.records.settings import to_json

    settings = {"score": to_json(config), "model": to_json(model), "seed": 0}
    Scores("random", np.arange(8.0), "x", DATA.train_fingerprint, settings).save(path)
    assert taken(path, DATA, config, model, 0)
    with pytest.raises(ValueError, match="holds scores of other settings, which would be lost"):
        taken(path, DATA, config, model, 1)
    with pytest.raises(ValueError, match="holds scores of other images"):
        taken(path, DATA.subset(np.arange(4)), config, model, 0)


def test_prune_writes_names_beside_positions(tmp_path, monkeypatch, capsys):
    names = tuple(f"train/cat/{i} of 8.png" for i in range(8))
    data = replace(DATA, train_names=names)
    monkeypatch.setattr(options.Images, "load", lambda self: data)
    Scores("random", np.arange(8.0), "x", data.train_fingerprint).save(tmp_path / "scores.nc")
    pruning.prune(tmp_path / "scores.nc", rule="hard", fraction=0.5, out=tmp_path / "kept.txt")
    positions = [int(line) for line in (tmp_path / "kept.txt").read_text().split()]
    assert positions == [4, 5, 6, 7]
    assert (tmp_path / "kept.names.txt").read_text().splitlines() == [names[i] for i in positions]
    assert "8 more are the test images" in capsys.readouterr().out


def test_a_result_of_another_kind_is_named(tmp_path, capsys):
    other = Results("Difficulty of training examples")
    other.add("score", "example", np.arange(3.0), "1", "")
    path = other.save(tmp_path / "x.nc")
    for command in ("show", "scaling-law"):
        with pytest.raises(SystemExit) as stop:
            cli.main([command, str(path)])
        assert stop.value.code == 2
        assert "is not a result of the command run, but: Difficulty of training examples" in capsys.readouterr().err

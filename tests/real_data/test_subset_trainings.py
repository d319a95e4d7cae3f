"""Subset trainings: who is trained on what, files that go on, several kinds of networks."""

import itertools
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from wrongly_labelled_digits import DATA, SETTINGS, TRAINING, digits

from real_data import ModelConfig, ScoreConfig, score_all
from real_data.scores import scoring, subset_scores
from real_data.scores.predictions import error_norm, margin
from real_data.subset_trainings import PackedBits, SubsetTrainings, group, train_on_subsets, trainings
from real_data.subset_trainings.packing import from_words, num_words, to_words
from real_data.subset_trainings.predictions import predictions_of
from real_data.subset_trainings.settings import check_memberships
from real_data.training.ensemble import Ensemble
from real_data.training.train import train


def train_nothing(*arguments, **settings):
    raise AssertionError("trained before it was refused")


def test_bits_and_numbers_come_back_from_words():
    rng = np.random.default_rng(0)
    for columns in (1, 7, 8, 31, 33, 64, 100):
        bits = rng.random((3, columns)) < 0.5
        words = to_words(bits)
        assert words.shape == (3, num_words(columns, bool))
        assert words.dtype == np.int32
        np.testing.assert_array_equal(PackedBits(from_words(words.astype(int), bool, columns), columns).all(), bits)
        packed = PackedBits.of(bits)
        assert packed.shape == bits.shape
        for first, stop in itertools.combinations((0, 3, 8, 17, columns), 2):
            np.testing.assert_array_equal(packed.columns(first, stop), bits[:, first:stop])
        chosen = rng.integers(0, columns, 9)
        np.testing.assert_array_equal(packed.picked(chosen), bits[:, chosen])
        for kind in (np.uint8, np.uint16, np.float16, np.float32):
            numbers = rng.uniform(0, 200, (3, columns)).astype(kind)
            found = from_words(to_words(numbers).astype(np.int64), kind, columns)
            assert found.dtype == kind
            np.testing.assert_array_equal(found, numbers)


def test_shares_are_of_one_size_and_do_not_depend_on_one_another():
    settings = SubsetTrainings(share=0.3, seed=5)
    members = np.stack([settings.members(k, 101) for k in range(200)])
    assert np.all(members.sum(axis=1) == 30)
    # each example in 200 * 30/101 = 59.4 of them, deviation 6.5: the bound is five of these, 101 examples
    assert np.all(np.abs(members.sum(axis=0) - 59.4) < 33)
    assert len({settings.training_seed(k) for k in range(200)}) == 200
    assert not np.array_equal(members[0], replace(settings, seed=6).members(0, 101))
    np.testing.assert_array_equal(settings.members(7, 101), SubsetTrainings(share=0.3, seed=5).members(7, 101))
    for share, number in ((0.001, 100), (0.999, 100)):
        with pytest.raises(ValueError, match="share must leave some of the 100 examples out and some in"):
            SubsetTrainings(share=share).num_seen(number)


def test_what_cannot_be_scored_is_refused_before_any_training(trained, monkeypatch):
    monkeypatch.setattr(scoring, "train", train_nothing)
    with pytest.raises(
        ValueError, match=r"in the share of all K = num_networks = 5 networks.*subset_share s = 0.5.*K = 16"
    ):
        train_on_subsets(DATA, SETTINGS, num_networks=5)
    check_memberships(SETTINGS, 16, 300)  # as many as the message says: 2 n 2^-K < 0.01
    with pytest.raises(ValueError, match="num_networks must be at least 2, got 1"):
        train_on_subsets(DATA, SETTINGS, num_networks=1)
    configs = [ScoreConfig("el2n", 1, TRAINING), ScoreConfig("ddd", 5, TRAINING)]
    with pytest.raises(ValueError, match=r"in the share of all K = num_networks = 5 networks"):
        score_all(DATA, configs, model=ModelConfig())
    with pytest.raises(ValueError, match="ssl-prototypes needs embeddings"):
        score_all(DATA, [configs[0], ScoreConfig("ssl-prototypes")], model=ModelConfig())
    monkeypatch.setattr(subset_scores, "MOST_SUMS", 2999)
    with pytest.raises(
        ValueError, match=r"entropy need sums of probabilities.* at most 2,999.*300 images in 10 classes"
    ):
        score_all(DATA, [configs[0], ScoreConfig("entropy", 40, TRAINING)], model=ModelConfig())
    assert not trained


def test_files_go_on_and_are_extended(tmp_path, trained, monkeypatch):
    """15 networks, interrupted after ten; then 19; then a file is lost; nothing else is trained twice."""
    calls = itertools.count()

    def interrupted(*arguments):
        if next(calls) == 1:
            raise KeyboardInterrupt
        return group.run_group(*arguments)

    monkeypatch.setattr(trainings, "run_group", interrupted)
    with pytest.raises(KeyboardInterrupt, match=r"10 of 15 networks finished; saved in .*Run the same again"):
        train_on_subsets(DATA, SETTINGS, num_networks=15, folder=tmp_path)
    assert len(trained) == 10
    first = train_on_subsets(DATA, SETTINGS, num_networks=15, folder=tmp_path)
    assert trained == [SETTINGS.training_seed(k) for k in range(15)]
    more = train_on_subsets(DATA, SETTINGS, num_networks=19, folder=tmp_path)
    assert trained == [SETTINGS.training_seed(k) for k in range(19)]
    (folder,) = tmp_path.glob("subsets-*")
    assert [path.stem for path in more.files] == [
        "networks-00000-00009",
        "networks-00010-00014",
        "networks-00015-00018",
    ]
    for name in ("members", "right", "test_right"):
        np.testing.assert_array_equal(getattr(more, name).all()[:15], getattr(first, name).all())
    assert more.seeds[:15] == first.seeds
    more.files[1].unlink()
    again = train_on_subsets(DATA, SETTINGS, num_networks=19, folder=tmp_path)
    assert trained[19:] == [SETTINGS.training_seed(k) for k in range(10, 15)]
    np.testing.assert_array_equal(again.right.all(), more.right.all())
    # other settings have a folder of their own
    train_on_subsets(DATA, replace(SETTINGS, seed=1), num_networks=19, folder=tmp_path)
    assert len(list(tmp_path.glob("subsets-*"))) == 2
    # nor is a file under the name of another: its networks would count twice
    spared = again.files[1].read_bytes()
    again.files[1].write_bytes(again.files[2].read_bytes())
    with pytest.raises(ValueError, match=r"00010-00014\.nc has networks 15 to 18 in the place of those from 10 on"):
        train_on_subsets(DATA, SETTINGS, num_networks=19, folder=tmp_path)
    again.files[1].write_bytes(spared)
    # a damaged file is no result
    path = more.files[0]
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(ValueError, match=r"networks-00000-00009\.nc is not a result file"):
        train_on_subsets(DATA, SETTINGS, num_networks=19, folder=tmp_path)
    assert folder.is_dir()


def test_open_groups():
    """Files cover networks in their order, none twice; what is missing is aligned to tens."""

    class Folder:
        def __init__(self, *names):
            self.paths = [Path(f"networks-{a:05d}-{b:05d}.nc") for a, b in names]

        def glob(self, pattern):
            return self.paths

    assert trainings.open_groups(Folder(), 23) == [range(10), range(10, 20), range(20, 23)]
    some = Folder((0, 9), (10, 14), (20, 22))
    assert trainings.open_groups(some, 30) == [range(15, 20), range(23, 30)]
    assert trainings.open_groups(some, 5) == [range(5)]  # sums of ten networks are no sums of five
    assert trainings.open_groups(some, 15) == []
    both = Folder((0, 4), (0, 9), (5, 6), (10, 11))
    assert [path.stem[-5:] for path in trainings.covering(both, 12)] == ["00009", "00011"]
    assert [path.stem[-5:] for path in trainings.covering(both, 7)] == ["00004", "00006"]


def test_what_is_saved_is_what_the_networks_say():
    """Against logits and the scores of :mod:`real_data.scores.predictions`, for one network."""
    outcomes = train_on_subsets(DATA, SETTINGS, num_networks=19)
    k = 13
    network = train(
        group.models.build(ModelConfig(), DATA.train_images.shape[1:], 10),
        DATA.train_images,
        DATA.train_labels,
        [SETTINGS.subset(k, 300)],
        seeds=[SETTINGS.training_seed(k)],
        config=TRAINING,
    )
    assert outcomes.seeds[k] == SETTINGS.training_seed(k)
    np.testing.assert_array_equal(outcomes.members.all()[k], SETTINGS.members(k, 300))
    for tests, images, labels in (
        (False, DATA.train_images, DATA.train_labels),
        (True, DATA.test_images, DATA.test_labels),
    ):
        logits = network.logits(images)[0].astype(float)
        right = (outcomes.test_right if tests else outcomes.right).all()[k]
        assert np.mean(right != (logits.argmax(axis=-1) == labels)) <= 0.01  # trained beside others: rounding
        for name, function in (("el2n", error_norm), ("risen_margin", lambda *asked: margin(*asked) + 1)):
            said = np.concatenate([values for _, values in outcomes.each(name, tests=tests)])[k]
            np.testing.assert_allclose(said, function(logits, labels), atol=4e-3)
        predicted = np.concatenate([values for _, values in outcomes.each("predicted", tests=tests)])
        np.testing.assert_array_equal(predicted == labels, (outcomes.test_right if tests else outcomes.right).all())
        assert all(seen.any() != tests for seen, _ in outcomes.each("predicted", tests=tests))
        # sums of probabilities over networks that have not seen an image, and of entropies
        for group_sums, (seen, entropy) in zip(
            outcomes.sums(tests=tests), outcomes.each("entropy", tests=tests), strict=True
        ):
            np.testing.assert_array_equal(group_sums.numbers, (~seen).sum(axis=0))
            np.testing.assert_allclose(group_sums.probabilities.sum(axis=1), group_sums.numbers, rtol=1e-5)
            np.testing.assert_allclose(group_sums.entropies, (entropy.astype(float) * ~seen).sum(axis=0), atol=0.01)


def test_portions_of_images_change_nothing(monkeypatch):
    whole = train_on_subsets(DATA, SETTINGS, num_networks=15)
    monkeypatch.setattr(group, "_PIXELS_AT_ONCE", 1)  # 64 images at a time
    parts = train_on_subsets(DATA, SETTINGS, num_networks=15)
    np.testing.assert_array_equal(parts.right.all(), whole.right.all())
    for one, other in zip(parts.sums(), whole.sums(), strict=True):
        np.testing.assert_allclose(one.probabilities, other.probabilities, atol=1e-5)


def test_predictions_are_those_of_the_scores():
    rng = np.random.default_rng(1)
    logits, labels = rng.normal(0, 8, (3, 50, 4)).astype(np.float32), rng.integers(0, 4, 50)
    found = predictions_of(logits, labels)
    np.testing.assert_allclose(found.el2n, error_norm(logits, labels), rtol=2e-6)
    np.testing.assert_allclose(found.risen_margin - 1, margin(logits, labels), rtol=2e-6, atol=1e-7)
    p = found.probabilities.astype(float)
    np.testing.assert_allclose(found.entropy, -np.sum(p * np.log(np.maximum(p, 1e-300)), axis=-1), atol=2e-6)
    with pytest.raises(FloatingPointError, match="a logit of a network is not finite"):
        predictions_of(np.full((1, 2, 3), np.nan, np.float32), np.zeros(2, int))


def test_several_kinds_take_turns(tmp_path):
    kinds = (ModelConfig("mlp"), ModelConfig("random-features", width=0.2), ModelConfig("mlp", hidden=(16,)))
    settings = SubsetTrainings(kinds, (TRAINING, replace(TRAINING, learning_rate=0.05)), share=0.5)
    assert settings.kind(7) == (kinds[1], settings.trainings[1])
    together = train_on_subsets(DATA, settings, num_networks=15, folder=tmp_path)
    alone = train_on_subsets(DATA, replace(SETTINGS, models=(kinds[1],)), num_networks=15)
    # network 4 is a readout, whatever is trained beside it
    np.testing.assert_array_equal(together.right.all()[4], alone.right.all()[4])
    assert np.any(together.right.all()[3] != alone.right.all()[3])
    assert together.settings == settings
    found = score_all(DATA, [ScoreConfig("ddd", 15, TRAINING, 0.5)], model=kinds)[0]
    assert [one["kind"] for one in found.config["model"]] == ["mlp", "random-features", "mlp"]
    with pytest.raises(ValueError, match=r"networks of several kinds \(mlp, random-features, mlp\) are for the scores"):
        score_all(DATA, [ScoreConfig("el2n", 2, TRAINING)], model=kinds)


def test_an_ensemble_answers_in_its_order():
    images, labels = DATA.train_images, DATA.train_labels
    groups = []
    for config, seeds in ((ModelConfig(), (3, 4)), (ModelConfig("random-features", width=0.2), (5,))):
        model = group.models.build(config, images.shape[1:], 10)
        groups.append(train(model, images, labels, [np.arange(300)] * len(seeds), seeds=seeds, config=TRAINING))
    ensemble = Ensemble(tuple(groups), ((0, 2), (1,)))
    assert ensemble.seeds == (3, 5, 4)
    assert ensemble.num_networks == 3
    assert ensemble.num_classes == 10
    logits = ensemble.logits(DATA.test_images)
    np.testing.assert_array_equal(logits[[0, 2]], groups[0].logits(DATA.test_images))
    np.testing.assert_array_equal(logits[1], groups[1].logits(DATA.test_images)[0])
    np.testing.assert_allclose(ensemble.probabilities(DATA.test_images).sum(axis=-1), 1, rtol=1e-12)
    wrong = ensemble.wrong(DATA.test_images, DATA.test_labels)
    np.testing.assert_array_equal(wrong, logits.argmax(axis=-1) != DATA.test_labels)
    np.testing.assert_array_equal(ensemble.errors(DATA.test_images, DATA.test_labels), wrong.mean(axis=1))
    assert ensemble.learned.all()
    assert Ensemble(tuple(groups)).seeds == (3, 4, 5)
    with pytest.raises(ValueError, match=r"positions must be 0 to 2, each once"):
        Ensemble(tuple(groups), ((0, 1), (1,)))
    with pytest.raises(ValueError, match="positions must be one for each network"):
        Ensemble(tuple(groups), ((0,), (1, 2)))
    with pytest.raises(ValueError, match="groups must be at least one"):
        Ensemble(())


def test_networks_that_know_nothing_are_refused(tmp_path):
    """At a learning rate of nothing no network learns: the first is named, and no file is left."""
    settings = replace(SETTINGS, trainings=(replace(TRAINING, learning_rate=1e-9, num_steps=20),))
    with pytest.raises(RuntimeError, match=r"network 0 of the subset trainings \(mlp, seed \d+\) is no better than"):
        train_on_subsets(DATA, settings, num_networks=19, folder=tmp_path)
    assert not list(tmp_path.glob("*/networks-*"))


def test_on_an_executor(tmp_path):
    """Ten networks in each call; its workers load the data themselves, and notice if these are others."""
    reference = train_on_subsets(DATA, SETTINGS, num_networks=19)
    with ThreadPoolExecutor(2) as executor:
        found = train_on_subsets(
            DATA, SETTINGS, num_networks=19, folder=tmp_path, executor=executor, source=lambda: digits()[0]
        )
        np.testing.assert_array_equal(found.right.all(), reference.right.all())
        group._LAST.clear()
        with pytest.raises(ValueError, match="is not that of the subset trainings"):
            train_on_subsets(
                DATA,
                replace(SETTINGS, seed=2),
                num_networks=19,
                folder=tmp_path,
                executor=executor,
                source=lambda: digits(200, 5)[0],
            )
        with pytest.raises(ValueError, match="an executor needs folder"):
            train_on_subsets(DATA, SETTINGS, num_networks=19, executor=executor)


def test_long_trainings_leave_no_checkpoints(tmp_path, monkeypatch):
    monkeypatch.setattr(group, "CHECKPOINT_EVERY", 25)
    kept: list[list[Path]] = []
    discard = shutil.rmtree

    def rmtree(path, **how):
        if Path(path).parent.name == "checkpoints" and Path(path).name.startswith("networks-"):
            kept.append(list(Path(path).rglob("50")))
        discard(path, **how)

    monkeypatch.setattr(shutil, "rmtree", rmtree)
    train_on_subsets(DATA, SETTINGS, num_networks=19, folder=tmp_path)
    assert [bool(found) for found in kept] == [True, True]
    assert not list(tmp_path.rglob("50"))

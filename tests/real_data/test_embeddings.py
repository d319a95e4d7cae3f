"""Embeddings in files, encoders by name, accuracy of neighbours, and scores by clusters of embeddings."""

import json
from dataclasses import replace

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

import real_data
from real_data.__main__ import cli
from real_data.datasets import ImageDataset
from real_data.embeddings.config import ClusterConfig
from real_data.embeddings.embedding import embed_images
from real_data.embeddings.embedding_file import Embedding, read_embedding, write_rows
from real_data.embeddings.encoders import Encoder, encoder_of
from real_data.embeddings.nearest_neighbours import NeighbourAccuracy, neighbour_accuracy
from real_data.embeddings.quality import encoder_quality
from real_data.scores import Scores
from real_data.scores.self_supervised import check_not_lost, self_supervised_prototypes

RNG = np.random.default_rng(0)
LABELS = np.repeat(np.arange(3), 20)
IMAGES = RNG.integers(0, 100, (60, 4, 4, 3), dtype=np.uint8)
IMAGES[np.arange(60), LABELS] = 250  # the class is a bright row
DATA = ImageDataset("rows", IMAGES[::2], LABELS[::2], IMAGES[1::2], LABELS[1::2], 3)


def flattened(images):
    return images.reshape(len(images), -1).astype(np.float32)


def flat_encoder(**changes):
    """Pixels as features; the 'untrained network' sees nothing."""
    blank = lambda images: 1 + 0 * flattened(images)  # noqa: E731
    return replace(Encoder({"encoder": "flat"}, False, 7, lambda: (flattened, blank)), **changes)


def test_accuracy_is_that_of_scikit_learn():
    """Votes of an odd number of two classes have no ties, so both must agree on every query."""
    rows, queries = RNG.standard_normal((400, 5)), RNG.standard_normal((150, 5))
    classes, truth = (rows[:, 0] > 0).astype(int), (queries[:, 0] > 0).astype(int)
    ours = neighbour_accuracy(rows, classes, queries, truth, num_neighbours=7)
    theirs = KNeighborsClassifier(7, metric="cosine").fit(rows, classes).predict(queries) == truth
    np.testing.assert_array_equal(ours.right, theirs)
    assert 0.7 < ours.value < 1


def test_cosines_decide_between_equal_votes():
    known = np.array([[1.0, 0], [0.7, 0.7], [0, 1], [0.6, -0.8]])
    found = neighbour_accuracy(known, [0, 1, 1, 0], [[1, 0.1], [0.1, 1]], [0, 1], num_neighbours=4)
    np.testing.assert_array_equal(found.right, [True, True])


def test_intervals_of_an_accuracy_and_of_a_lead():
    """Wilson's interval of 70 of 100 (R: prop.test(70, 100, correct = FALSE)), and the lead of paired answers.

    50 answers, 5 of them right by one alone: mean 0.1, standard deviation 0.3, half width 1.96 x 0.3 / sqrt(50).
    """
    seventy = NeighbourAccuracy(np.arange(100) < 70, 10)
    np.testing.assert_allclose(seventy.interval, (0.6041515, 0.7810511), atol=1e-6)
    one, other = NeighbourAccuracy(np.arange(50) < 30, 10), NeighbourAccuracy(np.arange(50) < 25, 10)
    np.testing.assert_allclose(one.above(other), (0.1, 0.1 - 0.0831543, 0.1 + 0.0831543), atol=1e-6)
    with pytest.raises(ValueError, match="the same queries"):
        one.above(seventy)


def test_quality_tells_a_good_encoder_from_a_blind_one():
    train, test = flattened(DATA.train_images), flattened(DATA.test_images)
    found = encoder_quality(DATA, train, test, flat_encoder().build()[1], images_at_once=8)
    assert found["encoder"][0] > 0.9
    assert found["untrained"][0] < 0.6
    assert found["encoder_above_untrained"][1] > 0
    assert (found["num_known"], found["num_queries"], found["num_neighbours"]) == (30, 30, 10)
    few = encoder_quality(DATA, train, test, None, most_known=5, most_queries=4)
    assert (few["num_known"], few["num_queries"], few["num_neighbours"]) == (5, 4, 5)
    assert "untrained" not in few


@pytest.mark.parametrize("half", [False, True])
def test_embeddings_are_written_and_read_with_what_they_are_of(tmp_path, half):
    about = embed_images(DATA, flat_encoder(), tmp_path / "rows", half=half)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["rows-test.npy", "rows.json", "rows.npy"]
    found = read_embedding(tmp_path / "rows.npy", DATA)
    assert isinstance(found.train, np.memmap)
    assert found.train.dtype == (np.float16 if half else np.float32)
    np.testing.assert_array_equal(found.train, flattened(DATA.train_images))
    np.testing.assert_array_equal(found.test, flattened(DATA.test_images))
    assert found.about == about == json.loads((tmp_path / "rows.json").read_text())
    never = flat_encoder(build=lambda: pytest.fail("built although all is there"))
    assert embed_images(DATA, never, tmp_path / "rows", half=half) == about
    for changed in (flat_encoder(settings={"encoder": "other"}), flat_encoder(used_labels=True)):
        with pytest.raises(ValueError, match="belongs to other settings"):
            embed_images(DATA, changed, tmp_path / "rows", half=half)
    others = replace(DATA, train_images=255 - DATA.train_images)
    with pytest.raises(ValueError, match="images are the same only when read alike"):
        read_embedding(tmp_path / "rows.npy", others)


def test_rows_that_were_interrupted_are_gone_on_with(tmp_path, monkeypatch):
    monkeypatch.setattr("real_data.embeddings.embedding_file.BATCHES_A_SAVE", 2)
    seen = []

    def features(images):
        if len(seen) == 5 and not (tmp_path / "again").exists():
            raise KeyboardInterrupt
        seen.append(len(images))
        return flattened(images)

    arguments = (tmp_path / "x.npy", IMAGES, features, {"a": 1})
    with pytest.raises(KeyboardInterrupt, match="28 of 60 rows are saved in"):
        write_rows(*arguments, images_at_once=7)
    with pytest.raises(ValueError, match="a is 1 there and 2 now"):
        write_rows(tmp_path / "x.npy", IMAGES, features, {"a": 2}, images_at_once=7)
    (tmp_path / "again").touch()
    write_rows(*arguments, images_at_once=7)
    assert seen == [7] * 10  # 4 blocks saved, a fifth lost, 5 to go
    np.testing.assert_array_equal(np.load(tmp_path / "x.npy"), flattened(IMAGES))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["again", "x.npy"]


def test_features_that_are_no_numbers_are_refused(tmp_path):
    for features, half in ((lambda x: flattened(x) * np.nan, False), (lambda x: 1e6 * flattened(x), True)):
        with np.errstate(over="ignore"), pytest.raises(FloatingPointError, match="are not finite"):
            write_rows(tmp_path / "x.npy", IMAGES, features, {}, images_at_once=8, half=half)


def test_arrays_of_ones_own_are_read_and_checked(tmp_path):
    rows = RNG.standard_normal((30, 4))
    np.savez(tmp_path / "one.npz", rows)
    np.savez(tmp_path / "two.npz", train=rows, test=rows + 1)
    np.save(tmp_path / "plain.npy", rows)
    assert read_embedding(tmp_path / "one.npz", DATA).test is None
    np.testing.assert_array_equal(read_embedding(tmp_path / "two.npz", DATA).test, rows + 1)
    np.testing.assert_array_equal(read_embedding(tmp_path / "plain.npy").train, rows)
    np.savez(tmp_path / "three.npz", train=rows, other=rows)
    np.save(tmp_path / "short.npy", rows[:5])
    np.save(tmp_path / "flat.npy", rows[:, 0])
    np.save(tmp_path / "objects.npy", np.array([{}, None]), allow_pickle=True)
    (tmp_path / "text.npz").write_text("no")
    for name, message in (
        ("three.npz", "must have one array, or train and test, got train, other"),
        ("short.npy", "has 5 rows, but there are 30 training images"),
        ("flat.npy", r"of shape \(num, width\)"),
        ("objects.npy", "is not a .npy file of numbers"),
        ("text.npz", "is not a .npz file of numbers"),
    ):
        with pytest.raises(ValueError, match=message):
            read_embedding(tmp_path / name, DATA)
    with pytest.raises(FileNotFoundError, match="there is no file"):
        read_embedding(tmp_path / "none.npy")


def test_a_network_of_a_run_is_an_encoder(tmp_path):
    """Its features are those that it has itself; labels took part; another shape of images is refused."""
    run = real_data.TrainingRun(
        "digits", model=real_data.ModelConfig("mlp", hidden=(8,)), training=real_data.TrainingConfig(num_steps=3)
    )
    real_data.run_training(run, out=tmp_path, progress=False)
    data = real_data.load("digits")
    encoder = encoder_of(f"network:{tmp_path}", data)
    assert encoder.used_labels
    trained, untrained = encoder.build()
    expected = real_data.load_networks(tmp_path).features(data.train_images[:5])[0]
    np.testing.assert_array_equal(trained(data.train_images[:5]), expected)
    assert not np.allclose(untrained(data.train_images[:5]), expected)
    with pytest.raises(ValueError, match="is for images of shape"):
        encoder_of(f"network:{tmp_path}", DATA)
    with pytest.raises(FileNotFoundError, match="written when a training ends"):
        encoder_of(f"network:{tmp_path / 'none'}", data)
    with pytest.raises(ValueError, match="encoder must be contrastive, network:RUN or package"):
        encoder_of("resnet", data)


def test_scores_say_how_they_came_about_and_a_sweep_how_they_agree(tmp_path):
    embedding = Embedding(flattened(DATA.train_images), flattened(DATA.test_images), {"used_labels": False})
    (alone,) = self_supervised_prototypes(DATA, embedding)
    assert alone.metric == "ssl-prototypes"
    assert alone.config["num_clusters"] == 3
    assert alone.config["embedding"]["used_labels"] is False
    assert alone.config["inertia"] == pytest.approx(alone.values.sum())
    assert "rank_correlation_with_classes" not in alone.config
    assert alone.test_values.shape == (30,)
    sweep = self_supervised_prototypes(DATA, embedding, (2, 5), config=ClusterConfig(num_starts=2))
    assert [one.config["num_clusters"] for one in sweep] == [2, 5]
    assert all(0 < one.config["rank_correlation_with_classes"] < 1 for one in sweep)
    with_classes = self_supervised_prototypes(DATA, embedding, (5, 3), config=ClusterConfig(num_starts=2))
    assert with_classes[1].config["rank_correlation_with_classes"] == pytest.approx(1)
    path = alone.save(tmp_path / "s.nc")
    np.testing.assert_array_equal(Scores.load(path, DATA).values, alone.values)
    check_not_lost(path, alone)
    with pytest.raises(ValueError, match="holds scores of other settings"):
        check_not_lost(path, sweep[0])
    with pytest.raises(ValueError, match="one row for each of 30 training images, got 29"):
        self_supervised_prototypes(DATA, Embedding(embedding.train[:29]))


def test_the_commands_embed_and_score(tmp_path, capsys, monkeypatch):
    """From images to scores in two commands; the second embedding finds all there; a sweep a file for each."""
    monkeypatch.chdir(tmp_path)
    words = ["embed", "--model.kind", "mlp", "--model.hidden", "8", "--num-steps", "3", "--batch-size", "16"]
    words += ["--out", "emb", "--quiet"]
    cli.main(words)
    shown = capsys.readouterr().out
    assert "10 nearest of 1,200 training images, 597 test images" in shown
    assert "untrained" in shown
    assert "not self-supervised" not in shown
    cli.main(words)
    assert capsys.readouterr().out == shown
    assert read_embedding("emb/digits.npy", real_data.load("digits")).train.shape == (1200, 8)
    score = ["score", "--metrics", "ssl-prototypes", "--embeddings", "emb/digits.npy", "--out", "scores", "--quiet"]
    cli.main(score)
    cli.main([*score, "--num-clusters", "5", "10", "20"])
    assert "rank correlation with 10" in capsys.readouterr().out
    names = sorted(path.name for path in (tmp_path / "scores").iterdir())
    assert names == [f"digits-ssl-prototypes{ending}.nc" for ending in ("-10", "-20", "-5", "")]
    with pytest.raises(SystemExit):
        cli.main([*score, "--num-clusters", "20"])
    assert "holds scores of other settings, which would be lost" in capsys.readouterr().err

"""Networks that see embeddings in place of images: the data set, and scores of them by the command score."""

from pathlib import Path

import numpy as np
import pytest

from data_pruning.records.settings import read_json
from real_data import load_digits
from real_data.__main__ import cli
from real_data.embeddings.embedded_dataset import embedded, load_embedded
from real_data.scores import Scores


@pytest.fixture(scope="module")
def digits():
    return load_digits(0)


def made_up(folder: Path, digits, dtype=np.float32) -> Path:
    """Embeddings that know the label: one-hot and noise."""
    rng = np.random.default_rng(0)
    for name, labels in (("made", digits.train_labels), ("made-test", digits.test_labels)):
        np.save(
            folder / f"{name}.npy", (np.eye(12)[labels] + 0.3 * rng.standard_normal((len(labels), 12))).astype(dtype)
        )
    return folder / "made.npy"


def score(*options: object) -> None:
    cli.main(["score", "--dataset", "digits", "--quiet", *map(str, options)])


def test_rows_take_the_place_of_images(tmp_path, digits):
    path = made_up(tmp_path, digits, np.float16)
    found = embedded(digits, path)
    np.testing.assert_array_equal(found.train_images[:, 0, 0], np.load(path).astype(np.float32))
    np.testing.assert_array_equal(found.test_images[:, 0, 0], np.load(tmp_path / "made-test.npy").astype(np.float32))
    assert found.train_images.dtype == np.float32
    assert found.train_labels is digits.train_labels
    assert found.fingerprint != digits.fingerprint
    assert load_embedded(path, lambda: digits).fingerprint == found.fingerprint
    assert "embeddings (encoder not known)" in found.notes[-1]


def test_what_does_not_fit_is_refused(tmp_path, digits):
    path = made_up(tmp_path, digits)
    rows = np.load(path).astype(np.float64)
    (tmp_path / "made-test.npy").rename(tmp_path / "away.npy")
    with pytest.raises(ValueError, match=r"has no rows of the test images: put them beside it, NAME-test\.npy"):
        embedded(digits, path)
    (tmp_path / "away.npy").rename(tmp_path / "made-test.npy")
    np.save(path, rows[1:])
    with pytest.raises(ValueError, match="has 1199 rows, but there are 1200 training images"):
        embedded(digits, path)
    for bad in (np.nan, 1e39):  # the second is finite, but not in single precision
        rows[7, 3] = bad
        np.save(path, rows)
        with pytest.raises(ValueError, match=r"made\.npy.* 1 of .* training .* the first is row 7"):
            embedded(digits, path)


def test_scores_of_networks_on_embeddings_are_scores_of_the_images(tmp_path, digits, capsys):
    path, out = made_up(tmp_path, digits), tmp_path / "out"
    same = ("--on-embeddings", path, "--out", out, "--training.num-steps", 60)
    score("--metrics", "el2n", "ddd", "--num-networks", 20, "--subset-share", 0.5, *same)
    for metric in ("el2n", "ddd"):
        found = Scores.load(out / f"digits-{metric}.nc", digits)  # of these images
        assert found.config["embeddings"] == {"sha256": embedded(digits, path).fingerprint, "encoder": None}
        assert found.values.mean() < 0.3  # the labels are in the rows
    assert len(found.test_values) == len(digits.test_labels)
    capsys.readouterr()
    score("--metrics", "el2n", "ddd", "--num-networks", 20, "--subset-share", 0.5, *same)
    assert capsys.readouterr().out.startswith("all there already")
    # other rows: other scores, which would take the place of these
    np.save(path, np.load(path)[::-1])
    with pytest.raises(SystemExit):
        score("--metrics", "el2n", "--num-networks", 20, *same)
    assert "holds scores of other settings, which would be lost" in capsys.readouterr().err


def test_too_few_networks_are_refused_before_those_of_other_scores_are_trained(tmp_path, capsys):
    out = tmp_path / "out"
    with pytest.raises(SystemExit):
        score("--metrics", "el2n", "ddd", "--num-networks", 3, "--out", out)
    assert "in the share of all K = num_networks = 3 networks" in capsys.readouterr().err
    assert not list(out.glob("*")) if out.exists() else True


def test_options_of_influence_are_no_settings_of_other_scores(tmp_path, capsys):
    """Scores of earlier calls are not taken for others because influence was asked for in another way."""
    same = ("--num-networks", 20, "--subset-share", 0.5, "--out", tmp_path, "--training.num-steps", 20)
    score("--metrics", "memorization", *same)
    score("--metrics", "memorization", "influence-sum", "--test-classes", "same", "--subtract-noise", *same)
    assert "influence-sum: 1200 scores" in capsys.readouterr().out
    (settings,) = tmp_path.rglob("settings.json")
    assert read_json(settings)["settings"]["share"] == 0.5


def test_rows_of_numbers_are_not_shifted_or_mirrored(tmp_path, digits, monkeypatch, capsys):
    """The recipe of photographs shifts images by a pixel at least, which would leave zeros of a row."""
    from real_data.scores import scoring

    taken, train = [], scoring.train

    def recorded(*arguments, config, **settings):
        taken.append(config.augmentation)
        return train(*arguments, config=config, **settings)

    monkeypatch.setattr(scoring, "train", recorded)
    rows, options = made_up(tmp_path, digits), ("--recipe", "photographs", "--training.num-steps", 50)
    score("--metrics", "el2n", "--num-networks", 1, "--on-embeddings", rows, "--out", tmp_path / "out", *options)
    assert taken == ["none"]
    with pytest.raises(SystemExit):
        score("--on-embeddings", rows, "--training.augmentation", "crop", "--out", tmp_path / "other")
    assert "--training.augmentation must be none, got crop" in capsys.readouterr().err

"""The picture of near-duplicates shows the pairs it was given, in order, and marks different labels."""

from dataclasses import replace

import numpy as np
import pytest

from figures import pairs
from figures.__main__ import cli
from real_data import DuplicateConfig, find_duplicates, load


@pytest.fixture(scope="module")
def found():
    data = load("digits")
    # two exact copies, one of them under another label
    images = np.concatenate([data.train_images[:100], data.train_images[:2]])
    labels = np.concatenate([data.train_labels[:100], data.train_labels[:2]])
    labels[101] = (labels[101] + 1) % 10
    small = replace(data, train_images=images, train_labels=labels)
    return small, find_duplicates(small, DuplicateConfig(flag=20))


def test_pairs_are_shown_with_cosine_and_labels(found):
    data, duplicates = found
    tiles, curve = pairs(duplicates, data, num_pairs=10).axes
    captions = [text.get_text() for text in tiles.texts]
    assert len(captions) == 10
    cosines = [float(caption.split()[0]) for caption in captions]
    assert cosines == sorted(cosines, reverse=True)
    left, right = tiles.images[:2]
    shown = duplicates.pairs
    np.testing.assert_array_equal(left.get_array(), data.train_images[shown.image[0], ..., 0])
    np.testing.assert_array_equal(right.get_array(), data.train_images[shown.of[0], ..., 0])
    last = tiles.images[-1].get_array()
    np.testing.assert_array_equal(
        last, (data.test_images if shown.in_test[-1] else data.train_images)[shown.of[-1], ..., 0]
    )
    at = {line.get_label(): line for line in curve.get_lines()}
    x, y = at["test images"].get_data()
    assert y[x >= duplicates.threshold].max() == 20
    assert x[0] == duplicates.nearest_test.max()


def test_different_labels_are_marked(found):
    data, duplicates = found
    texts = pairs(duplicates, data, num_pairs=400).axes[0].texts
    marked = [text.get_text() for text in texts if text.get_color() != "black"]
    assert f"1.000 exact\n{data.train_labels[101]} | {data.train_labels[1]}" in marked
    assert f"1.000 exact\n{data.train_labels[100]}" in {text.get_text() for text in texts} - set(marked)
    assert len(marked) == duplicates.disagree(data).sum() < len(texts)


def test_only_pairs_of_one_kind(found):
    data, duplicates = found
    tiles = pairs(duplicates, data, num_pairs=400, where="train-test").axes[0]
    assert len(tiles.texts) == np.sum(duplicates.pairs.in_test)
    assert all(" t" in text.get_text() for text in tiles.texts)
    nothing = find_duplicates(load("digits"), DuplicateConfig())
    with pytest.raises(ValueError, match="no pairs"):
        pairs(nothing, load("digits"))
    with pytest.raises(ValueError, match="fingerprint"):
        pairs(duplicates, load("digits"))
    with pytest.raises(ValueError, match="num_pairs"):
        pairs(duplicates, data, num_pairs=0)


def test_the_command_draws_a_saved_search(tmp_path, capsys):
    data = load("digits")
    find_duplicates(data, DuplicateConfig(flag=5)).save(tmp_path, data)
    cli.main(["pairs", str(tmp_path), "--num-pairs", "3", "--where", "train-test"])
    assert sorted(file.name for file in tmp_path.glob("pairs-*")) == ["pairs-train-test.pdf", "pairs-train-test.png"]
    assert "saved in" in capsys.readouterr().out

"""Figure 6 shows the images at both ends of a score, and is drawn again without the data set."""

import io
from dataclasses import replace

import numpy as np
import pytest

from data_pruning import Results
from figures import fig6
from figures.__main__ import cli
from figures.compute.extremes import compute_extremes, drawn_pixels, numbers_of
from figures.jobs import draw
from real_data.datasets import ImageDataset
from real_data.scores import Scores


def dataset(size=4, channels=1):
    """Three classes of twelve images, each of one grey value that is its number."""
    images = np.broadcast_to(np.arange(36, dtype=np.uint8)[:, None, None, None], (36, size, size, channels))
    labels = np.arange(36) % 3
    return ImageDataset("greys", images, labels, images[:3], labels[:3], 3, ("cat", "dog", "an animal at sea"))


def scores(data, values=None):
    values = np.arange(36.0) if values is None else np.asarray(values, float)
    return Scores("ssl-prototypes", values, "greys", data.train_fingerprint)


def test_both_ends_by_hand():
    data = dataset()
    found = compute_extremes(data, scores(data), num_whole=3, num_per_class=2, classes=[2, 0])
    assert found["end"].tolist() == ["hardest", "easiest"]
    assert found["whole_index"].tolist() == [[35, 34, 33], [2, 1, 0]]  # the hardest are first at both ends
    assert found["whole_label"].tolist() == [[2, 1, 0], [2, 1, 0]]
    assert found["whole_score"].tolist() == [[35, 34, 33], [2, 1, 0]]
    assert found["row_label"].tolist() == [2, 0]
    assert found["class_index"].tolist() == [[[35, 32], [5, 2]], [[33, 30], [3, 0]]]
    np.testing.assert_array_equal(found["class_score"], found["class_index"])
    assert found["class_image"].shape == (2, 2, 2, 4, 4, 1)
    for name in ("whole", "class"):
        np.testing.assert_array_equal(found[f"{name}_image"][..., 1, 2, 0], found[f"{name}_index"])
    assert found.config["metric"] == "ssl-prototypes"
    assert found.config["fingerprint"] == data.train_fingerprint


def test_the_picture_shows_them_in_place():
    data = dataset()
    found = compute_extremes(data, scores(data), num_whole=3, num_per_class=2)
    hard, easy, hard_rows, easy_rows = fig6(found).axes
    assert (hard.get_title(), easy.get_title()) == ("hardest\nscores 35 to 33", "easiest\nscores 2 to 0")
    for axes, row in ((hard, [35, 34, 33, 255, 255]), (easy, [2, 1, 0, 255, 255])):  # cells of 4 + 1 pixels, five wide
        np.testing.assert_array_equal(axes.get_images()[0].get_array()[1, 1::5], row)
        assert [text.get_text() for text in axes.texts] == [("an animal.", "dog", "cat")[n] for n in range(3)]
    assert [text.get_text() for text in hard_rows.get_yticklabels()] == ["cat", "dog", "an animal at sea"]
    mosaic = easy_rows.get_images()[0].get_array()
    np.testing.assert_array_equal(mosaic[1::5, 1:10:5], [[3, 0], [4, 1], [5, 2]])
    # images are of one size in all four
    figure = hard.figure
    figure.savefig(io.BytesIO(), format="png")  # it is laid out
    pitch = np.ptp(hard.transData.transform([[0, 0], [5, 0]])[:, 0])
    assert hard.texts[0].get_window_extent().width <= pitch  # the longest name stays below its own image
    sizes = [axes.get_window_extent().width / axes.get_images()[0].get_array().shape[1] for axes in figure.axes]
    np.testing.assert_allclose(sizes, sizes[0], rtol=0.02)


def test_among_equal_scores_chance_decides():
    """Not the place in the data set: its neighbours are often of one class.  The same data give the same picture."""
    data = dataset()
    found = compute_extremes(data, scores(data, np.arange(36) < 18), num_whole=6, num_per_class=2)
    hardest, easiest = found["whole_index"]
    assert np.all(hardest < 18)
    assert np.all(easiest >= 18)
    assert np.any(np.diff(hardest) < 0)
    again = compute_extremes(data, scores(data, np.arange(36) < 18), num_whole=6, num_per_class=2)
    np.testing.assert_array_equal(again["whole_index"], found["whole_index"])


def test_large_images_are_reduced_and_others_stretched():
    large = dataset(size=96, channels=3)
    found = compute_extremes(large, scores(large), num_whole=2, num_per_class=1)
    assert found["whole_image"].shape == (2, 2, 64, 64, 3)
    np.testing.assert_array_equal(found["whole_image"][..., 10, 20, 1], found["whole_index"])
    standardised = np.array([[[[-1.0]]], [[[0.0]]], [[[3.0]]]], np.float32)
    assert drawn_pixels(standardised, np.array([0, 1, 2])).ravel().tolist() == [0, 64, 255]
    assert drawn_pixels(standardised / 4 + 0.25, np.array([2, 1])).ravel().tolist() == [255, 64]


def test_classes_by_name_or_number():
    data = dataset()
    assert numbers_of(["dog", "0", "an animal at sea"], data) == [1, 0, 2]
    with pytest.raises(ValueError, match=r"classes must be numbers in \[0, 3\) or of cat, dog, an animal.*got 'cow'"):
        numbers_of(["cow"], data)
    nameless = replace(data, class_names=None)
    with pytest.raises(ValueError, match=r"classes must be numbers in \[0, 3\), got '3'"):
        numbers_of(["3"], nameless)


def test_what_does_not_fit_is_refused():
    data = dataset()
    with pytest.raises(ValueError, match="num_whole = 19 hardest and easiest images need 38, but there are 36"):
        compute_extremes(data, scores(data), num_whole=19, num_per_class=2)
    with pytest.raises(ValueError, match="class 0 has 12 training images, but num_per_class = 8"):
        compute_extremes(data, scores(data), num_whole=3)
    with pytest.raises(ValueError, match=r"num_whole must be .*0"):
        compute_extremes(data, scores(data), num_whole=0)
    with pytest.raises(ValueError, match="with training images and labels other"):
        compute_extremes(data, Scores("el2n", np.arange(36.0), "greys", "other"))
    with pytest.raises(ValueError, match="these results have no 'whole_image'"):
        fig6(Results("something else"))


def test_the_command_redraws_without_the_data_set(tmp_path, capsys):
    rng = np.random.default_rng(0)
    from real_data import load

    data = load("digits")
    values = np.round(20 * rng.random(len(data.train_labels)))
    file = Scores("el2n", values, "digits", data.train_fingerprint).save(tmp_path / "digits-el2n.nc")
    sizes = ["--num-whole", "4", "--num-per-class", "3", "--classes", "7", "1"]
    cli.main(["fig6", str(file), "--dataset", "digits", *sizes, "--out", str(tmp_path / "out")])
    said = capsys.readouterr().out
    assert "100 % of the images share their score with others" in said
    saved = tmp_path / "out" / "fig6.nc"
    assert Results.load(saved)["row_label"].tolist() == [7, 1]
    first = (tmp_path / "out" / "fig6.png").read_bytes()
    cli.main(["fig6", "--redraw", str(saved), "--out", str(tmp_path / "again")])
    assert (tmp_path / "again" / "fig6.png").read_bytes() == first
    assert not (tmp_path / "again" / "fig6.nc").exists()
    assert [path.name for path in draw(tmp_path / "out", ("fig6",))] == ["fig6.pdf", "fig6.png"]
    for arguments, complaint in (
        ([], "give a score file, or --redraw and a file fig6.nc: got neither"),
        ([str(file), "--redraw", str(saved)], "got both"),
        (["--redraw", str(file)], "digits-el2n.nc is not a result of the command fig6, but: Difficulty of training"),
        ([str(saved)], "fig6.nc is not a file of scores, but: Hardest and easiest images"),
        ([str(file), "--classes", "cow"], "got 'cow'"),
        ([str(file), "--dataset", "digits", "--num-whole", "0"], "num_whole must be"),
    ):
        with pytest.raises(SystemExit):
            cli.main(["fig6", *arguments, "--out", str(tmp_path / "bad")])
        assert complaint in capsys.readouterr().err, arguments
    assert not (tmp_path / "bad").exists()

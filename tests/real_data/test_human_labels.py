"""Scores judged by labels of people: exact measures, labels in the right order, and two tables kept apart."""

import numpy as np
import pytest
from PIL import Image
from scipy.stats import spearmanr

from real_data import ImageDataset, Scores, load
from real_data.__main__ import cli
from real_data.benchmark.human_labels import human_errors_of_tests, read_human_labels, reference_scores
from real_data.benchmark.judgement import judge, judgement_table
from real_data.benchmark.label_agreement import area_under_curve, rank_agreement

CLASSES = ("ant", "bee", "cow")


def test_area_is_the_share_of_pairs_with_ties_half():
    rng = np.random.default_rng(0)
    scores, wrong = rng.integers(0, 8, 200), rng.random(200) < 0.3
    pairs = np.sign(scores[wrong][:, None] - scores[~wrong][None, :])
    found = area_under_curve(scores, wrong)
    assert found.value == pytest.approx(np.mean((pairs + 1) / 2), abs=1e-14)
    assert area_under_curve(-scores, wrong).value == pytest.approx(1 - found.value)
    # DeLong et al. 1988, from the matrix of pairs
    psi = (pairs + 1) / 2
    error = np.sqrt(psi.mean(axis=1).var(ddof=1) / wrong.sum() + psi.mean(axis=0).var(ddof=1) / (~wrong).sum())
    assert found.high - found.value == pytest.approx(1.959964 * error, rel=1e-6)
    assert area_under_curve(wrong.astype(int), wrong).value == 1
    with pytest.raises(ValueError, match="two wrong and two right labels are needed, got 1 and 2"):
        area_under_curve([1.0, 2.0, 3.0], np.array([True, False, False]))
    with pytest.raises(ValueError, match="wrong must be booleans"):
        area_under_curve([1.0, 2.0], np.array([0, 1]))


def test_perfect_separation_of_a_few_is_not_certain():
    """By hand: four pairs in order, each with probability A, are all with probability A^4, 0.025 at A = 0.398."""
    wrong = np.arange(24) >= 20
    assert area_under_curve(np.arange(24.0), wrong) == pytest.approx((1, 0.025**0.25, 1))
    assert area_under_curve(-np.arange(24.0), wrong) == pytest.approx((0, 0, 1 - 0.025**0.25))


def test_intervals_hold_the_truth():
    """400 samples of 150: both intervals hold the truth in 95 %; below 91.5 % with probability below 0.001 (binomial).

    Normal scores, shifted by 1 where the label is wrong: area 0.7602; rank correlation with the label from the same.
    """
    rng = np.random.default_rng(1)
    held = np.zeros((400, 2), bool)
    big = rng.random(400_000) < 0.3
    truth = 0.760250, float(spearmanr(rng.normal(size=big.size) + big, big).statistic)
    for i in range(400):
        wrong = rng.random(150) < 0.3
        scores = rng.normal(size=150) + wrong
        area = area_under_curve(scores, wrong)
        rank = rank_agreement(scores, wrong.astype(int), num_resamples=200, seed=i)
        held[i] = [one.low <= value <= one.high for one, value in zip((area, rank), truth, strict=True)]
    assert np.all(held.mean(axis=0) > 0.915), held.mean(axis=0)


def test_rank_correlation_is_spearmans():
    rng = np.random.default_rng(2)
    scores = rng.integers(0, 30, 500).astype(float)
    doubt = np.clip(scores // 10 + rng.integers(-1, 2, 500), 0, 3)
    found = rank_agreement(scores, doubt)
    assert found.value == pytest.approx(spearmanr(scores, doubt).statistic, abs=1e-12)
    assert found.low < found.value < found.high
    assert rank_agreement(scores, doubt) == found
    resampled = rank_agreement(scores, doubt, num_resamples=100, seed=7)
    draws = np.random.default_rng(7)
    drawn = [draws.integers(500, size=500) for _ in range(100)]
    expected = np.quantile([spearmanr(scores[i], doubt[i]).statistic for i in drawn], [0.025, 0.975])
    np.testing.assert_allclose(resampled[1:], expected, rtol=1e-12)
    with pytest.raises(ValueError, match="doubt must not be all equal"):
        rank_agreement(scores, np.zeros(500))


@pytest.fixture(scope="module")
def people():
    """Right classes and human labels of 60 images in an original order, and their numbers within a class."""
    rng = np.random.default_rng(0)
    clean = rng.permutation(np.repeat([0, 1, 2], 20))
    number = np.empty(60, int)
    for c in range(3):
        number[clean == c] = np.arange(20)

    def given(share):
        labels = clean.copy()
        wrong = rng.random(60) < share
        labels[wrong] = (labels[wrong] + rng.integers(1, 3, wrong.sum())) % 3
        return labels

    return {
        "clean": clean,
        "classes": np.array(CLASSES[::-1]),  # not in the order of names
        "file_number": number,
        **{
            kind: given(share) for kind, share in (("random1", 0.2), ("random2", 0.2), ("random3", 0.3), ("worst", 0.5))
        },
        "aggregate": given(0.1),
    }


def folder_of(path, people, kind="clean"):
    """Images whose grey level is their row, in folders of the labels of a kind, and test images."""
    names = people["classes"]
    for row, (true, label, n) in enumerate(zip(people["clean"], people[kind], people["file_number"], strict=True)):
        stem = f"{n:04d}" if kind == "clean" else f"{names[true]}-{n:04d}"
        place = path / "train" / names[label] / f"{stem}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (2, 2), row).save(place)
    for n, c in enumerate([0, 1, 2, 2]):
        place = path / "test" / names[c] / f"{n:04d}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (2, 2), 100 + n).save(place)
    return load("folder", str(path))


def in_order(people, labels=None):
    images = np.zeros((60, 2, 2, 1), np.uint8)
    test = np.array([0, 2, 1, 2])
    labels = people["clean"] if labels is None else labels
    return ImageDataset("here", images, labels, images[:4], test, 3, tuple(people["classes"]))


@pytest.mark.parametrize("kind", ["clean", "worst"])
def test_images_of_a_folder_are_aligned_by_class_and_number(tmp_path, people, kind):
    data = folder_of(tmp_path / "images", people, kind)
    np.savez(tmp_path / "l.npz", **people)
    found = read_human_labels(tmp_path / "l.npz", data)
    rows = data.train_images[:, 0, 0, 0].astype(int)
    np.testing.assert_array_equal(found.rows, rows)
    assert found.trained_on == kind
    np.testing.assert_array_equal(found.clean, people["clean"][rows])
    np.testing.assert_array_equal(found.given["random2"], people["random2"][rows])
    part = read_human_labels(tmp_path / "l.npz", data.subset([7, 3]))
    np.testing.assert_array_equal(part.rows, rows[[7, 3]])


def test_labels_that_cannot_be_aligned_are_refused(tmp_path, people):
    data = folder_of(tmp_path / "images", people)
    cases = [
        ({**people, "file_number": people["file_number"] + 5}, data, "has no label for train/.*: it must be CLASS/N"),
        ({k: v for k, v in people.items() if k != "file_number"}, data, "has no array file_number"),
        ({**people, "classes": np.array(["ant", "bee", "dog"])}, data, "has no class 'cow', but ant, bee, dog"),
        ({**people, "file_number": 0 * people["file_number"]}, data, "file_number must differ within a class"),
        ({k: v for k, v in people.items() if k != "clean"}, data, "has no array clean"),
        ({"clean": people["clean"]}, data, "has none of the human labels aggregate, random1"),
        ({**people, "worst": people["worst"][:-1]}, data, r"worst must be integers of shape \(60,\)"),
        ({**people, "clean": people["clean"][::-1]}, in_order(people), "clean is not the labels of here, so it has an"),
        (people, in_order(people, people["worst"]), "clean is not the labels of here"),
        (
            people,
            data.subset(np.arange(60), np.roll(data.train_labels, 1)),
            "the labels of .* are none of those in .*: ",
        ),
    ]
    for number, (arrays, dataset, message) in enumerate(cases):
        np.savez(tmp_path / f"{number}.npz", **arrays)
        with pytest.raises(ValueError, match=message):
            read_human_labels(tmp_path / f"{number}.npz", dataset)
    (tmp_path / "text.npz").write_text("no")
    with pytest.raises(ValueError, match="is not a file of arrays"):
        read_human_labels(tmp_path / "text.npz", data)
    with pytest.raises(FileNotFoundError):
        read_human_labels(tmp_path / "absent.npz", data)


def test_doubt_has_a_name_for_what_it_counts(tmp_path, people):
    np.savez(tmp_path / "three.npz", **people)
    found = read_human_labels(tmp_path / "three.npz", in_order(people))
    name, doubt = found.doubt()
    assert name == "dissenting annotators"
    np.testing.assert_array_equal(doubt, sum((people[f"random{i}"] != people["clean"]).astype(int) for i in (1, 2, 3)))
    np.savez(tmp_path / "two.npz", **{k: v for k, v in people.items() if k not in ("random2", "random3")})
    name, doubt = read_human_labels(tmp_path / "two.npz", in_order(people)).doubt()
    assert name == "worst + aggregate label wrong"
    wrong = {kind: (people[kind] != people["clean"]).astype(int) for kind in ("worst", "aggregate")}
    np.testing.assert_array_equal(doubt, wrong["worst"] + wrong["aggregate"])
    np.savez(tmp_path / "one.npz", clean=people["clean"], worst=people["worst"])
    assert read_human_labels(tmp_path / "one.npz", in_order(people)).doubt() is None


def scores_of(data, values, metric="el2n", **others):
    return Scores(metric, values, data.name, data.train_fingerprint, **others)


def test_two_tables_for_two_questions(tmp_path, people):
    np.savez(tmp_path / "l.npz", **people)
    values = np.random.default_rng(3).random(60)
    clean = in_order(people)
    labels = read_human_labels(tmp_path / "l.npz", clean)
    found = judge([scores_of(clean, values)], labels, references={"reference c": -values})
    assert found["score"].tolist() == ["el2n", "reference c"]
    assert found["kind"].tolist() == ["aggregate", "random1", "random2", "random3", "worst"]
    wrong = people["random1"] != people["clean"]
    assert found["area_random1"][0] == area_under_curve(values, wrong).value
    assert found["area_random1"][1] == pytest.approx(1 - found["area_random1"][0])
    doubt = labels.doubt()[1]
    assert found["doubt_correlation"][0] == pytest.approx(spearmanr(values, doubt).statistic)
    text = judgement_table(found)
    assert text.startswith("Is it hard for people?")
    assert "dissenting annotators" in text
    noisy = folder_of(tmp_path / "images", people, "worst")
    labels = read_human_labels(tmp_path / "l.npz", noisy)
    perfect = labels.wrong("worst").astype(float)
    found = judge([scores_of(noisy, perfect), scores_of(noisy, values)], labels)
    assert found["score"].tolist() == ["el2n (1)", "el2n (2)"]
    assert found["kind"].tolist() == ["worst"]
    assert found["area_worst"][0] == 1
    assert "doubt_correlation" not in found.variables
    assert judgement_table(found).startswith("Is the label wrong?  Scores of networks trained on the labels worst")
    with pytest.raises(ValueError, match="references are scores under the right labels"):
        judge([scores_of(noisy, values)], labels, references={"c": values})
    with pytest.raises(ValueError, match="el2n: scores must not be all equal"):
        judge([scores_of(clean, np.zeros(60))], read_human_labels(tmp_path / "l.npz", clean))
    np.savez(tmp_path / "right.npz", **{**people, "aggregate": people["clean"]})
    with pytest.raises(ValueError, match=r"human labels aggregate must be wrong twice at least.*: 0 of 60 are wrong"):
        judge([scores_of(clean, values)], read_human_labels(tmp_path / "right.npz", clean))
    with pytest.raises(ValueError, match="scores must be at least one, and labels or test_errors"):
        judge([scores_of(clean, values)])


def test_published_scores_as_a_reference(tmp_path, people):
    np.savez(tmp_path / "l.npz", **people)
    data = folder_of(tmp_path / "images", people)
    labels = read_human_labels(tmp_path / "l.npz", data)
    consistency = np.random.default_rng(4).random(60)
    np.savez(tmp_path / "c.npz", scores=consistency, labels=people["clean"])
    np.testing.assert_array_equal(reference_scores(tmp_path / "c.npz", labels), -consistency[labels.rows])
    np.savez(tmp_path / "other.npz", scores=consistency, labels=people["clean"][::-1])
    with pytest.raises(ValueError, match="its labels are not the clean ones"):
        reference_scores(tmp_path / "other.npz", labels)
    np.savez(tmp_path / "nan.npz", scores=np.full(60, np.nan), labels=people["clean"])
    with pytest.raises(ValueError, match="scores must be finite"):
        reference_scores(tmp_path / "nan.npz", labels)


def test_votes_on_test_images(tmp_path, people):
    votes = np.array([[9, 1, 0], [0, 5, 5], [1, 1, 8], [0, 0, 10]])
    original = np.array([0, 1, 2, 2])  # cow, bee, ant, ant
    np.save(tmp_path / "v.npy", votes)
    np.save(tmp_path / "t.npy", original)
    ordered = in_order(people)
    np.save(tmp_path / "v2.npy", votes[[0, 2, 1, 3]])
    np.testing.assert_allclose(human_errors_of_tests(tmp_path / "v2.npy", None, ordered), [0.1, 0.2, 0.5, 0])
    # the folder has the classes by name, ant, bee, cow: votes have columns of these
    data = folder_of(tmp_path / "images", people)
    by_name = np.array([2, 1, 0, 0])
    np.save(tmp_path / "names.npy", by_name)
    np.save(tmp_path / "columns.npy", votes[:, ::-1])
    found = human_errors_of_tests(tmp_path / "columns.npy", tmp_path / "names.npy", data)
    assert data.test_labels.tolist() == [0, 0, 1, 2]
    np.testing.assert_allclose(found, [0.2, 0, 0.5, 0.1])
    for arguments, message in (
        ((tmp_path / "columns.npy", None), "aligned by class and number: give their labels too"),
        ((tmp_path / "columns.npy", tmp_path / "t.npy"), None),
        ((tmp_path / "t.npy", tmp_path / "names.npy"), r"must be votes, numbers of shape \(4, 3\)"),
        ((tmp_path / "columns.npy", tmp_path / "columns.npy"), r"labels must be integers of shape \(4,\)"),
    ):
        if message is None:  # other numbers of each class
            np.save(tmp_path / "t.npy", [0, 1, 1, 2])
            message = "has other numbers of each class"
        with pytest.raises(ValueError, match=message):
            human_errors_of_tests(*arguments, data)
    for bad in (np.nan, np.inf, -1):
        spoiled = votes[:, ::-1].astype(float)
        spoiled[2, 1] = bad
        np.save(tmp_path / "bad.npy", spoiled)
        with pytest.raises(ValueError, match=r"finite, at least 0, .* but 1 of 4 images have others: votes\[2\]"):
            human_errors_of_tests(tmp_path / "bad.npy", tmp_path / "names.npy", data)
    scores = [scores_of(data, np.arange(60.0), test_values=np.array([3.0, 1, 4, 2])), scores_of(data, np.arange(60.0))]
    judged = judge(scores, test_errors=found)
    assert judged["tested_score"].tolist() == ["el2n (1)"]
    assert judged["test_correlation"][0] == pytest.approx(1)
    assert "Test images, which the networks have not seen" in judgement_table(judged)
    with pytest.raises(ValueError, match="none of the scores knows the test images"):
        judge(scores[1:], test_errors=found)


def test_the_command_judges(tmp_path, people, capsys):
    data = folder_of(tmp_path / "images", people)
    np.savez(tmp_path / "l.npz", **people)
    np.savez(tmp_path / "c.npz", scores=np.random.default_rng(5).random(60), labels=people["clean"])
    file = scores_of(data, np.random.default_rng(3).random(60)).save(tmp_path / "folder-el2n.nc")
    words = f"judge {file} --dataset folder --path {tmp_path / 'images'} --human-labels {tmp_path / 'l.npz'}"
    cli.main([*words.split(), "--reference", str(tmp_path / "c.npz"), "--out", str(tmp_path / "out")])
    shown = capsys.readouterr().out
    assert "reference c" in shown
    assert (tmp_path / "out" / "folder-judgement.nc").exists()
    with pytest.raises(SystemExit):
        cli.main([*words.split(), "--test-labels", str(tmp_path / "c.npz"), "--out", str(tmp_path / "out")])
    assert "--test-labels needs --human-counts" in capsys.readouterr().err

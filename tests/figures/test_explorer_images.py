"""What the page of real data shows is what the commands compute: rankings, kept lists, pictures, duplicates, links."""

import contextlib
import io
import shlex
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from figures.explorer.images import agreement, charts, rule_parts, spread
from figures.explorer.images.about import about_image, pair_about, pair_numbers
from figures.explorer.images.collection import CollectionOptions, load_collection
from figures.explorer.images.kept import class_rows, class_table, kept_images, kept_list, shares_by_rank
from figures.explorer.images.pictures import LARGE, SMALL, picture
from figures.explorer.images.ranking import members, page_at, ranking
from figures.explorer.images.repeat import command_line, python_code
from figures.explorer.images.view import Choice, View, typed_integer, typed_number
from real_data import DuplicateConfig, Scores, find_duplicates, load
from real_data.__main__ import cli
from real_data.commands.options import ImageFiles
from real_data.scores import rank_correlation

RULES = (
    "hard",
    "easy",
    "random",
    "window@0.25",
    "proportional@1",
    "proportional@2+trim@0.1",
    "coverage@0.1",
    "mix@0.5",
    "mix@0.3:easy",
    "policy@0,0.2,1/1,0.2",
    "proportional@1+weighted@1",
    "policy@0,0.5,1/0.9,0.1+weighted@0.5",
)


def save_scores(path, data, seed, metric="el2n"):
    values = np.round(np.random.default_rng(seed).gamma(1.0, 0.2, len(data.train_labels)), 2)  # many of them are equal
    return Scores(metric, values, data.name, data.train_fingerprint).save(path)


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    folder, data = tmp_path_factory.mktemp("digits"), load("digits")
    files = [
        save_scores(folder / f"{name}.nc", data, seed, name) for seed, name in enumerate(("el2n", "margin", "aum"))
    ]
    find_duplicates(data, DuplicateConfig(flag=20)).save(folder, data)
    return load_collection(CollectionOptions(tuple(files), duplicates=folder))


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    """Image files of different sizes, which are decoded when they are asked for."""
    folder, rng = tmp_path_factory.mktemp("photographs"), np.random.default_rng(0)
    for part, number in (("train", 12), ("test", 3)):
        for kind in ("cats", "dogs"):
            (folder / part / kind).mkdir(parents=True)
            for i in range(number):
                pixels = rng.integers(0, 256, (300 + 10 * i, 320, 3), np.uint8)
                Image.fromarray(pixels).save(folder / part / kind / f"{i}.png")
    images = ImageFiles("folder", str(folder), image_size=200)
    file = save_scores(folder.parent / f"{folder.name}.nc", images.load(), 3)
    return load_collection(CollectionOptions((file,), images))


def test_the_hardest_come_first_and_pages_follow_one_another(digits):
    values = digits.score("el2n").values
    ranked = ranking(digits, "el2n", 0)
    assert np.all(np.diff(values[ranked.order]) <= 0)
    np.testing.assert_array_equal(ranked.place[ranked.order], np.arange(1200))
    threes = members(digits, ranked, 3)
    assert set(digits.dataset.train_labels[threes]) == {3}
    seen, rank = [], 1
    while rank is not None:
        page = page_at(ranked, threes, rank, 25)
        seen, rank = [*seen, *page.indices], page.after
    np.testing.assert_array_equal(seen, threes)
    last = page_at(ranked, threes, 1200, 25)  # beyond the easiest of them: the last ones
    assert last.indices[-1] == threes[-1]
    assert last.after is None
    assert page_at(ranked, threes, last.before, 25).after == ranked.place[last.indices[0]] + 1
    assert page_at(ranked, threes[:0], 5, 25).total == 0


def test_the_order_is_that_in_which_a_rule_keeps(digits):
    # many scores are equal: the seed decides, and must decide alike
    for seed, fraction in ((0, 0.7), (5, 0.8), (5, 0.9)):
        kept = kept_images(digits, Choice("el2n", "hard", fraction, 0.0, seed))
        np.testing.assert_array_equal(np.sort(ranking(digits, "el2n", seed).order[: kept.indices.size]), kept.indices)


@pytest.mark.parametrize("rule", RULES)
def test_the_list_is_the_one_that_prune_writes(digits, rule, tmp_path):
    for choice in (Choice("el2n", rule, 0.317, 0.5, 3), Choice("margin", rule, 0.7, 1.0, 0, True)):
        out = tmp_path / "kept.txt"
        words = shlex.split(command_line(digits, choice, str(out)))
        with contextlib.redirect_stdout(io.StringIO()):
            cli.main(words[3:])
        assert words[:3] == ["python", "-m", "real_data"]
        assert out.read_bytes() == kept_list(digits, choice)


def test_python_code_writes_the_same_list(digits, photographs, tmp_path):
    for collection, choice in (
        (digits, Choice("aum", "proportional@1+weighted", 0.25, 0.5, 7, True)),
        (photographs, Choice("el2n", "hard", 0.5)),
    ):
        out = tmp_path / "by-python.txt"
        with contextlib.redirect_stdout(io.StringIO()) as said:
            exec(compile(python_code(collection, choice, str(out)), "code", "exec"), {})
        assert out.read_bytes() == kept_list(collection, choice)
        assert said.getvalue().startswith(f"{len(out.read_bytes().splitlines())} of")


def test_names_are_those_that_prune_writes(photographs, digits, tmp_path):
    choice = Choice("el2n", "random", 0.4, 1.0, 2)
    with contextlib.redirect_stdout(io.StringIO()):
        cli.main(shlex.split(command_line(photographs, choice, str(tmp_path / "kept.txt")))[3:])
    assert (tmp_path / "kept.names.txt").read_bytes() == kept_list(photographs, choice, names=True)
    assert (tmp_path / "kept.txt").read_bytes() == kept_list(photographs, choice)
    with pytest.raises(ValueError, match="images of digits have no names"):
        kept_list(digits, choice, names=True)


def test_what_is_kept_of_classes_and_ranks(digits):
    choice = Choice("el2n", "proportional@1+weighted", 0.3, 0.0)
    kept, labels = kept_images(digits, choice), digits.dataset.train_labels
    rows = class_rows(digits, choice)
    assert sum(row.kept for row in rows) == kept.indices.size
    assert sum(row.size for row in rows) == 1200
    assert [row.quantiles[2] for row in rows] == sorted((row.quantiles[2] for row in rows), reverse=True)
    one = rows[3]
    of_class = kept.indices[labels[kept.indices] == one.label]
    assert one.kept == of_class.size
    assert one.weight == pytest.approx(np.mean([kept.weight_of(int(i)) for i in of_class]), rel=1e-6)
    assert one.quantiles[2] == np.median(digits.score("el2n").values[labels == one.label])
    assert len(class_table(rows).splitlines()) == 11
    shares, weights = shares_by_rank(digits, choice, 48)
    assert shares.mean() == pytest.approx(0.3, abs=1e-3)
    assert shares[0] > 0.9 > 0.1 > shares[-1]
    assert weights[0] < 1
    assert kept.weight_of(int(np.flatnonzero(~kept.mask)[0])) is None


def test_histograms_count_every_image_once(digits):
    choice = Choice("el2n", "hard", 0.3, 0.0)
    edges, kept, dropped = spread.histogram(digits, choice)
    assert kept.sum() == 360
    assert kept.sum() + dropped.sum() == 1200
    counts, _ = np.histogram(digits.score("el2n").values, edges)
    np.testing.assert_array_equal(kept + dropped, counts)
    _, of_three, not_three = spread.histogram(digits, choice, 3)
    assert of_three.sum() + not_three.sum() == np.sum(digits.dataset.train_labels == 3)
    edges, labels, shares = spread.class_counts(digits, "el2n")
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    of_first = digits.score("el2n").values[digits.dataset.train_labels == labels[0]]
    np.testing.assert_allclose(shares[0] * of_first.size, np.histogram(of_first, edges)[0], atol=1e-9)
    for chart in (
        charts.histogram_chart(edges, kept, dropped, "el2n", log=True),
        charts.class_chart(edges, [str(label) for label in labels], shares, "el2n"),
        charts.rank_chart(*shares_by_rank(digits, replace(choice, rule="random+weighted"))),
    ):
        assert set(chart) == {"data", "layout"}


def test_two_scores_meet_in_cells(digits):
    one, other = "el2n", "margin"
    x, y, counts = agreement.cells(digits, one, other, axes="score")
    assert counts.sum() == 1200
    row, column = np.unravel_index(np.argmax(counts - counts.T), counts.shape)  # not the same the other way round
    images = agreement.cell_images(digits, one, other, (int(column), int(row)), axes="score")
    middle = [float(edges[i] + edges[i + 1]) / 2 for edges, i in ((x, column), (y, row))]
    assert agreement.cell_at(digits, one, other, tuple(middle), axes="score") == (column, row)
    assert images.size == counts[row, column] > counts[column, row]
    values = digits.score(one).values[images]
    assert np.all((values >= x[column]) & (values <= x[column + 1]))
    assert np.all(np.diff(values) <= 0)
    expected = rank_correlation([digits.score(one), digits.score(other)])[0, 1]
    assert agreement.correlation(digits, one, other) == expected
    first, second = agreement.outliers(digits, one, other, 5)
    places = [ranking(digits, name, 0).place for name in (one, other)]
    gaps = places[1] - places[0]
    assert gaps[first[0]] == gaps.max()
    assert gaps[second[0]] == gaps.min()
    _, _, of_class = agreement.cells(digits, one, other, label=4)
    assert of_class.sum() == np.sum(digits.dataset.train_labels == 4)
    with pytest.raises(ValueError, match=r"cell upwards must be in \[0, 31\], got 32"):
        agreement.cell_images(digits, one, other, (0, 32))


def test_pictures_are_the_images(digits, photographs):
    shown = np.asarray(Image.open(io.BytesIO(picture(digits, "test", 3))))
    np.testing.assert_array_equal(shown, np.round(255 * digits.dataset.test_images[3, ..., 0]).astype(np.uint8))
    small, large = (Image.open(io.BytesIO(picture(photographs, "train", 5, side))) for side in (SMALL, LARGE))
    assert small.size == (SMALL, SMALL)
    np.testing.assert_array_equal(np.asarray(large), photographs.dataset.train_images[np.array([5])][0])
    for part, index, side in (("train", 24, SMALL), ("train", -1, SMALL), ("both", 0, SMALL), ("train", 0, 99)):
        with pytest.raises(ValueError, match="must be"):
            picture(photographs, part, index, side)


def test_a_picture_whose_file_is_gone_is_refused(photographs, tmp_path):
    images = photographs.dataset.train_images
    gone = replace(images, places=(tmp_path, *images.places[1:]))
    with pytest.raises(OSError, match="No such file"):
        picture(replace(photographs, dataset=replace(photographs.dataset, train_images=gone)), "train", 0)


def test_pairs_and_what_is_known_of_an_image(digits):
    found = digits.duplicates
    numbers = pair_numbers(digits, "train-test")
    about = pair_about(digits, int(numbers[0]))
    assert about.in_test
    assert "leak into the test set" in about.marks
    assert about.similarity == found.pairs.similarity[numbers[0]]
    assert about.kept == (bool(found.kept[about.image]), True)
    of_tests = [pair_about(digits, int(number)) for number in numbers]
    assert all(one.kept == (False, True) for one in of_tests)  # test images are never dropped
    assert not all(found.kept[one.of] for one in of_tests)  # though training images of the same positions are
    assert pair_numbers(digits, "train-train").size + numbers.size == len(found.pairs)
    differ = pair_numbers(digits, "other-class")
    assert all("classes differ" in pair_about(digits, int(number)).marks for number in differ)
    choice = Choice("margin", "hard", 0.5)
    kept = kept_images(digits, choice)
    rows = about_image(digits, choice, 17, kept)
    names = [name for name, _ in rows]
    assert names == ["image", "class", "margin", "el2n", "aum", "kept by the rule"]
    place = ranking(digits, "margin", 0).place[17] + 1
    assert dict(rows)["margin"].endswith(f"(rank {place:,} of 1,200)")
    assert dict(rows)["kept by the rule"] == ("yes" if kept.mask[17] else "no")
    with pytest.raises(ValueError, match="pairs must be one of"):
        pair_numbers(digits, "twins")


def test_a_link_gives_the_view_again(digits):
    view = View(
        Choice("margin", "policy@0,0.2,1/1,0.2+weighted@0.5", 0.123456789, 0.25, 9, True),
        "agreement",
        "log",
        4,
        "dropped",
        77,
        "aum",
        "score",
        "exact",
        3,
        17,
    )
    assert View.from_query(view.to_query(), digits) == (view, [])
    trimmed = View(Choice("el2n", "coverage@0.6", 0.3))  # which is no rule at the usual fraction
    assert View.from_query({"rule": "coverage@0.6", "f": "0.3"}, digits) == (trimmed, [])
    assert View.from_query({}, digits) == (View(Choice("el2n")), [])


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"f": "2"}, "must lie in (0, 1], got 2"),
        ({"f": "nan"}, "f must be a number, got 'nan'"),
        ({"rule": "hardest"}, "a keep rule is"),
        ({"rule": "window@7"}, "P must lie in [0, 1]"),
        ({"score": "grand"}, "score must be one of el2n, margin, aum, got 'grand'"),
        ({"class": "10"}, "class must be in [0, 9], got 10"),
        ({"rank": "0"}, "rank must be at least 1, got 0"),
        ({"rank": "1201"}, "rank must be in [1, 1200], got 1201"),
        ({"image": "-1"}, "image must be in [0, 1199], got -1"),
        ({"seed": "1.5"}, "seed must be an integer, got '1.5'"),
        ({"among": "yes"}, "among must be one of 0, 1, got 'yes'"),
        ({"tab": "nowhere"}, "tab must be one of"),
        ({"colour": "red"}, "a link to this page has class, score, rule"),
    ],
)
def test_what_is_wrong_in_a_link_is_said_and_the_rest_counts(digits, query, said):
    view, complaints = View.from_query({**query, "min_class_share": "0.5"}, digits)
    assert len(complaints) == 1
    assert said in complaints[0]
    assert "\n" not in complaints[0]
    assert view == View(Choice("el2n", min_class_share=0.5))


def test_numbers_that_are_typed():
    assert typed_integer("rank", " 12,345 ") == 12345
    assert typed_number("f", " 1e-2 ") == 0.01
    for text in ("", "x", "1.5", "9" * 40, "--3", "²"):
        with pytest.raises(ValueError, match="rank must be an integer"):
            typed_integer("rank", text)
    for text in ("", "one", "inf", None):
        with pytest.raises(ValueError, match="f must be a number"):
            typed_number("f", text)


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_is_its_parts(rule):
    assert rule_parts.rule_name(rule_parts.RuleParts.of(rule)) == rule


def test_files_that_do_not_fit_are_named(digits, tmp_path):
    file, folder = digits.options.scores[0], digits.options.duplicates
    other = replace(digits.dataset, train_labels=(digits.dataset.train_labels + 1) % 10)
    foreign = save_scores(tmp_path / "foreign.nc", other, 0)
    bad = {
        CollectionOptions(images=ImageFiles("cifar10")): "--dataset cifar10 needs --scores FILE",
        CollectionOptions((tmp_path / "none.nc",)): "--scores must be files .* is not there",
        CollectionOptions((tmp_path,)): "--scores must be files .* is a folder",
        CollectionOptions((file, file)): "--scores must be different ones",
        CollectionOptions((foreign,)): "--scores: .*foreign.nc: these el2n scores are of 'digits' with training",
        CollectionOptions((folder / "duplicates.nc",)): "--scores: .* is not a file of scores",
        CollectionOptions((file,), duplicates=tmp_path): "--duplicates must be a folder of",
    }
    for options, said in bad.items():
        with pytest.raises((ValueError, FileNotFoundError), match=said) as caught:
            load_collection(options)
        assert "\n" not in str(caught.value)
    assert load_collection(CollectionOptions()) is None
    alone = load_collection(CollectionOptions(duplicates=folder))
    assert alone.scores == {}
    assert View.from_query({}, alone)[0].tab == "duplicates"
    twice = Path(tmp_path / "again.nc")
    twice.write_bytes(file.read_bytes())
    assert list(load_collection(CollectionOptions((file, twice))).scores) == ["el2n", "again"]

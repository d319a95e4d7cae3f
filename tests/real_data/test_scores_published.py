"""Published scores: rows find their images by name, and nothing else."""

from dataclasses import replace

import numpy as np
import pytest

from real_data.datasets import ImageDataset
from real_data.scores import scores_from_csv

NAMES = ("cat/1.png", "cat/2.png", "dog/3.png", "dog/4.png", "dog/5.png")
IMAGES, LABELS = np.zeros((5, 2, 2, 1), np.uint8), np.array([0, 0, 1, 1, 1])
DATA = ImageDataset("pets", IMAGES, LABELS, IMAGES[:1], LABELS[:1], 2, train_names=NAMES)


@pytest.fixture
def read(tmp_path):
    def read(content, data=DATA, **settings):
        path = tmp_path / "published.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return scores_from_csv(path, data, **({"name_column": "file", "score_column": "score"} | settings))

    return read


def table(*rows, header="file,score"):
    return "\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n"


ROWS = [("dog/4.png", 0.4), ("cat/1.png", 0.1), ("dog/5.png", "5e-1"), ("cat/2.png", -0.2), ("dog/3.png", 3)]
VALUES = [0.1, -0.2, 3, 0.4, 0.5]


def test_rows_are_brought_into_the_order_of_the_images(read):
    scores = read(table(*ROWS))
    assert scores.values.tolist() == VALUES
    assert (scores.metric, scores.dataset, scores.fingerprint) == ("published", "pets", DATA.train_fingerprint)
    assert scores.config["file"] == "published.csv"
    assert scores.config["score_column"] == "score"
    assert scores.seeds == ()


def test_low_scores_can_be_the_hard_ones(read):
    scores = read(table(*ROWS), higher_is_harder=False, metric="consistency")
    assert scores.values.tolist() == [-value for value in VALUES]
    assert scores.metric == "consistency"


def test_columns_go_by_name_and_fields_may_be_quoted(read):
    rows = [(i, score, f'"{name}"', '"one, two"') for i, (name, score) in enumerate(ROWS)]
    assert read(table(*rows, header="index,score,file,note")).values.tolist() == VALUES
    windows = b"\xef\xbb\xbf" + table(*ROWS).replace("\n", "\r\n\r\n").encode()  # byte order mark, blank lines
    assert read(windows).values.tolist() == VALUES


@pytest.mark.parametrize("rename", [lambda n: n[4:], lambda n: f"/data/train/{n}", lambda n: n.replace("/", "\\")])
def test_the_last_component_will_do_if_it_names_one_image(read, rename):
    rows = [(rename(name), score) for name, score in ROWS]
    assert read(table(*rows)).values.tolist() == VALUES


@pytest.mark.parametrize("rename", ["./{}", "/home/me/{}", "train/{}", "{}"])
def test_the_longest_common_ending_names_the_image(read, rename):
    data = replace(DATA, train_names=("train/cat/1.png", "train/cat/2.png", "train/dog/1.png", "x/dog/1.png", "5.png"))
    rows = [("cat/1.png", 1), ("cat/2.png", 2), ("train/dog/1.png", 3), ("x/dog/1.png", 4), ("5.png", 5)]
    rows = [(rename.format(name).replace("train/train", "train"), score) for name, score in rows]
    if rename == "train/{}":
        rows = [(name.replace("/", "\\"), score) for name, score in rows]
    assert read(table(*rows), data).values.tolist() == [1, 2, 3, 4, 5]


def test_the_whole_name_comes_first(read):
    """Two images share a last component: rows with whole names are no problem, a bare one is ambiguous."""
    data = replace(DATA, train_names=("cat/1.png", "cat/2.png", "dog/1.png", "dog/4.png", "1.png"))
    rows = [("dog/1.png", 3), ("1.png", 5), ("cat/1.png", 1), ("4.png", 4), ("2.png", 2)]
    assert read(table(*rows), data).values.tolist() == [1, 2, 3, 4, 5]
    rows[0] = ("bird/1.png", 3)
    message = r"by their common ending: 1, 'bird/1.png' \(line 2, such as 'cat/1.png' and 'dog/1.png'\); images w"
    with pytest.raises(ValueError, match=message):
        read(table(*rows), data)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (ROWS[1:], r"\(4 rows\) does not fit the 5 .* of 'pets': images without a row: 1, 'dog/4.png'$"),
        (ROWS[:1], r"images without a row: 4, 'cat/1.png', 'cat/2.png', 'dog/3.png', \.\.\.$"),
        ([("cat/4.png", 0.4), *ROWS[1:]], r"no training image: 1, 'cat/4.png' \(line 2\); .* a row: 1, 'dog/4.png'$"),
        ([*ROWS, ("6.png", 1)], r"rows that name no training image: 1, '6.png' \(line 7\)$"),
        ([*ROWS, ROWS[0]], r"an image that has one already: 1, 'dog/4.png' \(lines 2 and 7\)$"),
        ([*ROWS, ("4.png", 9)], r"an image that has one already: 1, 'dog/4.png' \(lines 2 and 7\)$"),
        (
            [("dog/4.png", "hard"), *ROWS[1:]],
            r"'score' that are not finite numbers: 1, 'hard' of 'dog/4.png' \(line 2\)$",
        ),
        ([("dog/4.png", "nan"), *ROWS[1:]], "not finite numbers: 1, 'nan'"),
        ([("dog/4.png", "-inf"), *ROWS[1:]], "not finite numbers: 1, '-inf'"),
        ([("dog/4.png", ""), *ROWS[1:]], "not finite numbers: 1, ''"),
        ([("dog/4.png", "1_0"), *ROWS[1:]], "not finite numbers: 1, '1_0'"),
        ([("x", 1), *ROWS[1:]], r"no training image: 1, 'x' \(line 2\); images without a row: 1, 'dog/4.png'$"),
        ([], r"\(0 rows\) does not fit"),
    ],
)
def test_rows_and_images_must_correspond(read, rows, message):
    with pytest.raises(ValueError, match=message):
        read(table(*rows))


def test_what_is_no_table_is_refused(read, tmp_path):
    with pytest.raises(ValueError, match=r"one column 'file', but it has 0; its columns are 'name', 'score'"):
        read(table(*ROWS, header="name,score"))
    with pytest.raises(ValueError, match=r"one column 'score', but it has 2"):
        read("file,score,score\n")
    with pytest.raises(ValueError, match="its columns are none: it is empty"):
        read("")
    with pytest.raises(ValueError, match=r"line 3: 3 fields, but the header has 2"):
        read(table(ROWS[0], (*ROWS[1], 7)))
    with pytest.raises(ValueError, match="not CSV"):
        read('file,score\n"cat/1.png,0.1\n')
    with pytest.raises(ValueError, match="not a CSV file in UTF-8"):
        read(b"file,score\n\xff,1\n")
    with pytest.raises(FileNotFoundError):
        scores_from_csv(tmp_path / "none.csv", DATA, name_column="file", score_column="score")


def test_the_images_need_names_of_their_own(read):
    with pytest.raises(ValueError, match=r"the data set 'pets' has no names of its training images"):
        read(table(*ROWS), replace(DATA, train_names=None))
    doubled = replace(DATA, train_names=("a", "a", "b", "c", "d"))
    with pytest.raises(ValueError, match="names that several images have: 1, 'a'"):
        read(table(("a", 1), ("b", 1), ("c", 1), ("d", 1)), doubled)

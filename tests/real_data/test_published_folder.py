"""A folder of published scores: one file per metric, columns by name or by number, all or nothing."""

from dataclasses import replace

import numpy as np
import pytest

from real_data.__main__ import cli
from real_data.datasets import ImageDataset
from real_data.scores import Scores, rank_correlation, scores_from_csv, scores_from_folder

NAMES = tuple(f"n{i // 4:02d}/n{i // 4:02d}_{i}.JPEG" for i in range(20))
IMAGES, LABELS = np.zeros((20, 2, 2, 1), np.uint8), np.arange(20) // 4
DATA = ImageDataset("small-imagenet", IMAGES, LABELS, IMAGES[:1], LABELS[:1], 5, train_names=NAMES)
PUBLISHED = (
    *("DDD", "EL2N-1-model", "EL2N-20-models", "active-learning", "forgetting", "influence-max", "influence-sum-abs"),
    *("memorization", *(f"random-{i}" for i in range(100, 105)), "self-supervised-prototypes", "supervised-prototypes"),
)
COLUMNS = {"name_column": "file", "score_column": "score"}


def write(folder, metrics=PUBLISHED, header="file,score\n", names=NAMES):
    """Files of the published names, each with its rows in an order of its own; the scores by metric."""
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(3)
    values = {}
    for metric in metrics:
        values[metric] = np.round(rng.normal(size=20), 6)
        if metric == "active-learning":  # 1 for the 80 % that were chosen
            values[metric] = (rng.permutation(20) < 16) * 1.0
        rows = [f"{names[i]},{values[metric][i]}\n" for i in rng.permutation(20)]
        (folder / f"ImageNet-1K_{metric}.csv").write_text(header + "".join(rows))
    return values


def test_all_files_of_a_folder_are_read(tmp_path):
    values = write(tmp_path / "scores")
    (tmp_path / "scores" / "README.md").write_text("about")
    found = scores_from_folder(tmp_path / "scores", DATA, **COLUMNS)
    assert [one.metric for one in found] == sorted(PUBLISHED)
    for one in found:
        np.testing.assert_array_equal(one.values, values[one.metric])  # high = keep, no sign is turned
        assert (one.fingerprint, one.config["higher_is_harder"]) == (DATA.train_fingerprint, True)
        alone = scores_from_csv(tmp_path / "scores" / f"ImageNet-1K_{one.metric}.csv", DATA, **COLUMNS)
        np.testing.assert_array_equal(alone.values, one.values)
        assert alone.config == one.config
    assert {one.metric: one.notes for one in found if one.notes} == {
        "active-learning": (
            "active-learning has two values only: only f = 0.8 has a meaning, any other is random among equals",
        )
    }


def test_columns_go_by_number_where_there_is_no_header(tmp_path):
    values = write(tmp_path, header="")
    found = scores_from_folder(tmp_path, DATA, name_column=1, score_column=2, header=False)
    assert all(np.array_equal(one.values, values[one.metric]) for one in found)
    with_header = write(tmp_path, header="some,thing\n")
    found = scores_from_folder(tmp_path, DATA, name_column=1, score_column=2)
    assert all(np.array_equal(one.values, with_header[one.metric]) for one in found)
    with pytest.raises(ValueError, match=r"'thing' of 'some' \(line 1\); rows that name no training image: 1"):
        # a header that is taken for a row is no image's name
        scores_from_folder(tmp_path, replace(DATA, train_names=("some", *NAMES[1:])), header=False, **_numbers(1, 2))
    with pytest.raises(ValueError, match=r"ImageNet-1K_DDD.csv has no column 3; its columns are 'some', 'thing'"):
        scores_from_folder(tmp_path, DATA, name_column=1, score_column=3)
    with pytest.raises(ValueError, match="name_column must be at least 1, the first column, got 0"):
        scores_from_folder(tmp_path, DATA, header=False, **_numbers(0, 1))
    with pytest.raises(ValueError, match="score_column must be a number, counted from 1, where there is no header"):
        scores_from_folder(tmp_path, DATA, header=False, name_column=1, score_column="score")
    message = r"one column 'file', but it has 0; its columns are 'some', 'thing' \(if that is no header: .*--no-header"
    with pytest.raises(ValueError, match=message):
        scores_from_folder(tmp_path, DATA, **COLUMNS)


def _numbers(name, score):
    return {"name_column": name, "score_column": score}


def test_names_of_files_are_those_of_metrics(tmp_path):
    write(tmp_path / "a", ("DDD", "forgetting"))
    (tmp_path / "a" / "other_margin.csv").write_bytes((tmp_path / "a" / "ImageNet-1K_DDD.csv").read_bytes())
    found = scores_from_folder(tmp_path / "a", DATA, **COLUMNS)  # nothing in common
    assert [one.metric for one in found] == ["ImageNet-1K_DDD", "ImageNet-1K_forgetting", "other_margin"]
    with pytest.raises(
        ValueError, match=r"prefix must begin the names of all files .*, got 'ImageNet-' and other_marg"
    ):
        scores_from_folder(tmp_path / "a", DATA, prefix="ImageNet-", **COLUMNS)
    write(tmp_path / "b", ("DDD", "ddd"))
    with pytest.raises(ValueError, match="different metrics, but 'ddd' is there more than once"):
        scores_from_folder(tmp_path / "b", DATA, **COLUMNS)
    with pytest.raises(FileNotFoundError, match="none is no folder"):
        scores_from_folder(tmp_path / "none", DATA, **COLUMNS)
    (tmp_path / "c").mkdir()
    with pytest.raises(FileNotFoundError, match=r"c has no files \*\.csv"):
        scores_from_folder(tmp_path / "c", DATA, **COLUMNS)
    with pytest.raises(ValueError, match="'small-imagenet' has no names of its training images"):
        scores_from_folder(tmp_path / "a", replace(DATA, train_names=None), **COLUMNS)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda text: text.replace("_1.JPEG,", "_1.JPEG,nan #"), r"not finite numbers: 1, 'nan #"),
        (lambda text: text + text.splitlines()[1] + "\n", "an image that has one already: 1"),
        (lambda text: "\n".join(text.splitlines()[:-1]), "images without a row: 1"),
        (lambda text: text + "n99/n99_1.JPEG,1\n", "rows that name no training image: 1, 'n99/n99_1.JPEG'"),
    ],
)
def test_one_bad_file_is_refused_by_name(tmp_path, spoil, message):
    write(tmp_path)
    path = tmp_path / "ImageNet-1K_forgetting.csv"
    path.write_text(spoil(path.read_text()))
    with pytest.raises(ValueError, match=rf"ImageNet-1K_forgetting\.csv \(\d+ rows\) does not fit .*{message}"):
        scores_from_folder(tmp_path, DATA, **COLUMNS)


def test_the_command_saves_each_and_overwrites_none(tmp_path, monkeypatch, capsys):
    from real_data.commands.options import ImageFiles

    monkeypatch.setattr(ImageFiles, "load", lambda self: DATA)
    monkeypatch.chdir(tmp_path)
    values = write(tmp_path / "metric-scores", header="")
    words = (
        "published-scores metric-scores --dataset imagenet --no-header --name-column 1 --score-column 2 --out s --quiet"
    )
    cli.main(words.split())
    said = capsys.readouterr().out
    assert "active-learning: 20 scores, 100 % of them not unique" in said
    assert "only f = 0.8 has a meaning" in said
    assert "15 metrics read" in said
    found = [Scores.load(tmp_path / "s" / f"imagenet-{metric}.nc", DATA) for metric in PUBLISHED]
    assert all(np.array_equal(one.values, values[one.metric]) for one in found)
    assert rank_correlation(found).shape == (15, 15)
    cli.main(words.split())  # the same again is no loss
    path = tmp_path / "metric-scores" / "ImageNet-1K_random-104.csv"
    path.write_text(path.read_text().replace(",", ",1", 1))
    before = {file: file.read_bytes() for file in (tmp_path / "s").iterdir()}
    with pytest.raises(SystemExit) as stop:
        cli.main(words.split())
    assert stop.value.code == 2
    assert "imagenet-random-104.nc holds other scores, which would be lost" in capsys.readouterr().err
    assert {file: file.read_bytes() for file in (tmp_path / "s").iterdir()} == before

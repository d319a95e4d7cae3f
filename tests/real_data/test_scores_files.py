"""Files of scores and their agreement: they serve their own data set only."""

import struct

import numpy as np
import pytest
from scipy.io import netcdf_file

from perceptron_theory import Results
from real_data.datasets import ImageDataset
from real_data.scores import Scores, rank_correlation


def small(name="four", images=0, labels=(0, 1, 1, 0)):
    pixels = np.full((len(labels), 2, 2, 1), images, np.uint8)
    classes = np.array(labels)
    return ImageDataset(name, pixels, classes, pixels[:1], classes[:1], 2)


DATA = small()


def scores(values, data=DATA, metric="el2n"):
    return Scores(metric, np.array(values), data.name, data.train_fingerprint, {"a": {"b": [1, None]}}, (3, 2**32 - 1))


def test_saved_scores_come_back(tmp_path):
    before = scores([0.1, 1 / 3, 1e-300, -2.5])
    path = before.save(tmp_path / "folder" / "scores.nc")
    after = Scores.load(path, DATA)
    np.testing.assert_array_equal(after.values, before.values)
    assert after.values.dtype == np.float64
    for name in ("metric", "dataset", "fingerprint", "config", "seeds"):
        assert getattr(after, name) == getattr(before, name)
    with netcdf_file(path, mmap=False) as file:  # other programs can read it
        assert file.variables["score"].long_name == b"el2n of each training example, higher = harder"
    assert Scores.load(path, small(name="another name")).metric == "el2n"  # the contents count


@pytest.mark.parametrize("other", [small("others", images=1), small("others", labels=(0, 1, 0, 0))])
def test_scores_of_other_data_are_refused(tmp_path, other):
    path = scores([1, 2, 3, 4]).save(tmp_path / "scores.nc")
    message = (
        f"scores.nc: these el2n scores are of 'four' .*{DATA.train_fingerprint}, "
        f"not of 'others' with {other.train_fingerprint}"
    )
    with pytest.raises(ValueError, match=message):
        Scores.load(path, other)


def test_scores_of_another_length_are_refused(tmp_path):
    path = scores([1, 2, 3]).save(tmp_path / "scores.nc")
    with pytest.raises(ValueError, match="there are 3 el2n scores of 'four', but 4 training images"):
        Scores.load(path, DATA)


def test_damaged_files_are_refused(tmp_path):
    path = scores([0.1, 0.2, 0.3, 0.4]).save(tmp_path / "scores.nc")
    content = path.read_bytes()
    for length in (0, 3, len(content) // 2, len(content) - 8):
        path.write_bytes(content[:length])
        with pytest.raises(ValueError, match=r"scores\.nc is (not a result file of this package, or is )?damaged"):
            Scores.load(path, DATA)
    # one number altered: the file can be read, but its checksum is another
    altered = content.replace(struct.pack(">d", 0.3), struct.pack(">d", 0.7))
    assert altered != content
    path.write_bytes(altered)
    with pytest.raises(
        ValueError,
        match=r"scores\.nc .*damaged: its content is not that of its sha256; if this",
    ):
        Scores.load(path, DATA)
    with pytest.raises(FileNotFoundError):
        Scores.load(tmp_path / "none.nc", DATA)


def test_files_of_other_things_are_refused(tmp_path):
    results = Results("Test errors")
    results.add("score", "example", np.ones(4), "1", "something else")
    with pytest.raises(ValueError, match="is not a file of scores, but: Test errors"):
        Scores.load(results.save(tmp_path / "errors.nc"), DATA)
    results = Results("Difficulty of training examples")
    results.add("score", "example", np.ones(4), "1", "without its settings")
    with pytest.raises(ValueError, match="is damaged: 'metric'; delete it"):
        Scores.load(results.save(tmp_path / "errors.nc"), DATA)


def test_values_are_checked_and_kept():
    with pytest.raises(ValueError, match=r"values must be finite, but 2 of 3 are not: values\[1\] = nan"):
        scores([0, np.nan, np.inf])
    for bad in ([[1.0]], [], 1.0):
        with pytest.raises(ValueError, match=r"values must have shape \(num_examples,\)"):
            scores(bad)
    values = np.arange(4.0)
    kept = Scores("el2n", values, "four", DATA.train_fingerprint)
    values[0] = 9
    assert kept.values.tolist() == [0, 1, 2, 3]
    with pytest.raises(ValueError, match="read-only"):
        kept.values[0] = 1


def test_rank_correlation_by_hand():
    # Spearman without ties: 1 - 6 sum d^2 / (n (n^2 - 1)), here n = 4.
    # (1 2 3 4) and (2 1 3 4) swap two neighbours: sum d^2 = 2, so 1 - 12/60 = 0.8; against (4 3 2 1): -1 and
    # d = (2, 2, 1, 3): 18, so 1 - 108/60 = -0.8.  Only ranks count.
    one, other, reverse = scores([0.1, 5, 6, 700]), scores([2, 1, 3, 4]), scores([4, 3, 2, 1])
    expected = [[1, 0.8, -1], [0.8, 1, -0.8], [-1, -0.8, 1]]
    np.testing.assert_allclose(rank_correlation([one, other, reverse]), expected, atol=1e-14)
    assert rank_correlation([one]).tolist() == [[1]]
    # a tie takes the mean rank: (1.5 1.5 3 4) with (1 2 3 4) correlate as 4.5 / sqrt(4.5 * 5)
    tied = rank_correlation([scores([1, 1, 2, 3]), scores([1, 2, 3, 4])])[0, 1]
    assert tied == pytest.approx(np.sqrt(4.5 / 5), rel=1e-12)


def test_rank_correlation_refuses_what_cannot_be_compared():
    other = small("others", images=1)
    with pytest.raises(ValueError, match=r"scores\[0\] \(el2n\) are of 'four'.*but scores\[1\] \(grand\) of 'others'"):
        rank_correlation([scores([1, 2, 3, 4]), scores([1, 2, 3, 4], other, "grand")])
    with pytest.raises(ValueError, match=r"scores\[1\] \(margin\) are all equal to 2.0: they rank nothing"):
        rank_correlation([scores([1, 2, 3, 4]), scores([2, 2, 2, 2], metric="margin")])
    with pytest.raises(ValueError, match="scores must be at least one"):
        rank_correlation([])


def test_errors_floors_and_ties_are_saved_beside_the_values(tmp_path):
    values, errors, floor = [0.5, 0.25, 0.5, 1.0], [0.1, 0.2, 0.3, 0.0], [0.5, 0.5, 0.5, 0.4]
    arguments = ("ddd", np.array(values), DATA.name, DATA.train_fingerprint)
    before = Scores(*arguments, standard_error=np.array(errors), noise_floor=np.array(floor))
    path = before.save(tmp_path / "scores.nc")
    after = Scores.load(path, DATA)
    assert after.standard_error.tolist() == errors
    assert after.noise_floor.tolist() == floor
    assert after.tied == Results.load(path).config["tied"] == 0.5
    assert after.test_values is None
    assert scores([1, 2, 3, 4]).standard_error is None
    with pytest.raises(ValueError, match=r"standard_error must have shape \(4,\), as values, got \(3,\)"):
        Scores(*arguments, standard_error=np.ones(3))
    for bad in (np.nan, np.inf, -0.1):
        with pytest.raises(ValueError, match=r"noise_floor must be finite and at least 0.*noise_floor\[2\]"):
            Scores(*arguments, noise_floor=np.array([0.1, 0.1, bad, 0.1]))

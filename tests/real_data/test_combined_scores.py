"""The mean of ranks: scale and order do not matter, ties share their rank, and what does not fit is refused."""

import numpy as np
import pytest

from real_data.__main__ import cli
from real_data.scores.combination import combine_scores
from real_data.scores.score_file import Scores


def scores(values, metric="one", fingerprint="f", test_values=None):
    tests = None if test_values is None else np.array(test_values, float)
    return Scores(metric, np.array(values, float), "made up", fingerprint, {"seed": 1}, test_values=tests)


def test_ranks_are_averaged_by_hand():
    """Ranks 1, 2.5, 2.5, 4 and 4, 3, 2, 1 of 4: less a half, over 4."""
    first, second = scores([0, 5, 5, 90], test_values=[1, 2]), scores([4, 3, 2, 1], "two", test_values=[2, 1])
    found = combine_scores([first, second], metric="both")
    np.testing.assert_allclose(found.values, np.array([2.5, 2.75, 2.25, 2.5]) / 4 - 0.125, atol=1e-15)
    np.testing.assert_allclose(found.test_values, [0.5, 0.5])
    weighted = combine_scores([first, second], weights=[3, 1], metric="both")
    np.testing.assert_allclose(weighted.values, np.array([7, 10.5, 9.5, 13]) / 16 - 0.125, atol=1e-15)
    assert [part["weight"] for part in weighted.config["mean_rank_of"]] == [3, 1]
    assert combine_scores([first, scores([4, 3, 2, 1])], metric="both").test_values is None


def test_units_do_not_matter():
    values = np.random.default_rng(0).normal(size=(2, 50))
    one = combine_scores([scores(values[0]), scores(values[1])], metric="m").values
    other = combine_scores([scores(np.exp(3 * values[0])), scores(7 + values[1])], metric="m").values
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("parts", "weights", "message"),
    [
        ([scores([1, 2])], None, "at least two, got 1"),
        ([scores([1, 2]), scores([1, 2], fingerprint="g")], None, r"scores\[0\] \(one\) are of .* fingerprint g"),
        ([scores([1, 2]), scores([1, 2])], [1], "weights must be 2"),
        ([scores([1, 2]), scores([1, 2])], [1, 0], "each of weights must lie in"),
        ([scores([1, 2]), scores([1, 2])], [1, np.nan], "each of weights"),
    ],
)
def test_what_does_not_fit_is_refused(parts, weights, message):
    with pytest.raises(ValueError, match=message):
        combine_scores(parts, weights=weights, metric="m")


def test_the_command_writes_a_file_of_scores(tmp_path, capsys):
    files = [str(scores(v, m).save(tmp_path / f"{m}.nc")) for v, m in (([1, 2, 3], "a"), ([1, 3, 2], "b"))]
    cli.main(["combine", *files, "--out", str(tmp_path / "c.nc")])
    assert "mean rank of 2 scores of 3 images" in capsys.readouterr().out
    found = Scores.load(tmp_path / "c.nc")
    assert found.metric == "mean-rank"
    np.testing.assert_allclose(found.values, [1 / 6, 4 / 6, 4 / 6])

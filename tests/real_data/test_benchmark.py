"""The benchmark of scores: differences, classes and ranks by hand; measured, resumed and shown."""

import re
from dataclasses import replace

import numpy as np
import pytest
from test_experiment import count_trainings
from tiny_experiment import TINY

from data_pruning import Results
from data_pruning.rule_names import keep_rule
from real_data import Scores, load, prune
from real_data.__main__ import cli
from real_data.benchmark.measurement import measure_benchmark
from real_data.benchmark.summary import summarised
from real_data.benchmark.tables import score_benchmark_table
from real_data.selection.pruning import class_sizes

T3 = 3.182446  # Student's t of three degrees of freedom, 95 %


def made_up(num_seeds=4, num_test=40, *, rules=("hard", "random"), metrics=("a", "b"), fractions=(0.2, 0.6)):
    """An experiment of random outcomes; test images of two classes, 30 and 10."""
    rng = np.random.default_rng(0)
    found = Results("made up", {"experiment": {}})
    shape = (len(metrics), 1, len(rules), len(fractions), num_seeds)
    found.add("metric", "metric", list(metrics), "", "")
    found.add("pool_size", "pool", [100], "1", "")
    found.add("rule", "rule", list(rules), "", "")
    found.add("fraction", "fraction", list(fractions), "1", "")
    found.add("seed", "seed", np.arange(num_seeds), "1", "")
    runs = ("metric", "pool", "rule", "fraction", "seed")
    wrong = rng.random((*shape, num_test)) < 0.3
    wrong[:, :, list(rules).index("random")] = wrong[:1, :, list(rules).index("random")]  # the same for all scores
    wrong_all = rng.random((1, num_seeds, num_test)) < 0.1
    found.add("wrong", (*runs, "test"), wrong, "1", "")
    found.add("wrong_all", ("pool", "seed", "test"), wrong_all, "1", "")
    found.add("errors", runs, wrong.mean(axis=-1), "1", "")
    found.add("errors_all", ("pool", "seed"), wrong_all.mean(axis=-1), "1", "")
    found.add("num_kept", runs, np.full(shape, 20), "1", "")
    found.add("learned", runs, np.ones(shape, int), "1", "")
    found.add("learned_all", ("pool", "seed"), np.ones((1, num_seeds), int), "1", "")
    labels = np.stack([rng.permutation(np.repeat([0, 2], [30, 10])) for _ in range(num_seeds)])
    return found, labels


def altered(results, **values):
    variables = {
        name: replace(variable, values=values.get(name, variable.values))
        for name, variable in results.variables.items()
    }
    return Results(results.title, results.config, variables)


NAMES = ("zero", "one", "two")


def test_errors_and_differences_paired_by_seed():
    measured, labels = made_up()
    found = summarised(measured, labels, NAMES)
    errors = measured["errors"][:, 0]
    excess = errors[1, 0, 1] - errors[1, 1, 1]
    assert found["excess"][1, 0, 1] == pytest.approx(excess.mean())
    assert found["excess_half_width"][1, 0, 1] == pytest.approx(T3 * excess.std(ddof=1) / 2, rel=1e-6)
    assert found["error"][1, 0, 1] == pytest.approx(errors[1, 0, 1].mean())
    np.testing.assert_array_equal(found["excess"][:, 1], 0)
    np.testing.assert_array_equal(found["excess_half_width"][:, 1], 0)
    assert float(found["error_all"]) == pytest.approx(measured["errors_all"].mean())


def test_classes_by_hand():
    measured, labels = made_up()
    found = summarised(measured, labels, NAMES)
    assert found["tested_class"].tolist() == [0, 2]  # class 1 has no test image
    wrong = measured["wrong"][:, 0]
    of_class = [
        [[w[s][labels[s] == c].mean() for s in range(4)] for c in (0, 2)] for w in (wrong[1, 0, 0], wrong[1, 1, 0])
    ]
    excess = np.subtract(*map(np.array, of_class))  # (class, seed)
    np.testing.assert_allclose(found["class_error"][1, 0, 0], np.mean(of_class[0], axis=1))
    np.testing.assert_allclose(found["class_excess"][1, 0, 0], excess.mean(axis=1))
    # of two classes together: 97.5 % each, t of three degrees of freedom 4.17653
    np.testing.assert_allclose(
        found["class_excess_half_width"][1, 0, 0], 4.176535 * excess.std(axis=1, ddof=1) / 2, rtol=1e-6
    )
    worst = int(np.argmax(np.mean(of_class[0], axis=1)))
    assert found["worst_class"][1, 0, 0] == (0, 2)[worst]
    assert found["share_above"][1, 0, 0] == np.mean(excess.mean(axis=1) > 0)
    whole = [measured["wrong_all"][0, s][labels[s] == 2].mean() for s in range(4)]
    assert found["class_error_all"][1] == pytest.approx(np.mean(whole))


def test_a_class_that_loses_is_counted():
    measured, labels = made_up()
    wrong = measured["wrong"].copy()
    for s in range(4):
        wrong[0, 0, 0, 0, s] = labels[s] == 2  # hard by a: all of class 2 wrong, none of class 0
        wrong[:, 0, 1, 0, s] = False
    found = summarised(altered(measured, wrong=wrong, errors=wrong.mean(axis=-1)), labels, NAMES)
    assert (found["share_losing"][0, 0, 0], found["share_above"][0, 0, 0]) == (0.5, 0.5)
    assert found["worst_class"][0, 0, 0] == 2
    assert found["worst_class_error"][0, 0, 0] == 1
    assert found["class_spread"][0, 0, 0] == 0.5


def test_ranks_of_test_images():
    """Errors on the hardest tenth alone fall into the first bin; a score that knows no test images takes another's."""
    measured, labels = made_up()
    tests = np.tile(np.random.default_rng(1).permutation(40).astype(float), (2, 1, 4, 1))
    hardest = tests[0, 0, 0] >= 36
    wrong = measured["wrong"].copy()
    wrong[:, 0, 0, 0], wrong[:, 0, 1, 0] = hardest, False
    tests[0] = np.nan
    measured.add("test_scores", ("metric", "pool", "seed", "test"), tests, "1", "")
    measured.add("tests_scored", "metric", [False, True], "1", "")
    found = summarised(altered(measured, wrong=wrong), labels, NAMES)
    assert found["ranked_by"].tolist() == ["b", "b"]
    for m in (0, 1):
        np.testing.assert_array_equal(found["rank_excess"][m, 0, 0], [1, *[0] * 9])
        np.testing.assert_array_equal(found["rank_excess_half_width"][m, 0, 0], 0)
    np.testing.assert_allclose(found["rank_error"].mean(axis=-1), wrong[:, 0].mean(axis=(-1, -2)))


def test_failed_trainings_are_never_best():
    measured, labels = made_up()
    errors = measured["errors"].copy()
    errors[0, 0, 0] = 0.01  # hard by a is by far the best
    learned = measured["learned"].copy()
    fine = summarised(altered(measured, errors=errors), labels, NAMES)
    assert fine["best_at_even"].tolist() == ["hard by a"] * 2
    assert fine["best_error"].tolist() == pytest.approx([0.01] * 2)
    learned[0, 0, 0, 0, 2] = 0  # but for one network
    found = summarised(altered(measured, errors=errors, learned=learned), labels, NAMES)
    assert found["num_failed"][0].tolist() == [[1, 0], [0, 0]]
    assert found["best_at_even"].tolist() == ["hard by b", "hard by a"]
    text = score_benchmark_table(found)
    row = next(line for line in text.splitlines() if line.split()[:2] == ["a", "hard"])
    assert row.split()[2] == "failed"
    assert "Failed: networks no better than" in text
    assert "1 of 4" in text
    learned[:, 0, 1, 1] = 0  # random at the other fraction: nothing can be compared with it
    found = summarised(altered(measured, errors=errors, learned=learned), labels, NAMES)
    assert found["best_at_odd"].tolist() == ["hard by b", "none learned"]
    text = score_benchmark_table(found)
    assert "none learned" in text
    assert re.search(r"\d of 1 differences are; where there were none, 0.1 would", text)  # the other three failed
    at_other = text[text.index("Classes at f = 0.6") :]
    row = next(line for line in at_other.splitlines() if line.split()[:2] == ["b", "hard"])
    assert row.split()[5:] == ["failed", "failed"]  # worst class and spread are its own


def test_the_same_networks_are_no_comparison():
    """At f = 1 all rules keep all: what is 0 for that reason is neither counted nor shown by rank."""
    measured, labels = made_up(fractions=(0.2, 1.0))
    tests = np.tile(np.arange(40.0), (2, 1, 4, 1))
    measured.add("test_scores", ("metric", "pool", "seed", "test"), tests, "1", "")
    wrong, errors = measured["wrong"].copy(), measured["errors"].copy()
    wrong[:, :, :, 1], errors[:, :, :, 1] = measured["wrong_all"][0], measured["errors_all"][0]
    text = score_benchmark_table(summarised(altered(measured, wrong=wrong, errors=errors), labels, NAMES))
    assert re.search(r"\d of 2 differences are; where there were none, 0.1 would", text)
    assert "difficulty rank of the test images (0 = hardest), at f = 0.2" in text


def test_ranks_beside_failed_random_are_not_shown():
    measured, labels = made_up(fractions=(0.2,))
    tests = np.tile(np.arange(40.0), (2, 1, 4, 1))
    measured.add("test_scores", ("metric", "pool", "seed", "test"), tests, "1", "")
    text = score_benchmark_table(summarised(measured, labels, NAMES))
    assert re.search(r"\d+ of 20 differences are; where there were none, 1.0 would", text)
    learned = measured["learned"].copy()
    learned[:, 0, 1, 0] = 0
    text = score_benchmark_table(summarised(altered(measured, learned=learned), labels, NAMES))
    assert "Ranks of the test images at f = 0.2: no networks to compare learned" in text


def test_equally_hard_test_images_are_not_ranked_in_their_order():
    """Images of a folder are sorted by class: with ties in that order a class would fill a bin."""
    measured, labels = made_up(num_test=400, fractions=(0.2,))
    labels = np.tile(np.repeat([0, 1], 200), (4, 1))
    tests = np.zeros((2, 1, 4, 400))
    measured.add("test_scores", ("metric", "pool", "seed", "test"), tests, "1", "")
    wrong = measured["wrong"].copy()
    wrong[:, 0, 0, 0], wrong[:, 0, 1, 0] = labels == 1, False
    found = summarised(altered(measured, wrong=wrong), labels, NAMES)
    # 40 of 400 images: standard deviation 0.075, beyond four in 20 bins with probability 1e-3; the seed is fixed
    assert np.all(np.abs(found["rank_excess"][:, 0, 0] - 0.5) < 0.3)


def test_what_cannot_be_summarised():
    measured, labels = made_up(rules=("hard", "easy", "random"), num_seeds=2)
    assert "best_error" not in summarised(measured, labels, NAMES).variables  # too few seeds to choose and judge
    with pytest.raises(ValueError, match="test_labels must be of all seeds and test images"):
        summarised(measured, labels[:1], NAMES)
    without = altered(measured)
    without.variables["rule"] = replace(without.variables["rule"], values=np.array(["hard", "easy", "soft"]))
    with pytest.raises(ValueError, match="random and one pool are needed, got the rules hard, easy, soft"):
        summarised(without, labels, NAMES)


@pytest.fixture(scope="module")
def benchmark(tmp_path_factory):
    folder = tmp_path_factory.mktemp("benchmark")
    data = load("digits")
    values = np.random.default_rng(3).permutation(1200).astype(float)
    tests = np.random.default_rng(4).random(597)
    saved = Scores("published", values, data.name, data.train_fingerprint, test_values=tests).save(folder / "s.nc")
    config = replace(
        TINY,
        scores=(),
        score_files=(str(saved),),
        rules=("hard", "random+by-error"),
        fractions=(0.3,),
        pool_sizes=(None,),
        min_class_share=0.5,
    )
    return config, measure_benchmark(config, out=folder / "out", progress=False), folder / "out", values, data


def test_measured_and_resumed(benchmark, monkeypatch):
    config, found, folder, _, data = benchmark
    experiment = Results.load(folder / "digits.nc")
    assert found["rule"].tolist() == ["hard", "random+by-error", "random"]
    np.testing.assert_array_equal(found["error"], experiment["mean"][:, 0])
    content = (folder / "digits-benchmark.nc").read_bytes()
    counts = count_trainings(monkeypatch)
    measure_benchmark(config, out=folder, progress=False)
    assert counts == []
    assert (folder / "digits-benchmark.nc").read_bytes() == content
    # classes of the test images of the one division, by the experiment's own record
    of_class = [experiment["wrong"][0, 0, 0, 0][:, data.test_labels == c].mean() for c in range(10)]
    np.testing.assert_allclose(found["class_error"][0, 0, 0], of_class)
    with pytest.raises(ValueError, match="pool_sizes must be one for a benchmark"):
        measure_benchmark(replace(config, pool_sizes=(100, 200)), out=folder)


def test_sizes_of_the_classes_that_are_trained_on(benchmark):
    _, found, folder, values, data = benchmark
    seed = np.random.SeedSequence(0).generate_state(4).tolist()[2]
    labels = data.train_labels
    assert found["sized_rule"].tolist() == ["hard", "random+by-error", "random"]
    for s, share in enumerate(found["min_class_share"]):
        expected = class_sizes(values, keep_rule("hard", 0.3), labels, min_class_share=share, seed=seed)
        np.testing.assert_array_equal(found["class_sizes"][s, 0, 0, 0], expected)
    kept = prune(values, keep_rule("hard", 0.3), labels, min_class_share=0.5, seed=seed)
    np.testing.assert_array_equal(found["class_sizes"][1, 0, 0, 0], np.bincount(labels[kept]))
    assert np.all(found["class_sizes"].sum(axis=-1) == 360)
    (recalls,) = (Results.load(path)["recall"] for path in (folder / "recalls").glob("*seed-0*"))
    by_error = found["class_sizes"][0, 0, 1, 0]
    assert by_error[np.argmax(recalls)] < by_error[np.argmin(recalls)]


def test_the_commands_measure_and_show(benchmark, capsys):
    config, _, folder, *_ = benchmark
    cli.main(["show", str(folder / "digits-benchmark.nc")])
    shown = capsys.readouterr().out
    for words in (
        "Test error less that of random examples",
        "sizes at 0.5",
        "published",
        "intervals hold for pool and",
    ):
        assert words in shown
    assert "failed" not in shown
    words = f"benchmark --scores {config.score_files[0]} --rules hard --fractions 0.3 --class-quotas error --quiet"
    words += " --num-seeds 2 --min-class-share 0.5 --retraining.num-steps 15"
    cli.main([*words.split(), "--out", str(folder)])
    found = capsys.readouterr()
    table = shown.splitlines()
    assert all(line in found.out.splitlines() for line in table if line.startswith((" published", "published", "all")))

"""Quotas of classes by their errors, and pruning among candidates."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_experiment import TINY, run

from data_pruning import KeepRandom, Results
from data_pruning.rule_names import keep_rule
from real_data import ImageDataset, ModelConfig, Scores, TrainingConfig, load, prune, select
from real_data.__main__ import cli
from real_data.experiments import class_recalls
from real_data.experiments.class_recalls import NUM_FOLDS, cross_fitted_recalls, folds_of
from real_data.selection.class_quotas import quotas_by_error
from real_data.selection.methods import check_method, chosen_examples, looks_at_recalls, looks_at_scores
from real_data.selection.pruning import class_sizes

RULES = ("hard", "easy", "random", "window@0.5", "proportional@1+weighted", "mix@0.5")


def counts(labels, kept):
    return np.bincount(labels[kept], minlength=labels.max() + 1).tolist()


def test_shares_are_as_the_errors():
    # errors 0.1, 0.5, 0.5: shares 1 : 5 : 5
    assert quotas_by_error(22, np.array([100, 100, 100]), [0.9, 0.5, 0.5]).tolist() == [2, 10, 10]
    # of classes of unequal size it is the share of the class that is as the error: 200 * 0.1 : 100 * 0.5 = 2 : 5
    assert quotas_by_error(14, np.array([200, 100]), [0.9, 0.5]).tolist() == [4, 10]
    # 10 : 30 : 20 of 90; the third is whole at 20, and the others divide 70 in 1 : 3
    assert quotas_by_error(90, np.array([100, 100, 20]), [0.9, 0.7, 0.0]).tolist() == [18, 52, 20]
    # 10 : 27 : 20 of 66; the third is whole at 20, and of 46 in 10 : 27 the second at 30
    assert quotas_by_error(66, np.array([100, 30, 20]), [0.9, 0.1, 0.0]).tolist() == [16, 30, 20]
    # a class of recall 1 has what the others cannot take, and one example otherwise
    assert quotas_by_error(45, np.array([30, 20, 20]), [1.0, 0.5, 0.5]).tolist() == [5, 20, 20]
    assert quotas_by_error(20, np.array([30, 20, 20]), [1.0, 0.5, 0.5]).tolist() == [1, 9, 10]
    assert quotas_by_error(9, np.array([30, 20]), [1.0, 1.0]).tolist() == [5, 4]
    assert quotas_by_error(0, np.array([3, 2]), [0.5, 0.9]).tolist() == [0, 0]


@given(
    sizes=st.lists(st.integers(1, 30), min_size=2, max_size=6),
    share=st.floats(0, 1),
    errors=st.lists(st.sampled_from([0.0, 0.01, 0.2, 0.5, 1.0]), min_size=6, max_size=6),
)
def test_quotas_fit_and_add_up(sizes, share, errors):
    sizes, needs = np.array(sizes), np.array(errors[: len(sizes)])
    total = round(share * sizes.sum())
    quotas = quotas_by_error(total, sizes, 1 - needs)
    assert quotas.sum() == total
    assert np.all((quotas >= 0) & (quotas <= sizes))
    if total >= sizes.size:
        assert quotas.min() >= 1
    # of classes that are not whole, none of larger error keeps a smaller share, to within the rounding
    density = quotas / sizes
    for i in range(sizes.size):
        for j in range(sizes.size):
            if needs[i] > needs[j] and quotas[i] < sizes[i] and quotas[j] > 1:
                assert density[i] >= density[j] - 1 / sizes[i] - 1 / sizes[j]


def test_pruning_by_recalls():
    labels = np.repeat([2, 0, 1], 100)
    scores = np.random.default_rng(0).random(300)
    recalls = np.array([0.5, 0.5, 0.9])
    for rule in RULES:
        kept = prune(scores, keep_rule(rule, 22 / 300), labels, class_recalls=recalls)
        assert counts(labels, kept) == [10, 10, 2], rule
    hard = prune(scores, keep_rule("hard", 22 / 300), labels, class_recalls=recalls)
    assert set(hard[labels[hard] == 2]) == set(np.argsort(-scores[:100])[:2])
    examples = chosen_examples("random+by-error", 22 / 300, None, labels, class_recalls=recalls, seed=1)
    assert counts(labels, examples.indices) == [10, 10, 2]
    with pytest.raises(ValueError, match=r"random\+by-error needs class_recalls"):
        chosen_examples("random+by-error", 0.5, None, labels)
    with pytest.raises(ValueError, match="of no use without labels"):
        prune(scores, KeepRandom(0.5), class_recalls=recalls)
    with pytest.raises(ValueError, match=r"class_recalls must lie in \[0, 1\]"):
        prune(scores, KeepRandom(0.5), labels, class_recalls=[0.5, 0.5, 1.1])
    with pytest.raises(ValueError, match="labels go from 0 to 2, but there are 2"):
        prune(scores, KeepRandom(0.5), labels, class_recalls=[0.5, 0.5])
    with pytest.raises(ValueError, match=r"quotas by error leaves no example of class"):
        prune(scores, KeepRandom(2 / 300), labels, class_recalls=recalls)
    assert looks_at_recalls("hard+by-error")
    assert looks_at_scores("hard+by-error")
    assert not looks_at_scores("random+by-error")
    with pytest.raises(ValueError, match=r"rs2\+by-error|keep rule|rule must"):
        check_method("rs2+by-error", 0.5)


def test_sizes_of_classes_also_where_one_is_empty():
    labels = np.array([0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 0])
    scores = np.arange(12)[::-1]
    found = [class_sizes(scores, keep_rule("hard", 0.5), labels, min_class_share=s).tolist() for s in (0, 0.5, 1)]
    assert found == [[5, 1, 0], [4, 1, 1], [3, 2, 1]]
    for rule in RULES:
        for share in (0.5, 1.0):
            kept = prune(scores, keep_rule(rule, 0.5), labels, min_class_share=share, seed=3)
            sizes = class_sizes(scores, keep_rule(rule, 0.5), labels, min_class_share=share, seed=3)
            assert counts(labels, kept) == sizes.tolist(), (rule, share)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("with_labels", [False, True])
def test_among_candidates_as_if_there_were_no_others(rule, with_labels):
    rng = np.random.default_rng(2)
    scores, labels = rng.integers(0, 9, 200).astype(float), rng.integers(0, 3, 200)
    mask = rng.random(200) < 0.6
    candidates = np.flatnonzero(mask)
    settings = {"min_class_share": 0.5, "seed": 4}
    alone = select(scores[mask], keep_rule(rule, 0.4), labels[mask] if with_labels else None, **settings)
    for among in (mask, candidates, rng.permutation(candidates)):
        found = select(scores, keep_rule(rule, 0.4), labels if with_labels else None, among=among, **settings)
        np.testing.assert_array_equal(found.indices, candidates[alone.indices])
        np.testing.assert_array_equal(found.probability, alone.probability)
        if alone.weights is not None:
            np.testing.assert_array_equal(found.weights, alone.weights)
    whole = prune(scores, keep_rule(rule, 0.4), labels, **settings)
    np.testing.assert_array_equal(prune(scores, keep_rule(rule, 0.4), labels, among=mask | True, **settings), whole)


@pytest.mark.parametrize(
    ("among", "error", "message"),
    [
        (np.ones(4, bool), ValueError, r"a mask, must have the shape of scores, \(5,\), got \(4,\)"),
        ([0, 5], ValueError, r"among must lie in \[0, 5\), got 5"),
        ([-1, 2], ValueError, r"among must lie in \[0, 5\), got -1"),
        ([1, 3, 1], ValueError, "different indices, but 1 is there twice"),
        (np.zeros(5, bool), ValueError, "at least one example, got none"),
        ([[0, 1]], ValueError, r"shape \(num_candidates,\) or a mask"),
        ([0.5], TypeError, "indices or a mask of booleans"),
    ],
)
def test_candidates_that_are_none(among, error, message):
    with pytest.raises(error, match=message):
        prune(np.arange(5.0), KeepRandom(0.5), among=among)


def test_the_command_prunes_among_a_list(tmp_path, capsys):
    data = load("digits")
    scores = np.random.default_rng(0).permutation(1200).astype(float)
    file = Scores("published", scores, data.name, data.train_fingerprint).save(tmp_path / "s.nc")
    listed = np.arange(0, 1200, 3)
    (tmp_path / "among.txt").write_text("\n".join(map(str, listed)))
    words = [file, "--rule", "hard", "--fraction", "0.25", "--min-class-share", "0", "--out", tmp_path / "kept.txt"]
    command = ["prune", *map(str, words), "--among", str(tmp_path / "among.txt")]
    cli.main(command)
    assert "100 of 400 candidates, of 1200 images, kept" in capsys.readouterr().out
    kept = np.loadtxt(tmp_path / "kept.txt", int)
    assert set(kept) == set(listed[np.argsort(-scores[listed])[:100]])
    few = np.flatnonzero(~np.isin(data.train_labels, (3, 8)))
    (tmp_path / "among.txt").write_text("\n".join(map(str, few)))
    cli.main(command)
    assert "among.txt has no image of 2 classes, and none is kept: 3, 8\n" in capsys.readouterr().err
    (tmp_path / "among.txt").write_text("\n".join(f"{i}\t1" for i in listed))
    with pytest.raises(SystemExit):
        cli.main(command)
    assert "list without weights" in capsys.readouterr().err


def test_folds_have_a_fifth_of_each_class():
    labels = np.random.default_rng(0).permutation(np.repeat([0, 1, 2], [50, 23, 8]))
    fold = folds_of(labels, 3)
    for c, most in ((0, 10), (1, 5), (2, 2)):
        sizes = np.bincount(fold[labels == c], minlength=NUM_FOLDS)
        assert (sizes.min(), sizes.max()) == (most - (c > 0), most)
    assert not np.array_equal(fold, folds_of(labels, 4))


def test_recalls_are_of_networks_that_have_not_seen_the_image(tmp_path, monkeypatch):
    """Pixels without information: out of sample the recalls are those of chance, whatever was learned by heart.

    120 images of two classes: the share that is right outside 0.5 +- 0.25 with probability below 1e-6 (binomial).
    """
    rng = np.random.default_rng(0)
    images = rng.random((120, 8, 8, 1)).astype(np.float32)
    labels = rng.integers(0, 2, 120)
    data = ImageDataset("noise", images, labels, images, labels, 2)
    settings = {"seed": 1, "checkpoints": None, "provenance": {}}
    config = TrainingConfig(num_steps=300)
    found = cross_fitted_recalls(data, ModelConfig(), config, path=tmp_path / "r.nc", **settings)
    saved = Results.load(tmp_path / "r.nc")
    n = np.bincount(data.train_labels)
    np.testing.assert_array_equal(saved["num_images"], n)
    hits = saved["recall"] * (n + 1) - 0.5
    np.testing.assert_allclose(hits, np.round(hits), atol=1e-9)
    assert abs(hits.sum() / 120 - 0.5) < 0.25
    monkeypatch.setattr(class_recalls.training, "train", None)  # it is not called again
    again = cross_fitted_recalls(data, ModelConfig(), config, path=tmp_path / "r.nc", **settings)
    np.testing.assert_array_equal(again, found)


def test_an_experiment_divides_by_error(tmp_path, monkeypatch):
    config = replace(TINY, rules=("random", "random+by-error"), fractions=(0.3,))
    found = run(config, tmp_path)
    assert found["num_kept"].min() == found["num_kept"].max() == 90
    assert not np.array_equal(found["errors"][0, 0, 0], found["errors"][0, 0, 1])
    recalls = [Results.load(path)["recall"] for path in sorted((tmp_path / "recalls").iterdir())]
    assert len(recalls) == 2
    assert all(np.all((each > 0) & (each < 1)) for each in recalls)
    np.testing.assert_array_equal(
        run(replace(config, rules=("random+by-error",)))["errors"][0, 0, 0], found["errors"][0, 0, 1]
    )
    with monkeypatch.context() as patch:  # before anything is trained
        patch.setattr(class_recalls.training, "train", None)
        for share in (0.5, 1.0):
            with pytest.raises(ValueError, match="quotas by error leaves no example of class"):
                run(replace(config, rules=("random+by-error",), fractions=(0.03,), min_class_share=share))

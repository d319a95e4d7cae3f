"""Transfer studies on handwritten digits: what is trained once, bit for bit, interrupted, elsewhere, and failing."""

import itertools
import shutil
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from tiny_transfer import TINY, measure

from data_pruning import Results
from real_data import ImageSet, ScoreConfig, TrainingConfig
from real_data.commands.experiments import rerun
from real_data.experiments import checkpoints
from real_data.experiments.execution import executor_named
from real_data.training.weights_file import load_weights
from real_data.transfer import fine_tuning, pretraining, task
from real_data.transfer.data import loaded, target_tests
from real_data.transfer.measurement import study_of
from real_data.transfer.plan import stages
from real_data.transfer.source_scores import scores_of
from real_data.transfer.study import WHOLE, Cell, Curve
from real_data.transfer.tables import transfer_table

ERRORS = ("errors", "errors_all", "errors_scratch", "source_errors", "source_errors_all", "learned", "difference")


def same(one, other):
    for name in ERRORS:
        np.testing.assert_array_equal(one[name], other[name])


@pytest.fixture(scope="module")
def studied(tmp_path_factory):
    """The tiny study, and its folder."""
    folder = tmp_path_factory.mktemp("transfer")
    return measure(TINY, folder), folder


def test_each_pretraining_is_trained_once(studied):
    """Three curves (random once, though there are two scores) x two budgets x one fraction, and the whole source."""
    results, folder = studied
    assert len(list((folder / "pretrainings").glob("*.npz"))) == 2 * (1 + 3 * 2)
    assert [*results["curve_metric"]] == ["random", "el2n", "margin"]
    assert [*results["curve_rule"]] == ["random", "hard", "hard"]
    assert results["errors"].shape == (3, 2, 1, 2, 2, 2, 3)
    np.testing.assert_array_equal(results["num_kept"], 360)
    np.testing.assert_array_equal(results["num_steps"][:, 0], 100)  # equal steps
    np.testing.assert_array_equal(results["num_steps"][:, 1], 30)  # equal epochs
    np.testing.assert_array_equal(results["num_steps_all"], 100)
    counted = {stage.name: stage.networks for stage in stages(TINY, loaded(TINY.source), loaded(TINY.target))}
    assert counted == {
        "scores of the source": 4,
        "pretraining": 14,
        "linear probes, 50 images": 42,
        "fine-tuning, 50 images": 42,
        "from scratch, 50 images": 6,
        "linear probes, 100 images": 28,
        "fine-tuning, 100 images": 28,
        "from scratch, 100 images": 4,
    }


def test_errors_are_there_where_networks_were_trained(studied):
    results, _ = studied
    there = np.isfinite(results["errors"])
    assert there[..., 0, :, :].all()
    assert there[..., 1, :, :2].all()
    assert not there[..., 1, :, 2].any()  # two fine-tunings of the large target
    assert results["learned"].all()
    assert not results["num_failed"].any()
    same(results, Results.load(studied[1] / "transfer.nc"))


def test_what_was_pretrained_helps(studied):
    """On 50 digits, pretraining on 1,200 others halves the error: with the same seeds always by the same amount."""
    results, _ = studied
    assert np.nanmean(results["errors_all"][:, 0]) < 0.5 * np.nanmean(results["errors_scratch"][0])
    assert np.all(results["gain"][:, 0] < 0)


def test_all_of_the_source_by_any_rule_is_the_same_bit_for_bit(studied, tmp_path):
    """Each rule at f = 1 is trained through the rule, anew in a folder of its own; the weights' bytes are compared."""
    _, folder = studied
    study, _ = study_of(TINY, "these tests")
    digests = []
    original = study_of(TINY, task.digest_of(task.transfer_software()))[0]
    scores = scores_of(original, 0, folder)
    rules = ["hard", "easy", "random", "window@0.4", "proportional@1", "hard+weighted@0.5", "mix@0.5"]
    for rule, budget in [*itertools.product(rules, ["epochs"]), ("hard", "steps")]:
        chosen = study.pretraining(Cell(Curve("el2n", rule), 1.0, budget), 0, scores)
        assert chosen.key == study.pretraining(WHOLE, 0, scores).key
        assert len(chosen.kept) == 1200
        outcome, networks = pretraining.pretrain(study, chosen, tmp_path / f"{rule}-{budget}", {"rule": rule})
        assert outcome.learned
        arrays = pretraining.by_name("params", networks.params)
        digests.append({name: np.asarray(array).tobytes() for name, array in arrays.items()})
    assert all(one == digests[0] for one in digests)
    part = study.pretraining(Cell(Curve("el2n", "hard"), 0.3, "steps"), 0, scores)
    assert part.key != chosen.key


def test_interrupted_anywhere_it_goes_on(studied, tmp_path, monkeypatch):
    """Ctrl-C after so many files, then again: nothing is trained twice, and the results are the same."""
    saved = {"after": 0, "trained": 0}
    for module, name in ((task, "save_fine_tuned"), (pretraining, "save_pretrained"), (pretraining, "save_weights")):
        original = getattr(module, name)

        def interrupted(*arguments, original=original, **options):
            if saved["after"] == 0:
                raise KeyboardInterrupt
            saved["after"] -= 1
            return original(*arguments, **options)

        monkeypatch.setattr(module, name, interrupted)
    for module in (pretraining, fine_tuning):
        train = module.train

        def counted(*arguments, train=train, **options):
            saved["trained"] += len(options["seeds"])
            return train(*arguments, **options)

        monkeypatch.setattr(module, "train", counted)
    for after in (2, 3, 9, 1):
        saved["after"] = after
        with pytest.raises(KeyboardInterrupt, match=r"saved in .*\. Run the same again to continue"):
            measure(TINY, tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.n*") if path.name != "transfer.nc"}
    saved |= {"after": 1000, "trained": 0}
    same(measure(TINY, tmp_path), studied[0])
    assert all(path.stat().st_mtime_ns == time for path, time in before.items())
    done = saved["trained"]
    saved["trained"] = 0
    same(measure(TINY, tmp_path), studied[0])
    assert saved["trained"] == 0
    assert done == 14 * (1 + 10) + 10 - 28  # the fifteen files there were hold 28 networks of 164


def test_processes_give_the_same(studied, tmp_path):
    """Two processes, which began with a third of the files of the study here."""
    results, folder = studied
    with executor_named("processes:2", tmp_path) as executor:
        there = measure(TINY, tmp_path, executor=executor)
    same(there, results)
    names = [{path.name for path in each.rglob("*.n*")} for each in (folder, tmp_path)]
    assert names[0] == names[1]


def test_a_pretraining_that_failed_is_not_fine_tuned(tmp_path, monkeypatch):
    """Those that diverge at every learning rate, and those that learn nothing: both are counted and said."""
    small = {"target_sizes": (50,), "num_fine_tunings": (2,)}
    config = replace(TINY, scores=TINY.scores[:1], budgets=("steps",), layers=("all",), **small)
    wild = replace(config, pretraining=replace(config.pretraining, learning_rate=1e30, gradient_clip=None))
    monkeypatch.setattr(checkpoints, "CHECKPOINT_EVERY", 50)
    found = {"diverged": measure(wild, tmp_path / "diverged")}
    trained = pretraining._trained

    def without_a_right_answer(*arguments):
        networks = trained(*arguments)
        return replace(networks, correct=np.zeros_like(networks.correct))

    monkeypatch.setattr(pretraining, "_trained", without_a_right_answer)
    found["stuck"] = measure(config, tmp_path / "stuck")
    for name, results in found.items():
        np.testing.assert_array_equal(results["num_failed"], 2)
        np.testing.assert_array_equal(results["num_failed_all"], 2)
        assert not results["learned"].any()
        assert np.all(np.isnan(results["errors"]))
        assert np.all(np.isnan(results["difference"]))
        assert np.all(np.isfinite(results["errors_scratch"]))
        assert np.all(np.isnan(results["source_errors"]) == (name == "diverged"))
        assert len(list((tmp_path / name / "fine_tunings").glob("*"))) == 2  # from scratch
        assert not list((tmp_path / name / "checkpoints").glob("*"))
        text = transfer_table(results)
        assert "Failed: the pretraining" in text
        assert "2 of 2" in text
        assert "nothing can be compared" in text
    monkeypatch.setattr(pretraining, "_trained", None)
    same(measure(wild, tmp_path / "diverged"), found["diverged"])  # nor is it tried again


def test_a_fine_tuning_that_diverges_beside_others_takes_none_of_them_along(studied, tmp_path, monkeypatch):
    """Each is then trained by itself, from checkpoints of its own: those of the group are of other networks."""
    train = fine_tuning.train

    def diverging(*arguments, seeds, **options):
        networks = train(*arguments, seeds=seeds, **options)
        if len(seeds) > 1 or seeds[0] == unlucky:
            raise FloatingPointError
        return networks

    study, _ = study_of(TINY, "these tests")
    _, _, (_, unlucky, _) = fine_tuning._drawn(study, 0, 0)
    expected = fine_tuning.scratch(study, 0, 0, None)
    monkeypatch.setattr(fine_tuning, "train", diverging)
    found = fine_tuning.scratch(study, 0, 0, tmp_path)
    np.testing.assert_array_equal(found.learned, [True, False, True])
    np.testing.assert_allclose(found.errors, np.where(found.learned, expected.errors, np.nan), atol=0.02)


def test_a_study_goes_on_from_its_settings_file(studied, capsys, tmp_path):
    """All is there already: its tables are printed, from the same numbers."""
    shutil.copytree(studied[1], tmp_path / "copy")
    rerun(tmp_path / "copy" / "transfer.json", quiet=True)
    assert capsys.readouterr().out.startswith(transfer_table(studied[0]))
    same(Results.load(tmp_path / "copy" / "transfer.nc"), studied[0])


def test_weights_that_were_deleted_are_trained_again(studied, tmp_path):
    """For another target size, say: the networks of before, not random weights in their place."""
    folder = tmp_path / "copy"
    shutil.copytree(studied[1], folder)
    for path in [*(folder / "pretrainings").glob("*.npz"), *(folder / "fine_tunings").glob("*-100-*")]:
        path.unlink()
    same(measure(TINY, folder), studied[0])


def test_rules_that_empty_a_class_are_refused_before_any_work(tmp_path):
    """Of ten classes, at f = 0.005 six of 1,200 images are kept."""
    with pytest.raises(ValueError, match="class"):
        measure(replace(TINY, fractions=(0.005,)), tmp_path)
    assert not list(tmp_path.rglob("*.nc"))


def test_test_images_of_files_are_decoded_as_they_are_needed(tmp_path, monkeypatch):
    for part, each in itertools.product(("train", "test"), range(8)):
        (place := tmp_path / part / "ab"[each % 2]).mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((9, 9, 3), 20 * each, np.uint8)).save(place / f"{each}.png")
    images = ImageSet("folder", str(tmp_path), image_size=8)
    study, _ = study_of(
        replace(TINY, source=images, target=images, target_sizes=(4,), num_fine_tunings=(2,), num_tests=5),
        "these tests",
    )
    seen = []
    monkeypatch.setattr(fine_tuning, "_in_groups", lambda *arguments, **options: seen.extend(arguments[6:8]))
    fine_tuning.scratch(study, 0, 0, None)
    tests, labels = seen
    assert not isinstance(tests, np.ndarray)
    chosen = target_tests(study.config, study.target(), 0)
    assert len(tests) == len(labels) == 5
    np.testing.assert_array_equal(tests[:], study.target().test_images[chosen])


def test_files_of_scores(studied, tmp_path):
    """The scores of one seed from their file: that seed is as it was, and what limits the intervals is said."""
    results, folder = studied
    (path,) = (folder / "scores").glob("el2n-seed-0-*.nc")
    config = replace(TINY, scores=(), score_files=(str(path),))
    found = measure(config, tmp_path)
    np.testing.assert_array_equal(found["errors"][1, ..., 0, :], results["errors"][1, ..., 0, :])
    np.testing.assert_array_equal(found["errors"][0], results["errors"][0])
    assert "the same for all pretrainings" in transfer_table(found)
    path_elsewhere = tmp_path / "moved.nc"
    path_elsewhere.write_bytes(path.read_bytes())
    same(measure(replace(config, score_files=(str(path_elsewhere),)), tmp_path), found)


def test_a_folder_of_other_settings_is_refused(studied):
    _, folder = studied
    with pytest.raises(ValueError, match=r"pretraining\.num_steps is 100 there and 99 now"):
        measure(replace(TINY, pretraining=TrainingConfig(num_steps=99)), folder)
    with pytest.raises(ValueError, match="target_sha256"):
        measure(replace(TINY, target=ImageSet("digits", split_seed=2)), folder)


def test_weights_are_those_of_the_file(studied):
    """What is fine-tuned is all of the saved network but its head."""
    _, folder = studied
    path = next((folder / "pretrainings").glob("*.npz"))
    networks = load_weights(path)
    arrays = pretraining.without_head(networks)
    assert sorted(arrays) == ["params/layers/0/bias", "params/layers/0/kernel"]
    with np.load(path) as file:
        for name, array in arrays.items():
            np.testing.assert_array_equal(array, file[name][0])


def test_scores_that_have_not_learned_stop_their_seed(tmp_path):
    config = replace(TINY, scores=(ScoreConfig("el2n", 2, TrainingConfig(num_steps=20, learning_rate=1e-9)),))
    with pytest.raises(RuntimeError, match="networks that score are no better"):
        measure(config, tmp_path)

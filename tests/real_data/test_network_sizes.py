"""Errors over examples and network size: measured, joined, resumed; laws and sources of error that are found."""

from dataclasses import replace

import numpy as np
import pytest

from data_pruning import Results
from real_data import Experiment, ModelConfig, ModelSizes, ScoreConfig, TrainingConfig, load, measure_model_sizes
from real_data.datasets.label_file import relabelled, save_labels
from real_data.experiments import task, task_run
from real_data.studies.error_sources import check_teacher, error_sources, label_by_teacher, source_table
from real_data.studies.joint_law import FORMS, joint_law
from real_data.studies.joint_law_table import joint_law_table
from real_data.studies.model_sizes import WHOLE_POOLS, default_sizes, failed_networks

SHORT = TrainingConfig(num_steps=15)
TINY = ModelSizes(
    Experiment(
        rules=("hard", "random"),
        fractions=(0.5, 1.0),
        pool_sizes=(60, 120),
        num_seeds=2,
        scores=(ScoreConfig("el2n", 1, TrainingConfig(num_steps=5)),),
        retraining=SHORT,
    ),
    (3, 4),
)


def measure(config, out):
    return measure_model_sizes(config, out=out, progress=False)


def test_sizes_are_measured_joined_and_never_twice(tmp_path, monkeypatch):
    first = measure(replace(TINY, widths=(3,)), tmp_path)
    assert first["errors"].shape == (1, 2, 3, 2)
    trained = []
    train = task_run.training.train

    def counted(*arguments, **settings):
        trained.append(len(settings["seeds"]))
        return train(*arguments, **settings)

    monkeypatch.setattr(task_run.training, "train", counted)
    results = measure(TINY, tmp_path)
    assert sum(trained) == 2 * 2 * 3  # of the new width alone: pools, seeds, selections
    np.testing.assert_array_equal(results["errors"][:1], first["errors"])
    trained.clear()
    measure(TINY, tmp_path)
    assert trained == []
    assert list(zip(results["rule"].tolist(), results["fraction"].tolist(), strict=True)) == [
        ("all", 1.0),
        ("hard", 0.5),
        ("random", 0.5),
    ]
    # 64 pixels, ten classes: 75 weights and biases for each hidden unit, and ten biases
    assert results["num_parameters"].tolist() == [75 * 3 + 10, 75 * 4 + 10]
    kept = results["num_kept"]
    np.testing.assert_array_equal(
        kept[..., 0], np.broadcast_to(np.array([60, 120])[None, :, None], (2, 2, 3)) // [1, 2, 2]
    )
    saved = Results.load(tmp_path / "digits.nc")
    np.testing.assert_array_equal(saved["errors"], results["errors"])
    own = Results.load(tmp_path / "depth-1-width-4" / "digits.nc")
    for number in range(2):  # hard, random
        np.testing.assert_array_equal(results["errors"][1, :, 1 + number], own["errors"][0, :, number, 0])
    np.testing.assert_array_equal(results["errors"][1, :, 0], own["errors_all"])
    assert 0.88 < results["guessing_error"] < 0.9


def made_up(width_power=0.5, depths=(1,), noise=0.0, kind="additive", coefficients=(3.0, 0.6)):
    """Errors of a known law in n and m, as they are measured: two selections, of all images and of half of them."""
    rng = np.random.default_rng(0)
    depth, width = (each.ravel() for each in np.meshgrid(depths, 2.0 ** np.arange(2, 8), indexing="ij"))
    m = 100 * width * depth**0.5
    pool = 250 * 2 ** np.arange(7)
    n = np.stack([pool, pool // 2], axis=1)
    of_data, of_size = coefficients[0] * n**-0.4, coefficients[1] * (m / 100) ** -width_power
    if kind == "additive":
        errors = of_data[None] + of_size[:, None, None] + 0.02
    else:
        errors = (of_data[None] ** (1 / 0.4) + of_size[:, None, None] ** (1 / 0.4)) ** 0.4
    errors = errors[..., None] * np.exp(noise * rng.standard_normal((*errors.shape, 4)))
    results = Results("made up", {"model_sizes": {"experiment": {"dataset": "digits"}}})
    for name, values, dims in (
        ("depth", depth, "model"),
        ("width", width, "model"),
        ("num_parameters", np.round(m).astype(int), "model"),
        ("pool_size", pool, "pool"),
        ("rule", ["all", "hard"], "selection"),
        ("fraction", [1.0, 0.5], "selection"),
        ("seed", np.arange(4), "seed"),
    ):
        results.add(name, dims, values, "1", "")
    cells = ("model", "pool", "selection")
    results.add("errors", (*cells, "seed"), errors, "1", "")
    results.add("num_kept", (*cells, "seed"), np.broadcast_to(n[None, ..., None], errors.shape), "1", "")
    results.add("learned", (*cells, "seed"), np.ones(errors.shape, int), "1", "")
    results.add("mean", cells, errors.mean(axis=-1), "1", "")
    results.add("standard_error", cells, errors.std(axis=-1, ddof=1) / 2, "1", "")
    results.add("guessing_error", (), 0.9, "1", "")
    return results


def test_the_law_that_made_the_errors_is_found_and_extrapolates():
    law = joint_law(made_up())
    assert law["measure"].tolist() == ["parameters"]  # m is proportional to the width
    additive, kaplan = (FORMS.index(name) for name in ("additive", "kaplan"))
    found = law.config["parameters"]["hard at f = 0.5"]["parameters"]["additive"]
    assert found["data_exponent"] == pytest.approx(0.4, abs=1e-4)
    assert found["size_exponent"] == pytest.approx(0.5, abs=1e-4)
    assert found["constant"] == pytest.approx(0.02, abs=1e-4)
    # n to 4,000 of 16,000 and m to 32 of 128 units: 5 x 4 points
    assert law["small"].sum(axis=(1, 2)).tolist() == [20, 20]
    assert np.all(law["worst_outside"][:, 0, additive] < 1e-3)
    np.testing.assert_allclose(law["law"][:, 0, additive], law["error"], rtol=1e-3)
    assert np.all(law["std_outside"][:, 0, kaplan] > 0.02)
    assert np.all(law["fitted"] + law["fitted_all"] > 0)
    table = joint_law_table(law)
    row = next(line for line in table.splitlines() if "additive" in line)
    assert row.split()[-1] == "yes"
    assert "hard at f = 0.5: 20 small points fitted, 22 large ones judged; seeds leave 0.0 % of noise; errors" in table
    of_kaplan = joint_law(made_up(kind="kaplan"))
    assert np.all(of_kaplan["worst_outside"][:, 0, kaplan] < 1e-3)
    assert np.all(of_kaplan["std_outside"][:, 0, additive] > 0.02)


def test_large_scales_are_judged_and_not_fitted(monkeypatch):
    """Errors of all large points 1.25 times those of the law of the small ones: it is found, and is 20 % too low."""
    monkeypatch.setattr("real_data.studies.joint_law.FORMS", ("additive",))
    results = made_up()
    small = np.moveaxis(joint_law(results)["small"] == 1, 0, 2)
    results["mean"][~small] *= 1.25
    law = joint_law(results)
    np.testing.assert_allclose(law["mean_outside"], -0.2, atol=1e-3)
    np.testing.assert_allclose(law["mean_inside"], 0, atol=1e-3)
    found = law.config["parameters"]["all"]["parameters"]["additive"]
    assert found["data_exponent"] == pytest.approx(0.4, abs=1e-3)
    assert np.all(law["std_all"] > 0.02)


def test_laws_of_errors_that_hardly_change_are_told_from_laws_that_hold():
    """Hard: errors that fall by a tenth over all scales, with noise of 1.5 %: about as much as large ones fall."""
    results = made_up()
    n, width = 125.0 * 2 ** np.arange(7), 2.0 ** np.arange(2, 8)[:, None]
    noise = np.exp(0.015 * np.random.default_rng(1).standard_normal((6, 7)))
    results["mean"][:, :, 1] = noise * (0.3 + 0.02 * (n / 125) ** -0.5 + 0.02 * (width / 4) ** -0.5)
    law = joint_law(results)
    large = law["small"][0] == 0
    row, column = np.nonzero(large)
    nearest = law["error"][0][np.minimum(row, 3), np.minimum(column, 4)]  # the grid's small part ends at 3 and 4
    deviation = nearest / law["error"][0][large] - 1
    assert law["unchanged_mean"][0] == pytest.approx(deviation.mean())
    assert law["unchanged_std"][0] == pytest.approx(deviation.std())
    lines = joint_law_table(law).splitlines()
    verdicts = [line.split()[-1] for line in lines if line.startswith("parameters         additive")]
    assert verdicts == ["yes", "flat"]


def test_the_power_of_the_depth_is_found(monkeypatch):
    """m = 100 width depth^0.5, so that the law in width depth^phi has phi = 0.5."""
    monkeypatch.setattr("real_data.studies.joint_law.FORMS", ("additive",))  # the search is the same for all, and long
    law = joint_law(made_up(depths=(1, 2, 4)))
    assert law["measure"].tolist() == ["parameters", "width depth^phi"]
    additive = 0
    np.testing.assert_allclose(law["phi"][:, 1, additive], 0.5, atol=0.01)
    np.testing.assert_allclose(law["phi_all"][:, 1, additive], 0.5, atol=0.01)
    np.testing.assert_array_equal(law["phi"][:, 0], 0)
    assert np.all(law["worst_outside"][:, :, additive] < 2e-3)


def test_networks_that_did_not_learn_are_named_and_left_out():
    results = made_up()
    results["learned"][2, 3, 0, 1] = 0
    results["mean"][2, 3, 0] = 0.9
    assert failed_networks(results) == ["depth 1, width 16, pool 2000, all: seed 1"]
    law = joint_law(results)
    assert law["learned"][0, 2, 3] == 0
    assert law["worst_outside"][0, 0, FORMS.index("additive")] < 1e-3
    assert "LEFT OUT OF ALL FITS, DID NOT LEARN: depth 1, width 16, pool 2000, all: seed 1" in joint_law_table(law)
    assert "all: 19 small points fitted" in joint_law_table(law)


def test_errors_that_no_law_describes_are_reported_by_rule():
    results = made_up()
    results["mean"][:, :, 1] = results["mean"][:, ::-1, 1]  # more hard examples, more errors
    law = joint_law(results)
    assert np.all(law["fitted"][0] == 1)
    assert not law["fitted"][1].any()
    assert any(
        line.startswith("hard at f = 0.5, parameters, kaplan: NO FIT, errors rise with n")
        for line in law.config["remarks"]
    )
    assert "no fit" in joint_law_table(law)
    results["mean"][0, 0, 0] = 0
    with pytest.raises(ValueError, match="an error is 0, which no law describes"):
        joint_law(results)


def test_a_teacher_labels_all_images_and_students_of_its_size_agree(tmp_path):
    """The labels are those of the teacher's network, so that a student with its weights would make no error."""
    experiment = replace(TINY.experiment, **WHOLE_POOLS)
    config = replace(TINY, experiment=experiment)
    check_teacher(config, (4,))
    labelled = label_by_teacher(experiment, (4,), SHORT, tmp_path, progress=False)
    data, own = load("digits"), task.load_for(labelled, 1)
    np.testing.assert_array_equal(own.test_images, data.test_images)
    again = label_by_teacher(experiment, (4,), SHORT, tmp_path, progress=False)
    assert again == labelled
    from real_data import load_networks

    teacher = load_networks(tmp_path / "teacher")
    np.testing.assert_array_equal(teacher.errors(own.test_images, own.test_labels), 0)
    np.testing.assert_array_equal(teacher.errors(own.train_images, own.train_labels), 0)
    assert 0.05 < np.mean(own.test_labels != data.test_labels) < 0.9
    results = measure(replace(config, experiment=labelled), tmp_path)
    assert np.all(np.isfinite(results["errors"]))
    with pytest.raises(ValueError, match="holds the labels of another teacher"):
        label_by_teacher(experiment, (3,), SHORT, tmp_path, progress=False)


def test_labels_of_other_images_are_refused(tmp_path):
    data = load("digits")
    path = save_labels(tmp_path / "labels.nc", data, 9 - data.train_labels, 9 - data.test_labels, {"made": "up"})
    np.testing.assert_array_equal(relabelled(data, path).test_labels, 9 - data.test_labels)
    with pytest.raises(ValueError, match="has labels of another data set than digits here"):
        relabelled(load("digits", split_seed=1), path)
    with pytest.raises(ValueError, match=r"train_labels must lie in \[0, 10\)"):
        save_labels(path, data, data.train_labels + 5, data.test_labels, {})
    made_up().save(tmp_path / "other.nc")
    with pytest.raises(ValueError, match="is not a file of labels, but: made up"):
        relabelled(data, tmp_path / "other.nc")


def test_sources_of_error_by_hand():
    """Teacher of width 16: what narrower ones err more, and what wrong labels add."""
    results, noisy = made_up(noise=0.01), made_up(noise=0.01)
    noisy["errors"][...] += 0.03
    sources = error_sources(results, (16,), noisy)
    assert sources["realizable"].tolist() == [0, 0, 1, 1, 1, 1]
    errors = results["errors"][:, :, 0]
    np.testing.assert_allclose(sources["excess"], (errors - errors[2]).mean(axis=-1), atol=1e-12)
    np.testing.assert_allclose(sources["realizability_bound"][:2], errors[:2, -1].mean(axis=-1))
    np.testing.assert_array_equal(sources["realizability_bound"][2:], 0)
    np.testing.assert_allclose(sources["noise"], 0.03, atol=1e-12)
    np.testing.assert_allclose(sources["noise_error"], 0, atol=1e-12)
    table = source_table(sources)
    assert "What wrong labels add" in table
    assert "3.00 +- 0.00" in table
    with pytest.raises(ValueError, match="teacher must be one of the networks of the results"):
        error_sources(results, (17,))
    noisy["pool_size"][0] += 1
    with pytest.raises(ValueError, match="noisy must have the pool_size of the results"):
        error_sources(results, (16,), noisy)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"widths": ()}, r"widths must be different ones, at least one, got \(\)"),
        ({"widths": (0.5,)}, "each of widths, units of an mlp, must be an integer, got 0.5"),
        ({"depths": (0,)}, "each of depths must be at least 1, got 0"),
        ({"experiment": 3}, "experiment must be a Experiment, got 3"),
        (
            {"experiment": replace(TINY.experiment, model=ModelConfig("cnn"))},
            r"depths must be \(4,\), the only depth of cnn",
        ),
        (
            {"experiment": replace(TINY.experiment, scores=(ScoreConfig("el2n"), ScoreConfig("margin")))},
            "experiment.scores must be one, got 2",
        ),
    ],
)
def test_wrong_sizes_are_named(change, message):
    with pytest.raises((ValueError, TypeError), match=message):
        replace(TINY, **change)


def test_teachers_that_cannot_be_are_named():
    with pytest.raises(ValueError, match=r"teacher must be one of the networks of widths and depths, .* got \(5,\)"):
        check_teacher(TINY, (5,))
    with pytest.raises(ValueError, match="each of teacher, widths of its hidden layers, must be at least 1, got 0"):
        check_teacher(TINY, (0,))
    with pytest.raises(ValueError, match="teacher must be None for a cnn"):
        check_teacher(default_sizes("cifar10", ModelConfig("cnn")), (4,))
    assert default_sizes("cifar10", ModelConfig("patch-features")).depths == (1,)


def test_the_command_measures_and_says_what_it_cannot_fit(tmp_path, capsys):
    from real_data.__main__ import cli

    sizes = ["--widths", "3", "4", "--pool-sizes", "60", "120", "--num-seeds", "2", "--retraining.num-steps", "15"]
    cli.main(["joint-law", *sizes, "--quiet", "--out", str(tmp_path)])
    assert "NO FIT" in capsys.readouterr().out
    assert Results.load(tmp_path / "digits.nc")["width"].tolist() == [3, 4]
    assert (tmp_path / "depth-1-width-3").is_dir()

"""Figure 4 shows the numbers of fine-tuned networks and of transfer studies, and what did not learn."""

import io

import numpy as np
import pytest
from scipy import stats

from data_pruning import Results
from figures import fig4, transfer_differences
from figures.__main__ import cli
from figures.draw.error_panels import mean_of_known, student_half_width
from figures.draw.looks import LOOKS, curve_looks
from figures.jobs import draw

CURVES = (("random", "random"), ("el2n", "hard"), ("el2n", "easy"), ("memorization", "hard"))
NETWORKS = ("curve", "budget", "fraction", "layers", "target", "pretraining", "fine_tuning")


def study(*, curves=CURVES, fractions=(0.25, 0.5), budgets=("steps", "epochs"), layers=("head", "all"), pretrainings=3):
    """Two target sizes, the larger with two of three fine-tunings; EL2N, keep hard failed once at f = 0.25."""
    rng = np.random.default_rng(0)
    results = Results("Transfer of networks", {})
    results.add("curve_metric", "curve", [metric for metric, _ in curves], "", "")
    results.add("curve_rule", "curve", [rule for _, rule in curves], "", "")
    results.add("budget", "budget", list(budgets), "", "")
    results.add("fraction", "fraction", list(fractions), "1", "")
    results.add("layers", "layers", list(layers), "", "")
    results.add("target_size", "target", [1000, 50000], "1", "")
    results.add("num_fine_tunings", "target", [3, 2], "1", "")
    shape = (len(curves), len(budgets), len(fractions), len(layers), 2, pretrainings, 3)
    errors, whole = 0.3 + 0.1 * rng.random(shape), 0.25 + 0.02 * rng.random(shape[3:])
    scratch = 0.5 + 0.02 * rng.random(shape[4:])
    learned = np.ones(shape, int)
    if pretrainings > 1:
        learned[1, :, 0, :, :, 1] = 0
        errors[1, :, 0, :, :, 1] = np.nan
    for values in (errors, whole, scratch):
        values[..., 1, :, 2] = np.nan  # there is no such fine-tuning
    results.add("errors", NETWORKS, errors, "1", "")
    results.add("learned", NETWORKS, learned, "1", "")
    results.add("errors_all", NETWORKS[3:], whole, "1", "")
    results.add("errors_scratch", NETWORKS[4:], scratch, "1", "")
    source = 0.4 + 0.1 * rng.random((*shape[:3], pretrainings))
    results.add("source_errors", (*NETWORKS[:3], "pretraining"), source, "1", "")
    results.add("source_errors_all", "pretraining", 0.35 + 0.01 * rng.random(pretrainings), "1", "")
    for name in ("difference", "difference_to_random"):
        results.add(name, NETWORKS[:5], 0.1 * rng.random(shape[:5]), "1", "")
        results.add(f"{name}_half_width", NETWORKS[:5], 0.02 * rng.random(shape[:5]), "1", "")
    return results


def experiment(*, metrics=("el2n",), rules=("hard", "random"), fractions=(0.5, 0.2), num_seeds=4, fine_tuned=True):
    rng = np.random.default_rng(1)
    about = {"weights": "somewhere/vit_small.safetensors", "layers": "head"} if fine_tuned else None
    results = Results("experiment", {"experiment": {"dataset": "cifar10", "fine_tuning": about}})
    results.add("metric", "metric", list(metrics), "", "")
    results.add("pool_size", "pool", [50000], "1", "")
    results.add("rule", "rule", list(rules), "", "")
    results.add("fraction", "fraction", list(fractions), "1", "")
    results.add("seed", "seed", np.arange(num_seeds), "1", "")
    cells, shape = ("metric", "pool", "rule", "fraction"), (len(metrics), 1, len(rules), len(fractions))
    results.add("mean", cells, 0.02 + 0.01 * rng.random(shape), "1", "")
    results.add("standard_error", cells, 0.001 * rng.random(shape), "1", "")
    learned = np.ones((*shape, num_seeds), int)
    learned[0, 0, 0, 1, 0] = 0  # the first rule at the second fraction
    results.add("learned", (*cells, "seed"), learned, "1", "")
    results.add("mean_all", "pool", [0.015], "1", "")
    results.add("standard_error_all", "pool", [0.001], "1", "")
    return results


def bars(axes, label):
    """Points in per cent, and half widths of their intervals."""
    drawn = next(container for container in axes.containers if container.get_label() == label)
    segments = [segment for line in drawn.lines[2] for segment in line.get_segments()]
    half_widths = [np.ptp(segment[:, 1]) / 2 for segment in segments if len(segment)]
    return drawn.lines[0].get_ydata(), half_widths


def crosses(axes, label):
    return [line.get_xydata() for line in axes.lines if line.get_label() == f"{label}: failed"]


def legend_of(figure):
    return figure.subfigs[-1].legends[0]  # of part (b)


def level(axes, label):
    """Of a line across a panel, in per cent."""
    found = {line.get_label(): line for line in axes.lines}
    return found[label].get_ydata()[0] if label in found else None


def test_mean_and_interval_of_what_is_known():
    values = np.array([[1.0, 2.0, np.nan, 6.0], [np.nan] * 4, [3.0, np.nan, np.nan, np.nan]])
    np.testing.assert_allclose(mean_of_known(values), [3, np.nan, 3])
    # of 1, 2, 6: deviation sqrt(7), three values
    expected = stats.t.ppf(0.975, 2) * np.sqrt(7 / 3)
    np.testing.assert_allclose(student_half_width(values), [expected, np.nan, np.nan])


def test_transfer_shows_means_over_pretrainings():
    results = study()
    panels = fig4(results).axes
    assert [axes.get_title() for axes in panels[:4]] == [
        "1,000 target images\nequal steps",
        "1,000 target images\nequal epochs",
        "50,000 target images\nequal steps",
        "50,000 target images\nequal epochs",
    ]
    # all layers above the head, whatever their order in the file; the last panel of the first row
    assert panels[0].get_ylabel() == "all layers fine-tuned\ntest error  (%)"
    assert panels[4].get_ylabel() == "head alone fine-tuned\ntest error  (%)"
    of_pretrainings = results["errors"][3, 1, :, 1, 1, :, :2].mean(axis=-1)
    y, widths = bars(panels[3], "memorization, keep hard")
    np.testing.assert_allclose(y, 100 * of_pretrainings.mean(axis=-1))
    expected = stats.t.ppf(0.975, 2) * of_pretrainings.std(axis=-1, ddof=1) / np.sqrt(3)
    np.testing.assert_allclose(widths, 100 * expected)
    whole = results["errors_all"][1, 1, :, :2].mean()
    assert level(panels[3], "pretrained on all") == pytest.approx(100 * whole)
    assert level(panels[3], "not pretrained") == pytest.approx(100 * results["errors_scratch"][1, :, :2].mean())
    assert level(panels[7], "not pretrained") is None  # whole networks beside heads alone


def test_what_did_not_learn_is_a_cross_at_the_edge():
    figure = fig4(study())
    for axes in figure.axes:
        y, _ = bars(axes, "EL2N, keep hard")
        assert np.isnan(y).tolist() == [True, False]
        at_edge = [line for line in axes.lines if line.get_marker() == "x" and np.all(line.get_ydata() == 0.97)]
        assert len(at_edge) == 1
        assert not crosses(axes, "random")
    assert "EL2N, keep hard: failed" in [text.get_text() for text in legend_of(figure).get_texts()]
    assert legend_of(figure).get_title().get_text().startswith("3 pretrainings,\n2 or 3 fine-tunings of each")


def test_whole_pretrainings_that_failed_are_left_out_and_said():
    results = study()
    results["errors_all"][:, :, 0] = np.nan
    axes = fig4(results).axes[0]
    expected = 100 * results["errors_all"][1, 0, 1:].mean()
    assert level(axes, "pretrained on all (failed left out)") == pytest.approx(expected)
    results["errors_all"][...] = np.nan
    assert level(fig4(results).axes[0], "pretrained on all") is None


def test_errors_of_networks_that_did_not_learn_are_in_no_mean():
    """The file has their errors too: of fine-tunings on all images, from scratch, and on the source."""
    results = study()
    learned = {name: np.ones(results[name].shape, int) for name in ("errors_all", "errors_scratch")}
    learned["errors_all"][1, 0, 2, 0] = learned["errors_scratch"][0, 1, 1] = 0
    results.add("learned_all", NETWORKS[3:], learned["errors_all"], "1", "")
    results.add("learned_scratch", NETWORKS[4:], learned["errors_scratch"], "1", "")
    of_source = np.ones(results["source_errors"].shape, int)
    of_source[1, 0, 1, 0] = 0
    results.add("source_learned", (*NETWORKS[:3], "pretraining"), of_source, "1", "")
    results.add("source_learned_all", "pretraining", [1, 1, 0], "1", "")
    axes = fig4(results).axes[0]
    whole = 100 * results["errors_all"][1, 0, :2].mean()
    assert level(axes, "pretrained on all (failed left out)") == pytest.approx(whole)
    scratch = 100 * results["errors_scratch"][0, [0, 2]].mean()
    assert level(axes, "not pretrained (failed left out)") == pytest.approx(scratch)
    source = transfer_differences(results).axes[8]
    expected = results["source_errors"][1, 0, :, :2] - results["source_errors_all"][:2]
    drawn, _ = bars(source, "EL2N, keep hard")
    np.testing.assert_allclose(drawn, [100 * expected[0].mean(), np.nan])
    assert crosses(source, "EL2N, keep hard")


def test_curves_stay_beside_their_fraction():
    """However many there are: 28, each with its own place, within 0.3 of the way to the next fraction."""
    curves = (("random", "random"), *((f"own-{n}", "hard") for n in range(27)))
    axes = fig4(study(curves=curves, fractions=(0.1, 0.15, 0.9))).axes[0]
    places = np.array([container.lines[0].get_xdata() for container in axes.containers])
    assert np.unique(places[:, 1]).size == 28
    assert np.abs(places[:, 1] - 0.15).max() <= 0.3 * 0.05


@pytest.mark.parametrize("reference", ["all", "random"])
def test_differences_are_those_of_the_file(reference):
    results = study()
    figure = transfer_differences(results, reference)
    assert len(figure.axes) == 2 * 4 + 2
    name = "difference" if reference == "all" else "difference_to_random"
    y, widths = bars(figure.axes[6], "memorization, keep hard")  # head, 50,000 images, equal steps
    np.testing.assert_allclose(y, 100 * results[name][3, 0, :, 0, 1])
    np.testing.assert_allclose(widths, 100 * results[f"{name}_half_width"][3, 0, :, 0, 1])
    drawn = {container.get_label() for container in figure.axes[0].containers}
    assert ("random" in drawn) == (reference == "all")
    # below: the data of the pretraining, paired by its seed
    of_source = figure.axes[9]
    assert of_source.get_title() == "pretraining data\nequal epochs"
    assert of_source.get_ylim()[0] < 0
    source = results["source_errors"]
    differences = source[3, 1] - (results["source_errors_all"] if reference == "all" else source[0, 1])
    y, widths = bars(of_source, "memorization, keep hard")
    np.testing.assert_allclose(y, 100 * differences.mean(axis=-1))
    np.testing.assert_allclose(
        widths, 100 * stats.t.ppf(0.975, 2) * differences.std(axis=-1, ddof=1) / np.sqrt(3), rtol=1e-9
    )


def test_data_sets_go_by_their_names():
    plain = study()
    about = {"source": {"name": "tiny-imagenet"}, "target": {"name": "a name that is far too long"}}
    results = Results(plain.title, about, plain.variables)
    figure = fig4(results)
    assert figure.axes[0].get_title() == "1,000 images of a name that is far...\nequal steps"
    assert legend_of(figure).get_title().get_text().startswith("3 pretrainings on tiny-imagenet,\n")
    assert transfer_differences(results).axes[9].get_title() == "tiny-imagenet\nequal epochs"


def test_axes_of_errors_end_at_zero_and_one_hundred():
    """An interval of two pretrainings may be wider than all errors there are."""
    results = study(pretrainings=2)
    results["errors"][...] = np.nan_to_num(results["errors"], nan=0.3)
    results["errors"][3, ..., 0, :] -= 0.25
    results["errors"][3, ..., 1, :] += 0.25
    for axes in fig4(results).axes:
        low, high = axes.get_ylim()
        assert 0 <= low < 1
        assert 99 < high <= 100


def test_long_names_stay_above_their_panel():
    results = experiment(metrics=("el2n", "a-score-of-somebody-with-a-name"))
    about = {"weights": "there/vit_base_patch16_224.augreg_in21k_ft_in1k.safetensors", "layers": "all"}
    folder = {"dataset": "folder", "path": "there/a-folder-whose-name-is-long", "fine_tuning": about}
    figure = fig4(None, [Results("experiment", {"experiment": folder}, results.variables)])
    figure.savefig(io.BytesIO(), format="png")  # it is laid out
    left, right = (axes.title.get_window_extent() for axes in figure.axes)
    assert left.x1 < right.x0
    assert figure.axes[1].get_title() == (
        "50,000 images of a-folder-who...\nvit_base_patch16_224.aug...\nall layers, a-score-of-somebo..."
    )


def test_nothing_is_compared_with_random_that_failed():
    results = study()
    results["learned"][0, :, 1, :, :, 2] = 0
    y, _ = bars(transfer_differences(results, "random").axes[0], "memorization, keep hard")
    assert np.isnan(y).tolist() == [False, True]


def test_one_point_of_one_pretraining_has_no_interval():
    figure = fig4(study(curves=CURVES[:2], fractions=(0.5,), budgets=("steps",), layers=("all",), pretrainings=1))
    assert [axes.get_title() for axes in figure.axes] == [
        f"{n} target images\nequal steps" for n in ("1,000", "50,000")
    ]
    y, widths = bars(figure.axes[0], "EL2N, keep hard")
    assert y.shape == (1,)
    assert widths == []
    assert legend_of(figure).get_title().get_text() == "one pretraining,\n2 or 3 fine-tunings; no intervals"


def test_fine_tuned_networks_by_file_and_score():
    one, other = experiment(), experiment(metrics=("el2n", "grand"), rules=("hard", "easy"), fractions=(0.1, 0.3, 0.6))
    figure = fig4(None, [one, other])
    titles = [axes.get_title().splitlines() for axes in figure.axes]
    assert titles[0] == ["50,000 images of cifar10", "vit_small", "head alone, EL2N"]
    of_folder = dict(one.config["experiment"], dataset="folder", path="data/birds")
    of_folder["fine_tuning"] = {"weights": "trainings/of-insects/weights.npz"}
    named = fig4(None, [Results("", {"experiment": of_folder}, one.variables)]).axes[0].get_title().splitlines()
    assert named == ["50,000 images of birds", "of-insects", "all layers, EL2N"]
    assert titles[2][-1] == "head alone, GraNd"
    y, widths = bars(figure.axes[0], "random")
    np.testing.assert_allclose(y, 100 * one["mean"][0, 0, 1, ::-1])  # in the order of fractions
    np.testing.assert_allclose(widths, 100 * stats.t.ppf(0.975, 3) * one["standard_error"][0, 0, 1, ::-1])
    assert level(figure.axes[0], "all target images") == pytest.approx(1.5)
    assert np.isnan(bars(figure.axes[0], "keep hard")[0]).tolist() == [True, False]
    assert len(crosses(figure.axes[0], "keep hard")) == 1
    # a rule that a file does not have is no failure
    drawn = [{container.get_label() for container in axes.containers} for axes in figure.axes]
    assert drawn == [{"keep hard", "random"}, {"keep hard", "keep easy"}, {"keep hard", "keep easy"}]
    assert not crosses(figure.axes[1], "random")
    both = fig4(study(), [one])
    assert len(both.axes) == 1 + 8
    assert [text.get_text() for part in both.subfigs for text in part.texts] == ["a", "b"]


def test_scores_differ_in_colour_and_rules_in_line():
    looks = curve_looks([*CURVES, ("own", "hard"), ("el2n", "window@0.5"), ("el2n", "policy@0,0.5/1")])
    assert looks[0] == LOOKS["random"]
    assert looks[1]["color"] == looks[2]["color"] != looks[3]["color"]
    assert [look["linestyle"] for look in looks[1:4]] == ["-", "--", "-"]
    many = curve_looks([(metric, "hard") for metric in ("forgetting", "margin", "el2n", "dual", "own")])
    assert len({look["color"] for look in many}) == 5
    assert many[0]["color"] == curve_looks([("forgetting", "hard")])[0]["color"]
    of_el2n = [looks[n]["linestyle"] for n in (1, 2, 5, 6)]
    assert len(set(map(str, of_el2n))) == 4
    # colour and marker together tell up to 49 scores apart
    of_many = curve_looks([(f"own-{n}", "hard") for n in range(27)] + [(metric, "hard") for metric, _ in CURVES[1:2]])
    assert len({(look["color"], look["marker"]) for look in of_many}) == 28


def test_fig4_refuses_other_results():
    with pytest.raises(ValueError, match="there is nothing to draw"):
        fig4()
    with pytest.raises(ValueError, match="not of fine-tuned networks"):
        fig4(None, [experiment(fine_tuned=False)])
    with pytest.raises(ValueError, match="these results have no 'errors'"):
        fig4(Results("something else"))
    with pytest.raises(ValueError, match=r"reference must be .*'best'"):
        transfer_differences(study(), "best")
    with pytest.raises(ValueError, match="needs random examples"):
        transfer_differences(study(curves=CURVES[1:]), "random")
    turned = Results("turned")
    for name, variable in study().variables.items():
        dims = ("x", *variable.dims[1:]) if name == "errors" else variable.dims
        turned.add(name, dims, variable.values, variable.units, variable.description)
    with pytest.raises(ValueError, match="errors must be over curve, budget, fraction, layers, target, pretraining"):
        fig4(turned)


def test_the_command_draws_what_there_is(tmp_path, capsys):
    transfer, fine_tuned = study().save(tmp_path / "transfer.nc"), experiment().save(tmp_path / "cifar10.nc")
    cli.main(["fig4", "--transfer", str(transfer), "--fine-tuned", str(fine_tuned), "--out", str(tmp_path / "out")])
    names = {path.name for path in (tmp_path / "out").glob("*.png")}
    assert names == {"fig4.png", "fig4-differences.png", "fig4-differences-random.png"}
    assert "fig4-differences.pdf" in capsys.readouterr().out
    assert [path.name for path in draw(tmp_path, ("fig4",))] == ["fig4.pdf", "fig4.png"]  # from its usual name
    plain = experiment(fine_tuned=False).save(tmp_path / "plain.nc")
    for arguments, complaint in (
        (["--transfer", str(fine_tuned)], "cifar10.nc is not a result of the command transfer, but: experiment"),
        (["--fine-tuned", str(transfer)], "transfer.nc is not a result of the command run, but: Transfer of networks"),
        (["--fine-tuned", str(plain)], "plain.nc is of networks that were not fine-tuned"),
        ([], "there is nothing to draw: give --transfer, --fine-tuned or both"),
    ):
        with pytest.raises(SystemExit):
            cli.main(["fig4", *arguments, "--out", str(tmp_path / "out")])
        assert complaint in capsys.readouterr().err

"""Result files of earlier releases are read as they were written, drawn and gone on with.

A folder for each release holds small files of every kind, as its own code wrote them (``python -m release
result-files``).  They are never written anew: if one cannot be read, the reader is wrong.
"""

import io
import json
from dataclasses import replace
from pathlib import Path
from shutil import copy

import numpy as np
import pytest
from scipy.io import netcdf_file

import figures
from data_pruning import KeepHard, Results
from data_pruning.records.settings import from_json
from figures import jobs
from figures.draw.magnitude_pruning import magnitude_pruning
from figures.draw.network_sizes import network_sizes
from figures.draw.nyquist import nyquist
from figures.draw.scaling_laws import scaling_laws
from perceptron_theory import solve
from real_data import Experiment, TrainingRun, error_table, load, load_networks
from real_data.benchmark.judgement import judgement_table
from real_data.benchmark.tables import score_benchmark_table
from real_data.datasets.label_file import relabelled
from real_data.duplicates.report import Duplicates
from real_data.experiments.cells import CellFolder
from real_data.magnitude_pruning.law import law_table
from real_data.scores import Scores
from real_data.selection.kept_list import read_kept
from real_data.studies.error_sources import source_table
from real_data.studies.joint_law_table import joint_law_table
from real_data.subset_trainings.outcomes import SubsetOutcomes
from real_data.transfer.tables import transfer_table
from scaling_laws import LawFit
from simulations.__main__ import validation_table
from simulations.trials.store import Column, TrialStore

RELEASES = sorted(path for path in Path(__file__).parent.iterdir() if path.is_dir() and path.name[0].isdigit())

FORMATS = {"0.1.0": None}  # of files before formats had numbers; since then each file has its own


@pytest.fixture(params=RELEASES, ids=lambda path: path.name)
def release(request):
    return request.param


@pytest.fixture
def first(release):
    """The part of the digits that was scored."""
    data = load("digits")
    parts = {"train_images": 100, "train_labels": 100, "test_images": 40, "test_labels": 40}
    return replace(data, **{name: getattr(data, name)[:number] for name, number in parts.items()})


def test_there_are_files_of_a_release():
    assert "0.1.0" in {path.name for path in RELEASES}


def test_every_file_is_read_and_says_its_format(release):
    files = list(release.rglob("*.nc"))
    assert len(files) >= 45
    for path in files:
        found = Results.load(path)
        assert found.variables
        for name, variable in found.variables.items():
            assert variable.values.size, (path, name)
        with netcdf_file(path, mmap=False) as file:
            written = getattr(file, "format_version", None)
            assert (written == FORMATS[release.name]) if release.name in FORMATS else written >= 1
            if written is not None:
                assert file.written_by.decode() == release.name


def test_theory_has_its_values(release):
    curves = Results.load(release / "theory" / "curves.nc")
    assert curves.config == {"f_min": 0.01, "theta_deg": [0.0, 10.0, 20.0]}
    alpha, f = curves["alpha_prune"][2], curves["f"][0]
    assert curves["error"][1, 0, 0, 2] == pytest.approx(solve(alpha / f, KeepHard(f), np.deg2rad(10)).error, rel=1e-8)
    assert curves["rule"].tolist() == ["hard", "easy"]
    assert curves.variables["theta"].units == "rad"
    law = Results.load(release / "theory" / "joint_law.nc")
    assert np.all(law["gain"] > 0)
    text = validation_table(Results.load(release / "theory" / "validation.nc"))
    assert len(text.splitlines()) == 5


def test_trials_are_gone_on_with(release):
    """A store reads the batches that were saved; its key is the digest of its config, as ever."""
    trials = Results.load(release / "theory" / "trials.nc")
    (folder,) = (release / "theory" / "store").iterdir()
    (file,) = folder.iterdir()
    saved = Results.load(file)
    kinds = {"f": float, "i": int}
    columns = {
        name: Column(v.units, v.description, v.dims[1:], kinds[v.values.dtype.kind])
        for name, v in saved.variables.items()
        if name != "trial"
    }
    store = TrialStore(folder.parent, "students", saved.title, saved.config, columns)
    assert store.path == folder
    found = store.read()
    assert found["trial"].tolist() == [0, 1, 2, 3]
    np.testing.assert_array_equal(found["errors"], trials["errors"])
    assert trials["mean"] == pytest.approx(found["errors"].mean())
    assert np.all(found["gaps"] < 1e-6)


def drawn(figure):
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=30)
    assert content.tell() > 2000
    return [figure]


def test_figures_of_theory_and_simulation_are_drawn(release, tmp_path, monkeypatch):
    monkeypatch.setattr(jobs, "save_figure", lambda figure, _: drawn(figure))
    kept = {path.name for path in (release / "theory").glob("*.nc")}
    for name in kept & set(jobs.FILES.values()):
        copy(release / "theory" / name, tmp_path)
    copy(release / "real-data" / "experiment" / "digits.nc", tmp_path)
    copy(release / "networks" / "transfer.nc", tmp_path)
    copy(release / "real-data" / "fig6.nc", tmp_path)
    names = ("fig1", "fig2", "fig3", "fig4", "fig6", "phase_diagram", "policies", "frontier", "students")
    names += ("label_noise", "probes", "queries", "joint_law")
    assert len(jobs.draw(tmp_path, names)) == len(names)
    assert set(jobs.FILES.values()) <= {path.name for path in tmp_path.glob("*.nc")}  # none of them is forgotten


def test_the_other_figures_are_drawn(release):
    def read(name):
        return Results.load(release / f"{name}.nc")

    benchmark = read("real-data/digits-benchmark")
    for figure in (
        nyquist(read("theory/nyquist")),
        scaling_laws([read(f"laws/{name}") for name in ("extrapolation", "forecast", "benchmark")]),
        network_sizes([read("networks/digits-joint-law")]),
        magnitude_pruning([read("networks/digits-law")]),
        figures.correlations(read("real-data/correlations")),
        figures.learned_rule(read("real-data/learned-rule")),
        figures.rule_benchmark(read("real-data/experiment/digits")),
        figures.benchmark_errors(benchmark),
        figures.transfer_differences(read("networks/transfer")),
    ):
        drawn(figure)


def test_laws_predict_what_they_did(release):
    law = LawFit.load(release / "laws" / "law.nc")
    saved = Results.load(release / "laws" / "law.nc")
    assert law.form == "power+constant"
    n = np.array([1e3, 1e5])
    assert law.parameters == pytest.approx(dict(zip(saved["parameter"].tolist(), saved["value"], strict=True)))
    # 0.02 + 3 n^-0.5, with noise of 1 % on eight points: within five per cent
    np.testing.assert_allclose(law.predict({"n": n}), 0.02 + 3 * n**-0.5, rtol=0.05)


def test_scores_and_what_is_made_from_them(release, first):
    folder = release / "real-data"
    el2n = Scores.load(folder / "digits-el2n.nc", first)
    assert (el2n.metric, el2n.values.shape, len(el2n.seeds)) == ("el2n", (100,), 16)
    assert 0 < el2n.values.min() < el2n.values.max() < np.sqrt(2)
    kept = read_kept(folder / "kept.txt", first).indices
    assert kept.size == 50
    assert np.median(el2n.values[kept]) > np.median(el2n.values)
    influence = Scores.load(folder / "digits-influence-max.nc", first)
    np.testing.assert_allclose(Results.load(folder / "influence-all-16.nc")["influence"][:, 0], influence.values)
    outcomes = SubsetOutcomes.load(sorted(folder.glob("networks-*.nc")))
    assert len(outcomes.seeds) == 16
    np.testing.assert_array_equal(Scores.load(folder / "digits-memorization.nc").seeds, outcomes.seeds)
    duplicates = Duplicates.load(folder / "duplicates" / "duplicates.nc")
    duplicates.check(first)
    assert (
        np.flatnonzero(duplicates.kept).tolist()
        == read_kept(folder / "duplicates" / "kept.txt", first).indices.tolist()
    )
    np.testing.assert_array_equal(relabelled(first, folder / "labels.nc").train_labels, first.train_labels)
    assert "el2n" in judgement_table(Results.load(folder / "digits-judgement.nc"))


def test_experiments_and_their_cells(release):
    folder = release / "real-data" / "experiment"
    results = Results.load(folder / "digits.nc")
    config = from_json(Experiment, results.config["experiment"])
    assert config == from_json(Experiment, json.loads((folder / "digits.json").read_text()))
    assert (config.rules, config.pool_sizes) == (("hard", "window@0.5", "easy", "random"), (200, 400))
    outcomes = CellFolder(folder / "cells").outcomes()
    assert len(outcomes) == 10
    errors = {outcome.error for outcome in outcomes.values()}
    assert errors == {*results["errors"][0, 0].ravel().tolist(), *results["errors_all"][0].tolist()}
    assert "hard" in error_table(results)
    assert "el2n" in score_benchmark_table(Results.load(release / "real-data" / "digits-benchmark.nc"))


def test_networks_and_their_laws(release, tmp_path):
    folder = release / "networks"
    assert "additive" in joint_law_table(Results.load(folder / "digits-joint-law.nc"))
    assert "width" in source_table(Results.load(folder / "digits-error-sources.nc"))
    law = Results.load(folder / "digits-law.nc")
    assert "gamma" in law_table(law)
    measured = Results.load(folder / "digits-magnitude-pruning.nc")
    np.testing.assert_array_equal(measured["errors"][0], Results.load(folder / "rounds-of-one-size.nc")["errors"])
    assert "hard" in transfer_table(Results.load(folder / "transfer.nc"))
    for name in ("settings.json", "data.json", "weights.npz", "result.nc"):
        copy(folder / f"run-{name}", tmp_path / name)
    assert from_json(TrainingRun, json.loads((tmp_path / "settings.json").read_text())).seeds == (0,)
    networks = load_networks(tmp_path)
    data = load("digits")
    logits = networks.logits(data.test_images)[0]
    wrong = np.mean(np.argmax(logits, axis=-1) != data.test_labels)
    assert wrong == pytest.approx(Results.load(tmp_path / "result.nc")["errors"][0], abs=0.01)

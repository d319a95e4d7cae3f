"""The page of the theory without a browser: what is asked, answered, drawn, said and downloaded."""

import csv
import json
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest

from data_pruning import Results

pytest.importorskip("dash", reason="the extra explore has it")

from figures.explorer import plots, theory_page, theory_simulation, words
from figures.explorer.answers import ANSWERS, TakesLongerError
from figures.explorer.application import Page, application, parse_link
from figures.explorer.controls import judge, texts_of
from figures.explorer.downloads import csv_of, netcdf_of
from figures.explorer.question import Question
from figures.explorer.server import open_server
from figures.explorer.theory_answers import VIEWS, answered


def asked(view="curves", detail="quick", points=(), **texts):
    return {"texts": texts_of(texts), "view": view, "detail": detail, "points": list(points), "rank": 3}


def test_a_bad_text_is_complained_about_where_it_stands():
    texts = texts_of({"f": "3", "theta_deg": "north", "rule": "window@2"})
    question, complaints = judge(texts)
    assert question is None
    assert complaints["f"] == "f, the fraction kept, must lie in [0.0001, 1], got 3"
    assert complaints["theta_deg"] == "theta_deg must be a number, got 'north'"
    assert "P must lie in [0, 1]" in complaints["rule"]
    assert set(complaints) == {"f", "theta_deg", "rule"}
    assert judge(texts_of({})).question == Question()
    assert judge(texts_of({"rule": "hard+weighted"})).complaints.keys() == {"rule"}
    assert judge(texts_of({"rule": "hard+weighted", "student": "square"})).question is not None
    for strange in ("nan", "inf", "", "1e999", "٣x", "<b>"):
        assert "alpha_tot" in judge(texts_of({"alpha_tot": strange})).complaints


def test_what_is_bad_has_no_picture_and_no_exception():
    answer = answered(asked(f="-1"))
    assert answer["state"] == "bad"
    assert "figure" not in answer
    assert answer["rank"] == 3


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_is_drawn_without_what_json_lacks(view):
    answer = answered(asked(view, alpha_tot="20", f="0.2"))
    assert answer["state"] == "fine"
    json.dumps(answer["figure"], allow_nan=False)
    assert answer["figure"]["data"]
    assert [trace for trace in answer["figure"]["data"] if "hovertemplate" in trace]
    assert len(answer["tiles"]) == 4


def test_a_question_without_an_answer_says_why():
    answer = answered(asked("margins", "full", seen="0.5", student="square"))
    assert answer["state"] == "none"
    assert answer["note"].startswith("Margins are there for students that see all features")
    separable = answered(asked("margins", alpha_tot="50", flip_probability="0.1"))
    assert separable["state"] == "none"
    assert separable["tiles"] == []
    assert "separable" in separable["sentence"]


def test_what_takes_longer_comes_in_full_detail(monkeypatch):
    def slowly(question, detail):
        raise TakesLongerError("curves take longer than a moment")

    monkeypatch.setitem(ANSWERS, "curves", slowly)
    assert answered(asked())["state"] == "later"
    assert answered(asked(detail="full"))["state"] == "none"  # nothing comes any more


def test_errors_that_are_tiny_are_within_the_axes_and_said_plainly():
    answer = answered(asked("curves", "full", alpha_tot="1e5", f="1"))
    here = answer["figure"]["data"][-1]
    low, high = answer["figure"]["layout"]["yaxis"]["range"]
    assert here["name"] == "this point"
    assert low < np.log10(here["y"][0]) < high
    assert answer["sentence"].startswith("Of 100000 examples per parameter 100000 are kept.")


def test_complaints_become_sentences():
    assert words.said(ValueError("f must be below 1")) == "f must be below 1."
    assert words.said(ValueError("there is none.")) == "There is none."


def test_simulated_points_are_drawn_where_the_rest_of_the_question_is_the_same():
    question = Question(alpha_tot=5.0)
    point = {"query": question.to_query(), "num_features": 50, "done": 8, "mean": 0.25, "standard_error": 0.01}
    point |= {"worst_gap": 1e-12, "key": "k"}
    found = ANSWERS["curves"](Question(), "quick")

    def drawn(question):
        data = plots.curves(question, found, [point])["data"]
        return [trace for trace in data if trace["name"] == "simulation"]

    (trace,) = drawn(Question())
    assert trace["x"] == [5.0]
    assert trace["y"] == [25.0]
    assert trace["error_y"]["array"] == [1.0]
    assert "1e-12" in trace["text"][0]
    assert drawn(replace(Question(), lam=3.0))  # which the max-margin student has not
    for other in ({"f": 0.2}, {"rule": "easy"}, {"theta_deg": 3.0}, {"student": "square"}):
        assert not drawn(replace(Question(), **other))


def test_numbers_of_the_simulation_are_checked():
    assert theory_simulation.settings_of(theory_simulation.DEFAULTS) == {
        "num_features": 200,
        "num_trials": 40,
        "seed": 0,
    }
    for name, text in (("num_features", "5"), ("num_trials", "1.5"), ("seed", "-1"), ("seed", None)):
        with pytest.raises(ValueError, match=f"{name} must be"):
            theory_simulation.settings_of({**theory_simulation.DEFAULTS, name: text})
    with pytest.raises(ValueError, match="f, the fraction kept"):
        theory_simulation.begin({"f": "7"}, theory_simulation.DEFAULTS)
    running = {"key": "none", "query": Question().to_query(), "num_features": 200}
    assert "not known any more" in theory_simulation.tick(running, [])[-1]


def test_a_server_that_ends_leaves_no_trials_behind(tmp_path, monkeypatch):
    theory_simulation.end()  # what other tests of this process left
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    numbers = {"num_features": "10", "num_trials": "2", "seed": "77"}
    running = theory_simulation.begin(texts_of({"alpha_tot": "3"}), numbers)
    deadline = time.monotonic() + 60
    while not (found := theory_simulation.tick(running, []))[2]:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    (point,) = found[1]
    assert point["done"] == 2
    assert list(tmp_path.iterdir())
    theory_simulation.end()
    assert list(tmp_path.iterdir()) == []


def test_files_hold_the_answer(tmp_path):
    found = ANSWERS["phase_diagram"](Question(), "quick")
    (tmp_path / "a.nc").write_bytes(netcdf_of(found))
    back = Results.load(tmp_path / "a.nc")
    np.testing.assert_array_equal(back["error"], found["error"])
    assert back.config == found.config
    rows = list(csv.DictReader(line for line in csv_of(found).splitlines() if not line.startswith("#")))
    errors = [row for row in rows if row["variable"] == "error"]
    assert len(errors) == found["error"].size
    last = errors[-1]
    assert float(last["value"]) == found["error"][int(last["i"]), int(last["j"]), int(last["k"])]
    assert theory_page.download("csv", None) is not None  # nothing is sent before there is an answer


def test_pages_have_different_paths():
    page = Page("/", "One", lambda link: None, lambda app: None)
    for pages in ([], [page, page], [replace(page, path="/x")]):
        with pytest.raises(ValueError, match="different paths"):
            application(pages)
    assert parse_link("?a=1&b=") == {"a": "1", "b": ""}
    assert parse_link(None) == {}


def test_other_names_and_other_sites_are_refused():
    client = application([Page("/", "One", lambda link: None, lambda app: None)]).server.test_client()
    own = "http://127.0.0.1:8000"
    assert client.get("/", base_url=own).status_code == 200
    assert client.get("/", base_url=own, headers={"Origin": own}).status_code == 200
    assert client.get("/", base_url="http://localhost:8000").status_code == 200
    assert client.get("/", base_url="http://evil.example:8000").status_code == 403  # a name that points here
    for origin in ("http://evil.example", "http://127.0.0.1:9000", "null"):
        assert client.get("/", base_url=own, headers={"Origin": origin}).status_code == 403


def test_a_taken_port_is_said():
    pages = [Page("/", "One", lambda link: None, lambda app: None)]
    server = open_server(pages)
    try:
        assert server.host == "127.0.0.1"
        with pytest.raises(ValueError, match=f"port must be free, but {server.port} is taken"):
            open_server(pages, server.port)
    finally:
        server.server_close()
    with pytest.raises(ValueError, match="port must be"):
        open_server(pages, 2**16)


def test_the_command_line_loads_neither_the_page_nor_jax():
    program = "import sys, figures.__main__; print([m for m in ('jax', 'dash', 'flask') if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"

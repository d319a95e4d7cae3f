"""The page of the theory in a real browser: controls, bad values, tabs, links, files, simulation, Ctrl-C."""

import json
import os
import re
import runpy
import signal
import subprocess
import sys
import time
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest

pytest.importorskip("dash", reason="the extra explore has it")

from plotly.io.json import to_json_plotly

from data_pruning import Results
from figures.explorer import theory_page
from figures.explorer.answers import ANSWERS
from figures.explorer.application import Page
from figures.explorer.question import Question
from tests.figures.browser import chromium, open_tab, served  # noqa: F401  (fixtures)

SOON = 60_000  # milliseconds: programs are compiled for some answers


@pytest.fixture(scope="module")
def address(chromium):  # noqa: F811
    other = Page("/other", "Other", lambda link: "the other page", lambda app: None)
    with served([theory_page.page(), other]) as found:
        yield found


def wait_for_link(tab, **wanted):
    """Until the link says so: then the answer is there, and nothing newer is asked for."""
    tab.wait_for_function(
        "wanted => Object.entries(wanted).every(([name, text]) => "
        "new URLSearchParams(window.location.search).get(name) === text)",
        arg=wanted,
        timeout=SOON,
    )


def link_of(tab):
    return {name: values[0] for name, values in parse_qs(urlsplit(tab.url).query).items()}


def slide(tab, name, value):
    """Move a slider there; the browser says so as after a drag."""
    tab.locator(f"#theory-{name}").evaluate(
        """(slider, value) => {
          Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, "value").set.call(slider, value);
          slider.dispatchEvent(new Event("input", { bubbles: true }));
        }""",
        value,
    )


def choose(tab, name):
    tab.locator(f"#theory-view input[value={name}]").check(force=True)


def said(tab, name):
    return tab.locator(f"#theory-{name}").inner_text()


def test_every_control_moves_the_answer(address, open_tab):  # noqa: F811
    from playwright.sync_api import expect

    tab = open_tab(address)
    wait_for_link(tab, alpha_tot="10.0", view="curves")
    expect(tab.locator("#theory-tiles .of-chosen .tile-number")).to_have_text("14.3 %")
    for name, place, text in (
        ("alpha_tot", "0.3", "2.0"),
        ("f", "0.5", "0.5"),
        ("theta_deg", "30", "30.0"),
        ("flip_probability", "0.1", "0.1"),
        ("seen", "0.5", "0.5"),
    ):
        slide(tab, f"{name}-slider", place)
        wait_for_link(tab, **{name: text})
    slide(tab, "alpha_tot-slider", "-1")
    wait_for_link(tab, alpha_tot="0.1")
    tab.fill("#theory-seen", "1")
    tab.fill("#theory-flip_probability", "0")
    tab.get_by_label("square", exact=True).check()
    wait_for_link(tab, student="square", seen="1.0", flip_probability="0.0")
    slide(tab, "lam-slider", "0")
    wait_for_link(tab, lam="1.0")
    tab.locator("#theory-rule-kind").click()
    tab.get_by_role("option", name="window of ranks").click()
    wait_for_link(tab, rule="window@0.25")
    slide(tab, "rule-slider", "0.5")
    wait_for_link(tab, rule="window@0.5")
    tab.fill("#theory-rule-power", "1")
    wait_for_link(tab, rule="window@0.5+weighted@1")
    sentence = said(tab, "sentence")
    assert sentence.startswith("Of 0.1 examples per parameter 0.05 are kept. The square student errs on"), sentence
    for view in ("frontier", "phase_diagram", "margins", "best_rule"):
        choose(tab, view)
        wait_for_link(tab, view=view)
    tab.locator("#explorer-appearance").click()
    assert tab.locator("html").get_attribute("data-appearance") in ("light", "dark")


def test_bad_values_are_complained_about_and_the_picture_stays(address, open_tab):  # noqa: F811
    from playwright.sync_api import expect

    tab = open_tab(f"{address}/?alpha_tot=10")
    wait_for_link(tab, alpha_tot="10.0")
    number = tab.locator("#theory-tiles .of-chosen .tile-number").inner_text()
    link = tab.url
    for name, text, words in (
        ("f", "3", "f, the fraction kept, must lie in [0.0001, 1], got 3"),
        ("f", "", "f must be a number, got ''"),
        ("theta_deg", "north", "theta_deg must be a number, got 'north'"),
        ("alpha_tot", "-5", "alpha_tot must lie in"),
        ("flip_probability", "0.5", "flip_probability must lie in [0, 0.5), got 0.5"),
        ("seen", "<b>1</b>", "seen must be a number"),
    ):
        before = tab.input_value(f"#theory-{name}")
        tab.fill(f"#theory-{name}", text)
        expect(tab.locator(f"#theory-{name}-complaint")).to_contain_text(words)
        expect(tab.locator(f"#theory-{name}")).to_have_attribute("aria-invalid", "true")
        expect(tab.locator("#theory-panel")).to_have_class(re.compile("stale"))
        tab.fill(f"#theory-{name}", before)
        expect(tab.locator(f"#theory-{name}-complaint")).to_be_empty()
        expect(tab.locator("#theory-panel")).not_to_have_class(re.compile("stale"))
    assert tab.locator("#theory-tiles .of-chosen .tile-number").inner_text() == number
    assert tab.url == link
    expect(tab.locator("#explorer-fault")).to_be_empty()
    strange = open_tab(f"{address}/?alpha_tot=much&rule=softly&view=none")
    expect(strange.locator("#theory-alpha_tot-complaint")).to_contain_text("alpha_tot must be a number, got 'much'")
    expect(strange.locator("#theory-rule-complaint")).to_contain_text("got 'softly'")
    expect(strange.locator("#theory-note")).to_contain_text("while a control says what is wrong")


def test_a_slider_that_is_held_is_not_asked_about_in_full(address, open_tab):  # noqa: F811
    tab = open_tab(f"{address}/?alpha_tot=9")
    wait_for_link(tab, alpha_tot="9.0")
    tab.wait_for_function("document.getElementById('theory-code').textContent", timeout=SOON)
    full = []
    tab.on("request", lambda request: full.append('"full"' in (request.post_data or "")))
    tab.locator("#theory-alpha_tot").focus()  # which the slider takes away
    place = tab.locator("#theory-f-slider").bounding_box()
    tab.mouse.move(place["x"] + 0.3 * place["width"], place["y"] + place["height"] / 2)
    tab.mouse.down()
    tab.mouse.move(place["x"] + 0.6 * place["width"], place["y"] + place["height"] / 2)
    tab.wait_for_function("Number(document.getElementById('theory-f').value) > 0.5")
    tab.get_by_text("Of 9 examples per parameter 5.").wait_for()  # the quick answer
    tab.wait_for_timeout(1000)
    assert full
    assert not any(full)
    tab.mouse.up()
    tab.wait_for_function("new URLSearchParams(window.location.search).get('f') > '0.5'", timeout=SOON)
    assert any(full)


def test_two_tabs_links_and_back(address, open_tab):  # noqa: F811
    one, other = open_tab(address), open_tab(f"{address}/?alpha_tot=50&f=0.1&rule=window@0.2&view=best_rule")
    wait_for_link(one, alpha_tot="10.0")
    wait_for_link(other, alpha_tot="50.0", view="best_rule")
    one.fill("#theory-alpha_tot", "7")
    other.fill("#theory-f", "0.15")
    wait_for_link(one, alpha_tot="7.0", f="0.3")
    wait_for_link(other, alpha_tot="50.0", f="0.15", rule="window@0.2")
    assert "7 examples per parameter" in said(one, "sentence")
    assert "50 examples per parameter" in said(other, "sentence")
    other.reload()
    wait_for_link(other, alpha_tot="50.0", f="0.15", rule="window@0.2", view="best_rule")
    assert other.input_value("#theory-f") == "0.15"
    assert other.input_value("#theory-rule-number") == "0.2"
    one.go_back()
    wait_for_link(one, alpha_tot="10.0")
    one.wait_for_function("document.getElementById('theory-alpha_tot').value === '10.0'")
    one.go_forward()
    one.wait_for_function("document.getElementById('theory-alpha_tot').value === '7.0'")
    one.get_by_role("link", name="Other").click()
    one.get_by_text("the other page").wait_for()
    one.go_back()
    one.wait_for_function("document.getElementById('theory-alpha_tot')?.value === '7.0'")
    one.context.grant_permissions(["clipboard-read", "clipboard-write"])
    wait_for_link(one, alpha_tot="7.0")
    one.click("#theory-copy")
    one.get_by_text("Link copied").wait_for()
    assert one.evaluate("navigator.clipboard.readText()") == one.url


def test_a_late_answer_does_not_take_the_place_of_a_newer_one(address, open_tab):  # noqa: F811
    tab = open_tab(f"{address}/?alpha_tot=9&view=margins")
    wait_for_link(tab, alpha_tot="9.0")
    tab.fill("#theory-alpha_tot", "8")
    wait_for_link(tab, alpha_tot="8.0")
    # the full one is there: Dash loses what is set while an answer is on its way
    tab.wait_for_function("document.getElementById('theory-code').textContent.includes('(8.0, keep')", timeout=SOON)
    late = theory_page.answered({"texts": {"alpha_tot": "9"}, "view": "margins", "detail": "full", "rank": 1})
    late = json.loads(to_json_plotly(late | {"rank": 1}))
    tab.evaluate("late => window.dash_clientside.set_props('theory-arrived-full', { data: late })", late)
    tab.wait_for_timeout(500)
    assert said(tab, "sentence").startswith("Of 8 examples per parameter")
    late["rank"] = 1000
    tab.evaluate("late => window.dash_clientside.set_props('theory-arrived-full', { data: late })", late)
    tab.get_by_text("Of 9 examples per parameter").wait_for()


def test_a_click_on_the_phase_diagram_goes_there(address, open_tab):  # noqa: F811
    tab = open_tab(f"{address}/?view=phase_diagram")
    wait_for_link(tab, view="phase_diagram")
    tab.wait_for_timeout(1000)
    place = tab.locator("#theory-graph .nsewdrag").first.bounding_box()
    tab.mouse.move(place["x"] + 0.75 * place["width"], place["y"] + 0.3 * place["height"])
    tab.wait_for_timeout(300)
    tab.mouse.click(place["x"] + 0.75 * place["width"], place["y"] + 0.3 * place["height"])
    tab.wait_for_function("Number(document.getElementById('theory-alpha_tot').value) > 50")
    tab.wait_for_function("Number(new URLSearchParams(window.location.search).get('alpha_tot')) > 50", timeout=SOON)
    assert 50 < float(link_of(tab)["alpha_tot"]) < 500
    assert 0.2 < float(link_of(tab)["f"]) < 0.6


def test_files_hold_what_is_shown(address, open_tab, tmp_path, capsys):  # noqa: F811
    tab = open_tab(f"{address}/?alpha_tot=12&view=margins")
    wait_for_link(tab, alpha_tot="12.0", view="margins")
    for suffix in ("nc", "csv", "py"):
        with tab.expect_download(timeout=SOON) as got:
            tab.click(f"#theory-get-{suffix}")
        assert got.value.suggested_filename == f"margins.{suffix}"
        got.value.save_as(tmp_path / f"margins.{suffix}")
    found, wanted = Results.load(tmp_path / "margins.nc"), ANSWERS["margins"](Question(alpha_tot=12.0))
    assert found.config == wanted.config
    np.testing.assert_array_equal(found["kept"], wanted["kept"])
    assert f"kept,7,,,{float(wanted['kept'][7])!r}" in (tmp_path / "margins.csv").read_text().splitlines()
    runpy.run_path(str(tmp_path / "margins.py"))
    assert f"{float(wanted['kept'][100])!r}" in capsys.readouterr().out
    tab.fill("#theory-seen", "0.5")
    wait_for_link(tab, seen="0.5")
    tab.click("#theory-get-csv")
    tab.get_by_text("There is nothing to download: margins are there for students that see all").wait_for()


def test_a_simulation_is_drawn_and_another_cancelled(address, open_tab):  # noqa: F811
    from playwright.sync_api import expect

    tab = open_tab(f"{address}/?alpha_tot=4&num_features=30&num_trials=20")
    wait_for_link(tab, alpha_tot="4.0")
    tab.click("#theory-start")
    expect(tab.locator("#theory-trials-said")).to_contain_text("20 of 20 trials: error", timeout=SOON)
    expect(tab.locator("#theory-trials-said")).to_contain_text("worst optimality gap")
    expect(tab.locator("#theory-graph .legendtext", has_text="simulation")).to_have_count(1, timeout=SOON)
    tab.fill("#theory-num_trials", "many")
    tab.click("#theory-start")
    expect(tab.locator("#theory-trials-complaint")).to_contain_text("num_trials must be a whole number")
    tab.fill("#theory-num_trials", "10000")
    tab.fill("#theory-num_features", "200")
    tab.click("#theory-start")
    expect(tab.locator("#theory-cancel")).to_be_enabled(timeout=SOON)
    tab.click("#theory-cancel")
    expect(tab.locator("#theory-trials-said")).to_contain_text("cancelled", timeout=SOON)
    expect(tab.locator("#theory-start")).to_be_enabled()
    tab.click("#theory-clear")
    expect(tab.locator("#theory-graph .legendtext", has_text="simulation")).to_have_count(0, timeout=SOON)


# shells start programs in the background with Ctrl-C ignored, and so may whoever runs these tests
LISTENS = """
import signal
from figures.__main__ import main

signal.signal(signal.SIGINT, signal.default_int_handler)
main()
"""


@pytest.mark.skipif(os.name == "nt", reason="Ctrl-C is a signal")
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_control_c_and_kill_end_the_server_at_once(sent):
    command = [sys.executable, "-c", LISTENS, "explore", "--no-browser"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as server:
        try:
            assert re.fullmatch(r"explorer at http://127\.0\.0\.1:\d+/ .*\n", server.stdout.readline())
            time.sleep(1)  # the warm-up has begun
            server.send_signal(sent)
            _, complaint = server.communicate(timeout=30)
        finally:
            server.kill()  # nobody waits for ever
    assert server.returncode == 130
    assert complaint == "\nInterrupted. The explorer has ended.\n"

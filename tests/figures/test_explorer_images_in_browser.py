"""The page of real data in a real browser: every control moved, bad values typed, two tabs, the kept list compared."""

import re
import shlex
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest

from figures.explorer.application import Page
from figures.explorer.images.collection import CollectionOptions, load_collection
from figures.explorer.images.kept import kept_images, kept_list
from figures.explorer.images.ranking import ranking
from figures.explorer.images.view import Choice
from real_data import DuplicateConfig, Scores, find_duplicates, load
from real_data.__main__ import cli
from tests.figures.browser import chromium, open_tab, served  # noqa: F401  (fixtures)

SOON = 30_000  # milliseconds


@pytest.fixture(scope="module")
def collection(tmp_path_factory):
    folder, data = tmp_path_factory.mktemp("shown"), load("digits")
    files = []
    for seed, metric in enumerate(("el2n", "margin", "aum")):
        values = np.round(np.random.default_rng(seed).gamma(1.0, 0.2, 1200), 3)
        files.append(Scores(metric, values, "digits", data.train_fingerprint).save(folder / f"{metric}.nc"))
    find_duplicates(data, DuplicateConfig(flag=20)).save(folder, data)
    return load_collection(CollectionOptions(tuple(files), duplicates=folder))


def pages(collection):
    from dash import html

    from figures.explorer import images_page

    return [Page("/", "Theory", lambda link: html.P("theory"), lambda app: None), images_page.page(collection)]


@pytest.fixture(scope="module")
def address(collection, chromium):  # noqa: F811
    with served(pages(collection)) as found:
        yield f"{found}/images"


@pytest.fixture(scope="module")
def without_files(chromium):  # noqa: F811
    with served(pages(None)) as found:  # which outlives the tabs
        yield f"{found}/images"


def text(tab, name):
    return tab.locator(f"#images-{name}").inner_text()


def wait_for(tab, name, words):
    from playwright.sync_api import expect

    expect(tab.locator(f"#images-{name}")).to_contain_text(words, timeout=SOON)


def type_into(tab, name, words):
    tab.locator(f"input#images-{name}").fill(words)
    tab.locator(f"input#images-{name}").press("Enter")


def choose(tab, name, words):
    tab.locator(f"#images-{name}").click()
    tab.get_by_role("option").filter(has_text=re.compile(rf"^\s*{re.escape(words)}")).first.click()


def go_to(tab, sheet):
    tab.locator("#images-tab").get_by_text(sheet, exact=True).click()


def tiles(tab, place):
    return [
        int(one)
        for one in tab.locator(f"#images-{place} [data-image]").evaluate_all("e => e.map(t => t.dataset.image)")
    ]


def query(tab):
    return {name: values[0] for name, values in parse_qs(urlsplit(tab.url).query).items()}


def wait_for_link(tab, /, **values):
    tab.wait_for_function(
        "wanted => Object.entries(wanted).every(([k, v]) => (new URL(location)).searchParams.get(k) === v)",
        arg=values,
        timeout=SOON,
    )


def no_broken_pictures(tab):
    tab.wait_for_function("[...document.querySelectorAll('.images-picture')].every(i => i.complete)")
    return tab.locator(".images-picture").evaluate_all("e => e.every(i => i.naturalWidth > 0)")


def test_every_control_of_the_rule_changes_what_is_kept(collection, open_tab, address):  # noqa: F811
    tab = open_tab(address)
    wait_for(tab, "summary", "600 of 1,200 images kept")
    type_into(tab, "fraction", "0.3")
    wait_for(tab, "summary", "360 of 1,200 images kept")
    choose(tab, "kind", "coverage")
    wait_for_link(tab, rule="coverage@0.1")
    type_into(tab, "number", "0.2")
    type_into(tab, "share", "0.25")
    type_into(tab, "seed", "7")
    type_into(tab, "power", "0.5")
    choose(tab, "score", "margin")
    tab.get_by_label("drop duplicates first").check()
    wait_for_link(tab, among="1", score="margin", seed="7", rule="coverage@0.2+weighted@0.5")
    wait_for(tab, "summary", "candidates kept, weights")
    wanted = {
        "score": "margin",
        "rule": "coverage@0.2+weighted@0.5",
        "f": "0.3",
        "min_class_share": "0.25",
        "seed": "7",
    }
    assert query(tab) == wanted | {"among": "1", "other": "margin"}
    choice = Choice("margin", "coverage@0.2+weighted@0.5", 0.3, 0.25, 7, True)
    assert text(tab, "summary").startswith(f"{kept_images(collection, choice).indices.size} of")
    tab.locator("#images-fraction-slider [role=slider]").press("ArrowRight")
    wait_for_link(tab, f="0.31")
    tab.locator("#images-share-slider [role=slider]").press("Home")
    wait_for_link(tab, min_class_share="0.0")
    assert tab.locator("input#images-share").input_value() == "0"
    for label, kind in (
        ("easy", "easy"),
        ("soft", "proportional@1"),
        ("policy", "policy@0,0.2,1/1,0.2"),
        ("mix", "mix@0.5"),
    ):
        choose(tab, "kind", label)  # each has its usual number
        wait_for_link(tab, rule=f"{kind}+weighted@0.5")
        assert text(tab, "complaint") == ""
    type_into(tab, "power", "")
    choose(tab, "kind", "window")
    wait_for_link(tab, rule="window@0.25")
    choose(tab, "kind", "random")
    wait_for_link(tab, rule="random")


def test_labels_lead_to_their_controls(open_tab, address):  # noqa: F811
    tab = open_tab(address)
    wait_for(tab, "summary", "600 of 1,200 images kept")
    for name, place in (("Fraction kept", "fraction"), ("Least share of a class", "share"), ("Seed", "seed")):
        assert tab.get_by_label(name, exact=True).get_attribute("id") == f"images-{place}"
    lost = "[...document.querySelectorAll('.images-controls .control > label')].filter(l => !l.control).length"
    assert tab.evaluate(lost) == 0


def test_the_list_that_is_downloaded_is_the_one_that_prune_writes(collection, open_tab, address, tmp_path):  # noqa: F811
    tab = open_tab(f"{address}?rule=proportional@1%2Bweighted@1&f=0.25&min_class_share=0.5&seed=3&score=aum&tab=rule")
    wait_for(tab, "summary", "300 of 1,200 images kept")
    with tab.expect_download() as download:
        tab.get_by_role("button", name="Kept images").click()
    assert download.value.suggested_filename == "kept.txt"
    download.value.save_as(tmp_path / "from-page.txt")
    command = shlex.split(text(tab, "command"))
    command[command.index("kept.txt")] = str(tmp_path / "from-command.txt")
    cli.main(command[3:])
    found = (tmp_path / "from-page.txt").read_bytes()
    assert found == (tmp_path / "from-command.txt").read_bytes()
    assert found == kept_list(collection, Choice("aum", "proportional@1+weighted@1", 0.25, 0.5, 3))
    with tab.expect_download() as download:
        tab.get_by_role("button", name="Classes", exact=True).click()
    assert download.value.path().read_text().startswith("label,class,images,kept,share_kept")
    assert tab.get_by_role("button", name="Their names").is_hidden()
    assert "Scores.load(" in text(tab, "python")


def test_images_are_walked_through_from_hardest_to_easiest(collection, open_tab, address):  # noqa: F811
    tab = open_tab(f"{address}?tab=gallery")
    order = ranking(collection, "el2n", 0).order
    wait_for(tab, "gallery-said", "1 to 60 of 1,200 images: ranks 1 to 60")
    assert tiles(tab, "gallery") == order[:60].tolist()
    tab.get_by_role("button", name="easier ▶").click()
    wait_for(tab, "gallery-said", "61 to 120")
    assert tiles(tab, "gallery") == order[60:120].tolist()
    assert tab.locator("input#images-rank-typed").input_value() == "61"
    tab.get_by_role("button", name="◀ harder").click()
    wait_for(tab, "gallery-said", "1 to 60")
    tab.get_by_role("button", name="easiest", exact=True).click()
    wait_for(tab, "gallery-said", "ranks 1,200 to 1,200")
    tab.get_by_role("button", name="hardest", exact=True).click()
    wait_for(tab, "gallery-said", "1 to 60")
    type_into(tab, "rank-typed", "1,000")
    wait_for(tab, "gallery-said", "ranks 1,000 to 1,059")
    tab.locator("#images-place [role=slider]").press("Home")
    wait_for(tab, "gallery-said", "1 to 60")
    choose(tab, "class", "3")
    tab.get_by_label("dropped", exact=True).check()
    wait_for(tab, "gallery-said", "dropped images of 3")
    kept = kept_images(collection, Choice("el2n"))
    shown = tiles(tab, "gallery")
    assert shown == [i for i in order if collection.dataset.train_labels[i] == 3 and not kept.mask[i]][: len(shown)]
    assert tab.locator("#images-gallery .is-kept").count() == 0
    assert no_broken_pictures(tab)
    first = tab.locator("#images-gallery [data-image]").first
    first.hover()
    said = tab.locator("#images-tip")
    assert f"image: {shown[0]}\nclass: 3\nel2n:" in said.inner_text()
    assert "margin:" in said.inner_text()
    first.click()
    wait_for(tab, "close-up", f"{shown[0]}")
    wait_for_link(tab, image=str(shown[0]), tab="gallery", shown="dropped")
    tab.locator("#images-close").click()
    tab.locator("#images-close-up-box").wait_for(state="hidden")


def test_kept_and_dropped_stand_side_by_side(collection, open_tab, address):  # noqa: F811
    tab = open_tab(f"{address}?tab=rule&f=0.3&min_class_share=0")
    wait_for(tab, "kept-said", "360 kept")
    wait_for(tab, "dropped-said", "840 dropped")
    order = ranking(collection, "el2n", 0).order
    assert tiles(tab, "kept") == order[:24].tolist()
    assert tiles(tab, "dropped") == order[360:384].tolist()
    tab.get_by_role("button", name="easier ▶").click()
    tab.wait_for_function(
        "i => document.querySelector('#images-kept [data-image]').dataset.image === i", arg=str(order[24])
    )
    assert tab.locator("#images-class-table tbody tr").count() == 10
    assert tab.locator("#images-by-class .bars path").count() == 10
    assert tab.locator("#images-by-rank .bars path").count() == 50
    assert no_broken_pictures(tab)
    go_to(tab, "Scores")
    tab.locator("#images-histogram .bars path").first.wait_for(state="attached")
    tab.get_by_label("log", exact=True).check()
    wait_for_link(tab, scale="log")
    tab.locator("#images-histogram .js-line").first.wait_for(state="attached")
    assert tab.locator("#images-class-histograms .hm image").count() == 1


def test_two_scores_and_an_image_of_theirs(open_tab, address):  # noqa: F811
    tab = open_tab(f"{address}?tab=agreement&score=aum")
    wait_for(tab, "agreement-said", "aum and el2n: Spearman's rank correlation")
    choose(tab, "other", "margin")
    wait_for(tab, "agreement-said", "aum and margin")
    tab.get_by_label("scores", exact=True).check()
    wait_for_link(tab, other="margin", axes="score")
    assert tab.locator("#images-correlations tbody tr").count() == 3
    point = tab.locator("#images-agreement .points path").nth(40)
    point.hover(force=True)
    point.click(force=True)
    wait_for(tab, "close-up", "kept by the rule")
    tab.wait_for_function("() => /^[0-9]+$/.test((new URL(location)).searchParams.get('image'))")
    assert no_broken_pictures(tab)


def test_many_images_are_cells_whose_images_a_click_shows(open_tab, address, monkeypatch):  # noqa: F811
    monkeypatch.setattr("figures.explorer.images_page_answers.FEW", 100)  # the server is a thread of this process
    tab = open_tab(f"{address}?tab=agreement&axes=score")
    tab.locator("#images-agreement .hm image").wait_for()
    wait_for(tab, "cell-said", "Click into the picture")
    tab.locator("#images-outliers [data-image]").first.wait_for()  # beside it, and taller
    tab.wait_for_timeout(500)
    assert tab.locator("#images-agreement").bounding_box()["height"] < 500  # not as tall as what is beside it
    area = tab.locator("#images-agreement .nsewdrag").first.bounding_box()
    place = area["x"] + 5, area["y"] + area["height"] - 5  # where both scores are easiest
    tab.mouse.move(*place)
    tab.locator("#images-agreement .hoverlayer text").first.wait_for()
    tab.mouse.click(*place)
    wait_for(tab, "cell-said", "images at this place, the 24 hardest of them")
    assert len(tiles(tab, "cell")) == 24


def test_duplicates_side_by_side(collection, open_tab, address):  # noqa: F811
    tab = open_tab(f"{address}?tab=duplicates")
    number = len(collection.duplicates.pairs)
    wait_for(tab, "pairs-said", f"1 to 24 of {number} pairs")
    first = collection.duplicates.pairs
    assert tab.locator(".images-pair").first.locator("[data-image]").first.get_attribute("data-image") == str(
        first.image[0]
    )
    tab.get_by_role("button", name="less alike ▶").click()
    wait_for(tab, "pairs-said", "25 to 48")
    tab.get_by_role("button", name="◀ more alike").click()
    wait_for(tab, "pairs-said", "1 to 24")
    tab.get_by_label("leaks into the test set").check()
    wait_for(tab, "pairs-said", f"of {int(first.in_test.sum())} pairs")
    assert (
        tab.locator(".images-pair").filter(has_text="leak into the test set").count()
        == tab.locator(".images-pair").count()
    )
    type_into(tab, "pair-typed", "3")
    wait_for_link(tab, pairs="train-test", pair="3")
    tab.get_by_label("exact copies").check()
    wait_for(tab, "pairs-said", "0 pairs")
    assert no_broken_pictures(tab)


def test_bad_values_give_a_sentence_and_lose_nothing(open_tab, address):  # noqa: F811
    tab = open_tab(f"{address}?f=7&colour=red&tab=gallery")
    wait_for(
        tab, "complaint", "In the link, fraction, the part kept, must lie in (0, 1], got 7; a link to this page has"
    )
    wait_for(tab, "summary", "600 of 1,200")
    for name, words, said in (
        ("fraction", "half", "fraction, the part kept, must be a number, got 'half'"),
        ("fraction", "0", "fraction, the part kept, must lie in (0, 1], got 0"),
        ("fraction", "0.001", "leaves no example of class"),
        ("share", "-1", "least share of a class must lie in [0, 1], got -1"),
        ("seed", "1.5", "seed must be an integer, got '1.5'"),
        ("power", "big", "could not convert string to float"),
    ):
        usual = tab.locator(f"input#images-{name}").input_value()
        type_into(tab, name, words)
        wait_for(tab, "complaint", said)
        assert tab.get_by_role("button", name="Kept images").is_disabled()
        type_into(tab, name, usual)
        tab.wait_for_function("() => document.querySelector('#images-complaint').innerText === ''")
    choose(tab, "kind", "window")
    type_into(tab, "number", "3")
    wait_for(tab, "complaint", "P must lie in [0, 1]")
    for words, said in (("0", "rank must lie in [1, 1200], got 0"), ("ten", "rank must be an integer, got 'ten'")):
        type_into(tab, "rank-typed", words)
        wait_for(tab, "rank-complaint", said)
    assert len(tiles(tab, "gallery")) == 60


def test_two_tabs_do_not_disturb_each_other(open_tab, address):  # noqa: F811
    one, other = open_tab(f"{address}?tab=gallery&f=0.2"), open_tab(f"{address}?tab=gallery&rank=500")
    wait_for(one, "summary", "240 of 1,200")
    wait_for(other, "summary", "600 of 1,200")
    type_into(one, "fraction", "0.4")
    choose(other, "score", "aum")
    wait_for(one, "summary", "480 of 1,200")
    wait_for(other, "summary", "600 of 1,200")
    wait_for(one, "gallery-said", "ranks 1 to 60")
    wait_for(other, "gallery-said", "ranks 500 to 559")
    again = open_tab(one.url)
    wait_for(again, "gallery-said", "ranks 1 to 60")
    assert tiles(again, "gallery") == tiles(one, "gallery")


@pytest.mark.parametrize(
    "place",
    [
        "{key}/train/112/1200.png",
        "{key}/train/112/-1.png",
        "{key}/both/112/0.png",
        "{key}/train/64/0.png",
        "0/train/112/0.png",
    ],
)
def test_pictures_that_there_are_not(collection, chromium, address, place):  # noqa: F811
    context = chromium.new_context()
    base = address.removesuffix("/images")
    assert context.request.get(f"{base}/pictures/{place.format(key=collection.key)}").status == 404
    there = context.request.get(f"{base}/pictures/{collection.key}/train/112/1199.png")
    assert there.status == 200
    assert there.headers["content-type"] == "image/png"
    assert "max-age=86400" in there.headers["cache-control"]
    context.close()


def test_without_files_digits_are_scored_in_the_background(open_tab, without_files):  # noqa: F811
    tab = open_tab(without_files)
    wait_for(tab, "commands", "python -m figures explore --scores")
    tab.get_by_role("button", name="Score the digits").click()
    tab.locator("#images-summary").filter(has_text="600 of 1,200").wait_for(timeout=120_000)
    wait_for_link(tab, data="digits")
    go_to(tab, "Images by rank")
    wait_for(tab, "gallery-said", "1 to 60 of 1,200")
    wait_for_link(tab, tab="gallery")
    again = open_tab(tab.url)
    wait_for(again, "gallery-said", "1 to 60 of 1,200")
    go_to(tab, "Kept and dropped")
    wait_for(tab, "command", "python -m real_data score --metrics el2n aum prototypes --num-networks 4")
